#include "rule_timer.h"

bool state_timer_sooner(const struct state *a, const struct state *b)
{
	if (a->due_us != b->due_us)
		return a->due_us < b->due_us;
	if (a->device->id != b->device->id)
		return a->device->id < b->device->id;
	return a->rule->index < b->rule->index;
}

static void heap_set(struct rule_states *s, size_t i, struct state *st)
{
	s->heap[i] = st;
	st->timer = (uint32_t)i;
}

static void heap_up(struct rule_states *s, size_t i)
{
	struct state *st = s->heap[i];
	for (; i && state_timer_sooner(st, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_set(s, i, s->heap[(i - 1) / 2]);
	heap_set(s, i, st);
}

static void heap_down(struct rule_states *s, size_t i)
{
	struct state *st = s->heap[i];
	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid >= s->nheap)
			break;
		if (kid + 1 < s->nheap && state_timer_sooner(s->heap[kid + 1], s->heap[kid]))
			kid++;
		if (!state_timer_sooner(s->heap[kid], st))
			break;
		heap_set(s, i, s->heap[kid]);
		i = kid;
	}
	heap_set(s, i, st);
}

void state_timer_stop(struct rule_states *s, struct state *st)
{
	size_t i = st->timer;
	if (i == NO_TIMER)
		return;
	st->timer = NO_TIMER;
	struct state *last = s->heap[--s->nheap];
	if (last == st)
		return;
	heap_set(s, i, last);
	heap_up(s, i);
	heap_down(s, last->timer);
}

int state_timer_start(struct rule_states *s, struct state *st, int64_t due_us)
{
	state_timer_stop(s, st);
	if (due_us == INT64_MAX)
		return 0;
	int r = mem_grow(&s->heap, &s->cap_heap, s->nheap + 1, STATES_MAX, sizeof(struct state *));
	if (r)
		return r;
	st->due_us = due_us;
	s->heap[s->nheap] = st;
	heap_up(s, s->nheap++);
	return 0;
}

void state_timers_sort(struct rule_states *s)
{
	for (size_t i = s->nheap / 2; i-- > 0;)
		heap_down(s, i);
}

struct state *state_timer_first(const struct rule_states *s)
{
	return s->nheap ? s->heap[0] : NULL;
}
