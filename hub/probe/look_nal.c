#include "look_nal.h"

#define NALS_MAX 256 /* before the first slice */

enum meaning { OTHER, SLICE, KEY, HINT };

static enum meaning meaning_of(bool hevc, uint8_t head)
{
	int type = hevc ? head >> 1 & 0x3F : head & 0x1F;
	if (hevc)
		return type >= 16 && type <= 21 ? KEY
		       : type < 32		? SLICE
		       : type <= 34		? HINT
						: OTHER;
	return type == 5		? KEY
	       : type >= 1 && type <= 4 ? SLICE
	       : type == 6 || type == 7 ? HINT
					: OTHER;
}

/* The start of the next NAL unit at or behind `at`; n: none. */
static size_t next_code(const uint8_t *p, size_t n, size_t at)
{
	static const uint8_t code[3] = {0, 0, 1};
	const uint8_t *found = at < n ? memmem(p + at, n - at, code, sizeof code) : NULL;
	return found ? (size_t)(found - p) + sizeof code : n;
}

/* Behind the length at `at`; *ret_end: of the unit. n: no whole one. */
static size_t next_length(const uint8_t *p, size_t n, size_t at, int length, size_t *ret_end)
{
	size_t size = 0;
	if (n - at < (size_t)length)
		return n;
	for (int i = 0; i < length; i++)
		size = size << 8 | p[at + (size_t)i];
	at += (size_t)length;
	*ret_end = size > n - at ? n : at + size;
	return at;
}

void look_nal_scan(bool hevc, int length, const uint8_t *p, size_t n, struct look_nal *ret)
{
	size_t at = 0, end = 0;
	*ret = (struct look_nal){.slice_at = n};
	for (int i = 0; i < NALS_MAX && end < n; i++) {
		at = length ? next_length(p, n, end, length, &end) : next_code(p, n, end);
		if (at >= n)
			return;
		if (!length)
			end = at;
		enum meaning m = meaning_of(hevc, p[at]);
		ret->maybe |= m == HINT;
		if (m != SLICE && m != KEY)
			continue;
		ret->slice = true;
		ret->key = m == KEY;
		ret->slice_at = at;
		return;
	}
}
