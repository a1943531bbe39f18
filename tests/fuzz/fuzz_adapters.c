/* First byte: adapter and retained; then topic, NUL, payload. No message may break an adapter. */
#include "adapters/device/adapter.h"
#include "json.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct readings *all)
{
	auto_buf struct buf b;
	buf_init(&b, 32 * 1024 * 1024);
	assert(all->n <= READINGS_MAX && all->arena.used <= READING_ARENA_MAX);
	for (size_t i = 0; i < all->n; i++) {
		const struct reading *r = &all->v[i];
		assert(r->address.n && r->address.n <= READING_ADDRESS_MAX);
		assert(r->nfields <= READING_MAX_FIELDS);
		for (size_t f = 0; f < r->nfields; f++)
			if (r->fields[f].v.type == VALUE_DOUBLE)
				assert(isfinite(r->fields[f].v.d));
		struct err e;
		auto_json struct json *doc = NULL;
		const struct json_limits wide = {.max_bytes = 32 * 1024 * 1024, .max_depth = 3};
		buf_reset(&b);
		reading_json(r, &b);
		if (b.failed || json_parse(buf_slice(&b), &wide, &e, &doc))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t adapters = 0;
	while (device_adapters[adapters])
		adapters++;
	if (n < 3)
		return 0;
	const char *topic = (const char *)data + 1, *end = memchr(topic, 0, n - 1);
	if (!end || end == topic)
		return 0;
	size_t topic_n = (size_t)(end - topic);
	struct device_message m = {.topic = {topic, topic_n},
				   .payload = {end + 1, n - topic_n - 2},
				   .recv_us = 1763758800000000,
				   .retained = data[0] & 0x80};
	if (!slice_utf8_ok(m.topic, NULL))
		return 0; /* the caller's part of the contract */
	struct readings all;
	struct err e = {0};
	readings_init(&all);
	if (device_adapters[(data[0] & 0x7f) % adapters]->decode(&m, &all, &e))
		assert(e.msg[0]);
	else
		check(&all);
	readings_done(&all);
	return 0;
}
