/* Rules of silence: by times of arrival, past gaps and stalled streams, over restarts and reloads.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "metrics.h"
#include "rule_bench.h"

#define THRICE "  - {id: mute, silent: 3x, flap: off" TITLE
#define TWO_HOURS "  - {id: mute, silent: 2h, flap: off" TITLE

static void watch(struct bench *b, const struct device *d, int64_t last_seen_us)
{
	assert_int_equal(rule_states_watch(b->s, d, last_seen_us), 0);
}

static void set_intervals(int64_t us)
{
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++)
		bench_devices[i].interval_us = us;
}

static void mute_bench(struct bench *b, const char *rules, int64_t now_us)
{
	bench_new(b, rules);
	rule_states_at(b->s, 1, now_us);
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++)
		watch(b, &bench_devices[i], 0);
}

/* ---- what is silent ---- */

static void three_intervals_without_a_word(void **state)
{
	(void)state;
	struct bench b;
	d1->interval_us = 10 * TIMES_MIN;
	mute_bench(&b, THRICE, at(2, "10:00"));
	say(&b, d1, at(2, "10:05"), NULL, 0);
	say(&b, d1, at(2, "10:20"), "t", 1);
	tick(&b, at(2, "10:49:59"));
	expect(&b, "");
	tick(&b, at(2, "11:30"));
	expect(&b, "fired mute d1 2 10:50:00 timer\n");
	bench_save(&b);
	assert_int_equal(b.nrows, 1);
	assert_string_equal(b.rows[0].fields, "{\"silent_min\":30}");
	say(&b, d1, at(2, "12:00"), NULL, 0);
	expect(&b, "recovered mute d1 2 12:00:00\n");
	tick(&b, at(2, "12:40"));
	expect(&b, "fired mute d1 2 12:30:00 timer\n");
	/* devices whose interval is not known are not watched */
	tick(&b, at(3, "12:40"));
	expect(&b, "");
	bench_done(&b);
}

static void the_device_s_own_clock_does_not_matter(void **state)
{
	(void)state;
	struct bench b;
	struct reading *r = NULL;
	mute_bench(&b, TWO_HOURS, at(2, "10:00"));
	readings_reset(&b.readings);
	assert_int_equal(readings_add(&b.readings, SL("d1"), &r), 0);
	rule_states_at(b.s, 2, at(2, "11:00"));
	assert_int_equal(rule_states_eval(b.s, d1, r, at(2, "03:00"), bench_hear, &b), 0);
	tick(&b, at(2, "12:59"));
	assert_null(strstr(buf_str(&b.heard), "d1"));
	tick(&b, at(2, "13:00"));
	assert_non_null(strstr(buf_str(&b.heard), "fired mute d1 2 13:00:00 timer"));
	bench_done(&b);
}

static void who_never_spoke_is_silent_since_it_is_watched(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, TWO_HOURS);
	watch(&b, d1, 0); /* before the first time is told */
	watch(&b, d2, at(2, "09:30"));
	tick(&b, at(2, "10:00"));
	expect(&b, "");
	watch(&b, d3, 0);
	tick(&b, at(2, "11:29"));
	watch(&b, d3, 0); /* again: nothing begins anew */
	tick(&b, at(2, "11:59"));
	expect(&b, "fired mute d2 2 11:30:00 timer\n");
	tick(&b, at(2, "12:00"));
	expect(&b, "fired mute d1 2 12:00:00 timer\nfired mute d3 2 12:00:00 timer\n");
	bench_done(&b);
}

static void when_chooses_among_devices(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b,
		   "  - {id: mute, silent: 2h, when: device.name == 'd2' && grid.code == 'g1', "
		   "flap: off" TITLE "  - {id: bins, class: bin, silent: 2h, flap: off" TITLE,
		   at(2, "10:00"));
	tick(&b, at(2, "15:00"));
	expect(&b, "fired mute d2 2 12:00:00 timer\n");
	d3->class = CLASS_BIN;
	watch(&b, d3, 0);
	say(&b, d3, at(2, "16:00"), NULL, 0);
	tick(&b, at(2, "18:00"));
	expect(&b, "fired bins d3 2 12:00:00 timer\nrecovered bins d3 2 16:00:00\n"
		   "fired bins d3 2 18:00:00 timer\n");
	bench_done(&b);
}

