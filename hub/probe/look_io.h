/*
 * look_io: a TCP or TLS connection to a stream's server, read and written within the look's
 * deadline and budgets. Every failure is said in the run by the time it is returned. One thread.
 */
#ifndef GRIDHUB_LOOK_IO_H
#define GRIDHUB_LOOK_IO_H

#include <sys/types.h>

#include "look_resolve.h"
#include "look_run.h"
#include "look_url.h"
#include "tls.h"

#define LOOK_IO_BYTES 16384

struct look_io {
	struct look_run *run;
	int fd; /* -1: not open */
	struct tls *tls;
	bool patient;
	size_t at, n; /* what of buf is not used up */
	uint8_t buf[LOOK_IO_BYTES];
};

/* The settings of look_init. */
struct look_settings {
	struct look_limits limits;
	struct tls_trust *trust;
};
extern struct look_settings look_settings;

/* Resolve u's host, check each address, and note the first; for those who connect themselves. own:
 * what a person typed, or ops registered; else a playlist named it. */
must_check int look_io_find(struct look_run *run, const struct look_url *u, bool own,
			    struct look_address *ret, size_t *ret_n);
/* Connect to u's server, with TLS if it says so. */
must_check int look_io_open(struct look_io *io, struct look_run *run, const struct look_url *u,
			    bool own);
void look_io_close(struct look_io *io); /* safe on one that is not open */

/* From now on a wait for bytes is for many of them, or LOOK_IO_LULL_US: a stream that drips in
 * costs a fifth of the CPU time then, and what comes in a burst, as a keyframe does, is there at
 * once. */
void look_io_patient(struct look_io *io);
#define LOOK_IO_LULL_US INT64_C(100000)
/* At least one byte, or 0: the end. -errno. */
must_check ssize_t look_io_some(struct look_io *io, void *p, size_t n);
/* All n bytes; the end is a failure. */
must_check int look_io_exactly(struct look_io *io, void *p, size_t n);
/* Up to '\n', without it and a '\r' before it, NUL-terminated. Longer ones fail as too big. */
must_check int look_io_line(struct look_io *io, char *ret, size_t size);
must_check int look_io_byte(struct look_io *io, uint8_t *ret);
must_check int look_io_write(struct look_io *io, struct slice s);
/* Say s if it can be said at once; for a goodbye. */
void look_io_hint(struct look_io *io, struct slice s);

#endif
