/* Rule packs: loading with every error at its place, phases by event time, titles, the shipped
 * packs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rule_run.h"
#include "times.h"

/* ---- a folder of rules ---- */

struct folder {
	char path[64];
	struct rule_report report;
};

static void folder_new(struct folder *f)
{
	snprintf(f->path, sizeof f->path, "/tmp/test_rule.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	rule_report_init(&f->report);
}

static void put_file(const struct folder *f, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", f->path, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void folder_done(struct folder *f)
{
	static const char *const names[] = {"a.yaml", "b.yaml", "fields.yaml"};
	char path[128];
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f->path, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->path), 0);
	rule_report_done(&f->report);
}

/* A set from the text of one file, which must be good. */
static struct rules *load(const char *text)
{
	struct folder f;
	struct rules *set = NULL;
	folder_new(&f);
	put_file(&f, "a.yaml", text);
	int r = rules_load(f.path, &f.report, &set);
	if (r)
		print_message("%s", buf_str(&f.report.errors));
	assert_int_equal(r, 0);
	folder_done(&f);
	return set;
}

#define TITLE "\n    kind: x\n    title: {zh-CN: t}\n"
#define RULE(id_, rest_) "  - id: " id_ "\n    " rest_ TITLE
#define PACK(rules_) "rules:\n" rules_

/* ---- one device and what came out ---- */

#define SEC(n_) ((int64_t)(n_)*TIMES_SEC)

static const struct grid grid = {
	.id = 7, .code = "yh-1", .name = "燕华一", .leader = "王", .level = 3};
static const struct device bin = {.id = 42,
				  .name = "bin-1",
				  .adapter = "hub",
				  .address = "bin-1",
				  .grid = &grid,
				  .class = CLASS_BIN,
				  .slot = 3,
				  .title = "1号箱"};

struct heard {
	enum anomaly_kind kind;
	int64_t at_us;
	bool timer;
	char rule[RULE_ID_MAX + 1];
	char fields[256];
};

struct bench {
	struct rules *set;
	struct rule_states *s;
	struct readings readings;
	struct heard v[64];
	size_t n;
	int refuse;
};

static int hear(void *ctx, const struct anomaly *a)
{
	struct bench *b = ctx;
	if (b->refuse)
		return b->refuse;
	assert_true(b->n < COUNT_OF(b->v));
	struct heard *h = &b->v[b->n++];
	*h = (struct heard){.kind = a->kind, .at_us = a->at_us, .timer = a->reading == NULL};
	snprintf(h->rule, sizeof h->rule, "%s", a->rule->id);
	snprintf(h->fields, sizeof h->fields, "%.*s", SL_FMT(a->fields));
	assert_ptr_equal(a->device, &bin);
	return 0;
}

static void bench_new(struct bench *b, const char *text)
{
	*b = (struct bench){.set = load(text), .s = rule_states_new()};
	assert_non_null(b->s);
	readings_init(&b->readings);
	assert_int_equal(rule_states_use(b->s, b->set, hear, b), 0);
}

static void bench_done(struct bench *b)
{
	rule_states_free(b->s);
	rules_unref(b->set);
	readings_done(&b->readings);
}

struct named {
	const char *name;
	struct value v;
};

static void say(struct bench *b, int64_t at_s, const struct named *fields, size_t n)
{
	struct reading *r = NULL;
	readings_reset(&b->readings);
	assert_int_equal(readings_add(&b->readings, SL("bin-1"), &r), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			reading_put(&b->readings, r, slice_of(fields[i].name), fields[i].v), 0);
	assert_int_equal(rule_states_eval(b->s, &bin, r, SEC(at_s), hear, b), 0);
}

static void say_num(struct bench *b, int64_t at_s, const char *name, double d)
{
	say(b, at_s, &(struct named){name, VALUE_OF_DOUBLE(d)}, 1);
}

static void tick(struct bench *b, int64_t at_s)
{
	assert_int_equal(rule_states_tick(b->s, SEC(at_s), hear, b), 0);
}

static void expect_one(struct bench *b, enum anomaly_kind kind, int64_t at_s, bool timer)
{
	assert_int_equal(b->n, 1);
	assert_int_equal(b->v[0].kind, kind);
	assert_int_equal(b->v[0].at_us, SEC(at_s));
	assert_int_equal(b->v[0].timer, timer);
	b->n = 0;
}

static void expect_none(const struct bench *b)
{
	assert_int_equal(b->n, 0);
}

/* ---- phases ---- */

static void fires_and_recovers_at_once(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    flap: off")));
	say_num(&b, 10, "t", 20);
	expect_none(&b);
	assert_int_equal(rule_states_count(b.s), 0);
	say_num(&b, 20, "t", 61);
	expect_one(&b, ANOMALY_FIRED, 20, false);
	say_num(&b, 30, "t", 62);
	expect_one(&b, ANOMALY_SEEN, 30, false);
	say_num(&b, 40, "t", 59);
	expect_one(&b, ANOMALY_RECOVERED, 40, false);
	assert_int_equal(rule_states_count(b.s), 0);
	say_num(&b, 50, "t", 70);
	expect_one(&b, ANOMALY_FIRED, 50, false);
	bench_done(&b);
}

