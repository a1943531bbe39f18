/*
 * DESIGN: a look is weighed first (all that compares it with what was learnt, in struct weighed),
 * then said, then doubted (baseline_suspect.c), and only then learnt from (baseline_learn.c).
 */
#include "baseline.h"

#include <math.h>
#include <string.h>

#include "baseline_state.h"
#include "json.h"
#include "picture.h"

#define OTHER_HOURS_MATCH 75 /* a picture that is plainly that of the other hours … */
#define OTHER_HOURS_MORE 15  /* … and more so than that of its own */

struct baseline *baseline_new(void)
{
	return mem_new(sizeof(struct baseline));
}

void baseline_free(struct baseline *b)
{
	free(b);
}

void baseline_accept(struct baseline *b)
{
	memset(b, 0, sizeof(*b));
}

bool baseline_suspect(const struct baseline *b)
{
	return b->suspect;
}

/* ---- weighing ---- */

static void weigh_keys(struct baseline *b, struct weighed *w, int64_t now_us)
{
	uint64_t hash = w->s->keyframe_hash;
	w->same = w->repeats = -1;
	if (!w->online || hash == 0)
		return;
	uint32_t folded = (uint32_t)(hash ^ hash >> 32);
	keys_see(&b->keys, w->kind, folded ? folded : 1, now_us);
	w->same = b->keys.same[w->kind];
	w->repeats = b->keys.comebacks;
}

static bool format_differs(const struct format *f, const struct probe_stream *s)
{
	if (!f->codec[0])
		return false;
	return strcmp(f->codec, s->codec) != 0 ||
	       (s->width > 0 && f->width > 0 && (s->width != f->width || s->height != f->height));
}

static bool format_same(const struct format *a, const struct format *b)
{
	return strcmp(a->codec, b->codec) == 0 && a->width == b->width && a->height == b->height;
}

static double usual_of(const struct usual *u, double or)
{
	return u->value > 0 ? u->value : or ;
}

/* As sharp and as noisy as in those hours, so far as that is known. */
static bool looks_like(const struct baseline *b, const struct weighed *w, int hours)
{
	double sharp = w->p->sharpness /
		       usual_of(&b->sharpness[w->stream][hours], fmax(w->p->sharpness, 1e-9));
	double noise = w->p->noise / usual_of(&b->noise[w->stream][hours], fmax(w->p->noise, 1e-9));
	return sharp > 0.6 && sharp < 1.7 && noise > 0.5 && noise < 2;
}

/* Infrared goes on and off when it gets dark, not when the clock says so: what is plainly the
 * picture of the other hours is compared with those. */
static bool is_of_other_hours(const struct baseline *b, const struct weighed *w, int own, int match,
			      int other)
{
	if (other < OTHER_HOURS_MATCH)
		return false;
	return match < 0 ? looks_like(b, w, 1 - own) : other > match + OTHER_HOURS_MORE;
}

static void weigh_view(const struct baseline *b, struct weighed *w)
{
	int own = w->night ? NIGHT : DAY;
	w->hours = own;
	w->dhash_distance = w->view_match = -1;
	if (!w->p || w->ptz || w->other_format)
		return;
	w->has_face = view_face(w->p, &w->face);
	if (!w->has_face)
		return;
	int match = view_match(&b->view[own], &w->face);
	int other = view_match(&b->view[1 - own], &w->face);
	if (is_of_other_hours(b, w, own, match, other)) {
		w->hours = 1 - own;
		match = other;
	}
	w->view_match = match;
	if (match >= 0)
		w->dhash_distance = picture_dhash_distance(b->view[w->hours].dhash, w->p->dhash);
}

static void weigh_blocks(const struct baseline *b, struct weighed *w, int64_t now_us)
{
	w->block_diff = -1;
	w->block_same = -1;
	bool soon = now_us >= b->last_us && now_us - b->last_us < BLOCKS_EVERY;
	if (!w->p || soon)
		return;
	w->block_diff = picture_block_diff(&b->last, w->p);
	w->block_same = picture_block_same(&b->last, w->p);
}

static void weigh(struct baseline *b, struct weighed *w, int64_t now_us)
{
	w->s = &w->r->stream;
	w->online = w->r->state == PROBE_ONLINE && w->r->depth >= PROBE_KEYFRAME;
	w->p = w->online && w->r->picture.n > 0 ? &w->r->picture : NULL;
	w->kind = w->r->depth == PROBE_WATCH ? WATCHED : GLANCE;
	/* Without a large stream of its own, a watch is of what the glances see. */
	w->stream = format_same(&b->format[GLANCE], &b->format[WATCHED]) ? GLANCE : w->kind;
	w->other_format = w->online && format_differs(&b->format[w->stream], w->s);
	weigh_view(b, w);
	weigh_blocks(b, w, now_us);
	weigh_keys(b, w, now_us);
}

/* ---- what is said ---- */

static void put_num(struct buf *out, const char *name, double v)
{
	json_put_key(out, name);
	buf_printf(out, "%.6g", v);
}

static void put_num_if(struct buf *out, const char *name, double v, bool known)
{
	if (known)
		put_num(out, name, v);
}

