/* worker_child: one child of the pool: what it has under way, how it lives and dies. */
#ifndef GRIDHUB_WORKER_CHILD_H
#define GRIDHUB_WORKER_CHILD_H

#include <sys/types.h>

#include "worker.h"

/* Why one was ended, as the log and the metrics say it. */
enum child_end { CHILD_DIED, CHILD_HUNG, CHILD_MEMORY, CHILD_BAD_LINE };

struct child_slot {
	int64_t id; /* the asker's */
	int64_t until_us;
	uint32_t turn; /* goes to the child with the slot's number: an answer to an older one is
			  none */
	enum probe_depth depth;
	bool used;
};

struct child {
	pid_t pid;   /* 0: none, or reaped */
	int fd;	     /* -1: it is down */
	bool ready;  /* it has said so; until then no look of it is late */
	bool broken; /* a write found it gone */
	size_t used, threads;
	int64_t started_us, restart_us, pause_us;
	struct child_slot *slots; /* as many as threads; owned */
};

/* program with that hello; 0, or -errno with e, and then it is tried again at restart_us. */
must_check int child_start(struct child *c, const char *program, struct slice hello, int64_t now_us,
			   struct err *e);
/* Kill it, and say when the next may start. What it had under way stays in the slots. */
void child_end(struct child *c, enum child_end why, const char *detail, int64_t now_us);
/* The same without a word, and wait until it is gone. */
void child_stop(struct child *c);
/* Is it gone? Then pid is 0. */
void child_reap(struct child *c, bool wait);
/* -EAGAIN: its socket is full, or no slot is free. -EPIPE: it is gone. */
must_check int child_ask(struct child *c, const struct probe_request *q, int64_t now_us,
			 struct buf *line);
/* The slot that wire_id means, or NULL. */
struct child_slot *child_slot(struct child *c, int64_t wire_id);
int64_t child_resident(const struct child *c); /* bytes; 0: not known */

#endif
