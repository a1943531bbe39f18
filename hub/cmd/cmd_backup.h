/*
 * cmd_backup: what `gridhub backup` and `gridhub restore` share: the manifest of a backup, pg_dump
 * and pg_restore as children, folders.
 *
 * A backup is a folder: database/ (pg_dump's), spool/ (segments and id) and manifest.json. It has
 * its name only once it is whole.
 */
#ifndef GRIDHUB_CMD_BACKUP_H
#define GRIDHUB_CMD_BACKUP_H

#include <limits.h>
#include <sys/types.h>

#include "config.h"
#include "json.h"
#include "pg.h"
#include "spool_copy.h"

#define BACKUP_FORMAT 1
#define BACKUP_JOBS_MAX 64

struct backup_options {
	const char *config_path, *dir;
	int64_t jobs; /* connections of pg_dump and pg_restore */
	bool no_database, no_spool, accept_loss;
};
/* Those of both commands; -1 = go on, else exit with it. */
int backup_options(int argc, char **argv, const char *name, const char *help,
		   struct backup_options *ret);

struct backup_manifest {
	struct json *json; /* owned; NULL: none was read */
	bool database, spool;
	int64_t server, schema; /* 150015, 7 */
	struct spool_copied of_spool;
};
must_check int backup_manifest_read(const char *dir, struct backup_manifest *ret, struct err *e);
void backup_manifest_done(struct backup_manifest *m);
/* How far the dump has this spool of the district; 0: it does not know it. */
uint64_t backup_manifest_cursor(const struct backup_manifest *m, struct slice district,
				struct slice spool);

/* DIR/NAME */
must_check int backup_path(const char *dir, const char *name, char ret[static PATH_MAX],
			   struct err *e);
/* Files and folders below, and the folder itself; what is not there is fine. */
must_check int backup_remove(const char *dir, struct err *e);
uint64_t backup_bytes(const char *dir); /* of its files, not of those further below */
/* 1: it is not there, or has nothing in it; 0: it has; -errno. */
must_check int backup_empty(const char *dir, struct err *e);

struct backup_tool {
	const char *name;
	pid_t pid;
};
/* With the database's password in its environment; it ends with this process. argv[0] is looked for
 * in PATH. */
must_check int backup_tool_start(struct backup_tool *t, char **argv, const struct config *c,
				 struct err *e);
/* 1: it is at it; 0: it has done its work; -ECHILD: it has failed (it has said why on stderr). */
must_check int backup_tool_poll(struct backup_tool *t, struct err *e);
void backup_tool_stop(struct backup_tool *t); /* if it still runs */

#endif
