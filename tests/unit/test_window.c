/* window: how many requests one receiver may have under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "window.h"

#define QUICK (WINDOW_QUICK_US / 2)
#define SLOW (WINDOW_SLOW_US * 2)

static void begins_small_and_doubles_with_each_round(void **state)
{
	struct window w = {0};
	(void)state;
	size_t expected = WINDOW_FIRST;
	for (int round = 0; round < 4; round++) {
		size_t n = window_size(&w, 1000);
		assert_int_equal(n, expected);
		for (size_t i = 0; i < n; i++)
			window_answer(&w, true, QUICK);
		expected *= 2;
	}
	assert_int_equal(window_size(&w, 16), 16);
}

static void shrinks_on_failure_and_on_slowness_but_never_to_nothing(void **state)
{
	(void)state;
	for (int slow = 0; slow < 2; slow++) {
		struct window w = {.n = 16};
		window_answer(&w, slow, slow ? SLOW : QUICK);
		assert_int_equal(window_size(&w, 1000), 8);
		for (int i = 0; i < 20; i++)
			window_answer(&w, slow, slow ? SLOW : QUICK);
		assert_int_equal(window_size(&w, 1000), 1);
		window_answer(&w, true, QUICK);
		assert_int_equal(window_size(&w, 1000), 2);
	}
}

static void neither_quick_nor_slow_changes_nothing(void **state)
{
	struct window w = {.n = 8};
	(void)state;
	window_answer(&w, true, (WINDOW_QUICK_US + WINDOW_SLOW_US) / 2);
	assert_int_equal(window_size(&w, 1000), 8);
}

static void grows_to_an_end(void **state)
{
	struct window w = {0};
	(void)state;
	for (int i = 0; i < 100000; i++)
		window_answer(&w, true, QUICK);
	assert_true(w.n <= 4096);
	assert_int_equal(window_size(&w, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_small_and_doubles_with_each_round),
		cmocka_unit_test(shrinks_on_failure_and_on_slowness_but_never_to_nothing),
		cmocka_unit_test(neither_quick_nor_slow_changes_nothing),
		cmocka_unit_test(grows_to_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
