#include "adapter.h"

#define DIALECTS(x)                                                                        \
	x(standard) x(cloudevents) x(alertmanager) x(wecom) x(dingtalk) x(feishu) x(slack) \
		x(pagerduty) x(ntfy) x(gotify) x(template)

#define DECLARE(name) extern const struct webhook_adapter webhook_##name;
#define ADDRESS(name) &webhook_##name,
DIALECTS(DECLARE)

const struct webhook_adapter *const webhook_adapters[] = {DIALECTS(ADDRESS) NULL};

const char *const webhook_verdict_names[] = {"accepted", "retry", "final", "disable"};

const struct webhook_adapter *webhook_adapter_find(struct slice name)
{
	for (size_t i = 0; webhook_adapters[i]; i++)
		if (slice_is(name, webhook_adapters[i]->name))
			return webhook_adapters[i];
	return NULL;
}

/* First match wins. */
static const struct {
	int from, to;
	enum webhook_verdict verdict;
	const char *why;
} by_status[] = {
	{200, 299, WEBHOOK_ACCEPTED, "the receiver accepted it"},
	{300, 399, WEBHOOK_RETRY,
	 "the receiver redirects; redirects are not followed: set the final URL"},
	{401, 401, WEBHOOK_FINAL,
	 "the receiver does not know the sender: secret or credentials differ"},
	{403, 403, WEBHOOK_FINAL,
	 "the receiver forbids it: secret, clock or sender address differ"},
	{404, 404, WEBHOOK_FINAL, "nothing at that URL: the path is wrong"},
	{408, 408, WEBHOOK_RETRY, "the receiver timed out while it read the request"},
	{410, 410, WEBHOOK_DISABLE, "the receiver is gone for good: the endpoint is disabled"},
	{413, 413, WEBHOOK_FINAL, "the message is too large for the receiver"},
	{425, 425, WEBHOOK_RETRY, "the receiver says that it is too early"},
	{429, 429, WEBHOOK_RETRY, "too fast for the receiver"},
	{400, 499, WEBHOOK_FINAL, "the receiver refuses the message"},
	{500, 599, WEBHOOK_RETRY, "the receiver failed"},
};

enum webhook_verdict webhook_classify_http(int status, struct slice body,
					   struct webhook_answer *ret)
{
	(void)body;
	for (size_t i = 0; i < COUNT_OF(by_status); i++) {
		if (status >= by_status[i].from && status <= by_status[i].to) {
			*ret = (struct webhook_answer){.why = by_status[i].why};
			return by_status[i].verdict;
		}
	}
	*ret = (struct webhook_answer){.why = "the answer is not HTTP as it is known"};
	return WEBHOOK_RETRY;
}

void webhook_request_init(struct webhook_request *r)
{
	buf_init(&r->url, WEBHOOK_URL_MAX);
	buf_init(&r->headers, WEBHOOK_HEADERS_MAX);
	buf_init(&r->body, WEBHOOK_BODY_MAX);
}

void webhook_request_done(struct webhook_request *r)
{
	buf_done(&r->url);
	buf_done(&r->headers);
	buf_done(&r->body);
}