static void silence_waits_for_the_gate(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b, "  - {id: mute, silent: 30m, except: lorry, flap: off" TITLE,
		   at(2, "12:00"));
	say(&b, d1, at(2, "12:45"), NULL, 0);
	say(&b, d2, at(2, "12:45"), NULL, 0);
	expect(&b, "fired mute d1 2 12:30:00 timer\nfired mute d2 2 12:30:00 timer\n"
		   "fired mute d3 2 12:30:00 timer\nfired mute d4 2 12:30:00 timer\n"
		   "recovered mute d1 2 12:45:00\nrecovered mute d2 2 12:45:00\n");
	say(&b, d2, at(2, "14:10"), NULL, 0); /* silent at 13:15, behind the gate: passed over */
	tick(&b, at(2, "14:50"));
	expect(&b, "fired mute d1 2 14:30:00 timer\nfired mute d2 2 14:40:00 timer\n");
	bench_done(&b);
}

static void clear_for_wants_it_to_go_on_speaking(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b, "  - {id: mute, silent: 10m, clear_for: 30m, flap: off" TITLE,
		   at(2, "10:00"));
	say(&b, d2, at(2, "10:12"), NULL, 0);
	buf_reset(&b.heard);
	say(&b, d1, at(2, "10:20"), NULL, 0);
	tick(&b, at(2, "11:00")); /* silent again from 10:30 on */
	assert_null(strstr(buf_str(&b.heard), "d1"));
	for (int i = 0; i < 5; i++)
		say(&b, d1, at(2, "11:05") + i * 7 * TIMES_MIN, NULL, 0);
	tick(&b, at(2, "11:34:59"));
	assert_null(strstr(buf_str(&b.heard), "d1"));
	tick(&b, at(2, "11:35"));
	assert_non_null(strstr(buf_str(&b.heard), "recovered mute d1 2 11:35:00 timer"));
	tick(&b, at(2, "11:43"));
	assert_non_null(strstr(buf_str(&b.heard), "fired mute d1 2 11:43:00 timer"));
	bench_done(&b);
}

static void silence_flaps_too(void **state)
{
	(void)state;
	struct bench b;
	set_intervals(TIMES_MIN);
	mute_bench(&b, "  - {id: mute, silent: 3x, flap: {count: 2, within: 20m}" TITLE,
		   at(2, "10:00"));
	rule_states_forget(b.s, d2);
	rule_states_forget(b.s, d3);
	rule_states_forget(b.s, d4);
	say(&b, d1, at(2, "10:05"), NULL, 0);
	tick(&b, at(2, "10:09"));
	say(&b, d1, at(2, "10:10"), NULL, 0);
	for (int i = 1; i < 25; i++)
		say(&b, d1, at(2, "10:10") + i * TIMES_MIN, NULL, 0);
	expect(&b, "fired mute d1 2 10:03:00 timer\nrecovered mute d1 2 10:05:00\n"
		   "fired mute d1 2 10:08:00 timer flapping\n"
		   "recovered mute d1 2 10:30:00 timer flapping\n");
	bench_done(&b);
}

/* ---- nobody is silent because nothing could arrive ---- */

static void a_gap_is_no_silence(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b, TWO_HOURS, at(2, "10:00"));
	say(&b, d1, at(2, "10:30"), NULL, 0);
	assert_int_equal(rule_states_resume(b.s, "hub", at(2, "10:40"), at(2, "18:00")), 0);
	tick(&b, at(2, "18:00"));
	expect(&b, "fired mute d4 2 12:00:00 timer\n"); /* of another adapter */
	say(&b, d1, at(2, "18:30"), NULL, 0);
	tick(&b, at(2, "20:29"));
	expect(&b, "fired mute d2 2 20:00:00 timer\nfired mute d3 2 20:00:00 timer\n");
	assert_int_equal(rule_states_resume(b.s, NULL, at(2, "20:29"), at(2, "20:31")), 0);
	tick(&b, at(2, "22:30"));
	expect(&b, "");
	tick(&b, at(2, "22:31"));
	expect(&b, "fired mute d1 2 22:31:00 timer\n");
	bench_done(&b);
}

