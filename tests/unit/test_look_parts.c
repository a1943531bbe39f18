/* The pure parts of a look: NAL units, playlists, passwords, what some seconds of pictures say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "look_auth.h"
#include "look_nal.h"
#include "look_playlist.h"
#include "look_resolve.h"
#include "look_watch.h"
#include "times.h"

/* ---- NAL units ---- */

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void scan(bool hevc, int length, const uint8_t *p, size_t n, bool slice, bool key,
		 bool maybe, size_t at)
{
	struct look_nal nal;
	look_nal_scan(hevc, length, p, n, &nal);
	assert_int_equal(nal.slice, slice);
	assert_int_equal(nal.key, key);
	assert_int_equal(nal.maybe, maybe);
	assert_int_equal(nal.slice_at, at);
}

static void test_nals(void **state)
{
	(void)state;
	scan(false, 0, BYTES(0, 0, 0, 1, 0x65, 9), true, true, false, 4);
	scan(false, 0, BYTES(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65), true, true, true,
	     13);
	scan(false, 0, BYTES(0, 0, 1, 0x41, 0, 0, 1, 0x65), true, false, false, 3);
	scan(false, 0, BYTES(0, 0, 1, 9, 0xF0, 0, 0, 1, 6, 6, 1, 0, 0, 1, 0x41), true, false, true,
	     14);
	scan(false, 0, BYTES(0, 0, 1, 0x67, 1), false, false, true, 5);
	scan(false, 0, BYTES(1, 2, 3), false, false, false, 3);
	scan(false, 0, BYTES(0, 0, 1), false, false, false, 3);
	scan(true, 0, BYTES(0, 0, 1, 0x40, 1, 0, 0, 1, 0x42, 1, 0, 0, 1, 0x26, 1), true, true, true,
	     13);
	scan(true, 0, BYTES(0, 0, 1, 0x02, 1), true, false, false, 3);
	scan(false, 4, BYTES(0, 0, 0, 2, 0x67, 1, 0, 0, 0, 1, 0x65), true, true, true, 10);
	scan(false, 4, BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0x67), false, false, true, 5);
	scan(false, 4, BYTES(0, 0), false, false, false, 2);
	scan(false, 4, BYTES(0, 0, 0, 0, 0, 0, 0, 1, 0x65), true, true, false, 8);
	scan(false, 0, NULL, 0, false, false, false, 0);
}

/* ---- playlists ---- */

static void test_playlists(void **state)
{
	static const char pieces[] =
		"#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n"
		"#EXTINF:4.0,\r\na.ts\r\n#EXTINF:4.0,\r\nb.ts\r\n";
	static const char streams[] =
		"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"a,b\"\nbig.m3u8\n"
		"#EXT-X-STREAM-INF:RESOLUTION=1x1,BANDWIDTH=100\nsmall.m3u8\n";
	struct look_playlist p;
	struct err e = {0};
	(void)state;
	assert_int_equal(look_playlist_parse(slice_of(pieces), &p, &e), 0);
	assert_true(slice_is(p.last, "b.ts"));
	assert_int_equal(p.sequence, 9);
	assert_int_equal(p.target_us, 4 * TIMES_SEC);
	assert_false(look_playlist_still(&p, -1));
	assert_false(look_playlist_still(&p, 17 * TIMES_SEC));
	assert_true(look_playlist_still(&p, 17 * TIMES_SEC + 1));
	assert_false(p.ended || p.encrypted || p.fragmented || p.variant.p);
	assert_int_equal(look_playlist_parse(slice_of(streams), &p, &e), 0);
	assert_true(slice_is(p.variant, "small.m3u8"));
	assert_null(p.last.p);
	assert_int_equal(
		look_playlist_parse(SL("#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-ENDLIST"), &p, &e),
		0);
	assert_true(p.ended && !p.encrypted);
	assert_int_equal(
		look_playlist_parse(SL("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\nx"), &p, &e),
		0);
	assert_true(p.encrypted && slice_is(p.last, "x"));
	assert_int_equal(look_playlist_parse(SL("#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n"), &p, &e), 0);
	assert_true(p.fragmented);
	assert_int_equal(
		look_playlist_parse(SL("#EXTM3U\n#EXT-X-TARGETDURATION:99999999999\n"), &p, &e), 0);
	assert_int_equal(p.target_us, TIMES_MIN);
	assert_int_equal(
		look_playlist_parse(SL("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:9223372036854775807\nx\n"),
				    &p, &e),
		-EINVAL);
	assert_int_equal(look_playlist_parse(SL("<html>"), &p, &e), -EINVAL);
	assert_int_equal(look_playlist_parse(SL(""), &p, &e), -EINVAL);
}

/* ---- passwords ---- */

static void answers(const char *offer, const char *user, const char *password, const char *method,
		    const char *uri, const char *cnonce, const char *expected)
{
	struct look_auth a = {0};
	auto_buf struct buf out;
	buf_init(&out, 4096);
	look_auth_offer(&a, slice_of(offer));
	snprintf(a.cnonce, sizeof a.cnonce, "%s", cnonce);
	look_auth_put(&a, user, password, method, uri, &out);
	if (!strstr(buf_str(&out), expected))
		fail_msg("%s → %s, not %s", offer, buf_str(&out), expected);
}

/* The values of RFC 2617, 3.5, and of RFC 7616, 3.9.1, the latter with its own cnonce cut to ours
 * and computed by hand (sha256sum). */
