/*
 * http: /health, /live and /metrics, and the API of silences (libmicrohttpd, its own epoll thread).
 * Loopback unless configured otherwise; connection limit, timeout and memory limit are set; the
 * pages never wait for PostgreSQL or anything else, and calls of the API (http_api.h) wait in
 * threads of their own.
 *
 *   GET /health   JSON: each part of the hub, its state, why and since when. 200 when ok or
 *                 starting, 503 when a part is degraded, so that `curl -f` and any monitor notice
 *                 what a person reads in the body.
 *   GET /live     200 as long as the process answers: for a supervisor that restarts what fails. It
 *                 must not look at /health: a restart heals no database, and the hub goes on taking
 *                 messages in while a part is degraded.
 *   GET /metrics  Prometheus text, 0.0.4.
 */
#ifndef GRIDHUB_HTTP_H
#define GRIDHUB_HTTP_H

#include "config.h"

struct http;

/*
 * 0 with *ret NULL when http.listen is "". It is "host:port", with brackets around an IPv6 address;
 * port 0 takes a free one, which the log tells ("listening"). -EINVAL: not of that form, or no such
 * host; -EADDRINUSE and others of bind say the address.
 */
must_check int http_start(const struct config *conf, struct err *e, struct http **ret);
/* Read the tokens of the API anew; the old ones stay when they are no good. NULL is fine. */
must_check int http_reload(struct http *h, struct err *e);
void http_stop(struct http *h); /* NULL is fine */

/* The lines of http.token_file, owned by the caller; *ret NULL: there is none. -EINVAL, and those
 * of file_read_secret. */
must_check int http_load_tokens(const struct config *conf, struct err *e, char **ret);

/* "host:port", "[v6]:port", ":port" (every address). The parts are borrowed from s. -EINVAL. */
must_check int http_parse_listen(struct slice s, struct slice *ret_host, struct slice *ret_port);

#endif
