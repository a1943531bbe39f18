/* gridhub silence: alerts and cases that are held back for a while. */
#include <getopt.h>

#include "cmd_registry.h"
#include "silence.h"
#include "times.h"

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

#define TEXT(name_, member_)                                             \
	{                                                                \
		name_, CMD_TEXT, .at = offsetof(struct silence, member_) \
	}
static const struct cmd_option add_options[] = {
	TEXT("device", device),
	TEXT("grid", grid),
	TEXT("kind", kind),
	TEXT("rule", rule),
	TEXT("for", for_),
	TEXT("to", to),
	TEXT("from", from),
	TEXT("by", by),
	TEXT("reason", reason),
	{"maintenance", CMD_FLAG, .at = offsetof(struct silence, maintenance)},
};
static const struct cmd_takes takes_add = {
	.name = "silence add",
	.help = help_add,
	CMD_TAKES_OPTIONS(add_options),
};

struct options {
	const char *by;
	bool all;
};
static const struct cmd_option list_options[] = {
	{"all", CMD_FLAG, .at = offsetof(struct options, all)}};
static const struct cmd_takes takes_list = {
	.name = "silence list",
	.help = help_list,
	CMD_TAKES_OPTIONS(list_options),
};
static const struct cmd_option end_options[] = {
	{"by", CMD_TEXT, .at = offsetof(struct options, by)}};
static const struct cmd_takes takes_end = {
	.name = "silence end",
	.help = help_end,
	CMD_TAKES_OPTIONS(end_options),
	.arg = "the number of a silence",
};

/* Prints the rows, or what went wrong. */
static int print(int rc, const struct pg_rows *rows, const struct err *e)
{
	if (rc)
		return cmd_fail(e);
	for (size_t i = 0; i < pg_count(rows); i++)
		puts(pg_str(rows, i, 0));
	return CMD_OK;
}

static int verb_add(int argc, char **argv)
{
	struct silence asked = {0};
	struct err e = {0};
	const char *config = NULL;
	auto_session struct cmd_session s = {0};
	auto_rows struct pg_rows *rows = NULL;
	int r = cmd_parse(&takes_add, argc, argv, &asked, &config);
	if (r >= 0)
		return r;
	if (silence_check(&asked, "--", times_now_us(), &e))
		return cmd_usage("silence", "add: %s", e.msg);
	r = cmd_open_district(config, &s.conf, &s.pg, &s.district);
	if (r)
		return r;
	r = silence_add(s.pg, s.district, &asked, &e, &rows);
	return print(r, rows, &e);
}

static int verb_list(int argc, char **argv)
{
	struct options p = {0};
	struct err e = {0};
	const char *config = NULL;
	auto_session struct cmd_session s = {0};
	auto_rows struct pg_rows *rows = NULL;
	int r = cmd_parse(&takes_list, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	r = cmd_open_district(config, &s.conf, &s.pg, &s.district);
	if (r)
		return r;
	r = silence_list(s.pg, s.district, p.all, SILENCE_LIST_MAX, &e, &rows);
	return print(r, rows, &e);
}

static int verb_end(int argc, char **argv)
{
	struct options p = {0};
	struct err e = {0};
	const char *config = NULL;
	auto_session struct cmd_session s = {0};
	auto_rows struct pg_rows *rows = NULL;
	int64_t id;
	int r = cmd_parse(&takes_end, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	if (cmd_number(&takes_end, argv[optind], &id))
		return CMD_USAGE;
	if (!p.by)
		return cmd_usage("silence", "end: --by is needed, for it is kept");
	r = cmd_open_district(config, &s.conf, &s.pg, &s.district);
	if (r)
		return r;
	r = silence_end(s.pg, s.district, id, p.by, "--", &e, &rows);
	return print(r, rows, &e);
}

int cmd_silence(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"add", "hold back alerts, or with --maintenance cases, for a while", verb_add},
		{"list", "what is held back, until when, by whom and why", verb_list},
		{"end", "end one now", verb_end},
	};
	return cmd_verbs("silence",
			 "Silences and maintenance: what grid leaders are not told. (A running "
			 "hub takes the same over HTTP, /api/v1/silences, if http.token_file "
			 "is set.)",
			 verbs, COUNT_OF(verbs), argc, argv);
}
