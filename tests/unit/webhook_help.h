/* What the tests of webhook dialects share: an alert, composing it, looking into what came of it.
 */
#ifndef GRIDHUB_TEST_WEBHOOK_HELP_H
#define GRIDHUB_TEST_WEBHOOK_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapters/webhook/text.h"

#define AT_US INT64_C(1700000000000000) /* 2023-11-14T22:13:20Z */
#define NOW_US (AT_US + 5000000)

/* Of a device whose name tries everything. */
#define EVIL                                                                                     \
	"<at id=all></at> <!channel> <@U1> @all **b** [x](https://evil.example/) `c` #h {text} " \
	"&lt;at&gt; \\u0022 \\\" ~s~ _i_ |t| \\u202e\\n# head\\n- list\\n> quote"

static const char alert_text[] =
	"{\"case\":{\"id\":7,\"kind\":\"event-0192\",\"kind_name\":\"垃圾满溢\",\"severity\":"
	"\"high\","
	"\"rule\":\"bin.full\",\"title\":\"3号楼垃圾箱已满 91%\","
	"\"opened_at\":\"2023-11-14T22:13:20.000000Z\",\"event_count\":1},"
	"\"grid\":{\"code\":\"qx-yh-1\",\"name\":\"第一社区\",\"leader\":\"周主任\",\"deputy\":"
	"\"\"},"
	"\"device\":{\"id\":\"bin-1\",\"class\":\"bin\",\"title\":\"3号楼垃圾箱\"},"
	"\"fields\":{\"fill_pct\":91.256,\"overflow\":true,\"note\":null},"
	"\"text\":\"【重要】3号楼垃圾箱已满 91%\\n网格：第一社区\\n设备：3号楼垃圾箱\"}";

static const char evil_text[] =
	"{\"case\":{\"id\":7,\"kind\":\"" EVIL "\",\"severity\":\"urgent\",\"rule\":\"" EVIL
	"\",\"title\":\"" EVIL "\",\"opened_at\":\"" EVIL "\",\"event_count\":1},"
	"\"grid\":{\"code\":\"" EVIL "\",\"name\":\"" EVIL "\",\"leader\":\"" EVIL "\"},"
	"\"device\":{\"id\":\"" EVIL "\",\"class\":\"" EVIL "\",\"title\":\"" EVIL "\"},"
	"\"fields\":{\"" EVIL "\":\"" EVIL "\"},\"text\":\"" EVIL "\\n" EVIL "\"}";

static inline struct json *help_json(struct slice text)
{
	static const struct json_limits limits = {.max_bytes = 1 << 21, .max_depth = 64};
	struct err e = {0};
	struct json *v = NULL;
	if (json_parse(text, &limits, &e, &v))
		fail_msg("%s: %.*s", e.msg, SL_FMT(text));
	return v;
}

static inline const struct webhook_adapter *help_adapter(const char *name)
{
	const struct webhook_adapter *a = webhook_adapter_find(slice_of(name));
	if (!a)
		fail_msg("no dialect %s", name);
	return a;
}

/* compose() of the dialect; what it returns. */
static inline int help_compose(const char *dialect, const struct webhook_target *t,
			       const char *event, const char *alert, const char *case_url,
			       struct webhook_request *r, struct err *e)
{
	auto_json struct json *a = help_json(slice_of(alert));
	struct webhook_message m = {.id = SL("msg-1"),
				    .event = slice_of(event),
				    .alert = a,
				    .case_url = slice_of(case_url),
				    .at_us = AT_US,
				    .now_us = NOW_US};
	webhook_request_init(r);
	return help_adapter(dialect)->compose(t, &m, r, e);
}

/* As JSON; the caller frees it. */
static inline struct json *help_body(const char *dialect, const struct webhook_target *t,
				     const char *event, const char *alert, const char *case_url)
{
	auto_call(webhook_request_done) struct webhook_request r;
	struct err e = {0};
	if (help_compose(dialect, t, event, alert, case_url, &r, &e))
		fail_msg("%s: %s", dialect, e.msg);
	return help_json(buf_slice(&r.body));
}

/* "a.b.0.c" in v; empty when there is no such text. */
static inline struct slice help_text(const struct json *v, const char *path)
{
	struct slice rest = slice_of(path), part;
	while (v && slice_cut(&rest, '.', &part)) {
		int64_t i;
		auto_free char *key = slice_dup(part);
		v = slice_to_i64(part, &i) ? json_get(v, key) : json_at(v, (size_t)i);
	}
	return json_str(v);
}

static inline void help_is(const struct json *v, const char *path, const char *want)
{
	struct slice got = help_text(v, path);
	if (!slice_is(got, want))
		fail_msg("%s: \"%.*s\" where \"%s\" was expected", path, SL_FMT(got), want);
}

static inline bool help_has(struct slice s, const char *part)
{
	return s.n && memmem(s.p, s.n, part, strlen(part));
}

static inline struct slice help_header(const struct webhook_request *r, const char *name)
{
	struct slice rest = buf_slice(&r->headers), line, key;
	while (slice_cut(&rest, '\n', &line))
		if (memchr(line.p, ':', line.n) && slice_cut(&line, ':', &key) &&
		    slice_is(key, name))
			return slice_trim(line);
	return (struct slice){0};
}

#endif
