#include "look_stream.h"

#include "look_nal.h"
#include "times.h"

#define UNIT_MAX ((size_t)6 << 20) /* of a picture */
#define MB 256			   /* pixels of a macroblock */

int look_stream_init(struct look_stream *s, struct look_run *run)
{
	*s = (struct look_stream){.run = run, .unit_ts = AV_NOPTS_VALUE};
	buf_init(&s->unit, UNIT_MAX);
	buf_init(&s->keyframe, UNIT_MAX);
	s->par = avcodec_parameters_alloc();
	s->keyframe_par = avcodec_parameters_alloc();
	if (run->q->depth == PROBE_WATCH)
		s->watch = mem_new(sizeof *s->watch);
	if (!s->par || !s->keyframe_par || (run->q->depth == PROBE_WATCH && !s->watch))
		return look_fail_own(run, ENOMEM, "stream");
	return 0;
}

static void forget_codec(struct look_stream *s)
{
	av_parser_close(s->parser);
	s->parser = NULL;
	avcodec_free_context(&s->codec);
}

void look_stream_done(struct look_stream *s)
{
	forget_codec(s);
	avcodec_parameters_free(&s->par);
	avcodec_parameters_free(&s->keyframe_par);
	buf_done(&s->unit);
	buf_done(&s->keyframe);
	free(s->watch);
}

/* ---- the codec ---- */

static bool is_hevc(const struct look_stream *s)
{
	return s->par->codec_id == AV_CODEC_ID_HEVC;
}

static bool has_nals(const struct look_stream *s)
{
	return is_hevc(s) || s->par->codec_id == AV_CODEC_ID_H264;
}

/* avcC and hvcC say how long the lengths are; other extradata has start codes. */
static int length_of(const AVCodecParameters *p)
{
	size_t at = p->codec_id == AV_CODEC_ID_HEVC ? 21 : 4;
	if (!p->extradata || (size_t)p->extradata_size <= at || p->extradata[0] != 1)
		return 0;
	return (p->extradata[at] & 3) + 1;
}

static int open_parser(struct look_stream *s)
{
	forget_codec(s);
	s->parser = av_parser_init((int)s->par->codec_id);
	s->codec = avcodec_alloc_context3(NULL);
	if (!s->codec || avcodec_parameters_to_context(s->codec, s->par) < 0)
		return look_fail_own(s->run, ENOMEM, "parser");
	if (s->parser)
		s->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
	return 0;
}

static bool same_codec(const AVCodecParameters *a, const AVCodecParameters *b)
{
	return a->codec_id == b->codec_id && a->extradata_size == b->extradata_size &&
	       (!a->extradata_size ||
		memcmp(a->extradata, b->extradata, (size_t)a->extradata_size) == 0);
}

static int take_codec(struct look_stream *s, const AVStream *st)
{
	if (s->codec && same_codec(s->par, st->codecpar))
		return 0;
	if (avcodec_parameters_copy(s->par, st->codecpar) < 0)
		return look_fail_own(s->run, ENOMEM, "stream");
	s->length = length_of(s->par);
	return open_parser(s);
}

/* ---- a picture ---- */

