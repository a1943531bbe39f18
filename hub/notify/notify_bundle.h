/*
 * notify_bundle: what is owed becomes messages of the outbox, in one transaction: a crash neither
 * repeats nor forgets anything. Owned by the notify thread.
 */
#ifndef GRIDHUB_NOTIFY_BUNDLE_H
#define GRIDHUB_NOTIFY_BUNDLE_H

#include "endpoint.h"
#include "notify_store.h"
#include "schedule.h"

struct notify_bundled {
	size_t items, messages, waiting, dropped,
		nowhere; /* nowhere: messages without an endpoint */
	bool more;	 /* there may be more that is due */
};

/* calendar: of holidays; NULL: there are none. Errors as notify_store's. */
must_check int notify_bundle(struct notify_store *s, const struct endpoints *endpoints,
			     const struct calendar *calendar, struct err *e,
			     struct notify_bundled *ret);

#endif
