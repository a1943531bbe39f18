/* Pictures, at their time. */
#include <math.h>
#include <string.h>

#include "rtspd.h"

#define BEHIND_MAX \
	(2U << 20) /* bytes the socket did not take: pictures are left out until it has */
#define LATE_MAX_US 1000000
#define SCRATCH_MAX (12U << 20)
#define SPARE (64U << 10) /* for what keyframe_vary adds */

static uint8_t scratch[SCRATCH_MAX];

static double fps_of(const struct conn *c)
{
	return c->mount.fps > 0 ? c->mount.fps : c->clip->fps;
}

static void be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void be32(uint8_t *p, uint32_t v)
{
	be16(p, v >> 16);
	be16(p + 2, v & 0xffff);
}

/* The numbers of one packet that is this session's alone. */
static void stamp(struct conn *c, uint8_t *packet)
{
	packet[1] = (uint8_t)(c->mount.channel >= 0 ? c->mount.channel : 0);
	be16(packet + CLIP_RTP_AT + 2, c->seq++);
	be32(packet + CLIP_RTP_AT + 4, c->rtp_time);
	be32(packet + CLIP_RTP_AT + 8, c->ssrc);
}

/* The end of a NAL unit of a keyframe's picture: its last piece, or all of it. */
static bool ends_slice(const struct clip *clip, const uint8_t *nal)
{
	unsigned type = clip->hevc ? (nal[0] >> 1) & 0x3fU : nal[0] & 0x1fU;
	unsigned whole = type, piece = clip->hevc ? nal[2] : nal[1];
	if (type != (clip->hevc ? 49U : 28U))
		return clip->hevc ? whole >= 16 && whole <= 21 : whole == 5;
	return piece & 0x40;
}

/*
 * A camera's keyframes never repeat, but a clip's do. So each slice of a keyframe ends with some
 * cabac_zero_words, which say nothing: how many, the time says. Four slices make 65,536 keyframes
 * of one, in turn for two hours.
 */
static size_t keyframe_vary(const struct clip *clip, const struct clip_frame *f, uint8_t *out)
{
	uint64_t digits = (uint64_t)now_us() / 100000;
	const uint8_t *p = clip->bytes + f->at;
	size_t at = 0;
	for (uint32_t i = 0; i < f->packets; i++) {
		size_t n = 4 + ((size_t)p[2] << 8 | p[3]);
		memcpy(out + at, p, n);
		if (ends_slice(clip, p + CLIP_HEAD_LEN)) {
			size_t words = digits % (f->slices > 1 ? 16 : 256);
			digits /= 16;
			for (size_t w = 0; w < words; w++)
				memcpy(out + at + n + 3 * w, "\0\0\3", 3);
			be16(out + at + 2, (unsigned)(n - 4 + 3 * words));
			n += 3 * words;
		}
		at += n;
		p += 4 + ((size_t)p[2] << 8 | p[3]);
	}
	return at;
}

/* Wrong bytes anywhere behind the length: a line that garbles, or a server that means harm. */
static void flip(uint8_t *packet, size_t n, int per_mille)
{
	static uint32_t x = 2463534242U;
	x = x * 1664525U + 1013904223U;
	if ((int)(x >> 8) % 1000 >= per_mille)
		return;
	for (unsigned i = 0; i < 1 + x % 5; i++) {
		x = x * 1664525U + 1013904223U;
		packet[4 + (x >> 8) % (n - 4)] ^= (uint8_t)(1 + (x >> 3) % 255);
	}
}

static void frame_send(struct conn *c)
{
	const struct clip_frame *f = &c->clip->frames[c->frame];
	size_t n = f->len;
	if (f->len + SPARE > sizeof scratch)
		return;
	if (f->key && !c->mount.same)
		n = keyframe_vary(c->clip, f, scratch);
	else
		memcpy(scratch, c->clip->bytes + f->at, f->len);
	for (size_t p = 0; p < n;) {
		size_t len = 4 + ((size_t)scratch[p + 2] << 8 | scratch[p + 3]);
		stamp(c, scratch + p);
		if (c->mount.flip)
			flip(scratch + p, len, c->mount.flip);
		p += len;
	}
	stats.frames++;
	conn_send(c, scratch, n);
}

