/*
 * PagerDuty Events API v2: an opened case triggers, its recovery resolves, under one dedup_key. The
 * routing key stands in secret_file.
 */
#include "compose.h"

#include "times.h"

#define SUMMARY_MAX 1024
#define KEY_MAX 255
#define BODY_MAX (512 * 1024)
#define ROUTING_KEY 32

static int pagerduty_check(const struct webhook_target *t, struct err *e)
{
	int rc = webhook_check_secrets(t, 1, "the routing key of an integration", e);
	for (size_t i = 0; !rc && i < t->nsecrets; i++)
		if (t->secret[i].n != ROUTING_KEY)
			rc = err_set(e, -EINVAL, "secret %zu: a routing key has %d characters",
				     i + 1, ROUTING_KEY);
	return rc;
}

static void put_member(struct buf *b, const char *key, const struct webhook_message *m,
		       const char *part, const char *member)
{
	struct slice v = json_str(json_get(json_get(m->alert, part), member));
	if (v.n)
		webhook_put_text(b, key, v);
}

static void put_payload(struct buf *b, const struct webhook_target *t,
			const struct webhook_message *m, bool cut)
{
	static const char *const severity[] = {"info", "warning", "error", "critical"};
	struct slice device = json_str(json_get(json_get(m->alert, "device"), "id"));
	char at[TIMES_RFC3339_MAX];
	auto_said struct webhook_said said;
	webhook_say(t, m, WEBHOOK_PLAIN, SUMMARY_MAX, &said);
	times_format(m->at_us, at);
	json_put_key(b, "payload");
	buf_putc(b, '{');
	webhook_put_text(b, "summary", said.head);
	webhook_put_text(b, "source", device.n ? device : SL("gridhub"));
	webhook_put_text(b, "severity", slice_of(severity[webhook_severity(m)]));
	webhook_put_text(b, "timestamp", slice_of(at));
	put_member(b, "component", m, "device", "title");
	put_member(b, "group", m, "grid", "name");
	put_member(b, "class", m, "case", "kind");
	json_put_key(b, "custom_details");
	webhook_put_alert(b, m, cut);
	buf_putc(b, '}');
}

static void put_event(struct buf *b, const struct webhook_target *t,
		      const struct webhook_message *m, bool cut)
{
	auto_buf struct buf key;
	buf_init(&key, KEY_MAX + 1);
	webhook_put_case_key(&key, m);
	buf_putc(b, '{');
	webhook_put_text(b, "routing_key", t->secret[0]);
	webhook_put_text(b, "event_action", webhook_is_recovery(m) ? SL("resolve") : SL("trigger"));
	webhook_put_text(b, "dedup_key", buf_slice(&key));
	webhook_put_text(b, "client", SL("gridhub"));
	put_payload(b, t, m, cut);
	if (m->case_url.n) {
		buf_puts(b, ",\"links\":[{");
		webhook_put_text(b, "href", m->case_url);
		webhook_put_text(b, "text", slice_of(webhook_open_word(t)));
		buf_puts(b, "}]");
	}
	buf_putc(b, '}');
}

static int pagerduty_compose(const struct webhook_target *t, const struct webhook_message *m,
			     struct webhook_request *ret, struct err *e)
{
	put_event(&ret->body, t, m, false);
	if (ret->body.failed) {
		buf_reset(&ret->body);
		put_event(&ret->body, t, m, true);
	}
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

static enum webhook_verdict pagerduty_classify(int status, struct slice body,
					       struct webhook_answer *ret)
{
	enum webhook_verdict res = webhook_classify_http(status, body, ret);
	if (status == 400)
		ret->why = "PagerDuty takes the event for invalid: most often the routing key is "
			   "not that of an Events API v2 integration";
	return res;
}

extern const struct webhook_adapter webhook_pagerduty;
const struct webhook_adapter webhook_pagerduty = {
	.name = "pagerduty",
	.help = "PagerDuty Events API v2 (https://events.pagerduty.com/v2/enqueue; secret_file: "
		"routing key)",
	.takes = WEBHOOK_TEXT_TEMPLATE,
	.limits = {{120, TIMES_MIN}},
	.by_case = true,
	.check = pagerduty_check,
	.compose = pagerduty_compose,
	.classify = pagerduty_classify,
};
