/* Any bytes as a rule pack: loaded; if it is sound, readings go through it and its titles are
 * rendered.
 */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "rule.h"
#include "times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct device device = {
	.id = 1, .name = "bin-1", .adapter = "hub", .address = "bin-1", .class = CLASS_BIN};

static const char *folder(void)
{
	static char dir[64];
	if (!dir[0]) {
		snprintf(dir, sizeof dir, "/tmp/fuzz_rule.XXXXXX");
		if (!mkdtemp(dir))
			abort();
	}
	return dir;
}

static void put_pack(const uint8_t *data, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/a.yaml", folder());
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fwrite(data, 1, n, f);
	fclose(f);
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

static void run(struct rules *set)
{
	static const char *const names[] = {"fill_pct", "temp_c", "smoke", "label", "t"};
	struct rule_states *s = rule_states_new();
	struct readings all;
	struct reading *r;
	auto_buf struct buf out;
	size_t kept = 0;
	int bad = 0;
	readings_init(&all);
	buf_init(&out, 4096);
	bad |= rule_states_use(s, set, hear, &out);
	for (int i = 0; i < 8; i++) {
		readings_reset(&all);
		bad |= readings_add(&all, SL("bin-1"), &r);
		for (size_t k = 0; k < COUNT_OF(names); k++)
			bad |= reading_put(&all, r, slice_of(names[k]),
					   i % 4 == 3 ? VALUE_OF_STR(SL("car"))
						      : VALUE_OF_DOUBLE(i % 2 ? 0 : 99));
		bad |= rule_states_eval(s, &device, r, i * TIMES_MIN, hear, &out);
		bad |= rule_states_tick(s, i * TIMES_MIN + TIMES_SEC, hear, &out);
		bad |= i % 3 ? 0 : rule_states_take_dirty(s, save, &kept);
	}
	bad |= rule_states_use(s, set, hear, &out);
	assert(!bad);
	rule_states_forget(s, &device);
	rule_states_free(s);
	readings_done(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rule_report report;
	struct rules *set = NULL;
	put_pack(data, n);
	rule_report_init(&report);
	int r = rules_load(folder(), &report, &set);
	assert(r == 0 ? report.nerrors == 0 : report.nerrors > 0);
	if (r == 0)
		run(set);
	rules_unref(set);
	rule_report_done(&report);
	return 0;
}
