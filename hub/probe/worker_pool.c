/*
 * DESIGN: one epoll descriptor holds the children's sockets and a timer that ticks twice a second;
 * at a tick, what is late, too large or due to start is seen to. What has come is always read
 * before anything is called late, and a pause of the hub itself (stopped, starved) moves all
 * deadlines.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "times.h"
#include "worker_child.h"
#include "worker_hello.h"

#define TICK_US (500 * TIMES_MS)
#define REQUEST_MAX (16 << 10)
#define EVENTS_MAX 16
#define START_US TIMES_MIN /* a child that is not ready by then hangs */
/* Results of one child at a time, so that none starves the others. */
#define READ_MAX 64

typedef void (*result_fn)(void *ctx, struct probe_result *r);

struct pool {
	const char *program;
	int64_t memory_bytes;
	struct buf hello, request;
	int epoll, timer;
	int64_t ticked_us;
	struct log_repeat fault; /* no child can be started */
	size_t n;
	struct child *children;
	char *line; /* PROBE_LINE_MAX + 1 */
};

static int watch(struct pool *p, int fd, uint32_t which, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = which};
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev)
		       ? err_set(e, -errno, "epoll: %s", strerror(errno))
		       : 0;
}

static int start_child(struct pool *p, size_t i, int64_t now_us, struct err *e)
{
	struct child *c = &p->children[i];
	int r = child_start(c, p->program, buf_slice(&p->hello), now_us, e);
	if (r)
		return r;
	r = watch(p, c->fd, (uint32_t)i, e);
	if (r)
		child_stop(c);
	return r;
}

static int make_timer(struct pool *p, struct err *e)
{
	static const struct timespec tick = {.tv_nsec = TICK_US * 1000};
	const struct itimerspec every = {tick, tick};
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->epoll < 0 || p->timer < 0 || timerfd_settime(p->timer, 0, &every, NULL))
		return err_set(e, -errno, "timer: %s", strerror(errno));
	return watch(p, p->timer, (uint32_t)p->n, e);
}

static int make(const struct pool_conf *conf, struct pool *p, struct err *e)
{
	struct worker_hello hello = {conf->threads, conf->memory_bytes, conf->limits};
	p->n = (size_t)conf->processes;
	p->epoll = p->timer = -1;
	p->program = conf->program ? conf->program : "/proc/self/exe";
	p->memory_bytes = conf->memory_bytes;
	p->ticked_us = times_mono_us();
	buf_init(&p->request, REQUEST_MAX);
	buf_init(&p->hello, WORKER_HELLO_MAX);
	worker_hello_write(&hello, &p->hello);
	p->line = mem_new(PROBE_LINE_MAX + 1);
	p->children = mem_new(p->n * sizeof *p->children);
	if (!p->line || !p->children || p->hello.failed)
		return err_set(e, -ENOMEM, "no memory for probe workers");
	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->children[i];
		c->fd = -1;
		c->threads = (size_t)conf->threads;
		c->slots = mem_new(c->threads * sizeof *c->slots);
		if (!c->slots)
			return err_set(e, -ENOMEM, "no memory for probe workers");
	}
	return make_timer(p, e);
}

int pool_start(const struct pool_conf *conf, struct err *e, struct pool **ret)
{
	if (conf->processes < 1 || conf->processes > WORKER_PROCESSES_MAX || conf->threads < 1 ||
	    conf->threads > WORKER_THREADS_MAX)
		return err_set(e, -EINVAL, "a pool is of 1 to %d processes of 1 to %d threads",
			       WORKER_PROCESSES_MAX, WORKER_THREADS_MAX);
	struct pool *p = mem_new(sizeof *p);
	if (!p)
		return err_set(e, -ENOMEM, "no memory for probe workers");
	int r = make(conf, p, e);
	for (size_t i = 0; i < p->n && !r; i++)
		r = start_child(p, i, p->ticked_us, e);
	if (r) {
		pool_stop(p);
		return r;
	}
	*ret = p;
	return 0;
}

void pool_stop(struct pool *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->children && i < p->n; i++) {
		struct child *c = &p->children[i];
		child_stop(c);
		free(c->slots);
	}
	if (p->timer >= 0)
		close(p->timer);
	if (p->epoll >= 0)
		close(p->epoll);
	buf_done(&p->request);
	buf_done(&p->hello);
	free(p->children);
	free(p->line);
	free(p);
}

int pool_fd(const struct pool *p)
{
	return p->epoll;
}

size_t pool_free_slots(const struct pool *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->children[i].fd >= 0 && !p->children[i].broken)
			n += p->children[i].threads - p->children[i].used;
	return n;
}

size_t pool_pids(const struct pool *p, int *ret, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n && n < max; i++)
		if (p->children[i].fd >= 0)
			ret[n++] = (int)p->children[i].pid;
	return n;
}

int pool_ask(struct pool *p, const struct probe_request *q)
{
	struct child *best = NULL;
	if (!q->url || !q->url[0] || strlen(q->url) > PROBE_URL_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->children[i];
		bool takes = c->fd >= 0 && !c->broken && c->used < c->threads;
		if (takes && (!best || c->used < best->used))
			best = c;
	}
	int r = best ? child_ask(best, q, times_mono_us(), &p->request) : -EAGAIN;
	return r == -EPIPE ? -EAGAIN : r;
}

/* ---- what comes back ---- */

