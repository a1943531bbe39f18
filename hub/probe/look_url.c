#include "look_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#define PUBLIC_PATH_MAX 512

static const struct scheme {
	const char *name;
	enum look_kind kind;
	bool tls;
	uint16_t port;
} schemes[] = {
	{"rtsp", LOOK_RTSP, false, 554},  {"rtsps", LOOK_RTSP, true, 322},
	{"http", LOOK_FLV, false, 80},	  {"https", LOOK_FLV, true, 443},
	{"rtmp", LOOK_RTMP, false, 1935},
};
#define EXPECTED "expected rtsp, rtsps, http, https or rtmp"

/* What HTTP brings is known by the path's end. */
static const struct {
	const char *suffix;
	enum look_kind kind;
} suffixes[] = {{".flv", LOOK_FLV}, {".m3u8", LOOK_HLS}};

/* A parameter of this name holds what nobody should read. */
static const char *const secrets[] = {"pass", "pwd",  "token",	"secret", "key",
				      "auth", "sign", "ticket", "user",	  "login"};

static const struct scheme *find_scheme(struct slice s)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (s.n == strlen(schemes[i].name) && strncasecmp(s.p, schemes[i].name, s.n) == 0)
			return &schemes[i];
	return NULL;
}

static const struct scheme *scheme_of(const struct look_url *u)
{
	return find_scheme(slice_of(u->scheme));
}

static const char *last_at(struct slice s)
{
	return s.n ? memrchr(s.p, '@', s.n) : NULL;
}

/* ---- credentials ---- */

static bool escape_at(struct slice s, size_t i)
{
	return i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0 && hex_digit(s.p[i + 2]) >= 0;
}

/* Each '%' begins an escape, or none does; a mixture has two readings. */
static int count_escapes(struct slice s, bool *ret_escaped)
{
	size_t good = 0, bad = 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%')
			*(escape_at(s, i) ? &good : &bad) += 1;
	*ret_escaped = good > 0;
	return good && bad ? -EINVAL : 0;
}

