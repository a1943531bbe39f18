/* Any bytes as one of the lists that rules refer to: the first byte says which. */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "rule.h"
#include "rule_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define NAMES 3
static const char *const names[NAMES] = {"fields.yaml", "kinds.yaml", "schedules.yaml"};

static const char *folder(void)
{
	static char dir[64];
	if (!dir[0]) {
		snprintf(dir, sizeof dir, "/tmp/fuzz_rule_lists.XXXXXX");
		if (!mkdtemp(dir))
			abort();
	}
	return dir;
}

static void put(const char *name, const void *data, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder(), name);
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fwrite(data, 1, n, f);
	fclose(f);
}

static void drop(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder(), name);
	unlink(path);
}

static void show_kinds(const struct rules *set)
{
	const struct rule_kinds *kinds = rule_kinds_of(set);
	auto_buf struct buf out;
	buf_init(&out, (size_t)4 * 1024 * 1024);
	for (size_t i = 0; kinds && i < rule_kinds_count(kinds); i++) {
		const struct rule_kind *k = rule_kinds_at(kinds, i);
		rule_kind_json(k, &out);
		assert(rule_kinds_find(kinds, slice_of(k->code)) == k);
	}
	assert(slice_utf8_ok(buf_slice(&out), NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char rule[] = "rules:\n  - {id: a, when: fill_pct > 1.0, during: night, kind: "
				   "event-0192, title: {zh-CN: x}}\n";
	struct rule_report report;
	struct rules *set = NULL;
	if (!n)
		return 0;
	const char *name = names[data[0] % NAMES];
	put("a.yaml", rule, sizeof rule - 1);
	put(name, data + 1, n - 1);
	rule_report_init(&report);
	int r = rules_load(folder(), &report, &set);
	assert(r == 0 ? report.nerrors == 0 : report.nerrors > 0);
	if (r) { /* without the rule that has no schedule */
		rule_report_done(&report);
		rule_report_init(&report);
		put("a.yaml", "rules: []\n", 10);
		r = rules_load(folder(), &report, &set);
	}
	if (r == 0) {
		rules_warn(set, 1, 1, &report);
		show_kinds(set);
	}
	rules_unref(set);
	rule_report_done(&report);
	drop(name);
	return 0;
}
