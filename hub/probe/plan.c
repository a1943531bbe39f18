#include "plan_parts.h"

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
	return MAX_OF(least, MIN_OF(v, most));
}

void plan_configure(struct plan *p, const struct plan_conf *conf)
{
	struct plan_conf *c = &p->conf;
	*c = *conf;
	c->reach_every_us = clamp(c->reach_every_us, 0, 1440 * PLAN_MIN);
	c->keyframe_every_us = clamp(c->keyframe_every_us, 0, 1440 * PLAN_MIN);
	c->watch_every_us = clamp(c->watch_every_us, 0, 30 * 1440 * PLAN_MIN);
	c->picture_every = clamp(c->picture_every, 0, UINT16_MAX);
	c->per_host = clamp(c->per_host, 1, UINT16_MAX);
	c->per_server = clamp(c->per_server, 1, UINT16_MAX);
	c->connects_per_s = clamp(c->connects_per_s, 1, PLAN_CONNECTS_MAX);
	c->jitter_pct = clamp(c->jitter_pct, 0, 50);
	c->retry_us = clamp(c->retry_us, PLAN_SEC / 10, 10 * PLAN_MIN);
	for (uint32_t i = 0; i < p->rows.used; i++) { /* a limit may have risen */
		const struct plan_row *s = plan_row(p, i);
		if (s->where == PLAN_WAITING)
			plan_host_admit(p, s->host);
	}
}

struct plan *plan_new(const struct plan_conf *conf)
{
	struct plan *p = mem_new(sizeof(*p));
	if (!p)
		return NULL;
	plan_table_init(&p->rows, sizeof(struct plan_row), PLAN_STREAMS_MAX + PLAN_CANARIES_MAX);
	/* A row may have left a host that a look of its is still under way at. */
	plan_table_init(&p->hosts, sizeof(struct plan_host), 2 * PLAN_STREAMS_MAX);
	p->self = PLAN_NONE;
	for (size_t k = 0; k < COUNT_OF(p->flips.shown); k++)
		p->flips.shown[k].host = PLAN_NONE;
	plan_configure(p, conf);
	return p;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	plan_table_done(&p->rows);
	plan_table_done(&p->hosts);
	plan_heap_done(&p->due);
	plan_heap_done(&p->reach);
	free(p);
}

size_t plan_count(const struct plan *p)
{
	return p->states[PROBE_ONLINE] + p->states[PROBE_OFFLINE] + p->states[PROBE_UNKNOWN];
}

/* Its first look, anywhere in the period. */
static void row_first(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	uint64_t key = p->rows.key[i];
	s->shown = (uint32_t)plan_spread(key, 1, UINT16_MAX);
	s->watch_t = t + plan_spread(key, 2, p->conf.watch_every_us);
	if (plan_base(p))
		plan_row_due(p, i, t + plan_spread(key, 3, plan_base(p)));
}

/* What was believed before, of a row that is new here. */
static void row_load(struct plan *p, uint32_t i, const struct plan_belief *b, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	if (b) {
		s->state = (uint8_t)b->state;
		s->step = (uint8_t)b->step;
		s->cause = (uint8_t)b->cause;
		s->since_us = b->since_us;
		s->seen_t = t;
		s->fails = b->state == PROBE_OFFLINE ? PLAN_TRIES : 0;
		s->doubted = b->state == PROBE_UNKNOWN && b->cause == PROBE_PROBER;
	}
	plan_count_row(p, s, 1);
	row_first(p, i, t);
	if (!b || o->heard)
		return;
	o->heard = b->state == PROBE_ONLINE;
	if (o->state == PLAN_DOWN && o->heard)
		plan_host_back(p, s->host, t);
	else if (o->state == PLAN_UP && b->state == PROBE_OFFLINE && b->cause == PROBE_HOST_DOWN)
		plan_host_presume(p, s->host, t);
}

