/*
 * mqtt_link: one broker's connection: what is asked of Paho, and what Paho answers. For mqtt.c
 * only.
 *
 * Requests are the control thread's, without the lock; answers come on Paho's threads and only note
 * what happened.
 */
#ifndef GRIDHUB_MQTT_LINK_H
#define GRIDHUB_MQTT_LINK_H

#include <pthread.h>

#include "log.h"
#include "mqtt.h"
#include "mqtt_paho.h"

#define MQTT_LEAVE_TIMEOUT_MS 3000
#define MQTT_DROPPED_TOPIC "$SYS/broker/publish/messages/dropped"

enum mqtt_state {
	ST_AWAY,	/* not connected; connect at next_us */
	ST_CONNECTING,	/* waiting for Paho */
	ST_CONNECTED,	/* connected, not yet subscribed */
	ST_SUBSCRIBING, /* waiting for SUBACKs */
	ST_PARTLY,	/* connected, a subscription was refused; subscribe again at next_us */
	ST_UP,
	ST_LEAVING, /* waiting for Paho to disconnect */
};

struct mqtt_broker {
	struct mqtt *m;
	const struct broker_conf *conf;
	MQTTAsync handle;
	char *url, *password;
	/* under m->lock */
	enum mqtt_state state;
	bool held;   /* away because the spool is tight */
	bool known;  /* has been up, or failed: until then it is neither good nor bad news */
	bool marked; /* the spool's last marker of it says connected */
	int64_t next_us, pause_us;
	size_t awaiting;	     /* SUBACKs */
	char why[160], tls_why[120]; /* of the last fault */
	struct log_repeat fault;
	uint64_t dropped; /* as the broker's $SYS says */
};

struct mqtt {
	const struct config *conf;
	struct spool *spool;
	struct mqtt_broker *brokers;
	size_t n;
	pthread_t thread;
	bool thread_running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	size_t blocked;	    /* callbacks that hold a message the spool has no room for */
	uint64_t alive_seq; /* the control thread's: where the spool was at alive_us */
	int64_t alive_us;
};

/* Ask, and come back; what becomes of it stands in b->state. */
void mqtt_link_connect(struct mqtt_broker *b);
void mqtt_link_subscribe(struct mqtt_broker *b);
void mqtt_link_leave(struct mqtt_broker *b);
/* Make the client and have it call us. Paho's code. */
int mqtt_link_init(struct mqtt_broker *b, MQTTAsync_messageArrived *on_message);
/* The marker that b's state asks for, if the spool has another one last. */
void mqtt_link_mark(struct mqtt_broker *b);

#endif
