/* What is usual for one camera: when there is one, what teaches it and what does not, and what is
 * said beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "baseline.h"
#include "json.h"
#include "times.h"

#define MINUTES (30 * TIMES_MIN)
#define COLS 32
#define ROWS 18

enum view { STREET = 1, STREET_BY_NIGHT, ELSEWHERE };

struct camera {
	struct baseline *b;
	int64_t now_us;
	bool night, ptz, changed;
	struct json *said;
	uint32_t looks;
};

static int begin(void **state)
{
	struct camera *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->b = baseline_new();
	assert_non_null(c->b);
	c->now_us = 1000 * TIMES_DAY;
	*state = c;
	return 0;
}

static int end(void **state)
{
	struct camera *c = *state;
	baseline_free(c->b);
	json_free(c->said);
	free(c);
	return 0;
}

/* Each view is another pattern of bright and dark; a car stands in it in every other look, and each
 * look has its noise. */
static void show(struct probe_picture *p, enum view view, uint32_t look)
{
	p->cols = COLS;
	p->rows = ROWS;
	p->n = COLS * ROWS;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t cell = i / COLS / 2 * 16 + i % COLS / 2;
		uint32_t mixed = (cell + 1) * 2654435761u * (uint32_t)view;
		p->block[i] = (uint8_t)(60 + (mixed >> 12) % 60);
		bool car = i / COLS < 2 && i % COLS < 2;
		p->block[i] = (uint8_t)(p->block[i] + (car ? look % 2 * 40 : (i + look) % 2));
	}
}

/* A good look; each brings a keyframe of its own. */
static struct probe_result street(const struct camera *c, enum probe_depth depth)
{
	struct probe_result r;
	probe_result_init(&r);
	r.depth = depth;
	r.state = PROBE_ONLINE;
	r.step = PROBE_GOT_KEYFRAME;
	r.stream = (struct probe_stream){.codec = "h264",
					 .width = 704,
					 .height = 576,
					 .i_per_mb = 20,
					 .p_tail_per_mb = -1,
					 .p_p05_per_mb = -1,
					 .p_p50_per_mb = -1,
					 .ts_jump_s = -1,
					 .keyframe_hash = 7000 + c->looks};
	if (depth == PROBE_WATCH) {
		r.stream.fps = 25;
		r.stream.gop = 50;
		r.stream.bitrate_kbps = 2000;
		r.stream.ts_jump_s = 0;
	}
	if (depth >= PROBE_PICTURE) {
		r.picture = (struct probe_picture){.mean = c->night ? 50 : 110,
						   .sd = 40,
						   .flat_pct = 20,
						   .sharpness = c->night ? 20 : 40,
						   .noise = c->night ? 900 : 300,
						   .dhash = 7};
		show(&r.picture, c->night ? STREET_BY_NIGHT : STREET, c->looks);
	}
	return r;
}

static void judge(struct camera *c, struct probe_result *r)
{
	static const struct json_limits limits = {.max_bytes = 8192, .max_depth = 2};
	auto_buf struct buf out;
	buf_init(&out, 8192);
	c->now_us += MINUTES;
	c->looks++;
	baseline_judge(c->b, r, c->now_us, c->night, c->ptz, &out, &c->changed);
	json_free(c->said);
	assert_int_equal(json_parse(buf_slice(&out), &limits, NULL, &c->said), 0);
	probe_result_done(r);
}

static void good_looks(struct camera *c, enum probe_depth depth, int n)
{
	while (n-- > 0) {
		struct probe_result r = street(c, depth);
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
	}
}

/* -999: it is not said. */
static double said(const struct camera *c, const char *name)
{
	const struct json *v = json_get(c->said, name);
	return v ? json_double(v) : -999;
}

static bool is_said(const struct camera *c, const char *name)
{
	return json_get(c->said, name) != NULL;
}

