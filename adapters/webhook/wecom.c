/*
 * WeCom (企业微信) group robot: markdown, at its end the link to the case and who is called. The
 * key stands in the URL (url_file). HTTP is 200 whatever happens; errcode says what did.
 */
#include "compose.h"

#include "times.h"

#define CONTENT_MAX 4096 /* bytes, as the robot takes them */
#define BODY_MAX (4 * CONTENT_MAX)

static int wecom_check(const struct webhook_target *t, struct err *e)
{
	struct slice url = t->url;
	while (url.n && !slice_starts(url, "key="))
		url = (struct slice){url.p + 1, url.n - 1};
	return url.n > 4
		       ? 0
		       : err_set(e, -EINVAL,
				 "the URL of a WeCom robot ends in ?key=… (as the robot shows it)");
}

static int wecom_compose(const struct webhook_target *t, const struct webhook_message *m,
			 struct webhook_request *ret, struct err *e)
{
	auto_buf struct buf content, link;
	auto_said struct webhook_said said;
	buf_init(&content, 2 * CONTENT_MAX);
	buf_init(&link, CONTENT_MAX);
	if (m->case_url.n && m->case_url.n < CONTENT_MAX / 2)
		buf_printf(&link, "\n[%s](%.*s)", webhook_open_word(t), SL_FMT(m->case_url));
	webhook_put_mentions(&link, t, m, "\n<@", ">");
	webhook_say(t, m, WEBHOOK_MARKDOWN, CONTENT_MAX - link.n - 6, &said);
	buf_printf(&content, "**%.*s**\n%.*s", SL_FMT(said.head), SL_FMT(said.rest));
	buf_put_slice(&content, buf_slice(&link));
	buf_puts(&ret->body, "{\"msgtype\":\"markdown\",\"markdown\":{");
	webhook_put_text(&ret->body, "content", buf_slice(&content));
	buf_puts(&ret->body, "}}");
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

static const struct webhook_code wecom_codes[] = {
	{-1, NULL, WEBHOOK_RETRY, 0, "WeCom is busy"},
	{40001, NULL, WEBHOOK_FINAL, 0, "40001: WeCom does not know the key: look at the URL"},
	{40008, NULL, WEBHOOK_FINAL, 0, "40008: WeCom does not know the type of the message"},
	{40058, NULL, WEBHOOK_FINAL, 0, "40058: WeCom takes the message for malformed or too long"},
	{44004, NULL, WEBHOOK_FINAL, 0, "44004: WeCom takes the message for empty"},
	{45002, NULL, WEBHOOK_FINAL, 0, "45002: the message is too long"},
	{45009, NULL, WEBHOOK_RETRY, TIMES_MIN,
	 "45009: more than 20 messages in a minute: it waits a minute"},
	{93000, NULL, WEBHOOK_FINAL, 0,
	 "93000: no robot has that key: it was removed from its group, or the URL is not complete"},
	{93004, NULL, WEBHOOK_FINAL, 0, "93004: the robot was switched off in its group"},
	{93008, NULL, WEBHOOK_RETRY, TIMES_MIN, "93008: too fast for the robot: it waits a minute"},
};

static enum webhook_verdict wecom_classify(int status, struct slice body,
					   struct webhook_answer *ret)
{
	static const struct webhook_codes codes = {
		{"errcode", NULL}, {"errmsg", NULL}, wecom_codes, COUNT_OF(wecom_codes)};
	return webhook_classify_code(status, body, &codes, ret);
}

extern const struct webhook_adapter webhook_wecom;
const struct webhook_adapter webhook_wecom = {
	.name = "wecom",
	.help = "WeCom (企业微信) group robot; its key stands in the URL (url_file)",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.mentions = true,
	.limits = {{20, TIMES_MIN}},
	.check = wecom_check,
	.compose = wecom_compose,
	.classify = wecom_classify,
};
