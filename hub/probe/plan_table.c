#include "plan_table.h"

uint64_t plan_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void plan_table_init(struct plan_table *t, size_t size, uint32_t max)
{
	*t = (struct plan_table){.size = size, .max = max, .free = PLAN_NONE};
}

void plan_table_done(struct plan_table *t)
{
	free(t->item);
	free(t->key);
	free(t->next);
	free(t->bucket);
	plan_table_init(t, t->size, t->max);
}

static uint32_t *table_bucket(const struct plan_table *t, uint64_t key)
{
	return &t->bucket[plan_mix(key) & (t->buckets - 1)];
}

uint32_t plan_table_find(const struct plan_table *t, uint64_t key)
{
	if (!t->buckets)
		return PLAN_NONE;
	uint32_t i = *table_bucket(t, key);
	while (i != PLAN_NONE && t->key[i] != key)
		i = t->next[i];
	return i;
}

/* As realloc of an array, but p stays when there is no memory. */
static int array_grow(void *pp, size_t n, size_t es)
{
	void *p;
	memcpy(&p, pp, sizeof(p));
	void *grown = realloc(p, n * es);
	if (!grown)
		return -ENOMEM;
	memcpy(pp, &grown, sizeof(grown));
	return 0;
}

/* All items are in use when this is called: none is in the list of free ones. */
static int table_rehash(struct plan_table *t, uint32_t buckets)
{
	uint32_t *bucket = malloc(buckets * sizeof(*bucket));
	if (!bucket)
		return -ENOMEM;
	memset(bucket, 0xff, buckets * sizeof(*bucket));
	free(t->bucket);
	t->bucket = bucket;
	t->buckets = buckets;
	for (uint32_t i = 0; i < t->used; i++) {
		uint32_t *head = table_bucket(t, t->key[i]);
		t->next[i] = *head;
		*head = i;
	}
	return 0;
}

static int table_grow(struct plan_table *t)
{
	uint32_t cap = MIN_OF(t->cap + t->cap / 8 + 64, t->max);
	if (t->cap >= t->max)
		return -E2BIG;
	if (array_grow(&t->item, cap, t->size) || array_grow(&t->key, cap, sizeof(*t->key)) ||
	    array_grow(&t->next, cap, sizeof(*t->next)))
		return -ENOMEM;
	uint32_t buckets = MAX_OF(t->buckets, 64u);
	while (buckets < cap)
		buckets *= 2;
	if (buckets != t->buckets && table_rehash(t, buckets))
		return -ENOMEM;
	t->cap = cap;
	return 0;
}

int plan_table_add(struct plan_table *t, uint64_t key, uint32_t *ret)
{
	uint32_t i = t->free;
	if (i != PLAN_NONE) {
		t->free = t->next[i];
	} else {
		int r = t->used == t->cap ? table_grow(t) : 0;
		if (r)
			return r;
		i = t->used++;
	}
	uint32_t *head = table_bucket(t, key);
	memset(t->item + i * t->size, 0, t->size);
	t->key[i] = key;
	t->next[i] = *head;
	*head = i;
	t->n++;
	*ret = i;
	return 0;
}

void plan_table_remove(struct plan_table *t, uint32_t i)
{
	uint32_t *at = table_bucket(t, t->key[i]);
	while (*at != i)
		at = &t->next[*at];
	*at = t->next[i];
	t->next[i] = t->free;
	t->free = i;
	t->n--;
}

void plan_heap_done(struct plan_heap *h)
{
	free(h->at);
	free(h->pos);
	free(h->item);
	*h = (struct plan_heap){0};
}

int plan_heap_reserve(struct plan_heap *h, uint32_t cap)
{
	if (cap <= h->cap)
		return 0;
	if (array_grow(&h->at, cap, sizeof(*h->at)) || array_grow(&h->pos, cap, sizeof(*h->pos)) ||
	    array_grow(&h->item, cap, sizeof(*h->item)))
		return -ENOMEM;
	memset(h->at + h->cap, 0, (cap - h->cap) * sizeof(*h->at));
	memset(h->pos + h->cap, 0xff, (cap - h->cap) * sizeof(*h->pos));
	h->cap = cap;
	return 0;
}

static void heap_place(struct plan_heap *h, uint32_t pos, uint32_t i)
{
	h->item[pos] = i;
	h->pos[i] = pos;
}

static void heap_up(struct plan_heap *h, uint32_t pos, uint32_t i)
{
	while (pos && h->at[h->item[(pos - 1) / 4]] > h->at[i]) {
		heap_place(h, pos, h->item[(pos - 1) / 4]);
		pos = (pos - 1) / 4;
	}
	heap_place(h, pos, i);
}

static void heap_down(struct plan_heap *h, uint32_t pos, uint32_t i)
{
	for (;;) {
		uint32_t first = pos * 4 + 1, least = PLAN_NONE;
		for (uint32_t c = first; c < MIN_OF(first + 4, h->n); c++)
			if (least == PLAN_NONE || h->at[h->item[c]] < h->at[h->item[least]])
				least = c;
		if (least == PLAN_NONE || h->at[h->item[least]] >= h->at[i])
			break;
		heap_place(h, pos, h->item[least]);
		pos = least;
	}
	heap_place(h, pos, i);
}

void plan_heap_set(struct plan_heap *h, uint32_t i, int64_t at)
{
	int64_t before = h->at[i];
	h->at[i] = at;
	if (h->pos[i] == PLAN_NONE)
		heap_up(h, h->n++, i);
	else if (at < before)
		heap_up(h, h->pos[i], i);
	else
		heap_down(h, h->pos[i], i);
}

void plan_heap_drop(struct plan_heap *h, uint32_t i)
{
	uint32_t pos = h->pos[i];
	if (pos == PLAN_NONE)
		return;
	h->pos[i] = PLAN_NONE;
	uint32_t last = h->item[--h->n];
	if (last == i)
		return;
	h->pos[last] = pos;
	if (pos && h->at[h->item[(pos - 1) / 4]] > h->at[last])
		heap_up(h, pos, last);
	else
		heap_down(h, pos, last);
}

uint32_t plan_heap_top(const struct plan_heap *h)
{
	return h->n ? h->item[0] : PLAN_NONE;
}
