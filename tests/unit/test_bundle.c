/* What is owed, made into messages: the first at once, the rest as digests, none forgotten. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bundle.h"
#include "json.h"
#include "times.h"

#define NOW (100 * TIMES_DAY)
#define ITEMS 400

static const struct bundle_conf conf = {
	.now_us = NOW, .wait_us = 30 * TIMES_SEC, .interval_us = 5 * TIMES_MIN};

struct bed {
	struct bundle_item items[ITEMS];
	char alerts[ITEMS][512];
	size_t n;
	struct bundle b;
};

static struct bundle_item *owe(struct bed *bed, const char *endpoint, int grid, const char *kind,
			       int64_t case_id, const char *event)
{
	struct bundle_item *it = &bed->items[bed->n];
	snprintf(bed->alerts[bed->n], sizeof bed->alerts[0],
		 "{\"case\":{\"id\":%" PRId64 ",\"kind\":\"%s\",\"kind_name\":\"垃圾满溢\","
		 "\"title\":\"%" PRId64
		 "号箱\\\"满溢\"},\"grid\":{\"name\":\"%d号楼\"},\"device\":{\"title\":\"箱\"},"
		 "\"text\":\"原文\"}",
		 case_id, kind, case_id, grid);
	*it = (struct bundle_item){.id = (int64_t)bed->n + 1,
				   .case_id = case_id,
				   .grid_id = grid,
				   .created_us = NOW,
				   .kind = slice_of(kind),
				   .event = slice_of(event),
				   .alert = slice_of(bed->alerts[bed->n]),
				   .endpoint = slice_of(endpoint),
				   .severity = SEVERITY_NORMAL,
				   .message_id = SL("id")};
	bed->n++;
	return it;
}

static struct bed *bed_new(void)
{
	struct bed *bed = mem_new(sizeof *bed);
	assert_non_null(bed);
	bundle_init(&bed->b);
	return bed;
}

static void bed_free(struct bed *bed)
{
	bundle_done(&bed->b);
	free(bed);
}

static void run(struct bed *bed)
{
	assert_int_equal(bundle_run(&bed->b, bed->items, bed->n, &conf), 0);
}

static struct json *alert_of(const struct bundle_message *m)
{
	static const struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = 16};
	struct json *j = NULL;
	struct err e;
	if (json_parse(m->alert, &limits, &e, &j))
		fail_msg("%s", e.msg);
	return j;
}

static void the_first_goes_at_once_and_as_it_is(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	owe(bed, "leader", 1, "a", 7, "case.opened");
	run(bed);
	assert_int_equal(bed->b.n, 1);
	assert_int_equal(bed->b.v[0].case_id, 7);
	assert_true(slice_is(bed->b.v[0].event, "case.opened"));
	assert_ptr_equal(bed->b.v[0].alert.p, bed->alerts[0]);
	bed_free(bed);
}

static void what_follows_waits_longer_each_time(void **state)
{
	(void)state;
	static const struct {
		int64_t messages, wait_s;
		enum severity severity;
	} cases[] = {
		{1, 30, SEVERITY_NORMAL},  {2, 120, SEVERITY_NORMAL}, {3, 300, SEVERITY_NORMAL},
		{9, 300, SEVERITY_LOW},	   {1, 15, SEVERITY_URGENT},  {2, 60, SEVERITY_URGENT},
		{3, 240, SEVERITY_URGENT}, {4, 300, SEVERITY_URGENT},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (int64_t early = 1; early >= 0; early--) {
			struct bed *bed = bed_new();
			struct bundle_item *it = owe(bed, "leader", 1, "a", 7, "case.opened");
			it->severity = cases[i].severity;
			it->group_messages = cases[i].messages;
			it->group_last_us = NOW - cases[i].wait_s * TIMES_SEC + early;
			run(bed);
			assert_int_equal(bed->b.n, early ? 0 : 1);
			assert_int_equal(it->due_us, early ? NOW + 1 : 0);
			bed_free(bed);
		}
	}
}

static void after_a_pause_the_next_goes_at_once(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	struct bundle_item *it = owe(bed, "leader", 1, "a", 7, "case.opened");
	it->group_messages = 50;
	it->group_last_us = NOW - 5 * TIMES_MIN - 1;
	run(bed);
	assert_int_equal(bed->b.n, 1);
	bed_free(bed);
}

static void a_recovery_is_not_in_a_hurry(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	struct bundle_item *it = owe(bed, "leader", 1, "a", 7, "case.recovered");
	run(bed);
	assert_int_equal(it->due_us, NOW + 30 * TIMES_SEC);
	it->created_us = NOW - 30 * TIMES_SEC;
	run(bed);
	assert_int_equal(bed->b.n, 1);
	bed_free(bed);
}

static void many_of_a_kind_are_one_digest(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int i = 0; i < 40; i++)
		owe(bed, "leader", 1, "event-0192", 100 + i, "case.opened");
	bed->items[33].severity = SEVERITY_URGENT;
	for (int i = 0; i < 6; i++)
		owe(bed, "leader", 1, "event-0192", 100 + i, "case.recovered")->created_us =
			NOW - TIMES_MIN;
	run(bed);
	assert_int_equal(bed->b.n, 1);
	const struct bundle_message *m = &bed->b.v[0];
	assert_true(slice_is(m->event, "case.digest"));
	assert_int_equal(m->case_id, 0);
	assert_int_equal(m->n, 46);
	struct json *j = alert_of(m);
	const struct json *d = json_get(j, "digest");
	assert_int_equal(json_int(json_get(d, "cases")), 40);
	assert_int_equal(json_int(json_get(d, "opened")), 40);
	assert_int_equal(json_int(json_get(d, "recovered")), 6);
	assert_int_equal(json_count(json_get(d, "ids")), 40);
	assert_int_equal(json_count(json_get(d, "shown")), BUNDLE_SHOWN);
	/* the urgent one first, those that have recovered last */
	assert_int_equal(json_int(json_get(json_at(json_get(d, "shown"), 0), "id")), 133);
	assert_int_equal(json_int(json_get(json_at(json_get(d, "shown"), 1), "id")), 106);
	struct slice text = json_str(json_get(j, "text"));
	static const char head[] =
		"【紧急】1号楼共40起：垃圾满溢40起\n1. 133号箱\"满溢\n2. 106号箱";
	assert_true(slice_starts(text, head));
	assert_true(slice_ends(text, "\n另有35起，其中6起已恢复"));
	assert_true(slice_is(json_str(json_get(json_get(j, "case"), "title")),
			     "【紧急】1号楼共40起：垃圾满溢40起"));
	json_free(j);
	bed_free(bed);
}

