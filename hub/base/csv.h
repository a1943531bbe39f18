/*
 * csv: rows of RFC 4180 text in memory: quotes, doubled quotes, line breaks within quotes, CRLF or
 * LF, an optional byte order mark; blank lines are passed over.
 *
 * The text is changed in place (doubled quotes), cells are slices of it. A bad row is reported and
 * reading goes on behind it, so that a person sees all errors at once. Pure; any thread.
 */
#ifndef GRIDHUB_CSV_H
#define GRIDHUB_CSV_H

#include "base.h"

#define CSV_COLUMNS_MAX 64

struct csv {
	char *at, *end;
	size_t line; /* of `at`, from 1 */
};

struct csv_row {
	size_t line; /* where it begins */
	size_t n;
	struct slice cell[CSV_COLUMNS_MAX];
};

/* text is the caller's and outlives the rows. */
void csv_init(struct csv *c, char *text, size_t n);
/* 1: a row; 0: the end; -EBADMSG: quotes that are not RFC 4180; -E2BIG: more than CSV_COLUMNS_MAX
 * cells. After an error, row->line says where, and the next call goes on with the next line. */
must_check int csv_next(struct csv *c, struct csv_row *row, struct err *e);

#endif
