#include "store_write.h"

#include "json.h"
#include "log.h"
#include "metrics.h"
#include "store_case.h"
#include "store_rule.h"

/*
 * DESIGN: each table's rows go out as arrays, one a column, in one statement; a `struct
 * pg_columns` collects them. Rows are sorted by key first: two hubs that write unsorted deadlock
 * at once.
 */

/* ---- readings and states ---- */

static int write_readings(struct store_writing *w, struct batch *b)
{
	if (!b->nreadings)
		return 0;
	size_t n = b->copy.n;
	buf_put_be16(&b->copy, 0xffff); /* the trailer; taken off again, for the batch may have to
					   be sent once more */
	if (b->copy.failed)
		return err_set(w->e, -E2BIG, "a batch of readings is too large");
	int r = pg_copy_in(w->pg, SQL_STORE_COPY_READING, buf_slice(&b->copy), w->e);
	b->copy.n = n;
	return r;
}

static int cmp_state(const void *x, const void *y)
{
	const struct batch_state *a = x, *b = y;
	return a->device_id < b->device_id ? -1 : a->device_id > b->device_id;
}

static void state_json(const struct batch_state *s, struct buf *out)
{
	struct reading r = {.fields = s->fields, .nfields = s->n};
	buf_reset(out);
	reading_fields_json(&r, out);
}

static int write_states(struct store_writing *w, struct batch *b)
{
	if (!b->nstates)
		return 0;
	auto_pg_columns struct pg_columns a;
	auto_buf struct buf json;
	pg_columns_init(&a, 4);
	buf_init(&json, READING_ARENA_MAX);
	qsort(b->states, b->nstates, sizeof *b->states, cmp_state);
	for (size_t i = 0; i < b->nstates; i++) {
		const struct batch_state *s = &b->states[i];
		state_json(s, &json);
		pg_array_i64(&a.c[0], s->device_id);
		pg_array_i64(&a.c[1], s->at_us);
		pg_array_i64(&a.c[2], s->recv_us);
		pg_array_str(&a.c[3], buf_slice(&json));
	}
	struct pg_arg args[5] = {PGA_I(w->pos->district_id)};
	size_t n = 1;
	int r = pg_columns_args(&a, args, &n);
	return r ? err_set(w->e, r, "device states: too large")
		 : pg_query(w->pg, SQL_STORE_STATE, args, n, w->e, NULL);
}

/* ---- unknown and refused ---- */

static int cmp_unknown(const void *x, const void *y)
{
	const struct batch_unknown *a = x, *b = y;
	int c = slice_cmp(a->adapter, b->adapter);
	return c ? c : slice_cmp(a->address, b->address);
}

static int write_unknown(struct store_writing *w, struct batch *b)
{
	auto_pg_columns struct pg_columns a;
	auto_buf struct buf scratch;
	pg_columns_init(&a, 7);
	buf_init(&scratch, 4 * 65536);
	for (size_t i = 0; i < b->nunknowns; i++) {
		const struct batch_unknown *u = &b->unknowns[i];
		pg_array_str(&a.c[0], u->adapter);
		store_array_text(&a.c[1], u->address, &scratch);
		pg_array_i64(&a.c[2], u->class);
		pg_array_i64(&a.c[3], u->at_us);
		pg_array_i64(&a.c[4], u->n);
		store_array_text(&a.c[5], u->topic, &scratch);
		store_array_hex(&a.c[6], u->payload, &scratch);
	}
	struct pg_arg args[9] = {PGA_I(w->pos->district_id)};
	size_t n = 1;
	int r = pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "unknown devices: too large");
	args[8] = args[7]; /* $8 is the limit, $9 the payloads */
	args[7] = PGA_I(w->conf->intake.unknown_max);
	return pg_query(w->pg, SQL_STORE_UNKNOWN, args, 9, w->e, NULL);
}

static int register_unknown(struct store_writing *w, struct batch *b)
{
	auto_pg_columns struct pg_columns a;
	auto_rows struct pg_rows *rows = NULL;
	pg_columns_init(&a, 3);
	for (size_t i = 0; i < b->nunknowns; i++) {
		const struct batch_unknown *u = &b->unknowns[i];
		pg_array_str(&a.c[0], u->adapter);
		pg_array_str(&a.c[1], u->address);
		pg_array_i64(&a.c[2], u->class);
	}
	struct pg_arg args[6] = {PGA_I(w->pos->district_id), PGA_STR(w->conf->intake.holding_grid)};
	size_t n = 2;
	int r = pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "unknown devices: too large");
	args[n++] = PGA_I(w->conf->intake.unknown_max);
	r = pg_query(w->pg, SQL_STORE_REGISTER, args, n, w->e, &rows);
	if (!r)
		w->res->registered = pg_i64(rows, 0, 0);
	return r;
}

