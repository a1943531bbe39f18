/*
 * cel: conditions in CEL (Common Expression Language, github.com/google/cel-spec): compiled once,
 * evaluated many times, bounded each time. rules/README.md is the page for people who write them.
 *
 * A program is read-only once compiled (any thread); a machine belongs to one thread. Names are
 * resolved to slots when a text is compiled; the caller fills an array of values by slot for each
 * evaluation. CEL_UNSET in a slot is a field that is missing: has(x) is then false, and reading it
 * is an error that `||` and `&&` may absorb. Evaluation is in cel_vm.h.
 */
#ifndef GRIDHUB_CEL_H
#define GRIDHUB_CEL_H

#include "cel_vm.h"

#define CEL_TEXT_MAX ((size_t)16 * 1024) /* bytes of a condition */

/* -EINVAL: diag says where and why; -ENOMEM (diag is filled too). */
must_check int cel_compile(struct slice text, const struct cel_names *names, struct cel_diag *diag,
			   struct cel_program **ret);
void cel_free(struct cel_program *prog); /* NULL is fine */

/* "1:5: divide by zero" for an error that came out of prog. */
void cel_explain(const struct cel_program *prog, struct cel_value error, struct buf *out);

#endif