static void for_waits_and_a_timer_ends_it(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    for: 60s")));
	assert_int_equal(rule_states_next(b.s), INT64_MAX);
	say_num(&b, 100, "t", 61);
	say_num(&b, 130, "t", 61);
	expect_none(&b);
	assert_int_equal(rule_states_next(b.s), SEC(160));
	tick(&b, 159);
	expect_none(&b);
	tick(&b, 500);
	expect_one(&b, ANOMALY_FIRED, 160, true);
	assert_int_equal(rule_states_next(b.s), INT64_MAX);
	bench_done(&b);
}

static void for_is_broken_by_one_false(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    for: 60s")));
	say_num(&b, 100, "t", 61);
	say_num(&b, 150, "t", 50);
	tick(&b, 1000);
	expect_none(&b);
	assert_int_equal(rule_states_count(b.s), 0);
	bench_done(&b);
}

/* The result must not depend on whether a tick came between two readings. */
static void a_hold_that_ran_out_fires_before_the_next_reading(void **state)
{
	(void)state;
	struct bench b;
	for (int ticked = 0; ticked < 2; ticked++) {
		bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    for: 60s")));
		say_num(&b, 100, "t", 61);
		if (ticked)
			tick(&b, 170);
		say_num(&b, 170, "t", 20);
		assert_int_equal(b.n, 2);
		assert_int_equal(b.v[0].kind, ANOMALY_FIRED);
		assert_int_equal(b.v[0].at_us, SEC(160));
		assert_true(b.v[0].timer);
		assert_int_equal(b.v[1].kind, ANOMALY_RECOVERED);
		assert_int_equal(b.v[1].at_us, SEC(170));
		bench_done(&b);
	}
}

static void clear_is_hysteresis(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("full", "when: f >= 85.0\n    clear: f < 70.0")));
	say_num(&b, 1, "f", 90);
	expect_one(&b, ANOMALY_FIRED, 1, false);
	say_num(&b, 2, "f", 75);
	expect_none(&b);
	say_num(&b, 3, "f", 86);
	expect_one(&b, ANOMALY_SEEN, 3, false);
	say_num(&b, 4, "f", 69);
	expect_one(&b, ANOMALY_RECOVERED, 4, false);
	bench_done(&b);
}

static void clear_for_waits_and_falls_back(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("full", "when: f >= 85.0\n    clear_for: 30s\n    flap: off")));
	say_num(&b, 10, "f", 90);
	b.n = 0;
	say_num(&b, 20, "f", 10);
	expect_none(&b);
	assert_int_equal(rule_states_next(b.s), SEC(50));
	say_num(&b, 40, "f", 90);
	expect_one(&b, ANOMALY_SEEN, 40, false);
	assert_int_equal(rule_states_next(b.s), INT64_MAX);
	say_num(&b, 60, "f", 10);
	tick(&b, 89);
	expect_none(&b);
	tick(&b, 90);
	expect_one(&b, ANOMALY_RECOVERED, 90, true);
	assert_int_equal(rule_states_count(b.s), 0);
	bench_done(&b);
}

static void a_late_reading_moves_nothing_back(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    flap: off")));
	say_num(&b, 100, "t", 61);
	expect_one(&b, ANOMALY_FIRED, 100, false);
	say_num(&b, 90, "t", 20);
	expect_none(&b);
	say_num(&b, 120, "t", 20);
	expect_one(&b, ANOMALY_RECOVERED, 120, false);
	say_num(&b, 110, "t", 99);
	expect_none(&b);
	/* another field has its own time */
	say_num(&b, 115, "u", 1);
	expect_none(&b);
	bench_done(&b);
}

static void a_clock_put_back_by_days_counts_from_now(void **state)
{
	(void)state;
	const int64_t wrong = 10 * INT64_C(86400);
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    flap: off")));
	say_num(&b, wrong, "t", 61);
	expect_one(&b, ANOMALY_FIRED, wrong, false);
	say_num(&b, wrong - 86400, "t", 20); /* a day: late */
	expect_none(&b);
	say_num(&b, 100, "t", 20);
	expect_one(&b, ANOMALY_RECOVERED, 100, false);
	bench_done(&b);
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    for: 60s")));
	say_num(&b, wrong, "t", 61);
	say_num(&b, 100, "t", 62);
	expect_none(&b);
	assert_int_equal(rule_states_next(b.s), SEC(160));
	tick(&b, 160);
	expect_one(&b, ANOMALY_FIRED, 160, true);
	bench_done(&b);
}

