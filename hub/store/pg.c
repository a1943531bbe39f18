#include "pg_conn.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>

#include "log.h"
#include "metrics.h"
#include "pg_hosts.h"
#include "pulse.h"
#include "times.h"

/* DESIGN: libpq's blocking calls have no deadline, so only its asynchronous ones are used, with
 * poll() between them. A connection that missed a deadline or broke is `broken` for good: its owner
 * closes it and opens a new one. */

#define DEFAULT_TIMEOUT_US (30 * TIMES_SEC)
#define CONNECT_TIMEOUT_US (5 * TIMES_SEC)
#define POLL_STEP_MS 250 /* so that pg_abort is seen */

struct pg_rows {
	PGresult *res;
};

void pg_abort(struct pg *p)
{
	atomic_store(&p->aborted, true);
}

/* The first line of what libpq says; it never holds a password. */
static int say(const struct pg *p, struct err *e, int code, const char *what)
{
	const char *msg = p->conn ? PQerrorMessage(p->conn) : "";
	int n = (int)strcspn(msg, "\n");
	return err_set(e, code, "database: %s%s%.*s", what, n ? ": " : "", n, msg);
}

int pg_conn_broken(struct pg *p, struct err *e, int code, const char *what)
{
	p->broken = true;
	return say(p, e, code, what);
}

/* Wait until the socket is ready for `events`, the deadline has passed, or the connection is
 * aborted. */
int pg_conn_wait(struct pg *p, short events, int64_t deadline_us, struct err *e)
{
	for (;;) {
		pulse_beat();
		int64_t left = deadline_us - times_mono_us();
		if (atomic_load(&p->aborted))
			return pg_conn_broken(p, e, -ECANCELED, "broken off");
		if (left <= 0)
			return pg_conn_broken(p, e, -ETIMEDOUT, "no answer in time");
		struct pollfd fd = {.fd = PQsocket(p->conn), .events = events};
		int n = poll(&fd, 1, (int)MIN_OF(left / 1000 + 1, (int64_t)POLL_STEP_MS));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return pg_conn_broken(p, e, -errno, strerror(errno));
	}
}

/* ---- opening ---- */

static int finish_connect(struct pg *p, struct err *e)
{
	int64_t deadline = times_mono_us() + MIN_OF(p->timeout_us, CONNECT_TIMEOUT_US);
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;
	while (st != PGRES_POLLING_OK) {
		if (st == PGRES_POLLING_FAILED || PQstatus(p->conn) == CONNECTION_BAD)
			return pg_conn_broken(p, e, -ENOTCONN, "cannot connect");
		int r = pg_conn_wait(p, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline,
				     e);
		if (r)
			return r;
		pulse_pause(); /* it asks name servers, and nothing bounds that here */
		st = PQconnectPoll(p->conn);
		pulse_beat();
	}
	return 0;
}

/* What every session wants; a server that has vanished is noticed in about 7 s. */
static const struct {
	const char *key, *value;
} session[] = {
	{"connect_timeout", "5"},
	{"keepalives_idle", "5"},
	{"keepalives_interval", "2"},
	{"keepalives_count", "3"},
	{"tcp_user_timeout", "6000"},
	{"client_encoding", "UTF8"},
	{"options",
	 "-c TimeZone=UTC -c DateStyle=ISO -c idle_in_transaction_session_timeout=60s "
	 "-c bytea_output=hex -c extra_float_digits=1 -c tcp_keepalives_idle=10 "
	 "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c client_min_messages=warning"},
};

static void notice_to_log(void *arg, const PGresult *res)
{
	(void)arg;
	const char *msg = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	log_warn("pg", KM("notice"), KS("text", msg ? msg : ""));
}

/* What is asked of libpq: the connection string, and what is put over it. */
struct wanted {
	const char *keys[COUNT_OF(session) + 3 + PG_HOST_KEYS_MAX + 1];
	const char *values[COUNT_OF(session) + 3 + PG_HOST_KEYS_MAX + 1];
	size_t n;
};

static void want(struct wanted *w, const char *key, const char *value)
{
	w->keys[w->n] = key;
	w->values[w->n++] = value;
}

