/*
 * pg_columns: rows as arrays, one a column, for one statement with unnest(). One thread at a time.
 */
#ifndef GRIDHUB_PG_COLUMNS_H
#define GRIDHUB_PG_COLUMNS_H

#include "pg.h"

#define PG_COLUMNS_MAX 20

struct pg_columns {
	struct buf c[PG_COLUMNS_MAX];
	size_t n;
};

void pg_columns_init(struct pg_columns *a, size_t n);
void pg_columns_done(struct pg_columns *a);
#define auto_pg_columns auto_call(pg_columns_done)
/* Close the arrays and put them behind args[*n…]. -E2BIG when one did not fit. */
must_check int pg_columns_args(struct pg_columns *a, struct pg_arg *args, size_t *n);

#endif
