/* Operands that can never fit are refused with the text, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cel.h"

static const struct {
	const char *name;
	int type;
} fields[] = {
	{"temp", CEL_DOUBLE},	    {"link", CEL_INT},	  {"smoke", CEL_BOOL},
	{"label", CEL_STRING},	    {"other", CEL_UNSET}, {"now", CEL_TIMESTAMP},
	{"age.temp", CEL_DURATION}, {"device", CEL_MAP},  {"tags", CEL_LIST},
	{"avg", CEL_DOUBLE},	    {"within", CEL_BOOL}, {"grid", CEL_MAP},
};
static const struct cel_member grid_members[] = {
	{"name", CEL_STRING}, {"level", CEL_INT}, {"since", CEL_DURATION},
	{"any", CEL_UNSET},   {NULL, 0},
};

static int slot_of(void *ctx, struct slice name)
{
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (slice_is(name, fields[i].name))
			return (int)i;
	return -1;
}

static int call_of(void *ctx, const struct cel_call *call, struct cel_diag *diag)
{
	(void)diag;
	return slot_of(ctx, call->name);
}

static int type_of(void *ctx, int slot)
{
	(void)ctx;
	return fields[slot].type;
}

static const struct cel_member *members_of(void *ctx, int slot)
{
	(void)ctx;
	return strcmp(fields[slot].name, "grid") == 0 ? grid_members : NULL;
}

static int compile(const char *text, uint32_t wanted, bool typed, struct cel_diag *d)
{
	const struct cel_names names = {.slot = slot_of,
					.call = call_of,
					.type = typed ? type_of : NULL,
					.members = members_of,
					.wanted = wanted};
	struct cel_program *prog = NULL;
	int r = cel_compile(slice_of(text), &names, d, &prog);
	cel_free(prog);
	return r;
}

/* Refused at that place of the first line with that message; taken when nothing is known of the
 * types. */
static void expect_refused(const char *text, int col, const char *msg)
{
	struct cel_diag d = {0};
	assert_int_equal(compile(text, 0, true, &d), -EINVAL);
	assert_string_equal(d.msg, msg);
	assert_int_equal(d.line, 1);
	assert_int_equal(d.col, col);
	assert_int_equal(compile(text, CEL_BIT(CEL_BOOL), false, &d), 0);
}

static void expect_fine(const char *text)
{
	struct cel_diag d = {0};
	if (compile(text, 0, true, &d))
		fail_msg("%s: %d:%d: %s", text, d.line, d.col, d.msg);
}

static void operators_tell_both_types(void **state)
{
	(void)state;
	expect_refused("temp > '85'", 6, "\">\" does not take number and string");
	expect_refused("85 <= label", 4, "\"<=\" does not take int and string");
	expect_refused("smoke >= 1", 7, "\">=\" does not take bool and int");
	expect_refused("now < 100", 5, "\"<\" does not take timestamp and int");
	expect_refused("null < null", 6, "\"<\" does not take null and null");
	expect_refused("[1] > [0]", 5, "\">\" does not take list and list");
	expect_refused("age.temp > 60", 10, "\">\" does not take duration and int");
	expect_refused("temp + label", 6, "\"+\" does not take number and string");
	expect_refused("smoke + smoke", 7, "\"+\" does not take bool and bool");
	expect_refused("label - label", 7, "\"-\" does not take string and string");
	expect_refused("now + now", 5, "\"+\" does not take timestamp and timestamp");
	expect_refused("age.temp * 2", 10, "\"*\" does not take duration and int");
	expect_refused("age.temp - now", 10, "\"-\" does not take duration and timestamp");
	expect_refused("1 + 1u", 3, "\"+\" does not take int and uint");
	expect_refused("temp % 1.5", 6, "\"%\" does not take number and double");
	expect_refused("(temp + 1) > ('满' + label)", 12, "\">\" does not take number and string");
	expect_refused("label in 'car'", 7, "\"in\" does not take string and string");
	expect_refused("label[0]", 6, "\"[]\" does not take string and int");
	expect_refused("tags['a']", 5, "\"[]\" does not take list and string");
	expect_refused("device[null]", 7, "\"[]\" does not take map and null");
	expect_refused("'满' > 1", 5, "\">\" does not take string and int");
}

