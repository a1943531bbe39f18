#include "replay.h"

#include <stdatomic.h>

#include "times.h"

#define ROUND 4096 /* readings between looks at the clock, and at what the rules give back */
#define PROGRESS_US (200 * TIMES_MS)
#define SETS 2

/* One set of rules and what it makes of the readings. */
struct judge {
	struct rule_states *states;
	struct replay_book *book;
};

struct run {
	const struct replay_request *q;
	struct replay_result *res;
	struct judge judges[SETS];
	size_t njudges;
	struct replay_gaps gaps;
	size_t next_moment;
	bool counting, watching;
	int64_t last_recv_us, began_us, shown_us;
	int64_t left; /* readings until the next look around */
};

void replay_result_done(struct replay_result *r)
{
	replay_book_free(r->book);
	replay_book_free(r->other);
	replay_roll_done(&r->roll);
}

/* ---- time ---- */

static int tick(struct run *run, int64_t now_us)
{
	int r = 0;
	for (size_t i = 0; i < run->njudges && !r; i++) {
		struct judge *j = &run->judges[i];
		if (rule_states_next(j->states) <= now_us)
			r = rule_states_tick(j->states, now_us, replay_book_take, j->book);
	}
	return r;
}

/* From here on it counts. */
static int begin_counting(struct run *run)
{
	int r = tick(run, run->q->from_us);
	for (size_t i = 0; i < run->njudges; i++)
		replay_book_count(run->judges[i].book);
	run->counting = true;
	return r;
}

/* As the engine does on the markers that tell of it: what could be heard runs out first, and what
 * runs out while nothing can be heard begins anew. */
static int pass_moment(struct run *run, const struct replay_moment *m)
{
	int r = m->over ? 0 : tick(run, m->at_us);
	for (size_t i = 0; i < run->njudges && !r; i++) {
		struct rule_states *s = run->judges[i].states;
		rule_states_at(s, 0, m->at_us);
		if (m->over)
			r = rule_states_resume(s, m->adapter, m->from_us, m->at_us);
		else
			rule_states_lose(s, m->adapter);
	}
	run->res->gaps += m->over && m->from_us < m->at_us;
	return r;
}

/* The first reading, or the first time that the hub came to a broker: as after a start of the hub,
 * all devices are watched for their silence. */
static int begin_watching(struct run *run, int64_t now_us)
{
	const struct replay_roll *roll = &run->res->roll;
	int r = 0;
	for (size_t i = 0; i < run->njudges; i++) {
		rule_states_at(run->judges[i].states, 0, now_us);
		for (size_t k = 0; k < roll->nchosen && !r; k++)
			r = rule_states_watch(run->judges[i].states, roll->chosen[k], now_us);
	}
	run->watching = true;
	return r;
}

/* All that time alone does until now_us, in its order. */
static int pass_time(struct run *run, int64_t now_us)
{
	const struct replay_gaps *g = &run->gaps;
	int64_t first = g->n ? MIN_OF(g->v[0].at_us, now_us) : now_us;
	int r = run->watching ? 0 : begin_watching(run, MAX_OF(first, run->res->warm_from_us));
	while (!r && run->next_moment < g->n && g->v[run->next_moment].at_us <= now_us)
		r = pass_moment(run, &g->v[run->next_moment++]);
	if (!r && !run->counting && now_us >= run->q->from_us)
		r = begin_counting(run);
	for (size_t i = 0; i < run->njudges; i++)
		rule_states_at(run->judges[i].states, 0, now_us);
	return r ? r : tick(run, now_us);
}

static void look_around(struct run *run)
{
	int64_t now = times_mono_us();
	run->left = ROUND;
	if (!run->q->progress || now - run->shown_us < PROGRESS_US)
		return;
	run->shown_us = now;
	struct replay_progress p = {
		.from_us = run->res->warm_from_us,
		.to_us = run->q->to_us,
		.recv_us = run->last_recv_us,
		.readings = run->res->readings + run->res->warm_readings,
		.took_us = now - run->began_us,
	};
	run->q->progress(run->q->progress_ctx, &p);
}

/* States that have ended are kept until somebody has saved them: nobody does here. */
static int let_go(struct run *run)
{
	int r = 0;
	for (size_t i = 0; i < run->njudges && !r; i++)
		r = rule_states_take_dirty(run->judges[i].states, NULL, NULL);
	return r;
}

/* ---- one reading ---- */

