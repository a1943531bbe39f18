/*
 * intake: what one message does: its adapter decodes it, duplicates are recognised, the device is
 * found, the rules judge; all of it goes into a batch. No I/O and no clock: time comes with the
 * records.
 *
 * Owned by the engine's thread. Errors are -ENOMEM and -E2BIG (the batch's limits): what a message
 * itself does wrong is no error but a refusal, counted and kept aside.
 */
#ifndef GRIDHUB_INTAKE_H
#define GRIDHUB_INTAKE_H

#include "batch.h"
#include "config.h"
#include "dedup.h"
#include "presence.h"
#include "route.h"
#include "rule_run.h"

struct intake {
	const struct config *conf; /* borrowed */
	struct route *route;
	struct dedup *dedup;
	struct registry *registry;
	struct rule_states *states;
	struct presence presence;
	struct readings readings; /* of the message at hand */
	struct batch *batch;	  /* the caller's: what messages go into */
	int64_t district_id;
	struct buf packed; /* a memory on its way into the batch */
};

/* -EINVAL: a subscription is no good (e says which). */
must_check int intake_init(struct intake *in, const struct config *conf, struct err *e);
void intake_done(struct intake *in); /* a zeroed struct is fine */

/* One record, and the holds of rules that ran out before it came. */
must_check int intake_record(struct intake *in, const struct spool_record *rec);
/*
 * A record that the database has in it, from before the engine started: it counts for duplicates
 * and, from record `from_seq` on, for what the rules remember; nothing else comes of it.
 */
must_check int intake_recall(struct intake *in, const struct spool_record *rec, uint64_t from_seq);
/* Records before this one are lost: nothing was heard since the last one that is in. */
must_check int intake_bridge(struct intake *in, const struct spool_record *first);
/* Event time has reached now_us: holds that ran out fire. */
must_check int intake_tick(struct intake *in, int64_t now_us);
/* These rules from now on; those that are gone recover what they had open. */
must_check int intake_use_rules(struct intake *in, struct rules *rules);
/*
 * Give back a rule state that the database kept. d is NULL if the device is gone. If its rule is
 * gone or has changed, the state is forgotten there, too, and what it had open recovers at now_us.
 */
must_check int intake_restore(struct intake *in, const struct rule_saved *saved,
			      const struct device *d, int64_t now_us);
/*
 * The batch is about to be handed over: put in it every rule state that changed since the last
 * call, of the memories those that changed first before `memory_before_us` (arrival), at most
 * memory_max, and how far the intake has come.
 */
must_check int intake_finish(struct intake *in, int64_t memory_before_us, size_t memory_max);

#endif
