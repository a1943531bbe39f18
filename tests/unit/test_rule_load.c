/* Loading of packs: what each key means to the set, and how every fault is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rule_folder.h"
#include "rule_kind.h"
#include "rule_names.h"
#include "rule_set.h"
#include "times.h"

#define TAIL ", kind: event-0192, title: {zh-CN: t}}\n"
#define KINDS                                                                                        \
	"kinds:\n"                                                                                   \
	"  - {code: event-0192, name: {zh-CN: 垃圾满溢, en: bin overflow}, department: 环卫, " \
	"limit: 4h, unit: natural, photo: both}\n"                                                   \
	"  - {code: part-0305, name: 垃圾箱破损, department: {zh-CN: 环卫, en: cleaning}, "   \
	"limit: 3d, unit: work, machine_closes: true}\n"

#define SCHEDULES                                                   \
	"zone: Asia/Shanghai\n"                                     \
	"schedules:\n"                                              \
	"  - {name: night, hours: [\"22:00-06:00\"]}\n"             \
	"  - {name: late, days: [fri], hours: [\"23:00-01:00\"]}\n" \
	"  - {name: collection, hours: [\"05:00-07:00\"]}\n"

/* The report of the rules beside kinds.yaml and fields.yaml; each line without the folder. */
static void expect_faults(const char *rules, const char *want)
{
	struct folder f;
	folder_new(&f);
	folder_put(&f, "a.yaml", rules);
	folder_put(&f, "kinds.yaml", KINDS);
	folder_put(&f, "schedules.yaml", SCHEDULES);
	int r = folder_load(&f);
	auto_buf struct buf got;
	buf_init(&got, 65536);
	struct slice rest = buf_slice(&f.report.errors), line;
	while (slice_cut(&rest, '\n', &line))
		if (line.n > strlen(f.path))
			buf_printf(&got, "%.*s\n", (int)(line.n - strlen(f.path) - 1),
				   line.p + strlen(f.path) + 1);
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(r, *want ? -EINVAL : 0);
	folder_done(&f);
}

static void load_good(struct folder *f, const char *rules)
{
	folder_new(f);
	folder_put(f, "a.yaml", rules);
	folder_put(f, "kinds.yaml", KINDS);
	folder_put(f, "schedules.yaml", SCHEDULES);
	if (folder_load(f))
		fail_msg("%s", buf_str(&f->report.errors));
}

static void keys_of_time_are_what_they_say(void **state)
{
	(void)state;
	struct folder f;
	load_good(
		&f,
		"rules:\n"
		"  - {id: a, when: fill_pct > 1.0, for: 20m, clear_for: 5m, scope: grid" TAIL
		"  - {id: b, silent: 3x, when: device.class == 'bin', flap: off, shadow: true" TAIL
		"  - {id: c, silent: 2h30m, flap: {count: 3}" TAIL
		"  - {id: d, event: true, when: spill" TAIL);
	const struct rule *a = rules_at(f.set, 0), *b = rules_at(f.set, 1);
	const struct rule *c = rules_at(f.set, 2), *d = rules_at(f.set, 3);
	assert_int_equal(a->for_us, 20 * TIMES_MIN);
	assert_int_equal(a->clear_for_us, 5 * TIMES_MIN);
	assert_int_equal(a->scope, SCOPE_GRID);
	assert_int_equal(a->code->flap_count, 5);
	assert_int_equal(a->code->flap_us, TIMES_HOUR);
	assert_false(a->shadow);
	assert_int_equal(b->silent_intervals, 3);
	assert_int_equal(b->silent_us, 0);
	assert_int_equal(b->code->flap_count, 0);
	assert_true(b->shadow);
	assert_non_null(b->code->when);
	assert_int_equal(c->silent_us, 150 * TIMES_MIN);
	assert_int_equal(c->code->flap_count, 3);
	assert_null(c->code->when);
	assert_true(d->event);
	assert_int_equal(d->code->flap_count, 0);
	folder_done(&f);
}

