/*
 * store_columns: rows of a batch as arrays, one a column, for one statement a table. For store_*.c
 * only.
 */
#ifndef GRIDHUB_STORE_COLUMNS_H
#define GRIDHUB_STORE_COLUMNS_H

#include "store_write.h"

#define STORE_COLUMNS_MAX 18

struct store_columns {
	struct buf c[STORE_COLUMNS_MAX];
	size_t n;
};

void store_columns_init(struct store_columns *a, size_t n);
void store_columns_done(struct store_columns *a);
#define auto_store_columns auto_call(store_columns_done)
/* Close the arrays and put them behind args[*n…]. -E2BIG when one did not fit. */
must_check int store_columns_args(struct store_columns *a, struct pg_arg *args, size_t *n);

/* Text for a `text` column: UTF-8 without NUL, whatever came in. */
void store_array_text(struct buf *b, struct slice s, struct buf *scratch);
/* Bytes for decode(…, 'hex'). */
void store_array_hex(struct buf *b, struct slice s, struct buf *scratch);
/* {} for none. */
struct slice store_json(struct slice s);

/* What a transaction is written with. */
struct store_writing {
	struct pg *pg;
	const struct config *conf;
	const struct store_position *pos;
	struct store_result *res;
	struct err *e;
};

#endif