static void all_recovered_is_said_so(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int i = 0; i < 2; i++)
		owe(bed, "leader", 1, "a", 5 + i, "case.recovered")->created_us = NOW - TIMES_MIN;
	run(bed);
	struct json *j = alert_of(&bed->b.v[0]);
	assert_true(slice_is(json_str(json_get(j, "text")),
			     "【已恢复】1号楼共2起：垃圾满溢2起\n1. 5号箱\"满溢（已恢复）\n2. "
			     "6号箱\"满溢（已恢复）"));
	json_free(j);
	bed_free(bed);
}

/* As the rows come: sorted by endpoint, grid and kind. */
static void too_many_groups_at_once_are_one_digest(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int grid = 1; grid <= BUNDLE_GROUPS_MAX; grid++)
		owe(bed, "few", grid, "a", grid, "case.opened");
	for (int grid = 1; grid <= BUNDLE_GROUPS_MAX + 1; grid++)
		for (int k = 0; k < 3; k++)
			owe(bed, "many", grid, k ? "b" : "a", 100 + 10 * grid + k, "case.opened");
	run(bed);
	assert_int_equal(bed->b.n, BUNDLE_GROUPS_MAX + 1);
	struct json *j = alert_of(&bed->b.v[BUNDLE_GROUPS_MAX]);
	assert_int_equal(json_int(json_get(json_get(j, "digest"), "grids")), BUNDLE_GROUPS_MAX + 1);
	assert_int_equal(json_count(json_get(json_get(j, "digest"), "kinds")), 2);
	assert_true(slice_starts(json_str(json_get(j, "text")), "【一般】4个网格共12起："));
	json_free(j);
	bed_free(bed);
}

