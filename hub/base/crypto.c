#include "crypto.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/random.h>
#include <time.h>

#define RANDOM_MAX 32

int crypto_hmac_sha256(struct slice key, struct slice message,
		       unsigned char ret[static CRYPTO_SHA256_BYTES])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	const unsigned char *m = (const unsigned char *)message.p;
	if (key.n > INT32_MAX)
		return -EIO;
	/* An empty key needs an address of its own: NULL would mean "the key of the last call". */
	if (!HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, m, message.n, md, &n) ||
	    n != CRYPTO_SHA256_BYTES)
		return -EIO;
	memcpy(ret, md, CRYPTO_SHA256_BYTES);
	return 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int crypto_pbkdf2(struct slice password, struct slice salt, int rounds,
		  unsigned char ret[static CRYPTO_PBKDF2_BYTES])
{
	assert(rounds > 0 && rounds <= 1000000);
	return PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p,
				 (int)salt.n, rounds, EVP_sha512(), CRYPTO_PBKDF2_BYTES, ret) == 1
		       ? 0
		       : -EIO;
}

void base64_put(struct buf *out, struct slice bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = MIN_OF(bytes.n - i, (size_t)3);
		uint32_t v = (uint32_t)p[i] << 16;
		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		buf_putc(out, alphabet[v >> 18]);
		buf_putc(out, alphabet[v >> 12 & 63]);
		buf_putc(out, n > 1 ? alphabet[v >> 6 & 63] : '=');
		buf_putc(out, n > 2 ? alphabet[v & 63] : '=');
	}
}

/* Text without its padding; -EINVAL when there is padding and it is not what the length asks for.
 */
static int cut_padding(struct slice *text)
{
	size_t pad = 0;
	while (pad < 2 && pad < text->n && text->p[text->n - 1 - pad] == '=')
		pad++;
	if (pad && text->n % 4 != 0)
		return -EINVAL;
	text->n -= pad;
	return text->n % 4 == 1 ? -EINVAL : 0;
}

int base64_decode(struct slice text, struct buf *out)
{
	int rc = cut_padding(&text);
	if (rc)
		return rc;
	uint32_t v = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
		if (!at)
			return -EINVAL;
		v = v << 6 | (uint32_t)(at - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_putc(out, (char)(v >> bits & 0xff));
		}
	}
	return v & ((1u << bits) - 1) ? -EINVAL : 0;
}

bool crypto_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (!a.n || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

int crypto_random_hex(size_t n, char *ret)
{
	unsigned char bytes[RANDOM_MAX];
	if (n > sizeof bytes || getrandom(bytes, n, 0) != (ssize_t)n)
		return -EIO;
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int crypto_cert_end(struct slice pem, int64_t *ret_us)
{
	struct tm tm = {0};
	BIO *bio = pem.n && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int r = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? 0 : -EINVAL;
	X509_free(cert);
	BIO_free(bio);
	if (!r)
		*ret_us = (int64_t)timegm(&tm) * 1000000;
	return r;
}
