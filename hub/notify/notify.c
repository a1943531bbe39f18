/*
 * DESIGN. A fixed table of jobs: a job is free, being sent, or done and not yet recorded; the last
 * two count against notify.concurrency, so that a database that is away bounds what is sent. Rows
 * are claimed only into free jobs. Everything below `struct notify` but `flags` and `rules`
 * is the thread's own.
 *
 * No receiver may take all jobs: one that has as many under way as its window (window.h), at most a
 * quarter of all, is left out of the next claim, and a claim takes no more than half of what is
 * free. One that fails, or that takes no more for now (pace.h), is left out too; what a claim
 * brought beyond its pace is given back and counts as no attempt.
 *
 * The settings in force came with the endpoints in force (SIGHUP); the number of jobs is that of
 * the start.
 */
#include "notify.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "health.h"
#include "log.h"
#include "metrics.h"
#include "notify_bundle.h"
#include "notify_health.h"
#include "notify_receivers.h"
#include "notify_report.h"
#include "pg.h"
#include "times.h"

#define POLL_US TIMES_SEC /* the outbox is looked at even if nobody wakes us */
#define RECONNECT_MAX_US (30 * TIMES_SEC)
#define SHARES 4		 /* a receiver takes at most one in so many jobs */
#define GATHER_US (5 * TIMES_MS) /* results are recorded so long after they came, at most */
#define FEW 8 /* less than one in so many jobs free: a claim waits for more, as long */
#define ROOM_MAX (1024 * 1024)

enum { WOKEN = 1, STOPPING = 2, REFUSED = 4, ENDING = 8 };

struct notify {
	_Atomic unsigned flags; /* any thread */
	pthread_mutex_t lock;	/* of rules and fresh */
	struct rules *rules;
	struct endpoints fresh; /* to be used; conf NULL: there are none */
	pthread_t thread;
	const struct config *conf; /* of the start */
	struct receivers receivers;
	struct notify_health health;
	struct notify_store *store;
	struct sender *sender;
	struct notify_job *jobs;
	struct notify_job **pick; /* room for a selection of jobs */
	size_t njobs, gather;	  /* results are recorded when there are so many */
	int64_t claimed_us;	  /* when the last claim was made */
	int64_t bundle_at, claim_at, connect_at, reconnect_us, stop_at; /* monotonic */
	int64_t done_us; /* when the first of what is done and not recorded came in */
	struct log_repeat db_failing;
};

static size_t pick_jobs(struct notify *n, enum notify_state state, size_t max)
{
	size_t found = 0;
	for (size_t i = 0; i < n->njobs && found < max; i++)
		if (n->jobs[i].state == state)
			n->pick[found++] = &n->jobs[i];
	return found;
}

static int64_t retry_scale(const struct notify *n)
{
	return n->receivers.now.conf->notify.retry_scale_pct;
}

static struct receiver *receiver_of(struct notify *n, const struct notify_job *j)
{
	return notify_receivers_of(&n->receivers, j->endpoint);
}

/* ---- the database, and that it may be away ---- */

static void db_failed(struct notify *n, const struct err *e)
{
	int64_t now = times_mono_us();
	n->reconnect_us =
		n->reconnect_us ? MIN_OF(n->reconnect_us * 2, RECONNECT_MAX_US) : TIMES_SEC / 2;
	n->connect_at = now + n->reconnect_us;
	n->claim_at = n->bundle_at = n->health.at_us = n->connect_at;
	health_set(HEALTH_NOTIFY, HEALTH_DEGRADED, e->msg);
	if (log_repeat_due(&n->db_failing, now))
		log_error("notify", KM("database"), KS("error", e->msg));
}

/* True when there is a connection. */
static bool db_ready(struct notify *n)
{
	struct err e = {0};
	int64_t now = times_mono_us();
	if (now < n->connect_at)
		return false;
	if (notify_store_connected(n->store))
		return true;
	if (atomic_load(&n->flags) & ENDING)
		return false; /* a server that hangs would take connect_timeout of the end */
	if (notify_store_connect(n->store, &e)) {
		db_failed(n, &e);
		return false;
	}
	return true;
}

/* A statement went through: what was wrong is over. */
static void db_works(struct notify *n)
{
	n->reconnect_us = 0;
	if (log_repeat_over(&n->db_failing))
		log_info("notify", KM("database is back"));
}

/* ---- results ---- */

