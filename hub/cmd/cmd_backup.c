/* gridhub backup: the database and the spool as a pair that fits together, while the hub runs. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_backup.h"
#include "times.h"

static const char help[] =
	"usage: gridhub backup [--database-only | --spool-only] [--jobs N] [--config FILE] DIR\n\n"
	"Write the database (by pg_dump) and the spool into the new folder DIR, so that they fit "
	"together: what is\n"
	"not in the dump stands in the copy of the spool. The hub goes on meanwhile; its messages "
	"are in the backup if\n"
	"they were acknowledged before its end. gridhub restore reads it.\n\n"
	"  --database-only  no spool: where there is none, or for several hubs (see below)\n"
	"  --spool-only     no database\n"
	"  --jobs N         connections of pg_dump (2)\n"
	"  --config FILE    configuration; its role has to be the owner of the schema\n\n"
	"Several hubs on one database: one makes a whole backup, each other then one with "
	"--spool-only; spool.keep_percent\n"
	"has to cover the time between.\n"
	"Not in it: the configuration, rules, passwords, keys and certificates (manifest.json "
	"lists the files), and what the\n"
	"broker keeps. DIR has its name only once it is whole; an unfinished one is DIR.part.\n";

#define STEP_US (500 * TIMES_MS)
#define SAY_US (10 * TIMES_SEC)

struct backup {
	const struct backup_options *o;
	const struct config *conf;
	char part[PATH_MAX], database[PATH_MAX], spool[PATH_MAX];
	int64_t begun_us, said_us, snapshot_us;
	struct pg *pg; /* holds the snapshot */
	struct pg_rows *snapshot;
	struct spool_copy *copy;
	struct spool_copied copied;
	struct backup_manifest manifest; /* as it was written */
};

static void backup_done(struct backup *b)
{
	pg_rows_free(b->snapshot);
	pg_close(b->pg);
	spool_copy_free(b->copy);
	backup_manifest_done(&b->manifest);
}

static void say_progress(struct backup *b)
{
	int64_t now = times_mono_us();
	if (now - b->said_us < SAY_US)
		return;
	b->said_us = now;
	fprintf(stderr, "gridhub: %lld s: %llu MB of the database, %llu MB of the spool\n",
		(long long)((now - b->begun_us) / TIMES_SEC),
		(unsigned long long)(backup_bytes(b->database) >> 20),
		(unsigned long long)(b->copy ? spool_copy_bytes(b->copy) >> 20 : 0));
}

static struct pg_conf conf_of(const struct backup *b)
{
	return (struct pg_conf){.conninfo = b->conf->database.conninfo,
				.password_file = b->conf->database.password_file,
				.app_name = "gridhub backup",
				.timeout_us = b->conf->database.timeout_us};
}

static int take_snapshot(struct backup *b, struct err *e)
{
	struct pg_conf pc = conf_of(b);
	int r = pg_open(&pc, e, &b->pg);
	if (!r)
		r = pg_script(b->pg, sql_queries[SQL_BACKUP_BEGIN].text, e);
	if (!r)
		r = pg_query(b->pg, SQL_BACKUP_SNAPSHOT, NULL, 0, e, &b->snapshot);
	b->snapshot_us = times_now_us();
	return r;
}

/* The spool is copied while it is made, so that what the hub releases meanwhile is in the copy. */
static int dump(struct backup *b, struct err *e)
{
	char db[4096], snapshot[128], file[PATH_MAX + 16], jobs[32];
	char name[] = "pg_dump", format[] = "--format=directory", ask[] = "--no-password",
	     wait[] = "--lock-wait-timeout=10min";
	char *argv[] = {name, db, snapshot, file, jobs, format, ask, wait, NULL};
	snprintf(db, sizeof db, "--dbname=%s", b->conf->database.conninfo);
	snprintf(snapshot, sizeof snapshot, "--snapshot=%s", pg_str(b->snapshot, 0, 0));
	snprintf(file, sizeof file, "--file=%s", b->database);
	snprintf(jobs, sizeof jobs, "--jobs=%lld", (long long)b->o->jobs);
	struct backup_tool t = {0};
	int r = backup_tool_start(&t, argv, b->conf, e);
	while (!r && (r = backup_tool_poll(&t, e)) == 1) {
		r = b->copy ? spool_copy_step(b->copy, e) : 0;
		usleep(STEP_US);
		say_progress(b);
	}
	backup_tool_stop(&t);
	return r;
}

/* ---- the manifest ---- */

