#include "notify_job.h"

#include "retry.h"
#include "times.h"

#define CASE_URL_MAX 2048

static const struct json_limits alert_limits = {.max_bytes = NOTIFY_ALERT_MAX, .max_depth = 32};

void notify_job_init(struct notify_job *j)
{
	*j = (struct notify_job){0};
	arena_init(&j->mem, NOTIFY_ALERT_MAX);
	webhook_request_init(&j->request);
}

void notify_job_done(struct notify_job *j)
{
	arena_done(&j->mem);
	webhook_request_done(&j->request);
}

void notify_job_reset(struct notify_job *j)
{
	struct arena mem = j->mem;
	struct webhook_request request = j->request;
	arena_reset(&mem);
	buf_reset(&request.url);
	buf_reset(&request.headers);
	buf_reset(&request.body);
	*j = (struct notify_job){.mem = mem, .request = request};
}

static int fill_request(struct notify_job *j, const struct endpoint *p, const struct config *conf,
			int64_t now_us, struct err *e)
{
	auto_json struct json *alert = NULL;
	auto_buf struct buf case_url;
	buf_init(&case_url, CASE_URL_MAX);
	int rc = json_parse(j->alert, &alert_limits, e, &alert);
	if (rc)
		return err_prefix(e, rc, "the alert in the outbox");
	/* A digest leads to the worst of its cases, whose number stands in it. */
	int64_t case_id = json_int(json_get(json_get(alert, "case"), "id"));
	endpoint_case_url(conf, j->case_id ? j->case_id : case_id, &case_url);
	struct webhook_message m = {.id = j->message_id,
				    .event = j->event,
				    .alert = alert,
				    .case_url = buf_slice(&case_url),
				    .mention = j->mention,
				    .at_us = j->created_us,
				    .now_us = now_us};
	return p->adapter->compose(&p->target, &m, &j->request, e);
}

int notify_job_compose(struct notify_job *j, const struct endpoint *p, const struct config *conf,
		       int64_t now_us, struct sender_request *ret)
{
	struct err e = {0};
	int rc = fill_request(j, p, conf, now_us, &e);
	if (rc == -ENOMEM)
		notify_job_retry(j, conf->notify.retry_scale_pct, 0, "out of memory");
	else if (rc)
		notify_job_dead(j, e.msg);
	if (rc)
		return rc;
	const char *ca = p->conf->ca_file;
	*ret = (struct sender_request){.url = buf_str(&j->request.url),
				       .headers = buf_slice(&j->request.headers),
				       .body = buf_slice(&j->request.body),
				       .ca_file = ca && ca[0] ? ca : NULL,
				       .guard = p->literal ? NULL : &conf->notify.allowed,
				       .connect_timeout_us = conf->notify.connect_timeout_us,
				       .timeout_us = p->conf->timeout_us,
				       .user = j};
	return 0;
}

void notify_job_dead(struct notify_job *j, const char *why)
{
	j->state = NOTIFY_DONE;
	j->result = NOTIFY_DEAD;
	snprintf(j->detail, sizeof j->detail, "%s", why);
}

void notify_job_retry(struct notify_job *j, int64_t scale_pct, int64_t retry_after_us,
		      const char *why)
{
	uint64_t seed = hash64(j->message_id, (uint64_t)j->attempts);
	j->state = NOTIFY_DONE;
	j->result = NOTIFY_RETRY;
	snprintf(j->detail, sizeof j->detail, "%s", why);
	if (retry_wait(j->attempts + 1, scale_pct, seed, retry_after_us, &j->wait_us)) {
		j->result = NOTIFY_DEAD;
		snprintf(j->detail, sizeof j->detail, "given up after %d attempts: %s",
			 j->attempts + 1, why);
	}
}

void notify_job_judge(struct notify_job *j, const struct endpoint *p, int64_t scale_pct,
		      const struct sender_result *r)
{
	struct webhook_answer a = {.why = r->why};
	enum webhook_verdict verdict = WEBHOOK_RETRY;
	j->status = r->status;
	j->latency_us = r->latency_us;
	j->answer_n = r->answer_n;
	memcpy(j->answer, r->answer, r->answer_n);
	endpoint_blot(p, j->answer, j->answer_n);
	if (r->status)
		verdict =
			p->adapter->classify(r->status, (struct slice){r->answer, r->answer_n}, &a);
	j->rest_us = MAX_OF(r->retry_after_us, a.wait_us);
	char text[NOTIFY_DETAIL_MAX];
	snprintf(text, sizeof text, "%s%s%s", a.why, r->status && r->why[0] ? "; " : "",
		 r->status ? r->why : "");
	j->disable = verdict == WEBHOOK_DISABLE;
	j->unwell = verdict == WEBHOOK_RETRY;
	if (verdict == WEBHOOK_RETRY)
		notify_job_retry(j, scale_pct, j->rest_us, text);
	else
		notify_job_dead(j, text);
	if (verdict == WEBHOOK_ACCEPTED)
		j->result = NOTIFY_ACCEPTED;
}
