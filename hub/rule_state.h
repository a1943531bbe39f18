/*
 * rule_state: the states of rules that are not OK, per device, with their timers, and what of them
 * is to be saved. Private to rule_*.c; rule_eval.c moves them.
 */
#ifndef GRIDHUB_RULE_STATE_H
#define GRIDHUB_RULE_STATE_H

#include "rule_set.h"

#define STATES_MAX ((size_t)20 * 1000 * 1000)
#define NO_TIMER UINT32_MAX

struct state {
	struct state *next; /* of the same device, ordered by rule */
	const struct rule *rule;
	const struct device *device;
	int64_t since_us, seen_us;
	int64_t due_us; /* while it stands in the heap */
	uint32_t timer; /* its place in the heap */
	uint8_t phase;	/* enum rule_phase */
	uint8_t nfields;
	uint32_t dirty_at; /* place in the dirty list + 1; 0 = it is not there */
	char *fields;	   /* JSON, owned */
};

/* With its fields, its place in the heap and what malloc adds; the bound is a promise. */
#define STATE_BYTES (sizeof(struct state) + RULE_FIELDS_MAX + 1 + sizeof(void *) + 2 * 16)
_Static_assert(STATE_BYTES <= 300, "a state takes at most 300 bytes");

struct seen {
	uint32_t slot;
	uint32_t at_hi, at_lo; /* int64_t in two halves: 12 bytes an entry, not 16 */
};

struct device_rec {
	struct state *first;
	struct seen *seen;
	uint16_t nseen, cap_seen;
};

/* A state that is to be saved, or (state == NULL) one that is gone with its rule or device. */
struct dirty {
	struct state *state;
	int64_t device_id;
	char *rule_id; /* owned */
	uint64_t rule_hash;
};

struct rule_states {
	struct rules *set;
	struct cel_vm *vm;
	struct cel_value *slots; /* what the reading at hand has */
	size_t nslots;
	uint32_t *touched; /* slots that are filled, to be emptied again */
	size_t ntouched;
	uint32_t *marks; /* by rule: the round in which it was picked */
	uint32_t round;
	uint32_t *picked; /* rules to look at */
	size_t npicked;
	bool device_filled;
	struct cel_pair about_device[4], about_grid[5];
	struct device_rec *devices; /* by device slot */
	size_t ndevices, cap_devices;
	struct state **heap;
	size_t nheap, cap_heap;
	struct dirty *dirty;
	size_t ndirty, cap_dirty;
	size_t nstates;
	char fault[256]; /* the first evaluation that failed since rule_states_fault was asked */
};

/* The hold that began at since_us runs out hold_us later. */
must_check int state_timer_start(struct rule_states *s, struct state *st, int64_t hold_us);
void state_timer_stop(struct rule_states *s, struct state *st);
must_check int state_mark_dirty(struct rule_states *s, struct state *st);
/* NULL when out of memory. */
struct device_rec *state_device(struct rule_states *s, const struct device *d);
/* A new one, linked where *at is; NULL when out of memory. */
struct state *state_insert(struct rule_states *s, struct state **at, const struct rule *rule,
			   const struct device *d);
/* The rule is OK again: the state stays until its deletion is taken. */
must_check int state_end(struct rule_states *s, struct state *st);

#endif
