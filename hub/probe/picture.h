/*
 * picture: measures of a luma plane: what tells black, covered, blurred … from a street. Pure.
 *
 * All but the block means are taken on every fourth pixel of every fourth line (1/16 of them). The
 * thresholds are settings of rules (rules/camera.yaml), not of this module.
 */
#ifndef GRIDHUB_PICTURE_H
#define GRIDHUB_PICTURE_H

#include "probe.h"

/* luma: h lines of w bytes, stride bytes apart; full range 0..255 or limited 16..235 (then it is
 * stretched). */
void picture_measure(const uint8_t *luma, size_t stride, int w, int h, bool limited_range,
		     struct probe_picture *ret);
int picture_dhash_distance(uint64_t a, uint64_t b);
/* Largest difference of a block's mean; -1: not comparable (other shape, or none). */
int picture_block_diff(const struct probe_picture *a, const struct probe_picture *b);
/* Share of blocks whose mean is the very same, %; -1 likewise. A sensor's noise alone changes many.
 */
double picture_block_same(const struct probe_picture *a, const struct probe_picture *b);

#endif
