/* Names with dots, calls that the caller resolves, and the text that belongs to an expression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cel.h"
#include "cel_json.h"

static const char *const names[] = {
	"temp_c",   "prev.temp_c", "prev.lost", "age.temp_c",
	"a.b.c",    "device",	   "x",		"avg(temp_c + 1, '10m')",
	"within()", "lost(temp_c)"};
static const char *const funcs[] = {"avg", "within", "lost", NULL};

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
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (name_distance(name, slice_of(names[i])) < 3)
			return names[i];
	return NULL;
}

/* The slot of NAME(TEXT, TEXT …), so that what was given as text is seen. */
static int call_of(void *ctx, const struct cel_call *call, struct cel_diag *diag)
{
	auto_buf struct buf key = {0};
	bool known = false;
	for (const char *const *f = funcs; *f; f++)
		known = known || slice_is(call->name, *f);
	if (!known)
		return -1;
	buf_init(&key, 1024);
	buf_put_slice(&key, call->name);
	for (size_t i = 0; i < call->nargs; i++) {
		buf_puts(&key, i ? ", " : "(");
		buf_put_slice(&key, cel_node_text(call->args[i], call->text));
	}
	buf_puts(&key, call->nargs ? ")" : "()");
	int slot = slot_of(ctx, buf_slice(&key));
	if (slot >= 0)
		return slot;
	cel_diagnose(diag, call->text, call->nargs ? call->args[0]->at : call->at, "not %s",
		     buf_str(&key));
	return -2;
}

static const struct cel_names strict = {
	.slot = slot_of, .nearest = nearest, .call = call_of, .calls = funcs};

static void expect(const char *text, const char *want)
{
	const struct cel_value slots[] = {
		CEL_OF_DOUBLE(61.5),
		CEL_OF_DOUBLE(60),
		{.type = CEL_UNSET},
		CEL_VALUE(CEL_DURATION, i, 1500000000),
		CEL_OF_INT(9),
		{.type = CEL_MAP, .n = 1, .map = about},
		CEL_OF_TEXT(CEL_STRING, SL("a field named x")),
		CEL_OF_DOUBLE(33),
		CEL_OF_BOOL(true),
		{.type = CEL_UNSET},
	};
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	struct cel_vm *vm = cel_vm_new();
	auto_buf struct buf out;
	buf_init(&out, 65536);
	assert_non_null(vm);
	if (cel_compile(slice_of(text), &strict, &d, &prog))
		fail_msg("%s: %d:%d: %s", text, d.line, d.col, d.msg);
	struct cel_value v = cel_eval(vm, prog, slots);
	if (v.type == CEL_ERROR)
		cel_explain(prog, v, &out);
	else
		cel_put_json(&out, v);
	assert_string_equal(buf_str(&out), want);
	cel_free(prog);
	cel_vm_free(vm);
}

static void expect_refused_by(const struct cel_names *by, const char *text, int line, int col,
			      const char *msg)
{
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	assert_int_equal(cel_compile(slice_of(text), by, &d, &prog), -EINVAL);
	assert_string_equal(d.msg, msg);
	assert_int_equal(d.line, line);
	assert_int_equal(d.col, col);
}

static void expect_refused(const char *text, int line, int col, const char *msg)
{
	expect_refused_by(&strict, text, line, col, msg);
}

static void names_may_have_dots(void **state)
{
	(void)state;
	expect("temp_c - prev.temp_c", "{\"double\":1.5}");
	expect("temp_c - .prev . temp_c", "{\"double\":1.5}");
	expect("prev.temp_c > 59.0 && prev.temp_c < 60.5", "{\"bool\":true}");
	expect("age.temp_c > duration('1s')", "{\"bool\":true}");
	expect("a.b.c", "{\"int\":9}");
	expect("device.name", "{\"string\":\"bin-1\"}");
	expect("has(prev.temp_c) && !has(prev.lost) && has(temp_c)", "{\"bool\":true}");
	expect("has(device.name) && !has(device.nme)", "{\"bool\":true}");
	expect("prev.lost > 1.0", "1:1: missing field \"prev.lost\"");
	expect("1 + prev.lost", "1:5: missing field \"prev.lost\"");
	expect("prev.lost > 1.0 || true", "{\"bool\":true}");
	expect("a.b.c.d", "1:7: no such overload (operands of a wrong type)");
}

static void a_variable_hides_names(void **state)
{
	(void)state;
	expect("[{'temp_c': 1}].map(prev, prev.temp_c)", "{\"list\":[{\"int\":1}]}");
	expect("[{'temp_c': 1}].map(prev, .prev.temp_c)", "{\"list\":[{\"double\":60.0}]}");
	expect("[1].map(x, x)", "{\"list\":[{\"int\":1}]}");
	expect("[1].map(x, .x)", "{\"list\":[{\"string\":\"a field named x\"}]}");
	expect("[1].map(y, prev.temp_c)", "{\"list\":[{\"double\":60.0}]}");
}

