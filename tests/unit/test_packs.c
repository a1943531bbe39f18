/* The rules that are shipped: each does what its examples say, each has a reason and an example
 * that opens a case and one that stays quiet, and no other rule of the packs has an opinion that it
 * should not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "json.h"
#include "rule_run.h"
#include "rule_example.h"
#include "times.h"
#include "yaml.h"

#define AI_EVENTS "../shared/samples/ai-events/"

static struct rules *load_from(const char *dir)
{
	struct rule_report report;
	struct rules *set = NULL;
	rule_report_init(&report);
	if (rules_load(dir, &report, &set))
		fail_msg("%s", buf_str(&report.errors));
	if (strstr(buf_str(&report.warnings), "fields.yaml")) /* others depend on today's date */
		fail_msg("%s", buf_str(&report.warnings));
	rule_report_done(&report);
	return set;
}

static struct rules *load(void)
{
	return load_from("rules");
}

/* ---- examples ---- */

static void fail_example(const struct rule *rule, const struct rule_example *x,
			 const struct example_result *got)
{
	auto_buf struct buf b;
	buf_init(&b, 8192);
	for (size_t i = 0; i < MIN_OF(got->ncame, (size_t)EXAMPLE_MOVES_MAX); i++) {
		buf_puts(&b, i ? ", " : "");
		rule_example_move(x, &got->came[i], &b);
	}
	fail_msg("%s:%d: %s: \"%s\" came to [%s]", rule->file, x->line, rule->id, x->of,
		 buf_str(&b));
}

static void run_examples(struct rules *set)
{
	struct example_result *got = mem_new(sizeof *got);
	assert_non_null(got);
	for (size_t i = 0; i < rules_count(set); i++) {
		size_t n;
		const struct rule *rule = rules_at(set, i);
		const struct rule_example *x = rule_examples(rule, &n);
		struct rules *alone = NULL;
		assert_int_equal(rules_alone(set, rule, &alone), 0);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(rule_example_run(alone, rule, &x[k], NULL, NULL, got), 0);
			if (!got->good)
				fail_example(rule, &x[k], got);
		}
		rules_unref(alone);
	}
	free(got);
}

static void every_example_does_what_it_says(void **state)
{
	(void)state;
	struct rules *set = load();
	run_examples(set);
	rules_unref(set);
}

static void every_rule_is_shown_open_and_quiet(void **state)
{
	(void)state;
	struct rules *set = load();
	for (size_t i = 0; i < rules_count(set); i++) {
		size_t n, opens = 0, quiet = 0;
		const struct rule *rule = rules_at(set, i);
		const struct rule_example *x = rule_examples(rule, &n);
		for (size_t k = 0; k < n; k++) {
			opens += x[k].nexpect > 0;
			quiet += x[k].nexpect == 0;
			if (!x[k].of[0])
				fail_msg("%s:%d: an example that does not say of what", rule->file,
					 x[k].line);
		}
		if (!opens || !quiet)
			fail_msg("%s: %zu examples open a case, %zu stay quiet", rule->id, opens,
				 quiet);
	}
	rules_unref(set);
}

/* ---- reasons ---- */

static size_t check_reasons(const char *path)
{
	struct err e;
	auto_yaml struct yaml_doc *doc = NULL;
	if (yaml_load_file(path, &e, &doc))
		fail_msg("%s", e.msg);
	const struct yaml_node *list = yaml_get(yaml_root(doc), "rules");
	for (size_t i = 0; list && i < list->n; i++) {
		const struct yaml_node *why = yaml_get(list->vals[i], "why");
		const struct yaml_node *title = yaml_get(list->vals[i], "title");
		if (!why || why->n < 20 || !title || !yaml_get(title, "en"))
			fail_msg("%s:%d: no reason, or no English title", path,
				 list->vals[i]->line);
	}
	return list ? list->n : 0;
}

