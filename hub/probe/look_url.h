/*
 * look_url: a stream's URL taken apart, with every form refused that two readers could read
 * differently: a password's `@` or `/` must never make another host of it. Pure; any thread.
 */
#ifndef GRIDHUB_LOOK_URL_H
#define GRIDHUB_LOOK_URL_H

#include "look.h"

#define LOOK_NAME_MAX 256 /* of a user or a password, with NUL */
#define LOOK_HOST_MAX 256

enum look_kind { LOOK_RTSP, LOOK_FLV, LOOK_HLS, LOOK_RTMP };

struct look_url {
	enum look_kind kind;
	bool tls;
	const char *scheme;				   /* of the table */
	char user[LOOK_NAME_MAX], password[LOOK_NAME_MAX]; /* decoded; "" = none */
	bool login;					   /* there is a user */
	char host[LOOK_HOST_MAX];			   /* an IPv6 address without brackets */
	bool v6;
	uint16_t port;
	char path[PROBE_URL_MAX * 3]; /* "/…" with its query, as a request line takes it */
};

/* -EINVAL with e, which never holds anything of the credentials. */
must_check int look_url_parse(const char *url, struct look_url *ret, struct err *e);
/* "host", "host:8554", "[::1]:554": as a Host header has it; the scheme's own port is left out. */
void look_url_authority(const struct look_url *u, struct buf *out);
/* "rtsp://host:8554/path": without user and password, as a request line has it. */
void look_url_bare(const struct look_url *u, struct buf *out);
/*
 * What a playlist names, seen from the playlist: absolute, "//host/…", "/…" or beside it. Kind is
 * LOOK_FLV (whatever comes), the credentials stay only where host, port and scheme do.
 * -EINVAL with e: not http or https, or not a URL.
 */
must_check int look_url_join(const struct look_url *base, struct slice ref, struct look_url *ret,
			     struct err *e);

#endif
