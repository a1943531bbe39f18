#include "notify_store.h"

#include <inttypes.h>

#include "crypto.h"
#include "pg_columns.h"
#include "times.h"

#define TOKEN_BYTES 8
#define TIMEOUT_MAX_US                                                             \
	(10 * TIMES_SEC) /* while a request waits, no answer of a receiver is read \
			  */
#define COLUMNS 9

struct notify_store {
	const struct config *conf;
	struct pg *pg;
	int64_t district;
	char token[2 * TOKEN_BYTES + 1];
	uint64_t claims;
	struct buf turn; /* the endpoint up to which all have had their turn; "" = none */
};

#define NAME_MAX_BYTES 65536

int notify_store_new(const struct config *conf, struct err *e, struct notify_store **ret)
{
	struct notify_store *s = mem_new(sizeof *s);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->conf = conf;
	buf_init(&s->turn, NAME_MAX_BYTES);
	int rc = crypto_random_hex(TOKEN_BYTES, s->token);
	if (rc) {
		free(s);
		return err_set(e, rc, "no random bytes for a lease token");
	}
	*ret = s;
	return 0;
}

void notify_store_free(struct notify_store *s)
{
	if (!s)
		return;
	pg_close(s->pg);
	buf_done(&s->turn);
	free(s);
}

bool notify_store_connected(const struct notify_store *s)
{
	return s->pg != NULL;
}

/* A connection that failed is of no more use: close it, so that the caller connects again. */
static int settle(struct notify_store *s, int rc)
{
	if (rc == -ENOTCONN || rc == -ETIMEDOUT) {
		pg_close(s->pg);
		s->pg = NULL;
	}
	return rc;
}

int notify_store_query(struct notify_store *s, enum sql_id id, const struct pg_arg *args,
		       size_t nargs, struct err *e, struct pg_rows **ret)
{
	if (!s->pg)
		return err_set(e, -ENOTCONN, "database: not connected");
	return settle(s, pg_query(s->pg, id, args, nargs, e, ret));
}

int notify_store_begin(struct notify_store *s, struct err *e)
{
	if (!s->pg)
		return err_set(e, -ENOTCONN, "database: not connected");
	return settle(s, pg_begin(s->pg, e));
}

int notify_store_end(struct notify_store *s, int rc, struct err *e)
{
	if (!rc)
		return settle(s, pg_commit(s->pg, e));
	if (s->pg)
		pg_rollback(s->pg);
	return rc;
}

const struct config *notify_store_conf(const struct notify_store *s)
{
	return s->conf;
}

int64_t notify_store_district(const struct notify_store *s)
{
	return s->district;
}

static int find_district(struct notify_store *s, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_STR(s->conf->district)};
	int rc = notify_store_query(s, SQL_NOTIFY_DISTRICT, args, COUNT_OF(args), e, &rows);
	if (rc)
		return rc;
	if (pg_count(rows) == 0)
		return err_set(e, -ENOENT, "district \"%s\" is not in the database",
			       s->conf->district);
	s->district = pg_i64(rows, 0, 0);
	return 0;
}

int notify_store_connect(struct notify_store *s, struct err *e)
{
	if (s->pg)
		return 0;
	struct pg_conf conf = {.conninfo = s->conf->database.conninfo,
			       .password_file = s->conf->database.password_file,
			       .app_name = "gridhub notify",
			       .timeout_us = MIN_OF(s->conf->database.timeout_us, TIMEOUT_MAX_US)};
	int rc = pg_open(&conf, e, &s->pg);
	if (rc)
		return rc;
	rc = notify_store_query(s, SQL_NOTIFY_SESSION, NULL, 0, e, NULL);
	if (!rc)
		rc = find_district(s, e);
	if (rc) {
		pg_close(s->pg);
		s->pg = NULL;
	}
	return rc;
}

/* ---- claim ---- */

enum {
	C_ID,
	C_MESSAGE,
	C_CASE,
	C_ENDPOINT,
	C_EVENT,
	C_ALERT,
	C_CREATED,
	C_ATTEMPTS,
	C_MENTION,
	C_TURN
};

static void fill_job(struct notify_job *j, const struct pg_rows *rows, size_t i)
{
	notify_job_reset(j);
	j->state = NOTIFY_SENDING;
	j->outbox_id = pg_i64(rows, i, C_ID);
	j->case_id = pg_i64(rows, i, C_CASE);
	j->created_us = pg_i64(rows, i, C_CREATED);
	j->attempts = (int)pg_i64(rows, i, C_ATTEMPTS);
	j->message_id = arena_copy(&j->mem, pg_slice(rows, i, C_MESSAGE));
	j->endpoint = arena_copy(&j->mem, pg_slice(rows, i, C_ENDPOINT));
	j->event = arena_copy(&j->mem, pg_slice(rows, i, C_EVENT));
	j->alert = arena_copy(&j->mem, pg_slice(rows, i, C_ALERT));
	j->mention = arena_copy(&j->mem, pg_slice(rows, i, C_MENTION));
	if (!j->message_id.p || !j->endpoint.p || !j->event.p || !j->alert.p)
		notify_job_dead(j, "the alert has more bytes than the hub can send");
}

/* Where the next claim goes on; true when it may find something. */
static bool next_turn(struct notify_store *s, const struct pg_rows *rows, bool full)
{
	bool from_start = buf_slice(&s->turn).n == 0;
	buf_reset(&s->turn);
	if (full)
		buf_put_slice(&s->turn, pg_slice(rows, 0, C_TURN));
	return full || !from_start;
}

