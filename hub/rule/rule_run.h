/*
 * rule_run: readings and times in, anomalies out: rules being run, with their state per (rule,
 * device).
 *
 * Pure: no I/O, no clock of its own, so that the same code replays history at any speed and a
 * restart changes no result. A `struct rule_states` belongs to one thread (the engine).
 *
 * ok → pending → firing → clearing → ok. `for` delays firing, `clear` (default: not `when`) and
 * `clear_for` delay recovery; leaving firing needs `when` false and `clear` true. A field that is
 * missing, or an error, holds the state and is counted. An event rule (`event: true`) has no state:
 * each match is an anomaly of its own, folded into the open case by the store.
 *
 * A rule that fires too often within a time (`flap`) is flapping: it stays firing until it has been
 * quiet for that long. A rule of silence looks at no field: it fires when nothing arrives, by times
 * of arrival, and recovers with the next reading.
 */
#ifndef GRIDHUB_RULE_RUN_H
#define GRIDHUB_RULE_RUN_H

#include "rule.h"

/* ---- what comes out ---- */
enum anomaly_kind {
	ANOMALY_FIRED, /* the rule entered firing (or an event matched): open a case, or fold into
			  the open one */
	ANOMALY_SEEN,  /* still firing, and this reading says so again: fold */
	ANOMALY_RECOVERED, /* the rule left firing */
};

struct anomaly {
	enum anomaly_kind kind;
	const struct rule *rule;
	const struct device *device;
	int64_t at_us;		       /* event time at which it became true */
	const struct reading *reading; /* NULL when a timer (for, clear_for) made it */
	struct slice
		fields; /* what the state keeps for the title (JSON object); empty if nothing */
	bool flapping;	/* it comes and goes too often: held open until it has been quiet */
};

/* A negative errno stops the evaluation and is returned. */
typedef int (*anomaly_fn)(void *ctx, const struct anomaly *a);

/* The state of one (rule, device) as it is stored; at most 300 bytes, none where there is nothing
 * to keep. */
enum rule_phase {
	PHASE_OK,
	PHASE_PENDING,
	PHASE_FIRING,
	PHASE_CLEARING,
	PHASE_QUIET, /* as OK, but its firings are still counted for flapping */
};
struct rule_saved {
	int64_t device_id;
	const char *rule_id;
	uint64_t rule_hash;
	enum rule_phase phase;
	int64_t since_us;    /* when the phase began, event time */
	int64_t seen_us;     /* event time of the last reading that was looked at */
	struct slice fields; /* JSON object of the fields that the title needs; empty if none */
	uint32_t fires;	     /* firings of late, by which flapping is known; packed */
	int64_t fires_since_us;
};

struct rule_states;
struct rule_states *rule_states_new(void);
void rule_states_free(struct rule_states *s);

/* Put a set in force (a reference is taken). States of rules whose hash did not change are kept;
 * for one that is dropped and was firing, fn gets ANOMALY_RECOVERED with the old rule. */
must_check int rule_states_use(struct rule_states *s, struct rules *r, anomaly_fn fn, void *ctx);
const struct rule *rule_states_rule(const struct rule_states *s, struct slice id); /* in force */
/* Give back what the database kept; 1 if the rule is gone or changed: the caller forgets the state.
 */
must_check int rule_states_restore(struct rule_states *s, const struct rule_saved *saved,
				   const struct device *d);

/*
 * Look at one reading of device d with event time at_us (the caller has already chosen between the
 * device's time and the hub's). A reading older than what a rule has seen never moves its state
 * backwards. Timers that ran out before it came fire first.
 */
must_check int rule_states_eval(struct rule_states *s, const struct device *d,
				const struct reading *r, int64_t at_us, anomaly_fn fn, void *ctx);
/*
 * Where the caller stands in its log of messages (0: it has none) and the time of arrival of the
 * message at hand; called before each message. Silence is judged by times of arrival.
 */
void rule_states_at(struct rule_states *s, uint64_t seq, int64_t recv_us);
/*
 * Nothing could arrive from devices of that adapter (NULL: from any) between the two times: the hub
 * or the broker was away. Nobody is silent because of it: timers of silence start anew at to_us; a
 * hold (for, clear_for) that was broken for more than an hour does, too.
 */
must_check int rule_states_resume(struct rule_states *s, const char *adapter, int64_t from_us,
				  int64_t to_us);
/* From now on nothing can come from that adapter (NULL: from any): nobody of it is silent until
 * rule_states_resume. */
void rule_states_lose(struct rule_states *s, const char *adapter);
/* The device is in the registry: rules of silence watch it, by when it was heard last, or from now
 * on if it never was (0). For all devices after a start; again when one changes. */
must_check int rule_states_watch(struct rule_states *s, const struct device *d,
				 int64_t last_seen_us);
/* Time has reached now_us: holds and silences that ran out fire, each with the time it ran out. The
 * result does not depend on when this is called, but for what waits until then. */
must_check int rule_states_tick(struct rule_states *s, int64_t now_us, anomaly_fn fn, void *ctx);
/* The time at which the next hold runs out; INT64_MAX if there is none. */
int64_t rule_states_next(const struct rule_states *s);
/* A device left the registry: its states go. let_go: another hub's now, the database's stay. */
void rule_states_forget(struct rule_states *s, const struct device *d);
void rule_states_let_go(struct rule_states *s, const struct device *d);
/* Hand every state that changed since the last call to fn (PHASE_OK = delete it), in key order. */
typedef int (*rule_saved_fn)(void *ctx, const struct rule_saved *saved);
must_check int rule_states_take_dirty(struct rule_states *s, rule_saved_fn fn, void *ctx);
/* Those that are kept for flapping are among them. */
size_t rule_states_count(const struct rule_states *s);
/* The first evaluation since the last call that ended in an error (a missing field is none): rule,
 * device, why. False if there was none. */
bool rule_states_fault(struct rule_states *s, struct err *ret_why);
/* The first adapter since the last call of which nothing at all came when a device of it would have
 * been declared silent: it is not the device, and no silence is declared. False if there was none.
 */
bool rule_states_stalled(struct rule_states *s, struct err *ret_which);
/* The name of an adapter of which that is so now; NULL: there is none. Good until the next call. */
const char *rule_states_quiet(const struct rule_states *s);

/*
 * What the rules remember of a device beside states: windows, last values. One blob a device (at
 * most RULE_MEMORY_MAX bytes), readable by another set of rules: what that still knows is taken.
 *
 * It changes with nearly every reading, so it is not saved with each batch. Changed devices stand
 * in a queue, oldest change first; the caller saves those that changed first before `before_us`
 * (time of arrival), at most `max` of them, with a batch, and stores beside it *ret_from_seq: after
 * a crash the records from that one on are given to rule_states_remember, which knows which of them
 * a memory has in it already.
 */
#define RULE_MEMORY_MAX 65536
typedef int (*rule_memory_fn)(void *ctx, const struct device *d, struct slice data);
must_check int rule_states_take_memory(struct rule_states *s, int64_t before_us, size_t max,
				       rule_memory_fn fn, void *ctx, uint64_t *ret_from_seq);
/* -EINVAL: not such a blob; nothing is taken of it. same_log: its place in the log is one in the
 * caller's log; else all records are newer. */
must_check int rule_states_restore_memory(struct rule_states *s, const struct device *d,
					  struct slice data, bool same_log);
/* As rule_states_eval, but no rule is judged. */
must_check int rule_states_remember(struct rule_states *s, const struct device *d,
				    const struct reading *r, int64_t at_us);

#endif
