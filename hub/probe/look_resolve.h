/*
 * look_resolve: names to addresses within a deadline. getaddrinfo cannot be interrupted, so some
 * threads of its own call it, a bounded number, and what they find is kept for a minute; an older
 * answer is used while no name server answers. Any thread.
 */
#ifndef GRIDHUB_LOOK_RESOLVE_H
#define GRIDHUB_LOOK_RESOLVE_H

#include <sys/socket.h>

#include "base.h"

#define LOOK_ADDRESSES_MAX 4 /* of a name; further ones are left out */

struct look_address {
	struct sockaddr_storage sa; /* its port is 0 */
	socklen_t len;
};

/*
 * Waits until end_us (monotonic) at most. Addresses (at least 1) and their number, or: -ENOENT: no
 * such name; -ETIMEDOUT, -EAGAIN: no name server answered, or too many names wait for one; -ENOMEM.
 */
must_check int look_resolve(const char *host, int64_t end_us, struct look_address *ret,
			    size_t *ret_n);
/* An address as text with its port, "[::1]:554". */
void look_address_text(const struct look_address *a, unsigned port, char *ret, size_t size);
void look_address_set_port(struct look_address *a, unsigned port);

#endif