static int row_add(struct plan *p, const struct plan_stream *s, uint32_t *ret)
{
	if (!s->canary && plan_count(p) >= PLAN_STREAMS_MAX)
		return -E2BIG;
	int r = plan_table_add(&p->rows, (uint64_t)s->id, ret);
	if (!r && plan_heap_reserve(&p->due, p->rows.cap)) {
		plan_table_remove(&p->rows, *ret);
		r = -ENOMEM;
	}
	return r;
}

static int put_canary(struct plan *p, const struct plan_stream *s, int64_t now, int64_t t)
{
	uint32_t i;
	int r = p->canaries < PLAN_CANARIES_MAX ? row_add(p, s, &i) : -E2BIG;
	if (r)
		return r;
	*plan_row(p, i) = (struct plan_row){.since_us = now,
					    .host = PLAN_NONE,
					    .slot_host = PLAN_NONE,
					    .where = PLAN_IDLE,
					    .state = PROBE_UNKNOWN,
					    .canary = true};
	return plan_canary_add(p, i, t);
}

static int put_new(struct plan *p, const struct plan_stream *s, const struct plan_belief *b,
		   int64_t now, int64_t t)
{
	uint32_t i, h = plan_host_find(p, s->host, s->server, t);
	if (h == PLAN_NONE)
		return -ENOMEM;
	int r = row_add(p, s, &i);
	if (r) {
		plan_host_let_go(p, h);
		return r;
	}
	*plan_row(p, i) = (struct plan_row){.since_us = now,
					    .slot_host = PLAN_NONE,
					    .where = PLAN_IDLE,
					    .state = PROBE_UNKNOWN,
					    .deeper_t = INT64_MIN};
	plan_host_join(p, i, h);
	row_load(p, i, b, t);
	return 0;
}

/* The row is in; what was found out at another host is void. */
static int put_again(struct plan *p, uint32_t i, const struct plan_stream *st, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	uint32_t h = plan_host_find(p, st->host, st->server, t);
	if (h == PLAN_NONE)
		return -ENOMEM;
	if (h == s->host)
		return 0;
	if (s->where == PLAN_AWAY)
		s->stale = true;
	else
		plan_row_leave(p, i);
	plan_host_part(p, i);
	plan_host_join(p, i, h);
	s->fails = s->state == PROBE_OFFLINE ? PLAN_TRIES : 0;
	s->busies = s->voids = s->backoff = 0;
	if (!s->stale)
		plan_row_due(p, i, t + plan_spread(p->rows.key[i], s->round, p->conf.retry_us));
	return 0;
}

/* A row taken out while its look is under way comes back: as a new one, but for that look. */
static int put_gone(struct plan *p, uint32_t i, const struct plan_stream *st,
		    const struct plan_belief *b, int64_t now, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	if (st->canary || s->canary)
		return -EEXIST;
	if (plan_count(p) >= PLAN_STREAMS_MAX)
		return -E2BIG;
	uint32_t h = plan_host_find(p, st->host, st->server, t);
	if (h == PLAN_NONE)
		return -ENOMEM;
	*s = (struct plan_row){.since_us = now,
			       .slot_host = s->slot_host,
			       .where = PLAN_IDLE,
			       .state = PROBE_UNKNOWN,
			       .deeper_t = INT64_MIN,
			       .depth = s->depth,
			       .stale = true};
	plan_host_join(p, i, h);
	row_load(p, i, b, t);
	plan_row_leave(p, i);
	s->where = PLAN_AWAY;
	p->gone--;
	return 0;
}

int plan_put(struct plan *p, const struct plan_stream *s, const struct plan_belief *b,
	     int64_t now_us)
{
	int64_t t = plan_clock(p, now_us);
	uint32_t i = plan_table_find(&p->rows, (uint64_t)s->id);
	if (i != PLAN_NONE && plan_row(p, i)->gone)
		return put_gone(p, i, s, b, now_us, t);
	if (i != PLAN_NONE && plan_row(p, i)->canary == s->canary)
		return s->canary ? 0 : put_again(p, i, s, t);
	if (i != PLAN_NONE)
		return -EEXIST;
	return s->canary ? put_canary(p, s, now_us, t) : put_new(p, s, b, now_us, t);
}

