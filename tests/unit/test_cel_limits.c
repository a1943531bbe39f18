/* Whatever a text is and does, it ends soon, with a value or an error that says why. */
#include "cel_spec.h"

#include <time.h>

#define SOON_MS 300 /* of CPU, sanitizers included; a release takes some milliseconds */

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The message of the text, or of the evaluation, or the value. */
static void show_all(struct slice text, struct buf *out)
{
	static const struct cel_names names = {.slot = spec_slot, .lenient = true};
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	struct cel_vm *vm = cel_vm_new();
	assert_non_null(vm);
	if (cel_compile(text, &names, &d, &prog)) {
		buf_puts(out, d.msg);
	} else {
		struct cel_value v = spec_eval(vm, prog);
		if (v.type == CEL_ERROR)
			cel_explain(prog, v, out);
		else
			cel_put_json(out, v);
	}
	cel_free(prog);
	cel_vm_free(vm);
}

struct made {
	const char *head, *each;
	int n;
	const char *mid, *close;
	const char *want; /* is in what it gives */
};

static void make(const struct made *m, struct buf *out)
{
	buf_puts(out, m->head);
	for (int i = 0; i < m->n; i++)
		buf_puts(out, m->each);
	buf_puts(out, m->mid);
	for (int i = 0; i < m->n && m->close[0]; i++)
		buf_puts(out, m->close);
}

static void expect_soon(const struct made *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_buf struct buf text, out;
		buf_init(&text, 1024 * 1024);
		buf_init(&out, 1024 * 1024);
		make(&all[i], &text);
		double start = cpu_ms();
		show_all(buf_slice(&text), &out);
		double took = cpu_ms() - start;
		if (!strstr(buf_str(&out), all[i].want))
			fail_msg("%.60s…: %.200s, not %s", buf_str(&text), buf_str(&out),
				 all[i].want);
		if (took > SOON_MS)
			fail_msg("%.60s…: %.0f ms", buf_str(&text), took);
	}
}

