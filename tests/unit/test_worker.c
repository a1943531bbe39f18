/*
 * Processes that look at streams: they crash, hang, eat memory and lie, and the hub goes on. This
 * program is its own child (/proc/self/exe probe --worker); what a "look" does there stands in its
 * URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "times.h"
#include "worker.h"
#include "worker_hello.h"
#include "worker_lock.h"

/* ---- the child ---- */

static struct look_limits told;

static void sleep_us(int64_t us)
{
	struct timespec t = {us / TIMES_SEC, us % TIMES_SEC * 1000};
	nanosleep(&t, NULL);
}

static void eye_init(const struct look_limits *limits)
{
	told = *limits;
	if (told.ca_file && strcmp(told.ca_file, "/slow") == 0)
		sleep_us(2 * TIMES_SEC);
}

static int open_files(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 3; /* . .. and the folder itself */
}

static int variables(void)
{
	int n = 0, own = 0;
	for (char **at = environ; at && *at; at++, n++)
		own += strstr(*at, "SAN_OPTIONS=") ||
		       slice_starts(slice_of(*at), "LD_LIBRARY_PATH=");
	return n - own;
}

static void describe(char *ret, size_t n)
{
	struct rlimit core, data;
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_DATA, &data);
	snprintf(ret, n, "files=%d variables=%d nnp=%d core=%d data=%d ca=%s allowed=%zu/%d",
		 open_files(), variables(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
		 (int)core.rlim_cur, data.rlim_cur != RLIM_INFINITY || WORKER_SANITIZED,
		 told.ca_file, told.guard.n, told.guard.allowed[1].bits);
}

static void *nothing(void *arg)
{
	return arg;
}

/* What a worker may not do, tried; each try that does not end as it must has a letter. */
static void try_it(char *ret, size_t n)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	char template[] = "/tmp/gridhub-worker-XXXXXX", arg[] = "true", *argv[] = {arg, NULL};
	int udp = socket(AF_INET, SOCK_DGRAM, 0), in = open("/etc/hosts", O_RDONLY);
	pthread_t t;
	/* as of this kernel */
	bool landlock =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
	bool ok[] = {execv("/bin/true", argv) < 0 && errno == EPERM,
		     fork() < 0 && errno == EPERM,
		     kill(getppid(), 0) < 0 && errno == EPERM,
		     syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == EPERM,
		     mkstemp(template) < 0 && errno == EACCES,
		     open("/dev/null", O_RDWR) < 0 && errno == EACCES,
		     unlink("/tmp/none") < 0 && errno == EPERM,
		     socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT,
		     udp >= 0 && bind(udp, (struct sockaddr *)&any, sizeof any) < 0 &&
			     errno == EPERM,
		     in >= 0,
		     !landlock || (open(".", O_RDONLY) < 0 && errno == EACCES),
		     !landlock || (open("/proc/1/status", O_RDONLY) < 0 && errno == EACCES),
		     syscall(SYS_tgkill, getpid(), gettid(), 0) == 0,
		     pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0};
	snprintf(ret, n, "bad: ");
	for (size_t i = 0; i < COUNT_OF(ok); i++)
		if (!ok[i])
			snprintf(ret + strlen(ret), n - strlen(ret), "%c", (int)('a' + i));
	close(udp);
	close(in);
}

static void eat(void)
{
	for (;;) {
		volatile char *p = malloc(1 << 20);
		for (size_t i = 0; p && i < 1 << 20; i += 4096)
			p[i] = 1;
		sleep_us(TIMES_MS);
	}
}

/* To the hub, past what a worker says. */
static void say(const char *line)
{
	if (send(0, line, strlen(line), 0) < 0)
		_exit(1);
}

