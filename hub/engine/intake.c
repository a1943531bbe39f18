#include "intake.h"

#include "alert.h"
#include "metrics.h"
#include "times.h"
#include "zeros.h"

/* Days are those of the hub's zone, as people count them. */
static int64_t local_day(int64_t us)
{
	time_t sec = (time_t)(us / TIMES_SEC);
	struct tm tm;
	return localtime_r(&sec, &tm) ? times_day(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday)
				      : us / TIMES_DAY;
}

static int count_shadow(struct intake *in, const struct anomaly *a)
{
	struct batch_shadow *s = NULL;
	int r = batch_shadow(in->batch, a->rule->index, slice_of(a->rule->id), local_day(a->at_us),
			     &s);
	if (r)
		return r;
	s->opened += a->kind == ANOMALY_FIRED;
	s->folded += a->kind == ANOMALY_SEEN;
	s->recovered += a->kind == ANOMALY_RECOVERED;
	metric_add(M_RULE_SHADOW, 1);
	return 0;
}

static int on_anomaly(void *ctx, const struct anomaly *a)
{
	struct intake *in = ctx;
	return a->rule->shadow ? count_shadow(in, a) : alert_add(in->batch, in->conf, a);
}

static const struct reason {
	int code;
	enum metric metric;
	const char *label; /* as in metrics.def */
} reasons[] = {
	{-ENODATA, M_REJ_EMPTY, "empty"},
	{-EMSGSIZE, M_REJ_SIZE, "size"},
	{-EILSEQ, M_REJ_UTF8, "utf8"},
	{-EBADMSG, M_REJ_JSON, "json"},
	{-ELOOP, M_REJ_DEPTH, "depth"},
	{-EEXIST, M_REJ_DUPKEY, "duplicate_key"},
	{-ERANGE, M_REJ_NUMBER, "number"},
	{-EPROTO, M_REJ_SHAPE, "shape"},
	{-EINVAL, M_REJ_SHAPE, "shape"},
	{-E2BIG, M_REJ_SIZE, "size"},
	{-ENOENT, M_REJ_TOPIC, "topic"},
	{-EDESTADDRREQ, M_NO_ROUTE, "no_route"},
	{-EMEDIUMTYPE, M_REJ_CLASS, "wrong_class"},
};

static int reject(struct intake *in, const struct spool_record *rec, int code, const char *detail)
{
	static const struct reason other = {0, M_REJ_OTHER, "other"};
	const struct reason *why = &other;
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].code == code)
			why = &reasons[i];
	metric_add(why->metric, 1);
	struct batch_rejected r = {.at_us = rec->recv_us,
				   .source = rec->source,
				   .topic = rec->topic,
				   .detail = slice_of(detail),
				   .payload = rec->payload,
				   .reason = why->label};
	return batch_add_rejected(in->batch, &r);
}

static struct slice adapter_of(const struct device_adapter *a, const struct reading *r)
{
	return r->adapter.n ? r->adapter : slice_of(a->name);
}

static int unknown(struct intake *in, const struct spool_record *rec,
		   const struct device_adapter *a, const struct reading *r)
{
	metric_add(M_UNKNOWN, 1);
	struct batch_unknown u = {.adapter = adapter_of(a, r),
				  .address = r->address,
				  .topic = rec->topic,
				  .payload = rec->payload,
				  .class = (int)r->class,
				  .at_us = rec->recv_us,
				  .n = 1};
	return batch_add_unknown(in->batch, &u);
}

static bool believed(const struct intake *in, const struct reading *r, int64_t recv_us)
{
	return r->at_us >= recv_us - in->conf->intake.late_us &&
	       r->at_us <= recv_us + in->conf->intake.ahead_us;
}

/* The device's own time if it can be believed, else that of arrival. */
static int64_t event_time(const struct intake *in, const struct reading *r, int64_t recv_us)
{
	return r->at_us && believed(in, r, recv_us) ? r->at_us : recv_us;
}

