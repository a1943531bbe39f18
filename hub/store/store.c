#include "store.h"

#include <pthread.h>

#include "health.h"
#include "log.h"
#include "metrics.h"
#include "migrate.h"
#include "pulse.h"
#include "store_case.h"
#include "store_keep.h"
#include "times.h"

/*
 * DESIGN: the thread is a loop of: connect if needed → look whether the registry changed → commit
 * the batch that waits. A batch leaves `work` only when it is known to be in; so whatever goes
 * wrong, the next round sends it again, after comparing the database's cursor with ours (resync).
 */

#define BATCHES 3		   /* one being filled, one waiting, one being committed */
#define RELEASE_US (5 * TIMES_SEC) /* held cases are looked at so far apart, */
#define RELEASE_COST 20		   /* and so many times what it takes */
#define REGISTRY_POLL_US (400 * TIMES_MS)
#define MEMORIES_CHUNK 5000 /* rows */
#define MARKERS_GRACE_US (2 * TIMES_SEC)
#define REFUSALS 3		 /* of a batch; then it is written row by row */
#define STALL_US (5 * TIMES_SEC) /* the end goes on so long without a commit */
#define RETRY_FIRST_US (200 * TIMES_MS)
#define RETRY_LAST_US (10 * TIMES_SEC)

struct store {
	const struct config *conf;
	struct store_hooks hooks;
	struct batch batches[BATCHES];

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* any of the below changed */
	struct batch *empty[BATCHES], *full[BATCHES];
	size_t nempty, nfull;
	bool stopping;
	int64_t give_up_us; /* 0 = never */
	int64_t moved_us;   /* when the last batch was committed, or the end began */
	struct store_changes *changes, **changes_end;
	struct pg *abort_me; /* the connection while a request may be under way */

	/* the thread's own */
	struct pg *pg;
	struct store_position pos;
	bool begun; /* the cursor has been taken */
	int64_t grid_rev, device_rev, next_poll_us, next_release_us;
	unsigned refusals; /* of the batch at hand, for its data */
	struct store_keep keep;
	int64_t memory_after; /* the last device whose memory has been handed over */
	bool memories_told;
	struct log_repeat away;
	_Atomic bool fatal;
};

void store_changes_free(struct store_changes *c)
{
	if (!c)
		return;
	pg_rows_free(c->grids);
	pg_rows_free(c->devices);
	pg_rows_free(c->rule_states);
	pg_rows_free(c->cursor);
	pg_rows_free(c->memories);
	free(c);
}

static int stop_for_good(struct store *s, int code, const struct err *e)
{
	s->fatal = true;
	log_error("store", KM("stopped for good"), KS("error", e->msg));
	health_set(HEALTH_DATABASE, HEALTH_DEGRADED, e->msg);
	s->hooks.fatal(s->hooks.ctx, e->msg);
	return code;
}

/* ---- what changed in the registry ---- */

static void push_changes(struct store *s, struct store_changes *c)
{
	pthread_mutex_lock(&s->lock);
	*s->changes_end = c;
	s->changes_end = &c->next;
	pthread_mutex_unlock(&s->lock);
	s->hooks.changed(s->hooks.ctx);
}

static int64_t max_rev(const struct pg_rows *rows, size_t col, int64_t rev)
{
	for (size_t i = 0; i < pg_count(rows); i++)
		rev = MAX_OF(rev, pg_i64(rows, i, col));
	return rev;
}

static int load_since(struct store *s, struct store_changes *c, struct err *e)
{
	struct pg_arg grids[] = {PGA_I(s->pos.district_id), PGA_I(s->grid_rev)};
	struct pg_arg devices[] = {PGA_I(s->pos.district_id), PGA_I(s->device_rev)};
	/* Grids last: so the grid of each device is there, also if an import commits between. */
	int r = pg_query(s->pg, SQL_STORE_DEVICES, devices, COUNT_OF(devices), e, &c->devices);
	return r ? r : pg_query(s->pg, SQL_STORE_GRIDS, grids, COUNT_OF(grids), e, &c->grids);
}

