/*
 * look_talk: requests and answers as RTSP and HTTP have them in common: a line, headers, a body;
 * and the password, asked for and given once. Redirects are said, never followed.
 */
#ifndef GRIDHUB_LOOK_TALK_H
#define GRIDHUB_LOOK_TALK_H

#include "look_auth.h"
#include "look_io.h"

#define LOOK_BODY_MAX ((size_t)64 << 10) /* of a description or playlist */

struct look_answer {
	int status;
	int64_t length; /* of the body; -1: not said */
	bool chunked;
	char base[2048]; /* Content-Base, else Content-Location */
	char location[2048];
	char session[256];
	char transport[512];
	char type[128]; /* Content-Type */
	char seq[16];
	char date[32], modified[32]; /* Date, Last-Modified */
};

struct look_talk {
	struct look_io io;
	const struct look_url *url;
	const char *protocol; /* "RTSP/1.0", "HTTP/1.1" */
	struct look_auth auth;
	uint32_t seq;
	char session[256]; /* RTSP's, once there is one */
	bool interleaved;  /* '$' frames may stand between answers: they are passed over */
};

/* Send a request; more: header lines, each with its end. */
must_check int look_talk_say(struct look_talk *t, const char *method, const char *uri,
			     const char *more);
/* Read an answer's headers. first: what was read of its line already, or "". */
must_check int look_talk_hear(struct look_talk *t, const char *first, struct look_answer *ret);
/* Say, hear, and say it once more with the password if it is asked for. 2xx, or a failure that is
 * said. */
must_check int look_talk_ask(struct look_talk *t, const char *method, const char *uri,
			     const char *more, struct look_answer *ret);
/* A whole body into out (inited, its max is the limit). */
must_check int look_talk_body(struct look_talk *t, const struct look_answer *a, struct buf *out);
/* What a status other than 2xx means; returns a negative errno. */
int look_talk_refused(struct look_talk *t, const struct look_answer *a, const char *method);

#endif
