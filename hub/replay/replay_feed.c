#include "replay_feed.h"

#include <inttypes.h>

#include "district.h"
#include "replay_fields.h"
#include "times.h"

#define IDS_MAX ((size_t)64 << 20)

void replay_roll_done(struct replay_roll *roll)
{
	registry_free(roll->registry);
	free(roll->chosen);
	buf_done(&roll->ids);
}

int replay_feed_begin(struct pg *p, struct err *e)
{
	return pg_script(p, sql_queries[SQL_REPLAY_BEGIN].text, e);
}

/* ---- the registry ---- */

static int load(struct pg *p, int64_t district_id, struct registry *to,
		struct pg_rows **ret_devices, struct err *e)
{
	auto_rows struct pg_rows *grids = NULL;
	const struct pg_arg args[] = {PGA_I(district_id), PGA_I(-1)};
	int64_t id;
	int r = pg_query(p, SQL_STORE_GRIDS, args, COUNT_OF(args), e, &grids);
	if (!r)
		r = pg_query(p, SQL_STORE_DEVICES, args, COUNT_OF(args), e, ret_devices);
	if (r)
		return r;
	for (size_t i = 0; i < pg_count(grids) && !r; i++)
		r = district_put_grid(to, grids, i);
	for (size_t i = 0; i < pg_count(*ret_devices) && r >= 0; i++)
		r = district_put_device(to, *ret_devices, i, &id);
	registry_link(to);
	return r < 0 ? err_set(e, r, "registry: %s", strerror(-r)) : 0;
}

static bool below(const struct grid *g, const char *code)
{
	while (g && strcmp(g->code, code) != 0)
		g = g->parent;
	return g;
}

static int choose(struct replay_roll *roll, const struct pg_rows *devices, const char *device,
		  const char *grid)
{
	size_t n = pg_count(devices);
	buf_init(&roll->ids, IDS_MAX);
	roll->chosen = mem_new((n + 1) * sizeof(const struct device *));
	if (!roll->chosen)
		return -ENOMEM;
	pg_array_begin(&roll->ids);
	for (size_t i = 0; i < n; i++) {
		const struct device *d = registry_device(roll->registry, pg_i64(devices, i, 0));
		if (!d || (device && strcmp(d->name, device) != 0) ||
		    (grid && !below(d->grid, grid)))
			continue;
		roll->chosen[roll->nchosen++] = d;
		pg_array_i64(&roll->ids, d->id);
	}
	pg_array_end(&roll->ids);
	if (roll->ids.failed)
		return -E2BIG;
	if (!device && !grid)
		buf_reset(&roll->ids);
	return 0;
}

int replay_feed_roll(struct pg *p, int64_t district_id, const char *device, const char *grid,
		     struct replay_roll *ret, struct err *e)
{
	auto_rows struct pg_rows *devices = NULL;
	auto_call(replay_roll_done) struct replay_roll roll = {.registry = registry_new()};
	if (!roll.registry)
		return err_set(e, -ENOMEM, "out of memory");
	int r = load(p, district_id, roll.registry, &devices, e);
	if (r)
		return r;
	r = choose(&roll, devices, device, grid);
	if (r)
		return err_set(e, r, "registry: %s", strerror(-r));
	if (!roll.nchosen && (device || grid))
		return err_set(e, -ENOENT, "there is no device%s%s%s%s", device ? " " : "",
			       device ? device : "", grid ? " in the grid " : "", grid ? grid : "");
	*ret = roll;
	roll = (struct replay_roll){0};
	return 0;
}

/* ---- history ---- */

int replay_feed_oldest(struct pg *p, int64_t district_id, int64_t *ret_us, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	const struct pg_arg args[] = {PGA_I(district_id)};
	int r = pg_query(p, SQL_REPLAY_OLDEST, args, COUNT_OF(args), e, &rows);
	if (!r)
		*ret_us = pg_count(rows) ? pg_i64(rows, 0, 0) : INT64_MAX;
	return r;
}

/* Of one time: what ends, ends before another begins; one that is empty begins, and ends. */
static int rank(const struct replay_moment *m)
{
	if (m->empty)
		return m->over ? 2 : 1;
	return m->over ? 0 : 3;
}

static int by_time(const void *x, const void *y)
{
	const struct replay_moment *a = x, *b = y;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	return rank(a) - rank(b);
}