static int poll_registry(struct store *s, struct err *e)
{
	auto_rows struct pg_rows *rev = NULL;
	struct pg_arg args[] = {PGA_I(s->pos.district_id)};
	s->next_poll_us = times_mono_us() + REGISTRY_POLL_US;
	int r = pg_query(s->pg, SQL_STORE_REGISTRY_REV, args, COUNT_OF(args), e, &rev);
	if (r || !pg_count(rev) || pg_i64(rev, 0, 0) <= MIN_OF(s->grid_rev, s->device_rev))
		return r;
	struct store_changes *c = mem_new(sizeof *c);
	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	r = load_since(s, c, e);
	if (r) {
		store_changes_free(c);
		return r;
	}
	s->grid_rev = MAX_OF(max_rev(c->grids, 9, s->grid_rev), pg_i64(rev, 0, 0));
	s->device_rev = MAX_OF(max_rev(c->devices, 9, s->device_rev), pg_i64(rev, 0, 0));
	push_changes(s, c);
	return 0;
}

/* ---- connecting ---- */

/* Take the cursor, and all that the engine starts from. */
static int begin(struct store *s, struct err *e)
{
	struct pg_arg args[] = {PGA_I(s->pos.district_id), PGA_STR(s->pos.stream_id)};
	struct pg_arg district[] = {PGA_I(s->pos.district_id)};
	struct store_changes *c = mem_new(sizeof *c);
	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	int r = pg_query(s->pg, SQL_STORE_CURSOR_TAKE, args, COUNT_OF(args), e, &c->cursor);
	if (!r)
		r = load_since(s, c, e);
	if (!r)
		r = pg_query(s->pg, SQL_STORE_RULE_STATES, district, COUNT_OF(district), e,
			     &c->rule_states);
	if (r) {
		store_changes_free(c);
		return r;
	}
	s->pos.epoch = pg_i64(c->cursor, 0, 0);
	s->pos.batch = pg_i64(c->cursor, 0, 1);
	s->pos.last_seq = (uint64_t)pg_i64(c->cursor, 0, 2);
	c->memory_from_seq = (uint64_t)pg_i64(c->cursor, 0, 3);
	c->last_recv_us = pg_i64(c->cursor, 0, 4);
	c->away = pg_slice(c->cursor, 0, 5);
	s->grid_rev = max_rev(c->grids, 9, 0);
	s->device_rev = max_rev(c->devices, 9, 0);
	c->first = true;
	c->district_id = s->pos.district_id;
	c->last_seq = s->pos.last_seq;
	s->begun = true;
	push_changes(s, c);
	return 0;
}

/* After a connection was lost: is the batch in that we were sending, or not? */
static int resync(struct store *s, struct err *e)
{
	auto_rows struct pg_rows *cursor = NULL;
	struct pg_arg args[] = {PGA_I(s->pos.district_id), PGA_STR(s->pos.stream_id)};
	int r = pg_query(s->pg, SQL_STORE_CURSOR_GET, args, COUNT_OF(args), e, &cursor);
	if (r)
		return r;
	if (!pg_count(cursor))
		return stop_for_good(
			s, -ESTALE,
			&(struct err){"the database knows nothing of this spool: it is "
				      "not the one that the hub began with"});
	if (pg_i64(cursor, 0, 0) != s->pos.epoch)
		return stop_for_good(s, -ESTALE,
				     &(struct err){"another hub has taken this spool over"});
	int64_t batch = pg_i64(cursor, 0, 1);
	if (batch == s->pos.batch + 1 && s->nfull) {
		log_info("store", KM("the batch in doubt was committed"), KI("batch", batch));
		s->pos.batch = batch;
		s->pos.last_seq = (uint64_t)pg_i64(cursor, 0, 2);
		return 1;
	}
	if (batch != s->pos.batch)
		return stop_for_good(s, -ESTALE,
				     &(struct err){"the database is at another batch than this "
						   "hub: was it restored?"});
	return 0;
}

/* The engine takes them as they come; two chunks are under way at most. False: it takes no more. */
static bool wait_taken(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->changes && s->changes->next && !s->stopping && !s->fatal) {
		pulse_beat();
		struct timespec until = times_mono_in(REGISTRY_POLL_US);
		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	}
	bool more = !s->stopping && !s->fatal;
	pthread_mutex_unlock(&s->lock);
	return more;
}

