#include "window.h"

#define WINDOW_MAX 4096 /* more requests are never under way */

static size_t size(const struct window *w)
{
	return w->n ? w->n : WINDOW_FIRST;
}

size_t window_size(const struct window *w, size_t max)
{
	return MAX_OF(MIN_OF(size(w), max), (size_t)1);
}

/* An answer for each place makes two of each: it doubles with every round. */
void window_answer(struct window *w, bool works, int64_t latency_us)
{
	size_t n = size(w);
	if (!works || latency_us > WINDOW_SLOW_US)
		w->n = MAX_OF(n / 2, (size_t)1);
	else if (latency_us <= WINDOW_QUICK_US)
		w->n = MIN_OF(n + 1, (size_t)WINDOW_MAX);
}
