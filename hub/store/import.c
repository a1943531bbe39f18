#include "import.h"

#include "adapters/device/adapter.h"
#include "csv.h"
#include "json.h"
#include "look.h"
#include "times.h"

#define ARENA_MAX (IMPORT_FILE_MAX * 2)
#define DURATION_MAX (366 * TIMES_DAY)

/* ---- the tables ---- */

static const struct import_word grid_kinds[] = {
	{"comprehensive", "f"}, {"dedicated", "t"}, {NULL, NULL}};
static const struct import_word device_classes[] = {
	{"camera", "1"}, {"sensor", "2"}, {"bin", "3"}, {NULL, NULL}};

/* Their order is that of the columns of import_grid and import_device (sql/query/import_*_stage).
 */
static const struct import_column grid_columns[] = {
	{"code", CHECK_TEXT, true, 1, 64, NULL, "unique; devices and commands name it by this"},
	{"name", CHECK_TEXT, true, 1, 200, NULL, "what people read"},
	{"level", CHECK_INT, true, 0, 9, NULL,
	 "0 the district, 1 a subdistrict, 2 and more the grids below, to 9"},
	{"kind", CHECK_WORD, false, 0, 0, grid_kinds,
	 "comprehensive (default) or dedicated (one unit's own)"},
	{"parent", CHECK_TEXT, false, 1, 64, NULL, "code of the grid above; none = the top"},
	{"leader", CHECK_TEXT, false, 1, 200, NULL, "who answers for it and gets the alerts"},
	{"deputy", CHECK_TEXT, false, 1, 200, NULL, "who stands in"},
	{"endpoint", CHECK_TEXT, false, 1, 64, NULL,
	 "endpoint of the configuration; none = that of the grid above"},
};

static const struct import_word yes_no[] = {{"yes", "t"}, {"no", "f"}, {NULL, NULL}};

/* Adapter of a row that names none; sql/query/import_device_keep finds it. */
#define ADAPTER_OPEN "?"

enum { DEVICE_ADAPTER = 3, DEVICE_LON = 6, DEVICE_LAT = 7 };
static const struct import_column device_columns[] = {
	{"id", CHECK_TEXT, true, 1, READING_ADDRESS_MAX, NULL, "unique"},
	{"title", CHECK_TEXT, false, 1, 200, NULL, "what people read; none = the id"},
	{"class", CHECK_WORD, true, 0, 0, device_classes, "camera, sensor or bin"},
	{"adapter", CHECK_ADAPTER, false, 0, 0, NULL,
	 "its dialect (gridhub decode --help lists them); none: probe, if it has a stream"},
	{"address", CHECK_TEXT, false, 1, READING_ADDRESS_MAX, NULL,
	 "its name in the dialect's topics; none = the id"},
	{"grid", CHECK_TEXT, true, 1, 64, NULL, "code of its grid"},
	{"lon", CHECK_DOUBLE, false, -180, 180, NULL, "position in degrees, WGS 84"},
	{"lat", CHECK_DOUBLE, false, -90, 90, NULL, ""},
	{"parent", CHECK_TEXT, false, 1, READING_ADDRESS_MAX, NULL, "id of the device it hangs on"},
	{"interval", CHECK_DURATION, false, 0, 0, NULL,
	 "expected time between two messages: 30s, 10m, 1h30m"},
	{"stream", CHECK_STREAM, false, 0, 0, NULL,
	 "URL of a camera's video (rtsp, rtsps, rtmp, http, https), user:password@ in it; *** for\n"
	 "                the password: the one that is stored"},
	{"substream", CHECK_STREAM, false, 0, 0, NULL,
	 "the same of a smaller picture, which is looked at then"},
	{"ptz", CHECK_WORD, false, 0, 0, yes_no, "yes: it turns, so another view is no fault"},
};

static int check_device(struct slice *cell, const char **ret_expected)
{
	if (!cell[DEVICE_ADAPTER].n)
		cell[DEVICE_ADAPTER] = SL(ADAPTER_OPEN);
	if ((cell[DEVICE_LON].n > 0) == (cell[DEVICE_LAT].n > 0))
		return -1;
	*ret_expected = "lon and lat together, or neither";
	return cell[DEVICE_LON].n ? DEVICE_LAT : DEVICE_LON;
}

