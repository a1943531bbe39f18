/*
 * cel_value: the values that conditions work on, with CEL's equality, order and look-up.
 *
 * A value is 16 bytes and is passed by value; strings, lists and maps borrow their content from
 * the reading, the program or the room of the evaluation, whichever made them. An error is a value
 * too: it travels through operators until something absorbs it (`true || error`) or it is the
 * result.
 */
#ifndef GRIDHUB_CEL_VALUE_H
#define GRIDHUB_CEL_VALUE_H

#include "base.h"

enum cel_type {
	CEL_UNSET, /* only in slots: the field is missing */
	CEL_NULL,
	CEL_BOOL,
	CEL_INT,
	CEL_UINT,
	CEL_DOUBLE,
	CEL_STRING,
	CEL_BYTES,
	CEL_LIST,
	CEL_MAP,
	CEL_TYPE,      /* .i = enum cel_type */
	CEL_TIMESTAMP, /* .i = seconds since 1970, .n = nanoseconds */
	CEL_DURATION,  /* .i = nanoseconds */
	CEL_ERROR,     /* .n = enum cel_fault, .i = offset in the expression, -1 = not known yet */
	CEL_TYPE_COUNT
};
extern const char *const cel_type_names[CEL_TYPE_COUNT]; /* as type() shows them */
extern const char *const cel_type_words[CEL_TYPE_COUNT]; /* as people call them */

/* Sets of types. */
#define CEL_BIT(type_) (1u << (type_))
#define CEL_NUMBERS (CEL_BIT(CEL_INT) | CEL_BIT(CEL_UINT) | CEL_BIT(CEL_DOUBLE))
#define CEL_ANY (CEL_BIT(CEL_ERROR) - CEL_BIT(CEL_NULL))

/* Why an evaluation has no result. */
enum cel_fault {
	CEL_F_MISSING,	/* the reading has no such field */
	CEL_F_NAME,	/* unknown name */
	CEL_F_FUNCTION, /* unknown function */
	CEL_F_OVERLOAD, /* no such overload: operands of a wrong type */
	CEL_F_DIVIDE,
	CEL_F_OVERFLOW,
	CEL_F_RANGE,
	CEL_F_KEY, /* no such key */
	CEL_F_KEY_TYPE,
	CEL_F_KEY_TWICE,
	CEL_F_INDEX,
	CEL_F_CONVERT,
	CEL_F_UTF8,
	CEL_F_REGEX,
	CEL_F_REGEX_STEPS, /* the limit of one match */
	CEL_F_ZONE,
	CEL_F_STEPS,  /* ended: the limit on steps */
	CEL_F_MEMORY, /* ended: the limit on memory */
	CEL_FAULT_COUNT
};
extern const char *const cel_fault_texts[CEL_FAULT_COUNT];

struct cel_pair;
struct cel_value {
	uint32_t type; /* enum cel_type */
	uint32_t n;    /* length of a string or bytes, count of a list or map */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const char *p;
		struct cel_value *list;
		struct cel_pair *map;
	};
};

struct cel_pair {
	struct cel_value key, val;
};

#define CEL_VALUE(type_, member_, v_) ((struct cel_value){.type = (type_), .member_ = (v_)})
#define CEL_OF_BOOL(v_) CEL_VALUE(CEL_BOOL, b, v_)
#define CEL_OF_INT(v_) CEL_VALUE(CEL_INT, i, v_)
#define CEL_OF_UINT(v_) CEL_VALUE(CEL_UINT, u, v_)
#define CEL_OF_DOUBLE(v_) CEL_VALUE(CEL_DOUBLE, d, v_)
#define CEL_OF_NULL ((struct cel_value){.type = CEL_NULL})
#define CEL_OF_TEXT(type_, s_) \
	((struct cel_value){.type = (type_), .n = (uint32_t)(s_).n, .p = (s_).p})
#define CEL_FAIL(fault_) ((struct cel_value){.type = CEL_ERROR, .n = (fault_), .i = -1})

static inline struct slice cel_text(struct cel_value v)
{
	return (struct slice){v.p, v.n};
}

/* What one evaluation may use; over is sticky and ends the evaluation whatever the operators say.
 */
struct cel_room {
	struct arena arena;
	int64_t steps; /* left */
	bool over;
	enum cel_fault why;
};

/* Take n steps; false when there are none left. */
bool cel_charge(struct cel_room *room, uint64_t n);
/* NULL when the memory is used up (room->over is then set). */
void *cel_alloc(struct cel_room *room, size_t n);

/* Equality across types: numbers by value, other types that differ are not equal. */
bool cel_equal(struct cel_room *room, struct cel_value a, struct cel_value b);
/* <0, 0, >0 in *ret_order; -EDOM: not comparable because of NaN; -EINVAL: types without an order.
 */
must_check int cel_order(struct cel_value a, struct cel_value b, int *ret_order);
/* NULL: no such key. */
const struct cel_value *cel_map_get(struct cel_room *room, struct cel_value map,
				    struct cel_value key);
/* map[key] or list[i]. */
struct cel_value cel_index(struct cel_room *room, struct cel_value of, struct cel_value key);
struct cel_value cel_in(struct cel_room *room, struct cel_value v, struct cel_value of);
/* Put (key, val) into a map that has room for it; key type and uniqueness are checked. */
enum cel_fault cel_map_put(struct cel_room *room, struct cel_value *map, struct cel_value key,
			   struct cel_value val);
#define CEL_F_NONE CEL_FAULT_COUNT

/* ---- arithmetic ---- */
enum cel_arith { CEL_ADD, CEL_SUB, CEL_MUL, CEL_DIV, CEL_MOD };
struct cel_value cel_calc(struct cel_room *room, enum cel_arith op, struct cel_value a,
			  struct cel_value b);
struct cel_value cel_negate(struct cel_value v);
/* Years 0001 to 9999, else an error. */
struct cel_value cel_timestamp_of(int64_t seconds, uint32_t nanos);

#endif
