#include "schedule.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "times.h"
#include "zone.h"

/* ---- calendars from text ---- */

static void keep_fault(void *ctx, const struct err *e)
{
	const char *after = strchr(e->msg, ':'); /* without the name of the file */
	buf_printf(ctx, "%s\n", after ? after + 1 : e->msg);
}

static int load(const char *text, struct buf *faults, struct calendar **ret)
{
	char path[] = "/tmp/gridhub_schedule_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
	int r = calendar_load(path, keep_fault, faults, ret);
	unlink(path);
	return r;
}

static struct calendar *need(const char *text)
{
	auto_buf struct buf faults;
	struct calendar *c = NULL;
	buf_init(&faults, 65536);
	if (load(text, &faults, &c))
		fail_msg("%s", buf_str(&faults));
	assert_int_equal(faults.n, 0);
	return c;
}

static int64_t at_of(const char *text)
{
	int64_t us;
	if (times_parse(slice_of(text), &us))
		fail_msg("not a time: %s", text);
	return us;
}

/* ---- what is open when ---- */

static const char street[] =
	"zone: Asia/Shanghai\n"
	"schedules:\n"
	"  - {name: night, hours: [\"22:00-06:00\"]}\n"
	"  - {name: drop, hours: [\"18:00-20:30\", \"07:00-09:00\"]}\n"
	"  - {name: always}\n"
	"  - {name: all_day, hours: [\"00:00-24:00\"], days: [sat, sun]}\n"
	"  - {name: fri_night, days: [fri], hours: [\"20:00-04:00\"]}\n"
	"  - {name: work, days: [mon, tue, wed, thu, fri], hours: [09:00-17:30], holidays: "
	"closed}\n"
	"  - {name: sunday, days: [sun], hours: [10:00-16:00], holidays: as_sunday}\n"
	"  - {name: feast, hours: [08:00-23:00], holidays: only}\n"
	"  - {name: feast_eve, hours: [\"23:00-02:00\"], holidays: only}\n"
	"  - {name: ny, zone: America/New_York, hours: [\"01:30-02:30\"]}\n"
	"  - {name: lord_howe, zone: Australia/Lord_Howe, hours: [\"01:40-01:50\"]}\n"
	"  - {name: late, hours: [\"23:00-24:00\"]}\n"
	"holidays:\n"
	"  - {from: 2026-10-01, to: 2026-10-07, name: National Day}\n"
	"  - {from: 2026-01-01}\n"
	"workdays:\n"
	"  - {day: 2026-10-10, as: fri}\n"
	"  - {day: 2026-09-20, as: mon, name: for National Day}\n";

