/*
 * A day of a district of 17,000 streams, in seconds: media servers, recorders, cameras by
 * themselves; with what happens in a day. Each look and each belief is checked (plan_sim.h), and
 * every stream that works has shown a keyframe within its bound, whatever happens to the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIM_CHECK(condition) assert_true(condition)
#include "plan_sim.h"

#define STREAMS 17000
#define SERVERS 4 /* with 2,000 streams each */
#define SERVED 8000
#define RECORDERS 400  /* with 16 each */
#define RECORDED 14400 /* the first that is by itself */
#define HOSTS (SERVERS + RECORDERS + STREAMS - RECORDED + 1)

static uint32_t host_of(uint32_t i)
{
	if (i < SERVED)
		return i % SERVERS;
	if (i < RECORDED)
		return SERVERS + (i - SERVED) / 16;
	return SERVERS + RECORDERS + i - RECORDED;
}

static void district(struct sim *w, bool canary)
{
	sim_init(w, &sim_conf, STREAMS + 1, HOSTS);
	for (uint32_t h = 0; h < SERVERS; h++)
		sim_server(w, h);
	for (uint32_t i = 0; i < STREAMS; i++)
		assert_int_equal(sim_put(w, i, host_of(i), NULL), 0);
	w->s[STREAMS].canary = true;
	if (canary)
		assert_int_equal(sim_put(w, STREAMS, HOSTS - 1, NULL), 0);
}

static void set_mode(struct sim *w, uint32_t from, uint32_t to, enum sim_mode mode)
{
	for (uint32_t i = from; i < to; i++)
		w->s[i].mode = (uint8_t)mode;
}

/* Streams whose number is 5 below a multiple of 20 never work; the others are left alone but where
 * said. */
static bool never_works(uint32_t i)
{
	return i % 20 == 15;
}

static void some_never_work(struct sim *w)
{
	static const enum sim_mode modes[] = {SIM_NOT_FOUND, SIM_NO_PACKETS, SIM_SILENT,
					      SIM_NO_PACKETS};
	for (uint32_t i = 0; i < STREAMS; i++)
		if (never_works(i))
			w->s[i].mode = (uint8_t)modes[i / 20 % COUNT_OF(modes)];
}

static void hours(struct sim *w, int64_t n)
{
	sim_run(w, w->now + n * SIM_HOUR);
}

static void a_day_of_17000(void **state)
{
	(void)state;
	struct sim w;
	struct plan_counts c;
	const uint32_t bad = STREAMS / 20;
	district(&w, true);
	some_never_work(&w);
	hours(&w, 1);
	sim_counts(&w, &c);
	assert_int_equal(c.offline, bad);
	assert_int_equal(c.online, STREAMS - bad);
	uint64_t came = w.came_offline;
	hours(&w, 5);
	assert_int_equal(w.came_offline, came);		 /* none of the others, ever */
	set_mode(&w, SERVED, SERVED + 160, SIM_REFUSED); /* ten recorders for an hour */
	hours(&w, 1);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 10);
	assert_int_equal(c.offline, bad + 160 - 8);
	set_mode(&w, SERVED, SERVED + 160, SIM_OK);
	some_never_work(&w);
	hours(&w, 5);
	sim_counts(&w, &c);
	assert_int_equal(c.offline, bad);
	set_mode(&w, 0, SERVED, SIM_SILENT); /* all the servers: 47 % of all, but four hosts */
	hours(&w, 1);
	sim_counts(&w, &c);
	assert_int_equal(c.hosts_down, 4);
	set_mode(&w, 0, SERVED, SIM_OK);
	some_never_work(&w);
	hours(&w, 1);
	came = w.came_offline;
	set_mode(&w, 0, STREAMS, SIM_NO_PACKETS); /* our line, for ten minutes */
	sim_run(&w, w.now + 10 * SIM_MIN);
	sim_counts(&w, &c);
	assert_true(c.many_flipped);
	set_mode(&w, 0, STREAMS, SIM_OK);
	some_never_work(&w);
	hours(&w, 1);
	assert_int_equal(w.came_offline, came);
	sim_counts(&w, &c);
	assert_int_equal(c.offline, bad);
	assert_int_equal(c.online, STREAMS - bad);
	w.worst_gap = 0;
	for (uint32_t i = 0; i < STREAMS; i++)
		w.s[i].decided = w.now;
	hours(&w, 9);
	assert_true(w.worst_gap < 12 * 5 * SIM_MIN / 10 + 30 * SIM_SEC);
	print_message("%llu looks: %llu reach, %llu keyframe, %llu picture, %llu watch\n",
		      (unsigned long long)w.starts, (unsigned long long)w.looks[PROBE_REACH],
		      (unsigned long long)w.looks[PROBE_KEYFRAME],
		      (unsigned long long)w.looks[PROBE_PICTURE],
		      (unsigned long long)w.looks[PROBE_WATCH]);
	sim_done(&w);
}

/* Too few workers, or too few connects a second, for what is asked: all of it comes, only later. */
static void too_much_to_do_starves_nobody(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		struct sim w;
		struct plan_counts c;
		struct plan_conf conf = sim_conf;
		conf.connects_per_s = way ? 200 : 30; /* 57 would be needed for keyframes */
		sim_init(&w, &conf, STREAMS, STREAMS);
		w.slots = way ? 25 : 400;
		for (uint32_t i = 0; i < w.n; i++)
			assert_int_equal(sim_put(&w, i, i, NULL), 0);
		hours(&w, 2);
		sim_counts(&w, &c);
		assert_true(c.late_us > 10 * SIM_SEC);
		assert_true(c.reach_late_us > 10 * SIM_MIN);
		uint64_t reach = w.looks[PROBE_REACH];
		uint32_t least = UINT32_MAX, most = 0;
		for (uint32_t i = 0; i < w.n; i++)
			w.s[i].looks = 0;
		hours(&w, 2);
		for (uint32_t i = 0; i < w.n; i++) {
			least = MIN_OF(least, w.s[i].looks);
			most = MAX_OF(most, w.s[i].looks);
		}
		assert_true(least >= 8 && most <= least + 6);
		assert_int_equal(w.looks[PROBE_REACH], reach); /* these give way first */
		sim_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_17000),
		cmocka_unit_test(too_much_to_do_starves_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
