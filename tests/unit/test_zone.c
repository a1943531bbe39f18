#include "zone.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "times.h"
#include "zone_file.h"

static const struct zone *need(const char *name)
{
	struct err e;
	const struct zone *z = NULL;
	if (zone_load(slice_of(name), &e, &z))
		fail_msg("%s: %s", name, e.msg);
	return z;
}

static int64_t utc_of(const char *text)
{
	int64_t us;
	if (times_parse(slice_of(text), &us))
		fail_msg("not a time: %s", text);
	return us / TIMES_SEC;
}

static void offsets_are_those_of_history(void **state)
{
	(void)state;
	static const struct {
		const char *zone, *at;
		int32_t minutes;
	} cases[] = {
		{"UTC", "2026-07-01T00:00:00Z", 0},
		{"+08:00", "2026-07-01T00:00:00Z", 480},
		{"-02:30", "2026-07-01T00:00:00Z", -150},
		{"05:45", "2026-07-01T00:00:00Z", 345},
		/* local mean time, then daylight time until 1991 */
		{"Asia/Shanghai", "1900-12-31T15:54:16Z", 485},
		{"Asia/Shanghai", "1900-12-31T15:54:17Z", 480},
		{"Asia/Shanghai", "1991-04-13T17:59:59Z", 480},
		{"Asia/Shanghai", "1991-04-13T18:00:00Z", 540},
		{"Asia/Shanghai", "1991-09-14T16:59:59Z", 540},
		{"Asia/Shanghai", "1991-09-14T17:00:00Z", 480},
		{"Asia/Shanghai", "2026-07-01T00:00:00Z", 480},
		{"Asia/Shanghai", "2500-07-01T00:00:00Z", 480},
		{"America/New_York", "2026-03-08T06:59:59Z", -300},
		{"America/New_York", "2026-03-08T07:00:00Z", -240},
		{"America/New_York", "2026-11-01T05:59:59Z", -240},
		{"America/New_York", "2026-11-01T06:00:00Z", -300},
		{"America/New_York", "2038-03-14T06:59:59Z", -300},
		{"America/New_York", "2038-03-14T07:00:00Z", -240},
		{"America/New_York", "2099-11-01T05:59:59Z", -240},
		{"America/New_York", "2099-11-01T06:00:00Z", -300},
		{"Europe/London", "2026-03-29T00:59:59Z", 0},
		{"Europe/London", "2026-03-29T01:00:00Z", 60},
		{"Europe/London", "1970-01-01T00:00:00Z", 60}, /* the years of British Standard */
		{"Europe/London", "2050-10-30T00:59:59Z", 60},
		{"Europe/London", "2050-10-30T01:00:00Z", 0},
		{"Australia/Lord_Howe", "2026-04-04T14:59:59Z", 660}, /* half an hour only */
		{"Australia/Lord_Howe", "2026-04-04T15:00:00Z", 630},
		{"Australia/Lord_Howe", "2060-10-02T15:29:59Z", 630},
		{"Australia/Lord_Howe", "2060-10-02T15:30:00Z", 660},
		/* the law calls summer the standard and winter the other, an hour back */
		{"Europe/Dublin", "2026-03-29T00:59:59Z", 0},
		{"Europe/Dublin", "2026-03-29T01:00:00Z", 60},
		{"Europe/Dublin", "2077-10-31T00:59:59Z", 60},
		{"Europe/Dublin", "2077-10-31T01:00:00Z", 0},
		/* the change is told in hours of the day before */
		{"America/Nuuk", "2060-03-28T00:59:59Z", -120},
		{"America/Nuuk", "2060-03-28T01:00:00Z", -60},
		{"Pacific/Apia", "2011-12-30T09:59:59Z", -600}, /* the day that was skipped */
		{"Pacific/Apia", "2011-12-30T10:00:00Z", 840},
		{"Asia/Kathmandu", "2026-01-01T00:00:00Z", 345},
		{"Etc/GMT+5", "2026-01-01T00:00:00Z", -300},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int32_t got = zone_offset(need(cases[i].zone), utc_of(cases[i].at));
		if (got / 60 != cases[i].minutes)
			fail_msg("%s at %s: %d s, not %d min", cases[i].zone, cases[i].at, got,
				 cases[i].minutes);
	}
}

/* From 1850 to 2120: between two changes nothing changes, at each something does. */
static void next_finds_every_change(void **state)
{
	(void)state;
	static const char *const zones[] = {
		"UTC",		 "-03:30",	  "Asia/Shanghai",	 "America/New_York",
		"Europe/London", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Casablanca",
		"Asia/Gaza",	 "Pacific/Apia",  "America/Sao_Paulo",	 "Antarctica/Troll"};
	int64_t end = utc_of("2120-01-01T00:00:00Z");
	for (size_t i = 0; i < COUNT_OF(zones); i++) {
		const struct zone *z = need(zones[i]);
		int64_t at = utc_of("1850-01-01T00:00:00Z");
		while (at < end) {
			int64_t next = zone_next(z, at);
			assert_true(next > at);
			int64_t until = MIN_OF(next, end), step = (until - at) / 50 + 1;
			for (int64_t t = at; t < until; t += step)
				assert_int_equal(zone_offset(z, t), zone_offset(z, at));
			assert_int_equal(zone_offset(z, until - 1), zone_offset(z, at));
			if (next < end)
				assert_int_not_equal(zone_offset(z, next), zone_offset(z, at));
			at = next;
		}
	}
}