static void schedules_are_found_by_their_names(void **state)
{
	(void)state;
	struct folder f;
	load_good(&f, "rules:\n"
		      "  - {id: a, when: spill, for: {night: 10m, collection: 0, else: 20m}, "
		      "during: night, except: [collection]" TAIL
		      "  - {id: b, when: spill, for: {else: 5m}, except: [night, collection]" TAIL);
	const struct rule_code *a = rules_at(f.set, 0)->code, *b = rules_at(f.set, 1)->code;
	assert_int_equal(rules_at(f.set, 0)->for_us, 20 * TIMES_MIN);
	assert_int_equal(a->nholds, 2);
	assert_string_equal(schedule_name(a->holds[0].within), "night");
	assert_int_equal(a->holds[0].us, 10 * TIMES_MIN);
	assert_string_equal(schedule_name(a->holds[1].within), "collection");
	assert_int_equal(a->holds[1].us, 0);
	assert_int_equal(a->nduring, 1);
	assert_string_equal(schedule_name(a->during[0]), "night");
	assert_int_equal(a->nexcept, 1);
	assert_string_equal(schedule_name(a->except[0]), "collection");
	assert_int_equal(rules_at(f.set, 1)->for_us, 5 * TIMES_MIN);
	assert_int_equal(b->nholds, 0);
	assert_int_equal(b->nexcept, 2);
	folder_done(&f);
	expect_faults(
		"rules:\n"
		"  - {id: a, when: spill, for: {nigt: 10m, else: 20m}, during: weekend" TAIL
		"  - {id: b, when: spill, for: {night: 10m}, except: [night, night, [x]]" TAIL
		"  - {id: c, when: spill, for: {night: x, else: [1]}, during: {night: 1}" TAIL
		"  - {id: d, when: spill, during: night, except: [night, collection]" TAIL
		"  - {id: e, when: spill, during: []" TAIL
		"  - {id: f, when: spill, during: late, except: night" TAIL
		"  - {id: g, when: spill, during: night, except: late" TAIL,
		"a.yaml:2:32: key \"for\": no schedule \"nigt\" in schedules.yaml (did you mean "
		"\"night\"?)\n"
		"a.yaml:2:63: key \"during\": no schedule \"weekend\" in schedules.yaml\n"
		"a.yaml:3:31: key \"for\": key \"else\" is missing\n"
		"a.yaml:3:61: key \"except\": \"night\" is here twice\n"
		"a.yaml:3:68: key \"except\": a list where a text was expected (one that begins "
		"with [ "
		"wants quotes)\n"
		"a.yaml:4:39: key \"night\": value \"x\" is not a duration like 10s or 20m, 0 to "
		"30d\n"
		"a.yaml:4:48: key \"else\": a list where a duration like 10s or 20m, 0 to 30d was "
		"expected\n"
		"a.yaml:4:62: key \"during\": the name of a schedule, or a list of names, was "
		"expected\n"
		"a.yaml:5:34: key \"during\": `except` shuts all of it: no case would ever "
		"be opened\n"
		"a.yaml:6:34: key \"during\": the name of a schedule, or a list of names, was "
		"expected\n"
		"a.yaml:7:34: key \"during\": `except` shuts all of it: no case would ever be "
		"opened\n");
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	expect_faults("rules:\n"
		      "  - {id: a, silent: 3x, when: fill_pct > 1.0, for: 1m, clear: spill" TAIL
		      "  - {id: b, silent: 1h, event: true, scope: grid" TAIL
		      "  - {id: c, event: true, when: spill, flap: {count: 3}, scope: grid" TAIL
		      "  - {id: d, class: bin" TAIL,
		      "a.yaml:2:52: key \"for\": `silent` says already how long\n"
		      "a.yaml:2:63: key \"clear\": a device that speaks is not silent: the next "
		      "reading ends it\n"
		      "a.yaml:2:31: key \"when\": beside `silent` it may ask for device and grid "
		      "only\n"
		      "a.yaml:3:32: key \"event\": a rule of silence has a state: the device is "
		      "silent, or it is not\n"
		      "a.yaml:3:45: key \"scope\": silence is that of a device\n"
		      "a.yaml:4:45: key \"flap\": an event rule has no state that could come and "
		      "go\n"
		      "a.yaml:4:64: key \"scope\": an event rule has no state that a grid could "
		      "share\n"
		      "a.yaml:5:5: key \"when\" is missing\n");
}

