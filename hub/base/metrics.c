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

static void write_value(struct buf *out, const struct metric_info *m, uint64_t v)
{
	bool ms = strcmp(m->type, "gauge_ms") == 0;
	buf_puts(out, m->name);
	if (m->labels[0])
		buf_printf(out, "{%s}", m->labels);
	if (ms)
		buf_printf(out, " %" PRIu64 ".%03" PRIu64 "\n", v / 1000, v % 1000);
	else
		buf_printf(out, " %" PRIu64 "\n", v);
}

void metrics_write(struct buf *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *m = &info[i];
		int type = (int)strcspn(m->type, "_");
		if (i == 0 || strcmp(m->name, info[i - 1].name) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %.*s\n", m->name, m->help, m->name,
				   type, m->type);
		write_value(out, m, metric_get((enum metric)i));
	}
}