static void local_times_go_back_to_utc(void **state)
{
	(void)state;
	static const struct {
		const char *zone, *local, *utc;
	} cases[] = {
		{"UTC", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		{"Asia/Shanghai", "2026-07-01T00:00:00Z", "2026-06-30T16:00:00Z"},
		{"America/New_York", "2026-03-08T01:59:59Z", "2026-03-08T06:59:59Z"},
		/* skipped: the moment of the change */
		{"America/New_York", "2026-03-08T02:00:00Z", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-03-08T02:30:00Z", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-03-08T03:00:00Z", "2026-03-08T07:00:00Z"},
		/* twice: the first */
		{"America/New_York", "2026-11-01T01:30:00Z", "2026-11-01T05:30:00Z"},
		{"America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T07:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-05T01:45:00Z", "2026-04-04T14:45:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z"},
		{"Europe/Dublin", "2077-10-31T01:30:00Z", "2077-10-31T00:30:00Z"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t got = zone_utc(need(cases[i].zone), utc_of(cases[i].local));
		if (got != utc_of(cases[i].utc))
			fail_msg("%s %s: %lld s off", cases[i].zone, cases[i].local,
				 (long long)(got - utc_of(cases[i].utc)));
	}
}

/* The first moment at which the clock shows that or later, by looking at every minute. */
static void utc_is_the_first_moment(void **state)
{
	(void)state;
	static const char *const zones[] = {"America/New_York", "Australia/Lord_Howe",
					    "Europe/Dublin", "Pacific/Apia"};
	for (size_t i = 0; i < COUNT_OF(zones); i++) {
		const struct zone *z = need(zones[i]);
		int64_t change = zone_next(z, utc_of("2011-01-01T00:00:00Z"));
		for (int k = 0; k < 4; k++, change = zone_next(z, change)) {
			int64_t first = change - 3 * 86400, at = first;
			for (int64_t l = change - 86400; l < change + 86400; l += 300) {
				for (at = first; at + zone_offset(z, at) < l;)
					at += 300;
				assert_int_equal(zone_utc(z, l), at);
			}
		}
	}
}

static void bad_names_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{"", -EINVAL},
		{"/etc/passwd", -EINVAL},
		{"../../../etc/passwd", -EINVAL},
		{"Asia/../../../../etc/passwd", -EINVAL},
		{"Asia/Shanghai/", -EINVAL},
		{"Asia//Shanghai", -EINVAL},
		{".hidden", -EINVAL},
		{"right/UTC", -EINVAL},
		{"Asia/Shang hai", -EINVAL},
		{"A23456789012345678901234567890123456789012345678901234567890/2345", -EINVAL},
		{"+24:00", -EINVAL},
		{"+08:60", -EINVAL},
		{"+8", -EINVAL},
		{"+08:0", -EINVAL},
		{"+-8:00", -EINVAL},
		{"--8:00", -EINVAL},
		{"08:00:00", -EINVAL},
		{"Asia/Shanghia", -ENOENT},
		{"Asia", -ENOENT},
		{"zone.tab", -EINVAL},
		{"tzdata", -ENOENT},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct zone *z = NULL;
		struct err e = {0};
		int r = zone_load(slice_of(cases[i].name), &e, &z);
		if (r != cases[i].code || z || !e.msg[0])
			fail_msg("%s: %d, %s", cases[i].name, r, e.msg);
		assert_null(zone_find(slice_of(cases[i].name)));
	}
	assert_null(zone_find((struct slice){"UTC\0", 4}));
}

static void a_system_without_table_says_so(void **state)
{
	(void)state;
	const struct zone *z = NULL;
	struct err e = {0};
	setenv("TZDIR", "/nonexistent", 1);
	int r = zone_load(SL("America/Lima"), &e, &z);
	const struct zone *fixed = zone_find(SL("+07:45"));
	unsetenv("TZDIR");
	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(e.msg, "install the package tzdata"));
	assert_non_null(fixed);
	assert_non_null(zone_find(SL("America/Lima"))); /* the failure was not kept */
}

