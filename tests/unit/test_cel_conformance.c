/*
 * The public conformance cases of CEL that are at hand (../shared/cel/cases.jsonl): how many pass,
 * per file. The floors hold what has been reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cel.h"
#include "cel_json.h"

#define CASES "../shared/cel/cases.jsonl"
#define NAMES_MAX 16

struct bindings {
	struct cel_room room;
	struct slice names[NAMES_MAX];
	struct cel_value slots[NAMES_MAX];
	size_t n;
};

static int slot_of(void *ctx, struct slice name)
{
	const struct bindings *b = ctx;
	for (size_t i = 0; i < b->n; i++)
		if (slice_eq(b->names[i], name))
			return (int)i;
	return -1;
}

static void bind_all(struct bindings *b, const struct json *given)
{
	*b = (struct bindings){.room = {.steps = 100000}};
	arena_init(&b->room.arena, 1024 * 1024);
	for (void *it = json_first(given); it; it = json_next(given, it)) {
		assert_true(b->n < NAMES_MAX);
		b->names[b->n] = json_key(it);
		assert_int_equal(cel_from_json(&b->room, json_val(it), NULL, &b->slots[b->n++]), 0);
	}
}

/* Equal as a test means it: the same type, NaN like NaN. */
static bool same(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	if (a.type == CEL_DOUBLE && b.type == CEL_DOUBLE && a.d != a.d)
		return b.d != b.d;
	return a.type == b.type && cel_equal(room, a, b);
}

static bool passes(const struct json *c)
{
	static struct cel_diag diag;
	struct bindings b;
	struct cel_program *prog = NULL;
	struct cel_vm *vm = cel_vm_new();
	bool want_error = json_get(c, "error") != NULL, ok;
	assert_non_null(vm);
	bind_all(&b, json_get(c, "bindings"));
	struct cel_names names = {.slot = slot_of, .ctx = &b, .lenient = true};
	int r = cel_compile(json_str(json_get(c, "expr")), &names, &diag, &prog);
	if (r) {
		ok = want_error;
	} else {
		struct cel_value want, got = cel_eval(vm, prog, b.slots);
		ok = want_error ? got.type == CEL_ERROR
				: !cel_from_json(&b.room, json_get(c, "value"), NULL, &want) &&
					  same(&b.room, got, want);
	}
	cel_free(prog);
	cel_vm_free(vm);
	arena_done(&b.room.arena);
	return ok;
}

static struct tally {
	const char *file;
	int floor, passed, failed;
} tallies[] = {
	{"basic", 21, 0, 0},	  {"comparisons", 167, 0, 0}, {"conversions", 55, 0, 0},
	{"fields", 30, 0, 0},	  {"fp_math", 15, 0, 0},      {"integer_math", 32, 0, 0},
	{"lists", 19, 0, 0},	  {"logic", 15, 0, 0},	      {"macros", 22, 0, 0},
	{"parse", 97, 0, 0},	  {"plumbing", 2, 0, 0},      {"string", 26, 0, 0},
	{"timestamps", 38, 0, 0},
};

static struct tally *tally_of(struct slice file)
{
	for (size_t i = 0; i < COUNT_OF(tallies); i++)
		if (slice_is(file, tallies[i].file))
			return &tallies[i];
	fail_msg("a file of cases that is not counted: %.*s", SL_FMT(file));
	return NULL;
}

/* A line that our JSON refuses (a uint past INT64_MAX) counts as failed. */
static struct tally *tally_of_text(struct slice line)
{
	static const char head[] = "{\"file\": \"";
	assert_true(slice_starts(line, head));
	struct slice rest = {line.p + sizeof head - 1, line.n - (sizeof head - 1)}, file;
	assert_true(slice_cut(&rest, '"', &file));
	return tally_of(file);
}

static void run_line(struct slice line)
{
	auto_json struct json *c = NULL;
	struct err e;
	struct tally *t = tally_of_text(line);
	bool ok = !cel_json_parse(line, &e, &c) && passes(c);
	t->passed += ok;
	t->failed += !ok;
	if (!ok)
		printf("failed: %.*s\n", SL_FMT(line));
}

static void conformance(void **state)
{
	(void)state;
	auto_free char *text = NULL;
	size_t n;
	int failed = 0;
	if (file_read(CASES, 16 * 1024 * 1024, &text, &n, NULL))
		skip();
	struct slice rest = {text, n}, line;
	while (slice_cut(&rest, '\n', &line))
		if (line.n)
			run_line(line);
	for (size_t i = 0; i < COUNT_OF(tallies); i++) {
		const struct tally *t = &tallies[i];
		printf("%-14s passed %3d failed %3d\n", t->file, t->passed, t->failed);
		failed += t->failed;
		assert_true(t->passed >= t->floor);
	}
	printf("%-14s failed %3d\n", "all", failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(conformance)};
	return cmocka_run_group_tests_name("cel_conformance", tests, NULL, NULL);
}
