/* Metrics whose labels are known at run time only: escaped, replaced as a whole, gone when old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics.h"
#include "times.h"

#define NAME "gridhub_probe_grid_streams"

static void put(struct slice grid, uint64_t v, size_t max, int64_t good_for_us)
{
	struct buf rows;
	const struct metric_label labels[] = {{"grid", grid}, {"state", SL("online")}};
	buf_init(&rows, max);
	metric_put_row(&rows, M_PROBE_GRID_STREAMS, labels, COUNT_OF(labels), v);
	metric_set_rows(M_PROBE_GRID_STREAMS, &rows, good_for_us);
	assert_null(rows.p);
}

static bool told(const char *what)
{
	auto_buf struct buf out;
	buf_init(&out, (size_t)1 << 20);
	metrics_write(&out);
	assert_false(out.failed);
	assert_non_null(strstr(buf_str(&out), "# TYPE " NAME " gauge\n"));
	return strstr(buf_str(&out), what);
}

static void rows_are_replaced(void **state)
{
	(void)state;
	assert_false(told("\n" NAME "{"));
	put(SL("qx"), 7, 1000, TIMES_HOUR);
	assert_true(told("\n" NAME "{grid=\"qx\",state=\"online\"} 7\n"));
	put(SL("yh"), 8, 1000, TIMES_HOUR);
	assert_true(told("\n" NAME "{grid=\"yh\",state=\"online\"} 8\n"));
	assert_false(told("grid=\"qx\""));
}

static void labels_are_escaped(void **state)
{
	(void)state;
	put(SL("a\"} 1\n\\尧"), 1, 1000, TIMES_HOUR);
	assert_true(told("\n" NAME "{grid=\"a\\\"} 1\\n\\\\尧\",state=\"online\"} 1\n"));
}

static void old_or_cut_rows_are_not_told(void **state)
{
	(void)state;
	put(SL("qx"), 7, 1000, 0);
	assert_false(told("\n" NAME "{"));
	put(SL("qx"), 7, 1000, TIMES_HOUR);
	assert_true(told("\n" NAME "{"));
	put(SL("a code that is too long for the room there is"), 7, 40, TIMES_HOUR);
	assert_false(told("\n" NAME "{"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_replaced),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(old_or_cut_rows_are_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
