/* gridhub stream: what the hub sees of the registry's video streams. */
#include <getopt.h>
#include <unistd.h>

#include "cmd_registry.h"
#include "json.h"

#define SNAPSHOT_MAX_BYTES ((size_t)1 << 20)
#define HOURS_MAX (24 * 366)

struct options {
	const char *grid, *state, *out;
	int64_t hours;
};
#define AT(member) offsetof(struct options, member)

static const char help_list[] =
	"usage: gridhub stream list [--grid CODE] [--state S] [--config FILE]\n\n"
	"All streams as JSON lines, with what is believed of each.\n\n"
	"  --grid CODE   those of this grid and of all grids below it\n"
	"  --state S     online, offline, unknown or maintenance\n";
static const char help_show[] =
	"usage: gridhub stream show ID [--config FILE]\n\n"
	"One camera's stream: its last changes, what is usual for it, pictures kept as evidence.\n";
static const char help_rate[] =
	"usage: gridhub stream rate [--grid CODE] [--hours N] [--config FILE]\n\n"
	"The online rate of each grid with all below it: of what is neither unknown nor in "
	"maintenance.\n\n"
	"  --grid CODE   of this grid alone\n"
	"  --hours N     of the last N hours, weighted by time; else as it is now\n";
static const char help_snapshot[] =
	"usage: gridhub stream snapshot ID [--out FILE] [--config FILE]\n\n"
	"A picture kept as evidence (JPEG) into a file; ID is the field `snapshot` of the case or "
	"reading, or\n"
	"a device's id: its latest.\n\n"
	"  --out FILE    else SNAPSHOT.jpg here; - is stdout\n";
static const char help_accept[] =
	"usage: gridhub stream accept ID [--config FILE]\n\n"
	"What the camera shows now is as it should be: view, codec and size of its next good "
	"pictures\n"
	"are what later ones are compared with. Within ten seconds.\n";

static const struct cmd_option list_options[] = {
	{"grid", CMD_TEXT, .at = AT(grid)},
	{"state", CMD_TEXT, .at = AT(state)},
};
static const struct cmd_option rate_options[] = {
	{"grid", CMD_TEXT, .at = AT(grid)},
	{"hours", CMD_NUMBER, .at = AT(hours), .max = HOURS_MAX},
};
static const struct cmd_option out_options[] = {{"out", CMD_TEXT, .at = AT(out)}};

static const struct cmd_takes takes_list = {
	.name = "stream list",
	.help = help_list,
	CMD_TAKES_OPTIONS(list_options),
};
static const struct cmd_takes takes_rate = {
	.name = "stream rate",
	.help = help_rate,
	CMD_TAKES_OPTIONS(rate_options),
};
static const struct cmd_takes takes_show = {
	.name = "stream show",
	.help = help_show,
	.arg = "the id of a camera",
};
static const struct cmd_takes takes_accept = {
	.name = "stream accept",
	.help = help_accept,
	.arg = "the id of a camera",
};
static const struct cmd_takes takes_snapshot = {
	.name = "stream snapshot",
	.help = help_snapshot,
	CMD_TAKES_OPTIONS(out_options),
	.arg = "the id of a snapshot, or of a camera",
};

