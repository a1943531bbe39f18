/* What goes between the hub and a process that looks at streams: lines, as the tables say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe.h"

static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3, 0xFF, 0xD9};

static void fill(struct probe_result *r)
{
	probe_result_init(r);
	r->id = INT64_C(9007199254740993);
	r->depth = PROBE_PICTURE;
	r->state = PROBE_ONLINE;
	r->step = PROBE_GOT_KEYFRAME;
	snprintf(r->detail, sizeof r->detail, "“看”, ok\\");
	snprintf(r->address, sizeof r->address, "[fe80::1%%eth0]:554");
	r->piece = UINT64_C(0x00ff00ff00ff00ff);
	r->at = (struct probe_times){0, 100, 200, 300, 400, 500, 600};
	r->stream = (struct probe_stream){.codec = "h264",
					  .width = 1920,
					  .height = 1080,
					  .fps = 25,
					  .gop = 50,
					  .bitrate_kbps = 3999.5,
					  .i_per_mb = 0.1 + 0.2,
					  .p_tail_per_mb = 0,
					  .p_p05_per_mb = 0.01,
					  .p_p50_per_mb = 1e-9,
					  .keyframe_hash = UINT64_C(0xfedcba9876543210),
					  .ts_jump_s = 0.04,
					  .packets = UINT32_MAX,
					  .keyframes = 7};
	r->picture = (struct probe_picture){.mean = 127.25,
					    .sd = 31.5,
					    .flat_pct = 12,
					    .sharpness = 480,
					    .dhash = UINT64_MAX,
					    .cols = 32,
					    .rows = 32,
					    .n = 1024};
	for (size_t i = 0; i < 1024; i++)
		r->picture.block[i] = (uint8_t)(i * 7);
	r->snapshot = malloc(sizeof jpeg);
	memcpy(r->snapshot, jpeg, sizeof jpeg);
	r->snapshot_len = sizeof jpeg;
}

static void a_result_comes_back_as_it_was(void **state)
{
	(void)state;
	auto_buf struct buf line, again;
	struct probe_result a, b;
	struct err e = {0};
	buf_init(&line, PROBE_LINE_MAX);
	buf_init(&again, PROBE_LINE_MAX);
	fill(&a);
	probe_result_write(&a, &line);
	assert_false(line.failed);
	assert_null(strchr(buf_str(&line), '\n'));
	assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), 0);
	assert_int_equal(b.id, a.id);
	assert_string_equal(b.detail, a.detail);
	assert_string_equal(b.address, a.address);
	assert_true(b.piece == a.piece);
	assert_memory_equal(&b.at, &a.at, sizeof a.at);
	assert_true(b.stream.i_per_mb == a.stream.i_per_mb);
	assert_true(b.stream.p_p50_per_mb == a.stream.p_p50_per_mb);
	assert_int_equal(b.stream.packets, UINT32_MAX);
	assert_true(b.stream.keyframe_hash == a.stream.keyframe_hash);
	assert_int_equal(b.picture.n, 1024);
	assert_memory_equal(b.picture.block, a.picture.block, 1024);
	assert_int_equal(b.snapshot_len, sizeof jpeg);
	assert_memory_equal(b.snapshot, jpeg, sizeof jpeg);
	probe_result_write(&b, &again);
	assert_string_equal(buf_str(&again), buf_str(&line));
	probe_result_done(&a);
	probe_result_done(&b);
}

static void what_is_not_known_is_left_out(void **state)
{
	(void)state;
	auto_buf struct buf line;
	struct probe_result a, b;
	struct err e = {0};
	buf_init(&line, PROBE_LINE_MAX);
	probe_result_init(&a);
	a.id = -1;
	a.cause = PROBE_REFUSED;
	a.at.resolved = 5;
	probe_result_write(&a, &line);
	assert_string_equal(buf_str(&line),
			    "{\"id\":-1,\"depth\":\"reach\",\"state\":\"unknown\","
			    "\"step\":\"none\",\"cause\":\"refused\",\"at_us\":{\"resolved\":5}}");
	assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), 0);
	assert_int_equal(b.at.resolved, 5);
	assert_int_equal(b.at.connected, -1);
	assert_true(b.stream.i_per_mb < 0 && b.stream.ts_jump_s < 0);
	assert_int_equal(b.picture.n, 0);
	assert_null(b.snapshot);
}

/* A server's words in it cost no result. */
static void words_of_others_are_cleaned(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {{"a\x1b[2J\tb\x7f", "a?[2J?b?"},
		    {"a\xC2\x85"
		     "b",
		     "a??b"},
		    {"\xE5\xAF\x86\xE5\xAF", "\xE5\xAF\x86"},
		    {"\xff", ""}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		auto_buf struct buf line;
		struct probe_result a, b;
		struct err e = {0};
		buf_init(&line, PROBE_LINE_MAX);
		probe_result_init(&a);
		snprintf(a.detail, sizeof a.detail, "%s", rows[i].in);
		probe_result_write(&a, &line);
		assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), 0);
		assert_string_equal(b.detail, rows[i].out);
	}
	struct probe_result a, b;
	struct err e = {0};
	auto_buf struct buf line;
	buf_init(&line, PROBE_LINE_MAX);
	probe_result_init(&a);
	for (size_t n = 0; n + 1 < sizeof a.detail; n++)
		a.detail[n] = "\xE5\xAF\x86\xC2\x85"[n % 5];
	probe_result_write(&a, &line);
	assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), 0);
}

