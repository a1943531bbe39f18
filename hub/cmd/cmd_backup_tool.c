/* What gridhub backup and gridhub restore share. */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd_backup.h"
#include "cmd_options.h"

#define MANIFEST_MAX ((size_t)1 << 20)
#define NOT_FOUND 127 /* as a shell says it */

#define AT(member) offsetof(struct backup_options, member)
static const struct cmd_option options[] = {
	{"jobs", CMD_NUMBER, .at = AT(jobs), .max = BACKUP_JOBS_MAX},
	{"database-only", CMD_FLAG, .at = AT(no_spool)},
	{"spool-only", CMD_FLAG, .at = AT(no_database)},
	{"accept-loss", CMD_FLAG, .at = AT(accept_loss)}, /* the last, for restore alone */
};

int backup_options(int argc, char **argv, const char *name, const char *help,
		   struct backup_options *ret)
{
	const struct cmd_takes takes = {
		.name = name,
		.help = help,
		.options = options,
		.n = COUNT_OF(options) - (strcmp(name, "restore") != 0),
		.arg = "the folder of a backup",
	};
	*ret = (struct backup_options){.jobs = 2};
	int r = cmd_parse(&takes, argc, argv, ret, &ret->config_path);
	if (r >= 0)
		return r;
	if (ret->no_spool && ret->no_database)
		return cmd_usage(name, "--database-only and --spool-only leave nothing");
	ret->dir = argv[optind];
	return -1;
}

/* ---- the manifest ---- */

static int manifest_of(const struct json *j, const char *path, struct backup_manifest *m,
		       struct err *e)
{
	const struct json *db = json_get(j, "database"), *spool = json_get(j, "spool");
	struct slice id = json_str(json_get(spool, "id"));
	int64_t format = json_int(json_get(j, "format"));
	if (format != BACKUP_FORMAT || (!db && !spool))
		return err_set(e, -EPROTONOSUPPORT,
			       "%s: a backup of format %lld, this gridhub reads %d", path,
			       (long long)format, BACKUP_FORMAT);
	if (spool && id.n != sizeof m->of_spool.id - 1)
		return err_set(e, -EINVAL, "%s: spool.id is none", path);
	m->database = db != NULL;
	m->spool = spool != NULL;
	m->server = json_int(json_get(db, "server"));
	m->schema = json_int(json_get(db, "schema"));
	if (spool)
		memcpy(m->of_spool.id, id.p, id.n);
	m->of_spool.first_seq = (uint64_t)json_int(json_get(spool, "first_seq"));
	m->of_spool.next_seq = (uint64_t)json_int(json_get(spool, "next_seq"));
	m->of_spool.bytes = (uint64_t)json_int(json_get(spool, "bytes"));
	return 0;
}

int backup_manifest_read(const char *dir, struct backup_manifest *ret, struct err *e)
{
	static const struct json_limits limits = {.max_bytes = MANIFEST_MAX, .max_depth = 8};
	char path[PATH_MAX];
	auto_free char *text = NULL;
	size_t n = 0;
	struct backup_manifest m = {0};
	int r = backup_path(dir, "manifest.json", path, e);
	if (!r)
		r = file_read(path, MANIFEST_MAX, &text, &n, e);
	if (r == -ENOENT)
		return err_set(e, r, "%s: this is no backup, or one that was not finished (no %s)",
			       dir, "manifest.json");
	if (!r && json_parse((struct slice){text, n}, &limits, e, &m.json))
		r = err_prefix(e, -EINVAL, "%s", path);
	if (!r)
		r = manifest_of(m.json, path, &m, e);
	if (r)
		backup_manifest_done(&m);
	else
		*ret = m;
	return r;
}

void backup_manifest_done(struct backup_manifest *m)
{
	json_free(m->json);
	m->json = NULL;
}

uint64_t backup_manifest_cursor(const struct backup_manifest *m, struct slice district,
				struct slice spool)
{
	const struct json *all = json_get(json_get(m->json, "database"), "cursors");
	for (size_t i = 0; i < json_count(all); i++) {
		const struct json *c = json_at(all, i);
		if (slice_eq(json_str(json_get(c, "district")), district) &&
		    slice_eq(json_str(json_get(c, "spool")), spool))
			return (uint64_t)json_int(json_get(c, "last_seq"));
	}
	return 0;
}

