/*
 * baseline_suspect: which looks want a closer one. Each suspicion is yes, no, or "this look cannot
 * tell". Why the limits are wider than those of rules/camera.yaml stands in baseline.h.
 */
#include "baseline_state.h"

#define BLACK_MEAN 40.0
#define WHITE_MEAN 215.0
#define BARE_SD 10.0
#define COVERED_SD 20.0
#define COVERED_FLAT 90.0
#define SOLID_PER_MB 2.0
#define BLURRED_RATIO 0.45
#define SNOW_RATIO 4.0
#define MOVED_MATCH 70
#define STILL_SAME 85.0
#define FPS_RATIO 0.6
#define BITRATE_RATIO 0.4
#define GOP_RATIO 2.5
#define JUMP_S 1.0

/* How many times the usual; -1: nothing is usual yet, or v is not known. */
static double usual_ratio(const struct usual *u, double v)
{
	return u->value > 0 && v >= 0 ? v / u->value : -1;
}

/* ---- suspicions: 1 yes, 0 no, -1 this look cannot tell ---- */

static int is_black(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->p ? w->p->mean < BLACK_MEAN && w->p->sd < BARE_SD : -1;
}

static int is_white(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->p ? w->p->mean > WHITE_MEAN && w->p->sd < BARE_SD : -1;
}

static int is_covered(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->p ? w->p->sd < COVERED_SD && w->p->flat_pct >= COVERED_FLAT : -1;
}

static int is_solid(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->online && w->s->i_per_mb >= 0 ? w->s->i_per_mb < SOLID_PER_MB : -1;
}

static bool comparable(const struct weighed *w)
{
	return w->p && !w->other_format;
}

static int is_blurred(const struct baseline *b, const struct weighed *w)
{
	double ratio = comparable(w)
			       ? usual_ratio(&b->sharpness[w->stream][w->hours], w->p->sharpness)
			       : -1;
	return ratio >= 0 ? ratio < BLURRED_RATIO : -1;
}

static int is_snow(const struct baseline *b, const struct weighed *w)
{
	double ratio =
		comparable(w) ? usual_ratio(&b->noise[w->stream][w->hours], w->p->noise) : -1;
	return ratio >= 0 ? ratio > SNOW_RATIO : -1;
}

static int is_moved(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->view_match >= 0 ? w->view_match < MOVED_MATCH : -1;
}

static int is_still(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->block_same >= 0 ? w->block_same >= STILL_SAME : -1;
}

static int is_same(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->same >= 0 ? w->same > 0 : -1;
}

static int is_looped(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return w->repeats >= 0 ? w->repeats > 0 : -1;
}

static int is_other_format(const struct baseline *b, const struct weighed *w)
{
	return w->online && b->format[w->stream].codec[0] ? w->other_format : -1;
}

static int is_slow(const struct baseline *b, const struct weighed *w)
{
	double ratio = watched(w) ? usual_ratio(&b->fps[w->hours], w->s->fps) : -1;
	return ratio >= 0 ? ratio < FPS_RATIO : -1;
}

static int is_thin(const struct baseline *b, const struct weighed *w)
{
	double ratio = watched(w) ? usual_ratio(&b->bitrate[w->hours], w->s->bitrate_kbps) : -1;
	return ratio >= 0 ? ratio < BITRATE_RATIO : -1;
}

static int is_other_gop(const struct baseline *b, const struct weighed *w)
{
	double ratio = watched(w) && w->s->gop > 0 ? usual_ratio(&b->gop[w->hours], w->s->gop) : -1;
	return ratio >= 0 ? ratio > GOP_RATIO || ratio < 1 / GOP_RATIO : -1;
}

static int is_jumping(const struct baseline *b, const struct weighed *w)
{
	(void)b;
	return watched(w) && w->s->ts_jump_s >= 0 ? w->s->ts_jump_s >= JUMP_S : -1;
}

static int (*const suspicions[SUSPICIONS])(const struct baseline *, const struct weighed *) = {
	[SUSPECT_BLACK] = is_black,	    [SUSPECT_WHITE] = is_white,
	[SUSPECT_COVERED] = is_covered,	    [SUSPECT_SOLID] = is_solid,
	[SUSPECT_BLURRED] = is_blurred,	    [SUSPECT_SNOW] = is_snow,
	[SUSPECT_MOVED] = is_moved,	    [SUSPECT_STILL] = is_still,
	[SUSPECT_SAME] = is_same,	    [SUSPECT_LOOPED] = is_looped,
	[SUSPECT_FORMAT] = is_other_format, [SUSPECT_FPS] = is_slow,
	[SUSPECT_BITRATE] = is_thin,	    [SUSPECT_GOP] = is_other_gop,
	[SUSPECT_CLOCK] = is_jumping,
};

/* A picture that stands still is as good as the one before, and time stamps are no part of it
 * (those of one picture a second always jump); all else that is odd teaches nothing. */
static bool spoils(size_t i)
{
	return i != SUSPECT_STILL && i != SUSPECT_SAME && i != SUSPECT_CLOCK;
}

bool baseline_doubt(struct baseline *b, const struct weighed *w)
{
	bool good = true;
	b->suspect = false;
	for (size_t i = 0; i < SUSPICIONS; i++) {
		int yes = suspicions[i](b, w);
		if (yes == 0)
			b->runs[i] = 0;
		if (yes <= 0)
			continue;
		good &= !spoils(i);
		b->runs[i] = (uint8_t)MIN_OF(b->runs[i] + 1, 255);
		b->suspect |= b->runs[i] <= BASELINE_SUSPECT_LOOKS;
	}
	return good;
}
