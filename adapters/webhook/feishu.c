/*
 * Feishu (飞书) and Lark group robot: a card, its head coloured by severity, with a button that
 * leads to the case. With the security setting 签名校验, secret_file has its secret: the key is
 * "seconds\nsecret", the message is empty, and both time and signature go into the body.
 */
#include "compose.h"

#include <inttypes.h>

#include "crypto.h"
#include "times.h"

#define TEXT_MAX 6000
#define HEAD_MAX 300
#define BODY_MAX 20000 /* 20 KB, as its documentation says; the text is cut so that it fits */

static int feishu_check(const struct webhook_target *t, struct err *e)
{
	return webhook_check_secrets(t, 0, "the robot's secret", e);
}

static int put_signature(struct buf *b, const struct webhook_target *t, int64_t now_us,
			 struct err *e)
{
	unsigned char mac[CRYPTO_SHA256_BYTES];
	auto_buf struct buf key, sign;
	buf_init(&key, 1024);
	buf_init(&sign, 128);
	if (!t->nsecrets)
		return 0;
	buf_printf(&key, "%" PRId64 "\n%.*s", now_us / TIMES_SEC, SL_FMT(t->secret[0]));
	if (key.failed || crypto_hmac_sha256(buf_slice(&key), (struct slice){0}, mac))
		return err_set(e, -EIO, "the message cannot be signed");
	base64_put(&sign, (struct slice){(const char *)mac, sizeof mac});
	json_put_key(b, "timestamp");
	buf_printf(b, "\"%" PRId64 "\"", now_us / TIMES_SEC);
	webhook_put_text(b, "sign", buf_slice(&sign));
	return 0;
}

static const char *colour(const struct webhook_message *m)
{
	static const char *const by_severity[] = {"grey", "blue", "orange", "red"};
	return webhook_is_recovery(m) ? "green" : by_severity[webhook_severity(m)];
}

static void put_card(struct buf *b, const struct webhook_target *t, const struct webhook_message *m)
{
	auto_said struct webhook_said said, plain;
	auto_buf struct buf text;
	buf_init(&text, 2 * TEXT_MAX);
	webhook_say(t, m, WEBHOOK_MARKDOWN, TEXT_MAX, &said);
	webhook_say(t, m, WEBHOOK_PLAIN, TEXT_MAX, &plain);
	buf_put_slice(&text, said.rest.n ? said.rest : said.head);
	webhook_put_mentions(&text, t, m, "\n<at id=", "></at>");
	json_put_key(b, "card");
	buf_puts(b, "{\"config\":{\"wide_screen_mode\":true},\"header\":{\"title\":{"
		    "\"tag\":\"plain_text\"");
	webhook_put_text(b, "content", webhook_cut(plain.head, HEAD_MAX));
	buf_printf(b,
		   "},\"template\":\"%s\"},\"elements\":[{\"tag\":\"div\",\"text\":{"
		   "\"tag\":\"lark_md\"",
		   colour(m));
	webhook_put_text(b, "content", buf_slice(&text));
	buf_puts(b, "}}");
	if (m->case_url.n) {
		buf_puts(b, ",{\"tag\":\"action\",\"actions\":[{\"tag\":\"button\",\"text\":{"
			    "\"tag\":\"plain_text\"");
		webhook_put_text(b, "content", slice_of(webhook_open_word(t)));
		buf_puts(b, "},\"type\":\"primary\"");
		webhook_put_text(b, "url", m->case_url);
		buf_puts(b, "}]}");
	}
	buf_puts(b, "]}");
}

static int feishu_compose(const struct webhook_target *t, const struct webhook_message *m,
			  struct webhook_request *ret, struct err *e)
{
	buf_putc(&ret->body, '{');
	int rc = put_signature(&ret->body, t, m->now_us, e);
	if (rc)
		return rc;
	webhook_put_text(&ret->body, "msg_type", SL("interactive"));
	put_card(&ret->body, t, m);
	buf_putc(&ret->body, '}');
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

static const struct webhook_code feishu_codes[] = {
	{9499, "too many", WEBHOOK_RETRY, TIMES_MIN,
	 "9499: too fast for Feishu (100 in a minute, 5 in a second): it waits a minute"},
	{9499, NULL, WEBHOOK_FINAL, 0, "9499: Feishu takes the message for malformed"},
	{11232, NULL, WEBHOOK_RETRY, TIMES_MIN,
	 "11232: Feishu as a whole is busy, as at full and half hours: it waits a minute"},
	{11233, NULL, WEBHOOK_RETRY, TIMES_MIN, "11233: too fast for Feishu: it waits a minute"},
	{19001, NULL, WEBHOOK_FINAL, 0,
	 "19001: no robot has that URL: it was removed from its group, or the URL is not complete"},
	{19002, NULL, WEBHOOK_FINAL, 0, "19002: Feishu takes the message for malformed"},
	{19021, NULL, WEBHOOK_FINAL, 0,
	 "19021 sign match fail: the robot's secret differs from secret_file, or this machine's "
	 "clock is off by more than an hour"},
	{19022, NULL, WEBHOOK_FINAL, 0,
	 "19022: the robot does not take messages from this machine's address"},
	{19024, NULL, WEBHOOK_FINAL, 0,
	 "19024: the robot takes messages with its keywords only; set it to 签名校验 (sign) or put "
	 "a "
	 "keyword into template_file"},
	{19036, NULL, WEBHOOK_FINAL, 0, "19036: the message is too large for Feishu"},
	{99991400, NULL, WEBHOOK_RETRY, TIMES_MIN,
	 "99991400: too fast for Feishu: it waits a minute"},
};

static enum webhook_verdict feishu_classify(int status, struct slice body,
					    struct webhook_answer *ret)
{
	static const struct webhook_codes codes = {{"code", "StatusCode"},
						   {"msg", "StatusMessage"},
						   feishu_codes,
						   COUNT_OF(feishu_codes)};
	return webhook_classify_code(status, body, &codes, ret);
}

extern const struct webhook_adapter webhook_feishu;
const struct webhook_adapter webhook_feishu = {
	.name = "feishu",
	.help = "Feishu (飞书) or Lark group robot; its id stands in the URL (url_file), its "
		"secret "
		"in secret_file",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.mentions = true,
	.limits = {{100, TIMES_MIN}, {5, TIMES_SEC}},
	.check = feishu_check,
	.compose = feishu_compose,
	.classify = feishu_classify,
};
