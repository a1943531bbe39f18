/*
 * sender_probe: does a receiver's name resolve, is it somewhere where alerts may go, does it
 * answer, and until when is its certificate good? For `gridhub doctor`: connects, shakes hands, and
 * sends nothing. Also of whatever else speaks TLS first (a broker).
 */
#ifndef GRIDHUB_SENDER_PROBE_H
#define GRIDHUB_SENDER_PROBE_H

#include "guard.h"

#define SENDER_PROBE_CERT_MAX 16384

struct sender_probe {
	const char *url;			    /* borrowed: https://host:port or http://… */
	const char *ca_file, *cert_file, *key_file; /* PEM; NULL = the system's, none */
	const struct guard *guard;		    /* NULL: anywhere */
	/* what came of it */
	bool connected, asked;
	char why[256];
	char address[64];			 /* where it led */
	char certificate[SENDER_PROBE_CERT_MAX]; /* PEM of the server's; "" = none */
};

/* All of them at once, at most timeout_us in all; those that were not reached by then have asked =
 * false. -ENOMEM. */
must_check int sender_probe(struct sender_probe *list, size_t n, int64_t timeout_us);

/* GET of a page of our own (http.listen), at most timeout_us and as much as out takes; *ret_status:
 * 0 = no answer. -ENOMEM. */
must_check int sender_get(const char *url, int64_t timeout_us, int *ret_status, struct buf *out,
			  struct err *e);

#endif
