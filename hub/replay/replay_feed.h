/*
 * replay_feed: what a replay reads out of PostgreSQL, in one read-only transaction: the registry,
 * gaps in what was heard, stored readings in the order of their arrival. Blocks; one thread.
 */
#ifndef GRIDHUB_REPLAY_FEED_H
#define GRIDHUB_REPLAY_FEED_H

#include "pg.h"
#include "registry.h"

/* Devices and grids as they are now; a device that was removed is not there. */
struct replay_roll {
	struct registry *registry;
	const struct device **chosen; /* those whose readings are wanted; owned */
	size_t nchosen;
	struct buf ids; /* of the chosen as an array literal; empty: all */
};
void replay_roll_done(struct replay_roll *roll); /* a zeroed struct is fine */

must_check int replay_feed_begin(struct pg *p, struct err *e);
/* device, grid: a device's name, a grid's code (with all below it); NULL: not asked for. -ENOENT:
 * there is none. */
must_check int replay_feed_roll(struct pg *p, int64_t district_id, const char *device,
				const char *grid, struct replay_roll *ret, struct err *e);
/* The first day (UTC) of which readings are stored; INT64_MAX: there are none. */
must_check int replay_feed_oldest(struct pg *p, int64_t district_id, int64_t *ret_us,
				  struct err *e);
/* When nothing could arrive from an adapter's devices, as two moments each, in order of time. */
struct replay_moment {
	int64_t at_us;
	bool over;	     /* it ended then; else it began */
	bool empty;	     /* at the time at which it began */
	const char *adapter; /* NULL: all */
	int64_t from_us;     /* of one that ended: when it had begun */
};
struct replay_gaps {
	struct replay_moment *v;
	size_t n;
	struct pg_rows *rows; /* the names of adapters */
};
void replay_gaps_done(struct replay_gaps *g); /* a zeroed struct is fine */
must_check int replay_feed_gaps(struct pg *p, int64_t district_id, int64_t from_us, int64_t to_us,
				struct replay_gaps *ret, struct err *e);

struct replay_reading {
	int64_t recv_us, at_us, device_id;
	struct reading r; /* kind and fields; good until the next one */
};
/* A negative errno ends the feed and is returned. */
typedef int (*replay_reading_fn)(void *ctx, const struct replay_reading *r);
must_check int replay_feed_readings(struct pg *p, int64_t district_id, int64_t from_us,
				    int64_t to_us, const struct replay_roll *roll,
				    replay_reading_fn fn, void *ctx, struct err *e);

#endif
