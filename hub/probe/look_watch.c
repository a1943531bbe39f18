#include "look_watch.h"

#include "times.h"

#define TAIL_SHARE 4 /* of a group: its last quarter is its tail */
#define STALL_PCT 75 /* time stamps that cover less of the watch: it stalled */

static void end_group(struct look_watch *w)
{
	size_t n = w->n_p - w->group_at, tail = n / TAIL_SHARE;
	if (n && !tail)
		tail = 1;
	for (size_t i = w->n_p - tail; i < w->n_p; i++)
		w->tail[w->n_tail++] = w->p[i];
	w->group_at = w->n_p;
}

static void begin_group(struct look_watch *w)
{
	if (w->keys++) {
		w->gop_sum += w->since_key;
		w->gops++;
	}
	w->since_key = 0;
	end_group(w);
}

static void note_time(struct look_watch *w, int64_t ts_us)
{
	if (ts_us == INT64_MIN)
		return;
	if (w->before_us != INT64_MIN) {
		int64_t d = ts_us - w->before_us;
		w->jump_us = MAX_OF(w->jump_us, d < 0 ? -d : d);
	}
	w->before_us = ts_us;
	if (w->first_us == INT64_MIN || ts_us < w->first_us)
		w->first_us = ts_us;
	if (w->last_us == INT64_MIN || ts_us > w->last_us)
		w->last_us = ts_us;
}

void look_watch_picture(struct look_watch *w, bool key, size_t bytes, int64_t ts_us, int64_t now_us)
{
	if (!w->n++) {
		w->arrived_us = now_us;
		w->first_us = w->last_us = w->before_us = INT64_MIN;
		w->jump_us = -1;
	}
	w->ended_us = now_us;
	w->bytes += bytes;
	if (key)
		begin_group(w);
	else if (w->n_p < LOOK_PICTURES_MAX)
		w->p[w->n_p++] = (uint32_t)MIN_OF(bytes, (size_t)UINT32_MAX);
	w->since_key++;
	note_time(w, ts_us);
}

static int compare(const void *a, const void *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

/* Of n sizes, per macroblock; sorts them. */
static double percentile(uint32_t *v, size_t n, size_t pct, double mbs)
{
	if (!n || mbs <= 0)
		return -1;
	qsort(v, n, sizeof *v, compare);
	size_t at = (n - 1) * pct / 100;
	return v[at] / mbs;
}

/* Seconds that the pictures cover. A server that sends what it had kept first is ahead of our
 * clock; one that stalls is behind it. */
static double covered_s(const struct look_watch *w, int64_t now_us)
{
	int64_t stamps = w->first_us == INT64_MIN ? 0 : w->last_us - w->first_us;
	int64_t clock = now_us - w->arrived_us;
	/* A jump would make years of it. */
	bool wild = stamps <= 0 || stamps > 3 * clock + 10 * TIMES_SEC ||
		    stamps < clock * STALL_PCT / 100;
	return (double)(wild ? clock : stamps) / (double)TIMES_SEC;
}

void look_watch_finish(struct look_watch *w, int64_t now_us, double mbs, struct probe_stream *ret)
{
	if (!w->n)
		return;
	double s = covered_s(w, now_us);
	end_group(w);
	ret->fps = s > 0 && w->n > 1 ? (w->n - 1) / s : 0;
	ret->bitrate_kbps = s > 0 ? (double)w->bytes * 8 / 1000 / s : 0;
	ret->gop = w->gops ? (double)w->gop_sum / w->gops : 0;
	ret->p_tail_per_mb = percentile(w->tail, w->n_tail, 50, mbs);
	ret->p_p05_per_mb = percentile(w->p, w->n_p, 5, mbs);
	ret->p_p50_per_mb = percentile(w->p, w->n_p, 50, mbs);
	ret->ts_jump_s = w->jump_us < 0 ? -1 : (double)w->jump_us / (double)TIMES_SEC;
}
