#include "csv.h"

void csv_init(struct csv *c, char *text, size_t n)
{
	static const char bom[] = "\xEF\xBB\xBF";
	size_t skip = n >= 3 && memcmp(text, bom, 3) == 0 ? 3 : 0;
	*c = (struct csv){.at = text + skip, .end = text + n, .line = 1};
}

/* The length of the line break at p: 0 when there is none. */
static size_t line_break(const struct csv *c, const char *p)
{
	if (p < c->end && *p == '\n')
		return 1;
	return c->end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

static void skip_line(struct csv *c)
{
	char *nl = c->at < c->end ? memchr(c->at, '\n', (size_t)(c->end - c->at)) : NULL;
	c->at = nl ? nl + 1 : c->end;
	c->line++;
}

static void skip_blank_lines(struct csv *c)
{
	for (size_t n; (n = line_break(c, c->at)) > 0; c->line++)
		c->at += n;
}

/* c->at is behind the opening quote; moves behind the closing one. */
static int quoted_cell(struct csv *c, struct slice *ret, struct err *e)
{
	char *from = c->at, *to = c->at;
	size_t begun = c->line;
	for (; c->at < c->end; *to++ = *c->at++) {
		c->line += *c->at == '\n';
		if (*c->at != '"')
			continue;
		c->at++;
		if (c->at < c->end && *c->at == '"')
			continue;
		*ret = (struct slice){from, (size_t)(to - from)};
		return 0;
	}
	return err_set(e, -EBADMSG, "a quote that is opened on line %zu is never closed", begun);
}

static int plain_cell(struct csv *c, struct slice *ret, struct err *e)
{
	char *from = c->at;
	for (; c->at < c->end && *c->at != ',' && !line_break(c, c->at); c->at++)
		if (*c->at == '"')
			return err_set(e, -EBADMSG,
				       "a quote within a cell: put the whole cell in quotes and "
				       "double those in it");
	*ret = (struct slice){from, (size_t)(c->at - from)};
	return 0;
}

static int one_cell(struct csv *c, struct slice *ret, struct err *e)
{
	if (c->at == c->end || *c->at != '"')
		return plain_cell(c, ret, e);
	c->at++;
	int rc = quoted_cell(c, ret, e);
	if (!rc && c->at < c->end && *c->at != ',' && !line_break(c, c->at))
		rc = err_set(e, -EBADMSG, "text behind a closing quote");
	return rc;
}

int csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
	skip_blank_lines(c);
	row->line = c->line;
	row->n = 0;
	if (c->at >= c->end)
		return 0;
	for (;;) {
		struct slice cell;
		int rc = row->n < CSV_COLUMNS_MAX
				 ? one_cell(c, &cell, e)
				 : err_set(e, -E2BIG, "more than %d cells", CSV_COLUMNS_MAX);
		if (rc) {
			skip_line(c);
			return rc;
		}
		row->cell[row->n++] = cell;
		if (c->at < c->end && *c->at == ',') {
			c->at++;
			continue;
		}
		size_t n = line_break(c, c->at);
		c->at += n;
		c->line += n > 0;
		return 1;
	}
}