#define MANY 200
static struct device many[MANY];

static void many_devices(struct bench *b, const char *rules, int64_t now_us, size_t n)
{
	static char names[MANY][8];
	bench_new(b, rules);
	rule_states_at(b->s, 1, now_us);
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "m%zu", i);
		many[i] = *d1;
		many[i].id = 1000 + (int64_t)i;
		many[i].slot = (uint32_t)i;
		many[i].name = many[i].address = names[i];
		many[i].interval_us = 10 * TIMES_MIN;
		watch(b, &many[i], 0);
	}
}

/* Each of them every ten minutes, but for the first `silent`. */
static void all_speak(struct bench *b, int64_t from_us, int64_t to_us, size_t silent, size_t n)
{
	int64_t step = 10 * TIMES_MIN / (int64_t)n;
	for (int64_t us = from_us, i = 0; us < to_us; us += step, i++)
		if ((size_t)i % n >= silent)
			say(b, &many[(size_t)i % n], us, NULL, 0);
}

static void a_stalled_stream_is_no_silence(void **state)
{
	(void)state;
	struct bench b;
	struct err e = {0};
	uint64_t before = metric_get(M_SILENCE_STALLED);
	many_devices(&b, THRICE, at(2, "10:00"), MANY);
	all_speak(&b, at(2, "10:00"), at(2, "11:00"), 0, MANY);
	assert_false(rule_states_stalled(b.s, &e));
	tick(&b, at(2, "15:00")); /* nothing came since 11:00 */
	expect(&b, "");
	assert_true(rule_states_stalled(b.s, &e));
	assert_string_equal(e.msg, "adapter hub: nothing came for 1203 s");
	assert_false(rule_states_stalled(b.s, &e));
	assert_int_equal(metric_get(M_SILENCE_STALLED), before + 1);
	/* it comes again, but for two: those have another half hour */
	all_speak(&b, at(2, "15:00"), at(2, "15:20"), 2, MANY);
	expect(&b, "");
	all_speak(&b, at(2, "15:20"), at(2, "16:00"), 2, MANY);
	expect(&b, "fired mute m0 2 15:30:06 timer\nfired mute m1 2 15:30:06 timer\n");
	assert_false(rule_states_stalled(b.s, &e));
	bench_done(&b);
}

static void after_a_start_nothing_is_known_and_nobody_blamed(void **state)
{
	(void)state;
	struct bench b;
	many_devices(&b, THRICE, at(2, "10:00"), MANY);
	tick(&b, at(2, "12:00"));
	expect(&b, "");
	all_speak(&b, at(2, "12:00"), at(2, "12:29"), 5, MANY);
	expect(&b, "");
	bench_done(&b);
}

static void a_single_device_can_be_silent(void **state)
{
	(void)state;
	struct bench b;
	many_devices(&b, THRICE, at(2, "10:00"), 1);
	for (int i = 0; i < 100; i++) /* ten at a time */
		say(&b, &many[0], at(2, "10:00") + i / 10 * 10 * TIMES_MIN + i % 10 * TIMES_MS,
		    NULL, 0);
	tick(&b, at(2, "12:30"));
	expect(&b, "fired mute m0 2 12:00:00 timer\n");
	bench_done(&b);
}

static void a_few_that_stop_are_silent_each(void **state)
{
	(void)state;
	struct bench b;
	many_devices(&b, THRICE, at(2, "10:00"), 40);
	all_speak(&b, at(2, "10:00"), at(2, "11:00"), 0, 40);
	all_speak(&b, at(2, "11:00"), at(2, "12:00"), 3, 40);
	expect(&b, "fired mute m0 2 11:20:00 timer\nfired mute m1 2 11:20:15 timer\n"
		   "fired mute m2 2 11:20:30 timer\n");
	bench_done(&b);
}

/* ---- changes ---- */

