/* gridhub restore: what gridhub backup has written, into an empty database and an empty spool. */
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_backup.h"
#include "migrate.h"
#include "times.h"

static const char help[] =
	"usage: gridhub restore [--database-only | --spool-only] [--accept-loss] [--jobs N] "
	"[--config FILE] DIR\n\n"
	"Put a backup back: the database (by pg_restore) into an empty one, which has to be there "
	"already, and the spool into\n"
	"spool.dir, which must have nothing in it. Stop the hub first; what comes meanwhile waits "
	"in the broker. Then start\n"
	"it: it works off what the dump lacks and the spool has, each record once, and owed alerts "
	"go out.\n\n"
	"  --database-only  the spool has survived: what came since the backup is in it, as far as "
	"it reaches back\n"
	"  --spool-only     the database has survived, or another hub's backup has it\n"
	"  --accept-loss    go on although records are in neither dump nor spool\n"
	"  --jobs N         connections of pg_restore (2)\n"
	"  --config FILE    configuration; its role becomes the owner of the schema\n\n"
	"A dump that is newer than the spool is fine, an older one as long as the spool reaches "
	"back "
	"to it: else it is\n"
	"refused, with the number of records that would be lost.\n";

#define POLL_US (500 * TIMES_MS)
#define SAY_US (10 * TIMES_SEC)
#define REQUEST_US (6 * TIMES_HOUR) /* statistics of a large database take their time */

struct restore {
	const struct backup_options *o;
	const struct config *conf;
	struct backup_manifest manifest;
	char database[PATH_MAX], spool[PATH_MAX], part[PATH_MAX];
	int64_t begun_us;
	struct pg *pg;
	uint64_t cursor; /* how far the database has the spool, */
	struct spool_copied of_spool;
	bool has_spool; /* which is this one */
	uint64_t lost;
};

static void restore_done(struct restore *s)
{
	pg_close(s->pg);
	backup_manifest_done(&s->manifest);
}

/* ---- what must be so before anything is touched ---- */

static int check_backup(const struct restore *s, struct err *e)
{
	const struct backup_manifest *m = &s->manifest;
	int64_t newest = (int64_t)sql_migrations_count;
	if (!s->o->no_database && !m->database)
		return err_set(e, -ENOENT, "%s has no database: it is for --spool-only", s->o->dir);
	if (!s->o->no_spool && !m->spool)
		return err_set(e, -ENOENT, "%s has no spool: it is for --database-only", s->o->dir);
	if (!s->o->no_database && m->schema > newest)
		return err_set(e, -EPROTONOSUPPORT,
			       "%s is of a newer gridhub: its schema is at %lld, this one knows "
			       "%lld",
			       s->o->dir, (long long)m->schema, (long long)newest);
	return 0;
}

static int check_database(struct restore *s, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_conf pc = {.conninfo = s->conf->database.conninfo,
			     .password_file = s->conf->database.password_file,
			     .app_name = "gridhub restore",
			     .timeout_us = REQUEST_US};
	int r = pg_open(&pc, e, &s->pg);
	if (!r)
		r = pg_query(s->pg, SQL_BACKUP_TARGET, NULL, 0, e, &rows);
	if (r)
		return r;
	int64_t tables = pg_i64(rows, 0, 0), server = pg_i64(rows, 0, 1);
	if (tables)
		return err_set(e, -ENOTEMPTY,
			       "the database \"%s\" is not empty, it has %lld tables: dropdb and "
			       "createdb, or name another in the configuration",
			       pg_str(rows, 0, 2), (long long)tables);
	if (server / 10000 < s->manifest.server / 10000)
		return err_set(e, -EPROTONOSUPPORT,
			       "the server is PostgreSQL %lld, the dump is of PostgreSQL %lld: it "
			       "needs one that is not older",
			       (long long)server / 10000, (long long)s->manifest.server / 10000);
	return 0;
}

