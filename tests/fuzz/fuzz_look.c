/* A whole look at whatever a server may send. The first byte says over what (RTSP, FLV, HLS) and
 * how deep; the rest is what the server says, CUT begins the next connection. Nothing may crash,
 * hang or leave a result that cannot be written; no password may stand in it.
 *
 * look_io_open is replaced (CMakeLists.txt): each connection is a socket that holds its part
 * already. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "look.h"
#include "look_io.h"
#include "times.h"

#define SECRET "s3cr"
#define CUT SL("\r\n~~~~\r\n")
#define PART_MAX ((size_t)100 << 10) /* a socket's buffer holds it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's name */
int __wrap_look_io_open(struct look_io *io, struct look_run *run, const struct look_url *u,
			bool own);

static struct slice rest; /* of what the server says */
static int peer = -1;

static struct slice next_part(void)
{
	struct slice part = rest;
	const char *at = rest.n ? memmem(rest.p, rest.n, CUT.p, CUT.n) : NULL;
	if (!at)
		rest = (struct slice){0};
	else {
		part.n = (size_t)(at - rest.p);
		rest.n -= part.n + CUT.n;
		rest.p = at + CUT.n;
	}
	part.n = MIN_OF(part.n, PART_MAX);
	return part;
}

static void hang_up(void)
{
	if (peer >= 0)
		close(peer);
	peer = -1;
}

int __wrap_look_io_open(struct look_io *io, struct look_run *run, const struct look_url *u,
			bool own)
{
	int fd[2], size = 2 * (int)PART_MAX;
	struct slice part = next_part();
	(void)u, (void)own;
	hang_up();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		abort();
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (part.n && send(fd[1], part.p, part.n, MSG_NOSIGNAL) != (ssize_t)part.n)
		abort();
	shutdown(fd[1], SHUT_WR);
	peer = fd[1];
	*io = (struct look_io){.run = run, .fd = fd[0]};
	look_step(run, PROBE_CONNECTED);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const urls[] = {"rtsp://u:" SECRET "%20et@127.0.0.1:1/1",
					   "http://u:" SECRET "%20et@127.0.0.1:1/1.flv",
					   "http://u:" SECRET "%20et@127.0.0.1:1/1.m3u8"};
	static const struct look_limits limits = {.any_address = true};
	static bool ready;
	if (!ready)
		look_init(&limits);
	ready = true;
	if (!n)
		return 0;
	const struct probe_request q = {.url = urls[data[0] % 3],
					.depth = (enum probe_depth)(1 + data[0] / 3 % 3),
					.deadline_us = 500 * TIMES_MS,
					.watch_us = 100 * TIMES_MS,
					.snapshot = data[0] & 0x80};
	struct probe_result r;
	auto_buf struct buf line;
	rest = (struct slice){(const char *)data + 1, n - 1};
	look_at(&q, &r);
	hang_up();
	buf_init(&line, PROBE_LINE_MAX);
	probe_result_write(&r, &line);
	assert(!line.failed);
	if (!memmem(data, n, SECRET, strlen(SECRET))) /* else the server may have said it */
		assert(!strstr(buf_str(&line), SECRET));
	assert(r.state != PROBE_ONLINE || r.step == PROBE_GOT_KEYFRAME);
	assert(r.state == PROBE_ONLINE || r.cause != PROBE_CAUSE_NONE);
	probe_result_done(&r);
	return 0;
}
