#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine_hand.h"
#include "engine_load.h"
#include "health.h"
#include "log.h"
#include "metrics.h"
#include "pulse.h"
#include "times.h"

/*
 * DESIGN: one loop: take what changed in the registry and the rules → fill a batch from the spool →
 * hand it over. Time for the rules is event time: the time of arrival of the record at hand, or the
 * wall clock once the spool is drained; so a hub that catches up after an outage holds and fires
 * just as it would have done live.
 */

#define IDLE_US (200 * TIMES_MS)
#define NAP_US (5 * TIMES_MS) /* between looks at the spool while a batch is being filled */
#define AWAY_GRACE_US \
	(2 * TIMES_SEC) /* at the end, when the database is away: the spool has it all */
#define MEMORY_EVERY_US TIMES_MIN
#define MEMORIES_A_BATCH 2000
#define MEMORIES_AT_ONCE 20000
#define RELEASE_KEEP \
	DEDUP_WINDOW /* records kept in the spool behind the cursor, to fill dedup at start */

struct engine {
	const struct config *conf;
	struct engine_hooks hooks;
	struct spool *spool;
	struct store *store;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct rules *new_rules; /* to be used from the next batch on */
	bool stopping;
	int64_t stop_at_us; /* monotonic */
	_Atomic uint64_t committed_seq;
	struct engine_hand hand;

	/* the thread's own */
	struct intake in;
	struct engine_load load;
	uint64_t last_seq; /* handed over, or in the database at the start */
	bool begun;
	bool quiet; /* an adapter is */
	bool thread_running;
	struct log_repeat rule_fault;
};

static bool spool_is_half_full(struct engine *en)
{
	struct spool_stat st;
	spool_stat(en->spool, &st);
	return st.bytes > (uint64_t)en->conf->spool.max_bytes / 2;
}

/* What happens beside the log happens behind the last record read. At the start the log itself says
 * what time it was. */
static void tell_time(struct engine *en)
{
	const struct batch *b = en->in.batch;
	if (en->begun)
		rule_states_at(en->in.states, b->last_seq ? b->last_seq : en->last_seq,
			       times_now_us());
}

/* ---- changes of registry and rules ---- */

/*
 * What is committed leaves the spool, but for what is looked at again at the next start: records
 * that memories lack, and before them those that dedup is filled with. Without room for those they
 * leave, too, or the brokers would be held back for ever; memories are saved sooner then.
 */
static void release(struct engine *en, uint64_t committed, uint64_t memory_from_seq)
{
	uint64_t keep = spool_is_half_full(en) ? 0 : RELEASE_KEEP;
	uint64_t last = memory_from_seq ? MIN_OF(committed, memory_from_seq - 1) : committed;
	if (last > keep)
		spool_release(en->spool, last - keep);
}

static int begin(struct engine *en)
{
	int r = engine_load_tail(&en->load);
	if (r)
		return r;
	release(en, en->load.last_seq, en->load.memory_from_seq);
	en->begun = true;
	health_set(HEALTH_ENGINE, HEALTH_OK, NULL);
	return 0;
}

static int apply_changes(struct engine *en, struct store_changes *c)
{
	if (c->memories) {
		int r = engine_load_memories(&en->load, c);
		return r || !c->memories_end ? r : begin(en);
	}
	tell_time(en);
	int r = engine_load_registry(&en->load, c);
	if (!r && c->first) {
		en->last_seq = c->last_seq;
		atomic_store(&en->committed_seq, c->last_seq);
		r = engine_load_states(&en->load, c);
	}
	log_info("engine", KM("registry"), KI("devices", registry_device_count(en->in.registry)),
		 KI("grids_changed", pg_count(c->grids)),
		 KI("devices_changed", pg_count(c->devices)),
		 KI("rule_states", rule_states_count(en->in.states)),
		 KI("from_seq", c->first ? c->last_seq + 1 : 0));
	return r;
}

