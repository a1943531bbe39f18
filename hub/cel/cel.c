#include "cel.h"

#include "cel_check.h"
#include "cel_func.h"

/* ---- programs ---- */

void cel_free(struct cel_program *prog)
{
	if (!prog)
		return;
	for (size_t i = 0; i < prog->nregexes; i++)
		cel_regex_free(prog->regexes[i]);
	free(prog->regexes);
	free(prog->consts);
	free(prog->slots);
	free(prog->code);
	free(prog->at);
	arena_done(&prog->arena);
	free(prog);
}

static int compile_into(struct cel_program *prog, struct slice text, const struct cel_names *names,
			struct cel_diag *diag)
{
	auto_arena struct arena tree;
	struct cel_node *root = NULL; /* stays so if the text cannot be parsed */
	arena_init(&tree, 1024 * CEL_TEXT_MAX);
	prog->text = arena_copy(&prog->arena, text);
	if (!prog->text.p)
		return -ENOMEM;
	int check = 0, r = cel_parse(prog->text, &tree, diag, &root);
	if (!r)
		r = cel_generate(prog, root, names, diag);
	if (names->type && !names->lenient && (!r || (r == -EINVAL && names->also)) && root)
		check = cel_check(prog->text, root, names, r ? NULL : diag);
	return r ? r : check;
}

int cel_compile(struct slice text, const struct cel_names *names, struct cel_diag *diag,
		struct cel_program **ret)
{
	size_t bad;
	if (text.n > CEL_TEXT_MAX)
		return cel_diagnose(diag, text, 0, "longer than %zu bytes", CEL_TEXT_MAX);
	if (!slice_utf8_ok(text, &bad))
		return cel_diagnose(diag, text, bad, "not UTF-8");
	struct cel_program *prog = mem_new(sizeof *prog);
	if (!prog)
		return -ENOMEM;
	arena_init(&prog->arena, 64 * CEL_TEXT_MAX);
	prog->arena.block = text.n + 256; /* its text, and a few names and constants */
	int r = compile_into(prog, text, names, diag);
	if (r) {
		if (r != -EINVAL)
			cel_diagnose(diag, text, 0, "out of memory");
		cel_free(prog);
		return r;
	}
	*ret = prog;
	return 0;
}

/* ---- errors ---- */

/* The length of the word at a place of the text. */
static size_t word_at(struct slice text, size_t at)
{
	size_t end = at;
	while (end < text.n && cel_is_word(text.p[end]))
		end++;
	return end - at;
}

/* The name that an error is about: of a missing field all of prev.temp_c, but no method of it. */
static struct slice name_at(struct slice text, size_t at, bool dots)
{
	struct slice w = {text.p + at, word_at(text, at)};
	while (dots && w.n && at + w.n < text.n && w.p[w.n] == '.') {
		size_t more = word_at(text, at + w.n + 1), end = at + w.n + 1 + more;
		if (!more || (end < text.n && text.p[end] == '('))
			break;
		w.n += 1 + more;
	}
	return w;
}

void cel_explain(const struct cel_program *prog, struct cel_value error, struct buf *out)
{
	struct cel_diag d;
	cel_diagnose(&d, prog->text, error.i < 0 ? 0 : (size_t)error.i, "%s",
		     cel_fault_texts[error.n]);
	buf_printf(out, "%d:%d: %s", d.line, d.col, d.msg);
	bool names_one =
		error.n == CEL_F_MISSING || error.n == CEL_F_NAME || error.n == CEL_F_FUNCTION;
	struct slice word = name_at(prog->text, d.at, error.n == CEL_F_MISSING);
	if (!names_one || !word.n)
		return;
	buf_printf(out, " \"%.*s\"", (int)MIN_OF(word.n, (size_t)60), word.p);
	bool method = d.at && prog->text.p[d.at - 1] == '.';
	const char *near = error.n == CEL_F_FUNCTION ? cel_func_nearest(word, method) : NULL;
	const char *usage = error.n == CEL_F_FUNCTION ? cel_func_usage(word, method) : NULL;
	if (usage)
		buf_printf(out, " (it is written %s)", usage);
	else if (near)
		buf_printf(out, " (did you mean \"%s\"?)", near);
}
