/* patrol: what is gathered while the database is away, streams by rows, and when it is night. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "json.h"
#include "metrics.h"
#include "patrol_out.h"
#include "patrol_say.h"
#include "times.h"

#define NOON_US (times_day(2026, 6, 21) * TIMES_DAY + 4 * TIMES_HOUR) /* 12:00 in Nanjing */

/* ---- night ---- */

/* Against an almanac: Nanjing 118.8 E 32.06 N, Murmansk 33.08 E 68.97 N. */
static void the_sun_is_where_it_is(void **state)
{
	(void)state;
	static const struct {
		double lon, lat;
		int month, day;
		double hour, degrees; /* UTC */
	} cases[] = {
		{118.8, 32.06, 6, 21, 4.11, 81.4}, /* the highest of the year */
		{118.8, 32.06, 12, 21, 4.05, 34.5},
		{118.8, 32.06, 12, 21, 9.10, -0.8}, /* sunset 17:06 */
		{118.8, 32.06, 3, 20, 22.15, -0.8}, /* sunrise 6:09 */
		{33.08, 68.97, 6, 21, 21.8, 2.4},   /* at midnight it does not set */
		{33.08, 68.97, 12, 21, 9.77, -2.4}, /* nor rise at noon */
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t us = times_day(2026, cases[i].month, cases[i].day) * TIMES_DAY +
			     (int64_t)(cases[i].hour * (double)TIMES_HOUR);
		double is = patrol_sun(cases[i].lon, cases[i].lat, us);
		if (fabs(is - cases[i].degrees) > 0.6)
			fail_msg("case %zu: %.2f degrees, not %.2f", i, is, cases[i].degrees);
	}
}

static void night_is_by_sun_by_hours_or_by_habit(void **state)
{
	(void)state;
	struct config c = {.probe = {.night_from_min = -1, .night_to_min = -1}};
	struct patrol_stream here = {.placed = true, .lon = 118.8, .lat = 32.06}, nowhere = {0};
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	assert_false(patrol_night(&c, &here, NOON_US));
	assert_false(
		patrol_night(&c, &here, NOON_US + 7 * TIMES_HOUR)); /* 19:00, a summer's evening */
	assert_true(patrol_night(&c, &nowhere, NOON_US + 7 * TIMES_HOUR));
	assert_true(patrol_night(&c, &here, NOON_US + 12 * TIMES_HOUR));
	assert_false(patrol_night(&c, &nowhere, NOON_US + 18 * TIMES_HOUR)); /* 6:00 */
	c.probe.night_from_min = 22 * 60 + 30;
	c.probe.night_to_min = 5 * 60;
	assert_false(patrol_night(&c, &here, NOON_US + 10 * TIMES_HOUR));
	assert_true(patrol_night(&c, &here, NOON_US + 11 * TIMES_HOUR));
	assert_true(patrol_night(&c, &here, NOON_US + 16 * TIMES_HOUR));
	assert_false(patrol_night(&c, &here, NOON_US + 17 * TIMES_HOUR));
	c.probe.night_from_min = 1 * 60;
	assert_false(patrol_night(&c, &here, NOON_US + 12 * TIMES_HOUR));
	assert_true(patrol_night(&c, &here, NOON_US + 14 * TIMES_HOUR));
}

/* ---- what is to be written ---- */

static void what_has_gathered_goes_in_parts_and_in_order(void **state)
{
	(void)state;
	struct patrol_out out = {0};
	struct patrol_set set = {0};
	struct plan_belief b = {.state = PROBE_OFFLINE, .cause = PROBE_TIMEOUT};
	for (int64_t i = 0; i < PATROL_BATCH_ROWS + 10; i++)
		patrol_out_span(&out, i, &b, 1000 + i);
	struct patrol_batch *first = patrol_out_batch(&out, &set, 1, false);
	struct patrol_batch *second = patrol_out_batch(&out, &set, 1, false);
	assert_int_equal(first->nspans, PATROL_BATCH_ROWS);
	assert_int_equal(second->nspans, 10);
	assert_true(slice_starts(buf_slice(&first->spans.c[0]), "{0,1,2,"));
	assert_true(slice_starts(buf_slice(&second->spans.c[1]), "{6000,6001,"));
	assert_true(slice_ends(buf_slice(&second->spans.c[3]), "\"timeout\"}"));
	assert_null(patrol_out_batch(&out, &set, 1, false));
	patrol_batch_free(first);
	patrol_batch_free(second);
	patrol_out_done(&out);
}

static void too_much_is_counted_and_lost(void **state)
{
	(void)state;
	struct patrol_out out = {0};
	struct plan_belief b = {0};
	uint64_t lost = metric_get(M_PROBE_SPANS_LOST),
		 pictures = metric_get(M_PROBE_SNAPSHOTS_LOST);
	char name[48];
	for (int64_t i = 0; i < PATROL_SPANS_MAX + 3; i++)
		patrol_out_span(&out, i, &b, i);
	assert_int_equal(out.nspans, PATROL_SPANS_MAX);
	assert_int_equal(metric_get(M_PROBE_SPANS_LOST) - lost, 3);
	for (int64_t i = 0; i < PATROL_SNAPSHOTS_MAX + 2; i++) {
		struct probe_result r;
		probe_result_init(&r);
		r.id = 7;
		r.snapshot = (uint8_t *)slice_dup(SL("jpeg"));
		r.snapshot_len = 4;
		patrol_out_snapshot(&out, &r, 1000 + i, name);
		assert_int_equal(name[0] == 0, i >= PATROL_SNAPSHOTS_MAX);
		probe_result_done(&r);
	}
	assert_int_equal(metric_get(M_PROBE_SNAPSHOTS_LOST) - pictures, 2);
	struct patrol_set none = {0};
	struct patrol_batch *batch = patrol_out_batch(&out, &none, 1, false);
	assert_int_equal(batch->nshots, PATROL_BATCH_SNAPSHOTS);
	assert_true(slice_starts(buf_slice(&batch->shots.c[0]), "{\"7-1000\",\"7-1001\""));
	patrol_batch_free(batch);
	patrol_out_done(&out);
}

