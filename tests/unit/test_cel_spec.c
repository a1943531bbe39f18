/* The definition of the language (langdef.md of cel-spec), point by point: grammar, names,
 * operators, equality, containers, macros. Texts, conversions and time are in test_cel_text.c. */
#include "cel_spec.h"

static void numbers_in_the_text(void **state)
{
	static const struct spec specs[] = {
		{"9223372036854775807", "{\"int\":9223372036854775807}"},
		{"-9223372036854775808", "{\"int\":-9223372036854775808}"},
		{"- 9223372036854775808", "{\"int\":-9223372036854775808}"},
		{"9223372036854775808", NULL},
		{"-9223372036854775809", NULL},
		{"--9223372036854775808", NULL},
		{"-(-9223372036854775807)", "{\"int\":9223372036854775807}"},
		{"0x7fffffffffffffff", "{\"int\":9223372036854775807}"},
		{"-0x8000000000000000", "{\"int\":-9223372036854775808}"},
		{"0x8000000000000000", NULL},
		{"0xFFFFffffFFFFffffu", "{\"uint\":18446744073709551615}"},
		{"0x10000000000000000u", NULL},
		{"18446744073709551615u", "{\"uint\":18446744073709551615}"},
		{"18446744073709551616u", NULL},
		{"007", "{\"int\":7}"},
		{"0x", NULL},
		{"1_000", NULL},
		{".5", "{\"double\":0.5}"},
		{"1.", NULL},
		{"1e3", "{\"double\":1000.0}"},
		{"1E-3", "{\"double\":0.001}"},
		{".5e+1", "{\"double\":5.0}"},
		{"1e", NULL},
		{"1.7976931348623157e308", "{\"double\":1.7976931348623157e+308}"},
		{"1e309", NULL},
		{"5e-324 > 0.0", TRUE},
		{"1e-400", "{\"double\":0.0}"},
		{"-0.0", "{\"double\":-0.0}"},
		{"-5u", NULL},
		{"1.5u", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void grammar(void **state)
{
	static const struct spec specs[] = {
		{"1 + 2 * 3 - 4 / 2 % 2", "{\"int\":7}"},
		{"-2 * -3", "{\"int\":6}"},
		{"7 % 3 * 2", "{\"int\":2}"},
		{"10 - 4 - 3", "{\"int\":3}"},
		{"!true == false", TRUE},
		{"1 < 2 == true", TRUE},
		{"1 + 1 in [2]", TRUE},
		{"!(1 in [2])", TRUE},
		{"true || true && false", TRUE},
		{"false ? 1 : true ? 2 : 3", "{\"int\":2}"},
		{"true ? false ? 1 : 2 : 3", NULL},
		{"true ? (false ? 1 : 2) : 3", "{\"int\":2}"},
		{"!!true", TRUE},
		{"- - 1", "{\"int\":1}"},
		{"1 ++ 1", NULL},
		{"[1, 2,]", "{\"list\":[{\"int\":1},{\"int\":2}]}"},
		{"[,]", NULL},
		{"{1: 2,}", "{\"map\":[[{\"int\":1},{\"int\":2}]]}"},
		{"{,}", NULL},
		{"size([1],)", NULL},
		{"()", NULL},
		{"1 2", NULL},
		{"a.b{}", NULL},
		{"\t1\n+\f2\r// a comment", "{\"int\":3}"},
		{"1 // one\r+ 2 // two\n+ 3", "{\"int\":6}"},
		{"1 /* no */", NULL},
		{"1 \v", NULL},
		{"1 & 1", NULL},
		{"1 = 1", NULL},
		{"1 <> 1", NULL},
		{"true and false", NULL},
		{"True", NULL},
		{"'a' 'b'", NULL},
		{"[1][0]", "{\"int\":1}"},
		{"[[1]][0][0]", "{\"int\":1}"},
		{"{'a': {'b': 1}}.a.b", "{\"int\":1}"},
		{"{'a': [5]}.a[0]", "{\"int\":5}"},
		{"'abc'.size() + size('abc')", "{\"int\":6}"},
		{"-'abc'.size()", "{\"int\":-3}"},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void names_and_words(void **state)
{
	static const struct spec specs[] = {
		{"a.b", "{\"int\":2}"},
		{"a.b.c", "{\"int\":3}"},
		{"(a.b).c", NULL}, /* an int has no field */
		{"(a).b", "{\"int\":2}"},
		{"m.k", "{\"int\":1}"},
		{"(m).k", "{\"int\":1}"},
		{"m.`k`", "{\"int\":1}"},
		{".m.k", "{\"int\":1}"},
		{". m", "{\"map\":[[{\"string\":\"k\"},{\"int\":1}]]}"},
		{"_x1", "{\"int\":4}"},
		{"{'while': 1}.while", "{\"int\":1}"},
		{"{'in': 1}.`in`", "{\"int\":1}"},
		{"{'in': 1}.in", NULL},
		{"{'true': 1}.true", NULL},
		{"{'null': 1}.null", NULL},
		{"{'a b': 1}.`a b`", "{\"int\":1}"},
		{"`m`", NULL},
		{"while", NULL},
		{"void", NULL},
		{"in", NULL},
		{"true.x", NULL},
		{"if(1)", NULL},
		{"as", NULL},
		{"size", NULL},
		{"nothing", NULL},
		{"nothing || true", TRUE},
		{"nothing() || true", TRUE},
		{"1.nothing() || true", TRUE},
		{"int", "{\"type\":\"int\"}"},
		{"[1, 2].map(int, int + 1)", "{\"list\":[{\"int\":2},{\"int\":3}]}"},
		{".size([1])", "{\"int\":1}"},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void types_are_values(void **state)
{
	static const struct spec specs[] = {
		{"type(1) == int && type(1u) == uint && type(1.0) == double", TRUE},
		{"type('') == string && type(b'') == bytes && type(true) == bool", TRUE},
		{"type([]) == list && type({}) == map && type(null) == null_type", TRUE},
		{"type(int) == type && type(type(1)) == type(string)", TRUE},
		{"type(timestamp(0)) == google.protobuf.Timestamp", TRUE},
		{"type(duration('1s')) == .google.protobuf.Duration", TRUE},
		{"type(1) == string", FALSE},
		{"type(1) == 1", FALSE},
		{"type(1) != type(1u)", TRUE},
		{"int == int && int != uint", TRUE},
		{"type(1) < type(2)", NULL},
		{"type(nothing)", NULL},
		{"type(dyn(1)) == int", TRUE},
		{"[int, string]", "{\"list\":[{\"type\":\"int\"},{\"type\":\"string\"}]}"},
		{"{int: 1}", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void arithmetic(void **state)
{
	static const struct spec specs[] = {
		{"9223372036854775807 + 1", NULL},
		{"-9223372036854775808 - 1", NULL},
		{"-9223372036854775807 - 1", "{\"int\":-9223372036854775808}"},
		{"4611686018427387904 * 2", NULL},
		{"-4611686018427387904 * 2", "{\"int\":-9223372036854775808}"},
		{"-9223372036854775808 * -1", NULL},
		{"-(-9223372036854775808)", NULL},
		{"-9223372036854775808 / -1", NULL},
		{"-9223372036854775808 % -1", NULL},
		{"1 / 0", NULL},
		{"1 % 0", NULL},
		{"1u / 0u", NULL},
		{"1u % 0u", NULL},
		{"-7 / 2", "{\"int\":-3}"},
		{"-7 % 2", "{\"int\":-1}"},
		{"7 % -2", "{\"int\":1}"},
		{"18446744073709551615u + 1u", NULL},
		{"1u - 2u", NULL},
		{"9223372036854775808u * 2u", NULL},
		{"18446744073709551615u / 2u", "{\"uint\":9223372036854775807}"},
		{"-(1u)", NULL},
		{"1 + 1u", NULL},
		{"1.0 / 0.0", "{\"double\":\"Infinity\"}"},
		{"-1.0 / 0.0", "{\"double\":\"-Infinity\"}"},
		{"0.0 / 0.0", "{\"double\":\"NaN\"}"},
		{"1e308 * 10.0", "{\"double\":\"Infinity\"}"},
		{"0.1 + 0.2 == 0.3", FALSE},
		{"5.5 % 2.0", NULL},
		{"-(1.5)", "{\"double\":-1.5}"},
		{"-true", NULL},
		{"-'a'", NULL},
		{"true + true", NULL},
		{"null + null", NULL},
		{"'a' - 'a'", NULL},
		{"'a' * 2", NULL},
		{"'a' + 'b' + ''", "{\"string\":\"ab\"}"},
		{"b'a' + b'\\xff'", "{\"bytes\":\"Yf8=\"}"},
		{"'a' + b'a'", NULL},
		{"[1] + [] + ['a']", "{\"list\":[{\"int\":1},{\"string\":\"a\"}]}"},
		{"{} + {}", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void equality(void **state)
{
	static const struct spec specs[] = {
		{"1 == 1.0 && 1u == 1 && 1.0 == 1u", TRUE},
		{"1 == 1.1 || -1 == 18446744073709551615u", FALSE},
		{"0.0 == -0.0", TRUE},
		{"0.0 / 0.0 == 0.0 / 0.0", FALSE},
		{"0.0 / 0.0 != 0.0 / 0.0", TRUE},
		{"[0.0 / 0.0] == [0.0 / 0.0]", FALSE},
		{"0.0 / 0.0 in [0.0 / 0.0]", FALSE},
		{"1 == '1' || true == 1 || null == false || '' == b''", FALSE},
		{"1 != '1' && null != 0 && [] != {}", TRUE},
		{"null == null && true == true && 'a' == 'a' && b'a' == b'a'", TRUE},
		{"'a' == 'A'", FALSE},
		{"'\\u00e9' == 'e\\u0301'", FALSE}, /* no normalisation */
		{"[1, 2] == [1.0, 2u]", TRUE},
		{"[1, 2] == [2, 1] || [1] == [1, 1]", FALSE},
		{"[1, 'a'] == ['a', 1]", FALSE},
		{"{1: 'a', 'b': 2} == {'b': 2.0, 1u: 'a'}", TRUE},
		{"{1: 'a'} == {1: 'b'} || {1: 2} == {2: 2} || {1: 2} == {1: 2, 2: 2}", FALSE},
		{"{'a': [1, {'b': null}]} == {'a': [1, {'b': null}]}", TRUE},
		{"timestamp(1) == timestamp('1970-01-01T00:00:01Z')", TRUE},
		{"duration('60s') == duration('1m')", TRUE},
		{"timestamp(1) == 1 || duration('1s') == 1", FALSE},
		{"nothing == nothing", NULL},
		{"1 / 0 == 1 / 0", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void order(void **state)
{
	static const struct spec specs[] = {
		{"1 < 1.5 && 1u < 2 && -1 < 0u && 1.5 < 2u", TRUE},
		{"18446744073709551615u > 9223372036854775807", TRUE},
		{"18446744073709551615u > -1 && -1 < 18446744073709551615u", TRUE},
		{"9223372036854775807 < 9223372036854775808u", TRUE},
		{"1e30 > 9223372036854775807 && -1e30 < -9223372036854775808", TRUE},
		{"1.0 / 0.0 > 18446744073709551615u", TRUE},
		{"0.0 / 0.0 < 1.0 || 0.0 / 0.0 >= 1.0 || 0.0 / 0.0 <= 0.0 / 0.0", FALSE},
		{"-0.0 < 0.0", FALSE},
		{"false < true && !(true < false) && true <= true", TRUE},
		{"'a' < 'b' && 'a' < 'aa' && '' < 'a' && 'Z' < 'a'", TRUE},
		{"'\\uffff' < '\\U00010000'", TRUE}, /* by code point, not by UTF-16 */
		{"b'\\x7f' < b'\\x80' && b'' < b'\\x00'", TRUE},
		{"timestamp(1) < timestamp(2) && timestamp(1) >= timestamp(1)", TRUE},
		{"duration('-1s') < duration('1ns')", TRUE},
		{"1 < '2'", NULL},
		{"true < 1", NULL},
		{"'a' < b'b'", NULL},
		{"[1] < [2]", NULL},
		{"{} < {}", NULL},
		{"null < null", NULL},
		{"null <= 1", NULL},
		{"timestamp(1) < duration('1s')", NULL},
		{"timestamp(1) > 0", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void containers(void **state)
{
	static const struct spec specs[] = {
		{"[1, 2, 3][1]", "{\"int\":2}"},
		{"[1, 2, 3][1u] == [1, 2, 3][1.0]", TRUE},
		{"[1][1.5]", NULL},
		{"[1][-1]", NULL},
		{"[1][1]", NULL},
		{"[1][9223372036854775807]", NULL},
		{"[1][0.0 / 0.0]", NULL},
		{"[1]['a']", NULL},
		{"[1][true]", NULL},
		{"[][0]", NULL},
		{"'abc'[0]", NULL},
		{"b'abc'[0]", NULL},
		{"{1: 'a'}[1.0] + {1: 'a'}[1u]", "{\"string\":\"aa\"}"},
		{"{1u: 'a'}[1] + {true: 'b'}[true]", "{\"string\":\"ab\"}"},
		{"{1: 'a'}[1.5]", NULL},
		{"{1: 'a'}['1']", NULL},
		{"{true: 'a'}[1]", NULL},
		{"{'a': 1}.b", NULL},
		{"{1: 'a'}[null]", NULL},
		{"{1: 'a'}[[1]]", NULL},
		{"{1.0: 'a'}", NULL},
		{"{null: 1}", NULL},
		{"{[1]: 1}", NULL},
		{"{b'a': 1}", NULL},
		{"{'a': 1, 'a': 1}", NULL},
		{"{1: 1, 1u: 1}", NULL},
		{"{1: 1, true: 1, '1': 1}.size()", "{\"int\":3}"},
		{"{'a': 1 / 0}", NULL},
		{"[1, 1 / 0]", NULL},
		{"1.0 in [1] && 1u in [1] && 'a' in ['a'] && null in [null]", TRUE},
		{"'1' in [1] || [] in [] || true in [1]", FALSE},
		{"[1] in [[1.0]]", TRUE},
		{"1 in {1u: 0} && 1.0 in {1: 0} && 'a' in {'a': 0}", TRUE},
		{"1 in {'1': 1} || 1.5 in {1: 0} || true in {1: 1}", FALSE},
		{"null in {'a': 1}", FALSE},
		{"1 in 1", NULL},
		{"'a' in 'abc'", NULL},
		{"1 / 0 in [1]", NULL},
		{"size([1, [2, 3]]) + size({'a': 1}) + size('') + size(b'')", "{\"int\":3}"},
		{"size(1)", NULL},
		{"size(null)", NULL},
		{"has({'a': null}.a)", TRUE},
		{"has({'a': 1}.b)", FALSE},
		{"has({}.a.b)", NULL},
		{"has({'a': {}}.a.b)", FALSE},
		{"has([1].a)", NULL},
		{"has(1.a)", NULL},
		{"has({1: 2}.a)", FALSE},
		{"has((a.b).c)", NULL},
		{"has(m['k'])", NULL},
		{"has(m.k, m.k)", NULL},
		{"has()", NULL},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void logic_absorbs_errors(void **state)
{
	static const struct spec specs[] = {
		{"true || 1 / 0 > 0", TRUE},
		{"1 / 0 > 0 || true", TRUE},
		{"false && 1 / 0 > 0", FALSE},
		{"1 / 0 > 0 && false", FALSE},
		{"false || 1 / 0 > 0", NULL},
		{"1 / 0 > 0 || false", NULL},
		{"true && 1 / 0 > 0", NULL},
		{"1 / 0 > 0 || 1 / 0 > 0 || true", TRUE},
		{"(1 / 0 > 0 || false) && false", FALSE},
		{"true || 'a'", TRUE},
		{"'a' || true", TRUE},
		{"'a' || false", NULL},
		{"1 && false", FALSE},
		{"1 && true", NULL},
		{"null || false", NULL},
		{"'a' && 'b'", NULL},
		{"!1", NULL},
		{"!(1 / 0 > 0)", NULL},
		{"true ? 1 : 1 / 0", "{\"int\":1}"},
		{"false ? 1 / 0 : 1", "{\"int\":1}"},
		{"1 / 0 > 0 ? 1 : 1", NULL},
		{"'a' ? 1 : 2", NULL},
		{"null ? 1 : 2", NULL},
		{"(true ? 1 / 0 : 0) == 0 || true", TRUE},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void macros(void **state)
{
	static const struct spec specs[] = {
		{"[].all(x, false) && ![].exists(x, true) && ![].exists_one(x, true)", TRUE},
		{"[1, 2].all(x, x > 0) && [1, 2].exists(x, x > 1)", TRUE},
		{"[0, 1].all(x, 1 / x < 0)", FALSE},
		{"[0, 1].all(x, 1 / x > 0)", NULL},
		{"[0, 1].exists(x, 1 / x > 0)", TRUE},
		{"[1, 0].exists(x, 1 / x > 5)", NULL},
		{"[1, 0].exists(x, 1 / x > 0)", TRUE},
		{"[1, 2].all(x, 'a')", NULL},
		{"[1, 2].all(x, x == 1 ? 5 : false)", FALSE},
		{"[1, 2].exists_one(x, x > 1)", TRUE},
		{"[1, 1].exists_one(x, x == 1)", FALSE},
		{"[1, 0, 1].exists_one(x, 1 / x == 1)", NULL},
		{"[1, 2].exists_one(x, 1)", NULL},
		{"[1, 2, 3].filter(x, x % 2 == 1)", "{\"list\":[{\"int\":1},{\"int\":3}]}"},
		{"[1, 0].filter(x, 1 / x > 0)", NULL},
		{"[1].filter(x, 1)", NULL},
		{"[1, 2].map(x, x * x)", "{\"list\":[{\"int\":1},{\"int\":4}]}"},
		{"[1, 2, 3].map(x, x > 1, x + 1)", "{\"list\":[{\"int\":3},{\"int\":4}]}"},
		{"[1, 0].map(x, 1 / x)", NULL},
		{"[1].map(x, 1, x)", NULL},
		{"{'a': 1}.all(k, k == 'a') && {'a': 1}.exists(k, k == 'a')", TRUE},
		{"{'a': 1, 'b': 2}.map(k, k)",
		 "{\"list\":[{\"string\":\"a\"},{\"string\":\"b\"}]}"},
		{"{'a': 1, 'b': 2}.filter(k, k > 'a')", "{\"list\":[{\"string\":\"b\"}]}"},
		{"'abc'.all(c, true)", NULL},
		{"1.exists(x, true)", NULL},
		{"(1 / 0).all(x, true)", NULL},
		{"[1].all(x, true, true)", NULL},
		{"[1].all('x', true)", NULL},
		{"[1].all(x.y, true)", NULL},
		{"[1].all(.x, true)", NULL},
		{"[1].all(while, true)", NULL},
		{"[1].all(x, [2].all(x, x == 2) && x == 1)", TRUE},
		{"[1].all(x, [2].exists(y, y > x))", TRUE},
		{"[1].exists(x, true) && nothing == x", NULL},
		{"[1].map(m, m)", "{\"list\":[{\"int\":1}]}"},
		{"[1].map(m, .m.k)", "{\"list\":[{\"int\":1}]}"},
		{"[{'b': 7}].map(a, a.b)", "{\"list\":[{\"int\":7}]}"},
		{"[[1, 2], [3]].map(l, l.map(x, x + 1)).size()", "{\"int\":2}"},
		{"[1, 2].map(x, [x].map(x, x * 10)[0] + x)",
		 "{\"list\":[{\"int\":11},{\"int\":22}]}"},
	};
	(void)state;
	expect_all(specs, COUNT_OF(specs));
}

static void compiles(const char *text)
{
	struct cel_program *prog = NULL;
	struct cel_diag d = {0};
	static const struct cel_names names = {.slot = spec_slot};
	if (cel_compile(slice_of(text), &names, &d, &prog))
		fail_msg("%s: %s", text, d.msg);
	cel_free(prog);
}

static void at_least_32_of_each(void **state)
{
	static const struct {
		const char *head, *each, *tail, *close;
	} kinds[] = {
		{"true", " || true", "", ""},
		{"true", " && true", "", ""},
		{"1 == 1", " == true", "", ""},
		{"1", " + 1", "", ""},
		{"1", " * 1", "", ""},
		{"r", ".r", "", ""},
		{"l", "[0]", "", ""},
		{"[0", ", 0", "]", ""},
		{"{-1: 0", ", 0: 0", "}", ""},
		{"", "!", "true", ""},
		{"", "-", "a", ""},
		{"", "(", "true", ")"},
		{"", "[", "1", "]"},
		{"", "{1: ", "1", "}"},
		{"", "a[", "1", "]"},
		{"", "true ? true : ", "true", ""},
		{"", "(true ? ", "true", ": false)"},
		{"", "dyn(", "1", ")"},
		{"", "[1].all(x, ", "true", ")"},
		{"", "[1].map(x, ", "x", ")"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		auto_buf struct buf b;
		buf_init(&b, 65536);
		buf_puts(&b, kinds[i].head);
		for (int k = 0; k < 32; k++)
			buf_puts(&b, kinds[i].each);
		buf_puts(&b, kinds[i].tail);
		for (int k = 0; k < 32; k++)
			buf_puts(&b, kinds[i].close);
		compiles(buf_str(&b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_in_the_text),
		cmocka_unit_test(grammar),
		cmocka_unit_test(names_and_words),
		cmocka_unit_test(types_are_values),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(equality),
		cmocka_unit_test(order),
		cmocka_unit_test(containers),
		cmocka_unit_test(logic_absorbs_errors),
		cmocka_unit_test(macros),
		cmocka_unit_test(at_least_32_of_each),
	};
	return cmocka_run_group_tests_name("cel_spec", tests, NULL, NULL);
}
