#include "plan_parts.h"

#define DEEPER_US (30 * PLAN_MIN) /* between two watches of what is suspect */

void plan_count_row(struct plan *p, const struct plan_row *s, int by)
{
	if (s->canary)
		return;
	p->states[s->state] += (size_t)by;
	p->doubted += s->doubted ? (size_t)by : 0;
	p->suspects += s->suspect ? (size_t)by : 0;
}

void plan_believe(struct plan *p, uint32_t i, enum probe_state state, enum probe_step step,
		  enum probe_cause cause, enum plan_say say)
{
	struct plan_row *s = plan_row(p, i);
	plan_count_row(p, s, -1);
	if (s->state != state)
		s->since_us = p->now;
	s->state = (uint8_t)state;
	s->step = (uint8_t)step;
	s->cause = (uint8_t)cause;
	s->doubted = false;
	s->suspect = s->suspect && state == PROBE_ONLINE;
	plan_count_row(p, s, 1);
	if (i == p->self) {
		p->self_say = say;
		return;
	}
	struct plan_belief b = {state, step, cause, s->since_us};
	if (p->tell)
		p->tell(p->ctx, (int64_t)p->rows.key[i], &b, say);
}

static void row_again(struct plan *p, uint32_t i, int64_t t, int tries)
{
	uint64_t key = p->rows.key[i];
	plan_row_due(p, i, t + plan_retry(p, key, plan_row(p, i)->round, tries));
}

static void row_later(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	plan_row_due(p, i, t + plan_backoff(p, p->rows.key[i], s->round, &s->backoff));
}

static void row_every(struct plan *p, uint32_t i, int64_t t, int64_t every)
{
	if (every)
		plan_row_due(p, i,
			     t + plan_jitter(p, p->rows.key[i], plan_row(p, i)->round, every));
}

/* true: it is to be watched at once. */
static bool row_suspect(struct plan *p, struct plan_row *s, bool suspect, int64_t t)
{
	bool soon = suspect && s->deeper_t <= t;
	if (s->suspect) {
		if (s->depth < PROBE_PICTURE)
			return false;
		if (s->deeper_t <= t)
			s->deeper_t = t + DEEPER_US;
		s->suspect = suspect;
		p->suspects -= !suspect;
		return false;
	}
	if (!suspect)
		return false;
	if (p->suspects >= MAX_OF(PLAN_SUSPECTS_MIN, plan_count(p) * PLAN_SUSPECTS_PCT / 100)) {
		p->suspects_refused++;
		return false;
	}
	s->suspect = true;
	p->suspects++;
	return soon;
}

static void judge_good(struct plan *p, uint32_t i, const struct probe_result *r, bool suspect,
		       int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	if (s->state == PROBE_ONLINE || s->doubted)
		plan_fault_good(p, i, true, t);
	s->fails = s->busies = s->voids = s->backoff = 0;
	s->seen_t = t;
	s->shown++;
	if (s->depth == PROBE_WATCH)
		s->watch_t = t + plan_jitter(p, p->rows.key[i], s->round, p->conf.watch_every_us);
	plan_believe(p, i, PROBE_ONLINE, r->step, PROBE_CAUSE_NONE, PLAN_SAY);
	if (row_suspect(p, s, suspect, t))
		plan_row_due(p, i, t + plan_retry(p, p->rows.key[i], s->round, 1) / 3);
	else
		row_every(p, i, t, plan_base(p));
}

/* All sessions are taken: it works, for others; we have seen nothing. */
static void judge_busy(struct plan *p, uint32_t i, const struct probe_result *r, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	bool decided = s->busies + 1 >= PLAN_TRIES;
	enum probe_state state = PROBE_UNKNOWN;
	s->fails = s->voids = s->backoff = 0;
	s->busies = (uint8_t)MIN_OF(s->busies + 1, PLAN_TRIES);
	if (s->state == PROBE_ONLINE && t - s->seen_t < 3 * plan_base(p))
		state = PROBE_ONLINE;
	if (decided || s->state != state)
		plan_believe(p, i, state, r->step, PROBE_BUSY, PLAN_SAY);
	if (decided)
		row_every(p, i, t, plan_base(p));
	else
		row_again(p, i, t, s->busies);
}

/* On our side. When all of ours is at fault it says nothing of this stream. */
static void judge_spoilt(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	s->voids = (uint8_t)MIN_OF(s->voids + 1, PLAN_TRIES);
	if (s->voids < PLAN_TRIES) {
		row_again(p, i, t, s->voids);
		return;
	}
	s->fails = 0;
	if (s->state != PROBE_UNKNOWN || s->cause != PROBE_PROBER)
		plan_believe(p, i, PROBE_UNKNOWN, s->step, PROBE_PROBER,
			     plan_fault(p) ? PLAN_SAY_NOTHING : PLAN_SAY);
	row_later(p, i, t);
}

