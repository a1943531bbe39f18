/* gridhub rule list, gridhub rule kinds: what a folder of rules has in it. */
#include <getopt.h>
#include <unistd.h>

#include "cmd_options.h"
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
	report.carets = true;
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

/* What was asked for; NULL: all of them. */
struct filter {
	const char *class, *kind, *severity, *file;
	bool json;
};

static bool wanted(const struct filter *f, const struct rule *r)
{
	const char *class = r->class == CLASS_UNKNOWN ? "any" : device_class_names[r->class];
	const char *name = strrchr(r->file, '/');
	return (!f->class || strcmp(f->class, class) == 0) &&
	       (!f->kind || strcmp(f->kind, r->kind) == 0) &&
	       (!f->severity || strcmp(f->severity, severity_names[r->severity]) == 0) &&
	       (!f->file || strcmp(f->file, r->file) == 0 ||
		strcmp(f->file, name ? name + 1 : r->file) == 0);
}

static enum lang lang_of_terminal(void)
{
	const char *lang = getenv("LC_ALL");
	if (!lang || !*lang)
		lang = getenv("LANG");
	return lang && strncmp(lang, "zh", 2) == 0 ? LANG_ZH_CN : LANG_EN;
}

static void print_row(const struct rule *r, enum lang lang, struct buf *b)
{
	rule_hold_text(r, b);
	printf("%-26s %-7s %-11s %-8s %-7s %.*s\n", r->id,
	       r->class == CLASS_UNKNOWN ? "any" : device_class_names[r->class], r->kind,
	       severity_names[r->severity], buf_str(b), SL_FMT(rule_title_text(r, lang)));
}

static int print_rules(const struct rules *set, const struct filter *f)
{
	size_t n = 0;
	auto_buf struct buf b;
	buf_init(&b, (size_t)1024 * 1024);
	if (!f->json)
		printf("%-26s %-7s %-11s %-8s %-7s %s\n", "rule", "class", "kind", "severity",
		       "for", "title");
	for (size_t i = 0; i < rules_count(set); i++) {
		const struct rule *r = rules_at(set, i);
		if (!wanted(f, r))
			continue;
		n++;
		buf_reset(&b);
		if (f->json) {
			rule_json(r, &b);
			puts(buf_str(&b));
		} else {
			print_row(r, lang_of_terminal(), &b);
		}
	}
	fprintf(stderr, "gridhub: %zu rules\n", n);
	return CMD_OK;
}

/* ---- kinds ---- */

static void print_kind(const struct rule_kind *k, struct buf *b)
{
	enum lang lang = lang_of_terminal();
	rule_kind_limit(k, b);
	printf("%-11s %-5s %s · %s\n", k->code, buf_str(b), k->name[lang], k->department[lang]);
}

static int print_kinds(const struct rules *set, const struct filter *f)
{
	const struct rule_kinds *kinds = rule_kinds_of(set);
	auto_buf struct buf b;
	buf_init(&b, (size_t)1024 * 1024);
	for (size_t i = 0; kinds && i < rule_kinds_count(kinds); i++) {
		buf_reset(&b);
		if (!f->json) {
			print_kind(rule_kinds_at(kinds, i), &b);
			continue;
		}
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
	"usage: gridhub rule list [DIR] [--class C] [--kind K] [--severity S] [--file F] [--json] "
	"[--config FILE]\n\n"
	"Prints the rules of a folder: a table on a terminal, else one JSON object a line.\n\n"
	"  DIR            the folder (default: the configuration's, or ./rules without one)\n"
	"  --class C      only those for camera, sensor, bin or any\n"
	"  --kind K       only those of a kind: event-0192\n"
	"  --severity S   only low, normal, high or urgent\n"
	"  --file F       only those of a file: bin.yaml\n"
	"  --json         JSON on a terminal too\n"
	"  --config FILE  configuration\n";

static const char kinds_help[] =
	"usage: gridhub rule kinds [DIR] [--json] [--config FILE]\n\n"
	"Prints the responsibility list (kinds.yaml): a table on a terminal, else one JSON object "
	"a "
	"line.\n\n"
	"  DIR            the folder (default: the configuration's, or ./rules without one)\n"
	"  --json         JSON on a terminal too\n"
	"  --config FILE  configuration\n";

#define AT(member) offsetof(struct filter, member)
#define DIR_ARG "one folder"
static const struct cmd_option list_options[] = {
	{"class", CMD_TEXT, .at = AT(class)},	    {"kind", CMD_TEXT, .at = AT(kind)},
	{"severity", CMD_TEXT, .at = AT(severity)}, {"file", CMD_TEXT, .at = AT(file)},
	{"json", CMD_FLAG, .at = AT(json)},
};
static const struct cmd_takes takes_list = {
	.name = "rule list",
	.help = list_help,
	CMD_TAKES_OPTIONS(list_options),
	.arg = DIR_ARG,
	.optional = true,
};
static const struct cmd_option kinds_options[] = {{"json", CMD_FLAG, .at = AT(json)}};
static const struct cmd_takes takes_kinds = {
	.name = "rule kinds",
	.help = kinds_help,
	CMD_TAKES_OPTIONS(kinds_options),
	.arg = DIR_ARG,
	.optional = true,
};

static int show(const struct cmd_takes *takes, int argc, char **argv,
		int (*print)(const struct rules *set, const struct filter *f))
{
	struct filter f = {.json = !isatty(STDOUT_FILENO)};
	const char *config = NULL;
	struct rules *set = NULL;
	auto_buf struct buf dir;
	buf_init(&dir, 4096);
	int r = cmd_parse(takes, argc, argv, &f, &config);
	if (r >= 0)
		return r;
	r = cmd_rule_dir(argv[optind], config, &dir);
	if (!r)
		r = cmd_rule_load(buf_str(&dir), &set);
	if (!r)
		r = print(set, &f);
	rules_unref(set);
	return r;
}

int cmd_rule_list(int argc, char **argv)
{
	return show(&takes_list, argc, argv, print_rules);
}

int cmd_rule_kinds(int argc, char **argv)
{
	return show(&takes_kinds, argc, argv, print_kinds);
}
