/*
 * cel_time: timestamps and durations of the condition language: text, parts, zones.
 *
 * A zone is what zone.h takes: "UTC", an offset ("+08:00", "-02:30") or an IANA name. Any thread.
 */
#ifndef GRIDHUB_CEL_TIME_H
#define GRIDHUB_CEL_TIME_H

#include "cel_value.h"

enum cel_part {
	CEL_PART_YEAR,
	CEL_PART_MONTH,	    /* 0..11 */
	CEL_PART_DATE,	    /* 1..31 */
	CEL_PART_MONTH_DAY, /* 0..30 */
	CEL_PART_WEEK_DAY,  /* 0 = Sunday */
	CEL_PART_YEAR_DAY,  /* 0..365 */
	CEL_PART_HOURS,
	CEL_PART_MINUTES,
	CEL_PART_SECONDS,
	CEL_PART_MILLIS,
};

/* RFC 3339, up to nanoseconds, years 0001 to 9999. */
struct cel_value cel_timestamp_parse(struct slice s);
/* "1h30m", "-1.5s", "250ms": units h, m, s, ms, us, ns. */
struct cel_value cel_duration_parse(struct slice s);
void cel_timestamp_format(struct cel_value v, char *out, size_t size);
void cel_duration_format(struct cel_value v, char *out, size_t size);
struct cel_value cel_timestamp_part(struct cel_value v, struct slice zone, enum cel_part part);
/* Hours, minutes and seconds are the whole duration in that unit; milliseconds are those left over.
 */
struct cel_value cel_duration_part(struct cel_value v, enum cel_part part);

#endif
