/* gridhub rule list, gridhub rule kinds: what a folder of rules has in it. */
#include <getopt.h>
#include <unistd.h>

#include "cmd_rule.h"
#include "rule_kind.h"

int cmd_rule_dir(const char *given, const char *config_path, struct buf *dir)
{
	auto_config struct config *c = NULL;
	const char *path = cmd_config_path(config_path);
	struct err e = {0};
	buf_reset(dir);
	if (given) {
		buf_puts(dir, given);
	} else if (!config_path && access(path, F_OK) != 0 && access("rules", F_OK) == 0) {
		buf_puts(dir, "rules");
	} else {
		if (config_load(path, &e, &c))
			return cmd_fail(&e);
		buf_puts(dir, c->rules.dir);
	}
	return CMD_OK;
}

static int load(const char *dir, int (*how)(const char *, struct rule_report *, struct rules **),
		struct rules **ret)
{
	struct rule_report report;
	rule_report_init(&report);
	int r = how(dir, &report, ret);
	if (report.warnings.n)
		fprintf(stderr, "warnings:\n%s\n", buf_str(&report.warnings));
	if (r)
		fprintf(stderr, "errors:\n%s\n",
			report.errors.n ? buf_str(&report.errors) : strerror(-r));
	rule_report_done(&report);
	return r ? CMD_FAILED : CMD_OK;
}

int cmd_rule_load(const char *dir, struct rules **ret)
{
	return load(dir, rules_load, ret);
}

int cmd_rule_load_good(const char *dir, struct rules **ret)
{
	return load(dir, rules_load_good, ret);
}

const struct rule *cmd_rule_find(const struct rules *set, const char *id, const char *verb)
{
	const struct rule *found = rules_find(set, slice_of(id));
	const char *near = NULL;
	size_t best = 4;
	for (size_t i = 0; !found && i < rules_count(set); i++) {
		size_t d = name_distance(slice_of(rules_at(set, i)->id), slice_of(id));
		if (d < best) {
			best = d;
			near = rules_at(set, i)->id;
		}
	}
	/* "overflow" for "bin.overflow" */
	for (size_t i = 0; !found && !near && *id && i < rules_count(set); i++)
		if (strstr(rules_at(set, i)->id, id))
			near = rules_at(set, i)->id;
	if (!found)
		cmd_usage(verb, "no rule \"%s\"%s%s%s", id, near ? "; did you mean \"" : "",
			  near ? near : "", near ? "\"?" : "");
	return found;
}

/* ---- rules ---- */

static int print_rules(const struct rules *set)
{
	auto_buf struct buf b;
	buf_init(&b, (size_t)1024 * 1024);
	for (size_t i = 0; i < rules_count(set); i++) {
		buf_reset(&b);
		rule_json(rules_at(set, i), &b);
		puts(buf_str(&b));
	}
	fprintf(stderr, "gridhub: %zu rules\n", rules_count(set));
	return CMD_OK;
}

/* ---- kinds ---- */

static int print_kinds(const struct rules *set)
{
	const struct rule_kinds *kinds = rule_kinds_of(set);
	auto_buf struct buf b;
	buf_init(&b, (size_t)1024 * 1024);
	for (size_t i = 0; kinds && i < rule_kinds_count(kinds); i++) {
		buf_reset(&b);
		rule_kind_json(rule_kinds_at(kinds, i), &b);
		puts(buf_str(&b));
	}
	if (!kinds) {
		fprintf(stderr, "gridhub: there is no kinds.yaml\n");
		return CMD_FAILED;
	}
	fprintf(stderr, "gridhub: %zu kinds\n", rule_kinds_count(kinds));
	return CMD_OK;
}

/* ---- the verbs ---- */

static const char list_help[] =
	"usage: gridhub rule list [DIR] [--config FILE]\n\n"
	"Prints the rules of a folder, one JSON object a line.\n\n"
	"  DIR            the folder (default: the configuration's, or ./rules without one)\n"
	"  --config FILE  configuration\n";

static const char kinds_help[] =
	"usage: gridhub rule kinds [DIR] [--config FILE]\n\n"
	"Prints the responsibility list (kinds.yaml), one JSON object a line.\n\n"
	"  DIR            the folder (default: the configuration's, or ./rules without one)\n"
	"  --config FILE  configuration\n";

static int show(int argc, char **argv, const char *verb, const char *help,
		int (*print)(const struct rules *set))
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config_path = NULL;
	struct rules *set = NULL;
	auto_buf struct buf dir;
	int o;
	buf_init(&dir, 4096);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (o == 'h')
			return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
		if (o != 'c')
			return CMD_USAGE;
		config_path = optarg;
	}
	if (optind + 1 < argc)
		return cmd_usage(verb, "unexpected \"%s\"", argv[optind + 1]);
	int r = cmd_rule_dir(argv[optind], config_path, &dir);
	if (!r)
		r = cmd_rule_load(buf_str(&dir), &set);
	if (!r)
		r = print(set);
	rules_unref(set);
	return r;
}

int cmd_rule_list(int argc, char **argv)
{
	return show(argc, argv, "rule list", list_help, print_rules);
}

int cmd_rule_kinds(int argc, char **argv)
{
	return show(argc, argv, "rule kinds", kinds_help, print_kinds);
}
