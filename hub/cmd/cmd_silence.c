/* gridhub silence: alerts and cases that are held back for a while. */
#include <getopt.h>

#include "cmd_registry.h"
#include "rule.h"
#include "times.h"

#define SILENCE_MAX (366 * TIMES_DAY)

static const char help_add[] =
	"usage: gridhub silence add [--device NAME] [--grid CODE] [--kind CODE] [--rule ID]\n"
	"                           (--for DURATION | --to TIME) [--from TIME] [--maintenance]\n"
	"                           --by WHO --reason TEXT [--config FILE]\n\n"
	"Alerts about all that matches wait until the silence ends; what has recovered by then is "
	"not "
	"told at all.\n"
	"Prints {\"id\":…}.\n\n"
	"  --device NAME   of this device\n"
	"  --grid CODE     in this grid and all below it\n"
	"  --kind CODE     of this kind (event-0192)\n"
	"  --rule ID       of this rule; at least one of the four, all that are given must match\n"
	"  --for DURATION  how long: 90m, 8h, 3d; at most 366 days\n"
	"  --to TIME       until then (RFC 3339: 2026-11-22T18:00:00+08:00)\n"
	"  --from TIME     from then (default: now)\n"
	"  --maintenance   cases are not even opened; what still fires at the end opens one then\n"
	"  --by WHO        who says so, and\n"
	"  --reason TEXT   why; both are kept\n"
	"  --config FILE   configuration\n";
static const char help_list[] =
	"usage: gridhub silence list [--all] [--config FILE]\n\n"
	"Silences and maintenance as JSON lines: those that are on or to come.\n\n"
	"  --all          those that are over, too\n"
	"  --config FILE  configuration\n";
static const char help_end[] = "usage: gridhub silence end ID --by WHO [--config FILE]\n\n"
			       "End a silence now. What it held back and still holds is told.\n";

enum {
	O_DEVICE = 1,
	O_GRID = 2,
	O_KIND = 4,
	O_RULE = 8,
	O_FOR = 16,
	O_TO = 32,
	O_FROM = 64,
	O_MAINTENANCE = 128,
	O_BY = 256,
	O_REASON = 512,
	O_ALL = 1024,
};

struct options {
	const char *config, *device, *grid, *kind, *rule, *by, *reason;
	int64_t for_us, from_us, to_us;
	bool maintenance, all;
};

static int take_time(const char *name, int64_t *ret)
{
	if (times_parse(slice_of(optarg), ret))
		return cmd_usage("silence", "%s %s: a time was expected, 2026-11-22T18:00:00+08:00",
				 name, optarg);
	return CMD_OK;
}

static int take_option(int o, struct options *p)
{
	struct {
		int o;
		const char **to;
	} texts[] = {{O_DEVICE, &p->device}, {O_GRID, &p->grid}, {O_KIND, &p->kind},
		     {O_RULE, &p->rule},     {O_BY, &p->by},	 {O_REASON, &p->reason}};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (texts[i].o != o)
			continue;
		*texts[i].to = optarg;
		return optarg[0] ? CMD_OK : cmd_usage("silence", "an option with an empty value");
	}
	switch (o) {
	case O_FOR:
		if (times_parse_duration(slice_of(optarg), &p->for_us) || p->for_us <= 0 ||
		    p->for_us > SILENCE_MAX)
			return cmd_usage("silence", "--for %s: a duration up to 366d was expected",
					 optarg);
		return CMD_OK;
	case O_TO:
		return take_time("--to", &p->to_us);
	case O_FROM:
		return take_time("--from", &p->from_us);
	case O_MAINTENANCE:
		p->maintenance = true;
		return CMD_OK;
	default:
		p->all = true;
		return CMD_OK;
	}
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, const char *help, int takes, struct options *p)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"device", required_argument, NULL, O_DEVICE},
		{"grid", required_argument, NULL, O_GRID},
		{"kind", required_argument, NULL, O_KIND},
		{"rule", required_argument, NULL, O_RULE},
		{"for", required_argument, NULL, O_FOR},
		{"to", required_argument, NULL, O_TO},
		{"from", required_argument, NULL, O_FROM},
		{"maintenance", no_argument, NULL, O_MAINTENANCE},
		{"by", required_argument, NULL, O_BY},
		{"reason", required_argument, NULL, O_REASON},
		{"all", no_argument, NULL, O_ALL},
		{0},
	};
	int o;
	optind = 1;
	*p = (struct options){0};
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h')
			return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
		if (o == 'c')
			p->config = optarg;
		else if (o != '?' && !(takes & o))
			return cmd_usage("silence", "an option that \"%s\" does not take", argv[0]);
		else if (o == '?' || take_option(o, p))
			return CMD_USAGE;
	}
	return -1;
}

