/*
 * baseline_state: what a baseline remembers. Private to baseline*.c.
 */
#ifndef GRIDHUB_BASELINE_STATE_H
#define GRIDHUB_BASELINE_STATE_H

#include "baseline.h"
#include "times.h"

/* Looks nearer to each other say nothing about standing still. */
#define BLOCKS_EVERY (3 * TIMES_MIN)

#define USUAL_FIRST_MAX 5
#define FACE_COLS 16
#define FACE_ROWS 9
#define FACE_CELLS (FACE_COLS * FACE_ROWS)
#define FACE_UNIT 1000.0  /* of a cell: its typical size */
#define FACE_COUNT_MIN 5  /* looks before it is one */
#define FACE_COUNT_MAX 32 /* looks that a face is the mean of; from there on it drifts */
#define KEYS_MAX 64

enum { GLANCE, WATCHED, KINDS };
enum { DAY, NIGHT, HOURS };

/* A value that drifts: the median of the first few, from there on slowly after what comes, within
 * bounds of that median. */
struct usual {
	uint8_t n; /* of first; all of them: value and anchor hold */
	double first[USUAL_FIRST_MAX];
	double value, anchor;
};

struct format {
	char codec[16]; /* "" = not known */
	int width, height;
};

/* What a camera looks at: how bright each part is against those around it, whatever the light. */
struct face {
	int16_t cell[FACE_CELLS];
};

struct view { /* the mean of good pictures, and the hash of the first of them */
	struct face face;
	uint8_t n; /* 0: there is none */
	uint64_t dhash;
};

struct keys { /* keyframes that were seen, as 32 bits of their hash; 0 = none */
	uint32_t last[KINDS];
	int64_t at_us[KINDS];
	uint8_t same[KINDS]; /* looks in a row that brought the very same one again */
	uint32_t ring[KEYS_MAX];
	uint8_t n, next;
	uint8_t comebacks; /* how often one came back after others */
	uint8_t fresh;	   /* looks since then that brought new ones */
};

enum suspicion {
	SUSPECT_BLACK,
	SUSPECT_WHITE,
	SUSPECT_COVERED,
	SUSPECT_SOLID,
	SUSPECT_BLURRED,
	SUSPECT_SNOW,
	SUSPECT_MOVED,
	SUSPECT_STILL,
	SUSPECT_SAME,
	SUSPECT_LOOPED,
	SUSPECT_FORMAT,
	SUSPECT_FPS,
	SUSPECT_BITRATE,
	SUSPECT_GOP,
	SUSPECT_CLOCK,
	SUSPICIONS
};

struct baseline {
	struct format format[KINDS];
	struct usual sharpness[KINDS][HOURS], noise[KINDS][HOURS], bitrate[HOURS], fps[HOURS],
		gop[HOURS];
	struct view view[HOURS];
	struct keys keys;
	struct probe_picture last; /* its blocks only */
	int64_t last_us;
	uint8_t runs[SUSPICIONS]; /* suspicious looks in a row */
	bool suspect;		  /* of the last look; not kept */
};

/* One look beside what was learnt. */
struct weighed { /* -1: cannot be told */
	const struct probe_result *r;
	const struct probe_stream *s;
	const struct probe_picture *p; /* NULL: none */
	int kind;
	int stream;	   /* whose format and sharpness it is compared with: GLANCE or WATCHED */
	int hours;	   /* whose values it is compared with */
	bool night, ptz;   /* by the clock; by the registry */
	bool online;	   /* a keyframe came */
	bool other_format; /* than the one accepted: nothing of the picture can be compared */
	int dhash_distance, view_match, block_diff, same, repeats;
	double block_same;
	struct face face; /* of its picture, if has_face */
	bool has_face;
};

/* baseline_view.c */
bool view_face(const struct probe_picture *p, struct face *ret); /* false: it is bare */
/* 0 to 100: how much of it is there, in the half that agrees least; -1: there is no view yet. */
int view_match(const struct view *v, const struct face *face);
void view_learn(struct view *v, const struct face *face, uint64_t dhash);

/* baseline_learn.c */
void keys_see(struct keys *k, int kind, uint32_t hash, int64_t now_us);
/* changed: set when it is worth saving; else left. */
void baseline_learn(struct baseline *b, const struct weighed *w, bool *changed);
/* What is looked at next is compared with this picture, be it good or not. */
void baseline_keep_blocks(struct baseline *b, const struct weighed *w, int64_t now_us);

/* baseline_suspect.c: does the look teach? Sets b->suspect. */
bool baseline_doubt(struct baseline *b, const struct weighed *w);

static inline bool watched(const struct weighed *w)
{
	return w->online && w->kind == WATCHED;
}

#endif
