/*
 * http_silence: silences as calls of the API: from a call to what silence.h takes, and back. Blocks
 * for the deadline of a request; one thread a connection.
 */
#ifndef GRIDHUB_HTTP_SILENCE_H
#define GRIDHUB_HTTP_SILENCE_H

#include "http_api.h"
#include "pg.h"

/* Decides the call. Returns what pg_query said: -ENOTCONN and -ETIMEDOUT: the connection is of no
 * more use. */
int http_silence_list(struct pg *pg, int64_t district, struct http_call *c);
int http_silence_add(struct pg *pg, int64_t district, struct http_call *c);
int http_silence_end(struct pg *pg, int64_t district, struct http_call *c);

#endif
