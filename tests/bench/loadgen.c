/*
 * loadgen: publish to an MQTT broker as fast as it takes it, or at a rate.
 *
 * Speaks MQTT 3.1.1 by hand (CONNECT, PUBLISH with QoS 1, PUBACK, no more) over plain sockets, a
 * thread a client: a client library costs as much per message as the hub under test and would take
 * its CPU away. Prints one JSON line; exit status 1 if a message was not acknowledged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define PACKET_MAX 1024
#define OUT_MAX (64 * 1024)
#define STALL_NS INT64_C(60000000000) /* without an acknowledgement: the broker is gone */

static struct {
	unsigned port, clients, devices, window, size, anomaly_every;
	uint64_t count;	       /* messages in all; 0 = as many as the time allows */
	int64_t seconds, rate; /* rate: messages a second in all; 0 = no limit */
} opt = {.clients = 4, .devices = 1000, .window = 4000, .size = 200, .seconds = 30};

struct client {
	unsigned index;
	int fd;
	uint64_t sent, acked, quota;
	int64_t rate, began_ns, acked_ns;
	size_t nout, nin;
	unsigned char out[OUT_MAX], in[4096];
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- packets ---- */

static size_t put_u16(unsigned char *p, size_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
	return 2;
}

/* Fixed header with a remaining length of two bytes at most (16,383). */
static size_t put_header(unsigned char *p, unsigned char type, size_t rest)
{
	p[0] = type;
	if (rest < 128) {
		p[1] = (unsigned char)rest;
		return 2;
	}
	p[1] = (unsigned char)(rest % 128 | 128);
	p[2] = (unsigned char)(rest / 128);
	return 3;
}

/* A JSON object of opt.size bytes; n is the number of the message among those of all clients. */
static size_t put_body(char *body, size_t max, uint64_t n)
{
	bool bad = opt.anomaly_every && n % opt.anomaly_every == 0;
	int len =
		snprintf(body, max,
			 "{\"ts\":%lld,\"seq\":%llu,\"n\":%llu,\"fill_pct\":%.1f,"
			 "\"weight_kg\":%.2f,\"temp_c\":%.1f,\"smoke\":%s,\"overflow\":false,"
			 "\"battery_pct\":%d,\"note\":\"",
			 (long long)(now_ns(CLOCK_REALTIME) / 1000000), (unsigned long long)n,
			 (unsigned long long)n, (double)(n % 700) / 10, (double)(n % 4000) / 100,
			 15.0 + (double)(n % 70) / 10, bad ? "true" : "false", (int)(50 + n % 50));
	size_t at = (size_t)len;
	while (at + 2 < opt.size)
		body[at++] = 'x';
	body[at++] = '"';
	body[at++] = '}';
	return at;
}

/* Packet ids are 1..65535 in turn; the window keeps them from meeting. */
static size_t put_publish(const struct client *c, unsigned char *p)
{
	char topic[96], body[PACKET_MAX - 128];
	uint64_t n = c->sent * opt.clients + c->index;
	size_t nt = (size_t)snprintf(topic, sizeof topic, "city/v1/bench/bench/bin/bench-%05u/tele",
				     (unsigned)(n % opt.devices));
	size_t nb = put_body(body, sizeof body, n);
	size_t at = put_header(p, 0x32, 2 + nt + 2 + nb);
	at += put_u16(p + at, nt);
	memcpy(p + at, topic, nt);
	at += nt;
	at += put_u16(p + at, c->sent % 65535 + 1);
	memcpy(p + at, body, nb);
	return at + nb;
}

static void connect_client(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned char p[64], answer[4];
	char id[32];
	int on = 1, len = snprintf(id, sizeof id, "loadgen-%d-%u", (int)getpid(), c->index);
	size_t nid = (size_t)len;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	size_t at = put_header(p, 0x10, 12 + nid);
	memcpy(p + at, "\0\4MQTT\4\2\0\0", 10); /* 3.1.1, clean session, no keep-alive */
	at += 10;
	at += put_u16(p + at, nid);
	memcpy(p + at, id, nid);
	at += nid;
	if (send(c->fd, p, at, MSG_NOSIGNAL) != (ssize_t)at)
		die("CONNECT");
	if (recv(c->fd, answer, 4, MSG_WAITALL) != 4 || answer[0] != 0x20 || answer[3] != 0)
		die("CONNACK");
}

/* ---- one client ---- */

/* How many messages may have gone out by now. */
static uint64_t allowed(const struct client *c, int64_t now)
{
	uint64_t n = c->quota ? c->quota : UINT64_MAX, room = c->acked + opt.window;
	if (now - c->began_ns > opt.seconds * 1000000000)
		return c->sent;
	if (c->rate) {
		uint64_t due = (uint64_t)((double)(now - c->began_ns) / 1e9 * (double)c->rate) + 1;
		n = due < n ? due : n;
	}
	return room < n ? room : n;
}

static void take_acks(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->nin, sizeof c->in - c->nin, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die("the broker closed the connection");
	if (n < 0)
		return;
	c->nin += (size_t)n;
	size_t whole = c->nin / 4;
	for (size_t i = 0; i < whole; i++)
		if (c->in[4 * i] != 0x40 || c->in[4 * i + 1] != 2)
			die("something other than PUBACK");
	c->acked += whole;
	c->acked_ns = now_ns(CLOCK_MONOTONIC);
	memmove(c->in, c->in + 4 * whole, c->nin - 4 * whole);
	c->nin -= 4 * whole;
}

static void flush(struct client *c)
{
	ssize_t n = send(c->fd, c->out, c->nout, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("send");
	if (n <= 0)
		return;
	memmove(c->out, c->out + n, c->nout - (size_t)n);
	c->nout -= (size_t)n;
}

static bool finished(const struct client *c, int64_t now)
{
	bool all = c->quota && c->sent >= c->quota;
	bool late = now - c->began_ns > opt.seconds * 1000000000;
	bool stalled = now - c->acked_ns > STALL_NS && c->acked < c->sent;
	return stalled || ((all || late) && !c->nout && c->acked == c->sent);
}

static void *run_client(void *arg)
{
	struct client *c = arg;
	for (;;) {
		int64_t now = now_ns(CLOCK_MONOTONIC);
		if (finished(c, now))
			return NULL;
		uint64_t until = allowed(c, now);
		while (c->sent < until && c->nout + PACKET_MAX <= OUT_MAX) {
			c->nout += put_publish(c, c->out + c->nout);
			c->sent++;
		}
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		if (c->nout)
			p.events |= POLLOUT;
		if (poll(&p, 1, 2) < 0 && errno != EINTR)
			die("poll");
		if (p.revents & (POLLIN | POLLERR | POLLHUP))
			take_acks(c);
		if (p.revents & POLLOUT)
			flush(c);
	}
}

/* ---- options, and the whole ---- */

static const struct option longopts[] = {
	{"port", required_argument, NULL, 'p'},	   {"clients", required_argument, NULL, 'c'},
	{"devices", required_argument, NULL, 'd'}, {"window", required_argument, NULL, 'w'},
	{"size", required_argument, NULL, 's'},	   {"anomaly-every", required_argument, NULL, 'a'},
	{"count", required_argument, NULL, 'n'},   {"seconds", required_argument, NULL, 't'},
	{"rate", required_argument, NULL, 'r'},	   {0}};

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: loadgen --port N [--clients N] [--devices N] [--seconds N] "
			"[--count N]\n               [--rate N] [--window N] [--size BYTES] "
			"[--anomaly-every N]\ndevices and count must be multiples of clients\n");
	exit(2);
}

