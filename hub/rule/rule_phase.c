/*
 * DESIGN. A timer is run when a tick reaches it or when a reading of the same device comes, in
 * either case before anything of that reading counts, and always with the time at which it ran out:
 * so the result depends on the readings alone. A timer may stand too early in the heap (that of a
 * firing state is not moved with each reading); when it runs, the time is computed anew.
 */
#include "rule_grid.h"
#include "rule_hold.h"
#include "rule_silence.h"
#include "rule_timer.h"
#include "times.h"

#define MAX_AGE_INTERVALS 3    /* a hold does not run out on a value older than so many intervals */
#define HOLD_GAP_US TIMES_HOUR /* a hold that was broken for longer begins anew */

static void see(struct state *st, int64_t at_us)
{
	st->seen_us = at_us;
	st->rechecked = false;
}

static void keep_fields(struct state *st, const struct reading *r)
{
	auto_buf struct buf b;
	buf_init(&b, RULE_FIELDS_MAX + 1);
	title_fields_json(st->rule->code->titles, COUNT_OF(st->rule->code->titles), r, &b);
	free(st->fields);
	st->fields = b.n && !b.failed ? slice_dup(buf_slice(&b)) : NULL;
	st->nfields = st->fields ? (uint8_t)b.n : 0;
}

/* ---- phases ---- */

static int tell(const struct look *l, enum anomaly_kind kind, const struct state *st, int64_t at_us,
		bool flapping)
{
	struct anomaly a = {
		.kind = kind,
		.rule = st->rule,
		.device = st->device,
		.at_us = at_us,
		.reading = l->r,
		.fields = {st->fields, st->nfields},
		.flapping = flapping,
	};
	return l->fn ? l->fn(l->ctx, &a) : 0;
}

static int tell_event(const struct look *l, const struct rule *rule)
{
	struct anomaly a = {.kind = ANOMALY_FIRED,
			    .rule = rule,
			    .device = l->d,
			    .at_us = l->at_us,
			    .reading = l->r};
	return l->fn ? l->fn(l->ctx, &a) : 0;
}

static int enter(const struct look *l, struct state *st, enum rule_phase phase, int64_t at_us)
{
	st->phase = (uint8_t)phase;
	st->since_us = at_us;
	int r = state_timer_start(l->s, st, state_due(st));
	return r ? r : state_mark_dirty(l->s, st);
}

int rule_look_fire(const struct look *l, struct state *st, int64_t at_us)
{
	bool flaps = state_count_firing(st, at_us);
	int r = enter(l, st, PHASE_FIRING, at_us);
	return r ? r : tell(l, ANOMALY_FIRED, st, at_us, flaps);
}

int rule_look_recover(const struct look *l, struct state *st, int64_t at_us)
{
	bool flapped = st->flapping;
	if (flapped)
		state_forget_firings(st); /* it has been quiet for long enough */
	int r = state_end(l->s, st, at_us);
	if (!r)
		r = tell(l, ANOMALY_RECOVERED, st, at_us, flapped);
	state_clear_fields(st);
	return r;
}

int rule_look_clear(const struct look *l, struct state *st, int64_t at_us)
{
	return state_clear_hold(st) ? enter(l, st, PHASE_CLEARING, at_us)
				    : rule_look_recover(l, st, at_us);
}

int rule_look_relapse(const struct look *l, struct state *st, int64_t at_us)
{
	return enter(l, st, PHASE_FIRING, at_us);
}

static int on_pending(const struct look *l, struct state *st, bool when)
{
	if (!when)
		return state_end(l->s, st, l->at_us);
	keep_fields(st, l->r);
	if (rule_hold_over(st->rule, st->since_us, l->at_us))
		return rule_look_fire(l, st, l->at_us);
	return st->timer == NO_TIMER ? state_timer_start(l->s, st, state_due(st)) : 0;
}

