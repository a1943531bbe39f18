#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

struct tls_trust {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	bool up;
};

static int load_ca(SSL_CTX *ctx, const char *ca_file)
{
	if (ca_file && ca_file[0])
		return SSL_CTX_load_verify_locations(ctx, ca_file, NULL);
	return SSL_CTX_set_default_verify_paths(ctx);
}

int tls_trust_new(const char *ca_file, bool verify, struct err *e, struct tls_trust **ret)
{
	struct tls_trust *t = mem_new(sizeof *t);
	SSL_CTX *ctx = t ? SSL_CTX_new(TLS_client_method()) : NULL;
	if (!ctx) {
		free(t);
		return err_set(e, -ENOMEM, "no memory for TLS");
	}
	t->ctx = ctx;
	if (verify && load_ca(ctx, ca_file) != 1) {
		tls_trust_free(t);
		ERR_clear_error();
		return err_set(e, -EINVAL, "%s: no certificates in PEM form",
			       ca_file ? ca_file : "the system's CA");
	}
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* Servers that go without a goodbye are the usual case, and end as if they had said it. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (!verify) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	}
	*ret = t;
	return 0;
}

void tls_trust_free(struct tls_trust *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

static bool is_address(const char *host)
{
	unsigned char addr[16];
	return inet_pton(AF_INET, host, addr) == 1 || inet_pton(AF_INET6, host, addr) == 1;
}

static int name_peer(SSL *ssl, const char *host)
{
	char name[256]; /* libssl takes no const */
	snprintf(name, sizeof name, "%s", host);
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

int tls_new(const struct tls_trust *t, int fd, const char *host, struct tls **ret)
{
	struct tls *c = mem_new(sizeof *c);
	SSL *ssl = c ? SSL_new(t->ctx) : NULL;
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || name_peer(ssl, host) != 1) {
		SSL_free(ssl);
		free(c);
		return -ENOMEM;
	}
	c->ssl = ssl;
	*ret = c;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	ERR_clear_error();
	if (t->up)
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t);
}

/* -EAGAIN with what to wait for, 0 at the end, or -EIO. */
static int trouble(struct tls *t, int rc, short *ret_events)
{
	int why = SSL_get_error(t->ssl, rc);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		*ret_events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		return -EAGAIN;
	}
	t->up = false; /* nothing more may be said */
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -EIO;
}

static int refused(struct tls *t, struct err *e)
{
	long why = SSL_get_verify_result(t->ssl);
	unsigned long code = ERR_peek_last_error();
	if (why != X509_V_OK)
		return err_set(e, -EPROTO, "TLS: its certificate is not believed: %s",
			       X509_verify_cert_error_string(why));
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	return err_set(e, -EPROTO, "TLS: no session: %s",
		       reason ? reason : "the connection was closed");
}

int tls_handshake(struct tls *t, short *ret_events, struct err *e)
{
	ERR_clear_error();
	int rc = SSL_connect(t->ssl);
	if (rc == 1) {
		t->up = true;
		return 0;
	}
	return trouble(t, rc, ret_events) == -EAGAIN ? -EAGAIN : refused(t, e);
}

ssize_t tls_read(struct tls *t, void *p, size_t n, short *ret_events)
{
	ERR_clear_error();
	int rc = SSL_read(t->ssl, p, (int)MIN_OF(n, (size_t)INT32_MAX));
	return rc > 0 ? rc : trouble(t, rc, ret_events);
}

ssize_t tls_write(struct tls *t, const void *p, size_t n, short *ret_events)
{
	ERR_clear_error();
	int rc = SSL_write(t->ssl, p, (int)MIN_OF(n, (size_t)INT32_MAX));
	if (rc > 0)
		return rc;
	rc = trouble(t, rc, ret_events);
	return rc ? rc : -EIO;
}

int tls_peer_pem(const void *ssl, struct buf *out)
{
	char *pem = NULL;
	X509 *cert = SSL_get1_peer_certificate(ssl);
	BIO *bio = cert ? BIO_new(BIO_s_mem()) : NULL;
	bool written = bio && PEM_write_bio_X509(bio, cert) == 1;
	long n = written ? BIO_get_mem_data(bio, &pem) : 0;
	if (n > 0)
		buf_put(out, pem, (size_t)n);
	BIO_free(bio);
	X509_free(cert);
	return n > 0 && !out->failed ? 0 : -ENOENT;
}
