/*
 * zone_file: one zone in memory, and how it is read from a TZif file (RFC 8536). Private to
 * zone*.c.
 */
#ifndef GRIDHUB_ZONE_FILE_H
#define GRIDHUB_ZONE_FILE_H

#include "zone.h"

/* One day of each year and a time on it: Mm.w.d, Jn or n of POSIX TZ. */
struct zone_day {
	char form; /* 'M', 'J' or '0' */
	int month, week, day;
	int32_t time; /* seconds after midnight, of the clock until then; may be negative or more
			 than a day */
};

/* What holds from the end of the table on. */
struct zone_rule {
	int32_t std, dst; /* offsets; the same: clocks are never changed */
	struct zone_day to_dst, to_std;
};

struct zone {
	char name[ZONE_NAME_MAX + 1];
	size_t n;
	int64_t *at;	/* changes of the offset, ascending */
	int32_t *after; /* the offset from at[i] on */
	int32_t before; /* and before at[0] */
	int64_t end;	/* from here on the rule holds; INT64_MAX: there is none */
	struct zone_rule rule;
};

#define ZONE_FILE_MAX 65536

/* Fill z->n … z->rule from the bytes of a file; -EINVAL, -ENOMEM. z->at and z->after are owned. */
must_check int zone_parse_file(struct slice file, struct zone *z);
/* "CST-8", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"; -EINVAL. */
must_check int zone_parse_rule(struct slice text, struct zone_rule *ret);

#endif
