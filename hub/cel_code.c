#include "cel_code.h"

#include "cel_func.h"

#define CODE_MAX 100000
#define DOTTED_MAX 128

struct gen {
	struct cel_program *prog;
	const struct cel_names *names;
	struct cel_diag *diag;
	struct slice vars[CEL_LOOPS_MAX]; /* of the loops around */
	unsigned nvars;
	int stack; /* values on the stack here */
	int err;   /* sticky: the first failure */
};

static void generate(struct gen *g, struct cel_node *n);

/* ---- emitting ---- */

static bool fail(struct gen *g, int err)
{
	if (!g->err)
		g->err = err;
	return false;
}

static void refuse(struct gen *g, const struct cel_node *n, const char *what)
{
	if (!g->err)
		g->err = cel_diagnose(g->diag, g->prog->text, n->at, "%s", what);
}

/* `grow` is what the instruction does to the height of the stack. Returns its index. */
static uint32_t emit(struct gen *g, const struct cel_node *n, struct cel_insn insn, int grow)
{
	struct cel_program *p = g->prog;
	if (g->err)
		return 0;
	g->stack += grow;
	if (g->stack > CEL_STACK_MAX) {
		refuse(g, n, "the condition is too complex");
		return 0;
	}
	int r = mem_grow(&p->code, &p->cap_code, p->ncode + 1, CODE_MAX, sizeof *p->code);
	if (!r)
		r = mem_grow(&p->at, &p->cap_at, p->ncode + 1, CODE_MAX, sizeof *p->at);
	if (r) {
		fail(g, r == -E2BIG ? -EINVAL : r);
		if (r == -E2BIG)
			cel_diagnose(g->diag, p->text, n->at, "the condition is too long");
		return 0;
	}
	p->code[p->ncode] = insn;
	p->at[p->ncode] = (uint32_t)n->at;
	return (uint32_t)p->ncode++;
}

#define EMIT(g_, n_, grow_, ...) emit((g_), (n_), (struct cel_insn){__VA_ARGS__}, (grow_))

static uint32_t here(const struct gen *g)
{
	return (uint32_t)g->prog->ncode;
}

static void patch(struct gen *g, uint32_t insn)
{
	if (!g->err)
		g->prog->code[insn].x = here(g);
}

/* ---- constants ---- */

static bool keep_text(struct gen *g, struct cel_value *v)
{
	struct slice copy = arena_copy(&g->prog->arena, cel_text(*v));
	if (!copy.p)
		return fail(g, -ENOMEM);
	v->p = copy.p;
	return true;
}

static uint32_t keep_const(struct gen *g, struct cel_value v)
{
	struct cel_program *p = g->prog;
	if (g->err)
		return 0;
	int r = mem_grow(&p->consts, &p->cap_consts, p->nconsts + 1, CODE_MAX, sizeof *p->consts);
	if (r) {
		fail(g, r);
		return 0;
	}
	p->consts[p->nconsts] = v;
	return (uint32_t)p->nconsts++;
}

static uint32_t keep_name(struct gen *g, struct slice name)
{
	struct cel_value v = CEL_OF_TEXT(CEL_STRING, name);
	return keep_text(g, &v) ? keep_const(g, v) : 0;
}

static bool fold(struct gen *g, const struct cel_node *n, struct cel_value *ret);

static bool fold_list(struct gen *g, const struct cel_node *n, struct cel_value *ret)
{
	struct cel_value *v = arena_alloc(&g->prog->arena, MAX_OF(n->nkids, (size_t)1) * sizeof *v);
	if (!v)
		return fail(g, -ENOMEM);
	for (size_t i = 0; i < n->nkids; i++)
		if (!fold(g, n->kids[i], &v[i]))
			return false;
	*ret = (struct cel_value){.type = CEL_LIST, .n = (uint32_t)n->nkids, .list = v};
	return true;
}

static bool fold_map(struct gen *g, const struct cel_node *n, struct cel_value *ret)
{
	struct cel_room charge = {.steps = 1000000};
	struct cel_value key, val, map = {.type = CEL_MAP};
	map.map = arena_alloc(&g->prog->arena, MAX_OF(n->nkids, (size_t)1) * sizeof *map.map);
	if (!map.map)
		return fail(g, -ENOMEM);
	for (size_t i = 0; i + 1 < n->nkids; i += 2)
		if (!fold(g, n->kids[i], &key) || !fold(g, n->kids[i + 1], &val) ||
		    cel_map_put(&charge, &map, key, val) != CEL_F_NONE || charge.over)
			return false;
	*ret = map;
	return true;
}

