/* Descriptors, time, and what it is told on its command line and standard input; see README.md. */
#include "rtspd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define CLIPS_MAX 4096
#define LISTENERS_MAX 8192
#define OUT_MAX (16U << 20)
#define WHEEL 2048 /* slots of SLOT_US: somewhat over 8 s */
#define SLOT_US 4000

struct listener {
	int fd;
	bool tls;
	enum act act; /* at once, whoever comes */
};

struct stats stats;
static struct listener listeners[LISTENERS_MAX];
static struct clip *clips[CLIPS_MAX];
static size_t nlisteners, nclips, timers;
static struct conn *conns, *dead, *wheel[WHEEL];
static uint64_t wheel_at;
static int poller;
static SSL_CTX *tls;
static FILE *request_log;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "rtspd: %s: %s\n", what, strerror(errno));
	exit(1);
}

int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct conn *conn_first(void)
{
	return conns;
}

void log_request(const struct conn *c, const char *method, const char *auth)
{
	if (!request_log)
		return;
	fprintf(request_log, "%d %s %s %s\n", c->fd, method, c->path, auth[0] ? auth : "-");
	fflush(request_log);
}

/* ---- time ---- */

static void wheel_out(struct conn *c)
{
	if (c->wheel_slot == UINT64_MAX)
		return;
	*(c->before ? &c->before->after : &wheel[c->wheel_slot]) = c->after;
	if (c->after)
		c->after->before = c->before;
	c->wheel_slot = UINT64_MAX;
	timers--;
}

void conn_at(struct conn *c, int64_t due_us)
{
	wheel_out(c);
	if (!due_us || c->dead)
		return;
	uint64_t slot = (uint64_t)due_us / SLOT_US;
	slot = (slot > wheel_at ? slot : wheel_at) % WHEEL;
	c->due_us = due_us;
	c->wheel_slot = slot;
	c->before = NULL;
	c->after = wheel[slot];
	if (c->after)
		c->after->before = c;
	wheel[slot] = c;
	timers++;
}

static void conn_due(struct conn *c)
{
	if (c->playing)
		play_due(c);
	else if (c->drip)
		bad_due(c);
	else
		rtsp_take(c);
}

/* All that is due; what is not, though its slot is, waits for another turn of the wheel. */
static void wheel_run(void)
{
	int64_t now = now_us();
	uint64_t to = (uint64_t)now / SLOT_US;
	if (to - wheel_at >= WHEEL)
		wheel_at = to - WHEEL + 1;
	for (uint64_t at = wheel_at; at <= to; at++) {
		wheel_at = at;
		for (struct conn *c = wheel[at % WHEEL], *next; c; c = next) {
			next = c->after;
			if (c->due_us > now)
				continue;
			wheel_out(c);
			conn_due(c);
		}
	}
}

static int wheel_wait_ms(void)
{
	if (!timers)
		return -1;
	int64_t now = now_us();
	for (uint64_t at = wheel_at; at < wheel_at + 250; at++) {
		if (!wheel[at % WHEEL])
			continue;
		int64_t ms = ((int64_t)(at * SLOT_US) - now) / 1000 + 1;
		return ms > 1 ? (int)ms : 1;
	}
	return 1000;
}

/* ---- connections ---- */

static void watch(struct conn *c)
{
	bool out = c->nout > c->out_at || (c->ssl && !c->ssl_ready) || c->act == ACT_GARBAGE ||
		   c->act == ACT_BODY || c->act == ACT_HEADERS || c->act == ACT_CONTINUE ||
		   c->act == ACT_ASKS || c->act == ACT_RTP_JUNK;
	if (c->dead || out == c->want_out)
		return;
	struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
	c->want_out = out;
	if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e))
		die("epoll_ctl");
}

void conn_hang_up(struct conn *c, bool reset)
{
	if (c->dead)
		return;
	struct linger none = {.l_onoff = 1};
	play_end(c);
	wheel_out(c);
	c->dead = true;
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(c->fd);
	*(c->listed_before ? &c->listed_before->listed_after : &conns) = c->listed_after;
	if (c->listed_after)
		c->listed_after->listed_before = c->listed_before;
	c->listed_after = dead;
	dead = c;
	stats.open--;
}

