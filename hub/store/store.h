/*
 * store: the thread that commits batches to PostgreSQL, one transaction each, and brings back what
 * changed in the registry.
 *
 * Exactly once: the cursor row of the spool moves in the same transaction. After an error, or a
 * COMMIT whose answer was lost, the store asks the database how far it got and sends the batch
 * again or does not. If another hub has taken the spool meanwhile (its epoch moved), the store
 * stops for good and says so by hooks.fatal.
 *
 * Two batches are under way at most (one being committed, one waiting); store_submit waits for
 * room. While the database is away the store tries again at growing intervals and says so in health
 * and log.
 */
#ifndef GRIDHUB_STORE_H
#define GRIDHUB_STORE_H

#include "batch.h"
#include "config.h"
#include "pg.h"

struct store;

struct store_hooks { /* called on the store's thread */
	void *ctx;
	/* The batch, NULL if alerts came up without one; the alerts that are owed now. */
	void (*committed)(void *ctx, const struct batch *b, size_t alerts);
	void (*changed)(void *ctx);		   /* store_take_changes has something */
	void (*fatal)(void *ctx, const char *why); /* the store has stopped for good */
};

/* What the engine starts from, or what changed since: rows as the database has them. */
struct store_changes {
	struct pg_rows *grids, *devices; /* columns of store_grids.sql, store_devices.sql; NULL =
					    nothing changed */
	/* Only in the first: */
	struct pg_rows *rule_states; /* store_rule_states.sql */
	struct pg_rows *cursor;	     /* store_cursor_take.sql */
	struct slice away;	     /* in cursor; what presence_load takes, with last_recv_us */
	int64_t last_recv_us;
	uint64_t memory_from_seq;
	bool first;
	int64_t district_id;
	uint64_t last_seq; /* what the database has of this spool */
	/* Further ones, after the first, in chunks: */
	struct pg_rows *memories; /* store_memories.sql */
	bool memories_end;	  /* this was the last chunk: the engine may begin */
	struct store_changes *next;
};
void store_changes_free(struct store_changes *c);

/* Connects and goes on trying in its own thread; conf and hooks' ctx are borrowed. */
must_check int store_start(const struct config *conf, const char *stream_id,
			   const struct store_hooks *hooks, struct err *e, struct store **ret);
/* Engine's thread. The oldest changes not yet taken, NULL if there are none; owned by the caller.
 */
struct store_changes *store_take_changes(struct store *s);
/* Engine's thread: an empty batch; waits while both are under way; NULL when the store is stopping
 * or has stopped. */
struct batch *store_batch(struct store *s);
/* Engine's thread: hand a batch over. */
void store_submit(struct store *s, struct batch *b);
/* Any thread: there is a connection, though it may be one that hangs. */
bool store_connected(struct store *s);
/* Engine's owner: from the time `until_us` (monotonic) on, store_batch waits no longer. */
void store_give_up_at(struct store *s, int64_t until_us);
/* Commit what was submitted, at most grace_us, then end the thread and free. NULL is fine. */
void store_stop(struct store *s, int64_t grace_us);

#endif
