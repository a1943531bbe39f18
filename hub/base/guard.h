/*
 * guard: which addresses may be connected to on the word of a name. A host name in a URL is
 * resolved by servers that others run; it must not lead the hub to this machine, to its neighbours
 * or to a cloud's metadata service, unless the configuration says that it may.
 *
 * An address that ops wrote out in a URL is their word, not a name server's: it is not asked about
 * here. Pure; read-only once made, any thread.
 */
#ifndef GRIDHUB_GUARD_H
#define GRIDHUB_GUARD_H

#include <sys/socket.h>

#include "base.h"

#define GUARD_RANGES_MAX 256

struct guard_range {
	uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;	  /* 0..128 */
};

struct guard {			     /* zeroed: only addresses of the public Internet */
	struct guard_range *allowed; /* the owner's */
	size_t n;
};

/* "10.0.0.0/8", "fd00::/8", "192.0.2.7". -EINVAL: not that form, or bits set behind the prefix. */
must_check int guard_range_parse(struct slice s, struct guard_range *ret, struct err *e);
/* 0; -EACCES with the kind of address in e ("a private address: 10.1.2.3"); -EAFNOSUPPORT. */
must_check int guard_check(const struct guard *g, const struct sockaddr *sa, socklen_t len,
			   struct err *e);
/* Is host (as it stands in a URL, [v6] in brackets) an address, or "localhost"? */
bool guard_is_literal(const char *host);
/* Is it this machine itself: localhost, 127.0.0.0/8, ::1? */
bool guard_is_loopback(const char *host);

#endif
