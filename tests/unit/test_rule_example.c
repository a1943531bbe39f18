/* Examples beside rules: how they are read, and that one which is wrong is found to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rule_example.h"
#include "rule_folder.h"
#include "times.h"

#define KIND "    kind: x\n    title: {zh-CN: t}\n    examples:\n"
#define FULL                                                                           \
	"rules:\n  - id: a\n    class: bin\n    when: fill_pct > 85.0\n    for: 20m\n" \
	"    clear: fill_pct < 75.0\n    clear_for: 5m\n" KIND
#define EVENT "rules:\n  - id: a\n    event: true\n    when: wrong_drop\n" KIND
#define VOCABULARY                                         \
	"fields:\n"                                        \
	"  - {name: fill_pct, type: double, meaning: x}\n" \
	"  - {name: wrong_drop, type: bool, meaning: x}\n"

static void load_good(struct folder *f, const char *text)
{
	folder_new(f);
	folder_put(f, "a.yaml", text);
	folder_put(f, "fields.yaml", VOCABULARY);
	if (folder_load(f))
		fail_msg("%s", buf_str(&f->report.errors));
}

/* Without a vocabulary no value is doubted. */
static void load_loose(struct folder *f, const char *text)
{
	folder_new(f);
	folder_put(f, "a.yaml", text);
	if (folder_load(f))
		fail_msg("%s", buf_str(&f->report.errors));
}

static void expect_faults(const char *rules, const char *errors, const char *warnings)
{
	struct folder f;
	folder_new(&f);
	folder_put(&f, "a.yaml", rules);
	folder_put(&f, "fields.yaml", VOCABULARY);
	int r = folder_load(&f);
	const struct buf *got[] = {&f.report.errors, &f.report.warnings};
	const char *want[] = {errors, warnings};
	for (int i = 0; i < 2; i++) {
		auto_buf struct buf b;
		buf_init(&b, 65536);
		struct slice rest = buf_slice(got[i]), line;
		while (slice_cut(&rest, '\n', &line))
			if (line.n > strlen(f.path))
				buf_printf(&b, "%.*s\n", (int)(line.n - strlen(f.path) - 1),
					   line.p + strlen(f.path) + 1);
		assert_string_equal(buf_str(&b), want[i]);
	}
	assert_int_equal(r, *errors ? -EINVAL : 0);
	folder_done(&f);
}

/* What came of the only example of the only rule, as text. */
static bool run_one(const char *text, struct buf *came)
{
	struct folder f;
	struct rules *alone = NULL;
	struct example_result res;
	size_t n;
	load_good(&f, text);
	const struct rule_example *x = rule_examples(rules_at(f.set, 0), &n);
	assert_int_equal(n, 1);
	assert_int_equal(rules_alone(f.set, rules_at(f.set, 0), &alone), 0);
	assert_int_equal(rule_example_run(alone, rules_at(f.set, 0), x, NULL, NULL, &res), 0);
	for (size_t i = 0; i < res.ncame; i++) {
		buf_puts(came, i ? ", " : "");
		rule_example_move(x, &res.came[i], came);
	}
	rules_unref(alone);
	folder_done(&f);
	return res.good;
}

static void expect_came(const char *text, const char *want)
{
	auto_buf struct buf came;
	buf_init(&came, 4096);
	if (!run_one(text, &came) || strcmp(buf_str(&came), want) != 0)
		fail_msg("%s\ncame: %s", text, buf_str(&came));
}

static void expect_wrong(const char *text)
{
	auto_buf struct buf came;
	buf_init(&came, 4096);
	if (run_one(text, &came))
		fail_msg("%s\npasses: %s", text, buf_str(&came));
}

/* ---- running ---- */

static void holds_run_out_between_readings(void **state)
{
	(void)state;
	expect_came(
		FULL
		"      - interval: 10m\n"
		"        readings: [0: {fill_pct: 90}, 10m: {fill_pct: 91}, 30m: {fill_pct: 5}]\n"
		"        until: 1h\n"
		"        expect: [open 20m, recover 35m]\n",
		"open 20m, recover 35m");
	/* What follows the last reading is not waited for, unless it is said how long. */
	expect_came(FULL "      - readings: [0: {fill_pct: 90}]\n"
			 "        expect: []\n",
		    "");
	/* Silence opens nothing: the value is older than three intervals. */
	expect_came(FULL "      - interval: 5m\n"
			 "        readings: [0: {fill_pct: 90}]\n"
			 "        until: 10h\n"
			 "        expect: []\n",
		    "");
}

