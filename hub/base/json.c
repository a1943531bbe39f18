#include "json.h"

#include <jansson.h>
#include <math.h>

const struct json_limits json_device_limits = {.max_bytes = 16 << 20, .max_depth = 16};

/* struct json is jansson's json_t under another name, so that no other file needs jansson.h. */
static const json_t *in(const struct json *v)
{
	return (const json_t *)v;
}

static const struct json *out(const json_t *v)
{
	return (const struct json *)v;
}

/* jansson allows 2048 levels; ours is a setting, so count brackets outside strings first. */
static bool too_deep(struct slice s, unsigned max_depth)
{
	unsigned depth = 0;
	bool str = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (str) {
			if (c == '\\')
				i++;
			else if (c == '"')
				str = false;
		} else if (c == '"') {
			str = true;
		} else if (c == '[' || c == '{') {
			if (++depth > max_depth)
				return true;
		} else if (c == ']' || c == '}') {
			depth -= depth > 0;
		}
	}
	return false;
}

static int code_of(const json_error_t *je)
{
	static const struct {
		enum json_error_code theirs;
		int ours;
	} codes[] = {
		{json_error_invalid_utf8, -EILSEQ},	{json_error_duplicate_key, -EEXIST},
		{json_error_numeric_overflow, -ERANGE}, {json_error_stack_overflow, -ELOOP},
		{json_error_out_of_memory, -ENOMEM},
	};
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (codes[i].theirs == json_error_code(je))
			return codes[i].ours;
	return -EBADMSG;
}

int json_parse(struct slice text, const struct json_limits *lim, struct err *e, struct json **ret)
{
	size_t bad;
	if (text.n > lim->max_bytes)
		return err_set(e, -EMSGSIZE, "JSON of %zu bytes, at most %zu are taken", text.n,
			       lim->max_bytes);
	if (!slice_utf8_ok(text, &bad))
		return err_set(e, -EILSEQ, "not UTF-8 at byte %zu", bad);
	if (too_deep(text, lim->max_depth))
		return err_set(e, -ELOOP, "JSON nested deeper than %u levels", lim->max_depth);
	json_error_t je;
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | (lim->nul ? JSON_ALLOW_NUL : 0);
	json_t *root = json_loadb(text.p ? text.p : "", text.n, flags, &je);
	if (!root)
		return err_set(e, code_of(&je), "JSON line %d column %d: %s", je.line, je.column,
			       je.text);
	*ret = (struct json *)root;
	return 0;
}

void json_free(struct json *root)
{
	json_decref((json_t *)root);
}

void json_freep(struct json **root)
{
	json_free(*root);
}

enum json_kind json_kind(const struct json *v)
{
	switch (json_typeof(in(v))) {
	case JSON_OBJECT:
		return JSON_K_OBJECT;
	case JSON_ARRAY:
		return JSON_K_ARRAY;
	case JSON_STRING:
		return JSON_K_STRING;
	case JSON_INTEGER:
		return JSON_K_INT;
	case JSON_REAL:
		return JSON_K_DOUBLE;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_K_BOOL;
	case JSON_NULL:
	default:
		return JSON_K_NULL;
	}
}

const char *json_kind_name(enum json_kind t)
{
	static const char *const names[] = {"null",   "bool",  "integer", "number",
					    "string", "array", "object"};
	return names[t];
}

bool json_is_num(const struct json *v)
{
	return v && json_is_number(in(v));
}

bool json_bool(const struct json *v)
{
	return v && json_is_true(in(v));
}

int64_t json_int(const struct json *v)
{
	return v ? (int64_t)json_integer_value(in(v)) : 0;
}

double json_double(const struct json *v)
{
	return v ? json_number_value(in(v)) : 0;
}

struct slice json_str(const struct json *v)
{
	if (!v || !json_is_string(in(v)))
		return (struct slice){0};
	return (struct slice){json_string_value(in(v)), json_string_length(in(v))};
}

