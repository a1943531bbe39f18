#include "mqtt.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <sys/random.h>

#include "health.h"
#include "log.h"
#include "metrics.h"
#include "mqtt_paho.h"
#include "times.h"

/*
 * DESIGN: one control thread walks over the brokers and does whatever their state asks for; Paho's
 * callbacks only note what happened. Invariant: on_message never calls Paho, never returns 0, and
 * returns only once the record is in the spool (a message that cannot be stored is held there,
 * unacknowledged, until it can, or the process ends).
 */

#define CONNECT_TIMEOUT_S 10
#define PAUSE_FIRST_US (500 * TIMES_MS)
#define PAUSE_LAST_US (60 * TIMES_SEC)
#define HELD_PAUSE_US (2 * TIMES_SEC)
#define LEAVE_TIMEOUT_MS 3000
#define FULL_RETRY_US (200 * TIMES_MS)
#define STEP_US (100 * TIMES_MS)
#define CUT_BYTES 4096
#define DROPPED_TOPIC "$SYS/broker/publish/messages/dropped"

enum state {
	ST_AWAY,	/* not connected; connect at next_us */
	ST_CONNECTING,	/* waiting for Paho */
	ST_CONNECTED,	/* connected, not yet subscribed */
	ST_SUBSCRIBING, /* waiting for SUBACKs */
	ST_PARTLY,	/* connected, a subscription was refused; subscribe again at next_us */
	ST_UP,
	ST_LEAVING, /* waiting for Paho to disconnect */
};

struct broker {
	struct mqtt *m;
	const struct broker_conf *conf;
	MQTTAsync handle;
	char *url, *password;
	/* under m->lock */
	enum state state;
	bool held;  /* away because the spool is tight */
	bool known; /* has been up, or failed: until then it is neither good nor bad news */
	int64_t next_us, pause_us;
	size_t awaiting;	     /* SUBACKs */
	char why[160], tls_why[120]; /* of the last fault */
	struct log_repeat fault;
	uint64_t dropped; /* as the broker's $SYS says */
};

struct mqtt {
	const struct config *conf;
	struct spool *spool;
	struct broker *brokers;
	size_t n;
	pthread_t thread;
	bool thread_running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	size_t blocked; /* callbacks that hold a message the spool has no room for */
};

/* ---- what Paho tells us; its threads ---- */

static int64_t jittered(int64_t us)
{
	uint32_t x = 0;
	if (getrandom(&x, sizeof x, GRND_NONBLOCK) != sizeof x)
		x = (uint32_t)times_mono_us();
	return us * 3 / 4 + (int64_t)(x % 1000) * us / 2000;
}

/* With m->lock held. */
static void gone(struct broker *b, enum state to, const char *why)
{
	int64_t now = times_mono_us();
	b->state = to;
	b->known = true;
	b->pause_us = b->pause_us ? MIN_OF(b->pause_us * 2, PAUSE_LAST_US) : PAUSE_FIRST_US;
	b->next_us = now + jittered(b->pause_us);
	snprintf(b->why, sizeof b->why, "%s", why ? why : "");
	if (log_repeat_due(&b->fault, now))
		log_warn("mqtt", KM("broker away, trying again"), KS("broker", b->conf->name),
			 KS("why", b->why));
	pthread_cond_broadcast(&b->m->wake);
}

static void move(struct broker *b, enum state to)
{
	pthread_mutex_lock(&b->m->lock);
	b->state = to;
	pthread_cond_broadcast(&b->m->wake);
	pthread_mutex_unlock(&b->m->lock);
}

/* to: ST_AWAY; or ST_PARTLY, still connected and perhaps with other subscriptions. */
static void failed(struct broker *b, enum state to, const char *what, int code, int reason,
		   const char *message)
{
	char why[sizeof b->why];
	pthread_mutex_lock(&b->m->lock);
	mqtt_paho_words(&(struct mqtt_fault){.what = what,
					     .v5 = b->conf->version == 5,
					     .code = code,
					     .reason = reason,
					     .message = message,
					     .tls = b->tls_why},
			why, sizeof why);
	b->tls_why[0] = 0;
	if (to == ST_AWAY || b->state == ST_SUBSCRIBING)
		gone(b, to, why);
	pthread_mutex_unlock(&b->m->lock);
}

static int on_tls_error(const char *line, size_t n, void *ctx)
{
	struct broker *b = ctx;
	pthread_mutex_lock(&b->m->lock);
	mqtt_paho_tls_reason((struct slice){line, n}, b->tls_why, sizeof b->tls_why);
	pthread_mutex_unlock(&b->m->lock);
	return 1;
}

static void on_connected(void *ctx, MQTTAsync_successData *d)
{
	(void)d;
	move(ctx, ST_CONNECTED);
}

