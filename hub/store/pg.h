/*
 * pg: one connection to PostgreSQL and the named statements of sql/query (the only module that
 * knows libpq).
 *
 * Every request has a deadline of its own (a stopped server is never noticed otherwise): when it
 * passes, the connection is closed and the call returns -ETIMEDOUT. Blocks the calling thread at
 * most that long. One connection belongs to one thread. Errors: -ENOTCONN no connection or it
 * broke, -ETIMEDOUT, -EBADMSG the server refused the statement for its data (SQLSTATE classes 22
 * data, 23 constraint, 54 limit), -EBADE for another reason (text and SQLSTATE are in err),
 * -ENOMEM; err has the server's words, never a password.
 */
#ifndef GRIDHUB_PG_H
#define GRIDHUB_PG_H

#include "base.h"
#include "sql.h" /* generated: enum sql_id { SQL_<NAME OF THE FILE>, … } */

struct pg_conf {
	const char
		*conninfo; /* "host=… dbname=… user=…" or a postgresql:// URI; without a password */
	const char *password_file; /* NULL or "" = PGPASSWORD, .pgpass or none */
	const char *app_name;	   /* as pg_stat_activity shows it */
	int64_t timeout_us;	   /* deadline of each request; 30 s if 0 */
};

struct pg;

/* 2000-01-01 UTC, where PostgreSQL's binary times begin. */
#define PG_EPOCH_US INT64_C(946684800000000)

must_check int pg_open(const struct pg_conf *conf, struct err *e, struct pg **ret);
void pg_close(struct pg *p); /* NULL is fine */
void pg_closep(struct pg **p);
#define auto_pg auto_call(pg_closep)
/* Any thread: break off the request under way, if any, and all later ones (for a second SIGTERM).
 */
void pg_abort(struct pg *p);
/* libssl's side of the connection, for tls_peer_pem; NULL: it is not encrypted. */
const void *pg_ssl(struct pg *p);

enum pg_arg_type { PG_ARG_NULL, PG_ARG_TEXT, PG_ARG_I64, PG_ARG_DOUBLE, PG_ARG_BOOL, PG_ARG_BYTES };
struct pg_arg {
	enum pg_arg_type type;
	struct slice s; /* TEXT: UTF-8 without NUL (also array and jsonb literals), BYTES: bytea;
			   borrowed */
	int64_t i;	/* I64, BOOL */
	double d;
};
#define PGA_NULL ((struct pg_arg){.type = PG_ARG_NULL})
#define PGA_S(slice_) ((struct pg_arg){.type = PG_ARG_TEXT, .s = (slice_)})
#define PGA_STR(cstr_) ((struct pg_arg){.type = PG_ARG_TEXT, .s = slice_of(cstr_)})
#define PGA_I(i_) ((struct pg_arg){.type = PG_ARG_I64, .i = (int64_t)(i_)})
#define PGA_D(d_) ((struct pg_arg){.type = PG_ARG_DOUBLE, .d = (d_)})
#define PGA_B(b_) ((struct pg_arg){.type = PG_ARG_BOOL, .i = (b_) ? 1 : 0})
#define PGA_BYTES(slice_) ((struct pg_arg){.type = PG_ARG_BYTES, .s = (slice_)})
#define PG_ARGS_MAX 32

struct pg_rows; /* a result, text format; owned by the caller */
void pg_rows_free(struct pg_rows *rows);
void pg_rows_freep(struct pg_rows **rows);
#define auto_rows auto_call(pg_rows_freep)
size_t pg_count(const struct pg_rows *rows);
bool pg_null(const struct pg_rows *rows, size_t row, size_t col);
struct slice pg_slice(const struct pg_rows *rows, size_t row,
		      size_t col); /* also NUL-terminated; empty for NULL */
const char *pg_str(const struct pg_rows *rows, size_t row, size_t col);
void pg_put_bytea(struct slice text, struct buf *out); /* its bytes; text: as pg_slice gives it */
int64_t pg_i64(const struct pg_rows *rows, size_t row, size_t col); /* 0 for NULL */
bool pg_bool(const struct pg_rows *rows, size_t row, size_t col);
int64_t pg_affected(const struct pg_rows *rows);

/* Run a named statement (prepared on first use). ret may be NULL when no rows are wanted. */
must_check int pg_query(struct pg *p, enum sql_id id, const struct pg_arg *args, size_t nargs,
			struct err *e, struct pg_rows **ret);
must_check int pg_begin(struct pg *p, struct err *e);
must_check int pg_commit(struct pg *p, struct err *e);
void pg_rollback(struct pg *p); /* as far as the connection still lets us */
/* Run a text of several statements without parameters (a migration). */
must_check int pg_script(struct pg *p, const char *sql, struct err *e);
/* COPY … FROM STDIN (a named statement), all of data, and its end. */
must_check int pg_copy_in(struct pg *p, enum sql_id id, struct slice data, struct err *e);

/*
 * COPY (SELECT …) TO STDOUT (FORMAT binary), a named statement without parameters (see
 * pg_set_local): fn gets the cells of each row as PostgreSQL sends them, its own to change until it
 * returns. When fn returns a negative errno, the server is told to stop and that is returned; the
 * connection is good for nothing more. The deadline is that of each wait, not of the whole.
 */
struct pg_cell {
	char *p; /* NULL: null */
	size_t n;
};
#define PG_CELLS_MAX 16
typedef int (*pg_cells_fn)(void *ctx, const struct pg_cell *cells);
must_check int pg_copy_out(struct pg *p, enum sql_id id, size_t ncells, pg_cells_fn fn, void *ctx,
			   struct err *e);
/* A smallint, integer or bigint; 0 for null. */
int64_t pg_cell_int(struct pg_cell c);
/* A timestamptz. */
int64_t pg_cell_us(struct pg_cell c);

/* ---- array literals for unnest($n::type[]): '{1,2}' / '{"a","b"}' ---- */
void pg_array_begin(struct buf *b);
void pg_array_i64(struct buf *b, int64_t v);
void pg_array_str(struct buf *b, struct slice s);
void pg_array_null(struct buf *b);
void pg_array_end(struct buf *b);
/* bytea[] in binary form, for PGA_BYTES: no digits to write and to read. */
void pg_bytes_begin(struct buf *b);
void pg_bytes_put(struct buf *b, struct slice bytes);

#endif
