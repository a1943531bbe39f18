/*
 * hooks: takes webhooks and writes down what came, for tests/bench/alerts.
 *
 * One thread, epoll, as much HTTP/1.1 as libcurl needs; a request costs some microseconds, for a
 * receiver in Python would take more of the machine than the hub under test. Each request is a line
 * of the file named on the command line: microseconds since 1970, path, webhook-id, body. The port
 * stands on stdout. /slow… is answered after 10 s, /dead… never, all else with 200 at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096
#define IN_MAX (1024 * 1024)
#define SLOW_MAX 65536
#define SLOW_US INT64_C(10000000)
#define FLUSH_MS 50

struct client {
	char *in; /* grows to what the largest request took */
	size_t n, cap;
	unsigned generation; /* of the descriptor: a slow answer must not go to the next client */
};

struct late {
	int fd;
	unsigned generation;
	int64_t at_us;
};

static struct client clients[FDS_MAX];
static struct late slow[SLOW_MAX]; /* a ring, for each waits as long */
static size_t slow_first, slow_n;
static FILE *out;
static int poller;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "hooks: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void hang_up(int fd)
{
	clients[fd].generation++;
	clients[fd].n = 0;
	close(fd);
}

static void answer(int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	if (write(fd, ok, sizeof ok - 1) != sizeof ok - 1)
		hang_up(fd);
}

/* The value of a header within [head, end), or "-". */
static const char *header(const char *head, const char *end, const char *name, int *ret_n)
{
	size_t len = strlen(name);
	for (const char *p = head; p < end;) {
		const char *eol = memchr(p, '\r', (size_t)(end - p));
		if (!eol)
			eol = end;
		if ((size_t)(eol - p) > len && p[len] == ':' && strncasecmp(p, name, len) == 0) {
			p += len + 1;
			while (p < eol && *p == ' ')
				p++;
			*ret_n = (int)(eol - p);
			return p;
		}
		p = eol + 2;
	}
	*ret_n = 1;
	return "-";
}

/* Take one request off the buffer; the bytes it had, 0 when it is not all there, -1 on nonsense. */
static ssize_t take(int fd, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	int length_n, id_n;
	if (!end)
		return 0;
	const char *length = header(p, end, "Content-Length", &length_n);
	size_t body = strtoul(length, NULL, 10), head = (size_t)(end - p) + 4;
	const char *path = memchr(p, ' ', head);
	const char *path_end = path ? memchr(path + 1, ' ', head - (size_t)(path + 1 - p)) : NULL;
	if (!path_end || body > IN_MAX)
		return -1;
	if (n < head + body)
		return 0;
	const char *id = header(p, end, "webhook-id", &id_n);
	fprintf(out, "%lld %.*s %.*s ", (long long)now_us(), (int)(path_end - path - 1), path + 1,
		id_n, id);
	fwrite(p + head, 1, body, out);
	putc('\n', out);
	if (strncmp(path + 1, "/slow", 5) == 0 && slow_n < SLOW_MAX)
		slow[(slow_first + slow_n++) % SLOW_MAX] =
			(struct late){fd, clients[fd].generation, now_us() + SLOW_US};
	else if (strncmp(path + 1, "/dead", 5) != 0)
		answer(fd);
	return (ssize_t)(head + body);
}

static void readable(int fd)
{
	struct client *c = &clients[fd];
	if (c->cap - c->n < 16384) {
		c->cap = c->cap ? c->cap * 2 : 65536;
		c->in = c->cap <= 4 * IN_MAX ? realloc(c->in, c->cap) : NULL;
		if (!c->in)
			die("a request is too large");
	}
	ssize_t got = read(fd, c->in + c->n, c->cap - c->n);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		hang_up(fd);
		return;
	}
	c->n += (size_t)got;
	size_t at = 0;
	unsigned generation = c->generation;
	while (at < c->n) {
		ssize_t used = take(fd, c->in + at, c->n - at);
		if (c->generation != generation)
			return;
		if (used < 0) {
			hang_up(fd);
			return;
		}
		if (!used)
			break;
		at += (size_t)used;
	}
	memmove(c->in, c->in + at, c->n - at);
	c->n -= at;
}

static void add(int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
}

static void arrivals(int listener)
{
	int fd, one = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= FDS_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		add(fd);
	}
}

static int listen_anywhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		die("listen");
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void answer_late(void)
{
	int64_t now = now_us();
	while (slow_n && slow[slow_first].at_us <= now) {
		struct late l = slow[slow_first];
		slow_first = (slow_first + 1) % SLOW_MAX;
		slow_n--;
		if (clients[l.fd].generation == l.generation)
			answer(l.fd);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return fprintf(stderr, "usage: hooks FILE\n"), 2;
	signal(SIGPIPE, SIG_IGN);
	out = fopen(argv[1], "we");
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!out || poller < 0)
		die(argv[1]);
	static char buffer[1 << 20];
	setvbuf(out, buffer, _IOFBF, sizeof buffer);
	int listener = listen_anywhere();
	add(listener);
	for (;;) {
		struct epoll_event got[256];
		int n = epoll_wait(poller, got, 256, FLUSH_MS);
		for (int i = 0; i < n; i++)
			if (got[i].data.fd == listener)
				arrivals(listener);
			else
				readable(got[i].data.fd);
		answer_late();
		if (n <= 0)
			fflush(out);
	}
}
