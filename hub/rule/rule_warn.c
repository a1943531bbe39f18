#include "rule_load.h"
#include "times.h"

/* Somebody must add the holidays of each year; nothing else would say that they have run out. */
#define HOLIDAYS_AHEAD (30 * TIMES_DAY)

/* How far back what it does now may depend on: holds and windows of time. */
static int64_t reach_of(const struct rule *r)
{
	const struct rule_code *c = r->code;
	int64_t us =
		MAX_OF(MAX_OF(r->for_us, r->clear_for_us), MAX_OF(r->silent_us, c->recheck_us));
	for (size_t i = 0; i < c->nholds; i++)
		us = MAX_OF(us, c->holds[i].us);
	return us;
}

static void warn_reach(const struct rule *r, int64_t keep_us, struct rule_report *report)
{
	char reach[TIMES_DURATION_MAX], keep[TIMES_DURATION_MAX];
	struct err e;
	times_format_duration(reach_of(r), reach);
	times_format_duration(keep_us, keep);
	err_set(&e, 0,
		"%s:%d:1: rule \"%s\" looks back %s, but readings are kept for %s "
		"(database.keep_readings): no replay can see all that it goes by",
		r->file, r->line, r->id, reach, keep);
	rule_report_warning(report, &e);
}

static void warn_holidays(const struct rules *set, int64_t now_us, struct rule_report *report)
{
	char day[TIMES_RFC3339_MAX] = "";
	struct err e;
	int64_t until;
	if (!set->calendar || !calendar_listed_until(set->calendar, &until) ||
	    until >= now_us + HOLIDAYS_AHEAD)
		return;
	if (until)
		times_format(until - TIMES_DAY / 2, day);
	err_set(&e, 0, "%s/schedules.yaml: schedules go by holidays, which are listed %s%.*s",
		set->dir, until ? "only to " : "nowhere", 10, day);
	rule_report_warning(report, &e);
}

void rules_warn(const struct rules *set, int64_t keep_us, int64_t now_us,
		struct rule_report *report)
{
	for (size_t i = 0; keep_us && i < set->n; i++)
		if (reach_of(&set->v[i]) > keep_us)
			warn_reach(&set->v[i], keep_us, report);
	warn_holidays(set, now_us, report);
}
