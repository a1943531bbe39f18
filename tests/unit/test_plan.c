/* When streams are looked at, and what is believed of them: each promise of plan.h by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIM_CHECK(condition) assert_true(condition)
#include "plan_sim.h"

static void every_stream_on_a_host_of_its_own(struct sim *w, const struct plan_conf *conf,
					      uint32_t n)
{
	sim_init(w, conf, n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(sim_put(w, i, i, NULL), 0);
}

static void first_looks_are_spread_over_the_period(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	uint64_t before = 0;
	every_stream_on_a_host_of_its_own(&w, &sim_conf, 3000);
	for (int minute = 0; minute < 5; minute++) {
		sim_run(&w, w.now + SIM_MIN);
		uint64_t made = w.looks[1] + w.looks[2] + w.looks[3] - before;
		before += made;
		assert_in_range(made, 500, 900); /* 600 of 3000; from 4 min on some again */
	}
	sim_run(&w, w.now + 12 * SIM_SEC); /* the last answers */
	sim_counts(&w, &c);
	assert_int_equal(c.online, 3000);
	assert_int_equal(c.offline, 0);
	/* a sixth of them are pictures, and some are watched: spread, too */
	assert_in_range(w.looks[PROBE_PICTURE], 350, 650);
	assert_in_range(w.looks[PROBE_WATCH], 60, 250);
	/* each host is reached once a minute */
	assert_in_range(w.looks[PROBE_REACH], 3000 * 3, 3000 * 5);
	assert_int_equal(w.snapshots, 0);
	sim_done(&w);
}

/* The looks of one stream, as they are made. */
static struct plan_look look_at(struct sim *w, int64_t *ret_at)
{
	struct plan_look look;
	int64_t wake;
	while (!plan_next(w->p, w->now, &look, &wake))
		w->now = wake;
	*ret_at = w->now;
	return look;
}

static enum plan_say meets(struct sim *w, int64_t id, enum sim_mode mode, bool suspect,
			   struct plan_belief *ret)
{
	struct probe_result r = {.id = id,
				 .state = sim_meets[mode].state,
				 .step = sim_meets[mode].step,
				 .cause = sim_meets[mode].cause};
	return plan_result(w->p, &r, suspect, w->now, ret, sim_tell, w);
}

static void one_stream(struct sim *w, const struct plan_belief *b)
{
	struct plan_conf conf = sim_conf;
	conf.reach_every_us = 0;
	sim_init(w, &conf, 1, 1);
	assert_int_equal(sim_put(w, 0, 0, b), 0);
}

/* The same, looked at once. Returns when. */
static int64_t one_that_is_online(struct sim *w, struct plan_belief *ret)
{
	int64_t at;
	one_stream(w, NULL);
	look_at(w, &at);
	meets(w, 1, SIM_OK, false, ret);
	return at;
}

static void offline_is_believed_after_two_retries_then_it_backs_off(void **state)
{
	(void)state;
	static const int64_t pauses[] = {15, 30, 60, 120, 300, 600, 600};
	struct sim w;
	struct plan_belief b;
	struct plan_look look;
	int64_t at, last, offline_at = 0;
	one_stream(&w, NULL);
	look_at(&w, &last);
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY);
	assert_int_equal(b.state, PROBE_ONLINE);
	look_at(&w, &last);
	for (size_t k = 0; k < COUNT_OF(pauses); k++) {
		enum plan_say say = meets(&w, 1, SIM_NO_PACKETS, false, &b);
		assert_int_equal(say, k < 2 ? PLAN_SAY_NOTHING : PLAN_SAY);
		assert_int_equal(b.state, k < 2 ? PROBE_ONLINE : PROBE_OFFLINE);
		if (k == 2)
			offline_at = w.now;
		look = look_at(&w, &at);
		assert_int_equal(look.depth, PROBE_KEYFRAME);
		assert_in_range(at - last, pauses[k] * SIM_SEC * (k < 2 ? 100 : 80) / 100,
				pauses[k] * SIM_SEC * 120 / 100);
		last = at;
	}
	assert_int_equal(b.cause, PROBE_NO_PACKETS);
	assert_int_equal(b.step, PROBE_SESSION);
	assert_int_equal(b.since_us, offline_at);
	/* and the first keyframe brings it back */
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY);
	assert_int_equal(b.state, PROBE_ONLINE);
	assert_int_equal(b.cause, PROBE_CAUSE_NONE);
	assert_int_equal(b.since_us, w.now);
	sim_done(&w);
}

static void a_blip_is_not_said(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief b;
	int64_t at;
	at = one_that_is_online(&w, &b);
	for (int k = 0; k < 20; k++) { /* every third look works */
		look_at(&w, &at);
		enum sim_mode mode = k % 3 == 2 ? SIM_OK : SIM_NO_PACKETS;
		assert_int_equal(meets(&w, 1, mode, false, &b),
				 mode == SIM_OK ? PLAN_SAY : PLAN_SAY_NOTHING);
		assert_int_equal(b.state, PROBE_ONLINE);
	}
	sim_done(&w);
}

