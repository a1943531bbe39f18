/* The language of conditions: what the public cases leave open, our own rules, and every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cel.h"
#include "cel_json.h"
#include "times.h"

static const char *const names[] = {"temp", "humidity", "smoke", "label", "lost", "device", "a.b"};
enum { TEMP, HUMIDITY, SMOKE, LABEL, LOST, DEVICE, AB };

static struct cel_pair about[] = {
	{{.type = CEL_STRING, .n = 4, .p = "name"}, {.type = CEL_STRING, .n = 5, .p = "bin-1"}}};

static int slot_of(void *ctx, struct slice name)
{
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return (int)i;
	return -1;
}

static const char *nearest(void *ctx, struct slice name)
{
	(void)ctx;
	return name_distance(name, SL("temp")) < 3 ? "temp" : NULL;
}

static const struct cel_names strict = {.slot = slot_of, .nearest = nearest};

static struct cel_program *compile(const char *text)
{
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	if (cel_compile(slice_of(text), &strict, &d, &prog))
		fail_msg("%s: %d:%d: %s", text, d.line, d.col, d.msg);
	return prog;
}

/* The result as `gridhub rule eval` shows it. */
static void expect(const char *text, const char *want)
{
	const struct cel_value slots[] = {
		[TEMP] = CEL_OF_DOUBLE(61.5), [HUMIDITY] = CEL_OF_INT(15),
		[SMOKE] = CEL_OF_BOOL(false), [LABEL] = CEL_OF_TEXT(CEL_STRING, SL("car")),
		[LOST] = {.type = CEL_UNSET}, [DEVICE] = {.type = CEL_MAP, .n = 1, .map = about},
		[AB] = CEL_OF_INT(9),
	};
	struct cel_vm *vm = cel_vm_new();
	struct cel_program *prog = compile(text);
	auto_buf struct buf out;
	buf_init(&out, 65536);
	assert_non_null(vm);
	struct cel_value v = cel_eval(vm, prog, slots);
	if (v.type == CEL_ERROR)
		cel_explain(prog, v, &out);
	else
		cel_put_json(&out, v);
	assert_string_equal(buf_str(&out), want);
	cel_free(prog);
	cel_vm_free(vm);
}

static void expect_refused(const char *text, int line, int col, const char *msg)
{
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	assert_int_equal(cel_compile(slice_of(text), &strict, &d, &prog), -EINVAL);
	assert_string_equal(d.msg, msg);
	assert_int_equal(d.line, line);
	assert_int_equal(d.col, col);
}

static void fields_and_maps(void **state)
{
	(void)state;
	expect("temp > 60.0 && humidity < 20.0 || smoke", "{\"bool\":true}");
	expect("temp > 60", "{\"bool\":true}");
	expect("humidity == 15.0", "{\"bool\":true}");
	expect("60 < temp", "{\"bool\":true}");
	expect("device.name + '!'", "{\"string\":\"bin-1!\"}");
	expect("a.b", "{\"int\":9}");
	expect("has(temp) && !has(lost)", "{\"bool\":true}");
	expect("has(device.name) && !has(device.nme)", "{\"bool\":true}");
	expect("label in ['car', 'truck']", "{\"bool\":true}");
}

static void missing_fields_are_errors_that_logic_absorbs(void **state)
{
	(void)state;
	expect("lost > 1.0", "1:1: missing field \"lost\"");
	expect("smoke || lost", "1:10: missing field \"lost\"");
	expect("lost || !smoke", "{\"bool\":true}");
	expect("lost && smoke", "{\"bool\":false}");
	expect("lost > 1.0 || temp > 1.0", "{\"bool\":true}");
	expect("has(lost) && lost > 1.0", "{\"bool\":false}");
	expect("has(lost) ? lost : temp", "{\"double\":61.5}");
	expect("[lost, 1]", "1:2: missing field \"lost\"");
	expect("[1, 2].exists(x, x == 2 || lost)", "{\"bool\":true}");
	expect("[1, 2].all(x, lost)", "1:15: missing field \"lost\"");
}

