/*
 * plan_sim: a world of streams for a plan, in simulated time. Each look takes as long as what it
 * meets, and each is checked: never two at one stream, never more at a host than it may have, never
 * more starts in any second than allowed; nothing becomes offline but after three failures over 45
 * s, of its own or of its host.
 *
 * SIM_CHECK(condition) is the includer's: assert_true, or abort.
 */
#ifndef PLAN_SIM_H
#define PLAN_SIM_H

#include <stdlib.h>

#include "plan.h"
#include "plan_table.h"

#define SIM_MS INT64_C(1000)
#define SIM_SEC INT64_C(1000000)
#define SIM_MIN (60 * SIM_SEC)
#define SIM_HOUR (60 * SIM_MIN)

enum sim_mode {
	SIM_OK,
	SIM_REFUSED,
	SIM_SILENT,
	SIM_NOT_FOUND,
	SIM_NO_PACKETS,
	SIM_BUSY,
	SIM_SPOILT
};

static const struct {
	int64_t us;
	enum probe_state state;
	enum probe_step step;
	enum probe_cause cause;
} sim_meets[] = {
	[SIM_OK] = {800 * SIM_MS, PROBE_ONLINE, PROBE_GOT_KEYFRAME, PROBE_CAUSE_NONE},
	[SIM_REFUSED] = {2 * SIM_MS, PROBE_OFFLINE, PROBE_RESOLVED, PROBE_REFUSED},
	[SIM_SILENT] = {8 * SIM_SEC, PROBE_OFFLINE, PROBE_RESOLVED, PROBE_TIMEOUT},
	[SIM_NOT_FOUND] = {30 * SIM_MS, PROBE_OFFLINE, PROBE_AUTHORISED, PROBE_NOT_FOUND},
	[SIM_NO_PACKETS] = {8 * SIM_SEC, PROBE_OFFLINE, PROBE_SESSION, PROBE_NO_PACKETS},
	[SIM_BUSY] = {20 * SIM_MS, PROBE_OFFLINE, PROBE_AUTHORISED, PROBE_BUSY},
	[SIM_SPOILT] = {SIM_SEC, PROBE_UNKNOWN, PROBE_NONE, PROBE_PROBER},
};

struct sim_stream {
	int64_t id, first_fail, begun,
		decided;     /* the last look's begin; the last keyframe look's */
	uint32_t host, slot; /* slot: the host its look is under way at */
	uint8_t mode, depth, met;
	bool in, away, canary, suspect;
	bool stale; /* the look under way is of what it was before */
	uint32_t fails, looks;
	uint8_t believed; /* enum probe_state */
	uint8_t cause;
};

struct sim_host {
	char name[32];
	int64_t first_fail;
	uint32_t away, limit, fails;
	bool server;
};

struct sim {
	struct plan_conf conf;
	struct plan *p;
	int64_t now;
	size_t slots, away;
	struct sim_stream *s; /* id = index + 1 */
	struct sim_host *h;
	uint32_t n, hosts;
	struct plan_heap answers;
	uint64_t looks[4], starts, results, said, said_by_state[3], told_offline, told_unknown;
	uint64_t snapshots, came_offline, abandoned;
	int64_t start_at[PLAN_CONNECTS_MAX];
	int64_t worst_gap; /* between two keyframe looks decided at one that works */
	uint32_t abandon_every;
};

static const struct plan_conf sim_conf = {
	.reach_every_us = SIM_MIN,
	.keyframe_every_us = 5 * SIM_MIN,
	.watch_every_us = 2 * SIM_HOUR,
	.picture_every = 6,
	.per_host = 1,
	.per_server = 32,
	.connects_per_s = 200,
	.jitter_pct = 20,
	.retry_us = 15 * SIM_SEC,
};

static inline void sim_init(struct sim *w, const struct plan_conf *conf, uint32_t n, uint32_t hosts)
{
	*w = (struct sim){.conf = *conf, .slots = 400, .n = n, .hosts = hosts};
	w->now = 1790000000 * SIM_SEC;
	w->p = plan_new(conf);
	w->s = calloc(n, sizeof(*w->s));
	w->h = calloc(hosts, sizeof(*w->h));
	SIM_CHECK(w->p && w->s && w->h && !plan_heap_reserve(&w->answers, n));
	for (uint32_t i = 0; i < n; i++)
		w->s[i].id = i + 1;
	for (uint32_t i = 0; i < hosts; i++) {
		snprintf(w->h[i].name, sizeof(w->h[i].name), "10.%u.%u.%u:554", i >> 16,
			 i >> 8 & 255, i & 255);
		w->h[i].limit = (uint32_t)conf->per_host;
	}
	for (size_t k = 0; k < COUNT_OF(w->start_at); k++)
		w->start_at[k] = INT64_MIN / 2;
}