void plan_remove(struct plan *p, int64_t id)
{
	uint32_t i = plan_table_find(&p->rows, (uint64_t)id);
	if (i == PLAN_NONE || plan_row(p, i)->gone)
		return;
	struct plan_row *s = plan_row(p, i);
	plan_count_row(p, s, -1);
	if (s->where == PLAN_AWAY) {
		s->gone = true;
		p->gone++;
	} else if (!s->canary) {
		plan_row_leave(p, i);
	}
	if (s->canary)
		plan_canary_drop(p, i);
	else
		plan_host_part(p, i);
	if (s->gone)
		return;
	s->where = PLAN_FREE;
	plan_table_remove(&p->rows, i);
}

static void row_belief(const struct plan_row *s, struct plan_belief *ret)
{
	*ret = (struct plan_belief){
		.state = s->state, .step = s->step, .cause = s->cause, .since_us = s->since_us};
}

bool plan_believed(const struct plan *p, int64_t id, struct plan_belief *ret)
{
	uint32_t i = plan_table_find(&p->rows, (uint64_t)id);
	if (i == PLAN_NONE || plan_row(p, i)->gone)
		return false;
	row_belief(plan_row(p, i), ret);
	return true;
}

/* The row that is due first and may go; others are put where they wait. */
static uint32_t next_due(struct plan *p, int64_t t)
{
	for (;;) {
		uint32_t i = plan_heap_top(&p->due);
		if (i == PLAN_NONE || p->due.at[i] > t)
			return PLAN_NONE;
		struct plan_row *s = plan_row(p, i);
		const struct plan_host *o = plan_host(p, s->host);
		bool scout = o->scout == i;
		if (o->state != PLAN_UP && !scout) {
			plan_row_leave(p, i);
			s->where = PLAN_PARKED;
		} else if (!plan_host_full(p, s->host)) {
			return i;
		} else if (scout) { /* nobody is let in while it tries */
			plan_heap_set(&p->due, i, t + PLAN_SEC);
		} else {
			plan_row_wait(p, i);
		}
	}
}

static int64_t next_wake(const struct plan *p, int64_t t)
{
	int64_t at;
	plan_canary_due(p, &at);
	if (p->due.n)
		at = MIN_OF(at, p->due.at[plan_heap_top(&p->due)]);
	if (p->reach.n)
		at = MIN_OF(at, p->reach.at[plan_heap_top(&p->reach)]);
	at = MAX_OF(at, plan_pace_ready(p));
	return clamp(at, t, t + PLAN_MIN) - p->shift;
}

static void look_start(struct plan *p, uint32_t i, enum probe_depth depth, int64_t t,
		       struct plan_look *ret)
{
	plan_row_take(p, i, depth, t);
	ret->id = (int64_t)p->rows.key[i];
	ret->depth = depth;
}

int plan_next(struct plan *p, int64_t now_us, struct plan_look *ret, int64_t *ret_wake_us)
{
	int64_t t = plan_clock(p, now_us), at;
	plan_fault_settle(p, t);
	ret->snapshot = false;
	if (plan_pace_ready(p) > t) {
		*ret_wake_us = next_wake(p, t);
		return 0;
	}
	uint32_t i = plan_canary_due(p, &at);
	if (i != PLAN_NONE && at <= t) {
		plan_canary_took(p, i, t);
		look_start(p, i, PROBE_KEYFRAME, t, ret);
		return 1;
	}
	i = next_due(p, t);
	if (i != PLAN_NONE) {
		enum probe_depth depth = PROBE_REACH;
		if (plan_host(p, plan_row(p, i)->host)->scout != i)
			depth = plan_depth(p, i, t, &ret->snapshot);
		look_start(p, i, depth, t, ret);
		return 1;
	}
	i = plan_host_next(p, t);
	if (i != PLAN_NONE) {
		look_start(p, i, PROBE_REACH, t, ret);
		return 1;
	}
	*ret_wake_us = next_wake(p, t);
	return 0;
}

