/*
 * endpoint: what the configuration says about the receivers, made ready to send: adapter found, URL
 * and secrets read from their files and checked. Read once; immutable afterwards, so that any
 * thread may read it. A changed secret or URL file takes effect when they are read anew (SIGHUP).
 */
#ifndef GRIDHUB_ENDPOINT_H
#define GRIDHUB_ENDPOINT_H

#include "adapters/webhook/adapter.h"
#include "config.h"
#include "pace.h"

struct endpoint {
	const struct endpoint_conf *conf; /* borrowed */
	const struct webhook_adapter *adapter;
	struct webhook_target target;
	struct pace_limit limits[PACE_LIMITS];
	bool literal;	     /* the URL has an address, not a name: where it leads is ops' word */
	char *url, *secrets; /* owned; target points into them */
	struct webhook_text *text; /* owned; NULL: the dialect's own words */
};

/* Errors name the endpoint and the file, never a URL or secret: -EINVAL, and those of file_read. */
must_check int endpoint_load(const struct config *conf, const struct endpoint_conf *c,
			     struct err *e, struct endpoint *ret);
void endpoint_done(struct endpoint *p); /* safe on a zeroed struct */

/* All of the configuration, in its order. */
struct endpoints {
	struct endpoint *list; /* owned */
	size_t n;
	const struct config *conf;
	struct config *own; /* freed with them; NULL: conf is somebody else's */
};
must_check int endpoints_load(const struct config *conf, struct err *e, struct endpoints *ret);
void endpoints_done(struct endpoints *all); /* safe on a zeroed struct */
/* From the configuration as it stands in the file at that path now. Errors also as config_load's.
 */
must_check int endpoints_reload(const char *path, struct err *e, struct endpoints *ret);
const struct endpoint *endpoints_find(const struct endpoints *all, struct slice name);

/* Its URL as people may see it: no user, password or query; of one from a file, no path either. */
void endpoint_show_url(const struct endpoint *p, struct buf *out);

/* Blot out what of its secrets and of the keys in its URL stands in an answer: a receiver that
 * complains may repeat the request, and answers are kept and shown. */
void endpoint_blot(const struct endpoint *p, char *text, size_t n);

/* notify.case_url with the case's number put in; nothing when it is not configured. */
void endpoint_case_url(const struct config *conf, int64_t case_id, struct buf *out);

#endif
