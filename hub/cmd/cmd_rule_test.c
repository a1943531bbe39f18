/* gridhub rule test: do the rules do what their examples say? */
#include <getopt.h>
#include <unistd.h>

#include "cmd_options.h"
#include "cmd_rule.h"
#include "json.h"
#include "rule_example.h"
#include "times.h"

#define AROUND 10 /* looks shown before and behind the first difference */

static const char help[] =
	"usage: gridhub rule test [DIR…] [--rule ID] [--tap | --json] [--strict] [--config "
	"FILE]\n\n"
	"Runs the examples that stand beside each rule, with its own readings and no other: the "
	"very code that\n"
	"judges live readings. No database, no broker. What fails is explained on stderr; if "
	"stdout is no terminal,\n"
	"each example is a JSON object there.\n\n"
	"  DIR            folders of rules (default: the configuration's, or ./rules without one)\n"
	"  --rule ID      that rule only\n"
	"  --json         JSON on a terminal too\n"
	"  --tap          TAP (Test Anything Protocol) on stdout instead of JSON\n"
	"  --strict       a rule without examples is a failure\n"
	"  --config FILE  configuration\n\n"
	"Exit status: 0 all pass, 1 a failure, 2 bad usage.\n";

struct test {
	const char *only; /* --rule */
	bool tap, strict, json;
	size_t rules, examples, failed, bare;
	struct buf bares; /* names of rules without examples */
	bool found;	  /* the rule that `only` names */
	bool broken;	  /* something could not be loaded */
};

/* ---- one example that fails, look by look ---- */

struct trace {
	const struct rule_example *x;
	struct buf *text; /* for people */
	struct buf *json;
	int64_t differs_us; /* the first difference */
	size_t n, from;	    /* looks; the first that is shown */
	size_t told;
};

static const char *const phase_names[] = {
	[PHASE_OK] = "ok",	   [PHASE_PENDING] = "pending",
	[PHASE_FIRING] = "firing", [PHASE_CLEARING] = "clearing",
	[PHASE_QUIET] = "ok",
};

static void put_key_text(struct buf *b, const char *key, struct slice s)
{
	json_put_key(b, key);
	json_put_str(b, s);
}

static void put_why(struct buf *b, const char *what, const char *why)
{
	if (why)
		buf_printf(b, "%s%s", what, why);
}

static void trace_look(void *ctx, const struct example_look *l)
{
	struct trace *t = ctx;
	char at[TIMES_DURATION_MAX];
	auto_buf struct buf fields = {0};
	if (t->n++ < t->from || t->told > 2 * AROUND)
		return;
	t->told++;
	buf_init(&fields, READING_ARENA_MAX);
	times_format_duration(l->at_us, at);
	if (l->step)
		reading_fields_json(&l->step->reading, &fields);
	buf_printf(t->text, "    %8s  %s%s%s → %s", at, l->device->name, l->step ? " " : "",
		   l->step ? buf_str(&fields) : " (time runs out)", phase_names[l->phase]);
	put_why(t->text, "; when: ", l->when);
	put_why(t->text, "; clear: ", l->clear);
	if (l->values.n)
		buf_printf(t->text, "; %.*s", SL_FMT(l->values));
	put_why(t->text, "; ", l->fault);
	buf_putc(t->text, '\n');
	buf_puts(t->json, t->told > 1 ? ",{" : "{");
	put_key_text(t->json, "at", slice_of(at));
	put_key_text(t->json, "device", slice_of(l->device->name));
	if (l->step) {
		json_put_key(t->json, "fields");
		buf_put_slice(t->json, buf_slice(&fields));
	}
	if (l->when)
		put_key_text(t->json, "when", slice_of(l->when));
	if (l->clear)
		put_key_text(t->json, "clear", slice_of(l->clear));
	if (l->values.n) {
		json_put_key(t->json, "values");
		buf_put_slice(t->json, l->values);
	}
	put_key_text(t->json, "phase", slice_of(phase_names[l->phase]));
	if (l->fault)
		put_key_text(t->json, "fault", slice_of(l->fault));
	buf_putc(t->json, '}');
}

/* "open 20m, recover 45m", or as a JSON list. */
static void put_moves(const struct rule_example *x, const struct example_move *v, size_t n,
		      bool json, struct buf *out)
{
	auto_buf struct buf one;
	buf_init(&one, 1024);
	buf_puts(out, json ? "[" : n ? "" : "nothing");
	for (size_t i = 0; i < MIN_OF(n, (size_t)EXAMPLE_MOVES_MAX); i++) {
		buf_reset(&one);
		rule_example_move(x, &v[i], &one);
		buf_puts(out, i ? json ? "," : ", " : "");
		if (json)
			json_put_str(out, buf_slice(&one));
		else
			buf_put_slice(out, buf_slice(&one));
	}
	buf_puts(out, json ? "]" : "");
}

static void put_head(struct buf *b, const struct rule *rule, const struct rule_example *x, bool ok)
{
	buf_putc(b, '{');
	put_key_text(b, "rule", slice_of(rule->id));
	put_key_text(b, "example", slice_of(x->of));
	put_key_text(b, "file", slice_of(rule->file));
	json_put_key(b, "line");
	buf_printf(b, "%d", x->line);
	json_put_key(b, "ok");
	buf_puts(b, ok ? "true" : "false");
}