const struct import_kind import_grids = {
	.what = "grid", .columns = grid_columns, .ncolumns = COUNT_OF(grid_columns)};
const struct import_kind import_devices = {.what = "device",
					   .columns = device_columns,
					   .ncolumns = COUNT_OF(device_columns),
					   .check_row = check_device};

_Static_assert(COUNT_OF(device_columns) <= IMPORT_COLUMNS_MAX, "room for a row");

void import_init(struct import *im, const struct import_kind *kind, const char *file)
{
	*im = (struct import){.kind = kind, .file = file};
	arena_init(&im->arena, ARENA_MAX);
}

void import_done(struct import *im)
{
	arena_done(&im->arena);
	free(im->rows);
	free(im->errors);
	*im = (struct import){0};
}

/* ---- faults ---- */

static void fault_at(struct import *im, size_t line, const char *text)
{
	size_t n = im->errors_all++;
	if (mem_grow(&im->errors, &im->errors_cap, n + 1, IMPORT_ERRORS_MAX, sizeof *im->errors))
		return;
	struct slice copy = arena_copy(&im->arena, slice_of(text));
	if (copy.p)
		im->errors[im->nerrors++] = (struct import_error){line, n, copy.p};
}

/* A value as a message shows it: quoted, one line, not endless. */
static void put_shown(struct buf *b, struct slice s)
{
	size_t n = MIN_OF(s.n, (size_t)80);
	while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	json_put_str(b, (struct slice){s.p, n});
	if (n < s.n)
		buf_puts(b, "…");
}

void import_fault(struct import *im, struct import_row *row, const char *column,
		  const struct slice *value, const char *expected)
{
	auto_buf struct buf b;
	buf_init(&b, 2048);
	row->bad = true;
	if (column)
		buf_printf(&b, "column \"%s\": ", column);
	if (value) {
		buf_puts(&b, "value ");
		put_shown(&b, *value);
		buf_puts(&b, ": ");
	}
	buf_puts(&b, expected);
	fault_at(im, row->line, buf_str(&b));
}

size_t import_bad_rows(const struct import *im)
{
	size_t n = 0;
	for (size_t i = 0; i < im->nrows; i++)
		n += im->rows[i].bad;
	return n;
}

