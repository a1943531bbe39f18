#include "metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

static const struct metric_info {
	const char *type, *name, *labels, *help;
} info[METRIC_COUNT] = {
#define METRIC(id, type, name, labels, help) [M_##id] = {#type, name, labels, help},
#include "metrics.def"
#undef METRIC
};

static _Atomic uint64_t value[METRIC_COUNT];

void metric_add(enum metric m, uint64_t n)
{
	atomic_fetch_add_explicit(&value[m], n, memory_order_relaxed);
}

void metric_set(enum metric m, uint64_t v)
{
	atomic_store_explicit(&value[m], v, memory_order_relaxed);
}

uint64_t metric_get(enum metric m)
{
	return atomic_load_explicit(&value[m], memory_order_relaxed);
}

void metrics_write(struct buf *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		if (i == 0 || strcmp(info[i].name, info[i - 1].name) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info[i].name, info[i].help,
				   info[i].name, info[i].type);
		if (info[i].labels[0])
			buf_printf(out, "%s{%s} %" PRIu64 "\n", info[i].name, info[i].labels,
				   metric_get((enum metric)i));
		else
			buf_printf(out, "%s %" PRIu64 "\n", info[i].name,
				   metric_get((enum metric)i));
	}
}
