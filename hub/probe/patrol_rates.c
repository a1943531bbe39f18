#include "patrol_rates.h"

#include "metrics.h"
#include "times.h"

#define EVERY_US TIMES_MIN
#define FIRST_US (5 * TIMES_SEC) /* then twice that, and so on */
#define COST 50			 /* at least so many times what the answer takes */
#define GOOD_FOR 3		 /* such pauses: one answer may fail to come */
#define LEVEL_MAX 1		 /* the district and its subdistricts */
#define GRIDS_MAX 64
#define TEXT_MAX ((size_t)1 << 16) /* a code is not bounded by the database */

static const char *const states[] = {"online", "offline", "unknown", "maintenance"};

enum column { COL_CODE, COL_LEVEL, COL_STATES, COL_GRIDS = COL_STATES + COUNT_OF(states) };

static void tell(const struct pg_rows *rows, int64_t good_for_us)
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < pg_count(rows); i++)
		for (size_t k = 0; k < COUNT_OF(states); k++) {
			const struct metric_label labels[] = {
				{"grid", pg_slice(rows, i, COL_CODE)},
				{"level", pg_slice(rows, i, COL_LEVEL)},
				{"state", slice_of(states[k])}};
			metric_put_row(&text, M_PROBE_GRID_STREAMS, labels, COUNT_OF(labels),
				       (uint64_t)pg_i64(rows, i, COL_STATES + k));
		}
	size_t told = text.failed ? 0 : pg_count(rows);
	metric_set_rows(M_PROBE_GRID_STREAMS, &text, good_for_us);
	uint64_t grids = pg_count(rows) ? (uint64_t)pg_i64(rows, 0, COL_GRIDS) : 0;
	metric_set(M_PROBE_GRIDS_LEFT_OUT, grids - told);
}

/* In a transaction, for the planner's setting is only for this statement. */
static int ask(struct pg *pg, int64_t district, struct err *e, struct pg_rows **ret)
{
	const struct pg_arg args[] = {PGA_I(district), PGA_I(LEVEL_MAX), PGA_I(GRIDS_MAX)};
	int r = pg_begin(pg, e);
	if (!r)
		r = pg_query(pg, SQL_PATROL_RATES_PLAN, NULL, 0, e, NULL);
	if (!r)
		r = pg_query(pg, SQL_PATROL_RATES, args, COUNT_OF(args), e, ret);
	return r ? r : pg_commit(pg, e);
}

int patrol_rates_tell(struct patrol_rates *r, struct pg *pg, int64_t district, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	int64_t start = times_mono_us();
	if (start < r->at_us)
		return 0;
	r->pause_us = r->pause_us ? MIN_OF(r->pause_us * 2, EVERY_US) : FIRST_US;
	r->at_us = start + r->pause_us; /* also if it fails: leases come first */
	int rc = ask(pg, district, e, &rows);
	if (rc)
		return rc;
	int64_t now = times_mono_us(), pause_us = MAX_OF(r->pause_us, (now - start) * COST);
	r->at_us = now + pause_us;
	tell(rows, GOOD_FOR * MAX_OF(pause_us, EVERY_US));
	return 0;
}
