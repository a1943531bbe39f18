/*
 * cel_json: values of the condition language as JSON that says their type, as the public
 * conformance suite writes them: {"int":1}, {"double":"NaN"}, {"bytes":"base64"}, {"list":[…]},
 * {"map":[[key,value],…]}, {"null":0}, {"type":"int"}, {"timestamp":"…"}, {"duration":"1.5s"}.
 */
#ifndef GRIDHUB_CEL_JSON_H
#define GRIDHUB_CEL_JSON_H

#include "json.h"
#include "cel_value.h"

/* Not for CEL_ERROR, CEL_UNSET. A small value may be long as text (a list of a list twice, and so
 * on): out's limit ends that. */
void cel_put_json(struct buf *out, struct cel_value v);
/* json_parse(), but whole numbers past INT64_MAX are taken: they become texts, which {"uint":…}
 * reads, and NULs in texts. -ENOMEM too. */
must_check int cel_json_parse(struct slice text, struct err *e, struct json **ret);
/* Strings are borrowed from v, what else is needed comes from room. -EPROTO: not of that form;
 * -ENOMEM. */
must_check int cel_from_json(struct cel_room *room, const struct json *v, struct err *e,
			     struct cel_value *ret);

#endif