static void answered(struct notify *n, struct receiver *r, const struct notify_job *j)
{
	uint64_t seed = hash64(j->message_id, (uint64_t)j->attempts);
	if (r == &n->receivers.unknown)
		return;
	window_answer(&r->window, !j->unwell, j->latency_us);
	if (pace_answer(&r->pace, !j->unwell, j->rest_us, seed, times_mono_us()))
		notify_report_circuit(&n->receivers, r, j);
}

static void take_results(struct notify *n)
{
	struct sender_result r;
	while (sender_take(n->sender, &r)) {
		struct notify_job *j = r.user;
		struct receiver *from = receiver_of(n, j);
		from->in_flight -= from->in_flight > 0; /* it may be new under its name */
		n->done_us = n->done_us ? n->done_us : times_mono_us();
		notify_job_judge(j, j->to, retry_scale(n), &r);
		notify_report(from, j);
		answered(n, from, j);
		notify_receivers_ended(&n->receivers, j->to);
		j->to = NULL;
	}
}

/* Results are written down together: when a share of them is there, or nothing else can come for
 * the moment, or the first has waited for a while. The time of the latter. */
static int64_t record_at(struct notify *n, size_t done)
{
	if (!done)
		return INT64_MAX;
	bool now = done >= n->gather || !sender_in_flight(n->sender);
	return now ? 0 : n->done_us + GATHER_US;
}

/* Write down what became of the jobs that are done; they are free then. */
static void record(struct notify *n)
{
	struct err e = {0};
	size_t still_ours;
	size_t done = pick_jobs(n, NOTIFY_DONE, n->njobs);
	if (times_mono_us() < record_at(n, done) || !db_ready(n))
		return;
	if (notify_store_record(n->store, n->pick, done, &e, &still_ours)) {
		db_failed(n, &e);
		return;
	}
	db_works(n);
	if (still_ours < done)
		log_warn("notify", KM("leases ran out before the result was recorded"),
			 KI("alerts", done - still_ours));
	for (size_t i = 0; i < done; i++)
		notify_job_reset(n->pick[i]);
	n->done_us = 0;
	n->claim_at = 0; /* jobs are free, and the next alert of a case may go */
}

/* ---- sending ---- */

static void send_job(struct notify *n, struct notify_job *j)
{
	struct sender_request request;
	int64_t scale = retry_scale(n);
	const struct endpoints *all = &n->receivers.now;
	const struct endpoint *p = endpoints_find(all, j->endpoint);
	if (j->state == NOTIFY_SENDING && !p)
		notify_job_retry(j, scale, 0, "the configuration has no endpoint of that name");
	else if (j->state == NOTIFY_SENDING &&
		 notify_job_compose(j, p, all->conf, times_now_us(), &request) == 0) {
		if (sender_start(n->sender, &request) == 0) {
			j->to = p;
			receiver_of(n, j)->in_flight++;
			pace_take(&receiver_of(n, j)->pace, times_mono_us());
			return;
		}
		notify_job_retry(j, scale, 0, "out of memory");
	}
	notify_report(receiver_of(n, j), j);
}

/* What its receiver does not take now goes back as it was. */
static void put_back(struct notify *n, size_t count)
{
	struct err e = {0};
	if (!count)
		return;
	if (notify_store_release(n->store, n->pick, count, &e))
		db_failed(n, &e); /* the leases run out */
	for (size_t i = 0; i < count; i++)
		notify_job_reset(n->pick[i]);
}

/* A claim looks at each receiver for which something waits, however few jobs are free; so a few
 * wait for more to be free. */
static bool too_few(struct notify *n, size_t free)
{
	int64_t now = times_mono_us(), at = n->claimed_us + GATHER_US;
	if (free >= n->njobs / FEW || now >= at) {
		n->claimed_us = now;
		return false;
	}
	n->claim_at = MIN_OF(n->claim_at, at);
	return true;
}

/* Claim and send; true when there may be more. */
static bool claim_some(struct notify *n)
{
	struct err e = {0};
	auto_buf struct buf room;
	buf_init(&room, ROOM_MAX);
	size_t got, kept = 0, free = pick_jobs(n, NOTIFY_FREE, n->njobs);
	bool more;
	if (!free || too_few(n, free))
		return false;
	n->gather = MAX_OF(free / SHARES, (size_t)1);
	struct notify_want want = {
		.n = MAX_OF(free / 2, (size_t)1),
		.lease_us = n->receivers.now.conf->notify.lease_us,
	};
	notify_receivers_room(&n->receivers, MAX_OF(n->njobs / SHARES, (size_t)1), times_mono_us(),
			      &room, &want.usual);
	want.room = buf_slice(&room);
	if (notify_store_claim(n->store, &want, n->pick, &e, &got, &more)) {
		db_failed(n, &e);
		return false;
	}
	db_works(n);
	for (size_t i = 0; i < got; i++) {
		struct notify_job *j = n->pick[i];
		if (j->state == NOTIFY_SENDING &&
		    !pace_ready(&receiver_of(n, j)->pace, times_mono_us(), 1))
			n->pick[kept++] = j;
		else
			send_job(n, j);
	}
	put_back(n, kept);
	return more;
}

