/* The dialects beside standard and the robots; and what holds for all of them. */
#include "webhook_help.h"

#include "times.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define WHSEC "whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ=="

static const char body_template[] = "{\"to\":\"x\",\"title\":\"{case.title}\",\"pct\":{fields.fill_"
				    "pct|json},\"raw\":{alert|json}}";

/* A target that the dialect takes; the caller frees its text. */
static struct webhook_target target_of(const struct webhook_adapter *a)
{
	static const struct {
		const char *dialect, *url, *secret;
	} all[] = {
		{"standard", "https://h/hook", WHSEC},
		{"cloudevents", "https://h/hook", "token"},
		{"alertmanager", "https://h/hook", NULL},
		{"wecom", "https://h/send?key=K", NULL},
		{"dingtalk", "https://h/send?access_token=T", "SEC1"},
		{"feishu", "https://h/hook/U", "s"},
		{"slack", "https://h/services/T/B/X", NULL},
		{"pagerduty", "https://h/v2/enqueue", KEY},
		{"ntfy", "https://h/topic", "tk_1"},
		{"gotify", "https://h/message", "A.1"},
		{"template", "https://h/x", "X-Api-Key: k"},
	};
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (strcmp(all[i].dialect, a->name) != 0)
			continue;
		struct webhook_target t = {.url = slice_of(all[i].url)};
		struct webhook_text *text = NULL;
		struct err e = {0};
		if (all[i].secret)
			t.secret[t.nsecrets++] = slice_of(all[i].secret);
		if (a->takes == WEBHOOK_BODY_TEMPLATE)
			assert_int_equal(webhook_text_parse(SL(body_template), true, &e, &text), 0);
		t.text = text;
		if (a->check(&t, &e))
			fail_msg("%s: %s", a->name, e.msg);
		return t;
	}
	fail_msg("no target for %s", a->name);
	return (struct webhook_target){0};
}

static void target_done(const struct webhook_target *t)
{
	webhook_text_free((struct webhook_text *)(uintptr_t)t->text);
}

/* ---- what holds for all ---- */

static void all_send_what_they_are_given(void **state)
{
	(void)state;
	static const char *const events[] = {"case.opened", "case.recurred", "case.recovered",
					     "test"};
	static const char *const alerts[] = {alert_text, evil_text,
					     "{\"test\":true,\"text\":\"t\"}", "{}"};
	for (size_t i = 0; webhook_adapters[i]; i++) {
		const struct webhook_adapter *a = webhook_adapters[i];
		struct webhook_target t = target_of(a);
		for (size_t k = 0; k < COUNT_OF(events) * COUNT_OF(alerts); k++) {
			auto_call(webhook_request_done) struct webhook_request r;
			struct err e = {0};
			t.lang = (int)(k & 1);
			if (help_compose(a->name, &t, events[k / COUNT_OF(alerts)],
					 alerts[k % COUNT_OF(alerts)],
					 k & 1 ? "https://hub/case/7" : "", &r, &e))
				fail_msg("%s: %s", a->name, e.msg);
			json_free(help_json(buf_slice(&r.body)));
			assert_true(slice_starts(help_header(&r, "Content-Type"), "application/"));
			assert_true(r.url.n >= strlen("https://h/"));
			assert_true(slice_ends(buf_slice(&r.headers), "\n"));
		}
		target_done(&t);
	}
}

/* What a name from outside wants is nowhere in what a program for people reads as markup. */
static void nothing_is_injected(void **state)
{
	(void)state;
	static const char *const markup[] = {"wecom", "dingtalk", "feishu", "slack"};
	static const char *const never[] = {"<at",     "<!",	"<@",	 "@all",  "**b**",
					    "[x](",    "`c`",	"~s~",	 "_i_ ",  "&lt;at&gt;",
					    "://evil", "\\n# ", "\\n- ", "\\n> ", "\xE2\x80\xAE"};
	for (size_t i = 0; i < COUNT_OF(markup); i++) {
		struct webhook_target t = target_of(help_adapter(markup[i]));
		auto_call(webhook_request_done) struct webhook_request r;
		struct err e = {0};
		assert_int_equal(help_compose(markup[i], &t, "case.opened", evil_text, "", &r, &e),
				 0);
		for (size_t k = 0; k < COUNT_OF(never); k++) {
			/* Slack's own escape of "&lt;" is "&amp;lt;"; of "<at", "&lt;at" */
			bool own = strcmp(markup[i], "slack") == 0 && never[k][0] == '&';
			/* The head of a card and of a notification is plain text. */
			bool plain = strcmp(markup[i], "feishu") == 0 ||
				     strcmp(markup[i], "dingtalk") == 0;
			auto_json struct json *b = help_json(buf_slice(&r.body));
			struct slice s = buf_slice(&r.body);
			if (strcmp(markup[i], "feishu") == 0)
				s = help_text(b, "card.elements.0.text.content");
			if (strcmp(markup[i], "dingtalk") == 0)
				s = help_text(b, "markdown.text");
			const char *what = never[k];
			if (plain && what[0] == '\\')
				what = k == 11 ? "\n# h" : k == 12 ? "\n- " : "\n> ";
			if (!own && help_has(s, what))
				fail_msg("%s: \"%s\" in %.*s", markup[i], what, SL_FMT(s));
		}
		target_done(&t);
	}
}

