#include "look_talk.h"

#include <strings.h>

#define LINE_MAX_BYTES 4096
#define HEADERS_MAX 100
#define FRAMES_MAX 20000 /* interleaved ones before an answer */

static const struct {
	int status; /* the first of them up to the next line's */
	enum probe_state state;
	enum probe_cause cause;
	const char *what;
} meanings[] = {
	{0, PROBE_OFFLINE, PROBE_BAD_DATA, "an answer without what was asked for"},
	{300, PROBE_OFFLINE, PROBE_REDIRECTED, "redirected"},
	{400, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{401, PROBE_OFFLINE, PROBE_UNAUTHORISED, "user or password not accepted"},
	{402, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{403, PROBE_OFFLINE, PROBE_UNAUTHORISED, "not allowed"},
	{404, PROBE_OFFLINE, PROBE_NOT_FOUND, "no such stream"},
	{405, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{407, PROBE_OFFLINE, PROBE_UNAUTHORISED, "user or password not accepted"},
	{408, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{410, PROBE_OFFLINE, PROBE_NOT_FOUND, "no such stream any more"},
	{411, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{429, PROBE_UNKNOWN, PROBE_BUSY, "too many requests"},
	{430, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{453, PROBE_UNKNOWN, PROBE_BUSY, "all sessions are taken"},
	{454, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{461, PROBE_OFFLINE, PROBE_BAD_DATA, "does not send over TCP"},
	{462, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
	{503, PROBE_UNKNOWN, PROBE_BUSY, "all sessions are taken"},
	{504, PROBE_OFFLINE, PROBE_BAD_DATA, "refused"},
};

int look_talk_refused(struct look_talk *t, const struct look_answer *a, const char *method)
{
	size_t i = 0;
	while (i + 1 < COUNT_OF(meanings) && meanings[i + 1].status <= a->status)
		i++;
	if (meanings[i].cause != PROBE_REDIRECTED)
		return look_fail(t->io.run, meanings[i].state, meanings[i].cause, -EPROTO,
				 "%s (%s: %d)", meanings[i].what, method, a->status);
	auto_buf struct buf to;
	buf_init(&to, 4096);
	look_url_public(a->location, &to);
	return look_fail(t->io.run, PROBE_OFFLINE, PROBE_REDIRECTED, -EPROTO,
			 "redirected to %.100s", to.n ? buf_str(&to) : "nowhere");
}

/* ---- saying ---- */

int look_talk_say(struct look_talk *t, const char *method, const char *uri, const char *more)
{
	auto_buf struct buf out;
	buf_init(&out, 32768);
	buf_printf(&out, "%s %s %s\r\n", method, uri, t->protocol);
	if (t->protocol[0] == 'R')
		buf_printf(&out, "CSeq: %u\r\n", ++t->seq);
	if (t->session[0])
		buf_printf(&out, "Session: %s\r\n", t->session);
	buf_puts(&out, "User-Agent: gridhub/" GRIDHUB_VERSION "\r\n");
	if (t->url->login)
		look_auth_put(&t->auth, t->url->user, t->url->password, method, uri, &out);
	buf_puts(&out, more);
	buf_puts(&out, "\r\n");
	if (out.failed)
		return look_fail_own(t->io.run, ENOMEM, "cannot ask");
	return look_io_write(&t->io, buf_slice(&out));
}

/* ---- hearing ---- */

static int bad_data(struct look_talk *t, const char *what)
{
	return look_fail(t->io.run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG, "%s", what);
}

struct header {
	const char *name;
	size_t at, size; /* in struct look_answer */
};
#define TEXT(name, member)                                      \
	{                                                       \
		name, offsetof(struct look_answer, member),     \
			sizeof((struct look_answer *)0)->member \
	}
static const struct header headers[] = {
	TEXT("Content-Base", base),   TEXT("Location", location),      TEXT("Session", session),
	TEXT("Transport", transport), TEXT("Content-Type", type),      TEXT("CSeq", seq),
	TEXT("Date", date),	      TEXT("Last-Modified", modified),
};

static bool is_header(struct slice name, const char *wanted)
{
	return name.n == strlen(wanted) && strncasecmp(name.p, wanted, name.n) == 0;
}

static void put_text(char *to, size_t size, struct slice value)
{
	size_t n = MIN_OF(value.n, size - 1);
	if (n)
		memcpy(to, value.p, n);
	to[n] = 0;
}

static int take_header(struct look_talk *t, const char *line, struct look_answer *ret)
{
	struct slice value = slice_of(line), name;
	if (!slice_cut(&value, ':', &name) || !value.p)
		return 0; /* cameras send strange lines; they mean nothing */
	value = slice_trim(value);
	name = slice_trim(name);
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		if (is_header(name, headers[i].name))
			put_text((char *)ret + headers[i].at, headers[i].size, value);
	if (is_header(name, "Content-Location") && !ret->base[0])
		put_text(ret->base, sizeof ret->base, value);
	if (is_header(name, "WWW-Authenticate"))
		look_auth_offer(&t->auth, value);
	if (is_header(name, "Transfer-Encoding"))
		ret->chunked = value.n >= 7 && strncasecmp(value.p, "chunked", 7) == 0;
	if (is_header(name, "Content-Length") &&
	    (slice_to_i64(value, &ret->length) || ret->length < 0))
		return bad_data(t, "a Content-Length that is none");
	return 0;
}

/* "RTSP/1.0 200 OK", "HTTP/1.1 200", "ICY 200 OK" is not one. */
static int parse_status(struct look_talk *t, const char *line, int *ret)
{
	struct slice rest = slice_of(line), word, code;
	int64_t v;
	if (strncmp(line, t->protocol, 5) != 0)
		return bad_data(t, "what it says is neither an answer nor a stream");
	slice_cut(&rest, ' ', &word);
	rest = slice_trim(rest);
	slice_cut(&rest, ' ', &code);
	if (slice_to_i64(code, &v) || v < 100 || v > 999)
		return bad_data(t, "an answer without a status");
	*ret = (int)v;
	return 0;
}

static int skip(struct look_talk *t, int64_t n)
{
	uint8_t junk[1024];
	while (n > 0) {
		size_t part = (size_t)MIN_OF(n, (int64_t)sizeof junk);
		int r = look_io_exactly(&t->io, junk, part);
		if (r)
			return r;
		n -= (int64_t)part;
	}
	return 0;
}

/* The first line of what comes, past '$' frames. */
static int first_line(struct look_talk *t, const char *first, char *ret, size_t size)
{
	size_t n = strlen(first);
	snprintf(ret, size, "%s", first);
	for (int frames = 0; t->interleaved && !n; frames++) {
		uint8_t head[4];
		int r = look_io_byte(&t->io, &head[0]);
		if (r)
			return r;
		if (head[0] != '$') {
			ret[n++] = (char)head[0];
			break;
		}
		r = look_io_exactly(&t->io, head + 1, 3);
		if (!r)
			r = skip(t, head[2] << 8 | head[3]);
		if (r)
			return r;
		if (frames >= FRAMES_MAX)
			return bad_data(t, "packets without end, and no answer");
	}
	return look_io_line(&t->io, ret + n, size - n);
}

static int take_headers(struct look_talk *t, struct look_answer *ret)
{
	char line[LINE_MAX_BYTES];
	for (int i = 0;; i++) {
		int r = look_io_line(&t->io, line, sizeof line);
		if (!r && !line[0])
			return 0;
		if (!r && i >= HEADERS_MAX)
			r = look_fail(t->io.run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				      "more than %d headers", HEADERS_MAX);
		if (!r)
			r = take_header(t, line, ret);
		if (r)
			return r;
	}
}

/* A server may ask, too. */
static int answer_request(struct look_talk *t, const char *line)
{
	struct look_answer a = {.length = -1};
	auto_buf struct buf out;
	buf_init(&out, 256);
	bool redirect = strncmp(line, "REDIRECT ", 9) == 0;
	int r = take_headers(t, &a);
	if (!r)
		r = skip(t, a.length);
	if (r)
		return r;
	a.status = 302;
	if (redirect)
		return look_talk_refused(t, &a, "REDIRECT");
	buf_printf(&out, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n\r\n", a.seq);
	return look_io_write(&t->io, buf_slice(&out));
}

static bool is_request(const struct look_talk *t, const char *line)
{
	size_t n = strlen(line);
	return t->protocol[0] == 'R' && n > 9 && strcmp(line + n - 9, " RTSP/1.0") == 0;
}

int look_talk_hear(struct look_talk *t, const char *first, struct look_answer *ret)
{
	char line[LINE_MAX_BYTES];
	for (int i = 0; i < HEADERS_MAX; i++, first = "") {
		*ret = (struct look_answer){.length = -1};
		int r = first_line(t, first, line, sizeof line);
		if (r)
			return r;
		if (!line[0] && t->protocol[0] == 'R')
			continue; /* some send an empty line too many */
		if (is_request(t, line)) {
			if ((r = answer_request(t, line)))
				return r;
			continue;
		}
		if ((r = parse_status(t, line, &ret->status)) || (r = take_headers(t, ret)))
			return r;
		if (ret->status >= 200)
			return 0;
	}
	return bad_data(t, "it talks, and does not answer");
}

/* ---- both ---- */

static bool may_retry(const struct look_talk *t, const struct look_answer *a, int tried)
{
	return a->status == 401 && t->url->login && t->auth.kind != LOOK_AUTH_NONE &&
	       (tried == 0 || (tried == 1 && t->auth.stale));
}

int look_talk_ask(struct look_talk *t, const char *method, const char *uri, const char *more,
		  struct look_answer *ret)
{
	struct look_auth before;
	for (int tried = t->auth.kind != LOOK_AUTH_NONE;; tried++) {
		int r = look_talk_say(t, method, uri, more);
		before = t->auth;
		look_auth_reset(&t->auth);
		if (!r)
			r = look_talk_hear(t, "", ret);
		if (r)
			return r;
		if (!may_retry(t, ret, tried))
			break;
		if ((r = skip(t, ret->length)))
			return r;
	}
	if (t->auth.kind == LOOK_AUTH_NONE) /* what let us in goes on doing so */
		t->auth = before;
	return ret->status < 300 ? 0 : look_talk_refused(t, ret, method);
}

int look_talk_body(struct look_talk *t, const struct look_answer *a, struct buf *out)
{
	if (a->length < 0)
		return bad_data(t, "an answer without a length");
	if (!buf_reserve(out, (size_t)MIN_OF(a->length, (int64_t)INT32_MAX)))
		return look_fail(t->io.run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "an answer of %lld bytes", (long long)a->length);
	int r = look_io_exactly(&t->io, out->p + out->n, (size_t)a->length);
	if (r)
		return r;
	out->n += (size_t)a->length;
	out->p[out->n] = 0;
	return 0;
}
