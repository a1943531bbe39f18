/*
 * DESIGN. A device that is watched has one timer for each rule of silence that fits it and does not
 * fire. What comes from a device only moves its `heard_us`; its timers stay where they are, and
 * when one runs out the time is computed anew: from when the device was heard, from the end of the
 * last gap in which nothing could arrive from its adapter, and from when the rule came into force.
 * So a timer may stand too early in the heap, never too late.
 *
 * Timers carry the generation of their device: when it is watched anew or forgotten, those of
 * before are stale. They are dropped when they come up, or all at once when they are the majority.
 *
 * If nothing at all comes from an adapter when a timer runs out, for much longer than usual, then
 * the stream is stalled and no device is to blame. "Usual" is the average of what was measured, but
 * not less than what the devices' intervals let expect.
 */
#include "rule_silence.h"

#include "metrics.h"
#include "rule_hold.h"
#include "rule_watch.h"
#include "times.h"

#define CLOCK_BACK_US (10 * TIMES_MIN) /* the hub's own clock was put back */

bool rule_is_of_silence(const struct rule *rule)
{
	return rule->silent_us || rule->silent_intervals;
}

const char *rule_states_quiet(const struct rule_states *s)
{
	for (size_t i = 0; i < s->silence->nadapters; i++)
		if (s->silence->adapters[i].stalled)
			return i ? s->silence->adapters[i].name : "";
	return NULL;
}

bool rule_states_stalled(struct rule_states *s, struct err *ret_which)
{
	struct silence *q = s->silence;
	if (!q->stalled[0])
		return false;
	err_set(ret_which, 0, "%s", q->stalled);
	q->stalled[0] = 0;
	return true;
}

int64_t silence_next(const struct rule_states *s)
{
	return s->silence->nheap ? s->silence->heap[0].due_us : INT64_MAX;
}

/* ---- watching ---- */

static bool fires(const struct state *st)
{
	return st && (st->phase == PHASE_FIRING || st->phase == PHASE_CLEARING);
}

static int arm(struct rule_states *s, struct watched *w)
{
	struct silence *q = s->silence;
	const struct device *d = w->device;
	int64_t between = d->interval_us;
	int r = 0;
	watch_disarm(q, w);
	for (uint16_t i = 0; i < q->nrules && (!r || r == -E2BIG); i++) {
		const struct silence_rule *sr = &q->rules[i];
		int64_t hold = watch_hold(sr->rule, d);
		if (!hold)
			continue;
		if (d->interval_us <= 0) /* its rules expect to hear it three times as often */
			between = between ? MIN_OF(between, hold / 3) : hold / 3;
		if (fires(state_of_device(s, d, sr->rule)))
			continue;
		r = watch_push(
			q, (struct timer){watch_due(q, w, sr), d->id, d->slot, i, w->generation});
		w->armed = (uint16_t)(w->armed + !r);
		metric_add(M_SILENCE_UNWATCHED, r == -E2BIG);
	}
	watch_rate(q, w, between);
	return r == -E2BIG ? 0 : r;
}

int rule_states_watch(struct rule_states *s, const struct device *d, int64_t last_seen_us)
{
	struct silence *q = s->silence;
	struct watched *w = watch_device(q, d->slot);
	uint16_t adapter = watch_adapter(q, d->adapter);
	if (!w)
		return -ENOMEM;
	if (w->device && w->adapter != adapter)
		silence_forget(s, d);
	if (!w->device)
		w->heard_us = last_seen_us > 0 ? last_seen_us : s->now_us;
	w->heard_us = MAX_OF(w->heard_us, last_seen_us);
	w->device = d;
	w->adapter = adapter;
	struct adapter *a = &q->adapters[adapter];
	a->newest_us = MAX_OF(a->newest_us, last_seen_us);
	return arm(s, w);
}

void silence_forget(struct rule_states *s, const struct device *d)
{
	struct silence *q = s->silence;
	struct watched *w = watch_known(q, d);
	if (!w)
		return;
	watch_rate(q, w, 0);
	watch_disarm(q, w);
	*w = (struct watched){.silent = w->silent, .generation = w->generation};
}

