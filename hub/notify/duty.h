/*
 * duty: who answers for which grid, when: a roster as ops write it (YAML), checked and put into the
 * database as a whole; and which of the days at hand are holidays, which shifts go by.
 *
 *   people:
 *     - {name: 张伟, title: 网格长, endpoints: [zhangwei, zhangwei-sms], quiet: "22:00-07:00",
 *        mention: zhangwei}
 *   duties:
 *     - {grid: qx-yh-1-1-3, person: 张伟, days: [mon, tue, wed, thu, fri], hours: "08:00-20:00",
 * holidays: never} absences:
 *     - {person: 张伟, from: "2026-11-22T00:00:00+08:00", to: "2026-11-29T00:00:00+08:00",
 * substitute: 陈静}
 *
 * Who it is at a time is the database's function recipient() (sql/schema/003_alerts.sql): the first
 * on duty by rank who is not absent or has a substitute, else the grid's own endpoint, else the
 * same of the grid above.
 */
#ifndef GRIDHUB_DUTY_H
#define GRIDHUB_DUTY_H

#include "config.h"
#include "pg.h"
#include "schedule.h"

#define DUTY_PEOPLE_MAX 20000
#define DUTY_MAX 100000
#define DUTY_ENDPOINTS_MAX 8

struct duty_counts {
	size_t people, duties, absences;
};

/*
 * Read the file, check it against the configuration's endpoints, and replace people, duties and
 * absences of the district by it, and have all that waits to be told looked at again, in one
 * transaction. Every fault is handed to fault() as
 * "file:line:col: text", and then nothing is changed: -EINVAL; else errors of pg_query.
 */
must_check int duty_load(const char *path, const struct config *conf, struct pg *pg,
			 int64_t district, void (*fault)(void *ctx, const struct err *e), void *ctx,
			 struct err *e, struct duty_counts *ret);
/* Of the day at at_us in that zone and the one before it, those that are holidays, as an array
 * literal of dates. calendar NULL: none is. */
void duty_holidays(const struct calendar *calendar, const char *zone, int64_t at_us,
		   struct buf *out);

#endif