static int by_line(const void *a, const void *b)
{
	const struct import_error *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void import_errors_write(struct import *im, struct buf *out)
{
	if (im->nerrors)
		qsort(im->errors, im->nerrors, sizeof *im->errors, by_line);
	for (size_t i = 0; i < im->nerrors; i++)
		buf_printf(out, "%s:%zu: %s\n", im->file, im->errors[i].line, im->errors[i].text);
	if (im->errors_all > im->nerrors)
		buf_printf(out, "%s: and %zu errors more\n", im->file,
			   im->errors_all - im->nerrors);
}

/* ---- cells ---- */

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static int check_text(const struct import_column *col, struct slice s, struct buf *why)
{
	if (has_control(s)) {
		buf_puts(why, "expected text without line breaks and control characters");
		return -EINVAL;
	}
	if ((double)s.n > col->max) {
		buf_printf(why, "longer than %.0f bytes", col->max);
		return -EINVAL;
	}
	return 0;
}

static int check_number(const struct import_column *col, struct slice s, struct buf *why)
{
	int64_t i = 0;
	double d = 0;
	bool whole = col->check == CHECK_INT;
	int rc = whole ? slice_to_i64(s, &i) : slice_to_double(s, &d);
	d = whole ? (double)i : d;
	if (!rc && d >= col->min && d <= col->max)
		return 0;
	buf_printf(why, "expected %s from %g to %g", whole ? "a whole number" : "a number",
		   col->min, col->max);
	return -EINVAL;
}

static int check_word(const struct import_column *col, struct slice s, struct slice *ret,
		      struct buf *why)
{
	for (size_t i = 0; col->words[i].word; i++) {
		if (slice_is(s, col->words[i].word)) {
			*ret = slice_of(col->words[i].stored);
			return 0;
		}
	}
	buf_puts(why, "expected one of");
	for (size_t i = 0; col->words[i].word; i++)
		buf_printf(why, "%s %s", i ? "," : "", col->words[i].word);
	return -EINVAL;
}

static int check_adapter(struct slice s, struct buf *why)
{
	if (device_adapter_find(s))
		return 0;
	buf_puts(why, "expected one of");
	for (size_t i = 0; device_adapters[i]; i++)
		buf_printf(why, "%s %s", i ? "," : "", device_adapters[i]->name);
	return -EINVAL;
}

static int check_duration(struct import *im, struct slice s, struct slice *ret, struct buf *why)
{
	int64_t us;
	char text[32];
	if (times_parse_duration(s, &us) || us > DURATION_MAX) {
		buf_puts(why, "expected a duration such as 30s, 10m or 1h30m, at most 366d");
		return -EINVAL;
	}
	snprintf(text, sizeof text, "%lld", (long long)us);
	*ret = arena_copy(&im->arena, slice_of(text));
	return ret->p ? 0 : -ENOMEM;
}

static int check_stream(struct slice s, struct buf *why)
{
	struct err e = {0};
	auto_free char *url = slice_dup(s);
	int rc = url ? look_url_check(url, &e) : err_set(&e, -ENOMEM, "out of memory");
	if (rc)
		buf_puts(why, e.msg);
	return rc;
}

/* *cell becomes what is stored; its fault is in why. */
static int check_cell(struct import *im, const struct import_column *col, struct slice *cell,
		      struct buf *why)
{
	if (!slice_utf8_ok(*cell, NULL)) {
		buf_puts(why, "not UTF-8");
		return -EILSEQ;
	}
	if (!cell->n) {
		buf_puts(why, "must not be empty");
		return col->required ? -EINVAL : 0;
	}
	switch (col->check) {
	case CHECK_INT:
	case CHECK_DOUBLE:
		return check_number(col, *cell, why);
	case CHECK_WORD:
		return check_word(col, *cell, cell, why);
	case CHECK_DURATION:
		return check_duration(im, *cell, cell, why);
	case CHECK_ADAPTER:
		return check_adapter(*cell, why);
	case CHECK_STREAM:
		return check_stream(*cell, why);
	case CHECK_TEXT:
	default:
		return check_text(col, *cell, why);
	}
}

/* Without what may be a password: all before the last @, even where the URL is none. */
static struct slice hide_login(struct import *im, struct slice url)
{
	auto_buf struct buf b = {0};
	const char *at = url.n ? memrchr(url.p, '@', url.n) : NULL;
	if (!at)
		return url;
	buf_init(&b, url.n + 8);
	buf_puts(&b, "…");
	buf_put(&b, at, url.n - (size_t)(at - url.p));
	return arena_copy(&im->arena, buf_slice(&b));
}

static void check_row(struct import *im, struct import_row *row)
{
	const struct import_kind *kind = im->kind;
	auto_buf struct buf why;
	buf_init(&why, 1024);
	for (size_t i = 0; i < kind->ncolumns; i++) {
		if (!(row->given >> i & 1) && !kind->columns[i].required)
			continue;
		row->cell[i] = slice_trim(row->cell[i]);
		struct slice said = row->cell[i];
		buf_reset(&why);
		if (!check_cell(im, &kind->columns[i], &row->cell[i], &why))
			continue;
		if (kind->columns[i].check == CHECK_STREAM)
			said = hide_login(im, said);
		row->cell[i] = (struct slice){0}; /* later checks do not see it */
		import_fault(im, row, kind->columns[i].name, said.n ? &said : NULL, buf_str(&why));
	}
	const char *expected;
	int at = row->bad || !kind->check_row ? -1 : kind->check_row(row->cell, &expected);
	if (at >= 0)
		import_fault(im, row, kind->columns[at].name, NULL, expected);
}

static int add_row(struct import *im, size_t line, struct import_row **ret, struct err *e)
{
	int rc = mem_grow(&im->rows, &im->rows_cap, im->nrows + 1, IMPORT_ROWS_MAX,
			  sizeof *im->rows);
	if (rc)
		return err_set(e, rc, "%s:%zu: more than %d rows, or more than memory holds",
			       im->file, line, IMPORT_ROWS_MAX);
	*ret = &im->rows[im->nrows++];
	**ret = (struct import_row){.line = line};
	return 0;
}

/* ---- columns by name ---- */

int import_column_find(const struct import_kind *kind, struct slice name)
{
	for (size_t i = 0; i < kind->ncolumns; i++)
		if (slice_is(name, kind->columns[i].name))
			return (int)i;
	return -1;
}

static void unknown_column(struct import *im, size_t line, struct slice name)
{
	auto_buf struct buf b;
	size_t best = SIZE_MAX, at = 0;
	for (size_t i = 0; i < im->kind->ncolumns; i++) {
		size_t d = name_distance(name, slice_of(im->kind->columns[i].name));
		if (d < best) {
			best = d;
			at = i;
		}
	}
	buf_init(&b, 1024);
	buf_puts(&b, "unknown column ");
	put_shown(&b, name);
	buf_printf(&b, "; the nearest is \"%s\"", im->kind->columns[at].name);
	fault_at(im, line, buf_str(&b));
}

/* ---- CSV ---- */

struct header {
	int column[CSV_COLUMNS_MAX]; /* of the kind, by the cell's place */
	size_t n;
	uint32_t given;
};

static void read_header_cell(struct import *im, struct header *h, const struct csv_row *row,
			     size_t i)
{
	char text[128];
	struct slice name = slice_trim(row->cell[i]);
	int c = import_column_find(im->kind, name);
	h->column[i] = c;
	if (c < 0) {
		unknown_column(im, row->line, name);
	} else if (h->given >> c & 1) {
		snprintf(text, sizeof text, "column \"%s\" stands twice",
			 im->kind->columns[c].name);
		fault_at(im, row->line, text);
	} else {
		h->given |= 1u << c;
	}
}

/* False: the rows cannot be read; errors say why. */
static bool read_header(struct import *im, struct csv *csv, struct header *h)
{
	struct csv_row row;
	struct err e = {0};
	char text[128];
	int rc = csv_next(csv, &row, &e);
	if (rc <= 0) {
		fault_at(im, row.line, rc ? e.msg : "expected a header row");
		return false;
	}
	h->n = row.n;
	for (size_t i = 0; i < row.n; i++)
		read_header_cell(im, h, &row, i);
	for (size_t i = 0; i < im->kind->ncolumns; i++) {
		if (!im->kind->columns[i].required || h->given >> i & 1)
			continue;
		snprintf(text, sizeof text, "column \"%s\" is missing", im->kind->columns[i].name);
		fault_at(im, row.line, text);
	}
	return im->errors_all == 0;
}

static int read_csv_row(struct import *im, const struct header *h, const struct csv_row *cells,
			struct err *e)
{
	struct import_row *row;
	char text[96];
	int rc = add_row(im, cells->line, &row, e);
	if (rc)
		return rc;
	row->given = h->given;
	if (cells->n != h->n) {
		snprintf(text, sizeof text, "%zu cells, the header has %zu", cells->n, h->n);
		import_fault(im, row, NULL, NULL, text);
		return 0;
	}
	for (size_t i = 0; i < cells->n; i++)
		row->cell[h->column[i]] = cells->cell[i];
	check_row(im, row);
	return 0;
}

static int read_csv(struct import *im, char *text, size_t n, struct err *e)
{
	struct csv csv;
	struct csv_row cells;
	struct header h = {0};
	csv_init(&csv, text, n);
	if (!read_header(im, &csv, &h))
		return 0;
	for (;;) {
		struct import_row *row;
		struct err bad = {0};
		int got = csv_next(&csv, &cells, &bad);
		if (got == 0)
			return 0;
		int rc = got > 0 ? read_csv_row(im, &h, &cells, e)
				 : add_row(im, cells.line, &row, e);
		if (rc)
			return rc;
		if (got < 0)
			import_fault(im, row, NULL, NULL, bad.msg);
	}
}

/* ---- JSON lines ---- */

/* A member's text as a CSV cell would hold it. */
static int member_text(struct import *im, const struct json *v, struct slice *ret)
{
	auto_buf struct buf b = {0};
	enum json_kind kind = json_kind(v);
	if (kind == JSON_K_ARRAY || kind == JSON_K_OBJECT)
		return -EPROTO;
	buf_init(&b, 65536);
	if (kind == JSON_K_STRING)
		buf_put_slice(&b, json_str(v));
	else if (kind != JSON_K_NULL)
		json_put_value(&b, v);
	*ret = arena_copy(&im->arena, buf_slice(&b));
	return ret->p && !b.failed ? 0 : -ENOMEM;
}

static int read_member(struct import *im, struct import_row *row, struct slice name,
		       const struct json *v, struct err *e)
{
	int c = import_column_find(im->kind, name);
	if (c < 0) {
		unknown_column(im, row->line, name);
		row->bad = true;
		return 0;
	}
	row->given |= 1u << c;
	int rc = member_text(im, v, &row->cell[c]);
	if (rc == -EPROTO)
		import_fault(im, row, im->kind->columns[c].name, NULL,
			     "expected a single value, not an array or object");
	else if (rc)
		return err_set(e, rc, "%s:%zu: out of memory", im->file, row->line);
	return 0;
}

static int read_json_line(struct import *im, struct slice text, size_t line, struct err *e)
{
	static const struct json_limits limits = {.max_bytes = 65536, .max_depth = 4};
	auto_json struct json *doc = NULL;
	struct import_row *row;
	struct err bad = {0};
	int rc = add_row(im, line, &row, e);
	if (rc)
		return rc;
	if (json_parse(text, &limits, &bad, &doc)) {
		import_fault(im, row, NULL, NULL, bad.msg);
		return 0;
	}
	if (json_kind(doc) != JSON_K_OBJECT) {
		import_fault(im, row, NULL, NULL, "expected a JSON object");
		return 0;
	}
	for (void *it = json_first(doc); it; it = json_next(doc, it)) {
		rc = read_member(im, row, json_key(it), json_val(it), e);
		if (rc)
			return rc;
	}
	check_row(im, row);
	return 0;
}

static int read_jsonl(struct import *im, char *text, size_t n, struct err *e)
{
	struct slice rest = {text, n}, line;
	if (slice_starts(rest, "\xEF\xBB\xBF"))
		rest = (struct slice){text + 3, n - 3};
	for (size_t at = 1; slice_cut(&rest, '\n', &line); at++) {
		line = slice_trim(line);
		int rc = line.n ? read_json_line(im, line, at, e) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- the whole file ---- */

struct keyed {
	struct import_row *row;
};

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int c = slice_cmp(x->row->cell[0], y->row->cell[0]);
	if (c)
		return c;
	return x->row->line < y->row->line ? -1 : x->row->line > y->row->line;
}

static int check_duplicates(struct import *im, struct err *e)
{
	if (!im->nrows)
		return 0;
	auto_free struct keyed *by = reallocarray(NULL, im->nrows, sizeof *by);
	char text[96];
	if (!by)
		return err_set(e, -ENOMEM, "%s: out of memory", im->file);
	for (size_t i = 0; i < im->nrows; i++)
		by[i].row = &im->rows[i];
	qsort(by, im->nrows, sizeof *by, by_key);
	for (size_t i = 1, first = 0; i < im->nrows; i++) {
		struct slice key = by[i].row->cell[0];
		if (!key.n || !slice_eq(key, by[first].row->cell[0])) {
			first = i;
			continue;
		}
		snprintf(text, sizeof text, "stands on line %zu already", by[first].row->line);
		import_fault(im, by[i].row, im->kind->columns[0].name, &key, text);
		by[i].row->cell[0] = (struct slice){0};
	}
	return 0;
}

int import_read(struct import *im, enum import_format format, char *text, size_t n, struct err *e)
{
	int rc = format == IMPORT_CSV ? read_csv(im, text, n, e) : read_jsonl(im, text, n, e);
	return rc ? rc : check_duplicates(im, e);
}
