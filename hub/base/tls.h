/*
 * tls: a TLS client on a socket that does not block, for those who wait with their own deadline
 * (the only module that knows libssl). A trust may be used by any threads at once; a connection
 * belongs to one.
 */
#ifndef GRIDHUB_TLS_H
#define GRIDHUB_TLS_H

#include <sys/types.h>

#include "base.h"

struct tls_trust; /* whom to believe: read once, for certificates of a system are many */
struct tls;

/*
 * ca_file: PEM; NULL or "": the system's. Without verify whatever a server shows is taken, also old
 * versions and short keys, as cameras have them. -EINVAL with e.
 */
must_check int tls_trust_new(const char *ca_file, bool verify, struct err *e,
			     struct tls_trust **ret);
void tls_trust_free(struct tls_trust *t); /* NULL is fine */

/* host: the name or address that the certificate must be for. fd is borrowed. -ENOMEM. */
must_check int tls_new(const struct tls_trust *t, int fd, const char *host, struct tls **ret);
void tls_free(struct tls *t); /* NULL is fine; says goodbye if that does not block */

/*
 * 0, or bytes moved (0 of a read: the end). -EAGAIN: wait for *ret_events (POLLIN, POLLOUT), then
 * again with the same arguments. -EPROTO with e: not TLS, or a certificate that is not believed;
 * -EIO: the connection broke.
 */
must_check int tls_handshake(struct tls *t, short *ret_events, struct err *e);
must_check ssize_t tls_read(struct tls *t, void *p, size_t n, short *ret_events);
must_check ssize_t tls_write(struct tls *t, const void *p, size_t n, short *ret_events);

/* The certificate that the other side of a connection has shown, as PEM text. ssl: libssl's SSL, of
 * a connection that another library has made. -ENOENT: it showed none. */
must_check int tls_peer_pem(const void *ssl, struct buf *out);

#endif
