/* Windows against a slow reckoning of the same, in any order of arrival. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rule_window.h"

#define SAMPLES 400

struct sample {
	int64_t at_us;
	double v;
};

static uint64_t seed = 88172645463325252u;

static uint64_t dice(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

union ring {
	uint64_t align;
	char b[WINDOW_BYTES_MAX];
};

static int by_time(const void *a, const void *b)
{
	int64_t x = ((const struct sample *)a)->at_us, y = ((const struct sample *)b)->at_us;
	return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* ---- the slow reckoning ---- */

/* What of v (in order of time) the window has in it at at_us. */
static size_t inside(const struct window_shape *w, const struct sample *v, size_t n, int64_t at_us,
		     struct sample *ret)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (w->width_us) {
			int64_t back = window_bucket(at_us, w->width_us) -
				       window_bucket(v[i].at_us, w->width_us);
			if (back < 0 || back >= w->n)
				continue;
		}
		ret[k++] = v[i];
	}
	if (!w->width_us && k > w->n) {
		memmove(ret, ret + k - w->n, w->n * sizeof *ret);
		k = w->n;
	}
	return k;
}

static size_t means_of(const struct window_shape *w, const struct sample *v, size_t n, double *ret)
{
	size_t k = 0;
	for (size_t i = 0, j; i < n; i = j) {
		double sum = 0;
		for (j = i; j < n && (j == i || (w->width_us &&
						 window_bucket(v[j].at_us, w->width_us) ==
							 window_bucket(v[i].at_us, w->width_us)));
		     j++)
			sum += v[j].v;
		ret[k++] = sum / (double)(j - i);
	}
	return k;
}

static double slow_percentile(const struct window_shape *w, const struct sample *v, size_t n,
			      double percent)
{
	double m[SAMPLES];
	size_t k = means_of(w, v, n, m);
	qsort(m, k, sizeof *m, by_value);
	double at = percent / 100 * (double)(k - 1);
	size_t i = (size_t)at;
	return i + 1 < k ? m[i] * (1 - (at - (double)i)) + m[i + 1] * (at - (double)i) : m[i];
}

static double slow(const struct window_shape *w, enum window_stat stat, const struct sample *v,
		   size_t n, double percent)
{
	double sum = 0, least = (double)INFINITY, most = -(double)INFINITY, squares = 0, truths = 0;
	for (size_t i = 0; i < n; i++) {
		sum += v[i].v;
		least = fmin(least, v[i].v);
		most = fmax(most, v[i].v);
		truths += v[i].v != 0;
	}
	for (size_t i = 0; i < n; i++)
		squares += pow(v[i].v - sum / (double)n, 2);
	double delta = v[n - 1].v - v[0].v;
	double s = (double)(v[n - 1].at_us - v[0].at_us) / 1e6;
	const double all[STATS] = {
		[STAT_AVG] = sum / (double)n,
		[STAT_MIN] = least,
		[STAT_MAX] = most,
		[STAT_SUM] = sum,
		[STAT_COUNT] = truths,
		[STAT_STDDEV] = sqrt(squares / (double)n),
		[STAT_RATE] = delta / s,
		[STAT_DELTA] = delta,
		[STAT_FIRST] = v[0].v,
		[STAT_LAST] = v[n - 1].v,
		[STAT_PERCENTILE] = stat == STAT_PERCENTILE ? slow_percentile(w, v, n, percent) : 0,
	};
	return all[stat];
}

/* ---- comparing ---- */

static void assert_near(double a, double b, double within)
{
	if (!(fabs(a - b) <= within * fmax(1, fabs(b))))
		fail_msg("%.12g is not %.12g", a, b);
}

/* Distinct times, values of eighths; in order of time. */
static size_t make_samples(struct sample *v, size_t n, int64_t from_us, int64_t to_us)
{
	for (size_t i = 0; i < n; i++) {
		v[i].at_us =
			from_us + (int64_t)dice((uint64_t)(to_us - from_us) / TIMES_MS) * TIMES_MS;
		v[i].v = ((double)dice(1600) - 400) / 8;
	}
	qsort(v, n, sizeof *v, by_time);
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (!k || v[i].at_us > v[k - 1].at_us)
			v[k++] = v[i];
	return k;
}

/* Nearly in order: each is moved by at most `far` places. */
static void shuffle(struct sample *v, size_t n, size_t far)
{
	for (size_t i = 0; i + 1 < n; i++) {
		size_t j = i + dice(MIN_OF(far, n - 1 - i) + 1);
		struct sample t = v[i];
		v[i] = v[j];
		v[j] = t;
	}
}

