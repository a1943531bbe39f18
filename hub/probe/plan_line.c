#include "plan_parts.h"

void plan_row_due(struct plan *p, uint32_t i, int64_t at)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *h = plan_host(p, s->host);
	plan_row_leave(p, i);
	if (h->state != PLAN_UP && h->scout == PLAN_NONE) {
		h->scout = i;
		h->scout_own_t = at;
	}
	s->round++;
	p->due.at[i] = at;
	s->where = PLAN_PARKED;
	if (h->state == PLAN_UP || h->scout == i) {
		s->where = PLAN_DUE;
		plan_heap_set(&p->due, i, at);
	}
}

static void row_unwait(struct plan *p, uint32_t i)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *h = plan_host(p, s->host);
	*(s->wait_prev == PLAN_NONE ? &h->wait_first : &plan_row(p, s->wait_prev)->wait_next) =
		s->wait_next;
	*(s->wait_next == PLAN_NONE ? &h->wait_last : &plan_row(p, s->wait_next)->wait_prev) =
		s->wait_prev;
	p->waiting--;
}

void plan_row_leave(struct plan *p, uint32_t i)
{
	struct plan_row *s = plan_row(p, i);
	if (s->where == PLAN_WAITING)
		row_unwait(p, i);
	plan_heap_drop(&p->due, i);
	s->where = PLAN_IDLE;
}

/* Behind the others, unless it was let in before and found the host full again. */
void plan_row_wait(struct plan *p, uint32_t i)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *h = plan_host(p, s->host);
	uint32_t first = h->wait_first;
	plan_row_leave(p, i);
	s->where = PLAN_WAITING;
	p->waiting++;
	if (first != PLAN_NONE && p->due.at[i] < p->due.at[first]) {
		s->wait_prev = PLAN_NONE;
		s->wait_next = first;
		plan_row(p, first)->wait_prev = i;
		h->wait_first = i;
		return;
	}
	s->wait_prev = h->wait_last;
	s->wait_next = PLAN_NONE;
	*(first == PLAN_NONE ? &h->wait_first : &plan_row(p, h->wait_last)->wait_next) = i;
	h->wait_last = i;
}

void plan_row_take(struct plan *p, uint32_t i, enum probe_depth depth, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	plan_row_leave(p, i);
	s->where = PLAN_AWAY;
	s->depth = (uint8_t)depth;
	s->slot_host = s->host;
	p->away++;
	if (s->host != PLAN_NONE)
		plan_host(p, s->host)->away++;
	plan_pace_note(p, t);
}

void plan_row_back(struct plan *p, uint32_t i)
{
	struct plan_row *s = plan_row(p, i);
	s->where = PLAN_IDLE;
	p->away--;
	if (s->slot_host == PLAN_NONE)
		return;
	plan_host(p, s->slot_host)->away--;
	plan_host_admit(p, s->slot_host);
}

bool plan_host_full(const struct plan *p, uint32_t h)
{
	const struct plan_host *o = plan_host(p, h);
	return o->away >= (uint64_t)(o->server ? p->conf.per_server : p->conf.per_host);
}

void plan_host_admit(struct plan *p, uint32_t h)
{
	struct plan_host *o = plan_host(p, h);
	int64_t limit = o->server ? p->conf.per_server : p->conf.per_host;
	if (o->state != PLAN_UP) /* all are let in when it is back */
		return;
	for (int64_t n = o->away; n < limit && o->wait_first != PLAN_NONE; n++) {
		uint32_t i = o->wait_first;
		plan_row_leave(p, i);
		plan_row(p, i)->where = PLAN_DUE;
		plan_heap_set(&p->due, i, p->due.at[i]);
	}
}
