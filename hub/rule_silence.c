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
#include "times.h"

#define ADAPTERS_MAX 64		       /* the first stands for all beyond */
#define CLOCK_BACK_US (10 * TIMES_MIN) /* the hub's own clock was put back */
#define STALL_GAPS 20
#define STALL_MIN_US (60 * TIMES_SEC)
#define GAPS_AVERAGED 64
#define STALE_KEPT 1024
#define TIMERS_MAX ((size_t)8 << 20)
#define RATE_ONE INT64_C(1000000000000000) /* rates are readings in so many µs */

struct adapter {
	char *name; /* owned */
	int64_t newest_us, floor_us;
	int64_t gap_us; /* the average between arrivals */
	uint32_t ngaps;
	bool stalled;
	uint64_t rate; /* of all its devices, as their intervals let expect */
};

struct watched {
	const struct device *device; /* NULL: not watched */
	int64_t heard_us;	     /* or since when it is watched; 0: since the first time told */
	uint32_t generation;
	uint32_t rate;
	uint16_t adapter;
	uint16_t armed; /* timers of this generation */
	bool silent;	/* a rule of silence fires, or did when last looked at */
};

struct timer {
	int64_t due_us, device_id;
	uint32_t slot, generation, rule; /* rule: its place in `rules` */
};

struct silence_rule {
	const struct rule *rule;
	int64_t from_us; /* in force since */
};

struct silence {
	int64_t start_us,
		floor_us; /* the first time told; the end of the last gap of all adapters */
	struct silence_rule *rules;
	size_t nrules;
	struct watched *devices; /* by slot */
	size_t ndevices, cap_devices;
	struct timer *heap;
	size_t nheap, cap_heap, nstale;
	uint32_t generation;
	struct adapter adapters[ADAPTERS_MAX];
	size_t nadapters;
	char stalled[128]; /* the first since rule_states_stalled was asked */
};

struct silence *silence_new(void)
{
	struct silence *q = mem_new(sizeof *q);
	if (q)
		q->nadapters = 1;
	return q;
}

void silence_free(struct silence *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->nadapters; i++)
		free(q->adapters[i].name);
	free(q->rules);
	free(q->devices);
	free(q->heap);
	free(q);
}

bool rule_is_of_silence(const struct rule *rule)
{
	return rule->silent_us || rule->silent_intervals;
}

/* ---- adapters ---- */

static size_t find_adapter(const struct silence *q, const char *name)
{
	for (size_t i = 1; i < q->nadapters; i++)
		if (strcmp(q->adapters[i].name, name) == 0)
			return i;
	return 0;
}

static uint16_t adapter_of(struct silence *q, const char *name)
{
	name = name ? name : "";
	size_t i = find_adapter(q, name);
	if (i || q->nadapters == ADAPTERS_MAX)
		return (uint16_t)i;
	char *copy = slice_dup(slice_of(name));
	if (!copy)
		return 0;
	q->adapters[q->nadapters] = (struct adapter){.name = copy};
	return (uint16_t)q->nadapters++;
}

/* For so long it is usual that nothing comes. */
static int64_t patience(const struct adapter *a)
{
	int64_t expected = a->rate ? RATE_ONE / (int64_t)a->rate : 0;
	return MAX_OF(STALL_GAPS * MAX_OF(a->gap_us, expected), STALL_MIN_US);
}

static void note_arrival(struct adapter *a, int64_t now_us)
{
	if (a->stalled) {
		a->stalled = false;
		a->floor_us = now_us;
	} else if (a->newest_us && now_us > a->newest_us) {
		int64_t gap = now_us - a->newest_us;
		if (a->ngaps < GAPS_AVERAGED)
			a->ngaps++;
		else
			gap = MIN_OF(gap, patience(a)); /* an outage is not usual */
		a->gap_us += (gap - a->gap_us) / a->ngaps;
	}
	a->newest_us = now_us;
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

/* ---- the heap of timers ---- */

static bool sooner(const struct timer *a, const struct timer *b)
{
	if (a->due_us != b->due_us)
		return a->due_us < b->due_us;
	if (a->device_id != b->device_id)
		return a->device_id < b->device_id;
	return a->rule < b->rule;
}

static void sift_down(struct silence *q, size_t i)
{
	struct timer t = q->heap[i];
	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid >= q->nheap)
			break;
		if (kid + 1 < q->nheap && sooner(&q->heap[kid + 1], &q->heap[kid]))
			kid++;
		if (!sooner(&q->heap[kid], &t))
			break;
		q->heap[i] = q->heap[kid];
		i = kid;
	}
	q->heap[i] = t;
}

