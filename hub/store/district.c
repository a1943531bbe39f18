#include "district.h"

#include "times.h"

int district_put_grid(struct registry *to, const struct pg_rows *rows, size_t i)
{
	struct grid g = {
		.id = pg_i64(rows, i, 0),
		.code = pg_str(rows, i, 1),
		.name = pg_str(rows, i, 2),
		.level = (int)pg_i64(rows, i, 3),
		.dedicated = pg_bool(rows, i, 4),
		.parent_id = pg_i64(rows, i, 5),
		.leader = pg_str(rows, i, 6),
		.deputy = pg_str(rows, i, 7),
		.endpoint = pg_str(rows, i, 8),
	};
	return registry_put_grid(to, &g);
}

int district_put_device(struct registry *to, const struct pg_rows *rows, size_t i, int64_t *ret_id)
{
	struct device d = {
		.id = pg_i64(rows, i, 0),
		.name = pg_str(rows, i, 1),
		.title = pg_str(rows, i, 2),
		.class = (enum device_class)pg_i64(rows, i, 3),
		.adapter = pg_str(rows, i, 4),
		.address = pg_str(rows, i, 5),
		/* Multiples of it are added to times. */
		.interval_us = MIN_OF(MAX_OF(pg_i64(rows, i, 7), 0), 366 * TIMES_DAY),
	};
	*ret_id = d.id;
	return pg_bool(rows, i, 8) ? 1 : registry_put_device(to, &d, pg_i64(rows, i, 6));
}
