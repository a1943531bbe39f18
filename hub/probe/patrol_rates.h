/*
 * patrol_rates: what the streams of the district and its subdistricts are now, for /metrics.
 * Private to patrol*.c.
 *
 * The figures are the database's, so those of all hubs, as `gridhub stream rate` has them. To ask
 * for them costs a tenth of a second with 17,000 streams: it is done each minute, sooner only
 * after the start, when they change fast.
 */
#ifndef GRIDHUB_PATROL_RATES_H
#define GRIDHUB_PATROL_RATES_H

#include "pg.h"

struct patrol_rates { /* zeroed: nothing was asked yet */
	int64_t at_us, pause_us;
};

/* Asks if it is due. The connection's thread. */
must_check int patrol_rates_tell(struct patrol_rates *r, struct pg *pg, int64_t district,
				 struct err *e);

#endif
