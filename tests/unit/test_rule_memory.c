/* What conditions see beside the reading, and that a restart at any point changes no result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "metrics.h"
#include "rule_bench.h"
#include "rule_state.h"

#define RULE(id_, keys_) "  - {id: " id_ ", class: sensor, " keys_ TITLE
#define EVENT(id_, when_) RULE(id_, "event: true, when: \"" when_ "\"")

static uint64_t seed = 0x9E3779B97F4A7C15u;

static uint64_t dice(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* ---- single points ---- */

static void remembered_values(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b,
		  EVENT("prev", "temp_c - prev.temp_c > 5.0")
			  EVENT("first", "has(temp_c) && !has(prev.temp_c)")
				  EVENT("age", "age.temp_c >= duration('10m') && has(noise_db)")
					  EVENT("last", "last.temp_c == 30.0 && noise_db > 0.0")
						  EVENT("other", "has(prev.temp_c) && prev.temp_c "
								 "== 30.0 && noise_db == 2.0"));
	say(&b, d1, at(2, "10:00"), "temp_c", 20);
	expect(&b, "fired first d1 2 10:00:00\n");
	say(&b, d1, at(2, "10:01"), "temp_c", 30);
	expect(&b, "fired prev d1 2 10:01:00\n");
	say(&b, d1, at(2, "10:02"), "noise_db", 1);
	expect(&b, "fired last d1 2 10:02:00\n");
	say(&b, d1, at(2, "10:11"), "noise_db", 2); /* prev is the newest before this reading */
	expect(&b, "fired age d1 2 10:11:00\nfired last d1 2 10:11:00\n"
		   "fired other d1 2 10:11:00\n");
	/* late: neither prev nor last moves */
	say(&b, d1, at(2, "10:00:30"), "temp_c", 90);
	expect(&b, "");
	say(&b, d1, at(2, "10:12"), "noise_db", 2);
	expect(&b, "fired age d1 2 10:12:00\nfired last d1 2 10:12:00\n"
		   "fired other d1 2 10:12:00\n");
	say(&b, d2, at(2, "10:12"), "noise_db", 2); /* another device, nothing is known of it */
	expect(&b, "");
	bench_done(&b);
}

/* As say(), with two fields. */
static void say2(struct bench *b, const struct device *d, int64_t at_us, const char *field,
		 double v, const char *other, double w)
{
	struct reading *r = NULL;
	readings_reset(&b->readings);
	assert_int_equal(readings_add(&b->readings, slice_of(d->address), &r), 0);
	assert_int_equal(reading_put(&b->readings, r, slice_of(field), VALUE_OF_DOUBLE(v)), 0);
	assert_int_equal(reading_put(&b->readings, r, slice_of(other), VALUE_OF_DOUBLE(w)), 0);
	rule_states_at(b->s, 1, at_us);
	assert_int_equal(rule_states_eval(b->s, d, r, at_us, bench_hear, b), 0);
}

/* Of a reading with a late and a newest field, the late one goes into windows only. */
static void late_fields(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, RULE("both", "when: \"temp_c > 50.0 && noise_db > 0.0\"")
			      RULE("max", "when: \"max(temp_c, '1h') > 50.0 && noise_db > 0.0\""));
	say(&b, d1, at(2, "10:20"), "temp_c", 20);
	say2(&b, d1, at(2, "10:19"), "temp_c", 90, "noise_db", 1);
	expect(&b, "fired max d1 2 10:19:00\n");
	say2(&b, d1, at(2, "10:21"), "temp_c", 90, "noise_db", 1);
	expect(&b, "fired both d1 2 10:21:00\nseen max d1 2 10:21:00\n");
	bench_done(&b);
}

/* What empty windows said is not asked again after a restart, when other things are known. */
static void asked_once(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, RULE("any", "when: \"devices(smoke > 0.0, '5m') >= 1 && co2_ppm > 0.0\""));
	say2(&b, d1, at(2, "10:00"), "smoke", 1, "co2_ppm", 1);
	say(&b, d2, at(2, "10:03"), "smoke", 1);
	tick(&b, at(2, "10:06")); /* at 10:05 there is d2, and co2_ppm is missing: held */
	say(&b, d2, at(2, "10:07"), "smoke", 0);
	bench_restart(&b);
	say(&b, d3, at(2, "10:08"), "smoke", 0);
	expect(&b, "fired any d1 2 10:00:00\n");
	say2(&b, d1, at(2, "10:10"), "smoke", 1, "co2_ppm", 1);
	tick(&b, at(2, "10:20")); /* now both are gone */
	expect(&b, "seen any d1 2 10:10:00\nrecovered any d1 2 10:15:00 timer\n");
	bench_done(&b);
}

