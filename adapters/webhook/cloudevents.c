/*
 * CloudEvents 1.0, structured JSON; `data` is the alert. A secret is sent as a bearer token, as the
 * Web Hooks for Event Delivery say.
 */
#include "compose.h"

#include <inttypes.h>

#include "times.h"

#define BODY_MAX (64 * 1024) /* what every intermediary must take */

static int cloudevents_check(const struct webhook_target *t, struct err *e)
{
	return webhook_check_secrets(t, 0, "a token", e);
}

static void put_event(struct buf *b, const struct webhook_message *m, bool cut)
{
	char at[TIMES_RFC3339_MAX];
	auto_buf struct buf type, subject;
	const struct json *id = json_get(json_get(m->alert, "case"), "id");
	buf_init(&type, 256);
	buf_init(&subject, 64);
	buf_printf(&type, "gridhub.%.*s", SL_FMT(webhook_cut(m->event, 200)));
	times_format(m->at_us, at);
	buf_puts(b, "{\"specversion\":\"1.0\",\"source\":\"/gridhub\"");
	webhook_put_text(b, "id", m->id);
	webhook_put_text(b, "type", buf_slice(&type));
	if (id) {
		buf_printf(&subject, "case/%" PRId64, json_int(id));
		webhook_put_text(b, "subject", buf_slice(&subject));
	}
	webhook_put_text(b, "time", slice_of(at));
	webhook_put_text(b, "datacontenttype", SL("application/json"));
	json_put_key(b, "data");
	webhook_put_alert(b, m, cut);
	buf_putc(b, '}');
}

static int cloudevents_compose(const struct webhook_target *t, const struct webhook_message *m,
			       struct webhook_request *ret, struct err *e)
{
	put_event(&ret->body, m, false);
	if (ret->body.failed || ret->body.n > BODY_MAX) {
		buf_reset(&ret->body);
		put_event(&ret->body, m, true);
	}
	if (t->nsecrets)
		buf_printf(&ret->headers, "Authorization: Bearer %.*s\n", SL_FMT(t->secret[0]));
	return webhook_finish(t, "application/cloudevents+json; charset=utf-8", BODY_MAX, ret, e);
}

static enum webhook_verdict cloudevents_classify(int status, struct slice body,
						 struct webhook_answer *ret)
{
	enum webhook_verdict res = webhook_classify_http(status, body, ret);
	if (status == 415)
		ret->why = "the receiver does not take CloudEvents as JSON";
	return res;
}

extern const struct webhook_adapter webhook_cloudevents;
const struct webhook_adapter webhook_cloudevents = {
	.name = "cloudevents",
	.help = "CloudEvents 1.0, structured JSON (secret_file: a bearer token, if it wants one)",
	.check = cloudevents_check,
	.compose = cloudevents_compose,
	.classify = cloudevents_classify,
};
