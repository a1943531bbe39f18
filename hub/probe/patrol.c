#include "patrol.h"

#include <pthread.h>
#include <stdatomic.h>

#include "health.h"
#include "metrics.h"
#include "patrol_look.h"
#include "patrol_store.h"
#include "pulse.h"
#include "times.h"

/*
 * DESIGN: one loop: news of the leases → looks that are due to the workers → their answers → what
 * has gathered to the writing thread. Nothing in it waits for longer than STEP_US, and nothing at
 * all for the database.
 */

#define STEP_US (500 * TIMES_MS)
#define WRITE_EVERY_US TIMES_SEC
#define GAUGES_EVERY_US TIMES_SEC
#define POOL_AGAIN_US (5 * TIMES_SEC)
#define STOP_GRACE_US (5 * TIMES_SEC)
#define LATE_US (2 * TIMES_MIN) /* overdue for want of workers: somebody should know */

enum { STOPPING = 1 };

struct patrol {
	const struct config *conf; /* the hub's */
	struct spool *spool;
	struct patrol_hooks hooks;
	struct patrol_store *store;
	pthread_t thread;
	_Atomic unsigned flags;
	pthread_mutex_t lock;
	struct config *fresh; /* to be used; under the lock */

	/* the thread's own */
	struct config *own; /* whose section probe holds; NULL: conf's */
	struct patrol_looks looks;
	uint64_t shares;
	size_t hubs;
	int64_t until_us; /* monotonic: of the leases */
	bool away_marked, here_marked, at_fault;
	int64_t pool_at, write_at, gauges_at, maintenance;
	struct log_repeat pool_failing;
};

/* ---- markers: when the prober says nothing because of itself ---- */

static void mark(struct patrol *p, bool here)
{
	bool *done = here ? &p->here_marked : &p->away_marked;
	if (*done || (!here && !p->here_marked))
		return;
	if (spool_mark(p->spool, here ? SPOOL_CONNECTED : SPOOL_AWAY, SL(PROBE_SOURCE)))
		return; /* no room; again in the next step */
	p->here_marked = here;
	p->away_marked = !here;
}

/* ---- leases ---- */

static void on_gone(void *ctx, const struct patrol_stream *s)
{
	struct patrol *p = ctx;
	patrol_looks_gone(&p->looks, s);
	if (strcmp(s->adapter, "probe") == 0)
		p->hooks.let_go(p->hooks.ctx, &s->id, 1);
}

static int on_put(void *ctx, struct patrol_stream *s, const struct plan_belief *b)
{
	struct patrol *p = ctx;
	return patrol_looks_put(&p->looks, s, b);
}

static void keep_shares(struct patrol *p, uint64_t shares)
{
	const struct patrol_set_hooks hooks = {p, on_put, on_gone};
	if (p->shares & ~shares)
		patrol_set_keep(&p->looks.set, shares, &hooks);
	p->shares = shares;
	patrol_store_held(p->store, shares);
}

static void take_streams(struct patrol *p, const struct pg_rows *rows)
{
	const struct patrol_set_hooks hooks = {p, on_put, on_gone};
	int r = patrol_set_take(&p->looks.set, rows, &hooks);
	if (r)
		log_error("probe", KM("streams that are not looked at for want of room"),
			  KS("error", strerror(-r)));
	log_info("probe", KM("streams"), KI("streams", p->looks.set.n));
}

static void take_news(struct patrol *p)
{
	struct patrol_news news;
	if (patrol_store_news(p->store, &news)) {
		keep_shares(p, news.shares);
		p->hubs = news.hubs;
		p->until_us = news.until_us;
		p->maintenance = news.maintenance;
		if (news.streams)
			take_streams(p, news.streams);
		patrol_news_done(&news);
		return;
	}
	if (!p->shares || p->hubs <= 1 || times_mono_us() < p->until_us)
		return;
	log_warn("probe", KM("the leases could not be renewed, another hub may have taken over"),
		 KI("streams", p->looks.set.n));
	keep_shares(p, 0);
}

/* ---- settings ---- */

static void use_fresh(struct patrol *p)
{
	pthread_mutex_lock(&p->lock);
	struct config *fresh = p->fresh;
	p->fresh = NULL;
	pthread_mutex_unlock(&p->lock);
	if (!fresh)
		return;
	patrol_looks_close(&p->looks);
	patrol_looks_use(&p->looks, fresh);
	patrol_store_keep(p->store, fresh->probe.snapshot_keep_us, fresh->probe.snapshot_max);
	config_free(p->own);
	p->own = fresh;
	p->pool_at = 0;
	log_info("probe", KM("settings read anew"));
}

/* Workers only where there is something to look at. */
static void keep_pool(struct patrol *p)
{
	struct err e = {0};
	int64_t now = times_mono_us();
	if (p->looks.pool && !p->looks.set.n)
		patrol_looks_close(&p->looks);
	if (p->looks.pool || !p->looks.set.n || now < p->pool_at)
		return;
	p->pool_at = now + POOL_AGAIN_US;
	if (!patrol_looks_open(&p->looks, &e)) {
		(void)log_repeat_over(&p->pool_failing);
		return;
	}
	health_set(HEALTH_PROBE, HEALTH_DEGRADED, e.msg);
	if (log_repeat_due(&p->pool_failing, now))
		log_error("probe", KM("no worker can be started"), KS("error", e.msg));
}

/* ---- what is told of it ---- */

static void tell_fault(struct patrol *p, const struct plan_counts *n)
{
	if (n->prober_at_fault == p->at_fault)
		return;
	p->at_fault = n->prober_at_fault;
	if (p->at_fault)
		log_error("probe", KM("the prober itself is at fault, nothing is said of cameras"),
			  KS("why", n->canary_failed ? "the canary shows nothing"
						     : "too many streams failed within a minute"));
	else
		log_info("probe", KM("the prober works again"));
}

