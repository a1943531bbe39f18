/*
 * rule_state: the states of rules that are not OK, per device, with their timers, and what of them
 * is to be saved. Private to rule_*.c; rule_eval.c moves them.
 */
#ifndef GRIDHUB_RULE_STATE_H
#define GRIDHUB_RULE_STATE_H

#include "rule_memory.h"
#include "rule_set.h"

#define STATES_MAX ((size_t)20 * 1000 * 1000)
#define NO_TIMER UINT32_MAX

struct state {
	struct state *next; /* of the same device, ordered by rule */
	const struct rule *rule;
	const struct device *device; /* of a rule with scope grid: the host */
	int64_t since_us, seen_us;
	int64_t due_us;	       /* while it stands in the heap */
	int64_t fired_us;      /* the oldest firing that counts for flapping */
	uint32_t fired_span_s; /* from that one to the newest */
	uint32_t timer;	       /* its place in the heap */
	uint32_t dirty_at;     /* place in the dirty list + 1; 0 = it is not there */
	uint8_t phase;	       /* enum rule_phase */
	uint8_t nfields;
	uint8_t fires; /* firings that count */
	bool flapping : 1;
	bool rechecked : 1; /* since the last reading that was looked at, its windows ran empty */
	char *fields;	    /* JSON, owned */
};

/* With its fields, its place in the heap and what malloc adds; the bound is a promise. */
#define STATE_BYTES (sizeof(struct state) + RULE_FIELDS_MAX + 1 + sizeof(void *) + 2 * 16)
_Static_assert(STATE_BYTES <= 300, "a state takes at most 300 bytes");

struct device_rec {
	struct state *first;
	struct seen *seen;
	struct rings *rings;
	struct extras *extras;
	uint16_t nseen, cap_seen;
	uint32_t queued; /* to be saved: its number in the queue; 0: it is not there */
};

/* A state that is to be saved, or (state == NULL) one that is gone with its rule or device. */
struct dirty {
	struct state *state;
	int64_t device_id;
	char *rule_id; /* owned */
	uint64_t rule_hash;
};

/* Buckets of a hash table, a power of two of them. */
struct grid_table {
	struct grid_state **heads;
	size_t nheads, n;
};

/* Somebody wants to know why: told of every condition that is answered, while what it read is still
 * there. `answer` is an enum truth. */
struct look;
typedef void (*rule_asked_fn)(void *ctx, const struct look *l, const struct rule *rule,
			      const struct cel_program *p, int answer);
/* Told of every evaluation that ended in an error `v` (a missing field is none), or in no bool.
 * rule NULL: it was of what goes into a window. */
typedef void (*rule_failed_fn)(void *ctx, const struct look *l, const struct rule *rule,
			       const struct cel_program *p, struct cel_value v);

struct rule_states {
	struct rules *set;
	uint64_t seq;	/* of the message at hand, in the caller's log */
	int64_t now_us; /* time of arrival, as the caller told it last; 0 = not yet */
	bool arrivals_told;
	struct cel_vm *vm;
	struct cel_value *slots; /* what the reading at hand has */
	size_t nslots;
	uint32_t *touched; /* slots that are filled, to be emptied again */
	size_t ntouched;
	uint32_t *marks; /* by rule: the round in which it was picked */
	uint32_t round;
	uint32_t *picked; /* rules to look at */
	size_t npicked;
	uint32_t *filled; /* slots that are no fields, filled for a device and a time */
	size_t nfilled;
	const struct device *filled_for;
	int64_t filled_us;
	struct cel_pair about_device[6], about_grid[5];
	struct device_rec *devices; /* by device slot */
	size_t ndevices, cap_devices;
	struct state **heap;
	size_t nheap, cap_heap;
	struct dirty *dirty;
	size_t ndirty, cap_dirty;
	size_t nstates;
	struct grid_table grids;
	struct silence *silence;
	struct rule_memory memory;
	rule_asked_fn asked;   /* NULL: nobody wants to know */
	rule_failed_fn failed; /* NULL, too */
	void *asked_ctx;       /* of both */
	char fault[256]; /* the first evaluation that failed since rule_states_fault was asked */
};

must_check int state_mark_dirty(struct rule_states *s, struct state *st);
/* NULL when out of memory. */
struct device_rec *state_device(struct rule_states *s, const struct device *d);
/* Its first state; NULL: it has none. */
struct state *state_first(const struct rule_states *s, const struct device *d);
/* Its state of that rule; NULL: it has none. */
struct state *state_of_device(const struct rule_states *s, const struct device *d,
			      const struct rule *rule);
/* A new one; there must be none. NULL when out of memory. */
struct state *state_add(struct rule_states *s, const struct rule *rule, const struct device *d);
/* A new one, linked where *at is; NULL when out of memory. */
struct state *state_insert(struct rule_states *s, struct state **at, const struct rule *rule,
			   const struct device *d);
/* The rule is OK again at at_us: the state stays until its deletion is taken, or, while its firings
 * are still counted, longer. */
must_check int state_end(struct rule_states *s, struct state *st, int64_t at_us);
/* The state goes at once; that it must be deleted stays to be told. */
must_check int state_drop(struct rule_states *s, struct state *st);
void state_clear_fields(struct state *st);

#endif
