/* First byte: dialect and what the rest is: an answer, a template, or an alert. No answer may break
 * an adapter, no template its parser; what comes of an alert is JSON and of the size it may have.
 */
#include "adapters/webhook/text.h"

#include <assert.h>

#define KEY "0123456789abcdef0123456789abcdef"
#define WHSEC "whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct json_limits wide = {.max_bytes = 1 << 20, .max_depth = 64};

static void answer(const struct webhook_adapter *a, struct slice body)
{
	for (int status = 100; status < 600; status += 50) {
		struct webhook_answer res = {0};
		enum webhook_verdict v = a->classify(status, body, &res);
		assert(res.why && res.wait_us >= 0);
		assert(v != WEBHOOK_ACCEPTED || (status >= 200 && status < 300));
	}
}

static struct webhook_target target_of(const struct webhook_adapter *a)
{
	struct webhook_target t = {.url = SL("https://h/send/message?key=K&access_token=T")};
	if (slice_is(SL("gotify"), a->name) || slice_is(SL("ntfy"), a->name))
		t.url = SL("https://h/message");
	if (slice_is(SL("standard"), a->name))
		t.secret[t.nsecrets++] = SL(WHSEC);
	else if (slice_is(SL("template"), a->name))
		t.secret[t.nsecrets++] = SL("X-Key: k");
	else if (!slice_is(SL("slack"), a->name))
		t.secret[t.nsecrets++] = SL(KEY);
	return t;
}

static void send(const struct webhook_adapter *a, const struct webhook_target *t,
		 const struct json *alert)
{
	static const char *const events[] = {"case.opened", "case.recovered", "test"};
	for (size_t i = 0; i < COUNT_OF(events); i++) {
		struct err e;
		auto_call(webhook_request_done) struct webhook_request r;
		auto_json struct json *body = NULL;
		struct webhook_message m = {.id = SL("i"),
					    .event = slice_of(events[i]),
					    .alert = alert,
					    .case_url = i ? SL("https://h/7") : (struct slice){0}};
		webhook_request_init(&r);
		if (a->compose(t, &m, &r, &e))
			continue;
		assert(r.body.n <= WEBHOOK_BODY_MAX && r.headers.p[r.headers.n - 1] == '\n');
		if (json_parse(buf_slice(&r.body), &wide, &e, &body))
			abort();
	}
}

static void template(const struct webhook_adapter *a, struct slice text)
{
	struct err e;
	struct webhook_text *t = NULL;
	struct webhook_target target = target_of(a);
	auto_json struct json *alert = NULL;
	if (!slice_utf8_ok(text, NULL) ||
	    webhook_text_parse(text, a->takes == WEBHOOK_BODY_TEMPLATE, &e, &t))
		return;
	target.text = t;
	if (json_parse(SL("{\"text\":\"\\\"<@all>\\n#\",\"case\":{\"id\":7,\"title\":\"\\\\\"}}"),
		       &wide, &e, &alert))
		abort();
	if (!a->check(&target, &e))
		send(a, &target, alert);
	webhook_text_free(t);
}

static void alert(const struct webhook_adapter *a, struct slice text)
{
	struct err e;
	auto_json struct json *alert = NULL;
	struct webhook_text *own = NULL;
	struct webhook_target t = target_of(a);
	if (json_parse(text, &wide, &e, &alert) || json_kind(alert) != JSON_K_OBJECT)
		return;
	if (a->takes == WEBHOOK_BODY_TEMPLATE &&
	    webhook_text_parse(SL("{\"a\":\"{text}{case.title}\",\"b\":{alert|json}}"), true, &e,
			       &own))
		abort();
	t.text = own;
	if (a->check(&t, &e))
		abort();
	send(a, &t, alert);
	webhook_text_free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const parts[])(const struct webhook_adapter *,
				     struct slice) = {answer, template, alert};
	size_t adapters = 0;
	while (webhook_adapters[adapters])
		adapters++;
	if (n < 1)
		return 0;
	struct slice rest = {(const char *)data + 1, n - 1};
	parts[data[0] / adapters % COUNT_OF(parts)](webhook_adapters[data[0] % adapters], rest);
	return 0;
}
