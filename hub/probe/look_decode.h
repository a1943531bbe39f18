/*
 * look_decode: one keyframe to a picture: its measures (picture.h), and a small JPEG of it. Costs
 * milliseconds, where all else costs tenths of one. One thread.
 */
#ifndef GRIDHUB_LOOK_DECODE_H
#define GRIDHUB_LOOK_DECODE_H

#include <libavcodec/avcodec.h>

#include "look_run.h"

/* Once a process, before any look: how many decode at the same time. */
void look_decode_init(void);
/*
 * Looks take turns, as many at once as there are processors: a picture of 8 megapixels takes some
 * 30 MB and a third of a second, and sixty-four of them at once no less time in all. One that gets
 * no turn before its deadline, or would need longer than is left, does without a picture; so it is
 * said in detail, with no cause.
 *
 * unit: a whole access unit, with AV_INPUT_BUFFER_PADDING_SIZE zeros behind it. What cannot be
 * decoded is said in the result's detail and cause; the stream is online all the same.
 */
void look_decode(struct look_run *run, const AVCodecParameters *par, struct slice unit);
/* A JPEG of at most PROBE_SNAPSHOT_MAX bytes and 320 px, malloc'd; NULL: it could not be made. */
uint8_t *look_snapshot(const AVFrame *f, uint32_t *ret_n);

#endif
