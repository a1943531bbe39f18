/*
 * rule_look: one look of the rules at one reading, or at a timer. Private to rule_*.c: rule_eval.c
 * exposes the reading and picks rules, rule_cond.c answers conditions, rule_phase.c moves states.
 */
#ifndef GRIDHUB_RULE_LOOK_H
#define GRIDHUB_RULE_LOOK_H

#include "rule_state.h"

/* What one call works on. */
struct look {
	struct rule_states *s;
	const struct device *d;
	const struct reading *r; /* NULL: a timer */
	int64_t at_us;
	anomaly_fn fn;
	void *ctx;
};

enum truth { NO, YES, HOLD };

/* The condition p of the rule; HOLD: a field is missing, or an error, which is counted and kept. */
enum truth rule_truth(const struct look *l, const struct rule *rule, const struct cel_program *p);
/* May it recover? Without `clear` that is the same as `when` being false. */
enum truth rule_clear(const struct look *l, const struct rule *rule);
/* Older than what was seen, but not by so much that the clock must have been put back. */
bool rule_is_late(int64_t at_us, int64_t seen_us);
/* The rule and the reading at hand; *at is where the rule's state stands, or would. */
must_check int rule_look_at(const struct look *l, const struct rule *rule, struct state **at);

#endif