static int on_firing(const struct look *l, struct state *st, bool when, bool clear)
{
	bool clearing = st->phase == PHASE_CLEARING;
	int r = 0;
	if (when || !clear) {
		if (clearing)
			r = enter(l, st, PHASE_FIRING, l->at_us);
		else if (st->timer == NO_TIMER)
			r = state_timer_start(l->s, st, state_due(st));
		return r || !when ? r : tell(l, ANOMALY_SEEN, st, l->at_us, false);
	}
	if (!clearing)
		return rule_look_clear(l, st, l->at_us);
	if (l->at_us - st->since_us >= state_clear_hold(st))
		return rule_look_recover(l, st, l->at_us);
	return st->timer == NO_TIMER ? state_timer_start(l->s, st, state_due(st)) : 0;
}

/* First sight of a rule that is true. */
static int on_ok(const struct look *l, struct state *st)
{
	see(st, l->at_us);
	st->since_us = l->at_us;
	keep_fields(st, l->r);
	if (rule_hold_over(st->rule, l->at_us, l->at_us))
		return rule_look_fire(l, st, l->at_us);
	return enter(l, st, PHASE_PENDING, l->at_us);
}

/*
 * Older than what was seen, so late; but not by days: then the clock was ahead when that was seen,
 * and has been put back, and what counts is what comes now (device_state does the same).
 */
#define CLOCK_RESET_US (2 * TIMES_DAY)
#define CLOCK_AHEAD_US TIMES_HOUR /* no time is believed that is further ahead of arrival */

bool rule_is_late(const struct rule_states *s, int64_t at_us, int64_t seen_us)
{
	if (s->arrivals_told && seen_us > s->now_us + CLOCK_AHEAD_US)
		return false;
	return at_us < seen_us && at_us > seen_us - CLOCK_RESET_US;
}

/* ---- timers ---- */

/* A hold counts only as long as the last value is fresh; that nothing comes neither fires nor
 * recovers. That windows ran empty is as good as a value. */
static bool fresh(const struct state *st)
{
	int64_t interval = st->device->interval_us, seen = st->seen_us;
	if (st->phase == PHASE_CLEARING && st->rule->code->recheck_us)
		seen = MAX_OF(seen, st->since_us);
	return interval <= 0 || st->due_us - seen <= MAX_AGE_INTERVALS * interval;
}

/* Its windows have run empty: is it still so? Asked once after each reading that fed them. */
static int look_again(const struct look *l, struct state *st)
{
	int r = rule_look_show(l);
	if (r)
		return r;
	st->rechecked = true;
	r = state_mark_dirty(l->s, st);
	if (!r && rule_truth(l, st->rule, st->rule->code->when) == NO) {
		if (st->phase == PHASE_PENDING)
			r = state_end(l->s, st, l->at_us);
		else if (rule_clear(l, st->rule) == YES)
			r = rule_look_clear(l, st, l->at_us);
	}
	rule_look_hide(l->s);
	bool idle = st->timer == NO_TIMER;
	return r || !idle ? r : state_timer_start(l->s, st, state_due(st));
}

static int run_timer(const struct look *l, struct state *st)
{
	struct look t = {
		.s = l->s, .d = st->device, .at_us = st->due_us, .fn = l->fn, .ctx = l->ctx};
	int64_t since = st->since_us;
	state_timer_stop(l->s, st);
	if (state_recheck_due(st) <= t.at_us)
		return look_again(&t, st);
	switch ((enum rule_phase)st->phase) {
	case PHASE_PENDING:
		if (!rule_hold_over(st->rule, since, t.at_us)) {
			int64_t due = rule_hold_due(st->rule, since, t.at_us);
			return state_timer_start(l->s, st, MIN_OF(due, state_recheck_due(st)));
		}
		return fresh(st) ? rule_look_fire(&t, st, t.at_us) : 0;
	case PHASE_CLEARING:
		if (rule_is_of_silence(st->rule))
			return silence_cleared(&t, st);
		return fresh(st) ? rule_look_recover(&t, st, t.at_us) : 0;
	case PHASE_FIRING:
		return state_timer_start(l->s, st, state_due(st));
	case PHASE_QUIET:
		return state_end(l->s, st, t.at_us);
	case PHASE_OK:
	default:
		return 0;
	}
}

