#include "plan_parts.h"

/* ---- many flipped at once ---- */

bool plan_fault(const struct plan *p)
{
	return p->canaries_bad || p->flips.many;
}

void plan_doubt(struct plan *p, uint32_t i, enum plan_say say)
{
	plan_believe(p, i, PROBE_UNKNOWN, plan_row(p, i)->step, PROBE_PROBER, say);
	plan_row(p, i)->doubted = true;
	p->doubted++;
	p->flips.peak = MAX_OF(p->flips.peak, p->doubted);
}

/* What became offline within the last minute is withdrawn, and judged anew; what failed since is in
 * doubt. */
static void fault_doubt_row(struct plan *p, uint32_t i, bool forget)
{
	struct plan_row *s = plan_row(p, i);
	bool failing = s->fails || plan_host(p, s->host)->state == PLAN_TRYING;
	if (s->state == PROBE_OFFLINE) {
		if (s->since_us <= p->now - PLAN_FLIP_US)
			return;
		plan_doubt(p, i, PLAN_SAY);
		s->fails = 0;
	} else if (s->state == PROBE_ONLINE && failing) {
		plan_doubt(p, i, PLAN_SAY_NOTHING);
	}
	if (forget)
		s->fails = 0;
}

/* forget: what was seen of failures proves nothing. */
static void fault_begin(struct plan *p, bool forget)
{
	for (uint32_t i = 0; i < p->rows.used; i++) {
		struct plan_row *s = plan_row(p, i);
		if (s->where == PLAN_FREE || s->gone || s->canary)
			continue;
		struct plan_host *o = plan_host(p, s->host);
		bool folded = s->state == PROBE_OFFLINE && s->cause == PROBE_HOST_DOWN;
		fault_doubt_row(p, i, forget);
		if (folded && s->doubted && o->state == PLAN_DOWN) {
			o->state = PLAN_TRYING;
			p->hosts_down--;
		}
		if (forget && o->state == PLAN_TRYING)
			o->tries = 0;
	}
}

static void flips_clear(struct plan *p)
{
	memset(p->flips.slot, 0, sizeof(p->flips.slot));
}

static struct plan_flip *flips_slot(struct plan *p, int64_t t)
{
	int64_t slot = t / (PLAN_FLIP_US / PLAN_FLIP_SLOTS);
	if (slot - p->flips.slot_t >= PLAN_FLIP_SLOTS) {
		flips_clear(p);
		p->flips.slot_t = slot;
	}
	while (p->flips.slot_t < slot)
		p->flips.slot[++p->flips.slot_t % PLAN_FLIP_SLOTS] = (struct plan_flip){0};
	return &p->flips.slot[slot % PLAN_FLIP_SLOTS];
}

/* How long it lasts at least while others show pictures. */
static int64_t flips_wait(const struct plan *p)
{
	return MAX_OF(4 * p->conf.retry_us, plan_base(p) / 5 * 6);
}

/* Its own place, or that of the oldest. */
static void flips_shown(struct plan *p, uint32_t h, int64_t t)
{
	size_t place = 0;
	if (t - p->flips.picture_t > flips_wait(p) / 6 * 5)
		p->flips.flow_t = t;
	p->flips.picture_t = t;
	for (size_t k = 0; k < COUNT_OF(p->flips.shown); k++) {
		if (p->flips.shown[k].host == h) {
			place = k;
			break;
		}
		if (p->flips.shown[k].t < p->flips.shown[place].t)
			place = k;
	}
	p->flips.shown[place].host = h;
	p->flips.shown[place].t = t;
}

void plan_fault_good(struct plan *p, uint32_t i, bool picture, int64_t t)
{
	struct plan_flip *f = flips_slot(p, t);
	f->good[PLAN_CONNECTED]++;
	f->good[PLAN_SHOWN] += picture;
	if (picture)
		flips_shown(p, plan_row(p, i)->host, t);
}

/* In the last so many parts of the minute: those that could not be connected among those tried, or
 * those without a picture among those that were asked for one. */
static bool flips_many(const struct plan *p, int64_t slots)
{
	for (int kind = 0; kind < 2; kind++) {
		uint64_t good = 0, bad = 0;
		for (int64_t k = MAX_OF(p->flips.slot_t - slots + 1, 0); k <= p->flips.slot_t;
		     k++) {
			good += p->flips.slot[k % PLAN_FLIP_SLOTS].good[kind];
			bad += p->flips.slot[k % PLAN_FLIP_SLOTS].bad[kind];
		}
		if (bad >= PLAN_FLIP_MIN && bad * 100 > PLAN_FLIP_PCT * (good + bad))
			return true;
	}
	return false;
}