static void texts_of_100_kb(void **state)
{
	static const struct made all[] = {
		{"", "a", 100000, "", "", "longer than 16384 bytes"},
		{"", "1 + ", 25000, "1", "", "longer than 16384 bytes"},
		{"'", "x", 100000, "'", "", "longer than 16384 bytes"},
		{"", "(", 50000, "1", ")", "longer than 16384 bytes"},
		{"", "\n", 100000, "", "", "longer than 16384 bytes"},
		{"'", "x", 16000, "'.size()", "", "{\"int\":16000}"},
		{"", " ", 16000, "1", "", "{\"int\":1}"},
		{"//", " ", 16000, "", "", "a value was expected"},
		{"", "\n", 16000, "1 1", "", "an operator was expected"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

static void nesting_of_10000(void **state)
{
	static const struct made all[] = {
		{"", "(", 8000, "1", ")", "nested deeper than 100 levels"},
		{"", "(", 10000, "", "", "nested deeper than 100 levels"},
		{"", "[", 8000, "", "]", "nested deeper than 100 levels"},
		{"", "{1:", 4000, "1", "}", "nested deeper than 100 levels"},
		{"", "-", 10000, "a", "", "nested deeper than 100 levels"},
		{"", "- ", 8000, "1", "", "nested deeper than 100 levels"},
		{"", "!", 10000, "true", "", "nested deeper than 100 levels"},
		{"", "true?1:", 2000, "1", "", "nested deeper than 100 levels"},
		{"", "(true?", 1500, "1", ":1)", "nested deeper than 100 levels"},
		{"", "dyn(", 3000, "1", ")", "nested deeper than 100 levels"},
		{"", "a[", 5000, "1", "]", "nested deeper than 100 levels"},
		{"", "[1].all(x,", 1000, "true", ")", "nested deeper than 100 levels"},
		{"", "[1].all(x,", 40, "true", ")", "too many macros in one another"},
		{"", "(", 90, "1", ")", "{\"int\":1}"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

static void long_chains(void **state)
{
	static const struct made all[] = {
		{"1", "+1", 8000, "", "", "the condition is too long: write it as several rules"},
		{"true", "||true", 2700, "", "", "the condition is too long"},
		{"a", ".b", 8000, "", "", "the condition is too long"},
		{"a", "[0]", 5000, "", "", "the condition is too long"},
		{"[]", ".map(x,x)", 1800, "", "", "the condition is too long"},
		{"1", "+1", 990, "", "", "{\"int\":991}"},
		{"a", ".b", 990, "", "", "no such overload"},
		{"r", ".b", 990, "", "", "no such overload"},
		{"zzz", ".b", 990, "", "", "unknown name \"zzz\""},
		{"[]", ".map(x,x)", 900, "", "", "{\"list\":[]}"},
		{"[0", ",0", 8000, "].size()", "", "{\"int\":8001}"},
		{"[a", ",a", 8000, "].size()", "", "{\"int\":8001}"},
		{"{a:a", ",1:1", 4000, "}", "", "the same key twice"},
		{"size(0", ",0", 8000, ")", "", "no such overload"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

static void patterns_that_explode(void **state)
{
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOO_LONG "the pattern takes too many steps on this text"
	static const struct made all[] = {
		{"'" A50 "b'.matches('^(a+)+$')", "", 0, "", "", TOO_LONG},
		{"'" A50 "b'.matches('^(a|a)*$')", "", 0, "", "", TOO_LONG},
		{"'" A50 "b'.matches('(.*)*(.*)*(.*)*x?$b')", "", 0, "", "", TOO_LONG},
		{"'" A50 "b'.matches('(' + '^(a+)+$)')", "", 0, "", "", TOO_LONG},
		{"'aaaaaaaaaaaaaa!'.matches('^(a+)+$')", "", 0, "", "", TOO_LONG},
		{"'" A50 "b'.matches('^(a+)+$') || true", "", 0, "", "", "{\"bool\":true}"},
		{"false", "||'" A50 "b'.matches('^(a+)+$')", 200, "", "", "takes too many steps"},
		{"'", "a", 15000, "'.matches('[^x]*y')", "", "{\"bool\":false}"},
		{"'", "a", 15000, "'.matches('[^x]*?yx|b')", "", TOO_LONG},
		{"'", "a", 15000, "'.matches('(.*)(.*)(.*)(.*)(.*)b|c')", "", TOO_LONG},
		{"'", "a", 15000, "'.matches('b')", "", "{\"bool\":false}"},
		{"'a'.matches('", "(", 300, "a')", "", "invalid regular"},
		{"'a'.matches('((a{1000}){1000}){1000}')", "", 0, "", "", "invalid regular"},
		{"'a'.matches('", "(", 6, "a){9}){9}){9}){9}){9}){9}')", "", "invalid regular"},
		{"'a'.matches('", "x?", 510, "a')", "", "{\"bool\":true}"},
		{"'a'.matches('", "x", 1025, "a')", "", "invalid regular"},
		{"false", "||'x'.matches('((a|b){30}){10}')", 480, "", "", "{\"bool\":false}"},
		{"false", "||'x'.matches('(abcde){1000}'+'')", 400, "", "", "too many steps"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

static void products_of_macros(void **state)
{
#define L50                                                                                       \
	"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1," \
	"1,1,1,1]"
	static const struct made all[] = {
		{"", L50 ".all(x,", 6, "true", ")", "takes too many steps"},
		{"", L50 ".map(x,", 6, "x", ")", "takes too"},
		{"", L50 ".exists(x, " L50 ".exists(y, y > x) ||", 6, "false", ")",
		 "takes too many steps"},
		{"", L50 ".exists(x,", 6, "1 / 0 > x", ")", "takes too many steps"},
		{"true || ", L50 ".all(x,", 6, "true", ")", "{\"bool\":true}"},
		{L50 ".all(a, " L50 ".all(b, " L50 ".all(c, 0", "+a", 900, " < 0)))", "",
		 "{\"bool\":false}"},
		{L50 ".all(a, " L50 ".all(b, " L50 ".all(c, 0", "+a", 900, " >= 0)))", "",
		 "takes too many steps"},
		{L50 ".all(a, " L50 ".all(b, [[a,b]", ",[a,b]", 900, "].size() > 0))", "",
		 "takes too"},
		{L50 ".all(a, " L50 ".all(b, b in [2", ",2", 2000, "] || true))", "",
		 "takes too many steps"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

static void doubling(void **state)
{
	static const struct made all[] = {
		{"['0123456789abcdef']", ".map(x, x + x)", 20, "", "", "takes too much memory"},
		{"['0123456789abcdef']", ".map(x, x + x)", 20, " == [] || true", "",
		 "takes too much memory"},
		{"[b'0123456789abcdef']", ".map(x, x + x)", 20, "", "", "takes too much memory"},
		{"[[1, 2, 3, 4]]", ".map(x, x + x)", 20, "", "", "takes too"},
		{"[1]", ".map(x, [x, x])", 60, "", "", "{\"list\":"},
		{"[['a']]", ".map(x, [x, x])", 60, " == [1]", "", "{\"bool\":false}"},
		{"['0123456789abcdef']", ".map(x, x + x)", 14, "[0].matches('x$')", "",
		 "{\"bool\":false}"},
		{"['0123456789abcdef']", ".map(x, x + x)", 14, "[0].matches('[^x]*y')", "",
		 "{\"bool\":false}"},
		{"['0123456789abcdef']", ".map(x, x + x)", 14, "[0].matches('9.*0a')", "",
		 TOO_LONG},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

/* Deep values: printing, comparing and freeing them must not need the machine's stack. */
static void values_that_are_deep(void **state)
{
	static const struct made all[] = {
		{"[[1]]", ".map(x, [x, x])", 990, ".size()", "", "{\"int\":1}"},
		{"[1]", ".map(x, [x])", 490, "", "", "{\"list\":[{\"list\":"},
		{"[1].map(y, [1]", ".map(x, [x])", 490, ") == [1].map(y, [2])", "",
		 "{\"bool\":false}"},
	};
	(void)state;
	expect_soon(all, COUNT_OF(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_100_kb),	cmocka_unit_test(nesting_of_10000),
		cmocka_unit_test(long_chains),		cmocka_unit_test(patterns_that_explode),
		cmocka_unit_test(products_of_macros),	cmocka_unit_test(doubling),
		cmocka_unit_test(values_that_are_deep),
	};
	return cmocka_run_group_tests_name("cel_limits", tests, NULL, NULL);
}
