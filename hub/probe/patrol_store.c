#include "patrol_store.h"

#include <pthread.h>
#include <signal.h>

#include "health.h"
#include "log.h"
#include "metrics.h"
#include "patrol_rates.h"
#include "times.h"

#define LEASE_US (30 * TIMES_SEC)
#define LEASE_EVERY_US (10 * TIMES_SEC)
#define CHORES_EVERY_US (5 * TIMES_MIN)
#define TIMEOUT_MAX_US (10 * TIMES_SEC) /* of a request: a lease must be renewed in time */
#define RECONNECT_MAX_US (5 * TIMES_SEC)
#define IDLE_US TIMES_SEC

struct patrol_store {
	const struct config *conf;
	struct patrol_hooks hooks;
	char hub[64];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;

	/* under the lock */
	struct patrol_batch *batch; /* to be written, or being written */
	struct patrol_news news;
	bool has_news, stopping;
	uint64_t held;
	int64_t snapshot_keep_us, snapshot_max, stop_at_us;

	/* the thread's own */
	struct pg *pg;
	int64_t district, rev;
	uint64_t shares;
	bool leased; /* once at least */
	int64_t connect_at, reconnect_us, lease_at, chores_at;
	struct patrol_rates rates;
	struct log_repeat failing;
};

void patrol_news_done(struct patrol_news *n)
{
	pg_rows_free(n->streams);
	*n = (struct patrol_news){0};
}

/* ---- the database, and that it may be away ---- */

static void db_failed(struct patrol_store *s, int rc, const struct err *e)
{
	int64_t now = times_mono_us();
	if (log_repeat_due(&s->failing, now))
		log_error("probe", KM("database"), KS("error", e->msg));
	if (rc != -ENOTCONN && rc != -ETIMEDOUT && s->pg)
		pg_rollback(s->pg);
	pg_close(s->pg);
	s->pg = NULL;
	s->reconnect_us =
		s->reconnect_us ? MIN_OF(s->reconnect_us * 2, RECONNECT_MAX_US) : TIMES_SEC / 2;
	s->connect_at = now + s->reconnect_us;
}

static int connect_now(struct patrol_store *s, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	const struct pg_conf conf = {.conninfo = s->conf->database.conninfo,
				     .password_file = s->conf->database.password_file,
				     .app_name = "gridhub probe",
				     .timeout_us =
					     MIN_OF(s->conf->database.timeout_us, TIMEOUT_MAX_US)};
	const struct pg_arg arg = PGA_STR(s->conf->district);
	int r = pg_open(&conf, e, &s->pg);
	if (!r)
		r = pg_query(s->pg, SQL_PATROL_DISTRICT, &arg, 1, e, &rows);
	if (!r && !pg_count(rows)) /* the store makes it, with the schema, when it connects */
		r = err_set(e, -ENOENT, "district \"%s\" is not in the database yet",
			    s->conf->district);
	if (!r)
		s->district = pg_i64(rows, 0, 0);
	return r;
}

static bool db_ready(struct patrol_store *s)
{
	struct err e = {0};
	if (s->pg)
		return true;
	if (times_mono_us() < s->connect_at)
		return false;
	int r = connect_now(s, &e);
	if (!r)
		return true;
	db_failed(s, r, &e);
	return false;
}

static void db_works(struct patrol_store *s)
{
	s->reconnect_us = 0;
	if (log_repeat_over(&s->failing))
		log_info("probe", KM("database is back"));
}

/* ---- leases ---- */

static void put_shares(uint64_t shares, struct buf *out)
{
	pg_array_begin(out);
	for (int i = 0; i < PATROL_SHARES; i++)
		if (shares >> i & 1)
			pg_array_i64(out, i);
	pg_array_end(out);
}

static int ask_lease(struct patrol_store *s, struct patrol_news *news, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_buf struct buf held;
	buf_init(&held, 1024);
	pthread_mutex_lock(&s->lock);
	put_shares(s->held, &held);
	pthread_mutex_unlock(&s->lock);
	news->until_us = times_mono_us() + LEASE_US;
	const struct pg_arg args[] = {PGA_I(s->district), PGA_STR(s->hub), PGA_S(buf_slice(&held)),
				      PGA_I(LEASE_US)};
	int r = pg_query(s->pg, SQL_PATROL_LEASE, args, COUNT_OF(args), e, &rows);
	for (size_t i = 0; !r && i < pg_count(rows); i++) {
		news->shares |= UINT64_C(1) << (pg_i64(rows, i, 0) & 63);
		news->hubs = (size_t)pg_i64(rows, i, 1);
	}
	return r;
}

static int ask_gauges(struct patrol_store *s, struct patrol_news *news, const struct pg_arg *args,
		      struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	int r = pg_query(s->pg, SQL_PATROL_GAUGES, args, 2, e, &rows);
	if (r)
		return r;
	metric_set(M_PROBE_SNAPSHOT_BYTES, (uint64_t)pg_i64(rows, 0, 0));
	news->maintenance = pg_i64(rows, 0, 1);
	return 0;
}

