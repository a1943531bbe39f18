/* presence: markers in the log become gaps, whatever the order of brokers and restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "presence.h"

static struct subscription_conf hub_and_frigate[] = {
	{"city/v1/#", "hub", 1}, {"city/v2/#", "hub", 1}, {"frigate/#", "frigate", 1}};
static struct subscription_conf only_hub[] = {{"city/v1/#", "hub", 1}};
static struct broker_conf brokers[] = {
	{.name = "a", .subs = hub_and_frigate, .nsubs = COUNT_OF(hub_and_frigate)},
	{.name = "b", .subs = only_hub, .nsubs = COUNT_OF(only_hub)},
};
static const struct config conf = {.brokers = brokers, .nbrokers = COUNT_OF(brokers)};

/* What was told, as "lost hub 5; back hub 5-9; ". */
struct told {
	char text[512];
	int fail;
};

static int on_change(void *ctx, enum presence_change what, const char *adapter, int64_t from_us,
		     int64_t to_us)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);
	if (what == PRESENCE_LOST)
		snprintf(t->text + n, sizeof t->text - n, "lost %s %d; ", adapter, (int)from_us);
	else
		snprintf(t->text + n, sizeof t->text - n, "back %s %d-%d; ", adapter, (int)from_us,
			 (int)to_us);
	return t->fail;
}

static const char *take(struct presence *p, int flags, const char *source, int64_t recv_us)
{
	static struct told t;
	struct spool_record rec = {
		.flags = (uint8_t)flags, .source = slice_of(source), .recv_us = recv_us};
	t = (struct told){0};
	assert_int_equal(presence_take(p, &rec, on_change, &t), 0);
	return t.text;
}

#define TOLD(p, flags, source, at, words) assert_string_equal(take(p, flags, source, at), words)

static void a_killed_hub_was_heard_up_to_its_last_record(void **state)
{
	(void)state;
	struct presence p;
	presence_init(&p, &conf);
	TOLD(&p, SPOOL_AWAY, "", 1, "lost hub 1; lost frigate 1; lost hub 1; ");
	assert_true(presence_none(&p));
	TOLD(&p, SPOOL_CONNECTED, "a", 3, "back hub 1-3; lost hub 1; back frigate 1-3; ");
	assert_false(presence_none(&p));
	TOLD(&p, SPOOL_CONNECTED, "b", 4, "back hub 1-4; ");
	TOLD(&p, 0, "a", 50, "");
	TOLD(&p, SPOOL_ALIVE, "", 60, "");
	TOLD(&p, SPOOL_AWAY, "", 90, "lost hub 60; lost frigate 60; lost hub 60; ");
	TOLD(&p, SPOOL_CONNECTED, "b", 95, "back hub 60-95; lost hub 60; ");
	TOLD(&p, SPOOL_CONNECTED, "a", 99, "back hub 60-99; back frigate 60-99; ");
}

static void a_lost_broker_counts_from_its_loss(void **state)
{
	(void)state;
	struct presence p;
	presence_init(&p, &conf);
	TOLD(&p, 0, "a", 10, "");
	TOLD(&p, SPOOL_AWAY, "a", 20, "lost hub 20; lost frigate 20; ");
	TOLD(&p, SPOOL_AWAY, "a", 25, ""); /* it is known */
	TOLD(&p, 0, "b", 30, "");
	TOLD(&p, SPOOL_AWAY, "", 40, "lost hub 30; "); /* and the hub starts again */
	TOLD(&p, SPOOL_CONNECTED, "a", 50, "back hub 20-50; lost hub 30; back frigate 20-50; ");
	TOLD(&p, SPOOL_AWAY, "stranger", 55, "");
	TOLD(&p, SPOOL_CONNECTED, "b", 60, "back hub 30-60; ");
}

static void a_marker_that_was_not_written_is_made_up_for(void **state)
{
	(void)state;
	struct presence p;
	presence_init(&p, &conf);
	TOLD(&p, 0, "a", 10, "");
	TOLD(&p, SPOOL_CONNECTED, "a", 20, "back hub 10-20; back frigate 10-20; ");
	TOLD(&p, SPOOL_CONNECTED, "a", 15, "back hub 15-15; back frigate 15-15; "); /* put back */
}

static void it_is_kept_as_json(void **state)
{
	(void)state;
	struct presence p, q;
	auto_buf struct buf b;
	buf_init(&b, 1000);
	presence_init(&p, &conf);
	presence_json(&p, &b);
	assert_string_equal(buf_str(&b), "{}");
	TOLD(&p, SPOOL_AWAY, "b", 20, "lost hub 20; ");
	buf_reset(&b);
	presence_json(&p, &b);
	assert_string_equal(buf_str(&b), "{\"b\":20}");
	presence_init(&q, &conf);
	assert_int_equal(presence_load(&q, 33, buf_slice(&b)), 0);
	assert_int_equal(q.heard_us, 33);
	assert_int_equal(q.away_us[1], 20);
	TOLD(&q, SPOOL_CONNECTED, "b", 40, "back hub 20-40; ");
	TOLD(&q, SPOOL_CONNECTED, "a", 41, "back hub 40-41; back frigate 40-41; ");
	assert_int_equal(presence_load(&q, 1, SL("{\"b\":")), -EINVAL);
	assert_int_equal(presence_load(&q, 1, SL("")), 0);
	assert_int_equal(presence_load(&q, 1, SL("{\"x\":7,\"a\":\"no\"}")), 0);
	assert_int_equal(q.away_us[0], 0);
}

static void an_error_ends_it(void **state)
{
	(void)state;
	struct presence p;
	struct told t = {.fail = -ENOMEM};
	struct spool_record rec = {.flags = SPOOL_AWAY, .recv_us = 1};
	presence_init(&p, &conf);
	assert_int_equal(presence_take(&p, &rec, on_change, &t), -ENOMEM);
	assert_string_equal(t.text, "lost hub 1; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_hub_was_heard_up_to_its_last_record),
		cmocka_unit_test(a_lost_broker_counts_from_its_loss),
		cmocka_unit_test(a_marker_that_was_not_written_is_made_up_for),
		cmocka_unit_test(it_is_kept_as_json),
		cmocka_unit_test(an_error_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
