#include "mqtt.h"

#include "health.h"
#include "metrics.h"
#include "mqtt_link.h"
#include "times.h"

/*
 * DESIGN: one control thread walks over the brokers and does whatever their state asks for; Paho's
 * callbacks only note what happened. Invariant: on_message never calls Paho, never returns 0, and
 * returns only once the record is in the spool (a message that cannot be stored is held there,
 * unacknowledged, until it can, or the process ends).
 */

#define HELD_PAUSE_US (2 * TIMES_SEC)
#define FULL_RETRY_US (200 * TIMES_MS)
#define STEP_US (100 * TIMES_MS)
#define ALIVE_US TIMES_MIN /* without a record; then a marker says that the hub was there */
#define CUT_BYTES 4096

/* ---- messages; Paho's receive thread ---- */

static void note_dropped(struct mqtt_broker *b, struct slice payload)
{
	int64_t v;
	if (slice_to_i64(slice_trim(payload), &v) || v < 0)
		return;
	pthread_mutex_lock(&b->m->lock);
	bool grew = (uint64_t)v > b->dropped;
	b->dropped = (uint64_t)v;
	uint64_t sum = 0;
	for (size_t i = 0; i < b->m->n; i++)
		sum += b->m->brokers[i].dropped;
	pthread_mutex_unlock(&b->m->lock);
	metric_set(M_BROKER_DROPPED, sum);
	if (grew)
		log_warn("mqtt", KM("the broker drops messages: raise its max_queued_messages"),
			 KS("broker", b->conf->name), KI("dropped", v));
}

/* Wait for room; only the end of the process ends this otherwise, for returning would acknowledge
 * the message. */
static void append(struct mqtt_broker *b, struct spool_record *rec)
{
	struct mqtt *m = b->m;
	bool counted = false;
	while (spool_append(m->spool, rec)) {
		struct timespec until = times_mono_in(FULL_RETRY_US);
		pthread_mutex_lock(&m->lock);
		m->blocked += !counted;
		counted = true;
		while (m->stopping)
			pthread_cond_wait(&m->wake, &m->lock);
		pthread_cond_timedwait(&m->wake, &m->lock, &until);
		pthread_mutex_unlock(&m->lock);
	}
	if (counted) {
		pthread_mutex_lock(&m->lock);
		m->blocked--;
		pthread_mutex_unlock(&m->lock);
	}
}

static int on_message(void *ctx, char *topic, int topic_len, MQTTAsync_message *msg)
{
	struct mqtt_broker *b = ctx;
	struct slice t = {topic, topic_len > 0 ? (size_t)topic_len : strlen(topic)};
	struct slice payload = {msg->payload, (size_t)msg->payloadlen};
	if (slice_is(t, MQTT_DROPPED_TOPIC)) {
		note_dropped(b, payload);
	} else {
		struct spool_record rec = {.recv_us = times_now_us(),
					   .source = slice_of(b->conf->name),
					   .topic = t,
					   .payload = payload,
					   .full_len = (uint32_t)payload.n,
					   .mid = msg->qos ? (uint16_t)msg->msgid : 0,
					   .flags = (uint8_t)((msg->retained ? SPOOL_RETAINED : 0) |
							      (msg->dup ? SPOOL_DUP : 0))};
		if (payload.n > (size_t)b->m->conf->intake.max_payload) {
			rec.flags |= SPOOL_CUT;
			rec.payload.n = MIN_OF(payload.n, (size_t)CUT_BYTES);
		}
		append(b, &rec);
		metric_add(M_MQTT_MESSAGES, 1);
		metric_add(M_MQTT_BYTES, payload.n);
	}
	MQTTAsync_freeMessage(&msg);
	MQTTAsync_free(topic);
	return 1;
}

/* ---- the control thread ---- */

static enum mqtt_state next_step(struct mqtt_broker *b, bool tight)
{
	pthread_mutex_lock(&b->m->lock);
	enum mqtt_state s = b->state;
	int64_t now = times_mono_us();
	if (s == ST_AWAY && tight) {
		b->held = true;
		b->next_us = now + HELD_PAUSE_US;
	} else if (s == ST_AWAY && now >= b->next_us) {
		b->held = false;
		b->state = ST_CONNECTING;
	} else if ((s == ST_UP || s == ST_PARTLY) && tight) {
		b->held = true;
		b->state = ST_LEAVING;
		metric_add(M_MQTT_HELD, 1);
		log_warn("mqtt", KM("the spool is tight, leaving the broker (its session stays)"),
			 KS("broker", b->conf->name));
	} else if (s == ST_PARTLY && now >= b->next_us) {
		b->state = ST_CONNECTED;
	} else if (s != ST_CONNECTED) {
		s = ST_UP; /* nothing to do */
		pthread_mutex_unlock(&b->m->lock);
		return s;
	}
	s = b->state;
	pthread_mutex_unlock(&b->m->lock);
	return s;
}

/* A hub that hears nothing for an hour and is killed then was away for seconds, not for an hour. */
static void mark_alive(struct mqtt *m)
{
	struct spool_stat st;
	int64_t now = times_mono_us();
	spool_stat(m->spool, &st);
	bool due = m->alive_us && st.next_seq == m->alive_seq && now - m->alive_us >= ALIVE_US;
	if (due && spool_mark(m->spool, SPOOL_ALIVE, (struct slice){0}))
		return;
	if (due || !m->alive_us || st.next_seq != m->alive_seq) {
		m->alive_seq = st.next_seq + due;
		m->alive_us = now;
	}
}

