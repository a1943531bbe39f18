/*
 * process: what the kernel says of this process, under the names that Prometheus' own libraries
 * use. Any thread.
 */
#ifndef GRIDHUB_PROCESS_H
#define GRIDHUB_PROCESS_H

#include "base.h"

void process_write(struct buf *out);

#endif