static void numbers_mix(void **state)
{
	(void)state;
	expect("humidity + 0.5", "{\"double\":15.5}");
	expect("temp / 2", "{\"double\":30.75}");
	expect("2u * 1.5", "{\"double\":3.0}");
	expect("1 + 1u", "1:3: no such overload (operands of a wrong type)");
	expect("5.0 % 2.0", "1:5: no such overload (operands of a wrong type)");
	expect("-9223372036854775808", "{\"int\":-9223372036854775808}");
	expect("-9223372036854775808 / -1", "1:22: integer overflow");
	expect("-9223372036854775808 % -1", "1:22: integer overflow");
	expect("0u - 1u", "1:4: integer overflow");
	expect("1 == 1.0 && 1u == 1 && !(1 == '1')", "{\"bool\":true}");
}

static void loops_nest_and_shadow(void **state)
{
	(void)state;
	expect("[[1, 2], [3]].all(l, l.exists(x, x > 1))", "{\"bool\":true}");
	expect("[1].map(temp, temp + 1)", "{\"list\":[{\"int\":2}]}");
	expect("[1, 2, 3].map(x, x > 1, x * 10)", "{\"list\":[{\"int\":20},{\"int\":30}]}");
	expect("[1, 2].map(x, 1 / (x - 1))", "1:17: divide by zero");
	expect("[1, 2].exists_one(x, 1 / (x - 1) > 0)", "1:24: divide by zero");
	expect("1.all(x, true)", "1:3: no such overload (operands of a wrong type)");
	expect("[1, 2, 3].filter(x, x)", "1:11: no such overload (operands of a wrong type)");
	expect("{'a': 1}.map(k, k + 'b')", "{\"list\":[{\"string\":\"ab\"}]}");
}

static void text_and_patterns(void **state)
{
	(void)state;
	expect("'满溢'.size()", "{\"int\":2}");
	expect("label.matches('^c.r$')", "{\"bool\":true}");
	expect("label.matches('^' + 'b')", "{\"bool\":false}");
	expect("'x\\n'.matches('x$')", "{\"bool\":false}");
	expect("label.startsWith('carriage') || label.endsWith('scar')", "{\"bool\":false}");
	expect("string(temp) + string(1u) + string(true)", "{\"string\":\"61.51true\"}");
	expect("1 < 2 ? 'yes' : 'no'", "{\"string\":\"yes\"}");
}

static void time_has_zones(void **state)
{
	(void)state;
	expect("timestamp('2026-11-21T21:00:00Z').getHours('Asia/Shanghai')", "{\"int\":5}");
	expect("timestamp('2026-11-21T21:00:00Z').getDate('+08:00')", "{\"int\":22}");
	expect("timestamp('2026-11-21T21:00:00Z').getDayOfWeek()", "{\"int\":6}");
	expect("timestamp('2026-07-01T00:00:00Z').getHours('Europe/Berlin')", "{\"int\":2}");
	expect("timestamp('1969-12-31T23:59:59.5Z').getMilliseconds()", "{\"int\":500}");
	expect("timestamp(0).getHours('../../etc/passwd')", "1:14: unknown time zone");
	expect("timestamp(0).getHours('Mars/Base')", "1:14: unknown time zone");
	expect("timestamp(0) - duration('1.5s')", "{\"timestamp\":\"1969-12-31T23:59:58.5Z\"}");
	expect("string(duration('1h30m') + duration('-0.25s'))", "{\"string\":\"5399.75s\"}");
	expect("duration('1 week')", "1:1: type conversion error");
}

