/* gridhub replay: stored readings through rules, and what would have come of it. */
#include "cmd_replay.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "cmd_options.h"
#include "migrate.h"
#include "times.h"

/* Sorting a day of readings takes PostgreSQL a while before the first one comes. */
#define TIMEOUT_US (30 * TIMES_MIN)
#define LINE_EVERY_US (10 * TIMES_SEC) /* of progress, where there is no terminal */

static const char help[] =
	"usage: gridhub replay --from TIME [--to TIME] [OPTIONS]\n\n"
	"Shows stored readings to rules with the code that runs live, and says what would have "
	"happened: cases\n"
	"opened, anomalies folded into an open case, recoveries; by rule, by grid and day, by "
	"leader and day.\n"
	"Nothing is written to the database and nobody is alerted.\n\n"
	"  --from TIME       begin with what arrived then: 2026-11-01 (in the district's zone),\n"
	"                    2026-11-01T08:00:00+08:00, or 7d (so long ago)\n"
	"  --to TIME         end before that (default: now)\n"
	"  --rules DIR       judge by these rules, too, and say how they differ from those in "
	"force\n"
	"  --closed-after DURATION|never\n"
	"                    a case counts as closed by people so long after it recovered, or, of "
	"an event\n"
	"                    rule, was last seen (default 2h); never: nobody closes any\n"
	"  --device NAME     readings of this device only\n"
	"  --grid CODE       readings of this grid and all below it only\n"
	"  --cases           each case as a line, too\n"
	"  --json            no tables for people\n"
	"  --config FILE     configuration\n\n"
	"JSON lines on stdout, by \"kind\": rule, grid_day, leader_day, case, difference, summary; "
	"tables and\n"
	"progress on stderr. Readings of the time before --from are shown to the rules without "
	"being counted, as\n"
	"far back as these look, and an hour at least. Devices and grids are those of the "
	"registry now.\n"
	"Ctrl-C ends it with what it has.\n\n"
	"Example: gridhub replay --from 7d --rules rules.new --grid yh-cl --cases\n\n"
	"Exit status: 0 done, 1 failed or stopped, 2 bad usage.\n";

struct options {
	const char *config, *from, *to, *rules, *closed_after, *device, *grid;
	bool cases, json;
};

/* ---- signals: the one place for a global, which a handler needs ---- */

static _Atomic bool stop;
static struct pg *_Atomic connection;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&stop, true);
	struct pg *p = atomic_load(&connection);
	if (p)
		pg_abort(p);
}

static void catch_signals(struct pg *p)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	atomic_store(&connection, p);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

/* ---- progress ---- */

struct show_progress {
	bool terminal, shown;
	int64_t last_us;
};

static void show_progress(void *ctx, const struct replay_progress *p)
{
	struct show_progress *s = ctx;
	double part = (double)(p->recv_us - p->from_us) / (double)(p->to_us - p->from_us);
	double took = (double)p->took_us / TIMES_SEC;
	if (!s->terminal && p->took_us - s->last_us < LINE_EVERY_US)
		return;
	s->last_us = p->took_us;
	s->shown = true;
	fprintf(stderr, "%s%5.1f %%  %lld readings, %.0f/s, about %.0f s left%s",
		s->terminal ? "\r" : "", 100 * part, (long long)p->readings,
		(double)p->readings / took, part > 0 ? took / part - took : 0,
		s->terminal ? "\033[K" : "\n");
}

/* ---- options ---- */