static void values_out_of_range_are_told(void **state)
{
	(void)state;
	expect_faults(
		"rules:\n"
		"  - {id: a, silent: 0x" TAIL "  - {id: b, silent: 5s" TAIL
		"  - {id: c, silent: [3x]" TAIL
		"  - {id: d, when: spill, flap: {count: 1, within: 1s, often: 3}" TAIL
		"  - {id: e, when: spill, flap: on" TAIL
		"  - {id: f, when: spill, for: 31d, scope: city" TAIL,
		"a.yaml:2:21: key \"silent\": value \"0x\" is neither so many of the device's "
		"intervals, like 3x (1x to 1000x), nor a time like 2h (10s to 30d)\n"
		"a.yaml:3:21: key \"silent\": value \"5s\" is neither so many of the device's "
		"intervals, like 3x (1x to 1000x), nor a time like 2h (10s to 30d)\n"
		"a.yaml:4:21: key \"silent\": a list where a text was expected (one that begins "
		"with [ "
		"wants quotes)\n"
		"a.yaml:5:55: unknown key \"often\"\n"
		"a.yaml:5:40: key \"count\": value \"1\" is not a whole number, 2 to 100\n"
		"a.yaml:5:51: key \"within\": value \"1s\" is not a duration like 10s or 20m, 1m "
		"to "
		"7d\n"
		"a.yaml:6:32: key \"flap\": value \"on\" is neither off nor a map of count and "
		"within\n"
		"a.yaml:7:43: key \"scope\": value \"city\" is not one of device, grid\n"
		"a.yaml:7:31: key \"for\": value \"31d\" is not a duration like 10s or 20m, 0 to "
		"30d\n");
}

static void a_rules_kind_stands_in_the_list(void **state)
{
	(void)state;
	struct folder f;
	load_good(&f, "rules:\n  - {id: a, when: spill" TAIL
		      "  - {id: b, when: spill, kind: part-0305, title: {zh-CN: t}}\n");
	const struct rule_kind *over = rules_at(f.set, 0)->listed;
	const struct rule_kind *broken = rules_at(f.set, 1)->listed;
	assert_string_equal(over->name[LANG_EN], "bin overflow");
	assert_string_equal(over->department[LANG_EN], "环卫");
	assert_int_equal(over->limit_us, 4 * TIMES_HOUR);
	assert_int_equal(over->photo, PHOTO_BOTH);
	assert_false(over->part);
	assert_true(broken->part);
	assert_true(broken->machine_closes);
	assert_string_equal(broken->name[LANG_EN], "垃圾箱破损");
	assert_int_equal(broken->limit_us, 24 * TIMES_HOUR);
	auto_buf struct buf b;
	buf_init(&b, 4096);
	rule_kind_json(broken, &b);
	assert_string_equal(
		buf_str(&b),
		"{\"kind\":\"part-0305\",\"class\":\"part\",\"name\":{\"zh-CN\":"
		"\"垃圾箱破损\",\"en\":\"垃圾箱破损\"},\"department\":{\"zh-CN\":\"环卫\","
		"\"en\":\"cleaning\"},\"limit\":\"3d\",\"unit\":\"work\",\"photo\":"
		"\"none\",\"machine_closes\":true}");
	folder_done(&f);
	expect_faults("rules:\n  - {id: a, when: spill, kind: event-0129, title: {zh-CN: t}}\n",
		      "a.yaml:2:32: key \"kind\": no \"event-0129\" in kinds.yaml (did you mean "
		      "\"event-0192\"?)\n");
}

