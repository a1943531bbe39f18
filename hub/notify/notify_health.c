#include "notify_health.h"

#include "health.h"
#include "metrics.h"
#include "retry.h"
#include "times.h"

#define GAUGES_US (5 * TIMES_SEC)  /* at least so far apart, */
#define GAUGES_COST 50		   /* and so many times what they take */
#define OVERDUE_US (3 * TIMES_MIN) /* an alert due for so long: health is degraded */
#define FAILING_MAX (1024 * 1024)

static const char refused_why[] =
	"the new endpoints are bad, the old ones stay in force (see the log)";

void notify_health_refused(void)
{
	health_set(HEALTH_NOTIFY, HEALTH_DEGRADED, refused_why);
}

static void tell(bool refused, const struct notify_gauges *g)
{
	char why[192];
	if (refused)
		snprintf(why, sizeof why, "%s", refused_why);
	else if (g->disabled[0])
		snprintf(why, sizeof why, "endpoint %s is disabled and alerts wait for it",
			 g->disabled);
	else if (g->overdue_us > OVERDUE_US)
		snprintf(why, sizeof why, "an alert has been due for %lld s",
			 (long long)(g->overdue_us / TIMES_SEC));
	else
		why[0] = 0;
	metric_set(M_OUTBOX_PENDING, (uint64_t)g->pending);
	metric_set(M_OUTBOX_DEAD, (uint64_t)g->dead);
	health_set(HEALTH_NOTIFY, why[0] ? HEALTH_DEGRADED : HEALTH_OK, why);
}

static void failing_receivers(const struct receivers *r, struct buf *out)
{
	pg_array_begin(out);
	for (size_t i = 0; i < r->now.n; i++)
		if (pace_open(&r->list[i].pace))
			pg_array_str(out, slice_of(r->now.list[i].conf->name));
	pg_array_end(out);
}

int notify_health_look(struct notify_health *h, struct notify_store *s,
		       const struct receivers *receivers, bool refused, struct err *e)
{
	struct notify_gauges g;
	auto_buf struct buf failing;
	int64_t start = times_mono_us();
	int64_t span = RETRY_SPAN_US / 100 * receivers->now.conf->notify.retry_scale_pct;
	buf_init(&failing, FAILING_MAX);
	failing_receivers(receivers, &failing);
	int rc = notify_store_gauges(s, span, buf_slice(&failing), e, &g);
	if (rc)
		return rc;
	int64_t now = times_mono_us();
	h->at_us = now + MAX_OF(GAUGES_US, (now - start) * GAUGES_COST);
	tell(refused, &g);
	return 0;
}
