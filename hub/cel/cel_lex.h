/*
 * cel_lex: the tokens of a condition. Decodes literals; positions are byte offsets into the text.
 */
#ifndef GRIDHUB_CEL_LEX_H
#define GRIDHUB_CEL_LEX_H

#include "cel_value.h"

enum cel_token_kind {
	TOK_END,
	TOK_IDENT,
	TOK_QUOTED, /* `content-type`: only after a dot */
	TOK_INT,    /* value.u = magnitude, so that -9223372036854775808 can be read */
	TOK_UINT,
	TOK_DOUBLE,
	TOK_STRING,
	TOK_BYTES,
	TOK_PUNCT, /* one of the operators below, in op */
};

enum cel_op {
	OP_NONE,
	OP_OR,
	OP_AND,
	OP_EQ,
	OP_NE,
	OP_LE,
	OP_GE,
	OP_LT,
	OP_GT,
	OP_IN, /* from an identifier, by the parser */
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_NOT,
	OP_ASK,
	OP_COLON,
	OP_DOT,
	OP_COMMA,
	OP_PAREN,
	OP_PAREN_END,
	OP_BRACKET,
	OP_BRACKET_END,
	OP_BRACE,
	OP_BRACE_END,
};

struct cel_token {
	enum cel_token_kind kind;
	enum cel_op op;
	size_t at, n; /* the bytes it was read from */
	struct slice name;
	struct cel_value value;
};

/* Where and why a text is refused. */
#define CEL_DIAG_MAX 200
struct cel_diag {
	size_t at;     /* byte offset */
	int line, col; /* 1-based; col counts characters */
	char msg[CEL_DIAG_MAX];
};

struct cel_lexer {
	struct slice text; /* UTF-8 */
	size_t at;
	struct arena *arena; /* decoded strings go here */
	char *scratch;	     /* as large as the text; made by the first string */
	struct cel_diag *diag;
};

bool cel_is_word(char c); /* may it stand in a name, behind the first letter? */
/* -EINVAL with the diagnosis filled, -ENOMEM. */
must_check int cel_lex(struct cel_lexer *lx, struct cel_token *ret);
/* Fill d for a fault at byte `at` of the text; returns -EINVAL. */
int cel_diagnose(struct cel_diag *d, struct slice text, size_t at, const char *fmt, ...)
	printf_like(4, 5);
/* The line at fault, a caret under its place, and the message; no newline at the end. */
void cel_point(struct buf *out, struct slice text, const struct cel_diag *d);

#endif
