/*
 * route: which adapter reads a message: the first subscription of its broker whose filter matches
 * the topic. Read-only once made; any thread.
 */
#ifndef GRIDHUB_ROUTE_H
#define GRIDHUB_ROUTE_H

#include "adapters/device/adapter.h"
#include "config.h"

struct route;

/* -EINVAL: an adapter or a filter that does not exist (e says which). conf is borrowed. */
must_check int route_new(const struct config *conf, struct err *e, struct route **ret);
void route_free(struct route *r); /* NULL is fine */
const struct device_adapter *route_find(const struct route *r, struct slice source,
					struct slice topic);

/* MQTT's rules for + and #; a filter of $share/GROUP/FILTER matches as FILTER; wildcards do not
 * match $… topics. */
bool route_matches(struct slice filter, struct slice topic);
/* FILTER of $share/GROUP/FILTER, and any other as it is. */
struct slice route_without_share(struct slice filter);
/* # at the end only, + and # alone in their level, not empty. */
bool route_filter_ok(struct slice filter);

#endif
