/*
 * patrol_out: what is to be written down: beliefs, their changes, what is usual, pictures. Gathered
 * by the patrol's thread, also for hours while the database is away, within bounds; handed over as
 * a batch, whose owner then is the writing thread. Private to patrol*.c.
 */
#ifndef GRIDHUB_PATROL_OUT_H
#define GRIDHUB_PATROL_OUT_H

#include "patrol_set.h"
#include "pg_columns.h"

#define PATROL_SPANS_MAX 200000 /* more changes than these are counted and lost */
#define PATROL_SNAPSHOTS_MAX 500
#define PATROL_BATCH_ROWS 5000
#define PATROL_BATCH_BASELINES 500
#define PATROL_BATCH_SNAPSHOTS 50

struct patrol_span {
	int64_t id, from_us;
	enum probe_state state;
	enum probe_cause cause;
};

struct patrol_snapshot {
	char name[48];
	int64_t id, at_us;
	uint8_t *jpeg;
	uint32_t n;
};

struct patrol_out {
	struct patrol_span *spans;
	size_t nspans, spans_cap;
	struct patrol_snapshot *shots;
	size_t nshots, shots_cap;
};

struct patrol_batch {
	size_t nstates, nspans, nbaselines, nshots;
	struct pg_columns states, spans, baselines, shots;
	struct buf jpegs; /* as pg_bytes */
};

void patrol_out_done(struct patrol_out *o);
/* A belief that is another one from then on. */
void patrol_out_span(struct patrol_out *o, int64_t id, const struct plan_belief *b,
		     int64_t from_us);
/* Takes r's picture over; ret_name: what it will be called, "" if there is no room. */
void patrol_out_snapshot(struct patrol_out *o, struct probe_result *r, int64_t now_us,
			 char ret_name[static 48]);

/* What has gathered, or a part of it that is as much as one transaction should write; NULL: there
 * is nothing, or no memory (then it is still there). all: also baselines that were written of late.
 */
struct patrol_batch *patrol_out_batch(struct patrol_out *o, struct patrol_set *set, int64_t now_us,
				      bool all);
void patrol_batch_free(struct patrol_batch *b); /* NULL is fine */

#endif
