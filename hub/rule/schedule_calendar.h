/*
 * schedule_calendar: what a calendar is inside. Private to schedule*.c.
 *
 * A schedule opens for its hours on each day that counts for it; hours past midnight belong to the
 * day they begin on. So whether it is open is a question to today (its own hours) and to yesterday
 * (what runs over).
 */
#ifndef GRIDHUB_SCHEDULE_CALENDAR_H
#define GRIDHUB_SCHEDULE_CALENDAR_H

#include "schedule.h"
#include "zone.h"

#define DAY_MINUTES 1440
#define SCHEDULE_HOURS_MAX 24 /* spans of one schedule */

enum holiday_rule { HOLIDAY_AS_USUAL, HOLIDAY_CLOSED, HOLIDAY_AS_SUNDAY, HOLIDAY_ONLY };

struct span {
	int from, to; /* minutes after midnight; to is not in it, and may be tomorrow */
};

/* Days that are not what their weekday says; day numbers since 1970-01-01, both in it. */
struct special {
	int64_t first, last;
	int weekday; /* 0 = Sunday: works as that; -1: a holiday */
	int line;
};

struct specials {
	struct special *v; /* ascending, without overlap */
	size_t n, cap;
};

struct schedule {
	const char *name;
	const struct zone *zone;
	const struct specials *specials; /* of the calendar */
	unsigned days;			 /* bit 0 = Sunday */
	enum holiday_rule holidays;
	struct span hours[SCHEDULE_HOURS_MAX]; /* ascending, without overlap */
	size_t nhours;
	int bounds[2 * SCHEDULE_HOURS_MAX + 1]; /* minutes of a day at which it may change */
	size_t nbounds;
	uint64_t hash;
	int line;
};

struct calendar {
	struct arena arena; /* strings */
	const struct zone *zone;
	struct schedule *v;
	size_t n, cap;
	struct specials specials;
};

/* All that was read is in: hours sorted, bounds and hashes made. */
void calendar_finish(struct calendar *c);

#endif