static void tell_health(struct patrol *p, const struct plan_counts *n)
{
	struct err e;
	if (n->prober_at_fault) {
		health_set(HEALTH_PROBE, HEALTH_DEGRADED,
			   n->canary_failed ? "the canary shows nothing: the prober is at fault"
					    : "too many streams failed at once: the prober may be "
					      "at fault");
	} else if (p->looks.set.n && !p->looks.pool) {
		return; /* keep_pool has said why */
	} else if (n->late_us > LATE_US) {
		err_set(&e, 0, "looks are %lld s late: more threads, or longer periods",
			(long long)(n->late_us / TIMES_SEC));
		health_set(HEALTH_PROBE, HEALTH_DEGRADED, e.msg);
	} else {
		health_set(HEALTH_PROBE, HEALTH_OK, NULL);
	}
}

static void tell(struct patrol *p)
{
	struct plan_counts n;
	int64_t now = times_mono_us();
	if (now < p->gauges_at)
		return;
	p->gauges_at = now + GAUGES_EVERY_US;
	plan_counts(p->looks.plan, times_now_us(), &n);
	metric_set(M_PROBE_ONLINE, n.online);
	metric_set(M_PROBE_OFFLINE, n.offline);
	metric_set(M_PROBE_UNKNOWN, n.unknown);
	metric_set(M_PROBE_MAINTENANCE, (uint64_t)p->maintenance);
	metric_set(M_PROBE_UNDER_WAY, n.under_way);
	metric_set(M_PROBE_WAITING, n.waiting);
	metric_set(M_PROBE_SUSPECTS, n.suspects);
	metric_set(M_PROBE_HOSTS_DOWN, n.hosts_down);
	metric_set(M_PROBE_LATE_MS, (uint64_t)(MAX_OF(n.late_us, 0) / TIMES_MS));
	metric_set(M_PROBE_AT_FAULT, n.prober_at_fault);
	metric_set(M_PROBE_SHARES, (uint64_t)__builtin_popcountll(p->shares));
	tell_fault(p, &n);
	tell_health(p, &n);
	mark(p, p->looks.set.n && p->looks.pool && !n.prober_at_fault);
}

/* ---- the thread ---- */

static void write_some(struct patrol *p, bool all)
{
	int64_t now = times_mono_us();
	if ((!all && now < p->write_at) || !patrol_store_idle(p->store))
		return;
	p->write_at = now + WRITE_EVERY_US;
	struct patrol_batch *b =
		patrol_out_batch(&p->looks.out, &p->looks.set, times_now_us(), all);
	if (b && !patrol_store_write(p->store, b))
		patrol_batch_free(b); /* not possible: it was idle, and nobody else writes */
}

static void look(struct patrol *p)
{
	int64_t wake_us, step_us = STEP_US;
	patrol_looks_ask(&p->looks, &wake_us);
	if (wake_us != INT64_MAX)
		step_us = MIN_OF(step_us, MAX_OF(wake_us - times_now_us(), INT64_C(0)));
	if (p->looks.pool) {
		patrol_looks_take(&p->looks, step_us);
		return;
	}
	struct timespec ts = {.tv_nsec = STEP_US * 1000};
	nanosleep(&ts, NULL);
}

static void *patrol_main(void *arg)
{
	struct patrol *p = arg;
	pulse_enter(PULSE_PROBE);
	while (!(atomic_load(&p->flags) & STOPPING)) {
		pulse_beat();
		use_fresh(p);
		take_news(p);
		keep_pool(p);
		look(p);
		write_some(p, false);
		tell(p);
	}
	pulse_leave();
	patrol_looks_close(&p->looks);
	int64_t end = times_mono_us() + STOP_GRACE_US;
	while (!patrol_store_idle(p->store) && times_mono_us() < end)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	write_some(p, true);
	return NULL;
}

/* ---- start and stop ---- */

static void patrol_free(struct patrol *p)
{
	patrol_looks_done(&p->looks);
	config_free(p->own);
	config_free(p->fresh);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int patrol_start(const struct config *conf, struct spool *spool, const struct patrol_hooks *hooks,
		 struct err *e, struct patrol **ret)
{
	*ret = NULL;
	health_set(HEALTH_PROBE, HEALTH_OK, NULL);
	if (!conf->probe.enabled)
		return 0;
	struct patrol *p = mem_new(sizeof *p);
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->conf = conf;
	p->spool = spool;
	p->hooks = *hooks;
	pthread_mutex_init(&p->lock, NULL);
	int r = patrol_looks_init(&p->looks, conf, spool);
	if (r)
		err_set(e, r, "probe: out of memory");
	if (!r)
		r = patrol_store_start(conf, spool_id(spool), hooks, e, &p->store);
	if (!r) {
		r = -pthread_create(&p->thread, NULL, patrol_main, p);
		if (r)
			err_set(e, r, "probe: no thread: %s", strerror(-r));
	}
	if (r) {
		patrol_store_stop(p->store, 0);
		patrol_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int patrol_reload(struct patrol *p, struct err *e)
{
	struct config *fresh = NULL;
	if (!p)
		return 0;
	int r = config_load(p->conf->path, e, &fresh);
	if (r)
		return r;
	pthread_mutex_lock(&p->lock);
	struct config *old = p->fresh;
	p->fresh = fresh;
	pthread_mutex_unlock(&p->lock);
	config_free(old);
	return 0;
}

void patrol_stop(struct patrol *p)
{
	if (!p)
		return;
	atomic_fetch_or(&p->flags, STOPPING);
	pthread_join(p->thread, NULL);
	patrol_store_stop(p->store, STOP_GRACE_US);
	patrol_free(p);
}
