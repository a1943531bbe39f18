#include "plan_parts.h"

uint32_t plan_host_find(struct plan *p, const char *name, bool server, int64_t t)
{
	uint64_t key = hash64(slice_of(name), 0);
	uint32_t h = plan_table_find(&p->hosts, key);
	if (h == PLAN_NONE) {
		if (plan_table_add(&p->hosts, key, &h))
			return PLAN_NONE;
		if (plan_heap_reserve(&p->reach, p->hosts.cap)) {
			plan_table_remove(&p->hosts, h);
			return PLAN_NONE;
		}
		*plan_host(p, h) = (struct plan_host){
			.reached_t = INT64_MIN / 2,
			.first = PLAN_NONE,
			.wait_first = PLAN_NONE,
			.wait_last = PLAN_NONE,
			.scout = PLAN_NONE,
			.epoch = 1,
		};
		plan_heap_set(&p->reach, h, t + plan_spread(key, 0, p->conf.reach_every_us));
	}
	plan_host(p, h)->server = server;
	return h;
}

void plan_host_join(struct plan *p, uint32_t i, uint32_t h)
{
	struct plan_host *o = plan_host(p, h);
	struct plan_row *s = plan_row(p, i);
	s->host = h;
	s->failed = 0;
	s->prev = PLAN_NONE;
	s->next = o->first;
	if (o->first != PLAN_NONE)
		plan_row(p, o->first)->prev = i;
	o->first = i;
	o->channels++;
}

void plan_host_part(struct plan *p, uint32_t i)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	*(s->prev == PLAN_NONE ? &o->first : &plan_row(p, s->prev)->next) = s->next;
	if (s->next != PLAN_NONE)
		plan_row(p, s->next)->prev = s->prev;
	o->channels--;
	if (s->failed == o->epoch)
		o->unreached--;
	if (o->scout == i)
		plan_host_scout(p, s->host, p->due.at[i]);
	plan_host_admit(p, s->host); /* it may have been let in, and leaves without a look */
	plan_host_let_go(p, s->host);
}

void plan_host_let_go(struct plan *p, uint32_t h)
{
	struct plan_host *o = plan_host(p, h);
	if (o->channels)
		return;
	if (o->state == PLAN_DOWN)
		p->hosts_down--;
	o->state = PLAN_UP;
	if (o->away)
		return;
	plan_heap_drop(&p->reach, h);
	plan_table_remove(&p->hosts, h);
}

void plan_host_heard(struct plan *p, uint32_t i, bool connected, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	o->heard = true;
	if (connected) {
		o->reached_t = t;
		o->epoch += o->unreached > 0;
		o->unreached = 0;
		if (o->state != PLAN_UP)
			plan_host_back(p, s->host, t);
	} else if (s->failed != o->epoch) {
		s->failed = o->epoch;
		o->unreached++;
	}
}

/* Spread over 30 s, or so that they take no more than a quarter of all connects. */
void plan_host_back(struct plan *p, uint32_t h, int64_t t)
{
	struct plan_host *o = plan_host(p, h);
	bool down = o->state == PLAN_DOWN;
	int64_t window = down ? 2 * p->conf.retry_us : p->conf.retry_us;
	window = MAX_OF(window, 4 * o->channels * PLAN_SEC / p->conf.connects_per_s);
	o->state = PLAN_UP;
	o->tries = 0;
	o->scout = PLAN_NONE;
	p->hosts_down -= down;
	for (uint32_t i = o->first; i != PLAN_NONE; i = plan_row(p, i)->next) {
		struct plan_row *s = plan_row(p, i);
		if (down)
			s->backoff = 0;
		int64_t at = t + plan_spread(p->rows.key[i], s->round, window);
		if (down && s->where != PLAN_AWAY)
			plan_row_due(p, i, at);
		else if (s->where == PLAN_PARKED) /* a retry keeps its time */
			plan_row_due(p, i, MAX_OF(at, p->due.at[i]));
	}
	plan_host_admit(p, h);
}

void plan_host_scout(struct plan *p, uint32_t h, int64_t at)
{
	struct plan_host *o = plan_host(p, h);
	uint32_t i = o->first;
	while (i != PLAN_NONE && plan_row(p, i)->where == PLAN_AWAY)
		i = plan_row(p, i)->next;
	o->scout = i;
	if (i == PLAN_NONE)
		return;
	o->scout_own_t = p->due.at[i];
	plan_row_due(p, i, at);
}

