#include "look_rtsp.h"

#include <ctype.h>
#include <strings.h>

#define JUNK_MAX 4096 /* bytes between packets that are none: some cameras send a few */
#define RTP_HEAD 12
#define RTCP_BYE 203

static int bad_data(struct look_rtsp *s, const char *what)
{
	return look_fail(s->talk.io.run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG, "%s", what);
}

/* ---- the description ---- */

static struct slice next_line(struct slice *rest)
{
	struct slice line = {0};
	slice_cut(rest, '\n', &line);
	return slice_trim(line);
}

/* The first "m=video" and what belongs to it; session: what stands before all media. */
static struct slice find_video(struct slice sdp, struct slice *ret_session)
{
	struct slice rest = sdp, video = {0};
	bool first = true;
	*ret_session = sdp;
	while (rest.n) {
		const char *at = rest.p;
		struct slice line = next_line(&rest);
		if (!slice_starts(line, "m="))
			continue;
		if (first)
			ret_session->n = (size_t)(at - sdp.p);
		first = false;
		if (video.p) {
			video.n = (size_t)(at - video.p);
			return video;
		}
		if (slice_starts(line, "m=video "))
			video = (struct slice){at, sdp.n - (size_t)(at - sdp.p)};
	}
	return video;
}

static struct slice attribute(struct slice part, const char *name)
{
	while (part.n) {
		struct slice line = next_line(&part);
		if (slice_starts(line, name))
			return slice_trim(
				(struct slice){line.p + strlen(name), line.n - strlen(name)});
	}
	return (struct slice){0};
}

/* What a demuxer needs, and nothing that names an address. */
static int put_sdp(struct look_rtsp *s, struct slice video, struct buf *out)
{
	static const char *const kept[] = {"a=rtpmap:", "a=fmtp:", "a=framesize:", "a=framerate:"};
	struct slice line = next_line(&video), word, port, profile;
	slice_cut(&line, ' ', &word);
	slice_cut(&line, ' ', &port);
	slice_cut(&line, ' ', &profile);
	line = slice_trim(line);
	if (!line.n || !slice_starts(profile, "RTP/AVP"))
		return bad_data(s, "a description of something else than plain RTP");
	buf_printf(out,
		   "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP %.*s\r\n",
		   SL_FMT(line));
	while (video.n) {
		line = next_line(&video);
		for (size_t i = 0; i < COUNT_OF(kept); i++)
			if (slice_starts(line, kept[i]))
				buf_printf(out, "%.*s\r\n", SL_FMT(line));
	}
	return out->failed ? look_fail_own(s->talk.io.run, ENOMEM, "description") : 0;
}

/* base, or what stands in a=control beside it. */
static int join(struct look_rtsp *s, const char *base, struct slice control, char *ret, size_t size)
{
	bool absolute = memmem(control.p ? control.p : "", control.n, "://", 3) != NULL;
	size_t n = strlen(base);
	int len;
	if (!control.p || !control.n || slice_is(control, "*"))
		len = snprintf(ret, size, "%s", base);
	else if (absolute)
		len = snprintf(ret, size, "%.*s", SL_FMT(control));
	else
		len = snprintf(ret, size, "%s%s%.*s", base,
			       n && (base[n - 1] == '/' || control.p[0] == '/') ? "" : "/",
			       SL_FMT(control));
	for (int i = 0; i < len && (size_t)i < size; i++)
		if ((unsigned char)ret[i] <= ' ')
			return bad_data(s, "a control URL with blanks");
	return len > 0 && (size_t)len < size ? 0 : bad_data(s, "a control URL that is too long");
}

/* An absolute control URL may hold a login of its own; it is not to be repeated. */
static int take_description(struct look_rtsp *s, const char *uri, const struct look_answer *a,
			    struct slice text, struct buf *sdp)
{
	char base[2048];
	struct slice session, video = find_video(text, &session);
	bool good_base = strncasecmp(a->base, "rtsp", 4) == 0;
	if (!slice_starts(slice_trim(text), "v="))
		return bad_data(s, "a description that is none");
	if (!video.p)
		return bad_data(s, "its description has no video");
	snprintf(base, sizeof base, "%s", good_base ? a->base : uri);
	int r = join(s, base, attribute(session, "a=control:"), s->base, sizeof s->base);
	if (!r)
		r = join(s, base, attribute(video, "a=control:"), s->control, sizeof s->control);
	return r ? r : put_sdp(s, video, sdp);
}

