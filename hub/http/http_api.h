/*
 * http_api: what people change over HTTP: silences, as `gridhub silence` does at the command line.
 * JSON in and out; an error is {"error": "…"} and names key and value.
 *
 *   GET    /api/v1/silences[?all=true]      {"silences": […], "more": …}: on or to come; all
 *   POST   /api/v1/silences                 {"device", "grid", "kind", "rule", "for" | "to",
 * "from", "maintenance", "by", "reason"} → 201 {"id", "from", "to"} DELETE
 * /api/v1/silences/ID?by=NAME      ends it → {"id", "to"}
 *
 * Each needs "Authorization: Bearer TOKEN" with a line of http.token_file; without that setting
 * there is no API (404). 401 no token, 403 a wrong one, 400 what is asked is at fault, 404 no such
 * thing, 405, 413 and 415 as usual, 429 too many at once, 503 the database is away or slow.
 *
 * Calls wait in a bounded queue for one of a few threads, each with its own connection to
 * PostgreSQL and short deadlines; the thread of the pages never waits for them. Only http.c uses
 * this; on its one thread, but where said.
 */
#ifndef GRIDHUB_HTTP_API_H
#define GRIDHUB_HTTP_API_H

#include "config.h"

#define HTTP_API_PREFIX "/api/"
#define HTTP_API_BODY_MAX ((size_t)16 * 1024)
#define HTTP_API_ANSWER_MAX ((size_t)4 * 1024 * 1024)

struct http_api;

struct http_route;

struct http_call {
	const struct http_route *route; /* of the table; NULL: there is none, and it is refused */
	int64_t id;			/* of DELETE; 0: none in the path */
	bool all;
	char *by; /* owned; NULL: not given */
	struct buf body;
	unsigned status;   /* HTTP; 0: not decided */
	const char *allow; /* of 405 */
	struct buf answer;
	int64_t since_us; /* monotonic */
	void *user;
	struct http_call *next;
};

struct http_call *http_call_new(void *user); /* NULL: out of memory */
void http_call_free(struct http_call *c);    /* NULL is fine */
/* Decide it: the status, and {"error": "…"}. */
void http_call_refuse(struct http_call *c, unsigned status, const char *fmt, ...) printf_like(3, 4);

/* In the metrics, once it has been answered. */
void http_call_count(const struct http_call *c);

/* done: any thread: c->status and c->answer are there. conf is borrowed. -EINVAL: the token file is
 * no good; -ENOMEM. Starts no thread when there is no token file. */
must_check int http_api_start(const struct config *conf, void (*done)(struct http_call *c),
			      struct err *e, struct http_api **ret);
/* Lets what runs end, ends the threads, answers what waits and all that comes with 503. NULL is
 * fine, also in what follows. */
void http_api_end(struct http_api *a);
void http_api_free(struct http_api *a);
/* Read the tokens anew; the old ones stay when they are no good. Any thread. */
must_check int http_api_reload(struct http_api *a, struct err *e);

/* The head is there: path, method, Authorization ("" if none), the body's length if it is known.
 * What is refused is decided then. */
void http_api_head(struct http_api *a, struct http_call *c, const char *path, const char *method,
		   const char *authorization, const char *content_type, int64_t length);
/* Take one more parameter of the query. */
void http_api_query(struct http_call *c, const char *key, const char *value);
/* The call is whole and not decided: it goes to a thread; then done() is told, at once when there
 * is no room. */
void http_api_submit(struct http_api *a, struct http_call *c);

#endif
