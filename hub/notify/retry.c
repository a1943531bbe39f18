#include "retry.h"

#include "times.h"

static const int64_t waits[] = {
	5 * TIMES_SEC,	30 * TIMES_SEC, 2 * TIMES_MIN,	10 * TIMES_MIN,
	30 * TIMES_MIN, 2 * TIMES_HOUR, 5 * TIMES_HOUR, 10 * TIMES_HOUR,
};

#define JITTER_PCT 10

int retry_wait(int attempt, int64_t scale_pct, uint64_t seed, int64_t retry_after_us,
	       int64_t *ret_us)
{
	int64_t spent = 0, wait = 0;
	for (int i = 0; i < attempt; i++) {
		wait = waits[MIN_OF((size_t)i, COUNT_OF(waits) - 1)];
		spent += wait;
		if (spent > RETRY_SPAN_US)
			return -ETIMEDOUT;
	}
	wait = wait * scale_pct / 100;
	wait += wait / 1000 * (int64_t)(seed % (JITTER_PCT * 10 + 1));
	*ret_us = MAX_OF(wait, MIN_OF(retry_after_us, RETRY_AFTER_MAX_US));
	return 0;
}