static int check_room(const struct restore *s, struct err *e)
{
	struct statvfs fs;
	char at[PATH_MAX];
	char *slash;
	snprintf(at, sizeof at, "%s", s->conf->spool.dir);
	while (statvfs(at, &fs) && errno == ENOENT && (slash = strrchr(at, '/')) && slash > at)
		*slash = 0;
	if (statvfs(at, &fs))
		return err_set(e, -errno, "%s: %s", at, strerror(errno));
	uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (left < s->manifest.of_spool.bytes)
		return err_set(e, -ENOSPC, "%s: %llu MB free, the spool needs %llu MB", at,
			       (unsigned long long)(left >> 20),
			       (unsigned long long)(s->manifest.of_spool.bytes >> 20));
	return 0;
}

/* The spool that the hub will run with: of the backup, or the one that has survived. */
static int check_spool(struct restore *s, struct err *e)
{
	const char *dir = s->conf->spool.dir;
	int r = spool_in_use(dir, e);
	if (r)
		return r < 0 ? r : err_set(e, -EBUSY, "%s: a hub is running: stop it first", dir);
	if (s->o->no_spool) {
		r = spool_look(dir, &s->of_spool, e);
		s->has_spool = !r;
		return r == -ENOENT ? 0 : r;
	}
	r = backup_empty(dir, e);
	if (r == 0)
		r = err_set(e, -ENOTEMPTY,
			    "%s is not empty: if it is good, keep it (--database-only), else move "
			    "it away",
			    dir);
	if (r == 1)
		r = check_room(s, e);
	if (!r)
		r = spool_look(s->spool, &s->of_spool, e);
	s->has_spool = !r;
	return r;
}

static int surviving_cursor(struct restore *s, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_STR(s->conf->district), PGA_STR(s->of_spool.id)};
	struct pg_conf pc = {.conninfo = s->conf->database.conninfo,
			     .password_file = s->conf->database.password_file,
			     .app_name = "gridhub restore",
			     .timeout_us = s->conf->database.timeout_us};
	int r = pg_open(&pc, e, &s->pg);
	if (!r)
		r = pg_query(s->pg, SQL_BACKUP_CURSOR, args, COUNT_OF(args), e, &rows);
	s->cursor = !r && pg_count(rows) ? (uint64_t)pg_i64(rows, 0, 0) : 0;
	return r;
}

static int check_pair(struct restore *s, struct err *e)
{
	s->cursor = backup_manifest_cursor(&s->manifest, slice_of(s->conf->district),
					   slice_of(s->of_spool.id));
	int r = s->o->no_database ? surviving_cursor(s, e) : 0;
	if (r)
		return r;
	s->lost = s->has_spool ? spool_between(s->cursor, s->of_spool.first_seq) : 0;
	if (!s->lost || s->o->accept_loss)
		return 0;
	return err_set(e, -ESTALE,
		       "%llu records are in neither: the database would have the spool up to %llu, "
		       "and the spool begins at %llu (--accept-loss goes on all the same)",
		       (unsigned long long)s->lost, (unsigned long long)s->cursor,
		       (unsigned long long)s->of_spool.first_seq);
}

static int check(struct restore *s, struct err *e)
{
	int r = backup_manifest_read(s->o->dir, &s->manifest, e);
	if (!r)
		r = backup_path(s->o->dir, "database", s->database, e);
	if (!r)
		r = backup_path(s->o->dir, "spool", s->spool, e);
	if (!r)
		r = check_backup(s, e);
	if (!r)
		r = check_spool(s, e);
	if (!r && !s->o->no_database)
		r = check_database(s, e);
	return r ? r : check_pair(s, e);
}

/* ---- putting it back ---- */

static int run_pg_restore(struct restore *s, struct err *e)
{
	char db[4096], jobs[32];
	char name[] = "pg_restore", owner[] = "--no-owner", acl[] = "--no-acl",
	     first[] = "--exit-on-error", ask[] = "--no-password";
	char *argv[] = {name, db, jobs, owner, acl, first, ask, s->database, NULL};
	snprintf(db, sizeof db, "--dbname=%s", s->conf->database.conninfo);
	snprintf(jobs, sizeof jobs, "--jobs=%lld", (long long)s->o->jobs);
	struct backup_tool t = {0};
	int r = backup_tool_start(&t, argv, s->conf, e);
	int64_t said = times_mono_us();
	while (!r && (r = backup_tool_poll(&t, e)) == 1) {
		usleep(POLL_US);
		if (times_mono_us() - said >= SAY_US) {
			said = times_mono_us();
			fprintf(stderr, "gridhub: %lld s: restoring the database\n",
				(long long)((said - s->begun_us) / TIMES_SEC));
		}
		r = 0;
	}
	backup_tool_stop(&t);
	return r ? err_prefix(e, r, "the database has a part of it now and must be made anew") : 0;
}