static int decode(struct slice s, bool escaped, const char *what, char ret[static LOOK_NAME_MAX],
		  struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (escaped && c == '%') {
			c = (char)((unsigned)hex_digit(s.p[i + 1]) << 4 |
				   (unsigned)hex_digit(s.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7F)
			return err_set(e, -EINVAL, "the %s holds a control character", what);
		if (n + 1 >= LOOK_NAME_MAX)
			return err_set(e, -EINVAL, "the %s is longer than %d bytes", what,
				       LOOK_NAME_MAX - 1);
		ret[n++] = c;
	}
	ret[n] = 0;
	return slice_utf8_ok((struct slice){ret, n}, NULL)
		       ? 0
		       : err_set(e, -EINVAL, "the %s is not UTF-8", what);
}

static int parse_login(struct slice info, struct look_url *ret, struct err *e)
{
	bool escaped = false;
	const char *colon = info.n ? memchr(info.p, ':', info.n) : NULL;
	size_t n = colon ? (size_t)(colon - info.p) : info.n;
	struct slice user = {info.p, n},
		     password = {colon ? colon + 1 : NULL, colon ? info.n - n - 1 : 0};
	if (count_escapes(info, &escaped))
		return err_set(e, -EINVAL,
			       "user or password mix %% escapes with a plain %%: write %% as %%25");
	if (decode(user, escaped, "user", ret->user, e) ||
	    decode(password, escaped, "password", ret->password, e))
		return -EINVAL;
	if (strchr(ret->user, ':'))
		return err_set(e, -EINVAL, "the user holds a ':', which no server can take");
	if (!ret->user[0] && ret->password[0])
		return err_set(e, -EINVAL, "a password without a user");
	ret->login = ret->user[0] != 0;
	return 0;
}

/* ---- host and port ---- */

static int parse_port(struct slice s, uint16_t *ret)
{
	int64_t v;
	if (slice_to_i64(s, &v) || v < 1 || v > 65535 || !isdigit((unsigned char)s.p[0]))
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static bool is_name(struct slice s)
{
	if (!s.n || s.n > 253 || s.p[0] == '-' || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("-._", s.p[i]))
			return false;
	return true;
}

static int parse_v6(struct slice *rest, struct look_url *ret)
{
	struct in6_addr addr;
	const char *end = memchr(rest->p, ']', rest->n);
	size_t n = end ? (size_t)(end - rest->p) - 1 : 0;
	if (!end || n >= INET6_ADDRSTRLEN)
		return -EINVAL;
	memcpy(ret->host, rest->p + 1, n);
	ret->host[n] = 0;
	ret->v6 = true;
	*rest = (struct slice){end + 1, rest->n - n - 2};
	return inet_pton(AF_INET6, ret->host, &addr) == 1 ? 0 : -EINVAL;
}

static int parse_host(struct slice s, struct look_url *ret)
{
	struct slice rest = s;
	if (s.n && s.p[0] == '[') {
		if (parse_v6(&rest, ret))
			return -EINVAL;
	} else {
		const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
		struct slice name = {s.p, colon ? (size_t)(colon - s.p) : s.n};
		if (!is_name(name))
			return -EINVAL;
		memcpy(ret->host, name.p, name.n);
		ret->host[name.n] = 0;
		rest = (struct slice){s.p + name.n, s.n - name.n};
	}
	if (!rest.n)
		return 0;
	return rest.p[0] == ':' ? parse_port((struct slice){rest.p + 1, rest.n - 1}, &ret->port)
				: -EINVAL;
}

/* Might what follows an '@' in the path be the true host, the '@' before it a password's? */
static bool looks_like_host(struct slice s)
{
	size_t n = 0;
	bool dot = false, port = false;
	if (s.n && s.p[0] == '[')
		return true;
	while (n < s.n && (isalnum((unsigned char)s.p[n]) || strchr("-._", s.p[n])))
		dot |= s.p[n++] == '.';
	port = n + 1 < s.n && s.p[n] == ':' && isdigit((unsigned char)s.p[n + 1]);
	return n && (dot || port) && (n == s.n || strchr("/:?", s.p[n]));
}

/* "user:12/rest@host": what looks like a host and its port may be half a login. */
static int check_at(const struct look_url *u, struct slice authority, struct slice path,
		    struct err *e)
{
	const char *at = last_at(path);
	if (!at)
		return 0;
	bool port = !u->v6 && authority.n && memchr(authority.p, ':', authority.n);
	struct slice rest = {at + 1, path.n - (size_t)(at - path.p) - 1};
	if (!u->login && !port && !looks_like_host(rest))
		return 0;
	return err_set(e, -EINVAL,
		       "an '@' behind the host: in user or password write / as %%2F, ? as %%3F, "
		       "# as %%23, @ as %%40; in the path @ as %%40");
}

static int parse_authority(struct slice s, struct look_url *ret, struct err *e)
{
	const char *at = last_at(s);
	size_t n = at ? (size_t)(at - s.p) + 1 : 0;
	if (at && parse_login((struct slice){s.p, n - 1}, ret, e))
		return -EINVAL;
	/* Not quoted: it may be half a password. */
	if (parse_host((struct slice){s.p + n, s.n - n}, ret))
		return err_set(
			e, -EINVAL,
			"no host, or one with a bad name or port (in user or password, write "
			"/ as %%2F, ? as %%3F, # as %%23)");
	return 0;
}

/* ---- path ---- */

/* Blanks and what is not ASCII as escapes; those that are there stay. */
static void put_path(struct slice s, char *ret, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;
	if (!s.n || s.p[0] != '/')
		ret[n++] = '/';
	for (size_t i = 0; i < s.n && n + 4 < size; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c > ' ' && c < 0x7F) {
			ret[n++] = (char)c;
			continue;
		}
		ret[n++] = '%';
		ret[n++] = digits[c >> 4];
		ret[n++] = digits[c & 15];
	}
	ret[n] = 0;
}

static int parse_path(struct slice s, struct look_url *ret, struct err *e)
{
	if (s.n && memchr(s.p, '#', s.n))
		return err_set(e, -EINVAL, "a '#' in the path: write it as %%23");
	put_path(s, ret->path, sizeof ret->path);
	return 0;
}

static int parse_suffix(struct look_url *u, struct err *e)
{
	struct slice path = slice_of(u->path);
	const char *query = memchr(path.p, '?', path.n);
	if (query)
		path.n = (size_t)(query - path.p);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		size_t n = strlen(suffixes[i].suffix);
		if (path.n > n && !strncasecmp(path.p + path.n - n, suffixes[i].suffix, n)) {
			u->kind = suffixes[i].kind;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "over HTTP, expected a path that ends in .flv or .m3u8");
}

/* ---- all of it ---- */

static int check_bytes(struct slice url, struct err *e)
{
	if (url.n > PROBE_URL_MAX)
		return err_set(e, -EINVAL, "a URL of %zu bytes: at most %d", url.n, PROBE_URL_MAX);
	if (!slice_utf8_ok(url, NULL))
		return err_set(e, -EINVAL, "the URL is not UTF-8");
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] < ' ' || url.p[i] == 0x7F)
			return err_set(e, -EINVAL, "the URL holds a control character");
	return 0;
}