static void set_option(int which, unsigned v)
{
	unsigned *const to[] = {['p' - 'a'] = &opt.port,    ['c' - 'a'] = &opt.clients,
				['d' - 'a'] = &opt.devices, ['w' - 'a'] = &opt.window,
				['s' - 'a'] = &opt.size,    ['a' - 'a'] = &opt.anomaly_every};
	if (which == 'n')
		opt.count = v;
	else if (which == 't')
		opt.seconds = v;
	else if (which == 'r')
		opt.rate = v;
	else
		*to[which - 'a'] = v;
}

static void parse(int argc, char **argv)
{
	int which;
	while ((which = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		char *end = NULL;
		unsigned long v = optarg ? strtoul(optarg, &end, 10) : 0;
		if (which == '?' || !end || *end || end == optarg || v > 1000000000)
			usage();
		set_option(which, (unsigned)v);
	}
	if (optind != argc || !opt.port || opt.port > 65535 || !opt.clients ||
	    opt.clients > CLIENTS_MAX || !opt.devices || opt.devices % opt.clients ||
	    opt.count % opt.clients || !opt.window || opt.window > 60000 ||
	    opt.size > PACKET_MAX / 2)
		usage();
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS_MAX];
	pthread_t threads[CLIENTS_MAX];
	uint64_t sent = 0, acked = 0;
	int64_t last = 0;
	parse(argc, argv);
	for (unsigned i = 0; i < opt.clients; i++) {
		clients[i].index = i;
		clients[i].quota = opt.count / opt.clients;
		clients[i].rate = opt.rate / opt.clients;
		connect_client(&clients[i]);
	}
	int64_t began = now_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < opt.clients; i++) {
		clients[i].began_ns = clients[i].acked_ns = began;
		if (pthread_create(&threads[i], NULL, run_client, &clients[i]))
			die("pthread_create");
	}
	for (unsigned i = 0; i < opt.clients; i++) {
		pthread_join(threads[i], NULL);
		sent += clients[i].sent;
		acked += clients[i].acked;
		last = clients[i].acked_ns > last ? clients[i].acked_ns : last;
		close(clients[i].fd);
	}
	printf("{\"sent\":%llu,\"acked\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent,
	       (unsigned long long)acked, (double)(last - began) / 1e9);
	return sent == acked ? 0 : 1;
}