static void a_missing_field_or_an_error_holds(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("dry", "when: t > 60.0 && h < 20.0")));
	const struct named both[] = {{"t", VALUE_OF_DOUBLE(70)}, {"h", VALUE_OF_DOUBLE(10)}};
	say(&b, 1, both, 2);
	expect_one(&b, ANOMALY_FIRED, 1, false);
	say_num(&b, 2, "t", 70);
	expect_none(&b);
	say(&b, 3, &(struct named){"t", VALUE_OF_STR(SL("warm"))}, 1);
	expect_none(&b);
	say(&b, 4, &(struct named){"t", {.type = VALUE_NULL}}, 1);
	expect_none(&b);
	assert_int_equal(rule_states_count(b.s), 1);
	/* false decides, whatever is missing */
	say_num(&b, 5, "t", 10);
	expect_one(&b, ANOMALY_RECOVERED, 5, false);
	bench_done(&b);
}

static void a_type_is_a_type(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("a", "when: type(fill_pct) == double")));
	say(&b, 1, &(struct named){"fill_pct", VALUE_OF_INT(5)}, 1);
	assert_int_equal(b.n, 0);
	say(&b, 2, &(struct named){"fill_pct", VALUE_OF_DOUBLE(5.0)}, 1);
	assert_int_equal(b.n, 1);
	bench_done(&b);
}

static void events_have_no_state(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("drop", "event: true\n    when: wrong_drop")));
	const struct named yes = {"wrong_drop", VALUE_OF_BOOL(true)};
	for (int i = 1; i < 4; i++) {
		say(&b, i, &yes, 1);
		expect_one(&b, ANOMALY_FIRED, i, false);
		assert_int_equal(rule_states_count(b.s), 0);
	}
	say(&b, 5, &(struct named){"wrong_drop", VALUE_OF_BOOL(false)}, 1);
	expect_none(&b);
	bench_done(&b);
}

static void silence_neither_fires_nor_recovers(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("hot", "when: t > 60.0\n    for: 10m")));
	struct device d = bin;
	struct reading *r = NULL;
	d.interval_us = SEC(60);
	assert_int_equal(readings_add(&b.readings, SL("bin-1"), &r), 0);
	assert_int_equal(reading_put(&b.readings, r, SL("t"), VALUE_OF_DOUBLE(99)), 0);
	assert_int_equal(rule_states_eval(b.s, &d, r, SEC(0), NULL, NULL), 0);
	tick(&b, 6000);
	expect_none(&b);
	assert_int_equal(rule_states_count(b.s), 1);
	bench_done(&b);
}

static void only_rules_of_the_class_are_looked_at(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("cam", "class: camera\n    when: t > 1.0")
				   RULE("bin", "class: bin\n    when: t > 1.0")
					   RULE("all", "when: t > 1.0")));
	say_num(&b, 1, "t", 2);
	assert_int_equal(b.n, 2);
	assert_string_equal(b.v[0].rule, "bin");
	assert_string_equal(b.v[1].rule, "all");
	bench_done(&b);
}

static void device_and_grid_can_be_read(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, PACK(RULE("here", "when: t > 1.0 && device.name == 'bin-1' && "
					"grid.code.startsWith('yh') && grid.level == 3")));
	say_num(&b, 1, "t", 2);
	expect_one(&b, ANOMALY_FIRED, 1, false);
	bench_done(&b);
}

/* ---- saving ---- */

struct saved {
	struct rule_saved v[16];
	char text[16][RULE_ID_MAX + 256];
	size_t n;
	int refuse;
};

static int save(void *ctx, const struct rule_saved *saved)
{
	struct saved *all = ctx;
	if (all->refuse)
		return all->refuse;
	struct rule_saved *v = &all->v[all->n];
	char *text = all->text[all->n++];
	*v = *saved;
	int n = snprintf(text, RULE_ID_MAX + 256, "%s", saved->rule_id) + 1;
	memcpy(text + n, saved->fields.p ? saved->fields.p : "", saved->fields.n);
	v->rule_id = text;
	v->fields.p = text + n;
	return 0;
}

#define SAVED_PACK                                                                      \
	"rules:\n"                                                                      \
	"  - {id: b, when: t > 60.0, for: 60s, kind: x, title: {zh-CN: \"{t} {u}\"}}\n" \
	"  - {id: a, when: t > 50.0, clear_for: 30s, kind: x, title: {zh-CN: t}}\n"

static void dirty_states_are_handed_out_once(void **state)
{
	(void)state;
	struct bench b;
	struct saved all = {0};
	bench_new(&b, SAVED_PACK);
	say_num(&b, 10, "t", 61.5);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 2);
	assert_string_equal(all.v[0].rule_id, "a");
	assert_int_equal(all.v[0].phase, PHASE_FIRING);
	assert_string_equal(all.v[1].rule_id, "b");
	assert_int_equal(all.v[1].phase, PHASE_PENDING);
	assert_int_equal(all.v[1].since_us, SEC(10));
	assert_int_equal(all.v[1].device_id, 42);
	assert_true(slice_is(all.v[1].fields, "{\"t\":61.5}"));
	all.n = 0;
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 0);
	say_num(&b, 20, "t", 1);
	assert_int_equal(rule_states_count(b.s), 1);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.v[0].phase, PHASE_CLEARING);
	assert_int_equal(all.v[1].phase, PHASE_OK);
	bench_done(&b);
}

