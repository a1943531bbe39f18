/*
 * DESIGN: one pass over every fourth line takes the moments of brightness and of the Laplacian, and
 * those of each block of 16×16 (16 samples: is it flat?) and of each of the 9×8 cells of the hash.
 * A second pass sums all pixels into block means, which must not see noise. The Laplacian is of
 * neighbours one pixel away, though taken at every fourth: it is about detail, which a scaled-down
 * picture has lost. Limited range is stretched by a table where values are compared with limits,
 * and by a factor where only differences count.
 */
#include "picture.h"

#include <math.h>
#include <string.h>

#define STEP 4	/* of samples, both ways */
#define EDGE 16 /* of the blocks that are flat or not, px */
#define HASH_COLS 9
#define HASH_ROWS 8
#define FLAT_SD \
	4.0 /* a block's deviation, of 255: what noise and a codec leave of a plain surface */
#define WIDTH_MAX 16384

struct plane {
	const uint8_t *luma;
	size_t stride, w, h;
	uint8_t level[256]; /* full range */
	double stretch;	    /* of a difference */
};

struct moments {
	uint64_t n, sum, squares;
};

static void moments_add(struct moments *m, uint64_t v)
{
	m->n++;
	m->sum += v;
	m->squares += v * v;
}

static double moments_variance(const struct moments *m)
{
	if (m->n == 0)
		return 0;
	double mean = (double)m->sum / (double)m->n;
	return fmax(0, (double)m->squares / (double)m->n - mean * mean);
}

static void plane_range(struct plane *p, bool limited)
{
	p->stretch = limited ? 255.0 / 219.0 : 1.0;
	for (int i = 0; i < 256; i++) {
		double v = limited ? (i - 16) * p->stretch : i;
		p->level[i] = (uint8_t)lround(fmin(fmax(v, 0), 255));
	}
}

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* ---- samples ---- */

struct cell {
	uint64_t sum, n;
};

struct sampled {
	struct moments luma;
	struct cell cell[HASH_ROWS][HASH_COLS];
	struct moments flat[WIDTH_MAX / EDGE]; /* the blocks of the rows that are being read */
	uint64_t blocks, flats;
};

static void sample_line(const struct plane *p, size_t y, struct sampled *s)
{
	const uint8_t *line = p->luma + y * p->stride;
	struct cell *cells = s->cell[y * HASH_ROWS / p->h];
	for (size_t x = 0; x < p->w; x += STEP) {
		uint64_t v = p->level[line[x]];
		moments_add(&s->luma, v);
		moments_add(&s->flat[x / EDGE], v);
		struct cell *c = &cells[x * HASH_COLS / p->w];
		c->sum += v;
		c->n++;
	}
}

/* A row of blocks is complete: which of them are flat? */
static void count_flats(const struct plane *p, struct sampled *s)
{
	size_t cols = ceil_div(p->w, EDGE);
	for (size_t i = 0; i < cols; i++) {
		s->blocks++;
		s->flats += moments_variance(&s->flat[i]) < FLAT_SD * FLAT_SD;
	}
	memset(s->flat, 0, cols * sizeof(s->flat[0]));
}

static void sample_all(const struct plane *p, struct sampled *s)
{
	for (size_t y = 0; y < p->h; y += STEP) {
		if (y > 0 && y % EDGE == 0)
			count_flats(p, s);
		sample_line(p, y, s);
	}
	count_flats(p, s);
}

/* A bit for each pair of neighbours: darker to the right. A picture narrower than 9 samples leaves
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

/* ---- detail ---- */

static double laplacian_variance(const struct plane *p)
{
	int64_t n = 0, sum = 0, squares = 0;
	for (size_t y = STEP; y + 1 < p->h; y += STEP) {
		const uint8_t *c = p->luma + y * p->stride;
		const uint8_t *up = c - p->stride, *down = c + p->stride;
		for (size_t x = STEP; x + 1 < p->w; x += STEP, n++) {
			int v = up[x] + down[x] + c[x - 1] + c[x + 1] - 4 * c[x];
			sum += v;
			squares += v * v;
		}
	}
	if (n == 0)
		return 0;
	double mean = (double)sum / (double)n;
	return fmax(0, (double)squares / (double)n - mean * mean) * p->stretch * p->stretch;
}

/* ---- block means ---- */

/* Blocks of 16×16, or larger by steps of 8 until there are few enough. */
static size_t block_edge(size_t w, size_t h)
{
	size_t edge = EDGE;
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
	size_t edge = block_edge(p->w, p->h), cols = ceil_div(p->w, edge);
	ret->cols = (uint16_t)cols;
	ret->rows = (uint16_t)ceil_div(p->h, edge);
	ret->n = (uint16_t)(ret->cols * ret->rows);
	uint8_t *out = ret->block;
	for (size_t top = 0; top < p->h; top += edge) {
		uint32_t sums[PROBE_BLOCKS_MAX] = {0};
		size_t end = MIN_OF(top + edge, p->h);
		for (size_t y = top; y < end; y++)
			sum_line(p->luma + y * p->stride, p->w, edge, sums);
		for (size_t i = 0; i < cols; i++) {
			size_t wide = MIN_OF(edge, p->w - i * edge);
			size_t area = wide * (end - top);
			*out++ = p->level[(sums[i] + area / 2) / area];
		}
	}
}

void picture_measure(const uint8_t *luma, size_t stride, int w, int h, bool limited_range,
		     struct probe_picture *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (w <= 0 || h <= 0 || w > WIDTH_MAX || h > WIDTH_MAX || stride < (size_t)w)
		return;
	struct plane p = {.luma = luma, .stride = stride, .w = (size_t)w, .h = (size_t)h};
	plane_range(&p, limited_range);
	struct sampled s;
	memset(&s, 0, sizeof(s));
	sample_all(&p, &s);
	ret->mean = (double)s.luma.sum / (double)s.luma.n;
	ret->sd = sqrt(moments_variance(&s.luma));
	ret->flat_pct = 100.0 * (double)s.flats / (double)s.blocks;
	ret->dhash = hash_of(&s);
	ret->sharpness = laplacian_variance(&p);
	block_means(&p, ret);
}

int picture_dhash_distance(uint64_t a, uint64_t b)
{
	return __builtin_popcountll(a ^ b);
}

int picture_block_diff(const struct probe_picture *a, const struct probe_picture *b)
{
	if (a->n == 0 || a->n != b->n || a->cols != b->cols || a->n > PROBE_BLOCKS_MAX)
		return -1;
	int most = 0;
	for (size_t i = 0; i < a->n; i++)
		most = MAX_OF(most, abs(a->block[i] - b->block[i]));
	return most;
}
