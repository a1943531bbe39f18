/* Requests and their answers (RFC 2326). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rtspd.h"

#define REALM "rtspd"
#define HEADER_MAX 1024

struct request {
	char method[32], url[URL_MAX], path[URL_MAX];
	int cseq, track;
	const char *head; /* with its end, '\0' */
	char auth[HEADER_MAX];
};

/* The value of a header, "" without it. */
static void header(const char *head, const char *name, char *ret, size_t max)
{
	size_t len = strlen(name);
	ret[0] = '\0';
	for (const char *p = head; p; p = strstr(p, "\r\n")) {
		p += p == head ? 0 : 2;
		if (strncasecmp(p, name, len) != 0 || p[len] != ':')
			continue;
		p += len + 1;
		p += strspn(p, " ");
		size_t n = strcspn(p, "\r\n");
		n = n < max ? n : max - 1;
		memcpy(ret, p, n);
		ret[n] = '\0';
		return;
	}
}

static int header_int(const char *head, const char *name)
{
	char text[32];
	header(head, name, text, sizeof text);
	return atoi(text);
}

/* ---- who may ---- */

static void md5(char ret[33], const char *text)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_Digest(text, strlen(text), sum, &n, EVP_md5(), NULL);
	for (unsigned i = 0; i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

/* name="value" or name=value of an Authorization. */
static void field(const char *auth, const char *name, char *ret, size_t max)
{
	size_t len = strlen(name);
	ret[0] = '\0';
	for (const char *p = auth; (p = strstr(p, name)); p += len) {
		if (p == auth || !strchr(" ,", p[-1]) || p[len] != '=')
			continue;
		p += len + 1;
		bool quoted = *p == '"';
		p += quoted;
		size_t n = strcspn(p, quoted ? "\"" : ", ");
		n = n < max ? n : max - 1;
		memcpy(ret, p, n);
		ret[n] = '\0';
		return;
	}
}

static bool basic_ok(const struct conn *c, const char *auth)
{
	char plain[2 * WORD_MAX + 2], want[4 * WORD_MAX + 8];
	int n = snprintf(plain, sizeof plain, "%s:%s", c->mount.user, c->mount.pass);
	EVP_EncodeBlock((unsigned char *)want, (unsigned char *)plain, n);
	return strncasecmp(auth, "Basic ", 6) == 0 && strcmp(auth + 6, want) == 0;
}

static void nonce(const struct conn *c, char ret[33])
{
	char text[64];
	snprintf(text, sizeof text, "%llu-%p", c->number, (const void *)c);
	md5(ret, text);
}

static bool digest_ok(const struct conn *c, const char *method, const char *auth)
{
	char text[URL_MAX + 512], ha1[33], ha2[33], want[33], uri[URL_MAX], sent[64], number[33];
	char nc[32], cnonce[128];
	if (strncasecmp(auth, "Digest ", 7) != 0)
		return false;
	nonce(c, number);
	field(auth, "nonce", sent, sizeof sent);
	if (strcmp(sent, number) != 0)
		return false;
	field(auth, "uri", uri, sizeof uri);
	field(auth, "nc", nc, sizeof nc);
	field(auth, "cnonce", cnonce, sizeof cnonce);
	snprintf(text, sizeof text, "%s:" REALM ":%s", c->mount.user, c->mount.pass);
	md5(ha1, text);
	snprintf(text, sizeof text, "%s:%s", method, uri);
	md5(ha2, text);
	if (c->mount.auth == AUTH_QOP)
		snprintf(text, sizeof text, "%s:%s:%s:%s:auth:%s", ha1, number, nc, cnonce, ha2);
	else
		snprintf(text, sizeof text, "%s:%s:%s", ha1, number, ha2);
	md5(want, text);
	field(auth, "response", sent, sizeof sent);
	return strcmp(sent, want) == 0;
}

static bool allowed(const struct conn *c, const struct request *r)
{
	return c->mount.auth == AUTH_NONE ||
	       (c->mount.auth == AUTH_BASIC ? basic_ok(c, r->auth)
					    : digest_ok(c, r->method, r->auth));
}

/* ---- answers ---- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"},
		       {400, "Bad Request"},
		       {401, "Unauthorized"},
		       {403, "Forbidden"},
		       {404, "Not Found"},
		       {405, "Method Not Allowed"},
		       {453, "Not Enough Bandwidth"},
		       {454, "Session Not Found"},
		       {461, "Unsupported Transport"},
		       {500, "Internal Server Error"},
		       {503, "Service Unavailable"}};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Status";
}

static void answer(struct conn *c, const struct request *r, int status, const char *headers)
{
	conn_printf(c, "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n", status, reason(status), r->cseq,
		    headers);
}

static void challenge(struct conn *c, const struct request *r)
{
	char text[256], number[33];
	nonce(c, number);
	if (c->mount.auth == AUTH_DIGEST || c->mount.auth == AUTH_QOP)
		snprintf(text, sizeof text,
			 "WWW-Authenticate: Digest realm=\"" REALM "\", nonce=\"%s\"%s\r\n", number,
			 c->mount.auth == AUTH_QOP ? ", qop=\"auth\", algorithm=MD5" : "");
	else
		snprintf(text, sizeof text, "WWW-Authenticate: Basic realm=\"" REALM "\"\r\n");
	answer(c, r, 401, text);
}

static void options(struct conn *c, const struct request *r)
{
	answer(c, r, 200,
	       "Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER\r\n");
}

static void describe(struct conn *c, const struct request *r)
{
	char sdp[CLIP_SDP_MAX + 1024], head[URL_MAX + 128];
	const struct clip *clip = clip_named(c->mount.clip);
	if (!clip) {
		answer(c, r, 404, "");
		return;
	}
	int n = snprintf(
		sdp, sizeof sdp,
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
		"a=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 %s/90000\r\n",
		clip->hevc ? "H265" : "H264");
	if (c->mount.sprop)
		n += snprintf(sdp + n, sizeof sdp - (size_t)n, "a=fmtp:96 %s\r\n", clip->fmtp);
	else if (!clip->hevc)
		n += snprintf(sdp + n, sizeof sdp - (size_t)n,
			      "a=fmtp:96 packetization-mode=1\r\n");
	n += snprintf(sdp + n, sizeof sdp - (size_t)n, "a=control:trackID=0\r\n");
	if (c->mount.audio)
		n += snprintf(sdp + n, sizeof sdp - (size_t)n,
			      "m=audio 0 RTP/AVP 8\r\na=control:trackID=1\r\n");
	snprintf(head, sizeof head,
		 "Content-Base: %s/\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n",
		 r->url, n);
	answer(c, r, 200, head);
	conn_send(c, sdp, (size_t)n);
}

/* Another connection plays this very camera. */
static bool taken(const struct conn *c)
{
	for (const struct conn *o = conn_first(); o; o = o->listed_after)
		if (o != c && !o->dead && o->session && strcmp(o->path, c->path) == 0)
			return true;
	return false;
}

static void setup(struct conn *c, const struct request *r)
{
	char transport[256], head[512], channels[32] = "0-1";
	header(r->head, "Transport", transport, sizeof transport);
	const char *given = strstr(transport, "interleaved=");
	if (!strstr(transport, "/TCP")) {
		answer(c, r, 461, "");
		return;
	}
	if (c->mount.single && taken(c)) {
		answer(c, r, 453, "");
		return;
	}
	if (c->mount.channel >= 0)
		snprintf(channels, sizeof channels, "%d-%d", c->mount.channel,
			 c->mount.channel + 1);
	else if (given)
		snprintf(channels, sizeof channels, "%.*s", (int)strspn(given + 12, "0123456789-"),
			 given + 12);
	if (!c->session)
		c->session = 10000000 + stats.requests;
	snprintf(head, sizeof head,
		 "Transport: RTP/AVP/TCP;unicast;interleaved=%s\r\nSession: %llu;timeout=60\r\n",
		 channels, c->session);
	answer(c, r, 200, head);
}

static void play(struct conn *c, const struct request *r)
{
	char head[128];
	if (!c->session) {
		answer(c, r, 454, "");
		return;
	}
	snprintf(head, sizeof head, "Session: %llu\r\nRange: npt=0.000-\r\n", c->session);
	answer(c, r, 200, head);
	if (c->mount.at == AT_PLAY && c->mount.act >= ACT_RTP_JUNK)
		bad_act(c, c->mount.act, r->cseq, r->url);
	else if (!c->playing)
		play_begin(c);
}

static void teardown(struct conn *c, const struct request *r)
{
	play_end(c);
	c->session = 0;
	answer(c, r, 200, "");
}

static void fine(struct conn *c, const struct request *r)
{
	answer(c, r, 200, "");
}

static const struct {
	const char *name;
	enum step step;
	bool guarded; /* by the mount's user and password */
	void (*answer)(struct conn *c, const struct request *r);
} methods[] = {{"OPTIONS", AT_OPTIONS, false, options}, {"DESCRIBE", AT_DESCRIBE, true, describe},
	       {"SETUP", AT_SETUP, true, setup},	{"PLAY", AT_PLAY, true, play},
	       {"PAUSE", AT_NEVER, true, fine},		{"GET_PARAMETER", AT_NEVER, true, fine},
	       {"SET_PARAMETER", AT_NEVER, true, fine}, {"TEARDOWN", AT_NEVER, true, teardown}};

static bool acts_now(const struct conn *c, enum step step)
{
	return c->mount.act != ACT_NONE && c->mount.at == step && c->mount.act < ACT_NO_PACKETS;
}

static void serve(struct conn *c, const struct request *r)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		if (strcmp(methods[i].name, r->method) != 0)
			continue;
		if (c->mount.asks)
			conn_printf(c, "OPTIONS %s RTSP/1.0\r\nCSeq: 77\r\n\r\n", r->url);
		if (methods[i].guarded && !allowed(c, r))
			challenge(c, r);
		else if (!acts_now(c, methods[i].step))
			methods[i].answer(c, r);
		else if (c->mount.act == ACT_STATUS && c->mount.status == 401)
			challenge(c, r);
		else if (c->mount.act == ACT_STATUS)
			answer(c, r, c->mount.status, "");
		else
			bad_act(c, c->mount.act, r->cseq, r->url);
		return;
	}
	answer(c, r, 405, "");
}

