/* zeros: whatever goes in comes out again, and no bytes do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zeros.h"

static void through(struct slice data, size_t expected)
{
	auto_buf struct buf packed, back;
	buf_init(&packed, 1 << 20);
	buf_init(&back, 1 << 20);
	zeros_pack(data, &packed);
	assert_false(packed.failed);
	if (expected != SIZE_MAX)
		assert_int_equal(packed.n, expected);
	assert_int_equal(zeros_unpack(buf_slice(&packed), &back), 0);
	assert_true(slice_eq(buf_slice(&back), data));
}

static void what_goes_in_comes_out(void **state)
{
	(void)state;
	static char bytes[70000];
	through(SL(""), 0);
	through(SL("abc"), 3);
	through((struct slice){"\0", 1}, 2);
	through((struct slice){"a\0b", 3}, 4);
	through((struct slice){bytes, 255}, 2);
	through((struct slice){bytes, 256}, 4);
	through((struct slice){bytes, sizeof bytes}, SIZE_MAX);
	uint32_t x = 1;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < 3000; i++) {
			x = x * 1664525 + 1013904223;
			bytes[i] = (char)((x >> 16) % 3 < (unsigned)round % 3 ? x >> 24 : 0);
		}
		through((struct slice){bytes, (size_t)(x >> 8) % 3000}, SIZE_MAX);
	}
}

static void bad_bytes_are_refused(void **state)
{
	(void)state;
	auto_buf struct buf out;
	buf_init(&out, 100);
	assert_int_equal(zeros_unpack((struct slice){"ab\0", 3}, &out), -EINVAL);
	assert_int_equal(zeros_unpack((struct slice){"ab\0\0", 4}, &out), -EINVAL);
	buf_reset(&out);
	assert_int_equal(zeros_unpack((struct slice){"\0\xff", 2}, &out), -EINVAL); /* too long */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(bad_bytes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
