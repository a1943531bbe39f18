/*
 * plan_table: things known by a number of 64 bits, kept in an array that grows by an eighth: an
 * index stays until its thing is removed, a pointer only until the next plan_table_add. And a heap
 * of such indices by time.
 */
#ifndef GRIDHUB_PLAN_TABLE_H
#define GRIDHUB_PLAN_TABLE_H

#include "base.h"

#define PLAN_NONE UINT32_MAX

struct plan_table {
	size_t size; /* of an item */
	uint32_t max, cap, used, n, free, buckets;
	char *item;	  /* zeroed when it is added */
	uint64_t *key;	  /* of each item */
	uint32_t *next;	  /* in its bucket, or of the free ones */
	uint32_t *bucket; /* first item; buckets is a power of two */
};

void plan_table_init(struct plan_table *t, size_t size, uint32_t max);
void plan_table_done(struct plan_table *t);
uint32_t plan_table_find(const struct plan_table *t, uint64_t key); /* PLAN_NONE: not in */
/* The key is not in yet. -E2BIG, -ENOMEM. */
must_check int plan_table_add(struct plan_table *t, uint64_t key, uint32_t *ret);
void plan_table_remove(struct plan_table *t, uint32_t i);

/* At most once each; at[i] stays readable when i has left. */
struct plan_heap {
	uint32_t n, cap;
	int64_t *at;	/* by item */
	uint32_t *pos;	/* by item; PLAN_NONE: not in */
	uint32_t *item; /* the heap */
};

void plan_heap_done(struct plan_heap *h);
must_check int plan_heap_reserve(struct plan_heap *h, uint32_t cap); /* for items below cap */
void plan_heap_set(struct plan_heap *h, uint32_t i, int64_t at);     /* put in, or move */
void plan_heap_drop(struct plan_heap *h, uint32_t i);		     /* also when it is not in */
uint32_t plan_heap_top(const struct plan_heap *h);		     /* PLAN_NONE: empty */

/* splitmix64: every bit of the result hangs on every bit of x. */
uint64_t plan_mix(uint64_t x);

#endif