static void changes_of_the_registry_are_followed(void **state)
{
	(void)state;
	struct bench b;
	set_intervals(10 * TIMES_MIN);
	mute_bench(&b, THRICE, at(2, "10:00"));
	rule_states_forget(b.s, d2);
	d3->interval_us = 20 * TIMES_MIN;
	watch(&b, d3, 0);
	d4->interval_us = 0;
	watch(&b, d4, 0);
	tick(&b, at(2, "10:59"));
	expect(&b, "fired mute d1 2 10:30:00 timer\n");
	d3->interval_us = 15 * TIMES_MIN; /* due at 10:45 then, which is over */
	watch(&b, d3, 0);
	tick(&b, at(2, "10:59"));
	expect(&b, "fired mute d3 2 10:45:00 timer\n");
	rule_states_forget(b.s, d1);
	bench_save(&b);
	assert_int_equal(b.nrows, 1);
	watch(&b, d1, 0); /* registered anew */
	tick(&b, at(2, "11:28"));
	expect(&b, "");
	tick(&b, at(2, "11:29"));
	expect(&b, "fired mute d1 2 11:29:00 timer\n");
	bench_done(&b);
}

static void a_device_that_changes_its_adapter_begins_anew(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b, TWO_HOURS, at(2, "10:00"));
	rule_states_at(b.s, 1, at(2, "11:00"));
	d1->adapter = d4->adapter;
	watch(&b, d1, 0);
	assert_int_equal(rule_states_resume(b.s, "hub", at(2, "11:00"), at(2, "11:30")), 0);
	tick(&b, at(2, "13:30"));
	expect(&b, "fired mute d4 2 12:00:00 timer\nfired mute d1 2 13:00:00 timer\n"
		   "fired mute d2 2 13:30:00 timer\nfired mute d3 2 13:30:00 timer\n");
	bench_done(&b);
}

static void use(struct bench *b, const char *rules, struct folder *ret)
{
	assert_int_equal(rule_states_use(b->s, bench_load(ret, rules), bench_hear, b), 0);
}

static void a_reload_goes_on_where_rules_are_the_same(void **state)
{
	(void)state;
	struct bench b;
	struct folder next, last;
	mute_bench(&b,
		   "  - {id: a, silent: 2h, flap: off" TITLE
		   "  - {id: b, silent: 1h, flap: off" TITLE,
		   at(2, "10:00"));
	rule_states_forget(b.s, d3);
	rule_states_forget(b.s, d4);
	say(&b, d1, at(2, "10:30"), NULL, 0);
	tick(&b, at(2, "11:15"));
	expect(&b, "fired b d2 2 11:00:00 timer\n");
	/* c is new and begins now; b and a change places */
	use(&b,
	    "  - {id: c, silent: 2h, flap: off" TITLE "  - {id: b, silent: 1h, flap: off" TITLE
	    "  - {id: a, silent: 2h, flap: off" TITLE,
	    &next);
	tick(&b, at(2, "13:14"));
	expect(&b, "fired b d1 2 11:30:00 timer\nfired a d2 2 12:00:00 timer\n"
		   "fired a d1 2 12:30:00 timer\n");
	tick(&b, at(2, "13:15"));
	expect(&b, "fired c d1 2 13:15:00 timer\nfired c d2 2 13:15:00 timer\n");
	use(&b, "  - {id: b, silent: 1h, flap: off" TITLE, &last);
	expect(&b, "recovered c d1 2 13:15:00 timer\nrecovered a d1 2 12:30:00 timer\n"
		   "recovered c d2 2 13:15:00 timer\nrecovered a d2 2 12:00:00 timer\n");
	say(&b, d1, at(2, "14:30"), NULL, 0);
	tick(&b, at(2, "15:30"));
	expect(&b, "recovered b d1 2 14:30:00\nfired b d1 2 15:30:00 timer\n");
	bench_done(&b);
	folder_done(&next);
	folder_done(&last);
}