static void reload(struct camera *c)
{
	auto_buf struct buf text, again;
	buf_init(&text, BASELINE_BYTES_MAX);
	buf_init(&again, BASELINE_BYTES_MAX);
	baseline_json(c->b, &text);
	assert_false(text.failed);
	baseline_accept(c->b);
	assert_int_equal(baseline_load(c->b, buf_slice(&text)), 0);
	baseline_json(c->b, &again);
	assert_string_equal(buf_str(&text), buf_str(&again));
}

static void nothing_is_usual_at_first(void **state)
{
	struct camera *c = *state;
	for (int i = 0; i < 5; i++) {
		good_looks(c, PROBE_PICTURE, 1);
		assert_false(is_said(c, "baseline_sharpness"));
		assert_true(c->changed);
		reload(c);
	}
	good_looks(c, PROBE_PICTURE, 1);
	assert_true(said(c, "baseline_sharpness") == 40 && said(c, "sharpness") == 40);
	assert_true(said(c, "view_match") >= 95 && said(c, "dhash_distance") == 0 &&
		    said(c, "block_diff") == 40);
	assert_string_equal(json_str(json_get(c->said, "baseline_codec")).p, "h264");
	assert_true(said(c, "baseline_width") == 704 && said(c, "baseline_height") == 576);
	good_looks(c, PROBE_WATCH, 3);
	assert_false(is_said(c, "baseline_fps"));
	good_looks(c, PROBE_WATCH, 1);
	assert_true(said(c, "baseline_fps") == 25 && said(c, "baseline_gop") == 50 &&
		    said(c, "baseline_bitrate_kbps") == 2000);
	/* it is the stream that the glances see: so is its sharpness */
	assert_true(said(c, "baseline_sharpness") == 40);
}

static void what_is_said_of_failures(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	struct probe_result r;
	probe_result_init(&r);
	r.state = PROBE_OFFLINE;
	r.depth = PROBE_PICTURE;
	r.step = PROBE_CONNECTED;
	r.cause = PROBE_UNAUTHORISED;
	r.at.connected = 1500;
	judge(c, &r);
	assert_false(json_bool(json_get(c->said, "online")));
	assert_true(is_said(c, "online") && said(c, "connect_ms") == 1.5 &&
		    !is_said(c, "session_ms"));
	assert_string_equal(json_str(json_get(c->said, "cause")).p, "unauthorised");
	assert_string_equal(json_str(json_get(c->said, "substate")).p, "connected");
	assert_false(is_said(c, "codec") || is_said(c, "luma_mean") ||
		     is_said(c, "baseline_codec"));
	assert_false(c->changed || baseline_suspect(c->b));
	r.state = PROBE_UNKNOWN;
	r.cause = PROBE_BUSY;
	judge(c, &r);
	assert_false(is_said(c, "online"));
	good_looks(c, PROBE_PICTURE, 1);
	assert_true(said(c, "baseline_sharpness") == 40 && !is_said(c, "cause"));
	good_looks(c, PROBE_KEYFRAME, 1);
	assert_true(json_bool(json_get(c->said, "online")) && said(c, "i_per_mb") == 20 &&
		    !is_said(c, "luma_mean"));
}

/* Each makes a good street bad; it must be suspicious at once, and teach nothing however long it
 * lasts. */
static void blacken(struct probe_result *r)
{
	r->picture.mean = 1;
	r->picture.sd = 0.5;
	r->picture.sharpness = 1;
}

static void blur(struct probe_result *r)
{
	r->picture.sharpness = 8;
}

static void snow(struct probe_result *r)
{
	r->picture.noise = 9000;
}

static void turn(struct probe_result *r)
{
	show(&r->picture, ELSEWHERE, (uint32_t)r->stream.keyframe_hash);
}

static void solid(struct probe_result *r)
{
	r->stream.i_per_mb = 0.3;
}

static void recode(struct probe_result *r)
{
	memcpy(r->stream.codec, "hevc", 5);
}

