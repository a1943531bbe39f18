/*
 * cel_regex: regular expressions for matches(): found anywhere in the text, UTF-8, bounded.
 *
 * PCRE2, held to what RE2 knows, with every step of a match counted, so that no pattern of a rule
 * and no text of a device can stall the engine; a match that takes too many is an error, not "no".
 * Any thread: a compiled pattern is read-only.
 */
#ifndef GRIDHUB_CEL_REGEX_H
#define GRIDHUB_CEL_REGEX_H

#include "base.h"

struct cel_regex;

#define CEL_PATTERN_MAX 1024 /* bytes */
#define CEL_PATTERN_STEPS                                                      \
	1000 /* what compiling one counts for among the steps of an evaluation \
	      */

/* -EINVAL: *ret_at = byte offset of the fault in the pattern, why says what; -ENOMEM. */
must_check int cel_regex_new(struct slice pattern, size_t *ret_at, char why[static 128],
			     struct cel_regex **ret);
void cel_regex_free(struct cel_regex *re);
/* -E2BIG: more than `max_steps`. *ret_steps, set in any case, is what it took. */
must_check int cel_regex_match(const struct cel_regex *re, struct slice text, uint64_t max_steps,
			       uint64_t *ret_steps, bool *ret);

#endif
