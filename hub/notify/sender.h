/*
 * sender: HTTP POSTs, many at a time, over libcurl multi (the only module that knows libcurl).
 *
 * What it guards, for every request: only http and https; no redirect is followed; no proxy from
 * the environment (a variable of the shell must not decide where alerts go); TLS is verified; a
 * name must not lead to addresses that the guard forbids, however it was resolved; a
 * time limit for connecting and one for the whole attempt; of an answer only the first KB is kept,
 * a body past 64 KB or one that trickles on for more than 5 s after its head ends the transfer.
 * Such an answer, and one that breaks off in its body, still counts by its status: the receiver has
 * decided when it sends its head. (A plain low-speed limit would hit receivers that think before
 * they answer.)
 *
 * One thread owns a sender; only sender_wake may be called by others.
 */
#ifndef GRIDHUB_SENDER_H
#define GRIDHUB_SENDER_H

#include "guard.h"

#define SENDER_ANSWER_KEPT 1024
#define SENDER_ANSWER_MAX (64 * 1024)
#define SENDER_BODY_TIME_US INT64_C(5000000)
#define SENDER_WHY_MAX 256

struct sender_request {
	const char *url;      /* all borrowed until the result is taken */
	struct slice headers; /* "Name: value\n" each */
	struct slice body;
	const char *ca_file; /* PEM; NULL = the system's */
	const struct guard
		*guard; /* asked where a name leads; NULL: anywhere, the URL has an address */
	int64_t connect_timeout_us, timeout_us;
	void *user; /* handed back in the result */
};

struct sender_result {
	void *user;
	int status;		  /* of a complete head; 0 = no answer, `why` says the reason */
	int64_t latency_us;	  /* until the attempt was over */
	int64_t retry_after_us;	  /* the receiver's Retry-After; 0 = none */
	char why[SENDER_WHY_MAX]; /* what went wrong below HTTP; "" = nothing */
	char answer[SENDER_ANSWER_KEPT];
	size_t answer_n; /* any bytes */
};

struct sender;

/* slots: the most requests at once. -ENOMEM. */
must_check int sender_new(size_t slots, struct sender **ret);
void sender_free(struct sender *s); /* breaks off what is in flight; NULL is fine */

/* -EAGAIN: all slots are taken; -ENOMEM. */
must_check int sender_start(struct sender *s, const struct sender_request *r);
/* Do what can be done without waiting. */
void sender_work(struct sender *s);
/* Wait for something to do, at most max_us, or until sender_wake. */
void sender_wait(struct sender *s, int64_t max_us);
/* Any thread. */
void sender_wake(struct sender *s);
/* Take the next finished request; false when there is none. */
bool sender_take(struct sender *s, struct sender_result *ret);
size_t sender_in_flight(const struct sender *s); /* started and not taken */
/* Break off every request in flight; `gone` is told the user of each. */
void sender_cancel(struct sender *s, void (*gone)(void *user, void *arg), void *arg);

/*
 * May alerts be sent to this URL? https, or http to this machine itself (localhost, 127.0.0.0/8,
 * ::1), or http anywhere if allow_http; port 80, 443 or one above 1023 (below stand services that
 * could be talked into mischief by a POST). *ret_literal: its host is an address, or localhost.
 * -EINVAL; e does not quote the URL, which may hold a key.
 */
must_check int sender_check_url(const char *url, bool allow_http, struct err *e, bool *ret_literal);

#endif
