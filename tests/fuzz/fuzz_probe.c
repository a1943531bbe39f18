/* Lines of a process that looks at streams, as one that was taken over may write them; and requests
 * (first byte 'q'). What is taken comes back the same when it is written and read again. */
#include <assert.h>

#include "probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void result(struct slice line)
{
	auto_buf struct buf once, twice;
	struct probe_result r, again;
	struct err e = {0};
	buf_init(&once, PROBE_LINE_MAX);
	buf_init(&twice, PROBE_LINE_MAX);
	if (!probe_result_parse(line, &r, &e)) {
		probe_result_write(&r, &once);
		int rc = probe_result_parse(buf_slice(&once), &again, &e);
		assert(rc == 0);
		probe_result_write(&again, &twice);
		assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
		assert(r.picture.n <= PROBE_BLOCKS_MAX && r.snapshot_len <= PROBE_SNAPSHOT_MAX);
		probe_result_done(&again);
	} else {
		assert(e.msg[0] && !r.snapshot);
	}
	probe_result_done(&r);
}

static void request(struct slice line)
{
	auto_buf struct buf once;
	auto_arena struct arena arena;
	struct probe_request q, again;
	struct err e = {0};
	arena_init(&arena, 16 << 10);
	buf_init(&once, PROBE_LINE_MAX);
	if (probe_request_parse(line, &arena, &q, &e))
		return;
	probe_request_write(&q, &once);
	int rc = probe_request_parse(buf_slice(&once), &arena, &again, &e);
	assert(rc == 0 && strcmp(q.url, again.url) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n && data[0] == 'q')
		request((struct slice){(const char *)data + 1, n - 1});
	else
		result((struct slice){(const char *)data, n});
	return 0;
}
