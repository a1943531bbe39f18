/*
 * look_nal: what an access unit of H.264 or H.265 begins with, up to its first slice: is it a
 * keyframe, and where its picture data begins. Pure; reads within its bytes, whatever they are.
 */
#ifndef GRIDHUB_LOOK_NAL_H
#define GRIDHUB_LOOK_NAL_H

#include "base.h"

struct look_nal {
	bool slice; /* there is picture data */
	bool key;   /* which a decoder can begin with */
	bool maybe; /* parameters or hints came before a slice that is no IDR: a parser knows */
	size_t slice_at; /* where it begins, its length or start code left out */
};

/* length: bytes of the length before each NAL unit (1..4), 0: start codes between them. */
void look_nal_scan(bool hevc, int length, const uint8_t *p, size_t n, struct look_nal *ret);

#endif
