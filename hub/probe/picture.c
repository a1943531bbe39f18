/*
 * DESIGN: the picture is looked at as one of 1/16 of the pixels, each the mean of 4×4: what a
 * sensor's noise and a codec do to single pixels is gone from it by a factor of four, while
 * streets, bags and blur are as they were. Brightness, contrast, flat blocks, sharpness and hash
 * are taken of its inner rows only: a text that a camera writes at the top or the bottom must not
 * make a black picture of rich contrast, or a covered lens sharp. Noise is taken of single pixels,
 * at every fourth of every fourth line. Blocks are of the whole picture.
 *
 * Three rows of 4×4 means are held at a time; they are in units of 1/16, stretched to full range.
 */
#include "picture.h"

#include <math.h>
#include <string.h>

#define STEP 4	/* pixels of a bin, both ways */
#define UNIT 16 /* of a bin's value: 1/16 */
#define BLOCK                                                                              \
	16 /* px: blocks that are flat or not, and the smallest of those that are compared \
	    */
#define MARGIN_PCT 12 /* of the rows, at the top and at the bottom: what the camera writes */
#define HASH_COLS 9
#define HASH_ROWS 8
#define FLAT_SD 2.5 /* a block's deviation: what noise and a codec leave of a plain surface */
#define CONTRAST_MIN                                                                \
	16 /* variance; below it a picture has no contrast that sharpness goes with \
	    */
#define SIDE_MAX 16384
#define BINS_MAX (SIDE_MAX / STEP)

struct plane {
	const uint8_t *luma;
	size_t stride, w, h;
	size_t bw, bh;	    /* in bins */
	size_t top, bottom; /* the inner rows, in bins: [top, bottom) */
	uint16_t offset;    /* of black */
	double stretch;	    /* of a difference */
};

struct moments {
	uint64_t n;
	int64_t sum;
	uint64_t squares;
};

static void moments_add(struct moments *m, int64_t v)
{
	m->n++;
	m->sum += v;
	m->squares += (uint64_t)(v * v);
}

static double moments_mean(const struct moments *m)
{
	return m->n ? (double)m->sum / (double)m->n : 0;
}

static double moments_variance(const struct moments *m)
{
	double mean = moments_mean(m);
	return m->n ? fmax(0, (double)m->squares / (double)m->n - mean * mean) : 0;
}

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

static void plane_init(struct plane *p, bool limited)
{
	p->bw = ceil_div(p->w, STEP);
	p->bh = ceil_div(p->h, STEP);
	p->top = p->bh * MARGIN_PCT / 100;
	p->bottom = p->bh - p->top;
	p->offset = limited ? 16 : 0;
	p->stretch = limited ? 255.0 / 219.0 : 1.0;
}

/* A mean of raw luma, sum ÷ n, in full range and units of 1/unit. */
static uint32_t level(const struct plane *p, uint64_t sum, size_t n, uint32_t unit)
{
	double v = ((double)sum / (double)n - p->offset) * p->stretch;
	return (uint32_t)lround(fmin(fmax(v, 0), 255) * unit);
}

/* ---- bins ---- */

static void bin_row(const struct plane *p, size_t row, uint16_t *ret)
{
	uint32_t sums[BINS_MAX];
	size_t y = row * STEP, end = MIN_OF(y + STEP, p->h), lines = end - y;
	memset(sums, 0, p->bw * sizeof(sums[0]));
	for (; y < end; y++) {
		const uint8_t *line = p->luma + y * p->stride;
		for (size_t i = 0; i < p->w / STEP; i++, line += STEP)
			sums[i] += (uint32_t)(line[0] + line[1] + line[2] + line[3]);
		for (size_t x = p->w / STEP * STEP; x < p->w; x++)
			sums[p->bw - 1] += *line++;
	}
	for (size_t i = 0; i < p->bw; i++)
		ret[i] = (uint16_t)level(p, sums[i], lines * MIN_OF(STEP, p->w - i * STEP), UNIT);
}

struct cell {
	uint64_t sum, n;
};

struct sampled {
	struct moments luma, laplacian, noise;
	struct cell cell[HASH_ROWS][HASH_COLS];
	struct moments flat[SIDE_MAX / BLOCK]; /* the blocks of the rows that are being read */
	uint64_t blocks, flats;
};

static void sample_luma(const struct plane *p, size_t row, const uint16_t *bins, struct sampled *s)
{
	struct cell *cells = s->cell[(row - p->top) * HASH_ROWS / (p->bottom - p->top)];
	for (size_t i = 0; i < p->bw; i++) {
		moments_add(&s->luma, bins[i]);
		moments_add(&s->flat[i * STEP / BLOCK], bins[i]);
		struct cell *c = &cells[i * HASH_COLS / p->bw];
		c->sum += bins[i];
		c->n++;
	}
}

/* A row of blocks is complete: which of them are flat? */
static void count_flats(const struct plane *p, struct sampled *s)
{
	size_t cols = ceil_div(p->w, BLOCK);
	for (size_t i = 0; i < cols; i++) {
		s->blocks++;
		s->flats += moments_variance(&s->flat[i]) < FLAT_SD * FLAT_SD * UNIT * UNIT;
	}
	memset(s->flat, 0, cols * sizeof(s->flat[0]));
}

static void sample_detail(const struct plane *p, const uint16_t *up, const uint16_t *bins,
			  const uint16_t *down, struct sampled *s)
{
	for (size_t i = 1; i + 1 < p->bw; i++)
		moments_add(&s->laplacian,
			    up[i] + down[i] + bins[i - 1] + bins[i + 1] - 4 * bins[i]);
}

