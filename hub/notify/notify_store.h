/*
 * notify_store: the outbox as notify sees it: claim what is due, record what became of it, give it
 * back. The statements are sql/query/notify_*.sql. Owned by the notify thread; each call blocks at
 * most for the deadline of a request.
 */
#ifndef GRIDHUB_NOTIFY_STORE_H
#define GRIDHUB_NOTIFY_STORE_H

#include "notify_job.h"
#include "pg.h"

struct notify_gauges {
	int64_t pending, dead;
	int64_t overdue_us; /* how long the oldest that could go has been due */
	char disabled[128]; /* a disabled endpoint for which alerts wait; "" = none */
};

struct notify_store;

/* conf is borrowed. -ENOMEM, -EIO: no random bytes for the lease token. Does not connect. */
must_check int notify_store_new(const struct config *conf, struct err *e,
				struct notify_store **ret);
void notify_store_free(struct notify_store *s); /* NULL is fine */

/* Connect (again) if there is no connection. Errors as pg_open's; -ENOENT: the district is not in
 * the database yet. Every call below closes the connection when it fails with -ENOTCONN or
 * -ETIMEDOUT. */
must_check int notify_store_connect(struct notify_store *s, struct err *e);
bool notify_store_connected(const struct notify_store *s);

/*
 * Lease due rows, and fill jobs[i] with them. The endpoints take turns: a claim goes on where the
 * last one ended. *ret_more: another one may find more. A row that is too large for a job comes
 * back NOTIFY_DONE and NOTIFY_DEAD.
 */
struct notify_want {
	size_t n;	   /* at most so many; jobs has room for them */
	struct slice room; /* {"endpoint": at most so many of it}, for those that take another */
	size_t usual;	   /* number than this */
	int64_t lease_us;
};
must_check int notify_store_claim(struct notify_store *s, const struct notify_want *want,
				  struct notify_job *const *jobs, struct err *e, size_t *ret_n,
				  bool *ret_more);
/*
 * Record the n jobs (NOTIFY_DONE), all or none. *ret_n: how many still held their lease; the others
 * had been taken by another hub, which will record its own attempt. May be repeated after an
 * answer was lost.
 */
must_check int notify_store_record(struct notify_store *s, struct notify_job *const *jobs, size_t n,
				   struct err *e, size_t *ret_n);
must_check int notify_store_release(struct notify_store *s, struct notify_job *const *jobs,
				    size_t n, struct err *e);
/* Also sends what waits for a disabled endpoint, or for one of `failing` (array literal), whose
 * alerts are not tried one by one, to the person's next endpoint, if there is one, and declares
 * dead what has waited span_us for one of them. */
must_check int notify_store_gauges(struct notify_store *s, int64_t span_us, struct slice failing,
				   struct err *e, struct notify_gauges *ret);

/* ---- for notify_*.c ---- */
const struct config *notify_store_conf(const struct notify_store *s);
int64_t notify_store_district(const struct notify_store *s);
must_check int notify_store_query(struct notify_store *s, enum sql_id id, const struct pg_arg *args,
				  size_t nargs, struct err *e, struct pg_rows **ret);
must_check int notify_store_begin(struct notify_store *s, struct err *e);
/* Commit if rc is 0, else roll back; returns rc, or why the commit failed. */
must_check int notify_store_end(struct notify_store *s, int rc, struct err *e);

#endif
