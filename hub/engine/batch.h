/*
 * batch: what one transaction will write, as plain values: readings, latest states, anomalies, rule
 * states, unknown and refused messages, and how far in the spool it reaches.
 *
 * Filled by the engine, then handed to the store and not touched by the engine until it comes back
 * empty. All strings are copied into the batch's arena. Bounded by intake.batch_records and the
 * limits below; batch_full says that it is time to hand it over.
 */
#ifndef GRIDHUB_BATCH_H
#define GRIDHUB_BATCH_H

#include "registry.h"

#define BATCH_ARENA_MAX ((size_t)256 << 20)
#define BATCH_COPY_MAX ((size_t)512 << 20)
#define BATCH_COPY_HEADER 19 /* bytes before the first row in `copy` */
#define BATCH_COPY_COLUMNS 6
#define BATCH_ROWS_MAX 1000000
#define BATCH_KEPT_MAX \
	1000 /* refused messages and unknown devices kept in one batch; more are counted */
#define BATCH_STATE_FIELDS 256		      /* of one device's latest state in one batch */
#define BATCH_STATE_BYTES ((size_t)128 << 10) /* their names and texts; below 1 MB as JSON */
#define BATCH_PAYLOAD_KEPT 4096		      /* bytes of a payload kept aside */

struct batch_state { /* latest state of a device: the fields seen in this batch, merged */
	int64_t device_id, at_us, recv_us;
	struct field *fields; /* in the arena */
	size_t n, cap, bytes;
};

struct batch_anomaly { /* what became of one (device, rule) in this batch */
	int64_t device_id, grid_id;
	struct slice rule_id, kind, title, fields, endpoint,
		alert; /* endpoint.p == NULL: none; fields, alert: JSON */
	struct slice
		recovery; /* text of the recovery, with {title} for the case's own; empty: none */
	struct slice other_recovery; /* in the language that some endpoints have instead */
	int severity;
	bool fired, flapping; /* flapping: began to in this batch */
	bool lasting, outage; /* of a rule with a state; that the device cannot be reached */
	bool of_grid;	      /* of a rule with scope: grid */
	int64_t n, first_us, last_us,
		recovered_us; /* recovered_us 0: not recovered at the end of the batch */
};

struct batch_rule_state {
	int64_t device_id;
	struct slice rule_id, fields;
	uint64_t hash;
	int phase; /* 0: delete the row */
	int64_t since_us, seen_us;
	uint32_t fires;
	int64_t fires_since_us;
};

struct batch_shadow { /* what a rule that only counts would have done; not merged over days */
	struct slice rule_id;
	int64_t day; /* since 1970-01-01, of the hub's zone */
	int64_t opened, folded, recovered;
};

struct batch_memory { /* what the rules remember of a device */
	int64_t device_id;
	struct slice data; /* packed by zeros.h */
};

struct batch_gap { /* nothing could come from the adapter's devices */
	struct slice adapter;
	int64_t from_us, to_us;
};

struct batch_unknown {
	struct slice adapter, address, topic, payload;
	int class;
	int64_t at_us, n;
};

struct batch_rejected {
	int64_t at_us;
	struct slice source, topic, detail, payload;
	const char *reason; /* static */
};

struct batch {
	uint64_t last_seq; /* all records up to this one are in, or refused */
	size_t records;
	int64_t first_recv_us, last_recv_us; /* 0 if no record; all of one UTC day */
	/* as the cursor's row keeps it; set by intake_finish */
	uint64_t memory_from_seq;
	int64_t heard_us;
	struct slice away; /* JSON */
	struct arena arena;
	struct buf copy; /* rows of `reading` in COPY's binary form; the store puts the trailer
			    behind them */
	size_t nreadings;
	struct batch_state *states;
	size_t nstates, states_cap;
	uint32_t *state_of_slot; /* device slot → index + 1 in states */
	size_t slots_cap;
	struct batch_anomaly *anomalies;
	size_t nanomalies, anomalies_cap;
	uint32_t *anomaly_index; /* hash of (device, rule) → index + 1; as many places as a power of
				    two */
	size_t anomaly_places;
	struct batch_rule_state *rule_states;
	size_t nrule_states, rule_states_cap;
	struct batch_shadow *shadows;
	size_t nshadows, shadows_cap;
	uint32_t *shadow_of_rule; /* rule's place in its set → index + 1 in shadows */
	size_t shadow_rules_cap;
	struct batch_memory *memories;
	size_t nmemories, memories_cap;
	struct batch_gap *gaps;
	size_t ngaps, gaps_cap;
	struct batch_unknown *unknowns;
	size_t nunknowns, unknowns_cap;
	struct batch_rejected *rejected;
	size_t nrejected, rejected_cap;
};

must_check int batch_init(struct batch *b);
void batch_done(struct batch *b);
void batch_reset(struct batch *b); /* keeps the memory for the next round */
/* Nothing to write: no record and no change. */
bool batch_empty(const struct batch *b);
bool batch_full(const struct batch *b, int64_t max_records);
/* Markers only: the next start finds them in the spool, so an end need not wait for it. */
bool batch_can_wait(const struct batch *b);

/* -ENOMEM, or -E2BIG past the limits above (the caller hands the batch over before that). */
must_check int batch_add_reading(struct batch *b, int64_t district_id, const struct device *d,
				 const struct reading *r, int64_t at_us, int64_t recv_us);
/* The entry of (device, rule), new ones zeroed but for the key; *ret is good until the next call.
 */
must_check int batch_anomaly(struct batch *b, int64_t device_id, struct slice rule_id,
			     struct batch_anomaly **ret);
must_check int batch_add_rule_state(struct batch *b, const struct batch_rule_state *s);
/* The tally of (rule, day), new ones zeroed but for the key; rule_index is the rule's place in the
 * set in force. *ret is good until the next call. */
must_check int batch_shadow(struct batch *b, uint32_t rule_index, struct slice rule_id, int64_t day,
			    struct batch_shadow **ret);
must_check int batch_add_memory(struct batch *b, int64_t device_id, struct slice data);
must_check int batch_add_gap(struct batch *b, const struct batch_gap *g);
/* Beyond BATCH_KEPT_MAX both say 0 and keep nothing: the counters have it. */
must_check int batch_add_unknown(struct batch *b, const struct batch_unknown *u);
must_check int batch_add_rejected(struct batch *b, const struct batch_rejected *r);

#endif