/* A process that was taken over may write anything. */
static void bad_results_are_refused(void **state)
{
	(void)state;
	static const char head[] = "\"id\":1,\"depth\":\"picture\",\"state\":\"offline\","
				   "\"step\":\"packets\",\"cause\":\"no_keyframe\"";
	static const char *const tails[] = {
		",\"password\":\"x\"",
		",\"detail\":\"a\\u001b[2J\"",
		",\"detail\":\"a\\u0085b\"",
		",\"detail\":\"a\\nb\"",
		",\"detail\":7",
		",\"address\":\"a b\"",
		",\"address\":\"\\u00e9\"",
		",\"address\":\"0123456789012345678901234567890123456789012345678901234567890123\"",
		",\"piece\":7",
		",\"piece\":\"0123456789abcde\"",
		",\"at_us\":[]",
		",\"at_us\":{\"total\":-1}",
		",\"at_us\":{\"total\":1.5}",
		",\"at_us\":{\"total\":99999999999999}",
		",\"at_us\":{\"x\":1}",
		",\"stream\":{\"width\":0}",
		",\"stream\":{\"width\":65536}",
		",\"stream\":{\"fps\":\"25\"}",
		",\"stream\":{\"fps\":1e300}",
		",\"stream\":{\"fps\":1e999}",
		",\"stream\":{\"packets\":4294967296}",
		",\"stream\":{\"codec\":\"0123456789abcdef\"}",
		",\"stream\":{\"keyframe_hash\":\"0123456789abcde\"}",
		",\"stream\":{\"keyframe_hash\":\"0123456789abcdeg\"}",
		",\"stream\":{\"keyframe_hash\":\"0123456789abcdef0\"}",
		",\"picture\":{\"mean\":1,\"cols\":2,\"rows\":1,\"blocks\":\"AAA\"}x",
		",\"picture\":{\"mean\":1,\"cols\":2,\"rows\":1,\"blocks\":\"AAAA\"}",
		",\"picture\":{\"mean\":256,\"cols\":2,\"rows\":1,\"blocks\":\"AAA=\"}",
		",\"picture\":{\"mean\":1,\"cols\":1,\"rows\":1}",
		",\"picture\":{\"mean\":1,\"blocks\":\"\"}",
		",\"picture\":{\"mean\":1,\"cols\":1024,\"rows\":1024,\"blocks\":\"AA==\"}",
		",\"snapshot\":\"AAAAAAAAAAAA\"",
		",\"snapshot\":\"/9j/\"",
		",\"snapshot\":\"?\"",
		",\"snapshot\":1",
		",\"id\":2",
		",\"state\":\"online\""};
	char line[1024];
	struct probe_result r;
	struct err e = {0};
	snprintf(line, sizeof line, "{%s,\"picture\":%s}", head,
		 "{\"mean\":1,\"cols\":2,\"rows\":1,\"blocks\":\"AAA=\"}");
	assert_int_equal(probe_result_parse(slice_of(line), &r, &e), 0);
	probe_result_done(&r);
	for (size_t i = 0; i < COUNT_OF(tails); i++) {
		snprintf(line, sizeof line, "{%s%s}", head, tails[i]);
		if (probe_result_parse(slice_of(line), &r, &e) != -EINVAL)
			fail_msg("taken: %s", line);
		assert_null(r.snapshot);
		assert_true(e.msg[0]);
	}
}

/* "online" is what all of this is about: only who came as far as that may say it. */
static void online_needs_a_keyframe(void **state)
{
	(void)state;
	static const struct {
		const char *depth, *step, *cause;
		int want;
	} rows[] = {
		{"keyframe", "packets", "none", -EINVAL},     {"keyframe", "keyframe", "none", 0},
		{"keyframe", "keyframe", "timeout", -EINVAL}, {"reach", "connected", "none", 0},
		{"reach", "resolved", "none", -EINVAL},	      {"reach", "session", "none", 0},
		{"glance", "keyframe", "none", -EINVAL}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char line[256];
		struct probe_result r;
		struct err e = {0};
		snprintf(line, sizeof line,
			 "{\"id\":1,\"depth\":\"%s\",\"state\":\"online\",\"step\":\"%s\","
			 "\"cause\":\"%s\"}",
			 rows[i].depth, rows[i].step, rows[i].cause);
		if (probe_result_parse(slice_of(line), &r, &e) != rows[i].want)
			fail_msg("%s", line);
	}
}