static void faults_in_the_list_are_told(void **state)
{
	(void)state;
	struct folder f;
	folder_new(&f);
	folder_put(&f, "kinds.yaml",
		   "kinds:\n"
		   "  - {code: event-192, name: x, department: y, limit: 1d4h, unit: work}\n"
		   "  - {code: event-0192, name: {en: x}, department: [y], limit: soon}\n"
		   "  - {code: event-0193, name: x, department: y, limit: 4h, photo: two}\n"
		   "  - {code: event-0194, name: x, departmnt: y, limit: 4h}\n"
		   "  - {code: event-0195, name: x, department: y, limit: 4h}\n"
		   "  - {code: event-0195, name: x, department: y, limit: 4h}\n");
	assert_int_equal(folder_load(&f), -EINVAL);
	const char *want[] = {
		":2:12: key \"code\": \"event-\" or \"part-\" and four digits were expected\n",
		":2:54: key \"limit\": a time like 2h or 3d was expected, 1m to 366d, days of",
		":3:63: key \"limit\": a time like",
		":3:30: key \"zh-CN\" is missing\n",
		":3:51: key \"department\": a text, or a map of zh-CN and en, was expected\n",
		":4:66: key \"photo\": value \"two\" is not one of none, before, after, both\n",
		":5:33: unknown key \"departmnt\" (did you mean \"department\"?)\n",
		":7:1: kind \"event-0195\" is here twice (first on line 6)\n",
	};
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (!strstr(buf_str(&f.report.errors), want[i]))
			fail_msg("%s is not in\n%s", want[i], buf_str(&f.report.errors));
	assert_int_equal(f.report.nerrors, COUNT_OF(want));
	folder_done(&f);
}

static uint64_t hash_of(const char *keys)
{
	struct folder f;
	auto_buf struct buf b;
	buf_init(&b, 4096);
	buf_printf(&b, "rules:\n  - {id: a, %s" TAIL, keys);
	load_good(&f, buf_str(&b));
	uint64_t h = rules_at(f.set, 0)->hash;
	folder_done(&f);
	return h;
}

static void the_hash_is_of_all_that_decides(void **state)
{
	(void)state;
	static const char *const differ[] = {
		"when: spill",
		"when: overflow",
		"when: spill, for: 1m",
		"when: spill, clear: overflow",
		"when: spill, clear_for: 1m",
		"when: spill, class: bin",
		"when: spill, event: true",
		"when: spill, shadow: true",
		"when: spill, scope: grid",
		"when: spill, flap: off",
		"when: spill, flap: {count: 6}",
		"when: spill, flap: {within: 2h}",
		"when: spill, during: night",
		"when: spill, except: night",
		"when: spill, except: collection",
		"when: spill, except: [night, collection]",
		"when: spill, for: {night: 1m, else: 0}",
		"when: spill, for: {night: 2m, else: 0}",
		"when: spill, for: {collection: 1m, else: 0}",
		"silent: 3x",
		"silent: 4x",
		"silent: 1h",
		"silent: 3x, when: device.class == 'bin'",
	};
	static const char *const same[] = {
		"when: spill, severity: high, why: x",
		"when: 'spill', for: 0",
		"when: spill, flap: {count: 5, within: 60m}, scope: device, shadow: false",
		"when: spill, advice: {zh-CN: x}",
	};
	uint64_t h[COUNT_OF(differ)];
	for (size_t i = 0; i < COUNT_OF(differ); i++) {
		h[i] = hash_of(differ[i]);
		for (size_t k = 0; k < i; k++)
			if (h[i] == h[k])
				fail_msg("{%s} and {%s} are one", differ[i], differ[k]);
	}
	for (size_t i = 0; i < COUNT_OF(same); i++)
		if (hash_of(same[i]) != h[0])
			fail_msg("{%s} is not {%s}", same[i], differ[0]);
}

