/*
 * replay_diff: two sets of rules that were shown the same readings, compared case by case. Pure.
 *
 * Two cases of one rule and device are the same if the times between their first sight and their
 * end (recovery; of an event rule the last sight) overlap: it `moved` if it was opened at another
 * time. Cases that were there before the time that counts match, and are not reported themselves.
 */
#ifndef GRIDHUB_REPLAY_DIFF_H
#define GRIDHUB_REPLAY_DIFF_H

#include "replay_case.h"

#define REPLAY_EXAMPLES 5 /* of each sort and rule, the first ones */

enum replay_change {
	REPLAY_SAME,	/* the rule judges as before */
	REPLAY_CHANGED, /* its hash is another */
	REPLAY_NEW,	/* only the new set has it */
	REPLAY_GONE	/* only the old one */
};
extern const char *const replay_change_names[]; /* "same", "changed", "new", "gone" */

struct replay_difference {
	const char *rule_id;
	enum replay_change change;
	struct replay_tally before, after;
	int64_t more, fewer, moved; /* cases */
	const struct replay_case *examples_more[REPLAY_EXAMPLES], *examples_fewer[REPLAY_EXAMPLES];
	size_t nmore, nfewer; /* examples */
};

/* One entry a rule that is in either, by id; *ret is the caller's to free and borrows from both. */
must_check int replay_diff(const struct replay_book *before, const struct replay_book *after,
			   struct replay_difference **ret, size_t *ret_n);

#endif
