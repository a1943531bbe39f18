/* What every other module stands on: slices, bounded buffers, times, JSON, topic filters, URLs in
 * logs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "json.h"
#include "log.h"
#include "route.h"
#include "times.h"

static uint64_t seed = 88172645463325252u;

static uint64_t any(void) /* xorshift: the same numbers at every run */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void numbers_are_strict(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} ints[] = {
		{"0", 0, 0},
		{"-7", 0, -7},
		{"+7", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"0x1", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
	};
	for (size_t i = 0; i < COUNT_OF(ints); i++) {
		int64_t v = 42;
		if (slice_to_i64(slice_of(ints[i].text), &v) != ints[i].rc ||
		    v != (ints[i].rc ? 42 : ints[i].want))
			fail_msg("\"%s\"", ints[i].text);
	}
	static const char *const no_doubles[] = {"",	  "nan", "inf", "1,5", "1e999",
						 "0x1p3", "1 ",	 "--1", "."};
	for (size_t i = 0; i < COUNT_OF(no_doubles); i++) {
		double v = 42;
		if (!slice_to_double(slice_of(no_doubles[i]), &v) || v != 42)
			fail_msg("\"%s\" was taken for a number", no_doubles[i]);
	}
}

static void utf8_is_strict(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		size_t bad;
	} cases[] = {
		{"", true, 0},
		{"3号楼 🚲", true, 0},
		{"a\xff", false, 1},
		{"ab\xc0\xaf", false, 2},	/* overlong */
		{"\xed\xa0\x80", false, 0},	/* surrogate */
		{"\xf4\x90\x80\x80", false, 0}, /* beyond U+10FFFF */
		{"x\xe5\x8f", false, 1},	/* cut */
		{"\x80", false, 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t bad = 0;
		if (slice_utf8_ok(slice_of(cases[i].text), &bad) != cases[i].ok ||
		    bad != cases[i].bad)
			fail_msg("case %zu: bad at %zu", i, bad);
	}
}

static void a_buffer_has_an_end(void **state)
{
	(void)state;
	auto_buf struct buf b;
	buf_init(&b, 10);
	buf_puts(&b, "12345");
	buf_printf(&b, "%d", 67890);
	assert_false(b.failed);
	assert_string_equal(buf_str(&b), "1234567890");
	buf_putc(&b, 'x');
	assert_true(b.failed);
	assert_true(b.n <= 10);
	buf_reset(&b);
	assert_false(b.failed);
	assert_false(buf_reserve(&b, 11));
}

static void times_are_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want_s; /* -1: refused */
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-22T06:00:00+08:00", 1795298400},
		{"2024-02-29T12:00:00Z", 1709208000},
		{"2023-02-29T12:00:00Z", -1},
		{"2026-13-01T00:00:00Z", -1},
		{"2026-11-22T25:00:00Z", -1},
		{"2026-11-22T06:00:00", -1}, /* no zone: whose time is it? */
		{"2026-11-22", -1},
		{"2026-11-22T06:00:00+99:00", -1},
		{"2026-11-22T06:00:00Zjunk", -1},
		{"", -1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t us = -1;
		int rc = times_parse(slice_of(cases[i].text), &us);
		if (cases[i].want_s < 0 ? rc == 0 : rc || us != cases[i].want_s * TIMES_SEC)
			fail_msg("\"%s\": %d, %lld", cases[i].text, rc, (long long)us);
	}
	for (int i = 0; i < 20000; i++) {
		int64_t us = (int64_t)(any() % (uint64_t)(4000000000 * TIMES_SEC)), back = 0;
		char text[TIMES_RFC3339_MAX];
		times_format(us, text);
		if (times_parse(slice_of(text), &back) || back != us)
			fail_msg("%lld became %s", (long long)us, text);
	}
	for (int64_t day = -800000; day < 800000; day += 37) {
		int y, m, d;
		times_civil(day, &y, &m, &d);
		assert_int_equal(times_day(y, m, d), day);
	}
}

static void durations_are_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t want_us; /* -1: refused */
	} cases[] = {
		{"30s", 30 * TIMES_SEC},
		{"1h30m", 90 * TIMES_MIN},
		{"200ms", 200 * TIMES_MS},
		{"7d", 7 * TIMES_DAY},
		{"0", 0},
		{"5q", -1},
		{"", -1},
		{"30", -1},
		{"-5s", -1},
		{"s", -1},
		{"1h 30m", -1},
		{"99999999999999999999d", -1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t us = -1;
		int rc = times_parse_duration(slice_of(cases[i].text), &us);
		if (cases[i].want_us < 0 ? rc == 0 : rc || us != cases[i].want_us)
			fail_msg("\"%s\": %d, %lld", cases[i].text, rc, (long long)us);
	}
	for (int i = 0; i < 5000; i++) {
		int64_t us = (int64_t)(any() % (uint64_t)(40 * TIMES_DAY)) / TIMES_MS * TIMES_MS,
			back = -1;
		char text[TIMES_DURATION_MAX];
		times_format_duration(us, text);
		if (times_parse_duration(slice_of(text), &back) || back != us)
			fail_msg("%lld became %s", (long long)us, text);
	}
}

