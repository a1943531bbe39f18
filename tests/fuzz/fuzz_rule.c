/* Any bytes as a rule pack: loaded; if it is sound, readings go through it, its titles are rendered
 * and its examples run. Schedules are the shipped ones, which the working directory has.
 */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "rule_run.h"
#include "rule_example.h"
#include "times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct grid grid = {.id = 1, .code = "g", .name = "g", .leader = "", .level = 3};
static const struct device devices[] = {{.id = 1,
					 .name = "bin-1",
					 .adapter = "hub",
					 .address = "bin-1",
					 .grid = &grid,
					 .interval_us = 10 * TIMES_MIN,
					 .class = CLASS_BIN},
					{.id = 2,
					 .name = "bin-2",
					 .adapter = "hub",
					 .address = "bin-2",
					 .grid = &grid,
					 .slot = 1,
					 .class = CLASS_BIN}};

static void copy(const char *dir, const char *name)
{
	char path[128], *text;
	struct err e;
	size_t n;
	snprintf(path, sizeof path, "rules/%s", name);
	if (file_read(path, 1024 * 1024, &text, &n, &e))
		return;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fwrite(text, 1, n, f);
	fclose(f);
	free(text);
}

static const char *folder(void)
{
	static char dir[64];
	if (!dir[0]) {
		snprintf(dir, sizeof dir, "/tmp/fuzz_rule.XXXXXX");
		if (!mkdtemp(dir))
			abort();
		copy(dir, "schedules.yaml");
	}
	return dir;
}

static void put_file(const char *name, const void *data, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder(), name);
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fwrite(data, 1, n, f);
	fclose(f);
}

static void put_pack(const uint8_t *data, size_t n)
{
	static const char calendar[] =
		"schedules:\n  - {name: night, hours: [\"22:00-06:00\"]}\n"
		"  - {name: drop_hours, hours: [\"07:00-09:00\", \"18:00-20:30\"]}\n";
	put_file("schedules.yaml", calendar, sizeof calendar - 1);
	put_file("a.yaml", data, n);
}

static int hear(void *ctx, const struct anomaly *a)
{
	struct buf *out = ctx;
	buf_reset(out);
	for (int lang = LANG_ZH_CN; lang <= LANG_EN; lang++)
		rule_title(a->rule, (enum lang)lang, a->device, a->reading, a->fields, out);
	assert(out->n <= 2 * RULE_TITLE_MAX && slice_utf8_ok(buf_slice(out), NULL));
	return 0;
}

static int save(void *ctx, const struct rule_saved *saved)
{
	size_t *n = ctx;
	*n += saved->fields.n;
	return 0;
}

static int say(struct rule_states *s, struct readings *all, int i, int64_t now, struct buf *out)
{
	static const char *const names[] = {"fill_pct", "temp_c", "smoke", "label", "t"};
	const struct device *d = &devices[i / 2 % 2];
	struct reading *r;
	readings_reset(all);
	int bad = readings_add(all, slice_of(d->address), &r);
	for (size_t k = 0; k < COUNT_OF(names); k++)
		bad |= reading_put(all, r, slice_of(names[k]),
				   i % 4 == 3 ? VALUE_OF_STR(SL("car"))
					      : VALUE_OF_DOUBLE(i % 2 ? 0 : 99));
	rule_states_at(s, (uint64_t)i + 1, now);
	/* some are late, some from a clock that is days off */
	int64_t off = i % 5 == 4 ? -20 * TIMES_MIN : i % 11 == 10 ? 3 * TIMES_DAY : 0;
	return bad | rule_states_eval(s, d, r, now + off, hear, out);
}

static void run(struct rules *set)
{
	struct rule_states *s = rule_states_new();
	struct readings all;
	auto_buf struct buf out;
	size_t kept = 0;
	int bad = 0;
	int64_t now = TIMES_DAY;
	readings_init(&all);
	buf_init(&out, 4096);
	bad |= rule_states_use(s, set, hear, &out);
	for (size_t i = 0; i < COUNT_OF(devices); i++)
		bad |= rule_states_watch(s, &devices[i], 0);
	for (int i = 0; i < 24; i++, now += i % 8 == 7 ? 5 * TIMES_HOUR : i * TIMES_MIN) {
		bad |= say(s, &all, i, now, &out);
		bad |= rule_states_tick(s, now + TIMES_SEC, hear, &out);
		bad |= i % 3 ? 0 : rule_states_take_dirty(s, save, &kept);
		bad |= i % 9 == 8 ? rule_states_resume(s, NULL, now, now + 2 * TIMES_HOUR) : 0;
	}
	bad |= rule_states_use(s, set, hear, &out);
	assert(!bad);
	rule_states_forget(s, &devices[0]);
	rule_states_free(s);
	readings_done(&all);
}

static void look(void *ctx, const struct example_look *l)
{
	size_t *n = ctx;
	*n += l->values.n;
}

static void run_examples(struct rules *set)
{
	static struct example_result res;
	size_t n, seen = 0;
	for (size_t i = 0; i < rules_count(set); i++) {
		struct rules *alone = NULL;
		const struct rule_example *x = rule_examples(rules_at(set, i), &n);
		int bad = rules_alone(set, rules_at(set, i), &alone);
		for (size_t k = 0; k < n; k++) {
			bad |= rule_example_run(alone, rules_at(set, i), &x[k], NULL, NULL, &res);
			bool good = res.good;
			size_t came = res.ncame;
			bad |= rule_example_run(alone, rules_at(set, i), &x[k], look, &seen, &res);
			assert(good == res.good && came == res.ncame);
		}
		assert(!bad);
		rules_unref(alone);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rule_report report;
	struct rules *set = NULL;
	put_pack(data, n);
	rule_report_init(&report);
	int r = rules_load(folder(), &report, &set);
	assert(r == 0 ? report.nerrors == 0 : report.nerrors > 0);
	if (r == 0) {
		run(set);
		run_examples(set);
	}
	rules_unref(set);
	rule_report_done(&report);
	return 0;
}