static void eye_at(const struct probe_request *q, struct probe_result *ret)
{
	const char *what = strrchr(q->url, '/') + 1;
	probe_result_init(ret);
	ret->state = PROBE_OFFLINE;
	if (strcmp(what, "slow") == 0)
		sleep_us(300 * TIMES_MS);
	else if (strcmp(what, "hang") == 0)
		sleep_us(TIMES_HOUR);
	else if (strcmp(what, "crash") == 0)
		raise(SIGKILL); /* what a sanitizer does not turn into a page of text */
	else if (strcmp(what, "exit") == 0)
		_exit(3);
	else if (strcmp(what, "eat") == 0)
		eat();
	else if (strcmp(what, "lie") == 0)
		say("{\"id\":1}");
	else if (strcmp(what, "forge") == 0)
		say("{\"id\":9,\"depth\":\"reach\",\"state\":\"offline\",\"step\":\"none\","
		    "\"cause\":\"none\"}");
	else if (strcmp(what, "describe") == 0)
		describe(ret->detail, sizeof ret->detail);
	else if (strcmp(what, "try") == 0)
		try_it(ret->detail, sizeof ret->detail);
	else if (strcmp(what, "big") == 0) {
		ret->snapshot_len = PROBE_SNAPSHOT_MAX;
		ret->snapshot = mem_new(PROBE_SNAPSHOT_MAX);
		memcpy(ret->snapshot, "\xFF\xD8\xFF", 3);
		memcpy(ret->snapshot + PROBE_SNAPSHOT_MAX - 2, "\xFF\xD9", 2);
	}
}

/* ---- the hub ---- */

struct seen {
	int n, lost, ids[4096];
	struct probe_result last;
	uint32_t snapshot_bytes;
};

static void on_result(void *ctx, struct probe_result *r)
{
	struct seen *s = ctx;
	assert_in_range(r->id, 0, COUNT_OF(s->ids) - 1);
	s->n++;
	s->ids[r->id]++;
	s->lost += r->state == PROBE_UNKNOWN && r->cause == PROBE_PROBER;
	s->last = *r;
	s->snapshot_bytes += r->snapshot_len;
	probe_result_done(r);
}

static struct pool *start(int processes, int threads, int64_t memory)
{
	static struct guard_range ranges[] = {{.bits = 8}, {.bits = 16}};
	struct pool *p = NULL;
	struct err e = {0};
	struct pool_conf conf = {.processes = processes,
				 .threads = threads,
				 .memory_bytes = memory,
				 .limits = {.guard = {ranges, 2}, .ca_file = "/a \"b\""}};
	assert_int_equal(pool_start(&conf, &e, &p), 0);
	return p;
}

static int ask(struct pool *p, int id, const char *what, int64_t deadline_us)
{
	char url[64];
	snprintf(url, sizeof url, "rtsp://user:secret@host/%s", what);
	struct probe_request q = {.id = id, .url = url, .deadline_us = deadline_us};
	return pool_ask(p, &q);
}

/* Until so many results are there; a minute is for a machine that is very busy. */
static void wait_for(struct pool *p, struct seen *s, int n)
{
	int64_t end = times_mono_us() + TIMES_MIN;
	while (s->n < n && times_mono_us() < end)
		assert_true(pool_wait(p, 100 * TIMES_MS, on_result, s) >= 0);
	assert_int_equal(s->n, n);
}

static void wait_slots(struct pool *p, struct seen *s, size_t n)
{
	int64_t end = times_mono_us() + TIMES_MIN;
	while (pool_free_slots(p) < n && times_mono_us() < end)
		assert_true(pool_wait(p, 50 * TIMES_MS, on_result, s) >= 0);
	assert_int_equal(pool_free_slots(p), n);
}

static void each_question_is_answered_once(void **state)
{
	(void)state;
	struct seen *s = mem_new(sizeof *s);
	struct pool *p = start(2, 8, 0);
	int asked = 0;
	while (s->n < 2000) {
		while (asked < 2000 && ask(p, asked, "quick", TIMES_MIN) == 0)
			asked++;
		assert_true(pool_wait(p, TIMES_MIN, on_result, s) >= 0);
	}
	for (int i = 0; i < 2000; i++)
		assert_int_equal(s->ids[i], 1);
	assert_int_equal(pool_free_slots(p), 16);
	assert_int_equal(s->lost, 0);
	pool_stop(p);
	free(s);
}