static void faults_in_the_text_are_told_with_place_and_nearest_name(void **state)
{
	(void)state;
	expect_refused("", 1, 1, "a value was expected, the condition ends here");
	expect_refused("temp >\n  > 3", 2, 3, "a value was expected, found >");
	expect_refused("'满' + temq", 1, 7, "unknown name \"temq\" (did you mean \"temp\"?)");
	expect_refused("label.startWith('c')", 1, 7,
		       "unknown function \"startWith\" (did you mean \"startsWith\"?)");
	expect_refused("size(label, 2)", 1, 1, "size() takes 1 argument");
	expect_refused("temp = 3", 1, 6, "\"=\" has no meaning here; equality is ==");
	expect_refused("temp & 3", 1, 6, "\"&\" has no meaning here; and is &&, or is ||");
	expect_refused("'abc", 1, 1, "a string without its closing quote");
	expect_refused("'\\q'", 1, 2, "an unknown escape (\\\\ is a backslash)");
	expect_refused("'\\u12'", 1, 2, "an escape with too few digits (4 are needed)");
	expect_refused("'\\ud800'", 1, 2, "an escape that is no character");
	expect_refused("99999999999999999999", 1, 1, "the number is too large");
	expect_refused("9223372036854775808", 1, 1, "the number is too large for an int");
	expect_refused("1e999", 1, 1, "the number is too large");
	expect_refused("12ab", 1, 3, "a letter right after a number");
	expect_refused("while", 1, 1, "\"while\" is a reserved word");
	expect_refused("[1, 2", 1, 6, "\",\" or \"]\" was expected, the condition ends here");
	expect_refused("temp humidity", 1, 6, "an operator was expected, found humidity");
	expect_refused("has(1)", 1, 1, "has() takes one field: has(temp_c) or has(device.name)");
	expect_refused("[1].all(1, true)", 1, 9, "the first argument must be a plain name");
	expect_refused("a{b: 1}", 1, 2, "messages are not part of this language");
	expect_refused("label.matches('[')", 1, 15,
		       "the pattern is wrong at its character 2: missing terminating ] for "
		       "character class");
	expect_refused("\xFFtemp", 1, 1, "not UTF-8");
}

static void repeat(struct buf *b, const char *text, int n)
{
	for (int i = 0; i < n; i++)
		buf_puts(b, text);
}

static void deep_nesting_is_refused(void **state)
{
	static const char *const opens[] = {"(", "[", "!", "-", "{1:", "true?1:", "size(", "a.b["};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(opens); i++) {
		struct cel_diag d = {0};
		struct cel_program *prog = NULL;
		auto_buf struct buf b;
		buf_init(&b, 1024 * 1024);
		repeat(&b, opens[i], (int)(CEL_TEXT_MAX / strlen(opens[i])) - 1);
		assert_int_equal(cel_compile(buf_slice(&b), &strict, &d, &prog), -EINVAL);
		assert_true(strstr(d.msg, "nested deeper") || strstr(d.msg, "in one another"));
	}
}

static void long_texts_are_refused(void **state)
{
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	auto_buf struct buf b;
	(void)state;
	buf_init(&b, 1024 * 1024);
	repeat(&b, "1 + ", 25000);
	assert_int_equal(cel_compile(buf_slice(&b), &strict, &d, &prog), -EINVAL);
	assert_string_equal(d.msg, "longer than 16384 bytes");
	buf_reset(&b);
	repeat(&b, "1 + ", 4000);
	buf_putc(&b, '1');
	assert_int_equal(cel_compile(buf_slice(&b), &strict, &d, &prog), -EINVAL);
	assert_string_equal(d.msg, "the condition is too long: write it as several rules");
	buf_reset(&b);
	repeat(&b, "smoke || ", 900);
	buf_puts(&b, "!smoke");
	expect(buf_str(&b), "{\"bool\":true}");
}

