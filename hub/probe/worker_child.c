#include "worker_child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "times.h"

#define GRACE_US TIMES_SEC /* beyond a look's deadline */
#define PAUSE_MIN_US (250 * TIMES_MS)
#define PAUSE_MAX_US (30 * TIMES_SEC)
#define LIVED_US TIMES_MIN /* one that lived so long is started anew at once */
#define SOCKET_BYTES (1 << 20)
#define SLOT_BITS 16

static const struct {
	const char *word;
	enum metric metric;
} ends[] = {
	[CHILD_DIED] = {"died", M_PROBE_WORKERS_DIED},
	[CHILD_HUNG] = {"hung", M_PROBE_WORKERS_HUNG},
	[CHILD_MEMORY] = {"too much memory", M_PROBE_WORKERS_MEMORY},
	[CHILD_BAD_LINE] = {"said what no worker says", M_PROBE_WORKERS_BAD_LINE},
};

/* All that a child is told by its environment; the rest may hold secrets, or a proxy. */
static size_t environment(char *env[], size_t max)
{
	static const char *const kept[] = {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "LSAN_OPTIONS=",
					   "TSAN_OPTIONS=", "UBSAN_OPTIONS="};
	size_t n = 0;
	for (char **at = environ; at && *at; at++)
		for (size_t i = 0; i < COUNT_OF(kept) && n + 1 < max; i++)
			if (slice_starts(slice_of(*at), kept[i]))
				env[n++] = *at;
	env[n] = NULL;
	return n;
}

/* Its end of the socket as descriptor 0, nothing else but stderr. */
static int file_actions(posix_spawn_file_actions_t *fa, int fd)
{
	int r = posix_spawn_file_actions_init(fa);
	if (r)
		return r;
	r = posix_spawn_file_actions_adddup2(fa, fd, 0);
	if (!r)
		r = posix_spawn_file_actions_addopen(fa, 1, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(fa, 3);
	return r;
}

static int attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int r = posix_spawnattr_init(attr);
	if (!r)
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!r)
		r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &all);
	return r;
}

static int spawn(const char *program, int fd, pid_t *ret)
{
	char a0[] = "gridhub", a1[] = "probe", a2[] = "--worker";
	char *argv[] = {a0, a1, a2, NULL}, *env[8];
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	environment(env, COUNT_OF(env));
	int r = file_actions(&fa, fd);
	if (!r) {
		r = attributes(&attr);
		if (!r)
			r = posix_spawn(ret, program, &fa, &attr, argv, env);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&fa);
	return -r;
}

static void next_pause(struct child *c, int64_t now_us)
{
	bool lived = c->started_us && now_us - c->started_us >= LIVED_US;
	c->pause_us = lived ? PAUSE_MIN_US : MIN_OF(PAUSE_MAX_US, c->pause_us * 2);
	c->pause_us = MAX_OF(c->pause_us, PAUSE_MIN_US);
	c->restart_us = now_us + c->pause_us;
}

int child_start(struct child *c, const char *program, struct slice hello, int64_t now_us,
		struct err *e)
{
	int sv[2], bytes = SOCKET_BYTES;
	pid_t pid = 0;
	int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) ? -errno : 0;
	if (!r) {
		auto_close int theirs = sv[1];
		auto_close int ours = sv[0];
		setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		r = spawn(program, theirs, &pid);
		c->pid = r ? 0 : pid;
		if (!r && send(ours, hello.p, hello.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			r = -errno;
		if (!r) {
			c->fd = base_take_fd(&ours);
			c->ready = false;
			c->started_us = now_us;
		}
	}
	if (!r)
		return 0;
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
	next_pause(c, now_us);
	return err_set(e, r, "cannot start a probe worker (%s): %s", program, strerror(-r));
}

void child_end(struct child *c, enum child_end why, const char *detail, int64_t now_us)
{
	metric_add(ends[why].metric, 1);
	next_pause(c, now_us);
	log_warn("probe", KM("worker ended"), KS("why", ends[why].word), KS("detail", detail),
		 KI("pid", c->pid), KI("looks", c->used), KI("restart_ms", c->pause_us / TIMES_MS));
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
	close(c->fd);
	c->fd = -1;
	c->broken = false;
}

void child_stop(struct child *c)
{
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	child_reap(c, true);
}

void child_reap(struct child *c, bool wait)
{
	int status = 0;
	if (c->pid <= 0 || c->fd >= 0)
		return;
	pid_t r;
	do
		r = waitpid(c->pid, &status, wait ? 0 : WNOHANG);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return;
	/* How it ended by itself; what we do to it was said already. */
	if (r > 0 && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_warn("probe", KM("worker was ended by a signal"), KI("pid", c->pid),
			 KS("signal", sigabbrev_np(WTERMSIG(status))));
	else if (r > 0 && WIFEXITED(status) && WEXITSTATUS(status))
		log_warn("probe", KM("worker ended by itself"), KI("pid", c->pid),
			 KI("status", WEXITSTATUS(status)));
	c->pid = 0;
}

static int64_t wire_id(const struct child *c, const struct child_slot *s)
{
	return (int64_t)s->turn << SLOT_BITS | (int64_t)(s - c->slots);
}

struct child_slot *child_slot(struct child *c, int64_t id)
{
	size_t i = (size_t)id & ((1U << SLOT_BITS) - 1);
	if (id < 0 || i >= c->threads || !c->slots[i].used || wire_id(c, &c->slots[i]) != id)
		return NULL;
	return &c->slots[i];
}

int child_ask(struct child *c, const struct probe_request *q, int64_t now_us, struct buf *line)
{
	struct child_slot *s = c->slots;
	if (c->fd < 0 || c->broken || c->used == c->threads)
		return -EAGAIN;
	while (s->used)
		s++;
	struct child_slot was = *s;
	s->turn = (s->turn + 1) & 0x7FFFFFFF;
	struct probe_request theirs = *q;
	theirs.id = wire_id(c, s);
	buf_reset(line);
	probe_request_write(&theirs, line);
	ssize_t n = line->failed ? -1 : send(c->fd, line->p, line->n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		int r = line->failed ? -EMSGSIZE : -errno;
		*s = was;
		c->broken = r == -EPIPE || r == -ECONNRESET;
		return r == -EMSGSIZE ? r : c->broken ? -EPIPE : -EAGAIN;
	}
	s->used = true;
	s->id = q->id;
	s->depth = q->depth;
	s->until_us =
		now_us + q->deadline_us + GRACE_US + (q->depth == PROBE_WATCH ? q->watch_us : 0);
	c->used++;
	return 0;
}

int64_t child_resident(const struct child *c)
{
	char path[40], text[128];
	int64_t pages = 0;
	struct slice rest, total, resident;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)c->pid);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	rest = slice_of(text);
	slice_cut(&rest, ' ', &total);
	slice_cut(&rest, ' ', &resident);
	return slice_to_i64(resident, &pages) ? 0 : pages * sysconf(_SC_PAGESIZE);
}
