/*
 * silence: alerts and cases that are held back for a while, as `gridhub silence` and the hub's API
 * ask for them: what is asked is checked here, once for both. One thread at a time.
 */
#ifndef GRIDHUB_SILENCE_H
#define GRIDHUB_SILENCE_H

#include "pg.h"

#define SILENCE_LIST_MAX 10000

/* What is asked for, as it was written; NULL: not given. Borrowed. */
struct silence {
	const char *device, *grid, *kind, *rule; /* all that are given must match */
	const char *for_, *from, *to;		 /* "2h"; RFC 3339 */
	const char *by, *reason;
	bool maintenance;
	int64_t from_us, to_us; /* what silence_check made of the times */
};

/* Every text of it: its name for people, and where it stands. */
struct silence_text {
	const char *name;
	size_t at, max;
};
extern const struct silence_text silence_texts[];
extern const size_t silence_texts_count;

/* Fills from_us and to_us. before: what stands before a name in an error ("--", ""). -EINVAL: e
 * names what is at fault and its value. */
must_check int silence_check(struct silence *s, const char *before, int64_t now_us, struct err *e);
/*
 * One row of one JSON text: {"id", "from", "to"}. What went through silence_check. -ENOENT: there
 * is no such device or grid; else errors of pg_query, as in what follows.
 */
must_check int silence_add(struct pg *pg, int64_t district, const struct silence *s, struct err *e,
			   struct pg_rows **ret);
/* A row of JSON each, the oldest first, at most n; all: those that are over, too. */
must_check int silence_list(struct pg *pg, int64_t district, bool all, size_t n, struct err *e,
			    struct pg_rows **ret);
/* {"id", "to"}. -EINVAL: `by` is missing or too long; -ENOENT: there is none, or it is over. */
must_check int silence_end(struct pg *pg, int64_t district, int64_t id, const char *by,
			   const char *before, struct err *e, struct pg_rows **ret);

#endif
