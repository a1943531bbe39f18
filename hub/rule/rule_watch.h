/*
 * rule_watch: what rules of silence know of devices and adapters, and the timers of devices.
 * Private to rule_*.c; rule_silence.c judges by it.
 */
#ifndef GRIDHUB_RULE_WATCH_H
#define GRIDHUB_RULE_WATCH_H

#include "rule_state.h"

#define ADAPTERS_MAX 64 /* the first stands for all beyond */

struct adapter {
	char *name; /* owned */
	int64_t newest_us, floor_us;
	int64_t gap_us; /* the average between arrivals */
	uint32_t ngaps;
	bool stalled;
	bool away;     /* it is known that nothing can come */
	uint64_t rate; /* of all its devices, as their intervals let expect */
};

struct watched {
	const struct device *device; /* NULL: not watched */
	int64_t heard_us;	     /* or since when it is watched; 0: since the first time told */
	uint32_t rate;
	uint16_t generation;
	uint16_t adapter;
	uint16_t armed; /* timers of this generation */
	bool silent;	/* a rule of silence fires, or did when last looked at */
};

struct timer {
	int64_t due_us, device_id;
	uint32_t slot;
	uint16_t rule; /* its place in `rules` */
	uint16_t generation;
};

struct silence_rule {
	const struct rule *rule;
	int64_t from_us; /* in force since */
};

struct silence {
	int64_t start_us,
		floor_us; /* the first time told; the end of the last gap of all adapters */
	struct silence_rule *rules;
	size_t nrules;
	struct watched *devices; /* by slot */
	size_t ndevices, cap_devices;
	struct timer *heap;
	size_t nheap, cap_heap, nstale;
	struct adapter adapters[ADAPTERS_MAX];
	size_t nadapters;
	char stalled[128]; /* the first since rule_states_stalled was asked */
};

struct silence *silence_new(void); /* NULL when out of memory */
void silence_free(struct silence *q);

/* ---- adapters ---- */
/* Its place; 0 when there is no room. */
uint16_t watch_adapter(struct silence *q, const char *name);
/* Something came from it at now_us. */
void watch_arrival(struct adapter *a, int64_t now_us);
/* By at_us nothing came from the whole adapter of w for unusually long: counted and kept once. */
bool watch_stalled(struct silence *q, const struct watched *w, int64_t at_us);

/* ---- devices ---- */
/* NULL when out of memory. */
struct watched *watch_device(struct silence *q, uint32_t slot);
/* NULL when it is not watched. */
struct watched *watch_known(const struct silence *q, const struct device *d);
/* When it was heard last, or since when it is watched. */
int64_t watch_heard(const struct silence *q, const struct watched *w);
/* It should be heard every between_us; 0: no more. */
void watch_rate(struct silence *q, struct watched *w, int64_t between_us);

/* ---- times ---- */
/* After so long without a word; 0: the device is not watched by that rule. */
int64_t watch_hold(const struct rule *rule, const struct device *d);
/* From when on its silence counts. */
int64_t watch_since(const struct silence *q, const struct watched *w, const struct silence_rule *r);
/* When it is to be declared silent, by what is known now; not before the rule's gate opens. */
int64_t watch_due(const struct silence *q, const struct watched *w, const struct silence_rule *r);

/* ---- timers: a heap, the soonest first ---- */
/* -E2BIG when there are too many. */
must_check int watch_push(struct silence *q, struct timer t);
void watch_pop(struct silence *q);
/* The first one waits on. */
void watch_wait(struct silence *q, int64_t due_us);
/* Is it one of before its device was watched anew, or forgotten? */
bool watch_stale(const struct silence *q, const struct timer *t);
/* All of them by what is known now, without the stale ones. */
void watch_sort(struct silence *q);
/* Timers of w, as there are, do not count any more. */
void watch_disarm(struct silence *q, struct watched *w);

#endif
