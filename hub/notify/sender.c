/*
 * DESIGN. A slot is one request from start to take; its easy handle is kept for the next one, the
 * connections live in the multi handle. `head_us` marks the end of the final head: from then on the
 * status stands, whatever happens to the body.
 *
 * Nothing may ever wait inside curl: of the requests that wait for a connection (a limit of
 * connections, or CURLOPT_PIPEWAIT) it wakes only the first one, and one for a receiver that is
 * silent would hold up those for all others. The slots are the limit; a request uses an HTTP/2
 * connection that is there, and makes one when there is none. Nor may the end of a request wait for
 * a name server that hangs (CURLOPT_QUICK_EXIT): curl's thread that asks it then ends by itself.
 */
#include "sender.h"

#include <curl/curl.h>
#include <unistd.h>

#include "times.h"

struct slot {
	CURL *easy;
	struct curl_slist *headers;
	struct sender_result result;
	int64_t start_us, head_us;
	size_t body_n;
	bool used, done;
	const struct guard *guard;
	struct err forbidden; /* what the guard said of the last address */
	char errbuf[CURL_ERROR_SIZE];
};

struct sender {
	CURLM *multi;
	struct slot *slots;
	size_t nslots, in_flight;
};

int sender_new(size_t slots, struct sender **ret)
{
	struct sender *s = mem_new(sizeof *s);
	if (!s || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(s);
		return -ENOMEM;
	}
	s->multi = curl_multi_init();
	s->slots = calloc(slots, sizeof *s->slots);
	if (!s->multi || !s->slots) {
		sender_free(s);
		return -ENOMEM;
	}
	s->nslots = slots;
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)slots);
	*ret = s;
	return 0;
}

static void slot_end(struct sender *s, struct slot *slot)
{
	curl_multi_remove_handle(s->multi, slot->easy);
	curl_slist_free_all(slot->headers);
	slot->headers = NULL;
	slot->used = slot->done = false;
	s->in_flight--;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->slots && i < s->nslots; i++) {
		if (s->slots[i].used)
			slot_end(s, &s->slots[i]);
		curl_easy_cleanup(s->slots[i].easy);
	}
	free(s->slots);
	curl_multi_cleanup(s->multi);
	curl_global_cleanup();
	free(s);
}

/* ---- what curl calls ---- */

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
	struct slot *slot = arg;
	long status = 0;
	(void)one;
	bool blank = n == 0 || p[0] == '\r' || p[0] == '\n';
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	if (blank && status >= 200 && !slot->head_us)
		slot->head_us = times_mono_us();
	return n;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct slot *slot = arg;
	struct sender_result *r = &slot->result;
	(void)one;
	size_t keep = MIN_OF(n, sizeof r->answer - r->answer_n);
	memcpy(r->answer + r->answer_n, p, keep);
	r->answer_n += keep;
	slot->body_n += n;
	return slot->body_n > SENDER_ANSWER_MAX ? 0 : n;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	const struct slot *slot = arg;
	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	return slot->head_us && times_mono_us() - slot->head_us > SENDER_BODY_TIME_US;
}

/* Asked for each address before a connection to it. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct slot *slot = arg;
	(void)purpose;
	if (guard_check(slot->guard, &a->addr, a->addrlen, &slot->forbidden))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- start ---- */

static int make_headers(struct slice text, struct curl_slist **ret)
{
	/* "Expect:" alone takes the header away: its extra round trip gains nothing here. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	struct slice line;
	while (list && slice_cut(&text, '\n', &line)) {
		if (!line.n)
			continue;
		auto_free char *one = slice_dup(line);
		struct curl_slist *more = one ? curl_slist_append(list, one) : NULL;
		if (!more)
			curl_slist_free_all(list);
		list = more;
	}
	*ret = list;
	return list ? 0 : -ENOMEM;
}

static void set_guards(CURL *c, const struct sender_request *r)
{
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect_timeout_us / TIMES_MS));
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(r->timeout_us / TIMES_MS));
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "gridhub/" GRIDHUB_VERSION);
}

static void set_callbacks(struct slot *slot)
{
	CURL *c = slot->easy;
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, slot);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, slot);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, slot->errbuf);
	if (slot->guard) {
		curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, slot);
	}
	curl_easy_setopt(c, CURLOPT_PRIVATE, slot);
}

static void set_request(struct slot *slot, const struct sender_request *r)
{
	CURL *c = slot->easy;
	curl_easy_reset(c); /* keeps connections and the caches */
	set_guards(c, r);
	set_callbacks(slot);
	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, slot->headers);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.n ? r->body.p : "");
}

static struct slot *free_slot(struct sender *s)
{
	for (size_t i = 0; i < s->nslots; i++)
		if (!s->slots[i].used)
			return &s->slots[i];
	return NULL;
}

