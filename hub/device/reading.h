/*
 * reading: what a device said, as plain values; the one thing that adapters make and rules look at.
 *
 * A reading borrows all its strings from the arena of the `struct readings` it stands in (or from
 * the message it was decoded from) and lives until readings_reset(). One thread at a time.
 */
#ifndef GRIDHUB_READING_H
#define GRIDHUB_READING_H

#include "base.h"

enum device_class { CLASS_UNKNOWN, CLASS_CAMERA, CLASS_SENSOR, CLASS_BIN };
extern const char *const device_class_names[]; /* "unknown", "camera", "sensor", "bin", NULL */
must_check int device_class_parse(struct slice s, enum device_class *ret);

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING };

struct value {
	enum value_type type;
	union {
		bool b;
		int64_t i;
		double d; /* finite */
		struct slice s;
	};
};

#define VALUE_OF_BOOL(v_) ((struct value){.type = VALUE_BOOL, .b = (v_)})
#define VALUE_OF_INT(v_) ((struct value){.type = VALUE_INT, .i = (v_)})
#define VALUE_OF_DOUBLE(v_) ((struct value){.type = VALUE_DOUBLE, .d = (v_)})
#define VALUE_OF_STR(v_) ((struct value){.type = VALUE_STRING, .s = (v_)})

/* A field's name: [a-z][a-z0-9_]*, 1..63 bytes; the vocabulary stands in rules/fields.yaml. */
#define FIELD_NAME_MAX 63
struct field {
	struct slice name;
	struct value v;
};

/*
 * state: how things are (may be retained by the broker). tele: a measurement. event: something
 * happened once (a drop, an AI event); a retained one is stale and never gets this far. look: the
 * hub itself has looked at the device, which was not heard by that.
 */
enum reading_kind { READING_STATE, READING_TELE, READING_EVENT, READING_LOOK };
extern const char *const reading_kind_names[]; /* "state", "tele", "event", "look", NULL */

#define READING_MAX_FIELDS 128 /* one reading; more are refused with the message */
#define READINGS_MAX 256       /* one message */
#define READING_ARENA_MAX (1024 * 1024)
#define READING_ADDRESS_MAX 255 /* bytes of a device's address */

struct reading {
	struct slice address;	 /* the device's name in its dialect; the registry finds (adapter,
				    address) */
	enum device_class class; /* what the topic says, CLASS_UNKNOWN if it says nothing */
	struct slice grid;    /* the grid's code as the topic says it; empty if it says nothing */
	struct slice adapter; /* of the device, when another adapter speaks of it; empty: the one
				 that decoded */
	enum reading_kind kind;
	int64_t at_us; /* the device's own time; 0 = it sent none */
	bool has_seq;
	int64_t seq; /* the device's own sequence number */
	struct field *fields;
	size_t nfields;
};

struct readings {
	struct arena arena;
	struct reading *v; /* owned */
	size_t n, cap;
};

void readings_init(struct readings *r);
void readings_done(struct readings *r);
void readings_reset(struct readings *r);
/* A new reading at the end, address copied; -E2BIG past READINGS_MAX, -EINVAL for an address that
 * is empty, longer than READING_ADDRESS_MAX or has control characters, -ENOMEM. The pointer is good
 * until the next add. */
must_check int readings_add(struct readings *r, struct slice address, struct reading **ret);
/*
 * Append a field; name and string are copied. The name is brought to the field form: "batteryLow" →
 * battery_low, "Fill-Level" → fill_level, "2m" → n2m; -EINVAL when nothing is left of it or more
 * than FIELD_NAME_MAX, -EEXIST when the reading has it, -E2BIG past READING_MAX_FIELDS, -ERANGE for
 * a double that is not finite, -EILSEQ for a string that is not UTF-8 or holds a NUL, -ENOMEM.
 */
must_check int reading_put(struct readings *all, struct reading *r, struct slice name,
			   struct value v);
/* NULL when the reading has no such field. */
const struct value *reading_field(const struct reading *r, const char *name);
/* {"fill_pct":91,…}, names as they stand. */
void reading_fields_json(const struct reading *r, struct buf *out);
/* The whole reading as one JSON object, as `gridhub decode` prints it. */
void reading_json(const struct reading *r, struct buf *out);

#endif
