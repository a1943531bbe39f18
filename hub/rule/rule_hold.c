/*
 * DESIGN. Between two moments at which one of its schedules opens or shuts, a rule's hold is of one
 * length and its gate open or shut; so the due time is found by stepping from one such moment to
 * the next. Readings and timers ask the same question, and the result does not depend on which of
 * them comes first.
 *
 * For flapping a state keeps the oldest firing that counts, the time from it to the newest and how
 * many there were. When the oldest ones leave the window, those in between are taken as evenly
 * spread.
 */
#include "rule_hold.h"

#include "times.h"

#define STEPS_MAX 512		   /* openings and shuttings looked at in one search */
#define SEARCH_US (30 * TIMES_DAY) /* as far as can be seen it never opens: look again then */

static bool any_open(const struct schedule *const *v, size_t n, int64_t at_us)
{
	for (size_t i = 0; i < n; i++)
		if (schedule_open(v[i], at_us))
			return true;
	return false;
}

bool rule_gate_open(const struct rule *rule, int64_t at_us)
{
	const struct rule_code *c = rule->code;
	if (c->nduring && !any_open(c->during, c->nduring, at_us))
		return false;
	return !any_open(c->except, c->nexcept, at_us);
}

static int64_t hold_at(const struct rule *rule, int64_t at_us)
{
	const struct rule_code *c = rule->code;
	for (size_t i = 0; i < c->nholds; i++)
		if (schedule_open(c->holds[i].within, at_us))
			return c->holds[i].us;
	return rule->for_us;
}

static int64_t later(int64_t at_us, int64_t by_us)
{
	int64_t sum;
	return __builtin_add_overflow(at_us, by_us, &sum) ? INT64_MAX : sum;
}

bool rule_hold_over(const struct rule *rule, int64_t since_us, int64_t at_us)
{
	return at_us >= later(since_us, hold_at(rule, at_us)) && rule_gate_open(rule, at_us);
}

/* Until when everything stays as it is at at_us. */
static int64_t next_change(const struct rule_code *c, int64_t at_us)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < c->nholds; i++)
		next = MIN_OF(next, schedule_next(c->holds[i].within, at_us));
	for (size_t i = 0; i < c->nduring; i++)
		next = MIN_OF(next, schedule_next(c->during[i], at_us));
	for (size_t i = 0; i < c->nexcept; i++)
		next = MIN_OF(next, schedule_next(c->except[i], at_us));
	return next;
}

int64_t rule_hold_due(const struct rule *rule, int64_t since_us, int64_t from_us)
{
	const struct rule_code *c = rule->code;
	int64_t at = MAX_OF(since_us, from_us);
	for (int i = 0; i < STEPS_MAX && at != INT64_MAX; i++) {
		int64_t due = MAX_OF(at, later(since_us, hold_at(rule, at)));
		bool open = rule_gate_open(rule, at);
		if (open && due == at)
			return due;
		int64_t next = next_change(c, at);
		if (open && due < next)
			return due;
		at = next;
	}
	return at == INT64_MAX ? later(from_us, SEARCH_US) : at;
}

int64_t state_clear_hold(const struct state *st)
{
	int64_t hold = st->rule->clear_for_us;
	return st->flapping ? MAX_OF(hold, st->rule->code->flap_us) : hold;
}

/* ---- flapping ---- */

static int64_t newest(const struct state *st)
{
	return st->fired_us + (int64_t)st->fired_span_s * TIMES_SEC;
}

void state_forget_firings(struct state *st)
{
	st->fires = 0;
	st->fired_us = 0;
	st->fired_span_s = 0;
}

bool state_firings_over(const struct state *st, int64_t at_us)
{
	return !st->fires || at_us >= later(newest(st), st->rule->code->flap_us);
}

static void drop_firings_before(struct state *st, int64_t at_us)
{
	if (newest(st) < at_us) {
		state_forget_firings(st);
		return;
	}
	while (st->fires > 1 && st->fired_us < at_us) {
		uint32_t step = st->fired_span_s / (st->fires - 1u);
		st->fired_us += (int64_t)step * TIMES_SEC;
		st->fired_span_s -= step;
		st->fires--;
	}
}

bool state_count_firing(struct state *st, int64_t at_us)
{
	const struct rule_code *c = st->rule->code;
	if (!c->flap_count || st->flapping)
		return false;
	if (st->fires && at_us < newest(st)) /* the clock was put back */
		state_forget_firings(st);
	if (st->fires)
		drop_firings_before(st, at_us - c->flap_us);
	if (!st->fires)
		st->fired_us = at_us;
	st->fires++;
	st->fired_span_s = (uint32_t)((at_us - st->fired_us) / TIMES_SEC);
	st->flapping = st->fires >= MIN_OF(c->flap_count, FLAP_COUNT_MAX);
	return st->flapping;
}

/* 7 bits for how many, 22 for the seconds between them (48 days), one for flapping, one for what
 * windows that ran empty said: a positive int of PostgreSQL. */
#define COUNT_BITS 7
#define SPAN_BITS 22
_Static_assert(FLAP_COUNT_MAX < 1 << COUNT_BITS, "a count of firings fits");

uint32_t state_pack_firings(const struct state *st)
{
	uint32_t span = MIN_OF(st->fired_span_s, (1u << SPAN_BITS) - 1);
	return st->fires | span << COUNT_BITS | (uint32_t)st->flapping << (COUNT_BITS + SPAN_BITS) |
	       (uint32_t)st->rechecked << (COUNT_BITS + SPAN_BITS + 1);
}

void state_unpack_firings(struct state *st, uint32_t packed, int64_t oldest_us)
{
	st->fires = (uint8_t)(packed & ((1u << COUNT_BITS) - 1));
	st->fired_span_s = packed >> COUNT_BITS & ((1u << SPAN_BITS) - 1);
	st->flapping = packed >> (COUNT_BITS + SPAN_BITS) & 1;
	st->rechecked = packed >> (COUNT_BITS + SPAN_BITS + 1) & 1;
	st->fired_us = oldest_us;
}

/* ---- timers ---- */

int64_t state_recheck_due(const struct state *st)
{
	int64_t after = st->rule->code->recheck_us;
	bool holds = st->phase == PHASE_PENDING || st->phase == PHASE_FIRING;
	return holds && after && !st->rechecked ? later(st->seen_us, after) : INT64_MAX;
}

int64_t state_due(const struct state *st)
{
	int64_t recheck = state_recheck_due(st);
	switch ((enum rule_phase)st->phase) {
	case PHASE_PENDING: /* what ran out before the last look has been dealt with */
		return MIN_OF(recheck, rule_hold_due(st->rule, st->since_us, st->seen_us));
	case PHASE_CLEARING:
		return later(st->since_us, state_clear_hold(st));
	case PHASE_FIRING:
		return recheck;
	case PHASE_QUIET:
		return later(newest(st), st->rule->code->flap_us);
	case PHASE_OK:
	default:
		return INT64_MAX;
	}
}
