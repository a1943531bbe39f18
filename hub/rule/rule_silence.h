/*
 * rule_silence: which devices have not been heard for too long, by times of arrival. Private to
 * rule_*.c.
 */
#ifndef GRIDHUB_RULE_SILENCE_H
#define GRIDHUB_RULE_SILENCE_H

#include "rule_look.h"

bool rule_is_of_silence(const struct rule *rule);
/* The time of arrival is now_us; to be called before s->now_us is set. */
void silence_at(struct rule_states *s, int64_t now_us);
/* s->set changes to this one; states have moved to it, the old one is still there. */
must_check int silence_use(struct rule_states *s, const struct rules *set);
/* Something came from l->d: what was silent recovers. */
must_check int silence_heard(const struct look *l);
/* When the first timer may run out; INT64_MAX: there is none. */
int64_t silence_next(const struct rule_states *s);
/* Run that timer; it may be too early, and then waits on. */
must_check int silence_run(const struct look *l);
/* st, of a rule of silence, has been heard for clear_for at l->at_us: recovered, unless it fell
 * silent again. */
must_check int silence_cleared(const struct look *l, struct state *st);
/* st was given back by the database. */
must_check int silence_restored(struct rule_states *s, const struct state *st);
void silence_forget(struct rule_states *s, const struct device *d);
/* As rule_states_resume. */
void silence_resume(struct rule_states *s, const char *adapter, int64_t to_us);

#endif