/* What the parser makes of the whole unit; its size, and is it one that a decoder begins with? */
static bool parse(struct look_stream *s)
{
	uint8_t *out;
	int n;
	if (!s->parser)
		return s->unit_key;
	s->parser->key_frame = -1;
	av_parser_parse2(s->parser, s->codec, &out, &n, (const uint8_t *)s->unit.p, (int)s->unit.n,
			 AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
	return s->parser->key_frame == 1 ||
	       (s->parser->key_frame < 0 && s->parser->pict_type == AV_PICTURE_TYPE_I);
}

static bool find_key(struct look_stream *s, size_t *ret_picture_at)
{
	struct look_nal nal;
	*ret_picture_at = 0;
	if (!has_nals(s))
		return parse(s) || s->unit_key;
	look_nal_scan(is_hevc(s), s->length, (const uint8_t *)s->unit.p, s->unit.n, &nal);
	*ret_picture_at = nal.slice_at;
	if (nal.key || (nal.slice && nal.maybe))
		return parse(s) || nal.key;
	return false;
}

static double macroblocks(const struct probe_stream *st)
{
	int across = (st->width + 15) / 16, down = (st->height + 15) / 16;
	return (double)across * down;
}

static int size_or(int parsed, int given)
{
	return parsed > 0 ? parsed : given;
}

static void note_format(struct look_stream *s)
{
	struct probe_stream *st = &s->run->r->stream;
	snprintf(st->codec, sizeof st->codec, "%s", avcodec_get_name(s->par->codec_id));
	st->width = size_or(s->codec->width, s->par->width);
	st->height = size_or(s->codec->height, s->par->height);
	if (s->parser) {
		st->width = size_or(s->parser->width, st->width);
		st->height = size_or(s->parser->height, st->height);
	}
	if (!s->first_codec[0]) {
		memcpy(s->first_codec, st->codec, sizeof st->codec);
		s->first_width = st->width;
		s->first_height = st->height;
	}
}

static void note_change(struct look_stream *s)
{
	struct probe_result *r = s->run->r;
	const struct probe_stream *st = &r->stream;
	if (strcmp(st->codec, s->first_codec) != 0 || st->width != s->first_width ||
	    st->height != s->first_height)
		snprintf(r->detail, sizeof r->detail, "changed from %s %d×%d to %s %d×%d",
			 s->first_codec, s->first_width, s->first_height, st->codec, st->width,
			 st->height);
}

static int take_keyframe(struct look_stream *s, size_t picture_at)
{
	struct probe_stream *st = &s->run->r->stream;
	struct slice picture = {s->unit.p + picture_at, s->unit.n - picture_at};
	bool first = !st->keyframes++;
	note_format(s);
	note_change(s);
	double mbs = macroblocks(st);
	st->i_per_mb = mbs > 0 ? (double)picture.n / mbs : -1;
	st->keyframe_hash = hash64(buf_slice(&s->unit), 0);
	if (first) {
		look_step(s->run, PROBE_GOT_KEYFRAME);
		s->over = s->run->q->depth < PROBE_WATCH;
		if (!s->over) {
			s->run->watching = true;
			s->run->end_us = times_mono_us() + s->run->q->watch_us;
		}
	}
	if (s->run->q->depth < PROBE_PICTURE)
		return 0;
	struct buf swap = s->keyframe;
	s->keyframe = s->unit;
	s->unit = swap;
	return avcodec_parameters_copy(s->keyframe_par, s->par) < 0
		       ? look_fail_own(s->run, ENOMEM, "keyframe")
		       : 0;
}

/* Some mark the end of parameters as that of a picture. */
static bool has_picture(const struct look_stream *s)
{
	struct look_nal nal;
	if (!has_nals(s))
		return s->unit.n > 0;
	look_nal_scan(is_hevc(s), s->length, (const uint8_t *)s->unit.p, s->unit.n, &nal);
	return nal.slice;
}

static int end_unit(struct look_stream *s)
{
	size_t at = 0;
	int r = 0;
	/* Parsers look a little way behind the end. */
	if (!buf_reserve(&s->unit, AV_INPUT_BUFFER_PADDING_SIZE))
		return look_fail_own(s->run, ENOMEM, "picture");
	memset(s->unit.p + s->unit.n, 0, AV_INPUT_BUFFER_PADDING_SIZE);
	bool key = find_key(s, &at);
	size_t bytes = s->unit.n - MIN_OF(at, s->unit.n);
	/* What came before the first keyframe belongs to a group whose size is not known. */
	if (s->watch && (key || s->watch->n))
		look_watch_picture(s->watch, key, bytes,
				   s->unit_ts == AV_NOPTS_VALUE
					   ? INT64_MIN
					   : av_rescale_q(s->unit_ts, s->unit_base, AV_TIME_BASE_Q),
				   times_mono_us());
	if (key)
		r = take_keyframe(s, at);
	buf_reset(&s->unit);
	s->unit_ts = AV_NOPTS_VALUE;
	s->unit_key = false;
	return r;
}

/* ---- packets ---- */

static int64_t stamp_of(const AVPacket *p)
{
	return p->dts != AV_NOPTS_VALUE ? p->dts : p->pts;
}

static int add(struct look_stream *s, const AVStream *st, const AVPacket *p)
{
	if (s->unit_ts == AV_NOPTS_VALUE) {
		s->unit_ts = stamp_of(p);
		s->unit_base = st->time_base;
	}
	s->unit_key |= (p->flags & AV_PKT_FLAG_KEY) != 0;
	if (s->unit.n + (size_t)p->size + AV_INPUT_BUFFER_PADDING_SIZE > UNIT_MAX)
		return look_fail(s->run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "a picture of more than %d MB", (int)(UNIT_MAX >> 20));
	buf_put(&s->unit, p->data, (size_t)p->size);
	return s->unit.failed ? look_fail_own(s->run, ENOMEM, "picture") : 0;
}

int look_stream_packet(struct look_stream *s, const AVStream *st, const AVPacket *p,
		       enum look_part part)
{
	int r = 0;
	bool other = s->unit.n && stamp_of(p) != AV_NOPTS_VALUE && stamp_of(p) != s->unit_ts;
	if (p->size <= 0)
		return 0;
	s->run->r->stream.packets++;
	look_step(s->run, PROBE_PACKETS);
	if (part != LOOK_WHOLE && other && has_picture(s))
		r = end_unit(s);
	if (!r && !s->over)
		r = take_codec(s, st);
	if (r || s->over)
		return r;
	r = add(s, st, p);
	if (!r && (part == LOOK_WHOLE || (part == LOOK_LAST && has_picture(s))))
		r = end_unit(s);
	return r;
}

int look_stream_flush(struct look_stream *s)
{
	return !s->over && !s->run->watching && s->unit.n && has_picture(s) ? end_unit(s) : 0;
}

void look_stream_finish(struct look_stream *s)
{
	struct probe_stream *st = &s->run->r->stream;
	if (s->watch)
		look_watch_finish(s->watch, times_mono_us(), macroblocks(st), st);
}