static void every_rule_has_a_reason(void **state)
{
	(void)state;
	DIR *dir = opendir("rules");
	size_t n = 0;
	assert_non_null(dir);
	for (struct dirent *f; (f = readdir(dir));) {
		char path[512];
		if (!slice_ends(slice_of(f->d_name), ".yaml"))
			continue;
		snprintf(path, sizeof path, "rules/%s", f->d_name);
		n += check_reasons(path);
	}
	closedir(dir);
	struct rules *set = load();
	assert_int_equal(n, rules_count(set));
	rules_unref(set);
}

/* ---- all rules together ---- */

/* A reading of a camera that shows its street. */
#define WELL                                                                               \
	"{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":3" \
	"9,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"    \
	"\":96,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":70,\"block_sam"   \
	"e_pct\":3,\"online\":true,\"bitrate_kbps\":890,\"baseline_bitrate_kbps\":900}"

static const struct sight {
	const char *rule; /* the only one that fires; NULL: none does */
	const char *bad;  /* fields, if they last for two days */
	const char *good; /* fields that recover it; NULL: an event */
	enum device_class class;
	const char *device;
} sights[] = {
	{"bin.overflow", "{\"fill_pct\":97,\"overflow\":true}",
	 "{\"fill_pct\":5,\"overflow\":false}", CLASS_BIN, NULL},
	{"bin.overflow", "{\"spill\":true}", "{\"spill\":false}", CLASS_BIN, NULL},
	{"bin.fire", "{\"smoke\":true,\"temp_c\":20}", "{\"smoke\":false,\"temp_c\":20}", CLASS_BIN,
	 NULL},
	{"bin.fire", "{\"temp_c\":75}", "{\"temp_c\":30}", CLASS_BIN, NULL},
	{"bin.hot", "{\"temp_c\":54}", "{\"temp_c\":30}", CLASS_BIN, NULL},
	{"bin.door_left_open", "{\"door_open\":true}", "{\"door_open\":false}", CLASS_BIN, NULL},
	{"bin.wrong_drop", "{\"wrong_drop\":true,\"drop_category\":\"kitchen\"}", NULL, CLASS_BIN,
	 NULL},
	{"bin.tilted", "{\"tilt_deg\":80}", "{\"tilt_deg\":2}", CLASS_BIN, NULL},
	{"bin.tamper", "{\"tamper\":true}", "{\"tamper\":false}", CLASS_BIN, NULL},
	{"bin.battery_low", "{\"battery_pct\":9}", "{\"battery_pct\":98}", CLASS_BIN, NULL},
	{"bin.offline", "{\"online\":false}", "{\"online\":true}", CLASS_BIN, NULL},
	{"sensor.smoke", "{\"smoke\":true}", "{\"smoke\":false}", CLASS_SENSOR, NULL},
	{"sensor.heat", "{\"temp_c\":66.5}", "{\"temp_c\":21}", CLASS_SENSOR, NULL},
	{"sensor.gas", "{\"gas_ppm\":3000}", "{\"gas_ppm\":10}", CLASS_SENSOR, NULL},
	{"sensor.co", "{\"co\":true}", "{\"co\":false}", CLASS_SENSOR, NULL},
	{"sensor.electrical", "{\"leakage_ma\":800,\"cable_temp_c\":90}",
	 "{\"leakage_ma\":10,\"cable_temp_c\":30}", CLASS_SENSOR, NULL},
	{"sensor.water_level", "{\"water_level_cm\":21}", "{\"water_level_cm\":0}", CLASS_SENSOR,
	 NULL},
	{"sensor.water_leak", "{\"water_leak\":true}", "{\"water_leak\":false}", CLASS_SENSOR,
	 NULL},
	{"sensor.manhole_open", "{\"cover_open\":true}", "{\"cover_open\":false}", CLASS_SENSOR,
	 NULL},
	{"sensor.manhole_open", "{\"tilt_deg\":40}", "{\"tilt_deg\":1}", CLASS_SENSOR, "cover-1"},
	{"sensor.leaning", "{\"tilt_deg\":40}", "{\"tilt_deg\":1}", CLASS_SENSOR, "pole-1"},
	{"sensor.manhole_open", "{\"tilt_deg\":40}", "{\"tilt_deg\":1}", CLASS_SENSOR,
	 "street-12-cover"},
	{"sensor.sewer_full", "{\"water_level_cm\":20}", "{\"water_level_cm\":-90}", CLASS_SENSOR,
	 "sewer-1"},
	{"sensor.frost", "{\"temp_c\":-1}", "{\"temp_c\":5}", CLASS_SENSOR, "pump-room-1"},
	{"sensor.lift_stuck", "{\"event\":\"lift_stuck\"}", NULL, CLASS_SENSOR, NULL},
	{"sensor.sos", "{\"event\":\"emergency\",\"sos\":true}", NULL, CLASS_SENSOR, NULL},
	{"sensor.fall", "{\"event\":\"fall\"}", NULL, CLASS_SENSOR, NULL},
	{"sensor.inactivity", "{\"inactivity_min\":800}", "{\"inactivity_min\":0}", CLASS_SENSOR,
	 "elder-1"},
	{"sensor.door_left_open", "{\"contact\":false}", "{\"contact\":true}", CLASS_SENSOR,
	 "door-1"},
	{"sensor.battery_low", "{\"battery_pct\":4}", "{\"battery_pct\":80}", CLASS_SENSOR, NULL},
	{"sensor.offline", "{\"online\":false}", "{\"online\":true}", CLASS_SENSOR, NULL},
	{"camera.offline", "{\"online\":false}", "{\"online\":true}", CLASS_CAMERA, NULL},
	{"camera.offline", "{\"online\":false,\"cause\":\"timeout\"}", "{\"online\":true}",
	 CLASS_CAMERA, NULL},
	{"camera.locked_out", "{\"online\":false,\"cause\":\"unauthorised\"}", "{\"online\":true}",
	 CLASS_CAMERA, NULL},
	{"camera.no_picture", "{\"online\":false,\"cause\":\"no_packets\"}", "{\"online\":true}",
	 CLASS_CAMERA, NULL},
	{"camera.no_video", "{\"fps\":0.0,\"expected_fps\":25}",
	 "{\"fps\":24.8,\"expected_fps\":25}", CLASS_CAMERA, NULL},
	{"camera.low_fps", "{\"fps\":8,\"baseline_fps\":25}", "{\"fps\":24,\"baseline_fps\":25}",
	 CLASS_CAMERA, NULL},
	/* one cause, one case: what a whole reading of the probe looks like */
	{"camera.black",
	 "{\"luma_mean\":0.2,\"luma_sd\":0.6,\"flat_pct\":100,\"i_per_mb\":0.2,\"sharpnes"
	 "s\":0,\"baseline_sharpness\":40,\"noise\":2,\"baseline_noise\":400,\"view_matc"
	 "h\":3,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":0,\"block_same"
	 "_pct\":100,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.overexposed",
	 "{\"luma_mean\":250,\"luma_sd\":1,\"flat_pct\":100,\"i_per_mb\":0.3,\"sharpness\""
	 ":1,\"baseline_sharpness\":40,\"noise\":8,\"baseline_noise\":400,\"view_match\""
	 ":5,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":0,\"block_same_p"
	 "ct\":99,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.solid",
	 "{\"luma_mean\":70,\"luma_sd\":0.1,\"flat_pct\":100,\"i_per_mb\":0.2,\"sharpness"
	 "\":0,\"baseline_sharpness\":40,\"noise\":0,\"baseline_noise\":400,\"view_match"
	 "\":1,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":0,\"block_same_"
	 "pct\":100,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.solid",
	 "{\"luma_mean\":94,\"luma_sd\":68,\"flat_pct\":78,\"i_per_mb\":1.1,\"sharpness\":"
	 "20,\"baseline_sharpness\":40,\"noise\":400,\"baseline_noise\":400,\"view_matc"
	 "h\":21,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":1,\"block_sam"
	 "e_pct\":99,\"online\":true,\"bitrate_kbps\":20,\"baseline_bitrate_kbps\":900}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.covered",
	 "{\"luma_mean\":90,\"luma_sd\":15,\"flat_pct\":97,\"i_per_mb\":3,\"sharpness\":2,"
	 "\"baseline_sharpness\":40,\"noise\":120,\"baseline_noise\":400,\"view_match\":"
	 "20,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":4,\"block_same_p"
	 "ct\":95,\"online\":true,\"bitrate_kbps\":100,\"baseline_bitrate_kbps\":900}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.blurred",
	 "{\"luma_mean\":96,\"luma_sd\":45,\"flat_pct\":60,\"i_per_mb\":7,\"sharpness\":7,"
	 "\"baseline_sharpness\":40,\"noise\":100,\"baseline_noise\":400,\"view_match\":"
	 "88,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":70,\"block_same_"
	 "pct\":3,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.snow",
	 "{\"luma_mean\":120,\"luma_sd\":60,\"flat_pct\":0,\"i_per_mb\":90,\"sharpness\":3"
	 "0,\"baseline_sharpness\":40,\"noise\":31000,\"baseline_noise\":400,\"view_mat"
	 "ch\":50,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":70,\"block_s"
	 "ame_pct\":3,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.moved",
	 "{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":5"
	 "0,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"
	 "\":12,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":70,\"block_sam"
	 "e_pct\":3,\"online\":true,\"ptz\":false}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.frozen",
	 "{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":3"
	 "9,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"
	 "\":96,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":1,\"block_same"
	 "_pct\":99.5,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.frozen",
	 "{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":3"
	 "9,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"
	 "\":96,\"keyframe_same\":7,\"keyframe_repeats\":0,\"block_diff\":0,\"block_same"
	 "_pct\":100,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.looped",
	 "{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":3"
	 "9,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"
	 "\":96,\"keyframe_same\":0,\"keyframe_repeats\":4,\"block_diff\":70,\"block_sam"
	 "e_pct\":3,\"online\":true}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.low_bitrate",
	 "{\"luma_mean\":96,\"luma_sd\":50,\"flat_pct\":30,\"i_per_mb\":22,\"sharpness\":3"
	 "9,\"baseline_sharpness\":40,\"noise\":390,\"baseline_noise\":400,\"view_match"
	 "\":96,\"keyframe_same\":0,\"keyframe_repeats\":0,\"block_diff\":70,\"block_sam"
	 "e_pct\":3,\"online\":true,\"bitrate_kbps\":100,\"baseline_bitrate_kbps\":900}",
	 WELL, CLASS_CAMERA, NULL},
	{"camera.black", "{\"picture\":\"black\"}", "{\"picture\":\"ok\"}", CLASS_CAMERA, NULL},
	{"camera.frozen", "{\"picture\":\"frozen\"}", "{\"picture\":\"ok\"}", CLASS_CAMERA, NULL},
	{"camera.format_changed", "{\"codec\":\"hevc\",\"baseline_codec\":\"h264\"}",
	 "{\"codec\":\"h264\",\"baseline_codec\":\"h264\"}", CLASS_CAMERA, NULL},
	{"camera.tamper", "{\"tamper\":true}", "{\"tamper\":false}", CLASS_CAMERA, NULL},
	{"ai.fire", "{\"event\":\"object\",\"label\":\"fire\"}", NULL, CLASS_CAMERA, NULL},
	{"ai.fire_lane",
	 "{\"event\":\"object\",\"label\":\"car\",\"zone\":\"fire_lane_2\",\"stationary\":true}",
	 NULL, CLASS_CAMERA, NULL},
	/* no anomaly at all */
	{NULL, "{\"contact\":false}", NULL, CLASS_SENSOR, "medicine-cupboard"},
	{NULL, "{\"event\":\"object\",\"label\":\"water\"}", NULL, CLASS_CAMERA, NULL},
	{NULL, "{\"event\":\"object\",\"label\":\"manhole\"}", NULL, CLASS_CAMERA, NULL},
	{NULL,
	 "{\"event\":\"object\",\"label\":\"person\",\"score\":0.9,\"zone\":\"gate\","
	 "\"stationary\":true}",
	 NULL, CLASS_CAMERA, NULL},
	{NULL,
	 "{\"event\":\"object\",\"label\":\"car\",\"zone\":\"fire_lane_2\",\"stationary\":false}",
	 NULL, CLASS_CAMERA, NULL},
	{NULL, "{\"online\":false,\"enabled\":false}", NULL, CLASS_CAMERA, NULL},
	{NULL, "{\"picture\":\"ok\",\"fps\":25,\"expected_fps\":25}", NULL, CLASS_CAMERA, NULL},
	{NULL,
	 "{\"luma_mean\":36,\"luma_sd\":24,\"flat_pct\":60,\"i_per_mb\":14,\"sharpness\":15,"
	 "\"baseline_sharpness\":16,\"view_match\":86,\"keyframe_repeats\":0,\"gop\":50,"
	 "\"baseline_gop\":50,\"bitrate_kbps\":500,\"baseline_bitrate_kbps\":510,\"ts_jump_s\":0,"
	 "\"block_diff\":30,\"p_tail_per_mb\":1.5,\"keyframe_ms\":900,\"online\":true}",
	 NULL, CLASS_CAMERA, NULL},
	{NULL,
	 "{\"fill_pct\":40,\"weight_kg\":12,\"temp_c\":20,\"smoke\":false,\"battery_pct\":80}",
	 NULL, CLASS_BIN, NULL},
	{NULL, "{\"occupancy\":false,\"battery_pct\":80}", NULL, CLASS_SENSOR, "elder-1"},
};

