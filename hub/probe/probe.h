/*
 * probe: what one look at a video stream asks, and what it says: plain values that every part of
 * the video path shares, and their one form as text, a JSON object (the line of `gridhub probe
 * --json`, the line between a worker and the hub).
 *
 * Online means: a keyframe came before the deadline. Whatever else a server answers is a sub-state
 * on the way there, with the cause that stopped it. Pure; any thread.
 */
#ifndef GRIDHUB_PROBE_H
#define GRIDHUB_PROBE_H

#include "base.h"

#define PROBE_SOURCE \
	"probe"		   /* of the hub's own looks in the spool, where brokers have their names */
#define PROBE_URL_MAX 2048 /* bytes; a longer one is refused */
#define PROBE_LINE_MAX (256 << 10) /* bytes of a request or result as a line, snapshot included */
#define PROBE_SNAPSHOT_MAX (64 << 10) /* bytes of a JPEG: a small picture, at most 320 px wide */
#define PROBE_BLOCKS_MAX \
	1024 /* 16×16 blocks of a picture that is scaled down to at most that many */

enum probe_depth {
	PROBE_REACH,	/* connected: TCP only */
	PROBE_KEYFRAME, /* the first keyframe, not decoded: the definition of online */
	PROBE_PICTURE,	/* that keyframe decoded, and measured */
	PROBE_WATCH	/* about 10 s of packets, and a picture */
};

enum probe_state {
	PROBE_ONLINE,
	PROBE_OFFLINE,
	PROBE_UNKNOWN
}; /* of PROBE_REACH: connected or not */

/* How far it came; each includes those before it. */
enum probe_step {
	PROBE_NONE,
	PROBE_RESOLVED, /* its name */
	PROBE_CONNECTED,
	PROBE_AUTHORISED, /* the server lets us in: an answer to DESCRIBE, HTTP 200, an RTMP connect
			   */
	PROBE_SESSION,	  /* it plays: what is to come is described */
	PROBE_PACKETS,
	PROBE_GOT_KEYFRAME
};

enum probe_cause {
	PROBE_CAUSE_NONE,
	PROBE_UNRESOLVED, /* its name is not known, or no name server answered in time */
	PROBE_REFUSED,	  /* nothing listens, or the address cannot be reached */
	PROBE_TIMEOUT,	  /* before the session stood */
	PROBE_UNAUTHORISED,
	PROBE_NOT_FOUND,
	PROBE_BUSY,	  /* 453, 503 …: all sessions taken; says nothing about the picture */
	PROBE_NO_PACKETS, /* a session that sends nothing */
	PROBE_NO_KEYFRAME,
	PROBE_BAD_DATA,
	PROBE_REDIRECTED, /* to another place; not followed */
	PROBE_TOO_BIG,	  /* endless headers, playlists, frames beyond a budget */
	PROBE_HOST_DOWN,  /* the host it hangs on cannot be reached: set by the plan, not by a look
			   */
	PROBE_PROBER	  /* we are at fault: a worker died, no memory, the canary is silent */
};

/* Words of rules/fields.yaml: "keyframe", "online", "unauthorised" …; NULL-terminated tables. */
extern const char *const probe_depth_words[],
	*const probe_state_words[], *const probe_step_words[], *const probe_cause_words[];

struct probe_request {
	int64_t id;	 /* the asker's; comes back with the result */
	const char *url; /* rtsp, rtsps, http, https, rtmp; may hold user:password@ */
	enum probe_depth depth;
	int64_t deadline_us;  /* for all of it but the watching; the result is there 100 ms later at
				 most */
	int64_t watch_us;     /* PROBE_WATCH: how long packets are looked at */
	bool snapshot;	      /* PROBE_PICTURE and up: with a JPEG */
	uint64_t piece;	      /* HLS: what an earlier look said; 0: nothing to compare with */
	int64_t piece_age_us; /* since that was said first */
};

struct probe_times { /* µs since the look began; -1: it did not come so far */
	int64_t resolved, connected, authorised, session, packet, keyframe;
	int64_t total;
};

struct probe_stream {	/* what came; 0, "" = not known */
	char codec[16]; /* "h264", "hevc" */
	int width, height;
	double fps, gop; /* pictures a second; pictures from keyframe to keyframe (PROBE_WATCH) */
	double bitrate_kbps; /* PROBE_WATCH */
	double i_per_mb;     /* bytes of the keyframe per macroblock; < 0: not known */
	double p_tail_per_mb, p_p05_per_mb,
		p_p50_per_mb;	/* of the pictures between; < 0: not known */
	uint64_t keyframe_hash; /* of the keyframe's payload: a recording repeats it; 0: none */
	double ts_jump_s;	/* the largest jump of time stamps while watching; < 0: not known */
	uint32_t packets, keyframes;
};

struct probe_picture {	  /* luma of the decoded keyframe; n = 0: there is none */
	double mean, sd;  /* 0..255 */
	double flat_pct;  /* of its blocks of 16×16 */
	double sharpness; /* variance of the Laplacian of its means of 4×4 px, % of that of its luma
			   */
	double noise;	  /* variance of the Laplacian of single pixels */
	uint64_t dhash;
	uint16_t cols, rows, n;		 /* of blocks; n = cols × rows ≤ PROBE_BLOCKS_MAX */
	uint8_t block[PROBE_BLOCKS_MAX]; /* mean of each */
};

struct probe_result {
	int64_t id;
	enum probe_depth depth;
	enum probe_state state;
	enum probe_step step;
	enum probe_cause cause;
	char detail[160]; /* for people, one line; never a password */
	char address[64]; /* numeric, of the server, with port; "" = never resolved */
	uint64_t piece;	  /* HLS: hash of the last piece and its number: the same one means that the
			     playlist has not moved; 0: none */
	struct probe_times at;
	struct probe_stream stream;
	struct probe_picture picture;
	uint32_t snapshot_len;
	uint8_t *snapshot; /* JPEG, malloc'd, the result's; NULL = none */
};

void probe_result_init(struct probe_result *r); /* nothing known, times -1 */
void probe_result_done(struct probe_result *r);

/* One line of JSON, without the newline. The request's holds its password: for a pipe only. */
void probe_request_write(const struct probe_request *q, struct buf *out);
/* url lies in arena. -EINVAL and e: not that form. */
must_check int probe_request_parse(struct slice line, struct arena *arena,
				   struct probe_request *ret, struct err *e);
void probe_result_write(const struct probe_result *r, struct buf *out);
/* Whatever a worker that was taken over may write: each field is checked. ret is inited by this. */
must_check int probe_result_parse(struct slice line, struct probe_result *ret, struct err *e);

#endif
