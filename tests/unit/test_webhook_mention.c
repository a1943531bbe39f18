/* Who a chat's robot calls by name: only those whom ops named, in each dialect's own way. */
#include "webhook_help.h"

#include "adapters/webhook/compose.h"

static const char low_text[] = "{\"case\":{\"id\":7,\"severity\":\"normal\"},\"text\":\"x\"}";
static const char over_text[] = "{\"case\":{\"id\":7,\"severity\":\"urgent\"},\"text\":\"x\"}";

static const struct {
	const char *dialect, *url, *path, *form; /* form: how an id is called */
} dialects[] = {
	{"wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY", "markdown.content",
	 "\n<@%s>"},
	{"dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=T", "markdown.text",
	 "\n\n@%s"},
	{"feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/UUID",
	 "card.elements.0.text.content", "\n<at id=%s></at>"},
	{"slack", "https://hooks.slack.com/services/T/B/X", "blocks.0.text.text", "\n<@%s>"},
};

/* The body of an alert to somebody on duty, at an endpoint with a mention of its own. */
static struct json *compose(size_t dialect, const char *of_endpoint, const char *of_person,
			    const char *event, const char *alert, const char *case_url)
{
	struct webhook_target t = {.url = slice_of(dialects[dialect].url),
				   .mention = slice_of(of_endpoint)};
	auto_call(webhook_request_done) struct webhook_request r;
	auto_json struct json *a = help_json(slice_of(alert));
	struct err e = {0};
	struct webhook_message m = {.id = SL("msg-1"),
				    .event = slice_of(event),
				    .alert = a,
				    .case_url = slice_of(case_url),
				    .mention = slice_of(of_person),
				    .at_us = AT_US,
				    .now_us = NOW_US};
	webhook_request_init(&r);
	if (help_adapter(dialects[dialect].dialect)->compose(&t, &m, &r, &e))
		fail_msg("%s: %s", dialects[dialect].dialect, e.msg);
	return help_json(buf_slice(&r.body));
}

static bool calls(size_t dialect, const struct json *body, const char *id)
{
	char want[128];
	const char *at = strstr(dialects[dialect].form, "%s");
	snprintf(want, sizeof want, "%.*s%s%s", (int)(at - dialects[dialect].form),
		 dialects[dialect].form, id, at + 2);
	return help_has(help_text(body, dialects[dialect].path), want);
}

static void each_dialect_calls_the_endpoints_and_the_person(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(dialects); i++) {
		auto_json struct json *b =
			compose(i, "13800000000 U2", "zhang.wei", "case.opened", alert_text, "");
		assert_true(calls(i, b, "zhang.wei"));
		assert_true(calls(i, b, "13800000000"));
		assert_true(calls(i, b, "U2"));
		auto_json struct json *test = compose(i, "U2", "", "test", "{\"text\":\"hi\"}", "");
		assert_true(calls(i, test, "U2"));
	}
}

static void nobody_is_called_for_what_is_low_or_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(dialects); i++) {
		auto_json struct json *low = compose(i, "U1", "U2", "case.opened", low_text, "");
		auto_json struct json *over =
			compose(i, "U1", "U2", "case.recovered", over_text, "");
		const struct json *all[] = {low, over};
		for (size_t k = 0; k < COUNT_OF(all); k++)
			assert_false(calls(i, all[k], "U1") || calls(i, all[k], "U2"));
	}
}

/* Ids are checked when they are loaded; what is no id is no mention, wherever it came from. */
static void what_is_no_id_calls_nobody(void **state)
{
	(void)state;
	static const char *const bad[] = {"all", "ALL", "here", "channel", "everyone",
					  "<at", "a]b", "x\"y", "张伟",	   "a\nb"};
	for (size_t k = 0; k < COUNT_OF(bad); k++)
		assert_false(webhook_mention_ok(slice_of(bad[k])));
	char longest[66];
	memset(longest, 'a', sizeof longest);
	assert_true(webhook_mention_ok((struct slice){longest, 64}));
	assert_false(webhook_mention_ok((struct slice){longest, 65}));
	assert_false(webhook_mention_ok((struct slice){NULL, 0}));
	for (size_t i = 0; i < COUNT_OF(dialects); i++) {
		auto_json struct json *b =
			compose(i, "all", "<!channel>", "case.opened", alert_text, "");
		assert_false(calls(i, b, "all") || calls(i, b, "<!channel>"));
	}
}

/* The alert of a device whose name tries to mention somebody, with real mentions beside it. */
static void a_device_mentions_nobody(void **state)
{
	(void)state;
	static const char *const never[] = {"<at id=all", "<!channel", "<@U1>", "@all"};
	for (size_t i = 0; i < COUNT_OF(dialects); i++) {
		auto_json struct json *b = compose(i, "U9", "", "case.opened", evil_text, "");
		struct slice text = help_text(b, dialects[i].path);
		assert_true(calls(i, b, "U9"));
		for (size_t k = 0; k < COUNT_OF(never); k++)
			if (help_has(text, never[k]))
				fail_msg("%s: %s", dialects[i].dialect, never[k]);
	}
}

static void dingtalk_says_whom_and_keeps_the_link(void **state)
{
	(void)state;
	auto_json struct json *b = compose(1, "+8613800000000 manager01", "", "case.opened",
					   alert_text, "https://hub/case/7");
	help_is(b, "msgtype", "markdown"); /* a card calls nobody */
	help_is(b, "at.atMobiles.0", "+8613800000000");
	help_is(b, "at.atUserIds.0", "manager01");
	assert_int_equal(json_count(json_get(json_get(b, "at"), "atMobiles")), 1);
	assert_true(help_has(help_text(b, "markdown.text"), "[查看案件](https://hub/case/7)"));
	auto_json struct json *card =
		compose(1, "", "", "case.opened", alert_text, "https://hub/case/7");
	help_is(card, "msgtype", "actionCard");
	assert_null(json_get(card, "at"));
}

static void each_is_called_once_and_not_too_many(void **state)
{
	(void)state;
	struct slice ids[WEBHOOK_MENTIONS_MAX];
	auto_json struct json *a = help_json(slice_of(alert_text));
	struct webhook_target t = {.mention = SL("a b c d e f g h i j k")};
	struct webhook_message m = {.event = SL("case.opened"), .alert = a, .mention = SL("b")};
	assert_int_equal(webhook_mentioned(&t, &m, ids), WEBHOOK_MENTIONS_MAX);
	assert_true(slice_is(ids[0], "b"));
	assert_true(slice_is(ids[1], "a"));
	assert_true(slice_is(ids[2], "c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_dialect_calls_the_endpoints_and_the_person),
		cmocka_unit_test(nobody_is_called_for_what_is_low_or_over),
		cmocka_unit_test(what_is_no_id_calls_nobody),
		cmocka_unit_test(a_device_mentions_nobody),
		cmocka_unit_test(dingtalk_says_whom_and_keeps_the_link),
		cmocka_unit_test(each_is_called_once_and_not_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