static void on_connected5(void *ctx, MQTTAsync_successData5 *d)
{
	(void)d;
	move(ctx, ST_CONNECTED);
}

static void on_connect_failed(void *ctx, MQTTAsync_failureData *d)
{
	failed(ctx, ST_AWAY, "cannot connect", d ? d->code : MQTTASYNC_FAILURE, 0,
	       d ? d->message : NULL);
}

static void on_connect_failed5(void *ctx, MQTTAsync_failureData5 *d)
{
	failed(ctx, ST_AWAY, "cannot connect", d ? d->code : MQTTASYNC_FAILURE,
	       d ? (int)d->reasonCode : 0, d ? d->message : NULL);
}

static void on_lost(void *ctx, char *cause)
{
	struct broker *b = ctx;
	metric_add(M_MQTT_LOST, 1);
	pthread_mutex_lock(&b->m->lock);
	gone(b, ST_AWAY, cause ? cause : "the connection broke");
	pthread_mutex_unlock(&b->m->lock);
}

/* The broker itself says that it is done with us (MQTT 5). */
static void on_told_to_go(void *ctx, MQTTProperties *p, enum MQTTReasonCodes reason)
{
	(void)p;
	failed(ctx, ST_AWAY, "disconnected by the broker", MQTTASYNC_FAILURE, (int)reason, NULL);
}

static void subscribed(struct broker *b)
{
	pthread_mutex_lock(&b->m->lock);
	if (b->state == ST_SUBSCRIBING && --b->awaiting == 0) {
		b->state = ST_UP;
		b->known = true;
		b->pause_us = 0;
		b->why[0] = 0;
		log_repeat_over(&b->fault);
		log_info("mqtt", KM("connected and subscribed"), KS("broker", b->conf->name));
		pthread_cond_broadcast(&b->m->wake);
	}
	pthread_mutex_unlock(&b->m->lock);
}

static void on_subscribed(void *ctx, MQTTAsync_successData *d)
{
	(void)d;
	subscribed(ctx);
}

static void on_subscribed5(void *ctx, MQTTAsync_successData5 *d)
{
	(void)d;
	subscribed(ctx);
}

static void on_subscribe_failed(void *ctx, MQTTAsync_failureData *d)
{
	failed(ctx, ST_PARTLY, "a subscription was refused", d ? d->code : MQTTASYNC_FAILURE, 0,
	       d ? d->message : NULL);
}

static void on_subscribe_failed5(void *ctx, MQTTAsync_failureData5 *d)
{
	failed(ctx, ST_PARTLY, "a subscription was refused", d ? d->code : MQTTASYNC_FAILURE,
	       d ? (int)d->reasonCode : 0, d ? d->message : NULL);
}

static void on_left(void *ctx, MQTTAsync_successData *d)
{
	(void)d;
	move(ctx, ST_AWAY);
}

static void on_left5(void *ctx, MQTTAsync_successData5 *d)
{
	(void)d;
	move(ctx, ST_AWAY);
}

static void on_leave_failed(void *ctx, MQTTAsync_failureData *d)
{
	(void)d;
	move(ctx, ST_AWAY);
}

static void on_leave_failed5(void *ctx, MQTTAsync_failureData5 *d)
{
	(void)d;
	move(ctx, ST_AWAY);
}

/* ---- messages; Paho's receive thread ---- */

