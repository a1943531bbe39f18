/*
 * pg_conn: one connection inside, and the steps of a request. Private to pg_*.c; each step returns
 * 0 or a negative errno with its reason in e, as pg.h says them.
 */
#ifndef GRIDHUB_PG_CONN_H
#define GRIDHUB_PG_CONN_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "pg.h"

struct pg {
	PGconn *conn;
	int64_t timeout_us;
	bool broken;
	_Atomic bool aborted;
	bool prepared[SQL_COUNT];
};

must_check int pg_conn_usable(struct pg *p, struct err *e);
/* It is of no more use; returns the code. */
int pg_conn_broken(struct pg *p, struct err *e, int code, const char *what);
/* Until the socket is ready for `events` (poll), the deadline has passed, or it was aborted. */
must_check int pg_conn_wait(struct pg *p, short events, int64_t deadline_us, struct err *e);
must_check int pg_conn_flush(struct pg *p, int64_t deadline_us, struct err *e);
/* Read results until there is none left or a COPY has begun; the last good one goes to *ret, the
 * first bad one to e. */
must_check int pg_conn_collect(struct pg *p, const char *what, int64_t deadline_us, struct err *e,
			       PGresult **ret);

#endif