static void choose_due(struct state *st, int64_t at_us, struct state **best)
{
	if (st->timer == NO_TIMER || st->due_us > at_us || rule_is_of_silence(st->rule))
		return;
	if (!*best || state_timer_sooner(st, *best))
		*best = st;
}

/* The state of l->d or of its grid whose timer ran out first, by l->at_us; NULL: none did. */
static struct state *first_due(const struct look *l)
{
	const struct rule_states *s = l->s;
	const struct state *soonest = state_timer_first(s);
	struct state *best = NULL, *st;
	if (!soonest || soonest->due_us > l->at_us)
		return NULL;
	for (st = state_first(s, l->d); st; st = st->next)
		choose_due(st, l->at_us, &best);
	for (st = grid_state_first(s, grid_id_of(l->d)); st; st = grid_state_next(st))
		choose_due(st, l->at_us, &best);
	return best;
}

int rule_look_begin(const struct look *l)
{
	struct rule_states *s = l->s;
	struct state *st;
	int r = 0;
	if (s->now_us && rule_states_next(s) <= s->now_us)
		r = rule_states_tick(s, s->now_us, l->fn, l->ctx);
	if (!r && l->r->kind != READING_LOOK)
		r = silence_heard(l);
	while (!r && (st = first_due(l)))
		r = run_timer(l, st);
	return r;
}

static int64_t state_next(const struct rule_states *s)
{
	const struct state *st = state_timer_first(s);
	return st ? st->due_us : INT64_MAX;
}

int64_t rule_states_next(const struct rule_states *s)
{
	return MIN_OF(state_next(s), silence_next(s));
}

int rule_states_tick(struct rule_states *s, int64_t now_us, anomaly_fn fn, void *ctx)
{
	struct look l = {.s = s, .at_us = now_us, .fn = fn, .ctx = ctx};
	int r = 0;
	silence_at(s, now_us);
	s->now_us = now_us;
	while (!r && rule_states_next(s) <= now_us)
		r = state_next(s) <= silence_next(s) ? run_timer(&l, state_timer_first(s))
						     : silence_run(&l);
	return r;
}

void rule_states_at(struct rule_states *s, uint64_t seq, int64_t recv_us)
{
	silence_at(s, recv_us);
	s->seq = seq;
	s->now_us = recv_us;
	s->arrivals_told = true;
}

/* ---- gaps ---- */

static int resume_state(struct rule_states *s, struct state *st, int64_t to_us)
{
	if (st->phase == PHASE_FIRING && st->timer != NO_TIMER) /* windows run empty later */
		return state_timer_start(s, st,
					 MAX_OF(st->due_us, to_us + st->rule->code->recheck_us));
	if ((st->phase != PHASE_PENDING && st->phase != PHASE_CLEARING) || st->since_us >= to_us)
		return 0;
	st->since_us = to_us;
	int r = state_timer_start(s, st, state_due(st));
	return r ? r : state_mark_dirty(s, st);
}

int rule_states_resume(struct rule_states *s, const char *adapter, int64_t from_us, int64_t to_us)
{
	int r = 0;
	silence_resume(s, adapter, to_us);
	for (size_t i = 0; i < s->ndevices && to_us - from_us > HOLD_GAP_US && !r; i++) {
		struct state *st = s->devices[i].first;
		for (; st && !r; st = st->next)
			if (!adapter || strcmp(st->device->adapter, adapter) == 0)
				r = resume_state(s, st, to_us);
	}
	return r;
}

/* ---- one rule and one reading ---- */

static bool idle(const struct state *st)
{
	return st->phase == PHASE_OK || st->phase == PHASE_QUIET;
}

