/*
 * The same readings make the same anomalies, whenever ticks fall between them and wherever the hub
 * is started anew: with rules of every kind, late readings, clocks that are ahead, and memories
 * that were saved earlier than states.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule_bench.h"

#define RECORDS 1500
#define SEEDS 25
#define DEVICES COUNT_OF(bench_devices)

static const char rules[] =
	"  - {id: hot, when: t > 60.0, for: {night: 10m, else: 20m}, clear: t < 40.0, clear_for: "
	"5m" TITLE
	"  - {id: warm, when: t > 50.0, except: lorry, flap: {count: 3, within: 30m}" TITLE
	"  - {id: damp, when: h > 5.0, clear_for: 10m" TITLE
	"  - {id: street, when: t > 70.0, for: 5m, scope: grid" TITLE
	"  - {id: many, when: \"devices(t > 60.0, '30m') >= 2\", scope: grid, clear_for: 2m" TITLE
	"  - {id: often, when: \"count(t > 80.0, '30m') >= 2\"" TITLE
	"  - {id: long, when: \"count(t > 40.0, '20m') >= 1\", for: 25m" TITLE
	"  - {id: mean, when: \"avg(t, '20m') > 55.0\", clear_for: 3m, during: [night, "
	"weekend]" TITLE "  - {id: jump, when: t - prev.t > 50.0, for: 1m" TITLE
	"  - {id: both, when: \"last.h > 4.0 && t > 30.0 && within('night')\"" TITLE
	"  - {id: mute, silent: 3x" TITLE
	"  - {id: gone, silent: 40m, clear_for: 20m, except: night" TITLE
	"  - {id: wet, when: w > 5.0" TITLE
	"  - {id: drop, event: true, when: w > 3.0, except: lorry" TITLE;

struct record {
	const struct device *d;
	int64_t recv_us, at_us;
	double t, h, w; /* negative: it has none */
	bool start;	/* the hub is started anew before it */
};

struct life {
	struct bench b;
	struct record log[RECORDS];
	size_t done; /* records that have been judged */
	char *memory[DEVICES];
	size_t nmemory[DEVICES];
	uint64_t from_seq;
};

static double maybe(uint32_t *seed, unsigned of_eight, unsigned range)
{
	bool has = next_random(seed) % 8 < of_eight;
	double v = (double)(next_random(seed) % range);
	return has ? v : -1;
}

enum { MILD, WILD }; /* clocks: some are days off at times */

static void make_log(struct record *log, uint32_t seed)
{
	const uint32_t seed_kind = seed % 2;
	int64_t now = at(4, "11:30");
	for (size_t i = 0; i < RECORDS; i++) {
		struct record *r = &log[i];
		now += (int64_t)(1 + next_random(&seed) % (i % 60 ? 240 : 3500)) * TIMES_SEC;
		*r = (struct record){
			.d = &bench_devices[i < DEVICES ? i : next_random(&seed) % DEVICES],
			.recv_us = now,
			.at_us = now,
			.t = maybe(&seed, 6, 100),
			.h = maybe(&seed, 4, 10),
			.w = maybe(&seed, 1, 10)};
		unsigned clock = next_random(&seed) % 20;
		if (clock < 2)
			r->at_us -= (int64_t)(next_random(&seed) % 1200) * TIMES_SEC;
		else if (clock == 2)
			r->at_us += 30 * TIMES_SEC;
		else if (clock == 3 && seed_kind == WILD && next_random(&seed) % 10 == 0)
			r->at_us += ((int64_t)(next_random(&seed) % 7) - 3) * TIMES_DAY;
		r->start = next_random(&seed) % 40 == 0;
	}
}

static struct reading *reading_of(struct bench *b, const struct record *rec)
{
	struct reading *r = NULL;
	readings_reset(&b->readings);
	assert_int_equal(readings_add(&b->readings, slice_of(rec->d->address), &r), 0);
	const struct {
		struct slice name;
		double v;
	} fields[] = {{SL("t"), rec->t}, {SL("h"), rec->h}, {SL("w"), rec->w}};
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (fields[i].v >= 0)
			assert_int_equal(reading_put(&b->readings, r, fields[i].name,
						     VALUE_OF_DOUBLE(fields[i].v)),
					 0);
	return r;
}

/* ---- a start: states as of the last record, memories as they were saved some time before ---- */

static int keep_memory(void *ctx, const struct device *d, struct slice data)
{
	struct life *l = ctx;
	size_t i = (size_t)(d - bench_devices);
	free(l->memory[i]);
	l->memory[i] = slice_dup(data);
	l->nmemory[i] = data.n;
	return 0;
}

static void save_memory(struct life *l, uint32_t *other)
{
	size_t max = next_random(other) % (DEVICES + 1);
	assert_int_equal(
		rule_states_take_memory(l->b.s, INT64_MAX, max, keep_memory, l, &l->from_seq), 0);
}