/* However long the texts are, the message is within what the receiver takes, and still JSON. */
static void long_alerts_are_cut(void **state)
{
	(void)state;
	static const struct {
		const char *dialect;
		size_t max;
	} limits[] = {{"wecom", 8300},	      {"dingtalk", 20000}, {"feishu", 20000},
		      {"standard", 20000},    {"slack", 16384},	   {"ntfy", 8192},
		      {"cloudevents", 65536}, {"gotify", 65536},   {"alertmanager", 65536},
		      {"pagerduty", 524288}};
	static const char *const fill[] = {"垃", "\\\"", "<", "\\n", "x", "𝄞"};
	for (size_t f = 0; f < COUNT_OF(fill); f++) {
		auto_buf struct buf alert;
		buf_init(&alert, 1 << 20);
		buf_puts(&alert, "{\"case\":{\"title\":\"t\"},\"fields\":{\"a\":\"");
		for (int i = 0; i < 60000; i++)
			buf_puts(&alert, fill[f]);
		buf_puts(&alert, "\"},\"text\":\"");
		for (int i = 0; i < 60000; i++)
			buf_puts(&alert, fill[f]);
		buf_puts(&alert, "\"}");
		for (size_t i = 0; i < COUNT_OF(limits); i++) {
			struct webhook_target t = target_of(help_adapter(limits[i].dialect));
			auto_call(webhook_request_done) struct webhook_request r;
			struct err e = {0};
			if (help_compose(limits[i].dialect, &t, "case.opened", buf_str(&alert),
					 "https://h/7", &r, &e))
				fail_msg("%s %s: %s", limits[i].dialect, fill[f], e.msg);
			assert_in_range(r.body.n, 1, limits[i].max);
			auto_json struct json *b = help_json(buf_slice(&r.body));
			assert_true(help_text(b, "markdown.content").n <= 4096); /* WeCom's */
			target_done(&t);
		}
	}
}

static void odd_answers_break_nothing(void **state)
{
	(void)state;
	static const struct slice answers[] = {
		{"", 0},	 {"ok", 2},
		{"\0\0", 2},	 {"{\"errcode\":1e999}", 17},
		{"{", 1},	 {"null", 4},
		{"[[[[[[", 6},	 {"{\"errcode\":null,\"code\":{}}", 27},
		{"\xFF\xFE", 2}, {"{\"code\":-1}", 11}};
	for (size_t i = 0; webhook_adapters[i]; i++) {
		for (int status = 0; status < 1000; status += 50) {
			for (size_t k = 0; k < COUNT_OF(answers); k++) {
				struct webhook_answer a = {0};
				enum webhook_verdict v =
					webhook_adapters[i]->classify(status, answers[k], &a);
				assert_true(a.why && a.why[0] && a.wait_us >= 0);
				if (v == WEBHOOK_ACCEPTED)
					assert_in_range(status, 200, 299);
			}
		}
	}
}

/* ---- one after the other ---- */

static void cloudevents(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("cloudevents"));
	auto_call(webhook_request_done) struct webhook_request r;
	struct err e = {0};
	t.secret[t.nsecrets++] = SL("old");
	assert_int_equal(help_compose("cloudevents", &t, "case.opened", alert_text,
				      "https://hub/case/7", &r, &e),
			 0);
	assert_true(slice_starts(help_header(&r, "Content-Type"), "application/cloudevents+json"));
	assert_true(slice_is(help_header(&r, "Authorization"), "Bearer token")); /* the newer */
	auto_json struct json *b = help_json(buf_slice(&r.body));
	help_is(b, "specversion", "1.0");
	help_is(b, "id", "msg-1");
	help_is(b, "type", "gridhub.case.opened");
	help_is(b, "subject", "case/7");
	help_is(b, "time", "2023-11-14T22:13:20.000000Z");
	help_is(b, "data.case.title", "3号楼垃圾箱已满 91%");
	help_is(b, "data.url", "https://hub/case/7");
}