/* Behind "scheme:". */
static int parse_rest(struct slice rest, struct look_url *ret, struct err *e)
{
	size_t n = 2;
	if (!slice_starts(rest, "//"))
		return err_set(e, -EINVAL, "expected %s://HOST/PATH", ret->scheme);
	while (n < rest.n && !strchr("/?#", rest.p[n]))
		n++;
	struct slice path = {rest.p + n, rest.n - n}, authority = {rest.p + 2, n - 2};
	if (parse_authority(authority, ret, e) || check_at(ret, authority, path, e))
		return -EINVAL;
	return parse_path(path, ret, e);
}

static int parse(struct slice url, struct look_url *ret, struct err *e)
{
	*ret = (struct look_url){0};
	if (check_bytes(url, e))
		return -EINVAL;
	const char *colon = url.n ? memchr(url.p, ':', url.n) : NULL;
	size_t n = colon ? (size_t)(colon - url.p) : 0;
	const struct scheme *s = colon ? find_scheme((struct slice){url.p, n}) : NULL;
	if (!s)
		return err_set(e, -EINVAL, "not a stream's URL: " EXPECTED);
	ret->scheme = s->name;
	ret->kind = s->kind;
	ret->tls = s->tls;
	ret->port = s->port;
	return parse_rest((struct slice){colon + 1, url.n - n - 1}, ret, e);
}

/* libavformat takes it as it stands. */
static int check_rtmp(const struct look_url *u, struct err *e)
{
	return strpbrk(u->user, "/?#") || strpbrk(u->password, "/?#")
		       ? err_set(e, -EINVAL, "over RTMP, user and password cannot hold / ? or #")
		       : 0;
}

int look_url_parse(const char *url, struct look_url *ret, struct err *e)
{
	if (parse(slice_of(url), ret, e))
		return -EINVAL;
	if (ret->kind == LOOK_RTMP)
		return check_rtmp(ret, e);
	return ret->kind == LOOK_FLV ? parse_suffix(ret, e) : 0;
}

int look_url_check(const char *url, struct err *e)
{
	struct look_url u;
	return look_url_parse(url, &u, e);
}

void look_url_authority(const struct look_url *u, struct buf *out)
{
	const struct scheme *s = scheme_of(u);
	buf_printf(out, u->v6 ? "[%s]" : "%s", u->host);
	if (!s || u->port != s->port)
		buf_printf(out, ":%u", u->port);
}

void look_url_bare(const struct look_url *u, struct buf *out)
{
	buf_printf(out, "%s://", u->scheme);
	look_url_authority(u, out);
	buf_puts(out, u->path);
}

/* ---- what a playlist names ---- */