/* The clock was put back: what began in a time that has not come yet begins now. */
static int restart_hold(const struct look *l, struct state *st)
{
	bool held = st->timer != NO_TIMER;
	see(st, l->at_us);
	st->since_us = l->at_us;
	state_timer_stop(l->s, st);
	int r = state_mark_dirty(l->s, st);
	return r || !held ? r : state_timer_start(l->s, st, state_due(st));
}

/* A look that holds the state may have fed its windows: they run empty later. */
static int hold(const struct look *l, struct state *st)
{
	if (idle(st) || !st->rule->code->recheck_us)
		return 0;
	see(st, l->at_us);
	int r = state_mark_dirty(l->s, st);
	return r || st->timer != NO_TIMER ? r : state_timer_start(l->s, st, state_due(st));
}

static int look_at_state(const struct look *l, struct state *st, enum truth when)
{
	if (when == HOLD)
		return hold(l, st);
	if (idle(st))
		return when == YES ? on_ok(l, st) : 0;
	int r = l->at_us == st->seen_us ? 0 : state_mark_dirty(l->s, st);
	if (r)
		return r;
	see(st, l->at_us);
	if (st->phase == PHASE_PENDING)
		return on_pending(l, st, when == YES);
	enum truth clear = when == YES ? NO : rule_clear(l, st->rule);
	return clear == HOLD ? 0 : on_firing(l, st, when == YES, clear == YES);
}

static int look_at_device(const struct look *l, struct state *st)
{
	bool busy = !idle(st);
	if (busy && rule_is_late(l->s, l->at_us, st->seen_us))
		return 0;
	int r = busy && l->at_us < st->seen_us ? restart_hold(l, st) : 0;
	return r ? r : look_at_state(l, st, rule_truth(l, st->rule, st->rule->code->when));
}

/* The clocks of a grid's devices differ by a little: its time is that of the newest. */
static int look_at_grid(const struct look *l, struct state *st)
{
	struct look newest = *l;
	enum truth when = rule_truth(l, st->rule, st->rule->code->when);
	bool busy = !idle(st);
	if (busy && rule_is_late(l->s, l->at_us, st->seen_us))
		newest.at_us = st->seen_us;
	int r = busy && newest.at_us < st->seen_us ? restart_hold(l, st) : 0;
	return r ? r : look_at_state(&newest, st, when);
}

/*
 * The state of the grid in *ret, NULL if there is none. *at is that of l->d's list: what the device
 * began in another grid, before it was moved, ends; what another device began and is over makes
 * room.
 */
static int find_in_grid(const struct look *l, const struct rule *rule, struct state **at,
			struct state **ret)
{
	int64_t grid = grid_id_of(l->d);
	int r = 0;
	if (*at && (*at)->rule == rule && grid_of_state(*at) != grid) {
		if ((*at)->phase == PHASE_FIRING || (*at)->phase == PHASE_CLEARING)
			r = rule_look_recover(l, *at, l->at_us);
		if (!r)
			r = state_drop(l->s, *at);
	}
	struct state *st = r ? NULL : grid_state_find(l->s, grid, rule);
	if (st && st->phase == PHASE_OK && st->device != l->d) {
		r = state_drop(l->s, st);
		st = NULL;
	}
	*ret = st;
	return r;
}

static int begin(const struct look *l, const struct rule *rule, struct state **at)
{
	struct state *st = state_insert(l->s, at, rule, l->d);
	return st ? on_ok(l, st) : -ENOMEM;
}

int rule_look_at(const struct look *l, const struct rule *rule, struct state **at)
{
	struct state *st = *at && (*at)->rule == rule ? *at : NULL;
	if (rule->scope == SCOPE_GRID) {
		int r = find_in_grid(l, rule, at, &st);
		if (r || st)
			return r ? r : look_at_grid(l, st);
	}
	if (st)
		return look_at_device(l, st);
	if (rule_truth(l, rule, rule->code->when) != YES)
		return 0;
	if (!rule->event)
		return begin(l, rule, at);
	return rule_gate_open(rule, l->at_us) ? tell_event(l, rule) : 0;
}
