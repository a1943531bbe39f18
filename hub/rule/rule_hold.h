/*
 * rule_hold: how long a rule must hold by its schedules, when its gate is open, and what counts as
 * flapping. Pure; private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_HOLD_H
#define GRIDHUB_RULE_HOLD_H

#include "rule_state.h"

/* May a case be opened at that time, by `during` and `except`? */
bool rule_gate_open(const struct rule *rule, int64_t at_us);
/* Has what began at since_us held for long enough at at_us, and is the gate open? */
bool rule_hold_over(const struct rule *rule, int64_t since_us, int64_t at_us);
/*
 * The first time from from_us on (not before since_us) at which rule_hold_over is true. A search
 * that sees no end finishes early, at a time that is still too soon: ask again from there.
 */
int64_t rule_hold_due(const struct rule *rule, int64_t since_us, int64_t from_us);

/* When the timer of the state's phase runs out; INT64_MAX: it has none. */
int64_t state_due(const struct state *st);
/* When its windows will have run empty if nothing comes; INT64_MAX: they have, or it has none. */
int64_t state_recheck_due(const struct state *st);
/* How long it must be quiet before it has recovered. */
int64_t state_clear_hold(const struct state *st);

/* One more firing; true: with it the state begins to flap. */
bool state_count_firing(struct state *st, int64_t at_us);
/* At at_us all firings are too old to count. */
bool state_firings_over(const struct state *st, int64_t at_us);
void state_forget_firings(struct state *st);
/* As one number for rule_saved, and back. */
uint32_t state_pack_firings(const struct state *st);
void state_unpack_firings(struct state *st, uint32_t packed, int64_t oldest_us);

#endif
