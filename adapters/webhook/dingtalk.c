/*
 * DingTalk (钉钉) group robot: markdown, or an actionCard whose button leads to the case. The
 * access token stands in the URL (url_file); with the security setting 加签, secret_file has its
 * secret (SEC…): the key is the secret, the message "milliseconds\nsecret", and both time and
 * signature go into the query. HTTP is 200 whatever happens; errcode says what did.
 */
#include "compose.h"

#include <inttypes.h>

#include "crypto.h"
#include "times.h"

#define TEXT_MAX 5000
#define HEAD_MAX 200
#define BODY_MAX 20000 /* the robot's; the text is cut so that it fits */

static int dingtalk_check(const struct webhook_target *t, struct err *e)
{
	struct slice url = t->url;
	while (url.n && !slice_starts(url, "access_token="))
		url = (struct slice){url.p + 1, url.n - 1};
	if (url.n <= strlen("access_token="))
		return err_set(e, -EINVAL,
			       "the URL of a DingTalk robot ends in ?access_token=… (as the robot "
			       "shows it)");
	return webhook_check_secrets(t, 0, "the robot's secret (SEC…)", e);
}

static void put_query(struct buf *url, struct slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (strchr("+/=", value.p[i]))
			buf_printf(url, "%%%02X", (unsigned char)value.p[i]);
		else
			buf_putc(url, value.p[i]);
	}
}

static int put_url(struct buf *url, const struct webhook_target *t, int64_t now_us, struct err *e)
{
	unsigned char mac[CRYPTO_SHA256_BYTES];
	auto_buf struct buf text, sign;
	buf_init(&text, 1024);
	buf_init(&sign, 128);
	buf_put_slice(url, t->url);
	if (!t->nsecrets)
		return 0;
	buf_printf(&text, "%" PRId64 "\n%.*s", now_us / TIMES_MS, SL_FMT(t->secret[0]));
	if (text.failed || crypto_hmac_sha256(t->secret[0], buf_slice(&text), mac))
		return err_set(e, -EIO, "the message cannot be signed");
	base64_put(&sign, (struct slice){(const char *)mac, sizeof mac});
	buf_printf(url, "&timestamp=%" PRId64 "&sign=", now_us / TIMES_MS);
	put_query(url, buf_slice(&sign));
	return 0;
}

/* "at": a mobile number is digits, with + before it at most. Each must stand in the text, too. */
static void put_at(struct buf *b, const struct slice *ids, size_t n)
{
	static const char *const keys[] = {"atUserIds", "atMobiles"};
	json_put_key(b, "at");
	buf_putc(b, '{');
	for (size_t mobile = 0; mobile < COUNT_OF(keys); mobile++) {
		const char *comma = "";
		json_put_key(b, keys[mobile]);
		buf_putc(b, '[');
		for (size_t i = 0; i < n; i++) {
			size_t digits = strspn(ids[i].p, "+0123456789");
			if ((digits >= ids[i].n) != (mobile == 1))
				continue;
			buf_puts(b, comma);
			json_put_str(b, ids[i]);
			comma = ",";
		}
		buf_putc(b, ']');
	}
	buf_putc(b, '}');
}

/* A card with a button; or a text with a link, for a card can call nobody. */
static void put_message(struct buf *b, const struct webhook_target *t,
			const struct webhook_message *m, struct slice title, struct buf *text)
{
	struct slice ids[WEBHOOK_MENTIONS_MAX];
	size_t n = webhook_mentioned(t, m, ids);
	bool card = m->case_url.n > 0 && !n;
	if (m->case_url.n && n)
		buf_printf(text, "\n\n[%s](%.*s)", webhook_open_word(t), SL_FMT(m->case_url));
	webhook_put_mentions(text, t, m, "\n\n@", "");
	buf_printf(b, "{\"msgtype\":\"%s\",\"%s\":{", card ? "actionCard" : "markdown",
		   card ? "actionCard" : "markdown");
	webhook_put_text(b, "title", title);
	webhook_put_text(b, "text", buf_slice(text));
	if (card) {
		webhook_put_text(b, "singleTitle", slice_of(webhook_open_word(t)));
		webhook_put_text(b, "singleURL", m->case_url);
	}
	buf_putc(b, '}');
	if (n)
		put_at(b, ids, n);
	buf_putc(b, '}');
}