static void the_slow_are_in_nobodys_way(void **state)
{
	(void)state;
	struct seen *s = mem_new(sizeof *s);
	struct pool *p = start(1, 3, 0);
	assert_int_equal(ask(p, 1, "hang", TIMES_HOUR), 0);
	assert_int_equal(ask(p, 2, "slow", TIMES_MIN), 0);
	for (int i = 100; i < 200; i++) {
		assert_int_equal(ask(p, i, "quick", TIMES_MIN), 0);
		wait_for(p, s, i - 99 + s->ids[2]);
	}
	wait_for(p, s, 101);
	assert_int_equal(pool_free_slots(p), 2);
	assert_int_equal(ask(p, 3, "hang", TIMES_HOUR), 0);
	assert_int_equal(ask(p, 4, "hang", TIMES_HOUR), 0);
	assert_int_equal(ask(p, 5, "quick", TIMES_HOUR), -EAGAIN);
	assert_int_equal(pool_wait(p, 0, on_result, s), 0);
	pool_stop(p); /* with all of it under way */
	free(s);
}

static void it_knows_nothing_and_may_do_little(void **state)
{
	(void)state;
	struct seen *s = mem_new(sizeof *s);
	/* what a library left open, and a secret in the hub's environment */
	int leak = open("/dev/null", O_RDONLY);
	setenv("GRIDHUB_SECRET", "x", 1);
	struct pool *p = start(1, 1, 64 << 20);
	assert_int_equal(ask(p, 1, "describe", TIMES_MIN), 0);
	wait_for(p, s, 1);
	assert_string_equal(s->last.detail, "files=3 variables=0 nnp=1 core=0 data=1 "
					    "ca=/a \"b\" allowed=2/16");
	assert_int_equal(ask(p, 2, "try", TIMES_MIN), 0);
	wait_for(p, s, 2);
	assert_string_equal(s->last.detail, "bad: ");
	pool_stop(p);
	unsetenv("GRIDHUB_SECRET");
	close(leak);
	free(s);
}