/* What another hub knew of the rules' states is this one's from now on. */
static int take_over(struct patrol_store *s, uint64_t gained, struct err *e)
{
	auto_buf struct buf shares;
	struct pg_rows *rows = NULL;
	buf_init(&shares, 1024);
	put_shares(gained, &shares);
	const struct pg_arg args[] = {PGA_I(s->district), PGA_S(buf_slice(&shares))};
	int r = pg_query(s->pg, SQL_PATROL_RULE_STATES, args, COUNT_OF(args), e, &rows);
	if (!r)
		s->hooks.take_over(s->hooks.ctx, rows);
	return r;
}

/* At the start the engine has the states of all; those of other hubs' cameras are not its own. */
static int let_go(struct patrol_store *s, const struct pg_arg *args, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	int r = pg_query(s->pg, SQL_PATROL_OTHERS, args, 2, e, &rows);
	for (size_t i = 0; !r && i < pg_count(rows); i++) {
		int64_t id = pg_i64(rows, i, 0);
		s->hooks.let_go(s->hooks.ctx, &id, 1);
	}
	return r;
}

static int load(struct patrol_store *s, struct patrol_news *news, struct err *e)
{
	auto_rows struct pg_rows *rev = NULL;
	auto_buf struct buf shares;
	buf_init(&shares, 1024);
	put_shares(news->shares, &shares);
	const struct pg_arg args[] = {PGA_I(s->district), PGA_S(buf_slice(&shares))};
	uint64_t gained = s->leased ? news->shares & ~s->shares : 0;
	int r = pg_query(s->pg, SQL_PATROL_REV, args, 1, e, &rev);
	if (!r && gained)
		r = take_over(s, gained, e);
	if (!r && !s->leased && ~news->shares)
		r = let_go(s, args, e);
	int64_t now = r ? 0 : pg_i64(rev, 0, 0);
	if (!r && (!s->leased || now != s->rev || news->shares != s->shares))
		r = pg_query(s->pg, SQL_PATROL_STREAMS, args, 2, e, &news->streams);
	if (!r)
		r = ask_gauges(s, news, args, e);
	if (r)
		return r;
	if (!s->leased || news->shares != s->shares)
		log_info("probe", KM("shares"), KI("held", __builtin_popcountll(news->shares)),
			 KI("hubs", news->hubs), KI("streams", pg_count(news->streams)));
	s->leased = true;
	s->shares = news->shares;
	s->rev = now;
	return 0;
}

/* Streams that came before and were not taken yet are still news. */
static void publish(struct patrol_store *s, struct patrol_news *news)
{
	pthread_mutex_lock(&s->lock);
	if (s->has_news && !news->streams) {
		news->streams = s->news.streams;
		s->news.streams = NULL;
	}
	patrol_news_done(&s->news);
	s->news = *news;
	s->has_news = true;
	pthread_mutex_unlock(&s->lock);
}

static int lease(struct patrol_store *s, struct err *e)
{
	struct patrol_news news = {0};
	int r = ask_lease(s, &news, e);
	if (!r)
		r = load(s, &news, e);
	if (r) {
		patrol_news_done(&news);
		return r;
	}
	publish(s, &news);
	return 0;
}

/* ---- batches ---- */

static int write_part(struct patrol_store *s, enum sql_id id, struct pg_columns *c, size_t n,
		      const struct buf *jpegs, struct err *e)
{
	struct pg_arg args[PG_COLUMNS_MAX + 2] = {PGA_I(s->district)};
	size_t nargs = 1;
	if (!n)
		return 0;
	for (size_t i = 0; i < c->n; i++)
		args[nargs++] = PGA_S(buf_slice(&c->c[i]));
	if (jpegs)
		args[nargs++] = PGA_BYTES(buf_slice(jpegs));
	return pg_query(s->pg, id, args, nargs, e, NULL);
}

static int write_all(struct patrol_store *s, struct patrol_batch *b, struct err *e)
{
	int r = pg_begin(s->pg, e);
	if (r)
		return r;
	r = write_part(s, SQL_PATROL_STATES, &b->states, b->nstates, NULL, e);
	if (!r)
		r = write_part(s, SQL_PATROL_SPANS, &b->spans, b->nspans, NULL, e);
	if (!r)
		r = write_part(s, SQL_PATROL_BASELINES, &b->baselines, b->nbaselines, NULL, e);
	if (!r)
		r = write_part(s, SQL_PATROL_SNAPSHOTS, &b->shots, b->nshots, &b->jpegs, e);
	if (!r)
		return pg_commit(s->pg, e);
	if (r == -EBADMSG)
		pg_rollback(s->pg);
	return r;
}

static int write_batch(struct patrol_store *s, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	struct patrol_batch *b = s->batch;
	pthread_mutex_unlock(&s->lock);
	int r = b ? write_all(s, b, e) : 0;
	if (r == -EBADMSG) { /* it will not be better next time */
		log_error("probe", KM("what was seen cannot be written and is lost"),
			  KI("states", b->nstates), KI("changes", b->nspans), KS("error", e->msg));
		metric_add(M_PROBE_SPANS_LOST, b->nspans);
		r = 0;
	}
	if (r || !b)
		return r;
	pthread_mutex_lock(&s->lock);
	s->batch = NULL;
	pthread_mutex_unlock(&s->lock);
	patrol_batch_free(b);
	return 0;
}

