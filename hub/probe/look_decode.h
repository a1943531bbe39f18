/*
 * look_decode: one keyframe to a picture: its measures (picture.h), and a small JPEG of it. Costs
 * milliseconds, where all else costs tenths of one. One thread.
 */
#ifndef GRIDHUB_LOOK_DECODE_H
#define GRIDHUB_LOOK_DECODE_H

#include <libavcodec/avcodec.h>

#include "look_run.h"

/*
 * unit: a whole access unit, with AV_INPUT_BUFFER_PADDING_SIZE zeros behind it. What cannot be
 * decoded is said in the result's detail and cause; the stream is online all the same.
 */
void look_decode(struct look_run *run, const AVCodecParameters *par, struct slice unit);
/* A JPEG of at most PROBE_SNAPSHOT_MAX bytes and 320 px, malloc'd; NULL: it could not be made. */
uint8_t *look_snapshot(const AVFrame *f, uint32_t *ret_n);

#endif
