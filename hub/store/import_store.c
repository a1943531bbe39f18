#include "import_store.h"

#define STAGE_MAX (IMPORT_FILE_MAX * 2)
#define ROUNDS_MAX 100

static const struct steps {
	const struct import_kind *kind;
	enum sql_id stage, copy, analyze, keep, check, drop;
	const enum sql_id *prepare; /* ($1 district), before the insert */
	size_t nprepare;
	enum sql_id insert, update; /* ($1 district, $2 revision) */
	const enum sql_id *finish;  /* ($1 district), after the update */
	size_t nfinish;
} all_steps[] = {
	{.kind = &import_grids,
	 .stage = SQL_IMPORT_GRID_STAGE,
	 .copy = SQL_IMPORT_GRID_COPY,
	 .analyze = SQL_IMPORT_GRID_ANALYZE,
	 .keep = SQL_IMPORT_GRID_KEEP,
	 .check = SQL_IMPORT_GRID_CHECK,
	 .drop = SQL_IMPORT_GRID_DROP,
	 .insert = SQL_IMPORT_GRID_INSERT,
	 .update = SQL_IMPORT_GRID_UPDATE},
	{.kind = &import_devices,
	 .stage = SQL_IMPORT_DEVICE_STAGE,
	 .copy = SQL_IMPORT_DEVICE_COPY,
	 .analyze = SQL_IMPORT_DEVICE_ANALYZE,
	 .keep = SQL_IMPORT_DEVICE_KEEP,
	 .check = SQL_IMPORT_DEVICE_CHECK,
	 .drop = SQL_IMPORT_DEVICE_DROP,
	 .prepare = (const enum sql_id[]){SQL_IMPORT_DEVICE_ADOPT, SQL_IMPORT_DEVICE_PARK,
					  SQL_IMPORT_DEVICE_KNOWN},
	 .nprepare = 3,
	 .insert = SQL_IMPORT_DEVICE_INSERT,
	 .update = SQL_IMPORT_DEVICE_UPDATE,
	 .finish = (const enum sql_id[]){SQL_IMPORT_DEVICE_STREAM, SQL_IMPORT_DEVICE_SECRET,
					 SQL_IMPORT_DEVICE_DIVIDE},
	 .nfinish = 3},
};

struct run {
	struct import *im;
	struct pg *p;
	const struct steps *steps;
	struct pg_arg args[2]; /* district, revision */
	bool partial;
};

static const struct steps *steps_of(const struct import_kind *kind)
{
	return kind == all_steps[0].kind ? &all_steps[0] : &all_steps[1];
}

/* ---- into the temporary table ---- */

static void put_copy_text(struct buf *b, struct slice s)
{
	buf_putc(b, '\t');
	if (!s.n)
		buf_puts(b, "\\N");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, s.p[i]);
	}
}

/* Bad rows too when nothing will be written: what refers to them is not at fault. */
static bool is_staged(const struct run *run, const struct import_row *row)
{
	return row->cell[0].n && !(run->partial && row->bad);
}

static int stage(struct run *run, struct err *e)
{
	auto_buf struct buf b;
	const struct import *im = run->im;
	buf_init(&b, STAGE_MAX);
	for (size_t i = 0; i < im->nrows; i++) {
		const struct import_row *row = &im->rows[i];
		if (!is_staged(run, row))
			continue;
		buf_printf(&b, "%zu\t%zu\t%u", i, row->line, row->given);
		for (size_t c = 0; c < im->kind->ncolumns; c++)
			put_copy_text(&b, row->cell[c]);
		buf_putc(&b, '\n');
	}
	if (b.failed)
		return err_set(e, -ENOMEM, "%s: out of memory", im->file);
	int rc = pg_query(run->p, run->steps->stage, NULL, 0, e, NULL);
	if (!rc)
		rc = pg_copy_in(run->p, run->steps->copy, buf_slice(&b), e);
	if (!rc)
		rc = pg_query(run->p, run->steps->analyze, NULL, 0, e, NULL);
	return rc ? rc : pg_query(run->p, run->steps->keep, run->args, 1, e, NULL);
}

/* ---- checks ---- */