static inline void sim_done(struct sim *w)
{
	plan_free(w->p);
	plan_heap_done(&w->answers);
	free(w->s);
	free(w->h);
}

static inline void sim_server(struct sim *w, uint32_t host)
{
	w->h[host].server = true;
	w->h[host].limit = (uint32_t)w->conf.per_server;
}

static inline int sim_put(struct sim *w, uint32_t i, uint32_t host, const struct plan_belief *b)
{
	struct sim_stream *s = &w->s[i];
	struct plan_stream ps = {s->id, w->h[host].name, w->h[host].server, s->canary};
	int r = plan_put(w->p, &ps, b, w->now);
	if (r)
		return r;
	if (!s->in || s->host != host) {
		s->fails = 0;
		s->stale = s->away;
	}
	if (!s->in) {
		s->believed = b ? (uint8_t)b->state : PROBE_UNKNOWN;
		s->decided = w->now;
	}
	s->in = true;
	s->host = host;
	return 0;
}

static inline void sim_remove(struct sim *w, uint32_t i)
{
	plan_remove(w->p, w->s[i].id);
	w->s[i].in = false;
}

static inline void sim_believe(struct sim *w, struct sim_stream *s, const struct plan_belief *b,
			       enum plan_say say)
{
	const struct sim_host *h = &w->h[s->host];
	if (b->state == PROBE_OFFLINE && s->believed != PROBE_OFFLINE) {
		bool folded = b->cause == PROBE_HOST_DOWN;
		uint32_t fails = folded ? h->fails : s->fails;
		int64_t first = folded ? h->first_fail : s->first_fail;
		SIM_CHECK(fails >= 3 && w->now - first >= 3 * w->conf.retry_us);
		SIM_CHECK(say == PLAN_SAY);
		w->came_offline++;
	}
	SIM_CHECK(b->state == PROBE_UNKNOWN || b->cause != PROBE_PROBER);
	s->believed = (uint8_t)b->state;
	s->cause = (uint8_t)b->cause;
	w->said += say == PLAN_SAY;
	w->said_by_state[b->state] += say == PLAN_SAY;
}

static inline void sim_tell(void *ctx, int64_t id, const struct plan_belief *b, enum plan_say say)
{
	struct sim *w = ctx;
	w->told_offline += b->state == PROBE_OFFLINE;
	w->told_unknown += b->state == PROBE_UNKNOWN;
	SIM_CHECK(w->s[id - 1].in);
	sim_believe(w, &w->s[id - 1], b, say);
}

static inline void sim_start(struct sim *w, const struct plan_look *look)
{
	struct sim_stream *s = &w->s[look->id - 1];
	struct sim_host *h = &w->h[s->host];
	int64_t *start = &w->start_at[w->starts % (uint64_t)w->conf.connects_per_s];
	int64_t takes = sim_meets[s->mode].us;
	SIM_CHECK(s->in && !s->away);
	SIM_CHECK(s->canary || h->away < h->limit);
	SIM_CHECK(w->now - *start >= SIM_SEC);
	*start = w->now;
	if (look->depth == PROBE_REACH && s->mode != SIM_SILENT && s->mode != SIM_SPOILT)
		takes = 2 * SIM_MS;
	if (look->depth == PROBE_WATCH && s->mode == SIM_OK)
		takes += 10 * SIM_SEC;
	takes += s->mode == SIM_OK ? (int64_t)(plan_mix((uint64_t)w->now) % 400) * SIM_MS : 0;
	w->starts++;
	w->looks[look->depth]++;
	w->snapshots += look->snapshot;
	SIM_CHECK(!look->snapshot || look->depth >= PROBE_PICTURE);
	s->away = true;
	s->depth = (uint8_t)look->depth;
	s->slot = s->host;
	s->met = s->mode;
	s->begun = w->now;
	s->looks++;
	h->away += !s->canary;
	w->away++;
	plan_heap_set(&w->answers, (uint32_t)(look->id - 1), w->now + takes);
}

