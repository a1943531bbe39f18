/*
 * DESIGN: RTMP is libavformat's own from the connection on, so what became of it is known from two
 * things only: error codes that mean little, and its log. Its log goes to one callback of the
 * process; a thread that looks over RTMP says so in a thread-local variable, and picks the two
 * lines that matter: that it is connected, and what the server refuses with. All other lines are
 * dropped.
 */
#include <strings.h>

#include "look_demux.h"
#include "look_io.h"
#include "times.h"

#define CALLS_MAX 50000		/* of the interrupt callback: a good look takes some thousand */
#define LEAD_US (60 * TIMES_MS) /* libavformat looks at its deadline each 100 ms */

static _Thread_local struct hearing {
	struct look_run *run;
	char said[200]; /* by the server */
} hearing;

/* What it says on the way, and how far that is. */
static const struct {
	const char *said;
	enum probe_step step;
} steps[] = {
	{"Successfully connected", PROBE_CONNECTED},
	{"Creating stream", PROBE_AUTHORISED},
	{"Sending play command", PROBE_SESSION},
};

static void __attribute__((format(printf, 3, 0)))
hear(void *ctx, int level, const char *fmt, va_list ap)
{
	(void)ctx;
	if (!hearing.run || level > AV_LOG_DEBUG)
		return;
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		if (strncmp(fmt, steps[i].said, strlen(steps[i].said)) == 0)
			look_step(hearing.run, steps[i].step);
	if (strncmp(fmt, "Server error: ", 14) == 0)
		vsnprintf(hearing.said, sizeof hearing.said, fmt, ap);
}

void look_rtmp_init(void)
{
	av_log_set_callback(hear);
}

static int interrupted(void *opaque)
{
	struct look_run *run = opaque;
	return ++run->calls > CALLS_MAX || look_left_us(run) <= LEAD_US || look_spend(run, 0);
}

/* "app", or "app/instance" when there is more behind it: as libavformat divides the path. */
static size_t app_length(const char *path)
{
	const char *second = strchr(path, '/'), *third = second ? strchr(second + 1, '/') : NULL;
	return third ? (size_t)(third - path) : second ? (size_t)(second - path) : strlen(path);
}

/* The server hears the name that we were given, though we connect to a number. */
static int set_options(const struct look_url *u, AVDictionary **ret)
{
	auto_buf struct buf tc;
	buf_init(&tc, 8192);
	buf_printf(&tc, "rtmp://");
	look_url_authority(u, &tc);
	buf_printf(&tc, "/%.*s", (int)app_length(u->path + 1), u->path + 1);
	if (av_dict_set(ret, "rtmp_tcurl", buf_str(&tc), 0) < 0 ||
	    av_dict_set(ret, "rtmp_live", "live", 0) < 0 ||
	    av_dict_set(ret, "protocol_whitelist", "rtmp,tcp", 0) < 0)
		return -ENOMEM;
	return 0;
}

static const struct {
	const char *word; /* of what a server says */
	enum probe_cause cause;
	const char *what;
} meanings[] = {
	{"auth", PROBE_UNAUTHORISED, "user or password not accepted"},
	{"AccessManager.Reject", PROBE_UNAUTHORISED, "not allowed"},
	{"NotFound", PROBE_NOT_FOUND, "no such stream"},
	{"not found", PROBE_NOT_FOUND, "no such stream"},
	{"No such stream", PROBE_NOT_FOUND, "no such stream"},
};

static int refused(struct look_run *run, int error)
{
	const char *said = hearing.run == run ? hearing.said : "";
	char text[AV_ERROR_MAX_STRING_SIZE] = "";
	for (size_t i = 0; i < COUNT_OF(meanings) && !run->failed; i++)
		if (strcasestr(said, meanings[i].word))
			return look_fail(run, PROBE_OFFLINE, meanings[i].cause, -EPROTO, "%s",
					 meanings[i].what);
	if (run->calls > CALLS_MAX)
		return look_fail(run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
				 "it talks without end, and does not answer");
	if (look_left_us(run) <= LEAD_US) /* its handshake calls that an I/O error */
		return look_fail_late(run);
	if (run->r->step < PROBE_CONNECTED)
		return look_fail(run, PROBE_OFFLINE, PROBE_REFUSED, -ECONNREFUSED, "%s",
				 strerror(AVUNERROR(error)));
	/* What ends in the middle of a packet is an I/O error there. */
	if (error == AVERROR_EOF || error == AVERROR(EIO) || error == AVERROR(ECONNRESET) ||
	    error == AVERROR(EPIPE))
		return look_fail_closed(run, 0);
	av_strerror(error, text, sizeof text);
	return look_fail(run, PROBE_OFFLINE, PROBE_BAD_DATA, -EPROTO, "not RTMP: %s", text);
}

/* libavformat takes the login as it stands up to the last '@'; look_url_parse has seen to it that
 * it can. */
static void put_url(const struct look_url *u, const struct look_address *a, struct buf *out)
{
	char address[64];
	look_address_text(a, u->port, address, sizeof address);
	buf_puts(out, "rtmp://");
	if (u->login)
		buf_printf(out, "%s:%s@", u->user, u->password);
	buf_printf(out, "%s%s", address, u->path);
}

static int connect_to(struct look_demux *d, struct look_run *run, const struct look_url *u,
		      const struct look_address *a)
{
	AVDictionary *options = NULL;
	AVIOInterruptCB cb = {interrupted, run};
	auto_buf struct buf url;
	buf_init(&url, 32768);
	put_url(u, a, &url);
	int r = set_options(u, &options)
			? AVERROR(ENOMEM)
			: avio_open2(&d->pb, buf_str(&url), AVIO_FLAG_READ, &cb, &options);
	int left = av_dict_count(options);
	av_dict_free(&options);
	return r < 0 ? r : left ? AVERROR(EINVAL) : 0;
}

static int open_connected(struct look_demux *d, struct look_run *run, const struct look_url *u,
			  const struct look_address *a)
{
	int r = connect_to(d, run, u, a);
	if (r < 0)
		return refused(run, r);
	look_step(run, PROBE_AUTHORISED);
	if (look_demux_open(d, run, "flv"))
		return -EIO;
	look_step(run, PROBE_SESSION);
	return 0;
}

int look_demux_rtmp(struct look_demux *d, struct look_run *run, const struct look_url *u)
{
	struct look_address addr[LOOK_ADDRESSES_MAX];
	size_t n = 0;
	int r = look_io_find(run, u, true, addr, &n);
	if (r)
		return r;
	hearing = (struct hearing){.run = run};
	d->refused = refused;
	return open_connected(d, run, u, &addr[0]);
}

void look_rtmp_forget(void)
{
	hearing.run = NULL;
}
