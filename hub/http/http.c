#include "http.h"

#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "health.h"
#include "http_api.h"
#include "log.h"
#include "metrics.h"
#include "process.h"

#define TIMEOUT_S 10
#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define BODY_MAX ((size_t)256 * 1024)
#define BACKLOG 64

struct http {
	struct MHD_Daemon *daemon;
	struct http_api *api;
};

/* ---- pages: each fills the body and returns the HTTP status ---- */

static unsigned page_health(struct buf *out)
{
	return health_write(out) == HEALTH_DEGRADED ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static unsigned page_live(struct buf *out)
{
	buf_puts(out, "ok\n");
	return MHD_HTTP_OK;
}

static unsigned page_metrics(struct buf *out)
{
	metrics_write(out);
	health_metrics(out);
	process_write(out);
	return MHD_HTTP_OK;
}

static unsigned page_missing(struct buf *out)
{
	buf_puts(out, "not found: there are /health, /live, /metrics and /api/v1/silences\n");
	return MHD_HTTP_NOT_FOUND;
}

static unsigned page_method(struct buf *out)
{
	buf_puts(out, "only GET and HEAD\n");
	return MHD_HTTP_METHOD_NOT_ALLOWED;
}

#define TYPE_TEXT "text/plain; charset=utf-8"

static const struct page {
	const char *path, *type;
	unsigned (*fill)(struct buf *out);
} pages[] = {
	{"/health", "application/json", page_health},
	{"/live", TYPE_TEXT, page_live},
	{"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
};
static const struct page missing = {"", TYPE_TEXT, page_missing};
static const struct page bad_method = {"", TYPE_TEXT, page_method};

static const struct page *find_page(const char *path, const char *method)
{
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
		return get ? &pages[i] : &bad_method;
	}
	return &missing;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, unsigned status,
				   const struct buf *body, const char *type, const char *allow)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(body->n, body->p, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result answer(struct MHD_Connection *c, const struct page *page)
{
	auto_buf struct buf body;
	buf_init(&body, BODY_MAX);
	unsigned status = page->fill(&body);
	return send_answer(c, status, &body, page->type,
			   status == MHD_HTTP_METHOD_NOT_ALLOWED ? "GET, HEAD" : NULL);
}

/* ---- the API: calls that wait for the database leave this thread ---- */

static const char *header_of(struct MHD_Connection *c, const char *name)
{
	const char *v = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
	return v ? v : "";
}

static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	(void)kind;
	http_api_query(arg, key, value ? value : "");
	return MHD_YES;
}

static struct http_call *begin_call(struct http *h, struct MHD_Connection *conn, const char *url,
				    const char *method)
{
	struct http_call *c = http_call_new(conn);
	int64_t length;
	if (!c)
		return NULL;
	if (slice_to_i64(slice_of(header_of(conn, MHD_HTTP_HEADER_CONTENT_LENGTH)), &length))
		length = -1;
	http_api_head(h->api, c, url, method, header_of(conn, MHD_HTTP_HEADER_AUTHORIZATION),
		      header_of(conn, MHD_HTTP_HEADER_CONTENT_TYPE), length);
	MHD_get_connection_values(conn, MHD_GET_ARGUMENT_KIND, on_parameter, c);
	return c;
}

static enum MHD_Result go_on(struct http *h, struct MHD_Connection *conn, struct http_call *c,
			     const char *data, size_t *data_n)
{
	if (*data_n) {
		buf_put(&c->body, data, *data_n);
		*data_n = 0;
		if (c->body.failed && !c->status)
			http_call_refuse(c, MHD_HTTP_CONTENT_TOO_LARGE,
					 "the body has more than %zu bytes", HTTP_API_BODY_MAX);
		return MHD_YES;
	}
	if (!c->status) {
		MHD_suspend_connection(conn);
		http_api_submit(h->api, c);
		return MHD_YES;
	}
	http_call_count(c);
	return send_answer(conn, c->status, &c->answer, "application/json", c->allow);
}

/* From a thread of the API. */
static void on_call_done(struct http_call *c)
{
	MHD_resume_connection(c->user);
}

static char ours; /* stands for the state of a request for a page */

/* Called at the end of the head, for each part of a body, at the end, and when a call is done.
 * Bodies of requests for pages are thrown away. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_n, void **state)
{
	struct http *h = arg;
	(void)version;
	if (!*state) {
		bool api = strncmp(url, HTTP_API_PREFIX, strlen(HTTP_API_PREFIX)) == 0;
		*state = api ? (void *)begin_call(h, c, url, method) : &ours;
		return *state ? MHD_YES : MHD_NO;
	}
	if (*state != &ours)
		return go_on(h, c, *state, data, data_n);
	if (*data_n) {
		*data_n = 0;
		return MHD_YES;
	}
	return answer(c, find_page(url, method));
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)arg, (void)c, (void)why;
	if (*state && *state != &ours)
		http_call_free(*state);
	*state = NULL;
}

/* ---- listening ---- */

int http_parse_listen(struct slice s, struct slice *ret_host, struct slice *ret_port)
{
	size_t colon = s.n;
	int64_t port;
	while (colon && s.p[colon - 1] != ':')
		colon--;
	if (!colon)
		return -EINVAL;
	struct slice host = {s.p, colon - 1}, tail = {s.p + colon, s.n - colon};
	bool bracket = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (bracket)
		host = (struct slice){host.p + 1, host.n - 2};
	if (host.n && !bracket && (memchr(host.p, ':', host.n) || memchr(host.p, '[', host.n)))
		return -EINVAL;
	if (slice_to_i64(tail, &port) || port < 0 || port > 65535)
		return -EINVAL;
	*ret_host = host;
	*ret_port = tail;
	return 0;
}

static int bind_to(const struct addrinfo *a, int *ret_fd)
{
	int on = 1;
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int open_socket(const char *listen_on, struct err *e, int *ret_fd)
{
	struct slice host, port;
	if (http_parse_listen(slice_of(listen_on), &host, &port))
		return err_set(e, -EINVAL, "http.listen: \"%s\": expected host:port", listen_on);
	auto_free char *h = slice_dup(host), *p = slice_dup(port);
	if (!h || !p)
		return err_set(e, -ENOMEM, "out of memory");
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(h[0] ? h : NULL, p, &hints, &list);
	if (rc)
		return err_set(e, -EINVAL, "http.listen: \"%s\": %s", listen_on, gai_strerror(rc));
	rc = -EADDRNOTAVAIL;
	for (const struct addrinfo *a = list; a && rc; a = a->ai_next)
		rc = bind_to(a, ret_fd);
	freeaddrinfo(list);
	return rc ? err_set(e, rc, "http.listen: \"%s\": %s", listen_on, strerror(-rc)) : 0;
}

static void log_address(int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	memset(&a, 0, sizeof a);
	if (getsockname(fd, (struct sockaddr *)&a, &n) ||
	    getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	log_info("http", KM("listening"), KS("host", host), KS("port", port));
}

/* The token goes over the line as it is. */
static void warn_if_open(const struct config *conf)
{
	struct slice host, port;
	if (!conf->http.token_file || http_parse_listen(slice_of(conf->http.listen), &host, &port))
		return;
	if (!slice_starts(host, "127.") && !slice_is(host, "::1") && !slice_is(host, "localhost"))
		log_warn("http",
			 KM("the API can be reached from elsewhere without TLS: put a proxy "
			    "before it"),
			 KS("listen", conf->http.listen));
}

static struct MHD_Daemon *start_daemon(const struct config *conf, struct http *h, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
		NULL, on_request, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)conf->http.max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
		MHD_OPTION_END);
}

int http_start(const struct config *conf, struct err *e, struct http **ret)
{
	auto_close int fd = -1;
	if (!conf->http.listen || !conf->http.listen[0]) {
		*ret = NULL;
		return 0;
	}
	int rc = open_socket(conf->http.listen, e, &fd);
	if (rc)
		return rc;
	struct http *h = mem_new(sizeof *h);
	if (!h)
		return err_set(e, -ENOMEM, "out of memory");
	rc = http_api_start(conf, on_call_done, e, &h->api);
	if (!rc) {
		h->daemon = start_daemon(conf, h, fd);
		if (!h->daemon)
			rc = err_set(e, -EIO, "http.listen: \"%s\": the server does not start",
				     conf->http.listen);
	}
	if (rc) {
		http_stop(h);
		return rc;
	}
	warn_if_open(conf);
	log_address(fd);
	fd = -1; /* the daemon's now */
	*ret = h;
	return 0;
}

int http_reload(struct http *h, struct err *e)
{
	return h ? http_api_reload(h->api, e) : 0;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	http_api_end(h->api); /* the server ends only when no call of it waits */
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	http_api_free(h->api);
	free(h);
}
