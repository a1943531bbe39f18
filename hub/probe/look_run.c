#include "look_run.h"

#include "times.h"

#define IDLE_BYTES_MAX ((uint64_t)24 << 20) /* until a keyframe came */
#define RATE_BYTES_MAX ((uint64_t)8 << 20)  /* a second, while watching */
#define CPU_MAX_US (400 * TIMES_MS)
#define CPU_WATCH_SHARE 4 /* of the time that is watched, one in so many */

static int64_t cpu_now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * TIMES_SEC + ts.tv_nsec / 1000;
}

void look_run_start(struct look_run *run, const struct probe_request *q, struct probe_result *r)
{
	int64_t now = times_mono_us();
	probe_result_init(r);
	r->id = q->id;
	r->depth = q->depth;
	*run = (struct look_run){.q = q,
				 .r = r,
				 .start_us = now,
				 .end_us = now + q->deadline_us,
				 .cpu_us = cpu_now_us()};
}

static int64_t *time_of(struct probe_times *at, enum probe_step step)
{
	int64_t *const times[] = {[PROBE_NONE] = NULL,
				  [PROBE_RESOLVED] = &at->resolved,
				  [PROBE_CONNECTED] = &at->connected,
				  [PROBE_AUTHORISED] = &at->authorised,
				  [PROBE_SESSION] = &at->session,
				  [PROBE_PACKETS] = &at->packet,
				  [PROBE_GOT_KEYFRAME] = &at->keyframe};
	return times[step];
}

void look_step(struct look_run *run, enum probe_step step)
{
	struct probe_result *r = run->r;
	int64_t at = times_mono_us() - run->start_us;
	for (enum probe_step s = r->step; s < step;) {
		int64_t *time = time_of(&r->at, ++s);
		if (*time < 0)
			*time = at;
	}
	if (r->step < step)
		r->step = step;
}

int64_t look_left_us(const struct look_run *run)
{
	return MAX_OF(run->end_us - times_mono_us(), 0);
}

int look_fail(struct look_run *run, enum probe_state state, enum probe_cause cause, int code,
	      const char *what, ...)
{
	va_list ap;
	if (run->failed)
		return code;
	run->failed = true;
	run->r->state = state;
	run->r->cause = cause;
	va_start(ap, what);
	vsnprintf(run->r->detail, sizeof run->r->detail, what, ap);
	va_end(ap);
	return code;
}

static const struct {
	enum probe_cause cause;
	const char *what;
} late[] = {
	[PROBE_NONE] = {PROBE_UNRESOLVED, "no name server answered in time"},
	[PROBE_RESOLVED] = {PROBE_TIMEOUT, "no connection in time"},
	[PROBE_CONNECTED] = {PROBE_TIMEOUT, "connected, and no answer in time"},
	[PROBE_AUTHORISED] = {PROBE_TIMEOUT, "let in, and no session in time"},
	[PROBE_SESSION] = {PROBE_NO_PACKETS, "a session that sends nothing"},
	[PROBE_PACKETS] = {PROBE_NO_KEYFRAME, "packets, and no keyframe in time"},
	[PROBE_GOT_KEYFRAME] = {PROBE_NO_KEYFRAME, "the keyframe did not end in time"},
};

int look_fail_late(struct look_run *run)
{
	enum probe_step step = run->r->step;
	if (run->watching)
		return -ETIMEDOUT;
	return look_fail(run, step == PROBE_NONE ? PROBE_UNKNOWN : PROBE_OFFLINE, late[step].cause,
			 -ETIMEDOUT, "%s", late[step].what);
}

int look_fail_closed(struct look_run *run, int error)
{
	enum probe_step step = run->r->step;
	if (run->watching)
		return -ECONNRESET;
	enum probe_cause cause = step < PROBE_SESSION ? PROBE_BAD_DATA : late[step].cause;
	return look_fail(run, PROBE_OFFLINE, cause, -ECONNRESET, "the server closed%s%s%s",
			 step < PROBE_SESSION ? " before there was a session" : " the stream",
			 error ? ": " : "", error ? strerror(error) : "");
}

int look_fail_own(struct look_run *run, int error, const char *what)
{
	return look_fail(run, PROBE_UNKNOWN, PROBE_PROBER, error < 0 ? error : -error, "%s: %s",
			 what, strerror(error < 0 ? -error : error));
}

int look_spend(struct look_run *run, size_t bytes)
{
	const struct probe_request *q = run->q;
	int64_t extra_us = run->watching ? q->watch_us : 0;
	uint64_t max = IDLE_BYTES_MAX + RATE_BYTES_MAX * (uint64_t)extra_us / TIMES_SEC;
	run->bytes += bytes;
	if (run->bytes > max)
		return look_fail(run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "more than %d MB and no picture", (int)(max >> 20));
	if (cpu_now_us() - run->cpu_us > CPU_MAX_US + extra_us / CPU_WATCH_SHARE)
		return look_fail(run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "what it sends takes too long to read");
	return 0;
}
