#include "look_auth.h"

#include <libavutil/md5.h>
#include <libavutil/mem.h>
#include <libavutil/sha.h>
#include <strings.h>

#include "crypto.h"

#define DIGEST_MAX 32
#define HEX_MAX (DIGEST_MAX * 2 + 1)
#define HASHED_MAX 8192

/* ---- what is asked for ---- */

static bool word_is(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static void keep(struct slice s, char *ret, size_t size)
{
	size_t n = MIN_OF(s.n, size - 1);
	if (n)
		memcpy(ret, s.p, n);
	ret[n] = 0;
}

/* The next `name=value` or `name="value"`; false: no more. */
static bool next_param(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	size_t i = 0;
	while (i < rest->n && strchr(" \t,", rest->p[i]))
		i++;
	size_t name = i;
	while (i < rest->n && rest->p[i] != '=')
		i++;
	if (i >= rest->n)
		return false;
	*ret_name = slice_trim((struct slice){rest->p + name, i - name});
	do
		i++;
	while (i < rest->n && rest->p[i] == ' ');
	bool quoted = i < rest->n && rest->p[i] == '"';
	size_t value = i += quoted;
	while (i < rest->n && !strchr(quoted ? "\"" : ", \t", rest->p[i]))
		i++;
	*ret_value = (struct slice){rest->p + value, i - value};
	i += quoted && i < rest->n;
	*rest = (struct slice){rest->p + i, rest->n - i};
	return true;
}

/* Is auth among "auth,auth-int"? */
static bool offers_auth(struct slice list)
{
	struct slice part;
	while (slice_cut(&list, ',', &part))
		if (word_is(slice_trim(part), "auth"))
			return true;
	return false;
}

static void take_digest(struct look_auth *a, struct slice params)
{
	struct look_auth d = {.kind = LOOK_AUTH_MD5};
	struct slice name, value;
	while (next_param(&params, &name, &value)) {
		if (word_is(name, "realm"))
			keep(value, d.realm, sizeof d.realm);
		else if (word_is(name, "nonce"))
			keep(value, d.nonce, sizeof d.nonce);
		else if (word_is(name, "opaque"))
			keep(value, d.opaque, sizeof d.opaque);
		else if (word_is(name, "stale"))
			d.stale = word_is(value, "true");
		else if (word_is(name, "qop"))
			d.qop = offers_auth(value);
		else if (word_is(name, "algorithm") && word_is(value, "SHA-256"))
			d.kind = LOOK_AUTH_SHA256;
		else if (word_is(name, "algorithm") && !word_is(value, "MD5"))
			return;
	}
	if (d.kind >= a->kind)
		*a = d;
}

void look_auth_offer(struct look_auth *a, struct slice header)
{
	size_t n = 0;
	header = slice_trim(header);
	while (n < header.n && header.p[n] != ' ')
		n++;
	struct slice scheme = {header.p, n};
	if (word_is(scheme, "Digest"))
		take_digest(a, (struct slice){header.p + n, header.n - n});
	else if (word_is(scheme, "Basic") && a->kind < LOOK_AUTH_BASIC)
		*a = (struct look_auth){.kind = LOOK_AUTH_BASIC};
}

void look_auth_reset(struct look_auth *a)
{
	*a = (struct look_auth){0};
}

/* ---- the answer ---- */

static void sha256(const uint8_t *p, size_t n, uint8_t ret[static DIGEST_MAX])
{
	struct AVSHA *sha = av_sha_alloc();
	memset(ret, 0, DIGEST_MAX);
	if (sha && av_sha_init(sha, 256) == 0) {
		av_sha_update(sha, p, n);
		av_sha_final(sha, ret);
	}
	av_free(sha);
}

/* The hash of the parts with ':' between them, as hex. */
static void hash(enum look_auth_kind kind, const char *const *parts, size_t n,
		 char ret[static HEX_MAX])
{
	uint8_t digest[DIGEST_MAX];
	size_t len = kind == LOOK_AUTH_SHA256 ? 32 : 16;
	auto_buf struct buf text;
	buf_init(&text, HASHED_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(&text, ':');
		buf_puts(&text, parts[i]);
	}
	const uint8_t *p = (const uint8_t *)buf_str(&text);
	if (kind == LOOK_AUTH_SHA256)
		sha256(p, text.n, digest);
	else
		av_md5_sum(digest, p, text.n);
	for (size_t i = 0; i < len; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

#define HASH(kind, ret, ...)                           \
	hash(kind, (const char *const[]){__VA_ARGS__}, \
	     COUNT_OF(((const char *const[]){__VA_ARGS__})), ret)

static void put_quoted(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *value);
	}
	buf_putc(out, '"');
}

static void put_basic(const char *user, const char *password, struct buf *out)
{
	auto_buf struct buf pair;
	buf_init(&pair, HASHED_MAX);
	buf_printf(&pair, "%s:%s", user, password);
	buf_puts(out, "Authorization: Basic ");
	base64_put(out, buf_slice(&pair));
	buf_puts(out, "\r\n");
}

static void put_digest(struct look_auth *a, const char *user, const char *password,
		       const char *method, const char *uri, struct buf *out)
{
	char who[HEX_MAX], what[HEX_MAX], response[HEX_MAX], count[9];
	snprintf(count, sizeof count, "%08x", ++a->count);
	if (!a->cnonce[0] && crypto_random_hex(8, a->cnonce))
		snprintf(a->cnonce, sizeof a->cnonce, "%08x", a->count);
	HASH(a->kind, who, user, a->realm, password);
	HASH(a->kind, what, method, uri);
	if (a->qop)
		HASH(a->kind, response, who, a->nonce, count, a->cnonce, "auth", what);
	else
		HASH(a->kind, response, who, a->nonce, what);
	buf_puts(out, "Authorization: Digest ");
	put_quoted(out, "username", user);
	put_quoted(out, ", realm", a->realm);
	put_quoted(out, ", nonce", a->nonce);
	put_quoted(out, ", uri", uri);
	put_quoted(out, ", response", response);
	if (a->kind == LOOK_AUTH_SHA256)
		buf_puts(out, ", algorithm=SHA-256");
	if (a->opaque[0])
		put_quoted(out, ", opaque", a->opaque);
	if (a->qop)
		buf_printf(out, ", qop=auth, nc=%s, cnonce=\"%s\"", count, a->cnonce);
	buf_puts(out, "\r\n");
}

void look_auth_put(struct look_auth *a, const char *user, const char *password, const char *method,
		   const char *uri, struct buf *out)
{
	if (a->kind == LOOK_AUTH_BASIC)
		put_basic(user, password, out);
	else if (a->kind != LOOK_AUTH_NONE)
		put_digest(a, user, password, method, uri, out);
}