static void what_was_refused_is_handed_out_again(void **state)
{
	(void)state;
	struct bench b;
	struct saved all = {.refuse = -EIO};
	bench_new(&b, SAVED_PACK);
	say_num(&b, 10, "t", 61);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), -EIO);
	all.refuse = 0;
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 2);
	bench_done(&b);
}

static void a_restart_changes_no_result(void **state)
{
	(void)state;
	struct bench b, c;
	struct saved all = {0};
	bench_new(&b, SAVED_PACK);
	say_num(&b, 10, "t", 61);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	bench_done(&b);
	bench_new(&c, SAVED_PACK);
	for (size_t i = 0; i < all.n; i++)
		assert_int_equal(rule_states_restore(c.s, &all.v[i], &bin), 0);
	assert_int_equal(rule_states_count(c.s), 2);
	all.n = 0;
	assert_int_equal(rule_states_take_dirty(c.s, save, &all), 0);
	assert_int_equal(all.n, 0);
	say_num(&c, 20, "t", 61);
	expect_one(&c, ANOMALY_SEEN, 20, false);
	tick(&c, 70);
	expect_one(&c, ANOMALY_FIRED, 70, true);
	bench_done(&c);
}

static void a_restore_skips_what_is_gone_or_changed(void **state)
{
	(void)state;
	struct bench b;
	bench_new(&b, SAVED_PACK);
	struct rule_saved s = {.device_id = 42, .rule_id = "a", .phase = PHASE_FIRING};
	assert_int_equal(rule_states_restore(b.s, &s, &bin), 1);
	s.rule_id = "gone";
	assert_int_equal(rule_states_restore(b.s, &s, &bin), 1);
	assert_int_equal(rule_states_count(b.s), 0);
	bench_done(&b);
}

static void a_forgotten_device_leaves_deletions(void **state)
{
	(void)state;
	struct bench b;
	struct saved all = {0};
	bench_new(&b, SAVED_PACK);
	say_num(&b, 10, "t", 61);
	rule_states_forget(b.s, &bin);
	assert_int_equal(rule_states_count(b.s), 0);
	assert_int_equal(rule_states_next(b.s), INT64_MAX);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 2);
	assert_int_equal(all.v[0].phase, PHASE_OK);
	assert_string_equal(all.v[0].rule_id, "a");
	bench_done(&b);
}

static void a_reload_keeps_what_did_not_change(void **state)
{
	(void)state;
	struct bench b;
	struct saved all = {0};
	bench_new(&b, PACK(RULE("a", "when: t > 1.0") RULE("b", "when: t > 2.0") RULE(
			      "c", "when: t > 3.0") RULE("p", "when: t > 1.0\n    for: 1h")));
	say_num(&b, 10, "t", 9);
	assert_int_equal(b.n, 3);
	b.n = 0;
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	all.n = 0;
	/* another title and another place in the set; b has another condition, c and p are gone */
	struct rules *next = load(PACK(RULE("b", "when: t > 2.5") RULE("z", "when: u > 1.0")
					       RULE("a", "severity: low\n    when: t > 1.0")));
	assert_int_equal(rule_states_use(b.s, next, hear, &b), 0);
	rules_unref(b.set);
	b.set = next;
	assert_int_equal(b.n, 2);
	assert_string_equal(b.v[0].rule, "b");
	assert_int_equal(b.v[0].kind, ANOMALY_RECOVERED);
	assert_string_equal(b.v[1].rule, "c");
	b.n = 0;
	assert_int_equal(rule_states_count(b.s), 1);
	assert_int_equal(rule_states_next(b.s), INT64_MAX);
	assert_int_equal(rule_states_take_dirty(b.s, save, &all), 0);
	assert_int_equal(all.n, 3);
	for (size_t i = 0; i < all.n; i++)
		assert_int_equal(all.v[i].phase, PHASE_OK);
	say_num(&b, 5, "t", 0); /* still known to be late */
	expect_none(&b);
	say_num(&b, 20, "t", 9);
	assert_int_equal(b.n, 2);
	assert_int_equal(b.v[0].kind, ANOMALY_FIRED);
	assert_int_equal(b.v[1].kind, ANOMALY_SEEN);
	bench_done(&b);
}