static void fill(const struct window_shape *w, union ring *ring, const struct sample *v, size_t n)
{
	window_clear(w, ring);
	for (size_t i = 0; i < n; i++)
		window_add(w, ring, v[i].at_us, v[i].v);
}

static void compare(enum window_stat stat, int64_t span_us, unsigned of_values, int64_t from_us,
		    int64_t to_us)
{
	struct window_shape w = window_shape(stat, span_us, of_values);
	struct sample v[SAMPLES], mixed[SAMPLES], in[SAMPLES];
	union ring ring, other;
	size_t n = make_samples(v, 1 + dice(SAMPLES), from_us, to_us);
	double percent = (double)dice(101), got = 0, again = 0;
	int64_t at_us = v[n - 1].at_us + (int64_t)dice(3) * (int64_t)dice((uint64_t)span_us + 1);
	fill(&w, &ring, v, n);
	assert_true(w.bytes <= sizeof ring && w.bytes % 8 == 0 && window_valid(&w, &ring));
	size_t k = inside(&w, v, n, at_us, in);
	bool has = window_get(&w, &ring, stat, percent, at_us, &got);
	if (k == 0) {
		assert_int_equal(has, stat == STAT_COUNT || stat == STAT_SUM);
		assert_true(!has || got == 0);
		return;
	}
	if (stat == STAT_RATE && k == 1)
		assert_false(has);
	else
		assert_near(has ? got : (double)NAN, slow(&w, stat, in, k, percent),
			    stat == STAT_RATE	  ? 2e-2
			    : stat == STAT_STDDEV ? 1e-5
						  : 1e-9);
	/* whatever comes in another order, but still finds its bucket, ends the same */
	memcpy(mixed, v, sizeof mixed);
	shuffle(mixed, n, w.width_us ? 4 : n);
	for (size_t i = 0, newest = 0; w.width_us && i < n; i++) {
		newest = mixed[i].at_us > mixed[newest].at_us ? i : newest;
		if (window_bucket(mixed[newest].at_us, w.width_us) -
			    window_bucket(mixed[i].at_us, w.width_us) >=
		    w.n)
			return;
	}
	fill(&w, &other, mixed, n);
	assert_int_equal(window_get(&w, &other, stat, percent, at_us, &again), has);
	if (has && stat == STAT_STDDEV)
		assert_near(again, got, 1e-5);
	else if (has)
		assert_true(again == got);
	assert_int_equal(window_empty_at(&w, &ring), window_empty_at(&w, &other));
}

static void test_time(void **state)
{
	(void)state;
	static const int64_t spans[] = {TIMES_SEC, 10 * TIMES_MIN, TIMES_DAY, WINDOW_MAX_US};
	for (int i = 0; i < 400; i++)
		for (enum window_stat stat = 0; stat < STATS; stat++) {
			int64_t span = spans[dice(COUNT_OF(spans))];
			int64_t now = (int64_t)dice(4000) * TIMES_DAY - 100 * TIMES_DAY;
			compare(stat, span, 0, now, now + span * (int64_t)(1 + dice(3)));
		}
}

static void test_values(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		for (enum window_stat stat = 0; stat < STATS; stat++)
			for (unsigned n = 1; n <= WINDOW_VALUES_MAX; n += 1 + (unsigned)dice(6))
				compare(stat, 10 * TIMES_MIN, n, 0, TIMES_DAY);
}

/* ---- single points ---- */

static double get(const struct window_shape *w, const union ring *ring, enum window_stat stat,
		  int64_t at_us)
{
	double v;
	return window_get(w, ring, stat, 50, at_us, &v) ? v : (double)NAN;
}

static void test_leaves(void **state)
{
	(void)state;
	struct window_shape w = window_shape(STAT_COUNT, 10 * TIMES_MIN, 0);
	union ring ring;
	window_clear(&w, &ring);
	assert_int_equal(window_empty_at(&w, &ring), INT64_MAX);
	window_add(&w, &ring, 5 * TIMES_SEC, 1);
	window_add(&w, &ring, 15 * TIMES_SEC, 0); /* a truth that is false is not counted */
	window_add(&w, &ring, 25 * TIMES_SEC, 7);
	assert_true(get(&w, &ring, STAT_COUNT, 30 * TIMES_SEC) == 2);
	assert_true(get(&w, &ring, STAT_COUNT, 10 * TIMES_MIN - 1) == 2);
	assert_true(get(&w, &ring, STAT_COUNT, 10 * TIMES_MIN) == 1);
	int64_t empty = window_empty_at(&w, &ring);
	assert_int_equal(empty, 10 * TIMES_MIN + 20 * TIMES_SEC);
	assert_true(get(&w, &ring, STAT_COUNT, empty - 1) == 1);
	assert_true(get(&w, &ring, STAT_COUNT, empty) == 0);
	/* as it stood at a time before */
	assert_true(get(&w, &ring, STAT_COUNT, 12 * TIMES_SEC) == 1);
}