static void alertmanager(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("alertmanager"));
	auto_json struct json *b =
		help_body("alertmanager", &t, "case.opened", alert_text, "https://hub/case/7");
	auto_json struct json *over =
		help_body("alertmanager", &t, "case.recovered", alert_text, "");
	help_is(b, "version", "4");
	help_is(b, "status", "firing");
	help_is(b, "alerts.0.status", "firing");
	help_is(b, "alerts.0.labels.alertname", "bin.full");
	help_is(b, "alerts.0.labels.device", "bin-1");
	help_is(b, "commonLabels.severity", "high");
	help_is(b, "alerts.0.annotations.summary", "3号楼垃圾箱已满 91%");
	help_is(b, "alerts.0.startsAt", "2023-11-14T22:13:20.000000Z");
	help_is(b, "alerts.0.endsAt", "0001-01-01T00:00:00Z");
	help_is(b, "alerts.0.generatorURL", "https://hub/case/7");
	help_is(over, "alerts.0.status", "resolved");
	help_is(over, "alerts.0.endsAt", "2023-11-14T22:13:20.000000Z");
	assert_int_equal(help_text(b, "alerts.0.fingerprint").n, 16);
	help_is(over, "alerts.0.fingerprint", help_text(b, "alerts.0.fingerprint").p);
	help_is(over, "groupKey", help_text(b, "groupKey").p);
}

static void slack(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("slack"));
	auto_json struct json *b =
		help_body("slack", &t, "case.opened", alert_text, "https://hub/case?a=1&b=<2>");
	help_is(b, "text", "【重要】3号楼垃圾箱已满 91%");
	help_is(b, "blocks.0.text.text",
		"*【重要】3号楼垃圾箱已满 91%*\n网格：第一社区\n设备：3号楼垃圾箱");
	help_is(b, "blocks.1.text.text", "<https://hub/case?a=1&amp;b=%3C2%3E|查看案件>");
}

static void pagerduty(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("pagerduty"));
	auto_json struct json *b =
		help_body("pagerduty", &t, "case.opened", alert_text, "https://hub/case/7");
	auto_json struct json *over = help_body("pagerduty", &t, "case.recovered", alert_text, "");
	help_is(b, "routing_key", KEY);
	help_is(b, "event_action", "trigger");
	help_is(b, "dedup_key", "gridhub-7-2023-11-14T22:13:20.000000Z");
	help_is(b, "payload.summary", "【重要】3号楼垃圾箱已满 91%");
	help_is(b, "payload.source", "bin-1");
	help_is(b, "payload.severity", "error");
	help_is(b, "payload.custom_details.case.rule", "bin.full");
	help_is(b, "links.0.href", "https://hub/case/7");
	help_is(over, "event_action", "resolve");
	help_is(over, "dedup_key", help_text(b, "dedup_key").p);
}

/* A digest of nothing but recoveries is one; receivers of incidents get none but as a fallback. */
static void digests(void **state)
{
	(void)state;
	static const char form[] =
		"{\"case\":{\"id\":7,\"severity\":\"urgent\"},\"digest\":{\"cases\":3,"
		"\"opened\":0,\"recovered\":%d},\"text\":\"共3起\\n1. x\"}";
	for (int recovered = 2; recovered <= 3; recovered++) {
		char alert[256];
		snprintf(alert, sizeof alert, form, recovered);
		struct webhook_target t = target_of(help_adapter("pagerduty"));
		auto_json struct json *b = help_body("pagerduty", &t, "case.digest", alert, "");
		help_is(b, "event_action", recovered == 3 ? "resolve" : "trigger");
		t = target_of(help_adapter("feishu"));
		auto_json struct json *f = help_body("feishu", &t, "case.digest", alert, "");
		help_is(f, "card.header.template", recovered == 3 ? "green" : "red");
		help_is(f, "card.header.title.content", "共3起");
	}
	for (size_t i = 0; webhook_adapters[i]; i++)
		assert_int_equal(webhook_adapters[i]->by_case,
				 slice_is(SL("pagerduty"), webhook_adapters[i]->name) ||
					 slice_is(SL("alertmanager"), webhook_adapters[i]->name));
}