/* The name is the same, but it means other times. */
static void the_hash_is_of_what_schedules_mean(void **state)
{
	(void)state;
	static const char *const hours[] = {"22:00-06:00", "22:00-06:30"};
	uint64_t gated[2], asks[2], free[2];
	for (int i = 0; i < 2; i++) {
		struct folder f;
		auto_buf struct buf b;
		buf_init(&b, 4096);
		buf_printf(&b, "zone: Asia/Shanghai\nschedules: [{name: night, hours: [\"%s\"]}]\n",
			   hours[i]);
		folder_new(&f);
		folder_put(&f, "schedules.yaml", buf_str(&b));
		folder_put(&f, "a.yaml",
			   "rules:\n  - {id: a, when: spill, during: night" TAIL
			   "  - {id: b, when: spill" TAIL
			   "  - {id: c, when: \"spill && within('night')\"" TAIL);
		assert_int_equal(folder_load(&f), 0);
		gated[i] = rules_at(f.set, 0)->hash;
		free[i] = rules_at(f.set, 1)->hash;
		asks[i] = rules_at(f.set, 2)->hash;
		folder_done(&f);
	}
	assert_true(gated[0] != gated[1]);
	assert_true(asks[0] != asks[1]);
	assert_true(free[0] == free[1]);
}

static void a_grid_s_rule_without_devices_is_warned_of(void **state)
{
	(void)state;
	struct folder f;
	load_good(&f, "rules:\n"
		      "  - {id: a, when: \"devices(spill, '1h') > 2\", scope: grid" TAIL
		      "  - {id: b, when: spill, scope: grid" TAIL "  - {id: c, when: spill" TAIL);
	assert_int_equal(f.report.nwarnings, 1);
	assert_non_null(strstr(buf_str(&f.report.warnings), "a.yaml:3:33: key \"scope\": without"));
	folder_done(&f);
}

static void a_field_of_another_class_is_warned_of(void **state)
{
	(void)state;
	struct folder f;
	folder_new(&f);
	folder_put(&f, "fields.yaml",
		   "fields:\n  - {name: spill, type: bool, classes: [bin], meaning: x}\n"
		   "  - {name: gas, type: bool, classes: [sensor, camera], meaning: x}\n"
		   "  - {name: t, type: double, meaning: x}\n");
	folder_put(&f, "a.yaml",
		   "rules:\n"
		   "  - {id: a, class: bin, when: spill && t > 1.0" TAIL
		   "  - {id: b, class: bin, when: \"spill && count(last.gas, '5m') > 1\"" TAIL);
	assert_int_equal(folder_load(&f), -EINVAL); /* no last in a window */
	folder_put(&f, "a.yaml",
		   "rules:\n"
		   "  - {id: a, class: bin, when: spill && t > 1.0" TAIL
		   "  - {id: b, class: bin, when: \"spill && count(gas, '5m') > 1\"" TAIL
		   "  - {id: c, when: gas" TAIL "  - {id: d, class: camera, when: last.gas" TAIL);
	rule_report_done(&f.report);
	rule_report_init(&f.report);
	assert_int_equal(folder_load(&f), 0);
	assert_int_equal(f.report.nwarnings, 1);
	assert_non_null(strstr(buf_str(&f.report.warnings), "a.yaml:3:"));
	assert_non_null(strstr(buf_str(&f.report.warnings),
			       ": no bin has the field \"gas\", says fields.yaml"));
	folder_done(&f);
}

static void rules_that_look_back_too_far_are_warned_of(void **state)
{
	(void)state;
	struct folder f;
	load_good(&f, "rules:\n"
		      "  - {id: hold, when: spill, for: 8d" TAIL
		      "  - {id: night, when: spill, for: {night: 9d, else: 1m}" TAIL
		      "  - {id: back, when: spill, clear_for: 7d" TAIL
		      "  - {id: quiet, silent: 7d1s" TAIL
		      "  - {id: window, when: \"avg(fill_pct, '9d') > 1.0\"" TAIL
		      "  - {id: devices, when: \"devices(spill, '8d') > 1\", scope: grid" TAIL
		      "  - {id: short, when: \"avg(fill_pct, '6d') > 1.0\"" TAIL);
	rules_warn(f.set, 7 * TIMES_DAY, 0, &f.report);
	const char *text = buf_str(&f.report.warnings);
	assert_int_equal(f.report.nwarnings, 5);
	assert_non_null(strstr(text, "a.yaml:6:1: rule \"window\" looks back 9d"));
	assert_non_null(strstr(text, "a.yaml:7:1: rule \"devices\" looks back 8d"));
	assert_non_null(strstr(text,
			       "a.yaml:2:1: rule \"hold\" looks back 8d, but readings are kept "
			       "for 7d (database.keep_readings): no replay"));
	assert_non_null(strstr(text, "a.yaml:3:1: rule \"night\" looks back 9d"));
	assert_non_null(strstr(text, "a.yaml:5:1: rule \"quiet\" looks back 7d1s"));
	rules_warn(f.set, 0, 0, &f.report);
	assert_int_equal(f.report.nwarnings, 5);
	folder_done(&f);
}

