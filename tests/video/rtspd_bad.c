/* What no camera should do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rtspd.h"

#define CHUNK (64 * 1024)
#define DRIP_US 1000000
#define BODY_LEN 30000000 /* what a client may well be ready to keep */
#define MANY_MEDIAS 10000
#define HUGE_SDP (8 << 20)

static const uint8_t *noise(void)
{
	static uint8_t bytes[CHUNK];
	static bool made;
	for (uint32_t i = 0, x = 2463534242U; !made && i < CHUNK; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[i] = (uint8_t)x;
	}
	made = true;
	return bytes;
}

static void begin(struct conn *c, const char *headers, int cseq)
{
	conn_printf(c, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n%s", cseq, headers);
}

static void drip(struct conn *c, const char *text)
{
	free(c->drip);
	c->drip = strdup(text);
	c->ndrip = c->drip ? strlen(text) : 0;
	conn_at(c, now_us() + DRIP_US);
}

static void drip_headers(struct conn *c, int cseq)
{
	char text[128];
	snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nX-Slow: ", cseq);
	drip(c, text);
}

#define SDP "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"

/* An SDP of many lines; how many and which, the act says. */
static void long_sdp(struct conn *c, int cseq, const char *line, size_t times)
{
	size_t n = sizeof SDP - 1 + strlen(line) * times;
	char *text = malloc(n + 1), *p = text;
	if (!text)
		return;
	p = stpcpy(p, SDP);
	for (size_t i = 0; i < times; i++)
		p = stpcpy(p, line);
	conn_printf(c,
		    "RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: application/sdp\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    cseq, n);
	conn_send(c, text, n);
	free(text);
}

static void redirect(struct conn *c, int cseq, const char *url)
{
	const char *to = strcmp(c->mount.to, "self") == 0 || !c->mount.to[0] ? url : c->mount.to;
	conn_printf(c, "RTSP/1.0 302 Moved Temporarily\r\nCSeq: %d\r\nLocation: %s\r\n\r\n", cseq,
		    to);
	c->deaf = false; /* it may come back */
	c->act = ACT_NONE;
}

static void describe_as(struct conn *c, int cseq, const char *type, const char *body)
{
	conn_printf(
		c,
		"RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		cseq, type, strlen(body), body);
	c->deaf = false; /* it would go on */
	c->act = ACT_NONE;
}

static void describe_elsewhere(struct conn *c, int cseq)
{
	char sdp[1024];
	snprintf(sdp, sizeof sdp,
		 SDP "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:%s\r\n",
		 c->mount.to);
	describe_as(c, cseq, "application/sdp", sdp);
}

static void set_up_as(struct conn *c, int cseq, const char *transport, size_t name)
{
	char text[3072];
	memset(text, 'a', sizeof text);
	text[name] = '\0';
	conn_printf(c, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nTransport: %s\r\nSession: %s\r\n\r\n", cseq,
		    transport, text);
	c->deaf = false;
	c->act = ACT_NONE;
}

static void drip_rtp(struct conn *c)
{
	const struct clip *clip = clip_named(c->mount.clip);
	if (!clip)
		return;
	c->ndrip = clip->frames[0].len;
	c->drip = malloc(c->ndrip);
	if (!c->drip)
		return;
	memcpy(c->drip, clip->bytes, c->ndrip);
	conn_at(c, now_us() + DRIP_US);
}

static void rtp_stall(struct conn *c)
{
	const struct clip *clip = clip_named(c->mount.clip);
	if (clip)
		conn_send(c, clip->bytes, clip->frames[0].len / 2);
}

static void half(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
}

void bad_act(struct conn *c, enum act act, int cseq, const char *url)
{
	c->act = act;
	c->acted = 0;
	c->deaf = true;
	switch (act) {
	case ACT_RESET:
	case ACT_CLOSE:
		conn_hang_up(c, act == ACT_RESET);
		break;
	case ACT_HALF:
		half(c);
		break;
	case ACT_HEADERS:
		begin(c, "", cseq);
		break;
	case ACT_BODY:
	case ACT_DRIP_BODY:
		conn_printf(c,
			    "RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: application/sdp\r\n"
			    "Content-Length: %d\r\n\r\n",
			    cseq, BODY_LEN);
		if (act == ACT_DRIP_BODY)
			drip(c, SDP);
		break;
	case ACT_DRIP:
		drip_headers(c, cseq);
		break;
	case ACT_REDIRECT:
		redirect(c, cseq, url);
		break;
	case ACT_HUGE_LENGTH:
		begin(c, "Content-Type: application/sdp\r\nContent-Length: 99999999999\r\n\r\n" SDP,
		      cseq);
		break;
	case ACT_HUGE_SDP:
		long_sdp(c, cseq, "a=tool:a line that says nothing, again and again\r\n",
			 HUGE_SDP / 50);
		break;
	case ACT_MANY_MEDIA:
		long_sdp(
			c, cseq,
			"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n",
			MANY_MEDIAS);
		c->deaf = false; /* it would go on */
		c->act = ACT_NONE;
		break;
	case ACT_TELL:
		conn_printf(c, "REDIRECT %s RTSP/1.0\r\nCSeq: 1\r\nLocation: %s\r\n\r\n", url,
			    c->mount.to);
		break;
	case ACT_ELSEWHERE:
		describe_elsewhere(c, cseq);
		break;
	case ACT_AUDIO_ONLY:
		describe_as(c, cseq, "application/sdp",
			    SDP "m=audio 0 RTP/AVP 8\r\na=control:trackID=1\r\n");
		break;
	case ACT_NO_SDP:
		describe_as(c, cseq, "text/html", "<html><body>It works!</body></html>\n");
		break;
	case ACT_UDP:
		set_up_as(c, cseq,
			  "RTP/AVP;unicast;client_port=15004-15005;server_port=15006-15007", 8);
		break;
	case ACT_LONG_NAME:
		set_up_as(c, cseq, "RTP/AVP/TCP;unicast;interleaved=0-1", 3000);
		break;
	case ACT_RTP_STALL:
		rtp_stall(c);
		break;
	case ACT_RTP_DRIP:
		drip_rtp(c);
		break;
	case ACT_NONE:
	case ACT_SILENT:
	case ACT_STATUS:
	case ACT_GARBAGE:
	case ACT_CONTINUE:
	case ACT_ASKS:
	case ACT_NO_PACKETS:
	case ACT_NO_KEY:
	case ACT_RTP_JUNK:
	default:
		break;
	}
	if (!c->dead)
		bad_fill(c);
}

/* Interleaved frames whose lengths, headers and payloads are noise. */
static void junk(struct conn *c)
{
	static const uint16_t lengths[] = {0, 1, 3, 11, 12, 13, 14, 40, 1400, 65535, 2, 700};
	uint8_t out[4 + 1024];
	for (int i = 0; i < 64 && !c->dead; i++) {
		size_t k = c->acted++;
		unsigned len = lengths[k % (sizeof lengths / sizeof *lengths)];
		size_t n = len < 1024 ? len
				      : 1024; /* less than it says: what follows is read as RTP */
		memcpy(out + 4, noise() + k * 97 % (CHUNK - 1024), n);
		out[0] = '$';
		out[1] = (uint8_t)(k % 5);
		out[2] = (uint8_t)(len >> 8);
		out[3] = (uint8_t)len;
		if (k % 3) { /* RTP to all appearance */
			out[4] = 0x80;
			out[5] = 96;
			out[16] = k % 2 ? 0x7c : 0x78; /* FU-A, STAP-A */
		}
		conn_send(c, out, 4 + n);
	}
}

void bad_fill(struct conn *c)
{
	char text[1200];
	switch (c->act) {
	case ACT_GARBAGE:
	case ACT_BODY:
		conn_send(c, noise(), CHUNK);
		break;
	case ACT_HEADERS:
		memset(text, 'a', sizeof text);
		memcpy(text, "X-Filler: ", 10);
		memcpy(text + sizeof text - 2, "\r\n", 2);
		conn_send(c, text, c->acted++ % 2 ? sizeof text : 0);
		conn_send(c, "X-More: yes\r\n", 13);
		break;
	case ACT_CONTINUE:
		conn_printf(c, "RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\n");
		break;
	case ACT_ASKS:
		conn_printf(c, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
		break;
	case ACT_RTP_JUNK:
		junk(c);
		break;
	case ACT_NONE:
	case ACT_SILENT:
	case ACT_STATUS:
	case ACT_RESET:
	case ACT_CLOSE:
	case ACT_HALF:
	case ACT_DRIP:
	case ACT_DRIP_BODY:
	case ACT_REDIRECT:
	case ACT_HUGE_LENGTH:
	case ACT_HUGE_SDP:
	case ACT_MANY_MEDIA:
	case ACT_TELL:
	case ACT_ELSEWHERE:
	case ACT_AUDIO_ONLY:
	case ACT_NO_SDP:
	case ACT_UDP:
	case ACT_LONG_NAME:
	case ACT_NO_PACKETS:
	case ACT_NO_KEY:
	case ACT_RTP_STALL:
	case ACT_RTP_DRIP:
	default:
		break;
	}
}

void bad_due(struct conn *c)
{
	if (!c->drip)
		return;
	conn_send(c, c->acted < c->ndrip ? c->drip + c->acted : "a", 1);
	c->acted++;
	if (!c->dead)
		conn_at(c, now_us() + DRIP_US);
}
