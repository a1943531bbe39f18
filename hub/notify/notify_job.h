/*
 * notify_job: one alert on its way: what the outbox says, the request made of it, and what became
 * of it. Pure: no database, no socket, no clock; any thread, one at a time.
 */
#ifndef GRIDHUB_NOTIFY_JOB_H
#define GRIDHUB_NOTIFY_JOB_H

#include "endpoint.h"
#include "sender.h"

#define NOTIFY_ALERT_MAX                                                         \
	(1024 * 1024) /* bytes of one outbox row; the engine writes some hundred \
		       */
#define NOTIFY_DETAIL_MAX 384
#define NOTIFY_LEASE_MAX 64

enum notify_state { NOTIFY_FREE, NOTIFY_SENDING, NOTIFY_DONE };
enum notify_result { NOTIFY_ACCEPTED, NOTIFY_RETRY, NOTIFY_DEAD };

struct notify_job {
	enum notify_state state;
	int64_t outbox_id, case_id, created_us;
	int attempts; /* before this one */
	char lease[NOTIFY_LEASE_MAX];
	const struct endpoint *to; /* that the request under way was made from */
	struct slice message_id, endpoint, event, alert, mention; /* in mem */
	struct arena mem;
	struct webhook_request request;
	/* what became of it, once state is NOTIFY_DONE */
	enum notify_result result;
	bool disable;	 /* the endpoint wants no more */
	bool unwell;	 /* the receiver is at fault, not the message */
	int64_t wait_us; /* NOTIFY_RETRY: until the next attempt */
	int64_t rest_us; /* the receiver wants nothing at all for so long */
	int status;	 /* HTTP; 0 = no answer */
	int64_t latency_us;
	char detail[NOTIFY_DETAIL_MAX]; /* why, for ops; holds no URL and no secret */
	char answer[SENDER_ANSWER_KEPT];
	size_t answer_n;
};

void notify_job_init(struct notify_job *j);
void notify_job_done(struct notify_job *j);
/* Free for the next alert; keeps its memory. */
void notify_job_reset(struct notify_job *j);

/*
 * Make the request; its texts live in the job. On failure the job is NOTIFY_DONE: dead if the alert
 * can never be sent.
 */
must_check int notify_job_compose(struct notify_job *j, const struct endpoint *p,
				  const struct config *conf, int64_t now_us,
				  struct sender_request *ret);
/* Set what became of it from what the sender says. */
void notify_job_judge(struct notify_job *j, const struct endpoint *p, int64_t scale_pct,
		      const struct sender_result *r);
/* NOTIFY_DONE for a reason of our own: by the schedule again (dead when it is over), or dead. */
void notify_job_retry(struct notify_job *j, int64_t scale_pct, int64_t retry_after_us,
		      const char *why);
void notify_job_dead(struct notify_job *j, const char *why);

#endif
