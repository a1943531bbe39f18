#include "cel_parse.h"

#include <assert.h>

struct parser {
	struct cel_lexer lx;
	struct cel_token tok; /* the next one */
	size_t end;	      /* of the one before it */
	unsigned nest;
};

static int parse_expr(struct parser *p, struct cel_node **ret);
static int parse_unary(struct parser *p, struct cel_node **ret);

/* ---- tokens ---- */

static int advance(struct parser *p)
{
	p->end = p->tok.at + p->tok.n;
	int r = cel_lex(&p->lx, &p->tok);
	/* `in` is an operator wherever a name could not stand; as a field's name it follows a dot.
	 */
	if (!r && p->tok.kind == TOK_IDENT && slice_is(p->tok.name, "in"))
		p->tok.op = OP_IN;
	return r;
}

static bool is_op(const struct parser *p, enum cel_op op)
{
	return p->tok.op == op && (p->tok.kind == TOK_PUNCT || op == OP_IN);
}

static int fail_at(const struct parser *p, size_t at, const char *what)
{
	return cel_diagnose(p->lx.diag, p->lx.text, at, "%s", what);
}

/* As people write it who know other languages. */
static const char *habit_of(const struct parser *p)
{
	static const struct {
		const char *word, *hint;
	} habits[] = {
		{"and", "; and is &&"}, {"AND", "; and is &&"},	    {"or", "; or is ||"},
		{"OR", "; or is ||"},	{"is", "; equality is =="},
	};
	struct slice text = p->lx.text, before = {text.p, MIN_OF(p->end, text.n)};
	const struct cel_token *t = &p->tok;
	for (size_t i = 0; t->kind == TOK_IDENT && i < COUNT_OF(habits); i++)
		if (slice_is(t->name, habits[i].word))
			return habits[i].hint;
	if (slice_ends(before, "not") || slice_ends(before, "NOT"))
		return "; not is !";
	bool digits = before.n && t->at + 1 < text.n && before.p[before.n - 1] >= '0' &&
		      before.p[before.n - 1] <= '9' && text.p[t->at + 1] >= '0' &&
		      text.p[t->at + 1] <= '9';
	return is_op(p, OP_COMMA) && digits ? "; decimals are written with a point: 38.5" : "";
}

static int fail_expected(const struct parser *p, const char *what)
{
	const struct cel_token *t = &p->tok;
	if (t->kind == TOK_END)
		return cel_diagnose(p->lx.diag, p->lx.text, t->at,
				    "%s was expected, the condition ends here", what);
	struct slice got = {p->lx.text.p + t->at, MIN_OF(t->n, (size_t)40)};
	return cel_diagnose(p->lx.diag, p->lx.text, t->at, "%s was expected, found %.*s%s", what,
			    SL_FMT(got), habit_of(p));
}

static int expect(struct parser *p, enum cel_op op, const char *what)
{
	return is_op(p, op) ? advance(p) : fail_expected(p, what);
}

/* ---- nodes ---- */