/* What is owed and due becomes messages of the outbox. */
static void bundle(struct notify *n)
{
	struct err e = {0};
	struct notify_bundled done = {.more = true};
	pthread_mutex_lock(&n->lock);
	struct rules *rules = rules_ref(n->rules);
	pthread_mutex_unlock(&n->lock);
	while (done.more) {
		if (notify_bundle(n->store, &n->receivers.now, rules_calendar(rules), &e, &done)) {
			db_failed(n, &e);
			break;
		}
		metric_add(M_ALERTS_BUNDLED, done.items - done.waiting - done.dropped);
		metric_add(M_ALERTS_DROPPED, done.dropped);
		metric_add(M_ALERTS_NO_ENDPOINT, done.nowhere);
		sender_work(n->sender);
	}
	rules_unref(rules);
}

/* What there may be to bundle, then to send. */
static void claim(struct notify *n)
{
	bool woken = atomic_fetch_and(&n->flags, ~(unsigned)WOKEN) & WOKEN;
	int64_t now = times_mono_us();
	if ((woken || now >= n->bundle_at) && db_ready(n)) {
		n->bundle_at = now + POLL_US;
		bundle(n);
		n->claim_at = MIN_OF(n->claim_at, now);
	}
	if (now < n->claim_at || !db_ready(n))
		return;
	n->claim_at = now + POLL_US;
	while (claim_some(n))
		sender_work(n->sender);
	n->claim_at = MIN_OF(n->claim_at, notify_receivers_next(&n->receivers, now));
}

static void look(struct notify *n)
{
	struct err e = {0};
	bool refused = atomic_load(&n->flags) & REFUSED;
	if (times_mono_us() < n->health.at_us || !db_ready(n))
		return;
	if (notify_health_look(&n->health, n->store, &n->receivers, refused, &e))
		db_failed(n, &e);
	else
		db_works(n);
}

/* ---- the thread ---- */

/* Requests under way go on as they were made. */
static void use_fresh_endpoints(struct notify *n)
{
	struct endpoints fresh = {0};
	pthread_mutex_lock(&n->lock);
	if (n->fresh.conf && notify_receivers_settled(&n->receivers)) {
		fresh = n->fresh;
		n->fresh = (struct endpoints){0};
	}
	pthread_mutex_unlock(&n->lock);
	if (!fresh.conf)
		return;
	if (notify_receivers_change(&n->receivers, &fresh, sender_in_flight(n->sender))) {
		log_error("notify", KM("no memory for the new endpoints, the old ones stay"));
		endpoints_done(&fresh);
		return;
	}
	log_info("notify", KM("endpoints read anew"), KI("endpoints", n->receivers.now.n));
	metric_set(M_CIRCUITS_OPEN, notify_receivers_failing(&n->receivers));
	n->claim_at = 0;
}

static void wait_for_work(struct notify *n)
{
	int64_t now = times_mono_us();
	int64_t until = n->stop_at ? n->stop_at : MIN_OF(n->claim_at, n->bundle_at);
	int64_t record = record_at(n, pick_jobs(n, NOTIFY_DONE, n->njobs));
	if (record != INT64_MAX)
		until = MIN_OF(until, MAX_OF(record, n->connect_at));
	if (!n->stop_at)
		until = MIN_OF(until, n->health.at_us);
	if (until > now)
		sender_wait(n->sender, MIN_OF(until - now, POLL_US));
}

static void forget(void *user, void *arg)
{
	(void)arg;
	struct notify_job *j = user;
	j->state = NOTIFY_SENDING; /* no result: its lease is given back */
}

/* What is still under way goes back to the outbox, so that another hub can send it at once. */
static void give_back(struct notify *n)
{
	struct err e = {0};
	sender_cancel(n->sender, forget, NULL);
	size_t left = pick_jobs(n, NOTIFY_SENDING, n->njobs);
	if (left && db_ready(n) && notify_store_release(n->store, n->pick, left, &e))
		log_warn("notify", KM("leases not given back; they run out"), KI("alerts", left),
			 KS("error", e.msg));
	size_t lost = pick_jobs(n, NOTIFY_DONE, n->njobs);
	if (lost)
		log_warn("notify", KM("results not recorded; these alerts will be sent again"),
			 KI("alerts", lost));
}