struct heard {
	size_t fired, recovered;
	const char *rule, *what;
	const char *last; /* id of what fired */
};

static int hear(void *ctx, const struct anomaly *a)
{
	struct heard *h = ctx;
	if (a->rule->shadow)
		return 0;
	if (a->kind == ANOMALY_FIRED && h->rule && strcmp(a->rule->id, h->rule) != 0)
		fail_msg("%s: %s has an opinion, not only %s", h->what, a->rule->id, h->rule);
	h->last = a->kind == ANOMALY_FIRED ? a->rule->id : h->last;
	h->fired += a->kind == ANOMALY_FIRED;
	h->recovered += a->kind == ANOMALY_RECOVERED;
	auto_buf struct buf title;
	buf_init(&title, 2 * RULE_TITLE_MAX);
	for (int lang = LANG_ZH_CN; lang <= LANG_EN; lang++)
		rule_title(a->rule, (enum lang)lang, a->device, a->reading, a->fields, &title);
	assert_false(title.failed);
	assert_null(strchr(buf_str(&title), '{'));
	return 0;
}

static struct value value_of(const struct json *v)
{
	if (json_kind(v) == JSON_K_BOOL)
		return VALUE_OF_BOOL(json_bool(v));
	if (json_kind(v) == JSON_K_STRING)
		return VALUE_OF_STR(json_str(v));
	if (json_kind(v) == JSON_K_INT)
		return VALUE_OF_INT(json_int(v));
	return VALUE_OF_DOUBLE(json_double(v));
}

