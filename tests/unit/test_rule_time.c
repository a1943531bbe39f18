/* What time does to rules: holds by schedule, gates, flapping, states of a grid, second looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule_bench.h"
#include "rule_set.h"

/* ---- holds by schedule ---- */

#define HOT_BY_NIGHT "  - {id: hot, when: t > 60.0, for: {night: 10m, else: 20m}" TITLE

static void expect_hot(int day, const char *since, int due_day, const char *due)
{
	struct bench b;
	char line[128];
	bench_new(&b, HOT_BY_NIGHT);
	say(&b, d1, at(day, since), "t", 70);
	assert_int_equal(rule_states_next(b.s), at(due_day, due));
	tick(&b, at(due_day + 1, "12:00"));
	snprintf(line, sizeof line, "fired hot d1 %d %s:00 timer\n", due_day, due);
	expect(&b, line);
	bench_done(&b);
}

static void a_hold_goes_by_the_schedule_of_the_time_it_runs_out(void **state)
{
	(void)state;
	expect_hot(2, "10:00", 2, "10:20");
	expect_hot(2, "22:30", 2, "22:40");
	expect_hot(2, "21:45", 2, "22:00"); /* fifteen minutes: enough as soon as it is night */
	expect_hot(2, "21:55", 2, "22:05");
	expect_hot(3, "05:50", 3, "06:10"); /* ten minutes are over when the night is */
	expect_hot(3, "05:55", 3, "06:15");
	expect_hot(2, "23:55", 3, "00:05");
}

static void readings_and_timers_agree_on_the_hold(void **state)
{
	(void)state;
	for (int reading_first = 0; reading_first < 2; reading_first++) {
		struct bench b;
		bench_new(&b, HOT_BY_NIGHT);
		say(&b, d1, at(2, "21:45"), "t", 70);
		say(&b, d1, at(2, "21:59"), "t", 70);
		expect(&b, "");
		if (!reading_first)
			tick(&b, at(2, "22:02"));
		say(&b, d1, at(2, "22:03"), "t", 70);
		expect(&b, "fired hot d1 2 22:00:00 timer\nseen hot d1 2 22:03:00\n");
		bench_done(&b);
	}
}

/* ---- gates ---- */

static void a_case_waits_for_the_gate(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: full, when: f > 85.0, for: 20m, except: lorry" TITLE);
	say(&b, d1, at(2, "12:30"), "f", 90);
	tick(&b, at(2, "12:50"));
	expect(&b, "fired full d1 2 12:50:00 timer\n");
	say(&b, d1, at(2, "12:51"), "f", 10);
	expect(&b, "recovered full d1 2 12:51:00\n");
	say(&b, d1, at(2, "12:55"), "f", 90);
	say(&b, d1, at(2, "13:20"), "f", 91);
	tick(&b, at(2, "14:29:59"));
	expect(&b, "");
	say(&b, d1, at(2, "14:31"), "f", 91);
	expect(&b, "fired full d1 2 14:30:00 timer\nseen full d1 2 14:31:00\n");
	bench_done(&b);
}

static void what_ends_behind_the_gate_was_nothing(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: full, when: f > 85.0, except: lorry" TITLE);
	say(&b, d1, at(2, "13:30"), "f", 90);
	assert_int_equal(rule_states_next(b.s), at(2, "14:30"));
	say(&b, d1, at(2, "14:10"), "f", 10);
	tick(&b, at(2, "20:00"));
	expect(&b, "");
	bench_done(&b);
}

