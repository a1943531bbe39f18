/* Any bytes as a condition: compiled, evaluated over a few fields, its result printed. The first
 * byte: 1 = unknown names and functions are left to the evaluation, 2 = types are checked, 4 = a
 * bool is wanted, 128 = the rest is a value as JSON instead. */
#include <assert.h>

#include "cel.h"
#include "cel_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const names[] = {"a", "b", "s", "t", "l", "m", "device", "x.y", "prev.a", "avg"};

static int slot_of(void *ctx, struct slice name)
{
	(void)ctx;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return (int)i;
	return -1;
}

static const struct cel_value *values(void)
{
	static struct cel_value list[] = {
		{.type = CEL_INT, .i = 1}, {.type = CEL_DOUBLE, .d = 2.5}, {.type = CEL_NULL}};
	static struct cel_pair map[] = {
		{{.type = CEL_STRING, .n = 1, .p = "k"}, {.type = CEL_INT, .i = 3}}};
	static const struct cel_value slots[] = {
		{.type = CEL_INT, .i = 7},
		{.type = CEL_DOUBLE, .d = -0.5},
		{.type = CEL_STRING, .n = 10, .p = "满溢 bin"},
		{.type = CEL_BOOL, .b = true},
		{.type = CEL_LIST, .n = COUNT_OF(list), .list = list},
		{.type = CEL_MAP, .n = COUNT_OF(map), .map = map},
		{.type = CEL_UNSET},
		{.type = CEL_UINT, .u = 9},
		{.type = CEL_TIMESTAMP, .i = 1700000000, .n = 5},
		{.type = CEL_DURATION, .i = 90000000000},
	};
	return slots;
}

static int type_of(void *ctx, int slot)
{
	(void)ctx;
	return (int)values()[slot].type;
}

/* avg(…): the text of each argument is an expression by itself. */
static int call_of(void *ctx, const struct cel_call *call, struct cel_diag *diag)
{
	(void)ctx;
	assert(call->at <= call->text.n);
	if (!slice_is(call->name, "avg"))
		return -1;
	for (size_t i = 0; i < call->nargs; i++) {
		auto_arena struct arena tree;
		struct cel_node *node = NULL;
		struct slice text = cel_node_text(call->args[i], call->text);
		assert(call->args[i]->from < call->args[i]->to);
		assert(call->args[i]->to <= call->text.n);
		arena_init(&tree, 16 * 1024 * 1024);
		assert(cel_parse(text, &tree, diag, &node) == 0);
		assert(node->kind == call->args[i]->kind);
		assert(node->from == 0 && node->to == text.n);
	}
	if (call->nargs == 1)
		return slot_of(NULL, call->name);
	cel_diagnose(diag, call->text, call->at, "avg() takes one argument");
	return -2;
}

static struct cel_value evaluate(const struct cel_program *prog)
{
	static struct cel_vm *vm;
	auto_buf struct buf out;
	buf_init(&out, 1024 * 1024);
	vm = vm ? vm : cel_vm_new();
	struct cel_value v = cel_eval(vm, prog, values());
	assert(v.type != CEL_UNSET);
	if (v.type == CEL_ERROR)
		cel_explain(prog, v, &out);
	else
		cel_put_json(&out, v);
	assert(out.n);
	return v;
}

static bool has(struct slice text, const char *what)
{
	return memmem(text.p, text.n, what, strlen(what)) != NULL;
}

/* What the check of types refuses is an error when it runs, unless something keeps it from running
 * or absorbs it. */
static void check_refusal(struct slice text, struct cel_names with)
{
	static const char *const keepers[] = {"||", "&&", "?", "all", "exists", "map", "filter"};
	struct cel_diag d = {0};
	struct cel_program *prog;
	with.type = NULL;
	if (cel_compile(text, &with, &d, &prog))
		return;
	struct cel_value v = evaluate(prog);
	cel_free(prog);
	bool kept = with.wanted != 0;
	for (size_t i = 0; i < COUNT_OF(keepers); i++)
		kept = kept || has(text, keepers[i]);
	assert(kept || v.type == CEL_ERROR);
}

static void condition(uint8_t flags, struct slice text)
{
	static const char *const funcs[] = {"avg", NULL};
	struct cel_diag d = {0};
	struct cel_program *prog;
	const struct cel_names with = {
		.slot = slot_of,
		.call = call_of,
		.calls = funcs,
		.type = flags & 2 ? type_of : NULL,
		.wanted = flags & 4 ? CEL_BIT(CEL_BOOL) : 0,
		.lenient = flags & 1,
	};
	if (!cel_compile(text, &with, &d, &prog)) {
		evaluate(prog);
		cel_free(prog);
		return;
	}
	auto_buf struct buf out;
	buf_init(&out, 4096);
	assert(d.msg[0] && d.line >= 1 && d.col >= 1 && d.at <= text.n);
	cel_point(&out, text, &d);
	assert(out.n);
	if (flags & 2)
		check_refusal(text, with);
}

/* A value that is read is the same when it is written and read again. */
static void value(struct slice text)
{
	auto_json struct json *one = NULL, *two = NULL;
	auto_buf struct buf out;
	struct cel_room room = {.steps = INT64_MAX};
	struct cel_value v, w;
	struct err e;
	buf_init(&out, 16 * 1024 * 1024);
	arena_init(&room.arena, 16 * 1024 * 1024);
	if (!cel_json_parse(text, &e, &one) && !cel_from_json(&room, one, &e, &v)) {
		cel_put_json(&out, v);
		assert(cel_json_parse(buf_slice(&out), &e, &two) == 0);
		assert(cel_from_json(&room, two, &e, &w) == 0);
		assert(v.type == w.type);
		assert(cel_equal(&room, v, w) || has(buf_slice(&out), "NaN"));
	}
	arena_done(&room.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	struct slice rest = {(const char *)data + 1, n - 1};
	if (data[0] & 128)
		value(rest);
	else
		condition(data[0], rest);
	return 0;
}