static void quiet_hours_let_urgent_ones_through(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	owe(bed, "leader", 1, "a", 1, "case.opened")->quiet_until_us = NOW + TIMES_HOUR;
	struct bundle_item *urgent = owe(bed, "leader", 1, "b", 2, "case.opened");
	urgent->quiet_until_us = NOW + TIMES_HOUR;
	urgent->severity = SEVERITY_URGENT;
	owe(bed, "leader", 1, "c", 3, "case.opened")->quiet_until_us = NOW + 7;
	run(bed);
	assert_int_equal(bed->items[0].due_us, NOW + TIMES_MIN); /* the shift may end sooner */
	assert_int_equal(bed->items[2].due_us, NOW + 7);
	assert_int_equal(bed->b.n, 1);
	assert_int_equal(bed->b.v[0].case_id, 2);
	bed_free(bed);
}

static void a_silence_waits_and_what_passes_within_it_is_dropped(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int64_t c = 1; c <= 3; c++)
		owe(bed, "leader", 1, "a", c, "case.opened")->silent_until_us = NOW + TIMES_HOUR;
	owe(bed, "leader", 1, "a", 2, "case.recovered")->silent_until_us = NOW + TIMES_HOUR;
	owe(bed, "leader", 1, "a", 9, "case.recovered")->silent_until_us = NOW + 7;
	run(bed);
	assert_int_equal(bed->b.n, 0);
	assert_true(bed->items[1].drop && bed->items[3].drop);
	assert_false(bed->items[0].drop || bed->items[2].drop || bed->items[4].drop);
	assert_int_equal(bed->items[0].due_us, NOW + TIMES_MIN); /* it may be ended sooner */
	assert_int_equal(bed->items[4].due_us, NOW + 7);
	bed_free(bed);
}

static void a_receiver_with_messages_waiting_gets_no_more_of_them(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	owe(bed, "leader", 1, "a", 1, "case.opened")->outstanding = BUNDLE_OUTSTANDING;
	owe(bed, "leader", 1, "b", 2, "case.opened")->outstanding = BUNDLE_OUTSTANDING - 1;
	owe(bed, "leader", 1, "c", 3, "case.opened")->case_outstanding = true;
	owe(bed, "leader", 1, "d", 4, "case.opened")->after_us = NOW + 5;
	run(bed);
	assert_int_equal(bed->b.n, 1);
	assert_int_equal(bed->items[1].message, 0);
	assert_int_equal(bed->items[0].due_us, NOW + TIMES_SEC);
	assert_int_equal(bed->items[2].due_us, NOW + TIMES_SEC);
	assert_int_equal(bed->items[3].due_us, NOW + 5);
	bed_free(bed);
}

static void without_grouping_each_goes_by_itself(void **state)
{
	(void)state;
	struct bundle_conf plain = conf;
	struct bed *bed = bed_new();
	plain.wait_us = 0;
	for (int64_t c = 0; c < ITEMS; c++) {
		struct bundle_item *it = owe(bed, "leader", (int)c / 9, "a", c + 1, "case.opened");
		it->group_last_us = NOW;
		it->outstanding = 8;
	}
	assert_int_equal(bundle_run(&bed->b, bed->items, bed->n, &plain), 0);
	assert_int_equal(bed->b.n, ITEMS);
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(bed->b.v[bed->items[i].message].case_id, bed->items[i].case_id);
	bed_free(bed);
}