static void unknown_paths_are_told_whole(void **state)
{
	(void)state;
	expect_refused("prv.temp_c > 3", 1, 1,
		       "unknown name \"prv.temp_c\" (did you mean \"prev.temp_c\"?)");
	expect_refused("1 < prev.temp_d", 1, 5,
		       "unknown name \"prev.temp_d\" (did you mean \"prev.temp_c\"?)");
	expect_refused("prev", 1, 1, "unknown name \"prev\"");
	expect_refused("has(prev.humidity)", 1, 5, "unknown name \"prev.humidity\"");
	expect_refused("has(temp_d)", 1, 5, "unknown name \"temp_d\" (did you mean \"temp_c\"?)");
	expect_refused("[1].all(x, q.w > x)", 1, 12, "unknown name \"q.w\"");
}

static void calls_become_slots(void **state)
{
	(void)state;
	expect("avg(temp_c + 1, '10m')", "{\"double\":33.0}");
	expect("temp_c > 60.0 && avg( temp_c + 1 ,\n '10m' ) < 34.0", "{\"bool\":true}");
	expect("within()", "{\"bool\":true}");
	expect("!within() ? 1 : 2", "{\"int\":2}");
	expect("lost(temp_c) > 3", "1:1: missing field \"lost\"");
	expect("[avg(temp_c + 1, '10m')].all(x, x > 1)", "{\"bool\":true}");
	expect("[1].all(x, x > 1) || within()", "{\"bool\":true}");
	expect("size([within(), within()])", "{\"int\":2}");
}

static void calls_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	expect_refused("avg(temp_c, 1)", 1, 5, "not avg(temp_c, 1)");
	expect_refused("1 > avg()", 1, 5, "not avg()");
	expect_refused("awg(temp_c)", 1, 1, "unknown function \"awg\" (did you mean \"avg\"?)");
	expect_refused("wihtin()", 1, 1, "unknown function \"wihtin\" (did you mean \"within\"?)");
	expect_refused("siez([])", 1, 1, "unknown function \"siez\" (did you mean \"size\"?)");
	expect_refused("temp_c.avg('10m')", 1, 8, "avg() is written with all in brackets");
	expect_refused("[1].all(x,\n within())", 2, 2,
		       "within() cannot stand inside all(), map() …");
	expect_refused("[1].map(x, [2].exists(y, avg(temp_c + 1, '10m') > 3))", 1, 26,
		       "avg() cannot stand inside all(), map() …");
	expect_refused("[1].all(x, wihtin())", 1, 12,
		       "unknown function \"wihtin\" (did you mean \"within\"?)");
	struct cel_names without = {.slot = slot_of};
	expect_refused_by(&without, "avg(temp_c, '10m')", 1, 1, "unknown function \"avg\"");
}

/* ---- text ---- */

static int keep_texts(void *ctx, const struct cel_call *call, struct cel_diag *diag)
{
	struct buf *out = ctx;
	(void)diag;
	for (size_t i = 0; i < call->nargs; i++) {
		buf_puts(out, i ? "|" : "");
		buf_put_slice(out, cel_node_text(call->args[i], call->text));
	}
	return 0;
}

static int any_slot(void *ctx, struct slice name)
{
	(void)ctx;
	(void)name;
	return 0;
}

static void expect_texts(const char *text, const char *want)
{
	auto_buf struct buf out;
	struct cel_diag d = {0};
	struct cel_program *prog = NULL;
	struct cel_names by = {.slot = any_slot, .call = keep_texts, .ctx = &out};
	buf_init(&out, 1024);
	if (cel_compile(slice_of(text), &by, &d, &prog))
		fail_msg("%s: %d:%d: %s", text, d.line, d.col, d.msg);
	assert_string_equal(buf_str(&out), want);
	cel_free(prog);
}

static void an_expression_has_its_text(void **state)
{
	static const char *const same[] = {
		"a",
		"(a)",
		"((a) + b)",
		"(a + b) * 2",
		"a + b * c - d",
		"a && (b || c)",
		"-a",
		"- 5",
		"-5.5.x",
		"!(a)",
		"a ? b : (c)",
		"(a ? b : c) ? d : e",
		"[1, 2,]",
		"{'a': 1, 'b': (2),}",
		"a.b.c",
		"a[0].b",
		"(a).b[(1)]",
		"a.f(x, 'y')",
		"size(a.b)",
		"[1].all(x, x > 1)",
		"has(a.b)",
		".a.b",
		"'满'",
		"r'''a\n'''",
		"a.`b-c`",
		"a in [1]",
		"0x1Fu",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		char text[128], twice[128];
		snprintf(text, sizeof text, "w( %s )", same[i]);
		expect_texts(text, same[i]);
		snprintf(text, sizeof text, "0 +(w(%s,// why\n\t%s\n) )", same[i], same[i]);
		snprintf(twice, sizeof twice, "%s|%s", same[i], same[i]);
		expect_texts(text, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_may_have_dots),
		cmocka_unit_test(a_variable_hides_names),
		cmocka_unit_test(unknown_paths_are_told_whole),
		cmocka_unit_test(calls_become_slots),
		cmocka_unit_test(calls_that_do_not_fit_are_refused),
		cmocka_unit_test(an_expression_has_its_text),
	};
	return cmocka_run_group_tests_name("cel_names", tests, NULL, NULL);
}
