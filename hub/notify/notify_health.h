/*
 * notify_health: what the outbox looks like from outside: gauges, and whether notify is well. Looks
 * every now and then, the less often the longer it takes. Owned by the notify thread, but where
 * said.
 */
#ifndef GRIDHUB_NOTIFY_HEALTH_H
#define GRIDHUB_NOTIFY_HEALTH_H

#include "notify_receivers.h"
#include "notify_store.h"

struct notify_health {
	int64_t at_us; /* of the next look; monotonic */
};

/* Look, and declare dead what waited for the whole schedule of a receiver that fails. refused: the
 * last endpoints that were read anew were bad. Errors as notify_store's. */
must_check int notify_health_look(struct notify_health *h, struct notify_store *s,
				  const struct receivers *receivers, bool refused, struct err *e);
/* Any thread: they were just refused. */
void notify_health_refused(void);

#endif
