/*
 * zone: what the clocks of a place show: UTC, a fixed offset, or an IANA zone from the system's
 * table (Debian's package tzdata; TZDIR, else /usr/share/zoneinfo), with the rule behind the table
 * for the years that it does not list.
 *
 * A zone is read once and kept for the life of the process, so that a pointer to it stays good; at
 * most ZONES_MAX of them. Times here are whole seconds since 1970 UTC, local ones seconds since
 * 1970 as the clock there shows. Any thread; zone_find may read a file the first time.
 */
#ifndef GRIDHUB_ZONE_H
#define GRIDHUB_ZONE_H

#include "base.h"

struct zone;

#define ZONES_MAX 4000 /* all names and all offsets there are: some 600 + 2879 */
#define ZONE_NAME_MAX 64

/* "Asia/Shanghai", "UTC", "+08:00", "-02:30", "05:45". -EINVAL: no such form; -ENOENT: no such
 * zone, or no table on this system; -ENFILE: more than ZONES_MAX; -ENOMEM. e says which. */
must_check int zone_load(struct slice name, struct err *e, const struct zone **ret);
/* The same; NULL for whatever reason. */
const struct zone *zone_find(struct slice name);
const char *zone_name(const struct zone *z);

/* Seconds that clocks are ahead of UTC at that time (east is positive). */
int32_t zone_offset(const struct zone *z, int64_t utc);
/* The first time after `utc` at which that changes; INT64_MAX: it stays. */
int64_t zone_next(const struct zone *z, int64_t utc);
/*
 * The first moment at which the clock shows `local` or later. So, when clocks are put back, the
 * first of the two moments that it could be; when they are put forward past it, the moment of the
 * change.
 */
int64_t zone_utc(const struct zone *z, int64_t local);

#endif
