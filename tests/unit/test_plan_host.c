/* Hosts with several streams that go down as one, and come back as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIM_CHECK(condition) assert_true(condition)
#include "plan_sim.h"

enum { CHANNELS = 16, AROUND = 400 };

/* Streams 0..channels-1 at host 0, and others that work, each at one of its own. */
static void recorder(struct sim *w, uint32_t channels)
{
	sim_init(w, &sim_conf, channels + AROUND, 1 + AROUND);
	for (uint32_t i = 0; i < w->n; i++)
		assert_int_equal(sim_put(w, i, i < channels ? 0 : i - channels + 1, NULL), 0);
	sim_run(w, w->now + 10 * SIM_MIN);
	for (uint32_t i = 0; i < w->n; i++)
		assert_int_equal(w->s[i].believed, PROBE_ONLINE);
}

static void set_mode(struct sim *w, uint32_t from, uint32_t to, enum sim_mode mode)
{
	for (uint32_t i = from; i < to; i++)
		w->s[i].mode = (uint8_t)mode;
}

static uint64_t looks_at(const struct sim *w, uint32_t from, uint32_t to)
{
	uint64_t n = 0;
	for (uint32_t i = from; i < to; i++)
		n += w->s[i].looks;
	return n;
}

static uint32_t believed(const struct sim *w, uint32_t from, uint32_t to, enum probe_state state,
			 enum probe_cause cause)
{
	uint32_t n = 0;
	for (uint32_t i = from; i < to; i++)
		n += w->s[i].believed == state && w->s[i].cause == cause;
	return n;
}

static void all_of_a_dead_host_are_said_at_once(void **state)
{
	(void)state;
	static const enum sim_mode ways[] = {SIM_SILENT, SIM_REFUSED};
	for (size_t way = 0; way < COUNT_OF(ways); way++) {
		struct sim w;
		struct plan_counts c;
		recorder(&w, CHANNELS);
		uint64_t before = looks_at(&w, 0, CHANNELS), said = w.said_by_state[PROBE_OFFLINE];
		set_mode(&w, 0, CHANNELS, ways[way]);
		sim_run(&w, w.now + 150 * SIM_SEC); /* a minute to its next look, 45 s, and so on */
		assert_int_equal(believed(&w, 0, CHANNELS, PROBE_OFFLINE, PROBE_HOST_DOWN),
				 CHANNELS);
		assert_int_equal(w.said_by_state[PROBE_OFFLINE] - said, CHANNELS);
		assert_in_range(looks_at(&w, 0, CHANNELS) - before, 3, 9);
		assert_int_equal(w.came_offline, CHANNELS);
		sim_counts(&w, &c);
		assert_int_equal(c.hosts_down, 1);
		assert_int_equal(c.offline, CHANNELS);
		assert_false(c.prober_at_fault);
		/* from then on it alone is tried: after 1, 2, 5, 10, 10 … minutes */
		before = looks_at(&w, 0, CHANNELS);
		sim_run(&w, w.now + SIM_HOUR);
		assert_in_range(looks_at(&w, 0, CHANNELS) - before, 6, 10);
		assert_int_equal(w.said_by_state[PROBE_OFFLINE] - said, CHANNELS);
		sim_done(&w);
	}
}

static void all_come_back_soon_but_spread(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	recorder(&w, CHANNELS);
	set_mode(&w, 0, CHANNELS, SIM_SILENT);
	sim_run(&w, w.now + 30 * SIM_MIN);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_OFFLINE, PROBE_HOST_DOWN), CHANNELS);
	set_mode(&w, 0, CHANNELS - 1, SIM_OK);
	set_mode(&w, CHANNELS - 1, CHANNELS, SIM_NOT_FOUND); /* one has lost its mount */
	int64_t deadline = w.now + 13 * SIM_MIN, first = 0, all = 0;
	while (w.now < deadline && !all) {
		sim_run(&w, w.now + SIM_SEC);
		sim_counts(&w, &c);
		if (!c.hosts_down && !first)
			first = w.now;
		if (c.offline == 1)
			all = w.now;
	}
	assert_true(first && all);
	assert_in_range(all - first, 10 * SIM_SEC, 75 * SIM_SEC); /* one session at a time */
	sim_run(&w, w.now + SIM_MIN);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_ONLINE, PROBE_CAUSE_NONE), CHANNELS - 1);
	assert_int_equal(w.s[CHANNELS - 1].believed, PROBE_OFFLINE);
	assert_int_equal(w.s[CHANNELS - 1].cause, PROBE_NOT_FOUND);
	sim_done(&w);
}