static void what_was_silent_before_a_restart_recovers_after_it(void **state)
{
	(void)state;
	struct bench b;
	mute_bench(&b, TWO_HOURS, at(2, "10:00"));
	tick(&b, at(2, "12:00"));
	buf_reset(&b.heard);
	for (int watch_first = 0; watch_first < 2; watch_first++) {
		bench_restart(&b);
		rule_states_at(b.s, 1, at(2, "13:00"));
		watch(&b, d1, at(2, "09:00"));
		tick(&b, at(2, "16:00"));
		expect(&b, "");
	}
	say(&b, d1, at(2, "16:10"), NULL, 0);
	tick(&b, at(2, "18:30"));
	expect(&b, "recovered mute d1 2 16:10:00\nfired mute d1 2 18:10:00 timer\n");
	bench_done(&b);
}

/* ---- the hub's own clock ---- */

static void the_hub_s_clock_may_jump(void **state)
{
	(void)state;
	struct bench b;
	many_devices(&b, THRICE, at(10, "10:00"), MANY);
	all_speak(&b, at(10, "10:00"), at(10, "11:00"), 0, MANY);
	/* a day ahead: nobody is silent for that */
	all_speak(&b, at(11, "11:00"), at(11, "12:00"), 0, MANY);
	expect(&b, "");
	/* and back: silence is seen at once, not after a day */
	all_speak(&b, at(10, "12:00"), at(10, "13:00"), 1, MANY);
	expect(&b, "fired mute m0 10 12:30:03 timer\n");
	bench_done(&b);
}

/* ---- cost ---- */

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void watching_costs_less_than_100_bytes(void **state)
{
	(void)state;
	const size_t n = 117000;
	struct bench b;
	struct device *all = calloc(n, sizeof *all);
	assert_non_null(all);
	bench_new(&b, THRICE "  - {id: two, silent: 6h, flap: off" TITLE);
	rule_states_at(b.s, 1, at(2, "10:00"));
	size_t before = in_use();
	for (size_t i = 0; i < n; i++) {
		all[i] = *d1;
		all[i].id = (int64_t)i + 1;
		all[i].slot = (uint32_t)i;
		all[i].interval_us = 10 * TIMES_MIN;
		watch(&b, &all[i], 0);
		watch(&b, &all[i], 0);
	}
	size_t bytes = (in_use() - before) / (2 * n);
	print_message("%zu bytes a device and rule\n", bytes);
	assert_true(bytes < 100);
	/* a round of readings moves no timer */
	int64_t next = rule_states_next(b.s);
	for (size_t i = 0; i < n; i++) {
		rule_states_at(b.s, 2, at(2, "10:05"));
		assert_int_equal(rule_states_eval(b.s, &all[i], &(struct reading){0},
						  at(2, "10:05"), bench_hear, &b),
				 0);
	}
	assert_int_equal(rule_states_next(b.s), next);
	bench_done(&b);
	free(all);
}

/* ---- against the plainest way to say it ---- */

#define FLEET 40
#define STEPS 8000

/* Each rule of two sets; r1 is in both. */
static const struct plain_rule {
	const char *id;
	bool in[2];
	int64_t intervals, us;
} plain_rules[] = {{"r1", {true, true}, 3, 0},
		   {"r2", {true, false}, 0, 45 * TIMES_MIN},
		   {"r3", {false, true}, 0, 2 * TIMES_HOUR}};
#define RULES COUNT_OF(plain_rules)
static const char *const plain_sets[] = {
	"  - {id: r1, silent: 3x, flap: off" TITLE "  - {id: r2, silent: 45m, flap: off" TITLE,
	"  - {id: r3, silent: 2h, flap: off" TITLE "  - {id: r1, silent: 3x, flap: off" TITLE};

struct plain {
	struct bench b;
	struct folder sets[2];
	struct device
		fleet[FLEET + 2]; /* the last two speak all the time, so that nothing stalls */
	char names[FLEET + 2][8];
	bool watched[FLEET], fires[FLEET][RULES];
	int64_t heard[FLEET], floor[2], from[RULES], now;
	size_t set;
	struct buf want;
};

static void line(struct plain *p, enum anomaly_kind kind, size_t rule, size_t device, int64_t at_us)
{
	const struct rule r = {.id = plain_rules[rule].id};
	struct bench to = {.heard = p->want};
	struct anomaly a = {kind, &r, &p->fleet[device], at_us, NULL, {0}, false};
	bench_hear(&to, &a);
	p->want = to.heard;
}

