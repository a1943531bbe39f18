#include "cel_value.h"

#include <math.h>

const char *const cel_type_names[CEL_TYPE_COUNT] = {
	[CEL_UNSET] = "unset",
	[CEL_NULL] = "null_type",
	[CEL_BOOL] = "bool",
	[CEL_INT] = "int",
	[CEL_UINT] = "uint",
	[CEL_DOUBLE] = "double",
	[CEL_STRING] = "string",
	[CEL_BYTES] = "bytes",
	[CEL_LIST] = "list",
	[CEL_MAP] = "map",
	[CEL_TYPE] = "type",
	[CEL_TIMESTAMP] = "google.protobuf.Timestamp",
	[CEL_DURATION] = "google.protobuf.Duration",
	[CEL_ERROR] = "error",
};

const char *const cel_type_words[CEL_TYPE_COUNT] = {
	[CEL_UNSET] = "unset",	     [CEL_NULL] = "null",   [CEL_BOOL] = "bool",
	[CEL_INT] = "int",	     [CEL_UINT] = "uint",   [CEL_DOUBLE] = "double",
	[CEL_STRING] = "string",     [CEL_BYTES] = "bytes", [CEL_LIST] = "list",
	[CEL_MAP] = "map",	     [CEL_TYPE] = "type",   [CEL_TIMESTAMP] = "timestamp",
	[CEL_DURATION] = "duration", [CEL_ERROR] = "error",
};

const char *const cel_fault_texts[CEL_FAULT_COUNT] = {
	[CEL_F_MISSING] = "missing field",
	[CEL_F_NAME] = "unknown name",
	[CEL_F_FUNCTION] = "unknown function",
	[CEL_F_OVERLOAD] = "no such overload (operands of a wrong type)",
	[CEL_F_DIVIDE] = "divide by zero",
	[CEL_F_OVERFLOW] = "integer overflow",
	[CEL_F_RANGE] = "out of range",
	[CEL_F_KEY] = "no such key",
	[CEL_F_KEY_TYPE] = "unsupported key type",
	[CEL_F_KEY_TWICE] = "the same key twice",
	[CEL_F_INDEX] = "invalid index",
	[CEL_F_CONVERT] = "type conversion error",
	[CEL_F_UTF8] = "invalid UTF-8",
	[CEL_F_REGEX] = "invalid regular expression",
	[CEL_F_REGEX_STEPS] = "the pattern takes too many steps on this text",
	[CEL_F_ZONE] = "unknown time zone",
	[CEL_F_STEPS] = "the condition takes too many steps",
	[CEL_F_MEMORY] = "the condition takes too much memory",
};

static bool give_up(struct cel_room *room, enum cel_fault why)
{
	if (!room->over)
		room->why = why;
	room->over = true;
	return false;
}

bool cel_charge(struct cel_room *room, uint64_t n)
{
	if (room->over)
		return false;
	if (n > (uint64_t)room->steps)
		return give_up(room, CEL_F_STEPS);
	room->steps -= (int64_t)n;
	return true;
}

void *cel_alloc(struct cel_room *room, size_t n)
{
	void *p = cel_charge(room, n / 64) ? arena_alloc(&room->arena, n ? n : 1) : NULL;
	if (!p)
		give_up(room, CEL_F_MEMORY);
	return p;
}

/* ---- equality and order ---- */

static bool is_num(struct cel_value v)
{
	return v.type == CEL_INT || v.type == CEL_UINT || v.type == CEL_DOUBLE;
}

static double as_double(struct cel_value v)
{
	if (v.type == CEL_DOUBLE)
		return v.d;
	return v.type == CEL_INT ? (double)v.i : (double)v.u;
}

#define THREE_WAY(a_, b_) (((a_) > (b_)) - ((a_) < (b_)))