/* Whatever a condition does, it ends soon and says why. */
static void expect_ended(const char *text, const char *why)
{
	clock_t start = clock(); /* the processor's: the machine may be busy */
	expect(text, why);
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

static void an_evaluation_is_bounded(void **state)
{
	auto_buf struct buf b;
	(void)state;
	buf_init(&b, CEL_TEXT_MAX);
	buf_putc(&b, '[');
	repeat(&b, "1,", 999);
	buf_puts(&b, "1].map(a, [");
	repeat(&b, "1,", 999);
	buf_puts(&b, "1].all(b, a == b))");
	expect_ended(buf_str(&b), "1:1: the condition takes too many steps");
	buf_reset(&b);
	buf_puts(&b, "true || ['0123456789abcdef']");
	repeat(&b, ".map(x, x + x)", 20);
	expect(buf_str(&b), "{\"bool\":true}");
	buf_reset(&b);
	buf_puts(&b, "['0123456789abcdef']");
	repeat(&b, ".map(x, x + x)", 20);
	buf_puts(&b, " == [] || true");
	expect_ended(buf_str(&b), "1:1: the condition takes too much memory");
	expect_ended("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a+)+$')",
		     "1:55: the pattern takes too many steps on this text");
}

static void values_go_through_json(void **state)
{
	static const char *const same[] = {
		"{\"null\":0}",
		"{\"uint\":3}",
		"{\"uint\":18446744073709551615}",
		"{\"int\":9223372036854775807}",
		"{\"int\":-9223372036854775808}",
		"{\"string\":\"99999999999999999999, \\\", 99999999999999999999,\"}",
		"{\"string\":\"a\\u0000b\"}",
		"{\"double\":\"-Infinity\"}",
		"{\"bytes\":\"AP8=\"}",
		"{\"bytes\":\"\"}",
		"{\"type\":\"google.protobuf.Duration\"}",
		"{\"timestamp\":\"2026-11-21T21:00:00Z\"}",
		"{\"duration\":\"-1.500000001s\"}",
		"{\"map\":[[{\"string\":\"k\"},{\"list\":[{\"bool\":true},{\"int\":-1}]}]]}",
	};
	static const char *const bad[] = {
		"1",
		"{}",
		"{\"int\":1.5}",
		"{\"int\":1,\"uint\":2}",
		"{\"float\":1}",
		"{\"map\":[[{\"double\":1},{\"int\":1}]]}",
		"{\"map\":[1]}",
		"{\"list\":{}}",
		"{\"uint\":-1}",
		"{\"uint\":18446744073709551616}",
		"{\"uint\":\"\"}",
		"{\"uint\":1.5}",
		"{\"int\":9223372036854775808}",
		"{\"double\":\"x\"}",
		"{\"bytes\":\"*\"}",
		"{\"bytes\":\"A\"}",
		"{\"bytes\":\"AAA===\"}",
		"{\"bytes\":5}",
	};
	struct cel_room room = {.steps = 100000};
	(void)state;
	arena_init(&room.arena, 1024 * 1024);
	for (size_t i = 0; i < COUNT_OF(same) + COUNT_OF(bad); i++) {
		bool good = i < COUNT_OF(same);
		const char *text = good ? same[i] : bad[i - COUNT_OF(same)];
		auto_json struct json *j = NULL;
		auto_buf struct buf out;
		struct cel_value v;
		struct err e;
		buf_init(&out, 4096);
		assert_int_equal(cel_json_parse(slice_of(text), &e, &j), 0);
		assert_int_equal(cel_from_json(&room, j, &e, &v), good ? 0 : -EPROTO);
		if (!good)
			continue;
		cel_put_json(&out, v);
		assert_string_equal(buf_str(&out), text);
	}
	arena_done(&room.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_and_maps),
		cmocka_unit_test(missing_fields_are_errors_that_logic_absorbs),
		cmocka_unit_test(numbers_mix),
		cmocka_unit_test(loops_nest_and_shadow),
		cmocka_unit_test(text_and_patterns),
		cmocka_unit_test(time_has_zones),
		cmocka_unit_test(faults_in_the_text_are_told_with_place_and_nearest_name),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(long_texts_are_refused),
		cmocka_unit_test(an_evaluation_is_bounded),
		cmocka_unit_test(values_go_through_json),
	};
	return cmocka_run_group_tests_name("cel", tests, NULL, NULL);
}
