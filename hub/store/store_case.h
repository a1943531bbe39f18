/*
 * store_case: cases of a batch: opened, folded, recovered; held within maintenance and under
 * outages. For store*.c only; store's thread.
 */
#ifndef GRIDHUB_STORE_CASE_H
#define GRIDHUB_STORE_CASE_H

#include "store_columns.h"

/* As struct section of store_write.c says. */
must_check int store_cases(struct store_writing *w, struct batch *b);
#define STORE_RELEASE_MAX 1000 /* as store_case.sql has it */
/* A transaction of its own: what was held and still fires when that is over is opened, at most
 * STORE_RELEASE_MAX of them. */
must_check int store_release(struct pg *p, const struct config *conf,
			     const struct store_position *pos, struct store_result *ret,
			     struct err *e);

#endif
