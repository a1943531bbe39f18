/* What the hub's own looks say goes the way of all readings: by its own source, to that very
 * camera. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "presence.h"
#include "probe.h"
#include "route.h"
#include "rule_bench.h"

#define NOW_US INT64_C(1763758800000000)

static int decode(const char *topic, const char *payload, bool retained, struct readings *all)
{
	struct err e = {0};
	struct device_message m = {.topic = slice_of(topic),
				   .payload = slice_of(payload),
				   .recv_us = NOW_US,
				   .retained = retained};
	readings_reset(all);
	return device_adapter_find(SL("probe"))->decode(&m, all, &e);
}

static void a_look_is_of_the_camera_that_it_names(void **state)
{
	(void)state;
	struct readings all;
	readings_init(&all);
	assert_int_equal(decode("probe/frigate/yard/front",
				"{\"ts\":1763758799000001,\"online\":true,\"luma_mean\":91.5}",
				false, &all),
			 0);
	assert_int_equal(all.n, 1);
	const struct reading *r = &all.v[0];
	assert_true(slice_is(r->adapter, "frigate"));
	assert_true(slice_is(r->address, "yard/front"));
	assert_int_equal(r->class, CLASS_CAMERA);
	assert_int_equal(r->kind, READING_LOOK);
	assert_int_equal(r->at_us, NOW_US - 999999);
	assert_int_equal(r->nfields, 2);
	assert_true(reading_field(r, "online")->b);
	assert_null(reading_field(r, "ts"));
	readings_done(&all);
}

static void what_is_none_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *topic, *payload;
		bool retained;
		int rc;
	} cases[] = {
		{"probe/probe/c", "{\"ts\":1763758799000001}", false, 0},
		{"probe/probe/c", "{\"ts\":\"2025-11-21T21:00:00Z\"}", false, 0},
		{"probe/probe/c", "{\"ts\":1763758799000001}", true, -ESTALE},
		{"probe/probe/c", "{\"online\":true}", false, -EPROTO},
		{"probe/probe/c", "{\"ts\":12}", false, -EPROTO},
		{"probe/probe/c", "{\"ts\":1763758799000001,\"a\":{\"b\":{}}}", false, -EPROTO},
		{"probe/probe/c", "[]", false, -EPROTO},
		{"probe/probe/c", "", false, -ENODATA},
		{"probe/probe/", "{\"ts\":1763758799000001}", false, -ENOENT},
		{"probe/probe", "{\"ts\":1763758799000001}", false, -ENOENT},
		{"probe/nobody/c", "{\"ts\":1763758799000001}", false, -ENOENT},
		{"city/v1/a/b/camera/c/tele", "{\"ts\":1763758799000001}", false, -ENOENT},
	};
	struct readings all;
	readings_init(&all);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int rc = decode(cases[i].topic, cases[i].payload, cases[i].retained, &all);
		if (rc != cases[i].rc)
			fail_msg("%s %s: %d", cases[i].topic, cases[i].payload, rc);
	}
	readings_done(&all);
}

/* No broker can have the prober's name, so a device cannot speak for it. */
static void only_the_hub_itself_is_the_source(void **state)
{
	(void)state;
	static struct subscription_conf subs[] = {{"city/v1/#", "hub", 1}, {"#", "zigbee2mqtt", 1}};
	static struct broker_conf brokers[] = {
		{.name = "street", .subs = subs, .nsubs = COUNT_OF(subs)}};
	static const struct config conf = {.brokers = brokers, .nbrokers = 1, .path = "c"};
	struct route *route = NULL;
	struct err e;
	assert_int_equal(route_new(&conf, &e, &route), 0);
	const struct device_adapter *probe = device_adapter_find(SL("probe"));
	assert_ptr_equal(route_find(route, SL(PROBE_SOURCE), SL("probe/frigate/c")), probe);
	assert_null(route_find(route, SL(PROBE_SOURCE), SL("city/v1/a/b/camera/c/tele")));
	assert_ptr_not_equal(route_find(route, SL("street"), SL("probe/frigate/c")), probe);
	route_free(route);
}

/* ---- nobody is silent because nobody looked ---- */

