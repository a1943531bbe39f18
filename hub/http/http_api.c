/*
 * DESIGN. A call is made and decided by the thread of the pages, or it waits in a queue, and then
 * belongs to a thread of the API until that has told done(). When the database was found away,
 * calls are refused at once for a while instead of each waiting for its deadline: so no queue of
 * them stands in the way of those that come when it is back.
 */
#include "http_api.h"

#include <pthread.h>
#include <signal.h>

#include "crypto.h"
#include "http.h"
#include "http_silence.h"
#include "json.h"
#include "log.h"
#include "metrics.h"
#include "pace.h"
#include "times.h"

#define THREADS 2
#define QUEUE_MAX 32
#define TIMEOUT_US (3 * TIMES_SEC) /* of a request to PostgreSQL, and of the wait for its turn */
#define AWAY_US TIMES_SEC	   /* so long calls are refused at once when it was away */
#define IDLE_US TIMES_MIN	   /* then a connection is closed */
#define TOKENS_MAX 4
#define TOKEN_MIN 24 /* bytes */
#define BEARER "Bearer "

static const struct pace_limit limits[PACE_LIMITS] = {{20, TIMES_SEC}, {300, TIMES_MIN}};

struct http_api {
	const struct config *conf;
	void (*done)(struct http_call *c);
	struct pace pace; /* the thread of the pages */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *tokens; /* owned; one a line */
	struct http_call *first, **last;
	size_t waiting;
	bool stopping;
	pthread_t threads[THREADS];
	size_t nthreads; /* 0: there is no API */
};

/* ---- calls ---- */

struct http_call *http_call_new(void *user)
{
	struct http_call *c = mem_new(sizeof *c);
	if (!c)
		return NULL;
	c->user = user;
	buf_init(&c->body, HTTP_API_BODY_MAX);
	buf_init(&c->answer, HTTP_API_ANSWER_MAX);
	return c;
}

void http_call_free(struct http_call *c)
{
	if (!c)
		return;
	buf_done(&c->body);
	buf_done(&c->answer);
	free(c->by);
	free(c);
}

