#include "cel_json.h"

#include <inttypes.h>
#include <math.h>

#include "cel_time.h"
#include "crypto.h"

/* ---- out ---- */

static void put_double(struct buf *out, double d)
{
	size_t from = out->n;
	if (isnan(d) || isinf(d)) {
		buf_puts(out, isnan(d) ? "\"NaN\"" : d < 0 ? "\"-Infinity\"" : "\"Infinity\"");
		return;
	}
	json_put_double(out, d);
	if (!out->failed && !strpbrk(out->p + from, ".e"))
		buf_puts(out, ".0");
}

static void put_list(struct buf *out, struct cel_value v)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; i < v.n && !out->failed; i++) {
		if (i)
			buf_putc(out, ',');
		cel_put_json(out, v.list[i]);
	}
	buf_putc(out, ']');
}

static void put_map(struct buf *out, struct cel_value v)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; i < v.n && !out->failed; i++) {
		buf_puts(out, i ? ",[" : "[");
		cel_put_json(out, v.map[i].key);
		buf_putc(out, ',');
		cel_put_json(out, v.map[i].val);
		buf_putc(out, ']');
	}
	buf_putc(out, ']');
}

static void put_quoted(struct buf *out, struct cel_value v)
{
	char tmp[64];
	buf_putc(out, '"');
	if (v.type == CEL_BYTES) {
		base64_put(out, cel_text(v));
	} else if (v.type == CEL_TYPE) {
		buf_puts(out, cel_type_names[v.i]);
	} else {
		if (v.type == CEL_TIMESTAMP)
			cel_timestamp_format(v, tmp, sizeof tmp);
		else
			cel_duration_format(v, tmp, sizeof tmp);
		buf_puts(out, tmp);
	}
	buf_putc(out, '"');
}

void cel_put_json(struct buf *out, struct cel_value v)
{
	buf_printf(out, "{\"%s\":", cel_type_words[v.type]);
	switch ((enum cel_type)v.type) {
	case CEL_BOOL:
		buf_puts(out, v.b ? "true" : "false");
		break;
	case CEL_INT:
		buf_printf(out, "%" PRId64, v.i);
		break;
	case CEL_UINT:
		buf_printf(out, "%" PRIu64, v.u);
		break;
	case CEL_DOUBLE:
		put_double(out, v.d);
		break;
	case CEL_STRING:
		json_put_str(out, cel_text(v));
		break;
	case CEL_LIST:
		put_list(out, v);
		break;
	case CEL_MAP:
		put_map(out, v);
		break;
	case CEL_BYTES:
	case CEL_TYPE:
	case CEL_TIMESTAMP:
	case CEL_DURATION:
		put_quoted(out, v);
		break;
	case CEL_NULL:
	case CEL_UNSET:
	case CEL_ERROR:
	case CEL_TYPE_COUNT:
	default:
		buf_putc(out, '0');
	}
	buf_putc(out, '}');
}

/* ---- in ---- */

static int bad(struct err *e, const char *what)
{
	return err_set(e, -EPROTO, "a value is {\"TYPE\":…}: %s", what);
}

static int full(struct err *e)
{
	return err_set(e, -ENOMEM, "more values than fit");
}

static int from_base64(struct cel_room *room, struct slice s, struct err *e, struct cel_value *ret)
{
	auto_buf struct buf out;
	buf_init(&out, s.n + 1);
	if (!s.p || base64_decode(s, &out))
		return bad(e, "bytes are base64");
	char *p = cel_alloc(room, out.n);
	if (!p || out.failed)
		return full(e);
	if (out.n)
		memcpy(p, out.p, out.n);
	*ret = (struct cel_value){.type = CEL_BYTES, .n = (uint32_t)out.n, .p = p};
	return 0;
}

static int from_list(struct cel_room *room, const struct json *v, struct err *e,
		     struct cel_value *ret)
{
	size_t n = json_count(v);
	struct cel_value list = {.type = CEL_LIST, .n = (uint32_t)n};
	if (json_kind(v) != JSON_K_ARRAY)
		return bad(e, "a list is an array");
	list.list = cel_alloc(room, n * sizeof *list.list);
	if (!list.list)
		return full(e);
	for (size_t i = 0; i < n; i++) {
		int r = cel_from_json(room, json_at(v, i), e, &list.list[i]);
		if (r)
			return r;
	}
	*ret = list;
	return 0;
}

static int from_map(struct cel_room *room, const struct json *v, struct err *e,
		    struct cel_value *ret)
{
	size_t n = json_kind(v) == JSON_K_ARRAY ? json_count(v) : 0;
	struct cel_value map = {.type = CEL_MAP};
	if (json_kind(v) != JSON_K_ARRAY)
		return bad(e, "a map is an array of [key, value]");
	map.map = cel_alloc(room, n * sizeof *map.map);
	if (!map.map)
		return full(e);
	for (size_t i = 0; i < n; i++) {
		const struct json *pair = json_at(v, i);
		struct cel_value key, val;
		if (json_kind(pair) != JSON_K_ARRAY || json_count(pair) != 2)
			return bad(e, "a map is an array of [key, value]");
		int r = cel_from_json(room, json_at(pair, 0), e, &key);
		if (!r)
			r = cel_from_json(room, json_at(pair, 1), e, &val);
		if (r)
			return r;
		if (cel_map_put(room, &map, key, val) != CEL_F_NONE)
			return bad(e, "a key of a wrong type, or twice");
	}
	*ret = map;
	return 0;
}