static int push(struct silence *q, struct timer t)
{
	int r = mem_grow(&q->heap, &q->cap_heap, q->nheap + 1, TIMERS_MAX, sizeof *q->heap);
	if (r)
		return r;
	size_t i = q->nheap++;
	for (; i && sooner(&t, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = t;
	return 0;
}

static void pop(struct silence *q)
{
	q->heap[0] = q->heap[--q->nheap];
	if (q->nheap)
		sift_down(q, 0);
}

static void wait_until(struct silence *q, int64_t due_us)
{
	q->heap[0].due_us = due_us;
	sift_down(q, 0);
}

static bool stale(const struct silence *q, const struct timer *t)
{
	return q->devices[t->slot].generation != t->generation;
}

int64_t silence_next(const struct rule_states *s)
{
	return s->silence->nheap ? s->silence->heap[0].due_us : INT64_MAX;
}

/* ---- when ---- */

/* After so long without a word; 0: the device is not watched by that rule. */
static int64_t hold_of(const struct rule *rule, const struct device *d)
{
	int64_t hold = 0;
	if (rule->class != CLASS_UNKNOWN && rule->class != d->class)
		return 0;
	if (!rule->silent_intervals)
		return rule->silent_us;
	if (d->interval_us <= 0 ||
	    __builtin_mul_overflow(d->interval_us, (int64_t)rule->silent_intervals, &hold))
		return 0;
	return hold;
}

static int64_t heard(const struct silence *q, const struct watched *w)
{
	return w->heard_us ? w->heard_us : q->start_us;
}

/* From when on its silence counts. */
static int64_t silent_since(const struct silence *q, const struct watched *w,
			    const struct silence_rule *r)
{
	int64_t since = MAX_OF(heard(q, w), r->from_us);
	since = MAX_OF(since, q->floor_us);
	return MAX_OF(since, q->adapters[w->adapter].floor_us);
}

/* When it is to be declared silent, by what is known now; not before the rule's gate opens. */
static int64_t due_of(const struct silence *q, const struct watched *w,
		      const struct silence_rule *r)
{
	int64_t due = silent_since(q, w, r) + hold_of(r->rule, w->device);
	return rule_hold_due(r->rule, due, due);
}

/* All timers by what is known now, without the stale ones. */
static void sort_timers(struct silence *q)
{
	size_t n = 0;
	for (size_t i = 0; i < q->nheap; i++) {
		struct timer t = q->heap[i];
		if (stale(q, &t))
			continue;
		t.due_us = due_of(q, &q->devices[t.slot], &q->rules[t.rule]);
		q->heap[n++] = t;
	}
	q->nheap = n;
	q->nstale = 0;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(q, i);
}

/* ---- watching ---- */

static struct watched *watched_of(struct silence *q, uint32_t slot)
{
	size_t need = (size_t)slot + 1;
	if (need > q->ndevices) {
		if (mem_grow(&q->devices, &q->cap_devices, need, REGISTRY_DEVICES_MAX,
			     sizeof *q->devices))
			return NULL;
		memset(q->devices + q->ndevices, 0, (need - q->ndevices) * sizeof *q->devices);
		q->ndevices = need;
	}
	return &q->devices[slot];
}

/* What is known without making room: NULL, if it is not watched. */
static struct watched *is_watched(const struct silence *q, const struct device *d)
{
	struct watched *w = d->slot < q->ndevices ? &q->devices[d->slot] : NULL;
	return w && w->device ? w : NULL;
}

static bool fires(const struct state *st)
{
	return st && (st->phase == PHASE_FIRING || st->phase == PHASE_CLEARING);
}

static void set_rate(struct silence *q, struct watched *w, int64_t between_us)
{
	struct adapter *a = &q->adapters[w->adapter];
	a->rate -= w->rate;
	int64_t rate = between_us > 0 ? RATE_ONE / between_us : 0;
	w->rate = (uint32_t)MIN_OF(rate, (int64_t)UINT32_MAX);
	a->rate += w->rate;
}

/* Timers of before do not count any more. */
static void disarm(struct silence *q, struct watched *w)
{
	q->nstale += w->armed;
	w->armed = 0;
	w->generation = ++q->generation ? q->generation : ++q->generation;
	if (q->nstale > STALE_KEPT && q->nstale > q->nheap / 2)
		sort_timers(q);
}

static int arm(struct rule_states *s, struct watched *w)
{
	struct silence *q = s->silence;
	const struct device *d = w->device;
	int64_t between = d->interval_us;
	int r = 0;
	disarm(q, w);
	for (uint32_t i = 0; i < q->nrules && (!r || r == -E2BIG); i++) {
		const struct silence_rule *sr = &q->rules[i];
		int64_t hold = hold_of(sr->rule, d);
		if (!hold)
			continue;
		if (d->interval_us <= 0) /* its rules expect to hear it three times as often */
			between = between ? MIN_OF(between, hold / 3) : hold / 3;
		if (fires(state_of_device(s, d, sr->rule)))
			continue;
		r = push(q, (struct timer){due_of(q, w, sr), d->id, d->slot, w->generation, i});
		w->armed = (uint16_t)(w->armed + !r);
		metric_add(M_SILENCE_UNWATCHED, r == -E2BIG);
	}
	set_rate(q, w, between);
	return r == -E2BIG ? 0 : r;
}

int rule_states_watch(struct rule_states *s, const struct device *d, int64_t last_seen_us)
{
	struct silence *q = s->silence;
	struct watched *w = watched_of(q, d->slot);
	uint16_t adapter = adapter_of(q, d->adapter);
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
	struct watched *w = is_watched(q, d);
	if (!w)
		return;
	set_rate(q, w, 0);
	disarm(q, w);
	*w = (struct watched){.silent = w->silent};
}

int silence_restored(struct rule_states *s, const struct state *st)
{
	if (!rule_is_of_silence(st->rule))
		return 0;
	struct watched *w = watched_of(s->silence, st->device->slot);
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
}

void silence_resume(struct rule_states *s, const char *adapter, int64_t to_us)
{
	struct silence *q = s->silence;
	if (adapter) {
		resume(&q->adapters[adapter_of(q, adapter)], to_us);
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
	sort_timers(q);
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
	keep_minutes(st, t->at_us - heard(s->silence, w));
	return rule_look_fire(t, st, t->at_us);
}

/* Nothing comes from the whole adapter: so it is not the device. */
static bool is_stalled(struct silence *q, const struct watched *w, int64_t at_us)
{
	struct adapter *a = &q->adapters[w->adapter];
	if (at_us - a->newest_us <= patience(a))
		return false;
	if (a->stalled)
		return true;
	a->stalled = true;
	metric_add(M_SILENCE_STALLED, 1);
	if (!q->stalled[0])
		snprintf(q->stalled, sizeof q->stalled, "adapter %.40s: nothing came for %lld s",
			 a->name ? a->name : "", (long long)((at_us - a->newest_us) / TIMES_SEC));
	return true;
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
	if (stale(q, &e)) {
		q->nstale--;
		pop(q);
		return 0;
	}
	const struct silence_rule *sr = &q->rules[e.rule];
	int64_t hold = hold_of(sr->rule, w->device);
	if (!hold || fires(state_of_device(l->s, w->device, sr->rule))) {
		w->armed--;
		pop(q);
		return 0;
	}
	struct look t = *l;
	t.d = w->device;
	t.at_us = due_of(q, w, sr);
	if (t.at_us > e.due_us) {
		wait_until(q, t.at_us);
		return 0;
	}
	/* Whatever comes next comes after now: with that the timer is not too late. */
	if (is_stalled(q, w, t.at_us) || !is_for(&t, sr->rule)) {
		wait_until(q, l->at_us + hold);
		return 0;
	}
	w->armed--;
	pop(q);
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
		bool again = now_us - before_us >= hold_of(st->rule, l->d);
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
	struct watched *w = is_watched(q, l->d);
	note_arrival(&q->adapters[w ? w->adapter : adapter_of(q, l->d->adapter)], now);
	if (!w)
		return 0;
	int64_t before = heard(q, w);
	w->heard_us = now;
	return w->silent ? clear_states(l, w, before, now) : 0;
}

int silence_cleared(const struct look *l, struct state *st)
{
	struct silence *q = l->s->silence;
	struct watched *w = is_watched(q, l->d);
	const struct silence_rule sr = {.rule = st->rule};
	int64_t hold = hold_of(st->rule, l->d);
	if (w && hold && silent_since(q, w, &sr) + hold <= l->at_us)
		return rule_look_relapse(l, st, silent_since(q, w, &sr) + hold);
	int r = rule_look_recover(l, st, l->at_us);
	return r || !w ? r : arm(l->s, w);
}
