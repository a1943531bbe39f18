#include "worker_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Down to `most` (the hub may have less already). */
static int limit(int what, rlim_t most, const char *name, struct err *e)
{
	struct rlimit have;
	if (getrlimit((__rlimit_resource_t)what, &have))
		return err_set(e, -errno, "getrlimit %s: %s", name, strerror(errno));
	struct rlimit want = {MIN_OF(most, have.rlim_max), MIN_OF(most, have.rlim_max)};
	if (setrlimit((__rlimit_resource_t)what, &want))
		return err_set(e, -errno, "setrlimit %s: %s", name, strerror(errno));
	return 0;
}

/* Best effort: /proc may not be there. */
static void die_first(void)
{
	auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "800", 3) < 0)
		return;
}

int worker_lock_limits(int threads, int64_t memory_bytes, struct err *e)
{
	/* The pool closes our socket when it wants an end: SIGTERM to all of a service's processes
	 * must not look like a crash. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(e, -errno, "prctl: %s", strerror(errno));
	prctl(PR_SET_NAME, "gridhub-probe");
	die_first();
	int r = limit(RLIMIT_CORE, 0, "core", e);
	/* A socket and what resolving takes for each look, and some. */
	if (!r)
		r = limit(RLIMIT_NOFILE, (rlim_t)threads * 6 + 128, "nofile", e);
	/* A sanitizer's shadow is a thousand times larger. The pool looks at what is resident; this
	 * is for what runs away between two such looks. */
	if (!r && memory_bytes && !WORKER_SANITIZED)
		r = limit(RLIMIT_DATA,
			  2 * (rlim_t)memory_bytes +
				  (rlim_t)threads * (WORKER_STACK_BYTES + (8 << 10)),
			  "data", e);
	return r;
}
