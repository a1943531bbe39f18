#include "look_decode.h"

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include <semaphore.h>
#include <unistd.h>

#include "picture.h"
#include "times.h"

#define SIDE_MAX 8192
#define TURNS_MAX 8
#define GRACE_US (50 * TIMES_MS) /* of the 100 ms that a result may take beyond its deadline */

static sem_t turns; /* to decode */

static AVCodecContext *open_decoder(const AVCodecParameters *par)
{
	const AVCodec *codec = avcodec_find_decoder(par->codec_id);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	if (!c)
		return NULL;
	if (avcodec_parameters_to_context(c, par) < 0)
		goto bad;
	c->thread_count = 1;
	c->skip_loop_filter = AVDISCARD_ALL; /* blocks at 1/16 of the pixels are no matter */
	c->flags |= AV_CODEC_FLAG_LOW_DELAY;
	c->max_pixels = (int64_t)SIDE_MAX * SIDE_MAX / 2;
	if (avcodec_open2(c, codec, NULL) < 0)
		goto bad;
	return c;
bad:
	avcodec_free_context(&c);
	return NULL;
}

static int decode(AVCodecContext *c, struct slice unit, AVFrame *ret)
{
	AVPacket *p = av_packet_alloc();
	if (!p)
		return AVERROR(ENOMEM);
	p->data = (uint8_t *)(uintptr_t)unit.p; /* not written to */
	p->size = (int)unit.n;
	p->flags = AV_PKT_FLAG_KEY;
	int r = avcodec_send_packet(c, p);
	if (r >= 0)
		r = avcodec_send_packet(c, NULL); /* the decoder need not wait for more */
	if (r >= 0)
		r = avcodec_receive_frame(c, ret);
	p->data = NULL;
	av_packet_free(&p);
	return r;
}

/* ---- luma ---- */

static bool has_luma_plane(const AVPixFmtDescriptor *d)
{
	return d &&
	       !(d->flags &
		 (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL)) &&
	       d->comp[0].plane == 0 && d->comp[0].step == 1 && d->comp[0].depth == 8;
}

/* Any other form by way of swscale; full range comes out. */
static bool measure_other(const AVFrame *f, struct probe_picture *ret)
{
	size_t stride = ((size_t)f->width + 31) & ~(size_t)31;
	uint8_t *luma = av_malloc(stride * (size_t)f->height + 64);
	struct SwsContext *sws =
		luma ? sws_getContext(f->width, f->height, f->format, f->width, f->height,
				      AV_PIX_FMT_GRAY8, SWS_POINT, NULL, NULL, NULL)
		     : NULL;
	uint8_t *to[4] = {luma};
	int strides[4] = {(int)stride};
	if (sws) {
		sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, to,
			  strides);
		picture_measure(luma, stride, f->width, f->height, false, ret);
	}
	sws_freeContext(sws);
	av_free(luma);
	return sws != NULL;
}

static bool measure(const AVFrame *f, struct probe_picture *ret)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	bool full = f->color_range == AVCOL_RANGE_JPEG || (d && strncmp(d->name, "yuvj", 4) == 0);
	if (!has_luma_plane(d) || f->linesize[0] < f->width)
		return measure_other(f, ret);
	picture_measure(f->data[0], (size_t)f->linesize[0], f->width, f->height, !full, ret);
	return true;
}

/* ---- all of it ---- */

static void say_bad(struct look_run *run, int error)
{
	struct probe_result *r = run->r;
	char text[AV_ERROR_MAX_STRING_SIZE] = "";
	av_strerror(error, text, sizeof text);
	r->cause = error == AVERROR(ENOMEM) ? PROBE_TOO_BIG : PROBE_BAD_DATA;
	snprintf(r->detail, sizeof r->detail, "its keyframe cannot be decoded: %s", text);
}

static void take_frame(struct look_run *run, const AVFrame *f)
{
	struct probe_result *r = run->r;
	if (f->width > SIDE_MAX || f->height > SIDE_MAX || !measure(f, &r->picture)) {
		say_bad(run, AVERROR(ENOMEM));
		return;
	}
	if (f->decode_error_flags || f->flags & AV_FRAME_FLAG_CORRUPT) {
		r->cause = PROBE_BAD_DATA;
		snprintf(r->detail, sizeof r->detail, "its keyframe is damaged");
	}
	if (run->q->snapshot)
		r->snapshot = look_snapshot(f, &r->snapshot_len);
}

void look_decode_init(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	sem_init(&turns, 0, n < 1 ? 1 : n > TURNS_MAX ? TURNS_MAX : (unsigned)n);
}

/* When the result should be there: a watch ends later than the look it began with. */
static int64_t time_left_us(const struct look_run *run)
{
	const struct probe_request *q = run->q;
	int64_t all = q->deadline_us + (q->depth == PROBE_WATCH ? q->watch_us : 0);
	return MAX_OF(run->start_us + all + GRACE_US - times_mono_us(), 0);
}

/* On a slow core: 40 ns a pixel, 100 ns a byte. */
static int64_t time_needed_us(const struct look_run *run, struct slice unit)
{
	const struct probe_stream *st = &run->r->stream;
	return (int64_t)st->width * st->height / 25 + (int64_t)unit.n / 10;
}

/* false: no turn came, and none is to be given back. */
static bool turn_take(const struct look_run *run, struct slice unit)
{
	int64_t until_us = time_left_us(run) - time_needed_us(run, unit);
	struct timespec until = times_mono_in(MAX_OF(until_us, 0));
	int r = until_us <= 0 ? -1 : sem_trywait(&turns);
	while (r && until_us > 0 && (r = sem_clockwait(&turns, CLOCK_MONOTONIC, &until)) &&
	       errno == EINTR)
		;
	return r == 0;
}

static void decode_now(struct look_run *run, const AVCodecParameters *par, struct slice unit)
{
	AVCodecContext *c = open_decoder(par);
	AVFrame *f = av_frame_alloc();
	int r = c && f ? decode(c, unit, f) : AVERROR_DECODER_NOT_FOUND;
	if (r < 0)
		say_bad(run, r);
	else
		take_frame(run, f);
	av_frame_free(&f);
	avcodec_free_context(&c);
}

void look_decode(struct look_run *run, const AVCodecParameters *par, struct slice unit)
{
	if (!turn_take(run, unit)) {
		snprintf(run->r->detail, sizeof run->r->detail,
			 "no time was left to decode its keyframe");
		return;
	}
	decode_now(run, par, unit);
	sem_post(&turns);
}
