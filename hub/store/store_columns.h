/*
 * store_columns: what rows of a batch are written with, and values that may be anything. For
 * store_*.c only.
 */
#ifndef GRIDHUB_STORE_COLUMNS_H
#define GRIDHUB_STORE_COLUMNS_H

#include "pg_columns.h"
#include "store_write.h"

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
