#include "rule_window_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TICK_US 15625 /* 1/64 s, times in WINDOW_MANY: 2^32 of them are two years */

struct few {
	uint64_t n;
	struct {
		int64_t at;
		double v;
	} e[WINDOW_VALUES_EXACT];
};

struct many {
	uint64_t n;
	int64_t newest; /* in ticks */
	struct {
		uint32_t at; /* low half of the tick */
		uint32_t v;
	} e[WINDOW_VALUES_MAX];
};

_Static_assert(sizeof(struct few) <= WINDOW_BYTES_MAX && sizeof(struct many) <= WINDOW_BYTES_MAX,
	       "a window keeps its bound");

struct window_shape list_shape(unsigned of_values)
{
	bool few = of_values <= WINDOW_VALUES_EXACT;
	size_t entry = few ? sizeof((struct few *)0)->e[0] : sizeof((struct many *)0)->e[0];
	size_t head = few ? offsetof(struct few, e) : offsetof(struct many, e);
	return (struct window_shape){.kind = few ? WINDOW_FEW : WINDOW_MANY,
				     .n = (uint8_t)of_values,
				     .bytes = (uint16_t)(head + of_values * entry)};
}

/* ---- adding to a list: in order of time, of equal times the one that came later is later ---- */

/* Where `v` goes, having made room there by dropping the oldest; SIZE_MAX: it is older than all. */
static size_t make_room(const struct window_shape *w, uint64_t *n, void *entries, size_t size,
			size_t place)
{
	char *e = entries;
	if (*n < w->n) {
		memmove(e + (place + 1) * size, e + place * size, (*n - place) * size);
		++*n;
		return place;
	}
	if (!place)
		return SIZE_MAX;
	memmove(e, e + size, (place - 1) * size);
	return place - 1;
}

static void add_to_few(const struct window_shape *w, struct few *f, int64_t at_us, double v)
{
	size_t i = (size_t)f->n;
	while (i && f->e[i - 1].at > at_us)
		i--;
	i = make_room(w, &f->n, f->e, sizeof f->e[0], i);
	if (i == SIZE_MAX)
		return;
	f->e[i].at = at_us;
	f->e[i].v = v;
}

/* A number in four bytes: one of eight digits with up to six decimals as it is, any other cut to
 * the 29 highest bits of a float. The lowest three bits say which: decimals, or 7. */
static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
#define AS_FLOAT 7u

static uint32_t packed(double v)
{
	for (uint32_t e = 0; e < COUNT_OF(tens); e++) {
		double digits = nearbyint(v * tens[e]);
		if (fabs(digits) < 1 << 28 && digits / tens[e] == v)
			return (uint32_t)(int32_t)digits << 3 | e;
	}
	float f = (float)v;
	uint32_t bits;
	memcpy(&bits, &f, sizeof bits);
	return bits | AS_FLOAT;
}

static double unpacked(uint32_t code)
{
	uint32_t e = code & 7;
	code &= ~7u;
	int32_t digits = (int32_t)code / 8;
	if (e != AS_FLOAT)
		return digits / tens[e];
	float f;
	memcpy(&f, &code, sizeof f);
	return (double)f;
}

/* How long before the newest, in ticks. */
static uint32_t age_in(const struct many *m, size_t i)
{
	return (uint32_t)m->newest - m->e[i].at;
}

/* The newest tick is this one; what is older by more than four bytes can say goes. */
static void move_on(struct many *m, int64_t tick)
{
	size_t gone = 0;
	while (gone < m->n && tick - m->newest + age_in(m, gone) > UINT32_MAX)
		gone++;
	m->n -= gone;
	memmove(m->e, m->e + gone, m->n * sizeof m->e[0]);
	m->newest = tick;
}

static void add_to_many(const struct window_shape *w, struct many *m, int64_t at_us, double v)
{
	int64_t tick = window_bucket(at_us, TICK_US);
	if (m->n && m->newest - tick > UINT32_MAX)
		return;
	if (!m->n || tick > m->newest)
		move_on(m, tick);
	uint32_t age = (uint32_t)(m->newest - tick);
	size_t i = (size_t)m->n;
	while (i && age_in(m, i - 1) < age)
		i--;
	i = make_room(w, &m->n, m->e, sizeof m->e[0], i);
	if (i == SIZE_MAX)
		return;
	m->e[i].at = (uint32_t)tick;
	m->e[i].v = packed(v);
}

