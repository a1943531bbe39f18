/*
 * pace: how fast one receiver may be sent to: its rate limits, and a circuit that opens while it
 * fails, so that a dead receiver costs the others nothing.
 *
 * The limits are exact: the times of the last n messages are kept, and another goes when the n-th
 * last was a span ago. (A token bucket that may be emptied at once and refills meanwhile lets up to
 * 2n through; DingTalk blocks a robot for ten minutes after the 21st in a minute.)
 *
 * The circuit: after PACE_FAILURES failures in a row nothing is sent for PACE_OPEN_MIN_US, twice as
 * long after each further failure, at most PACE_OPEN_MAX_US; then one message goes as a trial, and
 * its success closes the circuit. Only what says that the receiver is unwell counts as a failure
 * (no answer, 5xx, 429), not a message that it refuses.
 *
 * Pure; times are monotonic microseconds; one thread.
 */
#ifndef GRIDHUB_PACE_H
#define GRIDHUB_PACE_H

#include "base.h"

#define PACE_LIMITS 2
#define PACE_FAILURES 5
#define PACE_OPEN_MIN_US INT64_C(5000000)
#define PACE_OPEN_MAX_US INT64_C(300000000)

#define PACE_N_MAX 1000

/* At most n messages in any span of that length; n 0: no limit. */
struct pace_limit {
	uint32_t n; /* at most PACE_N_MAX */
	int64_t span_us;
};

struct pace_log { /* when the last limit.n messages went; a ring */
	struct pace_limit limit;
	int64_t *sent_us;
	uint32_t next;
};

struct pace {
	struct pace_log logs[PACE_LIMITS];
	int64_t open_until_us; /* 0: closed */
	int64_t open_for_us;
	int64_t rest_until_us; /* the receiver asked for it */
	unsigned failures;     /* in a row */
	bool trial;	       /* one message is out to see whether it works again */
};

/* Limits with n 0 are none. -ENOMEM. */
must_check int pace_init(struct pace *p, const struct pace_limit limits[static PACE_LIMITS]);
void pace_done(struct pace *p); /* safe on a zeroed one, which has no limits */
/* How many messages may go now, at most max; 0 while the circuit is open. */
size_t pace_ready(const struct pace *p, int64_t now_us, size_t max);
/* The time from which pace_ready is more than 0 (now, if it is). */
int64_t pace_next(const struct pace *p, int64_t now_us);
/* One message goes. */
void pace_take(struct pace *p, int64_t now_us);
/* Its answer: works, or the receiver is unwell; rest_us: it wants nothing for so long. seed: for
 * the jitter of a circuit that opens. True when the circuit opened or closed with it. */
bool pace_answer(struct pace *p, bool works, int64_t rest_us, uint64_t seed, int64_t now_us);
/* Fresh from pace_init, of the same receiver as `before`, whose limits were others: what it has
 * sent and how it fares goes on. */
void pace_inherit(struct pace *p, const struct pace *before);
/* No answer will come (broken off by us). */
void pace_forget(struct pace *p);
bool pace_open(const struct pace *p); /* the circuit */

#endif