static void wrong_expectations_are_found(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"[]",
		"[open 20m]",
		"[open 20m, recover 36m]",
		"[open 19m, recover 35m]",
		"[recover 20m, open 35m]",
		"[open 20m, recover 35m, open 40m]",
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		auto_buf struct buf b;
		buf_init(&b, 4096);
		buf_printf(&b,
			   FULL "      - readings: [0: {fill_pct: 90}, 30m: {fill_pct: 5}]\n"
				"        until: 1h\n"
				"        expect: %s\n",
			   wrong[i]);
		expect_wrong(buf_str(&b));
	}
}

static void devices_are_told_apart(void **state)
{
	(void)state;
	expect_came(FULL "      - device: {name: bin1}\n"
			 "        readings:\n"
			 "          - 0: {fill_pct: 90}\n"
			 "          - 5m bin2: {fill_pct: 95}\n"
			 "          - 10m bin1: {fill_pct: 10}\n"
			 "          - 30m bin2: {fill_pct: 10}\n"
			 "        until: 1h\n"
			 "        expect: [recover 35m bin2, open 25m bin2]\n",
		    "open 25m bin2, recover 35m bin2");
	expect_wrong(FULL "      - readings: [0 bin2: {fill_pct: 90}]\n"
			  "        until: 1h\n"
			  "        expect: [open 20m]\n");
}

static void what_follows_an_event_folds_into_its_case(void **state)
{
	(void)state;
	expect_came(EVENT "      - readings:\n"
			  "          - 0: {wrong_drop: false}\n"
			  "          - 1m: {wrong_drop: true}\n"
			  "          - 1m: {wrong_drop: true}\n"
			  "          - 3m b: {wrong_drop: true}\n"
			  "        expect: [open 1m, open 3m b]\n",
		    "open 1m, open 3m b");
}

#define SILENT "rules:\n  - id: a\n    silent: 3x\n" KIND

static void silence_runs_out_by_itself(void **state)
{
	(void)state;
	expect_came(SILENT
		    "      - interval: 10m\n"
		    "        readings: [0: {fill_pct: 1}, 10m: {fill_pct: 1}, 2h: {fill_pct: 1}]\n"
		    "        expect: [open 40m, recover 2h]\n",
		    "open 40m, recover 2h");
	/* It has never been heard at all. */
	expect_came(SILENT "      - interval: 10m\n"
			   "        readings: []\n"
			   "        until: 1h\n"
			   "        expect: [open 30m]\n",
		    "open 30m");
	expect_came(SILENT "      - interval: 10m\n"
			   "        readings: [10m b: {fill_pct: 1}, 20m b: {fill_pct: 1}, 35m b: "
			   "{fill_pct: 1}]\n"
			   "        expect: [open 30m]\n",
		    "open 30m");
	/* Nobody knows how often it speaks. */
	expect_came(SILENT "      - readings: [0: {fill_pct: 1}]\n"
			   "        until: 30d\n"
			   "        expect: []\n",
		    "");
}

static void a_grid_has_one_state(void **state)
{
	(void)state;
	expect_came("rules:\n  - id: a\n    class: bin\n    scope: grid\n"
		    "    when: devices(fill_pct >= 90.0, '1h') >= 2\n" KIND "      - readings:\n"
		    "          - 0: {fill_pct: 95}\n"
		    "          - 10m b: {fill_pct: 95}\n"
		    "          - 20m c: {fill_pct: 95}\n"
		    "          - 30m c: {fill_pct: 5}\n"
		    "          - 40m: {fill_pct: 5}\n"
		    "        expect: [open 10m b, recover 40m b]\n",
		    "open 10m b, recover 40m b");
}

/* It stands behind a newer one, so it comes late: the state stays where it is. */
static void a_reading_behind_a_newer_one_is_late(void **state)
{
	(void)state;
	expect_came(FULL "      - readings:\n"
			 "          - 0: {fill_pct: 90}\n"
			 "          - 10m: {fill_pct: 90}\n"
			 "          - 5m: {fill_pct: 10}\n"
			 "        late: true\n"
			 "        until: 25m\n"
			 "        expect: [open 20m]\n",
		    "open 20m");
}