static void busy_is_not_offline(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief b;
	int64_t at, seen;
	seen = one_that_is_online(&w, &b);
	for (int k = 0; k < 40; k++) {
		look_at(&w, &at);
		enum plan_say say = meets(&w, 1, SIM_BUSY, false, &b);
		assert_int_equal(say, k < 2 ? PLAN_SAY_NOTHING : PLAN_SAY);
		assert_int_equal(b.state, at - seen < 15 * SIM_MIN ? PROBE_ONLINE : PROBE_UNKNOWN);
		assert_int_equal(b.cause, k < 2 ? PROBE_CAUSE_NONE : PROBE_BUSY);
	}
	assert_int_equal(b.state, PROBE_UNKNOWN);
	/* a failure between busy ones begins a row of its own */
	for (int k = 0; k < 9; k++) {
		look_at(&w, &at);
		meets(&w, 1, k % 3 ? SIM_NO_PACKETS : SIM_BUSY, false, &b);
		assert_int_equal(b.state, PROBE_UNKNOWN);
	}
	/* and what was offline is not any more, when it has no session for us */
	for (int k = 0; k < 3; k++) {
		look_at(&w, &at);
		meets(&w, 1, SIM_NO_PACKETS, false, &b);
	}
	assert_int_equal(b.state, PROBE_OFFLINE);
	look_at(&w, &at);
	assert_int_equal(meets(&w, 1, SIM_BUSY, false, &b), PLAN_SAY);
	assert_int_equal(b.state, PROBE_UNKNOWN);
	sim_done(&w);
}

static void a_look_that_we_spoilt_accuses_nobody(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief b;
	int64_t at;
	at = one_that_is_online(&w, &b);
	for (int k = 0; k < 10; k++) {
		look_at(&w, &at);
		assert_int_equal(meets(&w, 1, SIM_SPOILT, false, &b),
				 k == 2 ? PLAN_SAY : PLAN_SAY_NOTHING);
		assert_int_equal(b.state, k < 2 ? PROBE_ONLINE : PROBE_UNKNOWN);
	}
	assert_int_equal(b.cause, PROBE_PROBER);
	look_at(&w, &at);
	meets(&w, 1, SIM_OK, false, &b);
	assert_int_equal(b.state, PROBE_ONLINE);
	sim_done(&w);
}

static void suspicion_promotes(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief b;
	struct plan_look look;
	int64_t at, last, watched = 0, n[4] = {0};
	one_stream(&w, NULL);
	look_at(&w, &last);
	meets(&w, 1, SIM_OK, true, &b);
	look = look_at(&w, &at);
	assert_true(at - last < 10 * SIM_SEC);
	assert_int_equal(look.depth, PROBE_WATCH);
	assert_true(look.snapshot);
	for (; at - last < 3 * SIM_HOUR; look = look_at(&w, &at)) {
		n[look.depth]++;
		if (look.depth == PROBE_WATCH) {
			assert_true(look.snapshot || !watched);
			assert_true(at - watched >= 30 * SIM_MIN);
			watched = at;
		}
		meets(&w, 1, SIM_OK, true, &b);
	}
	assert_int_equal(n[PROBE_KEYFRAME], 0); /* all are decoded while it lasts */
	assert_in_range(n[PROBE_PICTURE], 20, 40);
	assert_in_range(n[PROBE_WATCH], 5, 8);
	struct plan_counts c;
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.suspects, 1);
	/* a clean picture ends it */
	meets(&w, 1, SIM_OK, false, &b);
	n[PROBE_KEYFRAME] = 0;
	for (int k = 0; k < 24; k++) {
		look = look_at(&w, &at);
		assert_false(look.snapshot);
		n[look.depth]++;
		meets(&w, 1, SIM_OK, false, &b);
	}
	assert_in_range(n[PROBE_KEYFRAME], 17, 21);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.suspects, 0);
	sim_done(&w);
}

/* Fog: all are suspect; the schedule holds, and what is refused is counted. */
static void suspicion_is_bounded(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	every_stream_on_a_host_of_its_own(&w, &sim_conf, 4000);
	for (uint32_t i = 0; i < w.n; i++)
		w.s[i].suspect = true;
	sim_run(&w, w.now + 2 * SIM_HOUR);
	sim_counts(&w, &c);
	assert_int_equal(c.suspects, 4000 * 5 / 100);
	assert_true(c.suspects_refused > 1000);
	assert_true(w.snapshots >= 200 && w.snapshots <= 200 * 5);
	sim_done(&w);
}

