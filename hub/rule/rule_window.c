/*
 * DESIGN. A shape keeps as many buckets as its columns allow within WINDOW_BYTES_MAX: 60 of a
 * count, 30 of one double, 24 of a double and a count of three bytes. Bucket number b (time divided
 * by the width) stands at place b mod N; `newest` is the highest number that was written, and when
 * it moves on, the places in between are emptied. Reading never writes, so that looking at a window
 * changes nothing; buckets outside of the time asked for are passed over.
 */
#include <math.h>
#include <string.h>

#include "rule_window_list.h"

const char *const window_stat_names[] = {"avg",	 "min",	  "max",   "sum",  "count",	 "stddev",
					 "rate", "delta", "first", "last", "percentile", NULL};

#define NOTHING INT64_MIN /* newest, when nothing was ever written */
#define COUNTS 60
#define EDGES 30
#define MEANS 24

struct count3 {
	uint8_t b[3];
};
#define COUNT3_MAX 0xFFFFFFu
#define PARTS 65536 /* of a bucket's width */

struct counts {
	int64_t newest;
	uint32_t n[COUNTS];
};

struct means {
	int64_t newest;
	double sum[MEANS];
	struct count3 n[MEANS];
};

struct edges { /* least or most; NAN = empty */
	int64_t newest;
	double v[EDGES];
};

/* Mean and squares are kept relative to `origin` (the first value), so that floats are enough: what
 * does not move has a deviation of 0. */
struct spread {
	int64_t newest;
	double origin;
	float mean[MEANS], squares[MEANS];
	uint16_t n[MEANS]; /* stays at the most: then old and new weigh the same */
};

/* Of each bucket the first value and, in 2^16ths of its width, when that was. */
struct ends {
	int64_t last_at;
	double last;
	double first[MEANS]; /* NAN = empty */
	uint16_t at[MEANS];
};

_Static_assert(sizeof(struct counts) <= WINDOW_BYTES_MAX &&
		       sizeof(struct means) <= WINDOW_BYTES_MAX &&
		       sizeof(struct edges) <= WINDOW_BYTES_MAX &&
		       sizeof(struct spread) <= WINDOW_BYTES_MAX &&
		       sizeof(struct ends) <= WINDOW_BYTES_MAX,
	       "a window keeps its bound");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "windows are saved as they are in memory");

static const struct {
	uint8_t buckets;
	uint16_t bytes;
} shapes[WINDOW_KINDS] = {
	[WINDOW_COUNT] = {COUNTS, sizeof(struct counts)},
	[WINDOW_MEAN] = {MEANS, sizeof(struct means)},
	[WINDOW_LEAST] = {EDGES, sizeof(struct edges)},
	[WINDOW_MOST] = {EDGES, sizeof(struct edges)},
	[WINDOW_SPREAD] = {MEANS, sizeof(struct spread)},
	[WINDOW_ENDS] = {MEANS, sizeof(struct ends)},
};

static const uint8_t kinds[STATS] = {
	[STAT_AVG] = WINDOW_MEAN,  [STAT_MIN] = WINDOW_LEAST,	    [STAT_MAX] = WINDOW_MOST,
	[STAT_SUM] = WINDOW_MEAN,  [STAT_COUNT] = WINDOW_COUNT,	    [STAT_STDDEV] = WINDOW_SPREAD,
	[STAT_RATE] = WINDOW_ENDS, [STAT_DELTA] = WINDOW_ENDS,	    [STAT_FIRST] = WINDOW_ENDS,
	[STAT_LAST] = WINDOW_ENDS, [STAT_PERCENTILE] = WINDOW_MEAN,
};

struct window_shape window_shape(enum window_stat stat, int64_t span_us, unsigned of_values)
{
	if (of_values)
		return list_shape(of_values);
	uint8_t kind = kinds[stat];
	return (struct window_shape){.kind = kind,
				     .n = shapes[kind].buckets,
				     .bytes = shapes[kind].bytes,
				     .width_us = span_us / shapes[kind].buckets};
}

/* ---- small things ---- */

static uint32_t count_of(struct count3 c)
{
	return c.b[0] | (uint32_t)c.b[1] << 8 | (uint32_t)c.b[2] << 16;
}

static struct count3 count_as(uint32_t v)
{
	return (struct count3){{(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16)}};
}

static size_t place_of(const struct window_shape *w, int64_t bucket)
{
	int64_t m = bucket % w->n;
	return (size_t)(m < 0 ? m + w->n : m);
}

static int64_t newest_of(const struct window_shape *w, const void *ring)
{
	int64_t newest; /* the first member of all of them */
	memcpy(&newest, ring, sizeof newest);
	if (w->kind == WINDOW_ENDS && newest != NOTHING)
		return window_bucket(newest, w->width_us);
	return newest;
}

/* ---- emptying ---- */