/* A hold does not run out on windows that ran empty before. */
static void holds_and_windows(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, RULE("hold", "for: 20m, when: \"count(smoke > 0.0, '10m') >= 1\"")
			      RULE("short", "for: 5m, when: \"count(smoke > 0.0, '10m') >= 1\""));
	say(&b, d1, at(2, "10:00"), "smoke", 1);
	tick(&b, at(2, "11:00"));
	expect(&b, "fired short d1 2 10:05:00 timer\nrecovered short d1 2 10:10:00 timer\n");
	bench_done(&b);
}

static void texts(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, EVENT("same", "label == prev.label"));
	char longest[MEMORY_TEXT_MAX + 2];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	for (size_t cut = 0; cut < 2; cut++)
		for (int i = 0; i < 3; i++) {
			struct reading *r = NULL;
			readings_reset(&b.readings);
			assert_int_equal(readings_add(&b.readings, SL("d1"), &r), 0);
			assert_int_equal(reading_put(&b.readings, r, SL("label"),
						     VALUE_OF_STR(slice_of(longest + cut))),
					 0);
			uint64_t refused = metric_get(M_RULE_MEMORY_REFUSED);
			assert_int_equal(rule_states_eval(b.s, d1, r,
							  at(2, "10:00") + i * TIMES_SEC +
								  (int64_t)cut * TIMES_MIN,
							  bench_hear, &b),
					 0);
			assert_int_equal(metric_get(M_RULE_MEMORY_REFUSED) - refused, cut ? 0 : 1);
		}
	/* what is too long is not remembered */
	expect(&b, "fired same d1 2 10:01:01\nfired same d1 2 10:01:02\n");
	bench_done(&b);
}

static void time_and_maps(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, EVENT("night", "within('night') && temp_c > 0.0") EVENT(
			      "now", "now.getHours('Asia/Shanghai') == 23 && temp_c > 0.0")
			      EVENT("map",
				    "device.title == 'hall' && device.interval == duration('90s') "
				    "&& temp_c > 0.0"));
	say(&b, d1, at(2, "12:00"), "temp_c", 1);
	expect(&b, "");
	say(&b, d1, at(2, "23:00"), "temp_c", 1);
	expect(&b, "fired night d1 2 23:00:00\nfired now d1 2 23:00:00\n");
	d1->title = "hall";
	d1->interval_us = 90 * TIMES_SEC;
	say(&b, d1, at(3, "12:00"), "temp_c", 1);
	expect(&b, "fired map d1 3 12:00:00\n");
	bench_done(&b);
}

/* Windows recover when they run empty, though nothing comes any more. */
static void run_empty(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, RULE("count", "flap: off, when: \"count(vibration == 1.0, '10m') >= 3\"")
			      RULE("avg", "flap: off, when: \"avg(vibration, '10m') >= 1.0\""));
	say(&b, d1, at(2, "10:00"), "vibration", 1);
	say(&b, d1, at(2, "10:01"), "vibration", 1);
	say(&b, d1, at(2, "10:02"), "vibration", 0);
	expect(&b,
	       "fired avg d1 2 10:00:00\nseen avg d1 2 10:01:00\nrecovered avg d1 2 10:02:00\n");
	say(&b, d1, at(2, "10:03"), "vibration", 1);
	tick(&b, at(2, "10:12"));
	expect(&b, "fired count d1 2 10:03:00\n");
	tick(&b, at(2, "10:14"));
	expect(&b, "recovered count d1 2 10:13:00 timer\n");
	/* a mean of nothing is missing: the state is held */
	say(&b, d1, at(2, "11:00"), "vibration", 1);
	tick(&b, at(2, "12:00"));
	expect(&b, "fired avg d1 2 11:00:00\n");
	bench_done(&b);
}

static void devices_of_a_grid(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b,
		  RULE("two", "flap: off, scope: grid, when: \"devices(smoke > 0.0, '5m') >= 2\""));
	say(&b, d1, at(2, "10:00"), "smoke", 1);
	say(&b, d3, at(2, "10:00"), "smoke", 1); /* of another grid */
	expect(&b, "");
	say(&b, d2, at(2, "10:01"), "smoke", 1);
	expect(&b, "fired two d2 2 10:01:00\n");
	say(&b, d1, at(2, "10:00:30"), "smoke", 0); /* newer than its first */
	expect(&b, "recovered two d2 2 10:01:00\n");
	say(&b, d1, at(2, "10:00:10"), "smoke", 1); /* late: its newest look said no */
	expect(&b, "");
	say(&b, d1, at(2, "10:04"), "smoke", 1);
	expect(&b, "fired two d1 2 10:04:00\n");
	tick(&b, at(2, "10:10"));
	expect(&b, "recovered two d1 2 10:09:00 timer\n");
	rule_states_forget(b.s, d1); /* who is gone is not counted */
	say(&b, d2, at(2, "10:10"), "smoke", 1);
	expect(&b, "");
	/* moved into the other grid */
	say(&b, d1, at(2, "10:10"), "smoke", 1);
	expect(&b, "fired two d1 2 10:10:00\n");
	d1->grid = &bench_grids[1];
	say(&b, d1, at(2, "10:11"), "smoke", 1);
	say(&b, d2, at(2, "10:12"), "smoke", 1);
	expect(&b, "recovered two d1 2 10:11:00\n");
	bench_done(&b);
}

