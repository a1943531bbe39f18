#include "cel_gen.h"

/* ---- operators ---- */

static void gen_logic(struct gen *g, struct cel_node *n)
{
	bool and = n->op == OP_AND;
	gen_tree(g, n->kids[0]);
	uint32_t jump = EMIT(g, n, 0, .op = and? I_AND_JUMP : I_OR_JUMP);
	gen_tree(g, n->kids[1]);
	EMIT(g, n, -1, .op = and? I_AND : I_OR);
	gen_patch(g, jump);
}

static void gen_ternary(struct gen *g, struct cel_node *n)
{
	gen_tree(g, n->kids[0]);
	uint32_t choose = EMIT(g, n, -1, .op = I_CHOOSE);
	gen_tree(g, n->kids[1]);
	uint32_t jump = EMIT(g, n, -1, .op = I_JUMP);
	gen_patch(g, choose);
	gen_tree(g, n->kids[2]);
	gen_patch(g, jump);
}

/* `field < constant`, by far the most frequent form, in one instruction: the field's becomes it. */
static bool join_slot_cmp(struct gen *g, const struct cel_node *n, uint32_t from)
{
	struct cel_value v;
	struct cel_insn *in;
	if (g->err || gen_here(g) != from + 1 || n->kids[1]->kind != NODE_CONST)
		return false;
	in = &g->prog->code[from];
	if (in->op != I_SLOT || in->x > UINT16_MAX || !gen_fold(g, n->kids[1], &v))
		return false;
	in->op = I_SLOT_CMP;
	in->arg = (uint8_t)n->op;
	in->n = (uint16_t)in->x;
	in->x = gen_const(g, v);
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
	uint32_t from = gen_here(g);
	gen_tree(g, n->kids[0]);
	if (table[n->op].insn == I_CMP && join_slot_cmp(g, n, from))
		return;
	gen_tree(g, n->kids[1]);
	EMIT(g, n, -1, .op = table[n->op].insn, .arg = table[n->op].arg);
}

/* ---- lists, maps, loops ---- */

static void gen_literal(struct gen *g, struct cel_node *n)
{
	struct cel_value v;
	bool map = n->kind == NODE_MAP;
	if (gen_fold(g, n, &v)) {
		EMIT(g, n, 1, .op = I_CONST, .x = gen_const(g, v));
		return;
	}
	EMIT(g, n, 1, .op = map ? I_MAP : I_LIST, .x = (uint32_t)(map ? n->nkids / 2 : n->nkids));
	for (size_t i = 0; i < n->nkids; i += map ? 2 : 1) {
		gen_tree(g, n->kids[i]);
		if (map)
			gen_tree(g, n->kids[i + 1]);
		EMIT(g, n->kids[i], map ? -2 : -1, .op = map ? I_MAP_ADD : I_LIST_ADD);
	}
}

static void gen_loop(struct gen *g, struct cel_node *n)
{
	unsigned loop = g->nvars;
	if (loop == CEL_LOOPS_MAX) {
		gen_refuse(g, n, "too many macros in one another");
		return;
	}
	gen_tree(g, n->kids[0]);
	uint32_t begin = EMIT(g, n, -1, .op = I_LOOP, .arg = (uint8_t)n->loop, .n = (uint16_t)loop);
	uint32_t next = EMIT(g, n, 0, .op = I_LOOP_NEXT, .n = (uint16_t)loop);
	g->vars[g->nvars++] = n->name;
	if (n->nkids == 3) {
		gen_tree(g, n->kids[1]);
		EMIT(g, n, -1, .op = I_LOOP_WHEN, .n = (uint16_t)loop, .x = next);
	}
	gen_tree(g, n->kids[n->nkids - 1]);
	EMIT(g, n, -1, .op = I_LOOP_TURN, .n = (uint16_t)loop, .x = next);
	g->nvars--;
	gen_patch(g, begin);
	gen_patch(g, next);
	g->stack++; /* LOOP_NEXT leaves the result, on its way out */
}

void gen_tree(struct gen *g, struct cel_node *n)
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
		gen_tree(g, n->kids[0]);
		gen_tree(g, n->kids[1]);
		EMIT(g, n, -1, .op = I_INDEX);
		break;
	case NODE_UNARY:
		gen_tree(g, n->kids[0]);
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
		gen_fail(g, -EINVAL);
	}
}

int cel_generate(struct cel_program *prog, struct cel_node *root, const struct cel_names *names,
		 struct cel_diag *diag)
{
	struct gen g = {.prog = prog, .names = names, .diag = diag};
	gen_tree(&g, root);
	EMIT(&g, root, -1, .op = I_RETURN);
	return g.bad && !g.err ? -EINVAL : g.err;
}
