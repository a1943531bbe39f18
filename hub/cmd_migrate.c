#include <getopt.h>

#include "cmd.h"
#include "migrate.h"

static const char help[] =
	"usage: gridhub migrate [--config FILE] [--check]\n\n"
	"Bring the database's schema up to date: numbered, checksummed migrations, each in a "
	"transaction of its own.\n"
	"Several may run at once; one does the work. A schema that is newer than this binary is "
	"refused.\n\n"
	"  --check        only say whether it is up to date (exit status 1 if not)\n"
	"  --config FILE  configuration\n";

static void say(const char *line)
{
	fprintf(stderr, "gridhub: applied %s\n", line);
}

static int migrate(const char *config_path, bool only_check)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	struct err e = {0};
	size_t applied = 0;
	int64_t district = 0;
	int r = cmd_open(config_path, &c, &p);
	if (r)
		return r;
	if (only_check ? migrate_check(p, &e) : migrate_run(p, say, &applied, &e))
		return cmd_fail(&e);
	if (!only_check && migrate_district(p, c->district, &district, &e))
		return cmd_fail(&e);
	fprintf(stderr, "gridhub: the schema is up to date\n");
	printf("{\"applied\":%zu}\n", applied);
	return CMD_OK;
}

int cmd_migrate(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config_path = NULL;
	bool only_check = false;
	int o;
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			config_path = optarg;
			break;
		case 'n':
			only_check = true;
			break;
		case 'h':
			fputs(help, stdout);
			return CMD_OK;
		default:
			return CMD_USAGE;
		}
	}
	if (optind < argc)
		return cmd_usage("migrate", "unexpected \"%s\"", argv[optind]);
	return migrate(config_path, only_check);
}
