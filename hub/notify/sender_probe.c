#include "sender_probe.h"

#include <curl/curl.h>

#include "times.h"

#define AT_ONCE 32

struct asking {
	struct sender_probe *probe;
	struct err forbidden;
	char errbuf[CURL_ERROR_SIZE];
};

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct asking *q = arg;
	(void)purpose;
	if (guard_check(q->probe->guard, &a->addr, a->addrlen, &q->forbidden))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static CURL *start(CURLM *multi, struct asking *q, int64_t timeout_us)
{
	struct sender_probe *p = q->probe;
	CURL *c = curl_easy_init();
	if (!c)
		return NULL;
	curl_easy_setopt(c, CURLOPT_URL, p->url);
	curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_SSL_ENABLE_ALPN, 0L); /* it need not speak HTTP */
	curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_us / TIMES_MS));
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_us / TIMES_MS));
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, q->errbuf);
	curl_easy_setopt(c, CURLOPT_PRIVATE, q);
	if (p->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, p->ca_file);
	if (p->cert_file) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, p->cert_file);
		curl_easy_setopt(c, CURLOPT_SSLKEY, p->key_file);
	}
	if (p->guard) {
		curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, q);
	}
	if (curl_multi_add_handle(multi, c)) {
		curl_easy_cleanup(c);
		return NULL;
	}
	return c;
}

/* Of the server's own certificate, the first of the chain. */
static void take_certificate(CURL *c, struct sender_probe *p)
{
	struct curl_certinfo *info = NULL;
	if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &info) || !info || info->num_of_certs < 1)
		return;
	for (struct curl_slist *s = info->certinfo[0]; s; s = s->next)
		if (slice_starts(slice_of(s->data), "Cert:"))
			snprintf(p->certificate, sizeof p->certificate, "%s", s->data + 5);
}

static void finish(CURL *c, CURLcode code)
{
	struct asking *q = NULL;
	char *address = NULL;
	curl_easy_getinfo(c, CURLINFO_PRIVATE, (char **)&q);
	struct sender_probe *p = q->probe;
	p->asked = true;
	p->connected = code == CURLE_OK;
	if (code != CURLE_OK)
		snprintf(p->why, sizeof p->why, "%.250s",
			 q->forbidden.msg[0] ? q->forbidden.msg
			 : q->errbuf[0]	     ? q->errbuf
					     : curl_easy_strerror(code));
	if (!curl_easy_getinfo(c, CURLINFO_PRIMARY_IP, &address) && address)
		snprintf(p->address, sizeof p->address, "%s", address);
	take_certificate(c, p);
}

/* The connections under way; a slot is free when its handle is NULL. */
struct round {
	CURLM *multi;
	CURL *easy[AT_ONCE];
	struct asking asking[AT_ONCE];
	size_t running;
};

static void fill(struct round *r, struct sender_probe *list, size_t n, size_t *next,
		 int64_t timeout_us)
{
	for (size_t i = 0; i < AT_ONCE && *next < n; i++) {
		if (r->easy[i])
			continue;
		r->asking[i] = (struct asking){.probe = &list[(*next)++]};
		r->easy[i] = start(r->multi, &r->asking[i], timeout_us);
		r->running += r->easy[i] != NULL;
	}
}

static void end_one(struct round *r, CURL *c)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (r->easy[i] == c)
			r->easy[i] = NULL;
	curl_multi_remove_handle(r->multi, c);
	curl_easy_cleanup(c);
	r->running--;
}

static void step(struct round *r)
{
	int running, left;
	CURLMsg *msg;
	curl_multi_perform(r->multi, &running);
	while ((msg = curl_multi_info_read(r->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURL *c = msg->easy_handle;
		finish(c, msg->data.result);
		end_one(r, c);
	}
}

int sender_probe(struct sender_probe *list, size_t n, int64_t timeout_us)
{
	struct round r = {0};
	size_t next = 0;
	int64_t deadline = times_mono_us() + timeout_us;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return -ENOMEM;
	r.multi = curl_multi_init();
	if (!r.multi) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	while ((next < n || r.running) && times_mono_us() < deadline) {
		fill(&r, list, n, &next, timeout_us / 2);
		step(&r);
		if (r.running)
			curl_multi_poll(r.multi, NULL, 0, 100, NULL);
	}
	for (size_t i = 0; i < AT_ONCE; i++)
		if (r.easy[i])
			end_one(&r, r.easy[i]);
	curl_multi_cleanup(r.multi);
	curl_global_cleanup();
	return 0;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	(void)one;
	buf_put(arg, p, n);
	return n;
}

int sender_get(const char *url, int64_t timeout_us, int *ret_status, struct buf *out, struct err *e)
{
	char errbuf[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURL *c = curl_easy_init();
	if (!c)
		return -ENOMEM;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_us / TIMES_MS));
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, errbuf);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	CURLcode code = curl_easy_perform(c);
	if (code)
		err_set(e, -EIO, "%s", errbuf[0] ? errbuf : curl_easy_strerror(code));
	else
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	*ret_status = (int)status;
	return 0;
}