static bool stopping(struct notify *n)
{
	if (!(atomic_load(&n->flags) & STOPPING))
		return false;
	if (!n->stop_at)
		n->stop_at = times_mono_us() + n->receivers.now.conf->notify.stop_grace_us;
	bool idle = !sender_in_flight(n->sender) && !pick_jobs(n, NOTIFY_DONE, 1);
	return idle || times_mono_us() >= n->stop_at;
}

static void *run(void *arg)
{
	struct notify *n = arg;
	while (!stopping(n)) {
		use_fresh_endpoints(n);
		if (!n->stop_at)
			claim(n);
		if (!n->stop_at)
			look(n);
		sender_work(n->sender);
		take_results(n);
		record(n);
		wait_for_work(n);
	}
	give_back(n);
	return NULL;
}

static void notify_free(struct notify *n)
{
	if (!n)
		return;
	sender_free(n->sender);
	notify_store_free(n->store);
	notify_receivers_done(&n->receivers);
	endpoints_done(&n->fresh);
	for (size_t i = 0; n->jobs && i < n->njobs; i++)
		notify_job_done(&n->jobs[i]);
	free(n->jobs);
	free(n->pick);
	rules_unref(n->rules);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static int notify_alloc(struct notify *n, struct err *e)
{
	n->njobs = (size_t)n->conf->notify.concurrency;
	n->gather = MAX_OF(n->njobs / SHARES, (size_t)1);
	n->jobs = calloc(n->njobs, sizeof *n->jobs);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
	n->pick = calloc(n->njobs, sizeof *n->pick);
	if (!n->jobs || !n->pick || sender_new(n->njobs, &n->sender))
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n->njobs; i++)
		notify_job_init(&n->jobs[i]);
	return notify_store_new(n->conf, e, &n->store);
}

/* Signals are main's. */
static int start_thread(struct notify *n)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&n->thread, NULL, run, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

void notify_use_rules(struct notify *n, struct rules *rules)
{
	pthread_mutex_lock(&n->lock);
	struct rules *old = n->rules;
	n->rules = rules_ref(rules);
	pthread_mutex_unlock(&n->lock);
	rules_unref(old);
}

int notify_start(const struct config *conf, struct rules *rules, struct err *e, struct notify **ret)
{
	struct notify *n = mem_new(sizeof *n);
	if (!n)
		return err_set(e, -ENOMEM, "out of memory");
	n->conf = conf;
	n->rules = rules_ref(rules);
	pthread_mutex_init(&n->lock, NULL);
	struct endpoints first = {0};
	int rc = endpoints_load(conf, e, &first);
	if (!rc && notify_receivers_init(&n->receivers, &first))
		rc = err_set(e, -ENOMEM, "out of memory");
	if (!rc)
		rc = notify_alloc(n, e);
	if (!rc) {
		health_set(HEALTH_NOTIFY, HEALTH_STARTING, NULL);
		rc = start_thread(n);
		if (rc)
			err_set(e, rc, "notify: no thread: %s", strerror(-rc));
	}
	if (rc) {
		notify_free(n);
		return rc;
	}
	*ret = n;
	return 0;
}

int notify_reload_endpoints(struct notify *n, struct err *e)
{
	struct endpoints fresh = {0}, unused;
	int rc = endpoints_reload(n->conf->path, e, &fresh);
	metric_add(rc ? M_ENDPOINT_RELOADS_BAD : M_ENDPOINT_RELOADS, 1);
	if (rc) {
		atomic_fetch_or(&n->flags, REFUSED);
		notify_health_refused();
		return rc;
	}
	pthread_mutex_lock(&n->lock);
	unused = n->fresh;
	n->fresh = fresh;
	pthread_mutex_unlock(&n->lock);
	endpoints_done(&unused);
	atomic_fetch_and(&n->flags, ~(unsigned)REFUSED);
	sender_wake(n->sender);
	return 0;
}

void notify_wake(struct notify *n)
{
	atomic_fetch_or(&n->flags, WOKEN);
	sender_wake(n->sender);
}

void notify_stop_soon(struct notify *n)
{
	if (n)
		atomic_fetch_or(&n->flags, ENDING);
}

void notify_stop(struct notify *n)
{
	if (!n)
		return;
	atomic_fetch_or(&n->flags, STOPPING);
	sender_wake(n->sender);
	pthread_join(n->thread, NULL);
	notify_free(n);
}
