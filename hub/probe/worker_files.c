/*
 * DESIGN: directories are allowed, not files: those of /etc are replaced at any time (resolv.conf
 * by each new network), and what is not the same file is not allowed any more. So /etc is allowed
 * as a whole, and what the hub keeps elsewhere is not: its spool, its keys, credentials of systemd.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "worker_lock.h"

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All that the first version of Landlock knows; later ones know more, which the filter of system
 * calls refuses. */
#define EVERYTHING ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* What names and certificates need; its own /proc and the number of processors are for libraries.
 */
static const char *const readable[] = {"/etc",	 "/usr",       "/lib",
				       "/lib64", "/proc/self", "/sys/devices/system/cpu"};

static int allow(int rules, const char *path)
{
	struct stat st;
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return 0; /* what is not there needs no leave */
	struct landlock_path_beneath_attr rule = {
		.allowed_access = S_ISDIR(st.st_mode) ? READ : LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = fd};
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? -errno
											   : 0;
}

/* Where resolv.conf really lies: /run/systemd/resolve, as a rule. */
static int allow_resolver(int rules)
{
	char path[PATH_MAX];
	if (!realpath("/etc/resolv.conf", path))
		return 0;
	*strrchr(path, '/') = 0;
	/* Not all of /run, which has credentials, because somebody put it there. */
	return strcmp(path, "/run") == 0 || !path[0] ? 0 : allow(rules, path);
}

static int restrict_files(const char *ca_file)
{
	static const struct landlock_ruleset_attr attr = {.handled_access_fs = EVERYTHING};
	auto_close int rules =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
	int r = rules < 0 ? -errno : 0;
	for (size_t i = 0; i < COUNT_OF(readable) && !r; i++)
		r = allow(rules, readable[i]);
	if (!r)
		r = allow_resolver(rules);
	if (!r && ca_file)
		r = allow(rules, ca_file);
	if (!r && syscall(SYS_landlock_restrict_self, rules, 0))
		r = -errno;
	return r;
}

void worker_lock_files(const char *ca_file)
{
	int r = restrict_files(ca_file);
	if (r)
		log_info("probe", KM("worker may read what the hub may: no Landlock"),
			 KS("error", strerror(-r)));
}
