/* Any bytes: parsed within the limits or refused with a reason; what is written reads back. */
#include "json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = {0};
	auto_json struct json *doc = NULL, *again = NULL;
	auto_buf struct buf b;
	buf_init(&b, 1024 * 1024);
	if (json_parse((struct slice){(const char *)data, n}, &json_device_limits, &e, &doc)) {
		assert(e.msg[0]);
		return 0;
	}
	json_put_value(&b, doc);
	assert(!b.failed);
	const struct json_limits wide = {.max_bytes = 1024 * 1024, .max_depth = 16};
	if (json_parse(buf_slice(&b), &wide, &e, &again))
		abort();
	buf_reset(&b);
	json_put_str(&b, (struct slice){(const char *)data, n});
	assert(slice_utf8_ok(buf_slice(&b), NULL));
	return 0;
}
