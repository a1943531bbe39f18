#include "rule_grid.h"

#define BUCKETS_FIRST 64

int64_t grid_id_of(const struct device *d)
{
	return d->grid ? d->grid->id : 0;
}

static struct grid_state *of(struct state *st)
{
	return (struct grid_state *)st;
}

int64_t grid_of_state(const struct state *st)
{
	return ((const struct grid_state *)st)->grid_id;
}

static size_t bucket(const struct grid_table *t, int64_t grid_id)
{
	return ((uint64_t)grid_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (t->nheads - 1);
}

static struct state *first_of(struct grid_state *g, int64_t grid_id)
{
	while (g && g->grid_id != grid_id)
		g = g->next;
	return g ? &g->st : NULL;
}

struct state *grid_state_first(const struct rule_states *s, int64_t grid_id)
{
	const struct grid_table *t = &s->grids;
	return t->n ? first_of(t->heads[bucket(t, grid_id)], grid_id) : NULL;
}

struct state *grid_state_next(const struct state *st)
{
	const struct grid_state *g = (const struct grid_state *)st;
	return first_of(g->next, g->grid_id);
}

struct state *grid_state_find(const struct rule_states *s, int64_t grid_id, const struct rule *rule)
{
	struct state *st = grid_state_first(s, grid_id);
	while (st && st->rule != rule)
		st = grid_state_next(st);
	return st;
}

static void push(struct grid_table *t, struct grid_state *g)
{
	struct grid_state **head = &t->heads[bucket(t, g->grid_id)];
	g->next = *head;
	*head = g;
}

static int grow(struct grid_table *t)
{
	struct grid_table more = {.nheads = MAX_OF(2 * t->nheads, (size_t)BUCKETS_FIRST),
				  .n = t->n};
	more.heads = mem_new(more.nheads * sizeof(struct grid_state *));
	if (!more.heads)
		return -ENOMEM;
	for (size_t i = 0; i < t->nheads; i++) {
		for (struct grid_state *g = t->heads[i], *next; g; g = next) {
			next = g->next;
			push(&more, g);
		}
	}
	free(t->heads);
	*t = more;
	return 0;
}

int grid_state_link(struct rule_states *s, struct state *st, int64_t grid_id)
{
	struct grid_table *t = &s->grids;
	int r = t->n >= t->nheads ? grow(t) : 0;
	if (r)
		return r;
	of(st)->grid_id = grid_id;
	push(t, of(st));
	t->n++;
	return 0;
}

void grid_state_unlink(struct rule_states *s, struct state *st)
{
	struct grid_table *t = &s->grids;
	struct grid_state **at = t->n ? &t->heads[bucket(t, of(st)->grid_id)] : NULL;
	while (at && *at && *at != of(st))
		at = &(*at)->next;
	if (!at || !*at)
		return;
	*at = of(st)->next;
	t->n--;
}