void http_call_refuse(struct http_call *c, unsigned status, const char *fmt, ...)
{
	char why[ERR_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	c->status = status;
	buf_reset(&c->answer);
	buf_puts(&c->answer, "{\"error\":");
	json_put_str(&c->answer, slice_of(why));
	buf_puts(&c->answer, "}\n");
}

/* ---- who may ---- */

int http_load_tokens(const struct config *conf, struct err *e, char **ret)
{
	const char *path = conf->http.token_file;
	auto_free char *text = NULL;
	size_t n = 0;
	if (!path || !path[0]) {
		*ret = NULL;
		return 0;
	}
	int rc = file_read_secret(path, &text, e);
	if (rc)
		return err_prefix(e, rc, "http.token_file");
	struct slice rest = slice_of(text), line;
	while (rest.n && slice_cut(&rest, '\n', &line)) {
		if (line.n < TOKEN_MIN || ++n > TOKENS_MAX)
			return err_set(e, -EINVAL,
				       "http.token_file: %s: expected 1 to %d lines of at least %d "
				       "characters (openssl rand -hex 32)",
				       path, TOKENS_MAX, TOKEN_MIN);
	}
	if (!n)
		return err_set(e, -EINVAL, "http.token_file: %s: it is empty", path);
	*ret = text;
	text = NULL;
	return 0;
}

/* Looks at all of them, so that the time it takes tells nothing of how far one agreed. */
static bool is_token(struct http_api *a, struct slice given)
{
	bool found = false;
	pthread_mutex_lock(&a->lock);
	struct slice rest = slice_of(a->tokens), line;
	while (rest.n && slice_cut(&rest, '\n', &line))
		found |= crypto_equal(line, given);
	pthread_mutex_unlock(&a->lock);
	return found;
}

static void check_token(struct http_api *a, struct http_call *c, const char *authorization)
{
	struct slice given = slice_of(authorization);
	if (!a->nthreads)
		http_call_refuse(c, 404, "the API is off: http.token_file is not set");
	else if (!slice_starts(given, BEARER))
		http_call_refuse(c, 401,
				 "expected \"Authorization: Bearer TOKEN\", with the token "
				 "of http.token_file");
	else if (!is_token(a, (struct slice){given.p + strlen(BEARER), given.n - strlen(BEARER)}))
		http_call_refuse(c, 403, "the token is not one of http.token_file");
}

/* ---- what is asked ---- */

#define SILENCES "/api/v1/silences"

static const struct http_route {
	const char *method;
	bool id, body; /* a number in the path, JSON in the body */
	int (*call)(struct pg *pg, int64_t district, struct http_call *c);
} routes[] = {
	{"GET", false, false, http_silence_list},
	{"POST", false, true, http_silence_add},
	{"DELETE", true, false, http_silence_end},
};

static void find_route(struct http_call *c, const char *path, const char *method)
{
	size_t n = strlen(SILENCES);
	bool here = strncmp(path, SILENCES, n) == 0 && (path[n] == 0 || path[n] == '/');
	if (!here || (path[n] && (slice_to_i64(slice_of(path + n + 1), &c->id) || c->id < 1))) {
		http_call_refuse(c, 404, "%.100s: there is " SILENCES " and " SILENCES "/ID", path);
		return;
	}
	for (size_t i = 0; !c->route && i < COUNT_OF(routes); i++)
		if (strcmp(routes[i].method, method) == 0 && routes[i].id == (c->id != 0))
			c->route = &routes[i];
	if (c->route)
		return;
	c->allow = c->id ? "DELETE" : "GET, POST";
	http_call_refuse(c, 405, "method %.20s: there is %s", method, c->allow);
}

static void check_body(struct http_call *c, const char *type, int64_t length)
{
	static const char json[] = "application/json";
	size_t n = strlen(json);
	bool is_json = strncmp(type, json, n) == 0 && (!type[n] || strchr("; ", type[n]));
	if (length > (int64_t)HTTP_API_BODY_MAX)
		http_call_refuse(c, 413, "a body of %lld bytes: at most %zu", (long long)length,
				 HTTP_API_BODY_MAX);
	else if (c->route->body && !is_json)
		http_call_refuse(c, 415, "Content-Type \"%.60s\": expected %s", type, json);
}

static void check_pace(struct http_api *a, struct http_call *c)
{
	if (!pace_ready(&a->pace, c->since_us, 1))
		http_call_refuse(c, 429, "more than %u calls in a second, or %u in a minute",
				 limits[0].n, limits[1].n);
	else
		pace_take(&a->pace, c->since_us);
}

void http_api_head(struct http_api *a, struct http_call *c, const char *path, const char *method,
		   const char *authorization, const char *content_type, int64_t length)
{
	c->since_us = times_mono_us();
	check_token(a, c, authorization);
	if (!c->status)
		find_route(c, path, method);
	if (!c->status)
		check_body(c, content_type, length);
	if (!c->status)
		check_pace(a, c);
}

void http_api_query(struct http_call *c, const char *key, const char *value)
{
	if (c->status)
		return;
	bool list = strcmp(c->route->method, "GET") == 0,
	     end = strcmp(c->route->method, "DELETE") == 0;
	if (end && strcmp(key, "by") == 0 && !c->by) {
		c->by = slice_dup(slice_of(value));
		if (!c->by)
			http_call_refuse(c, 503, "out of memory");
	} else if (!list || strcmp(key, "all") != 0) {
		http_call_refuse(c, 400, "parameter \"%.40s\": %s", key,
				 list  ? "there is only all=true"
				 : end ? "there is only by=NAME, once"
				       : "there is none");
	} else if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
		http_call_refuse(c, 400,
				 "parameter \"all\": value \"%.40s\": true or false was "
				 "expected",
				 value);
	} else {
		c->all = value[0] == 't';
	}
}

/* ---- the threads ---- */

struct worker {
	struct http_api *a;
	struct pg *pg;
	int64_t district, away_until;
	struct log_repeat failing;
};

static int find_district(struct worker *w, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_STR(w->a->conf->district)};
	int rc = pg_query(w->pg, SQL_NOTIFY_DISTRICT, args, COUNT_OF(args), e, &rows);
	if (!rc && !pg_count(rows))
		rc = err_set(e, -ENOENT, "district \"%s\" is not in the database",
			     w->a->conf->district);
	if (!rc)
		w->district = pg_i64(rows, 0, 0);
	return rc;
}

static void let_go(struct worker *w)
{
	pg_close(w->pg);
	w->pg = NULL;
}

static int connect_to(struct worker *w, struct err *e)
{
	const struct config *c = w->a->conf;
	struct pg_conf conf = {.conninfo = c->database.conninfo,
			       .password_file = c->database.password_file,
			       .app_name = "gridhub http",
			       .timeout_us = MIN_OF(c->database.timeout_us, TIMEOUT_US)};
	if (w->pg)
		return 0;
	int rc = pg_open(&conf, e, &w->pg);
	if (!rc)
		rc = find_district(w, e);
	if (rc)
		let_go(w);
	return rc;
}

static void away(struct worker *w, struct http_call *c, const char *why)
{
	int64_t now = times_mono_us();
	w->away_until = now + AWAY_US;
	let_go(w);
	if (log_repeat_due(&w->failing, now))
		log_error("http", KM("a call cannot be answered: database"), KS("error", why));
	http_call_refuse(c, 503, "the database is away, or too slow: try again");
}

