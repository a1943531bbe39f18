/*
 * The JSON that Alertmanager sends to its webhook receivers (version 4), one alert a message, so
 * that whatever takes those takes ours: firing when a case is opened, resolved when it has
 * recovered, under the same fingerprint. A secret is sent as a bearer token.
 */
#include "compose.h"

#include <inttypes.h>

#include "times.h"

#define BODY_MAX (64 * 1024)
#define TEXT_MAX 8000
#define NOT_YET "0001-01-01T00:00:00Z"

static int alertmanager_check(const struct webhook_target *t, struct err *e)
{
	return webhook_check_secrets(t, 0, "a token", e);
}

/* Labels say which alert it is: the same from its opening to its recovery. */
static const struct {
	const char *label, *part, *member;
} labels[] = {
	{"alertname", "case", "rule"},	     {"kind", "case", "kind"},
	{"severity", "case", "severity"},    {"grid", "grid", "code"},
	{"grid_name", "grid", "name"},	     {"leader", "grid", "leader"},
	{"device", "device", "id"},	     {"device_class", "device", "class"},
	{"device_title", "device", "title"},
};

static void put_labels(struct buf *b, const struct webhook_message *m)
{
	buf_putc(b, '{');
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		struct slice v =
			json_str(json_get(json_get(m->alert, labels[i].part), labels[i].member));
		if (!v.n && i == 0)
			v = m->event; /* a test is of no rule */
		if (v.n)
			webhook_put_text(b, labels[i].label, v);
	}
	buf_putc(b, '}');
}

static void put_annotations(struct buf *b, const struct webhook_message *m)
{
	struct slice title = json_str(json_get(json_get(m->alert, "case"), "title"));
	struct slice text = webhook_cut(json_str(json_get(m->alert, "text")), TEXT_MAX);
	buf_putc(b, '{');
	webhook_put_text(b, "summary", title.n ? webhook_cut(title, TEXT_MAX) : text);
	webhook_put_text(b, "description", text);
	buf_putc(b, '}');
}

static void put_times(struct buf *b, const struct webhook_message *m, const char *at)
{
	struct slice opened = json_str(json_get(json_get(m->alert, "case"), "opened_at"));
	webhook_put_text(b, "startsAt", opened.n ? opened : slice_of(at));
	webhook_put_text(b, "endsAt", slice_of(webhook_is_recovery(m) ? at : NOT_YET));
}

static int alertmanager_compose(const struct webhook_target *t, const struct webhook_message *m,
				struct webhook_request *ret, struct err *e)
{
	struct buf *b = &ret->body;
	const char *status = webhook_is_recovery(m) ? "resolved" : "firing";
	char at[TIMES_RFC3339_MAX];
	auto_buf struct buf set, notes, key;
	buf_init(&set, BODY_MAX);
	buf_init(&notes, BODY_MAX);
	buf_init(&key, 256);
	times_format(m->at_us, at);
	put_labels(&set, m);
	put_annotations(&notes, m);
	webhook_put_case_key(&key, m);
	buf_puts(b, "{\"version\":\"4\",\"truncatedAlerts\":0,\"receiver\":\"gridhub\"");
	webhook_put_text(b, "groupKey", buf_slice(&key));
	webhook_put_text(b, "status", slice_of(status));
	webhook_put_text(b, "externalURL", m->case_url);
	buf_printf(b, ",\"groupLabels\":%s,\"commonLabels\":%s,\"commonAnnotations\":%s",
		   buf_str(&set), buf_str(&set), buf_str(&notes));
	buf_printf(b, ",\"alerts\":[{\"status\":\"%s\",\"labels\":%s,\"annotations\":%s", status,
		   buf_str(&set), buf_str(&notes));
	put_times(b, m, at);
	webhook_put_text(b, "generatorURL", m->case_url);
	buf_printf(b, ",\"fingerprint\":\"%016" PRIx64 "\"}]}", hash64(buf_slice(&key), 0));
	if (t->nsecrets)
		buf_printf(&ret->headers, "Authorization: Bearer %.*s\n", SL_FMT(t->secret[0]));
	return webhook_finish(t, "application/json", BODY_MAX, ret, e);
}

extern const struct webhook_adapter webhook_alertmanager;
const struct webhook_adapter webhook_alertmanager = {
	.name = "alertmanager",
	.help = "JSON of Alertmanager's webhooks, version 4 (secret_file: a bearer token, if it "
		"wants one)",
	.by_case = true,
	.check = alertmanager_check,
	.compose = alertmanager_compose,
	.classify = webhook_classify_http,
};