static void sample_noise(const struct plane *p, size_t row, struct sampled *s)
{
	size_t y = row * STEP;
	if (y == 0 || y + 1 >= p->h)
		return;
	const uint8_t *c = p->luma + y * p->stride;
	const uint8_t *up = c - p->stride, *down = c + p->stride;
	for (size_t x = STEP; x + 1 < p->w; x += STEP)
		moments_add(&s->noise, up[x] + down[x] + c[x - 1] + c[x + 1] - 4 * c[x]);
}

static void sample_all(const struct plane *p, struct sampled *s)
{
	uint16_t rows[3][BINS_MAX];
	for (size_t row = p->top; row < p->bottom; row++) {
		size_t k = row - p->top;
		if (k > 0 && k % (BLOCK / STEP) == 0)
			count_flats(p, s);
		bin_row(p, row, rows[k % 3]);
		sample_luma(p, row, rows[k % 3], s);
		sample_noise(p, row, s);
		if (k >= 2)
			sample_detail(p, rows[(k - 2) % 3], rows[(k - 1) % 3], rows[k % 3], s);
	}
	count_flats(p, s);
}

/* A bit for each pair of neighbours: darker to the right. A picture narrower than 9 bins leaves
 * cells without any; they count as dark. */
static uint64_t hash_of(const struct sampled *s)
{
	uint64_t hash = 0;
	for (size_t r = 0; r < HASH_ROWS; r++)
		for (size_t c = 0; c + 1 < HASH_COLS; c++) {
			const struct cell *a = &s->cell[r][c], *b = &s->cell[r][c + 1];
			/* a.sum / a.n > b.sum / b.n */
			hash = hash << 1 | (a->sum * MAX_OF(b->n, 1) > b->sum * MAX_OF(a->n, 1));
		}
	return hash;
}

/* ---- block means ---- */

/* Blocks of 16×16, or larger by steps of 8 until there are few enough. */
static size_t block_edge(size_t w, size_t h)
{
	size_t edge = BLOCK;
	while (ceil_div(w, edge) * ceil_div(h, edge) > PROBE_BLOCKS_MAX)
		edge += 8;
	return edge;
}

static void sum_line(const uint8_t *line, size_t w, size_t edge, uint32_t *sums)
{
	for (size_t x = 0, i = 0; x < w; x += edge, i++) {
		uint32_t sum = 0;
		for (size_t k = x, end = MIN_OF(x + edge, w); k < end; k++)
			sum += line[k];
		sums[i] += sum;
	}
}

static void block_means(const struct plane *p, struct probe_picture *ret)
{
	size_t first = p->top * STEP, last = MIN_OF(p->bottom * STEP, p->h);
	size_t edge = block_edge(p->w, last - first), cols = ceil_div(p->w, edge);
	ret->cols = (uint16_t)cols;
	ret->rows = (uint16_t)ceil_div(last - first, edge);
	ret->n = (uint16_t)(ret->cols * ret->rows);
	uint8_t *out = ret->block;
	for (size_t top = first; top < last; top += edge) {
		uint32_t sums[PROBE_BLOCKS_MAX] = {0};
		size_t end = MIN_OF(top + edge, last);
		for (size_t y = top; y < end; y++)
			sum_line(p->luma + y * p->stride, p->w, edge, sums);
		for (size_t i = 0; i < cols; i++) {
			size_t wide = MIN_OF(edge, p->w - i * edge);
			*out++ = (uint8_t)level(p, sums[i], wide * (end - top), 1);
		}
	}
}

void picture_measure(const uint8_t *luma, size_t stride, int w, int h, bool limited_range,
		     struct probe_picture *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (w <= 0 || h <= 0 || w > SIDE_MAX || h > SIDE_MAX || stride < (size_t)w)
		return;
	struct plane p = {.luma = luma, .stride = stride, .w = (size_t)w, .h = (size_t)h};
	struct sampled s;
	memset(&s, 0, sizeof(s));
	plane_init(&p, limited_range);
	sample_all(&p, &s);
	double variance = moments_variance(&s.luma) / (UNIT * UNIT);
	ret->noise = moments_variance(&s.noise) * p.stretch * p.stretch;
	/* White noise leaves a sixteenth of itself in means of sixteen. */
	double detail = moments_variance(&s.laplacian) / (UNIT * UNIT) - ret->noise / (STEP * STEP);
	ret->mean = moments_mean(&s.luma) / UNIT;
	ret->sd = sqrt(variance);
	ret->flat_pct = 100.0 * (double)s.flats / (double)s.blocks;
	ret->dhash = hash_of(&s);
	ret->sharpness = 100.0 * fmax(0, detail) / fmax(variance, CONTRAST_MIN);
	block_means(&p, ret);
}

int picture_dhash_distance(uint64_t a, uint64_t b)
{
	return __builtin_popcountll(a ^ b);
}

static bool comparable(const struct probe_picture *a, const struct probe_picture *b)
{
	return a->n > 0 && a->n == b->n && a->cols == b->cols && a->n <= PROBE_BLOCKS_MAX;
}

double picture_block_same(const struct probe_picture *a, const struct probe_picture *b)
{
	int same = 0;
	if (!comparable(a, b))
		return -1;
	for (size_t i = 0; i < a->n; i++)
		same += a->block[i] == b->block[i];
	return 100.0 * same / a->n;
}

int picture_block_diff(const struct probe_picture *a, const struct probe_picture *b)
{
	if (!comparable(a, b))
		return -1;
	int most = 0;
	for (size_t i = 0; i < a->n; i++)
		most = MAX_OF(most, abs(a->block[i] - b->block[i]));
	return most;
}
