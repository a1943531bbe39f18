#include "cmd.h"

#include <fcntl.h>
#include <unistd.h>

#include "http.h"
#include "sender_probe.h"
#include "times.h"

#define ASK_US (5 * TIMES_SEC)

int cmd_fail(const struct err *e)
{
	fprintf(stderr, "gridhub: %s\n", e->msg);
	return CMD_FAILED;
}

int cmd_usage(const char *name, const char *fmt, ...)
{
	va_list ap;
	fprintf(stderr, "gridhub %s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see gridhub %s --help)\n", name);
	return CMD_USAGE;
}

const char *cmd_config_path(const char *given)
{
	if (given)
		return given;
	const char *env = getenv("GRIDHUB_CONFIG");
	return env && env[0] ? env : CONFIG_DEFAULT_PATH;
}

int cmd_open(const char *config_path, struct config **ret_config, struct pg **ret_pg)
{
	struct err e = {0};
	auto_config struct config *c = NULL;
	if (config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	struct pg_conf conf = {.conninfo = c->database.conninfo,
			       .password_file = c->database.password_file,
			       .app_name = "gridhub cli",
			       .timeout_us = c->database.timeout_us};
	if (pg_open(&conf, &e, ret_pg))
		return cmd_fail(&e);
	*ret_config = c;
	c = NULL;
	return CMD_OK;
}

int cmd_ask_hub(const struct config *c, const char *page, int *ret_status, struct buf *out,
		struct err *e)
{
	auto_buf struct buf url;
	struct slice host, port;
	struct err why = {0};
	const char *listen = c->http.listen ? c->http.listen : "";
	buf_init(&url, 512);
	if (!listen[0])
		return err_set(e, -ENOENT, "http.listen is empty: there is no page to ask for");
	if (http_parse_listen(slice_of(listen), &host, &port))
		return err_set(e, -EINVAL, "http.listen: \"%.100s\": expected host:port", listen);
	/* One that listens everywhere is asked here. */
	if (!host.n || slice_is(host, "0.0.0.0"))
		host = slice_of("127.0.0.1");
	else if (slice_is(host, "::"))
		host = slice_of("::1");
	bool v6 = memchr(host.p, ':', host.n) != NULL;
	buf_printf(&url, "http://%s%.*s%s:%.*s%s", v6 ? "[" : "", SL_FMT(host), v6 ? "]" : "",
		   SL_FMT(port), page);
	int r = sender_get(buf_str(&url), ASK_US, ret_status, out, &why);
	return !r && *ret_status
		       ? 0
		       : err_set(e, -EIO, "no hub answers at %.100s: %.300s", listen, why.msg);
}

int cmd_read_stdin(size_t max, struct buf *out, struct err *e)
{
	for (;;) {
		if (!buf_reserve(out, 65536) && !buf_reserve(out, 1))
			return err_set(e, -EFBIG, "stdin: more than %zu bytes", max);
		size_t room = out->cap - out->n - 1;
		ssize_t n = read(STDIN_FILENO, out->p + out->n, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "stdin: cannot read: %s", strerror(errno));
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		out->p[out->n] = 0;
		if (out->n > max)
			return err_set(e, -EFBIG, "stdin: more than %zu bytes", max);
	}
}

int cmd_save_picture(const char *path, struct slice jpeg, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int r = fd < 0 ? -errno : fd_write_all(fd, jpeg.p, jpeg.n);
	return r ? err_set(e, r, "%s: cannot write: %s", path, strerror(-r)) : 0;
}

static void print_verbs(FILE *to, const char *name, const char *about, const struct cmd_verb *verbs,
			size_t n)
{
	fprintf(to, "usage: gridhub %s VERB [OPTIONS]\n\n%s\n\n" CMD_VERBS_HEAD, name, about);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
}

int cmd_verbs(const char *name, const char *about, const struct cmd_verb *verbs, size_t n, int argc,
	      char **argv)
{
	if (argc < 2) {
		print_verbs(stderr, name, about, verbs, n);
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_verbs(stdout, name, about, verbs, n);
		return CMD_OK;
	}
	size_t best = 3, at = n;
	for (size_t i = 0; i < n; i++) {
		size_t d = name_distance(slice_of(verbs[i].name), slice_of(argv[1]));
		if (d == 0)
			return verbs[i].fn(argc - 1, argv + 1);
		if (d < best) {
			best = d;
			at = i;
		}
	}
	if (at < n)
		return cmd_usage(name, "no verb \"%s\"; did you mean \"%s\"?", argv[1],
				 verbs[at].name);
	return cmd_usage(name, "no verb \"%s\"", argv[1]);
}
