/*
 * look_http: GET of a URL, and its body as it comes: whole, chunked, or until the end. A
 * redirection is said and not followed.
 */
#ifndef GRIDHUB_LOOK_HTTP_H
#define GRIDHUB_LOOK_HTTP_H

#include "look_talk.h"

struct look_http {
	struct look_talk talk;
	bool chunked, ended;
	int64_t left;	/* of the body or chunk; -1: until the end */
	int64_t age_us; /* since it was changed, by the server's own clock; -1: not said */
};

/* own: see look_io_find. Once more with the password if it is asked for. */
must_check int look_http_open(struct look_http *h, struct look_run *run, const struct look_url *u,
			      bool own);
/* At least one byte of the body, or 0: its end. */
must_check ssize_t look_http_read(struct look_http *h, void *p, size_t n);
/* What is left of it into out (inited; its max is the limit). cut: more than that is no failure. */
must_check int look_http_rest(struct look_http *h, bool cut, struct buf *out);
void look_http_close(struct look_http *h);

#endif
