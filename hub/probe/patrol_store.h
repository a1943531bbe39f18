/*
 * patrol_store: the thread that leases shares, loads their streams and writes batches, with a
 * connection of its own. Private to patrol*.c.
 *
 * A batch is tried until it is in, or the server says that it cannot be. The leases are asked for
 * each 10 s; with each answer the patrol gets what it may look at, and until when.
 */
#ifndef GRIDHUB_PATROL_STORE_H
#define GRIDHUB_PATROL_STORE_H

#include "patrol.h"
#include "patrol_out.h"

#define PATROL_SHARES 64

/* The answer to a lease. */
struct patrol_news {
	uint64_t shares;
	size_t hubs;		 /* that live, this one too */
	int64_t until_us;	 /* monotonic: when the lease runs out */
	struct pg_rows *streams; /* of these shares; NULL: they are as before */
	int64_t maintenance;	 /* how many of them are in maintenance */
};
void patrol_news_done(struct patrol_news *n);

struct patrol_store;

/* conf is borrowed; hub: the name to lease under. wake is called when there are news. */
must_check int patrol_store_start(const struct config *conf, const char *hub,
				  const struct patrol_hooks *hooks, struct err *e,
				  struct patrol_store **ret);
/* The patrol's thread, all of these. */
bool patrol_store_news(struct patrol_store *s, struct patrol_news *ret);
/* The shares that are being looked at all the time: a late answer makes no gap of them. */
void patrol_store_held(struct patrol_store *s, uint64_t shares);
/* False: the batch before is still under way, and b stays the caller's. */
bool patrol_store_write(struct patrol_store *s, struct patrol_batch *b);
bool patrol_store_idle(struct patrol_store *s);
/* Settings of how much is kept. */
void patrol_store_keep(struct patrol_store *s, int64_t snapshot_keep_us, int64_t snapshot_max);
/* Writes what it has, within grace_us, gives the shares back, ends the thread. NULL is fine. */
void patrol_store_stop(struct patrol_store *s, int64_t grace_us);

#endif