static void put_word(struct buf *out, const char *name, const char *word)
{
	json_put_key(out, name);
	json_put_str(out, slice_of(word));
}

static void put_bool(struct buf *out, const char *name, bool v)
{
	json_put_key(out, name);
	buf_puts(out, v ? "true" : "false");
}

static void put_ms(struct buf *out, const char *name, int64_t us)
{
	put_num_if(out, name, (double)us / (double)TIMES_MS, us >= 0);
}

static void say_state(const struct probe_result *r, bool ptz, struct buf *out)
{
	if (r->state != PROBE_UNKNOWN)
		put_bool(out, "online", r->state == PROBE_ONLINE);
	if (r->cause != PROBE_CAUSE_NONE)
		put_word(out, "cause", probe_cause_words[r->cause]);
	if (r->step != PROBE_NONE)
		put_word(out, "substate", probe_step_words[r->step]);
	put_ms(out, "resolve_ms", r->at.resolved);
	put_ms(out, "connect_ms", r->at.connected);
	put_ms(out, "session_ms", r->at.session);
	put_ms(out, "packet_ms", r->at.packet);
	put_ms(out, "keyframe_ms", r->at.keyframe);
	if (ptz)
		put_bool(out, "ptz", true);
}

static void say_format(const struct baseline *b, const struct weighed *w, struct buf *out)
{
	const struct format *f = &b->format[w->stream];
	bool sized = w->s->width > 0 && w->s->height > 0;
	if (w->s->codec[0])
		put_word(out, "codec", w->s->codec);
	put_num_if(out, "width", w->s->width, sized);
	put_num_if(out, "height", w->s->height, sized);
	if (!f->codec[0])
		return;
	put_word(out, "baseline_codec", f->codec);
	put_num_if(out, "baseline_width", f->width, f->width > 0);
	put_num_if(out, "baseline_height", f->height, f->width > 0);
}

static void say_usual(const struct usual *u, const char *name, struct buf *out)
{
	put_num_if(out, name, u->value, u->value > 0);
}

static void say_watch(const struct baseline *b, const struct weighed *w, struct buf *out)
{
	const struct probe_stream *s = w->s;
	put_num_if(out, "fps", s->fps, s->fps > 0);
	put_num_if(out, "gop", s->gop, s->gop > 0);
	put_num_if(out, "bitrate_kbps", s->bitrate_kbps, s->bitrate_kbps > 0);
	put_num_if(out, "p_tail_per_mb", s->p_tail_per_mb, s->p_tail_per_mb >= 0);
	put_num_if(out, "p_p05_per_mb", s->p_p05_per_mb, s->p_p05_per_mb >= 0);
	put_num_if(out, "p_p50_per_mb", s->p_p50_per_mb, s->p_p50_per_mb >= 0);
	put_num_if(out, "ts_jump_s", s->ts_jump_s, s->ts_jump_s >= 0);
	if (w->other_format)
		return;
	say_usual(&b->fps[w->hours], "baseline_fps", out);
	say_usual(&b->gop[w->hours], "baseline_gop", out);
	say_usual(&b->bitrate[w->hours], "baseline_bitrate_kbps", out);
}

static void say_picture(const struct baseline *b, const struct weighed *w, struct buf *out)
{
	put_num(out, "luma_mean", w->p->mean);
	put_num(out, "luma_sd", w->p->sd);
	put_num(out, "flat_pct", w->p->flat_pct);
	put_num(out, "sharpness", w->p->sharpness);
	put_num(out, "noise", w->p->noise);
	if (!w->other_format) {
		say_usual(&b->sharpness[w->stream][w->hours], "baseline_sharpness", out);
		say_usual(&b->noise[w->stream][w->hours], "baseline_noise", out);
	}
	put_num_if(out, "view_match", w->view_match, w->view_match >= 0);
	put_num_if(out, "dhash_distance", w->dhash_distance, w->dhash_distance >= 0);
	put_num_if(out, "block_diff", w->block_diff, w->block_diff >= 0);
	put_num_if(out, "block_same_pct", w->block_same, w->block_same >= 0);
}

static void say(const struct baseline *b, const struct weighed *w, struct buf *out)
{
	buf_putc(out, '{');
	say_state(w->r, w->ptz, out);
	if (w->online) {
		say_format(b, w, out);
		put_num_if(out, "i_per_mb", w->s->i_per_mb, w->s->i_per_mb >= 0);
		put_num_if(out, "keyframe_same", w->same, w->same >= 0);
		put_num_if(out, "keyframe_repeats", w->repeats, w->repeats >= 0);
	}
	if (watched(w))
		say_watch(b, w, out);
	if (w->p)
		say_picture(b, w, out);
	buf_putc(out, '}');
}

void baseline_judge(struct baseline *b, const struct probe_result *r, int64_t now_us, bool night,
		    bool ptz, struct buf *out_fields, bool *ret_changed)
{
	struct weighed w = {.r = r, .night = night, .ptz = ptz};
	weigh(b, &w, now_us);
	say(b, &w, out_fields);
	bool changed = w.p || watched(&w);
	if (baseline_doubt(b, &w))
		baseline_learn(b, &w, &changed);
	if (w.p)
		baseline_keep_blocks(b, &w, now_us);
	*ret_changed = changed;
}
