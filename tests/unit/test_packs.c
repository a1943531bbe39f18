/* Every rule that is shipped fires on a reading that is bad, recovers on one that is good, and no
 * other rule of the packs has an opinion that it should not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "json.h"
#include "rule.h"
#include "times.h"

static const struct example {
	const char *rule;
	const char *bad;  /* fields that must fire it, if they last for an hour */
	const char *good; /* fields that recover it; NULL: an event */
} examples[] = {
	{"bin.overflow", "{\"fill_pct\":97,\"overflow\":true}",
	 "{\"fill_pct\":5,\"overflow\":false}"},
	{"bin.overflow", "{\"spill\":true}", "{\"spill\":false}"},
	{"bin.overflow", "{\"fill_pct\":96}", "{\"fill_pct\":3}"},
	{"bin.full", "{\"fill_pct\":88}", "{\"fill_pct\":10}"},
	{"bin.fire", "{\"smoke\":true,\"temp_c\":20}", "{\"smoke\":false,\"temp_c\":20}"},
	{"bin.fire", "{\"temp_c\":75}", "{\"temp_c\":30}"},
	{"bin.hot", "{\"temp_c\":54}", "{\"temp_c\":30}"},
	{"bin.door_left_open", "{\"door_open\":true}", "{\"door_open\":false}"},
	{"bin.wrong_drop", "{\"wrong_drop\":true,\"drop_category\":\"kitchen\"}", NULL},
	{"bin.tilted", "{\"tilt_deg\":80}", "{\"tilt_deg\":2}"},
	{"bin.tamper", "{\"tamper\":true}", "{\"tamper\":false}"},
	{"bin.battery_low", "{\"battery_pct\":9}", "{\"battery_pct\":98}"},
	{"bin.battery_low", "{\"battery_low\":true}", "{\"battery_low\":false}"},
	{"bin.offline", "{\"online\":false}", "{\"online\":true}"},
	{"sensor.smoke", "{\"smoke\":true}", "{\"smoke\":false}"},
	{"sensor.heat", "{\"temp_c\":66.5}", "{\"temp_c\":21}"},
	{"sensor.gas", "{\"gas\":true}", "{\"gas\":false}"},
	{"sensor.gas", "{\"gas_ppm\":3000}", "{\"gas_ppm\":10}"},
	{"sensor.co", "{\"co\":true}", "{\"co\":false}"},
	{"sensor.water_level", "{\"water_level_cm\":21}", "{\"water_level_cm\":0}"},
	{"sensor.water_leak", "{\"water_leak\":true}", "{\"water_leak\":false}"},
	{"sensor.manhole_open", "{\"cover_open\":true}", "{\"cover_open\":false}"},
	{"sensor.manhole_open", "{\"tilt_deg\":40}", "{\"tilt_deg\":1}"},
	{"sensor.sos", "{\"event\":\"emergency\",\"sos\":true}", NULL},
	{"sensor.inactivity", "{\"inactivity_min\":800}", "{\"inactivity_min\":0}"},
	{"sensor.door_left_open", "{\"contact\":false}", "{\"contact\":true}"},
	{"sensor.tamper", "{\"tamper\":true}", "{\"tamper\":false}"},
	{"sensor.noise", "{\"noise_db\":82}", "{\"noise_db\":45}"},
	{"sensor.fine_dust", "{\"pm25\":210}", "{\"pm25\":30}"},
	{"sensor.battery_low", "{\"battery_pct\":4}", "{\"battery_pct\":80}"},
	{"sensor.offline", "{\"online\":false}", "{\"online\":true}"},
	{"camera.offline", "{\"online\":false}", "{\"online\":true}"},
	{"camera.no_video", "{\"fps\":0.0,\"expected_fps\":25}",
	 "{\"fps\":24.8,\"expected_fps\":25}"},
	{"camera.picture", "{\"picture\":\"black\"}", "{\"picture\":\"ok\"}"},
	{"camera.tamper", "{\"tamper\":true}", "{\"tamper\":false}"},
	{"camera.fire", "{\"event\":\"object\",\"label\":\"fire\"}", NULL},
	{"camera.falling_object", "{\"event\":\"falling_object\"}", NULL},
	{"camera.rubbish", "{\"event\":\"ai\",\"label\":\"baolulaji\"}", NULL},
	{"camera.bin_overflow", "{\"event\":\"1703936\"}", NULL},
	{"camera.stall", "{\"event\":\"ai\",\"label\":\"zhandao\"}", NULL},
	{"camera.illegal_parking",
	 "{\"event\":\"object\",\"label\":\"car\",\"zone\":\"fire_lane_2\",\"stationary\":true}",
	 NULL},
	{"camera.bikes", "{\"event\":\"894\"}", NULL},
	{"camera.manhole", "{\"event\":\"2424832\"}", NULL},
	{"camera.water", "{\"event\":\"ai\",\"label\":\"water\"}", NULL},
	/* no anomaly at all */
	{NULL,
	 "{\"event\":\"object\",\"label\":\"person\",\"score\":0.9,\"zone\":\"gate\","
	 "\"stationary\":true}",
	 NULL},
	{NULL,
	 "{\"event\":\"object\",\"label\":\"car\",\"zone\":\"fire_lane_2\",\"stationary\":false}",
	 NULL},
	{NULL, "{\"online\":false,\"enabled\":false}", NULL},
	{NULL, "{\"picture\":\"ok\",\"fps\":25}", NULL},
};

