/* When the prober itself is at fault, nobody is accused; and what is truly down is believed in the
 * end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIM_CHECK(condition) assert_true(condition)
#include "plan_sim.h"

enum { CANARY = 1000, CITY = 1000 }; /* the last stream is the canary */

static void city_with(struct sim *w, const struct plan_conf *conf, bool canary)
{
	sim_init(w, conf, CITY + 1, CITY + 1);
	for (uint32_t i = 0; i < CITY; i++)
		assert_int_equal(sim_put(w, i, i, NULL), 0);
	w->s[CANARY].canary = true;
	if (canary)
		assert_int_equal(sim_put(w, CANARY, CANARY, NULL), 0);
	sim_run(w, w->now + 10 * SIM_MIN);
	struct plan_counts c;
	sim_counts(w, &c);
	assert_int_equal(c.online, CITY);
}

static void set_mode(struct sim *w, uint32_t from, uint32_t to, enum sim_mode mode)
{
	for (uint32_t i = from; i < to; i++)
		w->s[i].mode = (uint8_t)mode;
}

static struct plan_counts run(struct sim *w, int64_t us)
{
	struct plan_counts c;
	sim_run(w, w->now + us);
	sim_counts(w, &c);
	return c;
}

static void a_silent_canary_accuses_nobody(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	assert_int_equal(plan_count(w.p), CITY); /* it is none of them */
	assert_in_range(w.s[CANARY].looks, 50, 65);
	set_mode(&w, 0, CITY + 1, SIM_NO_PACKETS);
	uint64_t said = w.said;
	struct plan_counts c = run(&w, 5 * SIM_MIN);
	assert_true(c.prober_at_fault && c.canary_failed);
	assert_int_equal(c.offline, 0);
	assert_true(c.unknown > 150 && c.doubted == c.unknown);
	said = w.said;
	c = run(&w, 3 * SIM_HOUR); /* as long as it takes */
	assert_int_equal(c.offline, 0);
	assert_int_equal(c.unknown, CITY);
	assert_int_equal(w.said, said); /* nothing at all is said */
	/* the prober is well again; five cameras are not */
	set_mode(&w, 5, CITY + 1, SIM_OK);
	c = run(&w, 3 * SIM_MIN);
	assert_false(c.prober_at_fault);
	assert_true(c.online > CITY - 20);
	c = run(&w, 3 * SIM_MIN);
	assert_int_equal(c.online, CITY - 5);
	assert_int_equal(c.offline, 5);
	assert_int_equal(w.came_offline, 5);
	sim_done(&w);
}

static void a_canary_alone_that_fails_holds_judgement(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	set_mode(&w, 0, 20, SIM_NOT_FOUND); /* truly so */
	set_mode(&w, CANARY, CANARY + 1, SIM_SPOILT);
	struct plan_counts c = run(&w, 10 * SIM_MIN);
	assert_int_equal(c.offline, 0);
	assert_int_equal(c.unknown, 20);
	assert_int_equal(c.online, CITY - 20); /* a keyframe is a keyframe */
	set_mode(&w, CANARY, CANARY + 1, SIM_OK);
	c = run(&w, 4 * SIM_MIN);
	assert_int_equal(c.offline, 20); /* after retries of their own */
	sim_done(&w);
}

/* What was said in the minute before the canary failed is withdrawn. */
static void a_canary_that_fails_late_withdraws(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	city_with(&w, &sim_conf, true);
	set_mode(&w, 0, 30, SIM_REFUSED);
	do
		c = run(&w, SIM_SEC);
	while (c.offline < 5);
	set_mode(&w, CANARY, CANARY + 1, SIM_REFUSED);
	uint64_t told = w.told_unknown, said = w.said_by_state[PROBE_UNKNOWN];
	size_t offline = c.offline;
	c = run(&w, 10 * SIM_SEC + SIM_SEC / 2);
	assert_true(c.canary_failed);
	assert_int_equal(c.offline, 0);
	assert_true(w.told_unknown - told >= offline);
	assert_true(w.said_by_state[PROBE_UNKNOWN] - said >= offline);
	sim_done(&w);
}

/* The canary's look has hung for seconds: nobody is judged until it is answered. */
static void a_slow_canary_delays_judgement(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	for (int k = 0; k < 40; k++) {
		set_mode(&w, 0, CITY + 1, SIM_SILENT); /* 8 s until it is known */
		struct plan_counts c = run(&w, 70 * SIM_SEC);
		assert_int_equal(c.offline, 0);
		set_mode(&w, 0, CITY + 1, SIM_OK);
		run(&w, 3 * SIM_MIN);
	}
	assert_int_equal(w.came_offline, 0);
	sim_done(&w);
}

