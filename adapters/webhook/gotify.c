/*
 * Gotify: https://HOST/message; secret_file has the token of an application.
 */
#include "compose.h"

#define MESSAGE_MAX 8000
#define TITLE_MAX 250
#define BODY_MAX (64 * 1024)

static int gotify_check(const struct webhook_target *t, struct err *e)
{
	if (!slice_ends(t->url, "/message"))
		return err_set(e, -EINVAL, "the URL of Gotify ends in /message");
	return webhook_check_secrets(t, 1, "the token of an application", e);
}

static int gotify_compose(const struct webhook_target *t, const struct webhook_message *m,
			  struct webhook_request *ret, struct err *e)
{
	static const int priority[] = {2, 5, 8, 10};
	struct buf *b = &ret->body;
	auto_said struct webhook_said said;
	webhook_say(t, m, WEBHOOK_PLAIN, MESSAGE_MAX, &said);
	buf_putc(b, '{');
	webhook_put_text(b, "title", webhook_cut(said.head, TITLE_MAX));
	webhook_put_text(b, "message", said.rest.n ? said.rest : said.head);
	buf_printf(b, ",\"priority\":%d",
		   webhook_is_recovery(m) ? priority[0] : priority[webhook_severity(m)]);
	buf_puts(b, ",\"extras\":{\"client::display\":{\"contentType\":\"text/plain\"}");
	if (m->case_url.n) {
		buf_puts(b, ",\"client::notification\":{\"click\":{");
		webhook_put_text(b, "url", m->case_url);
		buf_puts(b, "}}");
	}
	buf_puts(b, "}}");
	buf_printf(&ret->headers, "X-Gotify-Key: %.*s\n", SL_FMT(t->secret[0]));
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

extern const struct webhook_adapter webhook_gotify;
const struct webhook_adapter webhook_gotify = {
	.name = "gotify",
	.help = "Gotify: https://HOST/message (secret_file: token of an application)",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.check = gotify_check,
	.compose = gotify_compose,
	.classify = webhook_classify_http,
};
