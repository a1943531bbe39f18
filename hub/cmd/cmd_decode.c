/* gridhub decode: what an adapter makes of one message, without a broker or a database. */
#include <getopt.h>
#include <unistd.h>

#include "adapters/device/adapter.h"
#include "cmd.h"
#include "times.h"

#define STDIN_MAX (16 * 1024 * 1024)
#define PAYLOAD_MAX ((size_t)256 * 1024) /* as intake.max_payload, if it is not set */

static void print_help(void)
{
	printf("usage: gridhub decode --adapter NAME --topic TOPIC [OPTIONS] < PAYLOAD\n\n"
	       "Prints the readings of one message as JSON lines. A refused message prints its\n"
	       "reason to stderr and exits with 1.\n\n"
	       "  --adapter NAME   one of those below\n"
	       "  --topic TOPIC    the topic it was published to\n"
	       "  --retained       the broker kept it and sent it on subscribing\n"
	       "  --at TIME        when it arrived, RFC 3339 (default: now)\n"
	       "  --help           this text\n\n"
	       "Adapters:\n");
	for (size_t i = 0; device_adapters[i]; i++)
		printf("  %-14s %s\n", device_adapters[i]->name, device_adapters[i]->help);
}

struct options {
	const struct device_adapter *adapter;
	struct slice topic;
	int64_t at_us;
	bool retained;
};

static int parse_adapter(const char *name, const struct device_adapter **ret)
{
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

static int parse_topic(const char *text, struct slice *ret)
{
	*ret = slice_of(text);
	if (!ret->n || !slice_utf8_ok(*ret, NULL))
		return cmd_usage("decode", "--topic: expected UTF-8 that is not empty");
	return CMD_OK;
}

static int parse_at(const char *text, int64_t *ret_us)
{
	if (times_parse(slice_of(text), ret_us))
		return cmd_usage("decode",
				 "--at \"%s\": expected a time such as "
				 "2026-11-21T21:00:00+08:00",
				 text);
	return CMD_OK;
}

enum { OPT_ADAPTER = 1, OPT_TOPIC, OPT_AT, OPT_RETAINED, OPT_HELP };

static int set_option(struct options *o, int c)
{
	switch (c) {
	case OPT_ADAPTER:
		return parse_adapter(optarg, &o->adapter);
	case OPT_TOPIC:
		return parse_topic(optarg, &o->topic);
	case OPT_AT:
		return parse_at(optarg, &o->at_us);
	case OPT_RETAINED:
		o->retained = true;
		return CMD_OK;
	default:
		return cmd_usage("decode", "bad option");
	}
}

/* CMD_OK, an exit code, or -1: the help was asked for. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option options[] = {{"adapter", required_argument, NULL, OPT_ADAPTER},
						{"topic", required_argument, NULL, OPT_TOPIC},
						{"at", required_argument, NULL, OPT_AT},
						{"retained", no_argument, NULL, OPT_RETAINED},
						{"help", no_argument, NULL, OPT_HELP},
						{0}};
	int c;
	*ret = (struct options){.at_us = times_now_us()};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == OPT_HELP)
			return -1;
		int rc = set_option(ret, c);
		if (rc)
			return rc;
	}
	if (optind < argc) {
		cmd_usage("decode", "unexpected \"%s\"", argv[optind]);
		return CMD_USAGE;
	}
	if (!ret->adapter || !ret->topic.n) {
		cmd_usage("decode", "--adapter and --topic are needed");
		return CMD_USAGE;
	}
	return CMD_OK;
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
	int rc = parse_options(argc, argv, &o);
	if (rc) {
		if (rc > 0)
			return rc;
		print_help();
		return CMD_OK;
	}
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