static void empty_place(const struct window_shape *w, void *ring, size_t i)
{
	switch (w->kind) {
	case WINDOW_COUNT:
		((struct counts *)ring)->n[i] = 0;
		break;
	case WINDOW_MEAN:
		((struct means *)ring)->sum[i] = 0;
		((struct means *)ring)->n[i] = count_as(0);
		break;
	case WINDOW_SPREAD:
		((struct spread *)ring)->n[i] = 0;
		break;
	case WINDOW_ENDS:
		((struct ends *)ring)->first[i] = (double)NAN;
		break;
	default:
		((struct edges *)ring)->v[i] = (double)NAN;
	}
}

void window_clear(const struct window_shape *w, void *ring)
{
	int64_t newest = NOTHING;
	memset(ring, 0, w->bytes);
	if (!w->width_us)
		return;
	memcpy(ring, &newest, sizeof newest);
	for (size_t i = 0; i < w->n; i++)
		empty_place(w, ring, i);
}

/* ---- adding to a ring ---- */

static void add_to_spread(struct spread *s, size_t i, double v)
{
	double x = v - s->origin;
	s->n[i] = (uint16_t)(s->n[i] + (s->n[i] < UINT16_MAX));
	if (s->n[i] == 1) {
		s->mean[i] = (float)x;
		s->squares[i] = 0;
	} else if ((float)x != s->mean[i]) {
		double mean = (double)s->mean[i], next = mean + (x - mean) / s->n[i];
		s->squares[i] = (float)((double)s->squares[i] + (x - mean) * (x - next));
		s->mean[i] = (float)next;
	}
}

/* When within its bucket, in 2^16ths of the width. */
static uint16_t within(const struct window_shape *w, int64_t at_us)
{
	int64_t us = at_us - window_bucket(at_us, w->width_us) * w->width_us;
	return (uint16_t)MIN_OF(us * PARTS / w->width_us, PARTS - 1);
}

static void add_to_ends(const struct window_shape *w, struct ends *e, size_t i, int64_t at_us,
			double v)
{
	uint16_t at = within(w, at_us);
	if (isnan(e->first[i]) || at < e->at[i]) {
		e->first[i] = v;
		e->at[i] = at;
	}
	if (at_us >= e->last_at) {
		e->last_at = at_us;
		e->last = v;
	}
}

static void add_to_mean(struct means *m, size_t i, double v)
{
	uint32_t n = count_of(m->n[i]);
	if (n == COUNT3_MAX)
		return;
	m->n[i] = count_as(n + 1);
	m->sum[i] += v;
}

static void add_to_edge(double *edge, bool most, double v)
{
	if (isnan(*edge) || (most ? v > *edge : v < *edge))
		*edge = v;
}

static void add_to_count(uint32_t *n, double v)
{
	*n += v != 0 && *n < UINT32_MAX;
}

static void add_to_place(const struct window_shape *w, void *ring, size_t i, int64_t at_us,
			 double v)
{
	switch (w->kind) {
	case WINDOW_COUNT:
		add_to_count(&((struct counts *)ring)->n[i], v);
		break;
	case WINDOW_MEAN:
		add_to_mean(ring, i, v);
		break;
	case WINDOW_SPREAD:
		add_to_spread(ring, i, v);
		break;
	case WINDOW_ENDS:
		add_to_ends(w, ring, i, at_us, v);
		break;
	default:
		add_to_edge(&((struct edges *)ring)->v[i], w->kind == WINDOW_MOST, v);
	}
}

static void add_to_ring(const struct window_shape *w, void *ring, int64_t at_us, double v)
{
	int64_t bucket = window_bucket(at_us, w->width_us), newest = newest_of(w, ring);
	if (newest == NOTHING || bucket - newest >= w->n) {
		window_clear(w, ring);
		if (w->kind == WINDOW_SPREAD)
			((struct spread *)ring)->origin = v;
	} else if (newest - bucket >= w->n) {
		return;
	}
	for (int64_t b = newest + 1; newest != NOTHING && b <= bucket && b - newest < w->n; b++)
		empty_place(w, ring, place_of(w, b));
	if (w->kind != WINDOW_ENDS && bucket > newest)
		memcpy(ring, &bucket, sizeof bucket);
	add_to_place(w, ring, place_of(w, bucket), at_us, v);
}

void window_add(const struct window_shape *w, void *ring, int64_t at_us, double v)
{
	if (!isfinite(v) || at_us > WINDOW_TIME_MAX || at_us < -WINDOW_TIME_MAX)
		return;
	if (w->width_us)
		add_to_ring(w, ring, at_us, v);
	else
		list_add(w, ring, at_us, v);
}

/* ---- reading a ring ---- */

/* The buckets that are open at a time and were written: numbers first … last; none if last < first.
 */
struct span {
	int64_t first, last;
};

