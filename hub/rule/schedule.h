/*
 * schedule: times of the week by name ("night", "collection"), with holidays and the working days
 * swapped in for them, in a zone; what rules are gated by.
 *
 * A calendar is what rules/schedules.yaml says; immutable once loaded (any thread). Pure: time
 * comes as an argument, microseconds since 1970 UTC.
 */
#ifndef GRIDHUB_SCHEDULE_H
#define GRIDHUB_SCHEDULE_H

#include "base.h"

struct calendar;
struct schedule;

#define SCHEDULES_MAX 1000
#define SCHEDULE_NAME_MAX 64 /* [a-z0-9][a-z0-9_.-]* */

/* Every fault is handed to fault(), as "file:line:col: text"; -EINVAL if there was one, -ENOMEM. */
must_check int calendar_load(const char *path, void (*fault)(void *ctx, const struct err *e),
			     void *ctx, struct calendar **ret);
void calendar_free(struct calendar *c); /* NULL is fine */
/* NULL when there is none; then calendar_nearest may have one. */
const struct schedule *calendar_find(const struct calendar *c, struct slice name);
const char *calendar_nearest(const struct calendar *c, struct slice name);
/* The end of the last holiday or swapped day that is listed (0: none is). False: no schedule goes
 * by holidays. */
bool calendar_listed_until(const struct calendar *c, int64_t *ret_us);
/* Is the day (number since 1970-01-01) listed as a holiday? */
bool calendar_holiday(const struct calendar *c, int64_t day);
size_t calendar_count(const struct calendar *c);
const struct schedule *calendar_at(const struct calendar *c, size_t i);

const char *schedule_name(const struct schedule *s);
bool schedule_open(const struct schedule *s, int64_t at_us);
/* The first time after at_us at which it opens or shuts; INT64_MAX if that is more than 400 days
 * away. */
int64_t schedule_next(const struct schedule *s, int64_t at_us);
/* Of all that it says: what is judged by it is judged anew when it changes. */
uint64_t schedule_hash(const struct schedule *s);

#endif
