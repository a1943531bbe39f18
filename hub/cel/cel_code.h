/*
 * cel_code: a condition's tree as bytecode for the machine in cel.c.
 *
 * A stack machine: most instructions take their operands from the stack and leave one value. Jumps
 * go forward but for LOOP_NEXT, so that the length of the program bounds what runs between two
 * turns of a loop. Instructions know the byte offset of what they were made from, for errors.
 */
#ifndef GRIDHUB_CEL_CODE_H
#define GRIDHUB_CEL_CODE_H

#include "cel_parse.h"
#include "cel_regex.h"

#define CEL_STACK_MAX 512
#define CEL_LOOPS_MAX 32 /* macros in one another */

enum cel_insn_op {
	I_CONST,    /* push consts[x] */
	I_SLOT,	    /* push slots[x], or the error that it is missing */
	I_SLOT_HAS, /* push whether slots[x] is there */
	I_SLOT_CMP, /* compare slots[n] with consts[x]; arg = enum cel_op */
	I_LOCAL,    /* push the variable of loop x */
	I_FAIL,	    /* push error x */
	I_SELECT,   /* top = top.consts[x] */
	I_HAS,	    /* top = has(top.consts[x]) */
	I_INDEX,    /* a, b → a[b] */
	I_NOT,
	I_NEGATE,
	I_CALC, /* a, b → a arg b; arg = enum cel_arith */
	I_CMP,	/* a, b → bool; arg = enum cel_op */
	I_IN,
	I_CALL,	    /* n arguments → cel_funcs[x] */
	I_MATCH,    /* top = top.matches(regexes[x]) */
	I_AND_JUMP, /* top is false: jump to x and keep it */
	I_OR_JUMP,  /* top is true: jump to x and keep it */
	I_AND,	    /* a, b → a && b, with errors absorbed */
	I_OR,
	I_CHOOSE, /* pop; true: go on, false: jump to x, else push an error and go where insn x-1
		     goes */
	I_JUMP,
	I_LIST,	    /* push an empty list with room for x */
	I_LIST_ADD, /* list, v → list */
	I_MAP,
	I_MAP_ADD, /* map, k, v → map */
	I_LOOP, /* pop the range, begin loop n of kind arg; no range: push the error, jump to x */
	I_LOOP_NEXT, /* the next turn of loop n, or: push its result and jump to x */
	I_LOOP_TURN, /* take the turn's value into the result of loop n; jump back to x */
	I_LOOP_WHEN, /* pop the condition of loop n: false or an error end the turn, jump to x */
	I_RETURN,
};

struct cel_insn {
	uint8_t op, arg;
	uint16_t n;
	uint32_t x;
};

struct cel_program {
	struct arena arena; /* constants and names */
	struct slice text;
	struct cel_insn *code;
	uint32_t *at; /* byte offset of each instruction */
	size_t ncode, cap_code, cap_at;
	struct cel_value *consts;
	size_t nconsts, cap_consts;
	struct cel_regex **regexes;
	size_t nregexes, cap_regexes;
	uint32_t *slots; /* those it reads, without repetition */
	size_t nslots, cap_slots;
};

/* A call of something that is no function of CEL's: avg(temp_c, '10m'). The arguments are given as
 * they stand in the text: cel_node_text() of cel_parse.h. */
struct cel_call {
	struct slice name;
	size_t at;	   /* byte offset in the text */
	struct slice text; /* the whole condition */
	struct cel_node *const *args;
	size_t nargs;
};

/* Where names come from: the slot of `name` (which may have dots), or -1. */
struct cel_names {
	int (*slot)(void *ctx, struct slice name);
	/* The nearest name that there is, or NULL; may be NULL. */
	const char *(*nearest)(void *ctx, struct slice name);
	/* The slot that holds the result of such a call; -1: no such function; -2: the diagnosis
	 * says what is wrong with it. NULL: there are none. Never asked inside a macro (all, exists
	 * …), where that is an error. */
	int (*call)(void *ctx, const struct cel_call *call, struct cel_diag *diag);
	/* Their names, for errors that name the nearest; up to a NULL. May be NULL. */
	const char *const *calls;
	/* The type (enum cel_type) that a slot's value has if it is there, CEL_UNSET: any. With it,
	 * texts are checked for operands that can never fit; NULL: not checked. Numbers are one
	 * type: a device may send 3 for 3.0. */
	int (*type)(void *ctx, int slot);
	/* All that the map in a slot has in it: with `type`, another member is refused; NULL: it
	 * may have any. May be NULL. */
	const struct cel_member *(*members)(void *ctx, int slot);
	uint32_t wanted; /* CEL_BIT()s of what the result may be, checked with `type`; 0: anything
			  */
	/* Told of the faults behind the first one, which is the diagnosis; NULL: nobody looks for
	 * them. They come in no order. */
	void (*also)(void *ctx, const struct cel_diag *diag);
	/* Told which slot is read at which byte of the text; may be NULL. */
	void (*used)(void *ctx, int slot, size_t at);
	void *ctx;
	bool lenient; /* an unknown name or function is an error of the evaluation, not of the text
		       */
};

/* Append the code of the tree. -EINVAL with the diagnosis, -ENOMEM. */
must_check int cel_generate(struct cel_program *prog, struct cel_node *root,
			    const struct cel_names *names, struct cel_diag *diag);

#endif