/* What the rules remembered, in chunks; after a lost connection on from the last one. */
static int tell_memories(struct store *s, struct err *e)
{
	while (!s->memories_told && wait_taken(s)) {
		struct store_changes *c = mem_new(sizeof *c);
		struct pg_arg args[] = {PGA_I(s->pos.district_id), PGA_STR(s->pos.stream_id),
					PGA_I(s->memory_after), PGA_I(MEMORIES_CHUNK)};
		int r = c ? pg_query(s->pg, SQL_STORE_MEMORIES, args, COUNT_OF(args), e,
				     &c->memories)
			  : err_set(e, -ENOMEM, "out of memory");
		if (r) {
			store_changes_free(c);
			return r;
		}
		size_t n = pg_count(c->memories);
		s->memory_after = n ? pg_i64(c->memories, n - 1, 0) : s->memory_after;
		s->memories_told = c->memories_end = n < MEMORIES_CHUNK;
		push_changes(s, c);
	}
	return 0;
}

static int prepare_schema(struct store *s, struct err *e)
{
	size_t applied = 0;
	int r = s->conf->database.migrate ? migrate_run(s->pg, NULL, &applied, e)
					  : migrate_check(s->pg, e);
	if (r == -EPROTONOSUPPORT || r == -EILSEQ || r == -ESTALE)
		return stop_for_good(s, r, e);
	if (applied)
		log_info("store", KM("schema brought up to date"), KI("migrations", applied));
	return r ? r : migrate_district(s->pg, s->conf->district, &s->pos.district_id, e);
}

static void batch_is_in(struct store *s, const struct store_result *res);

/* What a batch did whose COMMIT was not answered is not known, so notify has a look. */
static const struct store_result in_doubt = {.alerts = 1};

static int connect_database(struct store *s, struct err *e)
{
	struct pg_conf pc = {.conninfo = s->conf->database.conninfo,
			     .password_file = s->conf->database.password_file,
			     .app_name = "gridhub store",
			     .timeout_us = s->conf->database.timeout_us};
	struct pg *p = NULL;
	int r = pg_open(&pc, e, &p);
	if (r)
		return r;
	pthread_mutex_lock(&s->lock);
	s->pg = s->abort_me = p;
	pthread_mutex_unlock(&s->lock);
	r = prepare_schema(s, e);
	if (!r)
		r = s->begun ? resync(s, e) : begin(s, e);
	if (r < 0)
		return r;
	if (r == 1)
		batch_is_in(s, &in_doubt);
	return tell_memories(s, e);
}

static void disconnect(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	struct pg *p = s->pg;
	s->pg = s->abort_me = NULL;
	/* It may have been a partition that was gone: look again. */
	store_keep_init(&s->keep);
	pthread_mutex_unlock(&s->lock);
	pg_close(p);
}

/* ---- committing ---- */

