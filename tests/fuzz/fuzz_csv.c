/* Any bytes as CSV (first byte even: grids, odd: devices; & 2: JSON lines instead). */
#include "csv.h"
#include "import.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Cells lie within the text, lines go up, every call moves on. */
static void read_rows(char *text, size_t n)
{
	struct csv c;
	struct csv_row row;
	struct err e = {0};
	size_t last = 0;
	const char *at = NULL;
	csv_init(&c, text, n);
	for (int rc; (rc = csv_next(&c, &row, &e)) != 0; last = row.line, at = c.at) {
		assert(row.line > last && c.at != at && c.at <= c.end);
		for (size_t i = 0; rc > 0 && i < row.n; i++)
			assert(row.cell[i].p >= text && row.cell[i].p + row.cell[i].n <= text + n);
	}
}

static void read_import(const struct import_kind *kind, enum import_format format, char *text,
			size_t n)
{
	auto_import struct import im;
	struct err e = {0};
	auto_buf struct buf faults;
	buf_init(&faults, 16 * 1024 * 1024);
	import_init(&im, kind, "f");
	if (import_read(&im, format, text, n, &e))
		abort();
	import_errors_write(&im, &faults);
	assert(!import_bad_rows(&im) || faults.n);
	for (size_t i = 0; i < im.nrows; i++)
		assert(im.rows[i].bad || im.rows[i].cell[0].n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	struct slice in = {(const char *)data + 1, n - 1};
	auto_free char *text = slice_dup(in), *again = slice_dup(in);
	read_rows(text, in.n);
	read_import(data[0] & 1 ? &import_devices : &import_grids,
		    data[0] & 2 ? IMPORT_JSONL : IMPORT_CSV, again, in.n);
	return 0;
}
