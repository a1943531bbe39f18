/*
 * The contract of a webhook adapter: one receiver's dialect, one file, one exported const struct,
 * one line in list.c.
 *
 * An adapter is pure: from an alert, an endpoint's secrets, the time and the message id it makes
 * URL, headers and body; and from an answer it tells what became of the message. It sees no socket,
 * no database and no clock. An answer is input from outside: nothing in it may crash the adapter.
 */
#ifndef GRIDHUB_WEBHOOK_ADAPTER_H
#define GRIDHUB_WEBHOOK_ADAPTER_H

#include "json.h"

#define WEBHOOK_SECRETS_MAX 4
#define WEBHOOK_URL_MAX 4096
#define WEBHOOK_HEADERS_MAX 4096
#define WEBHOOK_BODY_MAX \
	(512 * 1024)		/* the largest that any receiver takes; a dialect has its own */
#define WEBHOOK_ANSWER_MAX 1024 /* how much of an answer is kept and shown to classify */

struct webhook_text; /* a text with places to fill in: text.h */

/* What a message is sent to; all borrowed. Secrets are in the form in which ops write them. */
struct webhook_target {
	struct slice url;
	struct slice secret[WEBHOOK_SECRETS_MAX]; /* the newest first */
	size_t nsecrets;
	int lang;			 /* enum lang: of the words that the dialect adds */
	const struct webhook_text *text; /* of ops' own (template_file); NULL: the alert's text */
	struct slice content_type;	 /* of a body of ops' own; empty: JSON */
	struct slice mention; /* who is called by name: ids that are good, blanks between them */
};

/* One message; all borrowed. Whatever is not `now_us` is the same on every attempt. */
struct webhook_message {
	struct slice id; /* never changes over retries, so that the receiver can tell */
	struct slice
		event; /* "case.opened", "case.recurred", "case.recovered", "case.digest", "test" */
	const struct json *alert; /* object: case, grid, device, fields, text (see standard.c) */
	struct slice case_url;	  /* a page about the case; empty = none */
	struct slice mention;	  /* as in the target: of who is on duty */
	int64_t at_us;		  /* when it happened */
	int64_t now_us;		  /* of this attempt */
};

struct webhook_request {
	struct buf url;
	struct buf headers; /* "Name: value\n" each; Content-Type among them */
	struct buf body;
};

enum webhook_verdict {
	WEBHOOK_ACCEPTED, /* delivered: the hub owes nothing any more */
	WEBHOOK_RETRY,	  /* try again by the schedule */
	WEBHOOK_FINAL,	  /* this message will never be taken: dead letter */
	WEBHOOK_DISABLE,  /* the receiver wants no message any more: dead letter, endpoint off */
};
extern const char *const webhook_verdict_names[]; /* "accepted", "retry", "final", "disable" */

/* What an answer means, beside the verdict. */
struct webhook_answer {
	const char *why; /* one sentence for ops: what it means, what to do; static text */
	int64_t wait_us; /* the receiver wants nothing at all for so long; 0: it does not say */
};

/* What becomes of endpoints[].template_file. */
enum webhook_template {
	WEBHOOK_NO_TEMPLATE,   /* the dialect has a form of its own: refused */
	WEBHOOK_TEXT_TEMPLATE, /* the text that people read; without it, the alert's */
	WEBHOOK_BODY_TEMPLATE, /* the whole body; required */
};

#define WEBHOOK_LIMITS 2
struct webhook_limit { /* at most n messages in any span_us; n 0: none */
	unsigned n;
	int64_t span_us;
};

struct webhook_adapter {
	const char *name; /* as in endpoints[].dialect */
	const char *help; /* one line */
	enum webhook_template takes;
	bool mentions; /* calls people by name: endpoints[].mention */
	bool by_case;  /* keeps an incident of each case by a key: must hear of each, no digests */
	/* What the receiver allows; endpoints[].rate takes its place. */
	struct webhook_limit limits[WEBHOOK_LIMITS];
	/* Are URL and secrets of the dialect's form? Called at start. -EINVAL, e says what is
	 * wrong, without quoting a secret. */
	int (*check)(const struct webhook_target *t, struct err *e);
	/* Fill an empty request. -EMSGSIZE: the alert does not fit the receiver's limit even when
	 * cut; -EINVAL, -EIO, -ENOMEM. Any failure is final for the message. */
	int (*compose)(const struct webhook_target *t, const struct webhook_message *m,
		       struct webhook_request *ret, struct err *e);
	/* status: HTTP status of a complete head; body: its first WEBHOOK_ANSWER_MAX bytes. */
	enum webhook_verdict (*classify)(int status, struct slice body, struct webhook_answer *ret);
};

/* NULL-terminated; in the order of help texts. */
extern const struct webhook_adapter *const webhook_adapters[];
const struct webhook_adapter *webhook_adapter_find(struct slice name); /* NULL: none of that name */

/*
 * What HTTP itself says, for dialects that add nothing to it: 2xx accepted; 408, 425, 429, 5xx
 * retry; 410 disable; other 4xx final. A redirect is a failure, never followed: retried, because
 * it is a mistake of set-up that ops can mend while the alert is still owed.
 */
enum webhook_verdict webhook_classify_http(int status, struct slice body,
					   struct webhook_answer *ret);

/* May an id be put into a message as it is? Letters, digits, _ . @ + -, at most 64; not "all" and
 * what else means everybody. */
#define WEBHOOK_MENTIONS_MAX 8
bool webhook_mention_ok(struct slice id);

void webhook_request_init(struct webhook_request *r);
void webhook_request_done(struct webhook_request *r); /* safe on a zeroed struct */

#endif