static int order_nums(struct cel_value a, struct cel_value b, int *ret)
{
	if (a.type == CEL_INT && b.type == CEL_INT) {
		*ret = THREE_WAY(a.i, b.i);
	} else if (a.type == CEL_UINT && b.type == CEL_UINT) {
		*ret = THREE_WAY(a.u, b.u);
	} else if (a.type == CEL_DOUBLE || b.type == CEL_DOUBLE) {
		double x = as_double(a), y = as_double(b);
		if (isnan(x) || isnan(y))
			return -EDOM;
		*ret = THREE_WAY(x, y);
	} else if (a.type == CEL_INT) {
		*ret = a.i < 0 ? -1 : THREE_WAY((uint64_t)a.i, b.u);
	} else {
		*ret = b.i < 0 ? 1 : THREE_WAY(a.u, (uint64_t)b.i);
	}
	return 0;
}

int cel_order(struct cel_value a, struct cel_value b, int *ret_order)
{
	if (is_num(a) && is_num(b))
		return order_nums(a, b, ret_order);
	if (a.type != b.type)
		return -EINVAL;
	switch ((enum cel_type)a.type) {
	case CEL_STRING:
	case CEL_BYTES:
		*ret_order = slice_cmp(cel_text(a), cel_text(b));
		*ret_order = THREE_WAY(*ret_order, 0);
		return 0;
	case CEL_BOOL:
		*ret_order = THREE_WAY(a.b, b.b);
		return 0;
	case CEL_TIMESTAMP:
		*ret_order = a.i == b.i ? THREE_WAY(a.n, b.n) : THREE_WAY(a.i, b.i);
		return 0;
	case CEL_DURATION:
		*ret_order = THREE_WAY(a.i, b.i);
		return 0;
	case CEL_UNSET:
	case CEL_NULL:
	case CEL_INT:
	case CEL_UINT:
	case CEL_DOUBLE:
	case CEL_LIST:
	case CEL_MAP:
	case CEL_TYPE:
	case CEL_ERROR:
	case CEL_TYPE_COUNT:
	default:
		return -EINVAL;
	}
}

static bool equal_lists(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	for (uint32_t i = 0; i < a.n; i++)
		if (!cel_equal(room, a.list[i], b.list[i]))
			return false;
	return true;
}

static bool equal_maps(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	for (uint32_t i = 0; i < a.n; i++) {
		const struct cel_value *v = cel_map_get(room, b, a.map[i].key);
		if (!v || !cel_equal(room, a.map[i].val, *v))
			return false;
	}
	return true;
}

bool cel_equal(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	int order;
	bool long_texts =
		(a.type == CEL_STRING || a.type == CEL_BYTES) && a.type == b.type && a.n == b.n;
	if (!cel_charge(room, 1 + (long_texts ? a.n / 64 : 0)))
		return false;
	if (a.type != b.type)
		return is_num(a) && is_num(b) && order_nums(a, b, &order) == 0 && order == 0;
	if (a.type == CEL_LIST)
		return a.n == b.n && equal_lists(room, a, b);
	if (a.type == CEL_MAP)
		return a.n == b.n && equal_maps(room, a, b);
	if (a.type == CEL_NULL)
		return true;
	if (a.type == CEL_TYPE)
		return a.i == b.i;
	return cel_order(a, b, &order) == 0 && order == 0;
}

/* ---- lists and maps ---- */

const struct cel_value *cel_map_get(struct cel_room *room, struct cel_value map,
				    struct cel_value key)
{
	for (uint32_t i = 0; i < map.n; i++)
		if (cel_equal(room, map.map[i].key, key))
			return &map.map[i].val;
	return NULL;
}

/* A list's index may be any number with a whole value. */
static bool list_index(struct cel_value key, uint32_t n, uint32_t *ret)
{
	double d = is_num(key) ? as_double(key) : -1;
	if (!(d >= 0 && d < n) || d != floor(d))
		return false;
	*ret = (uint32_t)d;
	return true;
}

