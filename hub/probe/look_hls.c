#include "look_hls.h"

#include <strings.h>

#include "look_demux.h"
#include "look_http.h"
#include "look_playlist.h"
#include "times.h"

#define LEVELS_MAX 3		    /* a list of streams may name another */
#define PIECE_MAX ((size_t)8 << 20) /* of a piece; what is behind it is not looked at */
#define POLL_MAX_US (2 * TIMES_SEC)
#define POLL_MIN_US (500 * TIMES_MS)

struct hls {
	struct look_run *run;
	const struct look_url *first; /* as it was registered */
	struct look_url list, piece;
	struct look_http http;
	struct buf text;
	struct look_playlist now;
};

static int bad_data(struct hls *h, const char *what)
{
	return look_fail(h->run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG, "%s", what);
}

static int fetch(struct hls *h, const struct look_url *u, bool cut, struct buf *out)
{
	bool own = strcasecmp(u->host, h->first->host) == 0;
	int r = look_http_open(&h->http, h->run, u, own);
	if (!r)
		r = look_http_rest(&h->http, cut, out);
	look_http_close(&h->http);
	return r;
}

static int fetch_list(struct hls *h)
{
	struct err e = {0};
	buf_reset(&h->text);
	int r = fetch(h, &h->list, false, &h->text);
	if (r)
		return r;
	return look_playlist_parse(buf_slice(&h->text), &h->now, &e) ? bad_data(h, e.msg) : 0;
}

/* The list of pieces: of streams, the smallest is taken. */
static int find_list(struct hls *h)
{
	struct err e = {0};
	for (int level = 0; level < LEVELS_MAX; level++) {
		int r = fetch_list(h);
		if (r || !h->now.variant.p)
			return r;
		struct look_url next;
		if (look_url_join(&h->list, h->now.variant, &next, &e))
			return bad_data(h, e.msg[0] ? e.msg : "a playlist names no URL");
		h->list = next;
	}
	return bad_data(h, "playlists that name playlists without end");
}

static int check_list(struct hls *h)
{
	const struct look_playlist *p = &h->now;
	if (p->encrypted || p->fragmented)
		return look_fail(h->run, PROBE_UNKNOWN, PROBE_BAD_DATA, -ENOTSUP,
				 "%s pieces: they cannot be looked at",
				 p->encrypted ? "encrypted" : "MP4");
	if (!p->last.p)
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "an empty playlist");
	if (p->ended)
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "its playlist has ended");
	/* A file that is left when its publisher has died; who makes lists anew says no such age.
	 */
	if (look_playlist_still(p, h->http.age_us))
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "its playlist has not changed for %lld s",
				 (long long)(h->http.age_us / TIMES_SEC));
	return 0;
}

static int read_bytes(struct hls *h, struct slice bytes, struct look_stream *s)
{
	struct look_demux d = {.head = bytes};
	int r = look_demux_open(&d, h->run, "mpegts");
	if (!r)
		r = look_demux_read(&d, s);
	look_demux_close(&d);
	return r < 0 ? r : look_stream_flush(s);
}

/* What an earlier look has seen already. By its bytes, not by its number alone: who makes a
 * playlist for each that asks counts from the same number each time, and live pieces differ. */
static int check_piece(struct hls *h, struct slice bytes)
{
	struct look_run *run = h->run;
	int64_t age_us = run->q->piece_age_us + times_mono_us() - run->start_us;
	run->r->piece = hash64(bytes, (uint64_t)h->now.sequence);
	if (run->r->piece != run->q->piece || !look_playlist_still(&h->now, age_us))
		return 0;
	return look_fail(run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
			 "its playlist stands still, for %lld s now",
			 (long long)(age_us / TIMES_SEC));
}

static int read_piece(struct hls *h, struct look_stream *s)
{
	struct err e = {0};
	auto_buf struct buf bytes;
	buf_init(&bytes, PIECE_MAX + LOOK_IO_BYTES);
	if (look_url_join(&h->list, h->now.last, &h->piece, &e))
		return bad_data(h, e.msg[0] ? e.msg : "a playlist names no URL");
	int r = fetch(h, &h->piece, true, &bytes);
	if (r)
		return r;
	if (!bytes.n)
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "an empty piece");
	r = check_piece(h, buf_slice(&bytes));
	return r ? r : read_bytes(h, buf_slice(&bytes), s);
}

/* ---- watching ---- */

static void rest(struct hls *h)
{
	int64_t us = h->now.target_us / 2;
	us = us > POLL_MAX_US ? POLL_MAX_US : us < POLL_MIN_US ? POLL_MIN_US : us;
	us = MIN_OF(us, look_left_us(h->run));
	struct timespec ts = {us / TIMES_SEC, us % TIMES_SEC * 1000};
	nanosleep(&ts, NULL);
}

static int stands_still(struct hls *h, int64_t since_us)
{
	if (h->now.ended)
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "its playlist has ended");
	if (times_mono_us() - since_us > h->now.target_us * 3 / 2)
		return look_fail(h->run, PROBE_OFFLINE, PROBE_NO_PACKETS, -ENODATA,
				 "its playlist stands still");
	return 0;
}

static int watch(struct hls *h, struct look_stream *s)
{
	int64_t sequence = h->now.sequence, since = times_mono_us();
	int r = 0;
	while (!r && look_left_us(h->run)) {
		rest(h);
		r = fetch_list(h);
		if (r || h->now.sequence == sequence)
			continue;
		if (h->now.sequence != sequence + 1) /* one was missed: that is no jump */
			s->watch->before_us = INT64_MIN;
		sequence = h->now.sequence;
		since = times_mono_us();
		r = h->now.last.p ? read_piece(h, s) : 0;
	}
	return r == 0 || r == -ETIMEDOUT ? stands_still(h, since) : r;
}

static int read_all(struct hls *h, const struct look_url *u, struct look_stream *s)
{
	h->list = *u;
	int r = find_list(h);
	if (!r)
		r = check_list(h);
	if (r)
		return r;
	look_step(h->run, PROBE_SESSION);
	r = read_piece(h, s);
	if (r || s->over)
		return r;
	if (h->run->watching)
		return watch(h, s);
	return look_fail(h->run, PROBE_OFFLINE,
			 h->run->r->step >= PROBE_PACKETS ? PROBE_NO_KEYFRAME : PROBE_NO_PACKETS,
			 -ENODATA, "a piece without a %s",
			 h->run->r->step >= PROBE_PACKETS ? "keyframe" : "picture");
}

int look_hls_read(struct look_run *run, const struct look_url *u, struct look_stream *s)
{
	struct hls *h = mem_new(sizeof *h);
	if (!h)
		return look_fail_own(run, ENOMEM, "playlist");
	h->run = run;
	h->first = u;
	buf_init(&h->text, LOOK_BODY_MAX + 1);
	int r = read_all(h, u, s);
	buf_done(&h->text);
	free(h);
	return r;
}
