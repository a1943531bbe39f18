/*
 * replay_fields: the fields of a stored reading, out of jsonb's text, without a copy.
 *
 * Strict about the form that PostgreSQL gives to what reading_fields_json wrote: one flat object,
 * blanks behind ':' and ',' only, \u00xx for control characters alone; -EBADMSG for anything else,
 * -E2BIG past READING_MAX_FIELDS, -ERANGE for a number past all doubles. A number with a point, or
 * past the range of int64_t, is a double; another is an int. UTF-8 is taken as it is.
 */
#ifndef GRIDHUB_REPLAY_FIELDS_H
#define GRIDHUB_REPLAY_FIELDS_H

#include "reading.h"

/* text[n] must be writable, too: texts and names are unescaped and ended with a NUL in place, and
 * the fields borrow them. fields has room for READING_MAX_FIELDS. */
must_check int replay_fields(char *text, size_t n, struct field *fields, size_t *ret_n);

#endif
