#include "worker_hello.h"

#include "crypto.h"
#include "json.h"
#include "worker.h"

void worker_hello_write(const struct worker_hello *h, struct buf *out)
{
	buf_printf(out,
		   "{\"threads\":%d,\"memory_bytes\":%lld,\"any_address\":%s,\"tls_verify\":%s",
		   h->threads, (long long)h->memory_bytes, h->limits.any_address ? "true" : "false",
		   h->limits.tls_verify ? "true" : "false");
	json_put_key(out, "ca_file");
	json_put_str(out, slice_of(h->limits.ca_file));
	/* The ranges as they lie in memory: both ends are one binary on one machine. */
	json_put_key(out, "allowed");
	buf_putc(out, '"');
	base64_put(out, (struct slice){(const char *)h->limits.guard.allowed,
				       h->limits.guard.n * sizeof(struct guard_range)});
	buf_puts(out, "\"}");
}

static int get_ranges(struct slice text, struct arena *arena, struct guard *ret)
{
	auto_buf struct buf bytes;
	buf_init(&bytes, GUARD_RANGES_MAX * sizeof(struct guard_range));
	if (base64_decode(text, &bytes) || bytes.failed || bytes.n % sizeof(struct guard_range))
		return -EINVAL;
	*ret = (struct guard){0};
	if (!bytes.n)
		return 0;
	ret->allowed = arena_alloc(arena, bytes.n);
	if (!ret->allowed)
		return -ENOMEM;
	memcpy(ret->allowed, bytes.p, bytes.n);
	ret->n = bytes.n / sizeof(struct guard_range);
	return 0;
}

int worker_hello_parse(struct slice line, struct arena *arena, struct worker_hello *ret,
		       struct err *e)
{
	static const struct json_limits limits = {.max_bytes = WORKER_HELLO_MAX, .max_depth = 1};
	auto_json struct json *root = NULL;
	int r = json_parse(line, &limits, e, &root);
	if (r)
		return r;
	int64_t threads = json_int(json_get(root, "threads"));
	const struct json *ca = json_get(root, "ca_file"), *allowed = json_get(root, "allowed");
	if (threads < 1 || threads > WORKER_THREADS_MAX || !ca || !allowed)
		return err_set(e, -EINVAL, "not what a pool says first");
	struct worker_hello h = {.threads = (int)threads,
				 .memory_bytes = json_int(json_get(root, "memory_bytes")),
				 .limits = {.any_address = json_bool(json_get(root, "any_address")),
					    .tls_verify = json_bool(json_get(root, "tls_verify"))}};
	struct slice path = json_str(ca);
	if (path.n && !(h.limits.ca_file = arena_copy(arena, path).p))
		return err_set(e, -ENOMEM, "no memory");
	r = get_ranges(json_str(allowed), arena, &h.limits.guard);
	if (r)
		return err_set(e, r, "the ranges of addresses are broken");
	*ret = h;
	return 0;
}