static void slips_in_device_and_grid_are_told(void **state)
{
	(void)state;
	expect_faults(
		"rules:\n"
		"  - {id: a, when: device.nam == 'x'" TAIL
		"  - {id: b, when: smoke && grid.leder == 'x'" TAIL
		"  - {id: c, when: smoke, clear: has(device.nam)" TAIL
		"  - {id: d, when: device.intervall > duration('1h')" TAIL
		"  - {id: e, when: device.name > 3" TAIL
		"  - {id: f, when: \"smoke && grid['levl'] == 2\"" TAIL
		"  - {id: g, when: \"count(grid.x == 2 && smoke, '1h') > 3\"" TAIL,
		"a.yaml:2:26: key \"when\": device has no \"nam\" (did you mean \"name\"?)\n"
		"a.yaml:3:33: key \"when\": grid has no \"leder\" (did you mean \"leader\"?)\n"
		"a.yaml:4:44: key \"clear\": device has no \"nam\" (did you mean \"name\"?)\n"
		"a.yaml:5:26: key \"when\": device has no \"intervall\" (did you mean "
		"\"interval\"?)\n"
		"a.yaml:6:31: key \"when\": \">\" does not take string and int\n"
		"a.yaml:7:34: key \"when\": grid has no \"levl\" (did you mean \"level\"?)\n"
		"a.yaml:8:31: key \"when\": grid has no \"x\" (it has code, name, leader, level, "
		"dedicated)\n");
}

/* With the vocabulary, and the line and a caret below what stands inside of a text. */
static void expect_shown(const char *rules, const char *want)
{
	struct folder f;
	folder_new(&f);
	folder_put(&f, "a.yaml", rules);
	folder_put(&f, "fields.yaml",
		   "fields:\n  - {name: temp_c, type: double, meaning: x}\n"
		   "  - {name: label, type: string, meaning: x}\n");
	f.report.carets = true;
	assert_int_equal(folder_load(&f), -EINVAL);
	auto_buf struct buf got;
	buf_init(&got, 65536);
	struct slice rest = buf_slice(&f.report.errors), line;
	while (rest.n && slice_cut(&rest, '\n', &line)) {
		bool named = slice_starts(line, f.path);
		size_t skip = named ? strlen(f.path) + 1 : 0;
		buf_printf(&got, "%.*s\n", (int)(line.n - skip), line.p + skip);
	}
	assert_string_equal(buf_str(&got), want);
	folder_done(&f);
}