struct cel_value cel_index(struct cel_room *room, struct cel_value of, struct cel_value key)
{
	uint32_t i;
	if (of.type == CEL_LIST)
		return list_index(key, of.n, &i) ? of.list[i] : CEL_FAIL(CEL_F_INDEX);
	if (of.type != CEL_MAP)
		return CEL_FAIL(CEL_F_OVERLOAD);
	const struct cel_value *v = cel_map_get(room, of, key);
	return v ? *v : CEL_FAIL(CEL_F_KEY);
}

struct cel_value cel_in(struct cel_room *room, struct cel_value v, struct cel_value of)
{
	if (of.type == CEL_MAP)
		return CEL_OF_BOOL(cel_map_get(room, of, v) != NULL);
	if (of.type != CEL_LIST)
		return CEL_FAIL(CEL_F_OVERLOAD);
	for (uint32_t i = 0; i < of.n; i++)
		if (cel_equal(room, of.list[i], v))
			return CEL_OF_BOOL(true);
	return CEL_OF_BOOL(false);
}

enum cel_fault cel_map_put(struct cel_room *room, struct cel_value *map, struct cel_value key,
			   struct cel_value val)
{
	bool fit = key.type == CEL_STRING || key.type == CEL_INT || key.type == CEL_UINT ||
		   key.type == CEL_BOOL;
	if (!fit)
		return CEL_F_KEY_TYPE;
	if (cel_map_get(room, *map, key))
		return CEL_F_KEY_TWICE;
	map->map[map->n++] = (struct cel_pair){key, val};
	return CEL_F_NONE;
}

/* ---- arithmetic ---- */

/* Alike for int and uint; `edge_` is the one quotient that does not fit. */
#define CALC_WHOLE(name_, type_, of_, edge_)                                    \
	static struct cel_value name_(enum cel_arith op, type_ a, type_ b)      \
	{                                                                       \
		type_ r = 0;                                                    \
		bool by = op == CEL_DIV || op == CEL_MOD, over = by && (edge_); \
		if (by && b == 0)                                               \
			return CEL_FAIL(CEL_F_DIVIDE);                          \
		if (op == CEL_ADD)                                              \
			over = __builtin_add_overflow(a, b, &r);                \
		else if (op == CEL_SUB)                                         \
			over = __builtin_sub_overflow(a, b, &r);                \
		else if (op == CEL_MUL)                                         \
			over = __builtin_mul_overflow(a, b, &r);                \
		else if (!over)                                                 \
			r = op == CEL_DIV ? a / b : a % b;                      \
		return over ? CEL_FAIL(CEL_F_OVERFLOW) : of_(r);                \
	}

CALC_WHOLE(calc_int, int64_t, CEL_OF_INT, a == INT64_MIN && b == -1)
CALC_WHOLE(calc_uint, uint64_t, CEL_OF_UINT, false)

static struct cel_value calc_double(enum cel_arith op, double a, double b)
{
	switch (op) {
	case CEL_ADD:
		return CEL_OF_DOUBLE(a + b);
	case CEL_SUB:
		return CEL_OF_DOUBLE(a - b);
	case CEL_MUL:
		return CEL_OF_DOUBLE(a * b);
	case CEL_DIV:
		return CEL_OF_DOUBLE(a / b);
	case CEL_MOD:
	default:
		return CEL_FAIL(CEL_F_OVERLOAD);
	}
}

static struct cel_value join_text(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	size_t n = (size_t)a.n + b.n;
	char *p = cel_alloc(room, n);
	if (!p)
		return CEL_FAIL(CEL_F_MEMORY);
	if (a.n)
		memcpy(p, a.p, a.n);
	if (b.n)
		memcpy(p + a.n, b.p, b.n);
	return (struct cel_value){.type = a.type, .n = (uint32_t)n, .p = p};
}

static struct cel_value join_lists(struct cel_room *room, struct cel_value a, struct cel_value b)
{
	size_t n = (size_t)a.n + b.n;
	struct cel_value *v = cel_alloc(room, n * sizeof *v);
	if (!v)
		return CEL_FAIL(CEL_F_MEMORY);
	if (a.n)
		memcpy(v, a.list, a.n * sizeof *v);
	if (b.n)
		memcpy(v + a.n, b.list, b.n * sizeof *v);
	return (struct cel_value){.type = CEL_LIST, .n = (uint32_t)n, .list = v};
}

