/*
 * look_auth: how RTSP and HTTP ask for a password, Basic (RFC 7617) and Digest (RFC 7616: MD5 and
 * SHA-256, with and without qop=auth), and the header that answers. Pure but for a random number.
 */
#ifndef GRIDHUB_LOOK_AUTH_H
#define GRIDHUB_LOOK_AUTH_H

#include "base.h"

enum look_auth_kind { LOOK_AUTH_NONE, LOOK_AUTH_BASIC, LOOK_AUTH_MD5, LOOK_AUTH_SHA256 };

struct look_auth {
	enum look_auth_kind kind; /* the best that was offered */
	char realm[256], nonce[512], opaque[256];
	bool qop, stale; /* stale: the password may be right, the nonce was old */
	uint32_t count;	 /* of requests with this nonce */
	char cnonce[17];
};

/* What stands behind "WWW-Authenticate:"; several are offers, of which the best is kept. What is
 * not understood is passed over. */
void look_auth_offer(struct look_auth *a, struct slice header);
/* Forget the offers before those of a new answer. */
void look_auth_reset(struct look_auth *a);
/* "Authorization: …\r\n", or nothing while nothing was asked for. */
void look_auth_put(struct look_auth *a, const char *user, const char *password, const char *method,
		   const char *uri, struct buf *out);

#endif