static void say(struct rule_states *s, const struct device *d, const char *text, int64_t at_us,
		struct heard *h)
{
	struct readings all;
	struct reading *r = NULL;
	auto_json struct json *j = NULL;
	readings_init(&all);
	assert_int_equal(json_parse(slice_of(text), &json_device_limits, NULL, &j), 0);
	assert_int_equal(readings_add(&all, SL("x"), &r), 0);
	for (void *it = json_first(j); it; it = json_next(j, it))
		assert_int_equal(reading_put(&all, r, json_key(it), value_of(json_val(it))), 0);
	assert_int_equal(rule_states_eval(s, d, r, at_us, hear, h), 0);
	readings_done(&all);
}

/* Midnight UTC is eight in the morning in China: drops are in their hours, nothing is of the night.
 */
static struct heard tell(struct rules *set, const struct sight *x)
{
	struct heard h = {.rule = x->rule, .what = x->bad};
	const struct grid grid = {.id = 1, .code = "g", .name = "g", .leader = ""};
	const struct device d = {
		.id = 1, .name = x->device ? x->device : "x", .class = x->class, .grid = &grid};
	struct rule_states *s = rule_states_new();
	assert_non_null(s);
	assert_int_equal(rule_states_use(s, set, hear, &h), 0);
	/* Some rules want to see it several times. */
	int times = strstr(x->bad, "view_match") ? 6 : 1;
	for (int i = 0; i < times; i++)
		say(s, &d, x->bad, i * 5 * TIMES_MIN, &h);
	assert_int_equal(rule_states_tick(s, 2 * TIMES_HOUR, hear, &h), 0);
	if (x->good)
		say(s, &d, x->good, 3 * TIMES_HOUR, &h);
	assert_int_equal(rule_states_tick(s, 5 * TIMES_HOUR, hear, &h), 0);
	rule_states_free(s);
	return h;
}

