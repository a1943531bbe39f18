/* Rules, some devices, and what was heard of them, a line each: "fired hot d1 2 10:20:00 timer".
 * Days are those of March 2026 (the 2nd is a Monday), times those of Shanghai. */
#ifndef GRIDHUB_TESTS_RULE_BENCH_H
#define GRIDHUB_TESTS_RULE_BENCH_H

#include "rule_folder.h"
#include "times.h"

/* Not every test uses all of it: functions are inline. */
#define BENCH_ROWS 1024

static const char *const bench_kinds[] = {"fired", "seen", "recovered"};

struct row { /* of table rule_state */
	struct rule_saved saved;
	char rule[RULE_ID_MAX + 1], fields[256];
};

struct bench {
	struct folder f;
	struct rule_states *s;
	struct readings readings;
	struct buf heard;
	struct row rows[BENCH_ROWS];
	size_t nrows;
};

static const struct grid bench_grids[] = {{.id = 7, .code = "g1", .name = "一", .level = 3},
					  {.id = 8, .code = "g2", .name = "二", .level = 3}};
static struct device bench_devices[] = {
	{.id = 41, .name = "d1", .adapter = "hub", .grid = &bench_grids[0], .slot = 0},
	{.id = 42, .name = "d2", .adapter = "hub", .grid = &bench_grids[0], .slot = 1},
	{.id = 43, .name = "d3", .adapter = "hub", .grid = &bench_grids[1], .slot = 2},
	{.id = 44, .name = "d4", .adapter = "zigbee2mqtt", .grid = &bench_grids[1], .slot = 3},
};
static struct device *const d1 = &bench_devices[0], *const d2 = &bench_devices[1],
			    *const d3 = &bench_devices[2], *const d4 = &bench_devices[3];

static void bench_reset_devices(void)
{
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++) {
		struct device *d = &bench_devices[i];
		d->title = "";
		d->address = d->name;
		d->class = CLASS_SENSOR;
		d->interval_us = 0;
		d->grid = &bench_grids[i / 2];
		d->adapter = i == 3 ? "zigbee2mqtt" : "hub";
	}
}

/* "10:20" or "10:20:30" of a day of March 2026. */
static int64_t at(int day, const char *clock)
{
	int h = 0, m = 0, s = 0;
	assert_true(sscanf(clock, "%d:%d:%d", &h, &m, &s) >= 2);
	return (times_day(2026, 3, day) * 24 + h - 8) * TIMES_HOUR + m * TIMES_MIN + s * TIMES_SEC;
}

static int bench_hear(void *ctx, const struct anomaly *a)
{
	struct bench *b = ctx;
	int64_t local = a->at_us + 8 * TIMES_HOUR, day = local / TIMES_DAY;
	int sec = (int)(local % TIMES_DAY / TIMES_SEC);
	buf_printf(&b->heard, "%s %s %s %d %02d:%02d:%02d%s%s\n", bench_kinds[a->kind], a->rule->id,
		   a->device->name, (int)(day - times_day(2026, 3, 1)) + 1, sec / 3600,
		   sec / 60 % 60, sec % 60, a->reading ? "" : " timer",
		   a->flapping ? " flapping" : "");
	return 0;
}

#define BENCH_SCHEDULES                                 \
	"zone: Asia/Shanghai\n"                         \
	"schedules:\n"                                  \
	"  - {name: night, hours: [\"22:00-06:00\"]}\n" \
	"  - {name: lorry, hours: [\"13:00-14:30\"]}\n" \
	"  - {name: weekend, days: [sat, sun]}\n"       \
	"  - {name: feast, hours: [\"08:00-23:00\"], holidays: only}\n"

static struct rules *bench_load(struct folder *f, const char *rules)
{
	auto_buf struct buf text;
	buf_init(&text, 1 << 20);
	buf_printf(&text, "rules:\n%s", rules);
	folder_new(f);
	folder_put(f, "a.yaml", buf_str(&text));
	folder_put(f, "schedules.yaml", BENCH_SCHEDULES);
	if (folder_load(f))
		fail_msg("%s", buf_str(&f->report.errors));
	return f->set;
}