static struct rules *take_new_rules(struct engine *en)
{
	pthread_mutex_lock(&en->lock);
	struct rules *r = en->new_rules;
	en->new_rules = NULL;
	pthread_mutex_unlock(&en->lock);
	return r;
}

static int take_changes(struct engine *en)
{
	int r = 0;
	struct rules *rules = take_new_rules(en);
	if (rules) {
		tell_time(en);
		r = intake_use_rules(&en->in, rules);
		rules_unref(rules);
		en->rule_fault = (struct log_repeat){0};
	}
	for (struct store_changes *c; !r && (c = store_take_changes(en->store));) {
		r = apply_changes(en, c);
		store_changes_free(c);
	}
	if (!r && en->begun)
		r = engine_hand_take(&en->hand, &en->load);
	return r;
}

/* ---- batches ---- */

static bool stopping(struct engine *en)
{
	pthread_mutex_lock(&en->lock);
	bool s = en->stopping && times_mono_us() >= en->stop_at_us;
	pthread_mutex_unlock(&en->lock);
	return s;
}

static bool draining(struct engine *en)
{
	pthread_mutex_lock(&en->lock);
	bool s = en->stopping;
	pthread_mutex_unlock(&en->lock);
	return s;
}

/* A batch is of one day, but for its last record: then its partitions are those two days'. */
static bool day_is_over(const struct batch *b)
{
	return b->first_recv_us / TIMES_DAY != b->last_recv_us / TIMES_DAY;
}

/* Sleep, but for a stop; unlike in spool_wait nobody has to wake the engine for each message that
 * comes in. */
static void nap(struct engine *en, int64_t us)
{
	struct timespec until = times_mono_in(us);
	pthread_mutex_lock(&en->lock);
	if (!en->stopping)
		pthread_cond_timedwait(&en->wake, &en->lock, &until);
	pthread_mutex_unlock(&en->lock);
}

/* Take records until the batch is full or its time is over. An anomaly waits as long as all else:
 * batches of a thousand rows, sent at once, cost PostgreSQL three times as much a message. */
static int fill(struct engine *en, bool *ret_drained)
{
	int64_t begun_us = 0;
	*ret_drained = false;
	while (!batch_full(en->in.batch, en->conf->intake.batch_records)) {
		struct spool_record rec;
		int r = spool_next(en->spool, &rec);
		if (r < 0)
			return r;
		int64_t now = times_mono_us();
		if (r == 1) {
			*ret_drained = false;
			begun_us = begun_us ? begun_us : now;
			r = en->load.missing ? intake_bridge(&en->in, &rec) : 0;
			en->load.missing = 0;
			if (!r)
				r = intake_record(&en->in, &rec);
			if (r)
				return r;
			if (now - begun_us >= en->conf->intake.batch_us ||
			    day_is_over(en->in.batch))
				return 0;
			continue;
		}
		*ret_drained = true;
		if (!begun_us || draining(en) || now - begun_us >= en->conf->intake.batch_us)
			return 0;
		nap(en, MIN_OF(NAP_US, en->conf->intake.batch_us - (now - begun_us)));
	}
	return 0;
}

/* A whole adapter from which nothing comes is no silence of its devices; somebody must know. */
static void look_for_quiet(struct engine *en)
{
	struct err e;
	const char *quiet = rule_states_quiet(en->in.states);
	if (rule_states_stalled(en->in.states, &e))
		log_warn("rules", KM("no device is declared silent, for nothing comes at all"),
			 KS("from", e.msg));
	if (quiet) {
		err_set(&e, 0, "nothing comes from any device of adapter %.60s", quiet);
		health_set(HEALTH_ENGINE, HEALTH_DEGRADED, e.msg);
	} else if (en->quiet) {
		log_info("rules", KM("the adapter is heard again"));
		health_set(HEALTH_ENGINE, HEALTH_OK, NULL);
	}
	en->quiet = quiet != NULL;
}

