/*
 * rule_grid: the states of rules with `scope: grid`, found by grid. Such a state stands in the list
 * of the device that began it, as any other, and here. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_GRID_H
#define GRIDHUB_RULE_GRID_H

#include "rule_state.h"

struct grid_state {
	struct state st; /* first, so that both have one address */
	int64_t grid_id;
	struct grid_state *next; /* of the same bucket */
};

_Static_assert(STATE_BYTES - sizeof(struct state) + sizeof(struct grid_state) <= 300,
	       "a state of a grid takes at most 300 bytes");

/* 0: the device has no grid. */
int64_t grid_id_of(const struct device *d);
/* The grid whose state it is. */
int64_t grid_of_state(const struct state *st);
/* NULL: none. */
struct state *grid_state_find(const struct rule_states *s, int64_t grid_id,
			      const struct rule *rule);
/* The first and the next state of a grid, in no order that lasts; NULL: no more. */
struct state *grid_state_first(const struct rule_states *s, int64_t grid_id);
struct state *grid_state_next(const struct state *st);
/* st is the state of that grid from now on. */
must_check int grid_state_link(struct rule_states *s, struct state *st, int64_t grid_id);
void grid_state_unlink(struct rule_states *s, struct state *st);

#endif
