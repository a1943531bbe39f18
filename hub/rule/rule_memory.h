/*
 * rule_memory: what is remembered of a device beside states: when each field was newest, the values
 * that prev.x and last.x ask for, windows, what devices() found; who of a grid is marked by it; and
 * which devices changed since they were saved. Private to rule_*.c.
 *
 * A device has of it only what rules of its class ask for, and only once it has sent such a field.
 */
#ifndef GRIDHUB_RULE_MEMORY_H
#define GRIDHUB_RULE_MEMORY_H

#include "rule_set.h"

struct rule_states;
struct device_rec;

#define MEMORY_TEXT_MAX 64 /* bytes of a text that prev.x and last.x can give; longer: missing */
#define CROWD_MAX 256	   /* devices of a grid that one devices() counts */

struct seen {
	uint32_t slot;
	uint32_t at_hi, at_lo; /* int64_t in two halves: 12 bytes an entry, not 16 */
};

struct kept_value {
	uint8_t type; /* enum cel_type; CEL_UNSET: none */
	uint8_t n;    /* length of a string */
	union {
		bool b;
		int64_t i;
		double d;
		char *p; /* owned */
	};
};

/* The two newest values of a field. */
struct kept {
	uint32_t slot;
	struct kept_value last, prev;
	int64_t last_us, prev_us;
};
_Static_assert(sizeof(struct kept) + 2 * (MEMORY_TEXT_MAX + 16) <= 300,
	       "what is kept of a field takes at most 300 bytes");

/* What the device's newest look at the expression of a devices() said. */
struct mark {
	uint32_t sink;
	bool yes;
	int64_t at_us, grid_id;
};

struct extras {
	struct kept *kept;
	struct mark *marks;
	uint16_t nkept, nmarks;
};

/* The windows of a device in one piece: places, then rings. */
struct rings {
	uint16_t n, units; /* windows; their bytes, in eights */
	struct {
		uint16_t sink, at; /* at: in eights, behind the places */
	} of[];			   /* by sink */
};
_Static_assert(sizeof(struct rings) + sizeof(((struct rings *)0)->of[0]) + WINDOW_BYTES_MAX + 16 <=
		       300,
	       "a window of a device takes at most 300 bytes, all in");

/* A device that changed since it was saved. */
struct queued {
	const struct device *device;
	int64_t recv_us; /* when that began */
	uint64_t seq;
	uint32_t slot;
	uint32_t number; /* as the device has it, unless it was forgotten since */
};

/* Part of struct rule_states. */
struct rule_memory {
	struct queued *queue; /* from `head` to `nqueue` */
	size_t head, nqueue, cap_queue;
	uint32_t number; /* of the newest in the queue; never 0 */
	uint64_t *had;	 /* by device slot: up to where the restored memory has the log in it */
	size_t nhad, cap_had;
	struct crowd **crowds; /* rule_crowd.c: by hash of grid and sink */
	size_t ncrowds, nheads;
	/* the reading at hand */
	uint32_t *fed; /* sinks that it goes into */
	size_t nfed;
	uint32_t *fed_in; /* by sink: the round in which it was put there */
	bool anew;	  /* its clock was put back by days: what was before does not count */
};

enum news { NEWS_LATE, NEWS_NEWEST, NEWS_ANEW };

/* ---- as a reading is shown ---- */
/* `hint` is where the field's entry probably is. */
enum news memory_see(const struct rule_states *s, struct device_rec *rec, uint32_t slot,
		     int64_t at_us, size_t hint);
/* A rule of the device's class wants more of the field than its name: keep the value, or feed it.
 */
must_check int memory_take(struct rule_states *s, struct device_rec *rec, const struct device *d,
			   uint32_t slot, int64_t at_us, enum news news);
/* All fields are in their slots: feed windows and marks. */
must_check int memory_feed(struct rule_states *s, struct device_rec *rec, const struct device *d,
			   int64_t at_us);
/* Restored: up to that place in the log all is in it; is the message at hand; nobody asks any more.
 */
must_check int memory_has(struct rule_states *s, const struct device *d, uint64_t seq);
bool memory_had(const struct rule_states *s, const struct device *d);
void memory_had_all(struct rule_states *s);
/* The device has something that is not saved yet. */
must_check int memory_changed(struct rule_states *s, struct device_rec *rec,
			      const struct device *d);

/* ---- as a condition asks ---- CEL_UNSET: missing ---- */
struct cel_value memory_prev(const struct device_rec *rec, uint32_t field, int64_t at_us,
			     bool reading_has_it);
struct cel_value memory_last(const struct device_rec *rec, uint32_t field);
struct cel_value memory_age(const struct device_rec *rec, uint32_t field, int64_t at_us);
struct cel_value memory_window(const struct rules *set, const struct device_rec *rec,
			       const struct slot_info *info, int64_t at_us);
struct cel_value memory_devices(const struct rule_states *s, const struct device *d,
				const struct slot_info *info, int64_t at_us);

/* ---- life ---- */
void memory_forget(struct rule_states *s, struct device_rec *rec, uint32_t device_slot);
/* The set `to` took the place of `from`: what it knows, too, is kept. */
must_check int memory_move(struct rule_states *s, const struct rules *from, const struct rules *to);
void memory_done(struct rule_states *s);

/* ---- parts that rule_blob.c needs ---- */
/* NULL: no room. */
struct kept *memory_kept(struct device_rec *rec, uint32_t slot);
void memory_set_value(struct kept_value *to, struct cel_value v);
struct cel_value memory_value(const struct kept_value *v);
/* The window of that sink, made empty if it is not there; NULL: no room. */
void *memory_ring(const struct rules *set, struct device_rec *rec, uint32_t sink);
static inline void *rings_at(const struct rings *r, size_t i)
{
	size_t head = (sizeof *r + r->n * sizeof r->of[0] + 7) / 8 + r->of[i].at;
	return (char *)(uintptr_t)r + 8 * head;
}
must_check int memory_mark(struct rule_states *s, struct device_rec *rec, const struct device *d,
			   const struct mark *m);

#endif