static void say(const char *line)
{
	fprintf(stderr, "gridhub: applied %s\n", line);
}

/* Rights go by the names of roles, which a dump of one database does not have; statistics are not
 * in it either. */
static int put_database(struct restore *s, struct err *e)
{
	size_t applied = 0;
	int r = run_pg_restore(s, e);
	if (!r)
		r = migrate_run(s->pg, say, &applied, e);
	if (!r)
		r = migrate_roles(s->pg, NULL, NULL, e);
	return r ? r : pg_query(s->pg, SQL_BACKUP_ANALYZE, NULL, 0, e, NULL);
}

/* Beside its place first: a spool of which only a part is there must never be taken for a whole
 * one. What is not copied is the note of the machine's last boot, so that numbers go on far behind
 * those that another incarnation may have given out. */
static int put_spool(struct restore *s, struct err *e)
{
	const char *dir = s->conf->spool.dir;
	struct spool_copied copied;
	struct spool_copy *c = NULL;
	int n = snprintf(s->part, sizeof s->part, "%s.restore", dir);
	if (n < 0 || (size_t)n >= sizeof s->part)
		return err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
	int r = backup_remove(s->part, e);
	if (!r)
		r = spool_copy_begin(s->spool, s->part, e, &c);
	if (!r)
		r = spool_copy_finish(c, &copied, e);
	spool_copy_free(c);
	if (!r && copied.bytes != s->of_spool.bytes)
		r = err_set(e, -EIO, "%s: %llu bytes of %llu were copied", s->part,
			    (unsigned long long)copied.bytes,
			    (unsigned long long)s->of_spool.bytes);
	if (!r && rmdir(dir) && errno != ENOENT)
		r = err_set(e, -errno, "%s: cannot put the spool there: %s", dir, strerror(errno));
	if (!r && rename(s->part, dir))
		r = err_set(e, -errno, "%s: cannot rename to %s: %s", s->part, dir,
			    strerror(errno));
	return r;
}

static void print_result(const struct restore *s)
{
	auto_buf struct buf line;
	buf_init(&line, 65536);
	buf_puts(&line, "{\"restored\":");
	json_put_str(&line, slice_of(s->o->dir));
	buf_printf(&line, ",\"seconds\":%.1f,\"lost\":%llu",
		   (double)(times_mono_us() - s->begun_us) / 1e6, (unsigned long long)s->lost);
	if (s->has_spool)
		buf_printf(&line, ",\"records_to_work_off\":%llu",
			   (unsigned long long)(s->of_spool.next_seq > s->cursor
							? spool_between(s->cursor,
									s->of_spool.next_seq) -
								  s->lost
							: 0));
	printf("%s}\n", buf_str(&line));
}

static int restore(const struct backup_options *o)
{
	auto_config struct config *c = NULL;
	struct err e = {0};
	if (config_load(cmd_config_path(o->config_path), &e, &c))
		return cmd_fail(&e);
	auto_call(restore_done) struct restore s = {.o = o, .conf = c, .begun_us = times_mono_us()};
	int r = check(&s, &e);
	if (!r && !o->no_database)
		r = put_database(&s, &e);
	if (!r && !o->no_spool)
		r = put_spool(&s, &e);
	if (r)
		return cmd_fail(&e);
	print_result(&s);
	return CMD_OK;
}

int cmd_restore(int argc, char **argv)
{
	struct backup_options o;
	int r = backup_options(argc, argv, "restore", help, &o);
	return r >= 0 ? r : restore(&o);
}