static void rules_behind_the_table(void **state)
{
	(void)state;
	static const struct {
		const char *rule;
		int32_t std, dst; /* minutes; -9999: refused */
	} cases[] = {
		{"CST-8", 480, 480},
		{"EST5EDT,M3.2.0,M11.1.0", -300, -240},
		{"IST-1GMT0,M10.5.0,M3.5.0/1", 60, 0},
		{"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 630, 660},
		{"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -120, -60},
		{"XXX3EDT4,0/0,J365/23", -180, -240},
		{"AAA-14BBB-15:00:30,J60,J300/167:59:59", 840, 900},
		{"", -9999, 0},
		{"CS-8", -9999, 0},
		{"CST", -9999, 0},
		{"CST-25", -9999, 0},
		{"CST-8x", -9999, 0},
		{"<+08-8", -9999, 0},
		{"EST5EDT", -9999, 0},
		{"EST5EDT,M3.2.0", -9999, 0},
		{"EST5EDT,M13.2.0,M11.1.0", -9999, 0},
		{"EST5EDT,M3.6.0,M11.1.0", -9999, 0},
		{"EST5EDT,M3.2.7,M11.1.0", -9999, 0},
		{"EST5EDT,J0,J5", -9999, 0},
		{"EST5EDT,366,5", -9999, 0},
		{"EST5EDT,M3.2.0/168,M11.1.0", -9999, 0},
		{"EST5EDT,M3.2.0,M11.1.0,", -9999, 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct zone_rule rule;
		int r = zone_parse_rule(slice_of(cases[i].rule), &rule);
		bool bad = cases[i].std == -9999;
		if (bad ? r != -EINVAL
			: r || rule.std / 60 != cases[i].std || rule.dst / 60 != cases[i].dst)
			fail_msg("%s: %d", cases[i].rule, r);
	}
}

static void days_of_rules(void **state)
{
	(void)state;
	static const struct {
		const char *rule, *after, *next; /* next: NULL = never */
	} cases[] = {
		{"XXX3EDT4,0/0,J365/23", "2026-06-01T00:00:00Z", NULL}, /* all year */
		{"AAA0BBB,J60/0,J300/0", "2027-12-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"AAA0BBB,59/0,J300/0", "2027-12-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"AAA0BBB,J60/0,J300/0", "2026-12-01T00:00:00Z", "2027-03-01T00:00:00Z"},
		{"AAA0BBB,M2.5.6/0,M11.1.0/0", "2026-01-01T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"AAA0BBB,M3.4.4/50,M11.1.0/0", "2026-01-01T00:00:00Z", "2026-03-28T02:00:00Z"},
		{"AAA0BBB,M12.5.0/0,M6.1.0/0", "2026-07-01T00:00:00Z", "2026-12-27T00:00:00Z"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct zone z = {.end = INT64_MIN};
		assert_int_equal(zone_parse_rule(slice_of(cases[i].rule), &z.rule), 0);
		int64_t want = cases[i].next ? utc_of(cases[i].next) : INT64_MAX;
		if (zone_next(&z, utc_of(cases[i].after)) != want)
			fail_msg("%s after %s", cases[i].rule, cases[i].after);
	}
}

/* No change of one byte, no cut leads astray (asan looks on). */
static void broken_files_are_refused_or_read(void **state)
{
	(void)state;
	auto_free char *file = NULL;
	size_t n, taken = 0;
	assert_int_equal(
		file_read("/usr/share/zoneinfo/Europe/London", ZONE_FILE_MAX, &file, &n, NULL), 0);
	for (size_t i = 0; i <= n; i++) {
		auto_free char *copy = slice_dup((struct slice){file, i});
		struct zone z = {0};
		if (i < n)
			assert_int_equal(zone_parse_file((struct slice){copy, i}, &z), -EINVAL);
		free(z.at);
		free(z.after);
	}
	for (size_t i = 0; i < n; i++) {
		char old = file[i];
		file[i] = (char)(old ^ 0x81);
		struct zone z = {0};
		int r = zone_parse_file((struct slice){file, n}, &z);
		for (int64_t t = -4000000000; !r && t < 6000000000; t += 2000000000)
			assert_in_range(zone_offset(&z, t) + 200000, 0, 400000);
		taken += !r;
		file[i] = old;
		free(z.at);
		free(z.after);
	}
	assert_in_range(taken, 1, n - 100);
}

static void *find_many(void *ret)
{
	static const char *const zones[] = {"Asia/Tokyo", "Asia/Dhaka", "+01:23", "Europe/Oslo"};
	const struct zone **got = ret;
	for (size_t i = 0; i < COUNT_OF(zones); i++)
		got[i] = zone_find(slice_of(zones[i]));
	return NULL;
}

static void threads_share_zones(void **state)
{
	(void)state;
	const struct zone *got[4][4];
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_many, got[i]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_non_null(got[0][i]);
		for (size_t j = 1; j < 4; j++)
			assert_ptr_equal(got[j][i], got[0][i]);
	}
	assert_string_equal(zone_name(got[0][2]), "+01:23");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_are_those_of_history),
		cmocka_unit_test(next_finds_every_change),
		cmocka_unit_test(local_times_go_back_to_utc),
		cmocka_unit_test(utc_is_the_first_moment),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(a_system_without_table_says_so),
		cmocka_unit_test(rules_behind_the_table),
		cmocka_unit_test(days_of_rules),
		cmocka_unit_test(broken_files_are_refused_or_read),
		cmocka_unit_test(threads_share_zones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