static void bad_json_is_refused_by_kind(void **state)
{
	(void)state;
	static const struct json_limits limits = {.max_bytes = 100, .max_depth = 4};
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{"{\"a\":[1,2.5,\"x\",null,true]}", 0},
		{"{\"a\":1,\"a\":2}", -EEXIST},
		{"{\"a\":NaN}", -EBADMSG},
		{"{\"a\":01}", -EBADMSG},
		{"{\"a\":1}x", -EBADMSG},
		{"{\"a\":1,}", -EBADMSG},
		{"{\"a\":", -EBADMSG},
		{"{\"a\":1e999}", -ERANGE},
		{"{\"a\":99999999999999999999}", -ERANGE},
		{"[[[[[1]]]]]", -ELOOP},
		{"\"\xff\"", -EILSEQ},
		{"", -EBADMSG},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		auto_json struct json *v = NULL;
		int rc = json_parse(slice_of(cases[i].text), &limits, &e, &v);
		if (rc != cases[i].rc || (rc != 0) != (e.msg[0] != 0))
			fail_msg("%s: %d %s", cases[i].text, rc, e.msg);
	}
	char large[102] = "\"";
	memset(large + 1, 'a', 99);
	large[100] = '"';
	struct err e;
	struct json *v = NULL;
	assert_int_equal(json_parse(slice_of(large), &limits, &e, &v), -EMSGSIZE);
	assert_null(v);
}

/* The shortest text that reads back the same, for numbers as sensors send them and for any other.
 */
static void doubles_come_back_the_same(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = any();
		double v;
		if (i % 2)
			v = (double)(int64_t)(bits % 2000000) / 100.0 - 1000.0;
		else
			memcpy(&v, &bits, sizeof v);
		auto_buf struct buf b;
		buf_init(&b, 64);
		json_put_double(&b, v);
		if (!isfinite(v)) {
			assert_string_equal(buf_str(&b), "null");
			continue;
		}
		if (strtod(buf_str(&b), NULL) != v)
			fail_msg("%.17g became %s", v, buf_str(&b));
	}
}

static void topic_filters_match_as_mqtt_says(void **state)
{
	(void)state;
	static const struct {
		const char *filter, *topic;
		bool match;
	} cases[] = {
		{"a/b", "a/b", true},	 {"a/b", "a/c", false},	   {"a/+", "a/b", true},
		{"a/+", "a/b/c", false}, {"a/+", "a", false},	   {"a/+", "a/", true},
		{"a/#", "a/b/c", true},	 {"a/#", "a", true},	   {"#", "a/b", true},
		{"#", "$SYS/x", false},	 {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true},
		{"+/+", "/b", true},	 {"a/+/c", "a/b/c", true}, {"a", "ab", false},
		{"a/#", "ab", false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (route_matches(slice_of(cases[i].filter), slice_of(cases[i].topic)) !=
		    cases[i].match)
			fail_msg("%s and %s", cases[i].filter, cases[i].topic);
	static const char *const bad[] = {"",	      "a/#/b",	   "a#",	"a+/b",
					  "$share/g", "$share//a", "$share/g/", "$share/+/a"};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (route_filter_ok(slice_of(bad[i])))
			fail_msg("\"%s\" was taken for a filter", bad[i]);
	assert_true(route_filter_ok(SL("$share/g/a/#")));
}

static void urls_are_shown_without_secrets(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"https://h/x", "https://h/x"},		  {"https://u:p@h:1/x", "https://h:1/x"},
		{"https://h/x?key=1#f", "https://h/x?…"}, {"https://u:p@h", "https://h"},
		{"https://h/a@b", "https://h/a@b"},	  {"https://u:p@q@h/", "https://h/"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		auto_buf struct buf b;
		buf_init(&b, 100);
		url_redact(slice_of(cases[i][0]), &b);
		assert_string_equal(buf_str(&b), cases[i][1]);
	}
}

static void a_fault_that_goes_on_is_told_ever_more_seldom(void **state)
{
	(void)state;
	struct log_repeat r = {0};
	assert_false(log_repeat_over(&r));
	int told = 0;
	for (int64_t t = 0; t < 3600; t++)
		told += log_repeat_due(&r, t * TIMES_SEC);
	assert_in_range(told, 15, 25); /* 2, 4, 8 … 256 s, then 300 s apart */
	assert_true(log_repeat_over(&r));
	assert_true(log_repeat_due(&r, 3600 * TIMES_SEC));
}

static void what_is_cut_from_nothing_is_empty(void **state)
{
	(void)state;
	struct slice rest = SL("a b"), part = SL("left over");
	assert_true(slice_cut(&rest, ' ', &part));
	assert_true(slice_is(part, "a"));
	assert_true(slice_cut(&rest, ' ', &part));
	assert_true(slice_is(part, "b"));
	assert_false(slice_cut(&rest, ' ', &part));
	assert_null(part.p);
	assert_int_equal(part.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cut_from_nothing_is_empty),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(a_buffer_has_an_end),
		cmocka_unit_test(times_are_read_and_written),
		cmocka_unit_test(durations_are_read_and_written),
		cmocka_unit_test(bad_json_is_refused_by_kind),
		cmocka_unit_test(doubles_come_back_the_same),
		cmocka_unit_test(topic_filters_match_as_mqtt_says),
		cmocka_unit_test(urls_are_shown_without_secrets),
		cmocka_unit_test(a_fault_that_goes_on_is_told_ever_more_seldom),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