static void look_around(struct engine *en)
{
	struct spool_stat st;
	spool_stat(en->spool, &st);
	metric_set(M_SPOOL_BYTES, st.bytes);
	struct err e;
	if (rule_states_fault(en->in.states, &e) &&
	    log_repeat_due(&en->rule_fault, times_mono_us()))
		log_warn("rules", KM("a condition ended in an error, its state is held"),
			 KS("at", e.msg));
	look_for_quiet(en);
	uint64_t in = MIN_OF(atomic_load(&en->committed_seq), st.next_seq - 1);
	uint64_t hole = in < st.hole_to ? st.hole_to - MAX_OF(st.hole_from, in + 1) : 0;
	metric_set(M_SPOOL_BACKLOG, st.next_seq - 1 - in - hole);
	if (spool_tight(en->spool))
		health_set(HEALTH_SPOOL, HEALTH_DEGRADED, "full or failing: brokers are held back");
	else
		health_set(HEALTH_SPOOL, HEALTH_OK, NULL);
}

/* Away from all brokers: what would have come is not known, and what runs out in that time waits
 * for the marker that ends it. */
static int let_time_pass(struct engine *en)
{
	if (presence_none(&en->in.presence))
		return 0;
	tell_time(en);
	return intake_tick(&en->in, times_now_us());
}

/* A memory is saved once a minute, with a few others; but at once when the spool has to keep much
 * for want of it, and at the end. */
static int finish(struct engine *en, bool last)
{
	bool now = last || spool_is_half_full(en);
	int64_t before = en->in.presence.heard_us - MEMORY_EVERY_US;
	return intake_finish(&en->in, now ? INT64_MAX : before,
			     now ? MEMORIES_AT_ONCE : MEMORIES_A_BATCH);
}

/* One round: a batch, if there is anything for one. *ret_idle: there was nothing to read. */
static int round_once(struct engine *en, bool *ret_idle)
{
	bool drained = false;
	int r = take_changes(en);
	if (!r && en->begun)
		r = fill(en, &drained);
	if (!r && drained)
		r = let_time_pass(en);
	bool last = drained && !en->in.batch->records && draining(en);
	if (!r && en->begun)
		r = finish(en, last);
	look_around(en);
	if (r)
		return r;
	*ret_idle = drained && !en->in.batch->records && !(last && en->in.batch->nmemories);
	if (batch_empty(en->in.batch) || !en->begun)
		return 0;
	if (!en->in.batch->last_seq)
		en->in.batch->last_seq = en->last_seq; /* timers only: the spool's position stays */
	en->last_seq = en->in.batch->last_seq;
	store_submit(en->store, en->in.batch);
	en->in.batch = store_batch(en->store);
	return 0;
}

static void *engine_main(void *arg)
{
	struct engine *en = arg;
	pulse_enter(PULSE_ENGINE);
	en->in.batch = store_batch(en->store);
	while (en->in.batch && !stopping(en)) {
		bool idle = false, was_begun = en->begun;
		pulse_beat();
		int r = round_once(en, &idle);
		if (r) {
			/* What is half done in memory cannot be taken back; a start from the
			 * database can. */
			struct err e;
			err_set(&e, r, "engine: %s", strerror(-r));
			health_set(HEALTH_ENGINE, HEALTH_DEGRADED, e.msg);
			en->hooks.fatal(en->hooks.ctx, e.msg);
			break;
		}
		if (!en->begun && draining(en))
			break; /* the database never answered: all stays in the spool */
		if (!en->begun || !was_begun)
			nap(en, IDLE_US);
		else if (idle && draining(en))
			break;
		else if (idle)
			spool_wait(en->spool, IDLE_US);
	}
	pulse_leave();
	return NULL;
}

/* ---- hooks of the store; its thread ---- */