static void each_sight_is_one_rule_s_business(void **state)
{
	(void)state;
	struct rules *set = load();
	for (size_t i = 0; i < COUNT_OF(sights); i++) {
		const struct sight *x = &sights[i];
		struct heard h = tell(set, x);
		if (h.fired != (x->rule != NULL))
			fail_msg("%s: %s fired %zu times", x->bad,
				 x->rule  ? x->rule
				 : h.last ? h.last
					  : "nothing",
				 h.fired);
		if (h.recovered != (x->rule && x->good))
			fail_msg("%s: recovered %zu times", x->rule, h.recovered);
	}
	rules_unref(set);
}

/* ---- what the vendors say ---- */

static void tell_word(struct rules *set, const char *before, const char *word, const char *after)
{
	char text[256];
	snprintf(text, sizeof text, "%s%s%s", before, word, after);
	const struct sight x = {.bad = text, .class = CLASS_CAMERA};
	struct heard h = tell(set, &x);
	if (h.fired != 1)
		fail_msg("%s: %zu rules have an opinion", text, h.fired);
}

static size_t tell_words(struct rules *set, const char *file, const char *list, const char *before,
			 const char *after)
{
	struct err e;
	char *text;
	size_t n, told = 0;
	auto_json struct json *j = NULL;
	static const struct json_limits limits = {.max_bytes = 1024 * 1024, .max_depth = 16};
	assert_int_equal(file_read(file, 1024 * 1024, &text, &n, &e), 0);
	assert_int_equal(json_parse((struct slice){text, n}, &limits, &e, &j), 0);
	const struct json *words = json_get(j, list);
	assert_non_null(words);
	for (void *it = json_first(words); it; it = json_next(words, it), told++)
		tell_word(set, before, json_key(it).p, after);
	free(text);
	return told;
}

