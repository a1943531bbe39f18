/* gridhub case: cases at the command line. */
#include <getopt.h>

#include "cmd_registry.h"

static const char help_list[] =
	"usage: gridhub case list [--all] [--grid CODE] [--limit N] [--config FILE]\n\n"
	"Cases as JSON lines, newest first.\n\n"
	"  --all          closed ones too (default: open ones)\n"
	"  --grid CODE    of this grid and all below it\n"
	"  --limit N      at most N (default 100)\n"
	"  --config FILE  configuration\n";
static const char help_show[] = "usage: gridhub case show ID [--config FILE]\n\n"
				"One case as a JSON line: what opened it, every move, alerts owed "
				"and every attempt to deliver one.\n";
static const char help_close[] =
	"usage: gridhub case close ID --by WHO --reason TEXT [--config FILE]\n\n"
	"Close a case by force. Who and why stand in its history. A condition that still holds "
	"does not open\n"
	"another case until it has cleared.\n";

struct options {
	const char *grid, *by, *reason;
	bool all;
	int64_t limit;
};
#define AT(member) offsetof(struct options, member)

static const struct cmd_option list_options[] = {
	{"all", CMD_FLAG, .at = AT(all)},
	{"grid", CMD_TEXT, .at = AT(grid)},
	{"limit", CMD_NUMBER, .at = AT(limit), .max = INT64_MAX},
};
static const struct cmd_takes takes_list = {
	.name = "case list",
	.help = help_list,
	CMD_TAKES_OPTIONS(list_options),
};
#define A_CASE "the number of a case"
static const struct cmd_takes takes_show = {
	.name = "case show",
	.help = help_show,
	.arg = A_CASE,
};
static const struct cmd_option close_options[] = {
	{"by", CMD_TEXT, .at = AT(by)},
	{"reason", CMD_TEXT, .at = AT(reason)},
};
static const struct cmd_takes takes_close = {
	.name = "case close",
	.help = help_close,
	CMD_TAKES_OPTIONS(close_options),
	.arg = A_CASE,
};

static void no_case(int64_t id, const char *open, struct err *ret)
{
	err_set(ret, -ENOENT, "there is no %scase %lld", open, (long long)id);
}

static int verb_list(int argc, char **argv)
{
	struct options p = {.limit = 100};
	const char *config = NULL;
	int r = cmd_parse(&takes_list, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, PGA_B(!p.all), cmd_text_or_null(p.grid), PGA_I(p.limit)};
	return cmd_print_json(config, SQL_CASE_LIST, args, COUNT_OF(args), NULL);
}

static int verb_show(int argc, char **argv)
{
	struct options p = {0};
	struct err none;
	const char *config = NULL;
	int64_t id;
	int r = cmd_parse(&takes_show, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	if (cmd_number(&takes_show, argv[optind], &id))
		return CMD_USAGE;
	struct pg_arg args[] = {PGA_NULL, PGA_I(id)};
	no_case(id, "", &none);
	return cmd_print_json(config, SQL_CASE_SHOW, args, COUNT_OF(args), none.msg);
}

static int verb_close(int argc, char **argv)
{
	struct options p = {0};
	struct err none;
	const char *config = NULL;
	int64_t id;
	int r = cmd_parse(&takes_close, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	if (cmd_number(&takes_close, argv[optind], &id))
		return CMD_USAGE;
	if (!p.by || !p.reason)
		return cmd_usage(
			"case",
			"close: both --by and --reason are needed, for they stand in the history");
	struct pg_arg args[] = {PGA_NULL, PGA_I(id), PGA_STR(p.by), PGA_STR(p.reason)};
	no_case(id, "open ", &none);
	return cmd_print_json(config, SQL_CASE_CLOSE, args, COUNT_OF(args), none.msg);
}

int cmd_case(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"list", "open cases, newest first", verb_list},
		{"show", "one case with its history and deliveries", verb_show},
		{"close", "close a case by force", verb_close},
	};
	return cmd_verbs("case", "Cases: what the hub opened, what became of it.", verbs,
			 COUNT_OF(verbs), argc, argv);
}