int notify_store_claim(struct notify_store *s, const struct notify_want *want,
		       struct notify_job *const *jobs, struct err *e, size_t *ret_n, bool *ret_more)
{
	auto_rows struct pg_rows *rows = NULL;
	char lease[NOTIFY_LEASE_MAX];
	size_t n = want->n;
	snprintf(lease, sizeof lease, "%s.%" PRIu64, s->token, ++s->claims);
	struct pg_arg args[] = {
		PGA_I(s->district), PGA_STR(lease),	PGA_I(want->lease_us),	   PGA_I(n),
		PGA_S(want->room),  PGA_I(want->usual), PGA_S(buf_slice(&s->turn))};
	int rc = notify_store_query(s, SQL_NOTIFY_CLAIM, args, COUNT_OF(args), e, &rows);
	if (rc)
		return rc;
	size_t got = MIN_OF(pg_count(rows), n);
	for (size_t i = 0; i < got; i++) {
		fill_job(jobs[i], rows, i);
		memcpy(jobs[i]->lease, lease, sizeof lease);
	}
	*ret_more = next_turn(s, rows, got == n);
	*ret_n = got;
	return 0;
}

/* ---- record ---- */

/* Text for the database: well-formed UTF-8 without NUL, whatever a receiver sent. */
static void put_clean(struct buf *array, const char *p, size_t n)
{
	auto_buf struct buf clean;
	buf_init(&clean, 4 * WEBHOOK_ANSWER_MAX);
	struct slice rest = {p, n};
	while (rest.n) {
		size_t bad = rest.n;
		const char *nul = memchr(rest.p, 0, rest.n);
		struct slice part = {rest.p, nul ? (size_t)(nul - rest.p) : rest.n};
		bool ok = slice_utf8_ok(part, &bad) && part.n == rest.n;
		size_t good = ok ? rest.n : MIN_OF(bad, part.n);
		buf_put(&clean, rest.p, good);
		if (!ok) {
			buf_puts(&clean, "\xEF\xBF\xBD");
			good++;
		}
		rest = (struct slice){rest.p + good, rest.n - good};
	}
	pg_array_str(array, buf_slice(&clean));
}

static void put_job(struct pg_columns *a, const struct notify_job *j)
{
	static const char *const names[] = {"accepted", "retry", "dead"};
	struct buf *c = a->c;
	pg_array_i64(&c[0], j->outbox_id);
	pg_array_str(&c[1], slice_of(j->lease));
	if (a->n == 2)
		return;
	pg_array_str(&c[2], slice_of(names[j->result]));
	pg_array_i64(&c[3], j->wait_us);
	if (j->status) {
		pg_array_i64(&c[4], j->status);
		put_clean(&c[7], j->answer, j->answer_n);
	} else {
		pg_array_null(&c[4]);
		pg_array_null(&c[7]);
	}
	pg_array_i64(&c[5], j->latency_us / TIMES_MS);
	put_clean(&c[6], j->detail, strlen(j->detail));
	pg_array_str(&c[8], slice_of(j->disable ? "t" : "f"));
}

/* Run a statement over the first n_columns of the jobs. */
static int run_over(struct notify_store *s, enum sql_id id, size_t n_columns,
		    struct notify_job *const *jobs, size_t n, struct err *e, size_t *ret_n)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_pg_columns struct pg_columns a;
	struct pg_arg args[1 + COLUMNS] = {PGA_I(s->district)};
	size_t nargs = 1;
	pg_columns_init(&a, n_columns);
	for (size_t i = 0; i < n; i++)
		put_job(&a, jobs[i]);
	int rc = pg_columns_args(&a, args, &nargs);
	rc = rc ? err_set(e, -ENOMEM, "out of memory")
		: notify_store_query(s, id, args, nargs, e, &rows);
	if (!rc)
		*ret_n = (size_t)pg_affected(rows);
	return rc;
}

int notify_store_record(struct notify_store *s, struct notify_job *const *jobs, size_t n,
			struct err *e, size_t *ret_n)
{
	return run_over(s, SQL_NOTIFY_RECORD, COLUMNS, jobs, n, e, ret_n);
}

int notify_store_release(struct notify_store *s, struct notify_job *const *jobs, size_t n,
			 struct err *e)
{
	size_t released;
	return run_over(s, SQL_NOTIFY_RELEASE, 2, jobs, n, e, &released);
}

int notify_store_gauges(struct notify_store *s, int64_t span_us, struct slice failing,
			struct err *e, struct notify_gauges *ret)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_I(s->district), PGA_I(span_us), PGA_S(failing)};
	struct pg_arg failing_args[] = {args[0], args[2]};
	int rc = notify_store_query(s, SQL_NOTIFY_CLOCK, args, 1, e, NULL);
	if (!rc) /* first: what can go to another endpoint does not die */
		rc = notify_store_query(s, SQL_NOTIFY_FALL_BACK, failing_args,
					COUNT_OF(failing_args), e, NULL);
	if (!rc)
		rc = notify_store_query(s, SQL_NOTIFY_EXPIRE, args, COUNT_OF(args), e, NULL);
	if (!rc)
		rc = notify_store_query(s, SQL_NOTIFY_GAUGES, args, 1, e, &rows);
	if (rc)
		return rc;
	*ret = (struct notify_gauges){
		.pending = pg_i64(rows, 0, 0),
		.dead = pg_i64(rows, 0, 1),
		.overdue_us = pg_i64(rows, 0, 2),
	};
	snprintf(ret->disabled, sizeof ret->disabled, "%s", pg_str(rows, 0, 3));
	return 0;
}
