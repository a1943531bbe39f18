/*
 * mqtt_probe: go to a broker as a client of its own, and hear what it says of itself. For `gridhub
 * doctor`: another client id than the hub's, no session, no subscription but $SYS.
 */
#ifndef GRIDHUB_MQTT_PROBE_H
#define GRIDHUB_MQTT_PROBE_H

#include "config.h"

#define MQTT_PROBE_WHY_MAX 300

struct mqtt_probe {
	bool connected;
	char why[MQTT_PROBE_WHY_MAX]; /* why not */
	bool sys;		      /* it tells of itself; the rest is of $SYS, -1 = not told */
	char version[80];
	int64_t dropped; /* messages thrown away since it started */
	int64_t stored;	 /* messages it holds */
	int64_t uptime_s;
	int64_t receive_max, packet_max; /* MQTT 5: what it takes; -1 = no limit was told */
};

/* At most timeout_us to connect, and then listen_us to hear $SYS. Blocks; never fails but in *ret.
 */
void mqtt_probe(const struct broker_conf *c, int64_t timeout_us, int64_t listen_us,
		struct mqtt_probe *ret);

#endif
