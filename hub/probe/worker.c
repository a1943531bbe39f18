/*
 * DESIGN: the socket is of kind SOCK_SEQPACKET, so a line is a message: no thread ever sees half of
 * one, and each thread takes its own requests and gives its own results. There is no queue here but
 * the kernel's, and no lock.
 */
#include "worker.h"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "worker_hello.h"
#include "worker_lock.h"

#define REQUEST_MAX (16 << 10) /* PROBE_URL_MAX, each byte of it escaped */
/* Of malloc: each takes its own memory, and one for all is too much in the way. */
#define HEAPS 4

struct server {
	int fd;
	const struct worker_eye *eye;
	struct worker_hello hello;
};

static int send_line(int fd, const struct buf *line)
{
	while (!line->failed) {
		if (send(fd, line->p, line->n, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return -ENOMEM;
}

/* A machine whose sockets take less than a snapshot still gets the rest. */
static int send_result(int fd, struct probe_result *r, struct buf *line)
{
	for (;;) {
		buf_reset(line);
		probe_result_write(r, line);
		int rc = send_line(fd, line);
		if (rc != -EMSGSIZE || !r->snapshot_len)
			return rc;
		probe_result_done(r);
	}
}

static int serve_one(const struct server *s, struct slice request, struct arena *arena)
{
	struct probe_request q;
	struct probe_result r;
	struct err e = {0};
	auto_buf struct buf line;
	buf_init(&line, PROBE_LINE_MAX);
	arena_reset(arena);
	int rc = probe_request_parse(request, arena, &q, &e);
	if (rc) {
		log_error("probe", KM("the pool asks for what no pool asks"), KS("error", e.msg));
		return rc;
	}
	s->eye->at(&q, &r);
	r.id = q.id;
	r.depth = q.depth;
	rc = send_result(s->fd, &r, &line);
	probe_result_done(&r);
	return rc;
}

static void *serve(void *arg)
{
	const struct server *s = arg;
	auto_arena struct arena arena;
	char request[REQUEST_MAX];
	arena_init(&arena, REQUEST_MAX + 64);
	arena.block = PROBE_URL_MAX + 64;
	for (;;) {
		ssize_t n = recv(s->fd, request, sizeof request, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || serve_one(s, (struct slice){request, (size_t)n}, &arena))
			break;
	}
	/* The main thread sees it, too: the process ends. */
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

static int start_threads(struct server *s, int n, struct err *e)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);
	if (!r)
		r = pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
	if (!r)
		r = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < n && !r; i++) {
		pthread_t t;
		r = pthread_create(&t, &attr, serve, s);
	}
	pthread_attr_destroy(&attr);
	return r ? err_set(e, -r, "%d threads: %s", n, strerror(r)) : 0;
}

static int read_hello(int fd, struct arena *arena, struct worker_hello *ret, struct err *e)
{
	char line[WORKER_HELLO_MAX];
	ssize_t n = recv(fd, line, sizeof line, 0);
	if (n < 0)
		return err_set(e, -errno, "no pool at the other end: %s", strerror(errno));
	return worker_hello_parse((struct slice){line, (size_t)n}, arena, ret, e);
}

static int say_ready(int fd, struct err *e)
{
	return send(fd, WORKER_READY, sizeof WORKER_READY - 1, MSG_NOSIGNAL) < 0
		       ? err_set(e, -errno, "no pool at the other end: %s", strerror(errno))
		       : 0;
}

/* Until the other end is closed, whatever the threads do meanwhile. */
static void wait_for_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* A keyframe's buffers are kept for the next one: to map and clear them anew each time is a quarter
 * of what a look costs. Larger ones go back at once. */
static void set_heap(void)
{
	mallopt(M_ARENA_MAX, HEAPS);
	mallopt(M_MMAP_THRESHOLD, 512 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

int worker_serve(int fd, const struct worker_eye *eye)
{
	struct err e = {0};
	/* Not freed: threads look at it until the process ends. */
	struct server *s = mem_new(sizeof *s);
	struct arena *arena = mem_new(sizeof *arena);
	int r = s && arena ? 0 : err_set(&e, -ENOMEM, "no memory");
	if (!r) {
		*s = (struct server){.fd = fd, .eye = eye};
		arena_init(arena, WORKER_HELLO_MAX);
		r = read_hello(fd, arena, &s->hello, &e);
	}
	if (!r)
		r = worker_lock_limits(s->hello.threads, s->hello.memory_bytes, &e);
	if (!r) {
		set_heap();
		eye->init(&s->hello.limits);
		worker_lock_files(s->hello.limits.ca_file);
		worker_lock_calls();
		r = say_ready(fd, &e);
	}
	if (!r)
		r = start_threads(s, s->hello.threads, &e);
	if (r) {
		log_error("probe", KM("worker cannot start"), KS("error", e.msg));
		return 1;
	}
	wait_for_end(fd);
	return 0;
}