static void logic_takes_bools(void **state)
{
	(void)state;
	expect_refused("temp && smoke", 1, "\"&&\" takes bool, not number");
	expect_refused("smoke && link", 10, "\"&&\" takes bool, not number");
	expect_refused("smoke || (label)", 10, "\"||\" takes bool, not string");
	expect_refused("!temp", 2, "\"!\" takes bool, not number");
	expect_refused("!(smoke ? 1 : 'a')", 2, "\"!\" takes bool, not int or string");
	expect_refused("-label", 2, "\"-\" takes number, not string");
	expect_refused("-1u", 2, "\"-\" takes number, not uint");
	expect_refused("temp ? 1 : 2", 1, "\"?:\" takes bool, not number");
	expect_refused("smoke || temp > 'x'", 15, "\">\" does not take number and string");
	expect_refused("smoke ? temp > 'x' : true", 14, "\">\" does not take number and string");
}

static void functions_and_macros_know_what_they_take(void **state)
{
	(void)state;
	expect_refused("size(5)", 6, "size() takes string or bytes or list or map, not int");
	expect_refused("temp.size() > 3", 1,
		       "size() takes string or bytes or list or map, not number");
	expect_refused("temp.contains('8')", 1, "contains() takes string, not number");
	expect_refused("label.startsWith(3)", 18, "startsWith() takes string, not int");
	expect_refused("temp.matches('a')", 1, "matches() takes string, not number");
	expect_refused("duration(60)", 10, "duration() takes string or duration, not int");
	expect_refused("timestamp(1.5)", 11,
		       "timestamp() takes int or string or timestamp, not double");
	expect_refused("age.temp.getFullYear()", 1, "getFullYear() takes timestamp, not duration");
	expect_refused("label.getHours()", 1, "getHours() takes timestamp or duration, not string");
	expect_refused("now.getHours(8)", 14, "getHours() takes string, not int");
	expect_refused("size(label) > '3'", 13, "\">\" does not take int and string");
	expect_refused("temp.all(x, true)", 1, "all() takes list or map, not number");
	expect_refused("tags.exists(x, size(x))", 16, "exists() takes bool, not int");
	expect_refused("tags.filter(x, 1)", 16, "filter() takes bool, not int");
	expect_refused("tags.map(x, 'a', x)", 13, "map() takes bool, not string");
	expect_refused("tags.all(x, temp > 'a')", 18, "\">\" does not take number and string");
	expect_refused("temp.name", 1, "\".name\" takes map, not number");
	expect_refused("has(label.name)", 5, "\".name\" takes map, not string");
	expect_refused("{1.5: 2}", 2, "a map's key is bool or int or uint or string, not double");
	expect_refused("avg(temp, '10m') > '3'", 18, "\">\" does not take number and string");
	expect_refused("within('night') > 3", 17, "\">\" does not take bool and int");
	expect_refused("[1, -'a']", 6, "\"-\" takes number, not string");
}

static void members_of_a_known_map_are_checked(void **state)
{
	(void)state;
	expect_refused("grid.nam == 'x'", 6, "grid has no \"nam\" (did you mean \"name\"?)");
	expect_refused("has(grid.levle)", 10, "grid has no \"levle\" (did you mean \"level\"?)");
	expect_refused("smoke && grid.x > 3", 15,
		       "grid has no \"x\" (it has name, level, since, any)");
	expect_refused("(grid).sinse > age.temp", 8,
		       "(grid) has no \"sinse\" (did you mean \"since\"?)");
	expect_refused("grid.`na-me` == 'x'", 6, "grid has no \"na-me\" (did you mean \"name\"?)");
	expect_refused("grid['nam'] == 'x'", 6, "grid has no \"nam\" (did you mean \"name\"?)");
	expect_refused("grid[''] == 'x'", 6, "grid has no \"\" (it has name, level, since, any)");
	expect_refused("[1].all(x, grid.nam == 'x')", 17,
		       "grid has no \"nam\" (did you mean \"name\"?)");
	expect_refused("grid.name > 3", 11, "\">\" does not take string and int");
	expect_refused("grid['name'] > 3", 14, "\">\" does not take string and int");
	expect_refused("grid.level < '3'", 12, "\"<\" does not take int and string");
	expect_refused("grid.since > 60", 12, "\">\" does not take duration and int");
	expect_refused("grid.name.size() > 'x'", 18, "\">\" does not take int and string");
	expect_refused("grid.name.x", 1, "\".x\" takes map, not string");
	expect_refused("!grid.name", 2, "\"!\" takes bool, not string");
	expect_fine("grid.name == 'x' && has(grid.level) && grid.level > 2.5 && grid.any > 3");
	expect_fine("grid.any > 'x' && grid['level'] % 2 == 0 && grid.since < age.temp");
	expect_fine("grid[label] > 3 && grid['na' + 'm'] > 'x' && dyn(grid).nam > 3");
	expect_fine(
		"grid.all(k, grid[k] != 3) && 'nam' in grid && size(grid) > 2 && grid != device");
	expect_fine("[grid].exists(grid, grid.nam == 3)");
}

