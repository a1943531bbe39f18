/*
 * store_rule: the tables of what rules know: states, memories, counts of shadow rules, gaps. For
 * store_write.c only; each writes its rows of the batch, as struct section says there.
 */
#ifndef GRIDHUB_STORE_RULE_H
#define GRIDHUB_STORE_RULE_H

#include "store_columns.h"
#include "rule_run.h"

must_check int store_rule_states(struct store_writing *w, struct batch *b);
must_check int store_memories(struct store_writing *w, struct batch *b);
must_check int store_shadows(struct store_writing *w, struct batch *b);
must_check int store_gaps(struct store_writing *w, struct batch *b);

#endif
