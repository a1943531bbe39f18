/*
 * look_demux: libavformat's demuxers over bytes that we fetched ourselves, each named and alone:
 * nothing is guessed from the data, no demuxer opens anything, and none parses or decodes ahead
 * (avformat_find_stream_info would cost fifteen times as much). One thread.
 */
#ifndef GRIDHUB_LOOK_DEMUX_H
#define GRIDHUB_LOOK_DEMUX_H

#include "look_stream.h"
#include "look_url.h"

/* At least one byte of at most n, 0 at the end, -errno (said in the run). */
typedef ssize_t (*look_source)(void *ctx, uint8_t *p, size_t n);

struct look_demux {
	struct look_run *run;
	AVFormatContext *ctx;
	AVIOContext *pb;
	AVIOContext *packets; /* RTP's, once the description was read */
	bool own_pb;	      /* made here, not by a protocol */
	struct slice head;    /* comes before what source gives; borrowed */
	bool head_is_all;     /* while the demuxer opens */
	size_t at;	      /* in memory that may be gone back in, when there is no source */
	look_source source;   /* NULL: head is all there is */
	void *source_ctx;
	int (*refused)(struct look_run *run,
		       int error);	   /* says what an error means; NULL: as usual */
	enum look_part (*part)(void *ctx); /* of the packet just read; NULL: whole */
};

/* format: "sdp", "flv", "mpegts". d: zeroed but for head, source and part. */
must_check int look_demux_open(struct look_demux *d, struct look_run *run, const char *format);
/* "rtmp://…" by libavformat's own protocol; what it says is heard (look_rtmp.c). */
must_check int look_demux_rtmp(struct look_demux *d, struct look_run *run,
			       const struct look_url *u);
void look_demux_close(struct look_demux *d); /* safe on one that failed to open */

/* Packets into s until it has what it wants (0), or -errno, said in the run. 1: the end. */
must_check int look_demux_read(struct look_demux *d, struct look_stream *s);

/* For look_init: libavformat's own log is heard by nobody but those who look over RTMP. */
void look_rtmp_init(void);
void look_rtmp_forget(void); /* the look over RTMP of this thread is over */

#endif
