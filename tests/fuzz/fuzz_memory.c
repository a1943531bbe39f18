/* Any bytes as the memory of a device, sealed so that they get past its hash: refused, or taken;
 * what was taken is judged with, saved, and taken again. */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "rule_run.h"
#include "times.h"

#define SEAL 0x474D

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct grid grid = {.id = 7, .code = "g", .name = "g"};
static const struct device device = {.id = 1,
				     .name = "s-1",
				     .adapter = "hub",
				     .address = "s-1",
				     .class = CLASS_SENSOR,
				     .grid = &grid};

static const char pack[] =
	"rules:\n"
	"  - {id: a, when: \"avg(t, '10m') > 1.0 || min(t, '1h') > 1.0\", kind: x, title: {zh-CN: "
	"t}}\n"
	"  - {id: b, when: \"count(t, '10m') > 1 || max(t, '1s') > 1.0\", kind: x, title: {zh-CN: "
	"t}}\n"
	"  - {id: c, when: \"stddev(t, '1d') > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: d, when: \"rate(t, '31d') > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: e, when: \"avg(t, 7) > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: f, when: \"rate(t, 32) > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: g, when: \"percentile(t, 50, '5m') > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: h, when: \"devices(t > 1.0, '5m') > 1\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: i, when: \"prev.t > 1.0 && last.t > 1.0\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: k, when: \"prev.w == 'word' && last.w != 'x'\", kind: x, title: {zh-CN: t}}\n"
	"  - {id: j, when: age.t > duration('5m'), kind: x, title: {zh-CN: t}}\n";

static struct rules *load(void)
{
	static struct rules *set;
	char dir[] = "/tmp/fuzz_memory.XXXXXX", path[64];
	struct rule_report report;
	if (set)
		return set;
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fputs(pack, f);
	fclose(f);
	rule_report_init(&report);
	int r = rules_load(dir, &report, &set);
	assert(r == 0);
	rule_report_done(&report);
	unlink(path);
	rmdir(dir);
	return set;
}

static struct rule_states *start(void)
{
	struct rule_states *s = rule_states_new();
	int r = s ? rule_states_use(s, load(), NULL, NULL) : -ENOMEM;
	assert(r == 0);
	return s;
}

static int take_again(void *ctx, const struct device *d, struct slice data)
{
	struct rule_states *s = start();
	struct buf *keep = ctx;
	int r = rule_states_restore_memory(s, d, data, true);
	assert(r == 0);
	rule_states_free(s);
	buf_reset(keep);
	buf_put_slice(keep, data);
	return 0;
}

static void judge(struct rule_states *s, struct buf *keep)
{
	struct readings all;
	struct reading *r = NULL;
	uint64_t from_seq;
	int bad = 0;
	readings_init(&all);
	for (int i = 0; i < 4; i++) {
		int64_t at_us = i * TIMES_HOUR;
		readings_reset(&all);
		bad |= readings_add(&all, SL("s-1"), &r);
		bad |= reading_put(&all, r, SL("t"), VALUE_OF_DOUBLE(i));
		bad |= reading_put(&all, r, SL("w"), VALUE_OF_STR(SL("word")));
		rule_states_at(s, (uint64_t)i + 1, at_us);
		bad |= rule_states_eval(s, &device, r, at_us, NULL, NULL);
	}
	bad |= rule_states_tick(s, 40 * TIMES_DAY, NULL, NULL);
	bad |= rule_states_take_memory(s, INT64_MAX, 1, take_again, keep, &from_seq);
	assert(!bad);
	readings_done(&all);
}

/* A memory as it is saved, without its seal. */
static struct slice genuine(void)
{
	static struct buf b;
	if (!b.n) {
		struct rule_states *s = start();
		buf_init(&b, RULE_MEMORY_MAX);
		judge(s, &b);
		b.n -= 8;
		rule_states_free(s);
	}
	return buf_slice(&b);
}

static void try_one(struct slice data)
{
	auto_buf struct buf keep;
	struct rule_states *s = start();
	buf_init(&keep, RULE_MEMORY_MAX);
	int r = rule_states_restore_memory(s, &device, data, true);
	assert(r == 0 || r == -EINVAL);
	if (r == 0)
		judge(s, &keep);
	rule_states_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	auto_buf struct buf sealed;
	buf_init(&sealed, RULE_MEMORY_MAX);
	buf_put_slice(&sealed, genuine());
	for (size_t i = 0; i + 3 <= n; i += 3)
		sealed.p[(data[i] | (size_t)data[i + 1] << 8) % sealed.n] = (char)data[i + 2];
	buf_put_be64(&sealed, hash64(buf_slice(&sealed), SEAL));
	try_one(buf_slice(&sealed));
	try_one((struct slice){(const char *)data, n});
	return 0;
}
