/* Any bytes as a baseline's text, then looks of any values: what is loaded is said again, shorter
 * than its limit, and each reading is an object of JSON. The first 24 bytes are the looks. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "json.h"
#include "times.h"

#define LOOKS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_text(struct baseline *b)
{
	char first[BASELINE_BYTES_MAX + 1] = "";
	auto_buf struct buf text, again;
	buf_init(&text, BASELINE_BYTES_MAX);
	buf_init(&again, BASELINE_BYTES_MAX);
	baseline_json(b, &text);
	assert(!text.failed);
	memcpy(first, text.p, text.n);
	int r = baseline_load(b, buf_slice(&text));
	assert(r == 0);
	baseline_json(b, &again);
	assert(slice_is(buf_slice(&again), first));
}

static void look(struct baseline *b, uint8_t what, int64_t at_us)
{
	struct probe_result r;
	probe_result_init(&r);
	double v = what % 7 == 0 ? 0 : what * (what & 64 ? 1e12 : 0.7);
	r.state = what % 11 == 0 ? PROBE_OFFLINE : PROBE_ONLINE;
	r.depth = (enum probe_depth)(what % 4);
	r.stream = (struct probe_stream){.width = what * 8,
					 .height = what,
					 .fps = v,
					 .gop = v,
					 .bitrate_kbps = v,
					 .i_per_mb = v,
					 .p_tail_per_mb = v,
					 .ts_jump_s = v,
					 .keyframe_hash = what % 5};
	memset(r.stream.codec, what & 32 ? 'x' : 0, sizeof(r.stream.codec) - 1);
	r.picture = (struct probe_picture){.mean = v,
					   .sd = v,
					   .flat_pct = v,
					   .sharpness = v,
					   .noise = v,
					   .dhash = what * UINT64_C(0x0101010101010101),
					   .cols = 32,
					   .rows = (uint16_t)(what % 33),
					   .n = (uint16_t)(32 * (what % 33))};
	memset(r.picture.block, what, sizeof(r.picture.block));
	auto_buf struct buf fields;
	auto_json struct json *o = NULL;
	static const struct json_limits limits = {.max_bytes = 16 << 10, .max_depth = 2};
	bool changed;
	buf_init(&fields, 16 << 10);
	baseline_judge(b, &r, at_us, what & 128, what & 16, &fields, &changed);
	int parsed = json_parse(buf_slice(&fields), &limits, NULL, &o);
	assert(parsed == 0 && json_kind(o) == JSON_K_OBJECT);
	probe_result_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < LOOKS)
		return 0;
	struct baseline *b = baseline_new();
	if (!b)
		abort();
	int r = baseline_load(b, (struct slice){(const char *)data + LOOKS, n - LOOKS});
	assert(r == 0 || r == -EINVAL || r == -ENOMEM);
	check_text(b);
	for (size_t i = 0; i < LOOKS; i++) {
		look(b, data[i], (int64_t)i * 7 * TIMES_MIN);
		check_text(b);
	}
	baseline_free(b);
	return 0;
}
