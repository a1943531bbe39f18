/*
 * senml: a pack of SenML records (RFC 8428, JSON) resolved: base values added, times absolute, in
 * time order.
 *
 * Records that hold only base fields or binary data (vd) make no resolved record; an unknown label
 * is passed over unless it ends in '_' (must be understood). Strings are borrowed from the JSON
 * value or from the pack's arena.
 */
#ifndef GRIDHUB_DEVICE_SENML_H
#define GRIDHUB_DEVICE_SENML_H

#include "json.h"
#include "reading.h"

#define SENML_RECORDS_MAX 4096
#define SENML_NAME_MAX 255
#define SENML_VERSION_MAX 10

struct senml_record {
	struct slice name; /* base name and name */
	struct slice unit; /* empty: none */
	bool of_base;	   /* the name is the base name itself, or a device URN: no field's name */
	bool timed;	   /* the pack gave a time; else at_us is that of arrival */
	int64_t at_us;
	struct value v;	  /* VALUE_NULL: there is only a sum */
	struct value sum; /* VALUE_NULL: none */
	size_t order;	  /* in the pack */
};

struct senml {
	struct arena arena;
	struct senml_record *v;
	size_t n, cap;
};

void senml_init(struct senml *p);
void senml_done(struct senml *p);
#define auto_senml auto_call(senml_done)

/* -EPROTO with the record's number and label; -E2BIG, -ENOMEM. now_us: what relative times count
 * from. */
must_check int senml_resolve(struct senml *p, const struct json *array, int64_t now_us,
			     struct err *e);
/* The record's value and sum as fields of r; the name is its last part, or that of its unit. */
must_check int senml_put(const struct senml_record *rec, struct readings *all, struct reading *r,
			 struct err *e);

#endif
