/*
 * engine_load: what the database hands over goes into the engine's memory: the registry and its
 * changes, states and memories of rules, and what of the spool's tail is looked at again. For
 * engine.c only; the engine's thread.
 */
#ifndef GRIDHUB_ENGINE_LOAD_H
#define GRIDHUB_ENGINE_LOAD_H

#include "intake.h"
#include "store.h"

struct engine_load {
	struct intake *in;	  /* borrowed */
	struct spool *spool;	  /* borrowed */
	uint64_t last_seq;	  /* what the database has of the spool */
	uint64_t memory_from_seq; /* the first record that memories may lack; 0: none does */
	size_t memories, foreign, unreadable; /* foreign: by another spool's log */
	uint64_t
		missing; /* records that neither the database nor the spool has, before its first */
	struct buf packed, memory; /* of the one at hand */
};

void engine_load_init(struct engine_load *ld, struct intake *in, struct spool *spool);
void engine_load_done(struct engine_load *ld); /* twice is fine */

/* At the start, and with every change. */
must_check int engine_load_registry(struct engine_load *ld, const struct store_changes *c);
/* At the start, in this order; memories come in chunks. */
must_check int engine_load_states(struct engine_load *ld, const struct store_changes *c);
must_check int engine_load_memories(struct engine_load *ld, const struct store_changes *c);
/* The spool's tail up to where the database is: what a broker may send again, and what memories
 * lack. Reading goes on behind it. */
must_check int engine_load_tail(struct engine_load *ld);

/* States that another hub has had (rows of store_rule_states.sql). */
must_check int engine_load_taken(struct engine_load *ld, const struct pg_rows *rows);

#endif
