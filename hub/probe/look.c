#include "look.h"

#include <libavformat/avformat.h>

#include "times.h"

#define ALLOC_MAX ((size_t)32 << 20) /* of one block */
#define CALLS_MAX 50000		     /* of the interrupt callback: a good look takes some 5,000 */

/* Of one look, as the interrupt callback sees it. */
struct watch {
	int64_t end_us; /* monotonic */
	uint32_t calls;
};

static int interrupted(void *opaque)
{
	struct watch *w = opaque;
	return ++w->calls > CALLS_MAX || times_mono_us() >= w->end_us;
}

void look_init(const struct look_limits *limits)
{
	(void)limits;
	av_log_set_level(AV_LOG_QUIET);
	av_max_alloc(ALLOC_MAX);
	avformat_network_init();
}

static int open_rtsp(const char *url, struct watch *w, AVFormatContext **ret)
{
	AVDictionary *options = NULL;
	AVFormatContext *ctx = avformat_alloc_context();
	if (!ctx)
		return AVERROR(ENOMEM);
	ctx->interrupt_callback = (AVIOInterruptCB){interrupted, w};
	av_dict_set(&options, "protocol_whitelist", "rtsp,tcp", 0);
	av_dict_set(&options, "format_whitelist", "rtsp", 0);
	av_dict_set(&options, "rtsp_transport", "tcp", 0);
	av_dict_set(&options, "allowed_media_types", "video", 0);
	int r = avformat_open_input(&ctx, url, NULL, &options);
	av_dict_free(&options);
	if (r < 0)
		return r;
	*ret = ctx;
	return 0;
}

static int read_keyframe(AVFormatContext *ctx, struct probe_result *ret, int64_t start_us)
{
	AVPacket *p = av_packet_alloc();
	int r = p ? 0 : AVERROR(ENOMEM);
	while (!r) {
		r = av_read_frame(ctx, p);
		if (r < 0)
			break;
		if (!ret->stream.packets++)
			ret->at.packet = times_mono_us() - start_us;
		bool key = p->flags & AV_PKT_FLAG_KEY;
		av_packet_unref(p);
		if (key)
			break;
	}
	av_packet_free(&p);
	return r;
}

void look_at(const struct probe_request *q, struct probe_result *ret)
{
	int64_t start = times_mono_us();
	struct watch w = {.end_us = start + q->deadline_us};
	AVFormatContext *ctx = NULL;
	probe_result_init(ret);
	ret->id = q->id;
	ret->depth = q->depth;
	ret->state = PROBE_OFFLINE;
	int r = open_rtsp(q->url, &w, &ctx);
	if (!r) {
		ret->step = PROBE_SESSION;
		ret->at.session = times_mono_us() - start;
		r = read_keyframe(ctx, ret, start);
		w.end_us += 200 * TIMES_MS;
		avformat_close_input(&ctx);
	}
	if (ret->stream.packets)
		ret->step = PROBE_PACKETS;
	ret->at.total = times_mono_us() - start;
	if (!r) {
		ret->state = PROBE_ONLINE;
		ret->step = PROBE_GOT_KEYFRAME;
		ret->at.keyframe = ret->at.total;
		return;
	}
	ret->cause = r == AVERROR(ECONNREFUSED)		  ? PROBE_REFUSED
		     : r == AVERROR_HTTP_UNAUTHORIZED	  ? PROBE_UNAUTHORISED
		     : r == AVERROR_HTTP_NOT_FOUND	  ? PROBE_NOT_FOUND
		     : times_mono_us() - start < w.end_us ? PROBE_BAD_DATA
							  : PROBE_TIMEOUT;
	snprintf(ret->detail, sizeof ret->detail, "%s", av_err2str(r));
}
