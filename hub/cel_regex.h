/*
 * cel_regex: regular expressions for matches(): found anywhere in the text, UTF-8, bounded.
 *
 * PCRE2 with limits on backtracking, depth and heap, so that no pattern of a rule and no text of a
 * device can stall the engine; a match that exceeds them is an error, not "no". Any thread: a
 * compiled pattern is read-only.
 */
#ifndef GRIDHUB_CEL_REGEX_H
#define GRIDHUB_CEL_REGEX_H

#include "base.h"

struct cel_regex;

#define CEL_PATTERN_MAX 1024 /* bytes */
/* What a match counts for among the steps of an evaluation: one that works, one that reached a
 * limit. */
#define CEL_MATCH_STEPS 100
#define CEL_MATCH_FAILED_STEPS 10000

/* -EINVAL: *ret_at = byte offset of the fault in the pattern, why says what; -ENOMEM. */
must_check int cel_regex_new(struct slice pattern, size_t *ret_at, char why[static 128],
			     struct cel_regex **ret);
void cel_regex_free(struct cel_regex *re);
/* -E2BIG: a limit was reached. */
must_check int cel_regex_match(const struct cel_regex *re, struct slice text, bool *ret);

#endif
