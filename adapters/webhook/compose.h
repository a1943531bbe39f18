/*
 * compose: what the dialects share: the alert as JSON, what is said in a head and lines, the end of
 * a request, and answers with a code in JSON. Private to adapters/webhook.
 */
#ifndef GRIDHUB_WEBHOOK_COMPOSE_H
#define GRIDHUB_WEBHOOK_COMPOSE_H

#include "text.h"

/* At most max bytes of s, never half a character. */
struct slice webhook_cut(struct slice s, size_t max);

/* The alert as an object, with "url" (of the case); cut: without fields, long texts shortened, and
 * "cut":true. */
void webhook_put_alert(struct buf *b, const struct webhook_message *m, bool cut);
/* `"key":"text"`, with the comma before it. */
void webhook_put_text(struct buf *b, const char *key, struct slice text);

/* What people read: its first line, and the lines after it. */
struct webhook_said {
	struct buf all;
	struct slice head, rest; /* in all */
};
void webhook_say(const struct webhook_target *t, const struct webhook_message *m,
		 enum webhook_style style, size_t max, struct webhook_said *ret);
void webhook_said_done(struct webhook_said *s);
#define auto_said auto_call(webhook_said_done)

/* Of a case, or of all that a digest tells of. */
bool webhook_is_recovery(const struct webhook_message *m);
/* 0 low … 3 urgent; a test is normal. */
unsigned webhook_severity(const struct webhook_message *m);
/* "Open the case", in the language of the target. */
const char *webhook_open_word(const struct webhook_target *t);
/*
 * Who is called by name: of the endpoint and whoever is on duty, each once. Nobody for what is low,
 * normal or over; a test calls those of the endpoint. Ids come from ops only, and are checked
 * again.
 */
size_t webhook_mentioned(const struct webhook_target *t, const struct webhook_message *m,
			 struct slice ret[static WEBHOOK_MENTIONS_MAX]);
/* "before ID after" for each of them. */
void webhook_put_mentions(struct buf *b, const struct webhook_target *t,
			  const struct webhook_message *m, const char *before, const char *after);
/* What the case is called by receivers that fold by a key; the same for the life of a case. */
void webhook_put_case_key(struct buf *b, const struct webhook_message *m);

/* URL (unless the caller put one) and Content-Type; then: does it fit? -EMSGSIZE, -ENOMEM. */
must_check int webhook_finish(const struct webhook_target *t, const char *content_type,
			      size_t body_max, struct webhook_request *r, struct err *e);
/* Between min and max secrets, each of printable ASCII; `what` says what they are. */
must_check int webhook_check_secrets(const struct webhook_target *t, size_t min, const char *what,
				     struct err *e);

/* An answer's code and, where that is not enough, a part of its message. First match wins. */
struct webhook_code {
	int64_t code;
	const char *says; /* NULL: whatever it says */
	enum webhook_verdict verdict;
	int64_t wait_us;
	const char *why;
};
struct webhook_codes {
	const char *code[2], *message[2]; /* names of the members; the first that is there counts */
	const struct webhook_code *list;
	size_t n;
};
/* HTTP's word first; of a 2xx, the code must be there and 0. A code that is not in the list, or an
 * answer that is no such JSON, is tried again: nobody has said that it was accepted. */
enum webhook_verdict webhook_classify_code(int status, struct slice body,
					   const struct webhook_codes *codes,
					   struct webhook_answer *ret);

#endif
