/*
 * http: /health and /metrics (libmicrohttpd, its own epoll thread). Loopback unless configured
 * otherwise; connection limit, timeout and memory limit are set; answers never wait for PostgreSQL.
 */
#ifndef GRIDHUB_HTTP_H
#define GRIDHUB_HTTP_H

#include "config.h"

struct http;

/* 0 with *ret NULL when http.listen is "". -EADDRINUSE and others say the address. */
must_check int http_start(const struct config *conf, struct err *e, struct http **ret);
void http_stop(struct http *h); /* NULL is fine */

#endif
