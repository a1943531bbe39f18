/*
 * mqtt_paho: what Paho is, what it is given, and what its codes mean in words. For mqtt.c only.
 * Pure.
 */
#ifndef GRIDHUB_MQTT_PAHO_H
#define GRIDHUB_MQTT_PAHO_H

#include <MQTTAsync.h>

#include "config.h"

/* -EPROTONOSUPPORT: a Paho that acknowledges a message before the callback has returned. */
must_check int mqtt_paho_check(struct err *e);

struct mqtt_fault {
	const char *what; /* that could not be done */
	bool v5;
	int code, reason;	   /* Paho's; an MQTT 5 reason code, 0 = none */
	const char *message, *tls; /* further words if there are any, else NULL or empty */
};
/* "cannot connect: not authorized (5)"; always ends with a NUL. */
void mqtt_paho_words(const struct mqtt_fault *f, char *ret, size_t n);
/* Of a line of OpenSSL's error queue, the reason: "certificate verify failed". */
void mqtt_paho_tls_reason(struct slice line, char *ret, size_t n);

/* conf is borrowed by the result. */
MQTTAsync_SSLOptions mqtt_paho_tls(const struct broker_conf *c);
/* A client of its own for the broker, its callbacks not yet set. */
int mqtt_paho_create(const struct broker_conf *c, const char *url, MQTTAsync *ret);
/* Between 3/4 and 5/4 of it, so that hubs do not come back all at once. */
int64_t mqtt_paho_jittered(int64_t us);
/* To the properties of a connect; MQTTProperties_free() them. */
void mqtt_paho_property(MQTTProperties *props, enum MQTTPropertyCodes code, int64_t value);

#endif