void replay_gaps_done(struct replay_gaps *g)
{
	free(g->v);
	pg_rows_free(g->rows);
}

int replay_feed_gaps(struct pg *p, int64_t district_id, int64_t from_us, int64_t to_us,
		     struct replay_gaps *ret, struct err *e)
{
	const struct pg_arg args[] = {PGA_I(district_id), PGA_I(from_us), PGA_I(to_us)};
	auto_rows struct pg_rows *rows = NULL;
	int r = pg_query(p, SQL_REPLAY_GAPS, args, COUNT_OF(args), e, &rows);
	if (r)
		return r;
	struct replay_moment *v = mem_new((2 * pg_count(rows) + 1) * sizeof *v);
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < pg_count(rows); i++) {
		const char *adapter = pg_bool(rows, i, 1) ? NULL : pg_str(rows, i, 0);
		int64_t from = pg_i64(rows, i, 2), to = pg_i64(rows, i, 3);
		bool empty = from == to;
		v[2 * i] =
			(struct replay_moment){.at_us = from, .empty = empty, .adapter = adapter};
		v[2 * i + 1] = (struct replay_moment){to, true, empty, adapter, from};
	}
	qsort(v, 2 * pg_count(rows), sizeof *v, by_time);
	*ret = (struct replay_gaps){.v = v, .n = 2 * pg_count(rows), .rows = rows};
	rows = NULL;
	return 0;
}

/* ---- readings ---- */

enum { CELL_RECV, CELL_AT, CELL_DEVICE, CELL_KIND, CELL_FIELDS, CELLS };

struct feed {
	replay_reading_fn fn;
	void *ctx;
	struct err *e;
	struct field fields[READING_MAX_FIELDS];
};

static int on_row(void *ctx, const struct pg_cell *cells)
{
	struct feed *f = ctx;
	struct replay_reading x = {
		.recv_us = pg_cell_us(cells[CELL_RECV]),
		.at_us = pg_cell_us(cells[CELL_AT]),
		.device_id = pg_cell_int(cells[CELL_DEVICE]),
		.r = {.kind = (enum reading_kind)pg_cell_int(cells[CELL_KIND]),
		      .fields = f->fields},
	};
	struct pg_cell json = cells[CELL_FIELDS]; /* jsonb's binary form: version 1, then text */
	int r = json.n && json.p[0] == 1
			? replay_fields(json.p + 1, json.n - 1, f->fields, &x.r.nfields)
			: -EBADMSG;
	if (r)
		return err_set(f->e, r,
			       "a stored reading of device number %" PRId64
			       " is not one that the hub has written",
			       x.device_id);
	return f->fn(f->ctx, &x);
}

static int set_range(struct pg *p, int64_t district_id, int64_t from_us, int64_t to_us,
		     struct slice ids, struct err *e)
{
	const struct pg_arg args[] = {PGA_I(district_id), PGA_I(from_us), PGA_I(to_us), PGA_S(ids)};
	return pg_query(p, SQL_REPLAY_RANGE, args, COUNT_OF(args), e, NULL);
}

/* One after the other in the same transaction, and each sorted by itself. */
static int read_days(struct pg *p, int64_t district_id, int64_t from_us, int64_t to_us,
		     struct slice ids, struct feed *f)
{
	auto_rows struct pg_rows *days = NULL;
	int r = pg_query(p, SQL_REPLAY_DAYS, NULL, 0, f->e, &days);
	for (size_t i = 0; !r && i < pg_count(days); i++) {
		int64_t day = pg_i64(days, i, 0);
		int64_t from = MAX_OF(from_us, day), to = MIN_OF(to_us, day + TIMES_DAY);
		if (from >= to)
			continue;
		r = set_range(p, district_id, from, to, ids, f->e);
		if (!r)
			r = pg_copy_out(p, SQL_REPLAY_READINGS, CELLS, on_row, f, f->e);
	}
	return r;
}

int replay_feed_readings(struct pg *p, int64_t district_id, int64_t from_us, int64_t to_us,
			 const struct replay_roll *roll, replay_reading_fn fn, void *ctx,
			 struct err *e)
{
	struct feed *f = mem_new(sizeof *f);
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	*f = (struct feed){.fn = fn, .ctx = ctx, .e = e};
	int r = read_days(p, district_id, from_us, to_us, buf_slice(&roll->ids), f);
	free(f);
	return r;
}
