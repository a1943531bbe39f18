#include "replay_fields.h"

#include <math.h>
#include <stdlib.h>

/* DESIGN: one pass over text that has a NUL behind it, so that no look ahead needs a bound: the NUL
 * is never what is expected. */

#define EXACT_DIGITS 15 /* so many digits are an exact double, and so is 10^22 */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape, *at behind its backslash; the byte that it stands for, or -1. */
static int unescape(char **at)
{
	static const char named[] = "\"\"\\\\b\bf\fn\nr\rt\t";
	char c = *(*at)++;
	for (size_t i = 0; i + 1 < sizeof named; i += 2)
		if (named[i] == c)
			return named[i + 1];
	char *u = *at;
	if (c != 'u' || u[0] != '0' || u[1] != '0' || hex(u[2]) < 0 || hex(u[2]) > 1 ||
	    hex(u[3]) < 0)
		return -1;
	int code = hex(u[2]) << 4 | hex(u[3]);
	*at += 4;
	return code ? code : -1;
}

/* A text from its quote on; *at goes behind the closing one, which becomes the NUL. */
static int take_text(char **at, struct slice *ret)
{
	if (**at != '"')
		return -EBADMSG;
	char *from = ++*at, *to = from;
	for (;;) {
		unsigned char c = (unsigned char)**at;
		if (c < 0x20) /* the end, too */
			return -EBADMSG;
		++*at;
		if (c == '"')
			break;
		int byte = c == '\\' ? unescape(at) : c;
		if (byte < 0)
			return -EBADMSG;
		*to++ = (char)byte;
	}
	*to = 0;
	*ret = (struct slice){from, (size_t)(to - from)};
	return 0;
}

static int long_number(const char *from, struct value *ret)
{
	double d = strtod(from, NULL);
	if (!isfinite(d))
		return -ERANGE;
	*ret = VALUE_OF_DOUBLE(d == 0 ? 0 : d);
	return 0;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?, as numeric is written: never with an exponent. */
static int take_number(char **at, struct value *ret)
{
	static const double scale[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,	 1e6,  1e7,
				       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *from = *at, *p = from + (*from == '-');
	bool minus = *from == '-', fits = true;
	uint64_t digits = 0;
	const char *first = p;
	for (; *p >= '0' && *p <= '9'; p++)
		fits = fits && !__builtin_mul_overflow(digits, UINT64_C(10), &digits) &&
		       !__builtin_add_overflow(digits, (uint64_t)(*p - '0'), &digits);
	if (p == first || (*first == '0' && p > first + 1))
		return -EBADMSG;
	if (*p != '.') {
		*at += p - from;
		if (!fits || digits > (uint64_t)INT64_MAX + minus)
			return long_number(from, ret);
		*ret = VALUE_OF_INT(minus ? (int64_t)(0 - digits) : (int64_t)digits);
		return 0;
	}
	const char *point = p++;
	for (; *p >= '0' && *p <= '9'; p++)
		digits = digits * 10 + (uint64_t)(*p - '0');
	size_t decimals = (size_t)(p - point - 1);
	if (!decimals)
		return -EBADMSG;
	*at += p - from;
	if (p - first - 1 > EXACT_DIGITS)
		return long_number(from, ret);
	double d = (double)digits / scale[decimals];
	*ret = VALUE_OF_DOUBLE(minus && d != 0 ? -d : d);
	return 0;
}

static int take_word(char **at, const char *word, struct value v, struct value *ret)
{
	size_t n = strlen(word);
	if (strncmp(*at, word, n) != 0)
		return -EBADMSG;
	*at += n;
	*ret = v;
	return 0;
}

static int take_value(char **at, struct value *ret)
{
	switch (**at) {
	case '"':
		*ret = (struct value){.type = VALUE_STRING};
		return take_text(at, &ret->s);
	case 't':
		return take_word(at, "true", VALUE_OF_BOOL(true), ret);
	case 'f':
		return take_word(at, "false", VALUE_OF_BOOL(false), ret);
	case 'n':
		return take_word(at, "null", (struct value){.type = VALUE_NULL}, ret);
	default:
		return take_number(at, ret);
	}
}

static bool take(char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

int replay_fields(char *text, size_t n, struct field *fields, size_t *ret_n)
{
	char *at = text;
	size_t count = 0;
	text[n] = 0;
	if (!take(&at, '{'))
		return -EBADMSG;
	while (*at != '}') {
		if (count == READING_MAX_FIELDS)
			return -E2BIG;
		struct field *f = &fields[count];
		if (count && (!take(&at, ',') || !take(&at, ' ')))
			return -EBADMSG;
		int r = take_text(&at, &f->name);
		if (!r && (!take(&at, ':') || !take(&at, ' ')))
			r = -EBADMSG;
		if (!r)
			r = take_value(&at, &f->v);
		if (r)
			return r;
		count++;
	}
	if (at + 1 != text + n)
		return -EBADMSG;
	*ret_n = count;
	return 0;
}
