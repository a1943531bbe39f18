/*
 * zeros: bytes that are mostly zero, made short: a run of up to 255 zeros is a zero and its length,
 * all else stands as it is. Pure; any thread.
 */
#ifndef GRIDHUB_ZEROS_H
#define GRIDHUB_ZEROS_H

#include "base.h"

/* Appended to out, at most twice as long; out->failed when it does not fit. */
void zeros_pack(struct slice data, struct buf *out);
/* -EINVAL: not such bytes, or more than out takes; what was appended until then is of no use. */
must_check int zeros_unpack(struct slice packed, struct buf *out);

#endif
