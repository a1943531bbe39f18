/*
 * json: strict reading of one JSON value (RFC 8259) from outside, and writing.
 *
 * Refused, with an errno that says why: larger than max_bytes (-EMSGSIZE), nested deeper than
 * max_depth
 * (-ELOOP), not UTF-8 (-EILSEQ), a name twice in one object (-EEXIST), a number out of range
 * (-ERANGE), anything else that is not JSON, NaN and Infinity and (mostly) NUL among it (-EBADMSG).
 * Any thread. This is the only module that knows which library reads JSON.
 */
#ifndef GRIDHUB_JSON_H
#define GRIDHUB_JSON_H

#include "base.h"

struct json; /* one value; those inside it are borrowed from the root */

enum json_kind {
	JSON_K_NULL,
	JSON_K_BOOL,
	JSON_K_INT,
	JSON_K_DOUBLE,
	JSON_K_STRING,
	JSON_K_ARRAY,
	JSON_K_OBJECT
};

struct json_limits {
	size_t max_bytes;
	unsigned max_depth; /* 1..512 */
	bool nul;	    /* \u0000 is taken in a text */
};

/* For what a device sends: 16 levels, and the most that intake.max_payload may allow. */
extern const struct json_limits json_device_limits;

must_check int json_parse(struct slice text, const struct json_limits *lim, struct err *e,
			  struct json **ret);
void json_free(struct json *root); /* NULL is fine */
void json_freep(struct json **root);
#define auto_json auto_call(json_freep)

enum json_kind json_kind(const struct json *v);
const char *json_kind_name(enum json_kind t);
bool json_is_num(const struct json *v);
bool json_bool(const struct json *v);	     /* false unless JSON_K_BOOL */
int64_t json_int(const struct json *v);	     /* 0 unless JSON_K_INT */
double json_double(const struct json *v);    /* of an int or a double; else 0 */
struct slice json_str(const struct json *v); /* empty unless JSON_K_STRING; also NUL-terminated */

/* Member of an object; NULL when v is no object or has no such name. */
const struct json *json_get(const struct json *v, const char *name);
size_t json_count(const struct json *v); /* of an array or object; else 0 */
const struct json *json_at(const struct json *array, size_t i);

/* for (void *it = json_first(o); it; it = json_next(o, it)) … in the order of the text */
void *json_first(const struct json *object);
void *json_next(const struct json *object, void *it);
struct slice json_key(void *it);
const struct json *json_val(void *it);

/* ---- writing into a buf; the caller puts commas and braces ---- */
void json_put_str(struct buf *b,
		  struct slice s); /* quoted and escaped; bytes that are not UTF-8 become U+FFFD */
void json_put_double(struct buf *b,
		     double v); /* shortest that reads back the same; not finite → null */
void json_put_value(struct buf *b, const struct json *v); /* compact, order kept */
/* `"key":` — with a comma before it unless it follows an opening brace or bracket. */
void json_put_key(struct buf *b, const char *key);

#endif