/* The row whose look is answered, if the answer is to be listened to; else all is done. */
static bool answered(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	uint32_t slot_host = s->slot_host;
	plan_row_back(p, i);
	if (s->gone) {
		p->gone--;
		s->where = PLAN_FREE;
		plan_table_remove(&p->rows, i);
	}
	if (slot_host != PLAN_NONE)
		plan_host_let_go(p, slot_host);
	if (s->where == PLAN_FREE || !s->stale)
		return s->where != PLAN_FREE;
	s->stale = false;
	plan_row_due(p, i, t + plan_spread(p->rows.key[i], s->round, p->conf.retry_us));
	return false;
}

static uint32_t find_away(const struct plan *p, int64_t id)
{
	uint32_t i = plan_table_find(&p->rows, (uint64_t)id);
	return i != PLAN_NONE && plan_row(p, i)->where == PLAN_AWAY ? i : PLAN_NONE;
}

void plan_abandon(struct plan *p, int64_t id, int64_t now_us)
{
	int64_t t = plan_clock(p, now_us);
	uint32_t i = find_away(p, id);
	if (i == PLAN_NONE || !answered(p, i, t))
		return;
	struct plan_row *s = plan_row(p, i);
	if (s->canary)
		plan_canary_again(p, i, t + PLAN_SEC);
	else if (s->depth != PROBE_REACH || plan_host(p, s->host)->scout == i)
		plan_row_due(p, i, t + PLAN_SEC);
	else if (plan_base(p))
		plan_row_due(p, i, p->due.at[i]); /* a reach look leaves its time as it was */
}

enum plan_say plan_result(struct plan *p, const struct probe_result *r, bool suspect,
			  int64_t now_us, struct plan_belief *ret, plan_tell *fn, void *ctx)
{
	int64_t t = plan_clock(p, now_us);
	uint32_t i = find_away(p, r->id);
	*ret = (struct plan_belief){.state = PROBE_UNKNOWN, .since_us = now_us};
	if (i == PLAN_NONE || !answered(p, i, t)) {
		plan_believed(p, r->id, ret);
		return PLAN_SAY_NOTHING;
	}
	plan_fault_settle(p, t);
	p->tell = fn;
	p->ctx = ctx;
	p->self = i;
	p->self_say = PLAN_SAY_NOTHING;
	p->now = now_us;
	if (plan_row(p, i)->canary)
		plan_canary_answer(p, i, r->state == PROBE_ONLINE, t);
	else
		plan_judge(p, i, r, suspect, t);
	p->self = PLAN_NONE;
	row_belief(plan_row(p, i), ret);
	return p->self_say;
}

void plan_counts(const struct plan *p, int64_t now_us, struct plan_counts *ret)
{
	int64_t t = MAX_OF(now_us + p->shift, p->last_t);
	uint32_t due = plan_heap_top(&p->due), reach = plan_heap_top(&p->reach);
	*ret = (struct plan_counts){
		.streams = plan_count(p),
		.online = p->states[PROBE_ONLINE],
		.offline = p->states[PROBE_OFFLINE],
		.unknown = p->states[PROBE_UNKNOWN],
		.under_way = p->away,
		.waiting = p->waiting,
		.doubted = p->doubted,
		.suspects = p->suspects,
		.hosts = p->hosts.n,
		.hosts_down = p->hosts_down,
		.suspects_refused = p->suspects_refused,
		.late_us = due == PLAN_NONE ? 0 : MAX_OF(0, t - p->due.at[due]),
		.reach_late_us = reach == PLAN_NONE ? 0 : MAX_OF(0, t - p->reach.at[reach]),
		.prober_at_fault = plan_fault(p),
		.canary_failed = p->canaries_bad > 0,
		.many_flipped = p->flips.many,
	};
}
