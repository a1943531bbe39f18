/*
 * district: the registry of a district as the database has it: rows of store_grids.sql and
 * store_devices.sql into a struct registry. Pure but for the rows; one thread at a time.
 */
#ifndef GRIDHUB_DISTRICT_H
#define GRIDHUB_DISTRICT_H

#include "pg.h"
#include "registry.h"

must_check int district_put_grid(struct registry *to, const struct pg_rows *rows, size_t i);
/* 1: that device was removed; *ret_id is its id either way. */
must_check int district_put_device(struct registry *to, const struct pg_rows *rows, size_t i,
				   int64_t *ret_id);

#endif