static void a_large_result_comes_whole(void **state)
{
	(void)state;
	struct seen *s = mem_new(sizeof *s);
	struct pool *p = start(1, 16, 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(ask(p, i, "big", TIMES_MIN), 0);
	sleep_us(200 * TIMES_MS); /* their socket is full now: they wait */
	wait_for(p, s, 16);
	assert_int_equal(s->snapshot_bytes, 16 * PROBE_SNAPSHOT_MAX);
	assert_int_equal(s->lost, 0);
	pool_stop(p);
	free(s);
}

/* One of two children goes: its looks are not known, those of the other one are. */
static void lose_one(const char *how, enum metric metric, int64_t deadline_us, int64_t memory)
{
	struct seen *s = mem_new(sizeof *s);
	struct pool *p = start(2, 4, memory);
	uint64_t before = metric_get(metric), lost = metric_get(M_PROBE_LOOKS_LOST);
	/* turn by turn: the first, third … go to one child */
	assert_int_equal(ask(p, 0, how, deadline_us), 0);
	for (int i = 1; i < 8; i++)
		assert_int_equal(ask(p, i, i % 2 ? "slow" : "hang", TIMES_MIN), 0);
	wait_for(p, s, 8);
	assert_int_equal(s->lost, 4);
	for (int i = 0; i < 8; i++)
		assert_int_equal(s->ids[i], 1);
	assert_int_equal(metric_get(metric), before + 1);
	assert_int_equal(metric_get(M_PROBE_LOOKS_LOST), lost + 4);
	wait_slots(p, s, 8); /* and there it is again */
	for (int i = 10; i < 18; i++)
		assert_int_equal(ask(p, i, "slow", TIMES_MIN), 0);
	wait_for(p, s, 16);
	assert_int_equal(s->lost, 4);
	pool_stop(p);
	free(s);
}

static void a_crash_takes_its_own_looks_only(void **state)
{
	(void)state;
	lose_one("crash", M_PROBE_WORKERS_DIED, TIMES_MIN, 0);
	lose_one("exit", M_PROBE_WORKERS_DIED, TIMES_MIN, 0);
}

static void one_that_hangs_is_ended(void **state)
{
	(void)state;
	lose_one("hang", M_PROBE_WORKERS_HUNG, TIMES_MS, 0);
}

static void one_that_lies_is_ended(void **state)
{
	(void)state;
	lose_one("lie", M_PROBE_WORKERS_BAD_LINE, TIMES_MIN, 0);
	lose_one("forge", M_PROBE_WORKERS_BAD_LINE, TIMES_MIN, 0);
}

static void one_that_eats_memory_is_ended(void **state)
{
	(void)state;
	lose_one("eat", M_PROBE_WORKERS_MEMORY, TIMES_MIN, WORKER_SANITIZED ? 512 << 20 : 64 << 20);
}

/* T: stopped, Z or X: gone (Z while nobody has waited for it). */
static bool wait_state(int pid, const char *states)
{
	int64_t end = times_mono_us() + TIMES_MIN;
	char path[32], line[256];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (; times_mono_us() < end; sleep_us(10 * TIMES_MS)) {
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return strchr(states, 'X') != NULL;
		line[n] = 0;
		const char *state = strrchr(line, ')');
		if (state && state[1] && strchr(states, state[2]))
			return true;
	}
	return false;
}

static void a_stopped_one_does_not_stop_the_hub(void **state)
{
	(void)state;
	struct seen *s = mem_new(sizeof *s);
	struct pool *p = start(1, 512, 0);
	char url[PROBE_URL_MAX + 1];
	int pid, asked = 0;
	assert_int_equal(ask(p, 0, "quick", TIMES_MIN), 0);
	wait_for(p, s, 1);
	assert_int_equal(pool_pids(p, &pid, 1), 1);
	kill(pid, SIGSTOP);
	assert_true(wait_state(pid, "T"));
	/* more than its socket takes */
	memset(url, '"', sizeof url - 1);
	memcpy(url, "rtsp://host/quick", 17);
	url[PROBE_URL_MAX] = 0;
	struct probe_request q = {.url = url, .deadline_us = TIMES_SEC};
	for (q.id = 1; q.id < 512 && pool_ask(p, &q) == 0; q.id++)
		asked++;
	assert_in_range(asked, 10, 511);
	wait_for(p, s, 1 + asked);
	assert_int_equal(s->lost, asked);
	wait_slots(p, s, 512);
	assert_int_equal(ask(p, 1000, "quick", TIMES_MIN), 0);
	wait_for(p, s, 2 + asked);
	assert_int_equal(s->lost, asked);
	pool_stop(p);
	free(s);
}

static void one_that_never_comes_up_is_tried_ever_more_slowly(void **state)
{
	(void)state;
	struct pool *p = NULL;
	struct err e = {0};
	struct seen *s = mem_new(sizeof *s);
	struct pool_conf conf = {.processes = 1, .threads = 1, .program = "/bin/false"};
	uint64_t before = metric_get(M_PROBE_WORKERS_DIED);
	assert_int_equal(pool_start(&conf, &e, &p), 0);
	int64_t end = times_mono_us() + 4 * TIMES_SEC;
	while (times_mono_us() < end)
		assert_true(pool_wait(p, 100 * TIMES_MS, on_result, s) >= 0);
	assert_in_range(metric_get(M_PROBE_WORKERS_DIED) - before, 2, 5);
	pool_stop(p);
	conf.program = "/does/not/exist";
	assert_int_equal(pool_start(&conf, &e, &p), -ENOENT);
	assert_non_null(strstr(e.msg, "/does/not/exist"));
	conf.threads = 513;
	assert_int_equal(pool_start(&conf, &e, &p), -EINVAL);
	free(s);
}

static void a_url_that_is_too_long_is_not_asked_about(void **state)
{
	(void)state;
	struct pool *p = start(1, 1, 0);
	char url[PROBE_URL_MAX + 2];
	memset(url, 'a', sizeof url - 1);
	url[sizeof url - 1] = 0;
	struct probe_request q = {.id = 1, .url = url, .deadline_us = TIMES_SEC};
	assert_int_equal(pool_ask(p, &q), -EMSGSIZE);
	q.url = "";
	assert_int_equal(pool_ask(p, &q), -EMSGSIZE);
	assert_int_equal(pool_free_slots(p), 1);
	pool_stop(p);
}

/* The hub is killed: what it started goes with it, also what is stopped. */
static void no_orphan_is_left(void **state)
{
	(void)state;
	int pipefd[2], pids[2];
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid_t hub = fork();
	if (hub == 0) {
		struct seen *s = mem_new(sizeof *s);
		struct pool *p = start(2, 2, 0);
		for (int i = 0; i < 4; i++)
			if (ask(p, i, i < 2 ? "describe" : "hang", TIMES_HOUR))
				_exit(1);
		while (s->n < 2)
			pool_wait(p, TIMES_SEC, on_result, s);
		pool_pids(p, pids, 2);
		kill(pids[0], SIGSTOP);
		if (write(pipefd[1], pids, sizeof pids) != sizeof pids)
			_exit(1);
		pause();
	}
	assert_int_equal(read(pipefd[0], pids, sizeof pids), sizeof pids);
	kill(hub, SIGKILL);
	waitpid(hub, NULL, 0);
	for (int i = 0; i < 2; i++)
		assert_true(wait_state(pids[i], "ZX"));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* What was asked before it was ready has its whole time from then on. */
static void one_that_starts_slowly_is_waited_for(void **state)
{
	(void)state;
	struct pool *p = NULL;
	struct err e = {0};
	struct seen *s = mem_new(sizeof *s);
	struct pool_conf conf = {.processes = 1, .threads = 4, .limits = {.ca_file = "/slow"}};
	assert_int_equal(pool_start(&conf, &e, &p), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(p, i, "slow", TIMES_MS), 0);
	wait_for(p, s, 4);
	assert_int_equal(s->lost, 0);
	pool_stop(p);
	free(s);
}

static void what_is_said_first_is_checked(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"",
		"{}",
		"[]",
		"{\"threads\":1}",
		"{\"threads\":0,\"ca_file\":\"\",\"allowed\":\"\"}",
		"{\"threads\":513,\"ca_file\":\"\",\"allowed\":\"\"}",
		"{\"threads\":1,\"ca_file\":\"\",\"allowed\":\"AAAA\"}"};
	auto_arena struct arena arena;
	arena_init(&arena, WORKER_HELLO_MAX);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct worker_hello h;
		struct err e = {0};
		if (worker_hello_parse(slice_of(lines[i]), &arena, &h, &e) == 0)
			fail_msg("taken: %s", lines[i]);
	}
}

int main(int argc, char **argv)
{
	static const struct worker_eye eye = {eye_init, eye_at};
	if (argc == 3 && strcmp(argv[1], "probe") == 0 && strcmp(argv[2], "--worker") == 0)
		_exit(worker_serve(0, &eye));
	log_set_level(LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_question_is_answered_once),
		cmocka_unit_test(the_slow_are_in_nobodys_way),
		cmocka_unit_test(it_knows_nothing_and_may_do_little),
		cmocka_unit_test(a_large_result_comes_whole),
		cmocka_unit_test(a_crash_takes_its_own_looks_only),
		cmocka_unit_test(one_that_hangs_is_ended),
		cmocka_unit_test(one_that_lies_is_ended),
		cmocka_unit_test(one_that_eats_memory_is_ended),
		cmocka_unit_test(a_stopped_one_does_not_stop_the_hub),
		cmocka_unit_test(one_that_never_comes_up_is_tried_ever_more_slowly),
		cmocka_unit_test(a_url_that_is_too_long_is_not_asked_about),
		cmocka_unit_test(no_orphan_is_left),
		cmocka_unit_test(one_that_starts_slowly_is_waited_for),
		cmocka_unit_test(what_is_said_first_is_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
