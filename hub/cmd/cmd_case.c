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
	const char *config, *grid, *by, *reason;
	bool all;
	int64_t limit, id;
};

enum { O_ALL = 1, O_GRID = 2, O_LIMIT = 4, O_BY = 8, O_REASON = 16, O_ID = 32 };

static int take_option(int o, struct options *p)
{
	switch (o) {
	case O_ALL:
		p->all = true;
		return CMD_OK;
	case O_GRID:
		p->grid = optarg;
		return CMD_OK;
	case O_BY:
		p->by = optarg;
		return CMD_OK;
	case O_REASON:
		p->reason = optarg;
		return CMD_OK;
	default:
		if (slice_to_i64(slice_of(optarg), &p->limit) || p->limit < 1)
			return cmd_usage("case", "--limit %s: a number from 1 was expected",
					 optarg);
		return CMD_OK;
	}
}

/* `takes`: the O_… that this verb knows. -1 = go on, else exit with it. */
static int parse(int argc, char **argv, const char *help, int takes, struct options *p)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"all", no_argument, NULL, O_ALL},
		{"grid", required_argument, NULL, O_GRID},
		{"limit", required_argument, NULL, O_LIMIT},
		{"by", required_argument, NULL, O_BY},
		{"reason", required_argument, NULL, O_REASON},
		{0},
	};
	int o;
	optind = 1;
	*p = (struct options){.limit = 100};
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'h')
			return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
		if (o == 'c')
			p->config = optarg;
		else if (o != '?' && !(takes & o))
			return cmd_usage("case", "an option that \"%s\" does not take", argv[0]);
		else if (o == '?' || take_option(o, p))
			return CMD_USAGE;
	}
	if (takes & O_ID) {
		if (optind == argc || slice_to_i64(slice_of(argv[optind]), &p->id) || p->id < 1)
			return cmd_usage("case", "%s: the number of a case was expected", argv[0]);
		optind++;
	}
	return optind < argc ? cmd_usage("case", "unexpected \"%s\"", argv[optind]) : -1;
}

static void no_case(const struct options *p, const char *open, struct err *ret)
{
	err_set(ret, -ENOENT, "there is no %scase %lld", open, (long long)p->id);
}

static int verb_list(int argc, char **argv)
{
	struct options p;
	int r = parse(argc, argv, help_list, O_ALL | O_GRID | O_LIMIT, &p);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, PGA_B(!p.all), p.grid ? PGA_STR(p.grid) : PGA_NULL,
				PGA_I(p.limit)};
	return cmd_print_json(p.config, SQL_CASE_LIST, args, COUNT_OF(args), NULL);
}

static int verb_show(int argc, char **argv)
{
	struct options p;
	int r = parse(argc, argv, help_show, O_ID, &p);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, PGA_I(p.id)};
	struct err none;
	no_case(&p, "", &none);
	return cmd_print_json(p.config, SQL_CASE_SHOW, args, COUNT_OF(args), none.msg);
}

static int verb_close(int argc, char **argv)
{
	struct options p;
	int r = parse(argc, argv, help_close, O_ID | O_BY | O_REASON, &p);
	if (r >= 0)
		return r;
	if (!p.by || !p.by[0] || !p.reason || !p.reason[0])
		return cmd_usage(
			"case",
			"close: both --by and --reason are needed, for they stand in the history");
	struct pg_arg args[] = {PGA_NULL, PGA_I(p.id), PGA_STR(p.by), PGA_STR(p.reason)};
	struct err none;
	no_case(&p, "open ", &none);
	return cmd_print_json(p.config, SQL_CASE_CLOSE, args, COUNT_OF(args), none.msg);
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
