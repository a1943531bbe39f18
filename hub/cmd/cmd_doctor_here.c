/* gridhub doctor: rules, spool and the hub that runs on this machine. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cmd.h"
#include "cmd_doctor.h"
#include "json.h"
#include "rule.h"
#include "schedule.h"
#include "times.h"

#define PAGE_MAX ((size_t)1 << 20)
#define HOLIDAYS_WARN_DAYS 30

/* ---- rules ---- */

static const char *first_line(const struct buf *b, char ret[static 400])
{
	struct slice rest = buf_slice(b), line = {0};
	slice_cut(&rest, '\n', &line);
	snprintf(ret, 400, "%.*s", (int)MIN_OF(line.n, (size_t)390), line.p ? line.p : "");
	return ret;
}

static void holidays(struct doctor *d, const struct rules *rules)
{
	int64_t until = 0;
	const struct calendar *c = rules_calendar(rules);
	if (!c || !calendar_listed_until(c, &until))
		return;
	int64_t days = (until - times_now_us()) / TIMES_DAY;
	doctor_say(d, days < HOLIDAYS_WARN_DAYS ? DOCTOR_WARN : DOCTOR_OK, "holidays", "",
		   "add the next holidays to schedules.yaml, then reload",
		   !until     ? "none are listed"
		   : days < 0 ? "those that are listed ended %lld days ago"
			      : "listed for %lld more days",
		   (long long)(days < 0 ? -days : days));
}

void doctor_rules(struct doctor *d)
{
	struct rule_report report;
	struct rules *rules = NULL;
	char line[400];
	rule_report_init(&report);
	int r = rules_load(d->conf->rules.dir, &report, &rules);
	if (!r)
		rules_warn(rules, d->conf->database.keep_readings_us, times_now_us(), &report);
	if (r)
		doctor_say(d, DOCTOR_FAIL, "rules", "",
			   "gridhub check shows all of it; the hub keeps its old rules until then",
			   "%s: %s", d->conf->rules.dir,
			   report.errors.n ? first_line(&report.errors, line) : strerror(-r));
	else if (report.nwarnings)
		doctor_say(d, DOCTOR_WARN, "rules", "", "gridhub check shows all of it",
			   "%zu rules, %zu warnings: %s", rules_count(rules), report.nwarnings,
			   first_line(&report.warnings, line));
	else
		doctor_say(d, DOCTOR_OK, "rules", "", NULL, "%zu rules in %s", rules_count(rules),
			   d->conf->rules.dir);
	if (!r)
		holidays(d, rules);
	rules_unref(rules);
	rule_report_done(&report);
}

/* ---- the spool and its disk ---- */