/* When what came began to be other than what was expected, or a condition first failed. */
static int64_t first_difference(const struct rule_example *x, const struct example_result *res)
{
	size_t n = MIN_OF(res->ncame, (size_t)EXAMPLE_MOVES_MAX), i = 0;
	while (i < n && i < x->nexpect && rule_example_order(&res->came[i], &x->expect[i]) == 0)
		i++;
	int64_t came = i < n ? res->came[i].at_us : INT64_MAX;
	int64_t differs = i < x->nexpect ? MIN_OF(came, x->expect[i].at_us) : came;
	return res->nfaults ? MIN_OF(differs, res->fault.at_us) : differs;
}

static void count_look(void *ctx, const struct example_look *l)
{
	struct trace *t = ctx;
	t->n++;
	if (l->at_us < t->differs_us)
		t->from = t->n;
}

static bool ends_too_early(const struct rule_example *x)
{
	return x->nexpect && x->expect[x->nexpect - 1].at_us > x->until_us;
}

/* The looks around the first difference. */
static int trace_example(struct rules *alone, const struct rule *rule, const struct rule_example *x,
			 struct example_result *res, struct trace *t)
{
	t->differs_us = first_difference(x, res);
	int r = rule_example_run(alone, rule, x, count_look, t, res);
	if (r)
		return r;
	t->from -= MIN_OF(t->from, (size_t)AROUND);
	t->n = 0;
	return rule_example_run(alone, rule, x, trace_look, t, res);
}

/* "10m bin-1: when: 1:9: divide by zero" */
static void put_fault(const struct example_fault *f, struct buf *out)
{
	char at[TIMES_DURATION_MAX];
	times_format_duration(MAX_OF(f->at_us, 0), at);
	buf_printf(out, "%s %s: %s", at, f->device->name, f->why);
}

/* An error is told for itself: what came may be just what was expected. */
static void explain_fault(const struct example_result *res, struct buf *text, struct buf *json)
{
	auto_buf struct buf fault = {0};
	if (!res->nfaults)
		return;
	buf_init(&fault, 2 * ERR_MAX);
	put_fault(&res->fault, &fault);
	buf_printf(text, "    error     %s\n", buf_str(&fault));
	if (res->nfaults > 1)
		buf_printf(text, "    … and %zu more errors\n", res->nfaults - 1);
	put_key_text(json, "error", buf_slice(&fault));
}

/* Run once more, with somebody who writes down what each look made of it. */
static int explain(struct rules *alone, const struct rule *rule, const struct rule_example *x,
		   struct example_result *res, struct buf *text, struct buf *json)
{
	auto_buf struct buf lines, looks;
	buf_init(&lines, (size_t)4 * READING_ARENA_MAX);
	buf_init(&looks, (size_t)4 * READING_ARENA_MAX);
	struct trace t = {.x = x, .text = &lines, .json = &looks};
	int r = trace_example(alone, rule, x, res, &t);
	if (r)
		return r;
	buf_printf(text, "%s:%d:%d: rule %s, example \"%s\"\n    expected  ", rule->file, x->line,
		   x->col, rule->id, x->of);
	put_moves(x, x->expect, x->nexpect, false, text);
	buf_puts(text, "\n    came      ");
	put_moves(x, res->came, res->ncame, false, text);
	buf_putc(text, '\n');
	explain_fault(res, text, json);
	if (ends_too_early(x))
		buf_puts(text, "    time ended at the last reading: set `until`\n");
	if (t.from)
		buf_printf(text, "    … %zu looks before these\n", t.from);
	buf_put_slice(text, buf_slice(&lines));
	if (t.n > t.from + t.told)
		buf_printf(text, "    … and %zu more looks\n", t.n - t.from - t.told);
	json_put_key(json, "expected");
	put_moves(x, x->expect, x->nexpect, true, json);
	json_put_key(json, "came");
	put_moves(x, res->came, res->ncame, true, json);
	json_put_key(json, "looks");
	buf_printf(json, "[%s]", buf_str(&looks));
	if (t.n > t.told) {
		json_put_key(json, "looks_left_out");
		buf_printf(json, "%zu", t.n - t.told);
	}
	return 0;
}

/* ---- how it went ---- */

/* TAP shows what is not ok as comments. */
static void print_tap(const struct test *t, const struct rule *rule, const struct rule_example *x,
		      bool ok, const struct buf *text)
{
	struct slice rest = buf_slice(text), line;
	printf("%s %zu - %s: ", ok ? "ok" : "not ok", t->examples, rule->id);
	for (const char *p = x->of; *p; p++) /* a # would begin a directive */
		putchar(*p == '#' || (unsigned char)*p < ' ' ? ' ' : *p);
	putchar('\n');
	while (text->n && slice_cut(&rest, '\n', &line))
		if (line.n)
			printf("# %.*s\n", SL_FMT(line));
}

