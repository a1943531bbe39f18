#include "rule_watch.h"

#include "adapters/device/adapter.h"
#include "metrics.h"
#include "rule_hold.h"
#include "times.h"

#define STALL_GAPS 20
#define STALL_MIN_US (60 * TIMES_SEC)
#define GAPS_AVERAGED 64
#define STALE_KEPT 1024
#define TIMERS_MAX ((size_t)8 << 20)
#define RATE_ONE INT64_C(1000000000000000) /* rates are readings in so many µs */

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

/* ---- adapters ---- */

static size_t find_adapter(const struct silence *q, const char *name)
{
	for (size_t i = 1; i < q->nadapters; i++)
		if (strcmp(q->adapters[i].name, name) == 0)
			return i;
	return 0;
}

uint16_t watch_adapter(struct silence *q, const char *name)
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

void watch_arrival(struct adapter *a, int64_t now_us)
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

/* Nothing comes from the whole adapter: so it is not the device. */
bool watch_stalled(struct silence *q, const struct watched *w, int64_t at_us)
{
	struct adapter *a = &q->adapters[w->adapter];
	int64_t quiet = at_us - MAX_OF(a->newest_us, q->start_us);
	if (a->away)
		return true;
	if (quiet <= patience(a))
		return false;
	if (a->stalled)
		return true;
	a->stalled = true;
	metric_add(M_SILENCE_STALLED, 1);
	if (!q->stalled[0])
		snprintf(q->stalled, sizeof q->stalled, "adapter %.40s: nothing came for %lld s",
			 a->name ? a->name : "", (long long)(quiet / TIMES_SEC));
	return true;
}

/* ---- devices ---- */

struct watched *watch_device(struct silence *q, uint32_t slot)
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
struct watched *watch_known(const struct silence *q, const struct device *d)
{
	struct watched *w = d->slot < q->ndevices ? &q->devices[d->slot] : NULL;
	return w && w->device ? w : NULL;
}

void watch_rate(struct silence *q, struct watched *w, int64_t between_us)
{
	struct adapter *a = &q->adapters[w->adapter];
	a->rate -= w->rate;
	int64_t rate = between_us > 0 ? RATE_ONE / between_us : 0;
	w->rate = (uint32_t)MIN_OF(rate, (int64_t)UINT32_MAX);
	a->rate += w->rate;
}

/* ---- times ---- */

/* After so long without a word; 0: the device is not watched by that rule. */
int64_t watch_hold(const struct rule *rule, const struct device *d)
{
	int64_t hold = 0;
	const struct device_adapter *a = device_adapter_find(slice_of(d->adapter));
	if ((rule->class != CLASS_UNKNOWN && rule->class != d->class) || (a && a->asked))
		return 0;
	if (!rule->silent_intervals)
		return rule->silent_us;
	if (d->interval_us <= 0 ||
	    __builtin_mul_overflow(d->interval_us, (int64_t)rule->silent_intervals, &hold))
		return 0;
	return hold;
}

int64_t watch_heard(const struct silence *q, const struct watched *w)
{
	return w->heard_us ? w->heard_us : q->start_us;
}

/* From when on its silence counts. */
int64_t watch_since(const struct silence *q, const struct watched *w, const struct silence_rule *r)
{
	int64_t since = MAX_OF(watch_heard(q, w), r->from_us);
	since = MAX_OF(since, q->floor_us);
	return MAX_OF(since, q->adapters[w->adapter].floor_us);
}

/* When it is to be declared silent, by what is known now; not before the rule's gate opens. */
int64_t watch_due(const struct silence *q, const struct watched *w, const struct silence_rule *r)
{
	int64_t due = watch_since(q, w, r) + watch_hold(r->rule, w->device);
	return rule_hold_due(r->rule, due, due);
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

int watch_push(struct silence *q, struct timer t)
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

void watch_pop(struct silence *q)
{
	q->heap[0] = q->heap[--q->nheap];
	if (q->nheap)
		sift_down(q, 0);
}

void watch_wait(struct silence *q, int64_t due_us)
{
	q->heap[0].due_us = due_us;
	sift_down(q, 0);
}

bool watch_stale(const struct silence *q, const struct timer *t)
{
	return q->devices[t->slot].generation != t->generation;
}

/* All timers by what is known now, without the stale ones. */
void watch_sort(struct silence *q)
{
	size_t n = 0;
	for (size_t i = 0; i < q->nheap; i++) {
		struct timer t = q->heap[i];
		if (watch_stale(q, &t))
			continue;
		t.due_us = watch_due(q, &q->devices[t.slot], &q->rules[t.rule]);
		q->heap[n++] = t;
	}
	q->nheap = n;
	q->nstale = 0;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(q, i);
}

/* Timers of before do not count any more. */
void watch_disarm(struct silence *q, struct watched *w)
{
	if (w->generation == UINT16_MAX) /* they come round: none of the next one may be left */
		watch_sort(q);
	w->generation++;
	q->nstale += w->armed;
	w->armed = 0;
	if (q->nstale > STALE_KEPT && q->nstale > q->nheap / 2)
		watch_sort(q);
}
