/* What a name or a call stands for: a slot of the caller's, a variable, a type, a function. */
#include "cel_gen.h"

#include "cel_func.h"

#define DOTTED_MAX 128

/* ---- names ---- */

static void use_slot(struct gen *g, uint32_t slot)
{
	struct cel_program *p = g->prog;
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i] == slot)
			return;
	int r = mem_grow(&p->slots, &p->cap_slots, p->nslots + 1, GEN_CODE_MAX, sizeof *p->slots);
	if (r)
		gen_fail(g, r);
	else
		p->slots[p->nslots++] = slot;
}

static int find_var(const struct gen *g, const struct cel_node *n)
{
	for (unsigned i = g->nvars; i > 0 && n->kind == NODE_NAME && !n->rooted; i--)
		if (slice_eq(g->vars[i - 1], n->name))
			return (int)i - 1;
	return -1;
}

/* (a.b).c is the field c of a.b, whatever else has the name a.b.c. */
static bool in_brackets(const struct gen *g, const struct cel_node *n)
{
	return n->kind == NODE_SELECT && g->prog->text.p[n->to - 1] == ')';
}

/* a.b.c as text; false when it is not a plain path of names, or its root is a loop's variable. */
static bool dotted(const struct gen *g, const struct cel_node *n, struct buf *out)
{
	if (n->kind == NODE_SELECT && !n->quoted && !in_brackets(g, n->kids[0])) {
		if (!dotted(g, n->kids[0], out))
			return false;
		buf_putc(out, '.');
	} else if (n->kind != NODE_NAME || find_var(g, n) >= 0) {
		return false;
	}
	buf_put_slice(out, n->name);
	return !out->failed;
}

static bool is_type_name(struct slice name, struct cel_value *ret)
{
	for (int t = CEL_NULL; t < CEL_ERROR; t++) {
		if (slice_is(name, cel_type_names[t])) {
			*ret = CEL_VALUE(CEL_TYPE, i, t);
			return true;
		}
	}
	return false;
}

/* Where a path begins: errors are about the whole of it. */
static const struct cel_node *root_of(const struct cel_node *n)
{
	while (n->kind == NODE_SELECT)
		n = n->kids[0];
	return n;
}

/* A name or path that the host knows (the longest one wins), or a type; -1: none. */
static int find_slot(struct gen *g, const struct cel_node *n)
{
	auto_buf struct buf name;
	buf_init(&name, DOTTED_MAX);
	if (!dotted(g, n, &name))
		return -1;
	return g->names->slot(g->names->ctx, buf_slice(&name));
}

/* What a slot's value may be: numbers are one type. */
static uint32_t types_of(const struct gen *g, uint32_t slot)
{
	int type = g->names->type ? g->names->type(g->names->ctx, (int)slot) : CEL_UNSET;
	uint32_t bit = type == CEL_UNSET ? CEL_ANY : CEL_BIT(type);
	return bit & CEL_NUMBERS ? bit | CEL_NUMBERS : bit;
}

static void push_slot(struct gen *g, struct cel_node *n, uint32_t slot)
{
	use_slot(g, slot);
	EMIT(g, root_of(n), 1, .op = I_SLOT, .x = slot);
	if (g->names->used)
		g->names->used(g->names->ctx, (int)slot, root_of(n)->at);
	n->types = types_of(g, slot);
	if (g->names->members)
		n->members = g->names->members(g->names->ctx, (int)slot);
}

static bool push_path(struct gen *g, struct cel_node *n)
{
	auto_buf struct buf name = {0};
	struct cel_value type;
	int slot = find_slot(g, n);
	if (slot >= 0) {
		push_slot(g, n, (uint32_t)slot);
		return true;
	}
	buf_init(&name, DOTTED_MAX);
	if (!dotted(g, n, &name) || !is_type_name(buf_slice(&name), &type))
		return false;
	EMIT(g, n, 1, .op = I_CONST, .x = gen_const(g, type));
	n->types = CEL_BIT(CEL_TYPE);
	return true;
}

