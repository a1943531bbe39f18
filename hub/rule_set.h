/*
 * rule_set: what a loaded set of rules is inside: compiled conditions, the slots of fields, and the
 * index from (device class, field) to rules. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_SET_H
#define GRIDHUB_RULE_SET_H

#include "cel.h"
#include "rule.h"
#include "rule_title.h"
#include "schedule.h"

/* `for: {night: 10m, else: 20m}`: within that schedule the hold is so long. */
struct rule_hold {
	const struct schedule *within;
	int64_t us;
};

#define FLAP_COUNT_MAX 100

struct rule_code {
	struct cel_program *when, *clear; /* when: NULL = always (of a rule of silence); clear: NULL
					     = not `when` */
	struct rule_hold *holds; /* the first whose schedule is open counts; none: for_us */
	size_t nholds;
	const struct schedule **during, **except; /* cases are opened only while one of during (if
						     there are any) and none of except is open */
	size_t nduring, nexcept;
	uint32_t flap_count; /* so many firings … 0 = never damped */
	int64_t flap_us;     /* … within so long is flapping */
	int64_t recheck_us;  /* > 0: time windows run empty so long after the last reading that was
				looked at */
	struct title titles[2], advice[2];   /* by enum lang; advice may be empty */
	const struct rule_example *examples; /* rule_example.h */
	size_t nexamples;
};

/* Names that are not fields but maps that the engine fills. */
enum { SLOT_DEVICE, SLOT_GRID, SLOT_FIRST_FIELD };
#define SLOTS_MAX 20000
#define CLASS_COUNT (CLASS_BIN + 1)

/* Fields that rules read, by name: open addressing, linear probing. */
struct slot_table {
	struct slice *names; /* by slot */
	size_t n, cap;
	uint32_t *heads; /* slot + 1, 0 = free; a power of two of them */
	size_t nheads;
};

/* Rules that read a field, for one device class; in order of the set. */
struct rule_list {
	const uint32_t *v;
	size_t n;
};

struct rules {
	unsigned refs;
	struct rules
		*whole;	    /* of which this is one rule, with its slots; NULL: all of it is its own
			     */
	struct arena arena; /* strings, titles, codes, the index */
	const char *dir;    /* that it was loaded from */
	struct rule_kinds *kinds;  /* owned; NULL: there is no kinds.yaml */
	struct calendar *calendar; /* owned; NULL: there is no schedules.yaml */
	struct rule *v;
	size_t n, cap;
	uint32_t *by_id; /* indices, sorted by id */
	struct slot_table slots;
	struct rule_list *by_field[CLASS_COUNT]; /* [class][slot] */
	struct rule_list always[CLASS_COUNT];	 /* read no field: looked at with every reading */
};

struct rules *rule_set_new(void);
/* -1: no rule reads that field. */
int rule_set_slot(const struct rules *set, struct slice name);
/* The slot, made if need be; -1: no memory, or more than SLOTS_MAX. */
int rule_set_add_slot(struct rules *set, struct slice name);
/* All rules are in: sort, index, number them. */
must_check int rule_set_finish(struct rules *set);

#endif
