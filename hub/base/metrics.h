/*
 * metrics: counters and gauges of the whole process, in Prometheus text (exposition format 0.0.4).
 *
 * metrics.def is the table: one line each, `METRIC(ID, type, "name", "labels", "help")`. Lines of
 * one name stand together. Any thread, lock-free but for rows, which are only copied under a lock.
 */
#ifndef GRIDHUB_METRICS_H
#define GRIDHUB_METRICS_H

#include "base.h"

enum metric {
#define METRIC(id, type, name, labels, help) M_##id,
#include "metrics.def"
#undef METRIC
	METRIC_COUNT
};

void metric_add(enum metric m, uint64_t n);
void metric_set(enum metric m, uint64_t v); /* for gauges */
uint64_t metric_get(enum metric m);
void metrics_write(struct buf *out);

/*
 * gauge_rows: labels whose values are known at run time only. Whoever knows them gives all rows
 * anew, so that none is left of what is gone; they are not told for longer than good_for_us, for
 * what nobody could look at is not known.
 */
struct metric_label {
	const char *name;
	struct slice value; /* any text; escaped */
};
void metric_put_row(struct buf *rows, enum metric m, const struct metric_label *labels, size_t n,
		    uint64_t v);
/* Takes what rows holds; one that is cut (rows->failed) is not told at all. */
void metric_set_rows(enum metric m, struct buf *rows, int64_t good_for_us);

#endif