static int connect_one(const struct pg_conf *conf, const struct wanted *w, struct err *e,
		       struct pg **ret)
{
	auto_pg struct pg *p = mem_new(sizeof *p);
	if (!p)
		return err_set(e, -ENOMEM, "database: out of memory");
	p->timeout_us = conf->timeout_us ? conf->timeout_us : DEFAULT_TIMEOUT_US;
	pulse_pause();
	p->conn = PQconnectStartParams(w->keys, w->values, 1);
	pulse_beat();
	if (!p->conn)
		return err_set(e, -ENOMEM, "database: out of memory");
	int r = finish_connect(p, e);
	if (r)
		return r;
	PQsetNoticeReceiver(p->conn, notice_to_log, NULL);
	if (PQsetnonblocking(p->conn, 1))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot connect");
	metric_add(M_DB_CONNECTS, 1);
	*ret = p;
	p = NULL;
	return 0;
}

/* Each in turn, from the first on; e has what each said. */
static int connect_any(const struct pg_conf *conf, const struct pg_hosts *hosts,
		       const struct wanted *w, struct err *e, struct pg **ret)
{
	struct err all = {0};
	int r = -ENOTCONN;
	for (size_t i = 0; r && i < hosts->n; i++) {
		struct pg_host_text text;
		struct err one = {0};
		struct wanted also = *w;
		also.n += pg_hosts_keys(hosts, i, &text, also.keys + w->n, also.values + w->n);
		r = connect_one(conf, &also, &one, ret);
		size_t n = strlen(all.msg);
		snprintf(all.msg + n, sizeof all.msg - n, "%s%.*s", i ? "; " : "",
			 (int)(sizeof all.msg / hosts->n) - 3, one.msg);
	}
	return r ? err_set(e, r, "%s", all.msg) : 0;
}

int pg_open(const struct pg_conf *conf, struct err *e, struct pg **ret)
{
	auto_free char *password = NULL;
	auto_hosts struct pg_hosts hosts = {0};
	struct wanted w = {.n = 0};
	int r = pg_hosts_of(conf->conninfo, &hosts, e);
	if (!r && conf->password_file && conf->password_file[0])
		r = file_read_secret(conf->password_file, &password, e);
	if (r)
		return r;
	want(&w, "dbname", conf->conninfo);
	for (size_t i = 0; i < COUNT_OF(session); i++)
		want(&w, session[i].key, session[i].value);
	want(&w, "fallback_application_name", conf->app_name);
	if (password)
		want(&w, "password", password);
	return hosts.n ? connect_any(conf, &hosts, &w, e, ret) : connect_one(conf, &w, e, ret);
}

void pg_close(struct pg *p)
{
	if (!p)
		return;
	PQfinish(p->conn);
	free(p);
}

void pg_closep(struct pg **p)
{
	pg_close(*p);
}

const void *pg_ssl(struct pg *p)
{
	return PQsslInUse(p->conn) ? PQsslStruct(p->conn, "OpenSSL") : NULL;
}

/* ---- one request ---- */

int pg_conn_usable(struct pg *p, struct err *e)
{
	if (atomic_load(&p->aborted))
		return err_set(e, -ECANCELED, "database: broken off");
	if (p->broken || PQstatus(p->conn) != CONNECTION_OK)
		return err_set(e, -ENOTCONN, "database: the connection is lost");
	return 0;
}

int pg_conn_flush(struct pg *p, int64_t deadline, struct err *e)
{
	int f;
	while ((f = PQflush(p->conn)) > 0) {
		int r = pg_conn_wait(p, POLLIN | POLLOUT, deadline, e);
		if (r)
			return r;
		if (!PQconsumeInput(p->conn))
			return pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
	}
	return f < 0 ? pg_conn_broken(p, e, -ENOTCONN, "the connection is lost") : 0;
}

static int next_result(struct pg *p, int64_t deadline, struct err *e, PGresult **ret)
{
	while (PQisBusy(p->conn)) {
		int r = pg_conn_wait(p, POLLIN, deadline, e);
		if (r)
			return r;
		if (!PQconsumeInput(p->conn))
			return pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
	}
	*ret = PQgetResult(p->conn);
	return 0;
}

static int refused(struct pg *p, const PGresult *res, const char *what, struct err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *msg = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	if (!state || PQstatus(p->conn) != CONNECTION_OK)
		return pg_conn_broken(p, e, -ENOTCONN, "the connection is lost");
	bool data = strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
		    strncmp(state, "54", 2) == 0;
	return err_set(e, data ? -EBADMSG : -EBADE, "database: %s: %s%s%s (SQLSTATE %s)", what,
		       msg ? msg : "refused", detail ? ": " : "", detail ? detail : "", state);
}

/* Read results until there is none left; the last good one with rows goes to *ret, the first bad
 * one to e. */