static void values_are_what_a_device_would_send(void **state)
{
	(void)state;
	struct folder f;
	size_t n;
	load_loose(
		&f,
		"rules:\n  - id: a\n    when: device.name == 'x'\n" KIND
		"      - device: {name: x, class: camera, title: 门, adapter: q}\n"
		"        grid: {code: g-7, level: 2, dedicated: true}\n"
		"        start: 2026-01-01T00:00:00Z\n"
		"        readings: [0: {a: true, b: 7, c: 7.5, d: 7a, e: '7', f: null, g: \"\"}]\n"
		"        expect: [open 0]\n");
	const struct rule_example *x = rule_examples(rules_at(f.set, 0), &n);
	static const enum value_type types[] = {VALUE_BOOL,   VALUE_INT,    VALUE_DOUBLE,
						VALUE_STRING, VALUE_STRING, VALUE_NULL,
						VALUE_STRING};
	const struct reading *r = &x->steps[0].reading;
	assert_int_equal(r->nfields, COUNT_OF(types));
	for (size_t i = 0; i < COUNT_OF(types); i++)
		assert_int_equal(r->fields[i].v.type, types[i]);
	assert_int_equal(r->kind, READING_TELE);
	assert_int_equal(x->start_us, INT64_C(1767225600) * TIMES_SEC);
	const struct device *d = x->steps[0].device;
	assert_string_equal(d->name, "x");
	assert_string_equal(d->title, "门");
	assert_string_equal(d->address, "x");
	assert_int_equal(d->class, CLASS_CAMERA);
	assert_string_equal(d->grid->code, "g-7");
	assert_true(d->grid->dedicated);
	struct rules *alone;
	struct example_result res;
	assert_int_equal(rules_alone(f.set, rules_at(f.set, 0), &alone), 0);
	const struct rule *rule = rules_at(f.set, 0);
	rules_unref(f.set); /* the one alone keeps the whole */
	f.set = NULL;
	assert_int_equal(rule_example_run(alone, rule, x, NULL, NULL, &res), 0);
	assert_true(res.good);
	rules_unref(alone);
	folder_done(&f);
}

struct seen {
	char text[512];
};

static void see(void *ctx, const struct example_look *look)
{
	struct seen *seen = ctx;
	size_t n = strlen(seen->text);
	snprintf(seen->text + n, sizeof seen->text - n, "%lldm %s %d%s; ",
		 (long long)(look->at_us / TIMES_MIN), look->step ? "reading" : "timer",
		 (int)look->phase, look->fault ? " fault" : "");
}

static void each_look_is_told(void **state)
{
	(void)state;
	struct folder f;
	struct rules *alone = NULL;
	struct example_result res;
	struct seen seen = {0};
	size_t n;
	load_loose(&f, FULL
		   "      - readings: [0: {fill_pct: 90}, 10m: {fill_pct: x}, 30m: {fill_pct: 5}]\n"
		   "        until: 1h\n"
		   "        expect: [open 20m, recover 35m]\n");
	const struct rule_example *x = rule_examples(rules_at(f.set, 0), &n);
	assert_int_equal(rules_alone(f.set, rules_at(f.set, 0), &alone), 0);
	assert_int_equal(rule_example_run(alone, rules_at(f.set, 0), x, see, &seen, &res), 0);
	assert_false(res.good); /* it came as expected, but for an error */
	assert_int_equal(res.nfaults, 1);
	char want[512];
	snprintf(
		want, sizeof want,
		"0m reading %d; 10m reading %d fault; 20m timer %d; 30m reading %d; 35m timer %d; ",
		PHASE_PENDING, PHASE_PENDING, PHASE_FIRING, PHASE_CLEARING, PHASE_QUIET);
	assert_string_equal(seen.text, want);
	rules_unref(alone);
	folder_done(&f);
}

