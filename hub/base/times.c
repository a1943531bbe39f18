#include "times.h"

#include <math.h>

int64_t times_now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * TIMES_SEC + ts.tv_nsec / 1000;
}

int64_t times_mono_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * TIMES_SEC + ts.tv_nsec / 1000;
}

struct timespec times_mono_in(int64_t us)
{
	int64_t at = times_mono_us() + us;
	return (struct timespec){.tv_sec = at / TIMES_SEC, .tv_nsec = at % TIMES_SEC * 1000};
}

void times_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/* Both ways after Howard Hinnant, "chrono-compatible low-level date algorithms": eras of 400 years.
 */
int64_t times_day(int year, int month, int mday)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + mday - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

void times_civil(int64_t day, int *ret_year, int *ret_month, int *ret_mday)
{
	int64_t z = day + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_mday = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = month;
	*ret_year = (int)(yoe + era * 400 + (month <= 2));
}

#define YEAR_0_US (INT64_C(-719528) * TIMES_DAY)
#define YEAR_10000_US (INT64_C(2932897) * TIMES_DAY)

void times_format(int64_t us, char ret[static TIMES_RFC3339_MAX])
{
	us = MAX_OF(us, YEAR_0_US);
	us = MIN_OF(us, YEAR_10000_US - 1);
	int64_t day = us / TIMES_DAY - (us % TIMES_DAY < 0);
	int64_t rest = us - day * TIMES_DAY;
	int y, m, d;
	times_civil(day, &y, &m, &d);
	snprintf(ret, TIMES_RFC3339_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", y, m, d,
		 (int)(rest / TIMES_HOUR), (int)(rest / TIMES_MIN % 60),
		 (int)(rest / TIMES_SEC % 60), (int)(rest % TIMES_SEC));
}

/* n digits at *s, moving it on; -1 when there are not so many. */
static int take_digits(struct slice *s, size_t n)
{
	if (s->n < n)
		return -1;
	int v = 0;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return -1;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->n -= n;
	return v;
}

static bool take_char(struct slice *s, const char *any_of)
{
	if (!s->n || !strchr(any_of, s->p[0]) || !s->p[0])
		return false;
	s->p++;
	s->n--;
	return true;
}

static int days_in_month(int y, int m)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	return days[m - 1] + (m == 2 && leap);
}

static int take_date(struct slice *s, int64_t *ret_us)
{
	int y = take_digits(s, 4);
	if (y < 0 || !take_char(s, "-"))
		return -EINVAL;
	int m = take_digits(s, 2);
	if (m < 1 || m > 12 || !take_char(s, "-"))
		return -EINVAL;
	int d = take_digits(s, 2);
	if (d < 1 || d > days_in_month(y, m))
		return -EINVAL;
	*ret_us = times_day(y, m, d) * TIMES_DAY;
	return 0;
}

static int take_clock(struct slice *s, int64_t *ret_us)
{
	int h = take_digits(s, 2);
	if (h < 0 || h > 23 || !take_char(s, ":"))
		return -EINVAL;
	int m = take_digits(s, 2);
	if (m < 0 || m > 59 || !take_char(s, ":"))
		return -EINVAL;
	int sec = take_digits(s, 2);
	if (sec < 0 || sec > 60)
		return -EINVAL;
	int64_t us = 0;
	if (take_char(s, ".")) {
		int64_t scale = TIMES_SEC;
		size_t digits = 0;
		for (int d; digits < 9 && (d = take_digits(s, 1)) >= 0; digits++) {
			scale /= 10;
			us += d * scale;
		}
		if (!digits)
			return -EINVAL;
	}
	*ret_us = h * TIMES_HOUR + m * TIMES_MIN + sec * TIMES_SEC + us;
	return 0;
}

static int take_zone(struct slice *s, int64_t *ret_us)
{
	if (take_char(s, "Zz")) {
		*ret_us = 0;
		return 0;
	}
	bool west = s->n && s->p[0] == '-';
	if (!take_char(s, "+-"))
		return -EINVAL;
	int h = take_digits(s, 2);
	if (h < 0 || h > 23 || !take_char(s, ":"))
		return -EINVAL;
	int m = take_digits(s, 2);
	if (m < 0 || m > 59)
		return -EINVAL;
	*ret_us = (west ? -1 : 1) * (h * TIMES_HOUR + m * TIMES_MIN);
	return 0;
}

int times_parse(struct slice s, int64_t *ret_us)
{
	int64_t date, clock, zone;
	if (take_date(&s, &date) || !take_char(&s, "Tt ") || take_clock(&s, &clock) ||
	    take_zone(&s, &zone) || s.n)
		return -EINVAL;
	*ret_us = date + clock - zone;
	return 0;
}

int times_from_number(double v, int64_t *ret_us)
{
	static const struct {
		double below, scale;
	} unit[] = {{1e11, 1e6}, {1e14, 1e3}, {1e17, 1.0}, {9e18, 1e-3}};
	if (!(v >= 1e9))
		return -ERANGE;
	for (size_t i = 0; i < COUNT_OF(unit); i++) {
		if (v < unit[i].below) {
			*ret_us = (int64_t)llround(v * unit[i].scale);
			return 0;
		}
	}
	return -ERANGE;
}

static const struct duration_unit {
	const char *name;
	int64_t us;
} duration_units[] = {
	{"d", TIMES_DAY}, {"h", TIMES_HOUR}, {"m", TIMES_MIN},
	{"s", TIMES_SEC}, {"ms", TIMES_MS},  {"us", 1},
};

static int take_unit(struct slice *s, int64_t *ret_us)
{
	size_t n = 0;
	while (n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z')
		n++;
	for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
		if (slice_is((struct slice){s->p, n}, duration_units[i].name)) {
			s->p += n;
			s->n -= n;
			*ret_us = duration_units[i].us;
			return 0;
		}
	}
	return -EINVAL;
}

int times_parse_duration(struct slice s, int64_t *ret_us)
{
	if (slice_is(s, "0")) {
		*ret_us = 0;
		return 0;
	}
	int64_t sum = 0;
	if (!s.n)
		return -EINVAL;
	while (s.n) {
		size_t n = 0;
		while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
			n++;
		int64_t v, unit;
		int r = slice_to_i64((struct slice){s.p, n}, &v);
		if (r)
			return r;
		s.p += n;
		s.n -= n;
		if (take_unit(&s, &unit))
			return -EINVAL;
		if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(sum, v, &sum))
			return -ERANGE;
	}
	*ret_us = sum;
	return 0;
}

void times_format_duration(int64_t us, char ret[static TIMES_DURATION_MAX])
{
	size_t n = 0;
	if (us <= 0) {
		snprintf(ret, TIMES_DURATION_MAX, "0");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
		int64_t v = us / duration_units[i].us;
		us -= v * duration_units[i].us;
		if (v)
			n += (size_t)snprintf(ret + n, TIMES_DURATION_MAX - n, "%lld%s",
					      (long long)v, duration_units[i].name);
	}
}
