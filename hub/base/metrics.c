#include "metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "times.h"

static const struct metric_info {
	const char *type, *name, *labels, *help;
} info[METRIC_COUNT] = {
#define METRIC(id, type, name, labels, help) [M_##id] = {#type, name, labels, help},
#include "metrics.def"
#undef METRIC
};

static _Atomic uint64_t value[METRIC_COUNT];

static pthread_mutex_t rows_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rows {
	struct buf text;
	int64_t until_us; /* monotonic */
} rows_of[METRIC_COUNT];

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

static void put_escaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' || s.p[i] == '"')
			buf_putc(out, '\\');
		if (s.p[i] == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, s.p[i]);
	}
}

void metric_put_row(struct buf *rows, enum metric m, const struct metric_label *labels, size_t n,
		    uint64_t v)
{
	buf_puts(rows, info[m].name);
	for (size_t i = 0; i < n; i++) {
		buf_printf(rows, "%c%s=\"", i ? ',' : '{', labels[i].name);
		put_escaped(rows, labels[i].value);
		buf_putc(rows, '"');
	}
	buf_printf(rows, "} %" PRIu64 "\n", v);
}

void metric_set_rows(enum metric m, struct buf *rows, int64_t good_for_us)
{
	pthread_mutex_lock(&rows_lock);
	struct buf old = rows_of[m].text;
	rows_of[m].text = *rows;
	rows_of[m].until_us = rows->failed ? 0 : times_mono_us() + good_for_us;
	*rows = old;
	pthread_mutex_unlock(&rows_lock);
	buf_done(rows);
	*rows = (struct buf){0};
}

static void write_rows(struct buf *out, enum metric m)
{
	pthread_mutex_lock(&rows_lock);
	if (times_mono_us() < rows_of[m].until_us)
		buf_put_slice(out, buf_slice(&rows_of[m].text));
	pthread_mutex_unlock(&rows_lock);
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
		if (strcmp(m->type, "gauge_rows") == 0)
			write_rows(out, (enum metric)i);
		else
			write_value(out, m, metric_get((enum metric)i));
	}
}