static void schedules_are_open_when_they_say(void **state)
{
	(void)state;
	static const struct {
		const char *name, *at;
		bool open;
	} cases[] = {
		{"night", "2026-11-22T21:59:59.999999+08:00", false},
		{"night", "2026-11-22T22:00:00+08:00", true},
		{"night", "2026-11-23T00:00:00+08:00", true},
		{"night", "2026-11-23T05:59:59.999999+08:00", true},
		{"night", "2026-11-23T06:00:00+08:00", false},
		{"drop", "2026-11-22T06:59:59+08:00", false},
		{"drop", "2026-11-22T07:00:00+08:00", true},
		{"drop", "2026-11-22T09:00:00+08:00", false},
		{"drop", "2026-11-22T20:29:59+08:00", true},
		{"drop", "2026-11-22T20:30:00+08:00", false},
		{"always", "1969-12-31T23:59:59Z", true},
		{"all_day", "2026-11-20T23:59:59+08:00", false}, /* a Friday */
		{"all_day", "2026-11-21T00:00:00+08:00", true},
		{"all_day", "2026-11-22T23:59:59+08:00", true},
		{"all_day", "2026-11-23T00:00:00+08:00", false},
		/* hours past midnight belong to the day they begin on */
		{"fri_night", "2026-11-20T03:00:00+08:00", false},
		{"fri_night", "2026-11-20T20:00:00+08:00", true},
		{"fri_night", "2026-11-21T03:59:59+08:00", true},
		{"fri_night", "2026-11-21T20:00:00+08:00", false},
		{"late", "2026-11-20T23:59:59+08:00", true},
		{"late", "2026-11-21T00:00:00+08:00", false},
		/* holidays, and the days that are worked for them */
		{"work", "2026-09-30T10:00:00+08:00", true}, /* a Wednesday */
		{"work", "2026-10-01T10:00:00+08:00", false},
		{"work", "2026-10-07T10:00:00+08:00", false},
		{"work", "2026-10-08T10:00:00+08:00", true},
		{"work", "2026-10-10T10:00:00+08:00", true}, /* Saturday, worked as Friday */
		{"work", "2026-10-11T10:00:00+08:00", false},
		{"work", "2026-09-20T10:00:00+08:00", true}, /* Sunday, worked as Monday */
		{"work", "2026-01-01T10:00:00+08:00", false},
		{"work", "2026-01-02T10:00:00+08:00", true},
		{"sunday", "2026-09-20T12:00:00+08:00", false}, /* not on a worked one */
		{"sunday", "2026-10-01T12:00:00+08:00", true},
		{"sunday", "2026-10-08T12:00:00+08:00", false},
		{"sunday", "2026-10-11T12:00:00+08:00", true},
		{"feast", "2026-09-30T12:00:00+08:00", false},
		{"feast", "2026-10-01T12:00:00+08:00", true},
		{"feast", "2026-10-10T12:00:00+08:00", false},
		{"feast_eve", "2026-10-08T01:00:00+08:00", true}, /* begun on the 7th */
		{"feast_eve", "2026-10-01T01:00:00+08:00", false},
		{"fri_night", "2026-10-02T21:00:00+08:00", true}, /* as_usual: whatever it is */
		{"fri_night", "2026-10-10T21:00:00+08:00", false},
		/* another zone: by the clock on the wall there */
		{"ny", "2026-06-01T05:30:00Z", true},
		{"ny", "2026-06-01T06:30:00Z", false},
		{"ny", "2026-03-08T06:59:59Z", true}, /* 02:00 is 03:00 that day */
		{"ny", "2026-03-08T07:00:00Z", false},
		{"ny", "2026-11-01T05:30:00Z", true}, /* 01:30 comes twice */
		{"ny", "2026-11-01T06:00:00Z", false},
		{"ny", "2026-11-01T06:30:00Z", true},
		{"ny", "2026-11-01T07:29:59Z", true},
	};
	struct calendar *c = need(street);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct schedule *s = calendar_find(c, slice_of(cases[i].name));
		assert_non_null(s);
		if (schedule_open(s, at_of(cases[i].at)) != cases[i].open)
			fail_msg("%s at %s", cases[i].name, cases[i].at);
	}
	calendar_free(c);
}