static void plain_time_passes(struct plain *p)
{
	for (size_t d = 0; d < FLEET; d++) {
		for (size_t r = 0; r < RULES; r++) {
			const struct plain_rule *pr = &plain_rules[r];
			int64_t hold = pr->us + pr->intervals * p->fleet[d].interval_us;
			int64_t since = MAX_OF(p->heard[d], p->floor[d % 2]);
			since = MAX_OF(since, p->from[r]);
			if (!p->watched[d] || !pr->in[p->set] || p->fires[d][r] || !hold ||
			    since + hold > p->now)
				continue;
			p->fires[d][r] = true;
			line(p, ANOMALY_FIRED, r, d, since + hold);
		}
	}
}

static void plain_say(struct plain *p, size_t d)
{
	plain_time_passes(p);
	for (size_t r = 0; d < FLEET && r < RULES; r++) {
		if (p->fires[d][r])
			line(p, ANOMALY_RECOVERED, r, d, p->now);
		p->fires[d][r] = false;
	}
	if (d < FLEET)
		p->heard[d] = p->now;
	say(&p->b, &p->fleet[d], p->now, NULL, 0);
}

static void plain_watch(struct plain *p, size_t d)
{
	watch(&p->b, &p->fleet[d], 0);
	if (!p->watched[d])
		p->heard[d] = p->now;
	p->watched[d] = true;
}

static void plain_forget(struct plain *p, size_t d)
{
	rule_states_forget(p->b.s, &p->fleet[d]);
	p->watched[d] = false;
	memset(p->fires[d], 0, sizeof p->fires[d]);
}

static void plain_resume(struct plain *p, uint32_t which)
{
	static const char *const adapters[] = {"hub", "zigbee2mqtt", NULL};
	assert_int_equal(rule_states_resume(p->b.s, adapters[which], p->now - TIMES_MIN, p->now),
			 0);
	for (uint32_t i = 0; i < 2; i++)
		if (which == 2 || which == i)
			p->floor[i] = p->now;
}

static void plain_reload(struct plain *p)
{
	p->set = !p->set;
	assert_int_equal(rule_states_use(p->b.s, p->sets[p->set].set, bench_hear, &p->b), 0);
	buf_reset(&p->b.heard); /* what was lost recovers: tested above */
	for (size_t r = 0; r < RULES; r++) {
		if (plain_rules[r].in[0] && plain_rules[r].in[1])
			continue;
		p->from[r] = p->now;
		for (size_t d = 0; d < FLEET; d++)
			p->fires[d][r] = false;
	}
}

static void plain_step(struct plain *p, uint32_t *seed)
{
	static const int64_t intervals[] = {0, 5 * TIMES_MIN, 10 * TIMES_MIN, 30 * TIMES_MIN};
	size_t d = next_random(seed) % FLEET;
	unsigned what = next_random(seed) % 100;
	rule_states_at(p->b.s, 1, p->now);
	if (what < 6) {
		p->fleet[d].interval_us = intervals[next_random(seed) % COUNT_OF(intervals)];
		plain_watch(p, d);
	} else if (what < 9) {
		plain_forget(p, d);
	} else if (what < 12) {
		plain_watch(p, d);
	} else if (what < 13) {
		plain_resume(p, next_random(seed) % 3);
	} else if (what < 14) {
		plain_reload(p);
	}
	bool quiet = next_random(seed) % 4 == 0;
	plain_say(p, quiet ? FLEET + d % 2 : d);
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In one step the order is another: the plain way goes by device. */
static void same_lines(struct buf *a, struct buf *b, size_t step)
{
	char *v[2][2 * FLEET * RULES + 1];
	size_t n[2] = {0};
	for (int k = 0; k < 2; k++) {
		struct buf *from = k ? b : a;
		struct slice rest = buf_slice(from), one;
		while (rest.n && slice_cut(&rest, '\n', &one)) {
			char *copy = slice_dup(one), *timer = strstr(copy, " timer");
			if (timer)
				*timer = 0;
			v[k][n[k]++] = copy;
		}
		qsort(v[k], n[k], sizeof v[k][0], by_line);
		buf_reset(from);
	}
	for (size_t i = 0; i < MAX_OF(n[0], n[1]); i++)
		if (i >= n[0] || i >= n[1] || strcmp(v[0][i], v[1][i]) != 0)
			fail_msg("step %zu: %s instead of %s", step, i < n[1] ? v[1][i] : "nothing",
				 i < n[0] ? v[0][i] : "nothing");
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < n[k]; i++)
			free(v[k][i]);
}