/* ---- what came ---- */

/* rtsp://host/path?query/trackID=1 → /path */
static void path_of(struct request *r)
{
	const char *p = strstr(r->url, "://");
	p = p ? strchr(p + 3, '/') : r->url;
	size_t n = p ? strcspn(p, "?") : 0;
	snprintf(r->path, sizeof r->path, "%.*s", (int)n, p ? p : "");
	const char *track = p ? strstr(p, "/trackID=") : NULL;
	r->track = track ? atoi(track + 9) : 0;
	char *cut = strstr(r->path, "/trackID=");
	if (cut)
		*cut = '\0';
	for (n = strlen(r->path); n > 1 && r->path[n - 1] == '/';)
		r->path[--n] = '\0';
}

static void request(struct conn *c, const char *head)
{
	struct request r = {.head = head};
	stats.requests++;
	if (strncmp(head, "RTSP/1.0 ", 9) == 0)
		return; /* to what it was asked */
	if (sscanf(head, "%31s %2047s RTSP/1.0", r.method, r.url) != 2) {
		answer(c, &r, 400, "");
		return;
	}
	r.cseq = header_int(head, "CSeq");
	header(head, "Authorization", r.auth, sizeof r.auth);
	path_of(&r);
	log_request(c, r.method, r.auth);
	if (!c->playing && strcmp(r.path, "*") != 0) {
		snprintf(c->path, sizeof c->path, "%s", r.path);
		if (!mount_find(c->path, &c->mount)) {
			answer(c, &r, strcmp(r.method, "OPTIONS") == 0 ? 200 : 404, "");
			return;
		}
	}
	serve(c, &r);
}