static void an_error_fails_the_example(void **state)
{
	static const struct {
		const char *conditions, *readings, *expect, *why;
		int64_t at_us;
		size_t n;
	} cases[] = {
		{"when: dyn(fill_pct) > 'x'", "[0: {fill_pct: 9}, 5m: {fill_pct: 8}]", "[]",
		 "when: 1:15: no such overload (operands of a wrong type)", 0, 2},
		{"when: fill_pct / count > 3",
		 "[0: {fill_pct: 9, count: 1}, 5m: {fill_pct: 8, count: 0}]", "[open 0m]",
		 "when: 1:10: divide by zero", 5 * TIMES_MIN, 1},
		{"when: fill_pct > 3\n    clear: 1 / count > 0",
		 "[0: {fill_pct: 1, count: 1}, 3m: {fill_pct: 9, count: 0}, 5m: {fill_pct: 1, "
		 "count: 0}]",
		 "[open 3m]", "clear: 1:3: divide by zero", 5 * TIMES_MIN, 1},
		{"when: count(8 / count > 1, '1h') > 3", "[0: {count: 0}]", "[]",
		 "\"8 / count > 1\" in a window: 1:3: divide by zero", 0, 1},
		{"when: fill_pct", "[0: {fill_pct: true}, 1m: {fill_pct: 8}]", "[open 0m]",
		 "when: 1:1: no such overload (operands of a wrong type)", TIMES_MIN, 1},
		{"when: fill_pct / count > 30 || other > 3", "[0: {fill_pct: 9}, 5m: {count: 8}]",
		 "[]", NULL, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct folder f;
		struct example_result res;
		size_t n;
		char text[1024];
		snprintf(text, sizeof text,
			 "rules:\n  - id: a\n    %s\n" KIND
			 "      - readings: %s\n        expect: %s\n",
			 cases[i].conditions, cases[i].readings, cases[i].expect);
		load_loose(&f, text);
		const struct rule *rule = rules_at(f.set, 0);
		assert_int_equal(
			rule_example_run(f.set, rule, rule_examples(rule, &n), NULL, NULL, &res),
			0);
		assert_int_equal(res.nfaults, cases[i].n);
		assert_int_equal(res.good, !cases[i].n);
		if (cases[i].why) {
			assert_string_equal(res.fault.why, cases[i].why);
			assert_int_equal(res.fault.at_us, cases[i].at_us);
		}
		folder_done(&f);
	}
}

/* What the other rules see and remember changes nothing for this one. */
static void alone_or_among_all_it_comes_to_the_same(void **state)
{
	(void)state;
	struct rule_report report;
	struct rules *set = NULL;
	struct example_result alone, among;
	size_t n, done = 0;
	rule_report_init(&report);
	assert_int_equal(rules_load("rules", &report, &set), 0);
	for (size_t i = 0; i < rules_count(set); i++) {
		const struct rule *rule = rules_at(set, i);
		const struct rule_example *x = rule_examples(rule, &n);
		struct rules *one = NULL;
		assert_int_equal(rules_alone(set, rule, &one), 0);
		for (size_t k = 0; k < n; k++, done++) {
			assert_int_equal(rule_example_run(one, rule, &x[k], NULL, NULL, &alone), 0);
			assert_int_equal(rule_example_run(set, rule, &x[k], NULL, NULL, &among), 0);
			if (alone.ncame != among.ncame || alone.good != among.good)
				fail_msg("%s: %s", rule->id, x[k].of);
			for (size_t m = 0; m < alone.ncame; m++)
				assert_int_equal(rule_example_order(&alone.came[m], &among.came[m]),
						 0);
		}
		rules_unref(one);
	}
	assert_true(done > 200);
	rules_unref(set);
	rule_report_done(&report);
}

/* ---- reading ---- */

static void faults_name_their_places(void **state)
{
	(void)state;
	expect_faults(
		FULL "      - readings: [soon: {fill_pct: 1}, -5m: {}, {0: {}, 1m: {}}, 7]\n"
		     "        expect: []\n"
		     "        start: yesterday\n"
		     "        until: 500d\n"
		     "        devise: {name: x}\n",
		"a.yaml:15:9: unknown key \"devise\" (did you mean \"device\"?)\n"
		"a.yaml:14:16: key \"until\": value \"500d\" is not a duration like 10s or 20m, 0 "
		"to 400d\n"
		"a.yaml:13:16: key \"start\": value \"yesterday\" is not a time like "
		"2026-03-02T10:00:00+08:00\n"
		"a.yaml:11:20: key \"readings\": \"soon\" is no time since the beginning like 0, "
		"20m, 1h30m (at most 400d), nor that and the name of a device\n"
		"a.yaml:11:41: key \"readings\": \"-5m\" is no time since the beginning like 0, "
		"20m, 1h30m (at most 400d), nor that and the name of a device\n"
		"a.yaml:11:50: key \"readings\": a time and what was read was expected: 10m: "
		"{fill_pct: 88}\n"
		"a.yaml:11:67: key \"readings\": a time and what was read was expected: 10m: "
		"{fill_pct: 88}\n",
		"");
}

static void expectations_name_their_places(void **state)
{
	(void)state;
	expect_faults(
		FULL "      - readings: [1h: {fill_pct: 1}]\n"
		     "        expect: [open, shut 5m, open soon, {a: 1}, open 5m bin9]\n"
		     "        until: 30m\n"
		     "      - {readings: 7}\n"
		     "      - 9\n",
		"a.yaml:13:16: key \"until\": the last reading comes after it\n"
		"a.yaml:12:18: key \"expect\": \"open\" is not like open 20m, recover 1h30m or "
		"open 20m DEVICE\n"
		"a.yaml:12:24: key \"expect\": \"shut 5m\" is not like open 20m, recover 1h30m "
		"or open 20m DEVICE\n"
		"a.yaml:12:33: key \"expect\": \"open soon\" is not like open 20m, recover 1h30m "
		"or open 20m DEVICE\n"
		"a.yaml:12:44: key \"expect\": \"a list or map\" is not like open 20m, recover "
		"1h30m or open 20m DEVICE\n"
		"a.yaml:12:52: key \"expect\": no reading is of a device \"bin9\"\n"
		"a.yaml:14:9: key \"expect\" is missing\n"
		"a.yaml:14:20: key \"readings\": a list of at most 2000 was expected\n"
		"a.yaml:15:9: a map of keys and values was expected\n",
		"");
}

static void fields_are_those_of_the_vocabulary(void **state)
{
	(void)state;
	expect_faults(
		FULL "      - readings: [0: {fil_pct: 1}, 5m: {Fill: 1}, 6m: {fill_pct: [1]}]\n"
		     "        expect: []\n"
		     "      - readings: [0: 7]\n"
		     "        expect: []\n",
		"a.yaml:11:24: no field \"fil_pct\" in fields.yaml (did you mean "
		"\"fill_pct\"?); add it there if a device sends it\n"
		"a.yaml:11:42: key \"readings\": \"Fill\" is not the name of a field\n"
		"a.yaml:11:67: key \"fill_pct\": a list where a text was expected (one that begins "
		"with [ "
		"wants quotes)\n"
		"a.yaml:13:23: key \"readings\": at most 128 fields and values were expected: "
		"{fill_pct: 88}\n",
		"");
	expect_faults(
		FULL
		"      - readings: [0: {fill_pct: full}, 5m: {wrong_drop: 1}, 3m: {fill_pct: ~}]\n"
		"        expect: []\n",
		"a.yaml:11:34: key \"readings\": \"fill_pct\" is a number, says fields.yaml\n"
		"a.yaml:11:58: key \"readings\": \"wrong_drop\" is a bool: true or false, says "
		"fields.yaml\n"
		"a.yaml:11:62: key \"readings\": earlier than the reading before it (if it is to "
		"come late, say so: late: true)\n",
		"");
}

static void examples_are_bounded(void **state)
{
	(void)state;
	auto_buf struct buf b;
	buf_init(&b, (size_t)1024 * 1024);
	buf_puts(&b, FULL);
	for (int i = 0; i <= EXAMPLES_MAX; i++)
		buf_puts(&b, "      - {readings: [], expect: []}\n");
	expect_faults(buf_str(&b),
		      "a.yaml:11:7: key \"examples\": a list of at most 100 was expected\n", "");
	buf_reset(&b);
	buf_puts(&b, FULL "      - expect: []\n        readings:\n");
	for (int i = 0; i <= EXAMPLE_DEVICES_MAX; i++)
		buf_printf(&b, "          - 0 d%d: {fill_pct: 1}\n", i);
	expect_faults(buf_str(&b),
		      "a.yaml:44:13: key \"readings\": more than 32 devices\n"
		      "a.yaml:45:13: key \"readings\": more than 32 devices\n",
		      "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_run_out_between_readings),
		cmocka_unit_test(wrong_expectations_are_found),
		cmocka_unit_test(devices_are_told_apart),
		cmocka_unit_test(what_follows_an_event_folds_into_its_case),
		cmocka_unit_test(silence_runs_out_by_itself),
		cmocka_unit_test(a_grid_has_one_state),
		cmocka_unit_test(a_reading_behind_a_newer_one_is_late),
		cmocka_unit_test(values_are_what_a_device_would_send),
		cmocka_unit_test(each_look_is_told),
		cmocka_unit_test(an_error_fails_the_example),
		cmocka_unit_test(alone_or_among_all_it_comes_to_the_same),
		cmocka_unit_test(faults_name_their_places),
		cmocka_unit_test(expectations_name_their_places),
		cmocka_unit_test(fields_are_those_of_the_vocabulary),
		cmocka_unit_test(examples_are_bounded),
	};
	return cmocka_run_group_tests_name("rule_example", tests, NULL, NULL);
}
