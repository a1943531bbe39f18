/* Any bytes as a condition: compiled, evaluated over a few fields, its result printed. First byte
 * odd: unknown names and functions are left to the evaluation. */
#include <assert.h>

#include "cel.h"
#include "cel_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const names[] = {"a", "b", "s", "t", "l", "m", "device", "x.y"};

static int slot_of(void *ctx, struct slice name)
{
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return (int)i;
	return -1;
}

static void evaluate(const struct cel_program *prog)
{
	static struct cel_vm *vm;
	struct cel_value list[] = {CEL_OF_INT(1), CEL_OF_DOUBLE(2.5), CEL_OF_NULL};
	struct cel_pair map[] = {{CEL_OF_TEXT(CEL_STRING, SL("k")), CEL_OF_INT(3)}};
	const struct cel_value slots[] = {
		CEL_OF_INT(7),
		CEL_OF_DOUBLE(-0.5),
		CEL_OF_TEXT(CEL_STRING, SL("满溢 bin")),
		CEL_OF_BOOL(true),
		{.type = CEL_LIST, .n = COUNT_OF(list), .list = list},
		{.type = CEL_MAP, .n = COUNT_OF(map), .map = map},
		{.type = CEL_UNSET},
		CEL_OF_UINT(9),
	};
	auto_buf struct buf out;
	buf_init(&out, 1024 * 1024);
	vm = vm ? vm : cel_vm_new();
	struct cel_value v = cel_eval(vm, prog, slots);
	assert(v.type != CEL_UNSET);
	if (v.type == CEL_ERROR)
		cel_explain(prog, v, &out);
	else
		cel_put_json(&out, v);
	assert(out.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cel_diag d = {0};
	struct cel_program *prog;
	if (!n)
		return 0;
	const struct cel_names with = {.slot = slot_of, .lenient = data[0] & 1};
	struct slice text = {(const char *)data + 1, n - 1};
	if (cel_compile(text, &with, &d, &prog)) {
		assert(d.msg[0] && d.line >= 1 && d.col >= 1 && d.at <= text.n);
		return 0;
	}
	evaluate(prog);
	cel_free(prog);
	return 0;
}
