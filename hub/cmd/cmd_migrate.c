#include "cmd_options.h"
#include "migrate.h"

static const char help[] =
	"usage: gridhub migrate [--check | --hub-role ROLE --report-role ROLE] [--config FILE]\n\n"
	"Bring the database's schema up to date: numbered, checksummed migrations, each in a "
	"transaction of its own.\n"
	"Several may run at once; one does the work. A schema that is newer than this binary is "
	"refused.\n\n"
	"  --check             only say whether it is up to date (exit status 1 if not)\n"
	"  --hub-role ROLE     a role that hubs run with (database.migrate: false): it writes, but "
	"owns nothing\n"
	"  --report-role ROLE  a role that only reads\n"
	"  --config FILE       configuration\n\n"
	"Roles are made by CREATE ROLE; named once, they get their rights after each migration, "
	"too.\n";

struct options {
	const char *config, *hub_role, *report_role;
	bool only_check;
};

static void say(const char *line)
{
	fprintf(stderr, "gridhub: applied %s\n", line);
}

static int bring_up_to_date(struct pg *p, const struct options *o, const char *district,
			    size_t *ret_applied, struct err *e)
{
	int64_t id = 0;
	int r = migrate_run(p, say, ret_applied, e);
	if (!r && (o->hub_role || o->report_role))
		r = migrate_roles(p, o->hub_role, o->report_role, e);
	return r ? r : migrate_district(p, district, &id, e);
}

static int migrate(const struct options *o)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	struct err e = {0};
	size_t applied = 0;
	int r = cmd_open(o->config, &c, &p);
	if (r)
		return r;
	if (o->only_check ? migrate_check(p, &e)
			  : bring_up_to_date(p, o, c->district, &applied, &e))
		return cmd_fail(&e);
	fprintf(stderr, "gridhub: the schema is up to date\n");
	printf("{\"applied\":%zu}\n", applied);
	return CMD_OK;
}

#define AT(member) offsetof(struct options, member)
static const struct cmd_option options[] = {
	{"check", CMD_FLAG, .at = AT(only_check)},
	{"hub-role", CMD_TEXT, .at = AT(hub_role)},
	{"report-role", CMD_TEXT, .at = AT(report_role)},
};
static const struct cmd_takes takes = {.name = "migrate", .help = help, CMD_TAKES_OPTIONS(options)};

int cmd_migrate(int argc, char **argv)
{
	struct options o = {0};
	int r = cmd_parse(&takes, argc, argv, &o, &o.config);
	return r >= 0 ? r : migrate(&o);
}
