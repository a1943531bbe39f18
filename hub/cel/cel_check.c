#include "cel_check.h"

#include "cel_func.h"

#define WORDS_MAX 80

struct check {
	struct slice text;
	const struct cel_names *names;
	struct cel_diag *diag; /* of the first fault; NULL: there is one already */
	int err;	       /* sticky: the first fault */
};

static uint32_t types_of(struct check *c, const struct cel_node *n);

/* ---- refusing ---- */

/* "string or bytes"; int and double together are "number". */
static const char *words(uint32_t set, char out[static WORDS_MAX])
{
	size_t n = 0;
	bool number = set & CEL_BIT(CEL_INT) && set & CEL_BIT(CEL_DOUBLE);
	out[0] = 0;
	for (int t = CEL_NULL; t < CEL_ERROR && n < WORDS_MAX; t++) {
		if (!(set & CEL_BIT(t)) || (number && (t == CEL_INT || t == CEL_UINT)))
			continue;
		n += (size_t)snprintf(out + n, WORDS_MAX - n, "%s%s", n ? " or " : "",
				      number && t == CEL_DOUBLE ? "number" : cel_type_words[t]);
	}
	return out;
}

/* The first fault is the diagnosis; the others are for whoever wants to know of them. */
static void tell(struct check *c, const struct cel_diag *d)
{
	if (c->diag)
		*c->diag = *d;
	else if (c->names->also)
		c->names->also(c->names->ctx, d);
	c->diag = NULL;
	c->err = -EINVAL;
}

static void refuse(struct check *c, size_t at, const char *what, const char *verb, uint32_t a,
		   const char *link, uint32_t b)
{
	char one[WORDS_MAX], two[WORDS_MAX];
	struct cel_diag d;
	cel_diagnose(&d, c->text, at, "%s %s %s%s %s", what, verb, words(a, one), link,
		     words(b, two));
	tell(c, &d);
}

/* The operand n of `what` must be able to be one of `may`. Returns what it can be. */
static uint32_t want(struct check *c, const struct cel_node *n, uint32_t may, const char *what)
{
	uint32_t got = types_of(c, n);
	if (!(got & may))
		refuse(c, n->from, what, "takes", may, ", not", got);
	return got;
}

/* ---- operators ---- */

#define CONTAINERS (CEL_BIT(CEL_LIST) | CEL_BIT(CEL_MAP))
#define KEYS (CEL_BIT(CEL_BOOL) | CEL_BIT(CEL_INT) | CEL_BIT(CEL_UINT) | CEL_BIT(CEL_STRING))

#define EQUALITY (1u << OP_EQ | 1u << OP_NE)
#define ORDER (1u << OP_LT | 1u << OP_LE | 1u << OP_GT | 1u << OP_GE)
#define PLUS (1u << OP_ADD)
#define MINUS (1u << OP_SUB)
#define FOUR (PLUS | MINUS | 1u << OP_MUL | 1u << OP_DIV)
#define FIVE (FOUR | 1u << OP_MOD)
#define SAME(ops_, type_, gives_)                                     \
	{                                                             \
		ops_, CEL_BIT(type_), CEL_BIT(type_), CEL_BIT(gives_) \
	}

static const struct {
	uint32_t ops, a, b, gives;
} overloads[] = {
	{EQUALITY, CEL_ANY, CEL_ANY, CEL_BIT(CEL_BOOL)},
	{ORDER, CEL_NUMBERS, CEL_NUMBERS, CEL_BIT(CEL_BOOL)},
	SAME(ORDER, CEL_BOOL, CEL_BOOL),
	SAME(ORDER, CEL_STRING, CEL_BOOL),
	SAME(ORDER, CEL_BYTES, CEL_BOOL),
	SAME(ORDER, CEL_TIMESTAMP, CEL_BOOL),
	SAME(ORDER, CEL_DURATION, CEL_BOOL),
	{1u << OP_IN, CEL_ANY, CONTAINERS, CEL_BIT(CEL_BOOL)},
	SAME(FIVE, CEL_INT, CEL_INT),
	SAME(FIVE, CEL_UINT, CEL_UINT),
	{FOUR, CEL_BIT(CEL_DOUBLE), CEL_NUMBERS, CEL_BIT(CEL_DOUBLE)},
	{FOUR, CEL_NUMBERS, CEL_BIT(CEL_DOUBLE), CEL_BIT(CEL_DOUBLE)},
	SAME(PLUS, CEL_STRING, CEL_STRING),
	SAME(PLUS, CEL_BYTES, CEL_BYTES),
	SAME(PLUS, CEL_LIST, CEL_LIST),
	SAME(PLUS | MINUS, CEL_DURATION, CEL_DURATION),
	SAME(MINUS, CEL_TIMESTAMP, CEL_DURATION),
	{PLUS | MINUS, CEL_BIT(CEL_TIMESTAMP), CEL_BIT(CEL_DURATION), CEL_BIT(CEL_TIMESTAMP)},
	{PLUS, CEL_BIT(CEL_DURATION), CEL_BIT(CEL_TIMESTAMP), CEL_BIT(CEL_TIMESTAMP)},
	{1u << OP_BRACKET, CEL_BIT(CEL_LIST), CEL_NUMBERS, CEL_ANY},
	{1u << OP_BRACKET, CEL_BIT(CEL_MAP), KEYS | CEL_BIT(CEL_DOUBLE), CEL_ANY},
};