static void a_stale_value_does_not_fire_when_the_gate_opens(void **state)
{
	(void)state;
	struct bench b;
	d1->interval_us = 10 * TIMES_MIN;
	bench_new(&b, "  - {id: full, when: f > 85.0, except: lorry" TITLE);
	say(&b, d1, at(2, "13:30"), "f", 90);
	tick(&b, at(2, "15:00"));
	expect(&b, "");
	say(&b, d1, at(2, "15:10"), "f", 90);
	expect(&b, "fired full d1 2 15:10:00\n");
	bench_done(&b);
	/* and if it comes behind the next gate: when that opens */
	bench_new(&b, "  - {id: full, when: f > 85.0, except: lorry" TITLE);
	say(&b, d1, at(2, "13:30"), "f", 90);
	tick(&b, at(2, "15:00"));
	say(&b, d1, at(3, "14:20"), "f", 90);
	bench_restart(&b);
	tick(&b, at(3, "15:00"));
	expect(&b, "fired full d1 3 14:30:00 timer\n");
	bench_done(&b);
}

static void during_takes_any_of_its_schedules(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, during: [night, weekend]" TITLE);
	say(&b, d1, at(6, "12:00"), "t", 70); /* a Friday */
	tick(&b, at(6, "21:59"));
	expect(&b, "");
	tick(&b, at(6, "22:00"));
	expect(&b, "fired hot d1 6 22:00:00 timer\n");
	say(&b, d1, at(7, "12:00"), "t", 10);
	say(&b, d1, at(7, "13:00"), "t", 70);
	expect(&b, "recovered hot d1 7 12:00:00\nfired hot d1 7 13:00:00\n");
	bench_done(&b);
}

static void a_gate_that_never_opens_keeps_the_case_back(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, during: feast" TITLE);
	say(&b, d1, at(2, "12:00"), "t", 70);
	say(&b, d1, at(2, "13:00"), "t", 70);
	tick(&b, at(2, "12:00") + 500 * TIMES_DAY);
	expect(&b, "");
	assert_int_equal(rule_states_count(b.s), 1);
	bench_done(&b);
}

static void an_open_case_is_none_of_the_gates_business(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: full, when: f > 85.0, clear_for: 10m, except: lorry" TITLE);
	say(&b, d1, at(2, "12:50"), "f", 90);
	say(&b, d1, at(2, "13:10"), "f", 10);
	say(&b, d1, at(2, "13:15"), "f", 90);
	say(&b, d1, at(2, "13:20"), "f", 10);
	tick(&b, at(2, "13:40"));
	expect(&b, "fired full d1 2 12:50:00\n"
		   "seen full d1 2 13:15:00\n"
		   "recovered full d1 2 13:30:00 timer\n");
	bench_done(&b);
}

static void events_behind_the_gate_are_passed_over(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: drop, event: true, when: w > 1.0, except: lorry" TITLE);
	say(&b, d1, at(2, "12:59"), "w", 2);
	say(&b, d1, at(2, "13:00"), "w", 2);
	say(&b, d1, at(2, "14:30"), "w", 2);
	tick(&b, at(2, "20:00"));
	expect(&b, "fired drop d1 2 12:59:00\nfired drop d1 2 14:30:00\n");
	bench_done(&b);
}

/* ---- flapping ---- */

#define FLAPS "  - {id: hot, when: t > 60.0, flap: {count: 3, within: 30m}" TITLE

/* Hot and cool again `n` times from then on, every five minutes. */
static int64_t come_and_go(struct bench *b, int64_t from_us, int n)
{
	for (int i = 0; i < n; i++, from_us += 5 * TIMES_MIN) {
		say(b, d1, from_us, "t", 70);
		say(b, d1, from_us + TIMES_MIN, "t", 10);
	}
	return from_us;
}

static void what_comes_and_goes_is_held_open(void **state)
{
	(void)state;
	for (int restarts = 0; restarts < 2; restarts++) {
		struct bench b;
		bench_new(&b, FLAPS);
		for (int i = 0; i < 5; i++) {
			come_and_go(&b, at(2, "10:00") + i * 5 * TIMES_MIN, 1);
			if (restarts)
				bench_restart(&b);
		}
		tick(&b, at(2, "10:50:59"));
		expect(&b, "fired hot d1 2 10:00:00\nrecovered hot d1 2 10:01:00\n"
			   "fired hot d1 2 10:05:00\nrecovered hot d1 2 10:06:00\n"
			   "fired hot d1 2 10:10:00 flapping\n"
			   "seen hot d1 2 10:15:00\nseen hot d1 2 10:20:00\n");
		tick(&b, at(2, "11:00"));
		expect(&b, "recovered hot d1 2 10:51:00 timer flapping\n");
		/* it begins anew */
		say(&b, d1, at(2, "11:01"), "t", 70);
		say(&b, d1, at(2, "11:02"), "t", 10);
		expect(&b, "fired hot d1 2 11:01:00\nrecovered hot d1 2 11:02:00\n");
		bench_done(&b);
	}
}

