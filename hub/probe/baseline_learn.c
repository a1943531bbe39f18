/*
 * baseline_learn: what a good look changes. Slowly: half of the way in a day or two, so that a
 * season is followed and an hour of rain is not.
 */
#include <math.h>
#include <string.h>

#include "baseline_state.h"
#include "picture.h"

#define PICTURES_FIRST 5  /* good pictures before a sharpness is usual */
#define WATCHES_FIRST 3	  /* watches before a rate is */
#define PICTURE_RATE 0.02 /* of the way to each look's value: half of it in 35 pictures */
#define WATCH_RATE 0.05	  /* half of it in 14 watches */
#define STEP_MAX 2.0	  /* no look counts as further away than this factor */
#define DRIFT_MAX                                                                      \
	2.5 /* from the value at acceptance: dirt that gathers for months is told, too \
	     */
#define KEYS_EVERY TIMES_MIN /* looks nearer to each other may well see one keyframe */
#define FRESH_LOOKS 12	     /* so many new keyframes in a row: whatever came back is over */

/* ---- what is usual ---- */

static double median(const double *v, size_t n)
{
	double sorted[USUAL_FIRST_MAX] = {0};
	for (size_t i = 0; i < n; i++) {
		size_t k = i;
		for (; k > 0 && sorted[k - 1] > v[i]; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = v[i];
	}
	return sorted[n / 2];
}

static void usual_learn(struct usual *u, size_t first, double rate, double v)
{
	if (!(v > 0) || v > 1e9)
		return;
	if (u->n >= first && !(u->value > 0)) /* its text was not of our making */
		u->n = 0;
	if (u->n < first) {
		u->first[u->n++] = v;
		if (u->n == first)
			u->value = u->anchor = median(u->first, first);
		return;
	}
	double ratio = fmin(fmax(v / u->value, 1 / STEP_MAX), STEP_MAX);
	double drifted = u->value * pow(ratio, rate);
	u->value = fmin(fmax(drifted, u->anchor / DRIFT_MAX), u->anchor * DRIFT_MAX);
}

/* ---- keyframes that come again ---- */

static bool keys_has(const struct keys *k, uint32_t hash)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->ring[i] == hash)
			return true;
	return false;
}

static void keys_put(struct keys *k, uint32_t hash)
{
	k->ring[k->next] = hash;
	k->next = (uint8_t)((k->next + 1) % KEYS_MAX);
	k->n = (uint8_t)MIN_OF(k->n + 1, KEYS_MAX);
}

/* One that is still there is a picture that stands still; one that comes back after others is a
 * recording. */
void keys_see(struct keys *k, int kind, uint32_t hash, int64_t now_us)
{
	if (now_us >= k->at_us[kind] && now_us - k->at_us[kind] < KEYS_EVERY)
		return;
	k->at_us[kind] = now_us;
	if (hash == k->last[kind]) {
		k->same[kind] = (uint8_t)MIN_OF(k->same[kind] + 1, 255);
		return;
	}
	k->last[kind] = hash;
	k->same[kind] = 0;
	if (keys_has(k, hash)) {
		k->comebacks = (uint8_t)MIN_OF(k->comebacks + 1, 255);
		k->fresh = 0;
		return;
	}
	keys_put(k, hash);
	k->fresh = (uint8_t)MIN_OF(k->fresh + 1, 255);
	if (k->fresh >= FRESH_LOOKS)
		k->comebacks = 0;
}

/* ---- all of it ---- */

static bool learn_format(struct baseline *b, const struct weighed *w)
{
	struct format *f = &b->format[w->kind];
	bool sized = w->s->width > 0 && w->s->height > 0;
	if (!w->s->codec[0] || (f->codec[0] && (f->width > 0 || !sized)))
		return false;
	memcpy(f->codec, w->s->codec, sizeof(f->codec));
	f->width = sized ? w->s->width : 0;
	f->height = sized ? w->s->height : 0;
	return true;
}

static void learn_picture(struct baseline *b, const struct weighed *w)
{
	usual_learn(&b->sharpness[w->stream][w->hours], PICTURES_FIRST, PICTURE_RATE,
		    w->p->sharpness);
	usual_learn(&b->noise[w->stream][w->hours], PICTURES_FIRST, PICTURE_RATE, w->p->noise);
	if (w->has_face)
		view_learn(&b->view[w->hours], &w->face, w->p->dhash);
}

static void learn_watch(struct baseline *b, const struct weighed *w)
{
	usual_learn(&b->fps[w->hours], WATCHES_FIRST, WATCH_RATE, w->s->fps);
	usual_learn(&b->gop[w->hours], WATCHES_FIRST, WATCH_RATE, w->s->gop);
	usual_learn(&b->bitrate[w->hours], WATCHES_FIRST, WATCH_RATE, w->s->bitrate_kbps);
}

void baseline_learn(struct baseline *b, const struct weighed *w, bool *changed)
{
	if (!w->online)
		return;
	*changed |= learn_format(b, w);
	if (w->p)
		learn_picture(b, w);
	if (watched(w))
		learn_watch(b, w);
}

/* The large stream is not compared with the small one. */
void baseline_keep_blocks(struct baseline *b, const struct weighed *w, int64_t now_us)
{
	bool other_shape = b->last.n && (b->last.cols != w->p->cols || b->last.n != w->p->n);
	bool soon = now_us >= b->last_us && now_us - b->last_us < BLOCKS_EVERY;
	if (other_shape ? w->kind == WATCHED : soon && b->last.n)
		return;
	b->last = *w->p;
	b->last_us = now_us;
}
