/*
 * look_watch: what sizes and times of the pictures of some seconds say: rates, the group of
 * pictures, and the sizes of what stands between keyframes. Pure; times come in.
 */
#ifndef GRIDHUB_LOOK_WATCH_H
#define GRIDHUB_LOOK_WATCH_H

#include "probe.h"

#define LOOK_PICTURES_MAX 2048 /* whose sizes are kept: those after them count all the same */

struct look_watch {
	uint32_t n, keys;
	uint64_t bytes;
	int64_t first_us, last_us;    /* time stamps, lowest and highest */
	int64_t before_us;	      /* of the picture before */
	int64_t arrived_us, ended_us; /* by our own clock: the first and the last */
	int64_t jump_us;	      /* -1: not known */
	uint32_t since_key;	      /* pictures; of the group that is under way */
	uint64_t gop_sum;	      /* of those that are complete */
	uint32_t gops;
	size_t n_p, n_tail; /* pictures between keyframes; those at the end of groups */
	size_t group_at;    /* in p: where this group begins */
	uint32_t p[LOOK_PICTURES_MAX];
	uint32_t tail[LOOK_PICTURES_MAX];
};

/* A picture of so many bytes of picture data. ts_us: INT64_MIN = it has none. */
void look_watch_picture(struct look_watch *w, bool key, size_t bytes, int64_t ts_us,
			int64_t now_us);
/* now_us: when the watch ended; mbs: macroblocks of a picture, 0 = not known. */
void look_watch_finish(struct look_watch *w, int64_t now_us, double mbs, struct probe_stream *ret);

#endif
