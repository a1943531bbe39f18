#include "cel_time.h"

#include <inttypes.h>

#include "times.h"

#define NANOS INT64_C(1000000000)

/* ---- text ---- */

/* Split "…:30.000000001Z" into the text without the fraction and its nanoseconds. */
static bool take_fraction(struct slice s, char out[static 40], uint32_t *ret_nanos)
{
	const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;
	size_t head = dot ? (size_t)(dot - s.p) : s.n, i = head;
	uint32_t nanos = 0, unit = NANOS / 10;
	if (s.n >= 40)
		return false;
	if (dot) {
		for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, unit /= 10)
			nanos += (uint32_t)(s.p[i] - '0') * unit;
		if (i == head + 1 || i > head + 10)
			return false;
	}
	if (head)
		memcpy(out, s.p, head);
	if (s.n > i)
		memcpy(out + head, s.p + i, s.n - i);
	out[head + s.n - i] = 0;
	*ret_nanos = nanos;
	return true;
}

struct cel_value cel_timestamp_parse(struct slice s)
{
	char whole[40];
	uint32_t nanos;
	int64_t us;
	if (!take_fraction(s, whole, &nanos) || times_parse(slice_of(whole), &us))
		return CEL_FAIL(CEL_F_RANGE);
	return cel_timestamp_of(us / TIMES_SEC, nanos);
}

static bool duration_unit(struct slice *s, int64_t *ret)
{
	static const struct {
		const char *name;
		int64_t nanos;
	} units[] = {{"ns", 1},	   {"us", 1000},      {"\xC2\xB5s", 1000}, {"ms", 1000000},
		     {"s", NANOS}, {"m", 60 * NANOS}, {"h", 3600 * NANOS}};
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
	int64_t part =
		(int64_t)((long double)fraction * (long double)unit / (long double)place + 0.5L);
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

/* ---- zones ---- */

static int64_t be(const unsigned char *p, int n)
{
	uint64_t v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return n == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

#define TZIF_HEADER 44

/* Sizes of a TZif block (RFC 8536) from its header. */
struct tzif {
	int64_t isut, isstd, leap, times, types, chars;
};

static struct tzif tzif_header(const unsigned char *p)
{
	return (struct tzif){be(p + 20, 4), be(p + 24, 4), be(p + 28, 4),
			     be(p + 32, 4), be(p + 36, 4), be(p + 40, 4)};
}

static int64_t tzif_body(const struct tzif *h, int width)
{
	return h->times * (width + 1) + h->types * 6 + h->chars + h->leap * (width + 4) + h->isstd +
	       h->isut;
}

/* Offset in force at `at` from the 64-bit block; beyond its last change that change's holds. */
static bool tzif_offset(const unsigned char *p, size_t n, int64_t at, int64_t *ret)
{
	if (n < TZIF_HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	struct tzif h = tzif_header(p);
	int64_t skip = TZIF_HEADER + tzif_body(&h, 4);
	if (skip < 0 || (int64_t)n - skip < TZIF_HEADER)
		return false;
	p += skip;
	n -= (size_t)skip;
	h = tzif_header(p);
	if (h.times < 0 || h.types < 1 || tzif_body(&h, 8) > (int64_t)n - TZIF_HEADER)
		return false;
	const unsigned char *times = p + TZIF_HEADER, *index = times + h.times * 8,
			    *types = index + h.times;
	int64_t type = 0;
	for (int64_t i = 0; i < h.times && be(times + i * 8, 8) <= at; i++)
		type = index[i];
	if (type >= h.types)
		return false;
	*ret = be(types + type * 6, 4);
	return true;
}

static bool zone_file_offset(struct slice zone, int64_t at, int64_t *ret)
{
	char path[128];
	auto_free char *file = NULL;
	size_t n;
	for (size_t i = 0; i < zone.n; i++) {
		char c = zone.p[i];
		bool word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (!word && (i == 0 || !strchr("0123456789_+-/", c) || !c))
			return false;
	}
	if (!zone.n || zone.n > 64)
		return false;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", SL_FMT(zone));
	if (file_read(path, 65536, &file, &n, NULL))
		return false;
	return tzif_offset((const unsigned char *)file, n, at, ret);
}

/* "+08:00", "-02:30", "05:45" */
static bool fixed_offset(struct slice zone, int64_t *ret)
{
	int64_t h, m;
	bool west = slice_starts(zone, "-");
	struct slice rest = zone, hours;
	if (west || slice_starts(zone, "+"))
		cut_char(&rest);
	if (!is_digit(rest) || !slice_cut(&rest, ':', &hours) || !rest.p || rest.n != 2 ||
	    !is_digit(rest) || hours.n > 2)
		return false;
	if (slice_to_i64(hours, &h) || slice_to_i64(rest, &m) || h > 23 || m > 59)
		return false;
	*ret = (west ? -60 : 60) * (h * 60 + m);
	return true;
}

static bool zone_offset(struct slice zone, int64_t at, int64_t *ret)
{
	if (slice_is(zone, "UTC")) {
		*ret = 0;
		return true;
	}
	return fixed_offset(zone, ret) || zone_file_offset(zone, at, ret);
}

/* ---- parts ---- */

struct cel_value cel_timestamp_part(struct cel_value v, struct slice zone, enum cel_part part)
{
	int64_t offset;
	int year, month, mday;
	if (!zone_offset(zone, v.i, &offset))
		return CEL_FAIL(CEL_F_ZONE);
	int64_t t = v.i + offset, day = floor_div(t, 86400), s = t - day * 86400;
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