static void every_mistake_of_a_condition_is_told(void **state)
{
	(void)state;
	expect_shown(
		"rules:\n"
		"  - id: a\n"
		"    when: tmp_c > 3 && label > 5 && has(lable) && sise(label) > 1\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: b\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&& 1)\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n"
		"  - id: c\n"
		"    when: count(label > 1 || temp_c > 'x', '1h') > 1 && size() && temp_c\n"
		"    kind: x\n"
		"    title: {zh-CN: t}\n",
		"a.yaml:3:11: no field \"tmp_c\" in fields.yaml (did you mean \"temp_c\"?); add it "
		"there if a device sends it\n"
		"    when: tmp_c > 3 && label > 5 && has(lable) && sise(label) > 1\n"
		"          ^\n"
		"a.yaml:3:30: key \"when\": \">\" does not take string and int\n"
		"    when: tmp_c > 3 && label > 5 && has(lable) && sise(label) > 1\n"
		"                             ^\n"
		"a.yaml:3:41: no field \"lable\" in fields.yaml (did you mean \"label\"?); add it "
		"there if a device sends it\n"
		"    when: tmp_c > 3 && label > 5 && has(lable) && sise(label) > 1\n"
		"                                        ^\n"
		"a.yaml:3:51: key \"when\": unknown function \"sise\" (did you mean \"size\"?)\n"
		"    when: tmp_c > 3 && label > 5 && has(lable) && sise(label) > 1\n"
		"                                                  ^\n"
		"a.yaml:7:15: no field \"tmp_c\" in fields.yaml (did you mean \"temp_c\"?); add it "
		"there if a device sends it\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && \n"
		"              ^\n"
		"a.yaml:7:24: key \"when\": \"-\" takes number, not string\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&\n"
		"                       ^\n"
		"a.yaml:7:60: key \"when\": the pattern is wrong at its character 2: missing "
		"closing parenthesis\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&& 1)\n"
		"                                                           ^\n"
		"a.yaml:7:68: no field \"x\" in fields.yaml; add it there if a device sends it\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&& 1)\n"
		"                                                                   ^\n"
		"a.yaml:7:76: key \"when\": \"&&\" takes bool, not number\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&& 1)\n"
		"                                                                           ^\n"
		"a.yaml:7:86: key \"when\": \"&&\" takes bool, not int\n"
		"    when: avg(tmp_c + -label, '1h') > 'x' && label.matches('(') && x.y && (temp_c "
		"&& 1)\n"
		"                                                                                  "
		"   ^\n"
		"a.yaml:11:23: key \"when\": \">\" does not take string and int\n"
		"    when: count(label > 1 || temp_c > 'x', '1h') > 1 && size() && temp_c\n"
		"                      ^\n"
		"a.yaml:11:37: key \"when\": \">\" does not take number and string\n"
		"    when: count(label > 1 || temp_c > 'x', '1h') > 1 && size() && temp_c\n"
		"                                    ^\n"
		"a.yaml:11:57: key \"when\": size() takes 1 argument\n"
		"    when: count(label > 1 || temp_c > 'x', '1h') > 1 && size() && temp_c\n"
		"                                                        ^\n"
		"a.yaml:11:67: key \"when\": \"&&\" takes bool, not number\n"
		"    when: count(label > 1 || temp_c > 'x', '1h') > 1 && size() && temp_c\n"
		"                                                                  ^\n");
}

/* One that is told is not lost among the many. */
static void mistakes_without_number_are_counted(void **state)
{
	struct folder f;
	auto_buf struct buf text;
	(void)state;
	buf_init(&text, 65536);
	buf_puts(&text, "rules:\n  - id: a\n    when: nosuch(1)");
	for (int i = 0; i < 40; i++)
		buf_puts(&text, " || 1 > 'a'");
	buf_puts(&text, "\n    kind: x\n    title: {zh-CN: t}\n");
	folder_new(&f);
	folder_put(&f, "a.yaml", buf_str(&text));
	assert_int_equal(folder_load(&f), -EINVAL);
	assert_int_equal(f.report.nerrors, 1 + RULE_SLIPS_MAX + 1);
	assert_non_null(strstr(buf_str(&f.report.errors), "unknown function \"nosuch\""));
	assert_non_null(strstr(buf_str(&f.report.errors), "24 more mistakes in this condition"));
	folder_done(&f);
}

