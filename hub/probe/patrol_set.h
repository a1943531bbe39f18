/*
 * patrol_set: the streams that this hub looks at, with what is remembered of each. Private to
 * patrol*.c; owned by the patrol's thread.
 */
#ifndef GRIDHUB_PATROL_SET_H
#define GRIDHUB_PATROL_SET_H

#include "baseline.h"
#include "pg.h"
#include "plan.h"

struct patrol_piece {	  /* of an HLS stream: probe_result.piece */
	uint64_t hash;	  /* 0: none was seen */
	int64_t since_us; /* when it was seen first, monotonic */
};

struct patrol_stream {
	int64_t id; /* of the device */
	int share;
	bool ptz, placed;
	double lon, lat;
	const char *host, *glance, *whole, *adapter, *address; /* URLs with their passwords */
	char *text;					       /* where those five stand */
	size_t text_n;
	struct baseline *baseline;
	struct plan_belief belief;
	int64_t looked_us, shown_us;  /* the last look that said something; the last keyframe; 0 */
	int64_t accepted_us;	      /* people accepted a new view, and that is not written yet */
	int64_t baseline_us;	      /* when the baseline was written last */
	struct patrol_piece piece[2]; /* of glance, of whole; not kept over a restart */
	char detail[160];
	bool said, dirty, baseline_dirty; /* there is a belief; to be written */
};

struct patrol_set {
	struct patrol_stream **v; /* by id */
	size_t n, cap;
};

struct patrol_set_hooks {
	void *ctx;
	/* New, or with another URL or place. b: what was believed; NULL: nothing. */
	int (*put)(void *ctx, struct patrol_stream *s, const struct plan_belief *b);
	void (*gone)(void *ctx, const struct patrol_stream *s);
};

void patrol_set_done(struct patrol_set *set);
struct patrol_stream *patrol_set_find(const struct patrol_set *set, int64_t id);
/* What a look of this depth is asked for: its URL, and the piece that was seen there. */
void patrol_stream_ask(struct patrol_stream *s, int64_t mono_us, struct probe_request *q);
/* What it said of the piece. */
void patrol_stream_note(struct patrol_stream *s, const struct probe_result *r, int64_t mono_us);
/* The set is what the rows (patrol_streams.sql) say; what is in it already keeps what it knows.
 * -ENOMEM: some are missing. */
must_check int patrol_set_take(struct patrol_set *set, const struct pg_rows *rows,
			       const struct patrol_set_hooks *hooks);
/* Those of other shares than these go. */
void patrol_set_keep(struct patrol_set *set, uint64_t shares, const struct patrol_set_hooks *hooks);

#endif