static bool wrong_class(const struct device *d, const struct reading *r)
{
	return r->class != CLASS_UNKNOWN && d->class != CLASS_UNKNOWN && r->class != d->class;
}

static int take_reading(struct intake *in, const struct spool_record *rec,
			const struct device_adapter *a, const struct reading *r)
{
	const struct device *d = registry_find(in->registry, adapter_of(a, r), r->address);
	if (!d)
		return unknown(in, rec, a, r);
	if (wrong_class(d, r)) {
		struct err e;
		err_set(&e, 0, "device %s is a %s, the topic says %s", d->name,
			device_class_names[d->class], device_class_names[r->class]);
		return reject(in, rec, -EMEDIUMTYPE, e.msg);
	}
	int64_t at_us = event_time(in, r, rec->recv_us);
	int res = batch_add_reading(in->batch, in->district_id, d, r, at_us, rec->recv_us);
	metric_add(M_READINGS, 1);
	metric_add(M_CLOCK_SKEWED, r->at_us && at_us != r->at_us);
	return res ? res : rule_states_eval(in->states, d, r, at_us, on_anomaly, in);
}

/* Does it carry what tells it from another message of the same words? A clock that stands still
 * does not; but what the broker sends again is the same whatever its time. */
static bool marked(const struct intake *in, const struct spool_record *rec)
{
	const struct reading *r = in->readings.v;
	if (!in->readings.n || (!r->has_seq && !r->at_us))
		return false;
	return r->has_seq || (rec->flags & (SPOOL_RETAINED | SPOOL_DUP)) ||
	       believed(in, r, rec->recv_us);
}

/* The record's readings into in->readings. */
static int decode(struct intake *in, const struct spool_record *rec,
		  const struct device_adapter **ret_adapter, struct err *e)
{
	size_t bad;
	if (rec->flags & SPOOL_CUT)
		return err_set(e, -EMSGSIZE, "payload of %u bytes, at most %lld are taken",
			       rec->full_len, (long long)in->conf->intake.max_payload);
	if (!rec->topic.n || !slice_utf8_ok(rec->topic, &bad) ||
	    memchr(rec->topic.p, 0, rec->topic.n))
		return err_set(e, -ENOENT, "the topic is empty or not UTF-8");
	const struct device_adapter *a = route_find(in->route, rec->source, rec->topic);
	if (!a)
		return err_set(e, -EDESTADDRREQ,
			       "no subscription of this broker matches the topic");
	struct device_message m = {.topic = rec->topic,
				   .payload = rec->payload,
				   .recv_us = rec->recv_us,
				   .retained = rec->flags & SPOOL_RETAINED};
	readings_reset(&in->readings);
	int r = a->decode(&m, &in->readings, e);
	*ret_adapter = a;
	return r;
}

static int take_message(struct intake *in, const struct spool_record *rec)
{
	struct err e = {0};
	const struct device_adapter *a = NULL;
	int r = decode(in, rec, &a, &e);
	if (r == -ESTALE) {
		metric_add(M_STALE_RETAINED, 1);
		return 0;
	}
	if (r)
		return reject(in, rec, r, e.msg);
	if (marked(in, rec) && dedup_marked(in->dedup, rec)) {
		metric_add(M_DUPLICATES, 1);
		return 0;
	}
	for (size_t i = 0; !r && i < in->readings.n; i++)
		r = take_reading(in, rec, a, &in->readings.v[i]);
	return r;
}