static void old_firings_do_not_count(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, FLAPS);
	say(&b, d1, at(2, "10:00"), "t", 70);
	say(&b, d1, at(2, "10:01"), "t", 10);
	say(&b, d1, at(2, "10:25"), "t", 70);
	say(&b, d1, at(2, "10:26"), "t", 10);
	buf_reset(&b.heard);
	say(&b, d1, at(2, "10:31"), "t", 70); /* the first is 31 minutes old, the second is not */
	say(&b, d1, at(2, "10:32"), "t", 10);
	expect(&b, "fired hot d1 2 10:31:00\nrecovered hot d1 2 10:32:00\n");
	say(&b, d1, at(2, "10:50"), "t", 70);
	expect(&b, "fired hot d1 2 10:50:00 flapping\n");
	bench_done(&b);
}

static void a_recovered_state_is_kept_while_its_firings_count(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, FLAPS);
	come_and_go(&b, at(2, "10:00"), 1);
	assert_int_equal(rule_states_count(b.s), 1);
	bench_save(&b);
	assert_int_equal(b.nrows, 1);
	assert_int_equal(b.rows[0].saved.phase, PHASE_QUIET);
	assert_int_equal(b.rows[0].saved.fields.n, 0);
	assert_int_equal(rule_states_next(b.s), at(2, "10:30"));
	tick(&b, at(2, "10:30"));
	assert_int_equal(rule_states_count(b.s), 0);
	bench_save(&b);
	assert_int_equal(b.nrows, 0);
	bench_done(&b);
}

static void without_flap_nothing_is_counted(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, flap: off" TITLE);
	come_and_go(&b, at(2, "10:00"), 20);
	assert_null(strstr(buf_str(&b.heard), "flapping"));
	assert_null(strstr(buf_str(&b.heard), "seen"));
	assert_int_equal(rule_states_count(b.s), 0);
	bench_done(&b);
}

static void five_within_an_hour_are_the_default(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0" TITLE);
	come_and_go(&b, at(2, "10:00"), 4);
	assert_null(strstr(buf_str(&b.heard), "flapping"));
	say(&b, d1, at(2, "11:00"), "t", 70);
	assert_non_null(strstr(buf_str(&b.heard), "fired hot d1 2 11:00:00 flapping\n"));
	bench_done(&b);
}

/* ---- one state a grid ---- */

#define OF_GRID "  - {id: hot, when: t > 60.0, scope: grid, clear_for: 5m, flap: off" TITLE

static void a_grid_has_one_state(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, OF_GRID);
	say(&b, d2, at(2, "10:00"), "t", 70);
	say(&b, d1, at(2, "10:01"), "t", 70);
	say(&b, d3, at(2, "10:02"), "t", 70);
	expect(&b, "fired hot d2 2 10:00:00\nseen hot d2 2 10:01:00\nfired hot d3 2 10:02:00\n");
	assert_int_equal(rule_states_count(b.s), 2);
	bench_restart(&b);
	assert_int_equal(rule_states_count(b.s), 2);
	say(&b, d1, at(2, "10:10"), "t", 10);
	tick(&b, at(2, "10:20"));
	expect(&b, "recovered hot d2 2 10:15:00 timer\n");
	/* now another begins it, while the first is still to be deleted */
	say(&b, d1, at(2, "10:30"), "t", 70);
	say(&b, d2, at(2, "10:31"), "t", 70);
	expect(&b, "fired hot d1 2 10:30:00\nseen hot d1 2 10:31:00\n");
	bench_save(&b);
	assert_int_equal(b.nrows, 2);
	bench_done(&b);
}

