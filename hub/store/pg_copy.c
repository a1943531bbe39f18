#include "pg_conn.h"

#include <assert.h>
#include <poll.h>

#include "log.h"
#include "times.h"

/* ---- COPY … FROM STDIN: rows in ---- */

static int copy_data(struct pg *p, struct slice data, int64_t deadline, struct err *e)
{
	const size_t piece = 256 * 1024;
	while (data.n) {
		size_t n = MIN_OF(data.n, piece);
		int put = PQputCopyData(p->conn, data.p, (int)n);
		if (put < 0)
			return pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
		if (put == 1) {
			data.p += n;
			data.n -= n;
		}
		int r = pg_conn_flush(p, deadline, e);
		if (r)
			return r;
	}
	return 0;
}

int pg_copy_in(struct pg *p, enum sql_id id, struct slice data, struct err *e)
{
	int r = pg_conn_usable(p, e);
	if (r)
		return r;
	const struct sql_query *q = &sql_queries[id];
	int64_t deadline = times_mono_us() + p->timeout_us;
	PGresult *res = NULL;
	if (!PQsendQuery(p->conn, q->text))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot send");
	r = pg_conn_flush(p, deadline, e);
	if (!r)
		r = pg_conn_collect(p, q->name, deadline, e, &res);
	PQclear(res);
	if (r)
		return r;
	r = copy_data(p, data, deadline, e);
	if (r)
		return r;
	while ((r = PQputCopyEnd(p->conn, NULL)) == 0)
		if ((r = pg_conn_wait(p, POLLOUT, deadline, e)))
			return r;
	if (r < 0)
		return pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
	r = pg_conn_flush(p, deadline, e);
	return r ? r : pg_conn_collect(p, q->name, deadline, e, NULL);
}

/* ---- COPY … TO STDOUT: rows out ---- */

#define COPY_HEADER 19 /* signature, flags, length of an extension (none) */

static uint64_t big_endian(const char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

int64_t pg_cell_int(struct pg_cell c)
{
	uint64_t v = big_endian(c.p, c.p ? c.n : 0);
	return c.n == 2 ? (int16_t)v : c.n == 4 ? (int32_t)v : (int64_t)v;
}

int64_t pg_cell_us(struct pg_cell c)
{
	return pg_cell_int(c) + PG_EPOCH_US;
}

/* One row as it came; false: it is not of that form. */
static bool split_row(char *p, size_t n, size_t ncells, struct pg_cell *cells)
{
	size_t at = 2;
	if (n < 2 || big_endian(p, 2) != ncells)
		return false;
	for (size_t i = 0; i < ncells; i++) {
		if (n - at < 4)
			return false;
		uint32_t len = (uint32_t)big_endian(p + at, 4);
		at += 4;
		cells[i] = (struct pg_cell){NULL, 0};
		if (len == UINT32_MAX)
			continue;
		if (len > n - at)
			return false;
		cells[i] = (struct pg_cell){p + at, len};
		at += len;
	}
	return at == n;
}

/* Out of the socket into fn, until the server has no more. The first message begins with the
 * header, the last one is the trailer alone; between, one message is one row. */
static int copy_rows(struct pg *p, size_t ncells, pg_cells_fn fn, void *ctx, struct err *e)
{
	struct pg_cell cells[PG_CELLS_MAX];
	size_t skip = COPY_HEADER;
	for (;;) {
		char *data = NULL;
		int n = PQgetCopyData(p->conn, &data, 1), r = 0;
		if (n == 0) {
			r = pg_conn_wait(p, POLLIN, times_mono_us() + p->timeout_us, e);
			if (!r && !PQconsumeInput(p->conn))
				r = pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
		} else if (n < 0) {
			return n == -1 ? 0
				       : pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
		} else if ((size_t)n >= skip + 2 && big_endian(data + skip, 2) != UINT16_MAX) {
			bool good = split_row(data + skip, (size_t)n - skip, ncells, cells);
			r = good ? fn(ctx, cells)
				 : pg_conn_broken(p, e, -EPROTO, "a row of another form");
		}
		skip = n > 0 ? 0 : skip;
		PQfreemem(data);
		if (r)
			return r;
	}
}

/* The server is asked to stop, in so far as it is there; it need not be known what comes of it. */
static void cancel(struct pg *p)
{
	char why[256];
	PGcancel *c = PQgetCancel(p->conn);
	if (c && !PQcancel(c, why, sizeof why))
		log_debug("pg", KM("cannot cancel"), KS("why", why));
	PQfreeCancel(c);
	p->broken = true;
}

int pg_copy_out(struct pg *p, enum sql_id id, size_t ncells, pg_cells_fn fn, void *ctx,
		struct err *e)
{
	const struct sql_query *q = &sql_queries[id];
	int64_t deadline = times_mono_us() + p->timeout_us;
	assert(ncells <= PG_CELLS_MAX);
	int r = pg_conn_usable(p, e);
	if (r)
		return r;
	if (!PQsendQuery(p->conn, q->text))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot send");
	r = pg_conn_flush(p, deadline, e);
	if (!r)
		r = pg_conn_collect(p, q->name, deadline, e, NULL);
	if (!r)
		r = copy_rows(p, ncells, fn, ctx, e);
	if (!r)
		return pg_conn_collect(p, q->name, times_mono_us() + p->timeout_us, e, NULL);
	if (PQstatus(p->conn) == CONNECTION_OK && r != -ETIMEDOUT)
		cancel(p);
	return r;
}
