#include "store_keep.h"

#include "log.h"
#include "metrics.h"
#include "times.h"

#define HOUSEKEEPING_US TIMES_HOUR

void store_keep_init(struct store_keep *k)
{
	*k = (struct store_keep){.made_first_day = 1, .next_us = k->next_us};
}

/* ---- partitions ---- */

static int64_t day_of(int64_t us)
{
	return us / TIMES_DAY;
}

static int make_partitions(struct pg *p, int64_t first_day, int64_t last_day, struct err *e)
{
	struct pg_arg args[] = {PGA_I(first_day * TIMES_DAY), PGA_I(last_day * TIMES_DAY)};
	return pg_query(p, SQL_STORE_PARTITIONS, args, COUNT_OF(args), e, NULL);
}

/* It is there already, unless the batch comes late out of the spool, or a clock is wrong. */
int store_keep_day(struct store_keep *k, struct pg *p, int64_t us, struct err *e)
{
	int64_t day = day_of(us);
	bool made = k->made_first_day <= day && day <= k->made_last_day;
	return made ? 0 : make_partitions(p, day, day, e);
}

/* ---- what is too old ---- */

/* Of which statement, after how long (offset of the setting in the configuration). */
static const struct old_rows {
	enum sql_id statement;
	size_t keep;
	const char *what;
} old_rows[] = {
#define KEEP(member) offsetof(struct config, member)
	{SQL_STORE_FORGET_RULES, KEEP(database.keep_readings_us), "what rules do not need"},
	{SQL_STORE_FORGET_DELIVERIES, KEEP(database.keep_deliveries_us), "attempts to deliver"},
	{SQL_STORE_FORGET_DEAD, KEEP(database.keep_deliveries_us), "dead letters"},
	{SQL_STORE_FORGET_CASES, KEEP(database.keep_cases_us), "closed cases"},
#undef KEEP
};

/* What is left for the next hour goes then. */
static int forget(struct pg *p, const struct config *conf, int64_t district_id,
		  const struct old_rows *old, struct err *e)
{
	int64_t keep_us, gone = 0;
	memcpy(&keep_us, (const char *)conf + old->keep, sizeof keep_us);
	struct pg_arg args[] = {PGA_I(district_id), PGA_I(keep_us)};
	int r = 0;
	for (int round = 0; round < 100; round++) {
		auto_rows struct pg_rows *rows = NULL;
		r = pg_query(p, old->statement, args, COUNT_OF(args), e, &rows);
		if (r || !pg_affected(rows))
			break;
		gone += pg_affected(rows);
	}
	if (gone)
		log_info("store", KM("too old to keep, dropped"), KS("what", old->what),
			 KI("rows", gone));
	return r;
}

static int note_backup(struct pg *p, int64_t district_id, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_I(district_id)};
	int r = pg_query(p, SQL_STORE_LAST_BACKUP, args, COUNT_OF(args), e, &rows);
	if (!r)
		metric_set(M_BACKUP_AT, (uint64_t)(pg_i64(rows, 0, 0) / TIMES_SEC));
	return r;
}

int store_keep_chores(struct store_keep *k, struct pg *p, const struct config *conf,
		      int64_t district_id, struct err *e)
{
	int64_t now = times_now_us(), keep_us = conf->database.keep_readings_us;
	if (times_mono_us() < k->next_us)
		return 0;
	k->next_us = times_mono_us() + HOUSEKEEPING_US;
	int r = make_partitions(p, day_of(now) - 1, day_of(now) + 2, e);
	if (!r) {
		k->made_first_day = day_of(now) - 1;
		k->made_last_day = day_of(now) + 2;
	}
	struct pg_arg args[] = {PGA_I(now - keep_us), PGA_I(keep_us)};
	if (!r)
		r = pg_query(p, SQL_STORE_RETENTION, args, COUNT_OF(args), e, NULL);
	for (size_t i = 0; !r && i < COUNT_OF(old_rows); i++)
		r = forget(p, conf, district_id, &old_rows[i], e);
	return r ? r : note_backup(p, district_id, e);
}
