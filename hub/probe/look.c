/*
 * DESIGN: connections, requests, passwords and playlists are our own (look_io, look_talk,
 * look_rtsp, look_http, look_hls): libavformat 5.1 verifies no certificate of rtsps, reads answers
 * a byte at a time, follows redirects with the password, resolves names where nothing can stop it,
 * and tells most causes apart only in its log. Its demuxers take the bytes from there (RTP by the
 * one for SDP, FLV, transport streams), its codecs the rest. RTMP alone is its own from the
 * connection on.
 */
#include "look.h"

#include "look_decode.h"
#include "look_demux.h"
#include "look_hls.h"
#include "look_http.h"
#include "look_io.h"
#include "look_rtsp.h"
#include "look_stream.h"
#include "times.h"

#define ALLOC_MAX ((size_t)32 << 20) /* of one block of libav's */
#define SDP_MAX 16000		     /* libavformat reads no more */
#define FLV_HEAD 9

struct look_settings look_settings; /* written once, by look_init */

/* All that a look holds, on the heap: its thread's stack is small. */
struct job {
	struct look_run run;
	struct look_url url;
	struct look_stream stream;
	struct look_demux demux;
	struct look_rtsp rtsp;
	struct look_http http;
	struct buf sdp;
	bool marked; /* the RTP packet just read ends a picture */
	uint8_t head[FLV_HEAD];
	uint8_t rtp[LOOK_RTP_MAX];
};

void look_init(const struct look_limits *limits)
{
	struct err e = {0};
	look_settings.limits = *limits;
	unsetenv("http_proxy"); /* a proxy would get what is meant for cameras */
	av_max_alloc(ALLOC_MAX);
	look_rtmp_init();
	look_decode_init();
	avformat_network_init();
	if (tls_trust_new(limits->ca_file, limits->tls_verify, &e, &look_settings.trust))
		look_settings.trust = NULL; /* said by each look that needs it */
}

/* ---- RTSP ---- */

static ssize_t read_rtp(void *ctx, uint8_t *p, size_t n)
{
	struct job *j = ctx;
	ssize_t got = look_rtsp_packet(&j->rtsp, n >= LOOK_RTP_MAX ? p : j->rtp);
	if (got <= 0)
		return got;
	if (n < LOOK_RTP_MAX) {
		got = MIN_OF(got, (ssize_t)n);
		memcpy(p, j->rtp, (size_t)got);
	}
	j->marked = p[1] & 0x80;
	return got;
}

static enum look_part part_of_rtp(void *ctx)
{
	const struct job *j = ctx;
	return j->marked ? LOOK_LAST : LOOK_PART;
}

static int look_rtsp(struct job *j)
{
	buf_init(&j->sdp, SDP_MAX);
	int r = look_rtsp_open(&j->rtsp, &j->run, &j->url, &j->sdp);
	if (r)
		return r;
	j->demux = (struct look_demux){.head = buf_slice(&j->sdp),
				       .source = read_rtp,
				       .source_ctx = j,
				       .part = part_of_rtp};
	r = look_demux_open(&j->demux, &j->run, "sdp");
	return r ? r : look_demux_read(&j->demux, &j->stream);
}

/* ---- FLV over HTTP ---- */

static ssize_t read_body(void *ctx, uint8_t *p, size_t n)
{
	struct job *j = ctx;
	return look_http_read(&j->http, p, n);
}

/* The demuxer would look for tags in anything. */
static int read_head(struct job *j)
{
	for (size_t n = 0; n < FLV_HEAD;) {
		ssize_t r = look_http_read(&j->http, j->head + n, FLV_HEAD - n);
		if (r < 0)
			return (int)r;
		if (r == 0)
			return look_fail_closed(&j->run, 0);
		n += (size_t)r;
	}
	if (memcmp(j->head, "FLV", 3) != 0)
		return look_fail(&j->run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG, "not FLV");
	look_step(&j->run, PROBE_SESSION);
	return 0;
}

static int look_flv(struct job *j)
{
	int r = look_http_open(&j->http, &j->run, &j->url, true);
	if (!r)
		r = read_head(j);
	if (r)
		return r;
	j->demux = (struct look_demux){
		.head = {(const char *)j->head, FLV_HEAD}, .source = read_body, .source_ctx = j};
	r = look_demux_open(&j->demux, &j->run, "flv");
	return r ? r : look_demux_read(&j->demux, &j->stream);
}

/* ---- the others ---- */

static int look_rtmp(struct job *j)
{
	int r = look_demux_rtmp(&j->demux, &j->run, &j->url);
	return r ? r : look_demux_read(&j->demux, &j->stream);
}

static int look_hls(struct job *j)
{
	return look_hls_read(&j->run, &j->url, &j->stream);
}

static int look_reach(struct job *j)
{
	int r = look_io_open(&j->rtsp.talk.io, &j->run, &j->url, true);
	look_io_close(&j->rtsp.talk.io);
	return r;
}

static int (*const kinds[])(struct job *j) = {[LOOK_RTSP] = look_rtsp,
					      [LOOK_FLV] = look_flv,
					      [LOOK_HLS] = look_hls,
					      [LOOK_RTMP] = look_rtmp};

/* ---- all of it ---- */

static void conclude(struct job *j, int rc)
{
	struct probe_result *r = j->run.r;
	enum probe_step wanted = r->depth == PROBE_REACH ? PROBE_CONNECTED : PROBE_GOT_KEYFRAME;
	if (rc == 1 && !j->run.failed && r->step < wanted)
		look_fail_closed(&j->run, 0);
	if (j->run.failed)
		return;
	if (r->step < wanted) {
		look_fail_own(&j->run, EINVAL, "a look without an end");
		return;
	}
	r->state = PROBE_ONLINE;
	if (r->depth == PROBE_REACH)
		return;
	look_stream_finish(&j->stream);
	if (r->depth >= PROBE_PICTURE && j->stream.keyframe.n)
		look_decode(&j->run, j->stream.keyframe_par, buf_slice(&j->stream.keyframe));
}

static void close_all(struct job *j)
{
	look_demux_close(&j->demux);
	look_rtmp_forget();
	look_rtsp_close(&j->rtsp);
	look_http_close(&j->http);
	look_stream_done(&j->stream);
	buf_done(&j->sdp);
}

static int look(struct job *j, const char *url)
{
	struct err e = {0};
	if (look_url_parse(url, &j->url, &e))
		return look_fail(&j->run, PROBE_UNKNOWN, PROBE_PROBER, -EINVAL, "%s", e.msg);
	if (j->url.tls && !look_settings.trust)
		return look_fail(&j->run, PROBE_UNKNOWN, PROBE_PROBER, -EINVAL,
				 "no certificates to verify TLS by");
	if (j->run.q->depth == PROBE_REACH)
		return look_reach(j);
	int r = look_stream_init(&j->stream, &j->run);
	return r ? r : kinds[j->url.kind](j);
}

void look_at(const struct probe_request *q, struct probe_result *ret)
{
	struct job *j = mem_new(sizeof *j);
	if (!j) {
		struct look_run run;
		look_run_start(&run, q, ret);
		look_fail_own(&run, ENOMEM, "no look");
		ret->at.total = 0;
		return;
	}
	look_run_start(&j->run, q, ret);
	j->rtsp.talk.io.fd = j->http.talk.io.fd = -1;
	conclude(j, look(j, q->url));
	close_all(j);
	ret->at.total = times_mono_us() - j->run.start_us;
	free(j);
}
