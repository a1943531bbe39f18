#include "look_demux.h"

#include "times.h"

#define PB_BYTES 32768
#define REPORT_BYTES 2048 /* receiver reports, which go nowhere */
#define PROBE_BYTES 65536 /* of a transport stream, until its tables */
#define STREAMS_MAX 8	  /* of a transport stream */

/* ---- bytes ---- */

static int from_memory(struct look_demux *d, uint8_t *p, int n)
{
	size_t part = MIN_OF((size_t)n, d->head.n - d->at);
	if (!part)
		return AVERROR_EOF;
	memcpy(p, d->head.p + d->at, part);
	d->at += part;
	return (int)part;
}

static int read_bytes(void *opaque, uint8_t *p, int n)
{
	struct look_demux *d = opaque;
	if (!d->source || d->at < d->head.n)
		return from_memory(d, p, n);
	if (d->head_is_all)
		return AVERROR_EOF;
	ssize_t r = d->source(d->source_ctx, p, (size_t)n);
	return r > 0 ? (int)r : r == 0 ? AVERROR_EOF : AVERROR_EXIT;
}

static int drop_bytes(void *opaque, uint8_t *p, int n)
{
	(void)opaque, (void)p;
	return n;
}

static int64_t seek_bytes(void *opaque, int64_t to, int whence)
{
	struct look_demux *d = opaque;
	if (whence == AVSEEK_SIZE)
		return (int64_t)d->head.n;
	if (whence != SEEK_SET || to < 0 || (size_t)to > d->head.n)
		return AVERROR(EINVAL);
	d->at = (size_t)to;
	return to;
}

static int interrupted(void *opaque)
{
	const struct look_demux *d = opaque;
	return look_left_us(d->run) == 0;
}

/* Whatever a demuxer wants to open is refused. */
static int open_nothing(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
			AVDictionary **options)
{
	(void)s, (void)url, (void)flags, (void)options;
	*pb = NULL;
	return AVERROR(EACCES);
}

/* ---- opening ---- */

static AVIOContext *new_bytes(struct look_demux *d, int size, bool both_ways)
{
	uint8_t *buffer = av_malloc((size_t)size);
	AVIOContext *pb = buffer ? avio_alloc_context(buffer, size, both_ways, d, read_bytes,
						      drop_bytes, d->source ? NULL : seek_bytes)
				 : NULL;
	if (!pb)
		av_free(buffer);
	else if (d->source)
		pb->seekable = 0;
	return pb;
}

static void free_bytes(AVIOContext **pb)
{
	if (*pb)
		av_freep(&(*pb)->buffer);
	avio_context_free(pb);
}

/*
 * The demuxer for RTP writes reports back to where the packets come from, and on a context that
 * cannot be written to it would spin for ever. One that can be gives each packet unbuffered, too.
 */
static int begin_packets(struct look_demux *d)
{
	d->packets = new_bytes(d, REPORT_BYTES, true);
	if (!d->packets)
		return look_fail_own(d->run, ENOMEM, "demuxer");
	d->head_is_all = false;
	d->ctx->pb = d->packets;
	return 0;
}

static const struct {
	const char *format, *name, *value;
} format_options[] = {
	{"sdp", "sdp_flags", "custom_io"},
	{"sdp", "allowed_media_types", "video"},
	{"sdp", "reorder_queue_size", "0"}, /* TCP keeps the order */
};

static int set_options(const char *format, AVDictionary **ret)
{
	int r = av_dict_set(ret, "format_whitelist", format, 0);
	if (r >= 0)
		r = av_dict_set(ret, "protocol_whitelist", "none", 0);
	for (size_t i = 0; i < COUNT_OF(format_options) && r >= 0; i++)
		if (strcmp(format_options[i].format, format) == 0)
			r = av_dict_set(ret, format_options[i].name, format_options[i].value, 0);
	return r < 0 ? -ENOMEM : 0;
}

