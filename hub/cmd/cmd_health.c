/* gridhub health: what the running hub's /health says, for health checks where there is no curl. */
#include "cmd_options.h"

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
	static const struct cmd_takes takes = {.name = "health", .help = help};
	const char *config = NULL;
	int r = cmd_parse(&takes, argc, argv, NULL, &config);
	return r >= 0 ? r : health(config);
}
