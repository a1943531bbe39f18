#include "rule_crowd.h"

#include "metrics.h"

/* Those of a grid whose newest look said yes. */
struct crowd {
	struct crowd *next; /* of the same head */
	int64_t grid_id;
	uint32_t sink;
	uint32_t n;
	size_t cap;
	struct crowd_member {
		uint32_t device; /* slot */
		int64_t at_us;
	} * v;
};

static size_t crowd_head(const struct rule_memory *m, int64_t grid_id, uint32_t sink)
{
	const uint64_t key[2] = {(uint64_t)grid_id, sink};
	return hash64((struct slice){(const char *)key, sizeof key}, 0) & (m->nheads - 1);
}

static struct crowd *find_crowd(const struct rule_memory *m, int64_t grid_id, uint32_t sink)
{
	struct crowd *c = m->nheads ? m->crowds[crowd_head(m, grid_id, sink)] : NULL;
	while (c && (c->grid_id != grid_id || c->sink != sink))
		c = c->next;
	return c;
}

static int grow_crowds(struct rule_memory *m)
{
	struct rule_memory bigger = {.nheads = MAX_OF(2 * m->nheads, (size_t)64)};
	bigger.crowds = mem_new(bigger.nheads * sizeof(struct crowd *));
	if (!bigger.crowds)
		return -ENOMEM;
	for (size_t i = 0; i < m->nheads; i++) {
		for (struct crowd *c = m->crowds[i], *next; c; c = next) {
			size_t h = crowd_head(&bigger, c->grid_id, c->sink);
			next = c->next;
			c->next = bigger.crowds[h];
			bigger.crowds[h] = c;
		}
	}
	free(m->crowds);
	m->crowds = bigger.crowds;
	m->nheads = bigger.nheads;
	return 0;
}

static struct crowd *crowd_of(struct rule_memory *m, int64_t grid_id, uint32_t sink)
{
	struct crowd *c = find_crowd(m, grid_id, sink);
	if (c || (m->ncrowds >= m->nheads && grow_crowds(m)))
		return c;
	c = mem_new(sizeof *c);
	if (!c)
		return NULL;
	size_t h = crowd_head(m, grid_id, sink);
	*c = (struct crowd){.next = m->crowds[h], .grid_id = grid_id, .sink = sink};
	m->crowds[h] = c;
	m->ncrowds++;
	return c;
}

void crowd_leave(struct rule_memory *m, const struct mark *mark, uint32_t device)
{
	struct crowd *c = mark->yes ? find_crowd(m, mark->grid_id, mark->sink) : NULL;
	for (uint32_t i = 0; c && i < c->n; i++) {
		if (c->v[i].device != device)
			continue;
		c->v[i] = c->v[--c->n];
		return;
	}
}

/* Whoever has been there for longer than the window does not count any more. */
static void thin_crowd(struct crowd *c, int64_t since_us)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->n; i++)
		if (c->v[i].at_us > since_us)
			c->v[n++] = c->v[i];
	c->n = n;
}

int crowd_join(struct rule_states *s, const struct mark *mark, uint32_t device)
{
	struct crowd *c = crowd_of(&s->memory, mark->grid_id, mark->sink);
	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->v[i].device == device) {
			c->v[i].at_us = mark->at_us;
			return 0;
		}
	}
	if (c->n == CROWD_MAX)
		thin_crowd(c, mark->at_us - s->set->sinks[mark->sink].span_us);
	int r = mem_grow(&c->v, &c->cap, c->n + 1u, CROWD_MAX, sizeof *c->v);
	if (r == -E2BIG) {
		metric_add(M_RULE_CROWDED, 1);
		return 0;
	}
	if (!r)
		c->v[c->n++] = (struct crowd_member){device, mark->at_us};
	return r;
}

struct cel_value memory_devices(const struct rule_states *s, const struct device *d,
				const struct slot_info *info, int64_t at_us)
{
	const struct crowd *c = d->grid ? find_crowd(&s->memory, d->grid->id, info->of) : NULL;
	int64_t n = 0, since_us = at_us - s->set->sinks[info->of].span_us;
	for (uint32_t i = 0; c && i < c->n; i++)
		n += c->v[i].at_us > since_us;
	return CEL_OF_INT(n);
}

void crowds_drop(struct rule_memory *m)
{
	for (size_t i = 0; i < m->nheads; i++) {
		for (struct crowd *c = m->crowds[i], *next; c; c = next) {
			next = c->next;
			free(c->v);
			free(c);
		}
	}
	free(m->crowds);
	m->crowds = NULL;
	m->ncrowds = m->nheads = 0;
}
