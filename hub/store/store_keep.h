/*
 * store_keep: the partitions of the readings, and the end of what is too old. For store.c only;
 * store's thread.
 */
#ifndef GRIDHUB_STORE_KEEP_H
#define GRIDHUB_STORE_KEEP_H

#include "config.h"
#include "pg.h"

struct store_keep {
	int64_t made_first_day,
		made_last_day; /* partitions known to be there; last < first: none */
	int64_t next_us;       /* of the chores; monotonic */
};

/* Nothing is known of the database; also after a lost connection. */
void store_keep_init(struct store_keep *k);
/* The day of that time has its partition. */
must_check int store_keep_day(struct store_keep *k, struct pg *p, int64_t us, struct err *e);
/* Once an hour: the partitions of the next days, and the end of all that is too old. */
must_check int store_keep_chores(struct store_keep *k, struct pg *p, const struct config *conf,
				 int64_t district_id, struct err *e);

#endif
