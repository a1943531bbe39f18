/*
 * What a condition costs: nanoseconds of CPU per evaluation, with its fields already in their
 * slots, and per reading of twelve fields that is shown to a set of rules as the engine does it;
 * what malloc hands out for the rules, and for each device (states, windows, the rest).
 *
 *   cmake --build build/release --target bench_cel && build/release/bench_cel [DEVICES]
 */
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "cel.h"
#include "rule_run.h"
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

/* %d: a number, other in each rule. */
static const struct pack {
	const char *when, *what;
	int rules;
} packs[] = {
	{"temp > %d.0 && humidity < 20.0 || smoke", "that read three of them", 10},
	{"temp > %d.0 && humidity < 20.0 || smoke", "that read three of them", 100},
	{"temp > %d.0 && humidity < 20.0 || smoke", "that read three of them", 1000},
	{"temp > -%d.0", "that fire", 10},
	{"count(temp > 30.0, '10m') > %d", "with one count, all the same", 10},
	{"avg(temp, '10m') > %d.0", "with one mean, all the same", 10},
	{"avg(temp, '%ds') > 100.0", "with one mean each", 10},
	{"min(temp, '%ds') > 100.0", "with one least value each", 10},
	{"stddev(temp, '%ds') > 100.0", "with one deviation each", 10},
	{"rate(temp, '%ds') > 100.0", "with one rate each", 10},
	{"percentile(temp, 90, '%ds') > 100.0", "with one percentile each", 10},
	{"avg(temp, 5) > %d.0", "with one mean of 5 values, all the same", 10},
	{"avg(temp + %d.0, 32) > 1000.0", "with one mean of 32 values each", 10},
	{"temp - prev.temp > %d.0", "with prev", 10},
	{"devices(temp > 30.0, '5m') > %d", "with devices()", 10},
};

static int write_pack(const char *dir, const struct pack *pack)
{
	char path[128];
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	FILE *f = fopen(path, "w");
	if (!f)
		return 1;
	fputs("rules:\n", f);
	for (int i = 0; i < pack->rules; i++) {
		const char *number = strstr(pack->when, "%d");
		fprintf(f, "  - {id: r%d, when: \"%.*s%d%s\", kind: x, title: {zh-CN: t}}\n", i,
			(int)(number - pack->when), pack->when, 100 + i, number + 2);
	}
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

/* What one device's memory takes when it is stored. */
static int weigh(void *ctx, const struct device *d, struct slice data)
{
	size_t *bytes = ctx;
	(void)d;
	*bytes = data.n;
	return 0;
}

static double allocated(void)
{
	struct mallinfo2 m = mallinfo2();
	return (double)(m.uordblks + m.hblkhd);
}

static int hear(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	(void)a;
	return 0;
}

static int skip(void *ctx, const struct rule_saved *saved)
{
	(void)ctx;
	(void)saved;
	return 0;
}

/* Each device has had its first reading when time begins to count. */
static int bench_states(struct rules *set, const struct pack *pack, const struct reading *r,
			uint32_t devices)
{
	static const struct grid grid = {.id = 1};
	struct device d = {.name = "bench", .adapter = "x", .class = CLASS_SENSOR, .grid = &grid};
	size_t stored = 0;
	uint64_t from_seq;
	struct rule_states *s = rule_states_new();
	uint32_t n = (uint32_t)(4 * ROUNDS / (pack->rules + 4)) + devices;
	double start = 0, before = allocated();
	if (!s || rule_states_use(s, set, NULL, NULL))
		return 1;
	for (uint32_t i = 0; i < n; i++) {
		d.slot = i % devices;
		d.id = 1 + d.slot;
		if (i == devices)
			start = cpu_ns();
		if (rule_states_eval(s, &d, r, i * TIMES_MS, hear, NULL))
			return 1;
		if (i == devices - 1 && rule_states_take_dirty(s, skip, NULL))
			return 1;
	}
	double ns = (cpu_ns() - start) / (n - devices), bytes = (allocated() - before) / devices;
	if (rule_states_take_memory(s, INT64_MAX, 1, weigh, &stored, &from_seq))
		return 1;
	printf("%8.0f ns %6.0f bytes a device (%zu stored), %.0f states: %d rules %s\n", ns, bytes,
	       stored, (double)rule_states_count(s) / devices, pack->rules, pack->what);
	rule_states_free(s);
	return 0;
}

static int bench_set(const struct pack *pack, uint32_t devices)
{
	char dir[] = "/tmp/bench_cel.XXXXXX", path[64];
	struct rule_report report;
	struct rules *set = NULL;
	struct readings all;
	struct reading *r = NULL;
	rule_report_init(&report);
	readings_init(&all);
	int bad = !mkdtemp(dir) || write_pack(dir, pack) || rules_load(dir, &report, &set) ||
		  fill(&all, &r) || bench_states(set, pack, r, devices);
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	unlink(path);
	rmdir(dir);
	rules_unref(set);
	readings_done(&all);
	rule_report_done(&report);
	return bad;
}

int main(int argc, char **argv)
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
	uint32_t devices = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000;
	int bad = devices == 0;
	for (size_t i = 0; i < COUNT_OF(conditions); i++)
		bad |= bench_condition(conditions[i]);
	printf("a reading of 12 fields, %u devices:\n", devices);
	for (size_t i = 0; i < COUNT_OF(packs) && !bad; i++)
		bad |= bench_set(&packs[i], devices);
	return bad;
}
