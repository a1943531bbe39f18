#include "log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "times.h"

#define LINE_MAX_BYTES 8192
#define VALUE_MAX_BYTES 1024

static _Atomic int log_level = LOG_INFO;

const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

static bool needs_quotes(struct slice s)
{
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
			return true;
	}
	return false;
}

static void put_quoted(struct buf *b, struct slice s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_puts(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

static void put_value(struct buf *b, const struct log_kv *kv)
{
	if (kv->kind == LOG_KV_INT) {
		buf_printf(b, "%lld", (long long)kv->i);
		return;
	}
	if (kv->kind == LOG_KV_DBL) {
		buf_printf(b, "%g", kv->d);
		return;
	}
	struct slice s = {kv->s.p, MIN_OF(kv->s.n, (size_t)VALUE_MAX_BYTES)};
	if (needs_quotes(s))
		put_quoted(b, s);
	else
		buf_put_slice(b, s);
}

void log_write(enum log_level level, const char *mod, const struct log_kv *kv, size_t n)
{
	if ((int)level > atomic_load(&log_level))
		return;
	char ts[TIMES_RFC3339_MAX];
	times_format(times_now_us(), ts);
	auto_buf struct buf b;
	buf_init(&b, LINE_MAX_BYTES);
	buf_printf(&b, "ts=%s level=%s mod=%s", ts, log_level_names[level], mod);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, " %s=", kv[i].key);
		put_value(&b, &kv[i]);
	}
	b.failed = false; /* a line that was cut is still a line */
	b.max++;
	buf_putc(&b, '\n');
	if (fd_write_all(STDERR_FILENO, b.p, b.n))
		return; /* nobody to tell */
}

bool log_repeat_due(struct log_repeat *r, int64_t now_us)
{
	if (r->gap_us && now_us < r->next_us) {
		r->held++;
		return false;
	}
	r->gap_us = r->gap_us ? MIN_OF(r->gap_us * 2, 300 * TIMES_SEC) : 2 * TIMES_SEC;
	r->next_us = now_us + r->gap_us;
	r->held = 0;
	return true;
}

bool log_repeat_over(struct log_repeat *r)
{
	bool was = r->gap_us != 0;
	*r = (struct log_repeat){0};
	return was;
}

void url_redact(struct slice url, struct buf *out)
{
	size_t end = 0, path = url.n;
	while (end < url.n && url.p[end] != '?' && url.p[end] != '#')
		end++;
	size_t host = 0;
	for (size_t i = 0; i + 2 < end; i++) {
		if (memcmp(url.p + i, "://", 3) == 0) {
			host = i + 3;
			break;
		}
	}
	for (size_t i = host; i < end; i++) {
		if (url.p[i] == '/') {
			path = i;
			break;
		}
	}
	size_t auth_end = MIN_OF(path, end), from = host;
	for (size_t i = host; i < auth_end; i++)
		if (url.p[i] == '@')
			from = i + 1;
	buf_put(out, url.p, host);
	buf_put(out, url.p + from, end - from);
	if (end < url.n)
		buf_puts(out, "?…");
}