static int from_double(const struct json *v, struct err *e, struct cel_value *ret)
{
	static const struct {
		const char *name;
		double d;
	} words[] = {{"NaN", (double)NAN},
		     {"Infinity", (double)INFINITY},
		     {"-Infinity", (double)-INFINITY}};
	double d = json_double(v);
	bool good = json_is_num(v) || !slice_to_double(json_str(v), &d);
	for (size_t i = 0; i < COUNT_OF(words) && !good; i++) {
		good = slice_is(json_str(v), words[i].name);
		d = words[i].d;
	}
	*ret = CEL_OF_DOUBLE(d);
	return good ? 0 : bad(e, "a double is a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

static int from_uint(const struct json *v, struct err *e, struct cel_value *ret)
{
	uint64_t u = 0;
	struct slice s = json_str(v);
	bool fits = s.n > 0;
	for (size_t i = 0; i < s.n && fits; i++)
		fits = s.p[i] >= '0' && s.p[i] <= '9' && !__builtin_mul_overflow(u, 10, &u) &&
		       !__builtin_add_overflow(u, (uint64_t)(s.p[i] - '0'), &u);
	if (json_kind(v) == JSON_K_INT && json_int(v) >= 0)
		*ret = CEL_OF_UINT((uint64_t)json_int(v));
	else if (fits)
		*ret = CEL_OF_UINT(u);
	else
		return bad(e, "a uint is a whole number from 0 to 18446744073709551615");
	return 0;
}

static int from_type(struct slice name, struct err *e, struct cel_value *ret)
{
	for (int t = CEL_NULL; t < CEL_ERROR; t++) {
		if (slice_is(name, cel_type_names[t])) {
			*ret = CEL_VALUE(CEL_TYPE, i, t);
			return 0;
		}
	}
	return bad(e, "no such type");
}

static int from_time(struct cel_value v, struct err *e, struct cel_value *ret)
{
	if (v.type == CEL_ERROR)
		return bad(e, cel_fault_texts[v.n]);
	*ret = v;
	return 0;
}

#define JSON_MAX ((size_t)1024 * 1024)
#define JSON_DEPTH 64

/* Quote whole numbers of so many digits that our JSON refuses them. */
static void quote_large(struct slice s, struct buf *out)
{
	bool text = false;
	for (size_t i = 0, k; i < s.n; i = k) {
		for (k = i; k < s.n && s.p[k] >= '0' && s.p[k] <= '9'; k++)
			;
		bool whole = i && !strchr("0123456789.eE+-", s.p[i - 1]) && k < s.n &&
			     !strchr(".eE", s.p[k]);
		int64_t v;
		bool quote = !text && whole && k > i &&
			     slice_to_i64((struct slice){s.p + i, k - i}, &v) == -ERANGE;
		if (k == i && s.p[i] == '"')
			text = !text;
		k += k == i;
		k += text && s.p[i] == '\\' && k < s.n; /* what a backslash is for */
		buf_puts(out, quote ? "\"" : "");
		buf_put(out, s.p + i, k - i);
		buf_puts(out, quote ? "\"" : "");
	}
}

int cel_json_parse(struct slice text, struct err *e, struct json **ret)
{
	static const struct json_limits limits = {
		.max_bytes = 2 * JSON_MAX, .max_depth = JSON_DEPTH, .nul = true};
	auto_buf struct buf out;
	buf_init(&out, 2 * JSON_MAX);
	if (text.n > JSON_MAX)
		return err_set(e, -EMSGSIZE, "JSON of %zu bytes, at most %zu are taken", text.n,
			       JSON_MAX);
	quote_large(text, &out);
	return out.failed ? full(e) : json_parse(buf_slice(&out), &limits, e, ret);
}

int cel_from_json(struct cel_room *room, const struct json *v, struct err *e, struct cel_value *ret)
{
	void *it = v && json_kind(v) == JSON_K_OBJECT && json_count(v) == 1 ? json_first(v) : NULL;
	if (!it)
		return bad(e, "an object with one key was expected");
	const struct json *in = json_val(it);
	int type = CEL_NULL;
	while (type < CEL_ERROR && !slice_is(json_key(it), cel_type_words[type]))
		type++;
	switch ((enum cel_type)type) {
	case CEL_NULL:
		*ret = CEL_OF_NULL;
		return 0;
	case CEL_BOOL:
		*ret = CEL_OF_BOOL(json_bool(in));
		return json_kind(in) == JSON_K_BOOL ? 0 : bad(e, "a bool is true or false");
	case CEL_INT:
		*ret = CEL_OF_INT(json_int(in));
		return json_kind(in) == JSON_K_INT ? 0 : bad(e, "an int is a whole number");
	case CEL_UINT:
		return from_uint(in, e, ret);
	case CEL_DOUBLE:
		return from_double(in, e, ret);
	case CEL_STRING:
		*ret = CEL_OF_TEXT(CEL_STRING, json_str(in));
		return json_kind(in) == JSON_K_STRING ? 0 : bad(e, "a string is text");
	case CEL_BYTES:
		return from_base64(room, json_str(in), e, ret);
	case CEL_LIST:
		return from_list(room, in, e, ret);
	case CEL_MAP:
		return from_map(room, in, e, ret);
	case CEL_TYPE:
		return from_type(json_str(in), e, ret);
	case CEL_TIMESTAMP:
		return from_time(cel_timestamp_parse(json_str(in)), e, ret);
	case CEL_DURATION:
		return from_time(cel_duration_parse(json_str(in)), e, ret);
	case CEL_UNSET:
	case CEL_ERROR:
	case CEL_TYPE_COUNT:
	default:
		return bad(e, "no such type");
	}
}
