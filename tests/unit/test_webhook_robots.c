/* WeCom, DingTalk and Feishu: bodies, signatures, what their answers mean. */
#include "webhook_help.h"

#include <inttypes.h>

#include "times.h"

#define VECTORS "../shared/samples/webhooks/signature-vectors.json"

static const struct webhook_target wecom = {
	.url = {"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY", 56}};
static const struct webhook_target dingtalk = {
	.url = {"https://oapi.dingtalk.com/robot/send?access_token=T", 51}};
static const struct webhook_target feishu = {
	.url = {"https://open.feishu.cn/open-apis/bot/v2/hook/UUID", 49}};

static struct webhook_target in_english(struct webhook_target t)
{
	t.lang = 1;
	return t;
}

/* ---- bodies ---- */

static void wecom_sends_markdown(void **state)
{
	(void)state;
	auto_json struct json *b =
		help_body("wecom", &wecom, "case.opened", alert_text, "https://hub/case/7");
	help_is(b, "msgtype", "markdown");
	help_is(b, "markdown.content",
		"**【重要】3号楼垃圾箱已满 91%**\n网格：第一社区\n设备：3号楼垃圾箱\n"
		"[查看案件](https://hub/case/7)");
	struct webhook_target en = in_english(wecom);
	auto_json struct json *test = help_body("wecom", &en, "test", "{\"text\":\"hi\"}", "");
	help_is(test, "markdown.content", "**hi**\n");
	auto_json struct json *link =
		help_body("wecom", &en, "test", "{\"text\":\"hi\"}", "https://h/7");
	help_is(link, "markdown.content", "**hi**\n\n[Open the case](https://h/7)");
}

static void dingtalk_sends_a_card_or_markdown(void **state)
{
	(void)state;
	auto_json struct json *b =
		help_body("dingtalk", &dingtalk, "case.opened", alert_text, "https://hub/case/7");
	help_is(b, "msgtype", "actionCard");
	help_is(b, "actionCard.title", "【重要】3号楼垃圾箱已满 91%");
	help_is(b, "actionCard.text",
		"#### 【重要】3号楼垃圾箱已满 91%\n\n网格：第一社区\n\n设备：3号楼垃圾箱");
	help_is(b, "actionCard.singleTitle", "查看案件");
	help_is(b, "actionCard.singleURL", "https://hub/case/7");
	auto_json struct json *plain =
		help_body("dingtalk", &dingtalk, "case.opened", alert_text, "");
	help_is(plain, "msgtype", "markdown");
	help_is(plain, "markdown.title", "【重要】3号楼垃圾箱已满 91%");
	assert_null(json_get(json_get(plain, "markdown"), "singleURL"));
}

static void feishu_sends_a_card(void **state)
{
	(void)state;
	auto_json struct json *b =
		help_body("feishu", &feishu, "case.opened", alert_text, "https://hub/case/7");
	help_is(b, "msg_type", "interactive");
	help_is(b, "card.header.title.content", "【重要】3号楼垃圾箱已满 91%");
	help_is(b, "card.header.template", "orange");
	help_is(b, "card.elements.0.text.tag", "lark_md");
	help_is(b, "card.elements.0.text.content", "网格：第一社区\n设备：3号楼垃圾箱");
	help_is(b, "card.elements.1.actions.0.url", "https://hub/case/7");
	assert_null(json_get(b, "sign"));
	auto_json struct json *over =
		help_body("feishu", &feishu, "case.recovered", alert_text, "");
	help_is(over, "card.header.template", "green");
	assert_int_equal(json_count(json_get(json_get(over, "card"), "elements")), 1);
	auto_json struct json *test = help_body("feishu", &feishu, "test", "{\"text\":\"hi\"}", "");
	help_is(test, "card.elements.0.text.content", "hi"); /* never empty */
}

