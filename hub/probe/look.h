/*
 * look: one look at one stream through libavformat, in the calling thread, which it keeps until the
 * deadline at most (+100 ms, whatever the server does, name resolution included).
 *
 * Runs in a worker process (worker.h) or in `gridhub probe`: the demuxers read what strangers send.
 * The only module that includes libav's headers for reading streams. Nothing of a URL's password is
 * logged or put into a result; no redirect is followed; addresses are checked (guard.h) after
 * resolution.
 */
#ifndef GRIDHUB_LOOK_H
#define GRIDHUB_LOOK_H

#include "guard.h"
#include "probe.h"

struct look_limits {
	struct guard guard;  /* addresses beside public ones that streams may be at; borrowed */
	bool any_address;    /* `gridhub probe` at a desk: what a person typed is their word */
	const char *ca_file; /* rtsps, https: PEM; NULL = the system's */
	bool tls_verify;
};

/* Once a process, before any look. Silences libav's own log. */
void look_init(const struct look_limits *limits);
/* -EINVAL with e: not a URL that may be looked at (scheme, length, characters, credentials). Pure.
 */
must_check int look_url_check(const char *url, struct err *e);
/* ret is inited by this, and the caller's to free. Always gives a result. */
void look_at(const struct probe_request *q, struct probe_result *ret);
/* The URL without user and password, for logs and people. */
void look_url_public(const char *url, struct buf *out);

#endif