/* As take_record, and in the same order; a record that was passed over then is passed over now. */
int intake_recall(struct intake *in, const struct spool_record *rec, uint64_t from_seq)
{
	struct err e = {0};
	const struct device_adapter *a = NULL;
	if ((rec->flags & SPOOL_MARKERS) || dedup_record(in->dedup, rec) ||
	    decode(in, rec, &a, &e) || (marked(in, rec) && dedup_marked(in->dedup, rec)) ||
	    rec->seq < from_seq)
		return 0;
	rule_states_at(in->states, rec->seq, rec->recv_us);
	int res = 0;
	for (size_t i = 0; !res && i < in->readings.n; i++) {
		const struct reading *r = &in->readings.v[i];
		const struct device *d = registry_find(in->registry, adapter_of(a, r), r->address);
		if (d && !wrong_class(d, r))
			res = rule_states_remember(in->states, d, r,
						   event_time(in, r, rec->recv_us));
	}
	return res;
}

static int on_presence(void *ctx, enum presence_change what, const char *adapter, int64_t from_us,
		       int64_t to_us)
{
	struct intake *in = ctx;
	if (what == PRESENCE_LOST) {
		rule_states_lose(in->states, adapter);
		return 0;
	}
	int r = rule_states_resume(in->states, adapter, from_us ? from_us : to_us, to_us);
	if (r || !from_us)
		return r;
	metric_add(M_INTAKE_GAPS, 1);
	struct batch_gap g = {.adapter = slice_of(adapter), .from_us = from_us, .to_us = to_us};
	return batch_add_gap(in->batch, &g);
}

/* Holds run out in what could be heard: up to the loss, and on from the return. A start says
 * nothing of the time before it. */
static int take_marker(struct intake *in, const struct spool_record *rec)
{
	bool started = (rec->flags & SPOOL_AWAY) && !rec->source.n;
	bool lost = (rec->flags & SPOOL_AWAY) && rec->source.n;
	int r = lost ? intake_tick(in, rec->recv_us) : 0;
	if (!r)
		r = presence_take(&in->presence, rec, on_presence, in);
	return r || started ? r : intake_tick(in, rec->recv_us);
}

static int take_record(struct intake *in, const struct spool_record *rec)
{
	int r = presence_take(&in->presence, rec, on_presence, in);
	if (!r)
		r = intake_tick(in, rec->recv_us);
	if (r)
		return r;
	if (!dedup_record(in->dedup, rec))
		return take_message(in, rec);
	metric_add(M_DUPLICATES, 1);
	return 0;
}

int intake_record(struct intake *in, const struct spool_record *rec)
{
	struct batch *b = in->batch;
	rule_states_at(in->states, rec->seq, rec->recv_us);
	int r = rec->flags & SPOOL_MARKERS ? take_marker(in, rec) : take_record(in, rec);
	b->records++;
	b->last_seq = rec->seq;
	if (!b->first_recv_us)
		b->first_recv_us = rec->recv_us;
	b->first_recv_us = MIN_OF(b->first_recv_us, rec->recv_us);
	b->last_recv_us = MAX_OF(b->last_recv_us, rec->recv_us);
	return r;
}

/* As if the hub had been away from its brokers between. */
int intake_bridge(struct intake *in, const struct spool_record *first)
{
	const struct config *c = in->conf;
	bool heard[CONFIG_BROKERS_MAX];
	struct spool_record mark = {
		.seq = first->seq - 1, .recv_us = in->presence.heard_us, .flags = SPOOL_AWAY};
	if (!mark.recv_us || mark.recv_us >= first->recv_us)
		return 0;
	for (size_t i = 0; i < c->nbrokers; i++)
		heard[i] = !in->presence.away_us[i];
	int r = intake_record(in, &mark);
	mark.recv_us = first->recv_us;
	mark.flags = SPOOL_CONNECTED;
	for (size_t i = 0; !r && i < c->nbrokers; i++) {
		mark.source = slice_of(c->brokers[i].name);
		r = heard[i] ? intake_record(in, &mark) : 0;
	}
	return r;
}

int intake_tick(struct intake *in, int64_t now_us)
{
	bool due = rule_states_next(in->states) <= now_us;
	return due ? rule_states_tick(in->states, now_us, on_anomaly, in) : 0;
}