/* What the checks of sim_believe rest on. */
static inline void sim_evidence(struct sim *w, struct sim_stream *s, const struct probe_result *r)
{
	struct sim_host *h = &w->h[s->host];
	if (r->step >= PROBE_CONNECTED)
		h->fails = 0;
	else if (r->state == PROBE_OFFLINE && !h->fails++)
		h->first_fail = s->begun;
	if (r->state == PROBE_OFFLINE && r->cause != PROBE_BUSY) {
		if (!s->fails++)
			s->first_fail = s->begun;
	} else if (r->state != PROBE_UNKNOWN && s->depth != PROBE_REACH) {
		s->fails = 0;
	}
	if (s->depth == PROBE_REACH || r->state != PROBE_ONLINE)
		return;
	w->worst_gap = MAX_OF(w->worst_gap, w->now - s->decided);
	s->decided = w->now;
}

static inline void sim_answer(struct sim *w, uint32_t i)
{
	struct sim_stream *s = &w->s[i];
	struct probe_result r;
	struct plan_belief b;
	bool was_in = s->in && !s->stale;
	memset(&r, 0, offsetof(struct probe_result, detail));
	r.id = s->id;
	r.depth = s->depth;
	r.state = sim_meets[s->met].state;
	r.step = sim_meets[s->met].step;
	r.cause = sim_meets[s->met].cause;
	if (s->depth == PROBE_REACH && r.step >= PROBE_CONNECTED) {
		r.state = PROBE_ONLINE;
		r.step = PROBE_CONNECTED;
		r.cause = PROBE_CAUSE_NONE;
	}
	plan_heap_drop(&w->answers, i);
	s->away = s->stale = false;
	w->h[s->slot].away -= !s->canary;
	w->away--;
	w->results++;
	if (w->abandon_every && w->results % w->abandon_every == 0) {
		w->abandoned++;
		plan_abandon(w->p, s->id, w->now);
		return;
	}
	if (was_in)
		sim_evidence(w, s, &r);
	bool suspect = s->suspect && s->depth >= PROBE_PICTURE && r.state == PROBE_ONLINE;
	enum plan_say say = plan_result(w->p, &r, suspect, w->now, &b, sim_tell, w);
	SIM_CHECK(was_in || say == PLAN_SAY_NOTHING);
	SIM_CHECK(!s->canary || say == PLAN_SAY_NOTHING);
	if (was_in && !s->canary)
		sim_believe(w, s, &b, say);
}

/* All that happens until then. */
static inline void sim_run(struct sim *w, int64_t until)
{
	while (w->now < until) {
		struct plan_look look;
		int64_t wake = INT64_MAX;
		uint32_t first;
		while (w->away < w->slots && plan_next(w->p, w->now, &look, &wake))
			sim_start(w, &look);
		first = plan_heap_top(&w->answers);
		if (w->away < w->slots)
			SIM_CHECK(wake > w->now);
		int64_t next = MIN_OF(wake, until);
		if (first != PLAN_NONE)
			next = MIN_OF(next, w->answers.at[first]);
		SIM_CHECK(next >= w->now);
		w->now = next;
		while ((first = plan_heap_top(&w->answers)) != PLAN_NONE &&
		       w->answers.at[first] <= w->now)
			sim_answer(w, first);
	}
}

static inline void sim_counts(const struct sim *w, struct plan_counts *ret)
{
	size_t by[3] = {0}, n = 0;
	plan_counts(w->p, w->now, ret);
	for (uint32_t i = 0; i < w->n; i++) {
		struct plan_belief b;
		if (!w->s[i].in || w->s[i].canary)
			continue;
		SIM_CHECK(plan_believed(w->p, w->s[i].id, &b));
		SIM_CHECK(b.state == w->s[i].believed);
		by[b.state]++;
		n++;
	}
	SIM_CHECK(ret->streams == n && plan_count(w->p) == n);
	SIM_CHECK(ret->online == by[PROBE_ONLINE] && ret->offline == by[PROBE_OFFLINE]);
	SIM_CHECK(ret->unknown == by[PROBE_UNKNOWN] && ret->under_way == w->away);
}

#endif