static void the_clocks_of_a_grid_differ(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, scope: grid" TITLE);
	say(&b, d1, at(2, "10:00:30"), "t", 70);
	say(&b, d2, at(2, "10:00:10"), "t", 10);
	expect(&b, "fired hot d1 2 10:00:30\nrecovered hot d1 2 10:00:30\n");
	bench_done(&b);
}

static void a_host_that_goes_or_moves_takes_the_state_along(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, OF_GRID);
	say(&b, d1, at(2, "10:00"), "t", 70);
	rule_states_forget(b.s, d1);
	say(&b, d2, at(2, "10:01"), "t", 70);
	expect(&b, "fired hot d1 2 10:00:00\nfired hot d2 2 10:01:00\n");
	d2->grid = d3->grid;
	say(&b, d2, at(2, "10:02"), "t", 70);
	say(&b, d1, at(2, "10:03"), "t", 70);
	expect(&b, "recovered hot d2 2 10:02:00\nfired hot d2 2 10:02:00\n"
		   "fired hot d1 2 10:03:00\n");
	bench_save(&b);
	assert_int_equal(b.nrows, 2);
	bench_done(&b);
}

/* ---- a second look ---- */

/* Stands for windows that are empty at the timer: then there is no field at all. */
static void a_firing_state_is_looked_at_again(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: has(t) && t > 60.0, flap: off" TITLE);
	struct rule *rule = &b.f.set->v[0];
	const struct rule_code *given = rule->code;
	struct rule_code code = *given;
	code.recheck_us = 10 * TIMES_MIN;
	rule->code = &code;
	say(&b, d1, at(2, "10:00"), "t", 70);
	say(&b, d1, at(2, "10:05"), "t", 70);
	tick(&b, at(2, "10:14:59"));
	expect(&b, "fired hot d1 2 10:00:00\nseen hot d1 2 10:05:00\n");
	bench_restart(&b);
	say(&b, d1, at(2, "10:15"), "t", 70); /* not ticked: the second look comes first */
	expect(&b, "recovered hot d1 2 10:15:00 timer\nfired hot d1 2 10:15:00\n");
	assert_int_equal(rule_states_resume(b.s, "hub", at(2, "10:16"), at(2, "18:00")), 0);
	tick(&b, at(2, "18:05"));
	expect(&b, "");
	tick(&b, at(2, "19:00"));
	expect(&b, "recovered hot d1 2 18:10:00 timer\n");
	rule->code = given;
	bench_done(&b);
}

/* ---- gaps ---- */

#define HELD "  - {id: hot, when: t > 60.0, for: 2h, clear_for: 2h, flap: off" TITLE

static void a_long_gap_breaks_holds(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, HELD);
	say(&b, d1, at(2, "10:00"), "t", 70);
	say(&b, d4, at(2, "10:00"), "t", 70);
	assert_int_equal(rule_states_resume(b.s, "hub", at(2, "10:10"), at(2, "11:11")), 0);
	tick(&b, at(2, "13:10:59"));
	expect(&b, "fired hot d4 2 12:00:00 timer\n");
	bench_restart(&b);
	tick(&b, at(2, "13:11"));
	expect(&b, "fired hot d1 2 13:11:00 timer\n");
	say(&b, d1, at(2, "14:00"), "t", 10);
	say(&b, d4, at(2, "14:00"), "t", 70);
	expect(&b, "seen hot d4 2 14:00:00\n");
	assert_int_equal(rule_states_resume(b.s, NULL, at(2, "14:10"), at(2, "16:00")), 0);
	tick(&b, at(2, "20:00"));
	expect(&b, "recovered hot d1 2 18:00:00 timer\n");
	bench_done(&b);
}

