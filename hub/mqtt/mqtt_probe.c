#include "mqtt_probe.h"

#include <pthread.h>

#include "log.h"
#include "mqtt_paho.h"
#include "times.h"

#define CLIENT_SUFFIX "-doctor"
#define SYS_FILTER "$SYS/broker/#"

struct probe {
	const struct broker_conf *conf;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done, connected;
	char tls_why[MQTT_PROBE_WHY_MAX];
	struct mqtt_probe *ret;
};

/* ---- Paho's threads ---- */

static void answered(struct probe *p, bool connected)
{
	pthread_mutex_lock(&p->lock);
	p->done = true;
	p->connected = connected;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static void refused(struct probe *p, int code, int reason, const char *message)
{
	pthread_mutex_lock(&p->lock);
	mqtt_paho_words(&(struct mqtt_fault){.what = "cannot connect",
					     .v5 = p->conf->version == 5,
					     .code = code,
					     .reason = reason,
					     .message = message,
					     .tls = p->tls_why},
			p->ret->why, sizeof p->ret->why);
	pthread_mutex_unlock(&p->lock);
	answered(p, false);
}

static int on_tls_error(const char *line, size_t n, void *ctx)
{
	struct probe *p = ctx;
	pthread_mutex_lock(&p->lock);
	mqtt_paho_tls_reason((struct slice){line, n}, p->tls_why, sizeof p->tls_why);
	pthread_mutex_unlock(&p->lock);
	return 1;
}

static void on_connected(void *ctx, MQTTAsync_successData *d)
{
	(void)d;
	answered(ctx, true);
}

static void on_connected5(void *ctx, MQTTAsync_successData5 *d)
{
	struct probe *p = ctx;
	int64_t receive =
		MQTTProperties_getNumericValue(&d->properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM);
	int64_t packet = MQTTProperties_getNumericValue(&d->properties,
							MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE);
	pthread_mutex_lock(&p->lock);
	p->ret->receive_max = receive > 0 ? receive : -1;
	p->ret->packet_max = packet > 0 ? packet : -1;
	pthread_mutex_unlock(&p->lock);
	answered(p, true);
}

static void on_failed(void *ctx, MQTTAsync_failureData *d)
{
	refused(ctx, d ? d->code : MQTTASYNC_FAILURE, 0, d ? d->message : NULL);
}

static void on_failed5(void *ctx, MQTTAsync_failureData5 *d)
{
	refused(ctx, d ? d->code : MQTTASYNC_FAILURE, d ? (int)d->reasonCode : 0,
		d ? d->message : NULL);
}

static void take_number(struct slice s, int64_t *ret)
{
	struct slice number;
	if (slice_cut(&s, ' ', &number) && slice_to_i64(number, ret)) /* "12 seconds" */
		*ret = -1;
}

static void take(struct probe *p, struct slice topic, struct slice payload)
{
	const struct {
		const char *topic;
		int64_t *at;
	} numbers[] = {{"$SYS/broker/publish/messages/dropped", &p->ret->dropped},
		       {"$SYS/broker/store/messages/count", &p->ret->stored},
		       {"$SYS/broker/uptime", &p->ret->uptime_s}};
	p->ret->sys = true;
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (slice_is(topic, numbers[i].topic))
			take_number(payload, numbers[i].at);
	if (slice_is(topic, "$SYS/broker/version"))
		snprintf(p->ret->version, sizeof p->ret->version, "%.*s", SL_FMT(payload));
}

static int on_message(void *ctx, char *topic, int topic_n, MQTTAsync_message *m)
{
	struct probe *p = ctx;
	struct slice t = {topic, topic_n > 0 ? (size_t)topic_n : strlen(topic)};
	pthread_mutex_lock(&p->lock);
	take(p, t, (struct slice){m->payload, (size_t)m->payloadlen});
	pthread_mutex_unlock(&p->lock);
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

/* ---- the caller's thread ---- */

static bool wait_answer(struct probe *p, int64_t timeout_us)
{
	struct timespec until = times_mono_in(timeout_us);
	pthread_mutex_lock(&p->lock);
	while (!p->done && !pthread_cond_timedwait(&p->wake, &p->lock, &until))
		;
	if (!p->done)
		snprintf(p->ret->why, sizeof p->ret->why, "no answer in time");
	bool connected = p->connected;
	pthread_mutex_unlock(&p->lock);
	return connected;
}

static int connect_to(struct probe *p, MQTTAsync handle, const char *password, bool tls,
		      int64_t timeout_us)
{
	bool v5 = p->conf->version == 5;
	MQTTAsync_connectOptions o4 = MQTTAsync_connectOptions_initializer;
	MQTTAsync_connectOptions o5 = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_connectOptions o = v5 ? o5 : o4;
	MQTTAsync_SSLOptions ssl = mqtt_paho_tls(p->conf);
	ssl.ssl_error_cb = on_tls_error;
	ssl.ssl_error_context = p;
	o.connectTimeout = (int)(timeout_us / TIMES_SEC);
	o.username = p->conf->username;
	o.password = password;
	o.context = p;
	if (tls)
		o.ssl = &ssl;
	if (v5) {
		o.cleanstart = 1;
		o.onSuccess5 = on_connected5;
		o.onFailure5 = on_failed5;
	} else {
		o.MQTTVersion = MQTTVERSION_3_1_1;
		o.cleansession = 1;
		o.onSuccess = on_connected;
		o.onFailure = on_failed;
	}
	return MQTTAsync_connect(handle, &o);
}

static void listen_to(MQTTAsync handle, int64_t listen_us)
{
	MQTTAsync_responseOptions o = MQTTAsync_responseOptions_initializer;
	if (MQTTAsync_subscribe(handle, SYS_FILTER, 0, &o) != MQTTASYNC_SUCCESS)
		return;
	struct timespec ts = {.tv_sec = listen_us / TIMES_SEC,
			      .tv_nsec = listen_us % TIMES_SEC * 1000};
	nanosleep(&ts, NULL);
}

static void leave(MQTTAsync handle, bool v5)
{
	MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer;
	MQTTAsync_disconnectOptions o5 = MQTTAsync_disconnectOptions_initializer5;
	if (MQTTAsync_disconnect(handle, v5 ? &o5 : &o) == MQTTASYNC_SUCCESS)
		nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
}

static int probe(struct probe *p, int64_t timeout_us, int64_t listen_us, struct err *e)
{
	auto_free char *password = NULL;
	auto_buf struct buf url, id;
	buf_init(&url, 4096);
	buf_init(&id, 4096);
	const struct broker_conf *c = p->conf;
	bool tls = slice_starts(slice_of(c->url), "mqtts://");
	if (c->password_file && file_read_secret(c->password_file, &password, e))
		return -EACCES;
	buf_printf(&url, "%s%s", tls ? "ssl://" : "tcp://", strstr(c->url, "://") + 3);
	buf_printf(&id, "%s" CLIENT_SUFFIX, c->client_id);
	struct broker_conf as = *c;
	as.client_id = buf_str(&id);
	MQTTAsync handle = NULL;
	if (mqtt_paho_create(&as, buf_str(&url), &handle) != MQTTASYNC_SUCCESS)
		return err_set(e, -ENOMEM, "cannot make a client");
	int rc = MQTTAsync_setCallbacks(handle, p, NULL, on_message, NULL);
	if (rc == MQTTASYNC_SUCCESS)
		rc = connect_to(p, handle, password, tls, timeout_us);
	if (rc != MQTTASYNC_SUCCESS) {
		err_set(e, -EIO, "cannot connect (%d)", rc);
	} else if (wait_answer(p, timeout_us)) {
		p->ret->connected = true;
		listen_to(handle, listen_us);
		leave(handle, c->version == 5);
	}
	MQTTAsync_destroy(&handle);
	return rc == MQTTASYNC_SUCCESS ? 0 : -EIO;
}

void mqtt_probe(const struct broker_conf *c, int64_t timeout_us, int64_t listen_us,
		struct mqtt_probe *ret)
{
	*ret = (struct mqtt_probe){
		.dropped = -1, .stored = -1, .uptime_s = -1, .receive_max = -1, .packet_max = -1};
	struct probe p = {.conf = c, .ret = ret};
	struct err e = {0};
	pthread_mutex_init(&p.lock, NULL);
	times_cond_init(&p.wake);
	if (probe(&p, timeout_us, listen_us, &e))
		snprintf(ret->why, sizeof ret->why, "%.290s", e.msg);
	pthread_cond_destroy(&p.wake);
	pthread_mutex_destroy(&p.lock);
}
