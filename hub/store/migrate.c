#include "migrate.h"

#include <poll.h>

#include "times.h"

#define LOCK_WAIT_US (5 * TIMES_MIN)

static int take_lock(struct pg *p, struct err *e)
{
	int64_t deadline = times_mono_us() + LOCK_WAIT_US;
	for (;;) {
		auto_rows struct pg_rows *rows = NULL;
		int r = pg_query(p, SQL_MIGRATE_LOCK, NULL, 0, e, &rows);
		if (r)
			return r;
		if (pg_bool(rows, 0, 0))
			return 0;
		if (times_mono_us() > deadline)
			return err_set(e, -EBUSY,
				       "database: another hub has held the migration lock for five "
				       "minutes");
		poll(NULL, 0, 200);
	}
}

/* Compare what was applied with what we have; *ret_next = the first step that is missing. */
static int compare(struct pg *p, size_t *ret_next, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	int r = pg_query(p, SQL_MIGRATE_APPLIED, NULL, 0, e, &rows);
	if (r)
		return r;
	for (size_t i = 0; i < pg_count(rows); i++) {
		if (i >= sql_migrations_count)
			return err_set(e, -EPROTONOSUPPORT,
				       "database: its schema is newer (%s) than this gridhub knows "
				       "(%s): install a newer gridhub",
				       pg_str(rows, i, 1),
				       sql_migrations[sql_migrations_count - 1].name);
		const struct sql_migration *m = &sql_migrations[i];
		if (pg_i64(rows, i, 0) != m->version || !slice_is(pg_slice(rows, i, 2), m->sha256))
			return err_set(e, -EILSEQ,
				       "database: migration %s was applied with other contents "
				       "than this gridhub's %s",
				       pg_str(rows, i, 1), m->name);
	}
	*ret_next = pg_count(rows);
	return 0;
}

static int apply(struct pg *p, const struct sql_migration *m, struct err *e)
{
	int r = pg_begin(p, e);
	if (r)
		return r;
	r = pg_script(p, m->text, e);
	if (!r) {
		struct pg_arg args[] = {PGA_I(m->version), PGA_STR(m->name), PGA_STR(m->sha256)};
		r = pg_query(p, SQL_MIGRATE_RECORD, args, COUNT_OF(args), e, NULL);
	}
	if (!r)
		r = pg_commit(p, e);
	if (r) {
		pg_rollback(p);
		return err_prefix(e, r, "migration %s", m->name);
	}
	return 0;
}

static int apply_missing(struct pg *p, void (*say)(const char *line), size_t *ret_applied,
			 struct err *e)
{
	size_t next = 0, applied = 0;
	int r = pg_query(p, SQL_MIGRATE_TABLE, NULL, 0, e, NULL);
	if (!r)
		r = compare(p, &next, e);
	for (; !r && next < sql_migrations_count; next++) {
		r = apply(p, &sql_migrations[next], e);
		if (!r)
			applied++;
		if (!r && say)
			say(sql_migrations[next].name);
	}
	if (!r && applied) /* tables may be new */
		r = pg_query(p, SQL_MIGRATE_ROLES_APPLY, NULL, 0, e, NULL);
	if (!r)
		*ret_applied = applied;
	return r;
}

int migrate_run(struct pg *p, void (*say)(const char *line), size_t *ret_applied, struct err *e)
{
	int r = take_lock(p, e);
	if (r)
		return r;
	r = apply_missing(p, say, ret_applied, e);
	if (!r)
		r = pg_query(p, SQL_MIGRATE_UNLOCK, NULL, 0, e, NULL);
	return r;
}

static int name_role(struct pg *p, const char *role, const char *may, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	const struct pg_arg args[] = {PGA_STR(role), PGA_STR(may)};
	int r = pg_query(p, SQL_MIGRATE_ROLE, args, COUNT_OF(args), e, &rows);
	if (!r && !pg_affected(rows))
		r = err_set(e, -ENOENT,
			    "database: there is no role \"%.63s\" beside the one that migrates "
			    "(CREATE ROLE)",
			    role);
	return r;
}

static int name_roles(struct pg *p, const char *hub, const char *report, struct err *e)
{
	int r = hub ? name_role(p, hub, "hub", e) : 0;
	if (!r && report)
		r = name_role(p, report, "report", e);
	return r ? r : pg_query(p, SQL_MIGRATE_ROLES_APPLY, NULL, 0, e, NULL);
}

int migrate_roles(struct pg *p, const char *hub, const char *report, struct err *e)
{
	int r = pg_begin(p, e);
	if (r)
		return r;
	r = name_roles(p, hub, report, e);
	if (!r)
		return pg_commit(p, e);
	pg_rollback(p);
	return r;
}

int migrate_check(struct pg *p, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	int r = pg_query(p, SQL_MIGRATE_EXISTS, NULL, 0, e, &rows);
	if (r)
		return r;
	size_t next = 0;
	if (pg_bool(rows, 0, 0)) {
		r = compare(p, &next, e);
		if (r)
			return r;
	}
	if (next < sql_migrations_count)
		return err_set(e, -ESTALE, "database: migration %s is missing: run gridhub migrate",
			       sql_migrations[next].name);
	return 0;
}

int migrate_district(struct pg *p, const char *name, int64_t *ret_id, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_STR(name)};
	int r = pg_query(p, SQL_MIGRATE_DISTRICT, args, COUNT_OF(args), e, &rows);
	/* Another hub made it at the same moment: this statement does not see it yet. */
	if (!r && !pg_count(rows))
		r = err_set(e, -EAGAIN, "database: district \"%.60s\" is just being made", name);
	if (!r)
		*ret_id = pg_i64(rows, 0, 0);
	return r;
}