static void ntfy(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("ntfy"));
	auto_call(webhook_request_done) struct webhook_request r, basic;
	struct err e = {0};
	assert_int_equal(
		help_compose("ntfy", &t, "case.opened", alert_text, "https://hub/case/7", &r, &e),
		0);
	auto_json struct json *b = help_json(buf_slice(&r.body));
	assert_string_equal(buf_str(&r.url), "https://h/");
	assert_true(slice_is(help_header(&r, "Authorization"), "Bearer tk_1"));
	help_is(b, "topic", "topic");
	help_is(b, "title", "【重要】3号楼垃圾箱已满 91%");
	help_is(b, "message", "网格：第一社区\n设备：3号楼垃圾箱");
	assert_int_equal(json_int(json_get(b, "priority")), 4);
	help_is(b, "click", "https://hub/case/7");
	t.secret[0] = SL("user:pass");
	assert_int_equal(help_compose("ntfy", &t, "test", "{}", "", &basic, &e), 0);
	assert_true(slice_is(help_header(&basic, "Authorization"), "Basic dXNlcjpwYXNz"));
}

static void gotify(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("gotify"));
	auto_call(webhook_request_done) struct webhook_request r;
	struct err e = {0};
	assert_int_equal(
		help_compose("gotify", &t, "case.opened", alert_text, "https://hub/case/7", &r, &e),
		0);
	auto_json struct json *b = help_json(buf_slice(&r.body));
	assert_true(slice_is(help_header(&r, "X-Gotify-Key"), "A.1"));
	help_is(b, "title", "【重要】3号楼垃圾箱已满 91%");
	assert_int_equal(json_int(json_get(b, "priority")), 8);
	help_is(b, "extras.client::notification.click.url", "https://hub/case/7");
}

static void template(void **state)
{
	(void)state;
	struct webhook_target t = target_of(help_adapter("template"));
	auto_call(webhook_request_done) struct webhook_request r;
	struct err e = {0};
	assert_int_equal(help_compose("template", &t, "case.opened", alert_text, "", &r, &e), 0);
	auto_json struct json *b = help_json(buf_slice(&r.body));
	assert_true(slice_is(help_header(&r, "X-Api-Key"), "k"));
	help_is(b, "title", "3号楼垃圾箱已满 91%");
	help_is(b, "raw.grid.code", "qx-yh-1");
	auto_json struct json *evil = help_body("template", &t, "case.opened", evil_text, "");
	assert_int_equal(json_count(evil), 4); /* nothing was added */
	target_done(&t);
}