static bool has_scheme(struct slice s)
{
	size_t n = 0;
	while (n < s.n && (isalnum((unsigned char)s.p[n]) || strchr("+-.", s.p[n])))
		n++;
	return n && n < s.n && s.p[n] == ':';
}

/* base's path up to its last '/', or nothing for a ref that begins with one; then ref. */
static int join_path(const struct look_url *base, struct slice ref, struct look_url *ret,
		     struct err *e)
{
	char text[PROBE_URL_MAX * 2];
	size_t query = strcspn(base->path, "?"), n = 0;
	const char *slash = memrchr(base->path, '/', query);
	if (ref.p[0] != '/' && slash)
		n = (size_t)(slash - base->path) + 1;
	if (n + ref.n >= sizeof text)
		return err_set(e, -EINVAL, "a playlist names a URL that is too long");
	memcpy(text, base->path, n);
	memcpy(text + n, ref.p, ref.n);
	put_path((struct slice){text, n + ref.n}, ret->path, sizeof ret->path);
	return 0;
}

static bool same_server(const struct look_url *a, const struct look_url *b)
{
	return a->port == b->port && a->tls == b->tls && strcasecmp(a->host, b->host) == 0;
}

int look_url_join(const struct look_url *base, struct slice ref, struct look_url *ret,
		  struct err *e)
{
	if (!ref.n || check_bytes(ref, e))
		return -EINVAL;
	if (!has_scheme(ref) && !slice_starts(ref, "//")) {
		*ret = *base;
		ret->kind = LOOK_FLV;
		return join_path(base, ref, ret, e);
	}
	auto_buf struct buf whole;
	buf_init(&whole, 2 * PROBE_URL_MAX);
	if (!has_scheme(ref))
		buf_printf(&whole, "%s:", base->scheme);
	buf_put_slice(&whole, ref);
	if (parse(buf_slice(&whole), ret, e))
		return -EINVAL;
	if (ret->kind != LOOK_FLV)
		return err_set(e, -EINVAL, "a playlist names a %s URL", ret->scheme);
	if (!ret->login && same_server(base, ret)) {
		memcpy(ret->user, base->user, sizeof ret->user);
		memcpy(ret->password, base->password, sizeof ret->password);
		ret->login = base->login;
	}
	return 0;
}

/* ---- for logs and people ---- */

static bool is_secret(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(secrets); i++) {
		size_t n = strlen(secrets[i]);
		for (size_t at = 0; at + n <= name.n; at++)
			if (strncasecmp(name.p + at, secrets[i], n) == 0)
				return true;
	}
	return false;
}

/* Cameras also take "/user=admin_password=…_channel=1": up to the next '/' or '&' it is blotted. */
static void put_masked(struct slice path, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < path.n; i++) {
		buf_putc(out, (unsigned char)path.p[i] < ' ' ? '?' : path.p[i]);
		if (strchr("/?&;", path.p[i]))
			from = i + 1;
		if (path.p[i] != '=' || !is_secret((struct slice){path.p + from, i - from}))
			continue;
		buf_puts(out, "***");
		while (i + 1 < path.n && !strchr("/&;?", path.p[i + 1]))
			i++;
	}
}

void look_url_public(const char *url, struct buf *out)
{
	struct look_url u;
	struct slice s = slice_of(url);
	if (parse(s, &u, NULL) == 0) {
		buf_printf(out, "%s://", u.scheme);
		look_url_authority(&u, out);
		put_masked((struct slice){u.path, MIN_OF(strlen(u.path), (size_t)PUBLIC_PATH_MAX)},
			   out);
		return;
	}
	/* Whatever stands before an '@' may be a password. */
	const char *at = last_at(s), *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
	if (at) {
		if (colon && colon < at && find_scheme((struct slice){s.p, (size_t)(colon - s.p)}))
			buf_put(out, s.p, (size_t)(colon - s.p)), buf_puts(out, "://");
		s = (struct slice){at + 1, s.n - (size_t)(at - s.p) - 1};
	}
	put_masked((struct slice){s.p, MIN_OF(s.n, (size_t)PUBLIC_PATH_MAX)}, out);
}
