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
#define STREET UINT64_C(0x00ff00ff00ff00ff)
#define STREET_BY_NIGHT UINT64_C(0x0f0f0f0ff0f0f0f0)

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

/* A good street; each look brings a keyframe of its own, and something moves. */
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
						   .sharpness = c->night ? 200 : 400,
						   .dhash = c->night ? STREET_BY_NIGHT : STREET,
						   .cols = 30,
						   .rows = 24,
						   .n = 720};
		memset(r.picture.block, (int)(60 + c->looks % 2 * 40), 720);
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
	assert_true(said(c, "baseline_sharpness") == 400 && said(c, "sharpness") == 400);
	assert_true(said(c, "dhash_distance") == 0 && said(c, "block_diff") == 40);
	assert_string_equal(json_str(json_get(c->said, "baseline_codec")).p, "h264");
	assert_true(said(c, "baseline_width") == 704 && said(c, "baseline_height") == 576);
	good_looks(c, PROBE_WATCH, 3);
	assert_false(is_said(c, "baseline_fps"));
	good_looks(c, PROBE_WATCH, 1);
	assert_true(said(c, "baseline_fps") == 25 && said(c, "baseline_gop") == 50 &&
		    said(c, "baseline_bitrate_kbps") == 2000);
	/* the watch's own sharpness is not usual yet: it may be another stream */
	assert_false(is_said(c, "baseline_sharpness"));
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
	assert_true(said(c, "baseline_sharpness") == 400 && !is_said(c, "cause"));
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
	r->picture.sharpness = 80;
}

static void snow(struct probe_result *r)
{
	r->picture.sharpness = 4000;
}

static void turn(struct probe_result *r)
{
	r->picture.dhash ^= UINT64_C(0xffff000000000000);
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
			r.picture.dhash ^= 1;
			spoil[i](&r);
			judge(c, &r);
			assert_int_equal(baseline_suspect(c->b), n < BASELINE_SUSPECT_LOOKS);
		}
		reload(c);
		good_looks(c, PROBE_PICTURE, 1);
		assert_true(said(c, "baseline_sharpness") == 400 && said(c, "dhash_distance") == 0);
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
	r.picture.dhash = ~STREET;
	judge(c, &r);
	assert_true(said(c, "width") == 1920 && said(c, "baseline_width") == 704 &&
		    baseline_suspect(c->b));
	assert_false(is_said(c, "baseline_sharpness") || is_said(c, "dhash_distance"));
	baseline_accept(c->b);
	for (int i = 0; i < 6; i++) {
		r = street(c, PROBE_PICTURE);
		r.stream.width = 1920;
		judge(c, &r);
	}
	assert_true(said(c, "baseline_width") == 1920 && said(c, "baseline_sharpness") == 400);
}

static void a_season_is_followed_and_dirt_is_not(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	double v = 400;
	for (int i = 0; i < 4000; i++) {
		v = 400 - 200.0 * i / 4000;
		struct probe_result r = street(c, PROBE_PICTURE);
		r.picture.sharpness = v;
		judge(c, &r);
		assert_false(baseline_suspect(c->b));
	}
	assert_true(said(c, "baseline_sharpness") < 1.05 * v);
	for (int i = 0; i < 40000; i++) { /* down to 20 within two years */
		struct probe_result r = street(c, PROBE_PICTURE);
		r.picture.sharpness = v * (1 - 0.9 * i / 40000);
		judge(c, &r);
	}
	assert_true(said(c, "baseline_sharpness") >= 400 / 2.5 - 0.01); /* so that it is a fault */
	assert_true(said(c, "sharpness") < 0.25 * said(c, "baseline_sharpness"));
}

static void night_is_another_picture(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	c->night = true;
	struct probe_result r = street(c, PROBE_PICTURE); /* 20:00, and it is still light */
	r.picture.dhash = STREET ^ 3;
	r.picture.sharpness = 400;
	judge(c, &r);
	assert_true(said(c, "dhash_distance") == 2 && said(c, "baseline_sharpness") == 400);
	good_looks(c, PROBE_PICTURE, 6);
	assert_true(said(c, "baseline_sharpness") == 200 && said(c, "dhash_distance") == 0);
	c->night = false; /* 04:30, and infrared is still on */
	r = street(c, PROBE_PICTURE);
	r.picture.dhash = STREET_BY_NIGHT ^ 1;
	r.picture.sharpness = 200;
	judge(c, &r);
	assert_false(baseline_suspect(c->b));
	assert_true(said(c, "dhash_distance") == 1 && said(c, "baseline_sharpness") == 200);
}

static void faces_of_one_view(void **state)
{
	struct camera *c = *state;
	good_looks(c, PROBE_PICTURE, 6);
	for (int round = 0; round < 3; round++)
		for (int bits = 0; bits <= 12; bits += 4) { /* shadows that wander */
			struct probe_result r = street(c, PROBE_PICTURE);
			r.picture.dhash ^= (UINT64_C(1) << bits) - 1;
			judge(c, &r);
			assert_false(baseline_suspect(c->b));
		}
	struct probe_result r = street(c, PROBE_PICTURE);
	r.picture.dhash ^= 0xfff;
	judge(c, &r);
	assert_true(said(c, "dhash_distance") <= 4);
	r.picture.dhash = STREET ^ UINT64_C(0xffffff0000000000);
	judge(c, &r);
	assert_true(said(c, "dhash_distance") == 24 && baseline_suspect(c->b));
	c->ptz = true; /* a dome is looked at, but never moved */
	c->looks++;
	r = street(c, PROBE_PICTURE);
	r.picture.dhash = ~STREET;
	judge(c, &r);
	assert_true(!is_said(c, "dhash_distance") && json_bool(json_get(c->said, "ptz")) &&
		    !baseline_suspect(c->b));
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
	large.picture.cols = 40;
	large.picture.rows = 22;
	large.picture.n = 880;
	judge(c, &large);
	assert_true(!is_said(c, "block_diff") && said(c, "keyframe_same") == 0);
	judge(c, &r);
	assert_true(said(c, "block_diff") == 0 && said(c, "keyframe_same") == 4 &&
		    said(c, "keyframe_repeats") == 0);
	good_looks(c, PROBE_PICTURE, 1);
	good_looks(c, PROBE_PICTURE, 1);
	assert_true(said(c, "block_diff") == 40 && said(c, "keyframe_same") == 0);
	/* by night a quiet street is no suspicion, the very same picture is */
	c->night = true;
	good_looks(c, PROBE_PICTURE, 2);
	r = street(c, PROBE_PICTURE);
	memset(r.picture.block, (int)(62 + (c->looks - 1) % 2 * 40), 720);
	judge(c, &r);
	assert_true(said(c, "block_diff") == 2 && !baseline_suspect(c->b));
	r.stream.keyframe_hash++;
	judge(c, &r);
	assert_true(said(c, "block_diff") == 0 && baseline_suspect(c->b));
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
					  "{\"v\":1,\"views\":[0]}",
					  "{\"v\":1,\"views\":[4,\"0123456789abcdef\"]}",
					  "{\"v\":1,\"views\":[0,\"0123456789ABCDEF\"]}",
					  "{\"v\":1,\"views\":[0,1]}",
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
		T(a_season_is_followed_and_dirt_is_not),
		T(night_is_another_picture),
		T(faces_of_one_view),
		T(still_and_same),
		T(a_recording_comes_back),
		T(rates),
		T(any_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