/* Nobody becomes offline, for we cannot be trusted. */
static void judge_bad_at_fault(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	if (s->state == PROBE_OFFLINE) {
		row_later(p, i, t);
		return;
	}
	if (!s->doubted)
		plan_doubt(p, i, PLAN_SAY_NOTHING);
	if (p->canaries_bad)
		s->fails = 0;
	if (s->fails && s->fails < PLAN_TRIES)
		row_again(p, i, t, s->fails);
	else
		row_every(p, i, t, 4 * p->conf.retry_us);
}

static void judge_bad(struct plan *p, uint32_t i, const struct probe_result *r, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	bool first = !s->fails && (s->state == PROBE_ONLINE || s->doubted);
	s->fails = (uint8_t)MIN_OF(s->fails + 1, PLAN_TRIES);
	s->busies = s->voids = 0;
	if (first && !p->canaries_bad)
		plan_fault_bad(p, i, r->step >= PROBE_CONNECTED, s->depth == PROBE_REACH, t);
	if (plan_fault(p)) {
		judge_bad_at_fault(p, i, t);
	} else if (s->state != PROBE_OFFLINE && s->fails < PLAN_TRIES) {
		row_again(p, i, t, s->fails);
	} else if (s->state != PROBE_OFFLINE && plan_canary_slow(p, t)) {
		s->fails = PLAN_TRIES - 1;
		row_again(p, i, t, 1);
	} else {
		if (s->state != PROBE_OFFLINE)
			s->backoff = 0;
		plan_believe(p, i, PROBE_OFFLINE, r->step, r->cause, PLAN_SAY);
		row_later(p, i, t);
	}
}

enum verdict { GOOD, BUSY, SPOILT, BAD };

static enum verdict verdict_of(const struct probe_result *r)
{
	if (r->state == PROBE_UNKNOWN || r->cause == PROBE_PROBER)
		return SPOILT;
	if (r->state == PROBE_ONLINE)
		return GOOD;
	return r->cause == PROBE_BUSY ? BUSY : BAD;
}

/* A look at its host, by this row; scout: for that alone. */
static void judge_reach(struct plan *p, uint32_t i, const struct probe_result *r, bool scout,
			int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	enum verdict v = verdict_of(r);
	bool online = s->state == PROBE_ONLINE || s->doubted;
	if (v == GOOD && online)
		plan_fault_good(p, i, false, t);
	if (v != BAD)
		return;
	if (o->state != PLAN_UP) {
		if (scout)
			plan_host_failed(p, s->host, r, t);
	} else if (o->channels >= PLAN_CHANNELS) {
		plan_host_try(p, s->host, 1, t + plan_retry(p, p->hosts.key[s->host], o->round, 1));
		if (online && !s->fails && !p->canaries_bad)
			plan_fault_bad(p, i, false, true, t);
	} else if (s->state != PROBE_OFFLINE && !s->fails) {
		judge_bad(p, i, r, t);
	}
}

/* What is left to do: the host may have to be tried, and the row must stand somewhere. */
static void judge_place(struct plan *p, uint32_t i, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	if (o->state == PLAN_UP && o->unreached >= PLAN_CHANNELS)
		plan_host_try(p, s->host, 0, t);
	if (o->state != PLAN_UP && o->scout == PLAN_NONE)
		plan_host_scout(p, s->host, t + plan_retry(p, p->hosts.key[s->host], o->round, 1));
	if (s->where == PLAN_IDLE && plan_base(p))
		plan_row_due(p, i, p->due.at[i]); /* a reach look leaves its time as it was */
}

void plan_judge(struct plan *p, uint32_t i, const struct probe_result *r, bool suspect, int64_t t)
{
	struct plan_row *s = plan_row(p, i);
	struct plan_host *o = plan_host(p, s->host);
	enum verdict v = verdict_of(r);
	bool scout = o->scout == i;
	if (scout) {
		o->scout = PLAN_NONE;
		p->due.at[i] = o->scout_own_t;
	}
	if (v != SPOILT)
		plan_host_heard(p, i, v != BAD || r->step >= PROBE_CONNECTED, t);
	if (s->depth == PROBE_REACH)
		judge_reach(p, i, r, scout, t);
	else if (v == GOOD)
		judge_good(p, i, r, suspect, t);
	else if (v == BUSY)
		judge_busy(p, i, r, t);
	else if (v == SPOILT)
		judge_spoilt(p, i, t);
	else if (o->state != PLAN_DOWN) /* else it is what all of the host are */
		judge_bad(p, i, r, t);
	judge_place(p, i, t);
}