static void nothing_bad_teaches(void **state)
{
	struct camera *c = *state;
	static void (*const spoil[])(struct probe_result *) = {blacken, blur,  snow,
							       turn,	solid, recode};
	for (size_t i = 0; i < COUNT_OF(spoil); i++) {
		baseline_accept(c->b);
		good_looks(c, PROBE_PICTURE, 6);
		for (int n = 0; n < 500; n++) {
			struct probe_result r = street(c, PROBE_PICTURE);
			spoil[i](&r);
			judge(c, &r);
			assert_int_equal(baseline_suspect(c->b), n < BASELINE_SUSPECT_LOOKS);
		}
		reload(c);
		good_looks(c, PROBE_PICTURE, 1);
		assert_true(said(c, "baseline_sharpness") == 40 &&
			    said(c, "baseline_noise") == 300);
		assert_true(said(c, "view_match") >= 95);
		assert_string_equal(json_str(json_get(c->said, "baseline_codec")).p, "h264");
	}
}

static void another_format_is_not_compared(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	struct probe_result r = street(c, PROBE_PICTURE);
	r.stream.width = 1920;
	r.stream.height = 1080;
	r.picture.sharpness = 9;
	show(&r.picture, ELSEWHERE, c->looks);
	judge(c, &r);
	assert_true(said(c, "width") == 1920 && said(c, "baseline_width") == 704);
	assert_true(baseline_suspect(c->b));
	assert_false(is_said(c, "baseline_sharpness") || is_said(c, "view_match"));
	baseline_accept(c->b);
	for (int i = 0; i < 6; i++) {
		r = street(c, PROBE_PICTURE);
		r.stream.width = 1920;
		judge(c, &r);
	}
	assert_true(said(c, "baseline_width") == 1920 && said(c, "baseline_sharpness") == 40);
}

static void a_large_stream_of_its_own(void **state)
{
	struct camera *c = *state;
	struct probe_result r;
	good_looks(c, PROBE_PICTURE, 6);
	for (int i = 0; i < 6; i++) {
		r = street(c, PROBE_WATCH);
		r.stream.width = 1920;
		r.stream.height = 1080;
		r.picture.sharpness = 10;
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
		assert_int_equal(is_said(c, "baseline_sharpness"), i == 5);
	}
	assert_true(said(c, "baseline_width") == 1920 && said(c, "baseline_sharpness") == 10);
	good_looks(c, PROBE_PICTURE, 1);
	assert_true(said(c, "baseline_width") == 704 && said(c, "baseline_sharpness") == 40);
	/* the small stream takes the place of the large one */
	r = street(c, PROBE_WATCH);
	judge(c, &r);
	assert_true(said(c, "baseline_width") == 1920 && baseline_suspect(c->b));
	/* a change in the middle of a watch that saw the same stream at first is no second stream
	 */
	baseline_accept(c->b);
	good_looks(c, PROBE_PICTURE, 2);
	good_looks(c, PROBE_WATCH, 1);
	r = street(c, PROBE_WATCH);
	recode(&r);
	judge(c, &r);
	judge(c, &r);
	assert_string_equal(json_str(json_get(c->said, "baseline_codec")).p, "h264");
}

static void a_season_is_followed_and_dirt_is_not(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	double v = 40;
	for (int i = 0; i < 4000; i++) {
		v = 40 - 20.0 * i / 4000;
		struct probe_result r = street(c, PROBE_PICTURE);
		r.picture.sharpness = v;
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
	}
	assert_true(said(c, "baseline_sharpness") < 1.05 * v);
	for (int i = 0; i < 40000; i++) { /* down to 2 within two years */
		struct probe_result r = street(c, PROBE_PICTURE);
		r.picture.sharpness = v * (1 - 0.9 * i / 40000);
		judge(c, &r);
	}
	assert_true(said(c, "baseline_sharpness") >= 40 / 2.5 - 0.01); /* so that it is a fault */
	assert_true(said(c, "sharpness") < 0.25 * said(c, "baseline_sharpness"));
}