void plan_fault_bad(struct plan *p, uint32_t i, bool connected, bool reach, int64_t t)
{
	struct plan_host *o = plan_host(p, plan_row(p, i)->host);
	struct plan_flip *f = flips_slot(p, t);
	if (!connected && o->flipped && p->flips.slot_t - o->flipped < PLAN_FLIP_SLOTS)
		return;
	if (!connected)
		o->flipped = (uint32_t)p->flips.slot_t;
	f->good[PLAN_CONNECTED] += connected;
	f->bad[PLAN_CONNECTED] += !connected;
	f->bad[PLAN_SHOWN] += !reach;
	if (plan_fault(p) || !(flips_many(p, 2) || flips_many(p, PLAN_FLIP_SLOTS)))
		return;
	p->flips.many = true;
	p->flips.began_t = t;
	p->flips.peak = p->doubted;
	fault_begin(p, false);
}

/* Others do show pictures, and not only since a moment ago: then looks are still under way that
 * began while nothing worked. */
static bool flips_others_show(const struct plan *p, int64_t t)
{
	int64_t wait = flips_wait(p);
	bool shown = t - p->flips.flow_t >= wait / 3;
	for (size_t k = 0; k < COUNT_OF(p->flips.shown); k++)
		shown = shown && p->flips.shown[k].host != PLAN_NONE &&
			p->flips.shown[k].t > t - wait / 6 * 5;
	return shown;
}

void plan_fault_settle(struct plan *p, int64_t t)
{
	if (!p->flips.many || p->canaries_bad)
		return;
	int64_t wait = flips_wait(p), age = t - p->flips.began_t;
	bool back = age >= 4 * p->conf.retry_us && p->doubted <= p->flips.peak / 4;
	if (!back && !(age >= wait && flips_others_show(p, t)) && age < 5 * wait)
		return;
	p->flips.many = false;
	flips_clear(p);
}

/* ---- canaries ---- */

int plan_canary_add(struct plan *p, uint32_t i, int64_t t)
{
	if (p->canaries == PLAN_CANARIES_MAX)
		return -E2BIG;
	size_t k = p->canaries++;
	p->canary[k].row = i;
	p->canary[k].at_t = t;
	p->canary[k].bad = false;
	return 0;
}

static size_t canary_of(const struct plan *p, uint32_t i)
{
	size_t k = 0;
	while (p->canary[k].row != i)
		k++;
	return k;
}

void plan_canary_drop(struct plan *p, uint32_t i)
{
	size_t k = canary_of(p, i);
	p->canaries_bad -= p->canary[k].bad;
	p->canary[k] = p->canary[--p->canaries];
}

void plan_canary_took(struct plan *p, uint32_t i, int64_t t)
{
	p->canary[canary_of(p, i)].began_t = t;
}

void plan_canary_again(struct plan *p, uint32_t i, int64_t at)
{
	p->canary[canary_of(p, i)].at_t = at;
}

void plan_canary_answer(struct plan *p, uint32_t i, bool good, int64_t t)
{
	size_t k = canary_of(p, i);
	bool was = p->canary[k].bad, fault = p->canaries_bad > 0;
	p->canary[k].bad = !good;
	/* Between the first failure of a stream and the third it is looked at, whatever retry is.
	 */
	p->canary[k].at_t = t + (good ? 2 : 1) * p->conf.retry_us / (good ? 3 : 5);
	p->canaries_bad = p->canaries_bad - was + !good;
	if (p->canaries_bad && !fault)
		fault_begin(p, true);
	if (!p->canaries_bad && fault)
		flips_clear(p);
}

uint32_t plan_canary_due(const struct plan *p, int64_t *ret_at)
{
	uint32_t i = PLAN_NONE;
	*ret_at = INT64_MAX;
	for (size_t k = 0; k < p->canaries; k++) {
		if (plan_row(p, p->canary[k].row)->where == PLAN_AWAY ||
		    p->canary[k].at_t >= *ret_at)
			continue;
		i = p->canary[k].row;
		*ret_at = p->canary[k].at_t;
	}
	return i;
}

bool plan_canary_slow(const struct plan *p, int64_t t)
{
	for (size_t k = 0; k < p->canaries; k++)
		if (plan_row(p, p->canary[k].row)->where == PLAN_AWAY &&
		    t - p->canary[k].began_t > PLAN_CANARY_SLOW_US)
			return true;
	return false;
}
