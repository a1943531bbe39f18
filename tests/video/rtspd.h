/*
 * rtspd: an RTSP server for tests and benches alone: thousands of mounts, real video, and every way
 * in which a server can be bad. RTP comes interleaved in the TCP connection. One thread.
 *
 * A mount is a path; what it does is read off the path itself, so that 17,000 of them cost nothing:
 * /NAME[/KEY=VALUE…][/ID], NAME from the table in rtspd_mount.c. See tests/video/README.md.
 */
#ifndef GRIDHUB_TEST_RTSPD_H
#define GRIDHUB_TEST_RTSPD_H

#include <openssl/ssl.h>

#include "clip.h"

#define URL_MAX 2048
#define IN_MAX (16 * 1024)
#define WORD_MAX 64

/* What a mount does, and when: an act takes the place of the answer to a request. */
enum step { AT_ACCEPT, AT_OPTIONS, AT_DESCRIBE, AT_SETUP, AT_PLAY, AT_NEVER };

enum act {
	ACT_NONE,
	ACT_SILENT,	 /* never answers again */
	ACT_STATUS,	 /* answers with a status */
	ACT_RESET,	 /* RST */
	ACT_CLOSE,	 /* FIN, and the descriptor with it */
	ACT_HALF,	 /* FIN, and stays */
	ACT_GARBAGE,	 /* bytes without end or sense */
	ACT_HEADERS,	 /* headers without end */
	ACT_BODY,	 /* a body without end, as its Content-Length says */
	ACT_DRIP,	 /* the answer's headers, a byte a second */
	ACT_DRIP_BODY,	 /* its body, a byte a second */
	ACT_REDIRECT,	 /* to "to": self, or a URL */
	ACT_HUGE_LENGTH, /* a Content-Length beyond 2^32, and 100 bytes */
	ACT_HUGE_SDP,	 /* 8 MB of it */
	ACT_MANY_MEDIA,	 /* an SDP with 10,000 of them */
	ACT_CONTINUE,	 /* 100 Continue, for ever */
	ACT_ASKS,	 /* requests of its own, for ever */
	ACT_TELL,	 /* a request of its own: REDIRECT to "to" */
	ACT_ELSEWHERE,	 /* of AT_DESCRIBE: an SDP whose video is at "to" */
	ACT_AUDIO_ONLY,	 /* of AT_DESCRIBE: an SDP without video */
	ACT_NO_SDP,	 /* of AT_DESCRIBE: a page of HTML */
	ACT_UDP,	 /* of AT_SETUP: it will send over UDP */
	ACT_LONG_NAME,	 /* of AT_SETUP: a session whose name has 3,000 letters */
	ACT_NO_PACKETS,	 /* of AT_PLAY: answers, and sends nothing */
	ACT_NO_KEY,	 /* pictures, but never a keyframe */
	ACT_RTP_JUNK,	 /* RTP with lengths that make no sense */
	ACT_RTP_STALL,	 /* half a packet, and nothing more */
	ACT_RTP_DRIP	 /* the packets, a byte a second */
};

enum join {
	JOIN_NOW,
	JOIN_WAIT,
	JOIN_KEY
}; /* mid-GOP as cameras do; silent until the next
      keyframe; with one at once */
enum auth { AUTH_NONE, AUTH_BASIC, AUTH_DIGEST, AUTH_QOP };

struct mount {
	char clip[CLIP_NAME_MAX], then[CLIP_NAME_MAX]; /* then: the clip that follows after_s */
	char user[WORD_MAX], pass[WORD_MAX], to[512];
	enum step at;
	enum act act;
	enum join join;
	enum auth auth;
	int status;
	double fps;		/* 0: the clip's */
	double after_s, jump_s; /* jump_s: what the time stamps jump by every after_s */
	int audio;		/* 1: declared, and never sent */
	int single;		/* 1: one session at a time, the next gets 453 */
	int same;		/* 1: keyframes repeat bit by bit, as in a looped recording */
	int sprop;		/* 0: no parameter sets in the SDP */
	int late_ms;		/* before each answer */
	int asks;		/* 1: it asks something itself before each answer */
	int flip;		/* so many packets of a thousand have some bytes changed */
	int channel;		/* that its RTP comes on, whatever it was asked */
};

/* A path without host and query → what it means. false: there is no such mount. */
bool mount_find(const char *path, struct mount *ret);
/* From now on path is what the path `to` is ("-": itself again). false: full. */
bool mount_set(const char *path, const char *to);
extern unsigned mount_changes; /* how often anything was set, or a clip loaded */
extern struct mount mount_default;
/* One "key=value" of a path. false: no such key, or no such value. */
bool mount_option(struct mount *m, const char *option);

struct conn {
	int fd;
	SSL *ssl;
	bool ssl_ready, want_out, dead;
	bool deaf;   /* what comes is thrown away */
	bool waited; /* late_ms before the next answer */
	struct mount mount;
	char path[URL_MAX];
	unsigned long long number, session;
	size_t nin;
	uint8_t *out; /* what the socket did not take yet */
	size_t out_at, nout, out_cap;
	enum act act; /* what it does without being asked */
	size_t acted; /* bytes of it */
	char *drip;   /* what ACT_DRIP and the like let go byte by byte */
	size_t ndrip;
	struct clip *clip; /* while it plays */
	bool playing, shown;
	size_t frame; /* the next */
	unsigned changes;
	uint32_t rtp_time, ssrc, pictures;
	uint16_t seq;
	int64_t began_us, jumped_us, due_us;
	uint64_t wheel_slot; /* of rtspd_wheel, ~0: in none */
	struct conn *before, *after;
	struct conn *listed_before, *listed_after;
	char in[IN_MAX + 1];
};

struct stats {
	unsigned long long connections, requests, sessions, frames, bytes, open, playing;
};
extern struct stats stats;

/* ---- rtspd.c: descriptors and time ---- */
int64_t now_us(void);
void conn_send(struct conn *c, const void *data, size_t n);
void conn_printf(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void conn_hang_up(struct conn *c, bool reset); /* it is freed later, c may still be looked at */
void conn_at(struct conn *c, int64_t due_us);  /* conn_due is called then; 0: not at all */
struct conn *conn_first(void);
struct clip *clip_named(const char *name);
void log_request(const struct conn *c, const char *method, const char *auth);

/* ---- rtspd_rtsp.c: requests and answers ---- */
/* Whole requests in c->in; those that were taken are gone. */
void rtsp_take(struct conn *c);

/* ---- rtspd_play.c: pictures ---- */
void play_begin(struct conn *c);
void play_end(struct conn *c);
void play_due(struct conn *c);

/* ---- rtspd_bad.c ---- */
/* Begin with an act in place of an answer to a request with this cseq. */
void bad_act(struct conn *c, enum act act, int cseq, const char *url);
void bad_fill(struct conn *c); /* the socket takes more */
void bad_due(struct conn *c);

#endif