/* Bytes of what stands first in the buffer, 0: it is not all there. */
static size_t whole(const struct conn *c)
{
	if (c->in[0] == '$') { /* RTCP of the client */
		size_t n =
			c->nin < 4 ? 4 : 4 + ((size_t)(uint8_t)c->in[2] << 8 | (uint8_t)c->in[3]);
		return c->nin < n ? 0 : n;
	}
	const char *end = memmem(c->in, c->nin, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - c->in) + 4;
	int body = header_int(c->in, "Content-Length");
	size_t n = head + (body > 0 ? (size_t)body : 0);
	return c->nin < n ? 0 : n;
}

void rtsp_take(struct conn *c)
{
	size_t n;
	c->in[c->nin] = '\0';
	while (!c->dead && !c->deaf && c->nin && (n = whole(c))) {
		if (c->mount.late_ms && !c->playing && !c->waited) {
			c->waited = true;
			conn_at(c, now_us() + c->mount.late_ms * INT64_C(1000));
			return;
		}
		c->waited = false;
		if (c->in[0] != '$') {
			char *end = memmem(c->in, c->nin, "\r\n\r\n", 4);
			*end = '\0';
			request(c, c->in);
		}
		memmove(c->in, c->in + n, c->nin - n);
		c->nin -= n;
		c->in[c->nin] = '\0';
	}
	if (c->nin >= IN_MAX)
		conn_hang_up(c, false);
}
