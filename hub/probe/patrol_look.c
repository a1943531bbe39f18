#include "patrol_look.h"

#include <inttypes.h>

#include "metrics.h"
#include "patrol_say.h"
#include "times.h"

#define FIELDS_MAX 12288
#define JITTER_PCT 20
#define ASKED_MAX ((size_t)WORKER_PROCESSES_MAX * WORKER_THREADS_MAX)

/* ---- settings ---- */

static struct plan_conf plan_settings(const struct config *c)
{
	return (struct plan_conf){.reach_every_us = c->probe.reach_every_us,
				  .keyframe_every_us = c->probe.keyframe_every_us,
				  .watch_every_us = c->probe.watch_every_us,
				  .picture_every = c->probe.picture_every,
				  .per_host = c->probe.per_host,
				  .per_server = c->probe.per_server,
				  .connects_per_s = c->probe.connects_per_s,
				  .jitter_pct = JITTER_PCT,
				  .retry_us = c->probe.retry_us};
}

/* HOST or HOST:PORT of probe.servers. */
static bool is_server(const struct config *c, const char *host)
{
	const char *colon = strrchr(host, ':');
	size_t name = colon ? (size_t)(colon - host) : strlen(host);
	for (size_t i = 0; i < c->probe.nservers; i++) {
		const char *is = c->probe.servers[i];
		if (strcasecmp(is, host) == 0 ||
		    (strlen(is) == name && strncasecmp(is, host, name) == 0))
			return true;
	}
	return false;
}

static void put_canary(struct patrol_looks *l)
{
	struct plan_stream s = {.id = PATROL_CANARY, .host = "canary", .canary = true};
	if (!l->conf->probe.canary)
		plan_remove(l->plan, PATROL_CANARY);
	else if (plan_put(l->plan, &s, NULL, times_now_us()))
		log_error("probe", KM("no memory for the canary"));
}

int patrol_looks_init(struct patrol_looks *l, const struct config *conf, struct spool *spool)
{
	struct plan_conf settings = plan_settings(conf);
	*l = (struct patrol_looks){.conf = conf, .spool = spool, .plan = plan_new(&settings)};
	if (!l->plan)
		return -ENOMEM;
	put_canary(l);
	return 0;
}

void patrol_looks_done(struct patrol_looks *l)
{
	pool_stop(l->pool);
	plan_free(l->plan);
	patrol_set_done(&l->set);
	patrol_out_done(&l->out);
	free(l->asked);
}

int patrol_looks_open(struct patrol_looks *l, struct err *e)
{
	const struct config *c = l->conf;
	struct pool_conf conf = {.processes = (int)c->probe.processes,
				 .threads = (int)c->probe.threads,
				 .memory_bytes = c->probe.memory_bytes,
				 .limits = {.guard = c->probe.allowed,
					    .ca_file = c->probe.ca_file,
					    .tls_verify = c->probe.tls_verify}};
	return pool_start(&conf, e, &l->pool);
}

void patrol_looks_close(struct patrol_looks *l)
{
	pool_stop(l->pool);
	l->pool = NULL;
	for (size_t i = 0; i < l->nasked; i++)
		plan_abandon(l->plan, l->asked[i], times_now_us());
	l->nasked = 0;
}

void patrol_looks_use(struct patrol_looks *l, const struct config *conf)
{
	struct plan_conf settings = plan_settings(conf);
	l->conf = conf;
	plan_configure(l->plan, &settings);
	put_canary(l);
	for (size_t i = 0; i < l->set.n; i++) /* its host may be a server now */
		if (patrol_looks_put(l, l->set.v[i], NULL))
			log_error("probe", KM("a stream is not looked at for want of room"),
				  KI("device", l->set.v[i]->id));
}

int patrol_looks_put(void *ctx, struct patrol_stream *s, const struct plan_belief *b)
{
	struct patrol_looks *l = ctx;
	struct plan_stream ps = {
		.id = s->id, .host = s->host, .server = is_server(l->conf, s->host)};
	return plan_put(l->plan, &ps, b, times_now_us());
}

void patrol_looks_gone(void *ctx, const struct patrol_stream *s)
{
	struct patrol_looks *l = ctx;
	plan_remove(l->plan, s->id);
}

/* ---- asking ---- */

static int ask(struct patrol_looks *l, const struct plan_look *look)
{
	struct patrol_stream *s = patrol_set_find(&l->set, look->id);
	struct probe_request q = {.id = look->id,
				  .depth = look->depth,
				  .deadline_us = l->conf->probe.deadline_us,
				  .watch_us = l->conf->probe.watch_us,
				  .snapshot = look->snapshot && look->depth >= PROBE_PICTURE};
	if (look->id == PATROL_CANARY)
		q.url = l->conf->probe.canary;
	else if (s)
		patrol_stream_ask(s, times_mono_us(), &q);
	if (!q.url)
		return -ENOENT;
	int r = mem_grow(&l->asked, &l->asked_cap, l->nasked + 1, ASKED_MAX, sizeof *l->asked);
	if (!r)
		r = pool_ask(l->pool, &q);
	if (!r)
		l->asked[l->nasked++] = look->id;
	return r;
}