static int try_example(struct test *t, struct rules *alone, const struct rule *rule,
		       const struct rule_example *x, struct example_result *res)
{
	auto_buf struct buf text, json;
	buf_init(&text, (size_t)8 * READING_ARENA_MAX);
	buf_init(&json, (size_t)8 * READING_ARENA_MAX);
	int r = rule_example_run(alone, rule, x, NULL, NULL, res);
	bool ok = !r && res->good;
	put_head(&json, rule, x, ok);
	if (!r && !ok)
		r = explain(alone, rule, x, res, &text, &json);
	if (r)
		return r;
	buf_putc(&json, '}');
	t->examples++;
	t->failed += !ok;
	if (t->tap)
		print_tap(t, rule, x, ok, &text);
	else if (t->json)
		puts(buf_str(&json));
	if (!t->tap)
		fputs(buf_str(&text), stderr);
	return 0;
}

static int try_rule(struct test *t, struct rules *set, const struct rule *rule,
		    struct example_result *res)
{
	size_t n;
	const struct rule_example *x = rule_examples(rule, &n);
	struct rules *alone = NULL;
	t->rules++;
	if (!n) {
		t->bare++;
		buf_printf(&t->bares, "%s%s", t->bares.n ? ", " : "", rule->id);
		return 0;
	}
	int r = rules_alone(set, rule, &alone);
	for (size_t i = 0; !r && i < n; i++)
		r = try_example(t, alone, rule, &x[i], res);
	rules_unref(alone);
	return r;
}

static int try_set(struct test *t, struct rules *set)
{
	struct example_result *res = mem_new(sizeof *res);
	int r = res ? 0 : -ENOMEM;
	for (size_t i = 0; !r && i < rules_count(set); i++) {
		const struct rule *rule = rules_at(set, i);
		if (!t->only || strcmp(t->only, rule->id) == 0)
			r = try_rule(t, set, rule, res);
	}
	free(res);
	return r;
}

static int try_dir(struct test *t, const char *dir, bool last)
{
	struct rules *set = NULL;
	struct err e;
	if (cmd_rule_load_good(dir, &set)) {
		t->broken = true;
		if (!set || !rules_count(set)) {
			rules_unref(set);
			return CMD_FAILED;
		}
	}
	int res = CMD_OK;
	t->found = t->found || (t->only && rules_find(set, slice_of(t->only)));
	if (last && t->only && !t->found && !cmd_rule_find(set, t->only, "rule test"))
		res = CMD_USAGE;
	int r = res ? 0 : try_set(t, set);
	if (r) {
		err_set(&e, r, "%s: %s", dir, strerror(-r));
		res = cmd_fail(&e);
	}
	rules_unref(set);
	return res;
}

static int sum_up(const struct test *t)
{
	bool good = !t->broken && !t->failed && !(t->strict && t->bare);
	if (t->tap)
		printf("1..%zu\n", t->examples);
	else if (t->json)
		printf("{\"rules\":%zu,\"examples\":%zu,\"passed\":%zu,\"failed\":%zu,"
		       "\"without_examples\":%zu}\n",
		       t->rules, t->examples, t->examples - t->failed, t->failed, t->bare);
	if (t->bare)
		fprintf(stderr, "rules without examples: %zu (%s)\n", t->bare, buf_str(&t->bares));
	fprintf(stderr, "gridhub: %zu rules, %zu examples: %zu passed, %zu failed%s\n", t->rules,
		t->examples, t->examples - t->failed, t->failed,
		t->broken ? "; rules with errors (above) were left out" : "");
	return good ? CMD_OK : CMD_FAILED;
}

static int run(struct test *t, char **dirs, int n, const char *config_path)
{
	auto_buf struct buf dir;
	int r = CMD_OK;
	buf_init(&dir, 4096);
	buf_init(&t->bares, 65536);
	for (int i = 0; !r && i < MAX_OF(n, 1); i++) {
		r = cmd_rule_dir(n ? dirs[i] : NULL, config_path, &dir);
		if (!r)
			r = try_dir(t, buf_str(&dir), i + 1 >= n);
	}
	if (r == CMD_FAILED && t->tap)
		printf("Bail out! the rules cannot be loaded\n");
	r = r ? r : sum_up(t);
	buf_done(&t->bares);
	return r;
}

#define AT(member) offsetof(struct test, member)
static const struct cmd_option options[] = {
	{"rule", CMD_TEXT, .at = AT(only)},
	{"tap", CMD_FLAG, .at = AT(tap)},
	{"json", CMD_FLAG, .at = AT(json)},
	{"strict", CMD_FLAG, .at = AT(strict)},
};
static const struct cmd_takes takes = {
	.name = "rule test",
	.help = help,
	CMD_TAKES_OPTIONS(options),
	.arg = "a folder",
	.many = true,
};

int cmd_rule_test(int argc, char **argv)
{
	struct test t = {.json = !isatty(STDOUT_FILENO)};
	const char *config = NULL;
	int r = cmd_parse(&takes, argc, argv, &t, &config);
	return r >= 0 ? r : run(&t, argv + optind, argc - optind, config);
}
