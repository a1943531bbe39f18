/*
 * Slack's incoming webhooks (and those that speak the same: Mattermost, Rocket.Chat). Accepted is
 * 200 with the body "ok".
 */
#include "compose.h"

#include "times.h"

#define TEXT_MAX 2900 /* a section takes 3000 characters */
#define MENTIONS_BYTES (t->mention.n || m->mention.n ? WEBHOOK_MENTIONS_MAX * 68 : 0)
#define BODY_MAX (64 * 1024)

static int slack_check(const struct webhook_target *t, struct err *e)
{
	return t->nsecrets ? err_set(e, -EINVAL, "Slack has its secret in the URL: no secret_file")
			   : 0;
}

/* Slack's own link: & < > | would end it. */
static void put_link(struct buf *b, struct slice url, const char *word)
{
	buf_putc(b, '<');
	for (size_t i = 0; i < url.n; i++) {
		if (strchr("<>|&", url.p[i]))
			buf_printf(b, url.p[i] == '&' ? "&amp;" : "%%%02X",
				   (unsigned char)url.p[i]);
		else
			buf_putc(b, url.p[i]);
	}
	buf_printf(b, "|%s>", word);
}

static void put_section(struct buf *b, struct slice text)
{
	if (b->p[b->n - 1] == '}')
		buf_putc(b, ',');
	buf_puts(b, "{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"verbatim\":true");
	webhook_put_text(b, "text", text);
	buf_puts(b, "}}");
}

static int slack_compose(const struct webhook_target *t, const struct webhook_message *m,
			 struct webhook_request *ret, struct err *e)
{
	struct buf *b = &ret->body;
	auto_said struct webhook_said said;
	auto_buf struct buf text, link;
	buf_init(&text, 2 * TEXT_MAX);
	buf_init(&link, 2 * WEBHOOK_URL_MAX);
	webhook_say(t, m, WEBHOOK_SLACK, TEXT_MAX - MENTIONS_BYTES, &said);
	buf_printf(&text, "*%.*s*\n%.*s", SL_FMT(said.head), SL_FMT(said.rest));
	webhook_put_mentions(&text, t, m, "\n<@", ">");
	buf_putc(b, '{');
	webhook_put_text(b, "text", said.head); /* of the notification */
	buf_puts(b, ",\"blocks\":[");
	put_section(b, buf_slice(&text));
	if (m->case_url.n) {
		put_link(&link, m->case_url, webhook_open_word(t));
		put_section(b, buf_slice(&link));
	}
	buf_puts(b, "],\"unfurl_links\":false}");
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

static const struct {
	const char *body;
	enum webhook_verdict verdict;
	const char *why;
} words[] = {
	{"ok", WEBHOOK_ACCEPTED, "the receiver accepted it"},
	{"invalid_token", WEBHOOK_FINAL,
	 "invalid_token: the URL is not (or no longer) a webhook's"},
	{"no_service", WEBHOOK_FINAL, "no_service: the webhook was removed or switched off"},
	{"no_active_hooks", WEBHOOK_FINAL, "no_active_hooks: the webhook was switched off"},
	{"no_team", WEBHOOK_FINAL, "no_team: the workspace of the URL does not exist"},
	{"team_disabled", WEBHOOK_FINAL, "team_disabled: the workspace is no longer active"},
	{"channel_not_found", WEBHOOK_FINAL, "channel_not_found: the channel was removed"},
	{"channel_is_archived", WEBHOOK_DISABLE,
	 "channel_is_archived: the channel takes no messages any more: the endpoint is disabled"},
	{"action_prohibited", WEBHOOK_FINAL,
	 "action_prohibited: the workspace's administrators do not let it post there"},
	{"posting_to_general_channel_denied", WEBHOOK_FINAL,
	 "posting_to_general_channel_denied: the webhook may not post to that channel"},
	{"invalid_payload", WEBHOOK_FINAL,
	 "invalid_payload: Slack takes the message for malformed"},
	{"invalid_blocks", WEBHOOK_FINAL, "invalid_blocks: Slack takes the message for malformed"},
	{"no_text", WEBHOOK_FINAL, "no_text: Slack takes the message for empty"},
	{"rollup_error", WEBHOOK_RETRY, "rollup_error: Slack failed"},
};

static enum webhook_verdict slack_classify(int status, struct slice body,
					   struct webhook_answer *ret)
{
	enum webhook_verdict http = webhook_classify_http(status, body, ret);
	body = slice_trim(body);
	for (size_t i = http == WEBHOOK_ACCEPTED ? 0 : 1; i < COUNT_OF(words); i++) {
		if (slice_is(body, words[i].body)) {
			ret->why = words[i].why;
			return words[i].verdict;
		}
	}
	if (http != WEBHOOK_ACCEPTED)
		return http;
	ret->why = "the answer is not the \"ok\" of a webhook: look at the URL";
	return WEBHOOK_RETRY;
}

extern const struct webhook_adapter webhook_slack;
const struct webhook_adapter webhook_slack = {
	.name = "slack",
	.help = "Slack's incoming webhook, or Mattermost's (the secret is the URL: url_file)",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.mentions = true,
	.limits = {{1, TIMES_SEC}},
	.check = slack_check,
	.compose = slack_compose,
	.classify = slack_classify,
};