static int write_unknowns(struct store_writing *w, struct batch *b)
{
	if (!b->nunknowns)
		return 0;
	qsort(b->unknowns, b->nunknowns, sizeof *b->unknowns, cmp_unknown);
	int r = write_unknown(w, b);
	if (!r && w->conf->intake.unknown == UNKNOWN_REGISTER)
		r = register_unknown(w, b);
	return r;
}

static int write_rejected(struct store_writing *w, struct batch *b)
{
	if (!b->nrejected || !w->conf->intake.rejected_max)
		return 0;
	auto_pg_columns struct pg_columns a;
	auto_buf struct buf scratch;
	pg_columns_init(&a, 6);
	buf_init(&scratch, 4 * 65536);
	for (size_t i = 0; i < b->nrejected; i++) {
		const struct batch_rejected *x = &b->rejected[i];
		pg_array_i64(&a.c[0], x->at_us);
		store_array_text(&a.c[1], x->source, &scratch);
		store_array_text(&a.c[2], x->topic, &scratch);
		pg_array_str(&a.c[3], slice_of(x->reason));
		store_array_text(&a.c[4], x->detail, &scratch);
		store_array_hex(&a.c[5], x->payload, &scratch);
	}
	struct pg_arg args[7] = {PGA_I(w->pos->district_id)};
	size_t n = 1;
	int r = pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "refused messages: too large");
	r = pg_query(w->pg, SQL_STORE_REJECTED, args, n, w->e, NULL);
	struct pg_arg prune[] = {PGA_I(w->pos->district_id), PGA_I(w->conf->intake.rejected_max)};
	return r ? r
		 : pg_query(w->pg, SQL_STORE_REJECTED_PRUNE, prune, COUNT_OF(prune), w->e, NULL);
}

/* ---- the transaction ---- */

static int move_cursor(struct pg *p, const struct store_position *pos, const struct batch *b,
		       struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_I(pos->district_id),    PGA_STR(pos->stream_id),
				PGA_I(pos->epoch),	    PGA_I(pos->batch + 1),
				PGA_I(b->last_seq),	    PGA_I(b->heard_us),
				PGA_S(store_json(b->away)), PGA_I(b->memory_from_seq)};
	int r = pg_query(p, SQL_STORE_CURSOR_MOVE, args, COUNT_OF(args), e, &rows);
	if (!r && pg_affected(rows) != 1)
		r = err_set(e, -ESTALE,
			    "database: the spool's cursor is not where this hub left it");
	return r;
}

/*
 * The tables of a batch, in the order of writing. Rows of one table are an array in struct batch
 * (array, n), but for readings, which are already in COPY's form. `rejected` is last: what is
 * refused on the way goes there.
 */
static const struct section {
	const char *name;
	int (*write)(struct store_writing *w, struct batch *b);
	size_t array, n, size;
	size_t tell; /* of a row, a slice that says most of it to a person; 0: none */
} sections[] = {
#define ROW(array) (*((struct batch *)0)->array)
#define SECTION(name, write, array, n, tell)                                           \
	{                                                                              \
		name, write, offsetof(struct batch, array), offsetof(struct batch, n), \
			sizeof(ROW(array)), tell                                       \
	}
	{"reading", write_readings, 0, offsetof(struct batch, nreadings), 0, 0},
	SECTION("device_state", write_states, states, nstates, 0),
	SECTION("rule_state", store_rule_states, rule_states, nrule_states,
		offsetof(struct batch_rule_state, rule_id)),
	SECTION("rule_shadow", store_shadows, shadows, nshadows,
		offsetof(struct batch_shadow, rule_id)),
	SECTION("intake_gap", store_gaps, gaps, ngaps, 0),
	SECTION("device_memory", store_memories, memories, nmemories, 0),
	SECTION("grid_case", store_cases, anomalies, nanomalies,
		offsetof(struct batch_anomaly, alert)),
	SECTION("unknown_device", write_unknowns, unknowns, nunknowns,
		offsetof(struct batch_unknown, payload)),
	SECTION("rejected_message", write_rejected, rejected, nrejected,
		offsetof(struct batch_rejected, payload)),
#undef SECTION
#undef ROW
};

