#include "clip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define PAYLOAD_MAX 1400
#define FILE_MAX_BYTES (256L << 20)

static void *grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return p;
	size_t to = need * 2;
	p = realloc(p, to * size);
	if (!p)
		abort();
	*cap = to;
	return p;
}

static void packet_add(struct clip *c, const uint8_t *head, size_t nhead, const uint8_t *data,
		       size_t n)
{
	size_t rtp = 12 + nhead + n;
	c->bytes = grow(c->bytes, &c->cap, c->len + 4 + rtp, 1);
	uint8_t *p = c->bytes + c->len;
	memset(p, 0, CLIP_HEAD_LEN);
	p[0] = '$';
	p[2] = (uint8_t)(rtp >> 8);
	p[3] = (uint8_t)rtp;
	p[4] = 0x80;
	p[5] = 96;
	if (nhead)
		memcpy(p + CLIP_HEAD_LEN, head, nhead);
	memcpy(p + CLIP_HEAD_LEN + nhead, data, n);
	c->len += 4 + rtp;
	c->frames[c->nframes - 1].packets++;
}

/* In pieces (FU-A of RFC 6184, FU of RFC 7798) if it is larger than a packet. */
static void nal_add(struct clip *c, const uint8_t *nal, size_t n)
{
	if (n <= PAYLOAD_MAX) {
		packet_add(c, NULL, 0, nal, n);
		return;
	}
	size_t skip = c->hevc ? 2 : 1, nhead = skip + 1;
	uint8_t type = c->hevc ? (nal[0] >> 1) & 0x3f : nal[0] & 0x1f, head[3];
	if (c->hevc) {
		head[0] = (uint8_t)((nal[0] & 0x81) | 49 << 1);
		head[1] = nal[1];
	} else {
		head[0] = (uint8_t)((nal[0] & 0xe0) | 28);
	}
	for (size_t at = skip; at < n;) {
		size_t part = n - at < PAYLOAD_MAX - nhead ? n - at : PAYLOAD_MAX - nhead;
		head[nhead - 1] =
			(uint8_t)(type | (at == skip ? 0x80 : 0) | (at + part == n ? 0x40 : 0));
		packet_add(c, head, nhead, nal + at, part);
		at += part;
	}
}

/* ---- what a NAL unit is ---- */

enum nal_kind { NAL_PICTURE, NAL_KEY, NAL_BEFORE, NAL_OTHER };

static unsigned nal_type(const struct clip *c, const uint8_t *nal)
{
	return c->hevc ? (nal[0] >> 1) & 0x3fU : nal[0] & 0x1fU;
}

static enum nal_kind nal_kind(const struct clip *c, const uint8_t *nal)
{
	unsigned t = nal_type(c, nal);
	if (c->hevc) {
		if (t < 32)
			return t >= 16 && t <= 21 ? NAL_KEY : NAL_PICTURE;
		return t <= 35 || t == 39 ? NAL_BEFORE : NAL_OTHER;
	}
	if (t == 5 || t == 1)
		return t == 5 ? NAL_KEY : NAL_PICTURE;
	return t >= 6 && t <= 9 ? NAL_BEFORE : NAL_OTHER;
}

static void base64(const uint8_t *p, size_t n, char *out, size_t max)
{
	size_t at = strlen(out);
	if (at + n * 4 / 3 + 4 < max)
		EVP_EncodeBlock((unsigned char *)out + at, p, (int)n);
}

/* The parameter sets: each type's first. */
struct sets {
	const uint8_t *nal[3]; /* VPS (HEVC alone), SPS, PPS */
	size_t n[3];
};

static void sets_see(const struct clip *c, struct sets *s, const uint8_t *nal, size_t n)
{
	unsigned t = nal_type(c, nal), first = c->hevc ? 32 : 6;
	if (t < first || t > first + 2 || (!c->hevc && t == 6) || s->nal[t - first])
		return;
	s->nal[t - first] = nal;
	s->n[t - first] = n;
}

static void sets_write(struct clip *c, const struct sets *s)
{
	static const char *const hevc[] = {"sprop-vps=", ";sprop-sps=", ";sprop-pps="};
	static const char *const h264[] = {"", ";sprop-parameter-sets=", ","};
	if (!s->nal[1] || !s->nal[2] || s->n[1] < 4)
		return;
	c->fmtp[0] = '\0';
	if (!c->hevc)
		snprintf(c->fmtp, sizeof c->fmtp,
			 "packetization-mode=1;profile-level-id=%02x%02x%02x", s->nal[1][1],
			 s->nal[1][2], s->nal[1][3]);
	for (int i = 0; i < 3; i++) {
		size_t at = strlen(c->fmtp);
		snprintf(c->fmtp + at, sizeof c->fmtp - at, "%s", c->hevc ? hevc[i] : h264[i]);
		if (s->nal[i])
			base64(s->nal[i], s->n[i], c->fmtp, sizeof c->fmtp);
	}
}