static void a_city_that_flips_is_not_believed_at_once(void **state)
{
	(void)state;
	struct sim w;
	for (int canary = 0; canary < 2; canary++) {
		city_with(&w, &sim_conf, canary);
		set_mode(&w, 0, CITY, SIM_REFUSED); /* the canary on this machine is fine */
		uint64_t said = w.said;
		struct plan_counts c = run(&w, 28 * SIM_MIN);
		assert_true(c.many_flipped && c.prober_at_fault && !c.canary_failed);
		assert_int_equal(c.offline, 0);
		assert_int_equal(c.unknown, CITY);
		assert_true(w.said - said < 20); /* what was under way and well */
		c = run(&w, 5 * SIM_MIN);	 /* nothing answers for half an hour: believed */
		assert_false(c.prober_at_fault);
		assert_int_equal(c.offline, CITY);
		assert_int_equal(w.came_offline, CITY);
		sim_done(&w);
	}
}

static void a_city_that_comes_back_was_never_offline(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	for (int k = 0; k < 4; k++) {
		set_mode(&w, 0, CITY - 3, k % 2 ? SIM_SILENT : SIM_NO_PACKETS);
		struct plan_counts c = run(&w, 4 * SIM_MIN);
		assert_true(c.many_flipped);
		set_mode(&w, 0, CITY - 3, SIM_OK);
		c = run(&w, 4 * SIM_MIN);
		assert_false(c.prober_at_fault);
		assert_int_equal(c.online, CITY);
		run(&w, 10 * SIM_MIN);
	}
	assert_int_equal(w.came_offline, 0);
	sim_done(&w);
}

/* A district without power: unknown for six minutes, then offline, whatever the others do. */
static void a_district_without_power_is_believed_in_the_end(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	set_mode(&w, 0, 400, SIM_SILENT);
	struct plan_counts c = run(&w, 5 * SIM_MIN);
	assert_true(c.many_flipped);
	assert_int_equal(c.offline, 0);
	assert_true(c.unknown > 350);
	assert_true(c.online >= 600);
	c = run(&w, 5 * SIM_MIN);
	assert_false(c.prober_at_fault);
	assert_int_equal(c.offline, 400);
	assert_int_equal(c.online, 600);
	assert_int_equal(w.came_offline, 400);
	/* power is back */
	set_mode(&w, 0, 400, SIM_OK);
	c = run(&w, 15 * SIM_MIN);
	assert_int_equal(c.online, CITY);
	sim_done(&w);
}

static void a_fifth_is_believed_as_usual(void **state)
{
	(void)state;
	struct sim w;
	city_with(&w, &sim_conf, true);
	set_mode(&w, 0, 200, SIM_SILENT);
	for (int k = 0; k < 180; k++)
		assert_false(run(&w, SIM_SEC).prober_at_fault);
	assert_int_equal(run(&w, SIM_MIN).offline, 200);
	sim_done(&w);
}

static void a_handful_is_no_crowd(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, 9, 9);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, i, NULL), 0);
	run(&w, 10 * SIM_MIN);
	set_mode(&w, 0, 9, SIM_REFUSED);
	c = run(&w, 4 * SIM_MIN);
	assert_int_equal(c.offline, 9);
	sim_done(&w);
}

/* Recorders: each counts once. Four that go down are four; forty of fifty are a flip. */
static void recorders_count_once(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, 50 * 16, 50);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, i / 16, NULL), 0);
	run(&w, 10 * SIM_MIN);
	set_mode(&w, 0, 4 * 16, SIM_SILENT);
	c = run(&w, 4 * SIM_MIN);
	assert_int_equal(c.hosts_down, 4);
	assert_int_equal(c.offline, 4 * 16);
	set_mode(&w, 4 * 16, 40 * 16, SIM_SILENT);
	c = run(&w, 5 * SIM_MIN);
	assert_true(c.many_flipped);
	assert_int_equal(c.offline, 4 * 16);
	assert_int_equal(c.unknown, 36 * 16);
	assert_int_equal(c.hosts_down, 4);
	c = run(&w, 5 * SIM_MIN);
	assert_int_equal(c.hosts_down, 40);
	assert_int_equal(c.offline, 40 * 16);
	set_mode(&w, 0, 40 * 16, SIM_OK);
	c = run(&w, 15 * SIM_MIN);
	assert_int_equal(c.online, 50 * 16);
	assert_int_equal(c.hosts_down, 0);
	sim_done(&w);
}

