/*
 * spool_segment: the form of records in a segment file, and a cursor over one that skips damaged
 * places. For spool.c and spool_visit.c only. One thread per cursor.
 */
#ifndef GRIDHUB_SPOOL_SEGMENT_H
#define GRIDHUB_SPOOL_SEGMENT_H

#include <limits.h>

#include "spool.h"

#define SPOOL_HEAD 48 /* bytes of a record's head */
#define SPOOL_BODY_MAX (SPOOL_PAYLOAD_MAX + SPOOL_TOPIC_MAX + SPOOL_SOURCE_MAX)

/* Append the record as it stands on disk to b. -EMSGSIZE past the maxima above. */
must_check int spool_encode(struct buf *b, const struct spool_record *rec);

struct spool_cursor {
	int fd;
	uint64_t off; /* of the next record in the file */
	char *buf;    /* owned: file bytes from buf_off, buf_n of them */
	uint64_t buf_off;
	size_t buf_n, buf_cap;
	uint64_t damaged_from; /* where the last skipped place began; it ends at off */
};

void spool_cursor_init(struct spool_cursor *c, int fd);
void spool_cursor_done(struct spool_cursor *c); /* closes fd */
/*
 * The next record before `end`: 1 and *ret (good until the next call); 0: none; -EILSEQ: bytes
 * damaged_from..off are no record, call again for what follows; other -errno: the disk fails.
 */
must_check int spool_cursor_next(struct spool_cursor *c, uint64_t end, struct spool_record *ret);

/* Names of segments in dir as their first seq, ascending; owned by the caller. */
must_check int spool_list(const char *dir, uint64_t **ret, size_t *ret_n, struct err *e);
#define SPOOL_NAME_MAX 32
void spool_name(uint64_t first_seq, char ret[static SPOOL_NAME_MAX]);

/*
 * Keep a copy of bytes from..to of a segment in DIR/damaged, so that somebody can look at them; a
 * disk that is full or failing must not stop what follows. ret = the copy's path, for the log.
 */
void spool_set_aside(const char *dir, int fd, uint64_t first_seq, uint64_t from, uint64_t to,
		     char ret[static PATH_MAX]);

#endif