static uint32_t binary(struct check *c, const struct cel_node *n, enum cel_op op, const char *what)
{
	uint32_t a = types_of(c, n->kids[0]), b = types_of(c, n->kids[1]), gives = 0;
	for (size_t i = 0; i < COUNT_OF(overloads); i++)
		if (overloads[i].ops & 1u << op && overloads[i].a & a && overloads[i].b & b)
			gives |= overloads[i].gives;
	if (!gives)
		refuse(c, n->at, what, "does not take", a, " and", b);
	return gives ? gives : CEL_ANY; /* one fault is told once */
}

static uint32_t operator_types(struct check *c, const struct cel_node *n)
{
	static const char *const signs[] = {
		[OP_OR] = "\"||\"", [OP_AND] = "\"&&\"", [OP_EQ] = "\"==\"", [OP_NE] = "\"!=\"",
		[OP_LE] = "\"<=\"", [OP_GE] = "\">=\"",	 [OP_LT] = "\"<\"",  [OP_GT] = "\">\"",
		[OP_IN] = "\"in\"", [OP_ADD] = "\"+\"",	 [OP_SUB] = "\"-\"", [OP_MUL] = "\"*\"",
		[OP_DIV] = "\"/\"", [OP_MOD] = "\"%\"",	 [OP_NOT] = "\"!\"",
	};
	if (n->kind == NODE_BINARY && n->op != OP_AND && n->op != OP_OR)
		return binary(c, n, n->op, signs[n->op]);
	if (n->op == OP_SUB) {
		uint32_t may = CEL_BIT(CEL_INT) | CEL_BIT(CEL_DOUBLE);
		uint32_t got = want(c, n->kids[0], may, signs[OP_SUB]) & may;
		return got ? got : CEL_ANY;
	}
	for (size_t i = 0; i < n->nkids; i++)
		want(c, n->kids[i], CEL_BIT(CEL_BOOL), signs[n->op]);
	return CEL_BIT(CEL_BOOL);
}

/* ---- the rest ---- */

static uint32_t call_types(struct check *c, const struct cel_node *n)
{
	int f = cel_func_find(n->name, n->method);
	char what[40];
	if (f < 0)
		return CEL_ANY;
	snprintf(what, sizeof what, "%s()", cel_funcs[f].name);
	if (n->nkids < cel_funcs[f].min || n->nkids > cel_funcs[f].max)
		return CEL_ANY; /* refused for that */
	for (size_t i = 0; i < n->nkids; i++)
		want(c, n->kids[i], cel_funcs[f].takes[i], what);
	return cel_funcs[f].gives;
}

static uint32_t loop_types(struct check *c, const struct cel_node *n)
{
	static const struct {
		const char *name;
		uint32_t gives;
	} loops[] = {
		[LOOP_ALL] = {"all()", CEL_BIT(CEL_BOOL)},
		[LOOP_EXISTS] = {"exists()", CEL_BIT(CEL_BOOL)},
		[LOOP_EXISTS_ONE] = {"exists_one()", CEL_BIT(CEL_BOOL)},
		[LOOP_MAP] = {"map()", CEL_BIT(CEL_LIST)},
		[LOOP_FILTER] = {"filter()", CEL_BIT(CEL_LIST)},
	};
	const char *what = loops[n->loop].name;
	want(c, n->kids[0], CONTAINERS, what);
	for (size_t i = 1; i < n->nkids; i++)
		want(c, n->kids[i],
		     n->loop == LOOP_MAP && i + 1 == n->nkids ? CEL_ANY : CEL_BIT(CEL_BOOL), what);
	return loops[n->loop].gives;
}

