#include "registry.h"

#define ADDRESS_SEED 1

/*
 * DESIGN: open-addressing tables of pointers, twice as large as what they hold; a removed entry
 * leaves a mark. A device struct is allocated once and changed in place, so that pointers to it
 * survive an update.
 */
struct table {
	void **v;	     /* NULL = free, TOMBSTONE = removed */
	size_t n, used, cap; /* entries; entries and marks; power of two */
};

static char tombstone;
#define TOMBSTONE ((void *)&tombstone)

struct device_node {
	struct device d; /* first: a const struct device * is its node */
	int64_t grid_id;
	uint64_t address_hash;
};

struct grid_node {
	struct grid g;
};

struct registry {
	struct table by_address, by_id, grids;
	uint32_t next_slot;
	uint32_t *free_slots; /* of removed devices */
	size_t nfree, free_cap;
};

typedef bool (*match_fn)(const void *entry, const void *key);

static uint64_t hash_id(int64_t id)
{
	uint64_t x = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15);
	return x ^ (x >> 32);
}

static uint64_t hash_address(struct slice adapter, struct slice address)
{
	return hash64(address, hash64(adapter, ADDRESS_SEED));
}

static int table_insert(struct table *t, uint64_t hash, void *entry);

static int table_rehash(struct table *t, size_t cap, uint64_t (*hash_of)(const void *))
{
	struct table new = {.v = calloc(cap, sizeof(void *)), .cap = cap};
	if (!new.v)
		return -ENOMEM;
	for (size_t i = 0; i < t->cap; i++)
		if (t->v[i] && t->v[i] != TOMBSTONE &&
		    table_insert(&new, hash_of(t->v[i]), t->v[i]))
			break;
	free(t->v);
	*t = new;
	return 0;
}

static int table_insert(struct table *t, uint64_t hash, void *entry)
{
	for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		if (!t->v[i] || t->v[i] == TOMBSTONE) {
			t->used += !t->v[i];
			t->v[i] = entry;
			t->n++;
			return 0;
		}
	}
}

static int table_put(struct table *t, uint64_t hash, void *entry, uint64_t (*hash_of)(const void *))
{
	if ((t->used + 1) * 2 > t->cap) {
		size_t cap = 64;
		while (cap < (t->n + 1) * 4)
			cap *= 2;
		int r = table_rehash(t, cap, hash_of);
		if (r)
			return r;
	}
	return table_insert(t, hash, entry);
}

static void **table_at(const struct table *t, uint64_t hash, match_fn match, const void *key)
{
	if (!t->cap)
		return NULL;
	for (size_t i = hash & (t->cap - 1); t->v[i]; i = (i + 1) & (t->cap - 1))
		if (t->v[i] != TOMBSTONE && match(t->v[i], key))
			return &t->v[i];
	return NULL;
}

static void *table_get(const struct table *t, uint64_t hash, match_fn match, const void *key)
{
	void **at = table_at(t, hash, match, key);
	return at ? *at : NULL;
}

static void table_remove(struct table *t, uint64_t hash, match_fn match, const void *key)
{
	void **at = table_at(t, hash, match, key);
	if (at) {
		*at = TOMBSTONE;
		t->n--;
	}
}

/* ---- what the tables hold ---- */

static uint64_t device_id_hash(const void *e)
{
	return hash_id(((const struct device_node *)e)->d.id);
}

static uint64_t device_address_hash(const void *e)
{
	return ((const struct device_node *)e)->address_hash;
}

static uint64_t grid_id_hash(const void *e)
{
	return hash_id(((const struct grid_node *)e)->g.id);
}

static bool device_has_id(const void *e, const void *key)
{
	return ((const struct device_node *)e)->d.id == *(const int64_t *)key;
}

static bool device_is(const void *e, const void *key)
{
	return e == key;
}

static bool grid_has_id(const void *e, const void *key)
{
	return ((const struct grid_node *)e)->g.id == *(const int64_t *)key;
}

struct address_key {
	struct slice adapter, address;
};

static bool device_has_address(const void *e, const void *key)
{
	const struct device *d = &((const struct device_node *)e)->d;
	const struct address_key *k = key;
	return slice_is(k->address, d->address) && slice_is(k->adapter, d->adapter);
}

struct registry *registry_new(void)
{
	return mem_new(sizeof(struct registry));
}

/* The strings of an entry are its own; "" stands for none. */
static void drop_strings(const char *const *s[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *p;
		memcpy(&p, s[i], sizeof p);
		free(p);
	}
}

static int keep_strings(const char **to[], const char *from[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *copy = slice_dup(slice_of(from[i]));
		if (!copy)
			return -ENOMEM;
		char *old;
		memcpy(&old, to[i], sizeof old);
		free(old);
		*to[i] = copy;
	}
	return 0;
}

static void free_device(struct device_node *d)
{
	const char *const *s[] = {&d->d.name, &d->d.adapter, &d->d.address, &d->d.title};
	drop_strings(s, COUNT_OF(s));
	free(d);
}

static void free_grid(struct grid_node *g)
{
	const char *const *s[] = {&g->g.code, &g->g.name, &g->g.leader, &g->g.deputy,
				  &g->g.endpoint};
	drop_strings(s, COUNT_OF(s));
	free(g);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->by_id.cap; i++)
		if (r->by_id.v[i] && r->by_id.v[i] != TOMBSTONE)
			free_device(r->by_id.v[i]);
	for (size_t i = 0; i < r->grids.cap; i++)
		if (r->grids.v[i] && r->grids.v[i] != TOMBSTONE)
			free_grid(r->grids.v[i]);
	struct table *tables[] = {&r->by_address, &r->by_id, &r->grids};
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		free(tables[i]->v);
	free(r->free_slots);
	free(r);
}