static void bury(void)
{
	for (struct conn *c; (c = dead);) {
		dead = c->listed_after;
		SSL_free(c->ssl);
		free(c->out);
		free(c->drip);
		free(c);
	}
}

/* Bytes, 0: later, -1: it is over. */
static ssize_t io_result(struct conn *c, ssize_t n)
{
	if (n > 0)
		return n;
	if (c->ssl) {
		int e = SSL_get_error(c->ssl, (int)n);
		return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t io_write(struct conn *c, const void *p, size_t n)
{
	if (c->ssl)
		ERR_clear_error();
	ssize_t put = c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
	return io_result(c, put);
}

static ssize_t io_read(struct conn *c, void *p, size_t n)
{
	if (c->ssl)
		ERR_clear_error();
	return io_result(c, c->ssl ? SSL_read(c->ssl, p, (int)n) : read(c->fd, p, n));
}

static void out_keep(struct conn *c, const uint8_t *p, size_t n)
{
	if (c->out_at == c->nout)
		c->out_at = c->nout = 0;
	if (c->nout + n > OUT_MAX) {
		conn_hang_up(c, true);
		return;
	}
	if (c->nout + n > c->out_cap) {
		c->out_cap = (c->nout + n) * 2;
		c->out = realloc(c->out, c->out_cap);
		if (!c->out)
			die("memory");
	}
	memcpy(c->out + c->nout, p, n);
	c->nout += n;
}

void conn_send(struct conn *c, const void *data, size_t n)
{
	const uint8_t *p = data;
	while (!c->dead && n && c->nout == c->out_at && (!c->ssl || c->ssl_ready)) {
		ssize_t put = io_write(c, p, n);
		if (put < 0) {
			conn_hang_up(c, false);
			return;
		}
		if (!put)
			break;
		stats.bytes += (unsigned long long)put;
		p += put;
		n -= (size_t)put;
	}
	if (!c->dead && n)
		out_keep(c, p, n);
	watch(c);
}

void conn_printf(struct conn *c, const char *format, ...)
{
	char text[4096];
	va_list list;
	va_start(list, format);
	int n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (n > 0)
		conn_send(c, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void conn_flush(struct conn *c)
{
	if (c->nout > c->out_at) {
		ssize_t put = io_write(c, c->out + c->out_at, c->nout - c->out_at);
		if (put < 0) {
			conn_hang_up(c, false);
			return;
		}
		stats.bytes += (unsigned long long)put;
		c->out_at += (size_t)put;
	}
	if (c->nout == c->out_at && c->deaf)
		bad_fill(c);
	watch(c);
}

static void conn_read(struct conn *c)
{
	char thrown[IN_MAX];
	for (;;) {
		ssize_t n = c->deaf ? io_read(c, thrown, sizeof thrown)
				    : io_read(c, c->in + c->nin, IN_MAX - c->nin);
		if (n < 0)
			conn_hang_up(c, false);
		if (n <= 0)
			return;
		if (!c->deaf) {
			c->nin += (size_t)n;
			rtsp_take(c);
		}
		if (c->dead)
			return;
	}
}

static void conn_ready(struct conn *c, uint32_t events)
{
	if (c->dead)
		return;
	if (c->ssl && !c->ssl_ready) {
		ERR_clear_error();
		ssize_t done = io_result(c, SSL_accept(c->ssl));
		if (done < 0)
			conn_hang_up(c, false);
		if (done <= 0)
			return;
		c->ssl_ready = true;
		watch(c);
	}
	if (events & EPOLLOUT)
		conn_flush(c);
	if (!c->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(c);
}

static void conn_new(const struct listener *l, int fd)
{
	int one = 1;
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		die("memory");
	c->fd = fd;
	c->wheel_slot = UINT64_MAX;
	c->mount = mount_default;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (l->tls && (c->ssl = SSL_new(tls))) {
		SSL_set_fd(c->ssl, fd);
		SSL_set_accept_state(c->ssl);
	}
	c->listed_after = conns;
	if (conns)
		conns->listed_before = c;
	conns = c;
	c->number = ++stats.connections;
	stats.open++;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	if (l->act != ACT_NONE)
		bad_act(c, l->act, 1, "rtsp://127.0.0.1/");
	watch(c);
}

static void arrivals(const struct listener *l)
{
	int fd;
	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_new(l, fd);
}

/* ---- listeners ---- */

static int listener_new(const char *address, unsigned port, bool secure, enum act act)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	bool v6 = strchr(address, ':');
	inet_pton(v6 ? AF_INET6 : AF_INET, address, v6 ? (void *)&six.sin6_addr : &four.sin_addr);
	int one = 1,
	    fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (nlisteners == LISTENERS_MAX ||
	    bind(fd, v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four,
		 v6 ? sizeof six : sizeof four) ||
	    listen(fd, 4096)) {
		close(fd);
		return -1;
	}
	struct listener *l = &listeners[nlisteners++];
	*l = (struct listener){.fd = fd, .tls = secure, .act = act};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	return fd;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof a;
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&a, &len))
		die("listen");
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

/* At every loopback address 127.x.y.z of the first `hosts`, and ::1, at one port. */
static unsigned listen_all(unsigned port, unsigned hosts)
{
	port = port_of(listener_new("127.0.0.1", port, false, ACT_NONE));
	for (unsigned i = 2; i <= hosts; i++) {
		char address[32];
		snprintf(address, sizeof address, "127.0.%u.%u", i / 250, i % 250 + 1);
		if (listener_new(address, port, false, ACT_NONE) < 0)
			die(address);
	}
	listener_new("::1", port, false, ACT_NONE); /* a machine without IPv6 does without */
	return port;
}

static void say_ports(unsigned port, unsigned hosts, bool secure)
{
	static const struct {
		const char *name;
		enum act act;
	} at_once[] = {{"silent", ACT_SILENT}, {"reset", ACT_RESET},	  {"close", ACT_CLOSE},
		       {"half", ACT_HALF},     {"garbage", ACT_GARBAGE},  {"headers", ACT_HEADERS},
		       {"drip", ACT_DRIP},     {"continue", ACT_CONTINUE}};
	printf("{\"port\":%u", listen_all(port, hosts));
	if (secure)
		printf(",\"tls\":%u", port_of(listener_new("127.0.0.1", 0, true, ACT_NONE)));
	for (size_t i = 0; i < sizeof at_once / sizeof *at_once; i++)
		printf(",\"%s\":%u", at_once[i].name,
		       port_of(listener_new("127.0.0.1", 0, false, at_once[i].act)));
	printf("}\n");
	fflush(stdout);
}

/* ---- what it is told ---- */

struct clip *clip_named(const char *name)
{
	for (size_t i = 0; i < nclips; i++)
		if (strcmp(clips[i]->name, name) == 0)
			return clips[i];
	return NULL;
}

static bool clip_put(const char *name, const char *path, double fps)
{
	struct clip *c = clip_load(name, path, fps);
	if (!c)
		return false;
	mount_changes++;
	for (size_t i = 0; i < nclips; i++) {
		if (strcmp(clips[i]->name, name) != 0)
			continue;
		clips[i]->replaced = true;
		if (!clips[i]->users)
			clip_free(clips[i]);
		clips[i] = c;
		return true;
	}
	if (nclips == CLIPS_MAX) {
		clip_free(c);
		return false;
	}
	clips[nclips++] = c;
	return true;
}

/* NAME=FILE[@FPS] */
static bool clip_argument(char *text)
{
	char *file = strchr(text, '='), *at = strrchr(text, '@');
	if (!file)
		return false;
	*file++ = '\0';
	double fps = at && at > file ? strtod(at + 1, NULL) : 0;
	if (fps > 0)
		*at = '\0';
	return clip_put(text, file, fps > 0 ? fps : 25);
}

static void say_stats(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("{\"connections\":%llu,\"requests\":%llu,\"sessions\":%llu,\"frames\":%llu,"
	       "\"bytes\":%llu,\"open\":%llu,\"playing\":%llu,\"cpu_s\":%.3f,\"rss_kb\":%ld}\n",
	       stats.connections, stats.requests, stats.sessions, stats.frames, stats.bytes,
	       stats.open, stats.playing,
	       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	       u.ru_maxrss);
}

/* clip NAME=FILE[@FPS] · set PATH TO · set PATH - · stats */
static void command(char *line)
{
	char *word = line, *rest = strchr(line, ' ');
	bool ok = false;
	if (rest)
		*rest++ = '\0';
	if (strcmp(word, "stats") == 0) {
		say_stats();
		fflush(stdout);
		return;
	}
	char *to = rest ? strchr(rest, ' ') : NULL;
	if (strcmp(word, "clip") == 0 && rest) {
		ok = clip_argument(rest);
	} else if (strcmp(word, "set") == 0 && to) {
		*to++ = '\0';
		ok = mount_set(rest, to);
	}
	printf("{\"ok\":%s}\n", ok ? "true" : "false");
	fflush(stdout);
}

/* false: standard input is closed, which ends the server: none is left behind by its test. */
static bool commands(void)
{
	static char text[8192];
	static size_t n;
	ssize_t got = read(STDIN_FILENO, text + n, sizeof text - 1 - n);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	n += (size_t)got;
	for (char *eol; (eol = memchr(text, '\n', n));) {
		size_t used = (size_t)(eol - text) + 1;
		*eol = '\0';
		command(text);
		memmove(text, text + used, n -= used);
	}
	return n < sizeof text - 1;
}

static void tls_init(const char *cert, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "rtspd: %s, %s: no certificate and its key\n", cert, key);
		exit(1);
	}
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: rtspd --clip NAME=FILE[@FPS]… [--option KEY=VALUE]… [--port N] "
			"[--hosts N]\n"
			"             [--tls CERT KEY] [--log FILE]\n"
			"Ports as JSON on stdout; commands on stdin, whose end ends it. Mounts: "
			"rtspd_mount.c\n");
	exit(2);
}

