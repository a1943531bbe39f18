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
	assert_int_equal(p.n, 10 * 8); /* without the first and the last 16 lines */
	assert_int_equal(p.block[0], 200);
	assert_int_equal(p.block[1], 40);
	assert_int_equal(p.block[10], 40);
	assert_true(p.flat_pct == 100);
}

static int noisy_checks(int x, int y, int edge)
{
	return (noise(x, y, 40) - 128) / 2 + (checks(x, y, edge) + 80) / 2;
}

static int faint_checks(int x, int y, int edge)
{
	return 90 + checks(x, y, edge) / 8;
}

static int smooth_checks(int x, int y, int edge) /* a ramp instead of each step */
{
	int at = (x + y) % (2 * edge);
	return 40 + 160 * (at < edge ? at : 2 * edge - at) / edge;
}

static void noise_is_not_detail(void **state)
{
	(void)state;
	double few = measure(noise, 8, 640, 360, 640, false).noise;
	noise_seed = 1;
	struct probe_picture many = measure(noise, 128, 640, 360, 640, false);
	noise_seed = 1;
	double stretched = measure(noise, 128, 640, 360, 640, true).noise;
	/* uniform noise of a span s has the variance s²/12, its Laplacian 20 times that */
	assert_true(many.noise > 0.9 * 20 * 128 * 128 / 12 &&
		    many.noise < 1.1 * 20 * 128 * 128 / 12);
	assert_true(few > 80 && few < 140);
	assert_true(stretched / many.noise > 1.35 &&
		    stretched / many.noise < 1.36); /* (255/219)² */
	/* noise alone has no sharpness, nor does it take any away; neither does fainter light */
	struct probe_picture sharp = measure(checks, 24, 640, 360, 640, false);
	assert_true(sharp.sharpness > 100);
	assert_true(many.sharpness < 0.1 * sharp.sharpness);
	double noisy = measure(noisy_checks, 24, 640, 360, 640, false).sharpness;
	assert_true(noisy > 0.85 * sharp.sharpness && noisy < 1.15 * sharp.sharpness);
	double faint = measure(faint_checks, 24, 640, 360, 640, false).sharpness;
	assert_true(faint > 0.95 * sharp.sharpness && faint < 1.05 * sharp.sharpness);
	assert_true(measure(smooth_checks, 24, 640, 360, 640, false).sharpness <
		    0.35 * sharp.sharpness);
}

static int written_on_black(int x, int y, int h)
{
	return (y < h / 10 || y >= h - h / 10) && x % 7 < 3 ? 255 : 0;
}

static void what_a_camera_writes_does_not_count(void **state)
{
	(void)state;
	struct probe_picture p = measure(written_on_black, 576, 704, 576, 704, false);
	assert_true(p.mean == 0 && p.sd == 0 && p.flat_pct == 100 && p.sharpness == 0);
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(p.block[i], 0);
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
	assert_true(picture_block_same(&a, &b) == 100.0 * 10 / 12);
	assert_true(picture_block_same(&a, &a) == 100 && picture_block_same(&a, &none) == -1);
	assert_int_equal(picture_block_diff(&a, &none), -1);
	b.cols = 3;
	b.rows = 4; /* as many, but of another shape */
	assert_int_equal(picture_block_diff(&a, &b), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_level),
		cmocka_unit_test(known_values),
		cmocka_unit_test(noise_is_not_detail),
		cmocka_unit_test(what_a_camera_writes_does_not_count),
		cmocka_unit_test(every_odd_size),
		cmocka_unit_test(what_is_no_picture),
		cmocka_unit_test(compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