static struct span span_at(const struct window_shape *w, const void *ring, int64_t at_us)
{
	int64_t newest = newest_of(w, ring), now = window_bucket(at_us, w->width_us);
	if (newest == NOTHING)
		return (struct span){1, 0};
	return (struct span){MAX_OF(now, newest) - w->n + 1, MIN_OF(now, newest)};
}

static bool get_sum(const struct window_shape *w, const struct means *m, struct span s, bool mean,
		    double *ret)
{
	double sum = 0, n = 0;
	for (int64_t b = s.first; b <= s.last; b++) {
		size_t i = place_of(w, b);
		sum += m->sum[i];
		n += count_of(m->n[i]);
	}
	if (mean && n == 0)
		return false;
	*ret = mean ? sum / n : sum;
	return true;
}

static bool get_percentile(const struct window_shape *w, const struct means *m, struct span s,
			   double percent, double *ret)
{
	double v[MEANS];
	size_t n = 0;
	for (int64_t b = s.first; b <= s.last; b++) {
		size_t i = place_of(w, b);
		uint32_t count = count_of(m->n[i]);
		if (count)
			v[n++] = m->sum[i] / count;
	}
	if (n)
		*ret = list_percentile(v, n, percent);
	return n > 0;
}

static bool get_edge(const struct window_shape *w, const struct edges *e, struct span s,
		     double *ret)
{
	double edge = (double)NAN;
	for (int64_t b = s.first; b <= s.last; b++) {
		double v = e->v[place_of(w, b)];
		if (!isnan(v))
			add_to_edge(&edge, w->kind == WINDOW_MOST, v);
	}
	*ret = edge;
	return !isnan(edge);
}

static double get_count(const struct window_shape *w, const struct counts *c, struct span s)
{
	double n = 0;
	for (int64_t b = s.first; b <= s.last; b++)
		n += c->n[place_of(w, b)];
	return n;
}

static bool get_spread(const struct window_shape *w, const struct spread *d, struct span s,
		       double *ret)
{
	double n = 0, mean = 0, squares = 0;
	for (int64_t b = s.first; b <= s.last; b++) {
		size_t i = place_of(w, b);
		double k = d->n[i], apart = (double)d->mean[i] - mean;
		if (k == 0)
			continue;
		n += k;
		mean += apart * k / n;
		squares += (double)d->squares[i] + apart * apart * k * (n - k) / n;
	}
	if (n == 0)
		return false;
	*ret = sqrt(squares / n);
	return true;
}

static int64_t time_of(const struct window_shape *w, int64_t bucket, uint16_t at)
{
	return bucket * w->width_us + (2 * at + 1) * w->width_us / (2 * PARTS);
}

static bool get_ends(const struct window_shape *w, const struct ends *e, struct span s,
		     enum window_stat stat, double *ret)
{
	int64_t b = s.first;
	while (b <= s.last && isnan(e->first[place_of(w, b)]))
		b++;
	if (b > s.last)
		return false;
	uint16_t at = e->at[place_of(w, b)];
	double first = e->first[place_of(w, b)], delta = e->last - first;
	if (stat == STAT_RATE && b == newest_of(w, e) && at == within(w, e->last_at))
		return false; /* it is the last value, too */
	if (stat == STAT_RATE)
		return list_rate(delta, e->last_at - time_of(w, b, at), ret);
	*ret = stat == STAT_FIRST ? first : stat == STAT_LAST ? e->last : delta;
	return true;
}

bool window_get(const struct window_shape *w, const void *ring, enum window_stat stat,
		double percent, int64_t at_us, double *ret)
{
	if (!w->width_us)
		return list_get(w, ring, stat, percent, at_us, ret);
	struct span s = span_at(w, ring, at_us);
	switch (w->kind) {
	case WINDOW_COUNT:
		*ret = get_count(w, ring, s);
		return true;
	case WINDOW_MEAN:
		return stat == STAT_PERCENTILE ? get_percentile(w, ring, s, percent, ret)
					       : get_sum(w, ring, s, stat == STAT_AVG, ret);
	case WINDOW_SPREAD:
		return get_spread(w, ring, s, ret);
	case WINDOW_ENDS:
		return get_ends(w, ring, s, stat, ret);
	default:
		return get_edge(w, ring, s, ret);
	}
}

int64_t window_empty_at(const struct window_shape *w, const void *ring)
{
	if (!w->width_us || newest_of(w, ring) == NOTHING)
		return INT64_MAX;
	return (newest_of(w, ring) + w->n) * w->width_us;
}

bool window_valid(const struct window_shape *w, const void *ring)
{
	if (!w->width_us)
		return list_valid(w, ring);
	int64_t newest = newest_of(w, ring), most = WINDOW_TIME_MAX / w->width_us;
	return newest == NOTHING || (newest <= most && newest >= -most - 1);
}