/* ---- what is too old, or too much ---- */

static int chores(struct patrol_store *s, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	const struct pg_arg shots[] = {PGA_I(s->district), PGA_I(s->snapshot_keep_us),
				       PGA_I(s->snapshot_max)};
	pthread_mutex_unlock(&s->lock);
	const struct pg_arg spans[] = {PGA_I(s->district),
				       PGA_I(s->conf->database.keep_deliveries_us)};
	int r = pg_query(s->pg, SQL_PATROL_FORGET_SNAPSHOTS, shots, COUNT_OF(shots), e, NULL);
	return r ? r : pg_query(s->pg, SQL_PATROL_FORGET_SPANS, spans, COUNT_OF(spans), e, NULL);
}

/* ---- the thread ---- */

static void work(struct patrol_store *s)
{
	struct err e = {0};
	int64_t now = times_mono_us();
	int r = 0;
	if (!db_ready(s))
		return;
	if (now >= s->lease_at) {
		r = lease(s, &e);
		s->lease_at = r ? now : now + LEASE_EVERY_US;
	}
	if (!r)
		r = write_batch(s, &e);
	if (!r && now >= s->chores_at) {
		r = chores(s, &e);
		s->chores_at = now + CHORES_EVERY_US;
	}
	if (!r)
		r = patrol_rates_tell(&s->rates, s->pg, s->district, &e);
	if (r)
		db_failed(s, r, &e);
	else
		db_works(s);
}

static void give_back(struct patrol_store *s)
{
	struct err e = {0};
	const struct pg_arg args[] = {PGA_I(s->district), PGA_STR(s->hub)};
	if (s->pg && pg_query(s->pg, SQL_PATROL_RELEASE, args, COUNT_OF(args), &e, NULL))
		log_warn("probe", KM("shares are not given back; their leases run out"),
			 KS("error", e.msg));
}

/* False: it is over. */
static bool wait_for_work(struct patrol_store *s)
{
	struct timespec until = times_mono_in(IDLE_US);
	pthread_mutex_lock(&s->lock);
	if (!s->stopping && (!s->batch || !s->pg))
		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	bool last = s->stopping && (!s->batch || times_mono_us() >= s->stop_at_us || !s->pg);
	pthread_mutex_unlock(&s->lock);
	return !last;
}

static void *store_main(void *arg)
{
	struct patrol_store *s = arg;
	do
		work(s);
	while (wait_for_work(s));
	give_back(s);
	pg_close(s->pg);
	s->pg = NULL;
	return NULL;
}

int patrol_store_start(const struct config *conf, const char *hub, const struct patrol_hooks *hooks,
		       struct err *e, struct patrol_store **ret)
{
	struct patrol_store *s = mem_new(sizeof *s);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->conf = conf;
	s->hooks = *hooks;
	s->snapshot_keep_us = conf->probe.snapshot_keep_us;
	s->snapshot_max = conf->probe.snapshot_max;
	snprintf(s->hub, sizeof s->hub, "%s", hub);
	pthread_mutex_init(&s->lock, NULL);
	times_cond_init(&s->wake);
	int r = pthread_create(&s->thread, NULL, store_main, s);
	if (r) {
		free(s);
		return err_set(e, -r, "probe: no thread: %s", strerror(r));
	}
	*ret = s;
	return 0;
}

/* ---- the patrol's side ---- */

bool patrol_store_news(struct patrol_store *s, struct patrol_news *ret)
{
	pthread_mutex_lock(&s->lock);
	bool has = s->has_news;
	if (has) {
		*ret = s->news;
		s->news = (struct patrol_news){0};
		s->has_news = false;
	}
	pthread_mutex_unlock(&s->lock);
	return has;
}

void patrol_store_held(struct patrol_store *s, uint64_t shares)
{
	pthread_mutex_lock(&s->lock);
	s->held = shares;
	pthread_mutex_unlock(&s->lock);
}

bool patrol_store_write(struct patrol_store *s, struct patrol_batch *b)
{
	pthread_mutex_lock(&s->lock);
	bool free_slot = !s->batch;
	if (free_slot) {
		s->batch = b;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return free_slot;
}

bool patrol_store_idle(struct patrol_store *s)
{
	pthread_mutex_lock(&s->lock);
	bool idle = !s->batch;
	pthread_mutex_unlock(&s->lock);
	return idle;
}

void patrol_store_keep(struct patrol_store *s, int64_t snapshot_keep_us, int64_t snapshot_max)
{
	pthread_mutex_lock(&s->lock);
	s->snapshot_keep_us = snapshot_keep_us;
	s->snapshot_max = snapshot_max;
	pthread_mutex_unlock(&s->lock);
}

void patrol_store_stop(struct patrol_store *s, int64_t grace_us)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	s->stop_at_us = times_mono_us() + grace_us;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	patrol_batch_free(s->batch);
	patrol_news_done(&s->news);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