/* From one view to another, a part in a thousand a look. */
static void leaves_fall(void **state)
{
	struct camera *c = *state;
	struct probe_picture from = {0}, to = {0};
	good_looks(c, PROBE_PICTURE, 40);
	show(&from, STREET, 0);
	show(&to, ELSEWHERE, 0);
	for (int i = 0; i <= 1000; i++) {
		struct probe_result r = street(c, PROBE_PICTURE);
		for (size_t k = 0; k < from.n; k++)
			r.picture.block[k] =
				(uint8_t)((from.block[k] * (1000 - i) + to.block[k] * i) / 1000);
		r.picture.block[0] = (uint8_t)(c->looks % 2 * 50);
		judge(c, &r);
		assert_true(i < 10 || said(c, "view_match") >= 70);
	}
	struct probe_result r = street(c, PROBE_PICTURE); /* as it was in summer */
	judge(c, &r);
	assert_true(said(c, "view_match") < 55);
}

static void night_is_another_picture(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	c->night = true;
	struct probe_result r = street(c, PROBE_PICTURE); /* 20:00, and it is still light */
	show(&r.picture, STREET, c->looks);
	r.picture.sharpness = 40;
	r.picture.noise = 300;
	judge(c, &r);
	assert_true(said(c, "view_match") >= 95 && said(c, "baseline_sharpness") == 40);
	good_looks(c, PROBE_PICTURE, 6);
	assert_true(said(c, "baseline_sharpness") == 20 && said(c, "baseline_noise") == 900);
	assert_true(said(c, "view_match") >= 95);
	c->night = false; /* 04:30, and infrared is still on */
	r = street(c, PROBE_PICTURE);
	show(&r.picture, STREET_BY_NIGHT, c->looks);
	r.picture.sharpness = 20;
	r.picture.noise = 900;
	judge(c, &r);
	assert_false(baseline_suspect(c->b));
	assert_true(said(c, "view_match") >= 95 && said(c, "baseline_sharpness") == 20);
}

/* The same view by night, dimmer and without detail: nothing of the night is usual yet. */
static void a_first_night(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	c->night = true;
	for (int i = 0; i < 6; i++) {
		struct probe_result r = street(c, PROBE_PICTURE);
		show(&r.picture, STREET, c->looks);
		r.picture.sharpness = 12;
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
		assert_int_equal(is_said(c, "baseline_sharpness"), i == 5);
	}
	assert_true(said(c, "baseline_sharpness") == 12);
}

static void views(void **state)
{
	struct camera *c = *state;
	for (int i = 0; i < 5; i++) {
		good_looks(c, PROBE_PICTURE, 1);
		assert_false(is_said(c, "view_match"));
	}
	struct probe_result r = street(c, PROBE_PICTURE);
	for (size_t i = 0; i < r.picture.n; i++) /* dimmer, and of less contrast */
		r.picture.block[i] = (uint8_t)(20 + r.picture.block[i] / 3);
	judge(c, &r);
	assert_true(said(c, "view_match") >= 90 && !baseline_suspect(c->b));
	r = street(c, PROBE_PICTURE);
	for (size_t i = 0; i < r.picture.n; i++) /* a board before the left half */
		if (i % COLS < COLS / 2)
			r.picture.block[i] = 30;
	judge(c, &r);
	assert_true(said(c, "view_match") < 50 && baseline_suspect(c->b));
	r = street(c, PROBE_PICTURE);
	show(&r.picture, ELSEWHERE, c->looks);
	judge(c, &r);
	assert_true(said(c, "view_match") < 30 && baseline_suspect(c->b));
	r = street(c, PROBE_PICTURE);
	memset(r.picture.block, 90, r.picture.n); /* nothing to be seen: no view at all */
	judge(c, &r);
	assert_false(is_said(c, "view_match"));
	c->ptz = true; /* a dome is looked at, but never moved */
	r = street(c, PROBE_PICTURE);
	show(&r.picture, ELSEWHERE, c->looks);
	judge(c, &r);
	assert_true(!is_said(c, "view_match") && json_bool(json_get(c->said, "ptz")));
	assert_false(baseline_suspect(c->b));
}

