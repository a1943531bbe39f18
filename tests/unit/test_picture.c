/* Measures of a luma plane: known planes, every odd size, nothing read beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "picture.h"

typedef int (*paint)(int x, int y, int arg);

static uint32_t noise_seed = 1;

static int a_level(int x, int y, int level)
{
	(void)x;
	(void)y;
	return level;
}

static int noise(int x, int y, int span)
{
	(void)x;
	(void)y;
	noise_seed = noise_seed * 1664525 + 1013904223;
	return 128 + (int)((noise_seed >> 16) % (uint32_t)span) - span / 2;
}

static int ramp_down(int x, int y, int w)
{
	(void)y;
	return 255 - 255 * x / w;
}

static int checks(int x, int y, int edge)
{
	return (x / edge + y / edge) % 2 ? 200 : 40;
}

/* The plane lies at the very end of its allocation, so that a sanitizer sees a byte too many. */
static struct probe_picture measure(paint fn, int arg, int w, int h, size_t stride, bool limited)
{
	struct probe_picture p;
	size_t size = stride * (size_t)(h - 1) + (size_t)w;
	uint8_t *luma = malloc(size);
	assert_non_null(luma);
	memset(luma, 77, size);
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			luma[(size_t)y * stride + (size_t)x] = (uint8_t)fn(x, y, arg);
	picture_measure(luma, stride, w, h, limited, &p);
	free(luma);
	return p;
}

static void one_level(void **state)
{
	(void)state;
	struct probe_picture p = measure(a_level, 16, 64, 48, 64, true);
	assert_true(p.mean == 0 && p.sd == 0 && p.sharpness == 0 && p.flat_pct == 100);
	assert_int_equal(p.n, 4 * 3);
	p = measure(a_level, 235, 64, 48, 64, true);
	assert_true(p.mean == 255);
	p = measure(a_level, 250, 64, 48, 64, true); /* beyond its range */
	assert_true(p.mean == 255 && p.block[11] == 255);
	p = measure(a_level, 3, 64, 48, 64, true);
	assert_true(p.mean == 0 && p.block[0] == 0);
	p = measure(a_level, 90, 64, 48, 80, false);
	assert_true(p.mean == 90 && p.block[0] == 90 && p.block[11] == 90);
	assert_true(p.dhash == 0);
}

static void known_values(void **state)
{
	(void)state;
	struct probe_picture p = measure(ramp_down, 900, 900, 80, 900, false);
	assert_true(p.dhash == UINT64_MAX); /* each cell darker than the one to its left */
	assert_true(p.mean > 126 && p.mean < 130);
	assert_true(p.sd > 73 && p.sd < 74.5); /* 255 / √12 */
	assert_true(p.flat_pct == 100 && p.sharpness < 1);
	/* 4-pixel checks: every other sample, so mean 120 and deviation 80; no block is flat */
	p = measure(checks, 4, 160, 160, 160, false);
	assert_true(p.mean == 120 && p.sd == 80 && p.flat_pct == 0);
	/* blocks of 16 are alternately 40 and 200 */
	p = measure(checks, 16, 160, 160, 160, false);
	assert_int_equal(p.block[0], 40);
	assert_int_equal(p.block[1], 200);
	assert_int_equal(p.block[10], 200);
	assert_true(p.flat_pct == 100);
}

static void detail_and_range(void **state)
{
	(void)state;
	double few = measure(noise, 8, 640, 360, 640, false).sharpness;
	noise_seed = 1;
	double many = measure(noise, 128, 640, 360, 640, false).sharpness;
	noise_seed = 1;
	double stretched = measure(noise, 128, 640, 360, 640, true).sharpness;
	/* uniform noise of a span s has the variance s²/12, its Laplacian 20 times that */
	assert_true(many > 0.9 * 20 * 128 * 128 / 12 && many < 1.1 * 20 * 128 * 128 / 12);
	assert_true(few > 80 && few < 140);
	assert_true(stretched / many > 1.35 && stretched / many < 1.36); /* (255/219)² */
}

static void every_odd_size(void **state)
{
	(void)state;
	for (int w = 1; w <= 70; w++)
		for (int h = 1; h <= 40; h++) {
			size_t stride = (size_t)w + (size_t)(h % 3) * 5;
			struct probe_picture p = measure(noise, 100, w, h, stride, w % 2);
			assert_int_equal(p.n, p.cols * p.rows);
			assert_int_equal(p.cols, (w + 15) / 16);
			assert_true(p.mean > 0 && p.sd >= 0 && p.sharpness >= 0);
			assert_true(p.flat_pct >= 0 && p.flat_pct <= 100);
		}
	static const int sizes[][2] = {{704, 576}, {1920, 1080}, {3840, 2160}, {1, 8000},
				       {9001, 3},  {16384, 1},	 {1, 16384},   {1023, 1025}};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		int w = sizes[i][0], h = sizes[i][1];
		struct probe_picture p = measure(checks, 3, w, h, (size_t)w + 7, true);
		assert_in_range(p.n, 1, PROBE_BLOCKS_MAX);
		assert_int_equal(p.n, p.cols * p.rows);
	}
}

static void what_is_no_picture(void **state)
{
	(void)state;
	uint8_t one[4] = {1, 2, 3, 4};
	struct probe_picture p;
	static const int sizes[][2] = {{0, 4}, {4, 0}, {-1, 4}, {4, -9}, {16385, 1}, {1, 16385}};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		picture_measure(one, 1 << 20, sizes[i][0], sizes[i][1], false, &p);
		assert_int_equal(p.n, 0);
	}
	picture_measure(one, 3, 4, 1, false, &p); /* lines that overlap */
	assert_int_equal(p.n, 0);
	picture_measure(one, 1, 1, 1, false, &p);
	assert_int_equal(p.n, 1);
	assert_true(p.mean == 1 && p.block[0] == 1);
}

static void compared(void **state)
{
	(void)state;
	assert_int_equal(picture_dhash_distance(0, UINT64_MAX), 64);
	assert_int_equal(picture_dhash_distance(0xff00, 0x0ff0), 8);
	struct probe_picture a = measure(a_level, 90, 64, 48, 64, false), b = a, none = {0};
	assert_int_equal(picture_block_diff(&a, &b), 0);
	b.block[11] = 81;
	b.block[3] = 92;
	assert_int_equal(picture_block_diff(&a, &b), 9);
	assert_int_equal(picture_block_diff(&b, &a), 9);
	assert_int_equal(picture_block_diff(&a, &none), -1);
	b.cols = 3;
	b.rows = 4; /* as many, but of another shape */
	assert_int_equal(picture_block_diff(&a, &b), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_level),	      cmocka_unit_test(known_values),
		cmocka_unit_test(detail_and_range),   cmocka_unit_test(every_odd_size),
		cmocka_unit_test(what_is_no_picture), cmocka_unit_test(compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
