/*
 * look_hls: HLS, read by ourselves: a playlist of at most 64 KB, and the pieces it names one by
 * one. Where a piece lies elsewhere, that is a redirection: only to allowed addresses, and without
 * the password.
 */
#ifndef GRIDHUB_LOOK_HLS_H
#define GRIDHUB_LOOK_HLS_H

#include "look_stream.h"
#include "look_url.h"

/* Into s until it has what it wants; -errno, said in the run. A watch also sees whether the
 * playlist goes on. */
must_check int look_hls_read(struct look_run *run, const struct look_url *u, struct look_stream *s);

#endif
