/* gridhub rule shadow: what rules with `shadow: true` would have done. */
#include <getopt.h>

#include "cmd_registry.h"
#include "times.h"

static const char help[] =
	"usage: gridhub rule shadow [--from DAY] [--to DAY] [--rule ID] [--config FILE]\n\n"
	"What rules with `shadow: true` have counted, as JSON lines, one a rule and day (in the "
	"hub's "
	"zone):\n"
	"opened: firings (each match of an event rule is one), folded: readings that said so "
	"again,\n"
	"recovered. Kept for 400 days.\n\n"
	"  --from DAY, --to DAY   as 2026-03-02; both are included\n"
	"  --rule ID              only this rule\n"
	"  --config FILE          configuration\n";

struct options {
	const char *config, *from, *to, *rule;
};

static bool is_day(const char *text)
{
	char full[TIMES_RFC3339_MAX];
	int64_t us;
	snprintf(full, sizeof full, "%.20sT00:00:00Z", text);
	return strlen(text) == 10 && times_parse(slice_of(full), &us) == 0;
}

static int take_option(int o, struct options *p)
{
	static const char *const names[] = {['f'] = "--from", ['t'] = "--to"};
	if (o == 'c')
		p->config = optarg;
	else if (o == 'r')
		p->rule = optarg;
	else if (!is_day(optarg))
		return cmd_usage("rule shadow", "%s: \"%s\" is no day like 2026-03-02", names[o],
				 optarg);
	else if (o == 'f')
		p->from = optarg;
	else
		p->to = optarg;
	return CMD_OK;
}

/* -1 = go on, else exit with it. */
static int parse(int argc, char **argv, struct options *p)
{
	static const struct option options[] = {
		{"from", required_argument, NULL, 'f'}, {"to", required_argument, NULL, 't'},
		{"rule", required_argument, NULL, 'r'}, {"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},	{0},
	};
	int o;
	optind = 1;
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'h')
			return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
		if (o == '?' || take_option(o, p))
			return CMD_USAGE;
	}
	return optind < argc ? cmd_usage("rule shadow", "unexpected \"%s\"", argv[optind]) : -1;
}

static struct pg_arg text_or_null(const char *s)
{
	return s ? PGA_STR(s) : PGA_NULL;
}

int cmd_rule_shadow(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	struct options p = {0};
	int64_t district = 0;
	int r = parse(argc, argv, &p);
	if (r >= 0)
		return r;
	r = cmd_open_district(p.config, &c, &pg, &district);
	if (r)
		return r;
	struct pg_arg args[] = {PGA_I(district), text_or_null(p.from), text_or_null(p.to),
				text_or_null(p.rule)};
	return cmd_print_rows(pg, SQL_RULE_SHADOW, args, COUNT_OF(args));
}