static void test_passwords(void **state)
{
	(void)state;
	answers("Basic realm=\"x\"", "Aladdin", "open sesame", "GET", "/", "",
		"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
	answers("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
		"nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
		"opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b",
		"response=\"6629fae49393a05397450978507c4ef1\"");
	answers("Digest realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
		"Mufasa", "Circle Of Life", "GET", "/dir/index.html", "",
		"response=\"670fd8c2df070c60b045671b8b24ff02\"");
	answers("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256", "u", "p", "DESCRIBE",
		"rtsp://h/x", "", "algorithm=SHA-256");
	answers("digest REALM=r , nonce = n", "u", "p", "GET", "/", "", "nonce=\"n\"");
}

static void test_offers(void **state)
{
	struct look_auth a = {0};
	auto_buf struct buf out;
	buf_init(&out, 4096);
	(void)state;
	look_auth_offer(&a, SL("Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess"));
	look_auth_offer(&a, SL("Negotiate"));
	look_auth_offer(&a, SL(""));
	look_auth_put(&a, "u", "p", "GET", "/", &out);
	assert_int_equal(out.n, 0);
	look_auth_offer(&a, SL("Basic realm=\"x\""));
	assert_int_equal(a.kind, LOOK_AUTH_BASIC);
	look_auth_offer(&a, SL("Digest realm=\"x\", nonce=\"n\", stale=TRUE"));
	assert_int_equal(a.kind, LOOK_AUTH_MD5);
	assert_true(a.stale && !a.qop);
	look_auth_offer(&a, SL("Basic realm=\"x\""));
	assert_int_equal(a.kind, LOOK_AUTH_MD5);
}

/* ---- some seconds ---- */

/* 25 a second, a keyframe each 50, of 10 s; sizes fall to 20 within a group. */
static void feed(struct look_watch *w, int64_t jump_at, int64_t stall_at)
{
	for (int i = 0; i < 250 && (!stall_at || i < stall_at); i++) {
		int64_t us = i * 40 * TIMES_MS + (jump_at && i >= jump_at ? TIMES_HOUR : 0);
		look_watch_picture(w, i % 50 == 0,
				   i % 50 == 0	 ? 5000
				   : i % 50 < 30 ? 100
						 : 20,
				   us, i * 40 * TIMES_MS);
	}
}

static void test_rates(void **state)
{
	struct look_watch w = {0};
	struct probe_stream s = {0};
	(void)state;
	feed(&w, 0, 0);
	look_watch_finish(&w, 10 * TIMES_SEC, 10, &s);
	assert_float_equal(s.fps, 25, 0.01);
	assert_float_equal(s.gop, 50, 0.01);
	assert_float_equal(s.ts_jump_s, 0.04, 0.001);
	assert_float_equal(s.p_tail_per_mb, 2, 0.001);
	assert_float_equal(s.p_p05_per_mb, 2, 0.001);
	assert_float_equal(s.p_p50_per_mb, 10, 0.001);
	assert_float_equal(s.bitrate_kbps, 33.33, 0.1);
}

static void test_jumps_and_stalls(void **state)
{
	struct look_watch w = {0}, stalled = {0}, none = {0};
	struct probe_stream s = {0}, still = {0}, empty = {.fps = -7};
	(void)state;
	feed(&w, 100, 0);
	look_watch_finish(&w, 10 * TIMES_SEC, 10, &s);
	assert_float_equal(s.ts_jump_s, 3600.04, 0.01);
	assert_float_equal(s.fps, 25, 0.5); /* by our clock */
	feed(&stalled, 0, 50);
	look_watch_finish(&stalled, 10 * TIMES_SEC, 10, &still);
	assert_float_equal(still.fps, 4.9, 0.1);
	look_watch_finish(&none, 10 * TIMES_SEC, 10, &empty);
	assert_float_equal(empty.fps, -7, 0);
}

static void test_bounds(void **state)
{
	struct look_watch *w = mem_new(sizeof *w);
	struct probe_stream s = {0};
	(void)state;
	for (int i = 0; i < 3 * LOOK_PICTURES_MAX; i++)
		look_watch_picture(w, i % 3 == 0, (size_t)i, INT64_MIN, i);
	look_watch_finish(w, 3 * LOOK_PICTURES_MAX, 0, &s);
	assert_int_equal(w->n_p, LOOK_PICTURES_MAX);
	assert_true(w->n_tail <= LOOK_PICTURES_MAX);
	assert_float_equal(s.p_tail_per_mb, -1, 0);
	assert_float_equal(s.ts_jump_s, -1, 0);
	free(w);
}

/* ---- names ---- */

static void test_addresses(void **state)
{
	struct look_address a[LOOK_ADDRESSES_MAX];
	char text[64];
	size_t n = 0;
	int64_t soon = times_mono_us() + 20 * TIMES_SEC;
	(void)state;
	assert_int_equal(look_resolve("192.0.2.7", soon, a, &n), 0);
	look_address_text(&a[0], 554, text, sizeof text);
	assert_string_equal(text, "192.0.2.7:554");
	assert_int_equal(look_resolve("::1", soon, a, &n), 0);
	look_address_text(&a[0], 554, text, sizeof text);
	assert_string_equal(text, "[::1]:554");
	for (int i = 0; i < 3; i++) { /* from /etc/hosts, then out of what is kept */
		assert_int_equal(look_resolve("localhost", soon, a, &n), 0);
		assert_true(n >= 1);
	}
	assert_int_equal(look_resolve("never-asked.invalid", times_mono_us() - 1, a, &n),
			 -ETIMEDOUT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nals),	  cmocka_unit_test(test_playlists),
		cmocka_unit_test(test_passwords), cmocka_unit_test(test_offers),
		cmocka_unit_test(test_rates),	  cmocka_unit_test(test_jumps_and_stalls),
		cmocka_unit_test(test_bounds),	  cmocka_unit_test(test_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
