#include "mqtt_link.h"

#include "metrics.h"
#include "times.h"

#define CONNECT_TIMEOUT_S 10
#define PAUSE_FIRST_US (500 * TIMES_MS)
#define PAUSE_LAST_US (60 * TIMES_SEC)

/* ---- what Paho tells us; its threads ---- */

/* With m->lock held. */
static void gone(struct mqtt_broker *b, enum mqtt_state to, const char *why)
{
	int64_t now = times_mono_us();
	b->state = to;
	b->known = true;
	b->pause_us = b->pause_us ? MIN_OF(b->pause_us * 2, PAUSE_LAST_US) : PAUSE_FIRST_US;
	b->next_us = now + mqtt_paho_jittered(b->pause_us);
	snprintf(b->why, sizeof b->why, "%s", why ? why : "");
	if (log_repeat_due(&b->fault, now))
		log_warn("mqtt", KM("broker away, trying again"), KS("broker", b->conf->name),
			 KS("why", b->why));
	pthread_cond_broadcast(&b->m->wake);
}

static void move(struct mqtt_broker *b, enum mqtt_state to)
{
	pthread_mutex_lock(&b->m->lock);
	b->state = to;
	pthread_cond_broadcast(&b->m->wake);
	pthread_mutex_unlock(&b->m->lock);
}

/* to: ST_AWAY; or ST_PARTLY, still connected and perhaps with other subscriptions. */
static void failed(struct mqtt_broker *b, enum mqtt_state to, const char *what, int code,
		   int reason, const char *message)
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
	struct mqtt_broker *b = ctx;
	pthread_mutex_lock(&b->m->lock);
	mqtt_paho_tls_reason((struct slice){line, n}, b->tls_why, sizeof b->tls_why);
	pthread_mutex_unlock(&b->m->lock);
	return 1;
}

/* Into the spool, between the messages: what comes from the broker comes from here on, or not any
 * more. What cannot be written now is tried again by the control thread. */
static void mark(struct mqtt_broker *b, enum spool_flag what)
{
	bool done = spool_mark(b->m->spool, what, slice_of(b->conf->name)) == 0;
	pthread_mutex_lock(&b->m->lock);
	b->marked = done ? what == SPOOL_CONNECTED : b->marked;
	pthread_mutex_unlock(&b->m->lock);
}

/* Before what the session holds for us comes in, which it may do at once. */
static void connected(struct mqtt_broker *b)
{
	mark(b, SPOOL_CONNECTED);
	move(b, ST_CONNECTED);
}

static void on_connected(void *ctx, MQTTAsync_successData *d)
{
	(void)d;
	connected(ctx);
}

static void on_connected5(void *ctx, MQTTAsync_successData5 *d)
{
	(void)d;
	connected(ctx);
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
	struct mqtt_broker *b = ctx;
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

static void subscribed(struct mqtt_broker *b)
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

/* ---- what we tell Paho; the control thread, without the lock ---- */

/* It may have been changed while we were connected. What cannot be read leaves us with the one we
 * have. */
static void read_password(struct mqtt_broker *b)
{
	char *password = NULL;
	struct err e = {0};
	if (!b->conf->password_file)
		return;
	if (file_read_secret(b->conf->password_file, &password, &e)) {
		log_warn("mqtt", KM("password not read anew"), KS("broker", b->conf->name),
			 KS("why", e.msg));
		return;
	}
	free(b->password);
	b->password = password;
}

void mqtt_link_connect(struct mqtt_broker *b)
{
	if (MQTTAsync_isConnected(b->handle)) { /* it was subscribing that failed */
		move(b, ST_CONNECTED);
		return;
	}
	const struct broker_conf *c = b->conf;
	bool v5 = c->version == 5;
	read_password(b);
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

static int subscribe_one(struct mqtt_broker *b, const char *topic, int qos, bool told)
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

/* A lasting session keeps what it was subscribed to before its filter was shared: the hub would go
 * on getting every message, beside its share. */
static void unsubscribe_unshared(struct mqtt_broker *b, const char *topic)
{
	static const char share[] = "$share/";
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;
	const char *slash = strncmp(topic, share, sizeof share - 1) == 0
				    ? strchr(topic + sizeof share - 1, '/')
				    : NULL;
	for (size_t i = 0; slash && i < b->conf->nsubs; i++)
		if (strcmp(b->conf->subs[i].topic, slash + 1) == 0)
			return;
	if (slash && MQTTAsync_unsubscribe(b->handle, slash + 1, &o) != MQTTASYNC_SUCCESS)
		log_warn("mqtt", KM("cannot unsubscribe"), KS("broker", b->conf->name),
			 KS("topic", slash + 1));
}

void mqtt_link_subscribe(struct mqtt_broker *b)
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
		unsubscribe_unshared(b, b->conf->subs[i].topic);
	}
	if (subscribe_one(b, MQTT_DROPPED_TOPIC, 0, false) != MQTTASYNC_SUCCESS)
		log_debug("mqtt", KM("no $SYS topics"), KS("broker", b->conf->name));
}

void mqtt_link_leave(struct mqtt_broker *b)
{
	MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer;
	MQTTAsync_disconnectOptions o5 = MQTTAsync_disconnectOptions_initializer5;
	o.timeout = o5.timeout = MQTT_LEAVE_TIMEOUT_MS;
	o.context = o5.context = b;
	o.onSuccess = on_left;
	o.onFailure = on_leave_failed;
	o5.onSuccess5 = on_left5;
	o5.onFailure5 = on_leave_failed5;
	if (MQTTAsync_disconnect(b->handle, b->conf->version == 5 ? &o5 : &o) != MQTTASYNC_SUCCESS)
		move(b, ST_AWAY);
}

/* ---- for the control thread ---- */

void mqtt_link_mark(struct mqtt_broker *b)
{
	pthread_mutex_lock(&b->m->lock);
	bool here = b->state >= ST_CONNECTED && b->state <= ST_UP;
	bool left = b->state == ST_AWAY && b->marked, came = here && !b->marked;
	pthread_mutex_unlock(&b->m->lock);
	if (left || came)
		mark(b, left ? SPOOL_AWAY : SPOOL_CONNECTED);
}

int mqtt_link_init(struct mqtt_broker *b, MQTTAsync_messageArrived *on_message)
{
	int rc = mqtt_paho_create(b->conf, b->url, &b->handle);
	if (rc == MQTTASYNC_SUCCESS)
		rc = MQTTAsync_setCallbacks(b->handle, b, on_lost, on_message, NULL);
	if (rc == MQTTASYNC_SUCCESS && b->conf->version == 5)
		rc = MQTTAsync_setDisconnected(b->handle, b, on_told_to_go);
	return rc;
}