static void the_place_is_shown(void **state)
{
	(void)state;
	expect_shown("rules:\n"
		     "  - id: a\n"
		     "    when: >-\n"
		     "      temp_c > 3 &&\n"
		     "      label == '满溢' && device.nam == 'x'\n"
		     "    clear: |\n"
		     "      label == 'x' ||\n"
		     "      temp_c > 'x'\n"
		     "    kind: x\n"
		     "    title: {zh-CN: t}\n"
		     "  - id: b\n"
		     "    when: \"label == \\\"x\\\" || temp_c >\"\n"
		     "    kind: [x]\n"
		     "    title: {zh-CN: \"满{temp_c\"}\n",
		     "a.yaml:5:31: key \"when\": device has no \"nam\" (did you mean \"name\"?)\n"
		     "      label == '满溢' && device.nam == 'x'\n"
		     "                                ^\n"
		     "a.yaml:8:14: key \"clear\": \">\" does not take number and string\n"
		     "      temp_c > 'x'\n"
		     "             ^\n"
		     "a.yaml:13:11: key \"kind\": a list where a text was expected\n"
		     "a.yaml:12:38: key \"when\": a value was expected, the condition ends here\n"
		     "    when: \"label == \\\"x\\\" || temp_c >\"\n"
		     "                                     ^\n"
		     "a.yaml:14:22: key \"title\": \"{\" without its \"}\"\n"
		     "    title: {zh-CN: \"满{temp_c\"}\n"
		     "                      ^\n");
}

static int count_fired(void *ctx, const struct anomaly *a)
{
	*(size_t *)ctx += a->kind == ANOMALY_FIRED;
	return 0;
}

/* One rule for each member, which is true if the member is there and of the type that is known. */
static size_t put_member_rules(struct buf *b, const char *map, const struct cel_member *m)
{
	size_t n = 0;
	while (m[n].name)
		n++;
	for (size_t i = 0; i < n; i++)
		buf_printf(b,
			   "  - {id: %s.%s, event: true, when: \"smoke && size(%s) == %zu && "
			   "type(%s.%s) == %s\"" TAIL,
			   map, m[i].name, map, n, map, m[i].name, cel_type_names[m[i].type]);
	return n;
}

static void device_and_grid_have_what_is_known_of_them(void **state)
{
	const struct grid grid = {.id = 1, .code = "g", .name = "g", .leader = "w", .level = 3};
	const struct device with = {.id = 1, .name = "d", .adapter = "hub", .grid = &grid};
	const struct device without = {.id = 2, .name = "e", .slot = 1, .interval_us = INT64_MAX};
	struct field smoke = {.name = SL("smoke"), .v = {.type = VALUE_BOOL, .b = true}};
	const struct reading r = {.kind = READING_EVENT, .fields = &smoke, .nfields = 1};
	struct rule_states *s = rule_states_new();
	size_t want, fired = 0;
	struct folder f;
	auto_buf struct buf text;
	(void)state;
	buf_init(&text, 65536);
	buf_puts(&text, "rules:\n");
	want = put_member_rules(&text, "device", rule_names_members(SLOT_DEVICE));
	want += put_member_rules(&text, "grid", rule_names_members(SLOT_GRID));
	assert_true(want > 2);
	load_good(&f, buf_str(&text));
	assert_int_equal(rule_states_use(s, f.set, NULL, NULL), 0);
	assert_int_equal(rule_states_eval(s, &with, &r, TIMES_SEC, count_fired, &fired), 0);
	assert_int_equal(fired, want);
	assert_int_equal(rule_states_eval(s, &without, &r, TIMES_SEC, count_fired, &fired), 0);
	assert_int_equal(fired, 2 * want);
	rule_states_free(s);
	folder_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_time_are_what_they_say),
		cmocka_unit_test(schedules_are_found_by_their_names),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(values_out_of_range_are_told),
		cmocka_unit_test(a_rules_kind_stands_in_the_list),
		cmocka_unit_test(faults_in_the_list_are_told),
		cmocka_unit_test(the_hash_is_of_all_that_decides),
		cmocka_unit_test(the_hash_is_of_what_schedules_mean),
		cmocka_unit_test(a_grid_s_rule_without_devices_is_warned_of),
		cmocka_unit_test(a_field_of_another_class_is_warned_of),
		cmocka_unit_test(slips_in_device_and_grid_are_told),
		cmocka_unit_test(every_mistake_of_a_condition_is_told),
		cmocka_unit_test(mistakes_without_number_are_counted),
		cmocka_unit_test(the_place_is_shown),
		cmocka_unit_test(device_and_grid_have_what_is_known_of_them),
		cmocka_unit_test(rules_that_look_back_too_far_are_warned_of),
	};
	return cmocka_run_group_tests_name("rule_load", tests, NULL, NULL);
}