/* ---- the file ---- */

static void frame_end(struct clip *c)
{
	if (!c->nframes)
		return;
	struct clip_frame *f = &c->frames[c->nframes - 1];
	f->len = c->len - f->at;
	size_t last = f->at;
	for (uint32_t i = 1; i < f->packets; i++)
		last += 4 + ((size_t)c->bytes[last + 2] << 8 | c->bytes[last + 3]);
	if (f->packets)
		c->bytes[last + 5] |= 0x80; /* RTP's marker: the picture ends here */
}

static void frame_begin(struct clip *c)
{
	frame_end(c);
	c->frames = grow(c->frames, &c->frames_cap, c->nframes + 1, sizeof *c->frames);
	c->frames[c->nframes++] = (struct clip_frame){.at = c->len};
}

/* The next 00 00 01 from p on; end if there is none. */
static const uint8_t *start_code(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 3; p++) {
		p = memchr(p, 0, (size_t)(end - p) - 2);
		if (!p)
			return end;
		if (p[1] == 0 && p[2] == 1)
			return p;
	}
	return end;
}

static void cut(struct clip *c, const uint8_t *p, const uint8_t *end)
{
	bool picture =
		true; /* the frame under way has one: what comes before the next begins anew */
	struct sets sets = {0};
	for (p = start_code(p, end); p < end;) {
		const uint8_t *nal = p + 3, *next = start_code(nal, end), *stop = next;
		while (stop > nal && stop[-1] == 0)
			stop--;
		p = next;
		if (stop - nal < 3)
			continue;
		enum nal_kind kind = nal_kind(c, nal);
		bool first = nal[c->hevc ? 2 : 1] & 0x80; /* slice of its picture */
		if (picture && (kind == NAL_BEFORE || (first && kind != NAL_OTHER))) {
			frame_begin(c);
			picture = false;
		}
		if (!c->nframes || (kind == NAL_OTHER && !picture))
			continue;
		sets_see(c, &sets, nal, (size_t)(stop - nal));
		picture = picture || kind == NAL_KEY || kind == NAL_PICTURE;
		c->frames[c->nframes - 1].key |= kind == NAL_KEY;
		c->frames[c->nframes - 1].slices += kind == NAL_KEY || kind == NAL_PICTURE;
		nal_add(c, nal, (size_t)(stop - nal));
	}
	frame_end(c);
	sets_write(c, &sets);
}

static uint8_t *slurp(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	uint8_t *p = NULL;
	long n = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
	if (n > 0 && n <= FILE_MAX_BYTES && !fseek(f, 0, SEEK_SET) && (p = malloc((size_t)n)) &&
	    fread(p, 1, (size_t)n, f) != (size_t)n) {
		free(p);
		p = NULL;
	}
	fclose(f);
	*ret_n = p ? (size_t)n : 0;
	return p;
}

struct clip *clip_load(const char *name, const char *path, double fps)
{
	size_t n, len = strlen(path);
	uint8_t *file = slurp(path, &n);
	struct clip *c = calloc(1, sizeof *c);
	if (!file || !c) {
		fprintf(stderr, "rtspd: %s: %s\n", path, strerror(errno));
		free(file);
		free(c);
		return NULL;
	}
	snprintf(c->name, sizeof c->name, "%s", name);
	snprintf(c->path, sizeof c->path, "%s", path);
	c->hevc = len > 5 && strcmp(path + len - 5, ".hevc") == 0;
	c->fps = fps;
	cut(c, file, file + n);
	free(file);
	size_t keys = 0;
	for (size_t i = 0; i < c->nframes; i++)
		keys += c->frames[i].key;
	if (keys && c->fmtp[0])
		return c;
	fprintf(stderr, "rtspd: %s: no keyframe, or no parameter sets\n", path);
	clip_free(c);
	return NULL;
}

void clip_free(struct clip *c)
{
	if (!c)
		return;
	free(c->bytes);
	free(c->frames);
	free(c);
}

size_t clip_key(const struct clip *c, size_t i, bool back)
{
	for (i %= c->nframes; !c->frames[i].key;)
		i = (i + (back ? c->nframes - 1 : 1)) % c->nframes;
	return i;
}
