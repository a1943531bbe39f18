#include "zone_file.h"

#define HEADER 44
#define TIMES_AT_MOST 4000 /* the longest table there is has some 250 */

/* ---- the table ---- */

static int64_t big_endian(const unsigned char *p, int n)
{
	uint64_t v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return n == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* How many of what a block has (RFC 8536, 3.1). */
struct counts {
	int64_t isut, isstd, leap, times, types, chars;
};

static struct counts read_counts(const unsigned char *p)
{
	return (struct counts){big_endian(p + 20, 4), big_endian(p + 24, 4), big_endian(p + 28, 4),
			       big_endian(p + 32, 4), big_endian(p + 36, 4), big_endian(p + 40, 4)};
}

/* Bytes of the block behind its header; -1: no such block. */
static int64_t body_size(const struct counts *c, int width)
{
	const int64_t all[] = {c->isut, c->isstd, c->leap, c->times, c->types, c->chars};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (all[i] < 0 || all[i] > TIMES_AT_MOST)
			return -1;
	return c->times * (width + 1) + c->types * 6 + c->chars + c->leap * (width + 4) + c->isstd +
	       c->isut;
}

/* The block at *s, which is cut off; NULL: there is none. */
static const unsigned char *take_block(struct slice *s, int width, struct counts *ret)
{
	if (s->n < HEADER || memcmp(s->p, "TZif", 4) != 0 || s->p[4] < '2')
		return NULL;
	*ret = read_counts((const unsigned char *)s->p);
	int64_t size = body_size(ret, width);
	if (size < 0 || s->n - HEADER < (size_t)size)
		return NULL;
	const unsigned char *body = (const unsigned char *)s->p + HEADER;
	*s = (struct slice){s->p + HEADER + size, s->n - HEADER - (size_t)size};
	return body;
}

static bool good_offset(int64_t s)
{
	return s > -26 * 3600 && s < 26 * 3600;
}

/* Changes of the offset only: many a line of the table changes just the name of the time. */
static int keep_changes(const unsigned char *body, const struct counts *c, struct zone *z)
{
	const unsigned char *index = body + c->times * 8, *types = index + c->times;
	int32_t now = z->before;
	for (int64_t i = 0; i < c->times; i++) {
		int64_t at = big_endian(body + i * 8, 8);
		if (index[i] >= c->types || (i && at <= z->end))
			return -EINVAL;
		int64_t offset = big_endian(types + index[i] * 6, 4);
		if (!good_offset(offset))
			return -EINVAL;
		z->end = at;
		if (offset == now)
			continue;
		now = (int32_t)offset;
		z->at[z->n] = at;
		z->after[z->n++] = now;
	}
	return 0;
}

static int read_table(const unsigned char *body, const struct counts *c, struct zone *z)
{
	const unsigned char *types = body + c->times * 9;
	if (c->types < 1 || !good_offset(big_endian(types, 4)))
		return -EINVAL;
	z->before = (int32_t)big_endian(types, 4);
	z->at = mem_new(((size_t)c->times + 1) * sizeof *z->at);
	z->after = mem_new(((size_t)c->times + 1) * sizeof *z->after);
	if (!z->at || !z->after)
		return -ENOMEM;
	z->end = INT64_MIN;
	return keep_changes(body, c, z);
}

int zone_parse_file(struct slice file, struct zone *z)
{
	struct counts c;
	const unsigned char *body;
	struct slice rule;
	if (!take_block(&file, 4, &c)) /* with 32-bit times, for readers of old */
		return -EINVAL;
	body = take_block(&file, 8, &c);
	if (!body || file.n < 2 || file.p[0] != '\n')
		return -EINVAL;
	file = (struct slice){file.p + 1, file.n - 1};
	if (!memchr(file.p, '\n', file.n) || !slice_cut(&file, '\n', &rule))
		return -EINVAL;
	int r = read_table(body, &c, z);
	if (r)
		return r;
	if (rule.n)
		return zone_parse_rule(rule, &z->rule);
	z->end = INT64_MAX;
	return 0;
}

/* ---- the rule behind it (RFC 8536, 3.3) ---- */

static bool take(struct slice *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = (struct slice){s->p + 1, s->n - 1};
	return true;
}

static bool take_int(struct slice *s, int max, int *ret)
{
	size_t n = 0;
	int v = 0;
	for (; n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		v = v * 10 + (s->p[n] - '0');
	if (!n || v > max)
		return false;
	*s = (struct slice){s->p + n, s->n - n};
	*ret = v;
	return true;
}

/* "EST" or "<+1030>" */
static bool take_name(struct slice *s)
{
	bool quoted = take(s, '<');
	size_t n = 0;
	for (; n < s->n; n++) {
		char c = s->p[n];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool more = quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-');
		if (!letter && !more)
			break;
	}
	*s = (struct slice){s->p + n, s->n - n};
	return n >= 3 && (!quoted || take(s, '>'));
}

/* "5", "-10:30", "+2:00:00", in seconds */
static bool take_hms(struct slice *s, int max_hours, int32_t *ret)
{
	bool minus = take(s, '-');
	int h, m = 0, sec = 0;
	if (!minus)
		(void)take(s, '+');
	if (!take_int(s, max_hours, &h))
		return false;
	if (take(s, ':') && (!take_int(s, 59, &m) || (take(s, ':') && !take_int(s, 59, &sec))))
		return false;
	*ret = (minus ? -1 : 1) * (h * 3600 + m * 60 + sec);
	return true;
}

static bool take_day(struct slice *s, struct zone_day *d)
{
	d->time = 2 * 3600;
	if (take(s, 'M')) {
		d->form = 'M';
		if (!take_int(s, 12, &d->month) || !d->month || !take(s, '.') ||
		    !take_int(s, 5, &d->week) || !d->week || !take(s, '.') ||
		    !take_int(s, 6, &d->day))
			return false;
	} else {
		d->form = take(s, 'J') ? 'J' : '0';
		if (!take_int(s, 365, &d->day) || (d->form == 'J' && !d->day))
			return false;
	}
	return !take(s, '/') || take_hms(s, 167, &d->time);
}

int zone_parse_rule(struct slice s, struct zone_rule *ret)
{
	struct zone_rule r = {0};
	int32_t west;
	if (!take_name(&s) || !take_hms(&s, 24, &west))
		return -EINVAL;
	r.std = r.dst = -west;
	if (s.n) {
		if (!take_name(&s))
			return -EINVAL;
		r.dst = r.std + 3600;
		if (s.n && s.p[0] != ',') {
			if (!take_hms(&s, 24, &west))
				return -EINVAL;
			r.dst = -west;
		}
		if (!take(&s, ',') || !take_day(&s, &r.to_dst) || !take(&s, ',') ||
		    !take_day(&s, &r.to_std) || s.n)
			return -EINVAL;
	}
	*ret = r;
	return 0;
}
