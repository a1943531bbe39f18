/*
 * spool_copy: a copy of a spool that a hub may be using, segment by segment, while it is at it (for
 * gridhub backup and restore). Takes no lock, changes nothing in the spool. One thread.
 *
 * Begin, step as often as a second or so (each copies the segments that are complete), finish. As
 * long as the hub keeps a segment for longer than the time between two steps, no record behind the
 * first one of the copy is missing in it; if one is, that is found out and an error.
 */
#ifndef GRIDHUB_SPOOL_COPY_H
#define GRIDHUB_SPOOL_COPY_H

#include "spool.h"

struct spool_copied {
	char id[33];
	uint64_t first_seq, next_seq; /* of the records in the copy; equal: there are none */
	uint64_t bytes, segments, damaged;
};

struct spool_copy;

/* `to` is made, and must not exist. */
must_check int spool_copy_begin(const char *from, const char *to, struct err *e,
				struct spool_copy **ret);
must_check int spool_copy_step(struct spool_copy *c, struct err *e);
/* Also the segment that is being appended to, as far as it has come; then all of it is on the disk,
 * every checksum has been looked at, and what was copied is told. */
must_check int spool_copy_finish(struct spool_copy *c, struct spool_copied *ret, struct err *e);
uint64_t spool_copy_bytes(const struct spool_copy *c);
void spool_copy_free(struct spool_copy *c); /* NULL is fine; files stay */
void spool_copy_freep(struct spool_copy **c);

/* The same of a spool that stands still: what is in it. -ENOENT: it is not there or has no
 * segments.
 */
must_check int spool_look(const char *dir, struct spool_copied *ret, struct err *e);
/* 1: a hub is using it; 0: none does, or it is not there; -errno. */
must_check int spool_in_use(const char *dir, struct err *e);

#endif
