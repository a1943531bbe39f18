/*
 * pg_hosts: the servers that a connection string names, so that each is tried with a deadline of
 * its own: libpq's asynchronous connect would wait for the first one for ever, if that is a machine
 * that does not answer at all. For pg.c only.
 */
#ifndef GRIDHUB_PG_HOSTS_H
#define GRIDHUB_PG_HOSTS_H

#include "base.h"

#define PG_HOSTS_MAX 8

struct pg_hosts {
	char *host, *hostaddr,
		*port; /* owned; lists with commas, as the string has them, or NULL */
	size_t n;      /* 0: it names at most one: nothing to choose */
	bool any; /* which of them is not said (target_session_attrs): the one that may be written
		   */
};

/* -EINVAL: it is no connection string, or names too many. */
must_check int pg_hosts_of(const char *conninfo, struct pg_hosts *ret, struct err *e);
void pg_hosts_done(struct pg_hosts *h);
#define auto_hosts auto_call(pg_hosts_done)

#define PG_HOST_KEYS_MAX 4
/* What connects to the i-th alone: keys and values to be put behind the string's own; text holds
 * them. Returns how many. */
struct pg_host_text {
	char host[1024], hostaddr[256], port[64];
};
size_t pg_hosts_keys(const struct pg_hosts *h, size_t i, struct pg_host_text *text,
		     const char **keys, const char **values);

#endif