static void templates_take_the_place_of_the_text(void **state)
{
	(void)state;
	struct err e;
	struct webhook_text *text = NULL;
	assert_int_equal(
		webhook_text_parse(SL("**{case.title}**\n<font color=\"warning\">{severity}"
				      "</font> {device.title} {fields.fill_pct}"),
				   false, &e, &text),
		0);
	struct webhook_target t = wecom;
	t.text = text;
	auto_json struct json *b = help_body("wecom", &t, "case.opened", alert_text, "");
	help_is(b, "markdown.content",
		"****3号楼垃圾箱已满 91%****\n<font color=\"warning\">重要</font> 3号楼垃圾箱 "
		"91.26");
	t = feishu;
	t.text = text;
	auto_json struct json *f = help_body("feishu", &t, "case.opened", evil_text, "");
	assert_true(help_has(help_text(f, "card.elements.0.text.content"), "紧急"));
	assert_false(help_has(help_text(f, "card.elements.0.text.content"), "<at"));
	webhook_text_free(text);
}

/* ---- signatures ---- */

static struct json *vectors(void)
{
	auto_free char *file = NULL;
	size_t n;
	if (file_read(VECTORS, 1 << 16, &file, &n, NULL))
		skip();
	return help_json((struct slice){file, n});
}

static void sign_at(const char *dialect, const struct webhook_target *t, int64_t now_us,
		    struct webhook_request *r)
{
	struct err e = {0};
	auto_json struct json *a = help_json(SL("{\"text\":\"x\"}"));
	struct webhook_message m = {
		.id = SL("i"), .event = SL("test"), .alert = a, .at_us = AT_US, .now_us = now_us};
	webhook_request_init(r);
	if (help_adapter(dialect)->check(t, &e) || help_adapter(dialect)->compose(t, &m, r, &e))
		fail_msg("%s", e.msg);
}

static void dingtalk_signs_as_published(void **state)
{
	(void)state;
	auto_json struct json *all = vectors();
	const struct json *v = json_get(all, "dingtalk");
	auto_call(webhook_request_done) struct webhook_request r;
	auto_buf struct buf want;
	struct webhook_target t = dingtalk;
	int64_t ms = json_int(json_get(v, "timestamp_ms"));
	/* While a key is rotated, the newer one signs. */
	t.secret[t.nsecrets++] = json_str(json_get(v, "secret"));
	t.secret[t.nsecrets++] = SL("SECold");
	sign_at("dingtalk", &t, ms * TIMES_MS + 999, &r);
	buf_init(&want, 4096);
	buf_printf(&want, "%s&timestamp=%" PRId64 "&sign=%s", dingtalk.url.p, ms,
		   json_str(json_get(v, "sign_urlencoded")).p);
	assert_string_equal(buf_str(&r.url), buf_str(&want));
}

static void feishu_signs_as_published(void **state)
{
	(void)state;
	auto_json struct json *all = vectors();
	const struct json *v = json_get(all, "feishu");
	auto_call(webhook_request_done) struct webhook_request r;
	struct webhook_target t = feishu;
	t.secret[t.nsecrets++] = json_str(json_get(v, "secret"));
	t.secret[t.nsecrets++] = SL("old");
	sign_at("feishu", &t, json_int(json_get(v, "timestamp_s")) * TIMES_SEC + 999999, &r);
	auto_json struct json *b = help_json(buf_slice(&r.body));
	assert_string_equal(json_str(json_get(b, "sign")).p,
			    json_str(json_get(v, "sign_base64")).p);
	help_is(b, "timestamp", "1599360473");
	assert_string_equal(buf_str(&r.url), feishu.url.p);
}

/* ---- set-up ---- */