static void on_committed(void *ctx, const struct batch *b, size_t alerts)
{
	struct engine *en = ctx;
	if (b) {
		atomic_store(&en->committed_seq, b->last_seq);
		release(en, b->last_seq, b->memory_from_seq);
	}
	if (alerts)
		en->hooks.owed(en->hooks.ctx);
}

static void on_changed(void *ctx)
{
	struct engine *en = ctx;
	pthread_mutex_lock(&en->lock);
	pthread_cond_broadcast(&en->wake);
	pthread_mutex_unlock(&en->lock);
	spool_wake(en->spool);
}

static void on_fatal(void *ctx, const char *why)
{
	struct engine *en = ctx;
	en->hooks.fatal(en->hooks.ctx, why);
}

/* ---- start and stop ---- */

static void engine_free(struct engine *en)
{
	intake_done(&en->in);
	engine_load_done(&en->load);
	rules_unref(en->new_rules);
	engine_hand_done(&en->hand);
	pthread_cond_destroy(&en->wake);
	pthread_mutex_destroy(&en->lock);
	free(en);
}

static int start_threads(struct engine *en, struct err *e)
{
	struct store_hooks hooks = {
		.ctx = en, .committed = on_committed, .changed = on_changed, .fatal = on_fatal};
	int r = store_start(en->conf, spool_id(en->spool), &hooks, e, &en->store);
	if (r)
		return r;
	r = pthread_create(&en->thread, NULL, engine_main, en);
	if (r)
		return err_set(e, -r, "cannot start a thread: %s", strerror(r));
	en->thread_running = true;
	return 0;
}

int engine_start(const struct config *conf, struct spool *spool, struct rules *rules,
		 const struct engine_hooks *hooks, struct err *e, struct engine **ret)
{
	struct engine *en = mem_new(sizeof *en);
	if (!en)
		return err_set(e, -ENOMEM, "out of memory");
	times_cond_init(&en->wake);
	pthread_mutex_init(&en->lock, NULL);
	engine_hand_init(&en->hand);
	en->conf = conf;
	en->hooks = *hooks;
	en->spool = spool;
	en->new_rules = rules_ref(rules);
	health_set(HEALTH_ENGINE, HEALTH_STARTING, "waiting for the database");
	engine_load_init(&en->load, &en->in, spool);
	int r = intake_init(&en->in, conf, e);
	if (!r && spool_mark(spool, SPOOL_AWAY, (struct slice){0}))
		log_warn("engine", KM("no room in the spool to note that the hub has started"));
	if (!r)
		r = start_threads(en, e);
	if (r) {
		store_stop(en->store, 0);
		engine_free(en);
		return r;
	}
	*ret = en;
	return 0;
}

void engine_take_over(struct engine *en, struct pg_rows *rule_states)
{
	engine_hand_over(&en->hand, rule_states);
}

void engine_let_go(struct engine *en, const int64_t *ids, size_t n)
{
	engine_hand_away(&en->hand, ids, n);
}

void engine_use_rules(struct engine *en, struct rules *rules)
{
	pthread_mutex_lock(&en->lock);
	struct rules *old = en->new_rules;
	en->new_rules = rules_ref(rules);
	pthread_mutex_unlock(&en->lock);
	rules_unref(old);
	spool_wake(en->spool);
}

void engine_stop(struct engine *en, int64_t grace_us)
{
	if (!en)
		return;
	bool away = !store_connected(en->store);
	int64_t until = times_mono_us() + (away ? MIN_OF(grace_us, AWAY_GRACE_US) : grace_us);
	pthread_mutex_lock(&en->lock);
	en->stopping = true;
	en->stop_at_us = until;
	pthread_cond_broadcast(&en->wake);
	pthread_mutex_unlock(&en->lock);
	spool_wake(en->spool);
	store_give_up_at(en->store, until);
	if (en->thread_running)
		pthread_join(en->thread, NULL);
	store_stop(en->store, MAX_OF(until - times_mono_us(), INT64_C(0)));
	engine_free(en);
}