/* All that it had under way is not known now, and not by a stream's fault. */
static int lose(struct child *c, enum child_end why, const char *detail, result_fn fn, void *ctx)
{
	int told = 0;
	int64_t now_us = times_mono_us();
	child_end(c, why, detail, now_us);
	child_reap(c, false);
	for (size_t i = 0; i < c->threads; i++) {
		struct child_slot *s = &c->slots[i];
		if (!s->used)
			continue;
		struct probe_result r;
		probe_result_init(&r);
		r.id = s->id;
		r.depth = s->depth;
		r.cause = PROBE_PROBER;
		snprintf(r.detail, sizeof r.detail, "the worker that looked was ended");
		s->used = false;
		c->used--;
		told++;
		metric_add(M_PROBE_LOOKS_LOST, 1);
		fn(ctx, &r);
	}
	return told;
}

static void shift(struct child *c, int64_t us)
{
	for (size_t i = 0; i < c->threads; i++)
		c->slots[i].until_us += us;
}

static int on_line(const struct pool *p, struct child *c, size_t n, result_fn fn, void *ctx)
{
	struct probe_result r;
	struct err e = {0};
	if (!c->ready && slice_is((struct slice){p->line, n}, WORKER_READY)) {
		/* On a busy machine it may have taken seconds to start; that is no look's fault. */
		c->ready = true;
		shift(c, times_mono_us() - c->started_us);
		return 0;
	}
	if (n > PROBE_LINE_MAX)
		return lose(c, CHILD_BAD_LINE, "too long", fn, ctx);
	if (probe_result_parse((struct slice){p->line, n}, &r, &e))
		return lose(c, CHILD_BAD_LINE, e.msg, fn, ctx);
	struct child_slot *s = child_slot(c, r.id);
	if (!s || s->depth != r.depth) {
		probe_result_done(&r);
		return lose(c, CHILD_BAD_LINE, "an answer to no question", fn, ctx);
	}
	r.id = s->id;
	s->used = false;
	c->used--;
	fn(ctx, &r);
	return 1;
}

static int read_child(const struct pool *p, struct child *c, result_fn fn, void *ctx)
{
	int told = 0;
	for (int i = 0; i < READ_MAX && c->fd >= 0; i++) {
		ssize_t n = recv(c->fd, p->line, PROBE_LINE_MAX + 1, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		told += n > 0 ? on_line(p, c, (size_t)n, fn, ctx)
			      : lose(c, CHILD_DIED, n ? strerror(errno) : "", fn, ctx);
	}
	return told;
}

/* ---- twice a second ---- */

static bool is_late(const struct child *c, int64_t now_us)
{
	if (!c->ready)
		return now_us > c->started_us + START_US;
	for (size_t i = 0; i < c->threads && c->used; i++)
		if (c->slots[i].used && c->slots[i].until_us < now_us)
			return true;
	return false;
}

static void restart(struct pool *p, size_t i, int64_t now_us)
{
	struct err e = {0};
	child_reap(&p->children[i], false);
	if (p->children[i].pid || now_us < p->children[i].restart_us)
		return;
	if (!start_child(p, i, now_us, &e)) {
		metric_add(M_PROBE_WORKER_RESTARTS, 1);
		if (log_repeat_over(&p->fault))
			log_info("probe", KM("workers start again"));
	} else if (log_repeat_due(&p->fault, now_us)) {
		log_error("probe", KM("worker cannot start"), KS("error", e.msg));
	}
}

static int tick(struct pool *p, result_fn fn, void *ctx)
{
	int told = 0;
	uint64_t ticks;
	int64_t now_us = times_mono_us(), paused_us = now_us - p->ticked_us - TICK_US;
	if (read(p->timer, &ticks, sizeof ticks) < 0)
		return 0;
	p->ticked_us = now_us;
	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->children[i];
		if (c->fd < 0) {
			restart(p, i, now_us);
			continue;
		}
		if (paused_us > TICK_US)
			shift(c, paused_us);
		told += read_child(p, c, fn, ctx);
		if (c->fd >= 0 && is_late(c, now_us))
			told += lose(c, CHILD_HUNG, "", fn, ctx);
		else if (c->fd >= 0 && p->memory_bytes && child_resident(c) > p->memory_bytes)
			told += lose(c, CHILD_MEMORY, "", fn, ctx);
	}
	return told;
}

/* One round of what is there, waiting at most so long for it. */
static int round_of(struct pool *p, int64_t timeout_us, result_fn fn, void *ctx)
{
	struct epoll_event ev[EVENTS_MAX];
	int told = 0;
	bool ticked = false;
	int64_t ms = (timeout_us + TIMES_MS - 1) / TIMES_MS;
	int n = epoll_wait(p->epoll, ev, EVENTS_MAX, (int)MIN_OF(MAX_OF(ms, 0), 1 << 30));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (ev[i].data.u32 == p->n)
			ticked = true;
		else
			told += read_child(p, &p->children[ev[i].data.u32], fn, ctx);
	}
	return told + (ticked ? tick(p, fn, ctx) : 0);
}

int pool_wait(struct pool *p, int64_t timeout_us, void (*fn)(void *ctx, struct probe_result *r),
	      void *ctx)
{
	int64_t end_us = times_mono_us() + MAX_OF(timeout_us, 0), left_us = timeout_us;
	for (;;) {
		int told = round_of(p, left_us, fn, ctx);
		left_us = end_us - times_mono_us();
		if (told || left_us <= 0)
			return told;
	}
}