struct heard {
	size_t fired, recovered;
	const struct example *x;
	const struct rules *set;
};

static int hear(void *ctx, const struct anomaly *a)
{
	struct heard *h = ctx;
	if (!h->x->rule || strcmp(a->rule->id, h->x->rule) != 0)
		fail_msg("%s: %s has an opinion", h->x->bad, a->rule->id);
	h->fired += a->kind == ANOMALY_FIRED;
	h->recovered += a->kind == ANOMALY_RECOVERED;
	auto_buf struct buf title;
	buf_init(&title, RULE_TITLE_MAX);
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
	assert_int_equal(rule_states_tick(s, at_us + TIMES_HOUR, hear, h), 0);
	readings_done(&all);
}

static enum device_class class_of(const char *rule)
{
	if (rule && slice_starts(slice_of(rule), "bin."))
		return CLASS_BIN;
	return rule && slice_starts(slice_of(rule), "sensor.") ? CLASS_SENSOR : CLASS_CAMERA;
}

static void try_example(struct rules *set, const struct example *x)
{
	struct heard h = {.x = x, .set = set};
	const struct device d = {.id = 1, .name = "x", .class = class_of(x->rule)};
	struct rule_states *s = rule_states_new();
	assert_non_null(s);
	assert_int_equal(rule_states_use(s, set, hear, &h), 0);
	say(s, &d, x->bad, 0, &h);
	if (h.fired != (x->rule != NULL))
		fail_msg("%s: %s fired %zu times", x->bad, x->rule ? x->rule : "something",
			 h.fired);
	if (x->rule && x->good)
		say(s, &d, x->good, 2 * TIMES_HOUR, &h);
	if (h.recovered != (x->rule && x->good))
		fail_msg("%s: recovered %zu times", x->rule, h.recovered);
	assert_int_equal(rule_states_count(s), 0);
	rule_states_free(s);
}

static struct rules *load(void)
{
	struct rule_report report;
	struct rules *set = NULL;
	rule_report_init(&report);
	assert_int_equal(rules_load("rules", &report, &set), 0);
	rule_report_done(&report);
	return set;
}

static void every_example_does_what_it_says(void **state)
{
	(void)state;
	struct rules *set = load();
	for (size_t i = 0; i < COUNT_OF(examples); i++)
		try_example(set, &examples[i]);
	rules_unref(set);
}

static void every_rule_has_an_example(void **state)
{
	(void)state;
	struct rules *set = load();
	for (size_t i = 0; i < rules_count(set); i++) {
		bool found = false;
		for (size_t k = 0; k < COUNT_OF(examples); k++)
			found = found || (examples[k].rule &&
					  strcmp(examples[k].rule, rules_at(set, i)->id) == 0);
		if (!found)
			fail_msg("%s has no example", rules_at(set, i)->id);
	}
	rules_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_does_what_it_says),
		cmocka_unit_test(every_rule_has_an_example),
	};
	return cmocka_run_group_tests_name("packs", tests, NULL, NULL);
}
