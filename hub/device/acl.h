/*
 * acl: what a broker (mosquitto) lets each of a district's publishers do: the texts of its acl_file
 * and password_file. Pure but for random salts; any thread.
 *
 * A device that publishes itself has its registry id as user name and may write below its own
 * address only, whatever grid it says it is in. In other dialects a gateway speaks for its devices;
 * its user name is the first level of the topics, below which it may read and write. Passwords are
 * made from a key, so that none is kept anywhere: whoever has the key can make them again.
 */
#ifndef GRIDHUB_ACL_H
#define GRIDHUB_ACL_H

#include "adapters/device/adapter.h"
#include "config.h"

struct acl_user {
	struct slice name; /* borrowed */
	const struct device_adapter *adapter;
	enum device_class class; /* of a device … */
	struct slice address; /* … and its address; empty: a gateway, below the level of its name */
};

/*
 * Devices that publish to this broker themselves: 0. -ENOENT: it takes nothing of the adapter, or a
 * gateway speaks for them. -EINVAL with e: its name or address cannot stand in such a file, or the
 * name is the hub's own or a gateway's. name and address must outlive the user.
 */
must_check int acl_device(const struct broker_conf *b, struct slice name, struct slice adapter,
			  enum device_class class, struct slice address, struct err *e,
			  struct acl_user *ret);
/* The gateway of a subscription; -ENOENT: its devices publish themselves, or another subscription
 * before it has the same; -EINVAL: its filter does not begin with a name. */
must_check int acl_gateway(const struct broker_conf *b, size_t subscription, struct err *e,
			   struct acl_user *ret);

/* "user …" and its topics. */
void acl_put_user(const struct acl_user *u, struct buf *out);
/* The hub itself: it reads what it subscribes to. Nothing if it has no user name. */
void acl_put_hub(const struct broker_conf *b, struct buf *out);

#define ACL_PASSWORD_MAX 65 /* with a NUL */
must_check int acl_password(struct slice key, struct slice name, char ret[static ACL_PASSWORD_MAX]);
/* A line of mosquitto's password_file. */
must_check int acl_put_password(struct slice name, const char *password, struct buf *out);

#endif
