/*
 * cel_check: operands that can never fit, found before anything runs: `fill_pct > '85'`, `!temp_c`.
 *
 * Sets of types are worked out from the leaves up; what depends on data (an element, a macro's
 * variable, dyn()) may be anything. Refused is only an operation that ends in an error whatever
 * its operands hold: equality fits all types. That `||` may absorb such an error is no excuse.
 */
#ifndef GRIDHUB_CEL_CHECK_H
#define GRIDHUB_CEL_CHECK_H

#include "cel_code.h"

/* The tree has been through cel_generate(), which told the types of names and calls. The result
 * must be able to be one of names->wanted. -EINVAL with the diagnosis of the first fault; the
 * others, and with diag NULL all of them, go to names->also. */
must_check int cel_check(struct slice text, const struct cel_node *root,
			 const struct cel_names *names, struct cel_diag *diag);

#endif