/* An incident that is kept elsewhere by a key can only be closed by a message of its own. */
static void a_receiver_of_incidents_hears_of_each(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int i = 0; i < 20; i++) {
		bool alone = i >= 10;
		struct bundle_item *it = owe(bed, alone ? "pager" : "leader", 1, "a", i + 1,
					     i % 2 ? "case.recovered" : "case.opened");
		it->alone = alone;
		it->group_last_us = alone ? NOW - TIMES_SEC : 0;
		it->created_us = NOW - TIMES_HOUR;
		it->outstanding = alone ? BUNDLE_OUTSTANDING : 0;
	}
	bed->items[19].case_outstanding = true; /* the order within a case is kept */
	run(bed);
	assert_int_equal(bed->b.n, 1 + 9);
	assert_true(slice_is(bed->b.v[0].event, "case.digest"));
	for (size_t i = 1; i < bed->b.n; i++) {
		assert_int_equal(bed->b.v[i].n, 1);
		assert_int_equal(bed->b.v[i].case_id, (int64_t)i + 10);
	}
	assert_true(bed->items[19].due_us > NOW);
	bed_free(bed);
}

static void without_an_endpoint_it_is_still_a_message(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	for (int64_t c = 1; c <= 5; c++)
		owe(bed, "", 1, "a", c, "case.opened")->endpoint = (struct slice){0};
	run(bed);
	assert_int_equal(bed->b.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_null(bed->b.v[i].endpoint.p);
	bed_free(bed);
}

/* Its device was moved between: the other grid's group could go at once. */
static void a_case_is_told_in_order_across_groups(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	struct bundle_item *opened = owe(bed, "leader", 1, "a", 7, "case.opened");
	opened->group_last_us = NOW - TIMES_SEC;
	opened->group_messages = 1;
	owe(bed, "leader", 2, "a", 7, "case.recurred");
	run(bed);
	assert_int_equal(bed->b.n, 0);
	assert_true(bed->items[0].due_us > NOW);
	assert_int_equal(bed->items[1].due_us, bed->items[0].due_us);
	bed_free(bed);
}

static void the_later_word_waits_for_a_message_of_another_group(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	owe(bed, "leader", 1, "a", 7, "case.opened");
	owe(bed, "leader", 2, "a", 7, "case.recurred");
	run(bed);
	assert_int_equal(bed->b.n, 1);
	assert_int_equal(bed->items[0].message, 0);
	assert_true(bed->items[1].due_us > NOW);
	bed_free(bed);
}

/* The database's clock was a day ahead when the last message went. */
static void a_clock_put_back_keeps_no_group_waiting(void **state)
{
	(void)state;
	struct bed *bed = bed_new();
	struct bundle_item *it = owe(bed, "leader", 1, "a", 7, "case.recovered");
	it->group_last_us = it->created_us = NOW + TIMES_DAY;
	it->group_messages = 1;
	run(bed);
	assert_true(bed->items[0].due_us <= NOW + conf.interval_us);
	bed_free(bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_case_is_told_in_order_across_groups),
		cmocka_unit_test(the_later_word_waits_for_a_message_of_another_group),
		cmocka_unit_test(a_clock_put_back_keeps_no_group_waiting),
		cmocka_unit_test(the_first_goes_at_once_and_as_it_is),
		cmocka_unit_test(what_follows_waits_longer_each_time),
		cmocka_unit_test(after_a_pause_the_next_goes_at_once),
		cmocka_unit_test(a_recovery_is_not_in_a_hurry),
		cmocka_unit_test(many_of_a_kind_are_one_digest),
		cmocka_unit_test(all_recovered_is_said_so),
		cmocka_unit_test(too_many_groups_at_once_are_one_digest),
		cmocka_unit_test(quiet_hours_let_urgent_ones_through),
		cmocka_unit_test(a_silence_waits_and_what_passes_within_it_is_dropped),
		cmocka_unit_test(a_receiver_with_messages_waiting_gets_no_more_of_them),
		cmocka_unit_test(without_grouping_each_goes_by_itself),
		cmocka_unit_test(a_receiver_of_incidents_hears_of_each),
		cmocka_unit_test(without_an_endpoint_it_is_still_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