static int write_all(struct store_writing *w, struct batch *b)
{
	int r = 0;
	for (size_t i = 0; !r && i < COUNT_OF(sections); i++)
		r = sections[i].write(w, b);
	return r;
}

/* ---- row by row: what PostgreSQL refuses is set aside, all else is written ---- */

static int in_savepoint(struct store_writing *w, const struct section *s, struct batch *b)
{
	struct store_result before = *w->res;
	int r = pg_script(w->pg, sql_queries[SQL_STORE_SAVEPOINT].text, w->e);
	if (r)
		return r;
	r = s->write(w, b);
	if (r == -EBADMSG) {
		*w->res = before;
		return pg_script(w->pg, sql_queries[SQL_STORE_SAVEPOINT_BACK].text, NULL)
			       ? -ENOTCONN
			       : 1;
	}
	return r ? r : pg_script(w->pg, sql_queries[SQL_STORE_SAVEPOINT_KEEP].text, w->e);
}

static int set_row_aside(struct store_writing *w, const struct section *s, struct batch *b,
			 struct slice row)
{
	metric_add(M_REJ_DATABASE, 1);
	log_error("store", KM("a row was refused and set aside"), KS("table", s->name),
		  KS("error", w->e->msg));
	struct batch_rejected r = {.at_us = b->last_recv_us,
				   .source = SL("store"),
				   .topic = slice_of(s->name),
				   .detail = slice_of(w->e->msg),
				   .payload = row,
				   .reason = "database"};
	return batch_add_rejected(b, &r);
}

/* The next row of a COPY: 16 bits of columns, each with 32 bits of length (all ours are there). */
static struct slice next_copy_row(struct slice *rest)
{
	size_t at = 2;
	for (unsigned c = 0; c < BATCH_COPY_COLUMNS; c++) {
		uint32_t len;
		memcpy(&len, rest->p + at, sizeof len);
		at += sizeof len + __builtin_bswap32(len);
	}
	struct slice row = {rest->p, at};
	rest->p += at;
	rest->n -= at;
	return row;
}

static int readings_one_by_one(struct store_writing *w, const struct section *s, struct batch *b)
{
	struct slice rest = {b->copy.p + BATCH_COPY_HEADER, b->copy.n - BATCH_COPY_HEADER};
	struct batch one;
	int r = batch_init(&one);
	while (!r && rest.n) {
		struct slice row = next_copy_row(&rest);
		one.copy.n = BATCH_COPY_HEADER;
		buf_put_slice(&one.copy, row);
		one.nreadings = 1;
		r = one.copy.failed ? -ENOMEM : in_savepoint(w, s, &one);
		if (r == 1)
			r = set_row_aside(w, s, b, row);
	}
	batch_done(&one);
	return r;
}

static int rows_one_by_one(struct store_writing *w, const struct section *s, struct batch *b)
{
	size_t n;
	char *rows;
	memcpy(&n, (char *)b + s->n, sizeof n);
	memcpy(&rows, (char *)b + s->array, sizeof rows);
	for (size_t i = 0; i < n; i++) {
		struct batch one = {.last_seq = b->last_seq};
		char *row = rows + i * s->size;
		size_t just_one = 1;
		memcpy((char *)&one + s->array, &row, sizeof row);
		memcpy((char *)&one + s->n, &just_one, sizeof just_one);
		int r = in_savepoint(w, s, &one);
		struct slice tell = {0};
		if (s->tell)
			memcpy(&tell, row + s->tell, sizeof tell);
		if (r == 1)
			r = set_row_aside(w, s, b, tell);
		if (r)
			return r;
	}
	return 0;
}

static int write_carefully(struct store_writing *w, struct batch *b)
{
	int r = 0;
	for (size_t i = 0; !r && i < COUNT_OF(sections); i++) {
		const struct section *s = &sections[i];
		r = in_savepoint(w, s, b);
		if (r == 1)
			r = s->size ? rows_one_by_one(w, s, b) : readings_one_by_one(w, s, b);
	}
	return r;
}

int store_write(struct pg *p, const struct config *conf, const struct store_position *pos,
		struct batch *b, bool carefully, struct store_result *ret, struct err *e)
{
	struct store_result res = {0};
	struct store_writing w = {p, conf, pos, &res, e};
	int r = pg_begin(p, e);
	if (r)
		return r;
	r = move_cursor(p, pos, b, e);
	if (!r)
		r = carefully ? write_carefully(&w, b) : write_all(&w, b);
	if (r) {
		pg_rollback(p);
		return r;
	}
	r = pg_commit(p, e);
	if (!r)
		*ret = res;
	return r;
}
