/*
 * retry: when an alert that was not accepted is sent again. Pure; any thread.
 *
 * The waits are 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, then 10 h each, as long as they end
 * within 3 days of the first attempt; then the schedule is over and the alert is dead. It counts
 * attempts, not the clock: time in which the hub itself was down takes no attempt from the
 * receiver.
 */
#ifndef GRIDHUB_RETRY_H
#define GRIDHUB_RETRY_H

#include "base.h"

#define RETRY_SPAN_US INT64_C(259200000000)	/* 3 days */
#define RETRY_AFTER_MAX_US INT64_C(36000000000) /* 10 h: the most that a receiver may ask for */

/*
 * Wait after attempt number `attempt` (1 is the first) until the next; -ETIMEDOUT: there is no
 * next.
 * scale_pct: per cent of the waits. seed: spreads the waits by up to +10 %, the same for the same
 * seed. retry_after_us: what the receiver asked for, 0 if nothing; it lengthens a wait (not
 * scaled), never shortens it.
 */
must_check int retry_wait(int attempt, int64_t scale_pct, uint64_t seed, int64_t retry_after_us,
			  int64_t *ret_us);

#endif