static AVFormatContext *new_context(struct look_demux *d)
{
	AVFormatContext *ctx = avformat_alloc_context();
	if (!ctx)
		return NULL;
	ctx->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN | AVFMT_FLAG_CUSTOM_IO;
	ctx->interrupt_callback = (AVIOInterruptCB){interrupted, d};
	ctx->io_open = open_nothing;
	ctx->probesize = PROBE_BYTES;
	ctx->max_streams = STREAMS_MAX;
	ctx->pb = d->pb;
	return ctx;
}

/* What libavformat says, unless something below it was said already. */
static int refused(struct look_demux *d, int error)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";
	if (d->run->failed || d->run->watching)
		return -EIO;
	if (d->refused)
		return d->refused(d->run, error);
	if (error == AVERROR(ENOMEM))
		return look_fail(d->run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "what it sends asks for too much memory");
	if (error == AVERROR_EXIT)
		return look_fail_late(d->run);
	if (error == AVERROR_EOF)
		return look_fail_closed(d->run, 0);
	av_strerror(error, text, sizeof text);
	return look_fail(d->run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG, "not a stream: %s", text);
}

static int open_input(struct look_demux *d, const char *format, AVDictionary **options)
{
	const AVInputFormat *input = av_find_input_format(format);
	if (!input)
		return look_fail_own(d->run, ENOSYS, format);
	d->ctx = new_context(d);
	if (!d->ctx || set_options(format, options))
		return look_fail_own(d->run, ENOMEM, "demuxer");
	int r = avformat_open_input(&d->ctx, "", input, options);
	if (r < 0)
		return refused(d, r);
	if (av_dict_count(*options)) /* an option that this libavformat does not know */
		return look_fail_own(d->run, EINVAL, "an option of the demuxer");
	return 0;
}

int look_demux_open(struct look_demux *d, struct look_run *run, const char *format)
{
	AVDictionary *options = NULL;
	d->run = run;
	d->head_is_all = strcmp(format, "sdp") == 0;
	if (!d->pb) {
		d->own_pb = true;
		d->pb = new_bytes(d, PB_BYTES, false);
	}
	if (!d->pb)
		return look_fail_own(run, ENOMEM, "demuxer");
	int r = open_input(d, format, &options);
	av_dict_free(&options);
	return !r && d->head_is_all ? begin_packets(d) : r;
}

void look_demux_close(struct look_demux *d)
{
	avformat_close_input(&d->ctx);
	free_bytes(&d->packets);
	if (d->own_pb)
		free_bytes(&d->pb);
	else if (d->pb)
		avio_closep(&d->pb);
}

/* ---- packets ---- */

static bool is_video(const AVStream *st)
{
	return st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
}

/* The first video that sends something is the one that is looked at. */
static int take(struct look_demux *d, struct look_stream *s, AVPacket *p)
{
	AVStream *st = d->ctx->streams[p->stream_index];
	enum look_part part = d->part ? d->part(d->source_ctx) : LOOK_WHOLE;
	if (!is_video(st)) {
		st->discard = AVDISCARD_ALL;
		return 0;
	}
	return look_stream_packet(s, st, p, part);
}

int look_demux_read(struct look_demux *d, struct look_stream *s)
{
	AVPacket *p = av_packet_alloc();
	int64_t pos = d->pb->pos;
	int r = 0;
	if (!p)
		return look_fail_own(d->run, ENOMEM, "packet");
	while (!r && !s->over) {
		int got = av_read_frame(d->ctx, p);
		if (got == AVERROR_EOF && !d->run->failed) {
			r = 1;
			break;
		}
		if (got < 0 && got != AVERROR(EAGAIN))
			r = refused(d, got);
		else if (got >= 0)
			r = take(d, s, p);
		av_packet_unref(p);
		if (!r && !d->own_pb) {
			r = look_spend(d->run, (size_t)MAX_OF(d->pb->pos - pos, 0));
			pos = d->pb->pos;
		}
	}
	av_packet_free(&p);
	return r;
}
