/*
 * patrol_look: what the patrol's thread owns, and the way of one look: asked, answered, believed,
 * said. Private to patrol*.c.
 */
#ifndef GRIDHUB_PATROL_LOOK_H
#define GRIDHUB_PATROL_LOOK_H

#include "log.h"
#include "patrol_out.h"
#include "patrol_set.h"
#include "spool.h"
#include "worker.h"

#define PATROL_CANARY INT64_C(-1) /* its id; devices have positive ones */

struct patrol_looks {
	const struct config *conf; /* whose section probe holds now */
	struct spool *spool;
	struct plan *plan;
	struct pool *pool; /* NULL: not started */
	struct patrol_set set;
	struct patrol_out out;
	int64_t *asked; /* ids of the looks under way */
	size_t nasked, asked_cap;
	struct log_repeat spool_failing, ask_failing;
};

/* -ENOMEM. */
must_check int patrol_looks_init(struct patrol_looks *l, const struct config *conf,
				 struct spool *spool);
void patrol_looks_done(struct patrol_looks *l);

/* The pool as conf says; without one that was there what it had under way is asked again. */
must_check int patrol_looks_open(struct patrol_looks *l, struct err *e);
void patrol_looks_close(struct patrol_looks *l);
/* Other settings from now on. */
void patrol_looks_use(struct patrol_looks *l, const struct config *conf);

/* A stream of the set is in the plan, or out of it; as patrol_set's hooks. */
int patrol_looks_put(void *ctx, struct patrol_stream *s, const struct plan_belief *b);
void patrol_looks_gone(void *ctx, const struct patrol_stream *s);

/* Ask for what may be looked at now; *ret_wake_us: nothing before that time (wall clock). */
void patrol_looks_ask(struct patrol_looks *l, int64_t *ret_wake_us);
/* Wait at most so long for answers, and take them. */
void patrol_looks_take(struct patrol_looks *l, int64_t timeout_us);

#endif