const struct json *json_get(const struct json *v, const char *name)
{
	return v ? out(json_object_get(in(v), name)) : NULL;
}

size_t json_count(const struct json *v)
{
	if (!v)
		return 0;
	return json_is_array(in(v)) ? json_array_size(in(v)) : json_object_size(in(v));
}

const struct json *json_at(const struct json *array, size_t i)
{
	return array ? out(json_array_get(in(array), i)) : NULL;
}

/* jansson's iterators take a json_t that is not const, though they change nothing. */
static json_t *loose(const struct json *v)
{
	return (json_t *)(uintptr_t)v;
}

void *json_first(const struct json *object)
{
	return object ? json_object_iter(loose(object)) : NULL;
}

void *json_next(const struct json *object, void *it)
{
	return json_object_iter_next(loose(object), it);
}

struct slice json_key(void *it)
{
	return slice_of(json_object_iter_key(it));
}

const struct json *json_val(void *it)
{
	return out(json_object_iter_value(it));
}

static void put_escaped(struct buf *b, unsigned char c)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	for (size_t i = 0; i + 1 < sizeof named; i += 2) {
		if ((unsigned char)named[i] == c) {
			buf_putc(b, '\\');
			buf_putc(b, named[i + 1]);
			return;
		}
	}
	buf_printf(b, "\\u%04x", c);
}

void json_put_str(struct buf *b, struct slice s)
{
	size_t from = 0, bad = s.n;
	bool ok = slice_utf8_ok(s, &bad);
	size_t end = ok ? s.n : bad;
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n;) {
		if (i == end) {
			buf_put(b, s.p + from, i - from);
			buf_puts(b, "\xEF\xBF\xBD");
			from = ++i;
			struct slice rest = {s.p + i, s.n - i};
			end = slice_utf8_ok(rest, &bad) ? s.n : i + bad;
			continue;
		}
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == '"' || c == '\\') {
			buf_put(b, s.p + from, i - from);
			put_escaped(b, c);
			from = i + 1;
		}
		i++;
	}
	if (s.n > from)
		buf_put(b, s.p + from, s.n - from);
	buf_putc(b, '"');
}

/* What devices send has a few decimals: n / 10^k, which is exact to write without a search. */
static bool put_short_decimal(struct buf *b, double v)
{
	static const double scale[] = {1, 10, 100, 1000, 10000};
	for (unsigned k = 0; k < COUNT_OF(scale); k++) {
		double n = nearbyint(v * scale[k]);
		if (fabs(n) > 1e15)
			return false;
		if (n / scale[k] != v || (n == 0 && signbit(v)))
			continue;
		char text[32], *at = text + sizeof text;
		uint64_t u = (uint64_t)fabs(n);
		for (unsigned i = 0; u || i <= k; i++) {
			if (i && i == k)
				*--at = '.';
			*--at = (char)('0' + u % 10);
			u /= 10;
		}
		if (n < 0)
			*--at = '-';
		buf_put(b, at, (size_t)(text + sizeof text - at));
		return true;
	}
	return false;
}

void json_put_double(struct buf *b, double v)
{
	char tmp[40];
	if (!isfinite(v)) {
		buf_puts(b, "null");
		return;
	}
	if (put_short_decimal(b, v))
		return;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(tmp, sizeof tmp, "%.*g", digits, v);
		if (strtod(tmp, NULL) == v)
			break;
	}
	buf_puts(b, tmp);
}

void json_put_value(struct buf *b, const struct json *v)
{
	size_t n = json_dumpb(in(v), NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!buf_reserve(b, n))
		return;
	b->n += json_dumpb(in(v), b->p + b->n, n, JSON_COMPACT | JSON_ENCODE_ANY);
	b->p[b->n] = 0;
}

void json_put_key(struct buf *b, const char *key)
{
	if (b->n && !strchr("{[", b->p[b->n - 1]))
		buf_putc(b, ',');
	json_put_str(b, slice_of(key));
	buf_putc(b, ':');
}