static int new_node(struct parser *p, enum cel_node_kind kind, size_t at, struct cel_node **ret)
{
	struct cel_node *n = arena_alloc(p->lx.arena, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->kind = kind;
	n->at = at;
	n->height = 1;
	*ret = n;
	return 0;
}

/* What was read since `from` is the node's own text. */
static void span(const struct parser *p, struct cel_node *n, size_t from)
{
	n->from = from;
	n->to = p->end;
}

/* Append kid; room for the kids doubles, starting with 2. */
static int add_kid(struct parser *p, struct cel_node *n, struct cel_node *kid)
{
	bool full = n->nkids == 0 || (n->nkids >= 2 && (n->nkids & (n->nkids - 1)) == 0);
	if (full) {
		size_t cap = MAX_OF(2 * n->nkids, (size_t)2);
		struct cel_node **more = arena_alloc(p->lx.arena, cap * sizeof(struct cel_node *));
		if (!more)
			return -ENOMEM;
		if (n->nkids)
			memcpy(more, n->kids, n->nkids * sizeof(struct cel_node *));
		n->kids = more;
	}
	n->kids[n->nkids++] = kid;
	n->height = MAX_OF(n->height, kid->height + 1);
	if (n->height > CEL_HEIGHT_MAX)
		return fail_at(p, n->at, "the condition is too long: write it as several rules");
	return 0;
}

static int new_parent(struct parser *p, enum cel_node_kind kind, size_t at, struct cel_node *a,
		      struct cel_node *b, struct cel_node **ret)
{
	int r = new_node(p, kind, at, ret);
	if (!r)
		r = add_kid(p, *ret, a);
	if (!r && b)
		r = add_kid(p, *ret, b);
	return r;
}

/* expr { "," expr } [","] up to the closing sign, which is consumed. */
static int parse_list(struct parser *p, struct cel_node *n, enum cel_op end, bool trailing,
		      const char *what)
{
	while (!is_op(p, end)) {
		struct cel_node *kid = NULL;
		int r = parse_expr(p, &kid);
		if (!r)
			r = add_kid(p, n, kid);
		if (r)
			return r;
		if (!is_op(p, OP_COMMA))
			break;
		r = advance(p);
		if (r)
			return r;
		if (!trailing && is_op(p, end))
			return fail_expected(p, "a value");
	}
	return expect(p, end, what);
}

/* ---- macros ---- */

static int make_has(struct parser *p, struct cel_node *call)
{
	const struct cel_node *arg = call->nkids == 1 ? call->kids[0] : NULL;
	if (!arg || (arg->kind != NODE_NAME && arg->kind != NODE_SELECT))
		return fail_at(p, call->at,
			       "has() takes one field: has(temp_c) or has(device.name)");
	call->kind = NODE_HAS;
	return 0;
}

/* x.all(v, cond) … have become CALL(x, v, cond): make them LOOP(x, cond) with the name v. */
static int make_loop(struct parser *p, struct cel_node *call)
{
	static const struct {
		const char *name;
		enum cel_loop loop;
		size_t min, max;
	} loops[] = {
		{"all", LOOP_ALL, 3, 3},
		{"exists", LOOP_EXISTS, 3, 3},
		{"exists_one", LOOP_EXISTS_ONE, 3, 3},
		{"map", LOOP_MAP, 3, 4},
		{"filter", LOOP_FILTER, 3, 3},
	};
	for (size_t i = 0; i < COUNT_OF(loops); i++) {
		if (!slice_is(call->name, loops[i].name) || call->nkids < loops[i].min ||
		    call->nkids > loops[i].max)
			continue;
		const struct cel_node *var = call->kids[1];
		if (var->kind != NODE_NAME || var->rooted)
			return fail_at(p, var->at, "the first argument must be a plain name");
		call->kind = NODE_LOOP;
		call->loop = loops[i].loop;
		call->name = var->name;
		call->nkids--;
		memmove(&call->kids[1], &call->kids[2],
			(call->nkids - 1) * sizeof(struct cel_node *));
	}
	return 0;
}

/* ---- primary ---- */

static bool is_reserved(struct slice name)
{
	static const char *const words[] = {"as",   "break",	"const",     "continue", "else",
					    "for",  "function", "if",	     "import",	 "let",
					    "loop", "package",	"namespace", "return",	 "var",
					    "void", "while"};
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (slice_is(name, words[i]))
			return true;
	return false;
}

static int parse_name(struct parser *p, bool rooted, struct cel_node **ret)
{
	struct cel_token t = p->tok;
	if (t.kind != TOK_IDENT || t.op == OP_IN)
		return fail_expected(p, "a value");
	if (is_reserved(t.name))
		return cel_diagnose(p->lx.diag, p->lx.text, t.at, "\"%.*s\" is a reserved word",
				    SL_FMT(t.name));
	int r = new_node(p, NODE_NAME, t.at, ret);
	if (!r)
		r = advance(p);
	if (r)
		return r;
	(*ret)->name = t.name;
	(*ret)->rooted = rooted;
	if (!is_op(p, OP_PAREN))
		return 0;
	(*ret)->kind = NODE_CALL;
	r = advance(p);
	if (!r)
		r = parse_list(p, *ret, OP_PAREN_END, false, "\",\" or \")\"");
	return !r && slice_is(t.name, "has") ? make_has(p, *ret) : r;
}

static int parse_map(struct parser *p, struct cel_node **ret)
{
	int r = new_node(p, NODE_MAP, p->tok.at, ret);
	if (!r)
		r = advance(p);
	while (!r && !is_op(p, OP_BRACE_END)) {
		struct cel_node *key = NULL, *val = NULL;
		r = parse_expr(p, &key);
		if (!r)
			r = expect(p, OP_COLON, "\":\"");
		if (!r)
			r = parse_expr(p, &val);
		if (!r)
			r = add_kid(p, *ret, key);
		if (!r)
			r = add_kid(p, *ret, val);
		if (r || !is_op(p, OP_COMMA))
			break;
		r = advance(p);
	}
	return r ? r : expect(p, OP_BRACE_END, "\",\" or \"}\"");
}

static bool is_literal_word(const struct cel_token *t, struct cel_value *ret)
{
	*ret = CEL_OF_NULL;
	if (slice_is(t->name, "true") || slice_is(t->name, "false"))
		*ret = CEL_OF_BOOL(t->name.n == 4);
	else if (!slice_is(t->name, "null"))
		return false;
	return true;
}

static int parse_literal(struct parser *p, struct cel_value v, struct cel_node **ret)
{
	int r = new_node(p, NODE_CONST, p->tok.at, ret);
	if (r)
		return r;
	(*ret)->value = v;
	return advance(p);
}

static int parse_int(struct parser *p, bool negative, struct cel_node **ret)
{
	uint64_t u = p->tok.value.u, limit = (uint64_t)INT64_MAX + negative;
	if (u > limit)
		return fail_at(p, p->tok.at, "the number is too large for an int");
	return parse_literal(p, CEL_OF_INT(negative ? (int64_t)(0 - u) : (int64_t)u), ret);
}

static int parse_bracketed(struct parser *p, struct cel_node **ret)
{
	int r;
	if (is_op(p, OP_PAREN)) {
		r = advance(p);
		if (!r)
			r = parse_expr(p, ret);
		return r ? r : expect(p, OP_PAREN_END, "\")\"");
	}
	if (is_op(p, OP_BRACE))
		return parse_map(p, ret);
	r = new_node(p, NODE_LIST, p->tok.at, ret);
	if (!r)
		r = advance(p);
	return r ? r : parse_list(p, *ret, OP_BRACKET_END, true, "\",\" or \"]\"");
}

static int parse_primary(struct parser *p, struct cel_node **ret)
{
	struct cel_value v;
	switch (p->tok.kind) {
	case TOK_INT:
		return parse_int(p, false, ret);
	case TOK_UINT:
	case TOK_DOUBLE:
	case TOK_STRING:
	case TOK_BYTES:
		return parse_literal(p, p->tok.value, ret);
	case TOK_IDENT:
		if (is_literal_word(&p->tok, &v))
			return parse_literal(p, v, ret);
		return parse_name(p, false, ret);
	case TOK_PUNCT:
		break;
	case TOK_QUOTED:
	case TOK_END:
	default:
		return fail_expected(p, "a value");
	}
	if (is_op(p, OP_DOT)) {
		int r = advance(p);
		return r ? r : parse_name(p, true, ret);
	}
	if (is_op(p, OP_PAREN) || is_op(p, OP_BRACKET) || is_op(p, OP_BRACE))
		return parse_bracketed(p, ret);
	return fail_expected(p, "a value");
}

/* Words that no field can be named by, but in `backquotes`. */
static bool is_keyword(const struct cel_token *t)
{
	struct cel_value v;
	return t->kind == TOK_IDENT && (t->op == OP_IN || is_literal_word(t, &v));
}

/* ---- member: a.b, a.f(…), a[i] ---- */

static int parse_dot(struct parser *p, struct cel_node **n)
{
	int r = advance(p);
	if (r)
		return r;
	struct cel_token t = p->tok;
	if ((t.kind != TOK_IDENT && t.kind != TOK_QUOTED) || is_keyword(&t))
		return fail_expected(p, "a field's name");
	r = new_parent(p, NODE_SELECT, t.at, *n, NULL, n);
	if (!r)
		r = advance(p);
	if (r)
		return r;
	struct cel_node *node = *n;
	node->name = t.name;
	node->quoted = t.kind == TOK_QUOTED;
	if (!is_op(p, OP_PAREN) || node->quoted)
		return 0;
	node->kind = NODE_CALL;
	node->method = true;
	r = advance(p);
	if (!r)
		r = parse_list(p, node, OP_PAREN_END, false, "\",\" or \")\"");
	return r ? r : make_loop(p, node);
}

static int parse_index(struct parser *p, struct cel_node **n)
{
	struct cel_node *key = NULL;
	size_t at = p->tok.at;
	int r = advance(p);
	if (!r)
		r = parse_expr(p, &key);
	if (!r)
		r = new_parent(p, NODE_INDEX, at, *n, key, n);
	return r ? r : expect(p, OP_BRACKET_END, "\"]\"");
}

static int parse_member(struct parser *p, struct cel_node *n, size_t from, struct cel_node **ret)
{
	int r = 0;
	assert(n);
	for (;;) {
		span(p, n, from); /* parentheses around a primary are its own */
		if (is_op(p, OP_DOT))
			r = parse_dot(p, &n);
		else if (is_op(p, OP_BRACKET))
			r = parse_index(p, &n);
		else
			break;
		if (r)
			return r;
	}
	if (is_op(p, OP_BRACE) && (n->kind == NODE_NAME || n->kind == NODE_SELECT))
		return fail_at(p, p->tok.at, "messages are not part of this language");
	*ret = n;
	return 0;
}

/* ---- operators ---- */

/* A minus right before a number belongs to the number. */
static int parse_minus(struct parser *p, size_t at, struct cel_node **ret)
{
	struct cel_node *n = NULL;
	int r;
	if (p->tok.kind == TOK_INT) {
		r = parse_int(p, true, &n);
		return r ? r : parse_member(p, n, at, ret);
	}
	if (p->tok.kind == TOK_DOUBLE) {
		r = parse_literal(p, CEL_OF_DOUBLE(-p->tok.value.d), &n);
		return r ? r : parse_member(p, n, at, ret);
	}
	r = parse_unary(p, &n);
	if (!r)
		r = new_parent(p, NODE_UNARY, at, n, NULL, ret);
	if (r)
		return r;
	(*ret)->op = OP_SUB;
	span(p, *ret, at);
	return 0;
}

static int parse_prefix(struct parser *p, struct cel_node **ret)
{
	struct cel_node *n = NULL;
	size_t at = p->tok.at;
	int r;
	if (is_op(p, OP_SUB)) {
		r = advance(p);
		return r ? r : parse_minus(p, at, ret);
	}
	if (!is_op(p, OP_NOT)) {
		r = parse_primary(p, &n);
		return r ? r : parse_member(p, n, at, ret);
	}
	r = advance(p);
	if (!r)
		r = parse_unary(p, &n);
	if (!r)
		r = new_parent(p, NODE_UNARY, at, n, NULL, ret);
	if (r)
		return r;
	(*ret)->op = OP_NOT;
	span(p, *ret, at);
	return 0;
}

/* Every nesting goes through here, so that this is the one place where its depth is counted. */
static int parse_unary(struct parser *p, struct cel_node **ret)
{
	if (++p->nest > CEL_NEST_MAX)
		return cel_diagnose(p->lx.diag, p->lx.text, p->tok.at,
				    "nested deeper than %d levels", CEL_NEST_MAX);
	int r = parse_prefix(p, ret);
	p->nest--;
	return r;
}

static int precedence(const struct parser *p)
{
	if (p->tok.kind != TOK_PUNCT && p->tok.op != OP_IN)
		return 0;
	switch (p->tok.op) {
	case OP_OR:
		return 1;
	case OP_AND:
		return 2;
	case OP_EQ:
	case OP_NE:
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
	case OP_IN:
		return 3;
	case OP_ADD:
	case OP_SUB:
		return 4;
	case OP_MUL:
	case OP_DIV:
	case OP_MOD:
		return 5;
	case OP_NONE:
	case OP_NOT:
	case OP_ASK:
	case OP_COLON:
	case OP_DOT:
	case OP_COMMA:
	case OP_PAREN:
	case OP_PAREN_END:
	case OP_BRACKET:
	case OP_BRACKET_END:
	case OP_BRACE:
	case OP_BRACE_END:
	default:
		return 0;
	}
}

/* Operators of precedence `least` and above; all of them group to the left. */
static int parse_binary(struct parser *p, int least, struct cel_node **ret)
{
	struct cel_node *left = NULL, *right = NULL;
	int r = parse_unary(p, &left);
	if (r)
		return r;
	for (int prec; (prec = precedence(p)) >= least;) {
		enum cel_op op = p->tok.op;
		size_t at = p->tok.at;
		r = advance(p);
		if (!r)
			r = parse_binary(p, prec + 1, &right);
		if (!r)
			r = new_parent(p, NODE_BINARY, at, left, right, &left);
		if (r)
			return r;
		left->op = op;
		span(p, left, left->kids[0]->from);
	}
	*ret = left;
	return 0;
}

static int parse_expr(struct parser *p, struct cel_node **ret)
{
	struct cel_node *cond = NULL, *yes = NULL, *no = NULL;
	int r = parse_binary(p, 1, &cond);
	if (r)
		return r;
	*ret = cond;
	if (!is_op(p, OP_ASK))
		return 0;
	size_t at = p->tok.at;
	if (++p->nest > CEL_NEST_MAX)
		return fail_at(p, at, "too many ?: in one another");
	r = advance(p);
	if (!r)
		r = parse_binary(p, 1, &yes);
	if (!r)
		r = expect(p, OP_COLON, "\":\"");
	if (!r)
		r = parse_expr(p, &no);
	if (!r)
		r = new_parent(p, NODE_TERNARY, at, cond, yes, ret);
	p->nest--;
	if (!r)
		r = add_kid(p, *ret, no);
	if (!r)
		span(p, *ret, (*ret)->kids[0]->from);
	return r;
}

int cel_parse(struct slice text, struct arena *arena, struct cel_diag *diag, struct cel_node **ret)
{
	struct parser p = {.lx = {.text = text, .arena = arena, .diag = diag}};
	struct cel_node *n = NULL;
	int r = advance(&p);
	if (!r)
		r = parse_expr(&p, &n);
	if (!r && p.tok.kind != TOK_END)
		r = fail_expected(&p, "an operator");
	if (r)
		return r;
	*ret = n;
	return 0;
}