static void unknown(struct gen *g, const struct cel_node *n, enum cel_fault fault,
		    struct slice name, const char *near)
{
	if (g->names->lenient) {
		EMIT(g, n, 1, .op = I_FAIL, .x = fault);
		return;
	}
	struct cel_diag d;
	name.n = MIN_OF(name.n, (size_t)60);
	if (near)
		cel_diagnose(&d, g->prog->text, n->at, "%s \"%.*s\" (did you mean \"%.60s\"?)",
			     cel_fault_texts[fault], SL_FMT(name), near);
	else
		cel_diagnose(&d, g->prog->text, n->at, "%s \"%.*s\"", cel_fault_texts[fault],
			     SL_FMT(name));
	gen_fault(g, n, &d);
}

static void unknown_name(struct gen *g, const struct cel_node *n, struct slice name)
{
	const struct cel_names *names = g->names;
	unknown(g, n, CEL_F_NAME, name, names->nearest ? names->nearest(names->ctx, name) : NULL);
}

void gen_name(struct gen *g, struct cel_node *n)
{
	int var = find_var(g, n);
	if (var >= 0)
		EMIT(g, n, 1, .op = I_LOCAL, .x = (uint32_t)var);
	else if (!push_path(g, n))
		unknown_name(g, n, n->name);
}

/* a.b.c of which no part is known: an error about the whole path says more than one about a. */
static bool refuse_path(struct gen *g, const struct cel_node *n)
{
	auto_buf struct buf name;
	const struct cel_node *part = n;
	buf_init(&name, DOTTED_MAX);
	if (g->names->lenient || !dotted(g, n, &name))
		return false;
	while (part->kind == NODE_SELECT) {
		part = part->kids[0];
		if (find_slot(g, part) >= 0)
			return false;
	}
	unknown_name(g, part, buf_slice(&name));
	return true;
}

void gen_select(struct gen *g, struct cel_node *n)
{
	if (push_path(g, n) || refuse_path(g, n))
		return;
	gen_tree(g, n->kids[0]);
	EMIT(g, n, 0, .op = I_SELECT, .x = gen_text(g, n->name));
}

void gen_has(struct gen *g, struct cel_node *n)
{
	const struct cel_node *of = n->kids[0];
	int slot = find_slot(g, of);
	if (slot >= 0) {
		use_slot(g, (uint32_t)slot);
		if (g->names->used)
			g->names->used(g->names->ctx, slot, root_of(of)->at);
		EMIT(g, root_of(of), 1, .op = I_SLOT_HAS, .x = (uint32_t)slot);
		n->types = CEL_BIT(CEL_BOOL);
	} else if (of->kind == NODE_NAME && (g->names->lenient || find_var(g, of) >= 0)) {
		gen_refuse(g, of, "has() takes a field of the reading or of a map");
	} else if (of->kind == NODE_NAME) {
		unknown_name(g, of, of->name);
	} else if (!refuse_path(g, of)) {
		gen_tree(g, of->kids[0]);
		EMIT(g, n, 0, .op = I_HAS, .x = gen_text(g, of->name));
	}
}

/* ---- calls ---- */

/* x.matches("…") with a constant pattern, which is compiled now and its faults reported now. */
static bool gen_match(struct gen *g, struct cel_node *n)
{
	struct cel_program *p = g->prog;
	const struct cel_node *pattern = n->nkids == 2 ? n->kids[1] : NULL;
	size_t at = 0;
	char why[128];
	struct cel_diag d;
	if (!pattern || !slice_is(n->name, "matches") || pattern->kind != NODE_CONST ||
	    pattern->value.type != CEL_STRING)
		return false;
	gen_tree(g, n->kids[0]);
	int r = mem_grow(&p->regexes, &p->cap_regexes, p->nregexes + 1, GEN_CODE_MAX,
			 sizeof(struct cel_regex *));
	if (!r)
		r = cel_regex_new(cel_text(pattern->value), &at, why, &p->regexes[p->nregexes]);
	if (r == -EINVAL && g->names->lenient) {
		EMIT(g, pattern, 1, .op = I_FAIL, .x = CEL_F_REGEX);
		EMIT(g, n, -1, .op = I_CMP, .arg = OP_EQ);
	} else if (r == -EINVAL) {
		cel_diagnose(&d, p->text, pattern->at,
			     "the pattern is wrong at its character %zu: %s", at + 1, why);
		gen_fault(g, pattern, &d);
		EMIT(g, n, -1, .op = I_CMP, .arg = OP_EQ);
	} else if (r) {
		gen_fail(g, r);
	} else {
		EMIT(g, n, 0, .op = I_MATCH, .x = (uint32_t)p->nregexes++);
	}
	return true;
}