static void a_short_gap_does_not(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, HELD);
	say(&b, d1, at(2, "10:00"), "t", 70);
	assert_int_equal(rule_states_resume(b.s, NULL, at(2, "10:10"), at(2, "11:10")), 0);
	tick(&b, at(2, "12:00"));
	expect(&b, "fired hot d1 2 12:00:00 timer\n");
	bench_done(&b);
}

/* ---- clocks that jump ---- */

static void a_clock_put_back_by_days_begins_anew(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, for: {night: 10m, else: 20m}, "
		      "flap: {count: 2, within: 1h}" TITLE);
	say(&b, d1, at(20, "10:00"), "t", 70);
	tick(&b, at(20, "10:20"));
	say(&b, d1, at(20, "10:21"), "t", 10);
	buf_reset(&b.heard);
	say(&b, d1, at(2, "10:00"), "t", 70);
	say(&b, d1, at(2, "10:25"), "t", 10);
	expect(&b, "fired hot d1 2 10:20:00 timer\nrecovered hot d1 2 10:25:00\n");
	say(&b, d1, at(2, "10:26"), "t", 70);
	say(&b, d1, at(20, "10:00"), "t", 70); /* forward: time has passed */
	expect(&b, "fired hot d1 2 10:46:00 timer flapping\nseen hot d1 20 10:00:00\n");
	bench_done(&b);
}

/* Not late, as it would be by the device's clock: the time that was seen has not come yet. */
static void the_hub_s_clock_put_back_by_a_day_blinds_nobody(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, "  - {id: hot, when: t > 60.0, for: 10m, flap: off" TITLE
		      "  - {id: mean, when: \"avg(t, '30m') > 60.0\", flap: off" TITLE);
	say(&b, d1, at(10, "10:00"), "t", 10);
	say(&b, d1, at(10, "10:10"), "t", 10);
	say(&b, d2, at(10, "10:10"), "t", 70);
	expect(&b, "fired mean d2 10 10:10:00\n");
	say(&b, d1, at(9, "10:15"), "t", 70);
	say(&b, d2, at(9, "10:16"), "t", 70);
	tick(&b, at(9, "10:25"));
	expect(&b, "fired mean d1 9 10:15:00\nseen mean d2 9 10:16:00\n"
		   "fired hot d1 9 10:25:00 timer\n");
	say(&b, d2, at(9, "10:27"), "t", 10);
	expect(&b, "fired hot d2 9 10:26:00 timer\nrecovered hot d2 9 10:27:00\n"
		   "recovered mean d2 9 10:27:00\n");
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hold_goes_by_the_schedule_of_the_time_it_runs_out),
		TEST(readings_and_timers_agree_on_the_hold),
		TEST(a_case_waits_for_the_gate),
		TEST(what_ends_behind_the_gate_was_nothing),
		TEST(a_stale_value_does_not_fire_when_the_gate_opens),
		TEST(during_takes_any_of_its_schedules),
		TEST(a_gate_that_never_opens_keeps_the_case_back),
		TEST(an_open_case_is_none_of_the_gates_business),
		TEST(events_behind_the_gate_are_passed_over),
		TEST(what_comes_and_goes_is_held_open),
		TEST(old_firings_do_not_count),
		TEST(a_recovered_state_is_kept_while_its_firings_count),
		TEST(without_flap_nothing_is_counted),
		TEST(five_within_an_hour_are_the_default),
		TEST(a_grid_has_one_state),
		TEST(the_clocks_of_a_grid_differ),
		TEST(a_host_that_goes_or_moves_takes_the_state_along),
		TEST(a_firing_state_is_looked_at_again),
		TEST(a_long_gap_breaks_holds),
		TEST(a_short_gap_does_not),
		TEST(a_clock_put_back_by_days_begins_anew),
		TEST(the_hub_s_clock_put_back_by_a_day_blinds_nobody),
	};
	return cmocka_run_group_tests_name("rule_time", tests, NULL, NULL);
}