static void run(void)
{
	struct epoll_event events[EVENTS], in = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &in))
		die("standard input");
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, wheel_wait_ms());
		for (int i = 0; i < n; i++) {
			void *p = events[i].data.ptr;
			if (!p) {
				if (!commands())
					return;
			} else if ((struct listener *)p >= listeners &&
				   (struct listener *)p < listeners + LISTENERS_MAX) {
				arrivals(p);
			} else {
				conn_ready(p, events[i].events);
			}
		}
		wheel_run();
		bury();
	}
}

int main(int argc, char **argv)
{
	unsigned port = 0, hosts = 1;
	struct rlimit files;
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	poller = epoll_create1(EPOLL_CLOEXEC);
	wheel_at = (uint64_t)now_us() / SLOT_US;
	for (int i = 1; i < argc; i++) {
		bool one = i + 1 < argc, two = i + 2 < argc, ok = false;
		if (one && strcmp(argv[i], "--clip") == 0)
			ok = clip_argument(argv[++i]);
		else if (one && strcmp(argv[i], "--option") == 0)
			ok = mount_option(&mount_default, argv[++i]);
		else if (one && strcmp(argv[i], "--port") == 0)
			ok = (port = (unsigned)atoi(argv[++i])) > 0;
		else if (one && strcmp(argv[i], "--hosts") == 0)
			ok = (hosts = (unsigned)atoi(argv[++i])) > 0;
		else if (one && strcmp(argv[i], "--log") == 0)
			ok = (request_log = fopen(argv[++i], "a"));
		else if (two && strcmp(argv[i], "--tls") == 0) {
			tls_init(argv[i + 1], argv[i + 2]);
			i += 2;
			ok = true;
		}
		if (!ok)
			usage();
	}
	say_ports(port, hosts, tls != NULL);
	run();
	return 0;
}
