#include "pace.h"

#define JITTER_PCT 20
#define LONG_AGO (INT64_MIN / 2)

int pace_init(struct pace *p, const struct pace_limit limits[static PACE_LIMITS])
{
	*p = (struct pace){0};
	for (size_t i = 0; i < PACE_LIMITS; i++) {
		struct pace_log *l = &p->logs[i];
		if (!limits[i].n)
			continue;
		l->limit = limits[i];
		l->limit.n = MIN_OF(l->limit.n, (uint32_t)PACE_N_MAX);
		l->sent_us = mem_new(l->limit.n * sizeof *l->sent_us);
		if (!l->sent_us) {
			pace_done(p);
			return -ENOMEM;
		}
		for (uint32_t k = 0; k < l->limit.n; k++)
			l->sent_us[k] = LONG_AGO;
	}
	return 0;
}

void pace_done(struct pace *p)
{
	for (size_t i = 0; i < PACE_LIMITS; i++)
		free(p->logs[i].sent_us);
	*p = (struct pace){0};
}

/* The k-th oldest of those kept: the k-th to fall out of the span. */
static int64_t frees_at(const struct pace_log *l, uint32_t k)
{
	return l->sent_us[(l->next + k) % l->limit.n] + l->limit.span_us;
}

static size_t room(const struct pace_log *l, int64_t now_us)
{
	uint32_t k = 0;
	if (!l->limit.n)
		return SIZE_MAX;
	while (k < l->limit.n && frees_at(l, k) <= now_us)
		k++;
	return k;
}

bool pace_open(const struct pace *p)
{
	return p->open_until_us != 0;
}

size_t pace_ready(const struct pace *p, int64_t now_us, size_t max)
{
	if (now_us < p->rest_until_us || now_us < p->open_until_us || p->trial)
		return 0;
	for (size_t i = 0; i < PACE_LIMITS; i++)
		max = MIN_OF(max, room(&p->logs[i], now_us));
	return pace_open(p) ? MIN_OF(max, (size_t)1) : max;
}

int64_t pace_next(const struct pace *p, int64_t now_us)
{
	int64_t at = MAX_OF(now_us, MAX_OF(p->rest_until_us, p->open_until_us));
	for (size_t i = 0; i < PACE_LIMITS; i++)
		if (p->logs[i].limit.n)
			at = MAX_OF(at, frees_at(&p->logs[i], 0));
	return p->trial ? INT64_MAX : at;
}

static void note(struct pace *p, int64_t sent_us)
{
	for (size_t i = 0; i < PACE_LIMITS; i++) {
		struct pace_log *l = &p->logs[i];
		if (!l->limit.n)
			continue;
		l->sent_us[l->next] = sent_us;
		l->next = (l->next + 1) % l->limit.n;
	}
}

void pace_take(struct pace *p, int64_t now_us)
{
	note(p, now_us);
	p->trial = pace_open(p);
}

void pace_inherit(struct pace *p, const struct pace *before)
{
	const struct pace_log *l = &before->logs[0];
	for (size_t i = 1; i < PACE_LIMITS; i++)
		if (before->logs[i].limit.n > l->limit.n)
			l = &before->logs[i];
	for (uint32_t k = 0; k < l->limit.n; k++)
		note(p, l->sent_us[(l->next + k) % l->limit.n]);
	p->open_until_us = before->open_until_us;
	p->open_for_us = before->open_for_us;
	p->rest_until_us = before->rest_until_us;
	p->failures = before->failures;
	p->trial = before->trial;
}

static bool fail(struct pace *p, uint64_t seed, int64_t now_us)
{
	bool was_open = pace_open(p);
	if (p->failures < PACE_FAILURES)
		p->failures++;
	/* Of what was under way when it opened, only the trial tells something new. */
	if (p->failures < PACE_FAILURES || (was_open && !p->trial))
		return false;
	p->open_for_us = was_open ? MIN_OF(p->open_for_us * 2, PACE_OPEN_MAX_US) : PACE_OPEN_MIN_US;
	p->open_until_us =
		now_us + p->open_for_us + p->open_for_us / 100 * (int64_t)(seed % (JITTER_PCT + 1));
	p->trial = false;
	return !was_open;
}

bool pace_answer(struct pace *p, bool works, int64_t rest_us, uint64_t seed, int64_t now_us)
{
	if (rest_us > 0)
		p->rest_until_us = MAX_OF(p->rest_until_us, now_us + rest_us);
	if (!works)
		return fail(p, seed, now_us);
	bool was_open = pace_open(p);
	p->failures = 0;
	p->open_until_us = 0;
	p->trial = false;
	return was_open;
}

void pace_forget(struct pace *p)
{
	p->trial = false;
}
