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
/* The value of p; slots that are no fields are filled as it asks for them. */
struct cel_value rule_value(const struct look *l, const struct cel_program *p);
/* An evaluation of p failed: it is counted, and told. rule NULL: p feeds a window. */
void rule_failed(const struct look *l, const struct rule *rule, const struct cel_program *p,
		 struct cel_value v);
/* What was filled for l, or another device or time, goes. */
void rule_unfill(struct rule_states *s);
/* May it recover? Without `clear` that is the same as `when` being false. */
enum truth rule_clear(const struct look *l, const struct rule *rule);
/* Older than what was seen, but not by so much that the clock must have been put back; what was
 * seen at a time that has not come yet, by the hub's own clock, does not count either. */
bool rule_is_late(const struct rule_states *s, int64_t at_us, int64_t seen_us);
/* Without a reading there is nothing to read but windows as of l->at_us, device and grid: to be
 * called before a condition is asked at a timer, and after. */
must_check int rule_look_show(const struct look *l);
void rule_look_hide(struct rule_states *s);

/* ---- phases ---- */
/*
 * Time as of the reading at hand: the device was heard; timers that ran out before come first, as
 * if nothing had come since, so that the result does not depend on ticks. To be called before
 * anything of the reading is remembered.
 */
must_check int rule_look_begin(const struct look *l);
/* The rule and the reading at hand; *at is where the rule's state stands, or would. */
must_check int rule_look_at(const struct look *l, const struct rule *rule, struct state **at);
/* The state fires at at_us. */
must_check int rule_look_fire(const struct look *l, struct state *st, int64_t at_us);
/* What was wrong is not any more, since at_us: it has recovered, or will when that has held. */
must_check int rule_look_clear(const struct look *l, struct state *st, int64_t at_us);
must_check int rule_look_recover(const struct look *l, struct state *st, int64_t at_us);
/* It is wrong again, since at_us, before it had recovered. */
must_check int rule_look_relapse(const struct look *l, struct state *st, int64_t at_us);

#endif