int silence_restored(struct rule_states *s, const struct state *st)
{
	if (!rule_is_of_silence(st->rule))
		return 0;
	struct watched *w = watch_device(s->silence, st->device->slot);
	if (!w)
		return -ENOMEM;
	w->silent = true;
	return 0;
}

/* ---- a change of rules, gaps, clocks ---- */

/* A rule that stays as it was goes on; a new one begins to watch now. */
static int64_t in_force_since(const struct rule_states *s, const struct rule *rule)
{
	const struct silence *q = s->silence;
	for (size_t i = 0; i < q->nrules; i++)
		if (q->rules[i].rule->hash == rule->hash &&
		    strcmp(q->rules[i].rule->id, rule->id) == 0)
			return q->rules[i].from_us;
	return s->now_us;
}

int silence_use(struct rule_states *s, const struct rules *set)
{
	struct silence *q = s->silence;
	size_t n = 0;
	int r = 0;
	for (size_t i = 0; i < set->n; i++)
		n += rule_is_of_silence(&set->v[i]);
	if (n > UINT16_MAX)
		return -E2BIG;
	struct silence_rule *v = mem_new((n + 1) * sizeof *v);
	if (!v)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < set->n; i++)
		if (rule_is_of_silence(&set->v[i]))
			v[n++] = (struct silence_rule){&set->v[i], in_force_since(s, &set->v[i])};
	free(q->rules);
	q->rules = v;
	q->nrules = n;
	q->nheap = q->nstale = 0;
	for (size_t i = 0; i < q->ndevices && !r; i++) {
		q->devices[i].armed = 0;
		r = q->devices[i].device ? arm(s, &q->devices[i]) : 0;
	}
	return r;
}

static void resume(struct adapter *a, int64_t to_us)
{
	a->floor_us = MAX_OF(a->floor_us, to_us);
	a->newest_us = to_us;
	a->stalled = false;
	a->away = false;
}

void rule_states_lose(struct rule_states *s, const char *adapter)
{
	struct silence *q = s->silence;
	size_t one = adapter ? watch_adapter(q, adapter) : 0;
	for (size_t i = one; i < (adapter ? one + 1 : q->nadapters); i++)
		q->adapters[i].away = true;
}

void silence_resume(struct rule_states *s, const char *adapter, int64_t to_us)
{
	struct silence *q = s->silence;
	if (adapter) {
		resume(&q->adapters[watch_adapter(q, adapter)], to_us);
		return;
	}
	q->floor_us = MAX_OF(q->floor_us, to_us);
	for (size_t i = 0; i < q->nadapters; i++)
		resume(&q->adapters[i], to_us);
}

static void no_later(int64_t *at_us, int64_t now_us)
{
	*at_us = MIN_OF(*at_us, now_us);
}

/* Times that have not come yet would keep timers back for as long as the clock was ahead. */
static void clock_was_put_back(struct silence *q, int64_t now_us)
{
	no_later(&q->start_us, now_us);
	no_later(&q->floor_us, now_us);
	for (size_t i = 0; i < q->nrules; i++)
		no_later(&q->rules[i].from_us, now_us);
	for (size_t i = 0; i < q->ndevices; i++)
		no_later(&q->devices[i].heard_us, now_us);
	for (size_t i = 0; i < q->nadapters; i++) {
		no_later(&q->adapters[i].newest_us, now_us);
		no_later(&q->adapters[i].floor_us, now_us);
	}
	watch_sort(q);
}

void silence_at(struct rule_states *s, int64_t now_us)
{
	struct silence *q = s->silence;
	if (!q->start_us)
		q->start_us = now_us;
	if (s->now_us && now_us < s->now_us - CLOCK_BACK_US)
		clock_was_put_back(q, now_us);
}

/* ---- silent, and heard again ---- */

static void keep_minutes(struct state *st, int64_t us)
{
	char text[48];
	int n = snprintf(text, sizeof text, "{\"silent_min\":%lld}", (long long)(us / TIMES_MIN));
	state_clear_fields(st);
	st->fields = slice_dup((struct slice){text, (size_t)n});
	st->nfields = st->fields ? (uint8_t)n : 0;
}