/* ---- when ---- */

static void clip_take(struct conn *c, struct clip *to)
{
	if (c->clip && --c->clip->users == 0 && c->clip->replaced)
		clip_free(c->clip);
	c->clip = to;
	if (to)
		to->users++;
}

static unsigned phase(const char *path)
{
	unsigned h = 2166136261U;
	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 16777619U;
	return h ^ h >> 15;
}

/* Where the camera is in its clip at this moment, each at a place of its own, and where we join. */
void play_begin(struct conn *c)
{
	struct clip *clip = clip_named(c->mount.clip);
	if (!clip)
		return;
	clip_take(c, clip);
	int64_t now = now_us();
	double at = fmod((double)now * fps_of(c) / 1e6 + phase(c->path), (double)clip->nframes);
	size_t frame = (size_t)at % clip->nframes, first = frame;
	if (c->mount.join == JOIN_WAIT)
		first = clip_key(clip, frame, false);
	else if (c->mount.join == JOIN_KEY)
		first = clip_key(clip, frame, true);
	size_t wait =
		c->mount.join == JOIN_WAIT ? (first + clip->nframes - frame) % clip->nframes : 0;
	c->frame = first;
	c->began_us = c->jumped_us = now;
	c->changes = mount_changes;
	c->ssrc = phase(c->path) | 1;
	c->seq = (uint16_t)c->ssrc;
	c->rtp_time = c->ssrc * 7919U;
	c->playing = true;
	stats.playing++;
	stats.sessions++;
	conn_at(c, now + 1 + (int64_t)((double)wait * 1e6 / fps_of(c)));
}

void play_end(struct conn *c)
{
	if (!c->playing)
		return;
	c->playing = false;
	stats.playing--;
	clip_take(c, NULL);
	conn_at(c, 0);
}

static void clip_switch(struct conn *c, const char *name)
{
	struct clip *to = clip_named(name);
	if (!to || to == c->clip)
		return;
	clip_take(c, to);
	c->frame = clip_key(to, 0, false);
}

/* The mount became another, or its clip: from the next picture on. true: the session is over. */
static bool changed(struct conn *c)
{
	struct mount m;
	c->changes = mount_changes;
	if (!mount_find(c->path, &m) || (m.at < AT_PLAY && m.act != ACT_NONE)) {
		conn_hang_up(c, false);
		return true;
	}
	c->mount = m;
	clip_switch(c, m.clip);
	return false;
}

static void after(struct conn *c, int64_t now)
{
	int64_t span = (int64_t)(c->mount.after_s * 1e6);
	if (span <= 0)
		return;
	if (c->mount.then[0] && now - c->began_us >= span)
		clip_switch(c, c->mount.then);
	if (c->mount.jump_s != 0 && now - c->jumped_us >= span) {
		c->rtp_time += (uint32_t)(int64_t)(c->mount.jump_s * 90000);
		c->jumped_us = now;
	}
}

static bool to_be_sent(const struct conn *c)
{
	if (c->mount.at == AT_PLAY && c->mount.act == ACT_NO_PACKETS)
		return false;
	if (c->mount.at == AT_PLAY && c->mount.act == ACT_NO_KEY && c->clip->frames[c->frame].key)
		return false;
	return c->nout - c->out_at <= BEHIND_MAX;
}

void play_due(struct conn *c)
{
	int64_t now = now_us(), due = c->due_us;
	if (c->changes != mount_changes && changed(c))
		return;
	after(c, now);
	if (to_be_sent(c))
		frame_send(c);
	if (c->dead)
		return;
	double step = 1 / fps_of(c);
	c->pictures++;
	c->rtp_time += (uint32_t)lround(90000 * step);
	c->frame = (c->frame + 1) % c->clip->nframes;
	due += (int64_t)(1e6 * step);
	conn_at(c, due > now - LATE_MAX_US ? due : now);
}
