#include "plan_parts.h"

int64_t plan_clock(struct plan *p, int64_t now)
{
	int64_t t = now + p->shift;
	if (t < p->last_t) {
		p->shift += p->last_t - t;
		t = p->last_t;
	}
	p->last_t = t;
	return t;
}

int64_t plan_base(const struct plan *p)
{
	return p->conf.keyframe_every_us ? p->conf.keyframe_every_us : p->conf.watch_every_us;
}

int64_t plan_spread(uint64_t key, uint64_t salt, int64_t range)
{
	return range > 0 ? (int64_t)(plan_mix(key ^ plan_mix(salt)) % (uint64_t)range) : 0;
}

int64_t plan_jitter(const struct plan *p, uint64_t key, uint32_t round, int64_t every)
{
	int64_t by = every / 100 * p->conf.jitter_pct;
	return every - by + plan_spread(key, round, 2 * by + 1);
}

/* Never sooner than said: offline is believed after that. */
int64_t plan_retry(const struct plan *p, uint64_t key, uint32_t round, int tries)
{
	int64_t every = tries > 1 ? 2 * p->conf.retry_us : p->conf.retry_us;
	return every + plan_spread(key, round, every / 5 + 1);
}

int64_t plan_backoff(const struct plan *p, uint64_t key, uint32_t round, uint8_t *step)
{
	static const uint8_t retries[] = {4, 8, 20, 40}; /* of 15 s: 1, 2, 5, 10 min */
	int64_t every = retries[*step] * p->conf.retry_us;
	if (*step + 1u < COUNT_OF(retries))
		++*step;
	return plan_jitter(p, key, round, every);
}

enum probe_depth plan_depth(const struct plan *p, uint32_t i, int64_t t, bool *ret_snapshot)
{
	const struct plan_row *s = plan_row(p, i);
	const struct plan_conf *c = &p->conf;
	bool deeper = s->suspect && s->deeper_t <= t;
	*ret_snapshot = false;
	if (s->canary || s->state == PROBE_OFFLINE || s->doubted || s->fails || s->busies ||
	    s->voids)
		return PROBE_KEYFRAME;
	*ret_snapshot = deeper;
	/* At the keyframe look next to when it is due; what is late is not held up by ten seconds.
	 */
	bool watch = s->watch_t - c->keyframe_every_us / 2 <= t && t - p->due.at[i] < PLAN_LATE_US;
	if (c->watch_every_us && (deeper || watch))
		return PROBE_WATCH;
	if (s->suspect || (c->picture_every && s->shown % (uint64_t)c->picture_every == 0))
		return PROBE_PICTURE;
	return c->keyframe_every_us ? PROBE_KEYFRAME : PROBE_WATCH;
}

/* Any window of a second holds at most `rate` starts, any of a tenth of that at most a tenth. */
int64_t plan_pace_ready(const struct plan *p)
{
	uint64_t rate = (uint64_t)p->conf.connects_per_s, step = rate >= 10 ? rate / 10 : 1;
	const struct plan_pace *c = &p->pace;
	int64_t ready = INT64_MIN;
	if (c->n >= rate)
		ready = c->at[(c->n - rate) % PLAN_CONNECTS_MAX] + PLAN_SEC;
	if (c->n >= step)
		ready = MAX_OF(ready, c->at[(c->n - step) % PLAN_CONNECTS_MAX] + PLAN_SEC / 10);
	return ready;
}

void plan_pace_note(struct plan *p, int64_t t)
{
	p->pace.at[p->pace.n++ % PLAN_CONNECTS_MAX] = t;
}
