/*
 * plan_state: what the files of plan share. Times named t are the plan's own, which never step
 * back; `now` is the caller's, and stands in beliefs only.
 *
 * DESIGN. A row (a stream) stands in exactly one place (enum plan_where). Due rows lie in the heap
 * `due`; one that comes to its turn while its host is full goes to the host's line of waiting ones,
 * and each answer lets one of these back into the heap, with the time it had: so a host with
 * thousands of due streams costs nothing while they wait, and none is passed over. While a host is
 * not UP its rows are parked as they come due, but for one, its scout, whose looks try the host.
 * Hosts to reach lie in the heap `reach`, which is looked at only when nothing else is due.
 */
#ifndef GRIDHUB_PLAN_STATE_H
#define GRIDHUB_PLAN_STATE_H

#include "plan.h"
#include "plan_table.h"

#define PLAN_SEC INT64_C(1000000)
#define PLAN_MIN (60 * PLAN_SEC)
#define PLAN_TRIES 3	/* looks that fail before it is believed */
#define PLAN_CHANNELS 3 /* of a host that cannot be connected: the host is tried */
#define PLAN_CANARY_SLOW_US                                                                 \
	(2 * PLAN_SEC)		     /* its look takes so long: nobody is judged until then \
				      */
#define PLAN_FLIP_US (60 * PLAN_SEC) /* the window of "many flipped" */
#define PLAN_FLIP_SLOTS 6
#define PLAN_FLIP_MIN 10
#define PLAN_FLIP_PCT 30
#define PLAN_LATE_US PLAN_MIN /* so late, it is not watched by the schedule */
#define PLAN_SUSPECTS_MIN 64
#define PLAN_SUSPECTS_PCT 5

enum plan_where {
	PLAN_FREE, /* no row */
	PLAN_IDLE, /* nothing is to be done: its levels are off */
	PLAN_DUE,
	PLAN_WAITING,
	PLAN_PARKED,
	PLAN_AWAY /* a look is under way */
};

struct plan_row {
	int64_t since_us;	   /* of the belief; the caller's time */
	int64_t seen_t;		   /* the last keyframe */
	int64_t watch_t, deeper_t; /* the next watch by the schedule, and by suspicion */
	uint32_t host, slot_host;  /* PLAN_NONE: a canary; whose session the look under way takes */
	uint32_t prev, next;	   /* of its host */
	uint32_t wait_prev, wait_next;
	uint32_t round;	 /* for jitter */
	uint32_t shown;	 /* looks with a keyframe, from a number that spreads the pictures */
	uint32_t failed; /* the host's epoch in which it could not be connected */
	uint8_t where, depth;
	uint8_t state, step, cause;
	uint8_t fails, busies, voids; /* in a row */
	uint8_t backoff;
	bool canary : 1, gone : 1; /* gone: taken out while its look is under way */
	bool stale : 1;		   /* the look under way is of what the row was before */
	bool doubted : 1, suspect : 1;
};

enum plan_host_state { PLAN_UP, PLAN_TRYING, PLAN_DOWN };

struct plan_host {
	int64_t reached_t;
	int64_t scout_own_t;		/* when the scout is due for itself */
	uint32_t first;			/* its rows */
	uint32_t wait_first, wait_last; /* those that wait for a session */
	uint32_t channels, away;	/* rows; looks under way */
	uint32_t epoch, unreached; /* since it was last connected: how many rows could not be */
	uint32_t scout;		   /* not UP: the row whose looks try it */
	uint32_t round;
	uint32_t flipped; /* the slot in which it counted last as one that flipped; 0: never */
	uint8_t state, tries, backoff;
	bool server : 1, heard : 1; /* heard: it answered a look, or one of its was online before */
};

struct plan_pace { /* the times of the last starts; limits hold for any second */
	int64_t at[PLAN_CONNECTS_MAX];
	uint64_t n;
};

enum plan_flip_kind { PLAN_CONNECTED, PLAN_SHOWN };

struct plan_flip { /* first looks that failed at streams believed online, and others that did not */
	uint32_t good[2], bad[2];
};

struct plan_flips {
	int64_t slot_t;
	struct plan_flip slot[PLAN_FLIP_SLOTS]; /* of the last minute */
	bool many;
	int64_t began_t;
	size_t peak;		   /* of rows in doubt since then */
	int64_t picture_t, flow_t; /* the last picture, and the first without a long gap since */
	struct {
		uint32_t host;
		int64_t t;
	} shown[3]; /* hosts that showed a picture last */
};

struct plan {
	struct plan_conf conf;
	int64_t shift, last_t; /* from the caller's time to t, which is never below 0 */
	struct plan_table rows, hosts;
	struct plan_heap due, reach;
	struct plan_pace pace;
	struct plan_flips flips;
	struct {
		uint32_t row;
		int64_t at_t, began_t; /* began_t: of the look under way */
		bool bad;
	} canary[PLAN_CANARIES_MAX];
	uint32_t canaries, canaries_bad;
	size_t states[3]; /* rows by belief */
	size_t gone, away, waiting, doubted, suspects, hosts_down;
	uint64_t suspects_refused;

	/* of the plan_result that runs */
	plan_tell *tell;
	void *ctx;
	uint32_t self; /* its row: what changes of it is returned, not told */
	enum plan_say self_say;
	int64_t now;
};

static inline struct plan_row *plan_row(const struct plan *p, uint32_t i)
{
	return (struct plan_row *)(void *)p->rows.item + i;
}

static inline struct plan_host *plan_host(const struct plan *p, uint32_t h)
{
	return (struct plan_host *)(void *)p->hosts.item + h;
}

#endif
