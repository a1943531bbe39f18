#include "cel_func.h"

#include <inttypes.h>
#include <math.h>

#include "cel_regex.h"
#include "cel_time.h"

#define EDGE_63 9223372036854775808.0 /* 2 to the 63 */
#define EDGE_64 18446744073709551616.0

static size_t count_runes(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static struct cel_value fn_size(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)n;
	if (a->type == CEL_STRING) {
		cel_charge(room, a->n / 64);
		return CEL_OF_INT((int64_t)count_runes(cel_text(*a)));
	}
	return CEL_OF_INT(a->n);
}

static struct cel_value fn_contains(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)n;
	cel_charge(room, a->n / 8);
	return CEL_OF_BOOL(a[1].n == 0 || memmem(a[0].p, a[0].n, a[1].p, a[1].n) != NULL);
}

static struct cel_value fn_starts_with(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)n;
	cel_charge(room, a[1].n / 64);
	struct slice head = {a[0].p, MIN_OF(a[0].n, a[1].n)};
	return CEL_OF_BOOL(slice_eq(head, cel_text(a[1])));
}

static struct cel_value fn_ends_with(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)n;
	cel_charge(room, a[1].n / 64);
	uint32_t k = MIN_OF(a[0].n, a[1].n);
	struct slice tail = {k ? a[0].p + (a[0].n - k) : NULL, k};
	return CEL_OF_BOOL(slice_eq(tail, cel_text(a[1])));
}

struct cel_value cel_match(struct cel_room *room, const struct cel_regex *re, struct slice text)
{
	bool found = false, last = room->steps < CEL_MATCH_STEPS;
	uint64_t max = last ? (uint64_t)room->steps : CEL_MATCH_STEPS, taken;
	int r = cel_regex_match(re, text, max, &taken, &found);
	if (!cel_charge(room, r && !last ? MIN_OF(taken, max) : taken))
		return CEL_FAIL(room->why);
	return r ? CEL_FAIL(CEL_F_REGEX_STEPS) : CEL_OF_BOOL(found);
}

/* With a pattern that is not known before; constant ones are compiled with the condition. */
static struct cel_value fn_matches(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)n;
	struct cel_regex *re;
	size_t at;
	char why[128];
	if (!cel_charge(room, CEL_PATTERN_STEPS))
		return CEL_FAIL(room->why);
	int r = cel_regex_new(cel_text(a[1]), &at, why, &re);
	if (r)
		return CEL_FAIL(r == -ENOMEM ? CEL_F_MEMORY : CEL_F_REGEX);
	struct cel_value v = cel_match(room, re, cel_text(a[0]));
	cel_regex_free(re);
	return v;
}

/* ---- conversions ---- */

static struct cel_value fn_dyn(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	return *a;
}

static struct cel_value fn_type(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	return CEL_VALUE(CEL_TYPE, i, a->type);
}

static struct cel_value fn_int(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	int64_t i;
	if (a->type == CEL_INT)
		return *a;
	if (a->type == CEL_UINT)
		return a->u <= INT64_MAX ? CEL_OF_INT((int64_t)a->u) : CEL_FAIL(CEL_F_RANGE);
	if (a->type == CEL_DOUBLE) /* both edges are refused: a double cannot tell them apart */
		return a->d > -EDGE_63 && a->d < EDGE_63 ? CEL_OF_INT((int64_t)a->d)
							 : CEL_FAIL(CEL_F_RANGE);
	if (a->type == CEL_TIMESTAMP)
		return CEL_OF_INT(a->i);
	return slice_to_i64(cel_text(*a), &i) ? CEL_FAIL(CEL_F_CONVERT) : CEL_OF_INT(i);
}

static struct cel_value uint_of_text(struct slice s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return CEL_FAIL(CEL_F_CONVERT);
	return s.n ? CEL_OF_UINT(v) : CEL_FAIL(CEL_F_CONVERT);
}

static struct cel_value fn_uint(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	if (a->type == CEL_UINT)
		return *a;
	if (a->type == CEL_INT)
		return a->i >= 0 ? CEL_OF_UINT((uint64_t)a->i) : CEL_FAIL(CEL_F_RANGE);
	if (a->type == CEL_DOUBLE)
		return a->d >= 0 && a->d < EDGE_64 ? CEL_OF_UINT((uint64_t)a->d)
						   : CEL_FAIL(CEL_F_RANGE);
	return uint_of_text(cel_text(*a));
}

/* "NaN", "Infinity", "-inf" in any case, as Go and C++ read them. */
static bool word_of_double(struct slice s, double *ret)
{
	bool minus = slice_starts(s, "-"), sign = minus || slice_starts(s, "+");
	if (s.n == 3 && strncasecmp(s.p, "nan", 3) == 0) {
		*ret = (double)NAN;
		return true;
	}
	if (sign)
		s = (struct slice){s.p + 1, s.n - 1};
	if (!(s.n == 3 && strncasecmp(s.p, "inf", 3) == 0) &&
	    !(s.n == 8 && strncasecmp(s.p, "infinity", 8) == 0))
		return false;
	*ret = minus ? (double)-INFINITY : (double)INFINITY;
	return true;
}