int intake_use_rules(struct intake *in, struct rules *rules)
{
	return rule_states_use(in->states, rules, on_anomaly, in);
}

static int put_rule_state(void *ctx, const struct rule_saved *saved)
{
	struct intake *in = ctx;
	struct batch_rule_state s = {.device_id = saved->device_id,
				     .rule_id = slice_of(saved->rule_id),
				     .fields = saved->fields,
				     .hash = saved->rule_hash,
				     .phase = (int)saved->phase,
				     .since_us = saved->since_us,
				     .seen_us = saved->seen_us,
				     .fires = saved->fires,
				     .fires_since_us = saved->fires_since_us};
	return batch_add_rule_state(in->batch, &s);
}

static int recover_lost(struct intake *in, const struct rule_saved *saved, const struct device *d,
			const struct rule *rule, int64_t now_us)
{
	struct anomaly a = {.kind = ANOMALY_RECOVERED, .rule = rule, .device = d, .at_us = now_us};
	if (rule && !rule->shadow)
		return on_anomaly(in, &a);
	/* A rule that is gone, or does not speak any more, has no words: the case's history has it.
	 */
	struct batch_anomaly *ba = NULL;
	int r = batch_anomaly(in->batch, d->id, slice_of(saved->rule_id), &ba);
	if (!r)
		ba->recovered_us = now_us;
	return r;
}

int intake_restore(struct intake *in, const struct rule_saved *saved, const struct device *d,
		   int64_t now_us)
{
	int r = d ? rule_states_restore(in->states, saved, d) : 1;
	if (r != 1)
		return r;
	struct rule_saved gone = {.device_id = saved->device_id, .rule_id = saved->rule_id};
	r = put_rule_state(in, &gone);
	if (!d)
		return r;
	bool had_open = saved->phase == PHASE_FIRING || saved->phase == PHASE_CLEARING;
	const struct rule *rule = rule_states_rule(in->states, slice_of(saved->rule_id));
	return r || !had_open ? r : recover_lost(in, saved, d, rule, now_us);
}

static int put_memory(void *ctx, const struct device *d, struct slice data)
{
	struct intake *in = ctx;
	buf_reset(&in->packed);
	zeros_pack(data, &in->packed); /* windows have many */
	return in->packed.failed ? -ENOMEM
				 : batch_add_memory(in->batch, d->id, buf_slice(&in->packed));
}

int intake_finish(struct intake *in, int64_t memory_before_us, size_t memory_max)
{
	struct batch *b = in->batch;
	auto_buf struct buf away;
	buf_init(&away, CONFIG_BROKERS_MAX * (6 * CONFIG_NAME_MAX + 32));
	presence_json(&in->presence, &away);
	b->heard_us = in->presence.heard_us;
	b->away = arena_copy(&b->arena, buf_slice(&away));
	if (away.failed || !b->away.p)
		return -E2BIG;
	int r = rule_states_take_memory(in->states, memory_before_us, memory_max, put_memory, in,
					&b->memory_from_seq);
	return r ? r : rule_states_take_dirty(in->states, put_rule_state, in);
}

int intake_init(struct intake *in, const struct config *conf, struct err *e)
{
	*in = (struct intake){.conf = conf,
			      .dedup = dedup_new(),
			      .registry = registry_new(),
			      .states = rule_states_new()};
	readings_init(&in->readings);
	buf_init(&in->packed, (size_t)2 * RULE_MEMORY_MAX);
	presence_init(&in->presence, conf);
	if (!in->dedup || !in->registry || !in->states)
		return err_set(e, -ENOMEM, "out of memory");
	return route_new(conf, e, &in->route);
}

void intake_done(struct intake *in)
{
	route_free(in->route);
	dedup_free(in->dedup);
	rule_states_free(in->states);
	registry_free(in->registry);
	readings_done(&in->readings);
	buf_done(&in->packed);
}