static void crowds_are_bounded(void **state)
{
	(void)state;
	struct bench b;
	struct device many[CROWD_MAX + 10];
	uint64_t refused = metric_get(M_RULE_CROWDED);
	bench_reset_devices();
	bench_new(&b, EVENT("all", "devices(smoke > 0.0, '5m') >= 256 && smoke > 0.0")
			      EVENT("more", "devices(smoke > 0.0, '5m') >= 257 && smoke > 0.0"));
	for (uint32_t i = 0; i < COUNT_OF(many); i++) {
		many[i] = *d1;
		many[i].id = 1000 + i;
		many[i].slot = i;
		many[i].name = many[i].address = "x";
		say(&b, &many[i], at(2, "10:00"), "smoke", 1);
	}
	assert_int_equal(metric_get(M_RULE_CROWDED) - refused, 10);
	assert_non_null(strstr(buf_str(&b.heard), "fired all x"));
	assert_null(strstr(buf_str(&b.heard), "more"));
	/* those who are long gone make room */
	buf_reset(&b.heard);
	say(&b, &many[CROWD_MAX + 1], at(2, "10:06"), "smoke", 1);
	expect(&b, "");
	assert_int_equal(metric_get(M_RULE_CROWDED) - refused, 10);
	bench_done(&b);
}

/* ---- only what is asked for ---- */

static void none_where_none_is_needed(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	d2->class = CLASS_BIN;
	bench_new(&b,
		  RULE("window", "when: \"avg(temp_c, '10m') > 30.0 && noise_db > 1.0\"")
			  RULE("prev", "when: \"prev.humidity_pct > 3.0\"") "  - {id: plain, when: "
									    "temp_c > 99.0" TITLE);
	say(&b, d1, at(2, "10:00"), "noise_db", 2);
	assert_null(b.s->devices[0].rings);
	assert_null(b.s->devices[0].extras);
	say(&b, d1, at(2, "10:00"), "voltage_mv", 2); /* no rule reads it */
	assert_int_equal(b.s->devices[0].nseen, 1);
	say(&b, d2, at(2, "10:00"), "temp_c", 20); /* of a class that no window is for */
	say(&b, d2, at(2, "10:00"), "humidity_pct", 20);
	assert_null(b.s->devices[1].rings);
	assert_null(b.s->devices[1].extras);
	say(&b, d3, at(2, "10:00"), "co2_ppm", 20);
	assert_int_equal(b.s->devices[2].nseen, 0);
	assert_int_equal(b.s->devices[2].queued, 0);
	say(&b, d1, at(2, "10:01"), "temp_c", 20);
	assert_non_null(b.s->devices[0].rings);
	assert_int_equal(b.s->devices[0].rings->n, 1);
	assert_null(b.s->devices[0].extras);
	bench_done(&b);
}