void list_add(const struct window_shape *w, void *list, int64_t at_us, double v)
{
	if (w->kind == WINDOW_FEW)
		add_to_few(w, list, at_us, v);
	else
		add_to_many(w, list, at_us, v);
}

/* ---- reading a list ---- */

struct values { /* in order of time */
	double v[WINDOW_VALUES_MAX];
	size_t n;
	int64_t first_us, last_us;
};

static void values_add(struct values *to, int64_t at_us, double v)
{
	if (!to->n)
		to->first_us = at_us;
	to->last_us = at_us;
	to->v[to->n++] = v;
}

/* Those that are not newer than at_us. */
static void values_of(const struct window_shape *w, const void *ring, int64_t at_us,
		      struct values *to)
{
	const struct few *f = ring;
	const struct many *m = ring;
	bool few = w->kind == WINDOW_FEW;
	*to = (struct values){0};
	for (size_t i = 0; i < (few ? f->n : m->n); i++) {
		int64_t at = few ? f->e[i].at : (m->newest - age_in(m, i)) * TICK_US;
		if (at <= at_us)
			values_add(to, at, few ? f->e[i].v : unpacked(m->e[i].v));
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double list_percentile(double *v, size_t n, double percent)
{
	qsort(v, n, sizeof *v, by_size);
	double at = percent / 100 * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[n - 1];
}

bool list_rate(double delta, int64_t us, double *ret)
{
	if (us <= 0)
		return false;
	*ret = delta / ((double)us / 1e6);
	return true;
}

static double deviation(const double *v, size_t n)
{
	double mean = 0, squares = 0;
	for (size_t i = 0; i < n; i++)
		mean += (v[i] - v[0]) / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (v[i] - v[0] - mean) * (v[i] - v[0] - mean);
	return sqrt(squares / (double)n);
}

static double edge_of(const double *v, size_t n, bool most)
{
	double edge = v[0];
	for (size_t i = 1; i < n; i++)
		edge = (most ? v[i] > edge : v[i] < edge) ? v[i] : edge;
	return edge;
}

static double sum_of(const double *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum;
}

bool list_get(const struct window_shape *w, const void *ring, enum window_stat stat, double percent,
	      int64_t at_us, double *ret)
{
	struct values s;
	values_of(w, ring, at_us, &s);
	*ret = 0;
	if (!s.n)
		return stat == STAT_COUNT || stat == STAT_SUM;
	switch (stat) {
	case STAT_SUM:
	case STAT_AVG:
		*ret = sum_of(s.v, s.n) / (stat == STAT_AVG ? (double)s.n : 1);
		break;
	case STAT_MIN:
	case STAT_MAX:
		*ret = edge_of(s.v, s.n, stat == STAT_MAX);
		break;
	case STAT_COUNT:
		for (size_t i = 0; i < s.n; i++)
			*ret += s.v[i] != 0;
		break;
	case STAT_STDDEV:
		*ret = deviation(s.v, s.n);
		break;
	case STAT_RATE:
		return list_rate(s.v[s.n - 1] - s.v[0], s.last_us - s.first_us, ret);
	case STAT_DELTA:
		*ret = s.v[s.n - 1] - s.v[0];
		break;
	case STAT_FIRST:
	case STAT_LAST:
		*ret = s.v[stat == STAT_FIRST ? 0 : s.n - 1];
		break;
	case STAT_PERCENTILE:
		*ret = list_percentile(s.v, s.n, percent);
		break;
	case STATS:
	default:
		return false;
	}
	return true;
}

static bool times_valid(const struct few *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->e[i].at > WINDOW_TIME_MAX || f->e[i].at < -WINDOW_TIME_MAX)
			return false;
	return true;
}

bool list_valid(const struct window_shape *w, const void *list)
{
	const struct many *m = list;
	uint64_t n;
	memcpy(&n, list, sizeof n);
	if (n > w->n)
		return false;
	if (w->kind == WINDOW_FEW)
		return times_valid(list);
	return m->newest <= WINDOW_TIME_MAX / TICK_US &&
	       m->newest >= -WINDOW_TIME_MAX / TICK_US - 1;
}