/* What stands still has no deviation at all, wherever it stands. */
static void test_frozen(void **state)
{
	(void)state;
	struct window_shape w = window_shape(STAT_STDDEV, TIMES_HOUR, 0);
	union ring ring;
	window_clear(&w, &ring);
	for (int i = 0; i < 1000; i++)
		window_add(&w, &ring, i * TIMES_MIN, i < 500 ? 21.3 + i : 1234567.89);
	assert_true(get(&w, &ring, STAT_STDDEV, 999 * TIMES_MIN) == 0);
	window_add(&w, &ring, 999 * TIMES_MIN, 1234567.99);
	assert_true(get(&w, &ring, STAT_STDDEV, 999 * TIMES_MIN) > 0.001);
}

static void test_passed_over(void **state)
{
	(void)state;
	static const struct sample bad[] = {{0, (double)NAN},
					    {0, (double)INFINITY},
					    {0, -(double)INFINITY},
					    {INT64_MAX, 1},
					    {INT64_MIN, 1}};
	for (enum window_stat stat = 0; stat < STATS; stat++)
		for (unsigned n = 0; n < WINDOW_VALUES_MAX; n += WINDOW_VALUES_EXACT) {
			struct window_shape w = window_shape(stat, TIMES_MIN, n);
			union ring ring;
			fill(&w, &ring, bad, COUNT_OF(bad));
			double v = get(&w, &ring, stat, 0);
			assert_true(stat == STAT_COUNT || stat == STAT_SUM ? v == 0 : isnan(v));
		}
}

/* A list of more than 16 values keeps seven digits, and what devices send as it is. */
static void test_digits(void **state)
{
	(void)state;
	static const double exact[] = {0,     -1,    26.7,  0.000001, -12345.678, 268435455,
				       0.125, -40.1, 99.99, 1013.25,  231.4,	  1};
	static const double near[] = {1.0 / 3, 3.14159265358979,  -1e20, 6.02214076e23,
				      1e-9,    26.700000762939453};
	struct window_shape w = window_shape(STAT_LAST, 0, WINDOW_VALUES_MAX);
	union ring ring;
	window_clear(&w, &ring);
	for (size_t i = 0; i < COUNT_OF(exact); i++) {
		window_add(&w, &ring, (int64_t)i * TIMES_SEC, exact[i]);
		assert_true(get(&w, &ring, STAT_LAST, TIMES_DAY) == exact[i]);
	}
	for (size_t i = 0; i < COUNT_OF(near); i++) {
		window_add(&w, &ring, TIMES_HOUR + (int64_t)i * TIMES_SEC, near[i]);
		double v = get(&w, &ring, STAT_LAST, TIMES_DAY);
		assert_true(fabs(v - near[i]) <= 1e-6 * fabs(near[i]));
	}
	/* after years of nothing only the new is there */
	window_add(&w, &ring, 1000 * TIMES_DAY, 5);
	assert_true(get(&w, &ring, STAT_COUNT, 1001 * TIMES_DAY) == 1);
	window_add(&w, &ring, TIMES_DAY, 6);
	assert_true(get(&w, &ring, STAT_SUM, 1001 * TIMES_DAY) == 5);
}

static void test_bounds(void **state)
{
	(void)state;
	for (enum window_stat stat = 0; stat < STATS; stat++) {
		struct window_shape w = window_shape(stat, WINDOW_MIN_US, 0);
		assert_true(w.bytes <= WINDOW_BYTES_MAX && w.n >= 24 && w.n <= 60 &&
			    w.width_us > 0);
		print_message("%-10s %3u bytes, %2u buckets\n", window_stat_names[stat], w.bytes,
			      w.n);
	}
	for (unsigned n = 1; n <= WINDOW_VALUES_MAX; n++)
		assert_true(window_shape(STAT_AVG, 0, n).bytes <= WINDOW_BYTES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),	    cmocka_unit_test(test_values),
		cmocka_unit_test(test_leaves),	    cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_passed_over), cmocka_unit_test(test_digits),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
