#include "look_http.h"

#include "times.h"

#define CHUNK_LINE_MAX 256
#define CHUNK_MAX ((int64_t)1 << 40)

static int ask(struct look_http *h, const struct look_url *u, struct look_answer *ret)
{
	auto_buf struct buf more;
	struct look_auth offered;
	buf_init(&more, 4096);
	buf_puts(&more, "Host: ");
	look_url_authority(u, &more);
	buf_puts(&more, "\r\nAccept: */*\r\nConnection: close\r\n");
	int r = look_talk_say(&h->talk, "GET", u->path, buf_str(&more));
	offered = h->talk.auth;
	look_auth_reset(&h->talk.auth);
	if (!r)
		r = look_talk_hear(&h->talk, "", ret);
	if (h->talk.auth.kind == LOOK_AUTH_NONE)
		h->talk.auth = offered;
	return r;
}

/* The server closes after each answer, so that whoever asks again connects again. */
static int ask_twice(struct look_http *h, struct look_run *run, const struct look_url *u, bool own,
		     struct look_answer *ret)
{
	for (int tried = 0;; tried++) {
		int r = look_io_open(&h->talk.io, run, u, own);
		if (!r)
			r = ask(h, u, ret);
		if (r)
			return r;
		if (ret->status != 401 || !u->login || h->talk.auth.kind == LOOK_AUTH_NONE ||
		    tried > (h->talk.auth.stale ? 1 : 0))
			return 0;
		look_io_close(&h->talk.io);
	}
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static int date_parse(const char *text, int64_t *ret_us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char iso[TIMES_RFC3339_MAX], month[4] = "";
	if (strlen(text) != 29)
		return -EINVAL;
	memcpy(month, text + 8, 3);
	const char *at = strstr(months, month);
	snprintf(iso, sizeof iso, "%.4s-%02d-%.2sT%.8sZ", text + 12,
		 at ? (int)(at - months) / 3 + 1 : 0, text + 5, text + 17);
	return times_parse(slice_of(iso), ret_us);
}

static int64_t age_of(const struct look_answer *a)
{
	int64_t now, then;
	if (date_parse(a->date, &now) || date_parse(a->modified, &then) || then > now)
		return -1;
	return now - then;
}

int look_http_open(struct look_http *h, struct look_run *run, const struct look_url *u, bool own)
{
	struct look_answer a;
	*h = (struct look_http){.talk = {.url = u, .protocol = "HTTP/1.1", .io = {.fd = -1}}};
	int r = ask_twice(h, run, u, own, &a);
	if (!r && a.status != 200)
		r = look_talk_refused(&h->talk, &a, "GET");
	if (r)
		return r;
	h->chunked = a.chunked;
	h->left = a.chunked ? 0 : a.length;
	h->age_us = age_of(&a);
	look_step(run, PROBE_AUTHORISED);
	return 0;
}

static int bad_chunk(struct look_http *h)
{
	return look_fail(h->talk.io.run, PROBE_OFFLINE, PROBE_BAD_DATA, -EBADMSG,
			 "a chunk without a length");
}

/* Also the line end behind the chunk before. */
static int next_chunk(struct look_http *h, bool first)
{
	char line[CHUNK_LINE_MAX], *end;
	int r = 0;
	if (!first)
		r = look_io_line(&h->talk.io, line, sizeof line);
	if (!r)
		r = look_io_line(&h->talk.io, line, sizeof line);
	if (r)
		return r;
	errno = 0;
	long long n = strtoll(line, &end, 16);
	if (end == line || errno || n < 0 || n > CHUNK_MAX || (*end && !strchr("; ", *end)))
		return bad_chunk(h);
	h->left = n;
	h->ended = n == 0;
	return 0;
}

ssize_t look_http_read(struct look_http *h, void *p, size_t n)
{
	if (h->ended || (!h->chunked && h->left == 0))
		return 0;
	if (h->chunked && h->left <= 0) {
		int r = next_chunk(h, h->left == 0);
		if (r || h->ended)
			return r;
	}
	if (h->left > 0 && (int64_t)n > h->left)
		n = (size_t)h->left;
	ssize_t got = look_io_some(&h->talk.io, p, n);
	if (got < 0)
		return got;
	if (got == 0 && h->left > 0)
		return look_fail_closed(h->talk.io.run, 0);
	h->ended = got == 0;
	if (h->left > 0)
		h->left -= got;
	if (h->chunked && h->left == 0)
		h->left = -1; /* its line end comes first */
	return got;
}

int look_http_rest(struct look_http *h, bool cut, struct buf *out)
{
	for (;;) {
		size_t room = MIN_OF(out->max - out->n, (size_t)LOOK_IO_BYTES);
		if (room <= 1) {
			if (cut)
				return 0;
			return look_fail(h->talk.io.run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
					 "a body of more than %zu bytes", out->max - 1);
		}
		if (!buf_reserve(out, room - 1))
			return look_fail_own(h->talk.io.run, ENOMEM, "body");
		ssize_t r = look_http_read(h, out->p + out->n, room - 1);
		if (r <= 0)
			return (int)r;
		out->n += (size_t)r;
		out->p[out->n] = 0;
	}
}

void look_http_close(struct look_http *h)
{
	look_io_close(&h->talk.io);
}