int sender_start(struct sender *s, const struct sender_request *r)
{
	struct slot *slot = free_slot(s);
	if (!slot)
		return -EAGAIN;
	if (!slot->easy)
		slot->easy = curl_easy_init();
	if (!slot->easy)
		return -ENOMEM;
	int rc = make_headers(r->headers, &slot->headers);
	if (rc)
		return rc;
	slot->result = (struct sender_result){.user = r->user};
	slot->head_us = 0;
	slot->body_n = 0;
	slot->errbuf[0] = 0;
	slot->guard = r->guard;
	slot->forbidden.msg[0] = 0;
	slot->start_us = times_mono_us();
	set_request(slot, r);
	slot->used = true;
	s->in_flight++;
	if (curl_multi_add_handle(s->multi, slot->easy)) {
		slot_end(s, slot);
		return -ENOMEM;
	}
	return 0;
}

/* ---- finish ---- */

static void set_why(struct slot *slot, CURLcode code)
{
	struct sender_result *r = &slot->result;
	if (code == CURLE_OK)
		return;
	if (slot->body_n > SENDER_ANSWER_MAX)
		snprintf(r->why, sizeof r->why,
			 "the answer is longer than %d KB; the rest was not read",
			 SENDER_ANSWER_MAX / 1024);
	else if (code == CURLE_COULDNT_CONNECT && slot->forbidden.msg[0])
		snprintf(r->why, sizeof r->why, "%.240s", slot->forbidden.msg);
	else if (code == CURLE_ABORTED_BY_CALLBACK)
		snprintf(r->why, sizeof r->why,
			 "the answer trickles in; its end was not waited for");
	else
		snprintf(r->why, sizeof r->why, "%s",
			 slot->errbuf[0] ? slot->errbuf : curl_easy_strerror(code));
}

static void finish(struct slot *slot, CURLcode code)
{
	struct sender_result *r = &slot->result;
	long status = 0;
	curl_off_t retry_after = 0;
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &retry_after);
	r->status = slot->head_us ? (int)status : 0;
	r->latency_us = times_mono_us() - slot->start_us;
	/* A date in the past comes out negative. */
	if (slot->head_us && retry_after > 0)
		r->retry_after_us = MIN_OF((int64_t)retry_after, TIMES_DAY / TIMES_SEC) * TIMES_SEC;
	set_why(slot, code);
	if (!r->status && !r->why[0])
		snprintf(r->why, sizeof r->why, "the answer is not HTTP");
	slot->done = true;
}

void sender_work(struct sender *s)
{
	int running, left;
	curl_multi_perform(s->multi, &running);
	CURLMsg *msg;
	while ((msg = curl_multi_info_read(s->multi, &left))) {
		struct slot *slot = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
		finish(slot, msg->data.result);
	}
}

void sender_wait(struct sender *s, int64_t max_us)
{
	int64_t ms = (MIN_OF(max_us, TIMES_HOUR) + TIMES_MS - 1) / TIMES_MS;
	curl_multi_poll(s->multi, NULL, 0, (int)ms, NULL);
}

void sender_wake(struct sender *s)
{
	curl_multi_wakeup(s->multi);
}

bool sender_take(struct sender *s, struct sender_result *ret)
{
	for (size_t i = 0; i < s->nslots; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->used && slot->done) {
			*ret = slot->result;
			slot_end(s, slot);
			return true;
		}
	}
	return false;
}

size_t sender_in_flight(const struct sender *s)
{
	return s->in_flight;
}

void sender_cancel(struct sender *s, void (*gone)(void *user, void *arg), void *arg)
{
	for (size_t i = 0; i < s->nslots; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->used) {
			slot_end(s, slot);
			gone(slot->result.user, arg);
		}
	}
}

/* ---- URLs ---- */

static int check_parts(const char *scheme, const char *host, bool allow_http, struct err *e)
{
	if (strcmp(scheme, "https") == 0)
		return 0;
	if (strcmp(scheme, "http") != 0)
		return err_set(e, -EINVAL, "the URL's scheme is %.20s: expected https", scheme);
	if (allow_http || guard_is_loopback(host))
		return 0;
	return err_set(e, -EINVAL,
		       "plain http to another machine: expected https, or notify.allow_http");
}

static bool port_ok(const char *port)
{
	int64_t n;
	return !slice_to_i64(slice_of(port), &n) && (n == 80 || n == 443 || n > 1023);
}

int sender_check_url(const char *url, bool allow_http, struct err *e, bool *ret_literal)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	CURLU *u = curl_url();
	if (!u)
		return -ENOMEM;
	int rc = 0;
	*ret_literal = false;
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) || !host[0])
		rc = err_set(e, -EINVAL, "not a URL: expected https://host/path");
	else
		rc = check_parts(scheme, host, allow_http, e);
	if (!rc && (curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) || !port_ok(port)))
		rc = err_set(e, -EINVAL, "the URL's port: expected 80, 443 or 1024 to 65535");
	if (!rc)
		*ret_literal = guard_is_literal(host);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return rc;
}
