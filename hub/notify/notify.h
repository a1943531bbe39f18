/*
 * notify: the alerts that the outbox owes, out to grid leaders by webhook (libcurl multi).
 *
 * One thread with its own connection to PostgreSQL. It claims due rows (FOR UPDATE SKIP LOCKED, a
 * lease as data), lets the endpoint's webhook adapter make body and headers, sends, and records
 * every attempt. A row is deleted only when the receiver has accepted it; a final refusal or the
 * end of the schedule moves it to the dead letter. Order is kept per case; the same id goes out on
 * every retry. A crash between sending and recording sends again with the same id once the lease
 * runs out.
 */
#ifndef GRIDHUB_NOTIFY_H
#define GRIDHUB_NOTIFY_H

#include "config.h"
#include "rule.h"

struct notify;

/* Start the thread. conf is borrowed and must outlive it; of the rules, their holidays. -EINVAL: an
 * endpoint's secret cannot be read (e says which). */
must_check int notify_start(const struct config *conf, struct rules *rules, struct err *e,
			    struct notify **ret);
/* Any thread: these from now on. */
void notify_use_rules(struct notify *n, struct rules *rules);
/* One thread at a time: read the endpoints of the configuration file anew, with their URLs,
 * secrets, templates and rates; from the next request on. If anything in the file is bad the old
 * ones stay, health says so, and e says why (errors as config_load's and notify_start's). */
must_check int notify_reload_endpoints(struct notify *n, struct err *e);
/* Any thread: there may be something new in the outbox. Never blocks. */
void notify_wake(struct notify *n);
/* Any thread: the hub is about to stop; a connection to the database that is lost from here on is
 * not made anew. NULL is fine. */
void notify_stop_soon(struct notify *n);
/* Finish what is in flight (at most notify.stop_grace), then end the thread and free. NULL is fine.
 */
void notify_stop(struct notify *n);

#endif
