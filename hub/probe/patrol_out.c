#include "patrol_out.h"

#include <inttypes.h>

#include "metrics.h"
#include "times.h"

/* What is lost of a baseline is learnt again within hours. */
#define BASELINE_EVERY_US (30 * TIMES_MIN)
#define JPEGS_MAX ((size_t)PATROL_BATCH_SNAPSHOTS * (PROBE_SNAPSHOT_MAX + 64))

enum { STATE_COLUMNS = 8, SPAN_COLUMNS = 4, BASELINE_COLUMNS = 3, SHOT_COLUMNS = 3 };

void patrol_out_done(struct patrol_out *o)
{
	for (size_t i = 0; i < o->nshots; i++)
		free(o->shots[i].jpeg);
	free(o->spans);
	free(o->shots);
	*o = (struct patrol_out){0};
}

void patrol_out_span(struct patrol_out *o, int64_t id, const struct plan_belief *b, int64_t from_us)
{
	if (mem_grow(&o->spans, &o->spans_cap, o->nspans + 1, PATROL_SPANS_MAX, sizeof *o->spans)) {
		metric_add(M_PROBE_SPANS_LOST, 1);
		return;
	}
	o->spans[o->nspans++] = (struct patrol_span){id, from_us, b->state, b->cause};
}

void patrol_out_snapshot(struct patrol_out *o, struct probe_result *r, int64_t now_us,
			 char ret_name[static 48])
{
	ret_name[0] = 0;
	if (!r->snapshot_len)
		return;
	if (mem_grow(&o->shots, &o->shots_cap, o->nshots + 1, PATROL_SNAPSHOTS_MAX,
		     sizeof *o->shots)) {
		metric_add(M_PROBE_SNAPSHOTS_LOST, 1);
		return;
	}
	struct patrol_snapshot *s = &o->shots[o->nshots++];
	*s = (struct patrol_snapshot){
		.id = r->id, .at_us = now_us, .jpeg = r->snapshot, .n = r->snapshot_len};
	snprintf(s->name, sizeof s->name, "%" PRId64 "-%" PRId64, r->id, now_us);
	memcpy(ret_name, s->name, sizeof s->name);
	r->snapshot = NULL;
	r->snapshot_len = 0;
}

/* ---- batches ---- */

void patrol_batch_free(struct patrol_batch *b)
{
	if (!b)
		return;
	pg_columns_done(&b->states);
	pg_columns_done(&b->spans);
	pg_columns_done(&b->baselines);
	pg_columns_done(&b->shots);
	buf_done(&b->jpegs);
	free(b);
}

static struct patrol_batch *batch_new(void)
{
	struct patrol_batch *b = mem_new(sizeof *b);
	if (!b)
		return NULL;
	pg_columns_init(&b->states, STATE_COLUMNS);
	pg_columns_init(&b->spans, SPAN_COLUMNS);
	pg_columns_init(&b->baselines, BASELINE_COLUMNS);
	pg_columns_init(&b->shots, SHOT_COLUMNS);
	buf_init(&b->jpegs, JPEGS_MAX);
	pg_bytes_begin(&b->jpegs);
	return b;
}

static void put_state(struct patrol_batch *b, const struct patrol_stream *s)
{
	struct buf *c = b->states.c;
	const char *cause = s->belief.cause ? probe_cause_words[s->belief.cause] : "";
	pg_array_i64(&c[0], s->id);
	pg_array_i64(&c[1], s->belief.state);
	pg_array_str(&c[2], slice_of(probe_step_words[s->belief.step]));
	pg_array_str(&c[3], slice_of(cause));
	pg_array_i64(&c[4], s->belief.since_us);
	pg_array_i64(&c[5], s->looked_us);
	pg_array_i64(&c[6], s->shown_us);
	pg_array_str(&c[7], slice_of(s->detail));
	b->nstates++;
}

static void put_baseline(struct patrol_batch *b, const struct patrol_stream *s)
{
	struct buf *c = b->baselines.c;
	auto_buf struct buf json;
	buf_init(&json, BASELINE_BYTES_MAX + 1);
	baseline_json(s->baseline, &json);
	if (json.failed)
		return;
	pg_array_i64(&c[0], s->id);
	pg_array_str(&c[1], buf_slice(&json));
	pg_array_i64(&c[2], s->accepted_us);
	b->nbaselines++;
}

static void put_streams(struct patrol_batch *b, struct patrol_set *set, int64_t now_us, bool all)
{
	for (size_t i = 0; i < set->n; i++) {
		struct patrol_stream *s = set->v[i];
		if (s->dirty && b->nstates < PATROL_BATCH_ROWS) {
			put_state(b, s);
			s->dirty = false;
		}
		bool due =
			s->baseline_dirty && (all || now_us - s->baseline_us >= BASELINE_EVERY_US);
		if (due && b->nbaselines < PATROL_BATCH_BASELINES) {
			put_baseline(b, s);
			s->baseline_dirty = false;
			s->baseline_us = now_us;
		}
	}
}

static void put_spans(struct patrol_batch *b, struct patrol_out *o)
{
	size_t n = MIN_OF(o->nspans, (size_t)PATROL_BATCH_ROWS);
	for (size_t i = 0; i < n; i++) {
		const struct patrol_span *s = &o->spans[i];
		struct buf *c = b->spans.c;
		pg_array_i64(&c[0], s->id);
		pg_array_i64(&c[1], s->from_us);
		pg_array_i64(&c[2], s->state);
		pg_array_str(&c[3], slice_of(s->cause ? probe_cause_words[s->cause] : ""));
	}
	memmove(o->spans, o->spans + n, (o->nspans - n) * sizeof *o->spans);
	o->nspans -= n;
	b->nspans = n;
}

static void put_shots(struct patrol_batch *b, struct patrol_out *o)
{
	size_t n = MIN_OF(o->nshots, (size_t)PATROL_BATCH_SNAPSHOTS);
	for (size_t i = 0; i < n; i++) {
		struct patrol_snapshot *s = &o->shots[i];
		struct buf *c = b->shots.c;
		pg_array_str(&c[0], slice_of(s->name));
		pg_array_i64(&c[1], s->id);
		pg_array_i64(&c[2], s->at_us);
		pg_bytes_put(&b->jpegs, (struct slice){(const char *)s->jpeg, s->n});
		free(s->jpeg);
	}
	memmove(o->shots, o->shots + n, (o->nshots - n) * sizeof *o->shots);
	o->nshots -= n;
	b->nshots = n;
}

/* Once: a batch may be sent several times. */
static void close_columns(struct patrol_batch *b)
{
	struct pg_columns *all[] = {&b->states, &b->spans, &b->baselines, &b->shots};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		for (size_t c = 0; c < all[i]->n; c++)
			pg_array_end(&all[i]->c[c]);
}

struct patrol_batch *patrol_out_batch(struct patrol_out *o, struct patrol_set *set, int64_t now_us,
				      bool all)
{
	struct patrol_batch *b = batch_new();
	if (!b)
		return NULL;
	put_streams(b, set, now_us, all);
	if (o->nspans)
		put_spans(b, o);
	if (o->nshots)
		put_shots(b, o);
	close_columns(b);
	if (b->nstates || b->nspans || b->nbaselines || b->nshots)
		return b;
	patrol_batch_free(b);
	return NULL;
}
