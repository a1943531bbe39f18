/* gridhub probe: look at video streams from here and now; `--worker` is what the hub starts. */
#include <getopt.h>

#include "cmd.h"
#include "look.h"
#include "times.h"

static const char help[] =
	"usage: gridhub probe [OPTIONS] URL…\n\n"
	"Looks at each stream once and prints what came of it as a JSON line. Exit status 1: one "
	"of "
	"them is not online.\n\n"
	"  --depth DEPTH     reach, keyframe (what online means), picture or watch (default: "
	"keyframe)\n"
	"  --deadline TIME   how long one look may take: 5s, 800ms (default: 5s)\n"
	"  --help            this text\n";

static int parse_depth(const char *word, enum probe_depth *ret)
{
	for (int i = 0; probe_depth_words[i]; i++) {
		if (strcmp(word, probe_depth_words[i]) == 0) {
			*ret = (enum probe_depth)i;
			return CMD_OK;
		}
	}
	return cmd_usage("probe",
			 "--depth \"%s\": expected reach, keyframe, picture "
			 "or watch",
			 word);
}

/* CMD_OK, an exit code, or -1: there is nothing more to do. */
static int parse_options(int argc, char **argv, struct probe_request *q)
{
	static const struct option options[] = {{"depth", required_argument, NULL, 'd'},
						{"deadline", required_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int c, rc = CMD_OK;
	while (!rc && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return -1;
		}
		if (c == 'd')
			rc = parse_depth(optarg, &q->depth);
		else if (c != 't')
			rc = cmd_usage("probe", "bad option");
		else if (times_parse_duration(slice_of(optarg), &q->deadline_us) ||
			 q->deadline_us < TIMES_MS || q->deadline_us > TIMES_HOUR)
			rc = cmd_usage("probe", "--deadline \"%s\": expected 1ms to 1h", optarg);
	}
	if (!rc && optind == argc)
		rc = cmd_usage("probe", "a URL is needed");
	return rc;
}

int cmd_probe(int argc, char **argv)
{
	static const struct look_limits limits = {.any_address = true, .tls_verify = true};
	struct probe_request q = {
		.depth = PROBE_KEYFRAME, .deadline_us = 5 * TIMES_SEC, .watch_us = 10 * TIMES_SEC};
	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return cmd_probe_worker();
	int rc = parse_options(argc, argv, &q);
	if (rc)
		return rc < 0 ? CMD_OK : rc;
	look_init(&limits);
	for (int i = optind; i < argc; i++) {
		auto_buf struct buf line;
		struct probe_result r;
		q.id = i - optind + 1;
		q.url = argv[i];
		look_at(&q, &r);
		buf_init(&line, PROBE_LINE_MAX);
		probe_result_write(&r, &line);
		puts(buf_str(&line));
		rc |= r.state != PROBE_ONLINE;
		probe_result_done(&r);
	}
	return rc ? CMD_FAILED : CMD_OK;
}
