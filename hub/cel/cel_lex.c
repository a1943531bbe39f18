#include "cel_lex.h"

#include <math.h>

int cel_diagnose(struct cel_diag *d, struct slice text, size_t at, const char *fmt, ...)
{
	d->at = MIN_OF(at, text.n);
	d->line = 1;
	d->col = 1;
	for (size_t i = 0; i < d->at; i++) {
		if (text.p[i] == '\n') {
			d->line++;
			d->col = 1;
		} else if (((unsigned char)text.p[i] & 0xC0) != 0x80) {
			d->col++;
		}
	}
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(d->msg, sizeof d->msg, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

#define SHOWN_BEFORE 100 /* bytes of a long line */
#define SHOWN_BEHIND 60

static bool begins_char(struct slice text, size_t at)
{
	return at >= text.n || ((unsigned char)text.p[at] & 0xC0) != 0x80;
}

/* A caret's column is a terminal's: Chinese takes two of them. */
static void put_blank(struct buf *out, unsigned char lead)
{
	bool wide = (lead >= 0xE3 && lead <= 0xED) || lead >= 0xEF;
	buf_puts(out, lead == '\t' ? "\t" : wide ? "  " : " ");
}

void cel_point(struct buf *out, struct slice text, const struct cel_diag *d)
{
	size_t from = d->at, to = d->at;
	while (from && text.p[from - 1] != '\n' &&
	       (d->at - from < SHOWN_BEFORE || !begins_char(text, from)))
		from--;
	while (to < text.n && text.p[to] != '\n' &&
	       (to - d->at < SHOWN_BEHIND || !begins_char(text, to)))
		to++;
	buf_put_slice(out, (struct slice){text.p + from, to - from});
	buf_putc(out, '\n');
	for (size_t i = from; i < d->at; i++)
		if (begins_char(text, i))
			put_blank(out, (unsigned char)text.p[i]);
	buf_printf(out, "^ %s", d->msg);
}

/* Past the end there are NUL bytes; those inside the text are found by the position. */
static char peek(const struct cel_lexer *lx, size_t ahead)
{
	return lx->at + ahead < lx->text.n ? lx->text.p[lx->at + ahead] : '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool cel_is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static void skip_blanks(struct cel_lexer *lx)
{
	for (;;) {
		char c = peek(lx, 0);
		if (c == '/' && peek(lx, 1) == '/') {
			while (lx->at < lx->text.n && peek(lx, 0) != '\n' && peek(lx, 0) != '\r')
				lx->at++;
		} else if (lx->at < lx->text.n &&
			   (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')) {
			lx->at++;
		} else {
			return;
		}
	}
}

/* ---- numbers ---- */

static int lex_hex(struct cel_lexer *lx, uint64_t *ret)
{
	size_t start = lx->at;
	uint64_t v = 0;
	lx->at += 2;
	if (hex_digit(peek(lx, 0)) < 0)
		return cel_diagnose(lx->diag, lx->text, start, "0x without a number");
	for (int d; (d = hex_digit(peek(lx, 0))) >= 0; lx->at++) {
		if (v >> 60)
			return cel_diagnose(lx->diag, lx->text, start, "the number is too large");
		v = v << 4 | (uint64_t)d;
	}
	*ret = v;
	return 0;
}

static int lex_decimal(struct cel_lexer *lx, uint64_t *ret)
{
	size_t start = lx->at;
	uint64_t v = 0;
	for (; is_digit(peek(lx, 0)); lx->at++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(peek(lx, 0) - '0'), &v))
			return cel_diagnose(lx->diag, lx->text, start, "the number is too large");
	*ret = v;
	return 0;
}

/* Length of a floating-point literal here; 0 when it is a whole number. */
static size_t double_length(const struct cel_lexer *lx)
{
	size_t i = 0, mantissa;
	bool is_double = false;
	while (is_digit(peek(lx, i)))
		i++;
	if (peek(lx, i) == '.' && is_digit(peek(lx, i + 1))) {
		is_double = true;
		for (i++; is_digit(peek(lx, i)); i++)
			;
	}
	mantissa = i;
	if (peek(lx, i) == 'e' || peek(lx, i) == 'E') {
		i++;
		if (peek(lx, i) == '+' || peek(lx, i) == '-')
			i++;
		if (!is_digit(peek(lx, i)))
			return is_double ? mantissa : 0;
		while (is_digit(peek(lx, i)))
			i++;
		is_double = true;
	}
	return is_double ? i : 0;
}

static int lex_double(struct cel_lexer *lx, size_t n, struct cel_token *t)
{
	struct slice copy = arena_copy(lx->arena, (struct slice){lx->text.p + lx->at, n});
	if (!copy.p)
		return -ENOMEM;
	double v = strtod(copy.p, NULL);
	if (!isfinite(v))
		return cel_diagnose(lx->diag, lx->text, lx->at, "the number is too large");
	lx->at += n;
	t->kind = TOK_DOUBLE;
	t->value = CEL_OF_DOUBLE(v);
	return 0;
}

static int lex_number(struct cel_lexer *lx, struct cel_token *t)
{
	uint64_t v = 0;
	bool hex = peek(lx, 0) == '0' && (peek(lx, 1) == 'x' || peek(lx, 1) == 'X');
	size_t n = hex ? 0 : double_length(lx);
	if (n)
		return lex_double(lx, n, t);
	int r = hex ? lex_hex(lx, &v) : lex_decimal(lx, &v);
	if (r)
		return r;
	t->kind = TOK_INT;
	if (peek(lx, 0) == 'u' || peek(lx, 0) == 'U') {
		t->kind = TOK_UINT;
		lx->at++;
	}
	t->value = CEL_OF_UINT(v);
	if (cel_is_word(peek(lx, 0)))
		return cel_diagnose(lx->diag, lx->text, lx->at, "a letter right after a number");
	return 0;
}

/* ---- strings ---- */

struct text {
	struct cel_lexer *lx;
	char quote;
	bool raw, bytes, triple;
	char *out; /* the scratch */
	size_t n;
};

static void put_rune(struct text *s, uint32_t c)
{
	unsigned char *o = (unsigned char *)s->out + s->n;
	if (c < 0x80) {
		o[0] = (unsigned char)c;
		s->n += 1;
	} else if (c < 0x800) {
		o[0] = (unsigned char)(0xC0 | c >> 6);
		o[1] = (unsigned char)(0x80 | (c & 0x3F));
		s->n += 2;
	} else if (c < 0x10000) {
		o[0] = (unsigned char)(0xE0 | c >> 12);
		o[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
		o[2] = (unsigned char)(0x80 | (c & 0x3F));
		s->n += 3;
	} else {
		o[0] = (unsigned char)(0xF0 | c >> 18);
		o[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
		o[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
		o[3] = (unsigned char)(0x80 | (c & 0x3F));
		s->n += 4;
	}
}

/* Numeric escape of `digits` digits in base 8 or 16, which begins at lx->at. */
static int number_escape(struct text *s, int base, int digits, size_t start)
{
	struct cel_lexer *lx = s->lx;
	uint32_t v = 0;
	for (int i = 0; i < digits; i++, lx->at++) {
		int d = hex_digit(peek(lx, 0));
		if (d < 0 || d >= base)
			return cel_diagnose(lx->diag, lx->text, start,
					    "an escape with too few digits (%d are needed)",
					    digits);
		v = v * (uint32_t)base + (uint32_t)d;
	}
	if (s->bytes && v <= 0xFF) {
		s->out[s->n++] = (char)(unsigned char)v;
		return 0;
	}
	if (v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF) || s->bytes)
		return cel_diagnose(lx->diag, lx->text, start, "an escape that is no %s",
				    s->bytes ? "byte" : "character");
	put_rune(s, v);
	return 0;
}

static int lex_escape(struct text *s)
{
	static const char plain[] = "a\ab\bf\fn\nr\rt\tv\v\\\\??\"\"''``";
	static const struct {
		char letter;
		int digits;
		bool in_bytes;
	} numeric[] = {{'x', 2, true}, {'X', 2, true}, {'u', 4, false}, {'U', 8, false}};
	struct cel_lexer *lx = s->lx;
	size_t start = lx->at++;
	char c = peek(lx, 0);
	for (size_t i = 0; i + 1 < sizeof plain; i += 2) {
		if (plain[i] == c) {
			s->out[s->n++] = plain[i + 1];
			lx->at++;
			return 0;
		}
	}
	for (size_t i = 0; i < COUNT_OF(numeric); i++) {
		if (numeric[i].letter == c && (numeric[i].in_bytes || !s->bytes)) {
			lx->at++;
			return number_escape(s, 16, numeric[i].digits, start);
		}
	}
	if (c >= '0' && c <= '3')
		return number_escape(s, 8, 3, start);
	return cel_diagnose(lx->diag, lx->text, start, "an unknown escape (\\\\ is a backslash)");
}

static bool at_end_quote(const struct text *s)
{
	const struct cel_lexer *lx = s->lx;
	if (peek(lx, 0) != s->quote)
		return false;
	return !s->triple || (peek(lx, 1) == s->quote && peek(lx, 2) == s->quote);
}

static int lex_text_body(struct text *s, size_t start)
{
	struct cel_lexer *lx = s->lx;
	while (lx->at < lx->text.n) {
		char c = peek(lx, 0);
		int r = 0;
		if (at_end_quote(s)) {
			lx->at += s->triple ? 3 : 1;
			return 0;
		}
		if (!s->triple && (c == '\n' || c == '\r'))
			break;
		if (c == '\\' && !s->raw) {
			r = lex_escape(s);
		} else {
			s->out[s->n++] = c;
			lx->at++;
		}
		if (r)
			return r;
	}
	return cel_diagnose(lx->diag, lx->text, start, "a string without its closing quote");
}

static int lex_text(struct cel_lexer *lx, struct text s, struct cel_token *t)
{
	size_t start = lx->at;
	s.lx = lx;
	s.quote = peek(lx, 0);
	s.triple = peek(lx, 1) == s.quote && peek(lx, 2) == s.quote;
	lx->at += s.triple ? 3 : 1;
	/* \u0100 takes 6 bytes and makes 2: the source is always longer than what it means. */
	if (!lx->scratch)
		lx->scratch = arena_alloc(lx->arena, lx->text.n);
	s.out = lx->scratch;
	if (!s.out)
		return -ENOMEM;
	int r = lex_text_body(&s, start);
	if (r)
		return r;
	struct slice keep = arena_copy(lx->arena, (struct slice){s.out, s.n});
	if (!keep.p)
		return -ENOMEM;
	t->kind = s.bytes ? TOK_BYTES : TOK_STRING;
	t->value = CEL_OF_TEXT(s.bytes ? CEL_BYTES : CEL_STRING, keep);
	return 0;
}

/* b, r, br before a quote, in either case; false: no string begins here. */
static bool text_prefix(struct cel_lexer *lx, struct text *s)
{
	size_t i = 0;
	if (peek(lx, i) == 'b' || peek(lx, i) == 'B') {
		s->bytes = true;
		i++;
	}
	if (peek(lx, i) == 'r' || peek(lx, i) == 'R') {
		s->raw = true;
		i++;
	}
	if (peek(lx, i) != '"' && peek(lx, i) != '\'')
		return false;
	lx->at += i;
	return true;
}

/* ---- the rest ---- */

static int lex_quoted(struct cel_lexer *lx, struct cel_token *t)
{
	size_t start = lx->at++;
	while (lx->at < lx->text.n && peek(lx, 0) != '`' && peek(lx, 0) != '\n')
		lx->at++;
	if (peek(lx, 0) != '`' || lx->at == start + 1)
		return cel_diagnose(lx->diag, lx->text, start, "a quoted name without its end");
	t->kind = TOK_QUOTED;
	t->name = (struct slice){lx->text.p + start + 1, lx->at - start - 1};
	lx->at++;
	return 0;
}

static int lex_punct(struct cel_lexer *lx, struct cel_token *t)
{
	static const struct {
		const char *text;
		enum cel_op op;
	} table[] = {
		{"||", OP_OR},	   {"&&", OP_AND},	  {"==", OP_EQ},   {"!=", OP_NE},
		{"<=", OP_LE},	   {">=", OP_GE},	  {"<", OP_LT},	   {">", OP_GT},
		{"+", OP_ADD},	   {"-", OP_SUB},	  {"*", OP_MUL},   {"/", OP_DIV},
		{"%", OP_MOD},	   {"!", OP_NOT},	  {"?", OP_ASK},   {":", OP_COLON},
		{".", OP_DOT},	   {",", OP_COMMA},	  {"(", OP_PAREN}, {")", OP_PAREN_END},
		{"[", OP_BRACKET}, {"]", OP_BRACKET_END}, {"{", OP_BRACE}, {"}", OP_BRACE_END},
	};
	struct slice rest = {lx->text.p + lx->at, lx->text.n - lx->at};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (slice_starts(rest, table[i].text)) {
			t->kind = TOK_PUNCT;
			t->op = table[i].op;
			lx->at += strlen(table[i].text);
			return 0;
		}
	}
	const char *hint = rest.p[0] == '=' ? "; equality is ==" : "";
	if (rest.p[0] == '&' || rest.p[0] == '|')
		hint = "; and is &&, or is ||";
	if ((unsigned char)rest.p[0] < 0x21 || (unsigned char)rest.p[0] > 0x7E)
		return cel_diagnose(lx->diag, lx->text, lx->at,
				    "a character that has no meaning outside a string");
	return cel_diagnose(lx->diag, lx->text, lx->at, "\"%c\" has no meaning here%s", rest.p[0],
			    hint);
}

static int lex_any(struct cel_lexer *lx, struct cel_token *t)
{
	struct text s = {0};
	char c = peek(lx, 0);
	if (lx->at >= lx->text.n)
		return 0;
	if (text_prefix(lx, &s))
		return lex_text(lx, s, t);
	if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1))))
		return lex_number(lx, t);
	if (c == '`')
		return lex_quoted(lx, t);
	if (!cel_is_word(c))
		return lex_punct(lx, t);
	size_t start = lx->at;
	while (cel_is_word(peek(lx, 0)))
		lx->at++;
	t->kind = TOK_IDENT;
	t->name = (struct slice){lx->text.p + start, lx->at - start};
	return 0;
}

int cel_lex(struct cel_lexer *lx, struct cel_token *ret)
{
	skip_blanks(lx);
	struct cel_token t = {.kind = TOK_END, .at = lx->at};
	int r = lex_any(lx, &t);
	if (r)
		return r;
	t.n = lx->at - t.at;
	*ret = t;
	return 0;
}