static uint32_t literal_types(struct check *c, const struct cel_node *n)
{
	if (n->kind == NODE_CONST)
		return CEL_BIT(n->value.type);
	for (size_t i = 0; i < n->nkids; i++) {
		uint32_t got = types_of(c, n->kids[i]);
		if (n->kind == NODE_MAP && i % 2 == 0 && !(got & KEYS))
			refuse(c, n->kids[i]->from, "a map's key", "is", KEYS, ", not", got);
	}
	return CEL_BIT(n->kind == NODE_MAP ? CEL_MAP : CEL_LIST);
}

/* ---- maps whose members are known ---- */

static const char *nearest_member(const struct cel_member *m, struct slice name)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (; m->name; m++) {
		size_t d = name_distance(name, slice_of(m->name));
		if (d < nearest && 2 * d <= name.n) {
			nearest = d;
			best = m->name;
		}
	}
	return best;
}

static void no_member(struct check *c, const struct cel_node *map, size_t at, struct slice name)
{
	struct slice of = cel_node_text(map, c->text);
	const char *near = nearest_member(map->members, name);
	auto_buf struct buf hint;
	struct cel_diag d;
	buf_init(&hint, CEL_DIAG_MAX);
	if (near)
		buf_printf(&hint, "did you mean \"%s\"?", near);
	for (const struct cel_member *m = map->members; !near && m->name; m++)
		buf_printf(&hint, "%s%s", m == map->members ? "it has " : ", ", m->name);
	of.n = MIN_OF(of.n, (size_t)30);
	name.n = MIN_OF(name.n, (size_t)40);
	cel_diagnose(&d, c->text, at, "%.*s has no \"%.*s\" (%s)", SL_FMT(of), SL_FMT(name),
		     buf_str(&hint));
	tell(c, &d);
}

/* map.name, or map['name'], both at `at`. */
static uint32_t member_types(struct check *c, const struct cel_node *map, size_t at,
			     struct slice name)
{
	const struct cel_member *m = map->members;
	while (m && m->name && !slice_is(name, m->name))
		m++;
	if (m && !m->name)
		no_member(c, map, at, name);
	return m && m->name && m->type != CEL_UNSET ? CEL_BIT(m->type) : CEL_ANY;
}

static uint32_t select_types(struct check *c, const struct cel_node *n)
{
	char what[40];
	snprintf(what, sizeof what, "\".%.*s\"", (int)MIN_OF(n->name.n, (size_t)30), n->name.p);
	want(c, n->kids[0], CEL_BIT(CEL_MAP), what);
	return member_types(c, n->kids[0], n->at, n->name);
}

static uint32_t index_types(struct check *c, const struct cel_node *n)
{
	const struct cel_node *map = n->kids[0], *key = n->kids[1];
	uint32_t gives = binary(c, n, OP_BRACKET, "\"[]\"");
	if (!map->members || key->kind != NODE_CONST || key->value.type != CEL_STRING)
		return gives;
	return member_types(c, map, key->at, cel_text(key->value));
}

static uint32_t ternary_types(struct check *c, const struct cel_node *n)
{
	want(c, n->kids[0], CEL_BIT(CEL_BOOL), "\"?:\"");
	uint32_t yes = types_of(c, n->kids[1]);
	return yes | types_of(c, n->kids[2]);
}

static uint32_t types_of(struct check *c, const struct cel_node *n)
{
	if (n->types)
		return n->types;
	switch (n->kind) {
	case NODE_CONST:
	case NODE_LIST:
	case NODE_MAP:
		return literal_types(c, n);
	case NODE_SELECT:
		return select_types(c, n);
	case NODE_INDEX:
		return index_types(c, n);
	case NODE_UNARY:
	case NODE_BINARY:
		return operator_types(c, n);
	case NODE_TERNARY:
		return ternary_types(c, n);
	case NODE_CALL:
		return call_types(c, n);
	case NODE_HAS:
		types_of(c, n->kids[0]);
		return CEL_BIT(CEL_BOOL);
	case NODE_LOOP:
		return loop_types(c, n);
	case NODE_NAME:
	default:
		return CEL_ANY;
	}
}

int cel_check(struct slice text, const struct cel_node *root, const struct cel_names *names,
	      struct cel_diag *diag)
{
	struct check c = {.text = text, .names = names, .diag = diag};
	uint32_t got = types_of(&c, root);
	if (names->wanted && !(got & names->wanted))
		refuse(&c, root->from, "the result", "must be", names->wanted, ", not", got);
	return c.err;
}
