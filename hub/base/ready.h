/*
 * ready: what systemd is told of the hub (sd_notify): when it is ready, how it is, and that it is
 * alive. The only module that knows libsystemd. Does nothing when nobody asked ($NOTIFY_SOCKET).
 *
 * Ready is a hub that takes messages in: when its rules remember what they did and judge, or, when
 * the database does not answer, as soon as that is known. Waiting for the database would have
 * systemd kill and start the hub for as long as that is away, and the brokers would have to hold
 * the messages that the spool is there for.
 *
 * The watchdog gets its sign of life only while no thread is stuck (pulse.h). One thread, the main
 * one.
 */
#ifndef GRIDHUB_READY_H
#define GRIDHUB_READY_H

#include "base.h"

struct ready {
	bool told;	     /* READY=1 */
	int64_t watchdog_us; /* systemd's patience; 0 = no watchdog */
	int64_t since_us;    /* monotonic */
	bool stuck;
	uint64_t status; /* hash of the last one */
};

/* When all has been started. False: nobody is to be told, and nothing else need be called. */
bool ready_begin(struct ready *r);
/* Say what there is to say; returns how long to wait before the next call. */
int64_t ready_tick(struct ready *r);
/* SIGHUP came; what came of it (NULL: all well). */
void ready_reloading(void);
void ready_reloaded(struct ready *r);
void ready_stopping(void);

#endif
