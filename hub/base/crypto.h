/*
 * crypto: keyed hashes, random bytes and base64 (the only module that knows libcrypto). Pure but
 * for crypto_random_hex; any thread.
 */
#ifndef GRIDHUB_CRYPTO_H
#define GRIDHUB_CRYPTO_H

#include "base.h"

#define CRYPTO_SHA256_BYTES 32

/* -EIO: the library refused (out of memory, or a policy of this machine forbids the hash). */
must_check int crypto_hmac_sha256(struct slice key, struct slice message,
				  unsigned char ret[static CRYPTO_SHA256_BYTES]);

/* A password as a file may keep it: PBKDF2 with SHA-512. rounds: 1 to 1000000. -EIO. */
#define CRYPTO_PBKDF2_BYTES 64
must_check int crypto_pbkdf2(struct slice password, struct slice salt, int rounds,
			     unsigned char ret[static CRYPTO_PBKDF2_BYTES]);

/* RFC 4648, section 4, with padding. */
void base64_put(struct buf *out, struct slice bytes);
/*
 * Strict: that alphabet only, no blanks, padding right or left out altogether. -EINVAL; what was
 * appended to out by then stays.
 */
must_check int base64_decode(struct slice text, struct buf *out);

/* Are they the same? In a time that depends on their lengths only. */
bool crypto_equal(struct slice a, struct slice b);

/* n random bytes (at most 32) as lower-case hex with a NUL: a token that nobody can guess. -EIO. */
must_check int crypto_random_hex(size_t n, char *ret);

/* The first certificate of a PEM text is good until then. -EINVAL: there is none. */
must_check int crypto_cert_end(struct slice pem, int64_t *ret_us);

#endif
