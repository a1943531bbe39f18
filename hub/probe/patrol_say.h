/*
 * patrol_say: a look as a message in the spool, and when it is night at a camera. Private to
 * patrol*.c.
 */
#ifndef GRIDHUB_PATROL_SAY_H
#define GRIDHUB_PATROL_SAY_H

#include "patrol_set.h"
#include "spool.h"

/* fields: a JSON object (baseline_judge). snapshot: "" = none. Errors as spool_append. */
must_check int patrol_say(struct spool *spool, const struct patrol_stream *s, struct slice fields,
			  const char *snapshot, int64_t now_us);
/* By the sun at its place, or by the hours of probe.night, or, where no place is known, from 19:00
 * to 06:00 of the process's time zone. */
bool patrol_night(const struct config *conf, const struct patrol_stream *s, int64_t now_us);
/* Degrees above the horizon; good to half a degree. Pure. */
double patrol_sun(double lon, double lat, int64_t now_us);

#endif
