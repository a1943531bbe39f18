/*
 * DESIGN: a picture's blocks as 16×9 cells, each less the mean of the 5×5 around it, in units of
 * what is typical: so neither light nor contrast nor the cone of an infrared lamp counts, and an
 * even wall counts little. Two of them are compared by their correlation, in each half for itself,
 * as a hand or a board covers a half; the worst counts. (A hash of brighter-than-my-neighbour bits
 * cannot tell an even wall's noise from a house, nor views apart that are lit by one lamp.)
 */
#include <math.h>
#include <string.h>

#include "baseline_state.h"

#define RADIUS 2
#define BARE 1.5    /* levels: typical size of the cells of a picture that shows nothing */
#define CELL_MAX 40 /* levels: one lamp is not the whole street */
#define PRIOR 0.12  /* of the whole: what an empty half is taken to agree with */

static void cells_of(const struct probe_picture *p, double ret[FACE_ROWS][FACE_COLS])
{
	int n[FACE_ROWS][FACE_COLS] = {{0}};
	memset(ret, 0, sizeof(double[FACE_ROWS][FACE_COLS]));
	for (int i = 0; i < p->n; i++) {
		int y = i / p->cols * FACE_ROWS / p->rows, x = i % p->cols * FACE_COLS / p->cols;
		ret[y][x] += p->block[i];
		n[y][x]++;
	}
	for (int i = 0; i < FACE_CELLS; i++)
		ret[i / FACE_COLS][i % FACE_COLS] /= MAX_OF(n[i / FACE_COLS][i % FACE_COLS], 1);
}

static double around(double cells[FACE_ROWS][FACE_COLS], int row, int col)
{
	double sum = 0;
	int n = 0;
	for (int y = MAX_OF(row - RADIUS, 0); y <= MIN_OF(row + RADIUS, FACE_ROWS - 1); y++)
		for (int x = MAX_OF(col - RADIUS, 0); x <= MIN_OF(col + RADIUS, FACE_COLS - 1);
		     x++) {
			sum += cells[y][x];
			n++;
		}
	return sum / n;
}

bool view_face(const struct probe_picture *p, struct face *ret)
{
	double cells[FACE_ROWS][FACE_COLS], v[FACE_CELLS], squares = 0;
	if (p->cols < FACE_COLS || p->rows < FACE_ROWS)
		return false;
	cells_of(p, cells);
	for (int i = 0; i < FACE_CELLS; i++) {
		int row = i / FACE_COLS, col = i % FACE_COLS;
		v[i] = fmin(fmax(cells[row][col] - around(cells, row, col), -CELL_MAX), CELL_MAX);
		squares += v[i] * v[i];
	}
	double typical = sqrt(squares / FACE_CELLS);
	if (typical < BARE)
		return false;
	for (int i = 0; i < FACE_CELLS; i++)
		ret->cell[i] = (int16_t)lround(v[i] / typical * FACE_UNIT);
	return true;
}

struct products {
	double ab, aa, bb;
};

static struct products products(const struct face *a, const struct face *b, int x0, int x1, int y0,
				int y1)
{
	struct products p = {0};
	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++) {
			double u = a->cell[y * FACE_COLS + x], v = b->cell[y * FACE_COLS + x];
			p.ab += u * v;
			p.aa += u * u;
			p.bb += v * v;
		}
	return p;
}

int view_match(const struct view *v, const struct face *face)
{
	static const int halves[][4] = {{0, FACE_COLS / 2, 0, FACE_ROWS},
					{FACE_COLS / 2, FACE_COLS, 0, FACE_ROWS},
					{0, FACE_COLS, 0, FACE_ROWS / 2 + 1},
					{0, FACE_COLS, FACE_ROWS / 2, FACE_ROWS}};
	double least = 1;
	if (v->n < FACE_COUNT_MIN)
		return -1;
	struct products all = products(&v->face, face, 0, FACE_COLS, 0, FACE_ROWS);
	if (all.aa <= 0 || all.bb <= 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(halves); i++) {
		const int *h = halves[i];
		struct products p = products(&v->face, face, h[0], h[1], h[2], h[3]);
		double ab = p.ab + PRIOR * sqrt(all.aa * all.bb);
		least = fmin(least, ab / sqrt((p.aa + PRIOR * all.aa) * (p.bb + PRIOR * all.bb)));
	}
	return (int)lround(100 * fmax(least, 0));
}

void view_learn(struct view *v, const struct face *face, uint64_t dhash)
{
	if (v->n == 0)
		v->dhash = dhash;
	v->n = (uint8_t)MIN_OF(v->n + 1, FACE_COUNT_MAX);
	for (int i = 0; i < FACE_CELLS; i++)
		v->face.cell[i] = (int16_t)lround(v->face.cell[i] +
						  (face->cell[i] - v->face.cell[i]) / (double)v->n);
}