/* 2026-11-01: its midnight in the district's zone. */
static int parse_day(const char *text, int64_t *ret_us)
{
	char whole[32];
	int64_t utc_us;
	struct tm tm = {.tm_isdst = -1};
	int n = snprintf(whole, sizeof whole, "%.20sT00:00:00Z", text);
	if (strlen(text) != 10 || times_parse((struct slice){whole, (size_t)n}, &utc_us))
		return -EINVAL;
	times_civil(utc_us / TIMES_DAY, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_us = (int64_t)mktime(&tm) * TIMES_SEC;
	return 0;
}

/* A day, a time, or so long ago. */
static int parse_time(const char *text, int64_t now_us, int64_t *ret_us)
{
	int64_t ago = 0;
	if (times_parse_duration(slice_of(text), &ago) == 0) {
		*ret_us = now_us - ago;
		return 0;
	}
	return parse_day(text, ret_us) ? times_parse(slice_of(text), ret_us) : 0;
}

static int bad_time(const char *option, const char *text)
{
	return cmd_usage("replay",
			 "--%s %s: a day (2026-11-01), a time (2026-11-01T08:00:00+08:00) or so "
			 "long ago (7d) was expected",
			 option, text);
}

static int fill_request(const struct options *o, struct replay_request *q)
{
	int64_t now = times_now_us();
	assert(o->from);
	q->to_us = now;
	q->closed_after_us = 2 * TIMES_HOUR;
	q->device = o->device;
	q->grid = o->grid;
	if (parse_time(o->from, now, &q->from_us))
		return bad_time("from", o->from);
	if (o->to && parse_time(o->to, now, &q->to_us))
		return bad_time("to", o->to);
	if (q->from_us >= q->to_us)
		return cmd_usage("replay", "--from must be before --to");
	if (o->closed_after && strcmp(o->closed_after, "never") == 0)
		q->closed_after_us = REPLAY_NEVER;
	else if (o->closed_after &&
		 times_parse_duration(slice_of(o->closed_after), &q->closed_after_us))
		return cmd_usage("replay",
				 "--closed-after %s: a duration (2h) or \"never\" was expected",
				 o->closed_after);
	return CMD_OK;
}

#define AT(member) offsetof(struct options, member)
static const struct cmd_option options[] = {
	{"from", CMD_TEXT, .at = AT(from)},	{"to", CMD_TEXT, .at = AT(to)},
	{"rules", CMD_TEXT, .at = AT(rules)},	{"closed-after", CMD_TEXT, .at = AT(closed_after)},
	{"device", CMD_TEXT, .at = AT(device)}, {"grid", CMD_TEXT, .at = AT(grid)},
	{"cases", CMD_FLAG, .at = AT(cases)},	{"json", CMD_FLAG, .at = AT(json)},
};
static const struct cmd_takes takes = {.name = "replay", .help = help, CMD_TAKES_OPTIONS(options)};

/* ---- the whole ---- */

static int load_rules(const char *dir, struct rules **ret)
{
	struct rule_report report;
	rule_report_init(&report);
	int r = rules_load(dir, &report, ret);
	if (report.nerrors)
		fputs(buf_str(&report.errors), stderr);
	rule_report_done(&report);
	if (!r)
		return CMD_OK;
	struct err e;
	err_set(&e, r, "%s: cannot load the rules: %s", dir,
		r == -EINVAL ? "see above" : strerror(-r));
	return cmd_fail(&e);
}

static int open_database(const struct config *c, struct replay_request *q)
{
	struct err e = {0};
	const struct pg_conf conf = {.conninfo = c->database.conninfo,
				     .password_file = c->database.password_file,
				     .app_name = "gridhub replay",
				     .timeout_us = TIMEOUT_US};
	if (pg_open(&conf, &e, &q->pg) || migrate_check(q->pg, &e) ||
	    migrate_district(q->pg, c->district, &q->district_id, &e))
		return cmd_fail(&e);
	return CMD_OK;
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int show(const struct options *o, const struct replay_request *q,
		const struct replay_result *res, double took_s)
{
	struct replay_difference *diff = NULL;
	struct replay_show s = {
		.q = q, .r = res, .took_s = took_s, .cpu_s = cpu_s(), .cases = o->cases};
	int r = res->other ? replay_diff(res->book, res->other, &diff, &s.ndiff) : 0;
	s.diff = diff;
	if (!r)
		r = replay_show_json(&s);
	if (!r && !o->json)
		r = replay_show_table(&s);
	free(diff);
	if (!r)
		return res->stopped ? CMD_FAILED : CMD_OK;
	struct err e;
	err_set(&e, r, "replay: %s", strerror(-r));
	return cmd_fail(&e);
}

static int run(const struct options *o, const struct replay_request *given)
{
	struct replay_request q = *given;
	struct err e = {0};
	struct replay_result res;
	struct show_progress progress = {.terminal = isatty(STDERR_FILENO)};
	int64_t began = times_mono_us();
	q.stop = &stop;
	q.progress = show_progress;
	q.progress_ctx = &progress;
	catch_signals(q.pg);
	int r = replay_run(&q, &res, &e);
	atomic_store(&connection, NULL);
	if (progress.shown && progress.terminal)
		fputs("\r\033[K", stderr);
	if (r)
		return cmd_fail(&e);
	r = show(o, &q, &res, (double)(times_mono_us() - began) / TIMES_SEC);
	replay_result_done(&res);
	return r;
}

int cmd_replay(int argc, char **argv)
{
	struct options o = {0};
	struct err e = {0};
	auto_config struct config *c = NULL;
	struct replay_request q = {0};
	int r = cmd_parse(&takes, argc, argv, &o, &o.config);
	if (r >= 0)
		return r;
	if (!o.from)
		return cmd_usage("replay", "--from is needed: where to begin");
	if (config_load(cmd_config_path(o.config), &e, &c))
		return cmd_fail(&e);
	setenv("TZ", c->time_zone, 1);
	tzset();
	r = fill_request(&o, &q);
	if (!r)
		r = load_rules(c->rules.dir, &q.rules);
	if (!r && o.rules)
		r = load_rules(o.rules, &q.other);
	if (!r)
		r = open_database(c, &q);
	if (!r)
		r = run(&o, &q);
	pg_close(q.pg);
	rules_unref(q.rules);
	rules_unref(q.other);
	return r;
}
