/*
 * replay_case: the cases that a set of rules would have opened: what store_case.sql does with
 * anomalies, in memory, and the counts by rule and by grid and day. Pure; one thread at a time.
 *
 * A case stays open until people close it, which nobody can know of a replay: it counts as closed
 * `closed_after_us` after it recovered (of an event rule: after it was last seen).
 */
#ifndef GRIDHUB_REPLAY_CASE_H
#define GRIDHUB_REPLAY_CASE_H

#include "rule_run.h"

#define REPLAY_CASES_MAX ((size_t)10 * 1000 * 1000)
#define REPLAY_DAYS_MAX ((size_t)10 * 1000 * 1000) /* grids times days */
#define REPLAY_NEVER INT64_MAX

struct replay_case {
	const struct rule *rule;
	const struct device *device;
	int64_t first_us, last_us;
	int64_t recovered_us; /* 0: not */
	int64_t count;
	bool warm; /* opened before the time that counts */
};

struct replay_tally {
	int64_t opened, folded, recovered;
};

struct replay_day {
	const struct grid *grid; /* NULL: of devices without one */
	int64_t day;		 /* since 1970, in the process's time zone */
	struct replay_tally live, shadow;
};

struct replay_book;
struct replay_book *replay_book_new(const struct rules *rules, int64_t closed_after_us);
void replay_book_free(struct replay_book *b); /* NULL is fine */
/* Until it is called, nothing is counted: cases that are opened before are there already. */
void replay_book_count(struct replay_book *b);
/* An anomaly_fn; ctx is the book. -ENOMEM, -E2BIG past the limits above. */
must_check int replay_book_take(void *ctx, const struct anomaly *a);

const struct rules *replay_book_rules(const struct replay_book *b);
/* All cases, in the order in which they were opened. */
size_t replay_book_cases(const struct replay_book *b, const struct replay_case **ret);
/* By the rule's place in the set. */
const struct replay_tally *replay_book_rule(const struct replay_book *b, size_t rule_index);
/* Sorted by day, then by the grid's code. */
size_t replay_book_days(struct replay_book *b, const struct replay_day **ret);
struct replay_tally replay_book_sum(const struct replay_book *b, bool shadow);

#endif