static void a_restart_says_and_bursts_nothing(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, 4000, 4000);
	for (uint32_t i = 0; i < w.n; i++) {
		struct plan_belief b = {.state = i % 20 ? PROBE_ONLINE : PROBE_OFFLINE,
					.cause = i % 20 ? PROBE_CAUSE_NONE : PROBE_NO_PACKETS,
					.since_us = w.now - SIM_HOUR};
		w.s[i].mode = i % 20 ? SIM_OK : SIM_NO_PACKETS;
		assert_int_equal(sim_put(&w, i, i, &b), 0);
	}
	sim_counts(&w, &c);
	assert_int_equal(c.offline, 200);
	assert_int_equal(w.said, 0);
	for (int s = 0; s < 60; s++) {
		uint64_t before = w.starts;
		sim_run(&w, w.now + SIM_SEC);
		assert_in_range(w.starts - before, 40, 130); /* 80 a second: 67 reach, 13 more */
	}
	sim_run(&w, w.now + 10 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.offline, 200);
	assert_int_equal(c.unknown, 0);
	assert_int_equal(w.came_offline, 0);
	struct plan_belief b;
	assert_true(plan_believed(w.p, 1, &b));
	assert_true(b.since_us < w.now - SIM_HOUR); /* not since the restart */
	sim_done(&w);
}

static void a_look_that_was_not_made_comes_again(void **state)
{
	(void)state;
	struct sim w;
	int64_t at, again;
	one_stream(&w, NULL);
	look_at(&w, &at);
	for (int k = 0; k < 5; k++) {
		plan_abandon(w.p, 1, w.now);
		plan_abandon(w.p, 1, w.now); /* said twice: nothing */
		look_at(&w, &again);
		assert_int_equal(again - at, SIM_SEC);
		at = again;
	}
	sim_done(&w);
}

static void a_stream_may_leave_while_it_is_looked_at(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	struct plan_belief b;
	int64_t at;
	one_stream(&w, NULL);
	look_at(&w, &at);
	plan_remove(w.p, 1);
	plan_remove(w.p, 1);
	assert_int_equal(plan_count(w.p), 0);
	assert_false(plan_believed(w.p, 1, &b));
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.under_way, 1);
	assert_int_equal(c.hosts, 1); /* its session is still taken */
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY_NOTHING);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.under_way, 0);
	assert_int_equal(c.hosts, 0);
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY_NOTHING);
	/* out and in again: the old look's answer is not the new stream's */
	assert_int_equal(sim_put(&w, 0, 0, NULL), 0);
	look_at(&w, &at);
	plan_remove(w.p, 1);
	struct plan_stream other = {.id = 1, .host = "elsewhere:554"};
	assert_int_equal(plan_put(w.p, &other, NULL, w.now), 0);
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY_NOTHING);
	assert_int_equal(b.state, PROBE_UNKNOWN);
	look_at(&w, &at);
	assert_int_equal(meets(&w, 1, SIM_OK, false, &b), PLAN_SAY);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.streams, 1);
	assert_int_equal(c.hosts, 1);
	sim_done(&w);
}

static void another_host_is_looked_at_soon(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	struct plan_belief b;
	int64_t at, moved;
	at = one_that_is_online(&w, &b);
	moved = w.now;
	struct plan_stream other = {.id = 1, .host = "elsewhere:554"};
	assert_int_equal(plan_put(w.p, &other, NULL, w.now), 0);
	assert_int_equal(plan_put(w.p, &other, NULL, w.now), 0);
	look_at(&w, &at);
	assert_true(at - moved <= 15 * SIM_SEC);
	/* and while that look is under way, it moves on: the answer is void, the belief stays */
	other.host = "third:554";
	assert_int_equal(plan_put(w.p, &other, NULL, w.now), 0);
	assert_int_equal(meets(&w, 1, SIM_REFUSED, false, &b), PLAN_SAY_NOTHING);
	assert_int_equal(b.state, PROBE_ONLINE);
	look_at(&w, &at);
	meets(&w, 1, SIM_OK, false, &b);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.hosts, 1);
	sim_done(&w);
}

/* 10,000 times the same address, one session at a time: they queue, the others do not notice. */
static void identical_streams_stall_nobody(void **state)
{
	(void)state;
	enum { SAME = 10000, OTHERS = 500 };
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, SAME + OTHERS, 1 + OTHERS);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, i < SAME ? 0 : i - SAME + 1, NULL), 0);
	sim_run(&w, w.now + SIM_HOUR);
	sim_counts(&w, &c);
	assert_int_equal(c.offline, 0);
	assert_true(c.waiting > 5000);
	assert_true(c.late_us < SIM_SEC); /* nothing else waits */
	for (uint32_t i = SAME; i < w.n; i++) {
		assert_int_equal(w.s[i].believed, PROBE_ONLINE);
		assert_true(w.now - w.s[i].decided < 7 * SIM_MIN);
	}
	/* one after the other, none twice before all had their turn */
	uint32_t least = UINT32_MAX, most = 0;
	sim_run(&w, w.now + 5 * SIM_HOUR);
	for (uint32_t i = 0; i < SAME; i++) {
		least = MIN_OF(least, w.s[i].looks);
		most = MAX_OF(most, w.s[i].looks);
	}
	assert_true(least >= 1 && most <= least + 2);
	sim_done(&w);
}