static void each_word_of_two_vendors_is_one_rule_s(void **state)
{
	(void)state;
	if (access(AI_EVENTS "huawei-vias.json", R_OK))
		skip();
	struct rules *set = load();
	size_t n = tell_words(set, AI_EVENTS "huawei-vias.json", "event_types", "{\"event\":", "}");
	n += tell_words(set, AI_EVENTS "dahua-dpsdk-codes.json", "city", "{\"event\":\"", "\"}");
	n += tell_words(set, AI_EVENTS "dahua-dpsdk-codes.json", "video_abnormal", "{\"event\":\"",
			"\"}");
	n += tell_words(set, AI_EVENTS "label-vocab.json", "labels",
			"{\"event\":\"object\",\"label\":\"", "\"}");
	assert_true(n > 50);
	rules_unref(set);
}

/* ---- the page ---- */

#define PAGE "rules/README.md"
#define BLOCK "```yaml\nrules:"

static void write_block(const char *dir, size_t number, const char *text, size_t n)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%zu.yaml", dir, number);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Those of the page go by the lists that are shipped. */
static void link_lists(const char *dir)
{
	static const char *const lists[] = {"fields.yaml", "kinds.yaml", "schedules.yaml"};
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		char path[256], to[PATH_MAX], here[PATH_MAX];
		snprintf(path, sizeof path, "%s/%s", dir, lists[i]);
		snprintf(here, sizeof here, "rules/%s", lists[i]);
		assert_non_null(realpath(here, to));
		assert_int_equal(symlink(to, path), 0);
	}
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d));)
		(void)unlinkat(dirfd(d), f->d_name, 0);
	closedir(d);
	assert_int_equal(rmdir(dir), 0);
}