static int describe(struct look_rtsp *s, const char *uri, struct buf *sdp)
{
	struct look_answer a;
	auto_buf struct buf body;
	buf_init(&body, LOOK_BODY_MAX);
	int r = look_talk_ask(&s->talk, "DESCRIBE", uri, "Accept: application/sdp\r\n", &a);
	if (r)
		return r;
	look_step(s->talk.io.run, PROBE_AUTHORISED);
	r = look_talk_body(&s->talk, &a, &body);
	return r ? r : take_description(s, uri, &a, buf_slice(&body), sdp);
}

/* ---- the session ---- */

static int take_transport(struct look_rtsp *s, const char *transport)
{
	const char *at = strstr(transport, "interleaved=");
	if (!strcasestr(transport, "RTP/AVP/TCP"))
		return bad_data(s, "it does not send over TCP");
	long channel = at ? strtol(at + 12, NULL, 10) : 0;
	if (channel < 0 || channel > 255)
		return bad_data(s, "a channel that is none");
	s->channel = (uint8_t)channel;
	return 0;
}

static int set_up(struct look_rtsp *s)
{
	struct look_answer a;
	int r = look_talk_ask(&s->talk, "SETUP", s->control,
			      "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", &a);
	if (r)
		return r;
	size_t n = strcspn(a.session, "; \t");
	if (!n)
		return bad_data(s, "a session without a name");
	snprintf(s->talk.session, sizeof s->talk.session, "%.*s", (int)n, a.session);
	s->playing = true; /* there is something to take down */
	return take_transport(s, a.transport);
}

static int play(struct look_rtsp *s)
{
	struct look_answer a;
	s->talk.interleaved = true;
	int r = look_talk_ask(&s->talk, "PLAY", s->base, "Range: npt=0.000-\r\n", &a);
	if (r)
		return r;
	look_step(s->talk.io.run, PROBE_SESSION);
	return 0;
}

int look_rtsp_open(struct look_rtsp *s, struct look_run *run, const struct look_url *u,
		   struct buf *sdp)
{
	auto_buf struct buf uri;
	s->talk.url = u;
	s->talk.protocol = "RTSP/1.0";
	buf_init(&uri, 8192);
	look_url_bare(u, &uri);
	int r = look_io_open(&s->talk.io, run, u, true);
	if (!r)
		r = describe(s, buf_str(&uri), sdp);
	if (!r)
		r = set_up(s);
	return r ? r : play(s);
}

void look_rtsp_close(struct look_rtsp *s)
{
	auto_buf struct buf out;
	const struct look_url *u = s->talk.url;
	buf_init(&out, 32768);
	if (s->playing && s->talk.io.fd >= 0) {
		buf_printf(&out, "TEARDOWN %s RTSP/1.0\r\nCSeq: %u\r\nSession: %s\r\n", s->base,
			   ++s->talk.seq, s->talk.session);
		if (u->login)
			look_auth_put(&s->talk.auth, u->user, u->password, "TEARDOWN", s->base,
				      &out);
		buf_puts(&out, "\r\n");
		look_io_hint(&s->talk.io, buf_slice(&out));
	}
	look_io_close(&s->talk.io);
}

/* ---- packets ---- */

/* A '$' frame's channel and length; 1: a message stood in its place, and was heard. */
static int next_frame(struct look_rtsp *s, uint8_t *ret_channel, size_t *ret_n)
{
	uint8_t head[4];
	struct look_answer a;
	for (int junk = 0; junk < JUNK_MAX; junk++) {
		int r = look_io_byte(&s->talk.io, &head[0]);
		if (r)
			return r;
		if (head[0] == '$') {
			r = look_io_exactly(&s->talk.io, head + 1, 3);
			*ret_channel = head[1];
			*ret_n = (size_t)(head[2] << 8 | head[3]);
			return r;
		}
		if (isupper(head[0])) {
			r = look_talk_hear(&s->talk, (char[]){(char)head[0], 0}, &a);
			return r ? r : 1;
		}
	}
	return bad_data(s, "neither packets nor answers");
}

ssize_t look_rtsp_packet(struct look_rtsp *s, uint8_t *p)
{
	for (;;) {
		uint8_t channel = 0;
		size_t n = 0;
		int r = next_frame(s, &channel, &n);
		if (r == 0)
			r = look_io_exactly(&s->talk.io, p, n);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		if (channel == s->channel && n > RTP_HEAD && p[0] >> 6 == 2) {
			if (!s->talk.io.patient) /* the first is noted when it comes */
				look_io_patient(&s->talk.io);
			return (ssize_t)n;
		}
		if (channel == s->channel + 1 && n >= 2 && p[1] == RTCP_BYE)
			return 0;
	}
}
