/*
 * look_run: one look under way: its deadline, its budgets, and what is said of it. The first
 * failure that is said stays: those after it follow from it. One thread.
 */
#ifndef GRIDHUB_LOOK_RUN_H
#define GRIDHUB_LOOK_RUN_H

#include "look.h"

struct look_run {
	const struct probe_request *q;
	struct probe_result *r;
	int64_t start_us, end_us; /* monotonic */
	int64_t cpu_us;		  /* of this thread when it began */
	uint64_t bytes;		  /* that came */
	uint32_t calls;		  /* of libavformat's interrupt callback */
	bool failed;
	bool watching; /* its keyframe is here: an end is no failure any more */
};

void look_run_start(struct look_run *run, const struct probe_request *q, struct probe_result *r);
/* It came so far, if it had not before; notes the time. */
void look_step(struct look_run *run, enum probe_step step);
int64_t look_left_us(const struct look_run *run); /* 0: the deadline is reached */

/* Each returns code. what: for people, without anything of a password; cut. */
int look_fail(struct look_run *run, enum probe_state state, enum probe_cause cause, int code,
	      const char *what, ...) printf_like(5, 6);
/* The deadline was reached: what that means depends on how far it came. Says nothing of one that
 * watches, nor does look_fail_closed. */
int look_fail_late(struct look_run *run);
/* The server closed, or the connection broke. */
int look_fail_closed(struct look_run *run, int error);
/* No memory, no descriptors, …: we are at fault. */
int look_fail_own(struct look_run *run, int error, const char *what);

/* Count bytes that came; fails (-E2BIG) when they, or the CPU time used, are beyond the budget. */
must_check int look_spend(struct look_run *run, size_t bytes);

#endif