static struct cel_value double_of_text(struct slice s)
{
	double d;
	if (word_of_double(s, &d) || !slice_to_double(s, &d))
		return CEL_OF_DOUBLE(d);
	return CEL_FAIL(CEL_F_CONVERT);
}

static struct cel_value fn_double(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	if (a->type == CEL_DOUBLE)
		return *a;
	if (a->type == CEL_INT)
		return CEL_OF_DOUBLE((double)a->i);
	if (a->type == CEL_UINT)
		return CEL_OF_DOUBLE((double)a->u);
	return double_of_text(cel_text(*a));
}

static struct cel_value fn_bool(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	static const char *const words[][2] = {
		{"false", "true"}, {"False", "True"}, {"FALSE", "TRUE"},
		{"f", "t"},	   {"F", "T"},	      {"0", "1"},
	};
	(void)room;
	(void)n;
	if (a->type == CEL_BOOL)
		return *a;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		for (int k = 0; k < 2; k++)
			if (slice_is(cel_text(*a), words[i][k]))
				return CEL_OF_BOOL(k == 1);
	return CEL_FAIL(CEL_F_CONVERT);
}

static struct cel_value fn_bytes(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	return CEL_OF_TEXT(CEL_BYTES, cel_text(*a));
}

static void print_double(char *out, size_t size, double d)
{
	if (isnan(d) || isinf(d)) {
		snprintf(out, size, "%s", isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "+Infinity");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			return;
	}
}

static void print_scalar(const struct cel_value *v, char *out, size_t size)
{
	if (v->type == CEL_BOOL)
		snprintf(out, size, "%s", v->b ? "true" : "false");
	else if (v->type == CEL_INT)
		snprintf(out, size, "%" PRId64, v->i);
	else if (v->type == CEL_UINT)
		snprintf(out, size, "%" PRIu64, v->u);
	else if (v->type == CEL_DOUBLE)
		print_double(out, size, v->d);
	else if (v->type == CEL_TIMESTAMP)
		cel_timestamp_format(*v, out, size);
	else
		cel_duration_format(*v, out, size);
}

static struct cel_value fn_string(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	char tmp[64];
	size_t bad;
	(void)n;
	if (a->type == CEL_STRING)
		return *a;
	cel_charge(room, a->type == CEL_BYTES ? a->n / 64 : 0);
	if (a->type == CEL_BYTES)
		return slice_utf8_ok(cel_text(*a), &bad) ? CEL_OF_TEXT(CEL_STRING, cel_text(*a))
							 : CEL_FAIL(CEL_F_UTF8);
	print_scalar(a, tmp, sizeof tmp);
	size_t len = strlen(tmp);
	char *p = cel_alloc(room, len + 1);
	if (!p)
		return CEL_FAIL(CEL_F_MEMORY);
	memcpy(p, tmp, len + 1);
	return (struct cel_value){.type = CEL_STRING, .n = (uint32_t)len, .p = p};
}

static struct cel_value fn_timestamp(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	if (a->type == CEL_TIMESTAMP)
		return *a;
	if (a->type == CEL_INT)
		return cel_timestamp_of(a->i, 0);
	return cel_timestamp_parse(cel_text(*a));
}

static struct cel_value fn_duration(struct cel_room *room, const struct cel_value *a, unsigned n)
{
	(void)room;
	(void)n;
	if (a->type == CEL_DURATION)
		return *a;
	return cel_duration_parse(cel_text(*a));
}

/* ---- parts of a timestamp or duration: x.getHours(), x.getHours("Asia/Shanghai") ---- */

#define ZONE_STEPS 200 /* its file is read */

static struct cel_value part(struct cel_room *room, const struct cel_value *a, unsigned n,
			     enum cel_part p)
{
	if (a->type == CEL_DURATION && n == 1)
		return cel_duration_part(*a, p);
	if (a->type == CEL_DURATION)
		return CEL_FAIL(CEL_F_OVERLOAD);
	cel_charge(room, n == 2 ? ZONE_STEPS : 0);
	return cel_timestamp_part(*a, n == 2 ? cel_text(a[1]) : SL("UTC"), p);
}

#define PART_FN(name_, part_)                                                           \
	static struct cel_value name_(struct cel_room *room, const struct cel_value *a, \
				      unsigned n)                                       \
	{                                                                               \
		return part(room, a, n, part_);                                         \
	}

PART_FN(fn_year, CEL_PART_YEAR)
PART_FN(fn_month, CEL_PART_MONTH)
PART_FN(fn_date, CEL_PART_DATE)
PART_FN(fn_month_day, CEL_PART_MONTH_DAY)
PART_FN(fn_week_day, CEL_PART_WEEK_DAY)
PART_FN(fn_year_day, CEL_PART_YEAR_DAY)
PART_FN(fn_hours, CEL_PART_HOURS)
PART_FN(fn_minutes, CEL_PART_MINUTES)
PART_FN(fn_seconds, CEL_PART_SECONDS)
PART_FN(fn_millis, CEL_PART_MILLIS)