/* t->at_us is when; w may move while states are made. */
static int declare(const struct look *t, const struct rule *rule, struct watched *w)
{
	struct rule_states *s = t->s;
	struct state *st = state_of_device(s, t->d, rule);
	w->silent = true;
	if (!st)
		st = state_add(s, rule, t->d);
	if (!st)
		return -ENOMEM;
	st->seen_us = t->at_us;
	keep_minutes(st, t->at_us - watch_heard(s->silence, w));
	return rule_look_fire(t, st, t->at_us);
}

/* Is the rule for that device, and its gate open? `when` asks for device and grid only. */
static bool is_for(const struct look *t, const struct rule *rule)
{
	if (!rule_gate_open(rule, t->at_us)) /* it does not open for months */
		return false;
	if (!rule->code->when)
		return true;
	bool yes = !rule_look_show(t) && rule_truth(t, rule, rule->code->when) == YES;
	rule_look_hide(t->s);
	return yes;
}

int silence_run(const struct look *l)
{
	struct silence *q = l->s->silence;
	struct timer e = q->heap[0];
	struct watched *w = &q->devices[e.slot];
	if (watch_stale(q, &e)) {
		q->nstale--;
		watch_pop(q);
		return 0;
	}
	const struct silence_rule *sr = &q->rules[e.rule];
	int64_t hold = watch_hold(sr->rule, w->device);
	if (!hold || fires(state_of_device(l->s, w->device, sr->rule))) {
		w->armed--;
		watch_pop(q);
		return 0;
	}
	struct look t = *l;
	t.d = w->device;
	t.at_us = watch_due(q, w, sr);
	if (t.at_us > e.due_us) {
		watch_wait(q, t.at_us);
		return 0;
	}
	/* Whatever comes next comes after now: with that the timer is not too late. */
	if (watch_stalled(q, w, t.at_us) || !is_for(&t, sr->rule)) {
		watch_wait(q, l->at_us + hold);
		return 0;
	}
	w->armed--;
	watch_pop(q);
	return declare(&t, sr->rule, w);
}

/* The states of w's rules of silence: those that fire begin to clear. */
static int clear_states(const struct look *l, struct watched *w, int64_t before_us, int64_t now_us)
{
	bool ended = false;
	int r = 0;
	w->silent = false;
	for (struct state *st = state_first(l->s, l->d); st && !r; st = st->next) {
		if (!rule_is_of_silence(st->rule) || !fires(st))
			continue;
		bool again = now_us - before_us >= watch_hold(st->rule, l->d);
		if (st->phase == PHASE_FIRING || again) {
			st->seen_us = now_us;
			r = rule_look_clear(l, st, MAX_OF(now_us, st->since_us));
		}
		ended = ended || !fires(st);
		w->silent = w->silent || fires(st);
	}
	return r || !ended ? r : arm(l->s, w);
}

int silence_heard(const struct look *l)
{
	struct silence *q = l->s->silence;
	int64_t now = l->s->arrivals_told ? l->s->now_us : MAX_OF(l->s->now_us, l->at_us);
	struct watched *w = watch_known(q, l->d);
	watch_arrival(&q->adapters[w ? w->adapter : watch_adapter(q, l->d->adapter)], now);
	if (!w)
		return 0;
	int64_t before = watch_heard(q, w);
	w->heard_us = now;
	return w->silent ? clear_states(l, w, before, now) : 0;
}

int silence_cleared(const struct look *l, struct state *st)
{
	struct silence *q = l->s->silence;
	struct watched *w = watch_known(q, l->d);
	const struct silence_rule sr = {.rule = st->rule};
	int64_t hold = watch_hold(st->rule, l->d);
	if (w && hold && watch_since(q, w, &sr) + hold <= l->at_us)
		return rule_look_relapse(l, st, watch_since(q, w, &sr) + hold);
	int r = rule_look_recover(l, st, l->at_us);
	return r || !w ? r : arm(l->s, w);
}
