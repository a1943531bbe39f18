/* gridhub duty: the roster of grid leaders. */
#include <getopt.h>

#include "cmd_registry.h"
#include "duty.h"
#include "times.h"

static const char help_load[] =
	"usage: gridhub duty load FILE [--config FILE]\n\n"
	"Put a roster in force: people, duties and absences as the file says, and nothing else. "
	"All of "
	"it or,\nwith a fault in it, none.\n\n"
	"  people:\n"
	"    - {name: 张伟, title: 网格长, endpoints: [zhangwei, zhangwei-sms], quiet: "
	"\"22:00-07:00\"}\n"
	"    - {name: 陈静, endpoints: [group], mention: \"13800000000\"}\n"
	"  duties:\n"
	"    - {grid: qx-yh-1-1-3, person: 张伟, days: [mon, tue, wed, thu, fri], hours: "
	"\"08:00-20:00\", holidays: never}\n"
	"    - {grid: qx-yh-1-1-3, person: 陈静, rank: 1}\n"
	"  absences:\n"
	"    - {person: 张伟, from: \"2026-11-22T00:00:00+08:00\", to: "
	"\"2026-11-29T00:00:00+08:00\", "
	"substitute: 陈静}\n\n"
	"An alert goes to the one with the lowest rank whose shift is on and who is not absent (or "
	"to a "
	"substitute);\nto the first of the endpoints, and to the next if that fails for good or "
	"three "
	"times. When nobody is on\nduty the grid's own endpoint is told, else the same of the grid "
	"above.\n"
	"With `mention` the robot of a group's chat calls them by name when something is high or "
	"urgent: by the user id of\n"
	"WeCom, mobile number or user id of DingTalk, open id of Feishu, member id of Slack.\n";
static const char help_list[] =
	"usage: gridhub duty list [--grid CODE] [--at TIME] [--config FILE]\n\n"
	"Who is told of alerts of each grid, as JSON lines.\n\n"
	"  --grid CODE    of this grid only\n"
	"  --at TIME      at that time (RFC 3339; default: now)\n"
	"  --config FILE  configuration\n";

struct options {
	const char *grid;
	int64_t at_us;
};
static const struct cmd_option list_options[] = {
	{"grid", CMD_TEXT, .at = offsetof(struct options, grid)},
	{"at", CMD_TIME, .at = offsetof(struct options, at_us)},
};
static const struct cmd_takes takes_list = {
	.name = "duty list",
	.help = help_list,
	CMD_TAKES_OPTIONS(list_options),
};
static const struct cmd_takes takes_load = {
	.name = "duty load",
	.help = help_load,
	.arg = "the file of one roster",
};

static void say_fault(void *ctx, const struct err *e)
{
	(void)ctx;
	fprintf(stderr, "gridhub: %s\n", e->msg);
}

static int verb_load(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	const char *config = NULL;
	struct err e = {0};
	struct duty_counts n;
	int64_t district = 0;
	int r = cmd_parse(&takes_load, argc, argv, NULL, &config);
	if (r >= 0)
		return r;
	r = cmd_open_district(config, &c, &pg, &district);
	if (r)
		return r;
	if (duty_load(argv[optind], c, pg, district, say_fault, NULL, &e, &n))
		return cmd_fail(&e);
	printf("{\"people\":%zu,\"duties\":%zu,\"absences\":%zu}\n", n.people, n.duties,
	       n.absences);
	return CMD_OK;
}

static int print_list(const struct options *p, const struct config *c, struct pg *pg,
		      int64_t district)
{
	auto_buf struct buf holidays;
	buf_init(&holidays, CMD_HOLIDAYS_MAX);
	int r = cmd_holidays(c, p->at_us, &holidays);
	if (r)
		return r;
	struct pg_arg args[] = {PGA_I(district), cmd_text_or_null(p->grid), PGA_I(p->at_us),
				PGA_STR(c->time_zone), PGA_S(buf_slice(&holidays))};
	return cmd_print_rows(pg, SQL_DUTY_LIST, args, COUNT_OF(args));
}

static int verb_list(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	struct options p = {.at_us = times_now_us()};
	const char *config = NULL;
	int64_t district = 0;
	int r = cmd_parse(&takes_list, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	r = cmd_open_district(config, &c, &pg, &district);
	return r ? r : print_list(&p, c, pg, district);
}

int cmd_duty(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"load", "put a roster in force", verb_load},
		{"list", "who is told of alerts of each grid, at a time", verb_list},
	};
	return cmd_verbs("duty", "Who answers for which grid, when.", verbs, COUNT_OF(verbs), argc,
			 argv);
}
