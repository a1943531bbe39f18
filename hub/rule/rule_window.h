/*
 * rule_window: what one device sent of one expression lately, in a few bytes: a ring of buckets for
 * "the last ten minutes", a list for "the last five values". Pure data: no clock, no pointers
 * inside, so that a window is saved and restored as the bytes that it is. Private to rule_*.c.
 *
 * A window of time W is N buckets of W / N each, aligned to multiples of that; at a time t it is
 * the bucket of t and the N - 1 before it, so it reaches back between W - W / N and W. What is
 * older than the newest value goes into its own bucket as long as that is still open: the order of
 * arrival does not matter.
 */
#ifndef GRIDHUB_RULE_WINDOW_H
#define GRIDHUB_RULE_WINDOW_H

#include "times.h"

enum window_stat {
	STAT_AVG,
	STAT_MIN,
	STAT_MAX,
	STAT_SUM,
	STAT_COUNT, /* of numbers: how many values; of truths: how many were true */
	STAT_STDDEV,
	STAT_RATE, /* a second, between the first and the last value */
	STAT_DELTA,
	STAT_FIRST,
	STAT_LAST,
	STAT_PERCENTILE, /* of a window of time: over the mean of each bucket */
	STATS
};
extern const char *const window_stat_names[]; /* "avg" …, NULL */

#define WINDOW_MIN_US TIMES_SEC
#define WINDOW_MAX_US (31 * TIMES_DAY)
#define WINDOW_VALUES_MAX \
	32 /* the last so many values; up to WINDOW_VALUES_EXACT to the last bit */
#define WINDOW_VALUES_EXACT 16

#define WINDOW_TIME_MAX (INT64_MAX / 4) /* times beyond are no times */

/* What one window of one device takes in all: its bytes, its place in the device's table, what
 * malloc adds for the device. The bound is a promise. */
#define WINDOW_BYTES_MAX 272
#define WINDOW_COST_MAX (WINDOW_BYTES_MAX + 8 + 16)
_Static_assert(WINDOW_COST_MAX <= 300, "a window of a device takes at most 300 bytes");

enum window_kind {
	WINDOW_COUNT,
	WINDOW_MEAN,
	WINDOW_LEAST,
	WINDOW_MOST,
	WINDOW_SPREAD,
	WINDOW_ENDS,
	WINDOW_FEW,  /* a list of values as they are */
	WINDOW_MANY, /* a list of values to seven digits, with times to 1/64 s */
	WINDOW_KINDS
};

struct window_shape {
	uint8_t kind;	  /* enum window_kind */
	uint8_t n;	  /* buckets, or values at most */
	uint16_t bytes;	  /* a multiple of 8 */
	int64_t width_us; /* of a bucket; 0: a list of values */
};

/* What the stat needs over so long, or (of_values > 0) over so many values. Stats that need the
 * same get the same shape. */
struct window_shape window_shape(enum window_stat stat, int64_t span_us, unsigned of_values);

/* The number of the bucket that at_us is in. */
static inline int64_t window_bucket(int64_t at_us, int64_t width_us)
{
	return at_us / width_us - (at_us % width_us < 0);
}

/* `ring` is shape->bytes bytes, aligned to 8. */
void window_clear(const struct window_shape *shape, void *ring);
/* A value that is not finite is passed over, as is one that is older than the window. */
void window_add(const struct window_shape *shape, void *ring, int64_t at_us, double v);
/* As the window stands at at_us. False: it has no such value (it is empty). percent: 0 to 100. */
bool window_get(const struct window_shape *shape, const void *ring, enum window_stat stat,
		double percent, int64_t at_us, double *ret);
/* When the last value will have left it; INT64_MAX: never, or nothing is in it. */
int64_t window_empty_at(const struct window_shape *shape, const void *ring);
/* May these bytes be a window of that shape? */
bool window_valid(const struct window_shape *shape, const void *ring);

#endif