static void the_page_s_rules_are_good(void **state)
{
	(void)state;
	struct err e;
	char *page, dir[] = "/tmp/test_packs.XXXXXX";
	size_t n, blocks = 0;
	assert_int_equal(file_read(PAGE, 1024 * 1024, &page, &n, &e), 0);
	assert_non_null(mkdtemp(dir));
	link_lists(dir);
	for (const char *at = page; (at = strstr(at, BLOCK)); blocks++) {
		at += strlen("```yaml\n");
		const char *end = strstr(at, "```");
		assert_non_null(end);
		write_block(dir, blocks, at, (size_t)(end - at));
	}
	struct rules *set = load_from(dir);
	remove_dir(dir);
	assert_true(blocks >= 4 && rules_count(set) >= blocks);
	for (size_t i = 0; i < rules_count(set); i++) {
		size_t nexamples;
		(void)rule_examples(rules_at(set, i), &nexamples);
		if (nexamples < 2)
			fail_msg("%s: fewer than two examples on the page", rules_at(set, i)->id);
	}
	run_examples(set);
	rules_unref(set);
	free(page);
}

static size_t count_of(const char *path, const char *what)
{
	struct err e;
	auto_free char *text = NULL;
	size_t n, found = 0;
	assert_int_equal(file_read(path, 1024 * 1024, &text, &n, &e), 0);
	for (const char *at = text; (at = strstr(at, what)); at++)
		found++;
	return found;
}

static void the_page_counts_right(void **state)
{
	(void)state;
	static const char *const packs[] = {"bin", "sensor", "camera", "ai", "grid"};
	char path[64], said[128];
	size_t all = 0;
	for (size_t i = 0; i < COUNT_OF(packs); i++) {
		snprintf(path, sizeof path, "rules/%s.yaml", packs[i]);
		size_t n = count_of(path, "\n  - id: ");
		snprintf(said, sizeof said, "| [%s.yaml](%s.yaml) | %zu |", packs[i], packs[i], n);
		if (!count_of(PAGE, said))
			fail_msg("%s does not say %s", PAGE, said);
		all += n;
	}
	struct rules *set = load();
	assert_int_equal(all, rules_count(set));
	rules_unref(set);
	snprintf(said, sizeof said, "has %zu of them",
		 count_of("rules/kinds.yaml", "\n  - code: "));
	if (!count_of(PAGE, said))
		fail_msg("%s does not say \"%s\"", PAGE, said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_does_what_it_says),
		cmocka_unit_test(every_rule_is_shown_open_and_quiet),
		cmocka_unit_test(every_rule_has_a_reason),
		cmocka_unit_test(each_sight_is_one_rule_s_business),
		cmocka_unit_test(each_word_of_two_vendors_is_one_rule_s),
		cmocka_unit_test(the_page_s_rules_are_good),
		cmocka_unit_test(the_page_counts_right),
	};
	return cmocka_run_group_tests_name("packs", tests, NULL, NULL);
}