static void note_dropped(struct broker *b, struct slice payload)
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
static void append(struct broker *b, struct spool_record *rec)
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
	struct broker *b = ctx;
	struct slice t = {topic, topic_len > 0 ? (size_t)topic_len : strlen(topic)};
	struct slice payload = {msg->payload, (size_t)msg->payloadlen};
	if (slice_is(t, DROPPED_TOPIC)) {
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

/* ---- what we tell Paho; the control thread, without the lock ---- */

static void connect_broker(struct broker *b)
{
	if (MQTTAsync_isConnected(b->handle)) { /* it was subscribing that failed */
		move(b, ST_CONNECTED);
		return;
	}
	const struct broker_conf *c = b->conf;
	bool v5 = c->version == 5;
	MQTTAsync_connectOptions o4 = MQTTAsync_connectOptions_initializer;
	MQTTAsync_connectOptions o5 = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_connectOptions o = v5 ? o5 : o4;
	MQTTAsync_SSLOptions ssl = mqtt_paho_tls(c);
	ssl.ssl_error_cb = on_tls_error;
	ssl.ssl_error_context = b;
	MQTTProperties props = MQTTProperties_initializer;
	o.keepAliveInterval = (int)(c->keepalive_us / TIMES_SEC);
	o.connectTimeout = CONNECT_TIMEOUT_S;
	o.username = c->username;
	o.password = b->password;
	o.context = b;
	if (slice_starts(slice_of(b->url), "ssl://"))
		o.ssl = &ssl;
	if (v5) {
		o.cleanstart = 0;
		mqtt_paho_property(&props, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL,
				   c->session_expiry_us / TIMES_SEC);
		mqtt_paho_property(&props, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, c->receive_maximum);
		o.connectProperties = &props;
		o.onSuccess5 = on_connected5;
		o.onFailure5 = on_connect_failed5;
	} else {
		o.MQTTVersion = MQTTVERSION_3_1_1;
		o.cleansession = 0;
		o.onSuccess = on_connected;
		o.onFailure = on_connect_failed;
	}
	int rc = MQTTAsync_connect(b->handle, &o);
	MQTTProperties_free(&props);
	if (rc != MQTTASYNC_SUCCESS)
		failed(b, ST_AWAY, "cannot connect", rc, 0, NULL);
}

static int subscribe_one(struct broker *b, const char *topic, int qos, bool told)
{
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;
	o.context = b;
	if (b->conf->version == 5) {
		o.onSuccess5 = told ? on_subscribed5 : NULL;
		o.onFailure5 = told ? on_subscribe_failed5 : NULL;
		/* Retained messages only if the subscription is new: what changed while we were
		 * away is in the session, and a killed broker forgets the session, which makes it
		 * new. */
		o.subscribeOptions.retainHandling = 1;
	} else {
		o.onSuccess = told ? on_subscribed : NULL;
		o.onFailure = told ? on_subscribe_failed : NULL;
	}
	return MQTTAsync_subscribe(b->handle, topic, qos, &o);
}

static void subscribe_all(struct broker *b)
{
	pthread_mutex_lock(&b->m->lock);
	b->state = ST_SUBSCRIBING;
	b->awaiting = b->conf->nsubs;
	pthread_mutex_unlock(&b->m->lock);
	metric_add(M_MQTT_CONNECTS, 1);
	for (size_t i = 0; i < b->conf->nsubs; i++) {
		int rc = subscribe_one(b, b->conf->subs[i].topic, (int)b->conf->subs[i].qos, true);
		if (rc != MQTTASYNC_SUCCESS) {
			failed(b, ST_AWAY, "cannot subscribe", rc, 0, NULL);
			return;
		}
	}
	if (subscribe_one(b, DROPPED_TOPIC, 0, false) != MQTTASYNC_SUCCESS)
		log_debug("mqtt", KM("no $SYS topics"), KS("broker", b->conf->name));
}

static void leave(struct broker *b)
{
	MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer;
	MQTTAsync_disconnectOptions o5 = MQTTAsync_disconnectOptions_initializer5;
	o.timeout = o5.timeout = LEAVE_TIMEOUT_MS;
	o.context = o5.context = b;
	o.onSuccess = on_left;
	o.onFailure = on_leave_failed;
	o5.onSuccess5 = on_left5;
	o5.onFailure5 = on_leave_failed5;
	if (MQTTAsync_disconnect(b->handle, b->conf->version == 5 ? &o5 : &o) != MQTTASYNC_SUCCESS)
		move(b, ST_AWAY);
}

/* ---- the control thread ---- */

static enum state next_step(struct broker *b, bool tight)
{
	pthread_mutex_lock(&b->m->lock);
	enum state s = b->state;
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

static void step(struct broker *b, bool tight)
{
	switch (next_step(b, tight)) {
	case ST_CONNECTING:
		connect_broker(b);
		break;
	case ST_CONNECTED:
		subscribe_all(b);
		break;
	case ST_LEAVING:
		leave(b);
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
		const struct broker *b = &m->brokers[i];
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
		tell_health(m);
		struct timespec until = times_mono_in(STEP_US);
		pthread_mutex_lock(&m->lock);
		pthread_cond_timedwait(&m->wake, &m->lock, &until);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- start and stop ---- */

static int init_broker(struct mqtt *m, struct broker *b, const struct broker_conf *c, struct err *e)
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
	MQTTAsync_createOptions o4 = MQTTAsync_createOptions_initializer;
	MQTTAsync_createOptions o5 = MQTTAsync_createOptions_initializer5;
	int rc = MQTTAsync_createWithOptions(&b->handle, b->url, c->client_id,
					     MQTTCLIENT_PERSISTENCE_NONE, NULL,
					     c->version == 5 ? &o5 : &o4);
	if (rc == MQTTASYNC_SUCCESS)
		rc = MQTTAsync_setCallbacks(b->handle, b, on_lost, on_message, NULL);
	if (rc == MQTTASYNC_SUCCESS && c->version == 5)
		rc = MQTTAsync_setDisconnected(b->handle, b, on_told_to_go);
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
			leave(&m->brokers[i]);
	}
	if (!all_away(m, times_mono_us() + 2 * LEAVE_TIMEOUT_MS * TIMES_MS)) {
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