/* Without reach looks a flip is seen later: what was said of a host that was folded is withdrawn.
 */
static void folded_hosts_are_withdrawn(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, 6 * 16 + 200, 206);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, i < 96 ? i / 16 : i - 96 + 6, NULL), 0);
	run(&w, 10 * SIM_MIN);
	set_mode(&w, 0, 96, SIM_REFUSED);
	do
		c = run(&w, SIM_SEC);
	while (c.hosts_down < 4);
	assert_true(c.offline >= 64);
	set_mode(&w, 96, w.n, SIM_REFUSED);
	size_t down = c.hosts_down;
	do
		c = run(&w, SIM_SEC);
	while (!c.prober_at_fault);
	assert_true(c.hosts_down < down);
	assert_true(c.offline < 64);
	set_mode(&w, 0, w.n, SIM_OK);
	c = run(&w, 12 * SIM_MIN);
	assert_int_equal(c.online, w.n);
	sim_done(&w);
}

/* The hub was restarted while all was in doubt: that does not make it believe. */
static void doubt_outlives_a_restart(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief doubt = {PROBE_UNKNOWN, PROBE_RESOLVED, PROBE_PROBER, 5};
	sim_init(&w, &sim_conf, CITY, CITY);
	for (uint32_t i = 0; i < CITY; i++)
		assert_int_equal(sim_put(&w, i, i, &doubt), 0);
	set_mode(&w, 0, CITY, SIM_REFUSED);
	struct plan_counts c = run(&w, 25 * SIM_MIN);
	assert_int_equal(c.offline, 0);
	assert_int_equal(c.unknown, CITY);
	assert_int_equal(w.said, 0);
	sim_done(&w);
}

static void canaries_are_few(void **state)
{
	(void)state;
	struct plan *p = plan_new(&sim_conf);
	struct plan_look look;
	struct plan_counts c;
	struct plan_belief b;
	int64_t now = SIM_HOUR, wake;
	for (int64_t id = -1; id >= -PLAN_CANARIES_MAX; id--)
		assert_int_equal(
			plan_put(p, &(struct plan_stream){id, "here:8554", false, true}, NULL, now),
			0);
	struct plan_stream more = {-9, "here:8554", false, true}, other = {-1, "x:1", false, false};
	assert_int_equal(plan_put(p, &more, NULL, now), -E2BIG);
	assert_int_equal(plan_put(p, &other, NULL, now), -EEXIST);
	assert_int_equal(plan_count(p), 0);
	/* one fails, and is taken out: the fault goes with it */
	for (int k = 0; k < PLAN_CANARIES_MAX; k++) {
		while (!plan_next(p, now, &look, &wake))
			now = wake;
		struct probe_result r = {.id = look.id,
					 .state = look.id == -2 ? PROBE_OFFLINE : PROBE_ONLINE};
		assert_int_equal(plan_result(p, &r, false, now, &b, NULL, NULL), PLAN_SAY_NOTHING);
	}
	plan_counts(p, now, &c);
	assert_true(c.canary_failed);
	plan_remove(p, -2);
	plan_counts(p, now, &c);
	assert_false(c.prober_at_fault);
	while (!plan_next(p, now, &look, &wake))
		now = wake;
	plan_remove(p, look.id);
	plan_abandon(p, look.id, now);
	assert_int_equal(plan_put(p, &more, NULL, now), 0);
	plan_counts(p, now, &c);
	assert_int_equal(c.under_way, 0);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_canary_accuses_nobody),
		cmocka_unit_test(a_canary_alone_that_fails_holds_judgement),
		cmocka_unit_test(a_canary_that_fails_late_withdraws),
		cmocka_unit_test(a_slow_canary_delays_judgement),
		cmocka_unit_test(a_city_that_flips_is_not_believed_at_once),
		cmocka_unit_test(a_city_that_comes_back_was_never_offline),
		cmocka_unit_test(a_district_without_power_is_believed_in_the_end),
		cmocka_unit_test(a_fifth_is_believed_as_usual),
		cmocka_unit_test(a_handful_is_no_crowd),
		cmocka_unit_test(recorders_count_once),
		cmocka_unit_test(folded_hosts_are_withdrawn),
		cmocka_unit_test(doubt_outlives_a_restart),
		cmocka_unit_test(canaries_are_few),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
