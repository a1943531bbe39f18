#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>

#include "look_decode.h"

#define WIDTH_MAX 320
#define HEIGHT_MAX 480
#define SIDE_MIN 16

static const int qualities[] = {4, 8, 16, 31}; /* libavcodec's scale, best first */

static int even(double v)
{
	int n = (int)v & ~1;
	return n < SIDE_MIN ? SIDE_MIN : n;
}

static AVFrame *new_frame(int w, int h)
{
	AVFrame *f = av_frame_alloc();
	if (!f)
		return NULL;
	f->format = AV_PIX_FMT_YUVJ420P;
	f->color_range = AVCOL_RANGE_JPEG;
	f->width = w;
	f->height = h;
	if (av_frame_get_buffer(f, 0) < 0)
		av_frame_free(&f);
	return f;
}

static void set_ranges(struct SwsContext *sws, const AVFrame *from)
{
	const int *table = sws_getCoefficients(SWS_CS_DEFAULT);
	int full = from->color_range == AVCOL_RANGE_JPEG || from->format == AV_PIX_FMT_YUVJ420P ||
		   from->format == AV_PIX_FMT_YUVJ422P || from->format == AV_PIX_FMT_YUVJ444P;
	/* A failure leaves the usual ranges: the picture is a little pale. */
	sws_setColorspaceDetails(sws, table, full, table, 1, 0, 1 << 16, 1 << 16);
}

static AVFrame *shrink(const AVFrame *f)
{
	double by = (double)WIDTH_MAX / f->width;
	by = MIN_OF(by, (double)HEIGHT_MAX / f->height);
	by = MIN_OF(by, 1.0);
	AVFrame *small = new_frame(even(f->width * by), even(f->height * by));
	if (!small)
		return NULL;
	struct SwsContext *sws =
		sws_getContext(f->width, f->height, f->format, small->width, small->height,
			       small->format, SWS_AREA, NULL, NULL, NULL);
	if (!sws) {
		av_frame_free(&small);
		return NULL;
	}
	set_ranges(sws, f);
	sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, small->data,
		  small->linesize);
	sws_freeContext(sws);
	return small;
}

static AVCodecContext *open_encoder(const AVFrame *f, int quality)
{
	const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	if (!c)
		return NULL;
	c->width = f->width;
	c->height = f->height;
	c->pix_fmt = f->format;
	c->color_range = f->color_range;
	c->time_base = (AVRational){1, 25};
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_QSCALE;
	c->global_quality = quality * FF_QP2LAMBDA;
	if (avcodec_open2(c, codec, NULL) < 0)
		avcodec_free_context(&c);
	return c;
}

static uint8_t *encode(AVFrame *f, int quality, uint32_t *ret_n)
{
	AVCodecContext *c = open_encoder(f, quality);
	AVPacket *p = av_packet_alloc();
	uint8_t *out = NULL;
	f->quality = quality * FF_QP2LAMBDA;
	if (c && p && avcodec_send_frame(c, f) >= 0 && avcodec_receive_packet(c, p) >= 0 &&
	    p->size > 0 && p->size <= PROBE_SNAPSHOT_MAX) {
		out = malloc((size_t)p->size);
		if (out)
			memcpy(out, p->data, (size_t)p->size);
		*ret_n = (uint32_t)p->size;
	}
	av_packet_free(&p);
	avcodec_free_context(&c);
	return out;
}

uint8_t *look_snapshot(const AVFrame *f, uint32_t *ret_n)
{
	AVFrame *small = shrink(f);
	uint8_t *out = NULL;
	for (size_t i = 0; i < COUNT_OF(qualities) && small && !out; i++)
		out = encode(small, qualities[i], ret_n);
	av_frame_free(&small);
	if (!out)
		*ret_n = 0;
	return out;
}