static void changes_at_any_time_end_as_the_plain_way_does(void **state)
{
	(void)state;
	struct plain *p = calloc(1, sizeof *p);
	assert_non_null(p);
	uint32_t seed = 11;
	size_t lines = 0;
	bench_new(&p->b, plain_sets[0]);
	buf_init(&p->want, 1 << 20);
	for (size_t i = 0; i < 2; i++)
		bench_load(&p->sets[i], plain_sets[i]);
	p->now = at(2, "10:00");
	rule_states_at(p->b.s, 1, p->now);
	for (size_t d = 0; d < COUNT_OF(p->fleet); d++) {
		snprintf(p->names[d], sizeof p->names[d], "f%zu", d);
		p->fleet[d] = *d1;
		p->fleet[d].id = 100 + (int64_t)d;
		p->fleet[d].slot = (uint32_t)d;
		p->fleet[d].name = p->fleet[d].address = p->names[d];
		p->fleet[d].adapter = d % 2 ? "zigbee2mqtt" : "hub";
	}
	for (size_t step = 0; step < STEPS; step++) {
		p->now += (int64_t)(next_random(&seed) % 90) * TIMES_SEC;
		plain_step(p, &seed);
		lines += p->want.n > 0;
		same_lines(&p->want, &p->b.heard, step);
	}
	assert_true(lines > 500);
	for (size_t i = 0; i < 2; i++)
		folder_done(&p->sets[i]);
	buf_done(&p->want);
	bench_done(&p->b);
	free(p);
}

static void a_device_may_change_ever_so_often(void **state)
{
	(void)state;
	struct bench b;
	set_intervals(10 * TIMES_MIN);
	mute_bench(&b, THRICE, at(2, "10:00"));
	rule_states_forget(b.s, d4);
	size_t before = in_use();
	for (int i = 0; i < 200000; i++)
		watch(&b, d1, 0);
	assert_true(in_use() - before < 1 << 20);
	tick(&b, at(2, "11:00"));
	expect(&b, "fired mute d1 2 10:30:00 timer\nfired mute d2 2 10:30:00 timer\n"
		   "fired mute d3 2 10:30:00 timer\n");
	tick(&b, at(2, "12:00"));
	expect(&b, "");
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(three_intervals_without_a_word),
		TEST(the_device_s_own_clock_does_not_matter),
		TEST(who_never_spoke_is_silent_since_it_is_watched),
		TEST(when_chooses_among_devices),
		TEST(silence_waits_for_the_gate),
		TEST(clear_for_wants_it_to_go_on_speaking),
		TEST(silence_flaps_too),
		TEST(a_gap_is_no_silence),
		TEST(a_stalled_stream_is_no_silence),
		TEST(after_a_start_nothing_is_known_and_nobody_blamed),
		TEST(a_single_device_can_be_silent),
		TEST(a_few_that_stop_are_silent_each),
		TEST(changes_of_the_registry_are_followed),
		TEST(a_device_that_changes_its_adapter_begins_anew),
		TEST(a_reload_goes_on_where_rules_are_the_same),
		TEST(what_was_silent_before_a_restart_recovers_after_it),
		TEST(the_hub_s_clock_may_jump),
		TEST(watching_costs_less_than_100_bytes),
		TEST(changes_at_any_time_end_as_the_plain_way_does),
		TEST(a_device_may_change_ever_so_often),
	};
	return cmocka_run_group_tests_name("rule_silence", tests, NULL, NULL);
}