static void sizes_are_bounded(void **state)
{
	(void)state;
	struct probe_result a, b;
	struct err e = {0};
	auto_buf struct buf line;
	buf_init(&line, 2 * PROBE_LINE_MAX);
	fill(&a);
	free(a.snapshot);
	a.snapshot_len = PROBE_SNAPSHOT_MAX;
	a.snapshot = mem_new(PROBE_SNAPSHOT_MAX);
	memcpy(a.snapshot, jpeg, 4);
	memcpy(a.snapshot + PROBE_SNAPSHOT_MAX - 2, jpeg + sizeof jpeg - 2, 2);
	probe_result_write(&a, &line);
	assert_true(line.n <= PROBE_LINE_MAX);
	assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), 0);
	assert_int_equal(b.snapshot_len, PROBE_SNAPSHOT_MAX);
	probe_result_done(&b);
	/* blanks make it longer than a line may be */
	while (line.n <= PROBE_LINE_MAX)
		buf_putc(&line, ' ');
	assert_int_equal(probe_result_parse(buf_slice(&line), &b, &e), -EINVAL);
	probe_result_done(&a);
}

static void a_request_comes_back_as_it_was(void **state)
{
	(void)state;
	auto_buf struct buf line;
	auto_arena struct arena arena;
	struct err e = {0};
	struct probe_request b, a = {.id = 42,
				     .url = "rtsp://a%40:p\"\\w\xE5\xAF\x86@[2001:db8::1]:554/1",
				     .depth = PROBE_WATCH,
				     .deadline_us = 5000000,
				     .watch_us = 10000000,
				     .snapshot = true,
				     .piece = UINT64_MAX,
				     .piece_age_us = 90 * INT64_C(86400000000)};
	buf_init(&line, PROBE_LINE_MAX);
	arena_init(&arena, 8 << 10);
	probe_request_write(&a, &line);
	assert_null(strchr(buf_str(&line), '\n'));
	assert_int_equal(probe_request_parse(buf_slice(&line), &arena, &b, &e), 0);
	assert_string_equal(b.url, a.url);
	assert_int_equal(b.id, 42);
	assert_int_equal(b.depth, PROBE_WATCH);
	assert_int_equal(b.deadline_us, a.deadline_us);
	assert_int_equal(b.watch_us, a.watch_us);
	assert_true(b.snapshot);
	assert_true(b.piece == a.piece);
	assert_int_equal(b.piece_age_us, a.piece_age_us);
}

static void bad_requests_are_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"",
		"{}",
		"[]",
		"{\"id\":1}",
		"nonsense",
		"{\"id\":1,\"url\":\"rtsp://a/\",\"depth\":\"reach\",\"deadline_us\":0}",
		"{\"id\":1,\"url\":\"rtsp://a/\",\"depth\":\"reach\",\"deadline_us\":3600000001}",
		"{\"id\":1,\"url\":\"\",\"depth\":\"reach\",\"deadline_us\":1}",
		"{\"id\":1,\"url\":7,\"depth\":\"reach\",\"deadline_us\":1}",
		"{\"id\":1,\"url\":\"a\\u0000b\",\"depth\":\"reach\",\"deadline_us\":1}",
		"{\"id\":1.0,\"url\":\"a\",\"depth\":\"reach\",\"deadline_us\":1}",
		"{\"id\":1,\"url\":\"a\",\"depth\":\"reach\",\"deadline_us\":1,\"x\":1}",
		"{\"id\":1,\"url\":\"a\",\"depth\":\"reach\",\"deadline_us\":1,\"piece\":1}",
		("{\"id\":1,\"url\":\"a\",\"depth\":\"reach\",\"deadline_us\":1,"
		 "\"piece_age_us\":-1}"),
		"{\"id\":1,\"url\":\"a\",\"depth\":\"reach\",\"deadline_us\":1,\"snapshot\":1}"};
	auto_arena struct arena arena;
	arena_init(&arena, 8 << 10);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct probe_request q;
		struct err e = {0};
		if (probe_request_parse(slice_of(lines[i]), &arena, &q, &e) != -EINVAL)
			fail_msg("taken: %s", lines[i]);
		assert_true(e.msg[0]);
	}
	auto_buf struct buf line;
	buf_init(&line, PROBE_LINE_MAX);
	buf_puts(&line, "{\"id\":1,\"depth\":\"reach\",\"deadline_us\":1,\"url\":\"");
	for (int i = 0; i <= PROBE_URL_MAX; i++)
		buf_putc(&line, 'a');
	buf_puts(&line, "\"}");
	struct probe_request q;
	struct err e = {0};
	assert_int_equal(probe_request_parse(buf_slice(&line), &arena, &q, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_comes_back_as_it_was),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(words_of_others_are_cleaned),
		cmocka_unit_test(bad_results_are_refused),
		cmocka_unit_test(online_needs_a_keyframe),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(a_request_comes_back_as_it_was),
		cmocka_unit_test(bad_requests_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
