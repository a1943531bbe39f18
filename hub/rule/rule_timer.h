/*
 * rule_timer: the heap of states that wait for a time: the soonest first, equal times in the order
 * of devices and rules. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_TIMER_H
#define GRIDHUB_RULE_TIMER_H

#include "rule_state.h"

/* It waits for due_us from now on; INT64_MAX: for nothing. */
must_check int state_timer_start(struct rule_states *s, struct state *st, int64_t due_us);
void state_timer_stop(struct rule_states *s, struct state *st);
/* Rules have other places now, which order equal times. */
void state_timers_sort(struct rule_states *s);
/* Of two that wait: is a due before b, or in front of it? */
bool state_timer_sooner(const struct state *a, const struct state *b);
/* The one that is due next; NULL: none waits. */
struct state *state_timer_first(const struct rule_states *s);

#endif
