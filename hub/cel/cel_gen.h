/*
 * cel_gen: what the parts of the generator share. Private to cel_code.c, cel_gen.c, cel_gen_name.c.
 */
#ifndef GRIDHUB_CEL_GEN_H
#define GRIDHUB_CEL_GEN_H

#include "cel_code.h"

#define GEN_CODE_MAX 100000

struct gen {
	struct cel_program *prog;
	const struct cel_names *names;
	struct cel_diag *diag;
	struct slice vars[CEL_LOOPS_MAX]; /* of the loops around */
	unsigned nvars;
	int stack; /* values on the stack here */
	int err;   /* sticky: the first failure; from then on nothing is emitted */
	bool bad;  /* there was a fault, but somebody wants to know of more */
};

/* ---- cel_gen.c ---- */

/* Always false. */
bool gen_fail(struct gen *g, int err);
void gen_refuse(struct gen *g, const struct cel_node *n, const char *what);
/* A fault of the text, whose diagnosis is d. One value is pushed instead, where others are looked
 * for. */
void gen_fault(struct gen *g, const struct cel_node *n, const struct cel_diag *d);
/* `grow` is what the instruction does to the height of the stack. Returns its index. */
uint32_t gen_emit(struct gen *g, const struct cel_node *n, struct cel_insn insn, int grow);
#define EMIT(g_, n_, grow_, ...) gen_emit((g_), (n_), (struct cel_insn){__VA_ARGS__}, (grow_))
uint32_t gen_here(const struct gen *g);	      /* the index of the next instruction */
void gen_patch(struct gen *g, uint32_t insn); /* make it jump here */
/* Indexes of constants. A text is copied. */
uint32_t gen_const(struct gen *g, struct cel_value v);
uint32_t gen_text(struct gen *g, struct slice text);
/* The tree as one constant; false when it is none (or on failure). */
bool gen_fold(struct gen *g, const struct cel_node *n, struct cel_value *ret);

/* ---- cel_gen_name.c ---- */

void gen_name(struct gen *g, struct cel_node *n);
void gen_select(struct gen *g, struct cel_node *n);
void gen_has(struct gen *g, struct cel_node *n);
void gen_call(struct gen *g, struct cel_node *n);

/* ---- cel_code.c ---- */

void gen_tree(struct gen *g, struct cel_node *n);

#endif