void plan_host_try(struct plan *p, uint32_t h, int tries, int64_t at)
{
	struct plan_host *o = plan_host(p, h);
	o->state = PLAN_TRYING;
	o->tries = (uint8_t)tries;
	plan_host_scout(p, h, at);
}

void plan_host_presume(struct plan *p, uint32_t h, int64_t t)
{
	struct plan_host *o = plan_host(p, h);
	o->state = PLAN_DOWN;
	o->tries = 0; /* rows that were not so believed are not yet offline with it */
	o->backoff = 0;
	p->hosts_down++;
	plan_host_scout(p, h, t + plan_spread(p->hosts.key[h], 1, 4 * p->conf.retry_us));
}

static void host_fold(struct plan *p, uint32_t h, enum probe_step step)
{
	for (uint32_t i = plan_host(p, h)->first; i != PLAN_NONE; i = plan_row(p, i)->next) {
		struct plan_row *s = plan_row(p, i);
		bool said = s->state == PROBE_OFFLINE;
		s->fails = PLAN_TRIES;
		if (!said || s->cause != PROBE_HOST_DOWN)
			plan_believe(p, i, PROBE_OFFLINE, step, PROBE_HOST_DOWN,
				     said ? PLAN_SAY_NOTHING : PLAN_SAY);
	}
}

static void host_doubt(struct plan *p, uint32_t h)
{
	for (uint32_t i = plan_host(p, h)->first; i != PLAN_NONE; i = plan_row(p, i)->next)
		if (plan_row(p, i)->state == PROBE_ONLINE)
			plan_doubt(p, i, PLAN_SAY_NOTHING);
}

void plan_host_failed(struct plan *p, uint32_t h, const struct probe_result *r, int64_t t)
{
	struct plan_host *o = plan_host(p, h);
	uint64_t key = p->hosts.key[h];
	uint32_t round = ++o->round;
	if (p->canaries_bad || plan_canary_slow(p, t)) {
		plan_host_scout(p, h, t + plan_retry(p, key, round, 1));
		return;
	}
	if (p->flips.many)
		host_doubt(p, h);
	if (o->tries < PLAN_TRIES && ++o->tries < PLAN_TRIES) {
		plan_host_scout(p, h, t + plan_retry(p, key, round, o->tries));
		return;
	}
	if (o->state == PLAN_TRYING && p->flips.many) {
		plan_host_scout(p, h, t + plan_jitter(p, key, round, 4 * p->conf.retry_us));
		return;
	}
	if (o->state == PLAN_TRYING) {
		o->state = PLAN_DOWN;
		o->backoff = 0;
		p->hosts_down++;
	}
	if (!p->flips.many)
		host_fold(p, h, r->step);
	plan_host_scout(p, h, t + plan_backoff(p, key, round, &o->backoff));
}

/* One that is believed to work, if one is near. */
static uint32_t host_pick(const struct plan *p, const struct plan_host *o)
{
	uint32_t pick = PLAN_NONE;
	int tries = 8;
	for (uint32_t i = o->first; i != PLAN_NONE && tries-- > 0; i = plan_row(p, i)->next) {
		const struct plan_row *s = plan_row(p, i);
		if (s->where != PLAN_DUE && s->where != PLAN_IDLE)
			continue;
		if (s->state == PROBE_ONLINE && !s->fails)
			return i;
		pick = i;
	}
	return pick;
}

uint32_t plan_host_next(struct plan *p, int64_t t)
{
	int64_t every = p->conf.reach_every_us ? p->conf.reach_every_us : 10 * PLAN_MIN;
	for (;;) {
		uint32_t h = plan_heap_top(&p->reach);
		if (h == PLAN_NONE || p->reach.at[h] > t)
			return PLAN_NONE;
		struct plan_host *o = plan_host(p, h);
		int64_t period = plan_jitter(p, p->hosts.key[h], ++o->round, every);
		/* While one cannot be connected, its retries are what tries the host. */
		bool off = !p->conf.reach_every_us || o->state != PLAN_UP || o->unreached;
		bool fresh = o->reached_t > t - every / 2;
		uint32_t i = off || fresh || plan_host_full(p, h) ? PLAN_NONE : host_pick(p, o);
		plan_heap_set(&p->reach, h, (fresh && !off ? o->reached_t : t) + period);
		if (i != PLAN_NONE)
			return i;
	}
}