int pg_conn_collect(struct pg *p, const char *what, int64_t deadline, struct err *e, PGresult **ret)
{
	PGresult *keep = NULL;
	int code = 0;
	for (;;) {
		PGresult *res = NULL;
		int r = next_result(p, deadline, e, &res);
		if (r) {
			PQclear(keep);
			return r;
		}
		if (!res)
			break;
		ExecStatusType st = PQresultStatus(res);
		bool copy = st == PGRES_COPY_IN || st == PGRES_COPY_OUT;
		bool good = st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK || copy;
		if (!good && !code)
			code = refused(p, res, what, e);
		PQclear(keep);
		keep = res;
		if (copy)
			break;
	}
	if (code || !ret) {
		PQclear(keep);
		return code;
	}
	*ret = keep;
	return 0;
}

static int prepare(struct pg *p, enum sql_id id, int64_t deadline, struct err *e)
{
	const struct sql_query *q = &sql_queries[id];
	if (p->prepared[id])
		return 0;
	if (!PQsendPrepare(p->conn, q->name, q->text, 0, NULL))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot send");
	int r = pg_conn_flush(p, deadline, e);
	if (!r)
		r = pg_conn_collect(p, q->name, deadline, e, NULL);
	if (!r)
		p->prepared[id] = true;
	return r;
}