static int no_more(int argc, char **argv)
{
	return optind < argc ? cmd_usage("silence", "unexpected \"%s\"", argv[optind]) : -1;
}

static struct pg_arg text(const char *s)
{
	return s ? PGA_STR(s) : PGA_NULL;
}

static int check_add(const struct options *p)
{
	if (!p->device && !p->grid && !p->kind && !p->rule)
		return cmd_usage("silence",
				 "add: --device, --grid, --kind or --rule is needed: what is "
				 "to be silent?");
	if (!p->by || !p->reason)
		return cmd_usage("silence",
				 "add: both --by and --reason are needed, for they are kept");
	if (!p->for_us == !p->to_us)
		return cmd_usage("silence", "add: --for or --to is needed, one of the two");
	return CMD_OK;
}

static int verb_add(int argc, char **argv)
{
	struct options p;
	int r = parse(argc, argv, help_add, O_ALL - 1, &p);
	if (r < 0)
		r = no_more(argc, argv);
	if (r < 0)
		r = check_add(&p) ? CMD_USAGE : -1;
	if (r >= 0)
		return r;
	int64_t from = p.from_us ? p.from_us : times_now_us(),
		to = p.to_us ? p.to_us : from + p.for_us;
	if (to <= from || to - from > SILENCE_MAX)
		return cmd_usage("silence",
				 "add: it ends before it begins, or after more than 366 days");
	struct err none;
	err_set(&none, 0, "there is no %s%s%s%s%s", p.device ? "device " : "",
		p.device ? p.device : "", p.device && p.grid ? ", or no " : "",
		p.grid ? "grid " : "", p.grid ? p.grid : "");
	struct pg_arg args[] = {PGA_NULL,      text(p.device),	     text(p.grid), text(p.kind),
				text(p.rule),  PGA_B(p.maintenance), PGA_I(from),  PGA_I(to),
				PGA_STR(p.by), PGA_STR(p.reason)};
	return cmd_print_json(p.config, SQL_SILENCE_ADD, args, COUNT_OF(args), none.msg);
}

static int verb_list(int argc, char **argv)
{
	struct options p;
	int r = parse(argc, argv, help_list, O_ALL, &p);
	if (r < 0)
		r = no_more(argc, argv);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, PGA_B(p.all)};
	return cmd_print_json(p.config, SQL_SILENCE_LIST, args, COUNT_OF(args), NULL);
}

static int verb_end(int argc, char **argv)
{
	struct options p;
	int64_t id;
	int r = parse(argc, argv, help_end, O_BY, &p);
	if (r >= 0)
		return r;
	if (optind == argc || slice_to_i64(slice_of(argv[optind]), &id) || id < 1)
		return cmd_usage("silence", "end: the number of a silence was expected");
	optind++;
	r = no_more(argc, argv);
	if (r >= 0)
		return r;
	if (!p.by)
		return cmd_usage("silence", "end: --by is needed, for it is kept");
	struct pg_arg args[] = {PGA_NULL, PGA_I(id), PGA_STR(p.by)};
	return cmd_print_json(p.config, SQL_SILENCE_END, args, COUNT_OF(args),
			      "there is no such silence, or it is over");
}

int cmd_silence(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"add", "hold back alerts, or with --maintenance cases, for a while", verb_add},
		{"list", "what is held back, until when, by whom and why", verb_list},
		{"end", "end one now", verb_end},
	};
	return cmd_verbs("silence", "Silences and maintenance: what grid leaders are not told.",
			 verbs, COUNT_OF(verbs), argc, argv);
}