/* The tree as one constant; false when it is none (or on failure). */
static bool fold(struct gen *g, const struct cel_node *n, struct cel_value *ret)
{
	if (n->kind == NODE_LIST)
		return fold_list(g, n, ret);
	if (n->kind == NODE_MAP)
		return fold_map(g, n, ret);
	if (n->kind != NODE_CONST)
		return false;
	*ret = n->value;
	if (ret->type == CEL_STRING || ret->type == CEL_BYTES)
		return keep_text(g, ret);
	return true;
}

/* ---- names ---- */

static void use_slot(struct gen *g, uint32_t slot)
{
	struct cel_program *p = g->prog;
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i] == slot)
			return;
	int r = mem_grow(&p->slots, &p->cap_slots, p->nslots + 1, CODE_MAX, sizeof *p->slots);
	if (r)
		fail(g, r);
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

/* a.b.c as text; false when it is not a plain path of names, or its root is a loop's variable. */
static bool dotted(const struct gen *g, const struct cel_node *n, struct buf *out)
{
	if (n->kind == NODE_SELECT && !n->quoted) {
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
	n->types = types_of(g, slot);
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
	EMIT(g, n, 1, .op = I_CONST, .x = keep_const(g, type));
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
	if (g->err)
		return;
	name.n = MIN_OF(name.n, (size_t)60);
	if (near)
		g->err = cel_diagnose(g->diag, g->prog->text, n->at,
				      "%s \"%.*s\" (did you mean \"%.60s\"?)",
				      cel_fault_texts[fault], SL_FMT(name), near);
	else
		g->err = cel_diagnose(g->diag, g->prog->text, n->at, "%s \"%.*s\"",
				      cel_fault_texts[fault], SL_FMT(name));
}

static void unknown_name(struct gen *g, const struct cel_node *n, struct slice name)
{
	const struct cel_names *names = g->names;
	unknown(g, n, CEL_F_NAME, name, names->nearest ? names->nearest(names->ctx, name) : NULL);
}

static void gen_name(struct gen *g, struct cel_node *n)
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

static void gen_select(struct gen *g, struct cel_node *n)
{
	if (push_path(g, n) || refuse_path(g, n))
		return;
	generate(g, n->kids[0]);
	EMIT(g, n, 0, .op = I_SELECT, .x = keep_name(g, n->name));
}

static void gen_has(struct gen *g, struct cel_node *n)
{
	const struct cel_node *of = n->kids[0];
	int slot = find_slot(g, of);
	if (slot >= 0) {
		use_slot(g, (uint32_t)slot);
		EMIT(g, root_of(of), 1, .op = I_SLOT_HAS, .x = (uint32_t)slot);
		n->types = CEL_BIT(CEL_BOOL);
	} else if (of->kind == NODE_NAME && (g->names->lenient || find_var(g, of) >= 0)) {
		refuse(g, of, "has() takes a field of the reading or of a map");
	} else if (of->kind == NODE_NAME) {
		unknown_name(g, of, of->name);
	} else if (!refuse_path(g, of)) {
		generate(g, of->kids[0]);
		EMIT(g, n, 0, .op = I_HAS, .x = keep_name(g, of->name));
	}
}

/* ---- operators ---- */

static void gen_logic(struct gen *g, struct cel_node *n)
{
	bool and = n->op == OP_AND;
	generate(g, n->kids[0]);
	uint32_t jump = EMIT(g, n, 0, .op = and? I_AND_JUMP : I_OR_JUMP);
	generate(g, n->kids[1]);
	EMIT(g, n, -1, .op = and? I_AND : I_OR);
	patch(g, jump);
}

static void gen_ternary(struct gen *g, struct cel_node *n)
{
	generate(g, n->kids[0]);
	uint32_t choose = EMIT(g, n, -1, .op = I_CHOOSE);
	generate(g, n->kids[1]);
	uint32_t jump = EMIT(g, n, -1, .op = I_JUMP);
	patch(g, choose);
	generate(g, n->kids[2]);
	patch(g, jump);
}

/* `field < constant`, by far the most frequent form, in one instruction: the field's becomes it. */
static bool join_slot_cmp(struct gen *g, const struct cel_node *n, uint32_t from)
{
	struct cel_value v;
	struct cel_insn *in;
	if (g->err || here(g) != from + 1 || n->kids[1]->kind != NODE_CONST)
		return false;
	in = &g->prog->code[from];
	if (in->op != I_SLOT || in->x > UINT16_MAX || !fold(g, n->kids[1], &v))
		return false;
	in->op = I_SLOT_CMP;
	in->arg = (uint8_t)n->op;
	in->n = (uint16_t)in->x;
	in->x = keep_const(g, v);
	return true;
}

static void gen_binary(struct gen *g, struct cel_node *n)
{
	static const struct {
		uint8_t insn, arg;
	} table[] = {
		[OP_EQ] = {I_CMP, OP_EQ},     [OP_NE] = {I_CMP, OP_NE},
		[OP_LT] = {I_CMP, OP_LT},     [OP_LE] = {I_CMP, OP_LE},
		[OP_GT] = {I_CMP, OP_GT},     [OP_GE] = {I_CMP, OP_GE},
		[OP_IN] = {I_IN, 0},	      [OP_ADD] = {I_CALC, CEL_ADD},
		[OP_SUB] = {I_CALC, CEL_SUB}, [OP_MUL] = {I_CALC, CEL_MUL},
		[OP_DIV] = {I_CALC, CEL_DIV}, [OP_MOD] = {I_CALC, CEL_MOD},
	};
	if (n->op == OP_AND || n->op == OP_OR) {
		gen_logic(g, n);
		return;
	}
	uint32_t from = here(g);
	generate(g, n->kids[0]);
	if (table[n->op].insn == I_CMP && join_slot_cmp(g, n, from))
		return;
	generate(g, n->kids[1]);
	EMIT(g, n, -1, .op = table[n->op].insn, .arg = table[n->op].arg);
}

/* ---- calls ---- */

/* x.matches("…") with a constant pattern, which is compiled now and its faults reported now. */
static bool gen_match(struct gen *g, struct cel_node *n)
{
	struct cel_program *p = g->prog;
	const struct cel_node *pattern = n->nkids == 2 ? n->kids[1] : NULL;
	size_t at = 0;
	char why[128];
	if (!pattern || !slice_is(n->name, "matches") || pattern->kind != NODE_CONST ||
	    pattern->value.type != CEL_STRING)
		return false;
	generate(g, n->kids[0]);
	int r = mem_grow(&p->regexes, &p->cap_regexes, p->nregexes + 1, CODE_MAX,
			 sizeof(struct cel_regex *));
	if (!r)
		r = cel_regex_new(cel_text(pattern->value), &at, why, &p->regexes[p->nregexes]);
	if (r == -EINVAL && g->names->lenient) {
		EMIT(g, pattern, 1, .op = I_FAIL, .x = CEL_F_REGEX);
		EMIT(g, n, -1, .op = I_CMP, .arg = OP_EQ);
	} else if (r == -EINVAL && !g->err) {
		g->err = cel_diagnose(g->diag, p->text, pattern->at,
				      "the pattern is wrong at its character %zu: %s", at + 1, why);
	} else if (r) {
		fail(g, r);
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

/* No function of CEL's: the caller may have it, as a slot that holds what it gives. */
static void gen_foreign(struct gen *g, struct cel_node *n)
{
	const struct cel_names *names = g->names;
	const struct cel_call call = {n->name, n->at, g->prog->text, n->kids, n->nkids};
	bool known = false;
	const char *near = nearest_func(g, n, &known);
	int slot = -1;
	if (known && (g->nvars || n->method) && !g->err) {
		g->err = cel_diagnose(g->diag, g->prog->text, n->at,
				      n->method ? "%.*s() is no method: it takes all in brackets"
						: "%.*s() cannot stand inside all(), map() …",
				      SL_FMT(n->name));
		return;
	}
	if (names->call && !n->method && !g->nvars && !g->err)
		slot = names->call(names->ctx, &call, g->diag);
	if (slot < -1) {
		fail(g, -EINVAL);
	} else if (slot < 0) {
		unknown(g, n, CEL_F_FUNCTION, n->name, near);
	} else {
		push_slot(g, n, (uint32_t)slot);
	}
}

static void gen_call(struct gen *g, struct cel_node *n)
{
	int f = cel_func_find(n->name, n->method);
	if (f < 0) {
		gen_foreign(g, n);
		return;
	}
	if (n->nkids < cel_funcs[f].min || n->nkids > cel_funcs[f].max) {
		if (g->names->lenient)
			EMIT(g, n, 1, .op = I_FAIL, .x = CEL_F_OVERLOAD);
		else if (!g->err)
			g->err = cel_diagnose(g->diag, g->prog->text, n->at,
					      "%s() takes %u argument%s", cel_funcs[f].name,
					      cel_funcs[f].min - n->method,
					      cel_funcs[f].min - n->method == 1 ? "" : "s");
		return;
	}
	if (gen_match(g, n))
		return;
	for (size_t i = 0; i < n->nkids; i++)
		generate(g, n->kids[i]);
	EMIT(g, n, 1 - (int)n->nkids, .op = I_CALL, .n = (uint16_t)n->nkids, .x = (uint32_t)f);
}

/* ---- lists, maps, loops ---- */

static void gen_literal(struct gen *g, struct cel_node *n)
{
	struct cel_value v;
	bool map = n->kind == NODE_MAP;
	if (fold(g, n, &v)) {
		EMIT(g, n, 1, .op = I_CONST, .x = keep_const(g, v));
		return;
	}
	EMIT(g, n, 1, .op = map ? I_MAP : I_LIST, .x = (uint32_t)(map ? n->nkids / 2 : n->nkids));
	for (size_t i = 0; i < n->nkids; i += map ? 2 : 1) {
		generate(g, n->kids[i]);
		if (map)
			generate(g, n->kids[i + 1]);
		EMIT(g, n->kids[i], map ? -2 : -1, .op = map ? I_MAP_ADD : I_LIST_ADD);
	}
}

static void gen_loop(struct gen *g, struct cel_node *n)
{
	unsigned loop = g->nvars;
	if (loop == CEL_LOOPS_MAX) {
		refuse(g, n, "too many macros in one another");
		return;
	}
	generate(g, n->kids[0]);
	uint32_t begin = EMIT(g, n, -1, .op = I_LOOP, .arg = (uint8_t)n->loop, .n = (uint16_t)loop);
	uint32_t next = EMIT(g, n, 0, .op = I_LOOP_NEXT, .n = (uint16_t)loop);
	g->vars[g->nvars++] = n->name;
	if (n->nkids == 3) {
		generate(g, n->kids[1]);
		EMIT(g, n, -1, .op = I_LOOP_WHEN, .n = (uint16_t)loop, .x = next);
	}
	generate(g, n->kids[n->nkids - 1]);
	EMIT(g, n, -1, .op = I_LOOP_TURN, .n = (uint16_t)loop, .x = next);
	g->nvars--;
	patch(g, begin);
	patch(g, next);
	g->stack++; /* LOOP_NEXT leaves the result, on its way out */
}

static void generate(struct gen *g, struct cel_node *n)
{
	if (g->err)
		return;
	switch (n->kind) {
	case NODE_CONST:
	case NODE_LIST:
	case NODE_MAP:
		gen_literal(g, n);
		break;
	case NODE_NAME:
		gen_name(g, n);
		break;
	case NODE_SELECT:
		gen_select(g, n);
		break;
	case NODE_INDEX:
		generate(g, n->kids[0]);
		generate(g, n->kids[1]);
		EMIT(g, n, -1, .op = I_INDEX);
		break;
	case NODE_UNARY:
		generate(g, n->kids[0]);
		EMIT(g, n, 0, .op = n->op == OP_NOT ? I_NOT : I_NEGATE);
		break;
	case NODE_BINARY:
		gen_binary(g, n);
		break;
	case NODE_TERNARY:
		gen_ternary(g, n);
		break;
	case NODE_CALL:
		gen_call(g, n);
		break;
	case NODE_HAS:
		gen_has(g, n);
		break;
	case NODE_LOOP:
		gen_loop(g, n);
		break;
	default:
		fail(g, -EINVAL);
	}
}

int cel_generate(struct cel_program *prog, struct cel_node *root, const struct cel_names *names,
		 struct cel_diag *diag)
{
	struct gen g = {.prog = prog, .names = names, .diag = diag};
	generate(&g, root);
	EMIT(&g, root, -1, .op = I_RETURN);
	return g.err;
}