static void too_many_streams_are_refused(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, PLAN_STREAMS_MAX + 1, 1000);
	for (uint32_t i = 0; i < PLAN_STREAMS_MAX; i++)
		assert_int_equal(sim_put(&w, i, i % 1000, NULL), 0);
	struct plan_stream more = {.id = -1, .host = "more:554"};
	assert_int_equal(plan_put(w.p, &more, NULL, w.now), -E2BIG);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.streams, PLAN_STREAMS_MAX);
	assert_int_equal(c.hosts, 1000);
	sim_remove(&w, 7);
	assert_int_equal(plan_put(w.p, &more, NULL, w.now), 0);
	for (uint32_t i = 0; i < PLAN_STREAMS_MAX; i++)
		sim_remove(&w, i);
	plan_remove(w.p, -1);
	plan_counts(w.p, w.now, &c);
	assert_int_equal(c.streams + c.hosts, 0);
	sim_done(&w);
}

static void a_clock_that_steps_back_stops_nothing(void **state)
{
	(void)state;
	struct sim w;
	struct plan_belief b;
	int64_t at, before;
	one_stream(&w, NULL);
	look_at(&w, &before);
	w.now -= SIM_HOUR;
	meets(&w, 1, SIM_OK, false, &b);
	assert_int_equal(b.since_us, w.now);
	look_at(&w, &at);
	assert_true(at < before - SIM_HOUR + 7 * SIM_MIN);
	sim_done(&w);
}

static void settings_change_while_it_runs(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	sim_init(&w, &sim_conf, 1000, 1);
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(sim_put(&w, i, 0, NULL), 0);
	sim_run(&w, w.now + 20 * SIM_MIN);
	sim_counts(&w, &c);
	assert_true(c.waiting > 300 && w.h[0].away == 1);
	w.conf.per_host = 20;
	w.h[0].limit = 20;
	plan_configure(w.p, &w.conf);
	sim_run(&w, w.now + 20 * SIM_MIN);
	sim_counts(&w, &c);
	assert_int_equal(c.online, 1000);
	assert_int_equal(c.waiting, 0);
	sim_done(&w);
}

static void levels_may_be_off(void **state)
{
	(void)state;
	struct sim w;
	struct plan_conf conf = sim_conf;
	conf.keyframe_every_us = conf.watch_every_us = 0;
	every_stream_on_a_host_of_its_own(&w, &conf, 10);
	w.s[3].mode = SIM_SILENT;
	sim_run(&w, w.now + SIM_HOUR);
	assert_true(w.looks[PROBE_REACH] > 9 * 45);
	assert_int_equal(w.s[3].believed, PROBE_OFFLINE); /* its retries are made all the same */
	assert_int_equal(w.looks[PROBE_PICTURE] + w.looks[PROBE_WATCH], 0);
	sim_done(&w);
	conf = sim_conf;
	conf.reach_every_us = conf.keyframe_every_us = 0;
	every_stream_on_a_host_of_its_own(&w, &conf, 10);
	sim_run(&w, w.now + 10 * SIM_HOUR);
	assert_in_range(w.looks[PROBE_WATCH], 10 * 4, 10 * 6);
	assert_int_equal(w.starts, w.looks[PROBE_WATCH]);
	sim_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_looks_are_spread_over_the_period),
		cmocka_unit_test(offline_is_believed_after_two_retries_then_it_backs_off),
		cmocka_unit_test(a_blip_is_not_said),
		cmocka_unit_test(busy_is_not_offline),
		cmocka_unit_test(a_look_that_we_spoilt_accuses_nobody),
		cmocka_unit_test(suspicion_promotes),
		cmocka_unit_test(suspicion_is_bounded),
		cmocka_unit_test(a_restart_says_and_bursts_nothing),
		cmocka_unit_test(a_look_that_was_not_made_comes_again),
		cmocka_unit_test(a_stream_may_leave_while_it_is_looked_at),
		cmocka_unit_test(another_host_is_looked_at_soon),
		cmocka_unit_test(identical_streams_stall_nobody),
		cmocka_unit_test(too_many_streams_are_refused),
		cmocka_unit_test(a_clock_that_steps_back_stops_nothing),
		cmocka_unit_test(settings_change_while_it_runs),
		cmocka_unit_test(levels_may_be_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