static void templates_are_tried_when_loaded(void **state)
{
	(void)state;
	static const struct {
		const char *text, *type, *secret, *want; /* want: NULL = good */
	} cases[] = {
		{"{\"a\":\"{text}\"}", NULL, NULL, NULL},
		{"{\"a\":{text}}", NULL, NULL, "makes no JSON when a value has quotes"},
		{"{\"a\":\"{text}\"", NULL, NULL, "makes no JSON"},
		{"{\"a\":{fields.x}}", NULL, NULL, "makes no JSON"},
		{"{\"a\":{case.id}}", NULL, NULL, "when a value is missing"},
		{"{\"a\":{case.id|json}}", NULL, NULL, NULL},
		{"a={text|url}&b={case.id}", "application/x-www-form-urlencoded", NULL, NULL},
		{"{text}", "text/plain; charset=utf-8", "Authorization: Bearer x", NULL},
		{"{text}", "text/plain", "Bearer x", "expected a header"},
		{"{text}", "text/plain", "X y: x", "expected a header"},
		{"{text}", "text/plain", "X:", "expected a header"},
		{"{text}", "text/plain\nX: y", NULL, "content_type"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		struct webhook_text *text = NULL;
		struct webhook_target t = {.url = SL("https://h/"),
					   .content_type = slice_of(cases[i].type)};
		assert_int_equal(webhook_text_parse(slice_of(cases[i].text), true, &e, &text), 0);
		t.text = text;
		if (cases[i].secret)
			t.secret[t.nsecrets++] = slice_of(cases[i].secret);
		int r = help_adapter("template")->check(&t, &e);
		if (r != (cases[i].want ? -EINVAL : 0) ||
		    (cases[i].want && !strstr(e.msg, cases[i].want)))
			fail_msg("%s: %d %s", cases[i].text, r, e.msg);
		webhook_text_free(text);
	}
	struct err e = {0};
	struct webhook_target none = {.url = SL("https://h/")};
	assert_int_equal(help_adapter("template")->check(&none, &e), -EINVAL);
}

static void set_up_is_checked(void **state)
{
	(void)state;
	static const struct {
		const char *dialect, *url, *secret; /* each of them bad */
	} cases[] = {
		{"slack", "https://h/x", "s"},	       {"pagerduty", "https://h/x", NULL},
		{"pagerduty", "https://h/x", "short"}, {"ntfy", "https://h/", NULL},
		{"ntfy", "https://h/a b", NULL},       {"ntfy", "https://h", NULL},
		{"gotify", "https://h/x", "t"},	       {"gotify", "https://h/message", NULL},
		{"cloudevents", "https://h/", "a b"},  {"alertmanager", "https://h/", "a\tb"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		struct webhook_target t = {.url = slice_of(cases[i].url)};
		if (cases[i].secret)
			t.secret[t.nsecrets++] = slice_of(cases[i].secret);
		if (help_adapter(cases[i].dialect)->check(&t, &e) != -EINVAL || !e.msg[0])
			fail_msg("%s %s", cases[i].dialect, cases[i].url);
	}
}

static void answers_mean_what_they_say(void **state)
{
	(void)state;
	static const struct {
		const char *dialect;
		int status;
		const char *body;
		enum webhook_verdict verdict;
		const char *why;
	} cases[] = {
		{"slack", 200, "ok", WEBHOOK_ACCEPTED, "accepted"},
		{"slack", 200, "ok\n", WEBHOOK_ACCEPTED, "accepted"},
		{"slack", 200, "<html>", WEBHOOK_RETRY, "not the \"ok\""},
		{"slack", 200, "no_text", WEBHOOK_FINAL, "no_text"},
		{"slack", 404, "no_service", WEBHOOK_FINAL, "removed"},
		{"slack", 403, "invalid_token", WEBHOOK_FINAL, "invalid_token"},
		{"slack", 410, "channel_is_archived", WEBHOOK_DISABLE, "archived"},
		{"slack", 429, "ok", WEBHOOK_RETRY, "too fast"},
		{"slack", 500, "rollup_error", WEBHOOK_RETRY, "rollup"},
		{"pagerduty", 202, "{\"status\":\"success\"}", WEBHOOK_ACCEPTED, "accepted"},
		{"pagerduty", 400, "{\"status\":\"invalid event\"}", WEBHOOK_FINAL, "routing key"},
		{"pagerduty", 429, "", WEBHOOK_RETRY, "too fast"},
		{"ntfy", 200, "{\"id\":\"x\"}", WEBHOOK_ACCEPTED, "accepted"},
		{"ntfy", 403, "{\"code\":40301}", WEBHOOK_FINAL, "token or rights"},
		{"ntfy", 429, "{\"code\":42901}", WEBHOOK_RETRY, "too fast"},
		{"gotify", 200, "{\"id\":1}", WEBHOOK_ACCEPTED, "accepted"},
		{"gotify", 401, "{}", WEBHOOK_FINAL, "does not know the sender"},
		{"cloudevents", 204, "", WEBHOOK_ACCEPTED, "accepted"},
		{"cloudevents", 415, "", WEBHOOK_FINAL, "CloudEvents"},
		{"cloudevents", 410, "", WEBHOOK_DISABLE, "gone"},
		{"alertmanager", 200, "", WEBHOOK_ACCEPTED, "accepted"},
		{"template", 503, "", WEBHOOK_RETRY, "failed"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct webhook_answer a = {0};
		enum webhook_verdict v =
			help_adapter(cases[i].dialect)
				->classify(cases[i].status, slice_of(cases[i].body), &a);
		if (v != cases[i].verdict || !strstr(a.why, cases[i].why))
			fail_msg("%s %d %s: %s, %s", cases[i].dialect, cases[i].status,
				 cases[i].body, webhook_verdict_names[v], a.why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_send_what_they_are_given),
		cmocka_unit_test(nothing_is_injected),
		cmocka_unit_test(long_alerts_are_cut),
		cmocka_unit_test(odd_answers_break_nothing),
		cmocka_unit_test(cloudevents),
		cmocka_unit_test(alertmanager),
		cmocka_unit_test(slack),
		cmocka_unit_test(pagerduty),
		cmocka_unit_test(digests),
		cmocka_unit_test(ntfy),
		cmocka_unit_test(gotify),
		cmocka_unit_test(template),
		cmocka_unit_test(templates_are_tried_when_loaded),
		cmocka_unit_test(set_up_is_checked),
		cmocka_unit_test(answers_mean_what_they_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
