/*
 * clip: a file of H.264 or HEVC (Annex B) as RTP packets, made once when it is loaded, so that
 * sending a picture is one copy and one write.
 */
#ifndef GRIDHUB_TEST_CLIP_H
#define GRIDHUB_TEST_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIP_NAME_MAX 64
#define CLIP_SDP_MAX 2048

struct clip_frame {
	size_t at, len; /* its packets within bytes, one behind the other, each as RTSP interleaves
			   it */
	uint32_t packets, slices;
	bool key;
};

struct clip {
	char name[CLIP_NAME_MAX], path[512];
	bool hevc;
	double fps;
	char fmtp[CLIP_SDP_MAX]; /* with its parameter sets */
	uint8_t *bytes;
	size_t len, cap;
	struct clip_frame *frames;
	size_t nframes, frames_cap;
	unsigned users; /* sessions that read from it; a replaced clip goes with the last */
	bool replaced;
};

#define CLIP_RTP_AT 4	 /* in a packet: '$', channel, length (2), then RTP */
#define CLIP_HEAD_LEN 16 /* all of that with RTP's header */

/* NULL, and a line on stderr: not a file with a keyframe. */
struct clip *clip_load(const char *name, const char *path, double fps);
void clip_free(struct clip *c);
/* The keyframe at or before (back) or at or behind frame i, the clip taken as a ring. */
size_t clip_key(const struct clip *c, size_t i, bool back);

#endif