static void batch_is_in(struct store *s, const struct store_result *res)
{
	metric_add(M_BATCHES, 1);
	metric_add(M_CASES_OPENED, (uint64_t)res->opened);
	metric_add(M_CASES_FOLDED, (uint64_t)res->folded);
	metric_add(M_CASES_RECOVERED, (uint64_t)res->recovered);
	metric_add(M_CASES_HELD, (uint64_t)res->held);
	metric_add(M_REGISTERED, (uint64_t)res->registered);
	if (res->registered)
		s->next_poll_us = 0;
	pthread_mutex_lock(&s->lock);
	struct batch *b = s->full[0];
	s->nfull--;
	for (size_t i = 0; i < s->nfull; i++)
		s->full[i] = s->full[i + 1];
	pthread_mutex_unlock(&s->lock);
	s->hooks.committed(s->hooks.ctx, b, (size_t)res->alerts);
	batch_reset(b);
	pthread_mutex_lock(&s->lock);
	s->empty[s->nempty++] = b;
	s->moved_us = times_mono_us();
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static int commit_one(struct store *s, struct batch *b, struct err *e)
{
	struct store_result res;
	int r = 0;
	if (b->records)
		r = store_keep_day(&s->keep, s->pg, b->first_recv_us, e);
	if (!r && b->records)
		r = store_keep_day(&s->keep, s->pg, b->last_recv_us, e);
	if (!r)
		r = store_write(s->pg, s->conf, &s->pos, b, s->refusals >= REFUSALS, &res, e);
	s->refusals = r == -EBADMSG ? s->refusals + 1 : r ? s->refusals : 0;
	if (r == -ESTALE) {
		r = resync(s, e);
		return r == 1 ? (batch_is_in(s, &in_doubt), 0) : r ? r : -EAGAIN;
	}
	if (r)
		return r;
	s->pos.batch++;
	s->pos.last_seq = b->last_seq;
	batch_is_in(s, &res);
	return 0;
}

/* Cases that were held and may be opened now. */
static int release_held(struct store *s, struct err *e)
{
	struct store_result res = {0};
	int64_t start = times_mono_us();
	int r = store_release(s->pg, s->conf, &s->pos, &res, e);
	int64_t now = times_mono_us();
	bool more = !r && res.opened + res.folded >= STORE_RELEASE_MAX;
	s->next_release_us = more ? now : now + MAX_OF(RELEASE_US, (now - start) * RELEASE_COST);
	if (r)
		return r;
	metric_add(M_CASES_OPENED, (uint64_t)res.opened);
	metric_add(M_CASES_FOLDED, (uint64_t)res.folded);
	metric_add(M_CASES_RECOVERED, (uint64_t)res.recovered);
	metric_add(M_CASES_HELD, (uint64_t)res.held);
	if (res.alerts)
		s->hooks.committed(s->hooks.ctx, NULL, (size_t)res.alerts);
	return 0;
}

static struct batch *next_full(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	struct batch *b = s->nfull ? s->full[0] : NULL;
	pthread_mutex_unlock(&s->lock);
	return b;
}

/* One round of the loop; a negative errno means that the connection is to be made anew. */
static int work(struct store *s, struct err *e)
{
	int r = s->pg ? 0 : connect_database(s, e);
	int64_t now = times_mono_us();
	if (!r)
		r = store_keep_chores(&s->keep, s->pg, s->conf, s->pos.district_id, e);
	if (!r && now >= s->next_poll_us)
		r = poll_registry(s, e);
	if (!r && now >= s->next_release_us)
		r = release_held(s, e);
	struct batch *b = next_full(s);
	if (!r && b)
		r = commit_one(s, b, e);
	return r;
}

/* ---- the thread ---- */

/* Only after a whole round: a batch that is refused after every connect must not look healthy
 * between. */
static void note_round(struct store *s)
{
	if (log_repeat_over(&s->away))
		log_info("store", KM("database is back"));
	health_set(HEALTH_DATABASE, HEALTH_OK, NULL);
}

static void wait_for(struct store *s, int64_t timeout_us, bool also_work)
{
	struct timespec until = times_mono_in(timeout_us);
	pthread_mutex_lock(&s->lock);
	pulse_pause();
	/* After an error a stop ends the wait only when there is nothing left to try again for. */
	while (!(s->stopping && (s->fatal || also_work || !s->nfull)) && !(also_work && s->nfull))
		if (pthread_cond_timedwait(&s->wake, &s->lock, &until))
			break;
	pulse_beat();
	pthread_mutex_unlock(&s->lock);
}

static bool finished(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool done = s->stopping && (!s->nfull || s->fatal);
	pthread_mutex_unlock(&s->lock);
	return done;
}

static void *store_main(void *arg)
{
	struct store *s = arg;
	int64_t pause = RETRY_FIRST_US;
	pulse_enter(PULSE_STORE);
	while (!finished(s)) {
		struct err e = {0};
		pulse_beat();
		if (s->fatal) {
			wait_for(s, TIMES_SEC, false);
			continue;
		}
		int64_t batch = s->pos.batch;
		int r = work(s, &e);
		if (s->pos.batch > batch)
			pause = RETRY_FIRST_US; /* it goes on, if from one fault to the next */
		if (!r) {
			pause = RETRY_FIRST_US;
			note_round(s);
			wait_for(s, REGISTRY_POLL_US, true);
			continue;
		}
		if (s->fatal || finished(s))
			continue;
		metric_add(M_BATCH_RETRIES, 1);
		health_set(HEALTH_DATABASE, HEALTH_DEGRADED, e.msg);
		if (log_repeat_due(&s->away, times_mono_us()))
			log_error("store", KM("database away, trying again"), KS("error", e.msg));
		disconnect(s);
		wait_for(s, pause, false);
		pause = MIN_OF(pause * 2, RETRY_LAST_US);
	}
	disconnect(s);
	pulse_leave();
	return NULL;
}

/* ---- the engine's side ---- */

int store_start(const struct config *conf, const char *stream_id, const struct store_hooks *hooks,
		struct err *e, struct store **ret)
{
	struct store *s = mem_new(sizeof *s);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->conf = conf;
	s->hooks = *hooks;
	s->pos.stream_id = stream_id;
	s->changes_end = &s->changes;
	store_keep_init(&s->keep);
	for (size_t i = 0; i < BATCHES; i++) {
		if (batch_init(&s->batches[i]))
			return err_set(e, -ENOMEM, "out of memory");
		s->empty[s->nempty++] = &s->batches[i];
	}
	times_cond_init(&s->wake);
	pthread_mutex_init(&s->lock, NULL);
	health_set(HEALTH_DATABASE, HEALTH_STARTING, NULL);
	int r = pthread_create(&s->thread, NULL, store_main, s);
	if (r) {
		free(s);
		return err_set(e, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = s;
	return 0;
}

struct store_changes *store_take_changes(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	struct store_changes *c = s->changes;
	if (c) {
		s->changes = c->next;
		if (!s->changes)
			s->changes_end = &s->changes;
		c->next = NULL;
		pthread_cond_broadcast(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return c;
}

/* Under the lock: the end's time is over, or the database takes nothing any more. */
static bool given_up(const struct store *s)
{
	return s->give_up_us && times_mono_us() >= MIN_OF(s->give_up_us, s->moved_us + STALL_US);
}

struct batch *store_batch(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->nempty && !s->stopping && !s->fatal && !given_up(s)) {
		pulse_beat(); /* the caller's: to wait for the database is not to be stuck */
		struct timespec until = times_mono_in(REGISTRY_POLL_US);
		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	}
	struct batch *b = s->nempty && !s->stopping ? s->empty[--s->nempty] : NULL;
	pthread_mutex_unlock(&s->lock);
	return b;
}

bool store_connected(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool connected = s->abort_me != NULL;
	pthread_mutex_unlock(&s->lock);
	return connected;
}

void store_give_up_at(struct store *s, int64_t until_us)
{
	pthread_mutex_lock(&s->lock);
	s->give_up_us = until_us;
	s->moved_us = times_mono_us();
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void store_submit(struct store *s, struct batch *b)
{
	pthread_mutex_lock(&s->lock);
	s->full[s->nfull++] = b;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static size_t cannot_wait(const struct store *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->nfull; i++)
		n += !batch_can_wait(s->full[i]);
	return n;
}

static void wait_drained(struct store *s, int64_t grace_us)
{
	int64_t now = times_mono_us();
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->wake);
	int64_t deadline = now + (cannot_wait(s) ? grace_us : MIN_OF(grace_us, MARKERS_GRACE_US));
	while (s->nfull && !s->fatal && !given_up(s) && times_mono_us() < deadline) {
		struct timespec until = times_mono_in(REGISTRY_POLL_US);
		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	}
	if (cannot_wait(s))
		log_warn("store", KM("batches left in the spool for the next start"),
			 KI("batches", s->nfull));
	s->fatal = s->fatal || s->nfull;
	/* Nothing is under way that still counts: a poll of the registry must not hold up the end.
	 */
	if (s->abort_me)
		pg_abort(s->abort_me);
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void store_stop(struct store *s, int64_t grace_us)
{
	if (!s)
		return;
	wait_drained(s, grace_us);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < BATCHES; i++)
		batch_done(&s->batches[i]);
	for (struct store_changes *c; (c = store_take_changes(s));)
		store_changes_free(c);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
