/*
 * rule_crowd: who of a grid is marked by a devices(), at most CROWD_MAX of them. Private to
 * rule_*.c.
 */
#ifndef GRIDHUB_RULE_CROWD_H
#define GRIDHUB_RULE_CROWD_H

#include "rule_state.h"

/* The device's mark says yes: it counts, or does so since mark->at_us. */
must_check int crowd_join(struct rule_states *s, const struct mark *mark, uint32_t device);
/* It does not count any more, if it did. */
void crowd_leave(struct rule_memory *m, const struct mark *mark, uint32_t device);
void crowds_drop(struct rule_memory *m);

#endif
