/*
 * The contract of a device adapter: one dialect, one file, one exported const struct, one line in
 * list.c.
 *
 * An adapter is pure: it sees a topic, a payload and the time of arrival, and makes readings; no
 * I/O, no clock, no memory of earlier messages. It takes input from outside: nothing in a message
 * may crash it, make it loop, or use more than the limits of reading.h.
 */
#ifndef GRIDHUB_DEVICE_ADAPTER_H
#define GRIDHUB_DEVICE_ADAPTER_H

#include "reading.h"

struct device_message {
	struct slice topic;   /* UTF-8, not empty, checked by the caller */
	struct slice payload; /* any bytes; at most intake.max_payload */
	int64_t recv_us;
	bool retained; /* sent by the broker because we subscribed, so possibly old */
};

struct device_adapter {
	const char *name; /* as in the registry and in mqtt.subscriptions[].adapter */
	const char *help; /* one line for `gridhub decode --help` */
	/* The topics that a device of this dialect publishes itself, as an MQTT filter with {class}
	 * and {address}; NULL: a gateway speaks for all of them, below one first level. */
	const char *own_topics;
	/* The hub itself asks what these devices say: that nothing comes is never theirs, so no
	 * rule of silence looks at them. */
	bool asked;
	/*
	 * Append readings to out. 0: understood (perhaps nothing of interest: no reading). A
	 * negative errno refuses the message, and e says why in one line: those of json_parse;
	 * -ENODATA the payload is empty; -ENOENT not a topic of this dialect; -EPROTO JSON, but not
	 * of the dialect's shape; those of readings_add and reading_put. Readings appended before a
	 * refusal are thrown away by the caller. -ESTALE: a retained message that must not be acted
	 * on (counted, not kept aside).
	 */
	int (*decode)(const struct device_message *m, struct readings *out, struct err *e);
};

/* NULL-terminated; in the order of help texts. */
extern const struct device_adapter *const device_adapters[];
const struct device_adapter *device_adapter_find(struct slice name); /* NULL: none of that name */

#endif