static void put_file(struct buf *out, const char *path)
{
	if (!path || !path[0])
		return;
	if (out->p[out->n - 1] != '[')
		buf_putc(out, ',');
	json_put_str(out, slice_of(path));
}

/* What a restored hub needs besides; each file once a line of the configuration. */
static void put_config_files(const struct config *c, struct buf *out)
{
	json_put_key(out, "not_in_it");
	buf_putc(out, '[');
	put_file(out, c->path);
	put_file(out, c->rules.dir);
	put_file(out, c->database.password_file);
	for (size_t i = 0; i < c->nbrokers; i++) {
		const struct broker_conf *m = &c->brokers[i];
		const char *files[] = {m->password_file, m->ca_file, m->cert_file, m->key_file};
		for (size_t f = 0; f < COUNT_OF(files); f++)
			put_file(out, files[f]);
	}
	for (size_t i = 0; i < c->nendpoints; i++) {
		const struct endpoint_conf *p = &c->endpoints[i];
		const char *files[] = {p->url_file, p->secret_file, p->template_file, p->ca_file};
		for (size_t f = 0; f < COUNT_OF(files); f++)
			put_file(out, files[f]);
	}
	buf_putc(out, ']');
}

static void put_time(struct buf *out, const char *key, int64_t us)
{
	char at[TIMES_RFC3339_MAX];
	times_format(us, at);
	json_put_key(out, key);
	json_put_str(out, slice_of(at));
}

static void put_manifest(const struct backup *b, struct buf *out)
{
	buf_printf(out, "{\"format\":%d,\"gridhub\":\"" GRIDHUB_VERSION "\"", BACKUP_FORMAT);
	json_put_key(out, "district");
	json_put_str(out, slice_of(b->conf->district));
	put_time(out, "ended_at", times_now_us());
	if (b->snapshot) {
		json_put_key(out, "database");
		buf_printf(out, "{\"server\":%lld,\"schema\":%lld",
			   (long long)pg_i64(b->snapshot, 0, 1),
			   (long long)pg_i64(b->snapshot, 0, 2));
		put_time(out, "snapshot_at", b->snapshot_us);
		buf_printf(out, ",\"bytes\":%llu,\"cursors\":%s}",
			   (unsigned long long)backup_bytes(b->database),
			   pg_str(b->snapshot, 0, 3));
	}
	if (b->copy)
		buf_printf(out,
			   ",\"spool\":{\"id\":\"%s\",\"first_seq\":%llu,\"next_seq\":%llu,"
			   "\"bytes\":%llu,\"damaged\":%llu}",
			   b->copied.id, (unsigned long long)b->copied.first_seq,
			   (unsigned long long)b->copied.next_seq,
			   (unsigned long long)b->copied.bytes,
			   (unsigned long long)b->copied.damaged);
	put_config_files(b->conf, out);
	buf_puts(out, "}\n");
}

static int write_manifest(struct backup *b, struct err *e)
{
	char path[PATH_MAX];
	auto_buf struct buf text;
	buf_init(&text, (size_t)1 << 20);
	put_manifest(b, &text);
	int r = backup_path(b->part, "manifest.json", path, e);
	if (r || text.failed)
		return r ? r : err_set(e, -ENOMEM, "%s: too much to list", path);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	r = fd < 0 ? -errno : fd_write_all(fd, text.p, text.n);
	if (!r && syncfs(fd)) /* what pg_dump wrote, too */
		r = -errno;
	return r ? err_set(e, r, "%s: cannot write: %s", path, strerror(-r))
		 : backup_manifest_read(b->part, &b->manifest, e);
}

/* ---- the whole ---- */

/* What the dump lacks has to be in the copy, from its first record on. */
static int check_pair(struct backup *b, uint64_t *ret_cursor, struct err *e)
{
	*ret_cursor = backup_manifest_cursor(&b->manifest, slice_of(b->conf->district),
					     slice_of(b->copied.id));
	uint64_t lost = spool_between(*ret_cursor, b->copied.first_seq);
	if (!b->snapshot || !lost)
		return 0;
	return err_set(e, -ESTALE,
		       "dump and spool do not fit together, %llu records are in neither: is %s "
		       "the spool of a hub of this database? If so, raise spool.keep_percent",
		       (unsigned long long)lost, b->conf->spool.dir);
}