static int verb_list(int argc, char **argv)
{
	static const char *const states[] = {"online", "offline", "unknown", "maintenance"};
	struct options p = {0};
	const char *config = NULL;
	int r = cmd_parse(&takes_list, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	bool known = !p.state;
	for (size_t i = 0; i < COUNT_OF(states); i++)
		known = known || strcmp(p.state, states[i]) == 0;
	if (!known)
		return cmd_usage("stream",
				 "list: --state \"%s\": expected online, offline, unknown or "
				 "maintenance",
				 p.state);
	struct pg_arg args[] = {PGA_NULL, cmd_text_or_null(p.grid), cmd_text_or_null(p.state)};
	return cmd_print_json(config, SQL_STREAM_LIST, args, COUNT_OF(args), NULL);
}

static int verb_rate(int argc, char **argv)
{
	struct options p = {0};
	const char *config = NULL;
	int r = cmd_parse(&takes_rate, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, cmd_text_or_null(p.grid), PGA_I(p.hours)};
	return p.hours ? cmd_print_json(config, SQL_STREAM_RATE_SINCE, args, 3,
					"no stream in that grid")
		       : cmd_print_json(config, SQL_STREAM_RATE, args, 2, "no stream in that grid");
}

static int one_camera(const struct cmd_takes *takes, enum sql_id id, int argc, char **argv)
{
	struct options p = {0};
	struct err none;
	const char *config = NULL;
	int r = cmd_parse(takes, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	struct pg_arg args[] = {PGA_NULL, PGA_STR(argv[optind])};
	err_set(&none, 0, "no device \"%.200s\" with a stream", argv[optind]);
	return cmd_print_json(config, id, args, COUNT_OF(args), none.msg);
}

static int verb_show(int argc, char **argv)
{
	return one_camera(&takes_show, SQL_STREAM_SHOW, argc, argv);
}

static int verb_accept(int argc, char **argv)
{
	return one_camera(&takes_accept, SQL_STREAM_ACCEPT, argc, argv);
}

/* ---- snapshot ---- */

static int write_picture(const char *path, struct slice hex)
{
	struct err e = {0};
	auto_buf struct buf jpeg;
	buf_init(&jpeg, SNAPSHOT_MAX_BYTES);
	pg_put_bytea(hex, &jpeg);
	if (jpeg.failed) {
		err_set(&e, -EFBIG, "a picture of more than %zu bytes", SNAPSHOT_MAX_BYTES);
		return cmd_fail(&e);
	}
	if (strcmp(path, "-") == 0) {
		fwrite(jpeg.p, 1, jpeg.n, stdout); /* main looks whether it could be written */
		return CMD_OK;
	}
	if (cmd_save_picture(path, buf_slice(&jpeg), &e))
		return cmd_fail(&e);
	auto_buf struct buf line;
	buf_init(&line, 65536);
	buf_puts(&line, "{\"written\":");
	json_put_str(&line, slice_of(path));
	printf("%s,\"bytes\":%zu}\n", buf_str(&line), jpeg.n);
	return CMD_OK;
}

static int verb_snapshot(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	auto_rows struct pg_rows *rows = NULL;
	struct options p = {0};
	struct err e = {0};
	const char *config = NULL;
	char path[128];
	int64_t district = 0;
	int r = cmd_parse(&takes_snapshot, argc, argv, &p, &config);
	if (r >= 0)
		return r;
	r = cmd_open_district(config, &c, &pg, &district);
	if (r)
		return r;
	const struct pg_arg args[] = {PGA_I(district), PGA_STR(argv[optind])};
	if (pg_query(pg, SQL_STREAM_SNAPSHOT, args, COUNT_OF(args), &e, &rows))
		return cmd_fail(&e);
	if (!pg_count(rows)) {
		err_set(&e, -ENOENT, "no snapshot \"%.200s\", nor one of a device of that id",
			argv[optind]);
		return cmd_fail(&e);
	}
	snprintf(path, sizeof path, "%s.jpg", pg_str(rows, 0, 0));
	return write_picture(p.out ? p.out : path, pg_slice(rows, 0, 1));
}

int cmd_stream(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"list", "each stream: online or not, and why", verb_list},
		{"show", "one stream, its changes and pictures", verb_show},
		{"rate", "online rates by grid, now or over hours", verb_rate},
		{"snapshot", "write a picture that is kept as evidence", verb_snapshot},
		{"accept", "the camera's new view is as it should be", verb_accept},
	};
	return cmd_verbs("stream",
			 "What the hub sees of the registry's video streams (hub/probe/README.md).",
			 verbs, COUNT_OF(verbs), argc, argv);
}