static void decide(struct worker *w, struct http_call *c)
{
	struct err e = {0};
	int64_t now = times_mono_us();
	if (now < w->away_until || now - c->since_us > TIMEOUT_US) {
		http_call_refuse(c, 503, "the database is away, or too slow: try again");
		return;
	}
	if (connect_to(w, &e)) {
		away(w, c, e.msg);
		return;
	}
	int rc = c->route->call(w->pg, w->district, c);
	if (rc == -ENOTCONN || rc == -ETIMEDOUT)
		away(w, c, strerror(-rc));
	else if (log_repeat_over(&w->failing))
		log_info("http", KM("database is back"));
}

void http_call_count(const struct http_call *c)
{
	metric_add(c->status < 400    ? M_API_DONE
		   : c->status == 429 ? M_API_LIMITED
		   : c->status >= 500 ? M_API_FAILED
				      : M_API_REFUSED,
		   1);
}

/* The next call; NULL: none for so long, or the end. Holds the lock. */
static struct http_call *next_call(struct http_api *a)
{
	struct timespec until = times_mono_in(IDLE_US);
	while (!a->first && !a->stopping)
		if (pthread_cond_timedwait(&a->changed, &a->lock, &until))
			break;
	struct http_call *c = a->stopping ? NULL : a->first;
	if (!c)
		return NULL;
	a->first = c->next;
	a->last = a->first ? a->last : &a->first;
	a->waiting--;
	return c;
}

static void *run(void *arg)
{
	struct worker w = {.a = arg};
	struct http_api *a = arg;
	pthread_mutex_lock(&a->lock);
	while (!a->stopping) {
		struct http_call *c = next_call(a);
		pthread_mutex_unlock(&a->lock);
		if (c) {
			decide(&w, c);
			a->done(c);
		} else {
			let_go(&w);
		}
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	let_go(&w);
	return NULL;
}

void http_api_submit(struct http_api *a, struct http_call *c)
{
	pthread_mutex_lock(&a->lock);
	bool full = a->waiting == QUEUE_MAX || a->stopping;
	if (!full) {
		c->next = NULL;
		*a->last = c;
		a->last = &c->next;
		a->waiting++;
		pthread_cond_signal(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	if (!full)
		return;
	http_call_refuse(c, 503, "the hub is stopping, or more than %d calls wait", QUEUE_MAX);
	a->done(c);
}

/* ---- start and stop ---- */

/* Signals are main's. */
static int start_threads(struct http_api *a)
{
	sigset_t all, before;
	int rc = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && a->nthreads < THREADS) {
		rc = pthread_create(&a->threads[a->nthreads], NULL, run, a);
		a->nthreads += !rc;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

static int init(struct http_api *a)
{
	pthread_condattr_t attr;
	a->last = &a->first;
	if (pthread_mutex_init(&a->lock, NULL))
		return -ENOMEM;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	return pace_init(&a->pace, limits);
}

int http_api_start(const struct config *conf, void (*done)(struct http_call *c), struct err *e,
		   struct http_api **ret)
{
	struct http_api *a = mem_new(sizeof *a);
	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	a->conf = conf;
	a->done = done;
	int rc = init(a);
	if (rc)
		err_set(e, rc, "out of memory");
	if (!rc)
		rc = http_load_tokens(conf, e, &a->tokens);
	if (!rc && a->tokens) {
		rc = start_threads(a);
		if (rc)
			err_set(e, rc, "http: no thread: %s", strerror(-rc));
	}
	if (rc) {
		http_api_end(a);
		http_api_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

int http_api_reload(struct http_api *a, struct err *e)
{
	char *fresh = NULL;
	if (!a || !a->nthreads) /* whether there is an API is decided at the start */
		return 0;
	int rc = http_load_tokens(a->conf, e, &fresh);
	if (rc)
		return rc;
	pthread_mutex_lock(&a->lock);
	char *old = a->tokens;
	a->tokens = fresh;
	pthread_mutex_unlock(&a->lock);
	explicit_bzero(old, strlen(old));
	free(old);
	return 0;
}

void http_api_end(struct http_api *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	struct http_call *c = a->first;
	a->first = NULL;
	a->last = &a->first;
	a->waiting = 0;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	for (struct http_call *next; c; c = next) {
		next = c->next;
		http_call_refuse(c, 503, "the hub is stopping");
		a->done(c);
	}
	for (size_t i = 0; i < a->nthreads; i++)
		pthread_join(a->threads[i], NULL);
}

void http_api_free(struct http_api *a)
{
	if (!a)
		return;
	pace_done(&a->pace);
	if (a->tokens)
		explicit_bzero(a->tokens, strlen(a->tokens));
	free(a->tokens);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
