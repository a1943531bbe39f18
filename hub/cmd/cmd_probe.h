/* cmd_probe: what came of a look, for programs and for people. */
#ifndef GRIDHUB_CMD_PROBE_H
#define GRIDHUB_CMD_PROBE_H

#include "probe.h"

/* A line; the URL stands in it without user and password. */
void cmd_probe_json(const char *url, const struct probe_result *r, struct buf *out);
/* Some lines. */
void cmd_probe_report(const char *url, const struct probe_result *r, struct buf *out);

#endif