#define BOOL CEL_BIT(CEL_BOOL)
#define INT CEL_BIT(CEL_INT)
#define STR CEL_BIT(CEL_STRING)
#define BYTES CEL_BIT(CEL_BYTES)
#define TIME CEL_BIT(CEL_TIMESTAMP)
#define SPAN CEL_BIT(CEL_DURATION)
#define HAS_SIZE (STR | BYTES | CEL_BIT(CEL_LIST) | CEL_BIT(CEL_MAP))
#define HAS_TEXT (BOOL | CEL_NUMBERS | STR | BYTES | TIME | SPAN)

const struct cel_func cel_funcs[] = {
	{"size", 1, 1, true, true, {HAS_SIZE}, INT, fn_size},
	{"contains", 2, 2, false, true, {STR, STR}, BOOL, fn_contains},
	{"startsWith", 2, 2, false, true, {STR, STR}, BOOL, fn_starts_with},
	{"endsWith", 2, 2, false, true, {STR, STR}, BOOL, fn_ends_with},
	{"matches", 2, 2, true, true, {STR, STR}, BOOL, fn_matches},
	{"dyn", 1, 1, true, false, {CEL_ANY}, CEL_ANY, fn_dyn},
	{"type", 1, 1, true, false, {CEL_ANY}, CEL_BIT(CEL_TYPE), fn_type},
	{"int", 1, 1, true, false, {CEL_NUMBERS | STR | TIME}, INT, fn_int},
	{"uint", 1, 1, true, false, {CEL_NUMBERS | STR}, CEL_BIT(CEL_UINT), fn_uint},
	{"double", 1, 1, true, false, {CEL_NUMBERS | STR}, CEL_BIT(CEL_DOUBLE), fn_double},
	{"bool", 1, 1, true, false, {BOOL | STR}, BOOL, fn_bool},
	{"bytes", 1, 1, true, false, {STR | BYTES}, BYTES, fn_bytes},
	{"string", 1, 1, true, false, {HAS_TEXT}, STR, fn_string},
	{"timestamp", 1, 1, true, false, {INT | STR | TIME}, TIME, fn_timestamp},
	{"duration", 1, 1, true, false, {STR | SPAN}, SPAN, fn_duration},
	{"getFullYear", 1, 2, false, true, {TIME, STR}, INT, fn_year},
	{"getMonth", 1, 2, false, true, {TIME, STR}, INT, fn_month},
	{"getDate", 1, 2, false, true, {TIME, STR}, INT, fn_date},
	{"getDayOfMonth", 1, 2, false, true, {TIME, STR}, INT, fn_month_day},
	{"getDayOfWeek", 1, 2, false, true, {TIME, STR}, INT, fn_week_day},
	{"getDayOfYear", 1, 2, false, true, {TIME, STR}, INT, fn_year_day},
	{"getHours", 1, 2, false, true, {TIME | SPAN, STR}, INT, fn_hours},
	{"getMinutes", 1, 2, false, true, {TIME | SPAN, STR}, INT, fn_minutes},
	{"getSeconds", 1, 2, false, true, {TIME | SPAN, STR}, INT, fn_seconds},
	{"getMilliseconds", 1, 2, false, true, {TIME | SPAN, STR}, INT, fn_millis},
};
const size_t cel_funcs_count = COUNT_OF(cel_funcs);

int cel_func_find(struct slice name, bool method)
{
	for (size_t i = 0; i < cel_funcs_count; i++)
		if ((method ? cel_funcs[i].method : cel_funcs[i].global) &&
		    slice_is(name, cel_funcs[i].name))
			return (int)i;
	return -1;
}

static const struct {
	const char *name, *usage;
} macros[] = {
	{"all", "x.all(name, condition)"},
	{"exists", "x.exists(name, condition)"},
	{"exists_one", "x.exists_one(name, condition)"},
	{"map", "x.map(name, value) or x.map(name, condition, value)"},
	{"filter", "x.filter(name, condition)"},
	{"has", "has(field)"},
};

const char *cel_func_usage(struct slice name, bool method)
{
	for (size_t i = 0; i < COUNT_OF(macros); i++)
		if (slice_is(name, macros[i].name))
			return macros[i].usage;
	if (cel_func_find(name, !method) < 0)
		return NULL;
	return method ? "with all in brackets" : "with a dot behind what it works on";
}

const char *cel_func_nearest(struct slice name, bool method)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (size_t i = 0; i < cel_funcs_count + COUNT_OF(macros); i++) {
		bool macro = i >= cel_funcs_count;
		if (!macro && !(method ? cel_funcs[i].method : cel_funcs[i].global))
			continue;
		const char *other = macro ? macros[i - cel_funcs_count].name : cel_funcs[i].name;
		size_t d = name_distance(name, slice_of(other));
		if (d < nearest && 2 * d <= name.n) {
			nearest = d;
			best = other;
		}
	}
	return best;
}