static void a_refusal_stops_the_evaluation(void **state)
{
	(void)state;
	struct bench b;
	struct reading *r = NULL;
	bench_new(&b, PACK(RULE("a", "when: t > 1.0")));
	b.refuse = -ECANCELED;
	assert_int_equal(readings_add(&b.readings, SL("bin-1"), &r), 0);
	assert_int_equal(reading_put(&b.readings, r, SL("t"), VALUE_OF_DOUBLE(2)), 0);
	assert_int_equal(rule_states_eval(b.s, &bin, r, SEC(1), hear, &b), -ECANCELED);
	bench_done(&b);
}

/* ---- the same readings make the same anomalies, however ticks and restarts fall ---- */

#define LONG_PACK                                                                               \
	PACK(RULE("a", "when: t > 60.0\n    for: 45s\n    clear: t < 40.0\n    clear_for: 30s") \
		     RULE("b", "when: t > 50.0 && h < 5.0\n    for: 20s")                       \
			     RULE("c", "when: t > 70.0\n    clear_for: 90s")                    \
				     RULE("d", "when: h > 7.0 || t > 90.0"))

struct history {
	char lines[4000][64];
	size_t n;
};

static int write_down(void *ctx, const struct anomaly *a)
{
	struct history *h = ctx;
	assert_true(h->n < COUNT_OF(h->lines));
	snprintf(h->lines[h->n++], sizeof h->lines[0], "%s %d %lld %d", a->rule->id, (int)a->kind,
		 (long long)(a->at_us / TIMES_SEC), a->reading != NULL);
	return 0;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* What the database would hold: one row a rule, as there is one device. */
static int keep_row(void *ctx, const struct rule_saved *saved)
{
	struct saved *rows = ctx;
	size_t i = 0;
	while (i < rows->n && strcmp(rows->v[i].rule_id, saved->rule_id) != 0)
		i++;
	size_t n = MAX_OF(rows->n, i + 1);
	rows->n = i; /* save() puts it there */
	int r = save(rows, saved);
	rows->n = n;
	return r;
}

static struct rule_states *restart(struct rule_states *s, struct rules *set, const struct device *d,
				   struct saved *rows)
{
	struct rule_states *next = rule_states_new();
	assert_int_equal(rule_states_use(next, set, NULL, NULL), 0);
	assert_int_equal(rule_states_take_dirty(s, keep_row, rows), 0);
	for (size_t i = 0; i < rows->n; i++)
		assert_int_equal(rule_states_restore(next, &rows->v[i], d), 0);
	rule_states_free(s);
	return next;
}

enum { WITH_TICKS = 1, WITH_RESTARTS = 2 };

static void live_through(struct rules *set, uint32_t seed, int how, struct history *h)
{
	struct device d = bin;
	struct rule_states *s = rule_states_new();
	struct readings all;
	uint32_t other = seed + 77;
	struct saved rows = {0};
	int64_t at = 0;
	d.interval_us = seed % 2 ? SEC(15) : 0;
	readings_init(&all);
	assert_int_equal(rule_states_use(s, set, NULL, NULL), 0);
	for (int i = 0; i < 400; i++) {
		struct reading *r = NULL;
		int64_t before = at;
		at += SEC(1 + next_random(&seed) % (i % 50 ? 20 : 200));
		readings_reset(&all);
		assert_int_equal(readings_add(&all, SL("x"), &r), 0);
		double t = next_random(&seed) % 100, hum = next_random(&seed) % 10;
		if (next_random(&seed) % 8)
			assert_int_equal(reading_put(&all, r, SL("t"), VALUE_OF_DOUBLE(t)), 0);
		if (next_random(&seed) % 4)
			assert_int_equal(reading_put(&all, r, SL("h"), VALUE_OF_DOUBLE(hum)), 0);
		if (how & WITH_TICKS && next_random(&other) % 2)
			assert_int_equal(
				rule_states_tick(s, before + (at - before) / 2, write_down, h), 0);
		if (how & WITH_RESTARTS && next_random(&other) % 3 == 0)
			s = restart(s, set, &d, &rows);
		assert_int_equal(rule_states_eval(s, &d, r, at, write_down, h), 0);
	}
	assert_int_equal(rule_states_tick(s, at + TIMES_HOUR, write_down, h), 0);
	rule_states_free(s);
	readings_done(&all);
}

static int by_line(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Between two readings the timers of different rules run out in their own order, which is another
 * one than that of the set: the anomalies are the same, their order within that gap is not. */
static void neither_ticks_nor_restarts_change_the_result(void **state)
{
	(void)state;
	struct rules *set = load(LONG_PACK);
	struct history *a = malloc(sizeof *a), *b = malloc(sizeof *b);
	assert_true(a && b);
	for (uint32_t seed = 1; seed <= 40; seed++) {
		a->n = 0;
		live_through(set, seed, 0, a);
		assert_true(a->n > 20);
		qsort(a->lines, a->n, sizeof a->lines[0], by_line);
		for (int how = WITH_TICKS; how <= (WITH_TICKS | WITH_RESTARTS); how++) {
			b->n = 0;
			live_through(set, seed, how, b);
			qsort(b->lines, b->n, sizeof b->lines[0], by_line);
			assert_int_equal(a->n, b->n);
			for (size_t i = 0; i < a->n; i++)
				assert_string_equal(a->lines[i], b->lines[i]);
		}
	}
	free(a);
	free(b);
	rules_unref(set);
}

/* ---- loading ---- */

static void expect_report(const char *text, const char *errors, const char *warnings)
{
	struct folder f;
	struct rules *set = NULL;
	auto_buf struct buf all;
	buf_init(&all, 65536);
	folder_new(&f);
	put_file(&f, "a.yaml", text);
	put_file(&f, "fields.yaml",
		 "fields:\n  - {name: fill_pct, type: double, meaning: m}\n"
		 "  - {name: temp_c, type: double, meaning: m}\n");
	int r = rules_load(f.path, &f.report, &set);
	assert_int_equal(r, *errors ? -EINVAL : 0);
	/* the folder's name is not known in advance: "@" in what is expected */
	struct slice rest = slice_of(*errors ? errors : warnings), line, part;
	while (slice_cut(&rest, '\n', &line)) {
		if (line.n)
			buf_printf(&all, "%s/", f.path);
		for (bool first = true; line.n && slice_cut(&line, '@', &part); first = false)
			buf_printf(&all, "%s%s%.*s%s", first ? "" : f.path, first ? "" : "/",
				   SL_FMT(part), line.p ? "" : "\n");
	}
	assert_string_equal(buf_str(*errors ? &f.report.errors : &f.report.warnings),
			    buf_str(&all));
	rules_unref(set);
	folder_done(&f);
}

static void all_errors_are_told_with_their_places(void **state)
{
	(void)state;
	expect_report(
		"rules:\n"
		"  - id: one\n"
		"    when: fill_pct >\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: two\n"
		"    whem: fill_pct > 1\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: Three\n"
		"    when: \"size(temp_c, 1) > 2\"\n"
		"    clear: >-\n"
		"      temp_c < 1.0 &&\n"
		"      sice(temp_c) < 3\n"
		"    for: soon\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n",
		"a.yaml:3:21: key \"when\": a value was expected, the condition ends here\n"
		"a.yaml:7:5: unknown key \"whem\" (did you mean \"when\"?)\n"
		"a.yaml:10:9: key \"id\": value \"Three\" is not 1 to 64 of a-z, 0-9, _ . - "
		"beginning with a letter or digit\n"
		"a.yaml:15:10: key \"for\": value \"soon\" is not a duration like 10s or 20m, 0 to "
		"30d\n"
		"a.yaml:11:12: key \"when\": size() takes 1 argument\n"
		"a.yaml:14:7: key \"clear\": unknown function \"sice\" (did you mean \"size\"?)\n",
		"");
}

static void places_inside_values_are_those_of_the_file(void **state)
{
	(void)state;
	expect_report(
		"rules:\n"
		"  - id: folded\n"
		"    when: >-\n"
		"      temp_c < 1.0 &&\n"
		"      sice(temp_c) < 3\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: literal\n"
		"    when: |\n"
		"      temp_c < 1.0\n"
		"        && = 3\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: quoted\n"
		"    when: 'label == ''垃圾'' && $'\n"
		"    kind: x\n"
		"    title: {zh-CN: \"满 {oh no}\"}\n"
		"  - id: double\n"
		"    when: \"\\\"a\\\" + $\"\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: plain\n"
		"    when: temp_c < 1.0\n"
		"      && (fill_pct\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n",
		"a.yaml:5:7: key \"when\": unknown function \"sice\" (did you mean \"size\"?)\n"
		"a.yaml:11:12: key \"when\": \"=\" has no meaning here; equality is ==\n"
		"a.yaml:15:31: key \"when\": \"$\" has no meaning here\n"
		"a.yaml:17:23: key \"title\": {oh no} is no field; beside fields there are "
		"{device.name}, {device.class}, {grid.name}, {grid.code} and {grid.leader}\n"
		"a.yaml:19:20: key \"when\": \"$\" has no meaning here\n"
		"a.yaml:24:19: key \"when\": \")\" was expected, the condition ends here\n",
		"");
}

static void more_errors(void **state)
{
	(void)state;
	expect_report(
		"rules:\n"
		"  - {id: a, event: true, for: 5s, when: temp_c > 1.0, kind: x, title: {zh-CN: "
		"t}}\n"
		"  - {id: b, when: [1], kind: x, title: {zh-CN: t}}\n"
		"  - {id: c, when: true, kind: x, title: {en: t}}\n"
		"  - {id: d, when: true, kind: x, title: {zh-CN: \"{temp_c\"}}\n"
		"  - {id: e, when: true, kind: '', title: {zh-CN: t}}\n"
		"  - {id: f, class: van, when: true, kind: x, title: {zh-CN: t}}\n"
		"  - {id: g, when: true, kind: x, title: {zh-CN: t}}\n"
		"  - {id: g, when: true, kind: x, title: {zh-CN: t}}\n"
		"  - {id: h, when: label.matches('('), kind: x, title: {zh-CN: t}}\n",
		"a.yaml:2:31: key \"for\": an event rule has no state that could last\n"
		"a.yaml:3:19: key \"when\": a list where a text was expected (one that begins with "
		"[ "
		"wants quotes)\n"
		"a.yaml:4:41: key \"zh-CN\" is missing\n"
		"a.yaml:5:50: key \"title\": \"{\" without its \"}\"\n"
		"a.yaml:6:31: key \"kind\": must not be empty\n"
		"a.yaml:7:20: key \"class\": value \"van\" is not one of any, camera, sensor, bin\n"
		"a.yaml:10:19: no field \"label\" in fields.yaml; add it there if a device sends "
		"it\n"
		"a.yaml:10:33: key \"when\": the pattern is wrong at its character 2: missing "
		"closing parenthesis\n"
		"a.yaml:9:1: rule \"g\" is here twice (first in @a.yaml:8)\n",
		"");
}

static void unknown_fields_are_refused(void **state)
{
	(void)state;
	expect_report(
		"rules:\n"
		"  - id: a\n"
		"    when: fil_pct > 1.0 && has(zzz) && fil_pct < 9.0\n"
		"    kind: x\n"
		"    title: {zh-CN: \"{tmp_c} {device.name}\"}\n",
		"a.yaml:3:11: no field \"fil_pct\" in fields.yaml (did you mean \"fill_pct\"?)"
		"; add it there if a device sends it\n"
		"a.yaml:3:32: no field \"zzz\" in fields.yaml; add it there if a device sends "
		"it\n"
		"a.yaml:5:22: no field \"tmp_c\" in fields.yaml (did you mean \"temp_c\"?); add "
		"it there if a device sends it\n",
		"");
}

static void a_missing_folder_and_broken_yaml_are_told(void **state)
{
	(void)state;
	struct rule_report report;
	struct rules *set = NULL;
	rule_report_init(&report);
	assert_int_equal(rules_load("/nonexistent", &report, &set), -ENOENT);
	assert_int_equal(report.nerrors, 1);
	rule_report_done(&report);
	struct folder f;
	folder_new(&f);
	put_file(&f, "a.yaml", "rules:\n  - {id: a\n");
	put_file(&f, "b.yaml", "rulez: []\n");
	assert_int_equal(rules_load(f.path, &f.report, &set), -EINVAL);
	assert_int_equal(f.report.nerrors, 2);
	assert_non_null(strstr(buf_str(&f.report.errors), "did you mean \"rules\""));
	folder_done(&f);
}

static void the_report_is_bounded(void **state)
{
	(void)state;
	struct folder f;
	struct rules *set = NULL;
	auto_buf struct buf text;
	buf_init(&text, 65536);
	buf_puts(&text, "rules:\n");
	for (int i = 0; i < 150; i++)
		buf_printf(&text, "  - {id: r%d, when: '((', kind: x, title: {zh-CN: t}}\n", i);
	folder_new(&f);
	put_file(&f, "a.yaml", buf_str(&text));
	assert_int_equal(rules_load(f.path, &f.report, &set), -EINVAL);
	assert_int_equal(f.report.nerrors, 150);
	size_t lines = 0;
	for (size_t i = 0; i < f.report.errors.n; i++)
		lines += f.report.errors.p[i] == '\n';
	assert_int_equal(lines, 100);
	folder_done(&f);
}

static void the_shipped_packs_are_sound(void **state)
{
	(void)state;
	struct rule_report report;
	struct rules *set = NULL;
	rule_report_init(&report);
	int r = rules_load("rules", &report, &set);
	if (r || report.nwarnings)
		print_message("%s%s", buf_str(&report.errors), buf_str(&report.warnings));
	assert_int_equal(r, 0);
	assert_int_equal(report.nwarnings, 0);
	assert_true(rules_count(set) >= 35);
	assert_non_null(rules_find(set, SL("bin.overflow")));
	assert_null(rules_find(set, SL("bin.overflo")));
	rules_unref(set);
	rule_report_done(&report);
}

/* ---- titles ---- */

static void expect_title(const struct rules *set, enum lang lang, const struct reading *r,
			 const char *saved, const char *want)
{
	auto_buf struct buf out;
	buf_init(&out, 2 * RULE_TITLE_MAX);
	rule_title(rules_at(set, 0), lang, &bin, r, slice_of(saved), &out);
	assert_string_equal(buf_str(&out), want);
}

static void titles_are_rendered_in_both_languages(void **state)
{
	(void)state;
	struct rules *set = load(
		"rules:\n"
		"  - id: a\n"
		"    when: f > 1.0\n"
		"    kind: x\n"
		"    title:\n"
		"      zh-CN: \"{grid.name}{device.name}（{device.class}）满溢{f}%，{b}，{s}\"\n"
		"      en: \"{grid.code} {grid.leader} {f} {b}\"\n");
	struct readings all;
	struct reading *r = NULL;
	readings_init(&all);
	assert_int_equal(readings_add(&all, SL("bin-1"), &r), 0);
	assert_int_equal(reading_put(&all, r, SL("f"), VALUE_OF_DOUBLE(91.256)), 0);
	assert_int_equal(reading_put(&all, r, SL("b"), VALUE_OF_BOOL(true)), 0);
	expect_title(set, LANG_ZH_CN, r, "{\"s\":\"a\\nb\"}",
		     "燕华一1号箱（垃圾箱）满溢91.26%，是，a b");
	expect_title(set, LANG_EN, r, "", "yh-1 王 91.26 yes");
	expect_title(set, LANG_EN, NULL, "{\"f\":12,\"b\":false}", "yh-1 王 12 no");
	expect_title(set, LANG_EN, NULL, "not json", "yh-1 王 – –");
	readings_done(&all);
	rules_unref(set);
}

static void a_part_that_is_not_known_is_left_out(void **state)
{
	(void)state;
	struct rules *set = load("rules:\n"
				 "  - id: a\n"
				 "    when: f > 1.0\n"
				 "    kind: x\n"
				 "    title:\n"
				 "      zh-CN: \"满[?（{f}%）][?{s}]。\"\n"
				 "      en: \"[x] full[? ({f} % {s})]\"\n");
	expect_title(set, LANG_ZH_CN, NULL, "", "满。");
	expect_title(set, LANG_ZH_CN, NULL, "{\"f\":12}", "满（12%）。");
	expect_title(set, LANG_EN, NULL, "{\"f\":12}", "[x] full");
	expect_title(set, LANG_EN, NULL, "{\"f\":12,\"s\":\"y\"}", "[x] full (12 % y)");
	rules_unref(set);
}

static void long_titles_are_cut_between_characters(void **state)
{
	(void)state;
	struct rules *set =
		load("rules:\n  - {id: a, when: 'true', kind: x, title: {zh-CN: \"x{s}\"}}\n");
	auto_buf struct buf saved, out;
	size_t bad;
	buf_init(&saved, 4096);
	buf_init(&out, 4096);
	buf_puts(&saved, "{\"s\":\"");
	for (int i = 0; i < 300; i++)
		buf_puts(&saved, "满");
	buf_puts(&saved, "\"}");
	rule_title(rules_at(set, 0), LANG_ZH_CN, &bin, NULL, buf_slice(&saved), &out);
	assert_int_equal(out.n, 511 - 511 % 3 + 1);
	assert_true(slice_utf8_ok(buf_slice(&out), &bad));
	rules_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_and_recovers_at_once),
		cmocka_unit_test(for_waits_and_a_timer_ends_it),
		cmocka_unit_test(for_is_broken_by_one_false),
		cmocka_unit_test(a_hold_that_ran_out_fires_before_the_next_reading),
		cmocka_unit_test(clear_is_hysteresis),
		cmocka_unit_test(clear_for_waits_and_falls_back),
		cmocka_unit_test(a_late_reading_moves_nothing_back),
		cmocka_unit_test(a_clock_put_back_by_days_counts_from_now),
		cmocka_unit_test(a_missing_field_or_an_error_holds),
		cmocka_unit_test(a_type_is_a_type),
		cmocka_unit_test(events_have_no_state),
		cmocka_unit_test(silence_neither_fires_nor_recovers),
		cmocka_unit_test(only_rules_of_the_class_are_looked_at),
		cmocka_unit_test(device_and_grid_can_be_read),
		cmocka_unit_test(dirty_states_are_handed_out_once),
		cmocka_unit_test(what_was_refused_is_handed_out_again),
		cmocka_unit_test(a_restart_changes_no_result),
		cmocka_unit_test(a_restore_skips_what_is_gone_or_changed),
		cmocka_unit_test(a_forgotten_device_leaves_deletions),
		cmocka_unit_test(a_reload_keeps_what_did_not_change),
		cmocka_unit_test(a_refusal_stops_the_evaluation),
		cmocka_unit_test(neither_ticks_nor_restarts_change_the_result),
		cmocka_unit_test(all_errors_are_told_with_their_places),
		cmocka_unit_test(places_inside_values_are_those_of_the_file),
		cmocka_unit_test(more_errors),
		cmocka_unit_test(unknown_fields_are_refused),
		cmocka_unit_test(a_missing_folder_and_broken_yaml_are_told),
		cmocka_unit_test(the_report_is_bounded),
		cmocka_unit_test(the_shipped_packs_are_sound),
		cmocka_unit_test(titles_are_rendered_in_both_languages),
		cmocka_unit_test(a_part_that_is_not_known_is_left_out),
		cmocka_unit_test(long_titles_are_cut_between_characters),
	};
	return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