/* ---- folders ---- */

int backup_path(const char *dir, const char *name, char ret[static PATH_MAX], struct err *e)
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);
	return n < 0 || n >= PATH_MAX ? err_set(e, -ENAMETOOLONG, "%s: path too long", dir) : 0;
}

static bool dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What stands in it, and what stands in the folders there: a backup is no deeper. */
static int empty_dir(int parent, const char *name, unsigned depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *at = fd < 0 ? NULL : fdopendir(fd);
	if (!at)
		return -errno;
	for (struct dirent *f; !r && (f = readdir(at));) {
		if (dots(f->d_name) || !unlinkat(fd, f->d_name, 0))
			continue;
		r = errno == EISDIR && depth ? empty_dir(fd, f->d_name, depth - 1) : -errno;
		if (!r && unlinkat(fd, f->d_name, AT_REMOVEDIR))
			r = -errno;
	}
	closedir(at);
	return r;
}

int backup_remove(const char *dir, struct err *e)
{
	int r = empty_dir(AT_FDCWD, dir, 2);
	if (!r && rmdir(dir))
		r = -errno;
	return r && r != -ENOENT ? err_set(e, r, "%s: cannot remove: %s", dir, strerror(-r)) : 0;
}

uint64_t backup_bytes(const char *dir)
{
	uint64_t sum = 0;
	DIR *at = opendir(dir);
	for (struct dirent *f; at && (f = readdir(at));) {
		struct stat st;
		if (!fstatat(dirfd(at), f->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	}
	if (at)
		closedir(at);
	return sum;
}

int backup_empty(const char *dir, struct err *e)
{
	DIR *at = opendir(dir);
	int empty = 1;
	if (!at)
		return errno == ENOENT
			       ? 1
			       : err_set(e, -errno, "%s: cannot open: %s", dir, strerror(errno));
	for (struct dirent *f; (f = readdir(at));)
		empty &= dots(f->d_name);
	closedir(at);
	return empty;
}

/* ---- pg_dump, pg_restore ---- */

static void become(char **argv, pid_t parent, const char *password)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* As pg_open does it: of several servers the one that may be written, none waited for long.
	 */
	if (getppid() != parent || (password && setenv("PGPASSWORD", password, 1)) ||
	    setenv("PGTARGETSESSIONATTRS", "read-write", 0) || setenv("PGCONNECT_TIMEOUT", "5", 0))
		_exit(CMD_FAILED);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? NOT_FOUND : CMD_FAILED);
}

int backup_tool_start(struct backup_tool *t, char **argv, const struct config *c, struct err *e)
{
	auto_free char *password = NULL;
	const char *file = c->database.password_file;
	int r = file && file[0] ? file_read_secret(file, &password, e) : 0;
	if (r)
		return r;
	pid_t parent = getpid();
	t->name = argv[0];
	t->pid = fork();
	if (t->pid == 0)
		become(argv, parent, password);
	return t->pid < 0 ? err_set(e, -errno, "%s: cannot start: %s", argv[0], strerror(errno))
			  : 0;
}

int backup_tool_poll(struct backup_tool *t, struct err *e)
{
	int status = 0;
	pid_t got = t->pid ? waitpid(t->pid, &status, WNOHANG) : 0;
	if (!got)
		return t->pid ? 1 : 0;
	t->pid = 0;
	if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return err_set(e, -ECHILD,
			       "%s is not installed (Debian: postgresql-client, of the server's "
			       "version or newer)",
			       t->name);
	return got > 0 && WIFSIGNALED(status)
		       ? err_set(e, -ECHILD, "%s was ended by signal %d", t->name, WTERMSIG(status))
		       : err_set(e, -ECHILD, "%s failed (see above)", t->name);
}

void backup_tool_stop(struct backup_tool *t)
{
	if (t->pid <= 0)
		return;
	kill(t->pid, SIGTERM);
	waitpid(t->pid, NULL, 0);
	t->pid = 0;
}
