/* gridhub rule shadow: what rules with `shadow: true` would have done. */
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

static int read_day(const struct cmd_option *o, const char *text, void *at)
{
	const char **ret = at;
	if (!is_day(text))
		return cmd_usage("rule shadow", "--%s: \"%s\" is no day like 2026-03-02", o->name,
				 text);
	*ret = text;
	return CMD_OK;
}

static const struct cmd_option options[] = {
	{"from", CMD_READ, .at = offsetof(struct options, from), .read = read_day},
	{"to", CMD_READ, .at = offsetof(struct options, to), .read = read_day},
	{"rule", CMD_TEXT, .at = offsetof(struct options, rule)},
};
static const struct cmd_takes takes = {
	.name = "rule shadow", .help = help, CMD_TAKES_OPTIONS(options)};

int cmd_rule_shadow(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	struct options p = {0};
	int64_t district = 0;
	int r = cmd_parse(&takes, argc, argv, &p, &p.config);
	if (r >= 0)
		return r;
	r = cmd_open_district(p.config, &c, &pg, &district);
	if (r)
		return r;
	struct pg_arg args[] = {PGA_I(district), cmd_text_or_null(p.from), cmd_text_or_null(p.to),
				cmd_text_or_null(p.rule)};
	return cmd_print_rows(pg, SQL_RULE_SHADOW, args, COUNT_OF(args));
}
