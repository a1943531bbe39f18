/*
 * metrics: counters and gauges of the whole process, in Prometheus text (exposition format 0.0.4).
 *
 * metrics.def is the table: one line each, `METRIC(ID, type, "name", "labels", "help")`. Lines of
 * one name stand together. Any thread, lock-free.
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

#endif