static const char *nearest_func(const struct gen *g, const struct cel_node *n, bool *ret_known)
{
	const char *const *calls = g->names->calls;
	const char *best = cel_func_nearest(n->name, n->method);
	size_t nearest = best ? name_distance(n->name, slice_of(best)) : 4;
	for (; calls && *calls; calls++) {
		size_t d = name_distance(n->name, slice_of(*calls));
		*ret_known = *ret_known || d == 0;
		if (!n->method && d < nearest && 2 * d <= n->name.n) {
			nearest = d;
			best = *calls;
		}
	}
	return best;
}

/* No such function: say what is nearest to it, or how it is written. */
static void refuse_call(struct gen *g, const struct cel_node *n)
{
	bool known = false;
	struct cel_diag d;
	const char *near = nearest_func(g, n, &known), *usage = cel_func_usage(n->name, n->method);
	if (known)
		usage = n->method ? "with all in brackets" : NULL;
	if (g->names->lenient || (!usage && !(known && g->nvars))) {
		unknown(g, n, CEL_F_FUNCTION, n->name, near);
		return;
	}
	if (usage)
		cel_diagnose(&d, g->prog->text, n->at, "%.*s() is written %s", SL_FMT(n->name),
			     usage);
	else
		cel_diagnose(&d, g->prog->text, n->at, "%.*s() cannot stand inside all(), map() …",
			     SL_FMT(n->name));
	gen_fault(g, n, &d);
}

/* No function of CEL's: the caller may have it, as a slot that holds what it gives. */
static void gen_foreign(struct gen *g, struct cel_node *n)
{
	const struct cel_names *names = g->names;
	const struct cel_call call = {n->name, n->at, g->prog->text, n->kids, n->nkids};
	struct cel_diag d = {0};
	int slot = -1;
	if (names->call && !n->method && !g->nvars && !g->err)
		slot = names->call(names->ctx, &call, &d);
	if (slot >= 0)
		push_slot(g, n, (uint32_t)slot);
	else if (slot == -1)
		refuse_call(g, n);
	else
		gen_fault(g, n, &d);
}

static void wrong_count(struct gen *g, const struct cel_node *n, const struct cel_func *f)
{
	struct cel_diag d;
	unsigned want = f->min - n->method;
	if (g->names->lenient) {
		EMIT(g, n, 1, .op = I_FAIL, .x = CEL_F_OVERLOAD);
		return;
	}
	cel_diagnose(&d, g->prog->text, n->at, "%s() takes %u argument%s", f->name, want,
		     want == 1 ? "" : "s");
	gen_fault(g, n, &d);
}

void gen_call(struct gen *g, struct cel_node *n)
{
	int f = cel_func_find(n->name, n->method);
	if (f < 0) {
		gen_foreign(g, n);
		return;
	}
	if (n->nkids < cel_funcs[f].min || n->nkids > cel_funcs[f].max) {
		wrong_count(g, n, &cel_funcs[f]);
		return;
	}
	if (gen_match(g, n))
		return;
	for (size_t i = 0; i < n->nkids; i++)
		gen_tree(g, n->kids[i]);
	EMIT(g, n, 1 - (int)n->nkids, .op = I_CALL, .n = (uint16_t)n->nkids, .x = (uint32_t)f);
}
