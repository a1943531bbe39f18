/*
 * engine: the thread that reads the spool, lets adapters decode, rules judge, and hands batches to
 * the store.
 *
 * It owns the registry in memory, the state of rules and the reader's side of the spool. Decoding
 * goes on while PostgreSQL commits; when two batches are under way it waits, and the spool grows.
 */
#ifndef GRIDHUB_ENGINE_H
#define GRIDHUB_ENGINE_H

#include "config.h"
#include "rule.h"
#include "spool.h"

struct engine;

struct engine_hooks { /* any thread of the engine's; must not block */
	void *ctx;
	void (*owed)(void *ctx); /* there are new alerts in the outbox */
	void (*fatal)(void *ctx, const char *why);
};

/* All is borrowed and must outlive it, but rules: a reference is taken. -EINVAL: a subscription is
 * no good. */
must_check int engine_start(const struct config *conf, struct spool *spool, struct rules *rules,
			    const struct engine_hooks *hooks, struct err *e, struct engine **ret);
/* Any thread: use these rules from the next batch on; takes a reference. */
void engine_use_rules(struct engine *en, struct rules *rules);
/*
 * Any thread: cameras that say nothing by themselves are looked at by one hub at a time, and so
 * their rules' states change hands. Over to this one: rows of store_rule_states.sql, which are
 * taken. Away from this one: by the devices' ids.
 */
struct pg_rows;
void engine_take_over(struct engine *en, struct pg_rows *rule_states);
void engine_let_go(struct engine *en, const int64_t *ids, size_t n);
/* Work off the spool and commit, at most grace_us, then end the threads and free. NULL is fine. */
void engine_stop(struct engine *en, int64_t grace_us);

#endif