static int drop_bad(struct run *run, const struct pg_rows *faults, struct err *e)
{
	auto_buf struct buf list;
	buf_init(&list, STAGE_MAX);
	pg_array_begin(&list);
	for (size_t i = 0; i < pg_count(faults); i++)
		pg_array_i64(&list, pg_i64(faults, i, 0));
	pg_array_end(&list);
	if (list.failed)
		return err_set(e, -ENOMEM, "%s: out of memory", run->im->file);
	const struct pg_arg arg = PGA_S(buf_slice(&list));
	return pg_query(run->p, run->steps->drop, &arg, 1, e, NULL);
}

static int check_once(struct run *run, size_t *ret_faults, struct err *e)
{
	auto_rows struct pg_rows *faults = NULL;
	int rc = pg_query(run->p, run->steps->check, run->args, 1, e, &faults);
	if (rc)
		return rc;
	for (size_t i = 0; i < pg_count(faults); i++) {
		size_t at = (size_t)pg_i64(faults, i, 0);
		struct slice value = pg_slice(faults, i, 2);
		if (at < run->im->nrows)
			import_fault(run->im, &run->im->rows[at], pg_str(faults, i, 1), &value,
				     pg_str(faults, i, 3));
	}
	*ret_faults = pg_count(faults);
	return *ret_faults && run->partial ? drop_bad(run, faults, e) : 0;
}

/* What refers to a row that is dropped is at fault as well, so once is not enough. */
static int check(struct run *run, struct err *e)
{
	size_t faults = 1;
	for (size_t round = 0; faults && round < ROUNDS_MAX; round++) {
		int rc = check_once(run, &faults, e);
		if (rc || !run->partial)
			return rc;
	}
	return faults ? err_set(e, -ELOOP, "%s: faults lead to faults more than %d levels deep",
				run->im->file, ROUNDS_MAX)
		      : 0;
}

/* ---- writing ---- */

static int apply(struct run *run, struct import_counts *ret, struct err *e)
{
	auto_rows struct pg_rows *inserted = NULL, *updated = NULL;
	int rc = 0;
	for (size_t i = 0; !rc && i < run->steps->nprepare; i++)
		rc = pg_query(run->p, run->steps->prepare[i], run->args, 1, e, NULL);
	if (!rc)
		rc = pg_query(run->p, run->steps->insert, run->args, 2, e, &inserted);
	if (!rc)
		rc = pg_query(run->p, run->steps->update, run->args, 2, e, &updated);
	for (size_t i = 0; !rc && i < run->steps->nfinish; i++)
		rc = pg_query(run->p, run->steps->finish[i], run->args, 1, e, NULL);
	if (rc)
		return rc;
	ret->inserted = (size_t)pg_affected(inserted);
	ret->updated = (size_t)pg_i64(updated, 0, 0);
	ret->unchanged = run->im->nrows - ret->refused - ret->inserted - ret->updated;
	return 0;
}

static int take_revision(struct run *run, struct err *e)
{
	auto_rows struct pg_rows *rev = NULL;
	int rc = pg_query(run->p, SQL_IMPORT_REV, run->args, 1, e, &rev);
	if (!rc)
		run->args[1] = PGA_I(pg_i64(rev, 0, 0));
	return rc;
}

static int in_transaction(struct run *run, struct import_counts *ret, struct err *e)
{
	int rc = take_revision(run, e);
	if (!rc)
		rc = stage(run, e);
	if (!rc)
		rc = check(run, e);
	ret->refused = import_bad_rows(run->im);
	if (rc || (run->im->errors_all && !run->partial)) {
		pg_rollback(run->p);
		return rc;
	}
	rc = apply(run, ret, e);
	if (!rc)
		return pg_commit(run->p, e);
	pg_rollback(run->p);
	return rc;
}

int import_store(struct import *im, struct pg *p, int64_t district, bool partial,
		 struct import_counts *ret, struct err *e)
{
	struct run run = {.im = im,
			  .p = p,
			  .steps = steps_of(im->kind),
			  .args = {PGA_I(district)},
			  .partial = partial};
	struct import_counts counts = {0};
	int rc = pg_begin(p, e);
	if (!rc)
		rc = in_transaction(&run, &counts, e);
	if (!rc)
		*ret = counts;
	return rc;
}
