/* gridhub health: what the running hub's /health says, for health checks where there is no curl. */
#include <getopt.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd.h"
#include "http.h"

#define ANSWER_MAX 65536
#define TIMEOUT_S 5 /* of each step */

static const char help[] =
	"usage: gridhub health [--config FILE]\n\n"
	"Ask the hub that runs with this configuration on this machine how it is (/health of "
	"http.listen)\n"
	"and print that as one line of JSON. Exit status: 0 ok, 1 degraded, starting or not "
	"there.\n\n"
	"  --config FILE  configuration\n";

/* A hub that listens everywhere is asked here. */
static const char *host_of(const char *listen_host)
{
	if (!listen_host[0] || strcmp(listen_host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(listen_host, "::") == 0 ? "::1" : listen_host;
}

static int connect_one(const struct addrinfo *a)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) ||
	    connect(fd, a->ai_addr, a->ai_addrlen)) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int connect_hub(const char *listen, struct err *e)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct slice h, p;
	char host[256], port[8];
	struct addrinfo *list = NULL;
	int fd = -EADDRNOTAVAIL;
	if (!listen[0])
		return err_set(e, -ENOENT, "http.listen is empty: there is no /health to ask");
	if (http_parse_listen(slice_of(listen), &h, &p) || h.n >= sizeof host || p.n >= sizeof port)
		return err_set(e, -EINVAL, "http.listen: \"%.100s\": expected host:port", listen);
	snprintf(host, sizeof host, "%.*s", (int)h.n, h.p);
	snprintf(port, sizeof port, "%.*s", (int)p.n, p.p);
	if (getaddrinfo(host_of(host), port, &hints, &list))
		return err_set(e, -EADDRNOTAVAIL, "http.listen: \"%.100s\" is no address", listen);
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = connect_one(a);
	freeaddrinfo(list);
	return fd < 0 ? err_set(e, fd, "no hub answers at %.100s: %s", listen, strerror(-fd)) : fd;
}

static int exchange(int fd, struct buf *answer, struct err *e)
{
	static const char ask[] =
		"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char part[4096];
	ssize_t n = send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL);
	if (n != (ssize_t)sizeof ask - 1)
		return err_set(e, -EIO, "the hub takes no request");
	while ((n = recv(fd, part, sizeof part, 0)) > 0)
		buf_put(answer, part, (size_t)n);
	if (n < 0)
		return err_set(e, -errno, "the hub does not answer: %s", strerror(errno));
	return 0;
}

/* The answer is our own server's: a head, an empty line, JSON to the end. */
static int judge(const struct buf *answer, struct err *e)
{
	const char *text = answer->n ? answer->p : "";
	const char *body = strstr(text, "\r\n\r\n");
	if (!body || strncmp(text, "HTTP/1.1 ", 9) != 0)
		return err_set(e, -EPROTO, "that is no hub: it does not answer as one");
	printf("%s", body + 4);
	if (answer->p[answer->n - 1] != '\n')
		putchar('\n');
	bool starting = strstr(body, "\"status\":\"starting\"");
	return strncmp(text + 9, "200", 3) == 0 && !starting
		       ? 0
		       : err_set(e, -EAGAIN, "the hub is %s", starting ? "starting" : "degraded");
}

static int health(const char *config_path)
{
	auto_config struct config *c = NULL;
	auto_buf struct buf answer = {0};
	struct err e = {0};
	buf_init(&answer, ANSWER_MAX);
	if (config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	int fd = connect_hub(c->http.listen ? c->http.listen : "", &e);
	if (fd < 0)
		return cmd_fail(&e);
	int r = exchange(fd, &answer, &e);
	close(fd);
	if (!r)
		r = judge(&answer, &e);
	return r ? cmd_fail(&e) : CMD_OK;
}

int cmd_health(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *config_path = NULL;
	int c;
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return CMD_OK;
		}
		if (c != 'c')
			return CMD_USAGE;
		config_path = optarg;
	}
	if (optind < argc)
		return cmd_usage("health", "unexpected \"%s\"", argv[optind]);
	return health(config_path);
}
