/*
 * window: how many requests to one receiver may be under way at once. It begins small, doubles with
 * quick answers, and shrinks on failures and slowness; so one that is silent, or takes its time,
 * holds few of the requests that all receivers share, and one that is quick as many as it can use.
 * Pure; one thread.
 */
#ifndef GRIDHUB_WINDOW_H
#define GRIDHUB_WINDOW_H

#include "base.h"

#define WINDOW_FIRST 2
#define WINDOW_QUICK_US INT64_C(1000000) /* an answer within this is quick, */
#define WINDOW_SLOW_US INT64_C(3000000)	 /* and one after this slow */

struct window {
	size_t n; /* 0: WINDOW_FIRST; grows without a limit of its own */
};

/* At most max, at least 1. */
size_t window_size(const struct window *w, size_t max);
/* An answer came after so long; works: it was one, and the receiver is well. */
void window_answer(struct window *w, bool works, int64_t latency_us);

#endif