static void what_may_fit_is_taken(void **state)
{
	static const char *const fine[] = {
		"temp > 85",
		"link > 1.5 && link % 2 == 0",
		"temp % 2 == 0",
		"temp + 1u > 2u",
		"temp / 2 > link",
		"-temp < 0",
		"temp == '85'",
		"label in [1, 'a', null]",
		"temp in {1: 'a'}",
		"other > 'a' || other > 5 || other",
		"other.name && other[0] && other['a'] && !other",
		"dyn(temp) > '85'",
		"!dyn(temp)",
		"size(dyn(5))",
		"device.name > 5 || device['name'] > 'a'",
		"tags[0] > 5 && tags[temp] == 1",
		"tags.exists(x, x)",
		"tags.map(x, x + 1).size() > 2",
		"device.all(k, k > 'a')",
		"[1, 2].exists(x, x > 'a')",
		"(smoke ? 1 : 'a') + 1 > 2",
		"now - now > duration('1h')",
		"now + age.temp > now",
		"age.temp + now > now - age.temp",
		"age.temp.getMinutes() > 5",
		"now.getHours('Asia/Shanghai') > 5",
		"has(temp) && has(device.name) && has(age.temp)",
		"type(temp) == double && type(label) == string",
		"int(label) + int(now) + int(temp) > 3",
		"string(temp) + label + string(now) > 'a'",
		"bytes(label) + b'x' > b'a'",
		"[1] + tags == tags",
		"{1: 2, 1u: 3, 'a': 4, true: 5}",
		"avg(temp, '10m') > 3 && within('night')",
		"avg(label - 5)",
		"null == null && label != null",
		"smoke < true",
		"1 > 2",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fine); i++)
		expect_fine(fine[i]);
}

static void a_result_may_be_asked_for(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{"temp + 1", "the result must be bool, not number"},
		{"'a'", "the result must be bool, not string"},
		{"smoke ? 1 : 'a'", "the result must be bool, not int or string"},
		{"device", "the result must be bool, not map"},
		{"type(temp)", "the result must be bool, not type"},
		{"smoke", NULL},
		{"other", NULL},
		{"dyn(5)", NULL},
		{"device.x", NULL},
		{"smoke ? 1 : smoke", NULL},
		{"has(temp)", NULL},
	};
	struct cel_diag d = {0};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int r = compile(cases[i].text, CEL_BIT(CEL_BOOL), true, &d);
		assert_int_equal(r, cases[i].msg ? -EINVAL : 0);
		if (r)
			assert_string_equal(d.msg, cases[i].msg);
	}
	uint32_t number = CEL_NUMBERS | CEL_BIT(CEL_BOOL);
	assert_int_equal(compile("temp > 3", number, true, &d), 0);
	assert_int_equal(compile("label", number, true, &d), -EINVAL);
	assert_string_equal(d.msg, "the result must be bool or number, not string");
}

static void a_caret_stands_under_the_place(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"temp > 'x'", "temp > 'x'\n     ^ \">\" does not take number and string"},
		{"smoke &&\n\t('满溢' > 3) ||\nsmoke",
		 "\t('满溢' > 3) ||\n\t        ^ \">\" does not take string and int"},
		{"temp +", "temp +\n      ^ a value was expected, the condition ends here"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct cel_diag d = {0};
		auto_buf struct buf out;
		buf_init(&out, 4096);
		assert_int_equal(compile(cases[i].text, 0, true, &d), -EINVAL);
		cel_point(&out, slice_of(cases[i].text), &d);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

static void a_caret_s_line_is_cut(void **state)
{
	struct cel_diag d = {0};
	char text[1000];
	auto_buf struct buf out;
	(void)state;
	for (size_t i = 0; i < 999; i++)
		text[i] = "满"[i % 3];
	text[999] = 0;
	buf_init(&out, 4096);
	cel_diagnose(&d, slice_of(text), 600, "x");
	cel_point(&out, slice_of(text), &d);
	assert_int_equal(strcspn(buf_str(&out), "\n"), 162);
	assert_int_equal(out.n, 162 + 1 + 2 * 34 + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_tell_both_types),
		cmocka_unit_test(logic_takes_bools),
		cmocka_unit_test(functions_and_macros_know_what_they_take),
		cmocka_unit_test(members_of_a_known_map_are_checked),
		cmocka_unit_test(what_may_fit_is_taken),
		cmocka_unit_test(a_result_may_be_asked_for),
		cmocka_unit_test(a_caret_stands_under_the_place),
		cmocka_unit_test(a_caret_s_line_is_cut),
	};
	return cmocka_run_group_tests_name("cel_check", tests, NULL, NULL);
}
