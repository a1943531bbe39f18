#include "look_io.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "times.h"

/* ---- where to ---- */

/* What of addr may be connected to, in its order. */
static size_t allowed(const struct look_url *u, struct look_address *addr, size_t n, bool own,
		      struct err *e)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		const struct sockaddr *sa = (const struct sockaddr *)&addr[i].sa;
		if ((own && look_settings.limits.any_address) ||
		    guard_check(&look_settings.limits.guard, sa, addr[i].len, e) == 0)
			addr[kept++] = addr[i];
	}
	for (size_t i = 0; i < kept; i++)
		look_address_set_port(&addr[i], u->port);
	return kept;
}

static int unresolved(struct look_run *run, int r)
{
	if (r == -ENOENT)
		return look_fail(run, PROBE_OFFLINE, PROBE_UNRESOLVED, r, "no such host");
	if (r == -ENOMEM)
		return look_fail_own(run, r, "cannot resolve");
	return look_fail(run, PROBE_UNKNOWN, PROBE_UNRESOLVED, r, "no name server answered");
}

int look_io_find(struct look_run *run, const struct look_url *u, bool own, struct look_address *ret,
		 size_t *ret_n)
{
	struct err e = {0};
	size_t n = 0;
	int r = look_resolve(u->host, run->end_us, ret, &n);
	if (r)
		return unresolved(run, r);
	n = allowed(u, ret, n, own, &e);
	if (!n && own)
		return look_fail(run, PROBE_UNKNOWN, PROBE_PROBER, -EACCES, "%s", e.msg);
	if (!n)
		return look_fail(run, PROBE_OFFLINE, PROBE_REDIRECTED, -EACCES,
				 "its playlist leads elsewhere: %s", e.msg);
	look_step(run, PROBE_RESOLVED);
	if (!run->r->address[0])
		look_address_text(&ret[0], u->port, run->r->address, sizeof run->r->address);
	*ret_n = n;
	return 0;
}

/* ---- waiting ---- */

/* 0: it is ready, or `most` has passed. -ETIMEDOUT: it is late. */
static int wait_at_most(struct look_run *run, int fd, short events, int64_t most)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = MIN_OF(look_left_us(run), most);
		struct timespec ts = {left / TIMES_SEC, left % TIMES_SEC * 1000};
		if (!left)
			return -ETIMEDOUT;
		int r = ppoll(&p, 1, &ts, NULL);
		if (r > 0 || (r == 0 && left == most))
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

static int wait_fd(struct look_run *run, int fd, short events)
{
	return wait_at_most(run, fd, events, INT64_MAX);
}

/* ---- connecting ---- */

/* What says nothing of the server. */
static bool is_own(int error)
{
	static const int own[] = {EMFILE,	 ENFILE,       ENOMEM, ENOBUFS,
				  EADDRNOTAVAIL, EAFNOSUPPORT, EPERM,  EACCES};
	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (own[i] == error)
			return true;
	return false;
}