static void the_next_change_is_found(void **state)
{
	(void)state;
	static const struct {
		const char *name, *at, *next; /* next: NULL = never */
	} cases[] = {
		{"night", "2026-11-22T21:59:59.999999+08:00", "2026-11-22T22:00:00+08:00"},
		{"night", "2026-11-22T22:00:00+08:00", "2026-11-23T06:00:00+08:00"},
		{"drop", "2026-11-22T12:00:00+08:00", "2026-11-22T18:00:00+08:00"},
		{"drop", "2026-11-22T20:30:00+08:00", "2026-11-23T07:00:00+08:00"},
		{"always", "2026-11-22T12:00:00+08:00", NULL},
		{"all_day", "2026-11-16T00:00:00+08:00", "2026-11-21T00:00:00+08:00"},
		{"all_day", "2026-11-21T12:00:00+08:00", "2026-11-23T00:00:00+08:00"},
		{"work", "2026-09-30T17:30:00+08:00", "2026-10-08T09:00:00+08:00"},
		{"work", "2026-10-09T17:30:00+08:00", "2026-10-10T09:00:00+08:00"},
		{"feast", "2026-01-01T23:00:00+08:00", "2026-10-01T08:00:00+08:00"},
		{"feast", "2026-10-07T23:00:00+08:00", NULL},
		{"feast", "2025-11-28T00:00:00+08:00", "2026-01-01T08:00:00+08:00"},
		{"feast", "2024-11-20T00:00:00+08:00", NULL}, /* more than 400 days */
		{"ny", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"},
		{"ny", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z"},
		{"ny", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"},
		{"ny", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"},
		{"lord_howe", "2026-04-04T14:40:00Z", "2026-04-04T14:50:00Z"},
		{"lord_howe", "2026-04-04T14:50:00Z", "2026-04-04T15:10:00Z"},
		{"lord_howe", "2026-04-04T15:10:00Z", "2026-04-04T15:20:00Z"},
	};
	struct calendar *c = need(street);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct schedule *s = calendar_find(c, slice_of(cases[i].name));
		int64_t want = cases[i].next ? at_of(cases[i].next) : INT64_MAX;
		int64_t got = schedule_next(s, at_of(cases[i].at));
		if (got != want)
			fail_msg("%s after %s: %" PRId64 " s off", cases[i].name, cases[i].at,
				 (got - want) / TIMES_SEC);
	}
	calendar_free(c);
}

/* ---- any schedule, any time: next agrees with looking every minute ---- */

static uint64_t seed = 20261122;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(seed >> 33) % n;
}

static void put_hours(struct buf *b)
{
	unsigned n = below(5), at = below(200);
	buf_puts(b, ", hours: [");
	for (unsigned i = 0; i < n && at < 1439; i++) {
		unsigned len = 1 + below(i + 1 == n ? 1400 : 500);
		unsigned to = at + len;
		if (i + 1 < n)
			to = MIN_OF(to, 1440U);
		buf_printf(b, "%s\"%02u:%02u-%02u:%02u\"", i ? ", " : "", at / 60, at % 60,
			   to == 1440 ? 24 : to / 60 % 24, to % 60);
		at = to + below(120);
	}
	buf_puts(b, "]");
}

static void put_schedule(struct buf *b, unsigned i)
{
	static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
	static const char *const holidays[] = {"as_usual", "closed", "as_sunday", "only"};
	static const char *const zones[] = {"Asia/Shanghai", "America/New_York",
					    "Europe/London", "Europe/Dublin",
					    "Asia/Gaza",     "Africa/Casablanca",
					    "Pacific/Apia",  "Australia/Lord_Howe",
					    "+05:30",	     "UTC"};
	bool any = false;
	buf_printf(b, "  - {name: s%u, zone: \"%s\", holidays: %s, days: [", i,
		   zones[below(COUNT_OF(zones))], holidays[below(4)]);
	for (size_t d = 0; d < 7; d++) {
		if (below(3) || (d == 6 && !any)) {
			buf_printf(b, "%s%s", any ? ", " : "", days[d]);
			any = true;
		}
	}
	buf_puts(b, "]");
	put_hours(b);
	buf_puts(b, "}\n");
}

static void put_specials(struct buf *b)
{
	int64_t day = times_day(1990, 1, 1), end = times_day(2085, 1, 1);
	int y, m, d;
	buf_puts(b, "holidays:\n");
	for (unsigned i = 0; day < end && i < 900; i++, day += 1 + below(60)) {
		times_civil(day, &y, &m, &d);
		buf_printf(b, "  - {from: %04d-%02d-%02d", y, m, d);
		day += below(8);
		times_civil(day, &y, &m, &d);
		buf_printf(b, ", to: %04d-%02d-%02d}\n", y, m, d);
	}
}

static void check_next(const struct schedule *s, int64_t at)
{
	const int64_t look = 6 * TIMES_DAY;
	bool open = schedule_open(s, at);
	int64_t next = schedule_next(s, at), t = at - at % TIMES_MIN + TIMES_MIN;
	assert_true(next > at);
	while (t < at + look && schedule_open(s, t) == open)
		t += TIMES_MIN;
	if (t < at + look ? next != t : next < t)
		fail_msg("%s at %" PRId64 ": next %" PRId64 ", but minutes say %" PRId64,
			 schedule_name(s), at, next, t);
	if (next < INT64_MAX)
		assert_int_not_equal(schedule_open(s, next), open);
}

static void next_agrees_with_every_minute(void **state)
{
	(void)state;
	auto_buf struct buf text;
	buf_init(&text, 1024 * 1024);
	buf_puts(&text, "zone: Asia/Shanghai\nschedules:\n");
	for (unsigned i = 0; i < 200; i++)
		put_schedule(&text, i);
	put_specials(&text);
	struct calendar *c = need(buf_str(&text));
	assert_int_equal(calendar_count(c), 200);
	const struct zone *ny = zone_find(SL("America/New_York"));
	const struct zone *lh = zone_find(SL("Australia/Lord_Howe"));
	for (size_t i = 0; i < calendar_count(c); i++) {
		const struct schedule *s = calendar_at(c, i);
		for (int k = 0; k < 8; k++) {
			int64_t utc = 631152000 + (int64_t)below(3000000) * 1000; /* 1990 to 2085 */
			if (k & 1)
				utc = zone_next(k & 2 ? ny : lh, utc) - below(86400);
			int64_t at = utc * TIMES_SEC + below(1000000);
			for (int turn = 0; turn < 4 && at < INT64_MAX; turn++) {
				check_next(s, at);
				at = schedule_next(s, at);
			}
		}
	}
	calendar_free(c);
}

/* ---- the rest of a calendar ---- */

static void schedules_are_found_and_told_apart(void **state)
{
	(void)state;
	struct calendar *a = need(street);
	assert_int_equal(calendar_count(a), 12);
	assert_string_equal(schedule_name(calendar_at(a, 0)), "night");
	assert_null(calendar_find(a, SL("nigth")));
	assert_string_equal(calendar_nearest(a, SL("nigth")), "night");
	assert_null(calendar_nearest(a, SL("something")));
	struct calendar *b = need(street);
	for (size_t i = 0; i < calendar_count(a); i++) {
		assert_int_equal(schedule_hash(calendar_at(a, i)),
				 schedule_hash(calendar_at(b, i)));
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(schedule_hash(calendar_at(a, i)),
					     schedule_hash(calendar_at(a, k)));
	}
	calendar_free(b);
	b = need(
		"zone: Asia/Shanghai\nschedules:\n"
		"  - {name: drop, hours: [\"07:00-09:00\", \"18:00-20:30\"], why: the same}\n"
		"  - {name: work, days: [mon, tue, wed, thu, fri], hours: [09:00-17:30], holidays: "
		"closed}\n");
	assert_int_equal(schedule_hash(calendar_find(a, SL("drop"))),
			 schedule_hash(calendar_find(b, SL("drop"))));
	assert_int_not_equal(schedule_hash(calendar_find(a, SL("work"))),
			     schedule_hash(calendar_find(b, SL("work")))); /* no holidays there */
	calendar_free(a);
	calendar_free(b);
	calendar_free(NULL);
}

static void holidays_are_told_from_days_worked_for_them(void **state)
{
	(void)state;
	static const struct {
		int month, mday;
		bool holiday;
	} cases[] = {{9, 30, false},  {10, 1, true}, {10, 7, true}, {10, 8, false},
		     {10, 10, false}, {1, 1, true},  {1, 2, false}, {9, 20, false}};
	struct calendar *c = need(street);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(
			calendar_holiday(c, times_day(2026, cases[i].month, cases[i].mday)),
			cases[i].holiday);
	calendar_free(c);
}

static void it_is_known_how_far_holidays_are_listed(void **state)
{
	(void)state;
	int64_t at = 1;
	struct calendar *c = need(street);
	assert_true(calendar_listed_until(c, &at));
	assert_int_equal(at, at_of("2026-10-11T00:00:00+08:00"));
	calendar_free(c);
	c = need("zone: UTC\nschedules: [{name: a, holidays: only}]\n");
	assert_true(calendar_listed_until(c, &at));
	assert_int_equal(at, 0);
	calendar_free(c);
	c = need("zone: UTC\nschedules: [{name: a}]\nholidays: [{from: 2026-01-01}]\n");
	assert_false(calendar_listed_until(c, &at));
	calendar_free(c);
}

/* ---- faults ---- */

static void every_fault_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *faults;
	} cases[] = {
		{"", "1:1: key \"zone\" is missing\n"},
		{"zone: UTC\nschedule: []\n",
		 "2:1: unknown key \"schedule\" (did you mean \"schedules\"?)\n"},
		{"zone: Asia/Shanghia\nschedules: 5\n",
		 "1:7: key \"zone\": there is no time zone \"Asia/Shanghia\" in "
		 "/usr/share/zoneinfo\n"
		 "2:12: key \"schedules\": a list was expected\n"},
		{"zone: ../x\n", "1:7: key \"zone\": \"../x\" is no time zone (like Asia/Shanghai, "
				 "UTC or +08:00)\n"},
		{"zone: UTC\nschedules:\n- {name: a}\n- {name: b, zone: Mars/Base}\n- {name: a}\n"
		 "- {name: Late}\n- {name: else}\n- {hours: [\"9-10\"]}\n- 7\n",
		 "4:19: key \"zone\": there is no time zone \"Mars/Base\" in /usr/share/zoneinfo\n"
		 "5:10: schedule \"a\" is here twice (first on line 3)\n"
		 "6:10: key \"name\": value \"Late\" is not 1 to 64 of a-z, 0-9, _ . - beginning "
		 "with a letter or digit (and not \"else\")\n"
		 "7:10: key \"name\": value \"else\" is not 1 to 64 of a-z, 0-9, _ . - beginning "
		 "with a letter or digit (and not \"else\")\n"
		 "8:3: key \"name\" is missing\n"
		 "8:12: key \"hours\": \"9-10\" is not two times like \"07:00-09:30\" or "
		 "\"22:00-06:00\" (the whole day: \"00:00-24:00\")\n"
		 "9:3: a map of keys and values was expected\n"},
		{"zone: UTC\nschedules:\n- {name: a, days: [mon, munday, mon, [tue]], hours: "
		 "[\"08:00-12:00\", \"11:59-13:00\", \"24:00-01:00\", \"07:00-07:00\", "
		 "\"07:60-08:00\"]}\n- {name: b, days: [], holidays: open}\n",
		 "3:25: key \"days\": \"munday\" is not one of mon, tue, wed, thu, fri, sat, sun\n"
		 "3:33: key \"days\": \"mon\" is here twice\n"
		 "3:38: key \"days\": \"(a list or map)\" is not one of mon, tue, wed, thu, fri, "
		 "sat, sun\n"
		 "3:69: key \"hours\": \"11:59-13:00\" overlaps with others of this schedule\n"
		 "3:84: key \"hours\": \"24:00-01:00\" is not two times like \"07:00-09:30\" or "
		 "\"22:00-06:00\" (the whole day: \"00:00-24:00\")\n"
		 "3:99: key \"hours\": \"07:00-07:00\" is not two times like \"07:00-09:30\" or "
		 "\"22:00-06:00\" (the whole day: \"00:00-24:00\")\n"
		 "3:114: key \"hours\": \"07:60-08:00\" is not two times like \"07:00-09:30\" or "
		 "\"22:00-06:00\" (the whole day: \"00:00-24:00\")\n"
		 "4:33: key \"holidays\": value \"open\" is not one of as_usual, closed, "
		 "as_sunday, only\n"
		 "4:19: key \"days\": no day; without this key, it is every day\n"},
		{"zone: UTC\nholidays:\n- {from: 2026-10-01, to: 2026-10-07}\n"
		 "- {from: 2026-10-07}\n- {from: 2026-02-30}\n- {from: 2026-01-01, to: "
		 "2025-12-31}\n"
		 "- {from: 2026-03-01, to: 2026-04-01}\n- {from: 2026-03-01, to: 2026-03-31}\n"
		 "workdays:\n- {day: 2026-10-03, as: fri}\n- {day: 2026-10-10, as: fry}\n- {as: "
		 "mon}\n- {day: tomorrow, as: mon}\n",
		 "4:3: these days are listed already, on line 3\n"
		 "5:10: key \"from\": \"2026-02-30\" is no day like 2026-10-01\n"
		 "6:26: key \"to\": 2025-12-31 is before 2026-01-01\n"
		 "7:26: key \"to\": a holiday of more than 31 days\n"
		 "10:3: these days are listed already, on line 3\n"
		 "11:25: key \"as\": value \"fry\" is not one of sun, mon, tue, wed, thu, fri, "
		 "sat\n"
		 "12:3: key \"day\" is missing\n"
		 "13:9: key \"day\": \"tomorrow\" is no day like 2026-10-01\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		auto_buf struct buf faults;
		struct calendar *c = NULL;
		buf_init(&faults, 65536);
		assert_int_equal(load(cases[i].text, &faults, &c), -EINVAL);
		assert_null(c);
		assert_string_equal(buf_str(&faults), cases[i].faults);
	}
}

static void limits_hold(void **state)
{
	(void)state;
	auto_buf struct buf text, faults;
	struct calendar *c = NULL;
	buf_init(&text, 1024 * 1024);
	buf_init(&faults, 65536);
	buf_puts(&text, "zone: UTC\nschedules:\n");
	for (int i = 0; i <= SCHEDULES_MAX; i++)
		buf_printf(&text, "- {name: s%d}\n", i);
	assert_int_equal(load(buf_str(&text), &faults, &c), -EINVAL);
	assert_string_equal(buf_str(&faults), "1003:3: more than 1000 schedules\n");
	buf_reset(&text);
	buf_reset(&faults);
	buf_puts(&text, "zone: UTC\nschedules: [{name: a, hours: [");
	for (int i = 0; i < 25; i++)
		buf_printf(&text, "\"00:%02d-00:%02d\", ", 2 * i, 2 * i + 1);
	buf_puts(&text, "]}]\n");
	assert_int_equal(load(buf_str(&text), &faults, &c), -EINVAL);
	assert_string_equal(buf_str(&faults), "2:30: key \"hours\": more than 24\n");
	buf_reset(&faults);
	assert_int_equal(calendar_load("/nonexistent/s.yaml", keep_fault, &faults, &c), -EINVAL);
	assert_non_null(strstr(buf_str(&faults), "No such file"));
}

/* The calendar as shipped. */
static void the_shipped_file_is_good(void **state)
{
	(void)state;
	auto_buf struct buf faults;
	struct calendar *c = NULL;
	buf_init(&faults, 65536);
	if (calendar_load("rules/schedules.yaml", keep_fault, &faults, &c))
		fail_msg("%s", buf_str(&faults));
	const struct schedule *night = calendar_find(c, SL("night"));
	assert_non_null(night);
	assert_true(schedule_open(night, at_of("2026-11-22T23:00:00+08:00")));
	calendar_free(c);
}

static void looking_is_cheap(void **state)
{
	(void)state;
	struct calendar *c = need(street);
	const struct schedule *s = calendar_find(c, SL("work"));
	int64_t at = at_of("2026-01-01T00:00:00Z"), open = 0, best = INT64_MAX;
	for (int turn = 0; turn < 5; turn++) {
		int64_t begin = times_mono_us();
		for (int i = 0; i < 100000; i++)
			open += schedule_open(s, at + i * 5 * TIMES_MIN);
		best = MIN_OF(best, times_mono_us() - begin);
	}
	print_message("%.1f ns a look\n", (double)best / 100.0);
	assert_in_range(open, 100000, 150000); /* 8.5 hours of five days of seven */
	calendar_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedules_are_open_when_they_say),
		cmocka_unit_test(the_next_change_is_found),
		cmocka_unit_test(next_agrees_with_every_minute),
		cmocka_unit_test(schedules_are_found_and_told_apart),
		cmocka_unit_test(holidays_are_told_from_days_worked_for_them),
		cmocka_unit_test(it_is_known_how_far_holidays_are_listed),
		cmocka_unit_test(every_fault_is_told),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(the_shipped_file_is_good),
		cmocka_unit_test(looking_is_cheap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