static void set_up_is_checked(void **state)
{
	(void)state;
	static const struct {
		const char *dialect, *url, *secret, *want; /* want: NULL = good */
	} cases[] = {
		{"wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send", NULL, "?key="},
		{"wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=", NULL, "?key="},
		{"wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a", NULL, NULL},
		{"dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=", NULL,
		 "access_token"},
		{"dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=x", "SEC1", NULL},
		{"dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=x", "SEC 1",
		 "blanks"},
		{"feishu", "https://open.feishu.cn/x", "a\xC3\xA4", "ASCII"},
		{"feishu", "https://open.feishu.cn/x", "abc", NULL},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		struct webhook_target t = {.url = slice_of(cases[i].url)};
		if (cases[i].secret)
			t.secret[t.nsecrets++] = slice_of(cases[i].secret);
		int r = help_adapter(cases[i].dialect)->check(&t, &e);
		assert_int_equal(r, cases[i].want ? -EINVAL : 0);
		if (cases[i].want && (!strstr(e.msg, cases[i].want) ||
				      (cases[i].secret && strstr(e.msg, cases[i].secret))))
			fail_msg("%s", e.msg);
	}
}

/* ---- answers ---- */

static void answers_mean_what_they_say(void **state)
{
	(void)state;
	static const struct {
		const char *dialect;
		int status;
		const char *body;
		enum webhook_verdict verdict;
		int64_t wait_min;
		const char *why; /* a part of it */
	} cases[] = {
		{"wecom", 200, "{\"errcode\":0,\"errmsg\":\"ok\"}", WEBHOOK_ACCEPTED, 0,
		 "accepted"},
		{"wecom", 200, "{\"errcode\":93000,\"errmsg\":\"invalid webhook url\"}",
		 WEBHOOK_FINAL, 0, "93000"},
		{"wecom", 200, "{\"errcode\":45009,\"errmsg\":\"api freq out of limit\"}",
		 WEBHOOK_RETRY, 1, "45009"},
		{"wecom", 200, "{\"errcode\":93008}", WEBHOOK_RETRY, 1, "93008"},
		{"wecom", 200, "{\"errcode\":777}", WEBHOOK_RETRY, 0, "not known here"},
		{"wecom", 200, "{\"errcode\":\"0\"}", WEBHOOK_RETRY, 0, "not that of such a robot"},
		{"wecom", 200, "<html>ok</html>", WEBHOOK_RETRY, 0, "not that of such a robot"},
		{"wecom", 200, "", WEBHOOK_RETRY, 0, "not that of such a robot"},
		{"wecom", 200, "[]", WEBHOOK_RETRY, 0, "not that of such a robot"},
		{"wecom", 502, "", WEBHOOK_RETRY, 0, "failed"},
		{"wecom", 404, "no", WEBHOOK_FINAL, 0, "path"},
		{"wecom", 302, "", WEBHOOK_RETRY, 0, "redirect"},
		{"dingtalk", 200, "{\"errcode\":0,\"errmsg\":\"ok\"}", WEBHOOK_ACCEPTED, 0,
		 "accepted"},
		{"dingtalk", 200, "{\"errcode\":310000,\"errmsg\":\"sign not match\"}",
		 WEBHOOK_FINAL, 0,
		 "310000 sign not match: the robot's secret differs from secret_file, or this "
		 "machine's clock is off by more than an hour"},
		{"dingtalk", 200,
		 "{\"errcode\":310000,\"errmsg\":\"description:Invalid timeStamp;solution\"}",
		 WEBHOOK_FINAL, 0, "clock"},
		{"dingtalk", 200, "{\"errcode\":310000,\"errmsg\":\"keywords not in content\"}",
		 WEBHOOK_FINAL, 0, "keyword"},
		{"dingtalk", 200, "{\"errcode\":310000,\"errmsg\":\"ip 1.2.3.4 not in whitelist\"}",
		 WEBHOOK_FINAL, 0, "address"},
		{"dingtalk", 200, "{\"errcode\":310000}", WEBHOOK_FINAL, 0, "security settings"},
		{"dingtalk", 200,
		 "{\"errcode\":130101,\"errmsg\":\"send too fast, exceed 20 times per minute\"}",
		 WEBHOOK_RETRY, 10, "ten minutes"},
		{"dingtalk", 200, "{\"errcode\":-1}", WEBHOOK_RETRY, 0, "busy"},
		{"dingtalk", 200, "{\"errcode\":300005,\"errmsg\":\"token is not exist\"}",
		 WEBHOOK_FINAL, 0, "access_token"},
		{"feishu", 200, "{\"code\":0,\"msg\":\"success\",\"data\":{},\"StatusCode\":0}",
		 WEBHOOK_ACCEPTED, 0, "accepted"},
		{"feishu", 200, "{\"StatusCode\":0,\"StatusMessage\":\"success\"}",
		 WEBHOOK_ACCEPTED, 0, "accepted"},
		{"feishu", 200,
		 "{\"code\":19021,\"msg\":\"sign match fail or timestamp is not within one hour "
		 "from current time\"}",
		 WEBHOOK_FINAL, 0, "clock"},
		{"feishu", 200, "{\"code\":19022,\"msg\":\"Ip Not Allowed\"}", WEBHOOK_FINAL, 0,
		 "address"},
		{"feishu", 200, "{\"code\":19024,\"msg\":\"Key Words Not Found\"}", WEBHOOK_FINAL,
		 0, "keyword"},
		{"feishu", 200, "{\"code\":11232}", WEBHOOK_RETRY, 1, "half hours"},
		{"feishu", 400, "{\"code\":9499,\"msg\":\"Bad Request\",\"data\":{}}",
		 WEBHOOK_FINAL, 0, "malformed"},
		{"feishu", 429, "{\"code\":9499,\"msg\":\"too many request\"}", WEBHOOK_RETRY, 1,
		 "too fast"},
		{"feishu", 200, "{\"code\":19036}", WEBHOOK_FINAL, 0, "too large"},
		{"feishu", 500, "{\"code\":0}", WEBHOOK_RETRY, 0, "failed"}, /* the status counts */
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct webhook_answer a = {0};
		enum webhook_verdict v =
			help_adapter(cases[i].dialect)
				->classify(cases[i].status, slice_of(cases[i].body), &a);
		if (v != cases[i].verdict || a.wait_us != cases[i].wait_min * TIMES_MIN || !a.why ||
		    !strstr(a.why, cases[i].why))
			fail_msg("%s %s: %s, %s", cases[i].dialect, cases[i].body,
				 webhook_verdict_names[v], a.why);
	}
}

