/* gridhub decode: what an adapter makes of one message, without a broker or a database. */
#include <unistd.h>

#include "adapters/device/adapter.h"
#include "cmd_options.h"
#include "times.h"

#define STDIN_MAX (16 * 1024 * 1024)
#define PAYLOAD_MAX ((size_t)256 * 1024) /* as intake.max_payload, if it is not set */

static const char help_head[] =
	"usage: gridhub decode --adapter NAME --topic TOPIC [OPTIONS] < PAYLOAD\n\n"
	"Prints the readings of one message as JSON lines. A refused message prints its\n"
	"reason to stderr and exits with 1.\n\n"
	"  --adapter NAME   one of those below\n"
	"  --topic TOPIC    the topic it was published to\n"
	"  --retained       the broker kept it and sent it on subscribing\n"
	"  --at TIME        when it arrived, RFC 3339 (default: now)\n"
	"  --help           this text\n\n"
	"Adapters:\n";

static void put_help(struct buf *out)
{
	buf_puts(out, help_head);
	for (size_t i = 0; device_adapters[i]; i++)
		buf_printf(out, "  %-14s %s\n", device_adapters[i]->name, device_adapters[i]->help);
}

struct options {
	const struct device_adapter *adapter;
	struct slice topic;
	int64_t at_us;
	bool retained;
};

static int read_adapter(const struct cmd_option *o, const char *name, void *at)
{
	(void)o;
	const struct device_adapter **ret = at;
	const char *near = device_adapters[0]->name;
	size_t best = SIZE_MAX;
	*ret = device_adapter_find(slice_of(name));
	if (*ret)
		return CMD_OK;
	for (size_t i = 0; device_adapters[i]; i++) {
		size_t d = name_distance(slice_of(name), slice_of(device_adapters[i]->name));
		if (d < best) {
			best = d;
			near = device_adapters[i]->name;
		}
	}
	return cmd_usage("decode", "no adapter \"%s\"; the nearest is \"%s\"", name, near);
}

static int read_topic(const struct cmd_option *o, const char *text, void *at)
{
	struct slice *ret = at;
	*ret = slice_of(text);
	if (!ret->n || !slice_utf8_ok(*ret, NULL))
		return cmd_usage("decode", "--%s: expected UTF-8 that is not empty", o->name);
	return CMD_OK;
}

static const struct cmd_option options[] = {
	{"adapter", CMD_READ, .at = offsetof(struct options, adapter), .read = read_adapter},
	{"topic", CMD_READ, .at = offsetof(struct options, topic), .read = read_topic},
	{"at", CMD_TIME, .at = offsetof(struct options, at_us)},
	{"retained", CMD_FLAG, .at = offsetof(struct options, retained)},
};

/* -1 = go on, else exit with it. */
static int parse(int argc, char **argv, struct options *ret)
{
	auto_buf struct buf help;
	buf_init(&help, 8192);
	put_help(&help);
	const struct cmd_takes takes = {
		.name = "decode", .help = buf_str(&help), CMD_TAKES_OPTIONS(options)};
	*ret = (struct options){.at_us = times_now_us()};
	int r = cmd_parse(&takes, argc, argv, ret, NULL);
	if (r < 0 && (!ret->adapter || !ret->topic.n))
		return cmd_usage("decode", "--adapter and --topic are needed");
	return r;
}

static int print_readings(const struct readings *all)
{
	auto_buf struct buf line;
	buf_init(&line, 16 * 1024 * 1024);
	for (size_t i = 0; i < all->n; i++) {
		buf_reset(&line);
		reading_json(&all->v[i], &line);
		buf_putc(&line, '\n');
		if (line.failed || fwrite(line.p, 1, line.n, stdout) != line.n)
			return CMD_FAILED;
	}
	if (!all->n)
		fprintf(stderr, "gridhub: understood, and of no interest: no readings\n");
	return CMD_OK;
}

static int decode(const struct options *o, struct slice payload)
{
	struct err e = {0};
	struct readings all;
	struct device_message m = {.topic = o->topic,
				   .payload = payload,
				   .recv_us = o->at_us,
				   .retained = o->retained};
	readings_init(&all);
	int rc = o->adapter->decode(&m, &all, &e);
	if (rc) {
		err_prefix(&e, rc, "refused");
		rc = cmd_fail(&e);
	} else {
		rc = print_readings(&all);
	}
	readings_done(&all);
	return rc;
}

int cmd_decode(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	int rc = parse(argc, argv, &o);
	if (rc >= 0)
		return rc;
	if (isatty(STDIN_FILENO))
		fprintf(stderr,
			"gridhub: reading the payload from the terminal; end with Ctrl-D\n");
	auto_buf struct buf payload;
	buf_init(&payload, STDIN_MAX + 65536);
	if (cmd_read_stdin(STDIN_MAX, &payload, &e))
		return cmd_fail(&e);
	if (payload.n > PAYLOAD_MAX) {
		err_set(&e, 0,
			"refused: payload of %zu bytes, at most %zu are taken (intake.max_payload)",
			payload.n, PAYLOAD_MAX);
		return cmd_fail(&e);
	}
	return decode(&o, buf_slice(&payload));
}
