#include "cel_time.h"

#include <inttypes.h>

#include "times.h"
#include "zone.h"

#define NANOS INT64_C(1000000000)

/* ---- text ---- */

#define SECONDS_END 19 /* of "2026-11-21T21:00:00" */

/* Split "…:30.000000001Z" into the text without the fraction and its nanoseconds. */
static bool take_fraction(struct slice s, char out[static 40], struct slice *ret,
			  uint32_t *ret_nanos)
{
	size_t i = SECONDS_END;
	uint32_t nanos = 0, unit = NANOS / 10;
	if (s.n <= SECONDS_END)
		return false;
	if (s.p[i] == '.') {
		for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, unit /= 10)
			nanos += (uint32_t)(s.p[i] - '0') * unit;
		if (i == SECONDS_END + 1)
			return false;
	}
	if (s.n - i >= 20)
		return false;
	memcpy(out, s.p, SECONDS_END);
	memcpy(out + SECONDS_END, s.p + i, s.n - i);
	*ret = (struct slice){out, SECONDS_END + s.n - i};
	*ret_nanos = nanos;
	return true;
}

struct cel_value cel_timestamp_parse(struct slice s)
{
	char buf[40];
	struct slice whole;
	uint32_t nanos;
	int64_t us;
	if (!take_fraction(s, buf, &whole, &nanos) || s.p[10] == ' ' || times_parse(whole, &us))
		return CEL_FAIL(CEL_F_CONVERT);
	return cel_timestamp_of(us / TIMES_SEC, nanos);
}

static bool duration_unit(struct slice *s, int64_t *ret)
{
	static const struct {
		const char *name;
		int64_t nanos;
	} units[] = {{"ns", 1},	      {"us", 1000}, {"µs", 1000},      {"μs", 1000},
		     {"ms", 1000000}, {"s", NANOS}, {"m", 60 * NANOS}, {"h", 3600 * NANOS}};
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		if (slice_starts(*s, units[i].name)) {
			size_t n = strlen(units[i].name);
			*s = (struct slice){s->p + n, s->n - n};
			*ret = units[i].nanos;
			return true;
		}
	}
	return false;
}

static bool is_digit(struct slice s)
{
	return s.n && s.p[0] >= '0' && s.p[0] <= '9';
}

static void cut_char(struct slice *s)
{
	s->p++;
	s->n--;
}

/* One "1.5h" off the front of *s, added to *sum; 0, -EINVAL, -ERANGE. */
static int duration_term(struct slice *s, int64_t sign, int64_t *sum)
{
	int64_t whole = 0, fraction = 0, place = 1, unit;
	size_t digits = 0;
	for (; is_digit(*s); cut_char(s), digits++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, s->p[0] - '0', &whole))
			return -ERANGE;
	if (s->n && s->p[0] == '.') {
		for (cut_char(s); is_digit(*s); cut_char(s), digits++) {
			if (place >= NANOS)
				continue; /* smaller than a nanosecond of an hour */
			fraction = fraction * 10 + (s->p[0] - '0');
			place *= 10;
		}
	}
	if (!digits || !duration_unit(s, &unit))
		return -EINVAL;
	int64_t part = unit >= place ? fraction * (unit / place) : fraction / (place / unit);
	if (__builtin_mul_overflow(whole, unit * sign, &whole) ||
	    __builtin_add_overflow(*sum, whole, sum) ||
	    __builtin_add_overflow(*sum, part * sign, sum))
		return -ERANGE;
	return 0;
}

struct cel_value cel_duration_parse(struct slice s)
{
	int64_t sign = 1, sum = 0;
	if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
		sign = s.p[0] == '-' ? -1 : 1;
		s = (struct slice){s.p + 1, s.n - 1};
	}
	if (slice_is(s, "0"))
		return CEL_VALUE(CEL_DURATION, i, 0);
	if (!s.n)
		return CEL_FAIL(CEL_F_CONVERT);
	while (s.n) {
		int r = duration_term(&s, sign, &sum);
		if (r)
			return CEL_FAIL(r == -ERANGE ? CEL_F_RANGE : CEL_F_CONVERT);
	}
	return CEL_VALUE(CEL_DURATION, i, sum);
}

static void put_fraction(uint32_t nanos, char out[static 16])
{
	out[0] = 0;
	if (!nanos)
		return;
	snprintf(out, 16, ".%09" PRIu32, nanos);
	for (size_t n = strlen(out); out[n - 1] == '0'; n--)
		out[n - 1] = 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void cel_timestamp_format(struct cel_value v, char *out, size_t size)
{
	int64_t day = floor_div(v.i, 86400), s = v.i - day * 86400;
	int year, month, mday;
	char fraction[16];
	put_fraction(v.n, fraction);
	times_civil(day, &year, &month, &mday);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", year, month, mday, (int)(s / 3600),
		 (int)(s / 60 % 60), (int)(s % 60), fraction);
}

void cel_duration_format(struct cel_value v, char *out, size_t size)
{
	uint64_t u = v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i;
	char fraction[16];
	put_fraction((uint32_t)(u % (uint64_t)NANOS), fraction);
	snprintf(out, size, "%s%" PRIu64 "%ss", v.i < 0 ? "-" : "", u / (uint64_t)NANOS, fraction);
}

/* ---- parts ---- */

struct cel_value cel_timestamp_part(struct cel_value v, struct slice zone, enum cel_part part)
{
	const struct zone *z = zone_find(zone);
	int year, month, mday;
	if (!z)
		return CEL_FAIL(CEL_F_ZONE);
	int64_t t = v.i + zone_offset(z, v.i), day = floor_div(t, 86400), s = t - day * 86400;
	times_civil(day, &year, &month, &mday);
	const int64_t parts[] = {
		[CEL_PART_YEAR] = year,
		[CEL_PART_MONTH] = month - 1,
		[CEL_PART_DATE] = mday,
		[CEL_PART_MONTH_DAY] = mday - 1,
		[CEL_PART_WEEK_DAY] = day + 4 - floor_div(day + 4, 7) * 7,
		[CEL_PART_YEAR_DAY] = day - times_day(year, 1, 1),
		[CEL_PART_HOURS] = s / 3600,
		[CEL_PART_MINUTES] = s / 60 % 60,
		[CEL_PART_SECONDS] = s % 60,
		[CEL_PART_MILLIS] = v.n / 1000000,
	};
	return CEL_OF_INT(parts[part]);
}

struct cel_value cel_duration_part(struct cel_value v, enum cel_part part)
{
	switch (part) {
	case CEL_PART_HOURS:
		return CEL_OF_INT(v.i / (3600 * NANOS));
	case CEL_PART_MINUTES:
		return CEL_OF_INT(v.i / (60 * NANOS));
	case CEL_PART_SECONDS:
		return CEL_OF_INT(v.i / NANOS);
	case CEL_PART_MILLIS:
		return CEL_OF_INT(v.i / 1000000 % 1000);
	case CEL_PART_YEAR:
	case CEL_PART_MONTH:
	case CEL_PART_DATE:
	case CEL_PART_MONTH_DAY:
	case CEL_PART_WEEK_DAY:
	case CEL_PART_YEAR_DAY:
	default:
		return CEL_FAIL(CEL_F_OVERLOAD);
	}
}
