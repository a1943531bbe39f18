#include "ready.h"

#include <systemd/sd-daemon.h>

#include "health.h"
#include "log.h"
#include "metrics.h"
#include "pulse.h"
#include "times.h"

#define STARTING_US (30 * TIMES_SEC) /* a long migration: it takes messages in meanwhile */
#define TICK_US (5 * TIMES_SEC)
#define STATUS_MAX 600

bool ready_begin(struct ready *r)
{
	const char *socket = getenv("NOTIFY_SOCKET");
	uint64_t usec = 0;
	*r = (struct ready){.since_us = times_mono_us()};
	if (sd_watchdog_enabled(0, &usec) > 0)
		r->watchdog_us = (int64_t)MIN_OF(usec, (uint64_t)TIMES_DAY);
	return socket && socket[0];
}

static bool takes_in(const struct ready *r)
{
	return health_get(HEALTH_ENGINE) != HEALTH_STARTING ||
	       health_get(HEALTH_DATABASE) == HEALTH_DEGRADED ||
	       times_mono_us() - r->since_us > STARTING_US;
}

/* One line, and only when it is a new one. */
static void tell_status(struct ready *r)
{
	auto_buf struct buf b;
	buf_init(&b, STATUS_MAX);
	buf_puts(&b, "STATUS=");
	health_brief(&b);
	uint64_t backlog = metric_get(M_SPOOL_BACKLOG), owed = metric_get(M_OUTBOX_PENDING);
	if (backlog > 10000) /* it is never quite empty while messages come in */
		buf_printf(&b, "; %llu records wait in the spool", (unsigned long long)backlog);
	if (owed)
		buf_printf(&b, "; %llu alerts owed", (unsigned long long)owed);
	uint64_t hash = hash64(buf_slice(&b), 0);
	if (hash != r->status)
		sd_notify(0, buf_str(&b));
	r->status = hash;
}

/* Half of the patience is for a thread to come on, the other half for us to say so. */
static void sign_of_life(struct ready *r)
{
	const char *who = pulse_stuck(times_mono_us(), r->watchdog_us / 2);
	if (who && !r->stuck)
		log_error("ready", KM("a thread is stuck; systemd will start the hub anew"),
			  KS("thread", who));
	r->stuck = who != NULL;
	if (!who)
		sd_notify(0, "WATCHDOG=1");
}

int64_t ready_tick(struct ready *r)
{
	if (r->watchdog_us)
		sign_of_life(r);
	tell_status(r);
	if (!r->told && takes_in(r)) {
		sd_notify(0, "READY=1");
		r->told = true;
	}
	if (!r->told)
		return 50 * TIMES_MS;
	return r->watchdog_us ? MIN_OF(r->watchdog_us / 4, TICK_US) : TICK_US;
}

void ready_reloading(void)
{
	sd_notify(0, "RELOADING=1");
}

void ready_reloaded(struct ready *r)
{
	sd_notify(0, "READY=1");
	tell_status(r);
}

void ready_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
