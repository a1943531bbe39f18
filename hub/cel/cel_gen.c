#include "cel_gen.h"

/* ---- emitting ---- */

bool gen_fail(struct gen *g, int err)
{
	if (!g->err)
		g->err = err;
	return false;
}

void gen_refuse(struct gen *g, const struct cel_node *n, const char *what)
{
	if (!g->err && !g->bad)
		cel_diagnose(g->diag, g->prog->text, n->at, "%s", what);
	gen_fail(g, -EINVAL);
}

void gen_fault(struct gen *g, const struct cel_node *n, const struct cel_diag *d)
{
	const struct cel_names *names = g->names;
	if (g->err)
		return;
	if (g->bad)
		names->also(names->ctx, d);
	else
		*g->diag = *d;
	g->bad = true;
	if (names->also)
		EMIT(g, n, 1, .op = I_FAIL, .x = CEL_F_NAME);
	else
		g->err = -EINVAL;
}

/* `grow` is what the instruction does to the height of the stack. Returns its index. */
uint32_t gen_emit(struct gen *g, const struct cel_node *n, struct cel_insn insn, int grow)
{
	struct cel_program *p = g->prog;
	if (g->err)
		return 0;
	g->stack += grow;
	if (g->stack > CEL_STACK_MAX) {
		gen_refuse(g, n, "the condition is too complex");
		return 0;
	}
	int r = mem_grow(&p->code, &p->cap_code, p->ncode + 1, GEN_CODE_MAX, sizeof *p->code);
	if (!r)
		r = mem_grow(&p->at, &p->cap_at, p->ncode + 1, GEN_CODE_MAX, sizeof *p->at);
	if (r) {
		gen_fail(g, r == -E2BIG ? -EINVAL : r);
		if (r == -E2BIG)
			cel_diagnose(g->diag, p->text, n->at, "the condition is too long");
		return 0;
	}
	p->code[p->ncode] = insn;
	p->at[p->ncode] = (uint32_t)n->at;
	return (uint32_t)p->ncode++;
}

uint32_t gen_here(const struct gen *g)
{
	return (uint32_t)g->prog->ncode;
}

void gen_patch(struct gen *g, uint32_t insn)
{
	if (!g->err)
		g->prog->code[insn].x = gen_here(g);
}

/* ---- constants ---- */

static bool keep_text(struct gen *g, struct cel_value *v)
{
	struct slice copy = arena_copy(&g->prog->arena, cel_text(*v));
	if (!copy.p)
		return gen_fail(g, -ENOMEM);
	v->p = copy.p;
	return true;
}

uint32_t gen_const(struct gen *g, struct cel_value v)
{
	struct cel_program *p = g->prog;
	if (g->err)
		return 0;
	int r = mem_grow(&p->consts, &p->cap_consts, p->nconsts + 1, GEN_CODE_MAX,
			 sizeof *p->consts);
	if (r) {
		gen_fail(g, r);
		return 0;
	}
	p->consts[p->nconsts] = v;
	return (uint32_t)p->nconsts++;
}

uint32_t gen_text(struct gen *g, struct slice name)
{
	struct cel_value v = CEL_OF_TEXT(CEL_STRING, name);
	return keep_text(g, &v) ? gen_const(g, v) : 0;
}

static bool fold_list(struct gen *g, const struct cel_node *n, struct cel_value *ret)
{
	struct cel_value *v = arena_alloc(&g->prog->arena, MAX_OF(n->nkids, (size_t)1) * sizeof *v);
	if (!v)
		return gen_fail(g, -ENOMEM);
	for (size_t i = 0; i < n->nkids; i++)
		if (!gen_fold(g, n->kids[i], &v[i]))
			return false;
	*ret = (struct cel_value){.type = CEL_LIST, .n = (uint32_t)n->nkids, .list = v};
	return true;
}

static bool fold_map(struct gen *g, const struct cel_node *n, struct cel_value *ret)
{
	struct cel_room charge = {.steps = 1000000};
	struct cel_value key = {0}, val = {0}, map = {.type = CEL_MAP};
	map.map = arena_alloc(&g->prog->arena, MAX_OF(n->nkids, (size_t)1) * sizeof *map.map);
	if (!map.map)
		return gen_fail(g, -ENOMEM);
	for (size_t i = 0; i + 1 < n->nkids; i += 2)
		if (!gen_fold(g, n->kids[i], &key) || !gen_fold(g, n->kids[i + 1], &val) ||
		    cel_map_put(&charge, &map, key, val) != CEL_F_NONE || charge.over)
			return false;
	*ret = map;
	return true;
}

/* The tree as one constant; false when it is none (or on failure). */
bool gen_fold(struct gen *g, const struct cel_node *n, struct cel_value *ret)
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
