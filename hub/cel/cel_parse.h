/*
 * cel_parse: a condition's text as a tree. The whole grammar of CEL but message construction.
 *
 * Bounded: nesting CEL_NEST_MAX, height of the tree CEL_HEIGHT_MAX (a chain `a + b + c …` is as
 * high as it is long), so that whoever walks the tree may recurse.
 */
#ifndef GRIDHUB_CEL_PARSE_H
#define GRIDHUB_CEL_PARSE_H

#include "cel_lex.h"

#define CEL_NEST_MAX 100
#define CEL_HEIGHT_MAX 1000

enum cel_node_kind {
	NODE_CONST,  /* value */
	NODE_NAME,   /* name; rooted: it was written with a leading dot */
	NODE_SELECT, /* kid[0].name */
	NODE_INDEX,  /* kid[0][kid[1]] */
	NODE_CALL,   /* name(kids); method: kid[0] is the target */
	NODE_UNARY,  /* op OP_NOT, OP_SUB */
	NODE_BINARY, /* op */
	NODE_TERNARY,
	NODE_LIST,
	NODE_MAP,  /* kids: key, value, key, value … */
	NODE_HAS,  /* kid[0] is a NAME or a SELECT */
	NODE_LOOP, /* macro over kid[0] with the variable `name`: kid[1], kid[2] */
};

/* What a map has in it, where that is known for good; a table of them ends with the name NULL. */
struct cel_member {
	const char *name;
	int type; /* enum cel_type; CEL_UNSET: any */
};

enum cel_loop { LOOP_ALL, LOOP_EXISTS, LOOP_EXISTS_ONE, LOOP_MAP, LOOP_FILTER };

struct cel_node {
	enum cel_node_kind kind;
	enum cel_op op;
	enum cel_loop loop;
	bool method, rooted, quoted;
	uint32_t height;
	size_t at;	 /* where an error in it is reported */
	size_t from, to; /* its own text: byte offsets, without blanks around it */
	uint32_t types;	 /* CEL_BIT()s of what a name or call of the caller's may be, else 0;
			    cel_generate() fills it */
	const struct cel_member *members; /* of the caller's map, if they are known; else NULL;
					     cel_generate() fills it */
	struct slice name;
	struct cel_value value;
	struct cel_node **kids;
	size_t nkids;
};

/* The node's own text in the condition's. */
static inline struct slice cel_node_text(const struct cel_node *n, struct slice text)
{
	return (struct slice){text.p + n->from, n->to - n->from};
}

/* The tree lives in the arena. -EINVAL with the diagnosis, -ENOMEM (arena full). */
must_check int cel_parse(struct slice text, struct arena *arena, struct cel_diag *diag,
			 struct cel_node **ret);

#endif
