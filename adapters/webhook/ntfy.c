/*
 * ntfy: https://HOST/TOPIC; the message goes as JSON to https://HOST/, which names the topic. A
 * secret is an access token (tk_…), or user:password.
 */
#include "compose.h"

#include "crypto.h"
#include "times.h"

#define MESSAGE_MAX 3500 /* past 4096 it becomes a file; and all of it must fit when escaped */
#define TITLE_MAX 250
#define TOPIC_MAX 64
#define CLICK_MAX 400
#define BODY_MAX 8192 /* twice its limit for a message: more JSON it does not read */

/* The URL's last part; in *ret_root what is before it. */
static struct slice topic_of(struct slice url, struct slice *ret_root)
{
	size_t n = url.n;
	while (n && url.p[n - 1] != '/')
		n--;
	*ret_root = (struct slice){url.p, n};
	return (struct slice){url.p + n, url.n - n};
}

static int ntfy_check(const struct webhook_target *t, struct err *e)
{
	struct slice root, topic = topic_of(t->url, &root);
	bool good = topic.n && topic.n <= TOPIC_MAX && !slice_ends(root, "://");
	for (size_t i = 0; i < topic.n; i++)
		good = good &&
		       (strchr("-_", topic.p[i]) || (topic.p[i] >= '0' && topic.p[i] <= '9') ||
			(topic.p[i] >= 'A' && topic.p[i] <= 'Z') ||
			(topic.p[i] >= 'a' && topic.p[i] <= 'z'));
	if (!good)
		return err_set(e, -EINVAL,
			       "the URL of ntfy ends in its topic: 1 to %d of A-Z a-z 0-9 _ -",
			       TOPIC_MAX);
	return webhook_check_secrets(t, 0, "an access token, or user:password", e);
}

static void put_auth(struct buf *h, struct slice secret)
{
	if (!memchr(secret.p, ':', secret.n)) {
		buf_printf(h, "Authorization: Bearer %.*s\n", SL_FMT(secret));
		return;
	}
	buf_puts(h, "Authorization: Basic ");
	base64_put(h, secret);
	buf_putc(h, '\n');
}

static int ntfy_compose(const struct webhook_target *t, const struct webhook_message *m,
			struct webhook_request *ret, struct err *e)
{
	struct buf *b = &ret->body;
	struct slice root, topic = topic_of(t->url, &root);
	auto_said struct webhook_said said;
	webhook_say(t, m, WEBHOOK_PLAIN, MESSAGE_MAX, &said);
	buf_putc(b, '{');
	webhook_put_text(b, "topic", topic);
	webhook_put_text(b, "title", webhook_cut(said.head, TITLE_MAX));
	webhook_put_text(b, "message", said.rest.n ? said.rest : said.head);
	buf_printf(b, ",\"priority\":%u,\"tags\":[\"%s\"]",
		   webhook_is_recovery(m) ? 2 : webhook_severity(m) + 2,
		   webhook_is_recovery(m) ? "white_check_mark" : "warning");
	if (m->case_url.n && m->case_url.n <= CLICK_MAX)
		webhook_put_text(b, "click", m->case_url);
	buf_putc(b, '}');
	if (t->nsecrets)
		put_auth(&ret->headers, t->secret[0]);
	buf_put_slice(&ret->url, root);
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

static enum webhook_verdict ntfy_classify(int status, struct slice body, struct webhook_answer *ret)
{
	enum webhook_verdict res = webhook_classify_http(status, body, ret);
	if (status == 401 || status == 403)
		ret->why = "ntfy does not let it publish to that topic: token or rights differ";
	if (status == 429)
		ret->wait_us = TIMES_MIN;
	return res;
}

extern const struct webhook_adapter webhook_ntfy;
const struct webhook_adapter webhook_ntfy = {
	.name = "ntfy",
	.help = "ntfy: https://HOST/TOPIC (secret_file: access token or user:password, if it wants "
		"one)",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.limits = {{60, 5 * TIMES_MIN}},
	.check = ntfy_check,
	.compose = ntfy_compose,
	.classify = ntfy_classify,
};
