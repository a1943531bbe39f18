/*
 * registry: grids and devices in memory, as the engine needs them: found by (adapter, address),
 * walked up to the grid that has an endpoint. Owned by the engine thread; filled by store from
 * PostgreSQL at start, and by deltas within a second of a change. Strings are owned by the
 * registry.
 */
#ifndef GRIDHUB_REGISTRY_H
#define GRIDHUB_REGISTRY_H

#include "reading.h"

struct grid {
	int64_t id;
	const char *code, *name;
	const char *leader, *deputy; /* "" = none */
	const char *endpoint;	     /* name of a webhook endpoint; "" = that of the parent grid */
	int64_t parent_id;	     /* 0 = root */
	const struct grid *parent;
	int level;	/* 0 district, 1 subdistrict, then grid levels 2..4 as imported */
	bool dedicated; /* a dedicated grid belongs to one unit (专属网格) */
};

struct device {
	int64_t id;
	const char *name;  /* the id people use, unique in the district */
	const char *title; /* what a person calls it; "" = none */
	const char *adapter, *address;
	const struct grid *grid; /* NULL only until registry_link */
	enum device_class class;
	int64_t interval_us; /* expected time between readings; 0 = not known */
	uint32_t slot; /* 0.., dense and stable while the process lives: index for per-device state
			*/
};

struct registry;

#define REGISTRY_DEVICES_MAX 2000000
#define REGISTRY_GRIDS_MAX 100000

struct registry *registry_new(void); /* NULL when out of memory */
void registry_free(struct registry *r);

/* Insert or replace by id; strings are copied. Parents may come later: registry_link() when a delta
 * is in. */
must_check int registry_put_grid(struct registry *r, const struct grid *g);
must_check int registry_put_device(struct registry *r, const struct device *d, int64_t grid_id);
void registry_remove_device(struct registry *r, int64_t id);
/* Resolve parents and grids; a cycle or a missing parent is cut and counted in the return value. */
size_t registry_link(struct registry *r);

/* NULL when unknown. Pointers stay good until the device is replaced or removed. */
const struct device *registry_find(const struct registry *r, struct slice adapter,
				   struct slice address);
const struct device *registry_device(const struct registry *r, int64_t id);
size_t registry_device_count(const struct registry *r);
/* The nearest grid from g upwards that names an endpoint; NULL if none does. */
const struct grid *registry_answerable(const struct grid *g);

#endif
