/* Tables of conditions and what they give, as `gridhub rule eval` shows it; NULL: an error. */
#ifndef GRIDHUB_TESTS_CEL_SPEC_H
#define GRIDHUB_TESTS_CEL_SPEC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cel.h"
#include "cel_json.h"

#define TRUE "{\"bool\":true}"
#define FALSE "{\"bool\":false}"

struct spec {
	const char *text, *want;
};

static int spec_slot(void *ctx, struct slice name)
{
	static const char *const names[] = {"a", "a.b", "a.b.c", "m", "_x1", "l", "r"};
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return (int)i;
	return -1;
}

static struct cel_value spec_eval(struct cel_vm *vm, const struct cel_program *prog)
{
	static struct cel_pair map[] = {
		{{.type = CEL_STRING, .n = 1, .p = "k"}, {.type = CEL_INT, .i = 1}}};
	const struct cel_value slots[] = {
		CEL_OF_INT(1), CEL_OF_INT(2), CEL_OF_INT(3), {.type = CEL_MAP, .n = 1, .map = map},
		CEL_OF_INT(4), CEL_OF_NULL,   CEL_OF_NULL,
	};
	return cel_eval(vm, prog, slots);
}

static int spec_compile(struct slice text, struct cel_program **ret)
{
	static const struct cel_names names = {.slot = spec_slot, .lenient = true};
	struct cel_diag d = {0};
	int r = cel_compile(text, &names, &d, ret);
	assert_true(!r || (d.msg[0] && d.line >= 1 && d.col >= 1));
	return r;
}

/* Evaluate into out: "error" or the value as JSON. */
static void spec_show(struct slice text, struct buf *out)
{
	struct cel_program *prog = NULL;
	struct cel_vm *vm = cel_vm_new();
	assert_non_null(vm);
	struct cel_value v = {.type = CEL_ERROR};
	if (!spec_compile(text, &prog))
		v = spec_eval(vm, prog);
	if (v.type == CEL_ERROR)
		buf_puts(out, "error");
	else
		cel_put_json(out, v);
	cel_free(prog);
	cel_vm_free(vm);
}

__attribute__((unused)) static void expect_all(const struct spec *specs, size_t n)
{
	int wrong = 0;
	for (size_t i = 0; i < n; i++) {
		const char *want = specs[i].want ? specs[i].want : "error";
		auto_buf struct buf out;
		buf_init(&out, 1024 * 1024);
		spec_show(slice_of(specs[i].text), &out);
		if (strcmp(buf_str(&out), want) == 0)
			continue;
		print_error("%s\n  is %s\n  not %s\n", specs[i].text, buf_str(&out), want);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

#endif
