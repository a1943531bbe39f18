#include "rule_look.h"
#include "times.h"

#define MAX_AGE_INTERVALS 3 /* a hold does not run out on a value older than so many intervals */

static void keep_fields(struct state *st, const struct reading *r)
{
	auto_buf struct buf b;
	buf_init(&b, RULE_FIELDS_MAX + 1);
	title_fields_json(st->rule->code->titles, COUNT_OF(st->rule->code->titles), r, &b);
	free(st->fields);
	st->fields = b.n && !b.failed ? slice_dup(buf_slice(&b)) : NULL;
	st->nfields = st->fields ? (uint8_t)b.n : 0;
}

static struct slice kept_fields(const struct state *st)
{
	return (struct slice){st->fields, st->nfields};
}

/* ---- phases ---- */

static int tell(const struct look *l, enum anomaly_kind kind, const struct rule *rule,
		const struct state *st, int64_t at_us)
{
	struct anomaly a = {
		.kind = kind,
		.rule = rule,
		.device = l->d,
		.at_us = at_us,
		.reading = l->r,
		.fields = st ? kept_fields(st) : (struct slice){0},
	};
	return l->fn ? l->fn(l->ctx, &a) : 0;
}

static int fire(const struct look *l, struct state *st, int64_t at_us)
{
	state_timer_stop(l->s, st);
	st->phase = PHASE_FIRING;
	st->since_us = at_us;
	int r = state_mark_dirty(l->s, st);
	return r ? r : tell(l, ANOMALY_FIRED, st->rule, st, at_us);
}

static int recover(const struct look *l, struct state *st, int64_t at_us)
{
	int r = state_end(l->s, st);
	return r ? r : tell(l, ANOMALY_RECOVERED, st->rule, st, at_us);
}

/* The hold of st has run out at its due time. */
static int run_out(const struct look *l, struct state *st)
{
	return st->phase == PHASE_PENDING ? fire(l, st, st->due_us) : recover(l, st, st->due_us);
}

/* A hold counts only as long as the last value is fresh; silence neither fires nor recovers. */
static bool fresh(const struct state *st)
{
	int64_t interval = st->device->interval_us;
	return interval <= 0 || st->due_us - st->seen_us <= MAX_AGE_INTERVALS * interval;
}

static int begin_hold(struct rule_states *s, struct state *st, enum rule_phase phase, int64_t at_us,
		      int64_t hold_us)
{
	st->phase = (uint8_t)phase;
	st->since_us = at_us;
	int r = state_timer_start(s, st, hold_us);
	return r ? r : state_mark_dirty(s, st);
}

static int on_pending(const struct look *l, struct state *st, bool when)
{
	if (!when)
		return state_end(l->s, st);
	keep_fields(st, l->r);
	if (l->at_us - st->since_us >= st->rule->for_us)
		return fire(l, st, l->at_us);
	return 0;
}

static int on_firing(const struct look *l, struct state *st, bool when, bool clear)
{
	bool clearing = st->phase == PHASE_CLEARING;
	int64_t hold = st->rule->clear_for_us;
	if (when || !clear) {
		if (clearing) {
			state_timer_stop(l->s, st);
			st->phase = PHASE_FIRING;
			st->since_us = l->at_us;
		}
		return when ? tell(l, ANOMALY_SEEN, st->rule, st, l->at_us) : 0;
	}
	if (hold == 0 || (clearing && l->at_us - st->since_us >= hold))
		return recover(l, st, l->at_us);
	return clearing ? 0 : begin_hold(l->s, st, PHASE_CLEARING, l->at_us, hold);
}

/* First sight of a rule that is true. */
static int on_ok(const struct look *l, struct state **at, const struct rule *rule)
{
	struct state *st = *at && (*at)->rule == rule ? *at : state_insert(l->s, at, rule, l->d);
	if (!st)
		return -ENOMEM;
	st->device = l->d;
	st->seen_us = l->at_us;
	keep_fields(st, l->r);
	if (rule->for_us == 0)
		return fire(l, st, l->at_us);
	return begin_hold(l->s, st, PHASE_PENDING, l->at_us, rule->for_us);
}

/*
 * Older than what was seen, so late; but not by days: then the clock was ahead when that was seen,
 * and has been put back, and what counts is what comes now (device_state does the same).
 */
#define CLOCK_RESET_US (2 * TIMES_DAY)

bool rule_is_late(int64_t at_us, int64_t seen_us)
{
	return at_us < seen_us && at_us > seen_us - CLOCK_RESET_US;
}

/* ---- one rule and one reading ---- */

/* The clock was put back: what began in a time that has not come yet begins now. */
static int restart_hold(const struct look *l, struct state *st)
{
	bool held = st->timer != NO_TIMER;
	st->seen_us = l->at_us;
	st->since_us = l->at_us;
	state_timer_stop(l->s, st);
	int r = state_mark_dirty(l->s, st);
	int64_t hold = st->phase == PHASE_PENDING ? st->rule->for_us : st->rule->clear_for_us;
	return r || !held ? r : state_timer_start(l->s, st, hold);
}

static int look_at_state(const struct look *l, struct state *st)
{
	const struct rule *rule = st->rule;
	if (rule_is_late(l->at_us, st->seen_us))
		return 0;
	if (l->at_us < st->seen_us && st->phase != PHASE_OK) {
		int r = restart_hold(l, st);
		if (r)
			return r;
	}
	/* Its timer first, as if nothing had come since: the result must not depend on ticks. */
	if (st->timer != NO_TIMER && st->due_us <= l->at_us) {
		struct look timer = *l;
		timer.r = NULL;
		int r = fresh(st) ? run_out(&timer, st) : 0;
		state_timer_stop(l->s, st);
		if (r)
			return r;
	}
	enum truth when = rule_truth(l, rule, rule->code->when);
	if (when == HOLD)
		return 0;
	st->device = l->d;
	if (st->phase == PHASE_OK)
		return when == YES ? on_ok(l, &st, rule) : 0;
	bool later = l->at_us > st->seen_us;
	st->seen_us = l->at_us;
	int r = later ? state_mark_dirty(l->s, st) : 0;
	if (r)
		return r;
	if (st->phase == PHASE_PENDING)
		return on_pending(l, st, when == YES);
	enum truth clear = when == YES ? NO : rule_clear(l, rule);
	return clear == HOLD ? 0 : on_firing(l, st, when == YES, clear == YES);
}

int rule_look_at(const struct look *l, const struct rule *rule, struct state **at)
{
	if (*at && (*at)->rule == rule)
		return look_at_state(l, *at);
	if (rule_truth(l, rule, rule->code->when) != YES)
		return 0;
	return rule->event ? tell(l, ANOMALY_FIRED, rule, NULL, l->at_us) : on_ok(l, at, rule);
}

int rule_states_tick(struct rule_states *s, int64_t now_us, anomaly_fn fn, void *ctx)
{
	while (s->nheap && s->heap[0]->due_us <= now_us) {
		struct state *st = s->heap[0];
		struct look l = {.s = s, .d = st->device, .at_us = now_us, .fn = fn, .ctx = ctx};
		int r = fresh(st) ? run_out(&l, st) : 0;
		state_timer_stop(s, st);
		if (r)
			return r;
	}
	return 0;
}
