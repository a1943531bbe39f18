/*
 * bundle: what is owed to grid leaders, made into messages that are no flood. Pure: no database, no
 * clock.
 *
 * Alerts are grouped by endpoint, grid and kind. The first of a group goes at once; what follows
 * waits for `wait` (half of it if urgent), then four times as long after each message, at most
 * `interval`, and goes as one digest with counts and the first few. A group that was quiet for
 * `interval` begins anew. So a cause that raises a thousand cases within a minute makes three
 * messages. When more than BUNDLE_GROUPS_MAX groups of one endpoint are due at once, one digest is
 * made of all of them.
 */
#ifndef GRIDHUB_BUNDLE_H
#define GRIDHUB_BUNDLE_H

#include "rule.h"

#define BUNDLE_GROUPS_MAX 3
#define BUNDLE_SHOWN 5	    /* cases that a digest tells of, the worst first */
#define BUNDLE_IDS_MAX 1000 /* cases whose numbers stand in it */
#define BUNDLE_OUTSTANDING                                                                        \
	3		      /* messages that may wait at an endpoint before the rest is bundled \
			       */
#define BUNDLE_ITEMS_MAX 5000 /* in one run */

struct bundle_item { /* what is owed; all borrowed */
	int64_t id, case_id, grid_id, created_us;
	struct slice kind, event, alert, endpoint, fallback, person, message_id;
	enum severity severity;
	int64_t quiet_until_us, silent_until_us; /* 0: it is not */
	int64_t after_us;	/* an earlier one of its case waits until then; 0: none */
	enum lang lang;		/* of its endpoint */
	bool alone;		/* its endpoint takes each alert by itself, at once */
	bool case_outstanding;	/* an earlier message about its case is under way */
	int64_t outstanding;	/* messages under way to its endpoint */
	int64_t group_last_us;	/* 0: never */
	int64_t group_messages; /* since the last pause */
	/* what is decided */
	int64_t due_us; /* > 0: it waits until then */
	bool drop;	/* nothing is to be said of it */
	size_t message; /* index of its message; SIZE_MAX: none */
};

struct bundle_message {
	struct slice message_id, endpoint, fallback, person, event,
		alert;	 /* endpoint.p NULL: none */
	int64_t case_id; /* 0: about several */
	size_t first, n; /* how many items; the first of them */
};

struct bundle_conf {
	int64_t now_us, wait_us, interval_us; /* wait 0: each alert by itself, at once */
};

struct bundle {
	struct arena arena; /* owns the texts of digests */
	struct bundle_message *v;
	size_t n, cap;
};

void bundle_init(struct bundle *b);
void bundle_done(struct bundle *b);
/* Decide about the items (sorted by endpoint, grid, kind, id), at most BUNDLE_ITEMS_MAX. -ENOMEM,
 * -E2BIG. */
must_check int bundle_run(struct bundle *b, struct bundle_item *items, size_t n,
			  const struct bundle_conf *conf);

#endif
