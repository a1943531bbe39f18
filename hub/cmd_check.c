/* gridhub check: would `gridhub run` start with this? */
#include <getopt.h>

#include "cmd.h"
#include "migrate.h"
#include "route.h"
#include "rule.h"

static const char help[] =
	"usage: gridhub check [--config FILE | --rules DIR] [--database]\n\n"
	"Check the configuration, the rules and the secrets that it names. Each error is one line: "
	"file, line, column,\n"
	"key, value and what was expected; warnings do not change the exit status.\n\n"
	"  --rules DIR    check a folder of rules only\n"
	"  --database     also connect to the database and look at its schema (changes nothing)\n"
	"  --config FILE  configuration\n";

static int check_rules(const char *dir)
{
	struct rule_report report;
	struct rules *rules = NULL;
	rule_report_init(&report);
	int r = rules_load(dir, &report, &rules);
	if (report.warnings.n)
		fprintf(stderr, "warnings:\n%s\n", buf_str(&report.warnings));
	if (r)
		fprintf(stderr, "errors:\n%s\n",
			report.errors.n ? buf_str(&report.errors) : strerror(-r));
	else
		fprintf(stderr, "gridhub: %s: %zu rules\n", dir, rules_count(rules));
	printf("{\"rules\":%zu,\"errors\":%zu,\"warnings\":%zu}\n",
	       r ? (size_t)0 : rules_count(rules), report.nerrors, report.nwarnings);
	rules_unref(rules);
	rule_report_done(&report);
	return r ? CMD_FAILED : CMD_OK;
}

static int check_secret(const char *path, struct err *e)
{
	auto_free char *secret = NULL;
	return path ? file_read_secret(path, &secret, e) : 0;
}

/* Files that `run` will need; every one that is no good is named. */
static int check_files(const struct config *c)
{
	int res = CMD_OK;
	struct err e;
	for (size_t i = 0; i < c->nbrokers; i++)
		if (check_secret(c->brokers[i].password_file, &e))
			res = cmd_fail(&e);
	for (size_t i = 0; i < c->nendpoints; i++)
		if (check_secret(c->endpoints[i].secret_file, &e) ||
		    check_secret(c->endpoints[i].url_file, &e))
			res = cmd_fail(&e);
	if (check_secret(c->database.password_file, &e))
		res = cmd_fail(&e);
	return res;
}

static int check_database(const struct config *c)
{
	auto_pg struct pg *p = NULL;
	struct err e = {0};
	struct pg_conf conf = {.conninfo = c->database.conninfo,
			       .password_file = c->database.password_file,
			       .app_name = "gridhub check",
			       .timeout_us = c->database.timeout_us};
	int r = pg_open(&conf, &e, &p);
	if (!r)
		r = migrate_check(p, &e);
	if (r == -ESTALE && c->database.migrate) {
		fprintf(stderr, "gridhub: %s (it will be, at start)\n", e.msg);
		return CMD_OK;
	}
	return r ? cmd_fail(&e) : CMD_OK;
}

static int check(const char *config_path, bool database)
{
	auto_config struct config *c = NULL;
	struct route *route = NULL;
	struct err e = {0};
	if (config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	int res = CMD_OK;
	if (route_new(c, &e, &route))
		res = cmd_fail(&e);
	route_free(route);
	if (check_files(c))
		res = CMD_FAILED;
	if (check_rules(c->rules.dir))
		res = CMD_FAILED;
	if (database && check_database(c))
		res = CMD_FAILED;
	if (res == CMD_OK)
		fprintf(stderr, "gridhub: %s is good\n", c->path);
	return res;
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"rules", required_argument, NULL, 'r'},
		{"database", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config_path = NULL, *rules = NULL;
	bool database = false;
	int o;
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'c')
			config_path = optarg;
		else if (o == 'r')
			rules = optarg;
		else if (o == 'd')
			database = true;
		else if (o == 'h')
			return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
		else
			return CMD_USAGE;
	}
	if (optind < argc)
		return cmd_usage("check", "unexpected \"%s\"", argv[optind]);
	return rules ? check_rules(rules) : check(config_path, database);
}
