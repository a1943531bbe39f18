/* gridhub health: what the running hub's /health says, for health checks where there is no curl. */
#include <getopt.h>

#include "cmd.h"

#define ANSWER_MAX 65536

static const char help[] =
	"usage: gridhub health [--config FILE]\n\n"
	"Ask the hub that runs with this configuration on this machine how it is (/health of "
	"http.listen)\n"
	"and print that as one line of JSON. Exit status: 0 ok, 1 degraded, starting or not "
	"there.\n\n"
	"  --config FILE  configuration\n";

static int health(const char *config_path)
{
	auto_config struct config *c = NULL;
	auto_buf struct buf page;
	struct err e = {0};
	int status = 0;
	buf_init(&page, ANSWER_MAX);
	if (config_load(cmd_config_path(config_path), &e, &c) ||
	    cmd_ask_hub(c, "/health", &status, &page, &e))
		return cmd_fail(&e);
	const char *text = buf_str(&page);
	printf("%s%s", text, page.n && text[page.n - 1] == '\n' ? "" : "\n");
	bool starting = strstr(text, "\"status\":\"starting\"");
	if (status == 200 && !starting)
		return CMD_OK;
	err_set(&e, -EAGAIN, "the hub is %s", starting ? "starting" : "degraded");
	return cmd_fail(&e);
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
