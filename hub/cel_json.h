/*
 * cel_json: values of the condition language as JSON that says their type, as the public
 * conformance suite writes them: {"int":1}, {"double":"NaN"}, {"bytes":"base64"}, {"list":[…]},
 * {"map":[[key,value],…]}, {"null":0}, {"type":"int"}, {"timestamp":"…"}, {"duration":"1.5s"}.
 */
#ifndef GRIDHUB_CEL_JSON_H
#define GRIDHUB_CEL_JSON_H

#include "json.h"
#include "cel_value.h"

/* Not for CEL_ERROR, CEL_UNSET. */
void cel_put_json(struct buf *out, struct cel_value v);
/* Strings are borrowed from v, what else is needed comes from room. -EPROTO: not of that form. */
must_check int cel_from_json(struct cel_room *room, const struct json *v, struct err *e,
			     struct cel_value *ret);

#endif
