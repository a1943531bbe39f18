/*
 * look_stream: packets of a video put together to pictures, until one is a keyframe, or until the
 * watch is over; and what they say. One thread.
 */
#ifndef GRIDHUB_LOOK_STREAM_H
#define GRIDHUB_LOOK_STREAM_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "look_run.h"
#include "look_watch.h"

enum look_part {
	LOOK_PART, /* of a picture; the next has another time stamp */
	LOOK_LAST, /* of a picture, as the sender marked it */
	LOOK_WHOLE
};

struct look_stream {
	struct look_run *run;
	AVCodecParserContext *parser;
	AVCodecContext *codec;	/* the parser's; never opened */
	AVCodecParameters *par; /* as the packets came with, last */
	int length;		/* see look_nal_scan */
	struct buf unit;	/* the picture under way */
	int64_t unit_ts;
	AVRational unit_base;
	bool unit_key;	     /* its container says so */
	struct buf keyframe; /* the last one whole, for a decoder */
	AVCodecParameters *keyframe_par;
	struct look_watch *watch; /* NULL: this look does not watch */
	char first_codec[16];	  /* and size, to see it change */
	int first_width, first_height;
	bool over; /* all that this look asks for is here */
};

must_check int look_stream_init(struct look_stream *s, struct look_run *run);
void look_stream_done(struct look_stream *s);
/* -errno: said in the run. */
must_check int look_stream_packet(struct look_stream *s, const AVStream *st, const AVPacket *p,
				  enum look_part part);
/* No more will come: what is begun counts, if it is there. */
must_check int look_stream_flush(struct look_stream *s);
/* Write what was measured into the result. */
void look_stream_finish(struct look_stream *s);

#endif
