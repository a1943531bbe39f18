/*
 * mqtt: takes messages from brokers into the spool (Eclipse Paho MQTTAsync).
 *
 * A message is acknowledged when Paho's callback returns, and the callback returns only when the
 * record stands in the spool (Paho 1.3.10 and later acknowledge after the callback; older ones are
 * refused). Sessions last, so what comes in while the hub is away waits at the broker. When the
 * spool gets tight the hub leaves the broker and comes back when there is room: nothing is dropped
 * here. Reconnects with growing, jittered pauses.
 */
#ifndef GRIDHUB_MQTT_H
#define GRIDHUB_MQTT_H

#include "config.h"
#include "spool.h"

struct mqtt;

/* conf and spool are borrowed. -EPROTONOSUPPORT: the Paho library is too old; -EACCES…: a password
 * file. */
must_check int mqtt_start(const struct config *conf, struct spool *spool, struct err *e,
			  struct mqtt **ret);
/*
 * Leave all brokers (their sessions stay) and free. NULL is fine. False: Paho's threads did not let
 * go and may still append, so the spool must stay open until the process ends.
 */
bool mqtt_stop(struct mqtt *m);

#endif