static void a_camera_that_is_only_looked_at_is_never_silent(void **state)
{
	(void)state;
	struct bench b;
	bench_reset_devices();
	d1->interval_us = d2->interval_us = 10 * TIMES_MIN;
	d1->adapter = "probe";
	bench_new(&b, "  - {id: mute, silent: 3x, flap: off" TITLE);
	rule_states_at(b.s, 1, at(2, "10:00"));
	assert_int_equal(rule_states_watch(b.s, d1, at(2, "10:00")), 0);
	assert_int_equal(rule_states_watch(b.s, d2, at(2, "10:00")), 0);
	say(&b, d3, at(2, "10:29"), NULL, 0);
	tick(&b, at(2, "12:00"));
	expect(&b, "fired mute d2 2 10:30:00 timer\n");
	bench_done(&b);
}

/* … and looks are no words of a device that speaks for itself: neither kept nor broken by them. */
static void a_look_is_no_word_of_the_camera(void **state)
{
	(void)state;
	struct bench b;
	struct reading *r = NULL;
	bench_reset_devices();
	d2->interval_us = 10 * TIMES_MIN;
	bench_new(&b, "  - {id: mute, silent: 3x, flap: off" TITLE);
	rule_states_at(b.s, 1, at(2, "10:00"));
	assert_int_equal(rule_states_watch(b.s, d2, at(2, "10:00")), 0);
	rule_states_at(b.s, 2, at(2, "10:20"));
	readings_reset(&b.readings);
	assert_int_equal(readings_add(&b.readings, SL("d2"), &r), 0);
	r->kind = READING_LOOK;
	assert_int_equal(rule_states_eval(b.s, d2, r, at(2, "10:20"), bench_hear, &b), 0);
	tick(&b, at(2, "10:31"));
	expect(&b, "fired mute d2 2 10:30:00 timer\n");
	bench_done(&b);
}

static int on_change(void *ctx, enum presence_change what, const char *adapter, int64_t from_us,
		     int64_t to_us)
{
	struct buf *b = ctx;
	buf_printf(b, "%s %s %d %d; ", what == PRESENCE_LOST ? "lost" : "back", adapter,
		   (int)from_us, (int)to_us);
	return 0;
}

static void take(struct presence *p, int flags, const char *source, int64_t us, const char *want)
{
	auto_buf struct buf b;
	struct spool_record rec = {
		.flags = (uint8_t)flags, .source = slice_of(source), .recv_us = us};
	buf_init(&b, 4096);
	assert_int_equal(presence_take(p, &rec, on_change, &b), 0);
	assert_string_equal(buf_str(&b), want);
}

static void the_prober_is_one_more_that_may_be_away(void **state)
{
	(void)state;
	static struct subscription_conf subs[] = {{"city/v1/#", "hub", 1}};
	static struct broker_conf brokers[] = {{.name = "a", .subs = subs, .nsubs = 1}};
	static const struct config conf = {
		.brokers = brokers, .nbrokers = 1, .probe = {.enabled = true}};
	struct presence p;
	presence_init(&p, &conf);
	take(&p, SPOOL_AWAY, "", 10, "lost hub 10 0; lost probe 10 0; ");
	assert_true(presence_none(&p));
	take(&p, SPOOL_CONNECTED, PROBE_SOURCE, 12, "back probe 10 12; ");
	assert_false(presence_none(&p));
	take(&p, SPOOL_CONNECTED, "a", 13, "back hub 10 13; ");
	take(&p, SPOOL_AWAY, PROBE_SOURCE, 20, "lost probe 20 0; "); /* at fault */
	take(&p, SPOOL_AWAY, "a", 21, "lost hub 21 0; ");
	assert_true(presence_none(&p));
	auto_buf struct buf json;
	buf_init(&json, 256);
	presence_json(&p, &json);
	assert_string_equal(buf_str(&json), "{\"a\":21,\"probe\":20}");
	struct presence q;
	presence_init(&q, &conf);
	assert_int_equal(presence_load(&q, 22, buf_slice(&json)), 0);
	take(&q, SPOOL_CONNECTED, PROBE_SOURCE, 30, "back probe 20 30; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_is_of_the_camera_that_it_names),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(only_the_hub_itself_is_the_source),
		cmocka_unit_test(a_camera_that_is_only_looked_at_is_never_silent),
		cmocka_unit_test(a_look_is_no_word_of_the_camera),
		cmocka_unit_test(the_prober_is_one_more_that_may_be_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