static int dingtalk_compose(const struct webhook_target *t, const struct webhook_message *m,
			    struct webhook_request *ret, struct err *e)
{
	auto_said struct webhook_said said, plain;
	auto_buf struct buf text;
	buf_init(&text, 2 * TEXT_MAX + WEBHOOK_URL_MAX);
	webhook_say(t, m, WEBHOOK_DINGTALK, TEXT_MAX, &said);
	webhook_say(t, m, WEBHOOK_PLAIN, TEXT_MAX, &plain);
	buf_printf(&text, "#### %.*s\n\n%.*s", SL_FMT(said.head), SL_FMT(said.rest));
	put_message(&ret->body, t, m, webhook_cut(plain.head, HEAD_MAX), &text);
	int rc = put_url(&ret->url, t, m->now_us, e);
	return rc ? rc : webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

#define BLOCKED (10 * TIMES_MIN)
static const struct webhook_code dingtalk_codes[] = {
	{-1, NULL, WEBHOOK_RETRY, 0, "DingTalk is busy"},
	{310000, "sign not match", WEBHOOK_FINAL, 0,
	 "310000 sign not match: the robot's secret differs from secret_file, or this machine's "
	 "clock is off by more than an hour"},
	{310000, "timestamp", WEBHOOK_FINAL, 0,
	 "310000 invalid timestamp: this machine's clock is off by more than an hour, or the robot "
	 "wants a signature and secret_file is not set"},
	{310000, "keyword", WEBHOOK_FINAL, 0,
	 "310000 keywords not in content: the robot takes messages with its keywords only; set it "
	 "to 加签 (sign) or put a keyword into template_file"},
	{310000, "whitelist", WEBHOOK_FINAL, 0,
	 "310000 ip not in whitelist: the robot does not take messages from this machine's "
	 "address"},
	{310000, NULL, WEBHOOK_FINAL, 0,
	 "310000: the robot's security settings refuse the message (keyword, signature, time or "
	 "address)"},
	{130101, NULL, WEBHOOK_RETRY, BLOCKED,
	 "130101: more than 20 messages in a minute: DingTalk takes none for ten minutes"},
	{410100, NULL, WEBHOOK_RETRY, BLOCKED,
	 "410100: too fast for DingTalk: nothing is sent for ten minutes"},
	{300001, NULL, WEBHOOK_FINAL, 0, "300001: no robot has that access_token: look at the URL"},
	{300005, NULL, WEBHOOK_FINAL, 0, "300005: no robot has that access_token: look at the URL"},
	{400013, NULL, WEBHOOK_FINAL, 0, "400013: the robot's group was dissolved"},
	{400101, NULL, WEBHOOK_FINAL, 0, "400101: no robot has that access_token: look at the URL"},
	{400102, NULL, WEBHOOK_FINAL, 0, "400102: the robot was switched off in its group"},
	{400105, NULL, WEBHOOK_FINAL, 0, "400105: the robot does not take that type of message"},
	{400106, NULL, WEBHOOK_FINAL, 0, "400106: the robot was removed from its group"},
	{40035, NULL, WEBHOOK_FINAL, 0, "40035: DingTalk takes the message for malformed"},
	{43004, NULL, WEBHOOK_FINAL, 0, "43004: DingTalk takes JSON only"},
	{430101, NULL, WEBHOOK_FINAL, 0, "430101: DingTalk takes a link in it for unsafe"},
	{430102, NULL, WEBHOOK_FINAL, 0, "430102: DingTalk takes the text for improper"},
	{430104, NULL, WEBHOOK_FINAL, 0, "430104: DingTalk takes the message for improper"},
	{460101, NULL, WEBHOOK_FINAL, 0, "460101: the message is too long"},
};

static enum webhook_verdict dingtalk_classify(int status, struct slice body,
					      struct webhook_answer *ret)
{
	static const struct webhook_codes codes = {
		{"errcode", NULL}, {"errmsg", NULL}, dingtalk_codes, COUNT_OF(dingtalk_codes)};
	return webhook_classify_code(status, body, &codes, ret);
}

extern const struct webhook_adapter webhook_dingtalk;
const struct webhook_adapter webhook_dingtalk = {
	.name = "dingtalk",
	.help = "DingTalk (钉钉) group robot; its token stands in the URL (url_file), its secret "
		"in secret_file",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.mentions = true,
	.limits = {{20, TIMES_MIN}},
	.check = dingtalk_check,
	.compose = dingtalk_compose,
	.classify = dingtalk_classify,
};