static void still_and_same(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	struct probe_result r = street(c, PROBE_PICTURE);
	judge(c, &r);
	for (int i = 1; i <= 3; i++) {
		judge(c, &r); /* the very same result */
		assert_true(said(c, "block_diff") == 0 && said(c, "keyframe_same") == i &&
			    said(c, "keyframe_repeats") == 0);
		assert_true(baseline_suspect(c->b));
	}
	c->now_us -= MINUTES - 30 * TIMES_SEC; /* half a minute later: says nothing of either */
	judge(c, &r);
	assert_true(!is_said(c, "block_diff") && said(c, "keyframe_same") == 3);
	/* a watch of the large stream is not compared with the small one, and does not come between
	 */
	struct probe_result large = street(c, PROBE_WATCH);
	large.picture.cols = 16;
	large.picture.rows = 36;
	judge(c, &large);
	assert_true(!is_said(c, "block_diff") && said(c, "keyframe_same") == 0);
	judge(c, &r);
	assert_true(said(c, "block_diff") == 0 && said(c, "keyframe_same") == 4 &&
		    said(c, "keyframe_repeats") == 0);
	good_looks(c, PROBE_PICTURE, 1);
	good_looks(c, PROBE_PICTURE, 1);
	assert_true(said(c, "block_diff") == 40 && said(c, "keyframe_same") == 0);
	/* a quiet street, with a sensor's noise: a third of the blocks change a little */
	for (uint32_t i = 0; i < 3; i++) {
		r = street(c, PROBE_PICTURE);
		show(&r.picture, STREET, 0);
		for (uint32_t k = i % 2; k < r.picture.n; k += 3)
			r.picture.block[k]++;
		judge(c, &r);
	}
	assert_true(said(c, "block_diff") == 1 && said(c, "block_same_pct") < 70);
	assert_false(baseline_suspect(c->b));
	r.stream.keyframe_hash++;
	judge(c, &r);
	assert_true(said(c, "block_diff") == 0 && said(c, "block_same_pct") == 100);
	assert_true(baseline_suspect(c->b) && said(c, "keyframe_same") == 0);
}

static void a_recording_comes_back(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_KEYFRAME, 100);
	assert_true(said(c, "keyframe_repeats") == 0);
	for (uint32_t i = 0; i < 12; i++) { /* of four keyframes */
		struct probe_result r = street(c, PROBE_KEYFRAME);
		r.stream.keyframe_hash = 100 + i % 4;
		judge(c, &r);
		assert_true(said(c, "keyframe_repeats") == (i < 4 ? 0 : i - 3));
		assert_true(baseline_suspect(c->b) == (i >= 4));
		reload(c);
	}
	for (int i = 0; i < 12; i++) {
		assert_true(said(c, "keyframe_repeats") == 8);
		struct probe_result r = street(c, PROBE_KEYFRAME);
		judge(c, &r);
	}
	assert_true(said(c, "keyframe_repeats") == 0); /* live again for an hour */
}

static void rates(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_WATCH, 6);
	struct probe_result r = street(c, PROBE_WATCH);
	r.stream.fps = 12.5;
	r.stream.bitrate_kbps = 700;
	r.stream.gop = 200;
	r.stream.ts_jump_s = 3;
	judge(c, &r);
	assert_true(said(c, "fps") == 12.5 && said(c, "baseline_fps") == 25 &&
		    said(c, "ts_jump_s") == 3);
	assert_true(said(c, "gop") == 200 && said(c, "baseline_bitrate_kbps") == 2000 &&
		    baseline_suspect(c->b));
	c->night = true; /* many cameras send less by night: that is learnt apart */
	for (int i = 0; i < 4; i++) {
		r = street(c, PROBE_WATCH);
		r.stream.fps = 12.5;
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
	}
	assert_true(said(c, "baseline_fps") == 12.5);
}