/* More windows than a device may have: the first ones stay, the others are missing and counted. */
static void windows_are_bounded(void **state)
{
	(void)state;
	struct bench b;
	auto_buf struct buf rules;
	uint64_t refused = metric_get(M_RULE_MEMORY_REFUSED);
	buf_init(&rules, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_printf(&rules,
			   "  - {id: r%d, class: sensor, when: \"avg(temp_c, '%ds') > 0.0\"" TITLE,
			   i, i + 1);
	bench_reset_devices();
	bench_new(&b, buf_str(&rules));
	say(&b, d1, at(2, "10:00"), "temp_c", 1);
	assert_true(b.s->devices[0].rings->n > 150);
	assert_int_equal(b.s->devices[0].rings->n + metric_get(M_RULE_MEMORY_REFUSED) - refused,
			 1000);
	bench_done(&b);
}

static void clock_jumps(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	bench_new(&b, EVENT("many", "count(temp_c, '1h') >= 3 && temp_c > 0.0")
			      EVENT("few", "count(temp_c, 5) >= 3 && temp_c > 0.0"));
	/* the hub's clock is a day ahead and back: what it had seen then is forgotten */
	say(&b, d1, at(2, "10:00"), "temp_c", 1);
	say(&b, d1, at(3, "10:00"), "temp_c", 1);
	say(&b, d1, at(2, "10:01"), "temp_c", 1);
	say(&b, d1, at(2, "10:02"), "temp_c", 1);
	expect(&b, "");
	say(&b, d1, at(3, "10:01"), "temp_c", 1);
	expect(&b, "fired few d1 3 10:01:00\n");
	say(&b, d1, at(3, "10:02"), "temp_c", 1);
	expect(&b, "fired few d1 3 10:02:00\n");
	/* back by days: what was before was wrong, all begins anew */
	say(&b, d1, at(1, "09:00"), "temp_c", 1);
	say(&b, d1, at(1, "09:01"), "temp_c", 1);
	expect(&b, "");
	say(&b, d1, at(1, "09:02"), "temp_c", 1);
	expect(&b, "fired many d1 1 09:02:00\nfired few d1 1 09:02:00\n");
	bench_done(&b);
}

/* ---- faults of texts ---- */

static void faults(void **state)
{
	(void)state;
	static const struct {
		const char *when, *says;
	} bad[] = {
		{"avg(temp_c, '1y') > 1.0", ":24: key \"when\": avg() wants a time like"},
		{"avg(temp_c, '400d') > 1.0", ":24: key \"when\": avg() looks back 1s to 31d"},
		{"avg(temp_c, '999999999999d') > 1.0", ":24: key \"when\": avg() looks back 1s to"},
		{"avg(temp_c, '1ms') > 1.0", ":24: key \"when\": avg() looks back 1s to 31d"},
		{"avg(temp_c, 33) > 1.0", ":24: key \"when\": avg() looks at 1 to 32 values"},
		{"avg(temp_c, 0) > 1.0", ":24: key \"when\": avg() looks at 1 to 32 values"},
		{"avg(temp_c, wide) > 1.0", ":24: key \"when\": avg() wants a time like '10m' or"},
		{"avg(temp_c) > 1.0", ":12: key \"when\": avg() takes what and how far back"},
		{"avg(prev.temp_c, '1m') > 1.0", ":16: key \"when\": unknown name \"prev.temp_c\""},
		{"avg(last.temp_c, '1m') > 1.0", "prev, last and age cannot stand inside a window"},
		{"avg(1.0, '1m') > 1.0", ":16: key \"when\": avg() looks at no field"},
		{"avg(device.name == 'x', '1m') > 1.0", ":16: key \"when\": avg() looks at no"},
		{"avg(temp_c + , '1m') > 1.0", ":25: key \"when\":"},
		{"1.0 < avg(max(temp_c, '1m'), '1m')",
		 ":22: key \"when\": max() cannot stand inside"},
		{"avg(within('night'), '1m') > 1.0", ":16: key \"when\": within() cannot stand"},
		{"[1].exists(x, avg(temp_c, '1m') > 1.0)", ":26: key \"when\": avg() cannot stand"},
		{"percentile(temp_c, 101, '1m') > 1.0", ":31: key \"when\": percentile() wants a"},
		{"percentile(temp_c, '1m') > 1.0",
		 ":12: key \"when\": percentile() takes what, percent"},
		{"devices(temp_c > 1.0, 5) > 1",
		 ":34: key \"when\": devices() wants a time like '10m' h"},
		{"devices('x', '5m') > 1", ":20: key \"when\": the result must be bool"},
		{"within('nigth')", ":19: key \"when\": within() finds no schedule \"nigth\" in "
				    "schedules.yaml (did you mean \"night\"?)"},
		{"within(temp_c)", ":19: key \"when\": within() takes the name of a schedule"},
		{"prev > 1", ":12: key \"when\": unknown name \"prev\""},
		{"avrg(temp_c, '1m') > 1.0", "did you mean \"avg\"?"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct folder f;
		char text[512];
		snprintf(
			text, sizeof text,
			"rules:\n  - id: a\n    when: \"%s\"\n    kind: x\n    title: {zh-CN: t}\n",
			bad[i].when);
		folder_new(&f);
		folder_put(&f, "a.yaml", text);
		folder_put(&f, "schedules.yaml", BENCH_SCHEDULES);
		assert_int_equal(folder_load(&f), -EINVAL);
		if (!strstr(buf_str(&f.report.errors), bad[i].says))
			fail_msg("%s: %s", bad[i].when, buf_str(&f.report.errors));
		assert_int_equal(f.report.nerrors, 1);
		folder_done(&f);
	}
}

static void doubts_at_their_place(void **state)
{
	(void)state;
	struct folder f;
	folder_new(&f);
	folder_put(&f, "fields.yaml",
		   "fields:\n  - {name: temp_c, type: double, meaning: t}\n"
		   "  - {name: label, type: string, meaning: t}\n");
	folder_put(&f, "a.yaml",
		   "rules:\n  - id: a\n    when: \"1.0 < avg(2.0 * tmp_c, '31d') && prev.temp_d > "
		   "1.0\"\n    kind: x\n    title: {zh-CN: t}\n");
	assert_int_equal(folder_load(&f), -EINVAL);
	assert_int_equal(f.report.nerrors, 2);
	assert_non_null(strstr(buf_str(&f.report.errors), "a.yaml:3:28: no field \"tmp_c\""));
	assert_non_null(strstr(buf_str(&f.report.errors), "a.yaml:3:45: no field \"temp_d\""));
	folder_put(&f, "a.yaml",
		   "rules:\n  - id: a\n    when: \"avg(label, '1m') > 1.0\"\n"
		   "    kind: x\n    title: {zh-CN: t}\n");
	assert_int_equal(folder_load(&f), -EINVAL); /* a text has no mean */
	folder_done(&f);
}

/* What a condition means beside its text is part of what its states belong to. */
static void the_hash_knows_schedules(void **state)
{
	(void)state;
	static const char *const schedules[] = {"22:00-06:00", "22:00-06:00", "23:00-06:00"};
	uint64_t hashes[COUNT_OF(schedules)];
	for (size_t i = 0; i < COUNT_OF(schedules); i++) {
		struct folder f;
		char text[256];
		folder_new(&f);
		snprintf(text, sizeof text,
			 "zone: Asia/Shanghai\nschedules:\n  - {name: night, hours: [\"%s\"]}\n",
			 schedules[i]);
		folder_put(&f, "schedules.yaml", text);
		folder_put(&f, "a.yaml",
			   "rules:\n" RULE("a", "when: \"temp_c > 1.0 && within('night')\""));
		assert_int_equal(folder_load(&f), 0);
		hashes[i] = rules_at(f.set, 0)->hash;
		folder_done(&f);
	}
	assert_true(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
}

static void how_far_back(void **state)
{
	(void)state;
	struct folder f;
	struct rules *set =
		bench_load(&f, RULE("a", "for: 20m, flap: off, when: \"temp_c > 1.0\""));
	assert_int_equal(rules_max_window_us(set), 20 * TIMES_MIN);
	folder_done(&f);
	set = bench_load(
		&f, RULE("a", "for: 20m, when: \"avg(temp_c, '3d') > 1.0\"")
			    RULE("b", "when: \"avg(temp_c, 5) > 1.0 && devices(sos, '4d') > 1\""));
	assert_int_equal(rules_max_window_us(set), 4 * TIMES_DAY);
	folder_done(&f);
}

/* ---- a restart at any point ---- */

#define MESSAGES 240

struct message {
	const struct device *d;
	int64_t at_us, recv_us;
	enum reading_kind kind;
	struct readings all;
};

struct blob {
	char *p;
	size_t n;
};

struct run {
	struct bench b;
	struct message v[MESSAGES];
	struct blob blobs[4]; /* as the database holds them, by device slot */
	uint64_t from_seq;
	bool broken_log;
};

#define W(id_, when_) RULE(id_, "flap: off, when: \"" when_ "\"")
static const char many_rules[] = W("avg", "avg(temp_c, '10m') > 25.0") W(
	"avg5", "avg(temp_c, 5) > "
		"25.0") W("min", "min(temp_c, '5m') > 15.0") W("max", "max(temp_c, 20) > 38.0")
	W("sum", "sum(temp_c, '1h') > 400.0") W("count", "count(temp_c > 30.0, '20m') >= 3") W(
		"countn", "count(humidity_pct, 3) >= 3 && "
			  "humidity_pct > 60.0") W("stddev", "stddev(temp_c, '30m') > 9.0")
		W("rate", "rate(temp_c, '10m') > 0.01") W("delta", "delta(temp_c, 3) > 5.0") W(
			"first", "first(temp_c, '15m') > 30.0") W("last",
								  "last(temp_c * 2.0, '1m') > 60.0 "
								  "&& humidity_pct > 10.0")
			W("p90", "percentile(temp_c, 90, '30m') > 36.0") W(
				"p50",
				"percentile(temp_c, 50, 9) > 25.0") W("both",
								      "max(temp_c + humidity_pct, "
								      "'10m') > 110.0")
				W("prev", "temp_c - prev.temp_c > 8.0") W(
					"known",
					"last.temp_c > 35.0 && age.temp_c < duration('2m')")
					W("month", "avg(temp_c, '31d') > 24.0") RULE(
						"hold", "for: 6m, clear_for: 3m, when: "
							"\"avg(temp_c, '5m') > 22.0\"")
						RULE("crowd", "scope: grid, when: \"devices(temp_c "
							      "> 35.0, '4m') >= 2\"")
							RULE("mine",
							     "when: \"devices(temp_c > 30.0, "
							     "'9m') >= 1 && temp_c > 20.0\"")
								EVENT("word", "label == prev.label "
									      "&& has(temp_c)")
									EVENT("plain",
									      "temp_c > 39.0 && "
									      "last.label != 'b'");

static void make_message(struct message *m, int i, int64_t *clock)
{
	static const char *const words[] = {"a", "b", "c"};
	struct reading *r = NULL;
	*clock += (int64_t)dice(90) * TIMES_SEC + (dice(60) == 0 ? TIMES_HOUR : 0);
	m->d = &bench_devices[dice(3)];
	m->recv_us = *clock;
	m->at_us = *clock - (dice(4) == 0 ? (int64_t)dice(600) * TIMES_SEC : 0) -
		   (dice(80) == 0 ? 3 * TIMES_DAY : 0);
	readings_init(&m->all);
	for (uint64_t n = 1 + (dice(6) == 0); n; n--) {
		assert_int_equal(readings_add(&m->all, SL("x"), &r), 0);
		r->kind = dice(5) ? READING_TELE : READING_EVENT;
		if (dice(5))
			assert_int_equal(reading_put(&m->all, r, SL("temp_c"),
						     VALUE_OF_DOUBLE((double)dice(320) / 8)),
					 0);
		if (dice(2))
			assert_int_equal(reading_put(&m->all, r, SL("humidity_pct"),
						     VALUE_OF_INT((int64_t)dice(100))),
					 0);
		if (dice(3) == 0)
			assert_int_equal(reading_put(&m->all, r, SL("label"),
						     VALUE_OF_STR(slice_of(words[dice(3)]))),
					 0);
	}
	(void)i;
}

static void feed(struct run *t, size_t i, bool judge)
{
	const struct message *m = &t->v[i];
	rule_states_at(t->b.s, t->broken_log ? 0 : i + 1, m->recv_us);
	for (size_t k = 0; k < m->all.n; k++)
		assert_int_equal(judge ? rule_states_eval(t->b.s, m->d, &m->all.v[k], m->at_us,
							  bench_hear, &t->b)
				       : rule_states_remember(t->b.s, m->d, &m->all.v[k], m->at_us),
				 0);
}

static int keep_blob(void *ctx, const struct device *d, struct slice data)
{
	struct run *t = ctx;
	assert_true(d->slot < COUNT_OF(t->blobs) && data.n <= RULE_MEMORY_MAX);
	struct blob *at = &t->blobs[d->slot];
	free(at->p);
	at->p = slice_dup(data);
	assert_non_null(at->p);
	at->n = data.n;
	return 0;
}

static void restart(struct run *t, size_t cut)
{
	bench_restart(&t->b);
	for (uint32_t i = 0; i < COUNT_OF(t->blobs); i++)
		if (t->blobs[i].p)
			assert_int_equal(rule_states_restore_memory(
						 t->b.s, &bench_devices[i],
						 (struct slice){t->blobs[i].p, t->blobs[i].n},
						 true),
					 0);
	for (size_t i = t->from_seq ? t->from_seq - 1 : 0; i < cut; i++)
		feed(t, i, false);
}

/* All from the first to the last, with restarts before some of them. */
static void run(struct run *t, const bool *cuts)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		if (cuts && cuts[i])
			restart(t, i);
		if (dice(3) == 0)
			tick(&t->b, t->v[i].recv_us);
		feed(t, i, true);
		if (dice(5) == 0) {
			int64_t before = t->v[i].recv_us - (int64_t)dice(3) * 2 * TIMES_MIN;
			bench_save(&t->b);
			assert_int_equal(rule_states_take_memory(t->b.s, before, 1 + dice(3),
								 keep_blob, t, &t->from_seq),
					 0);
			assert_true(t->from_seq <= i + 2);
		}
	}
}

static void drop_blobs(struct run *t)
{
	for (size_t i = 0; i < COUNT_OF(t->blobs); i++) {
		free(t->blobs[i].p);
		t->blobs[i] = (struct blob){0};
	}
	t->from_seq = 1;
}

/* With the first line that differs, and those before it. */
static void assert_same_lines(const char *want, const char *got)
{
	size_t same = 0, from = 0;
	while (want[same] && want[same] == got[same])
		same++;
	if (want[same] == got[same])
		return;
	for (size_t i = 0; i + 300 < same; i++)
		from = want[i] == '\n' ? i + 1 : from;
	fail_msg("want:\n%.400s\ngot:\n%.400s", want + from, got + from);
}

static void a_restart_changes_nothing(void **state)
{
	(void)state;
	static struct run t;
	size_t heard = 0;
	for (int round = 0; round < 40; round++) {
		int64_t clock = at(2, "10:00");
		bool cuts[MESSAGES] = {false};
		bench_reset_devices();
		for (int i = 0; i < MESSAGES; i++) {
			make_message(&t.v[i], i, &clock);
			cuts[i] = dice(40) == 0;
		}
		bench_new(&t.b, many_rules);
		t.from_seq = 1;
		run(&t, NULL);
		auto_free char *straight = slice_dup(buf_slice(&t.b.heard));
		heard += t.b.heard.n;
		drop_blobs(&t);
		bench_done(&t.b);
		bench_new(&t.b, many_rules);
		run(&t, cuts);
		assert_same_lines(straight, buf_str(&t.b.heard));
		drop_blobs(&t);
		bench_done(&t.b);
		for (int i = 0; i < MESSAGES; i++)
			readings_done(&t.v[i].all);
	}
	assert_true(heard > 100000);
}

/* ---- in any order ---- */

/* The same values in another order, all within their windows: the same is found at the end. */
static void the_order_of_arrival_does_not_matter(void **state)
{
	(void)state;
	auto_buf struct buf rules;
	buf_init(&rules, 1 << 20);
	static const char *const stats[] = {"avg(temp_c",  "min(temp_c",   "max(temp_c",
					    "sum(temp_c",  "count(temp_c", "percentile(temp_c, 75",
					    "rate(temp_c", "delta(temp_c", "first(temp_c",
					    "last(temp_c"};
	for (size_t i = 0; i < COUNT_OF(stats); i++)
		for (int k = 0; k < 60; k++)
			buf_printf(&rules,
				   RULE("s%zu_%d", "event: true, when: \"has(noise_db) && "
						   "%s, %s) > %.4f\""),
				   i, k, stats[i], k % 2 ? "'1h'" : "20",
				   i == 3   ? 20.0 * (k - 5)
				   : i == 6 ? 0.001 * (k - 30)
					    : k - 5.0);
	for (int round = 0; round < 20; round++) {
		auto_free char *first = NULL;
		int64_t times[40];
		double values[40];
		for (int i = 0; i < 40; i++) {
			times[i] = at(2, "10:00") + i * 70 * TIMES_SEC;
			values[i] = (double)dice(400) / 8;
		}
		for (int again = 0; again < 3; again++) {
			struct bench b;
			bench_reset_devices();
			bench_new(&b, buf_str(&rules));
			for (int i = 0; i < 40; i++) {
				say(&b, d1, times[i], "temp_c", values[i]);
				buf_reset(&b.heard);
			}
			say(&b, d1, at(2, "10:48"), "noise_db", 1);
			if (first)
				assert_string_equal(buf_str(&b.heard), first);
			else
				first = slice_dup(buf_slice(&b.heard));
			bench_done(&b);
			for (size_t i = 39; i > 0; i--) {
				size_t j = dice(i + 1);
				int64_t t = times[i];
				double v = values[i];
				times[i] = times[j];
				values[i] = values[j];
				times[j] = t;
				values[j] = v;
			}
		}
		assert_non_null(strchr(first, '\n'));
	}
}

/* ---- another set of rules, and bad blobs ---- */

static void another_set(void **state)
{
	(void)state;
	static struct run t;
	struct folder other;
	bench_reset_devices();
	bench_new(&t.b, EVENT("sum", "sum(temp_c, '1h') > 100.0 && temp_c > 0.0")
				EVENT("gone", "avg(temp_c, '2h') > 0.0 && prev.temp_c > 100.0"));
	t.from_seq = 1;
	for (int i = 0; i < 3; i++)
		say(&t.b, d1, at(2, "10:00") + i * TIMES_MIN, "temp_c", 40);
	expect(&t.b, "fired sum d1 2 10:02:00\n");
	assert_int_equal(rule_states_take_memory(t.b.s, INT64_MAX, 99, keep_blob, &t, &t.from_seq),
			 0);
	struct rules *set = bench_load(
		&other, EVENT("new", "max(temp_c, '2h') > 41.0 && sum(temp_c, '1h') > 161.0")
				EVENT("sum", "sum(temp_c, '1h') > 100.0 && temp_c > 0.0"));
	/* by blob */
	struct rule_states *old = t.b.s;
	t.b.s = rule_states_new();
	assert_int_equal(rule_states_use(t.b.s, set, bench_hear, &t.b), 0);
	struct slice data = {t.blobs[0].p, t.blobs[0].n};
	assert_int_equal(rule_states_restore_memory(t.b.s, d1, data, false), 0);
	say(&t.b, d1, at(2, "10:03"), "temp_c", 42);
	expect(&t.b, "fired new d1 2 10:03:00\nfired sum d1 2 10:03:00\n");
	rule_states_free(t.b.s);
	/* and by a change of rules while it runs */
	t.b.s = old;
	assert_int_equal(rule_states_use(t.b.s, set, bench_hear, &t.b), 0);
	say(&t.b, d1, at(2, "10:03"), "temp_c", 42);
	expect(&t.b, "fired new d1 2 10:03:00\nfired sum d1 2 10:03:00\n");
	drop_blobs(&t);
	bench_done(&t.b);
	folder_done(&other);
}

static void damaged_blobs_are_refused(void **state)
{
	(void)state;
	static struct run t;
	int64_t clock = at(2, "10:00");
	bench_reset_devices();
	bench_new(&t.b, many_rules);
	for (int i = 0; i < MESSAGES; i++) {
		make_message(&t.v[i], i, &clock);
		t.v[i].d = d1;
		feed(&t, (size_t)i, true);
	}
	assert_int_equal(rule_states_take_memory(t.b.s, INT64_MAX, 99, keep_blob, &t, &t.from_seq),
			 0);
	assert_int_equal(t.from_seq, MESSAGES + 1);
	struct blob good = t.blobs[0];
	print_message("%zu bytes for %u windows\n", good.n, t.b.s->devices[0].rings->n);
	for (size_t n = 0; n < good.n; n++) {
		auto_free char *bad = slice_dup((struct slice){good.p, good.n});
		assert_int_equal(
			rule_states_restore_memory(t.b.s, d2, (struct slice){bad, n}, true),
			-EINVAL);
		bad[n] = (char)(bad[n] ^ (1 << dice(8)));
		assert_int_equal(
			rule_states_restore_memory(t.b.s, d2, (struct slice){bad, good.n}, true),
			-EINVAL);
	}
	assert_true(t.b.s->ndevices < 2 || !t.b.s->devices[1].nseen);
	assert_int_equal(
		rule_states_restore_memory(t.b.s, d2, (struct slice){good.p, good.n}, true), 0);
	drop_blobs(&t);
	bench_done(&t.b);
	for (int i = 0; i < MESSAGES; i++)
		readings_done(&t.v[i].all);
}

/* The queue: oldest change first, at most so many, and from where the log is needed again. */
static void saved_oldest_first(void **state)
{
	(void)state;
	static struct run t;
	struct bench *b = &t.b;
	bench_reset_devices();
	bench_new(b, RULE("a", "when: \"temp_c > 99.0\""));
	for (uint32_t i = 0; i < 4; i++) {
		t.v[i] = (struct message){.d = &bench_devices[i],
					  .at_us = at(2, "10:00") + i * TIMES_MIN,
					  .recv_us = at(2, "10:00") + i * TIMES_MIN};
		struct reading *r = NULL;
		readings_init(&t.v[i].all);
		assert_int_equal(readings_add(&t.v[i].all, SL("x"), &r), 0);
		assert_int_equal(reading_put(&t.v[i].all, r, SL("temp_c"), VALUE_OF_INT(1)), 0);
		feed(&t, i, true);
	}
	feed(&t, 0, true); /* again: its place stays */
	rule_states_at(b->s, 5, at(2, "10:05"));
	uint64_t from = 0;
	assert_int_equal(rule_states_take_memory(b->s, at(2, "10:00"), 9, keep_blob, &t, &from), 0);
	assert_true(from == 1 && !t.blobs[0].p);
	assert_int_equal(rule_states_take_memory(b->s, at(2, "10:05"), 1, keep_blob, &t, &from), 0);
	assert_true(from == 2 && t.blobs[0].p && !t.blobs[1].p);
	rule_states_forget(b->s, d2); /* gone: nothing to save */
	assert_int_equal(rule_states_take_memory(b->s, at(2, "10:02:01"), 9, keep_blob, &t, &from),
			 0);
	assert_true(from == 4 && !t.blobs[1].p && t.blobs[2].p);
	assert_int_equal(rule_states_take_memory(b->s, INT64_MAX, 9, keep_blob, &t, &from), 0);
	assert_true(from == 6 && t.blobs[3].p);
	for (uint32_t i = 0; i < 4; i++)
		readings_done(&t.v[i].all);
	drop_blobs(&t);
	bench_done(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembered_values),
		cmocka_unit_test(late_fields),
		cmocka_unit_test(asked_once),
		cmocka_unit_test(holds_and_windows),
		cmocka_unit_test(texts),
		cmocka_unit_test(time_and_maps),
		cmocka_unit_test(run_empty),
		cmocka_unit_test(devices_of_a_grid),
		cmocka_unit_test(crowds_are_bounded),
		cmocka_unit_test(none_where_none_is_needed),
		cmocka_unit_test(windows_are_bounded),
		cmocka_unit_test(clock_jumps),
		cmocka_unit_test(faults),
		cmocka_unit_test(doubts_at_their_place),
		cmocka_unit_test(the_hash_knows_schedules),
		cmocka_unit_test(how_far_back),
		cmocka_unit_test(a_restart_changes_nothing),
		cmocka_unit_test(the_order_of_arrival_does_not_matter),
		cmocka_unit_test(another_set),
		cmocka_unit_test(damaged_blobs_are_refused),
		cmocka_unit_test(saved_oldest_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