static void print_result(const struct backup *b, uint64_t cursor)
{
	auto_buf struct buf line;
	buf_init(&line, 65536);
	buf_puts(&line, "{\"backup\":");
	json_put_str(&line, slice_of(b->o->dir));
	buf_printf(&line, ",\"seconds\":%.1f", (double)(times_mono_us() - b->begun_us) / 1e6);
	if (b->snapshot)
		buf_printf(&line, ",\"database_bytes\":%llu",
			   (unsigned long long)backup_bytes(b->database));
	if (b->copy)
		buf_printf(&line, ",\"spool_bytes\":%llu,\"damaged\":%llu",
			   (unsigned long long)b->copied.bytes,
			   (unsigned long long)b->copied.damaged);
	if (b->copy && b->snapshot) /* holes of boots are none */
		buf_printf(&line, ",\"records_not_in_database\":%llu",
			   (unsigned long long)spool_between(cursor, b->copied.next_seq));
	printf("%s}\n", buf_str(&line));
}

/* For doctor and metrics; the backup is good without it. By a connection of its own: the snapshot's
 * has stood idle for as long as the dump took. */
static void record(const struct backup *b)
{
	struct err e = {0};
	auto_pg struct pg *p = NULL;
	char folder[PATH_MAX];
	struct pg_conf pc = conf_of(b);
	const char *whole = realpath(b->o->dir, folder);
	struct pg_arg args[] = {PGA_STR(b->conf->district), PGA_I(b->snapshot_us),
				PGA_STR(whole ? whole : b->o->dir),
				PGA_I((int64_t)(backup_bytes(b->database) + b->copied.bytes))};
	int r = pg_open(&pc, &e, &p);
	if (!r)
		r = pg_query(p, SQL_BACKUP_RECORD, args, COUNT_OF(args), &e, NULL);
	if (r)
		fprintf(stderr,
			"gridhub: the backup is good, but the database could not note it: %s\n",
			e.msg);
}

static int make(struct backup *b, struct err *e)
{
	uint64_t cursor = 0;
	int r = 0;
	if (!b->o->no_spool)
		r = spool_copy_begin(b->conf->spool.dir, b->spool, e, &b->copy);
	if (!r && b->copy) /* from before the snapshot on */
		r = spool_copy_step(b->copy, e);
	if (!r && !b->o->no_database)
		r = take_snapshot(b, e);
	if (!r && b->snapshot)
		r = dump(b, e);
	if (!r && b->copy)
		r = spool_copy_finish(b->copy, &b->copied, e);
	if (!r)
		r = write_manifest(b, e);
	if (!r && b->copy)
		r = check_pair(b, &cursor, e);
	if (!r && rename(b->part, b->o->dir))
		r = err_set(e, -errno, "%s: cannot rename it to %s: %s", b->part, b->o->dir,
			    strerror(errno));
	if (r)
		return r;
	snprintf(b->database, sizeof b->database, "%s/database", b->o->dir);
	if (b->snapshot)
		record(b);
	print_result(b, cursor);
	return 0;
}

static int prepare(struct backup *b, struct err *e)
{
	struct stat st;
	int n = snprintf(b->part, sizeof b->part, "%s.part", b->o->dir);
	if (n < 0 || (size_t)n >= sizeof b->part)
		return err_set(e, -ENAMETOOLONG, "%s: path too long", b->o->dir);
	if (!stat(b->o->dir, &st))
		return err_set(e, -EEXIST,
			       "%s is there already: give each backup a folder of its own",
			       b->o->dir);
	int r = backup_path(b->part, "database", b->database, e);
	if (!r)
		r = backup_path(b->part, "spool", b->spool, e);
	if (!r)
		r = backup_remove(b->part, e); /* of one that was cut short */
	/* Passwords of cameras are in the database. */
	if (!r && mkdir(b->part, 0700))
		r = err_set(e, -errno, "%s: cannot make: %s", b->part, strerror(errno));
	return r;
}

static int backup(const struct backup_options *o)
{
	auto_config struct config *c = NULL;
	struct err e = {0}, also = {0};
	if (config_load(cmd_config_path(o->config_path), &e, &c))
		return cmd_fail(&e);
	auto_call(backup_done) struct backup b = {
		.o = o, .conf = c, .begun_us = times_mono_us(), .said_us = times_mono_us()};
	if (prepare(&b, &e))
		return cmd_fail(&e);
	int r = make(&b, &e);
	if (!r)
		return CMD_OK;
	if (backup_remove(b.part, &also))
		cmd_fail(&also);
	return cmd_fail(&e);
}

int cmd_backup(int argc, char **argv)
{
	struct backup_options o;
	int r = backup_options(argc, argv, "backup", help, &o);
	return r >= 0 ? r : backup(&o);
}