/* All that can be known, in its longest form. */
static void it_fits(void **state)
{
	struct camera *c = *state;
	for (int round = 0; round < 200; round++) {
		c->night = round % 2;
		struct probe_result r = street(c, round % 4 < 2 ? PROBE_WATCH : PROBE_PICTURE);
		memcpy(r.stream.codec, "0123456789abcde", 16);
		r.stream.width = 65000 + round % 4;
		r.stream.height = 65000;
		r.stream.fps = 123456.7;
		r.stream.gop = 1.23456e-5;
		r.stream.bitrate_kbps = 1.23456e-5;
		r.picture.sharpness = 1.23456e-5;
		r.picture.noise = 1.23456e-5;
		r.picture.dhash = UINT64_MAX;
		r.picture.rows = 32;
		r.picture.n = 1024;
		for (uint32_t i = 576; i < 1024; i++)
			r.picture.block[i] = (uint8_t)(255 - i * i % 17 * 13);
		c->now_us = INT64_MAX / 4;
		judge(c, &r);
		reload(c);
	}
}

static void any_text(void **state)
{
	struct camera *c = *state;
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "{}",
					  "null",
					  "{\"v\":2}",
					  "{\"v\":1,\"format\":[\"h264\",1]}",
					  "{\"v\":1,\"format\":[\"0123456789abcdef\",1,1]}",
					  "{\"v\":1,\"format\":[\"h264\",-1,1]}",
					  "{\"v\":1,\"sharpness\":[6,1,1]}",
					  "{\"v\":1,\"sharpness\":[5,0,1]}",
					  "{\"v\":1,\"sharpness\":[5,1e300,1]}",
					  "{\"v\":1,\"fps\":25}",
					  "{\"v\":1,\"view\":[0]}",
					  "{\"v\":1,\"view\":[5,\"0123456789abcdef\",\"AAAA\"]}",
					  "{\"v\":1,\"view\":[5,\"0123456789ABCDEF\",\"AAAA\"]}",
					  "{\"v\":1,\"view\":7}",
					  "{\"v\":1,\"keys\":[0,0,0,\"AAAA\"]}",
					  "{\"v\":1,\"keys\":[64,0,0,\"AAAAAQ==\"]}",
					  "{\"v\":1,\"keys\":[0,0,0,\"AAAAAQ==\"]}",
					  "{\"v\":1,\"blocks\":[0,2,2,\"AAAA\"]}",
					  "{\"v\":1,\"blocks\":[0,2000,1,\"AAAA\"]}",
					  "{\"v\":1,\"key\":[4294967296,0,0]}",
					  "{\"v\":1,\"runs\":[256]}"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		good_looks(c, PROBE_PICTURE, 6);
		assert_int_equal(baseline_load(c->b, slice_of(bad[i])), -EINVAL);
		good_looks(c, PROBE_PICTURE, 1);
		assert_false(is_said(c, "baseline_sharpness") ||
			     is_said(c, "block_diff")); /* as new */
	}
	assert_int_equal(
		baseline_load(c->b, SL("{\"v\":1,\"sharpness\":[5,100,100],\"later\":true}")), 0);
	good_looks(c, PROBE_KEYFRAME, 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(nothing_is_usual_at_first),
		T(what_is_said_of_failures),
		T(nothing_bad_teaches),
		T(another_format_is_not_compared),
		T(a_large_stream_of_its_own),
		T(leaves_fall),
		T(a_first_night),
		T(a_season_is_followed_and_dirt_is_not),
		T(night_is_another_picture),
		T(views),
		T(still_and_same),
		T(a_recording_comes_back),
		T(rates),
		T(it_fits),
		T(any_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
