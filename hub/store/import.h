/*
 * import: a file of grids or devices (CSV with a header row, or JSON lines) read into checked rows.
 *
 * Columns stand in tables; each fault is an error that names file, line, column and value, and
 * reading goes on, so that a person sees them all. Nothing here knows a database: import_store
 * checks what needs one (references, addresses) and writes. Pure; any thread.
 */
#ifndef GRIDHUB_IMPORT_H
#define GRIDHUB_IMPORT_H

#include "base.h"

#define IMPORT_COLUMNS_MAX 16
#define IMPORT_ROWS_MAX 1000000
#define IMPORT_FILE_MAX ((size_t)256 * 1024 * 1024)
#define IMPORT_ERRORS_MAX 1000 /* kept and shown; the rest is counted */

enum import_check {
	CHECK_TEXT,	/* min..max bytes */
	CHECK_INT,	/* min..max */
	CHECK_DOUBLE,	/* min..max */
	CHECK_WORD,	/* one of words */
	CHECK_DURATION, /* stored as microseconds */
	CHECK_ADAPTER,	/* the name of a device adapter */
	CHECK_STREAM	/* URL of a video stream; may hold a password, which no message shows */
};

struct import_word {
	const char *word, *stored;
};

struct import_column {
	const char *name;
	enum import_check check;
	bool required; /* in the file, and never empty */
	double min, max;
	const struct import_word *words; /* ends with a NULL */
	const char *help;
};

struct import_kind {
	const char *what; /* "grid", "device" */
	const struct import_column *columns;
	size_t ncolumns; /* the first one is the key */
	/* Faults that are not of one column, and defaults: NULL = none. Returns the column at
	 * fault, or -1. */
	int (*check_row)(struct slice *cell, const char **ret_expected);
};

extern const struct import_kind import_grids, import_devices;

struct import_row {
	size_t line;
	uint32_t given; /* bit i: the file has column i for this row */
	bool bad;
	struct slice cell[IMPORT_COLUMNS_MAX]; /* checked, in the form that is stored; empty = none
						*/
};

struct import_error {
	size_t line, order;
	const char *text;
};

struct import {
	const struct import_kind *kind;
	const char *file; /* borrowed, for messages */
	struct import_row *rows;
	size_t nrows, rows_cap;
	struct import_error *errors;
	size_t nerrors, errors_cap;
	size_t errors_all; /* with those that were not kept */
	struct arena arena;
};

enum import_format { IMPORT_CSV, IMPORT_JSONL };

/* The place of the column of that name; -1: the kind has none. */
int import_column_find(const struct import_kind *kind, struct slice name);

void import_init(struct import *im, const struct import_kind *kind, const char *file);
void import_done(struct import *im);
#define auto_import auto_call(import_done)

/* text is changed in place and must outlive im. Faults in it are errors in im, not of this call:
 * -ENOMEM, -E2BIG past IMPORT_ROWS_MAX. */
must_check int import_read(struct import *im, enum import_format format, char *text, size_t n,
			   struct err *e);
/* A fault of row `row` found elsewhere; the row is bad from then on. column and value may be NULL.
 */
void import_fault(struct import *im, struct import_row *row, const char *column,
		  const struct slice *value, const char *expected);
size_t import_bad_rows(const struct import *im);
/* "FILE:LINE: …" one a line, in the order of lines; the last one counts those left out. */
void import_errors_write(struct import *im, struct buf *out);

#endif