/* ---- time ---- */

#define NANOS INT64_C(1000000000)

struct cel_value cel_timestamp_of(int64_t seconds, uint32_t nanos)
{
	if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799))
		return CEL_FAIL(CEL_F_RANGE);
	return (struct cel_value){.type = CEL_TIMESTAMP, .n = nanos, .i = seconds};
}

static struct cel_value shift_timestamp(struct cel_value t, int64_t by, bool back)
{
	int64_t s = by / NANOS, n = by % NANOS;
	s = back ? t.i - s : t.i + s;
	n = back ? t.n - n : t.n + n;
	if (n < 0 || n >= NANOS) {
		s += n < 0 ? -1 : 1;
		n += n < 0 ? NANOS : -NANOS;
	}
	return cel_timestamp_of(s, (uint32_t)n);
}

static struct cel_value duration_between(struct cel_value a, struct cel_value b)
{
	int64_t ns;
	if (__builtin_mul_overflow(a.i - b.i, NANOS, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)a.n - (int64_t)b.n, &ns))
		return CEL_FAIL(CEL_F_RANGE);
	return CEL_VALUE(CEL_DURATION, i, ns);
}

static struct cel_value calc_time(enum cel_arith op, struct cel_value a, struct cel_value b)
{
	if (op != CEL_ADD && op != CEL_SUB)
		return CEL_FAIL(CEL_F_OVERLOAD);
	if (a.type == CEL_DURATION && b.type == CEL_DURATION) {
		struct cel_value sum = calc_int(op, a.i, b.i);
		return sum.type == CEL_ERROR ? CEL_FAIL(CEL_F_RANGE)
					     : CEL_VALUE(CEL_DURATION, i, sum.i);
	}
	if (a.type == CEL_TIMESTAMP && b.type == CEL_DURATION)
		return shift_timestamp(a, b.i, op == CEL_SUB);
	if (a.type == CEL_DURATION && b.type == CEL_TIMESTAMP && op == CEL_ADD)
		return shift_timestamp(b, a.i, false);
	if (a.type == CEL_TIMESTAMP && b.type == CEL_TIMESTAMP && op == CEL_SUB)
		return duration_between(a, b);
	return CEL_FAIL(CEL_F_OVERLOAD);
}

static bool is_time(struct cel_value v)
{
	return v.type == CEL_TIMESTAMP || v.type == CEL_DURATION;
}

struct cel_value cel_calc(struct cel_room *room, enum cel_arith op, struct cel_value a,
			  struct cel_value b)
{
	if (a.type == CEL_ERROR)
		return a;
	if (b.type == CEL_ERROR)
		return b;
	if (a.type == CEL_INT && b.type == CEL_INT)
		return calc_int(op, a.i, b.i);
	if (a.type == CEL_UINT && b.type == CEL_UINT)
		return calc_uint(op, a.u, b.u);
	if (is_num(a) && is_num(b) && (a.type == CEL_DOUBLE || b.type == CEL_DOUBLE))
		return calc_double(op, as_double(a), as_double(b));
	if (is_time(a) && is_time(b))
		return calc_time(op, a, b);
	if (op != CEL_ADD || a.type != b.type)
		return CEL_FAIL(CEL_F_OVERLOAD);
	if (a.type == CEL_STRING || a.type == CEL_BYTES)
		return join_text(room, a, b);
	return a.type == CEL_LIST ? join_lists(room, a, b) : CEL_FAIL(CEL_F_OVERLOAD);
}

struct cel_value cel_negate(struct cel_value v)
{
	if (v.type == CEL_INT && v.i == INT64_MIN)
		return CEL_FAIL(CEL_F_OVERFLOW);
	if (v.type == CEL_INT)
		return CEL_OF_INT(-v.i);
	if (v.type == CEL_DOUBLE)
		return CEL_OF_DOUBLE(-v.d);
	return v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
}