static void step(struct mqtt_broker *b, bool tight)
{
	mqtt_link_mark(b);
	switch (next_step(b, tight)) {
	case ST_CONNECTING:
		mqtt_link_connect(b);
		break;
	case ST_CONNECTED:
		mqtt_link_subscribe(b);
		break;
	case ST_LEAVING:
		mqtt_link_leave(b);
		break;
	case ST_AWAY:
	case ST_SUBSCRIBING:
	case ST_PARTLY:
	case ST_UP:
	default:
		break;
	}
}

static void tell_health(struct mqtt *m)
{
	char why[200] = "";
	bool known = true;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n && !why[0]; i++) {
		const struct mqtt_broker *b = &m->brokers[i];
		if (b->state == ST_UP)
			continue;
		known = b->known || b->held;
		snprintf(why, sizeof why, "broker %s: %s", b->conf->name,
			 b->held     ? "held back, the spool is tight"
			 : b->why[0] ? b->why
				     : "connecting");
	}
	pthread_mutex_unlock(&m->lock);
	health_set(HEALTH_MQTT,
		   !why[0] ? HEALTH_OK
		   : known ? HEALTH_DEGRADED
			   : HEALTH_STARTING,
		   why[0] ? why
		   : m->n ? NULL
			  : "no broker configured");
}

static void *control_main(void *arg)
{
	struct mqtt *m = arg;
	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		pthread_mutex_unlock(&m->lock);
		bool tight = spool_tight(m->spool);
		for (size_t i = 0; i < m->n; i++)
			step(&m->brokers[i], tight);
		mark_alive(m);
		tell_health(m);
		struct timespec until = times_mono_in(STEP_US);
		pthread_mutex_lock(&m->lock);
		pthread_cond_timedwait(&m->wake, &m->lock, &until);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- start and stop ---- */

static int init_broker(struct mqtt *m, struct mqtt_broker *b, const struct broker_conf *c,
		       struct err *e)
{
	bool tls = slice_starts(slice_of(c->url), "mqtts://");
	auto_buf struct buf url;
	buf_init(&url, 1024);
	buf_printf(&url, "%s://%s", tls ? "ssl" : "tcp", strstr(c->url, "://") + 3);
	b->m = m;
	b->conf = c;
	b->url = slice_dup(buf_slice(&url));
	if (!b->url || url.failed)
		return err_set(e, -ENOMEM, "broker \"%s\": its url is too long", c->name);
	if (c->password_file) {
		int r = file_read_secret(c->password_file, &b->password, e);
		if (r)
			return err_prefix(e, r, "broker \"%s\"", c->name);
	}
	int rc = mqtt_link_init(b, on_message);
	return rc == MQTTASYNC_SUCCESS
		       ? 0
		       : err_set(e, -EINVAL, "broker \"%s\": %s", c->name, MQTTAsync_strerror(rc));
}

int mqtt_start(const struct config *conf, struct spool *spool, struct err *e, struct mqtt **ret)
{
	int r = mqtt_paho_check(e);
	if (r)
		return r;
	/* Its tracing costs 2 µs and more a message; a level above ERROR would leave it on. */
	MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
	struct mqtt *m = mem_new(sizeof *m);
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	times_cond_init(&m->wake);
	pthread_mutex_init(&m->lock, NULL);
	m->conf = conf;
	m->spool = spool;
	m->brokers = calloc(MAX_OF(conf->nbrokers, (size_t)1), sizeof *m->brokers);
	if (!m->brokers)
		r = err_set(e, -ENOMEM, "out of memory");
	for (; !r && m->n < conf->nbrokers; m->n++)
		r = init_broker(m, &m->brokers[m->n], &conf->brokers[m->n], e);
	if (!r) {
		r = pthread_create(&m->thread, NULL, control_main, m);
		m->thread_running = !r;
		r = r ? err_set(e, -r, "cannot start a thread: %s", strerror(r)) : 0;
	}
	if (r) {
		(void)mqtt_stop(m); /* nothing is connected yet */
		return r;
	}
	*ret = m;
	return 0;
}

/* Leave all brokers; true once none is left or underway. */
static bool all_away(struct mqtt *m, int64_t deadline)
{
	bool away = false;
	while (!away && times_mono_us() < deadline) {
		struct timespec nap = {.tv_nsec = 10 * 1000000};
		away = true;
		pthread_mutex_lock(&m->lock);
		for (size_t i = 0; i < m->n; i++)
			away = away && (m->brokers[i].state == ST_AWAY || !m->brokers[i].handle);
		away = away && !m->blocked;
		pthread_mutex_unlock(&m->lock);
		if (!away)
			nanosleep(&nap, NULL);
	}
	return away;
}

bool mqtt_stop(struct mqtt *m)
{
	if (!m)
		return true;
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->wake);
	pthread_mutex_unlock(&m->lock);
	if (m->thread_running)
		pthread_join(m->thread, NULL);
	for (size_t i = 0; i < m->n; i++) {
		pthread_mutex_lock(&m->lock);
		bool here = m->brokers[i].state != ST_AWAY && m->brokers[i].state != ST_LEAVING;
		if (here)
			m->brokers[i].state = ST_LEAVING;
		pthread_mutex_unlock(&m->lock);
		if (here)
			mqtt_link_leave(&m->brokers[i]);
	}
	bool away = all_away(m, times_mono_us() + 2 * MQTT_LEAVE_TIMEOUT_MS * TIMES_MS);
	for (size_t i = 0; i < m->n; i++)
		mqtt_link_mark(&m->brokers[i]);
	if (!away) {
		log_warn("mqtt",
			 KM("a broker did not let go; what it has not been told stays with it"));
		return false; /* a callback may still hold a message: it must not return, so all of
				 this stays */
	}
	for (size_t i = 0; i < m->n; i++) {
		MQTTAsync_destroy(&m->brokers[i].handle);
		free(m->brokers[i].url);
		free(m->brokers[i].password);
	}
	free(m->brokers);
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return true;
}
