/*
 * rule_example: what a rule says of itself, readings in, anomalies out, and whether it is true.
 *
 * An example belongs to its set and is read-only. It is run through rule_states_* with its rule
 * alone, so it costs and means what the rule does live. Any thread.
 */
#ifndef GRIDHUB_RULE_EXAMPLE_H
#define GRIDHUB_RULE_EXAMPLE_H

#include "rule_run.h"

#define EXAMPLES_MAX 100 /* of one rule */
#define EXAMPLE_READINGS_MAX 2000
#define EXAMPLE_DEVICES_MAX 32
#define EXAMPLE_MOVES_MAX 200 /* expected, and shown */

/* A reading, at_us after the beginning. Those that stand behind a later one come late. */
struct example_step {
	int64_t at_us;
	const struct device *device;
	struct reading reading;
};

/* A case is opened, or its cause has gone. */
struct example_move {
	int64_t at_us; /* since the beginning */
	const struct device *device;
	bool open;
};

struct rule_example {
	const char *of; /* what it shows; "" = not said */
	int line, col;
	int64_t start_us; /* the first moment, event time */
	int64_t until_us; /* how long time runs on, since the beginning */
	struct grid grid;
	struct device *devices; /* the first is the one that readings need not name */
	size_t ndevices;
	struct example_step *steps;
	size_t nsteps;
	struct example_move *expect; /* in order */
	size_t nexpect;
};

/* NULL, 0 when the rule has none. */
const struct rule_example *rule_examples(const struct rule *rule, size_t *ret_n);

/* One look of the rule: at a reading, or (step NULL) a timer. */
struct example_look {
	int64_t at_us; /* since the beginning */
	const struct device *device;
	const struct example_step *step;
	const char *when, *clear; /* what was answered: "true", "false", "held"; NULL: not asked */
	struct slice values;	  /* what they read beside fields, as JSON: {"avg(x, '10m')":7} */
	enum rule_phase phase;	  /* of the device's state, afterwards */
	const char *fault;	  /* why a condition failed; NULL: none did */
};
typedef void (*example_look_fn)(void *ctx, const struct example_look *look);

/* A condition that ended in an error, which no example may expect: the rule would be held for it.
 * A field that is missing is none. */
struct example_fault {
	int64_t at_us; /* since the beginning */
	const struct device *device;
	char why[ERR_MAX]; /* "when: 1:9: divide by zero" */
};

struct example_result {
	struct example_move came[EXAMPLE_MOVES_MAX]; /* in order */
	size_t ncame;				     /* more than that are only counted */
	struct example_fault fault;		     /* the first one */
	size_t nfaults;
	bool good;
};

/* Run it, with the rules of `set`: rules_alone() of its rule costs least, the whole set comes to
 * the same. look() may be NULL. -ENOMEM and the like. */
must_check int rule_example_run(struct rules *set, const struct rule *rule,
				const struct rule_example *x, example_look_fn look, void *ctx,
				struct example_result *ret);
/* The order in which moves are compared: time, device, recovery first. For qsort. */
int rule_example_order(const void *a, const void *b);
/* "open 20m bin2"; the device only if it is not the first one. */
void rule_example_move(const struct rule_example *x, const struct example_move *m, struct buf *out);

#endif
