/*
 * look_rtsp: an RTSP session that plays one video over the connection it was asked for on (RTP
 * interleaved, RFC 2326), plain or in TLS. Of the server's description one medium is set up, the
 * first video; whatever addresses it names are not used.
 */
#ifndef GRIDHUB_LOOK_RTSP_H
#define GRIDHUB_LOOK_RTSP_H

#include "look_talk.h"

#define LOOK_RTP_MAX 65535

struct look_rtsp {
	struct look_talk talk;
	char base[2048], control[4096];
	uint8_t channel; /* of RTP */
	bool playing;
};

/* Until it plays. sdp: the description of that one medium, without addresses, for a demuxer. */
must_check int look_rtsp_open(struct look_rtsp *s, struct look_run *run, const struct look_url *u,
			      struct buf *sdp);
/* The next RTP packet of it into p (LOOK_RTP_MAX bytes); 0: the stream ended. */
must_check ssize_t look_rtsp_packet(struct look_rtsp *s, uint8_t *p);
void look_rtsp_close(struct look_rtsp *s); /* with a goodbye; safe when it is not open */

#endif
