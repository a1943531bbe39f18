/*
 * fields: what the device adapters share: a topic's check, and members of a JSON object put into a
 * reading as fields. Pure; any thread. Each error says which member is at fault.
 */
#ifndef GRIDHUB_DEVICE_FIELDS_H
#define GRIDHUB_DEVICE_FIELDS_H

#include "json.h"
#include "adapter.h"

/* A topic as a device may publish it: -ENOENT for an empty level, a wildcard, a control character.
 */
must_check int topic_check(struct slice topic, struct err *e);

/* readings_add and reading_put, with the reason in e. */
must_check int fields_reading(struct readings *all, struct slice address, enum reading_kind kind,
			      struct err *e, struct reading **ret);
must_check int fields_put(struct readings *all, struct reading *r, struct slice name,
			  struct value v, struct err *e);
/* As fields_put, of a JSON scalar; -EPROTO for an array or object. */
must_check int fields_put_json(struct readings *all, struct reading *r, struct slice name,
			       const struct json *v, struct err *e);

/* A dialect's name of a field and ours. */
struct field_map {
	const char *theirs, *ours;
};

/* The members of object that the map names, and no other; null and absent ones are left out. */
must_check int fields_put_mapped(struct readings *all, struct reading *r, const struct json *object,
				 const struct field_map *map, size_t n, struct err *e);

struct fields_form {
	const struct field_map *map; /* members with a name of ours; others keep theirs */
	size_t nmap;
	const char *const *skip; /* members that are no fields, NULL-terminated */
	bool strict; /* -EPROTO for arrays and for objects in objects, else they are left out */
};
/* All members of object; an object in it is flattened: {"a":{"b":1}} → a_b. */
must_check int fields_put_object(struct readings *all, struct reading *r, const struct json *object,
				 const struct fields_form *form, struct err *e);

/* One JSON value within json_device_limits; -ENODATA when the payload is empty. */
must_check int payload_json(const struct device_message *m, struct err *e, struct json **ret);
/* As payload_json, and -EPROTO unless it is an object. */
must_check int payload_object(const struct device_message *m, struct err *e, struct json **ret);

#endif
