/*
 * store_write: one batch as one transaction. For store.c only; store's thread.
 */
#ifndef GRIDHUB_STORE_WRITE_H
#define GRIDHUB_STORE_WRITE_H

#include "batch.h"
#include "config.h"
#include "pg.h"

struct store_position { /* of the spool in the database */
	int64_t district_id;
	const char *stream_id;
	int64_t epoch, batch;
	uint64_t last_seq;
};

struct store_result {
	int64_t opened, folded, recovered, held, alerts, registered;
};

/*
 * Write b as batch number pos->batch + 1 and commit. b's rows are sorted in place.
 * carefully: rows that PostgreSQL refuses are set aside in rejected_message, one by one, and the
 * rest is written. -ESTALE: the cursor is not where pos says (nothing was written); others as
 * pg_query.
 */
must_check int store_write(struct pg *p, const struct config *conf,
			   const struct store_position *pos, struct batch *b, bool carefully,
			   struct store_result *ret, struct err *e);

#endif
