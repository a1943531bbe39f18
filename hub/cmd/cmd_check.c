/* gridhub check: would `gridhub run` start with this? */
#include <unistd.h>

#include "cmd_options.h"
#include "endpoint.h"
#include "http.h"
#include "look.h"
#include "migrate.h"
#include "route.h"
#include "rule.h"
#include "times.h"

static const char help[] =
	"usage: gridhub check [--config FILE | --rules DIR] [--database]\n\n"
	"Check the configuration, the rules, the endpoints and the files that it names, as the hub "
	"would at its start.\n"
	"Each error says file, line, column, key, value and what was expected, and shows the place "
	"in "
	"a condition;\n"
	"warnings do not change the exit status.\n\n"
	"  --rules DIR    check a folder of rules only\n"
	"  --database     also connect to the database and look at its schema (changes nothing)\n"
	"  --config FILE  configuration\n";

/* The last of the checks: faults is what those before it found. keep_us: how long readings are
 * kept; 0: not known. */
static int check_rules(const char *dir, int64_t keep_us, size_t faults)
{
	struct rule_report report;
	struct rules *rules = NULL;
	rule_report_init(&report);
	report.carets = true;
	int r = rules_load(dir, &report, &rules);
	if (!r)
		rules_warn(rules, keep_us, times_now_us(), &report);
	if (report.warnings.n)
		fprintf(stderr, "warnings:\n%s\n", buf_str(&report.warnings));
	if (r)
		fprintf(stderr, "errors:\n%s\n",
			report.errors.n ? buf_str(&report.errors) : strerror(-r));
	else
		fprintf(stderr, "gridhub: %s: %zu rules\n", dir, rules_count(rules));
	printf("{\"rules\":%zu,\"errors\":%zu,\"warnings\":%zu}\n",
	       r ? (size_t)0 : rules_count(rules), report.nerrors + faults, report.nwarnings);
	rules_unref(rules);
	rule_report_done(&report);
	return r || faults ? CMD_FAILED : CMD_OK;
}

static int check_secret(const char *path, struct err *e)
{
	auto_free char *secret = NULL;
	return path ? file_read_secret(path, &secret, e) : 0;
}

static int check_readable(const char *path, struct err *e)
{
	return path && access(path, R_OK)
		       ? err_set(e, -errno, "%s: cannot read: %s", path, strerror(errno))
		       : 0;
}

/* ---- parts: each tells every fault, not only the first, and returns how many ---- */

static size_t fault(const struct err *e)
{
	cmd_fail(e);
	return 1;
}

static size_t check_routes(const struct config *c)
{
	struct route *route = NULL;
	struct err e;
	size_t res = route_new(c, &e, &route) ? fault(&e) : 0;
	route_free(route);
	return res;
}

static size_t check_brokers(const struct config *c)
{
	size_t res = 0;
	struct err e;
	for (size_t i = 0; i < c->nbrokers; i++) {
		const struct broker_conf *b = &c->brokers[i];
		const char *files[] = {b->ca_file, b->cert_file, b->key_file};
		if (check_secret(b->password_file, &e))
			res += fault(&e);
		for (size_t j = 0; j < COUNT_OF(files); j++)
			if (check_readable(files[j], &e))
				res += fault(&e);
	}
	return res;
}

static size_t check_endpoints(const struct config *c)
{
	size_t res = 0;
	struct err e;
	for (size_t i = 0; i < c->nendpoints; i++) {
		struct endpoint p = {0};
		if (endpoint_load(c, &c->endpoints[i], &e, &p) ||
		    check_readable(c->endpoints[i].ca_file, &e))
			res += fault(&e);
		endpoint_done(&p);
	}
	return res;
}

static size_t check_probe(const struct config *c)
{
	struct err e;
	size_t res = check_readable(c->probe.ca_file, &e) ? fault(&e) : 0;
	if (!c->probe.canary || !look_url_check(c->probe.canary, &e))
		return res;
	(void)err_prefix(&e, 0, "%s: probe.canary", c->path);
	return res + fault(&e);
}

static size_t check_listen(const struct config *c)
{
	struct slice host, port;
	struct err e;
	const char *listen = c->http.listen;
	if (!listen || !listen[0] || !http_parse_listen(slice_of(listen), &host, &port))
		return 0;
	err_set(&e, 0, "%s: http.listen: \"%s\": expected host:port", c->path, listen);
	return fault(&e);
}

static size_t check_tokens(const struct config *c)
{
	struct err e = {0};
	auto_free char *tokens = NULL;
	return http_load_tokens(c, &e, &tokens) ? fault(&e) : 0;
}

static size_t check_password(const struct config *c)
{
	struct err e;
	return check_secret(c->database.password_file, &e) ? fault(&e) : 0;
}

static size_t check_database(const struct config *c)
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
		return 0;
	}
	return r ? fault(&e) : 0;
}

static int check(const char *config_path, bool database)
{
	auto_config struct config *c = NULL;
	struct err e = {0};
	if (config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	size_t (*const parts[])(const struct config *) = {
		check_routes, check_brokers, check_endpoints, check_probe,
		check_listen, check_tokens,  check_password};
	size_t faults = 0;
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		faults += parts[i](c);
	if (database)
		faults += check_database(c);
	int res = check_rules(c->rules.dir, c->database.keep_readings_us, faults);
	if (res == CMD_OK)
		fprintf(stderr, "gridhub: %s is good\n", c->path);
	return res;
}

struct options {
	const char *config, *rules;
	bool database;
};
static const struct cmd_option options[] = {
	{"rules", CMD_TEXT, .at = offsetof(struct options, rules)},
	{"database", CMD_FLAG, .at = offsetof(struct options, database)},
};
static const struct cmd_takes takes = {.name = "check", .help = help, CMD_TAKES_OPTIONS(options)};

int cmd_check(int argc, char **argv)
{
	struct options o = {0};
	int r = cmd_parse(&takes, argc, argv, &o, &o.config);
	if (r >= 0)
		return r;
	return o.rules ? check_rules(o.rules, 0, 0) : check(o.config, o.database);
}