static void a_blip_of_a_host_is_not_said(void **state)
{
	(void)state;
	struct sim w;
	recorder(&w, CHANNELS);
	for (int k = 0; k < 30; k++) {
		set_mode(&w, 0, CHANNELS, SIM_REFUSED);
		sim_run(&w, w.now + 40 * SIM_SEC);
		set_mode(&w, 0, CHANNELS, SIM_OK);
		sim_run(&w, w.now + 3 * SIM_MIN);
	}
	assert_int_equal(w.came_offline, 0);
	/* and they went on being looked at */
	for (uint32_t i = 0; i < CHANNELS; i++)
		assert_true(w.now - w.s[i].decided < 8 * SIM_MIN);
	sim_done(&w);
}

static void what_answers_is_not_folded(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	recorder(&w, CHANNELS);
	set_mode(&w, 0, CHANNELS - 1, SIM_NO_PACKETS); /* it answers, for each */
	sim_run(&w, w.now + 15 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 0);
	assert_int_equal(w.s[CHANNELS - 1].believed, PROBE_ONLINE);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_OFFLINE, PROBE_NO_PACKETS), CHANNELS - 1);
	sim_done(&w);
}

static void two_channels_are_judged_each_by_itself(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	recorder(&w, 2);
	set_mode(&w, 0, 2, SIM_REFUSED);
	sim_run(&w, w.now + 8 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 0);
	assert_int_equal(believed(&w, 0, 2, PROBE_OFFLINE, PROBE_REFUSED), 2);
	/* a dead host is not reached besides the retries of its streams */
	uint64_t before = looks_at(&w, 0, 2);
	sim_run(&w, w.now + SIM_HOUR);
	assert_in_range(looks_at(&w, 0, 2) - before, 10, 20);
	sim_done(&w);
}

/* Reach is off: three channels that fail by themselves have the host tried. */
static void three_channels_have_the_host_tried(void **state)
{
	(void)state;
	struct sim w;
	struct plan_conf conf = sim_conf;
	conf.reach_every_us = 0;
	sim_init(&w, &conf, CHANNELS, 1);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, 0, NULL), 0);
	sim_run(&w, w.now + 10 * SIM_MIN);
	assert_int_equal(w.looks[PROBE_REACH], 0);
	set_mode(&w, 0, CHANNELS, SIM_REFUSED);
	sim_run(&w, w.now + 5 * SIM_MIN);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_OFFLINE, PROBE_HOST_DOWN), CHANNELS);
	assert_in_range(w.looks[PROBE_REACH], 3, 6);
	sim_done(&w);
}

static void a_stream_that_joins_a_dead_host_is_offline_with_it(void **state)
{
	(void)state;
	struct sim w;
	recorder(&w, CHANNELS);
	sim_remove(&w, 3);
	set_mode(&w, 0, CHANNELS, SIM_SILENT);
	sim_run(&w, w.now + 4 * SIM_MIN);
	assert_int_equal(sim_put(&w, 3, 0, NULL), 0);
	assert_int_equal(w.s[3].believed, PROBE_UNKNOWN);
	sim_run(&w, w.now + 13 * SIM_MIN);
	assert_int_equal(w.s[3].believed, PROBE_OFFLINE);
	assert_int_equal(w.s[3].cause, PROBE_HOST_DOWN);
	sim_done(&w);
}