/* The samples, if they are at hand: every "fail" is one, "ok" is accepted. */
static void samples_are_understood(void **state)
{
	(void)state;
	static const char *const names[] = {"wecom", "dingtalk", "feishu"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char path[128];
		auto_free char *file = NULL;
		auto_buf struct buf body;
		size_t n;
		struct webhook_answer a;
		snprintf(path, sizeof path, "../shared/samples/webhooks/%s.json", names[i]);
		if (file_read(path, 1 << 16, &file, &n, NULL))
			skip();
		auto_json struct json *all = help_json((struct slice){file, n});
		buf_init(&body, 4096);
		json_put_value(&body, json_get(all, "ok"));
		assert_int_equal(help_adapter(names[i])->classify(200, buf_slice(&body), &a),
				 WEBHOOK_ACCEPTED);
		const struct json *fail = json_get(all, "fail");
		for (size_t k = 0; k < json_count(fail); k++) {
			buf_reset(&body);
			json_put_value(&body, json_at(fail, k));
			enum webhook_verdict v =
				help_adapter(names[i])->classify(200, buf_slice(&body), &a);
			assert_in_range(v, WEBHOOK_RETRY, WEBHOOK_FINAL);
			assert_null(strstr(a.why, "not known here"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wecom_sends_markdown),
		cmocka_unit_test(dingtalk_sends_a_card_or_markdown),
		cmocka_unit_test(feishu_sends_a_card),
		cmocka_unit_test(templates_take_the_place_of_the_text),
		cmocka_unit_test(dingtalk_signs_as_published),
		cmocka_unit_test(feishu_signs_as_published),
		cmocka_unit_test(set_up_is_checked),
		cmocka_unit_test(answers_mean_what_they_say),
		cmocka_unit_test(samples_are_understood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
