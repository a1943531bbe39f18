/* Rules of silence while it is known that nothing can come, and while nothing does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule_bench.h"

#define TWO_HOURS "  - {id: mute, silent: 2h, flap: off" TITLE

static void watch_all(struct bench *b, int64_t now_us)
{
	bench_new(b, TWO_HOURS);
	rule_states_at(b->s, 1, now_us);
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++)
		assert_int_equal(rule_states_watch(b->s, &bench_devices[i], 0), 0);
}

static void nobody_is_silent_while_the_broker_is_away(void **state)
{
	(void)state;
	struct bench b;
	watch_all(&b, at(2, "10:00"));
	tick(&b, at(2, "11:00"));
	rule_states_lose(b.s, "hub");
	tick(&b, at(2, "18:00"));
	expect(&b, "fired mute d4 2 12:00:00 timer\n"); /* of another adapter */
	say(&b, d1, at(2, "18:30"), NULL, 0);		/* by another broker */
	tick(&b, at(2, "20:00"));
	rule_states_lose(b.s, "hub"); /* said again: nothing changes */
	tick(&b, at(2, "23:00"));
	expect(&b, "");
	assert_int_equal(rule_states_resume(b.s, "hub", at(2, "11:00"), at(2, "23:10")), 0);
	tick(&b, at(3, "01:09"));
	expect(&b, "");
	tick(&b, at(3, "01:10"));
	expect(&b, "fired mute d1 3 01:10:00 timer\nfired mute d2 3 01:10:00 timer\n"
		   "fired mute d3 3 01:10:00 timer\n");
	bench_done(&b);
}

static void all_may_be_lost(void **state)
{
	(void)state;
	struct bench b;
	watch_all(&b, at(2, "10:00"));
	rule_states_lose(b.s, NULL);
	tick(&b, at(2, "18:00"));
	expect(&b, "");
	assert_int_equal(rule_states_resume(b.s, NULL, at(2, "10:00"), at(2, "18:00")), 0);
	tick(&b, at(2, "20:00"));
	assert_non_null(strstr(buf_str(&b.heard), "fired mute d4 2 20:00:00 timer\n"));
	assert_non_null(strstr(buf_str(&b.heard), "fired mute d1 2 20:00:00 timer\n"));
	bench_done(&b);
}

static void what_was_silent_before_may_still_recover(void **state)
{
	(void)state;
	struct bench b;
	watch_all(&b, at(2, "10:00"));
	say(&b, d2, at(2, "11:30"), NULL, 0);
	tick(&b, at(2, "12:10"));
	assert_non_null(strstr(buf_str(&b.heard), "fired mute d1 2 12:00:00 timer\n"));
	buf_reset(&b.heard);
	rule_states_lose(b.s, "hub");
	say(&b, d1, at(2, "12:20"), NULL, 0);
	expect(&b, "recovered mute d1 2 12:20:00\n");
	bench_done(&b);
}

static void the_quiet_adapter_has_a_name(void **state)
{
	(void)state;
	struct bench b;
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++)
		bench_devices[i].interval_us = 5 * TIMES_MIN;
	watch_all(&b, at(2, "10:00"));
	for (int64_t us = at(2, "10:00"); us < at(2, "10:30"); us += TIMES_MIN)
		say(&b, d1, us, NULL, 0);
	for (int64_t us = at(2, "10:30"); us < at(2, "14:00"); us += TIMES_MIN)
		say(&b, d4, us, NULL, 0);
	assert_string_equal(rule_states_quiet(b.s), "hub");
	expect(&b, "");
	rule_states_lose(b.s, "hub");
	say(&b, d1, at(2, "14:00"), NULL, 0);
	assert_null(rule_states_quiet(b.s));
	bench_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_silent_while_the_broker_is_away),
		TEST(all_may_be_lost),
		TEST(what_was_silent_before_may_still_recover),
		TEST(the_quiet_adapter_has_a_name),
	};
	return cmocka_run_group_tests_name("rule_outage", tests, NULL, NULL);
}