static void a_restart_knows_which_hosts_were_down(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	struct plan_belief down = {PROBE_OFFLINE, PROBE_RESOLVED, PROBE_HOST_DOWN, 5};
	sim_init(&w, &sim_conf, 10 * CHANNELS, 10);
	for (uint32_t i = 0; i < w.n; i++) {
		w.s[i].mode = i < 5 * CHANNELS ? SIM_SILENT : SIM_OK;
		assert_int_equal(sim_put(&w, i, i / CHANNELS, &down), 0);
	}
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 10);
	sim_run(&w, w.now + 4 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 5);
	assert_int_equal(c.online, 5 * CHANNELS);
	assert_int_equal(w.said_by_state[PROBE_OFFLINE], 0);
	assert_in_range(looks_at(&w, 0, 5 * CHANNELS), 5, 20);
	sim_done(&w);
	/* one that was online among them: the host is not taken for dead */
	struct plan_belief up = {PROBE_ONLINE, PROBE_GOT_KEYFRAME, PROBE_CAUSE_NONE, 5};
	sim_init(&w, &sim_conf, CHANNELS, 1);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, 0, i == 9 ? &up : &down), 0);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 0);
	sim_run(&w, w.now + 7 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.online, CHANNELS);
	sim_done(&w);
}

/* Whoever tries the host may be taken out, at any moment; the others are not forgotten. */
static void the_scout_may_leave(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	recorder(&w, CHANNELS);
	set_mode(&w, 0, CHANNELS, SIM_SILENT);
	for (int k = 0; k < 400; k++) {
		sim_run(&w, w.now + 3 * SIM_SEC);
		for (uint32_t i = 0; i < CHANNELS; i++) {
			if (!w.s[i].in && k % 5 == 0)
				assert_int_equal(sim_put(&w, i, 0, NULL), 0);
			else if (w.s[i].away && k % 3 == 0)
				sim_remove(&w, i);
		}
	}
	for (uint32_t i = 0; i < CHANNELS; i++)
		assert_int_equal(sim_put(&w, i, 0, NULL), 0);
	sim_run(&w, w.now + 15 * SIM_MIN);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_OFFLINE, PROBE_HOST_DOWN), CHANNELS);
	set_mode(&w, 0, CHANNELS, SIM_OK);
	sim_run(&w, w.now + 15 * SIM_MIN);
	assert_int_equal(believed(&w, 0, CHANNELS, PROBE_ONLINE, PROBE_CAUSE_NONE), CHANNELS);
	/* a host that goes while it is down is not counted as down any more */
	set_mode(&w, 0, CHANNELS, SIM_SILENT);
	sim_run(&w, w.now + 10 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 1);
	for (uint32_t i = 0; i < CHANNELS; i++)
		sim_remove(&w, i);
	sim_run(&w, w.now + SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 0);
	assert_int_equal(c.hosts, AROUND);
	sim_done(&w);
}

/* A media server with thousands: 32 at a time, and its return does not push the others aside. */
static void a_large_server_comes_back_within_its_share(void **state)
{
	(void)state;
	enum { MANY = 8000 };
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, MANY + AROUND, 1 + AROUND);
	sim_server(&w, 0);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, i < MANY ? 0 : i - MANY + 1, NULL), 0);
	sim_run(&w, w.now + 10 * SIM_MIN);
	sim_counts(&w, &c);
	assert_true(c.online > MANY + AROUND - 100);
	set_mode(&w, 0, MANY, SIM_REFUSED);
	sim_run(&w, w.now + 3 * SIM_MIN);
	assert_int_equal(believed(&w, 0, MANY, PROBE_OFFLINE, PROBE_HOST_DOWN), MANY);
	set_mode(&w, 0, MANY, SIM_OK);
	for (int k = 0; k < 10 * 6; k++) {
		sim_run(&w, w.now + 10 * SIM_SEC);
		sim_counts(&w, &c);
		assert_true(c.late_us < SIM_SEC);
		assert_true(w.h[0].away <= 32);
	}
	assert_true(believed(&w, 0, MANY, PROBE_ONLINE, PROBE_CAUSE_NONE) > MANY - 100);
	sim_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_dead_host_are_said_at_once),
		cmocka_unit_test(all_come_back_soon_but_spread),
		cmocka_unit_test(a_blip_of_a_host_is_not_said),
		cmocka_unit_test(what_answers_is_not_folded),
		cmocka_unit_test(two_channels_are_judged_each_by_itself),
		cmocka_unit_test(three_channels_have_the_host_tried),
		cmocka_unit_test(a_stream_that_joins_a_dead_host_is_offline_with_it),
		cmocka_unit_test(a_restart_knows_which_hosts_were_down),
		cmocka_unit_test(the_scout_may_leave),
		cmocka_unit_test(a_large_server_comes_back_within_its_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
