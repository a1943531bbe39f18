#include "engine_hand.h"

#include "log.h"
#include "registry.h"

#define IDS_MAX REGISTRY_DEVICES_MAX

struct hand_entry {
	struct hand_entry *next;
	struct pg_rows *rows; /* taken over; NULL: ids are let go */
	int64_t *ids;
	size_t n, cap;
};

void engine_hand_init(struct engine_hand *h)
{
	*h = (struct engine_hand){0};
	pthread_mutex_init(&h->lock, NULL);
}

static void entry_free(struct hand_entry *x)
{
	pg_rows_free(x->rows);
	free(x->ids);
	free(x);
}

void engine_hand_done(struct engine_hand *h)
{
	while (h->first) {
		struct hand_entry *x = h->first;
		h->first = x->next;
		entry_free(x);
	}
	pthread_mutex_destroy(&h->lock);
}

/* Under the lock. */
static struct hand_entry *append(struct engine_hand *h)
{
	struct hand_entry *x = mem_new(sizeof *x);
	if (!x)
		return NULL;
	if (h->last)
		h->last->next = x;
	else
		h->first = x;
	h->last = x;
	return x;
}

static void no_memory(void)
{
	log_error("engine", KM("no memory to hand over states of rules; cases may stay open"));
}

void engine_hand_over(struct engine_hand *h, struct pg_rows *rows)
{
	pthread_mutex_lock(&h->lock);
	struct hand_entry *x = append(h);
	if (x)
		x->rows = rows;
	pthread_mutex_unlock(&h->lock);
	if (x)
		return;
	pg_rows_free(rows);
	no_memory();
}

void engine_hand_away(struct engine_hand *h, const int64_t *ids, size_t n)
{
	if (!n)
		return;
	pthread_mutex_lock(&h->lock);
	struct hand_entry *x = h->last && !h->last->rows ? h->last : append(h);
	bool room = x && !mem_grow(&x->ids, &x->cap, x->n + n, IDS_MAX, sizeof *x->ids);
	if (room) {
		memcpy(x->ids + x->n, ids, n * sizeof *ids);
		x->n += n;
	}
	pthread_mutex_unlock(&h->lock);
	if (!room)
		no_memory();
}

static int take(struct hand_entry *x, struct engine_load *ld)
{
	if (x->rows)
		return engine_load_taken(ld, x->rows);
	for (size_t i = 0; i < x->n; i++) {
		const struct device *d = registry_device(ld->in->registry, x->ids[i]);
		if (d)
			rule_states_let_go(ld->in->states, d);
	}
	return 0;
}

int engine_hand_take(struct engine_hand *h, struct engine_load *ld)
{
	int r = 0;
	pthread_mutex_lock(&h->lock);
	struct hand_entry *x = h->first;
	h->first = h->last = NULL;
	pthread_mutex_unlock(&h->lock);
	while (x) {
		struct hand_entry *next = x->next;
		r = r ? r : take(x, ld);
		entry_free(x);
		x = next;
	}
	return r;
}