static int on_reading(void *ctx, const struct replay_reading *x)
{
	struct run *run = ctx;
	const struct device *d = registry_device(run->res->roll.registry, x->device_id);
	if (atomic_load_explicit(run->q->stop, memory_order_relaxed))
		return -ECANCELED;
	int r = pass_time(run, x->recv_us);
	if (r)
		return r;
	run->last_recv_us = x->recv_us;
	run->res->readings += run->counting;
	run->res->warm_readings += !run->counting;
	if (!d)
		run->res->strangers++;
	for (size_t i = 0; d && i < run->njudges && !r; i++)
		r = rule_states_eval(run->judges[i].states, d, &x->r, x->at_us, replay_book_take,
				     run->judges[i].book);
	if (--run->left > 0 || r)
		return r;
	look_around(run);
	return let_go(run);
}

/* ---- before and after ---- */

static int add_judge(struct run *run, struct rules *rules, struct replay_book **ret_book)
{
	struct judge *j = &run->judges[run->njudges++];
	j->states = rule_states_new();
	j->book = *ret_book = replay_book_new(rules, run->q->closed_after_us);
	if (!j->states || !j->book)
		return -ENOMEM;
	return rule_states_use(j->states, rules, NULL, NULL);
}

static int64_t warm_up(const struct replay_request *q)
{
	int64_t us = rules_max_window_us(q->rules);
	if (q->other)
		us = MAX_OF(us, rules_max_window_us(q->other));
	return MAX_OF(us, REPLAY_WARM_UP_MIN);
}

static int no_readings(const struct run *run, struct err *e)
{
	char from[TIMES_RFC3339_MAX], to[TIMES_RFC3339_MAX], oldest[TIMES_RFC3339_MAX];
	times_format(run->q->from_us, from);
	times_format(run->q->to_us, to);
	times_format(run->res->oldest_us, oldest);
	return err_set(e, -ENODATA,
		       "no readings arrived between %s and %s; they are stored from %.10s (UTC) on",
		       from, to, oldest);
}

/* Where to begin: at the first day that is stored if the range, or its warm-up, reaches beyond. */
static int find_range(struct run *run, struct err *e)
{
	const struct replay_request *q = run->q;
	struct replay_result *res = run->res;
	int r = replay_feed_oldest(q->pg, q->district_id, &res->oldest_us, e);
	if (r)
		return r;
	if (res->oldest_us == INT64_MAX)
		return err_set(e, -ENODATA, "no readings are stored");
	res->wanted_from_us = q->from_us - warm_up(q);
	res->warm_from_us = MAX_OF(res->wanted_from_us, res->oldest_us);
	if (res->oldest_us >= q->to_us)
		return no_readings(run, e);
	return 0;
}

static int prepare(struct run *run, struct err *e)
{
	const struct replay_request *q = run->q;
	struct replay_result *res = run->res;
	int r = replay_feed_begin(q->pg, e);
	if (!r)
		r = find_range(run, e);
	if (!r)
		r = replay_feed_roll(q->pg, q->district_id, q->device, q->grid, &res->roll, e);
	if (!r)
		r = replay_feed_gaps(q->pg, q->district_id, res->warm_from_us, q->to_us, &run->gaps,
				     e);
	if (r)
		return r;
	r = add_judge(run, q->rules, &res->book);
	if (!r && q->other)
		r = add_judge(run, q->other, &res->other);
	return r ? err_set(e, r, "rules: %s", strerror(-r)) : 0;
}

static int finish(struct run *run, int r, struct err *e)
{
	struct replay_result *res = run->res;
	struct err *const faults[SETS] = {&res->fault, &res->other_fault};
	for (size_t i = 0; i < MIN_OF(run->njudges, COUNT_OF(faults)); i++)
		(void)rule_states_fault(run->judges[i].states, faults[i]);
	res->stopped = r == -ECANCELED && atomic_load(run->q->stop);
	if (r && !res->stopped)
		return e->msg[0] ? r : err_set(e, r, "replay: %s", strerror(-r));
	res->until_us = res->stopped ? run->last_recv_us : run->q->to_us;
	if (res->stopped)
		return 0;
	if (!res->readings)
		return no_readings(run, e);
	r = pass_time(run, run->q->to_us);
	return r ? err_set(e, r, "rules: %s", strerror(-r)) : 0;
}

static void run_done(struct run *run)
{
	for (size_t i = 0; i < run->njudges; i++)
		rule_states_free(run->judges[i].states);
	replay_gaps_done(&run->gaps);
}

int replay_run(const struct replay_request *q, struct replay_result *ret, struct err *e)
{
	struct replay_result res = {0};
	auto_call(run_done) struct run run = {
		.q = q, .res = &res, .began_us = times_mono_us(), .left = ROUND};
	e->msg[0] = 0;
	int r = prepare(&run, e);
	if (!r) {
		run.last_recv_us = res.warm_from_us;
		r = replay_feed_readings(q->pg, q->district_id, res.warm_from_us, q->to_us,
					 &res.roll, on_reading, &run, e);
		r = finish(&run, r, e);
	}
	if (r) {
		replay_result_done(&res);
		return r;
	}
	*ret = res;
	return 0;
}
