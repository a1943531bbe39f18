/*
 * health: which part of the hub is degraded, why, and since when. Any thread; never blocks on I/O.
 */
#ifndef GRIDHUB_HEALTH_H
#define GRIDHUB_HEALTH_H

#include "base.h"

enum health_part {
	HEALTH_MQTT,
	HEALTH_SPOOL,
	HEALTH_DATABASE,
	HEALTH_ENGINE,
	HEALTH_RULES,
	HEALTH_NOTIFY,
	HEALTH_PROBE,
	HEALTH_PARTS
};
enum health_state { HEALTH_STARTING, HEALTH_OK, HEALTH_DEGRADED };

/* `why` is copied (at most 200 bytes) and must hold no secret; "since" moves only when the state
 * changes. */
void health_set(enum health_part part, enum health_state state, const char *why);
/*
 * One JSON object:
 * {"status":"ok|starting|degraded","parts":{"mqtt":{"status":…,"since":…,"why":…},…}}. The status
 * of the whole is the worst of its parts. Returns it.
 */
enum health_state health_write(struct buf *out);
/* A gauge for each part, for /metrics: 1 = degraded. */
void health_metrics(struct buf *out);
/* For one line: "ok", or each part that is not, with its reason. */
void health_brief(struct buf *out);
enum health_state health_get(enum health_part part);

#endif
