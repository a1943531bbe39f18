/*
 * What a condition costs: nanoseconds of CPU per evaluation, with its fields already in their
 * slots, and per reading of twelve fields that is shown to a set of rules as the engine does it.
 *
 *   cmake --build build/release --target bench_cel && build/release/bench_cel
 */
#include <time.h>
#include <unistd.h>

#include "cel.h"
#include "rule.h"
#include "times.h"

#define ROUNDS 2000000

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const char *const fields[] = {"temp",  "humidity", "smoke", "fill_pct", "weight", "battery",
				     "volts", "link",	  "pm25",  "noise",    "tilt",	 "door"};

static int slot_of(void *ctx, struct slice name)
{
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (slice_is(name, fields[i]))
			return (int)i;
	return -1;
}

static int bench_condition(const char *text)
{
	struct cel_names names = {.slot = slot_of};
	struct cel_diag d;
	struct cel_program *prog;
	struct cel_vm *vm = cel_vm_new();
	struct cel_value slots[COUNT_OF(fields)];
	uint64_t yes = 0;
	if (!vm || cel_compile(slice_of(text), &names, &d, &prog))
		return 1;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		slots[i] = CEL_OF_DOUBLE(25.5);
	slots[2] = CEL_OF_BOOL(false);
	double start = cpu_ns();
	for (int i = 0; i < ROUNDS; i++) {
		slots[0].d = i & 1 ? 70 : 20;
		slots[1].d = i & 2 ? 10 : 50;
		struct cel_value v = cel_eval(vm, prog, slots);
		yes += v.type == CEL_BOOL && v.b;
	}
	printf("%7.1f ns  %-60s %4.1f %% true\n", (cpu_ns() - start) / ROUNDS, text,
	       100.0 * (double)yes / ROUNDS);
	cel_free(prog);
	cel_vm_free(vm);
	return 0;
}

static int write_pack(const char *dir, int rules)
{
	char path[128];
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	FILE *f = fopen(path, "w");
	if (!f)
		return 1;
	fputs("rules:\n", f);
	for (int i = 0; i < rules; i++)
		fprintf(f,
			"  - {id: r%d, when: \"temp > %d.0 && humidity < 20.0 || smoke\", kind: x, "
			"title: {zh-CN: t}}\n",
			i, 100 + i);
	return fclose(f);
}

static int fill(struct readings *all, struct reading **ret)
{
	int r = readings_add(all, SL("bench"), ret);
	for (size_t i = 0; i < COUNT_OF(fields) && !r; i++)
		r = reading_put(all, *ret, slice_of(fields[i]),
				i == 2 ? VALUE_OF_BOOL(false) : VALUE_OF_DOUBLE(25.5));
	return r;
}

static int bench_states(struct rules *set, int rules, const struct reading *r)
{
	struct device d = {.id = 1, .name = "bench", .class = CLASS_SENSOR};
	struct rule_states *s = rule_states_new();
	int n = 4 * ROUNDS / (rules + 4);
	if (!s || rule_states_use(s, set, NULL, NULL))
		return 1;
	double start = cpu_ns();
	for (int i = 0; i < n; i++) {
		d.slot = (uint32_t)i % 1000;
		if (rule_states_eval(s, &d, r, i, NULL, NULL))
			return 1;
	}
	printf("%7.0f ns  a reading of 12 fields, %d rules that read three of them; %zu states\n",
	       (cpu_ns() - start) / n, rules, rule_states_count(s));
	rule_states_free(s);
	return 0;
}

static int bench_set(int rules)
{
	char dir[] = "/tmp/bench_cel.XXXXXX", path[64];
	struct rule_report report;
	struct rules *set = NULL;
	struct readings all;
	struct reading *r = NULL;
	rule_report_init(&report);
	readings_init(&all);
	int bad = !mkdtemp(dir) || write_pack(dir, rules) || rules_load(dir, &report, &set) ||
		  fill(&all, &r) || bench_states(set, rules, r);
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	unlink(path);
	rmdir(dir);
	rules_unref(set);
	readings_done(&all);
	rule_report_done(&report);
	return bad;
}

int main(void)
{
	static const char *const conditions[] = {
		"temp > 60.0 && humidity < 20.0 || smoke",
		"temp > 60.0 && humidity < 20.0 || smoke == true",
		"fill_pct >= 85.0",
		"(temp - humidity) / 2.0 > 10.0",
		"fill_pct in [1.0, 2.0, 3.0, 25.5]",
		"has(temp) && has(smoke) ? temp > 60.0 : smoke",
		"[temp, humidity, volts].exists(x, x > 65.0)",
	};
	int bad = 0;
	for (size_t i = 0; i < COUNT_OF(conditions); i++)
		bad |= bench_condition(conditions[i]);
	for (int rules = 10; rules <= 1000; rules *= 10)
		bad |= bench_set(rules);
	return bad;
}
