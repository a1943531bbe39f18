/* worker_hello: what the pool tells a child first, as a line of JSON. */
#ifndef GRIDHUB_WORKER_HELLO_H
#define GRIDHUB_WORKER_HELLO_H

#include "look.h"

#define WORKER_HELLO_MAX (16 << 10)

/* What the child answers, once it is about to take requests. */
#define WORKER_READY "\"ready\""

struct worker_hello {
	int threads;
	int64_t memory_bytes; /* 0: no bound */
	struct look_limits limits;
};

void worker_hello_write(const struct worker_hello *h, struct buf *out);
/* ret's ranges and ca_file lie in arena. -EINVAL: not that. */
must_check int worker_hello_parse(struct slice line, struct arena *arena, struct worker_hello *ret,
				  struct err *e);

#endif
