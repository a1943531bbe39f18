/*
 * rule_set: what a loaded set of rules is inside: compiled conditions, the slots of fields, and the
 * index from (device class, field) to rules. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_SET_H
#define GRIDHUB_RULE_SET_H

#include "cel.h"
#include "rule_run.h"
#include "rule_title.h"
#include "rule_window.h"
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
	bool asks;	     /* for more than fields: device, windows … */
	int64_t recheck_us;  /* > 0: time windows run empty so long after the last reading that was
				looked at */
	struct title titles[2], advice[2];   /* by enum lang; advice may be empty */
	const char *why;		     /* of its numbers; "" = not said */
	const struct rule_example *examples; /* rule_example.h */
	size_t nexamples;
};

/* Names that no field can have. */
enum { SLOT_DEVICE, SLOT_GRID, SLOT_NOW, SLOT_FIRST_FIELD };
#define SLOTS_MAX 20000
#define SINKS_MAX 20000
#define CLASS_COUNT (CLASS_BIN + 1)

enum slot_kind {
	SLOT_IS_FIELD, /* of the reading */
	SLOT_IS_MAP,   /* device, grid */
	SLOT_IS_NOW,
	SLOT_IS_PREV,
	SLOT_IS_LAST,
	SLOT_IS_AGE,
	SLOT_IS_WINDOW,
	SLOT_IS_DEVICES,
	SLOT_IS_WITHIN,
};

/* What a slot means. */
struct slot_info {
	uint8_t kind; /* enum slot_kind */
	uint8_t type; /* enum cel_type; CEL_UNSET: any */
	uint8_t stat; /* of a window: enum window_stat */
	uint32_t of;  /* PREV, LAST, AGE: the field's slot; WINDOW, DEVICES: the sink */
	double percent;
	const struct schedule *schedule; /* WITHIN */
};

/* What is gathered of each reading that has the fields of an expression: a window of each device,
 * or a mark on each device for devices(). */
struct rule_sink {
	struct slice text;	  /* the expression */
	struct cel_program *prog; /* owned; NULL: it is a plain field */
	uint32_t *fields;	  /* slots that it reads */
	size_t nfields;
	bool marks;		   /* for devices() */
	bool counts;		   /* truths as 1 and 0, numbers as 1 */
	struct window_shape shape; /* unless marks */
	int64_t span_us;	   /* 0: a number of values */
	uint64_t id;		   /* hash of all that it means */
};

/* Fields that rules read, by name: open addressing, linear probing. */
struct slot_table {
	struct slice *names;	/* by slot */
	struct slot_info *info; /* by slot */
	size_t n, cap, cap_info;
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
	struct rule_sink *sinks;
	size_t nsinks, cap_sinks;
	uint32_t *sink_heads; /* by id: sink + 1, 0 = free; a power of two of them */
	size_t nsink_heads;
	/* What of a field must be kept, and which sinks it goes into. */
	uint8_t *wants[CLASS_COUNT];	      /* [class][slot]: WANT_… */
	struct rule_list *feeds[CLASS_COUNT]; /* [class][slot]; sinks */
};
enum { WANT_VALUE = 1, WANT_FEED = 2 };

struct rules *rule_set_new(void);
/* -1: no rule reads that field. */
int rule_set_slot(const struct rules *set, struct slice name);
/* The slot, made if need be; -1: no memory, or more than SLOTS_MAX. */
int rule_set_add_slot(struct rules *set, struct slice name, const struct slot_info *info);
/* The sink with that id; UINT32_MAX: there is none. */
uint32_t rule_set_sink(const struct rules *set, uint64_t id);
/* One that is not there yet, copied; the set owns its program then. -ENOMEM, -E2BIG. */
must_check int rule_set_add_sink(struct rules *set, const struct rule_sink *sink);
/* The fields of a reading that a slot depends on. */
const uint32_t *rule_set_fields(const struct rules *set, const uint32_t *slot, size_t *ret_n);
/* All rules are in: sort, index, number them. */
must_check int rule_set_finish(struct rules *set);
/* The longest window of time in the conditions; 0: there is none. */
int64_t rule_set_span(const struct rules *set, const struct rule_code *code);
/* Do they ask for more than fields of the reading? */
bool rule_set_asks(const struct rules *set, const struct rule_code *code);
/* Hash of what the conditions say beside their text: windows, schedules. */
uint64_t rule_set_meaning(const struct rules *set, const struct rule_code *code);

#endif