void patrol_looks_ask(struct patrol_looks *l, int64_t *ret_wake_us)
{
	struct plan_look look;
	*ret_wake_us = INT64_MAX; /* an answer ends the wait */
	while (l->pool && pool_free_slots(l->pool) &&
	       plan_next(l->plan, times_now_us(), &look, ret_wake_us)) {
		int r = ask(l, &look);
		if (!r)
			continue;
		plan_abandon(l->plan, look.id, times_now_us());
		if (log_repeat_due(&l->ask_failing, times_mono_us()))
			log_warn("probe", KM("a look cannot be asked for"), KI("device", look.id),
				 KS("error", strerror(-r)));
		if (r == -EAGAIN)
			break;
	}
}

static void answered(struct patrol_looks *l, int64_t id)
{
	for (size_t i = 0; i < l->nasked; i++) {
		if (l->asked[i] != id)
			continue;
		l->asked[i] = l->asked[--l->nasked];
		return;
	}
}

/* ---- believing ---- */

static void believe(struct patrol_looks *l, struct patrol_stream *s, const struct plan_belief *b,
		    int64_t now_us)
{
	bool other_state =
		!s->said || b->state != s->belief.state || b->since_us != s->belief.since_us;
	bool other_cause = b->cause != s->belief.cause;
	if (other_state || other_cause)
		patrol_out_span(&l->out, s->id, b, other_state ? b->since_us : now_us);
	s->dirty = s->dirty || other_state || other_cause || b->step != s->belief.step;
	s->belief = *b;
	s->said = true;
}

static void say(struct patrol_looks *l, const struct patrol_stream *s, struct slice fields,
		const char *snapshot, int64_t now_us)
{
	int r = patrol_say(l->spool, s, fields, snapshot, now_us);
	metric_add(r ? M_PROBE_READINGS_LOST : M_PROBE_READINGS, 1);
	if (!r) {
		(void)log_repeat_over(&l->spool_failing);
		return;
	}
	if (log_repeat_due(&l->spool_failing, times_mono_us()))
		log_error("probe", KM("the spool does not take what was seen"), KI("device", s->id),
			  KS("error", strerror(-r)));
}

static bool judge(struct patrol_looks *l, struct patrol_stream *s, const struct probe_result *r,
		  int64_t now_us, struct buf *fields)
{
	bool changed = false, night = patrol_night(l->conf, s, now_us);
	buf_reset(fields);
	baseline_judge(s->baseline, r, now_us, night, s->ptz, fields, &changed);
	s->baseline_dirty = s->baseline_dirty || changed;
	return baseline_suspect(s->baseline);
}

/* What others are believed to be by this one's result. */
static void told(void *ctx, int64_t id, const struct plan_belief *b, enum plan_say what)
{
	struct patrol_looks *l = ctx;
	struct patrol_stream *s = patrol_set_find(&l->set, id);
	struct probe_result r;
	auto_buf struct buf fields;
	int64_t now = times_now_us();
	buf_init(&fields, FIELDS_MAX);
	if (!s)
		return;
	believe(l, s, b, now);
	if (what != PLAN_SAY)
		return;
	probe_result_init(&r);
	r.id = id;
	r.state = b->state;
	r.step = b->step;
	r.cause = b->cause;
	judge(l, s, &r, now, &fields);
	say(l, s, buf_slice(&fields), "", now);
	probe_result_done(&r);
}

/* The result as it is believed: what goes out is that. */
static bool differs(struct probe_result *r, const struct plan_belief *b)
{
	if (r->state == b->state && r->cause == b->cause)
		return false;
	r->state = b->state;
	r->cause = b->cause;
	return true;
}

static void take_stream(struct patrol_looks *l, struct patrol_stream *s, struct probe_result *r)
{
	auto_buf struct buf fields;
	struct plan_belief b;
	char snapshot[48] = "";
	int64_t now = times_now_us();
	buf_init(&fields, FIELDS_MAX);
	bool looked = r->depth != PROBE_REACH;
	bool suspect = looked && judge(l, s, r, now, &fields);
	enum plan_say what = plan_result(l->plan, r, suspect, now, &b, told, l);
	believe(l, s, &b, now);
	snprintf(s->detail, sizeof s->detail, "%s", r->detail);
	patrol_stream_note(s, r, times_mono_us());
	if (r->state == PROBE_ONLINE && looked)
		s->shown_us = now;
	if (what != PLAN_SAY)
		return;
	s->looked_us = now;
	s->dirty = true;
	patrol_out_snapshot(&l->out, r, now, snapshot);
	if (differs(r, &b) || !looked)
		judge(l, s, r, now, &fields);
	say(l, s, buf_slice(&fields), snapshot, now);
}

static void on_result(void *ctx, struct probe_result *r)
{
	static const enum metric depths[] = {M_PROBE_REACHES, M_PROBE_KEYFRAMES, M_PROBE_PICTURES,
					     M_PROBE_WATCHES};
	struct patrol_looks *l = ctx;
	struct patrol_stream *s = patrol_set_find(&l->set, r->id);
	struct plan_belief b;
	answered(l, r->id);
	metric_add(depths[r->depth], 1);
	metric_add((enum metric)(M_PROBE_CAUSE_NONE + (int)r->cause), 1);
	if (s)
		take_stream(l, s, r);
	else
		plan_result(l->plan, r, false, times_now_us(), &b, told, l);
	probe_result_done(r);
}

void patrol_looks_take(struct patrol_looks *l, int64_t timeout_us)
{
	int r = pool_wait(l->pool, timeout_us, on_result, l);
	if (r < 0 && log_repeat_due(&l->ask_failing, times_mono_us()))
		log_error("probe", KM("workers cannot be waited for"), KS("error", strerror(-r)));
}
