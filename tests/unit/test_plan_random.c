/*
 * Whatever happens in whatever order, what plan_sim.h checks of each look and each belief holds;
 * the counts add up; and once all is well, every stream is looked at and online within its bound:
 * none is ever lost or starved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIM_CHECK(condition) assert_true(condition)
#include "plan_sim.h"

#define STREAMS 300
#define HOSTS 40

static uint32_t below(uint64_t *seed, uint32_t n)
{
	*seed += 1;
	return (uint32_t)(plan_mix(*seed) % n);
}

static uint32_t a_host(uint64_t *seed) /* some with very many streams, some with one or none */
{
	uint32_t a = below(seed, HOSTS), b = below(seed, HOSTS), c = below(seed, 3);
	return c ? a * b / HOSTS : a;
}

static enum sim_mode a_mode(uint64_t *seed)
{
	static const enum sim_mode modes[] = {SIM_OK,	      SIM_OK,	  SIM_OK,
					      SIM_REFUSED,    SIM_SILENT, SIM_NOT_FOUND,
					      SIM_NO_PACKETS, SIM_BUSY,	  SIM_SPOILT};
	return modes[below(seed, COUNT_OF(modes))];
}

/* The hub goes down and comes up with what it believed; looks under way are lost. */
static void restart(struct sim *w)
{
	plan_free(w->p);
	w->p = plan_new(&w->conf);
	assert_non_null(w->p);
	for (uint32_t i = 0; i < w->n; i++) {
		struct sim_stream *s = &w->s[i];
		struct plan_belief b = {s->believed, PROBE_NONE, s->cause, w->now};
		bool in = s->in;
		plan_heap_drop(&w->answers, i);
		if (s->away)
			w->h[s->slot].away -= !s->canary;
		s->away = s->stale = s->in = false;
		if (in)
			assert_int_equal(sim_put(w, i, s->host, &b), 0);
	}
	w->away = 0;
	w->now += w->conf.retry_us;
}

static void something_happens(struct sim *w, uint64_t *seed)
{
	uint32_t i = below(seed, STREAMS), h = a_host(seed);
	enum sim_mode mode = a_mode(seed);
	uint32_t kind = below(seed, 100);
	if (kind < 30) {
		w->s[i].mode = (uint8_t)mode;
	} else if (kind < 40) { /* a host as a whole */
		for (i = 0; i < STREAMS; i++)
			if (w->s[i].host == h)
				w->s[i].mode = (uint8_t)mode;
	} else if (kind < 60) {
		if (w->s[i].in)
			sim_remove(w, i);
		else
			assert_int_equal(sim_put(w, i, h, NULL), 0);
	} else if (kind < 80) {
		assert_int_equal(sim_put(w, i, h, NULL), 0);
	} else if (kind < 85) {
		w->s[i].suspect = !w->s[i].suspect;
	} else if (kind < 88) {
		w->s[STREAMS].mode = (uint8_t)mode; /* the canary */
	} else if (kind < 90) {
		w->abandon_every = below(seed, 2) ? 0 : 1 + below(seed, 5);
	} else if (kind < 92) {
		w->slots = 1 + below(seed, 60);
	} else if (kind < 93) {
		restart(w);
	} else if (kind < 95) { /* the city */
		for (i = 0; i < STREAMS; i++)
			w->s[i].mode = (uint8_t)mode;
	}
}

static void all_is_well(struct sim *w)
{
	struct plan_counts c;
	w->slots = 60;
	w->abandon_every = 0;
	for (uint32_t i = 0; i < w->n; i++) {
		w->s[i].mode = SIM_OK;
		w->s[i].suspect = false;
		if (!w->s[i].in)
			assert_int_equal(sim_put(w, i, i % HOSTS, NULL), 0);
	}
	sim_run(w, w->now + 45 * SIM_MIN); /* back-off and a fault's end included */
	sim_counts(w, &c);
	assert_int_equal(c.online, STREAMS);
	assert_int_equal(c.hosts_down, 0);
	assert_int_equal(c.doubted, 0);
	assert_int_equal(c.suspects, 0);
	assert_false(c.prober_at_fault);
	assert_true(c.late_us < SIM_SEC);
	for (uint32_t i = 0; i < STREAMS; i++)
		assert_true(w->now - w->s[i].decided < 8 * SIM_MIN);
	for (uint32_t i = 0; i < w->n; i++)
		sim_remove(w, i);
	sim_run(w, w->now + 20 * SIM_SEC);
	sim_counts(w, &c);
	assert_int_equal(c.streams + c.hosts + c.under_way + c.waiting + c.doubted, 0);
}

static void one_world(uint64_t seed, uint64_t *ret_looks)
{
	struct sim w;
	struct plan_conf conf = sim_conf;
	conf.connects_per_s = 5 + below(&seed, 40);
	conf.per_host = 1 + below(&seed, 3);
	conf.per_server = 1 + below(&seed, 30);
	conf.reach_every_us = below(&seed, 4) ? SIM_MIN : 0;
	conf.jitter_pct = below(&seed, 51);
	sim_init(&w, &conf, STREAMS + 1, HOSTS + 1);
	w.slots = 30;
	for (uint32_t h = 0; h < HOSTS; h += 7)
		sim_server(&w, h);
	w.s[STREAMS].canary = true;
	assert_int_equal(sim_put(&w, STREAMS, HOSTS, NULL), 0);
	uint32_t calm = below(&seed, 3) ? 30 : 3; /* s between two events */
	for (int k = 0; k < 1500; k++) {
		struct plan_counts c;
		something_happens(&w, &seed);
		sim_run(&w, w.now + below(&seed, 2 * calm) * SIM_SEC);
		if (k % 50 == 0)
			sim_counts(&w, &c);
	}
	all_is_well(&w);
	*ret_looks += w.starts;
	sim_done(&w);
}

static void the_promises_hold_whatever_happens(void **state)
{
	(void)state;
	uint64_t looks = 0;
	const char *from = getenv("PLAN_SEED"); /* to see one again */
	uint64_t first = from ? strtoull(from, NULL, 10) : 1;
	for (uint64_t k = first; k < first + (from ? 1 : 40); k++) {
		print_message("world %llu\n", (unsigned long long)k);
		one_world(k << 32, &looks);
	}
	print_message("%llu looks\n", (unsigned long long)looks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_promises_hold_whatever_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