static void bench_new(struct bench *b, const char *rules)
{
	*b = (struct bench){.s = rule_states_new()};
	assert_non_null(b->s);
	buf_init(&b->heard, 4 << 20);
	readings_init(&b->readings);
	bench_load(&b->f, rules);
	assert_int_equal(rule_states_use(b->s, b->f.set, bench_hear, b), 0);
}

static void bench_done(struct bench *b)
{
	rule_states_free(b->s);
	folder_done(&b->f);
	readings_done(&b->readings);
	buf_done(&b->heard);
}

/* What was heard since the last time. */
static inline void expect(struct bench *b, const char *lines)
{
	assert_string_equal(buf_str(&b->heard), lines);
	buf_reset(&b->heard);
}

static inline void tick(struct bench *b, int64_t at_us)
{
	assert_int_equal(rule_states_tick(b->s, at_us, bench_hear, b), 0);
}

/* Comes when it was measured, with one field; without a name: a reading of nothing. */
static inline void say(struct bench *b, const struct device *d, int64_t at_us, const char *field,
		       double v)
{
	struct reading *r = NULL;
	readings_reset(&b->readings);
	assert_int_equal(readings_add(&b->readings, slice_of(d->address), &r), 0);
	if (field)
		assert_int_equal(reading_put(&b->readings, r, slice_of(field), VALUE_OF_DOUBLE(v)),
				 0);
	rule_states_at(b->s, 1, at_us);
	assert_int_equal(rule_states_eval(b->s, d, r, at_us, bench_hear, b), 0);
}

/* ---- what the database would hold ---- */

static int bench_keep(void *ctx, const struct rule_saved *saved)
{
	struct bench *b = ctx;
	size_t i = 0;
	while (i < b->nrows && (b->rows[i].saved.device_id != saved->device_id ||
				strcmp(b->rows[i].rule, saved->rule_id) != 0))
		i++;
	if (saved->phase == PHASE_OK) {
		if (i < b->nrows)
			b->rows[i] = b->rows[--b->nrows];
		return 0;
	}
	assert_true(i < COUNT_OF(b->rows));
	struct row *row = &b->rows[i];
	b->nrows = MAX_OF(b->nrows, i + 1);
	row->saved = *saved;
	snprintf(row->rule, sizeof row->rule, "%s", saved->rule_id);
	memcpy(row->fields, saved->fields.n ? saved->fields.p : "", saved->fields.n);
	return 0;
}

static void bench_save(struct bench *b)
{
	assert_int_equal(rule_states_take_dirty(b->s, bench_keep, b), 0);
}

static const struct device *bench_device(int64_t id)
{
	for (size_t i = 0; i < COUNT_OF(bench_devices); i++)
		if (bench_devices[i].id == id)
			return &bench_devices[i];
	fail();
	return NULL;
}

/* All in memory is lost but what was saved. */
static inline void bench_restart(struct bench *b)
{
	bench_save(b);
	rule_states_free(b->s);
	b->s = rule_states_new();
	assert_int_equal(rule_states_use(b->s, b->f.set, bench_hear, b), 0);
	for (size_t i = 0; i < b->nrows; i++) {
		struct rule_saved saved = b->rows[i].saved;
		saved.rule_id = b->rows[i].rule;
		saved.fields.p = b->rows[i].fields;
		assert_int_equal(rule_states_restore(b->s, &saved, bench_device(saved.device_id)),
				 0);
	}
}

static inline uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static inline int bench_fresh_devices(void **state)
{
	(void)state;
	bench_reset_devices();
	return 0;
}
#define TEST(name_) cmocka_unit_test_setup(name_, bench_fresh_devices)

#define TITLE ", kind: x, title: {zh-CN: t}}\n"

#endif
