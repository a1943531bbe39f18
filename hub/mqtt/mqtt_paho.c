#include "mqtt_paho.h"

#include <sys/random.h>

#include "log.h"
#include "times.h"

#define OLDEST_PAHO 1, 3, 10
#define TLS_REASON_AT 5 /* "thread:error:code:library:function:reason:file:line:data" */

#define VERSION_PARTS 3

static int parse_version(const char *text, int64_t ret[static VERSION_PARTS])
{
	struct slice rest = slice_of(text), part;
	for (size_t i = 0; i < VERSION_PARTS; i++)
		if (!slice_cut(&rest, '.', &part) || slice_to_i64(part, &ret[i]))
			return -EINVAL;
	return 0;
}

static int cmp_version(const int64_t a[static VERSION_PARTS], const int64_t b[static VERSION_PARTS])
{
	for (size_t i = 0; i < VERSION_PARTS; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

int mqtt_paho_check(struct err *e)
{
	static const int64_t oldest[VERSION_PARTS] = {OLDEST_PAHO};
	int64_t have[VERSION_PARTS];
	const char *version = "unknown";
	for (MQTTAsync_nameValue *v = MQTTAsync_getVersionInfo(); v->name; v++)
		if (strcmp(v->name, "Version") == 0)
			version = v->value;
	if (parse_version(version, have))
		return err_set(e, -EPROTONOSUPPORT, "Paho of an unknown version \"%s\"", version);
	if (cmp_version(have, oldest) < 0)
		return err_set(e, -EPROTONOSUPPORT,
			       "Paho %s acknowledges before the callback returns: 1.3.10 or later "
			       "is needed",
			       version);
	return 0;
}

/* Paho hands on the broker's refusal as a bare number. */
static const char *refusal(const struct mqtt_fault *f)
{
	static const char *const connack[] = {
		NULL,
		"unacceptable protocol version",
		"client id refused",
		"broker unavailable",
		"bad user name or password",
		"not authorized",
	};
	int reason = f->reason ? f->reason : f->code;
	if (f->v5)
		return reason >= MQTTREASONCODE_UNSPECIFIED_ERROR
			       ? MQTTReasonCode_toString((enum MQTTReasonCodes)reason)
			       : NULL;
	if (f->code == MQTT_BAD_SUBSCRIBE)
		return "refused by the broker";
	return f->code > 0 && f->code < (int)COUNT_OF(connack) ? connack[f->code] : NULL;
}

void mqtt_paho_words(const struct mqtt_fault *f, char *ret, size_t n)
{
	const char *text = refusal(f);
	if (!text && f->tls && f->tls[0])
		text = f->tls;
	if (!text)
		text = f->message ? f->message : MQTTAsync_strerror(f->code);
	snprintf(ret, n, "%s: %s (%d)", f->what, text, f->reason > 0 ? f->reason : f->code);
}

void mqtt_paho_tls_reason(struct slice line, char *ret, size_t n)
{
	struct slice rest = line, part = line;
	for (size_t i = 0; i <= TLS_REASON_AT && slice_cut(&rest, ':', &part); i++)
		;
	snprintf(ret, n, "TLS: %.*s", SL_FMT(slice_trim(part)));
}

MQTTAsync_SSLOptions mqtt_paho_tls(const struct broker_conf *c)
{
	MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
	ssl.trustStore = c->ca_file;
	ssl.CApath = c->ca_file ? NULL : "/etc/ssl/certs";
	ssl.keyStore = c->cert_file;
	ssl.privateKey = c->key_file;
	ssl.enableServerCertAuth = 1;
	ssl.verify = 1;
	ssl.sslVersion = MQTT_SSL_VERSION_TLS_1_2;
	return ssl;
}

void mqtt_paho_property(MQTTProperties *props, enum MQTTPropertyCodes code, int64_t value)
{
	MQTTProperty p = {.identifier = code};
	if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
		p.value.integer2 = (unsigned short)value;
	else
		p.value.integer4 = (unsigned int)value;
	if (MQTTProperties_add(props, &p))
		log_error("mqtt", KM("cannot set a connect property"), KI("property", code));
}

int mqtt_paho_create(const struct broker_conf *c, const char *url, MQTTAsync *ret)
{
	MQTTAsync_createOptions o4 = MQTTAsync_createOptions_initializer;
	MQTTAsync_createOptions o5 = MQTTAsync_createOptions_initializer5;
	return MQTTAsync_createWithOptions(ret, url, c->client_id, MQTTCLIENT_PERSISTENCE_NONE,
					   NULL, c->version == 5 ? &o5 : &o4);
}

int64_t mqtt_paho_jittered(int64_t us)
{
	uint32_t x = 0;
	if (getrandom(&x, sizeof x, GRND_NONBLOCK) != sizeof x)
		x = (uint32_t)times_mono_us();
	return us * 3 / 4 + (int64_t)(x % 1000) * us / 2000;
}