static int64_t bytes_in(const char *dir)
{
	int64_t sum = 0;
	DIR *at = opendir(dir);
	for (struct dirent *f; at && (f = readdir(at));) {
		struct stat st;
		if (!fstatat(dirfd(at), f->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			sum += st.st_size;
	}
	if (at)
		closedir(at);
	return at ? sum : -1;
}

static void say_disk(struct doctor *d, const char *dir, int64_t used)
{
	const int64_t mb = 1 << 20;
	struct statvfs fs;
	char at[PATH_MAX];
	char *slash;
	snprintf(at, sizeof at, "%s", dir);
	/* Before the first start it is not there yet: its disk is that of the folder above. */
	while (statvfs(at, &fs) && errno == ENOENT && (slash = strrchr(at, '/')) && slash > at)
		*slash = 0;
	if (statvfs(at, &fs)) {
		doctor_say(d, DOCTOR_FAIL, "disk", "", "is it mounted?", "%s: %s", dir,
			   strerror(errno));
		return;
	}
	int64_t left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	int64_t wanted = d->conf->spool.max_bytes - used, least = 2 * d->conf->spool.segment_bytes;
	enum doctor_status s = left < least ? DOCTOR_FAIL : left < wanted ? DOCTOR_WARN : DOCTOR_OK;
	doctor_say(d, s, "disk", "",
		   "make room, or lower spool.max_size: a full disk holds the brokers back",
		   "%s: %lld MB free, %lld MB may come", dir, (long long)(left / mb),
		   (long long)(wanted / mb));
	if (fs.f_files && fs.f_favail * 100 < fs.f_files)
		doctor_say(d, DOCTOR_WARN, "disk", "", "find what makes so many files",
			   "%s: %llu inodes left", dir, (unsigned long long)fs.f_favail);
}

void doctor_spool(struct doctor *d)
{
	char damaged[PATH_MAX];
	const char *dir = d->conf->spool.dir;
	int64_t used = bytes_in(dir);
	if (used < 0) {
		doctor_say(
			d, errno == ENOENT ? DOCTOR_WARN : DOCTOR_FAIL, "spool", "",
			"the hub makes it at its first start; run this as the hub's user or root",
			"%s: %s", dir, strerror(errno));
		say_disk(d, dir, 0);
		return;
	}
	int64_t pct = used * 100 / d->conf->spool.max_bytes;
	doctor_say(d,
		   pct > 80				? DOCTOR_FAIL
		   : pct > 20 + d->conf->spool.keep_pct ? DOCTOR_WARN
							: DOCTOR_OK,
		   "spool", "", "the database does not keep up or is away: see the findings below",
		   "%lld MB of %lld (%lld %%)", (long long)(used >> 20),
		   (long long)(d->conf->spool.max_bytes >> 20), (long long)pct);
	snprintf(damaged, sizeof damaged, "%s/damaged", dir);
	int64_t bad = bytes_in(damaged);
	if (bad > 0)
		doctor_say(d, DOCTOR_WARN, "spool", "",
			   "see gridhub spool verify; then remove them",
			   "%s: %lld bytes that were no records were set aside", damaged,
			   (long long)bad);
	say_disk(d, dir, used);
}

/* ---- the hub ---- */

static void say_parts(struct doctor *d, const struct json *parts)
{
	for (void *it = json_first(parts); it; it = json_next(parts, it)) {
		const struct json *part = json_val(it);
		struct slice status = json_str(json_get(part, "status"));
		struct slice name = json_key(it);
		char subject[64];
		snprintf(subject, sizeof subject, "%.*s", SL_FMT(name));
		if (slice_is(status, "ok"))
			continue;
		doctor_say(d, slice_is(status, "degraded") ? DOCTOR_FAIL : DOCTOR_WARN, "hub",
			   subject, "see the hub's log; the findings on that part follow",
			   "%.*s since %s: %s", SL_FMT(status), json_str(json_get(part, "since")).p,
			   json_str(json_get(part, "why")).p ? json_str(json_get(part, "why")).p
							     : "");
	}
}

/* Of its metrics: those that should be 0. */
static void say_metrics(struct doctor *d, struct slice page)
{
	static const struct {
		const char *name, *what, *advice;
		int64_t most;
	} table[] = {
		{"gridhub_spool_backlog_records ", "records wait to be committed",
		 "the database does not keep up: look at its load, and at "
		 "gridhub_batch_retries_total",
		 100000},
		{"gridhub_spool_refused_total ",
		 "messages found the spool full or the disk failing",
		 "make room; the broker keeps them meanwhile", 0},
		{"gridhub_spool_damaged_total ", "damaged places in the spool since the start",
		 "gridhub spool verify; look at the disk", 0},
		{"gridhub_records_missing_total ",
		 "records are in neither the database nor the spool",
		 "the database was put back: what came between is lost (the hub's log says from "
		 "where to where); raise spool.keep_percent",
		 0},
		{"gridhub_receivers_failing ", "receivers fail and are only tried now and then",
		 "gridhub webhook list --pending; the findings on endpoints follow", 0},
		{"gridhub_alerts_without_endpoint_total ", "alerts for grids without an endpoint",
		 "give their grids one, or set notify.default_endpoint", 0},
		{"gridhub_rule_errors_total ", "conditions ended in an error",
		 "the log names rule and device", 0},
	};
	struct slice line;
	while (page.n && slice_cut(&page, '\n', &line)) {
		for (size_t i = 0; i < COUNT_OF(table); i++) {
			size_t n = strlen(table[i].name);
			int64_t v;
			if (slice_starts(line, table[i].name) &&
			    !slice_to_i64((struct slice){line.p + n, line.n - n}, &v) &&
			    v > table[i].most)
				doctor_say(d, DOCTOR_WARN, "hub", "", table[i].advice, "%lld %s",
					   (long long)v, table[i].what);
		}
	}
}

void doctor_hub(struct doctor *d)
{
	static const struct json_limits limits = {.max_bytes = 65536, .max_depth = 8};
	auto_buf struct buf page, metrics;
	auto_json struct json *health = NULL;
	struct err e = {0};
	buf_init(&page, PAGE_MAX);
	buf_init(&metrics, PAGE_MAX);
	if (!d->conf->http.listen || !d->conf->http.listen[0])
		return;
	int status = 0;
	if (cmd_ask_hub(d->conf, "/health", &status, &page, &e)) {
		doctor_say(d, DOCTOR_FAIL, "hub", "",
			   "start it: systemctl start gridhub; then journalctl -u gridhub", "%s",
			   e.msg);
		return;
	}
	if (json_parse(buf_slice(&page), &limits, &e, &health)) {
		doctor_say(d, DOCTOR_FAIL, "hub", "", "is http.listen another program's port?",
			   "%s does not answer as a hub does", d->conf->http.listen);
		return;
	}
	struct slice whole = json_str(json_get(health, "status"));
	if (slice_is(whole, "ok"))
		doctor_say(d, DOCTOR_OK, "hub", "", NULL, "runs, and says that all is well");
	say_parts(d, json_get(health, "parts"));
	if (!cmd_ask_hub(d->conf, "/metrics", &status, &metrics, &e) && status == 200)
		say_metrics(d, buf_slice(&metrics));
}
