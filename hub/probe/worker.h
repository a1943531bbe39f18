/*
 * worker: the process that looks at streams, and the pool of such processes.
 *
 * A demuxer reads what strangers send: it may crash, run away, or eat memory. So looks are made by
 * children of the hub (the same binary, `gridhub probe --worker`), some threads each, that know no
 * secret but the URLs they are given, through a socket pair: one JSON line a request, one a result.
 * A child that dies, does not answer a look 1 s after its deadline, takes more memory than it may,
 * or says what no worker says, is killed and started anew (with growing pauses); what it had under
 * way comes back as PROBE_UNKNOWN, cause PROBE_PROBER.
 */
#ifndef GRIDHUB_WORKER_H
#define GRIDHUB_WORKER_H

#include "look.h"
#include "probe.h"

#define WORKER_THREADS_MAX 512
#define WORKER_PROCESSES_MAX 64

/* ---- in the child ---- */
/* What makes a look: look_init and look_at, but in tests. */
struct worker_eye {
	void (*init)(const struct look_limits *limits);
	void (*at)(const struct probe_request *q, struct probe_result *ret);
};
/*
 * Serve the pool at the other end of fd until it closes; returns an exit code. What the pool says
 * first is how (threads, memory, limits); the process then locks itself down. Threads may be within
 * a look still: leave with _exit() at once.
 */
int worker_serve(int fd, const struct worker_eye *eye);

/* ---- in the hub: one owner thread, which must outlive the pool ---- */
struct pool;
struct pool_conf {
	int processes, threads;	   /* processes × threads looks at once */
	int64_t memory_bytes;	   /* resident, a process; 0: no bound */
	struct look_limits limits; /* read at the start of the pool only */
	const char *program;	   /* NULL: /proc/self/exe. Borrowed */
};
must_check int pool_start(const struct pool_conf *conf, struct err *e, struct pool **ret);
void pool_stop(struct pool *p); /* kills what is under way; NULL is fine */
size_t pool_free_slots(const struct pool *p);
/* -EAGAIN: no free slot. The request is written at once; nothing of it is kept but its id and
 * deadline. -EMSGSIZE: a URL beyond PROBE_URL_MAX. */
must_check int pool_ask(struct pool *p, const struct probe_request *q);
/*
 * Wait at most so long for results; fn is called for each (the result is the callee's to free by
 * probe_result_done; it may call pool_ask). Returns how many, or -errno. Call it at least each
 * second while anything is under way: it also starts and ends the children.
 */
int pool_wait(struct pool *p, int64_t timeout_us, void (*fn)(void *ctx, struct probe_result *r),
	      void *ctx);
/* For poll() beside other descriptors: readable when pool_wait has something to do. */
int pool_fd(const struct pool *p);
/* The processes that live: their ids, at most max; returns how many. */
size_t pool_pids(const struct pool *p, int *ret, size_t max);

#endif