static int64_t last_seen(const struct life *l, const struct device *d)
{
	for (size_t i = l->done; i-- > 0;)
		if (l->log[i].d == d)
			return l->log[i].recv_us;
	return 0;
}

static void start_anew(struct life *l)
{
	struct bench *b = &l->b;
	bench_restart(b);
	for (size_t i = 0; i < DEVICES; i++)
		if (l->memory[i])
			assert_int_equal(rule_states_restore_memory(
						 b->s, &bench_devices[i],
						 (struct slice){l->memory[i], l->nmemory[i]}, true),
					 0);
	for (size_t i = l->from_seq - 1; i < l->done; i++) {
		const struct record *rec = &l->log[i];
		rule_states_at(b->s, i + 1, rec->recv_us);
		assert_int_equal(rule_states_remember(b->s, rec->d, reading_of(b, rec), rec->at_us),
				 0);
	}
	for (size_t i = 0; i < DEVICES; i++)
		assert_int_equal(
			rule_states_watch(b->s, &bench_devices[i], last_seen(l, &bench_devices[i])),
			0);
}

enum { WITH_TICKS = 1, WITH_RESTARTS = 2 };

static void live_through(struct life *l, uint32_t seed, int how)
{
	struct bench *b = &l->b;
	uint32_t other = seed * 7 + 1;
	bench_new(b, rules);
	make_log(l->log, seed);
	l->from_seq = 1;
	for (size_t i = 0; i < DEVICES; i++)
		assert_int_equal(rule_states_watch(b->s, &bench_devices[i], 0), 0);
	for (size_t i = 0; i < RECORDS; i++, l->done++) {
		const struct record *rec = &l->log[i];
		int64_t before = i ? l->log[i - 1].recv_us : 0;
		if (rec->start && i > DEVICES) {
			if (how & WITH_RESTARTS)
				start_anew(l);
			/* a start is a gap, be it ever so short */
			assert_int_equal(rule_states_resume(b->s, NULL, before, before + 1), 0);
		}
		if (how & WITH_TICKS)
			for (unsigned n = next_random(&other) % 3; i && n; n--)
				tick(b, rec->recv_us - (rec->recv_us - before) / 4 * n);
		rule_states_at(b->s, i + 1, rec->recv_us);
		assert_int_equal(rule_states_eval(b->s, rec->d, reading_of(b, rec), rec->at_us,
						  bench_hear, b),
				 0);
		if (how & WITH_RESTARTS && next_random(&other) % 8 == 0)
			save_memory(l, &other);
	}
	tick(b,
	     l->log[RECORDS - 1].recv_us + TIMES_HOUR); /* the streams have not stalled by then */
}

static void life_done(struct life *l)
{
	bench_done(&l->b);
	for (size_t i = 0; i < DEVICES; i++)
		free(l->memory[i]);
	free(l);
}

static void all_kinds_of_rules_had_a_say(const struct bench *b)
{
	static const char *const words[] = {
		"fired hot",	   "fired warm",    "fired damp", "fired street", "fired many",
		"fired often",	   "fired long",    "fired mean", "fired jump",	  "fired both",
		"fired mute",	   "fired gone",    "fired wet",  "fired drop",	  "flapping",
		"recovered often", "recovered many"};
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (!strstr(buf_str(&b->heard), words[i]))
			fail_msg("%s: never", words[i]);
}

static void same(const struct bench *a, const struct bench *b, uint32_t seed, int how)
{
	const char *x = buf_str(&a->heard), *y = buf_str(&b->heard);
	size_t line = 0;
	for (size_t i = 0; x[i] && x[i] == y[i]; i++)
		line = x[i] == '\n' ? i + 1 : line;
	if (strcmp(x, y) != 0)
		fail_msg("seed %u, how %d:\n%.60s\ninstead of\n%.60s", seed, how, y + line,
			 x + line);
}

static void neither_ticks_nor_starts_change_the_result(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct life *plain = calloc(1, sizeof *plain);
		assert_non_null(plain);
		bench_reset_devices();
		for (size_t i = 0; i < DEVICES; i++)
			bench_devices[i].interval_us = 10 * TIMES_MIN;
		live_through(plain, seed, 0);
		assert_false(plain->b.heard.failed);
		if (seed == 1)
			all_kinds_of_rules_had_a_say(&plain->b);
		for (int how = WITH_TICKS; how <= (WITH_TICKS | WITH_RESTARTS); how++) {
			struct life *other = calloc(1, sizeof *other);
			assert_non_null(other);
			live_through(other, seed, how);
			same(&plain->b, &other->b, seed, how);
			life_done(other);
		}
		life_done(plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neither_ticks_nor_starts_change_the_result),
	};
	return cmocka_run_group_tests_name("rule_always", tests, NULL, NULL);
}
