/* gridhub rule: its verbs, and the one that tries the language of conditions. */
#include "cel.h"
#include "cel_json.h"
#include "cmd_rule.h"
#include "json.h"

#define BINDINGS_MAX 256
#define OUTPUT_MAX ((size_t)16 * 1024 * 1024)

struct bindings {
	struct cel_room room;
	struct json *json; /* strings are borrowed from it */
	struct slice names[BINDINGS_MAX];
	struct cel_value slots[BINDINGS_MAX];
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

static int bind_names(struct bindings *b, const char *text, struct err *e)
{
	int r = cel_json_parse(slice_of(text), e, &b->json);
	if (r)
		return err_prefix(e, r, "--bindings");
	if (json_kind(b->json) != JSON_K_OBJECT || json_count(b->json) > BINDINGS_MAX)
		return err_set(e, -EINVAL, "--bindings: an object of at most %d names was expected",
			       BINDINGS_MAX);
	for (void *it = json_first(b->json); it; it = json_next(b->json, it)) {
		r = cel_from_json(&b->room, json_val(it), e, &b->slots[b->n]);
		if (r)
			return err_prefix(e, r, "--bindings: %.*s", SL_FMT(json_key(it)));
		b->names[b->n++] = json_key(it);
	}
	return 0;
}

static int print_result(bool good, const struct buf *out)
{
	if (out->failed) {
		struct err e;
		err_set(&e, -EFBIG, "the result is larger than %zu bytes", OUTPUT_MAX);
		return cmd_fail(&e);
	}
	printf("%s\n", buf_str(out));
	return good ? CMD_OK : CMD_FAILED;
}

static int print_error(struct slice message)
{
	auto_buf struct buf out;
	buf_init(&out, OUTPUT_MAX);
	buf_puts(&out, "{\"error\":");
	json_put_str(&out, message);
	buf_putc(&out, '}');
	return print_result(false, &out);
}

/* The line at fault with a caret under it, for people. */
static void point_at(struct slice text, const struct cel_diag *d)
{
	auto_buf struct buf out;
	buf_init(&out, 4096);
	cel_point(&out, text, d);
	fprintf(stderr, "%s\n", buf_str(&out));
}

static void put_nearest(const struct bindings *b, struct slice text, size_t at, struct buf *out)
{
	struct slice word = {text.p + at, 0};
	size_t best = 4, nearest = 0;
	while (at + word.n < text.n && cel_is_word(word.p[word.n]))
		word.n++;
	for (size_t i = 0; i < b->n; i++) {
		size_t d = name_distance(word, b->names[i]);
		if (d < best && 2 * d <= word.n) {
			best = d;
			nearest = i;
		}
	}
	if (best < 4)
		buf_printf(out, " (did you mean \"%.*s\"?)", SL_FMT(b->names[nearest]));
}

static int evaluate(struct slice text, struct bindings *b, struct cel_vm *vm)
{
	struct cel_names names = {.slot = slot_of, .ctx = b, .lenient = true};
	struct cel_diag d;
	struct cel_program *prog;
	auto_buf struct buf out;
	buf_init(&out, OUTPUT_MAX);
	if (cel_compile(text, &names, &d, &prog)) {
		point_at(text, &d);
		buf_printf(&out, "%d:%d: %s", d.line, d.col, d.msg);
		return print_error(buf_slice(&out));
	}
	struct cel_value v = cel_eval(vm, prog, b->slots);
	if (v.type == CEL_ERROR) {
		cel_diagnose(&d, text, v.i < 0 ? 0 : (size_t)v.i, "%s", cel_fault_texts[v.n]);
		point_at(text, &d);
		cel_explain(prog, v, &out);
		if (v.n == CEL_F_NAME)
			put_nearest(b, text, d.at, &out);
	} else {
		buf_puts(&out, "{\"value\":");
		cel_put_json(&out, v);
		buf_putc(&out, '}');
	}
	cel_free(prog);
	return v.type == CEL_ERROR ? print_error(buf_slice(&out)) : print_result(true, &out);
}

static int eval_with(const char *text, const char *given)
{
	struct bindings *b = mem_new(sizeof *b);
	struct cel_vm *vm = cel_vm_new();
	struct err e;
	int r = b && vm ? 0 : err_set(&e, -ENOMEM, "out of memory");
	if (!r) {
		arena_init(&b->room.arena, CEL_MEMORY_MAX);
		b->room.steps = CEL_STEPS_MAX;
		r = given ? bind_names(b, given, &e) : 0;
		int status = r ? cmd_fail(&e) : evaluate(slice_of(text), b, vm);
		arena_done(&b->room.arena);
		json_free(b->json);
		r = r ? CMD_USAGE : status;
	} else {
		r = cmd_fail(&e);
	}
	cel_vm_free(vm);
	free(b);
	return r;
}

static const char eval_help[] =
	"usage: gridhub rule eval [--bindings JSON] [--] 'EXPR'\n\n"
	"Evaluates a condition (CEL; rules/README.md) and prints {\"value\":…} or "
	"{\"error\":\"…\"}.\n"
	"Values say their type: {\"int\":1}, {\"double\":1.5}, {\"string\":\"x\"}, "
	"{\"bool\":true},\n"
	"{\"list\":[…]}, {\"map\":[[KEY,VALUE],…]}, {\"bytes\":\"base64\"}, {\"null\":0} …\n\n"
	"  --bindings JSON   names and their values in the same form:\n"
	"                    --bindings '{\"fill_pct\":{\"double\":91.5}}'\n\n"
	"Exit status: 0 a value, 1 an error, 2 bad usage.\n";

/* Not getopt: an expression may begin with a minus. */
static int rule_eval(int argc, char **argv)
{
	static const char option[] = "--bindings";
	const char *given = NULL, *text = NULL;
	bool rest = false;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (!rest && strcmp(a, "--help") == 0) {
			fputs(eval_help, stdout);
			return CMD_OK;
		}
		if (!rest && strcmp(a, "--") == 0)
			rest = true;
		else if (!rest && strcmp(a, option) == 0 && i + 1 < argc)
			given = argv[++i];
		else if (!rest && slice_starts(slice_of(a), "--bindings="))
			given = a + sizeof option;
		else if (text)
			return cmd_usage("rule eval", "one expression was expected, not \"%s\" too",
					 a);
		else
			text = a;
	}
	if (!text)
		return cmd_usage("rule eval", "an expression was expected");
	return eval_with(text, given);
}

int cmd_rule(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"eval", "evaluate a condition", rule_eval},
		{"test", "run the examples of rules", cmd_rule_test},
		{"list", "print the rules", cmd_rule_list},
		{"kinds", "print the responsibility list", cmd_rule_kinds},
		{"shadow", "what rules that only count have counted", cmd_rule_shadow},
	};
	return cmd_verbs("rule", "Rules: the language of conditions, packs and their examples.",
			 verbs, COUNT_OF(verbs), argc, argv);
}
