/* How fast a receiver may be sent to: exact limits, and a circuit that opens and closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pace.h"
#include "times.h"

static const struct pace_limit none[PACE_LIMITS];

static void no_more_than_n_in_any_span(void **state)
{
	(void)state;
	static const struct pace_limit robot[PACE_LIMITS] = {{20, TIMES_MIN}, {5, TIMES_SEC}};
	struct pace p;
	int64_t sent[2000], now = TIMES_DAY;
	size_t n = 0;
	assert_int_equal(pace_init(&p, robot), 0);
	for (; now < TIMES_DAY + 20 * TIMES_MIN && n < COUNT_OF(sent); now += 37 * TIMES_MS) {
		size_t k = pace_ready(&p, now, 100);
		for (size_t i = 0; i < k; i++) {
			pace_take(&p, now);
			sent[n++] = now;
		}
		int64_t next = pace_next(&p, now);
		assert_true(next >= now);
		assert_int_equal(pace_ready(&p, next, 100) > 0, true);
		assert_true(next == now || pace_ready(&p, next - 1, 100) == 0);
	}
	for (size_t i = 0; i + 20 < n; i++)
		assert_true(sent[i + 20] - sent[i] >= TIMES_MIN);
	for (size_t i = 0; i + 5 < n; i++)
		assert_true(sent[i + 5] - sent[i] >= TIMES_SEC);
	/* and all that is allowed does go: twenty at once, then twenty a minute */
	assert_in_range(n, 20 * 20, 21 * 20);
	pace_done(&p);
}

static void without_limits_all_goes(void **state)
{
	(void)state;
	struct pace p;
	assert_int_equal(pace_init(&p, none), 0);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(pace_ready(&p, 7, 64), 64);
		pace_take(&p, 7);
	}
	assert_int_equal(pace_next(&p, 7), 7);
	pace_done(&p);
}

static void fail_times(struct pace *p, int n, int64_t now)
{
	for (int i = 0; i < n; i++) {
		pace_take(p, now);
		bool turned = pace_answer(p, false, 0, 0, now);
		assert_int_equal(turned, i == PACE_FAILURES - 1);
	}
}

static void the_circuit_opens_and_one_trial_closes_it(void **state)
{
	(void)state;
	struct pace p;
	int64_t now = TIMES_HOUR;
	assert_int_equal(pace_init(&p, none), 0);
	fail_times(&p, PACE_FAILURES - 1, now);
	assert_int_equal(pace_ready(&p, now, 9), 9);
	assert_false(pace_answer(&p, true, 0, 0, now)); /* not in a row any more */
	fail_times(&p, PACE_FAILURES, now);
	assert_true(pace_open(&p));
	assert_int_equal(pace_ready(&p, now + PACE_OPEN_MIN_US - 1, 9), 0);
	now = pace_next(&p, now);
	assert_int_equal(pace_ready(&p, now, 9), 1);
	pace_take(&p, now);
	assert_int_equal(pace_ready(&p, now + TIMES_DAY, 9), 0); /* its answer is waited for */
	assert_false(pace_answer(&p, false, 0, 0, now));
	assert_true(pace_next(&p, now) - now >= 2 * PACE_OPEN_MIN_US);
	now = pace_next(&p, now);
	pace_take(&p, now);
	assert_true(pace_answer(&p, true, 0, 0, now));
	assert_int_equal(pace_ready(&p, now, 9), 9);
	pace_done(&p);
}

static void late_failures_of_others_do_not_lengthen_it(void **state)
{
	(void)state;
	struct pace p;
	int64_t now = TIMES_HOUR;
	assert_int_equal(pace_init(&p, none), 0);
	fail_times(&p, PACE_FAILURES, now);
	int64_t next = pace_next(&p, now);
	for (int i = 0; i < 50; i++)
		assert_false(pace_answer(&p, false, 0, 0, now + i));
	assert_int_equal(pace_next(&p, now), next);
	pace_done(&p);
}

static void the_wait_grows_and_has_an_end(void **state)
{
	(void)state;
	struct pace p;
	int64_t now = 0, wait = 0;
	assert_int_equal(pace_init(&p, none), 0);
	fail_times(&p, PACE_FAILURES, now);
	for (int i = 0; i < 12; i++) {
		int64_t next = pace_next(&p, now);
		assert_true(next - now >= wait);
		wait = next - now;
		now = next;
		pace_take(&p, now);
		(void)pace_answer(&p, false, 0, (uint64_t)i, now);
		if (i == 10)
			wait = 0; /* at its longest it differs by jitter */
	}
	assert_in_range(pace_next(&p, now) - now, PACE_OPEN_MAX_US,
			PACE_OPEN_MAX_US + PACE_OPEN_MAX_US / 5);
	pace_done(&p);
}

static void a_rest_that_was_asked_for_is_given(void **state)
{
	(void)state;
	struct pace p;
	assert_int_equal(pace_init(&p, none), 0);
	pace_take(&p, 0);
	(void)pace_answer(&p, true, 10 * TIMES_MIN, 0, 0);
	assert_int_equal(pace_ready(&p, 10 * TIMES_MIN - 1, 9), 0);
	assert_int_equal(pace_next(&p, 0), 10 * TIMES_MIN);
	assert_int_equal(pace_ready(&p, 10 * TIMES_MIN, 9), 9);
	pace_done(&p);
}

static void a_trial_that_was_broken_off_may_be_made_again(void **state)
{
	(void)state;
	struct pace p;
	assert_int_equal(pace_init(&p, none), 0);
	fail_times(&p, PACE_FAILURES, 0);
	int64_t now = pace_next(&p, 0);
	pace_take(&p, now);
	assert_int_equal(pace_ready(&p, now, 9), 0);
	pace_forget(&p);
	assert_int_equal(pace_ready(&p, now, 9), 1);
	pace_done(&p);
}

static void other_limits_inherit_what_was_sent(void **state)
{
	(void)state;
	static const struct pace_limit before[PACE_LIMITS] = {{20, TIMES_MIN}, {5, TIMES_SEC}};
	static const struct pace_limit after[PACE_LIMITS] = {{10, TIMES_MIN}};
	struct pace p, q, r;
	assert_int_equal(pace_init(&p, before), 0);
	assert_int_equal(pace_init(&q, after), 0);
	assert_int_equal(pace_init(&r, before), 0);
	for (int i = 0; i < 7; i++)
		pace_take(&p, TIMES_DAY + i * TIMES_SEC);
	pace_inherit(&q, &p);
	assert_int_equal(pace_ready(&q, TIMES_DAY + 10 * TIMES_SEC, 99), 3);
	assert_int_equal(pace_ready(&q, TIMES_DAY + 61 * TIMES_SEC, 99), 5);
	fail_times(&q, PACE_FAILURES, TIMES_DAY);
	pace_inherit(&r, &q);
	assert_true(pace_open(&r));
	assert_int_equal(pace_ready(&r, TIMES_DAY, 99), 0);
	pace_done(&p);
	pace_done(&q);
	pace_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_n_in_any_span),
		cmocka_unit_test(without_limits_all_goes),
		cmocka_unit_test(the_circuit_opens_and_one_trial_closes_it),
		cmocka_unit_test(late_failures_of_others_do_not_lengthen_it),
		cmocka_unit_test(the_wait_grows_and_has_an_end),
		cmocka_unit_test(a_rest_that_was_asked_for_is_given),
		cmocka_unit_test(other_limits_inherit_what_was_sent),
		cmocka_unit_test(a_trial_that_was_broken_off_may_be_made_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
