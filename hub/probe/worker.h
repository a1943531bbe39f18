/*
 * worker: the process that looks at streams, and the pool of such processes.
 *
 * A demuxer reads what strangers send: it may crash, run away, or eat memory. So looks are made by
 * children of the hub (the same binary, `gridhub probe --worker`), some threads each, that know no
 * secret but the URLs they are given, through a socket pair: one JSON line a request, one a result.
 * A child that dies, or does not answer a look 1 s after its deadline, is killed and started anew
 * (with growing pauses); what it had under way comes back as PROBE_UNKNOWN, cause PROBE_PROBER.
 */
#ifndef GRIDHUB_WORKER_H
#define GRIDHUB_WORKER_H

#include "look.h"
#include "probe.h"

/* ---- in the child ---- */
struct worker_conf {
	int threads;	      /* 1..512 looks at once */
	int64_t memory_bytes; /* RLIMIT_AS-like bound: beyond it the child ends; 0 = none */
	struct look_limits limits;
};
/* Serve requests from fd until it closes; returns an exit code. */
int worker_serve(int fd, const struct worker_conf *conf);

/* ---- in the hub: one owner thread ---- */
struct pool;
struct pool_conf {
	int processes, threads; /* processes × threads looks at once */
	int64_t memory_bytes;	/* a process */
	struct look_limits limits;
	const char *program; /* NULL: /proc/self/exe */
};
must_check int pool_start(const struct pool_conf *conf, struct err *e, struct pool **ret);
void pool_stop(struct pool *p); /* kills what is under way; NULL is fine */
size_t pool_free_slots(const struct pool *p);
/* -EAGAIN: no free slot. The request is written at once; nothing of it is kept but its id and
 * deadline. */
must_check int pool_ask(struct pool *p, const struct probe_request *q);
/* Wait at most so long for results; fn is called for each (the result is the callee's to free by
 * probe_result_done). Returns how many, or -errno. */
int pool_wait(struct pool *p, int64_t timeout_us, void (*fn)(void *ctx, struct probe_result *r),
	      void *ctx);
/* For poll() beside other descriptors. */
int pool_fd(const struct pool *p);

#endif