static int finish_connect(struct look_run *run, int fd)
{
	int error = 0;
	socklen_t len = sizeof error;
	int r = wait_fd(run, fd, POLLOUT);
	if (r)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int connect_one(struct look_run *run, const struct look_address *a, int *ret_fd)
{
	static const int on = 1;
	auto_close int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int r = connect(fd, (const struct sockaddr *)&a->sa, a->len) ? -errno : 0;
	if (r == -EINPROGRESS)
		r = finish_connect(run, fd);
	if (r)
		return r;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a failure only costs time */
	*ret_fd = base_take_fd(&fd);
	return 0;
}

/* The next address is only tried when one says no: silence takes the deadline. */
static int connect_any(struct look_io *io, const struct look_url *u, struct look_address *addr,
		       size_t n)
{
	struct look_run *run = io->run;
	int r = -ECONNREFUSED;
	for (size_t i = 0; i < n && r && r != -ETIMEDOUT; i++) {
		r = connect_one(run, &addr[i], &io->fd);
		if (!r && run->r->step < PROBE_CONNECTED)
			look_address_text(&addr[i], u->port, run->r->address,
					  sizeof run->r->address);
	}
	if (r == -ETIMEDOUT)
		return look_fail_late(run);
	if (r && is_own(-r))
		return look_fail_own(run, r, "cannot connect");
	if (r)
		return look_fail(run, PROBE_OFFLINE, PROBE_REFUSED, r, "%s", strerror(-r));
	look_step(run, PROBE_CONNECTED);
	return 0;
}

static int handshake(struct look_io *io, const struct look_url *u)
{
	struct err e = {0};
	short events = 0;
	int r = tls_new(look_settings.trust, io->fd, u->host, &io->tls);
	if (r)
		return look_fail_own(io->run, r, "TLS");
	while ((r = tls_handshake(io->tls, &events, &e)) == -EAGAIN)
		if (wait_fd(io->run, io->fd, events))
			return look_fail_late(io->run);
	return r ? look_fail(io->run, PROBE_OFFLINE, PROBE_BAD_DATA, r, "%s", e.msg) : 0;
}

int look_io_open(struct look_io *io, struct look_run *run, const struct look_url *u, bool own)
{
	struct look_address addr[LOOK_ADDRESSES_MAX];
	size_t n = 0;
	io->run = run;
	io->fd = -1;
	io->tls = NULL;
	io->at = io->n = 0;
	int r = look_io_find(run, u, own, addr, &n);
	if (!r)
		r = connect_any(io, u, addr, n);
	if (!r && u->tls && run->q->depth != PROBE_REACH)
		r = handshake(io, u);
	if (r)
		look_io_close(io);
	return r;
}

void look_io_close(struct look_io *io)
{
	tls_free(io->tls);
	io->tls = NULL;
	if (io->fd >= 0)
		close(io->fd);
	io->fd = -1;
}

/* ---- reading ---- */

static ssize_t try_read(struct look_io *io, void *p, size_t n, short *ret_events)
{
	if (io->tls)
		return tls_read(io->tls, p, n, ret_events);
	ssize_t r = recv(io->fd, p, n, 0);
	*ret_events = POLLIN;
	if (r >= 0)
		return r;
	return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t receive(struct look_io *io, void *p, size_t n)
{
	short events = POLLIN;
	ssize_t r;
	while ((r = try_read(io, p, n, &events)) == -EAGAIN) {
		if (wait_at_most(io->run, io->fd, events,
				 io->patient ? LOOK_IO_LULL_US : INT64_MAX))
			return look_fail_late(io->run);
	}
	if (r < 0)
		return look_fail_closed(io->run, (int)-r);
	/* One that never lets us wait is late all the same. */
	if (!look_left_us(io->run))
		return look_fail_late(io->run);
	int over = look_spend(io->run, (size_t)r);
	return over ? over : r;
}

ssize_t look_io_some(struct look_io *io, void *p, size_t n)
{
	if (io->at == io->n && n >= sizeof io->buf)
		return receive(io, p, n);
	if (io->at == io->n) {
		ssize_t r = receive(io, io->buf, sizeof io->buf);
		if (r <= 0)
			return r;
		io->at = 0;
		io->n = (size_t)r;
	}
	n = MIN_OF(n, io->n - io->at);
	memcpy(p, io->buf + io->at, n);
	io->at += n;
	return (ssize_t)n;
}

void look_io_patient(struct look_io *io)
{
	static const int many = LOOK_IO_BYTES / 2;
	io->patient = true;
	setsockopt(io->fd, SOL_SOCKET, SO_RCVLOWAT, &many, sizeof many);
}

int look_io_exactly(struct look_io *io, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = look_io_some(io, (uint8_t *)p + done, n - done);
		if (r < 0)
			return (int)r;
		if (r == 0)
			return look_fail_closed(io->run, 0);
		done += (size_t)r;
	}
	return 0;
}

int look_io_byte(struct look_io *io, uint8_t *ret)
{
	if (io->at < io->n) {
		*ret = io->buf[io->at++];
		return 0;
	}
	return look_io_exactly(io, ret, 1);
}

int look_io_line(struct look_io *io, char *ret, size_t size)
{
	size_t n = 0;
	for (;;) {
		uint8_t c = 0;
		int r = look_io_byte(io, &c);
		if (r)
			return r;
		if (c == '\n')
			break;
		if (n + 1 >= size)
			return look_fail(io->run, PROBE_OFFLINE, PROBE_TOO_BIG, -E2BIG,
					 "a line of more than %zu bytes", size - 1);
		ret[n++] = (char)c;
	}
	if (n && ret[n - 1] == '\r')
		n--;
	ret[n] = 0;
	return 0;
}

/* ---- writing ---- */

static ssize_t try_write(struct look_io *io, struct slice s, short *ret_events)
{
	if (io->tls)
		return tls_write(io->tls, s.p, s.n, ret_events);
	ssize_t r = send(io->fd, s.p, s.n, MSG_NOSIGNAL);
	*ret_events = POLLOUT;
	if (r >= 0)
		return r;
	return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

int look_io_write(struct look_io *io, struct slice s)
{
	while (s.n) {
		short events = POLLOUT;
		ssize_t r = try_write(io, s, &events);
		if (r == -EAGAIN) {
			if (wait_fd(io->run, io->fd, events))
				return look_fail_late(io->run);
			continue;
		}
		if (r < 0)
			return look_fail_closed(io->run, (int)-r);
		s.p += r;
		s.n -= (size_t)r;
	}
	return 0;
}

void look_io_hint(struct look_io *io, struct slice s)
{
	short events;
	if (io->fd >= 0 && try_write(io, s, &events) < 0)
		return; /* it hears of it when the connection closes */
}
