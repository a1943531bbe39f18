/*
 * patrol: the threads that look at the streams of the registry, all the time.
 *
 * One thread owns the plan, the workers and what is believed; it asks no database, so that looks go
 * on while that is away. The other owns a connection: it leases this hub's shares of the streams,
 * loads them, and writes down what is believed (patrol_store.h). What a look says goes into the
 * spool as a message of PROBE_SOURCE, and from there the way of all messages.
 *
 * A hub looks only at streams whose share it holds. When its lease has run out, because the
 * database could not be asked, it stops, for another may have taken over; but if it was the only
 * hub when it asked last, it goes on. Markers in the spool say when the prober was away or at fault
 * (presence.h).
 */
#ifndef GRIDHUB_PATROL_H
#define GRIDHUB_PATROL_H

#include "config.h"
#include "spool.h"

struct patrol;
struct pg_rows;

struct patrol_hooks { /* called on a thread of the patrol */
	void *ctx;
	/* These devices (of adapter probe) are another hub's now. */
	void (*let_go)(void *ctx, const int64_t *ids, size_t n);
	/* These rule states (rows of store_rule_states.sql) were another hub's; the callee's to
	 * free. */
	void (*take_over)(void *ctx, struct pg_rows *rule_states);
};

/* conf and spool are borrowed. Nothing is started, and *ret is NULL, if probe.enabled is false. */
must_check int patrol_start(const struct config *conf, struct spool *spool,
			    const struct patrol_hooks *hooks, struct err *e, struct patrol **ret);
/* Any thread: read the section probe of the configuration file anew; looks go on by it within a
 * second. With an error the old settings stay. NULL is fine. */
must_check int patrol_reload(struct patrol *p, struct err *e);
/* Write down what is believed and give the shares back, within seconds. NULL is fine. */
void patrol_stop(struct patrol *p);

#endif