/* Arguments as libpq wants them; numbers are written into text[]. */
struct wire_args {
	const char *values[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
	char text[PG_ARGS_MAX][40];
	char *copies[PG_ARGS_MAX];
};

static void wire_done(struct wire_args *w)
{
	for (size_t i = 0; i < PG_ARGS_MAX; i++)
		free(w->copies[i]);
}

static int wire_one(struct wire_args *w, size_t i, const struct pg_arg *a)
{
	w->values[i] = w->text[i];
	switch (a->type) {
	case PG_ARG_NULL:
		w->values[i] = NULL;
		return 0;
	case PG_ARG_I64:
		snprintf(w->text[i], sizeof w->text[i], "%" PRId64, a->i);
		return 0;
	case PG_ARG_BOOL:
		snprintf(w->text[i], sizeof w->text[i], "%s", a->i ? "t" : "f");
		return 0;
	case PG_ARG_DOUBLE:
		snprintf(w->text[i], sizeof w->text[i], "%.17g", a->d);
		return 0;
	case PG_ARG_BYTES:
		if (a->s.n > INT32_MAX)
			return -E2BIG;
		w->values[i] = a->s.p ? a->s.p : "";
		w->lengths[i] = (int)a->s.n;
		w->formats[i] = 1;
		return 0;
	case PG_ARG_TEXT:
	default:
		/* A slice has no NUL behind it, text in binary form needs none. But arrays and
		 * jsonb are text. */
		w->copies[i] = slice_dup(a->s);
		w->values[i] = w->copies[i];
		return w->copies[i] ? 0 : -ENOMEM;
	}
}

int pg_query(struct pg *p, enum sql_id id, const struct pg_arg *args, size_t nargs, struct err *e,
	     struct pg_rows **ret)
{
	int r = pg_conn_usable(p, e);
	if (r)
		return r;
	int64_t deadline = times_mono_us() + p->timeout_us;
	r = prepare(p, id, deadline, e);
	if (r)
		return r;
	auto_call(wire_done) struct wire_args w = {0};
	assert(nargs <= PG_ARGS_MAX);
	for (size_t i = 0; i < nargs; i++)
		if ((r = wire_one(&w, i, &args[i])))
			return err_set(e, r, "database: %s: argument %zu is too large",
				       sql_queries[id].name, i + 1);
	if (!PQsendQueryPrepared(p->conn, sql_queries[id].name, (int)nargs, w.values, w.lengths,
				 w.formats, 0))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot send");
	r = pg_conn_flush(p, deadline, e);
	PGresult *res = NULL;
	if (!r)
		r = pg_conn_collect(p, sql_queries[id].name, deadline, e, &res);
	if (r || !ret) {
		PQclear(res);
		return r;
	}
	struct pg_rows *rows = mem_new(sizeof *rows);
	if (!rows) {
		PQclear(res);
		return err_set(e, -ENOMEM, "database: out of memory");
	}
	rows->res = res;
	*ret = rows;
	return 0;
}

int pg_begin(struct pg *p, struct err *e)
{
	return pg_script(p, sql_queries[SQL_BEGIN].text, e);
}

int pg_commit(struct pg *p, struct err *e)
{
	return pg_script(p, sql_queries[SQL_COMMIT].text, e);
}

void pg_rollback(struct pg *p)
{
	if (p->broken || pg_script(p, sql_queries[SQL_ROLLBACK].text, NULL))
		p->broken = true; /* the server rolls back when the connection is closed */
}

int pg_script(struct pg *p, const char *sql, struct err *e)
{
	int r = pg_conn_usable(p, e);
	if (r)
		return r;
	int64_t deadline = times_mono_us() + p->timeout_us;
	if (!PQsendQuery(p->conn, sql))
		return pg_conn_broken(p, e, -ENOTCONN, "cannot send");
	r = pg_conn_flush(p, deadline, e);
	return r ? r : pg_conn_collect(p, "script", deadline, e, NULL);
}

/* ---- results ---- */

void pg_rows_free(struct pg_rows *rows)
{
	if (!rows)
		return;
	PQclear(rows->res);
	free(rows);
}

void pg_rows_freep(struct pg_rows **rows)
{
	pg_rows_free(*rows);
}

size_t pg_count(const struct pg_rows *rows)
{
	return (size_t)PQntuples(rows->res);
}

bool pg_null(const struct pg_rows *rows, size_t row, size_t col)
{
	return PQgetisnull(rows->res, (int)row, (int)col);
}

struct slice pg_slice(const struct pg_rows *rows, size_t row, size_t col)
{
	return (struct slice){PQgetvalue(rows->res, (int)row, (int)col),
			      (size_t)PQgetlength(rows->res, (int)row, (int)col)};
}

/* \\x and two digits a byte. */
void pg_put_bytea(struct slice text, struct buf *out)
{
	for (size_t i = 2; i + 1 < text.n; i += 2) {
		unsigned high = (unsigned)hex_digit(text.p[i]),
			 low = (unsigned)hex_digit(text.p[i + 1]);
		buf_putc(out, (char)(high << 4 | low));
	}
}

const char *pg_str(const struct pg_rows *rows, size_t row, size_t col)
{
	return PQgetvalue(rows->res, (int)row, (int)col);
}

int64_t pg_i64(const struct pg_rows *rows, size_t row, size_t col)
{
	int64_t v = 0;
	return slice_to_i64(pg_slice(rows, row, col), &v) ? 0 : v;
}

bool pg_bool(const struct pg_rows *rows, size_t row, size_t col)
{
	return pg_slice(rows, row, col).n && pg_str(rows, row, col)[0] == 't';
}

int64_t pg_affected(const struct pg_rows *rows)
{
	int64_t v = 0;
	return slice_to_i64(slice_of(PQcmdTuples(rows->res)), &v) ? 0 : v;
}

/* ---- arrays ---- */

void pg_array_begin(struct buf *b)
{
	buf_putc(b, '{');
}

static void array_comma(struct buf *b)
{
	if (b->n && b->p[b->n - 1] != '{')
		buf_putc(b, ',');
}

void pg_array_i64(struct buf *b, int64_t v)
{
	char text[24];
	char *at = text + sizeof text;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do {
		*--at = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--at = '-';
	array_comma(b);
	buf_put(b, at, (size_t)(text + sizeof text - at));
}

void pg_array_str(struct buf *b, struct slice s)
{
	size_t from = 0;
	array_comma(b);
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_put(b, s.p + from, i - from);
			buf_putc(b, '\\');
			from = i;
		}
	}
	if (s.n > from)
		buf_put(b, s.p + from, s.n - from);
	buf_putc(b, '"');
}

void pg_array_null(struct buf *b)
{
	array_comma(b);
	buf_puts(b, "NULL");
}

void pg_array_end(struct buf *b)
{
	buf_putc(b, '}');
}

/* Dimensions, no NULL among them, the type's number, then of the one dimension how many and from
 * which index on. */
#define BYTEA_OID 17
#define COUNT_AT 12

void pg_bytes_begin(struct buf *b)
{
	static const uint32_t head[] = {1, 0, BYTEA_OID, 0, 1};
	for (size_t i = 0; i < COUNT_OF(head); i++)
		buf_put_be32(b, head[i]);
}

void pg_bytes_put(struct buf *b, struct slice bytes)
{
	uint32_t count;
	buf_put_be32(b, (uint32_t)bytes.n);
	buf_put_slice(b, bytes);
	if (b->failed)
		return;
	memcpy(&count, b->p + COUNT_AT, sizeof count);
	count = __builtin_bswap32(__builtin_bswap32(count) + 1);
	memcpy(b->p + COUNT_AT, &count, sizeof count);
}