static void a_baseline_is_written_now_and_then(void **state)
{
	(void)state;
	struct patrol_out out = {0};
	struct patrol_stream s = {.id = 5,
				  .baseline = baseline_new(),
				  .dirty = true,
				  .baseline_dirty = true,
				  .accepted_us = 12};
	struct patrol_stream *list[] = {&s};
	struct patrol_set set = {.v = list, .n = 1};
	struct patrol_batch *batch = patrol_out_batch(&out, &set, TIMES_DAY, false);
	assert_int_equal(batch->nstates, 1);
	assert_int_equal(batch->nbaselines, 1);
	assert_string_equal(buf_str(&batch->baselines.c[2]), "{12}");
	patrol_batch_free(batch);
	s.baseline_dirty = true;
	assert_null(patrol_out_batch(&out, &set, TIMES_DAY + TIMES_MIN, false));
	batch = patrol_out_batch(&out, &set, TIMES_DAY + TIMES_MIN, true); /* at the end */
	assert_int_equal(batch->nbaselines, 1);
	patrol_batch_free(batch);
	baseline_free(s.baseline);
}

/* ---- the piece of a playlist ---- */

static void note(struct patrol_stream *s, enum probe_depth depth, uint64_t piece, int64_t at_us)
{
	struct probe_result r;
	probe_result_init(&r);
	r.depth = depth;
	r.piece = piece;
	patrol_stream_note(s, &r, at_us);
}

static void assert_asked(struct patrol_stream *s, enum probe_depth depth, int64_t at_us,
			 const char *url, uint64_t piece, int64_t age_us)
{
	struct probe_request q = {.depth = depth};
	patrol_stream_ask(s, at_us, &q);
	assert_string_equal(q.url, url);
	assert_true(q.piece == piece);
	assert_int_equal(q.piece_age_us, age_us);
}

static void a_piece_is_as_old_as_it_is_known(void **state)
{
	(void)state;
	struct patrol_stream s = {.glance = "http://a/sub.m3u8", .whole = "http://a/main.m3u8"};
	assert_asked(&s, PROBE_KEYFRAME, 100, s.glance, 0, 0);
	note(&s, PROBE_KEYFRAME, 7, 100);
	note(&s, PROBE_PICTURE, 7, 200); /* still the same */
	note(&s, PROBE_REACH, 0, 250);	 /* no word of it */
	assert_asked(&s, PROBE_KEYFRAME, 300, s.glance, 7, 200);
	assert_asked(&s, PROBE_WATCH, 300, s.whole, 0, 0); /* another playlist */
	note(&s, PROBE_WATCH, 8, 310);
	assert_asked(&s, PROBE_PICTURE, 320, s.glance, 7, 220);
	assert_asked(&s, PROBE_WATCH, 320, s.whole, 8, 10);
	note(&s, PROBE_KEYFRAME, 9, 330); /* it moved */
	assert_asked(&s, PROBE_KEYFRAME, 335, s.glance, 9, 5);
	struct patrol_stream one = {.glance = "http://a/x.m3u8", .whole = "http://a/x.m3u8"};
	note(&one, PROBE_WATCH, 7, 100);
	assert_asked(&one, PROBE_KEYFRAME, 150, one.whole, 7, 50);
}

/* ---- a look as a message ---- */

static void a_look_becomes_a_message(void **state)
{
	(void)state;
	struct err e = {0};
	struct spool *spool = NULL;
	struct spool_record rec;
	char dir[] = "/tmp/gridhub-patrol-XXXXXX";
	assert_non_null(mkdtemp(dir));
	const struct spool_conf conf = {.dir = dir, .segment_bytes = 1 << 20, .max_bytes = 8 << 20};
	assert_int_equal(spool_open(&conf, &e, &spool), 0);
	struct patrol_stream s = {.adapter = "frigate", .address = "yard/front"};
	assert_int_equal(patrol_say(spool, &s, SL("{\"online\":true}"), "7-1000", NOON_US), 0);
	assert_int_equal(patrol_say(spool, &s, SL("{}"), "", NOON_US), 0);
	assert_int_equal(spool_seek(spool, 1), 0);
	assert_int_equal(spool_next(spool, &rec), 1);
	char want[128];
	snprintf(want, sizeof want, "{\"ts\":%lld,\"snapshot\":\"7-1000\",\"online\":true}",
		 (long long)NOON_US);
	assert_true(slice_is(rec.source, PROBE_SOURCE));
	assert_true(slice_is(rec.topic, "probe/frigate/yard/front"));
	assert_true(slice_is(rec.payload, want));
	assert_int_equal(spool_next(spool, &rec), 1);
	snprintf(want, sizeof want, "{\"ts\":%lld}", (long long)NOON_US);
	assert_true(slice_is(rec.payload, want));
	spool_close(spool);
	char rm[64];
	snprintf(rm, sizeof rm, "rm -r %s", dir);
	assert_int_equal(system(rm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sun_is_where_it_is),
		cmocka_unit_test(night_is_by_sun_by_hours_or_by_habit),
		cmocka_unit_test(what_has_gathered_goes_in_parts_and_in_order),
		cmocka_unit_test(too_much_is_counted_and_lost),
		cmocka_unit_test(a_baseline_is_written_now_and_then),
		cmocka_unit_test(a_piece_is_as_old_as_it_is_known),
		cmocka_unit_test(a_look_becomes_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