/* ---- grids ---- */

static struct grid_node *grid_by_id(const struct registry *r, int64_t id)
{
	return table_get(&r->grids, hash_id(id), grid_has_id, &id);
}

int registry_put_grid(struct registry *r, const struct grid *g)
{
	struct grid_node *n = grid_by_id(r, g->id);
	if (!n) {
		if (r->grids.n >= REGISTRY_GRIDS_MAX)
			return -E2BIG;
		n = mem_new(sizeof *n);
		if (!n)
			return -ENOMEM;
		n->g.id = g->id;
		if (table_put(&r->grids, hash_id(g->id), n, grid_id_hash)) {
			free(n);
			return -ENOMEM;
		}
	}
	const char **to[] = {&n->g.code, &n->g.name, &n->g.leader, &n->g.deputy, &n->g.endpoint};
	const char *from[] = {g->code, g->name, g->leader, g->deputy, g->endpoint};
	int res = keep_strings(to, from, COUNT_OF(to));
	if (res)
		return res;
	n->g.parent_id = g->parent_id;
	n->g.level = g->level;
	n->g.dedicated = g->dedicated;
	return 0;
}

const struct grid *registry_answerable(const struct grid *g)
{
	while (g && !g->endpoint[0])
		g = g->parent;
	return g;
}

/* ---- devices ---- */

static struct device_node *device_by_id(const struct registry *r, int64_t id)
{
	return table_get(&r->by_id, hash_id(id), device_has_id, &id);
}

static void unlink_address(struct registry *r, struct device_node *n)
{
	/* Not by the address: while two devices change places both have it. */
	table_remove(&r->by_address, n->address_hash, device_is, n);
}

static struct device_node *new_device(struct registry *r, int64_t id)
{
	if (r->by_id.n >= REGISTRY_DEVICES_MAX)
		return NULL;
	struct device_node *n = mem_new(sizeof *n);
	if (!n)
		return NULL;
	n->d.id = id;
	n->d.slot = r->nfree ? r->free_slots[--r->nfree] : r->next_slot++;
	if (table_put(&r->by_id, hash_id(id), n, device_id_hash)) {
		free(n);
		return NULL;
	}
	return n;
}

int registry_put_device(struct registry *r, const struct device *d, int64_t grid_id)
{
	struct device_node *n = device_by_id(r, d->id);
	if (n)
		unlink_address(r, n);
	else
		n = new_device(r, d->id);
	if (!n)
		return r->by_id.n >= REGISTRY_DEVICES_MAX ? -E2BIG : -ENOMEM;
	const char **to[] = {&n->d.name, &n->d.adapter, &n->d.address, &n->d.title};
	const char *from[] = {d->name, d->adapter, d->address, d->title};
	int res = keep_strings(to, from, COUNT_OF(to));
	if (res)
		return res;
	n->d.class = d->class;
	n->d.interval_us = d->interval_us;
	n->grid_id = grid_id;
	const struct grid_node *g = grid_by_id(r, grid_id);
	n->d.grid = g ? &g->g : NULL;
	n->address_hash = hash_address(slice_of(n->d.adapter), slice_of(n->d.address));
	return table_put(&r->by_address, n->address_hash, n, device_address_hash);
}

void registry_remove_device(struct registry *r, int64_t id)
{
	struct device_node *n = device_by_id(r, id);
	if (!n)
		return;
	unlink_address(r, n);
	table_remove(&r->by_id, hash_id(id), device_has_id, &id);
	if (!mem_grow(&r->free_slots, &r->free_cap, r->nfree + 1, REGISTRY_DEVICES_MAX,
		      sizeof *r->free_slots))
		r->free_slots[r->nfree++] = n->d.slot;
	free_device(n);
}

const struct device *registry_find(const struct registry *r, struct slice adapter,
				   struct slice address)
{
	struct address_key key = {adapter, address};
	const struct device_node *n =
		table_get(&r->by_address, hash_address(adapter, address), device_has_address, &key);
	return n ? &n->d : NULL;
}

const struct device *registry_device(const struct registry *r, int64_t id)
{
	const struct device_node *n = device_by_id(r, id);
	return n ? &n->d : NULL;
}

size_t registry_device_count(const struct registry *r)
{
	return r->by_id.n;
}

/* ---- linking ---- */

/* The tree has at most REGISTRY_GRIDS_MAX levels; a walk that is longer goes in a circle. */
static bool in_circle(const struct grid *g)
{
	size_t steps = 0;
	for (const struct grid *p = g->parent; p; p = p->parent)
		if (p == g || ++steps > 64)
			return true;
	return false;
}

size_t registry_link(struct registry *r)
{
	size_t cut = 0;
	for (size_t i = 0; i < r->grids.cap; i++) {
		struct grid_node *n = r->grids.v[i];
		if (!n || (void *)n == TOMBSTONE)
			continue;
		const struct grid_node *p = n->g.parent_id ? grid_by_id(r, n->g.parent_id) : NULL;
		n->g.parent = p ? &p->g : NULL;
		cut += n->g.parent_id && !p;
	}
	for (size_t i = 0; i < r->grids.cap; i++) {
		struct grid_node *n = r->grids.v[i];
		if (n && (void *)n != TOMBSTONE && in_circle(&n->g)) {
			n->g.parent = NULL;
			cut++;
		}
	}
	for (size_t i = 0; i < r->by_id.cap; i++) {
		struct device_node *n = r->by_id.v[i];
		if (!n || (void *)n == TOMBSTONE || n->d.grid)
			continue;
		const struct grid_node *g = grid_by_id(r, n->grid_id);
		n->d.grid = g ? &g->g : NULL;
	}
	return cut;
}
