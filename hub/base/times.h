/*
 * times: the one time type inside is int64_t microseconds since 1970-01-01 UTC; text only at the
 * edges. All functions are pure but the two that read a clock; any thread.
 */
#ifndef GRIDHUB_TIMES_H
#define GRIDHUB_TIMES_H

#include <pthread.h>

#include "base.h"

#define TIMES_MS INT64_C(1000)
#define TIMES_SEC INT64_C(1000000)
#define TIMES_MIN (60 * TIMES_SEC)
#define TIMES_HOUR (60 * TIMES_MIN)
#define TIMES_DAY (24 * TIMES_HOUR)

int64_t times_now_us(void);  /* wall clock; may jump */
int64_t times_mono_us(void); /* monotonic; for timeouts */
/* The monotonic time so long from now, for pthread_cond_timedwait on a CLOCK_MONOTONIC condition.
 */
struct timespec times_mono_in(int64_t us);
/* A condition whose timed waits go by that clock. */
void times_cond_init(pthread_cond_t *c);

#define TIMES_RFC3339_MAX 40
/* "2026-11-21T21:00:00.000000Z"; years outside 0000–9999 are clamped to the edge. */
void times_format(int64_t us, char ret[static TIMES_RFC3339_MAX]);
/*
 * RFC 3339 with zone ("…Z", "…+08:00"; 'T', 't' or a blank between; up to 9 fraction digits, cut to
 * µs). -EINVAL: not that form, or no such date; a leap second (:60) counts as the next second.
 */
must_check int times_parse(struct slice s, int64_t *ret_us);
/*
 * A number from a device that means a time: seconds, milliseconds, microseconds or nanoseconds
 * since 1970, told apart by size (1e9..1e11 s, ..1e14 ms, ..1e17 µs, above ns). -ERANGE: none of
 * them.
 */
must_check int times_from_number(double v, int64_t *ret_us);

/* "250ms", "10s", "20m", "1h30m", "2d", "0"; no sign; -EINVAL, -ERANGE. */
must_check int times_parse_duration(struct slice s, int64_t *ret_us);
/* The shortest exact form, as times_parse_duration reads it. */
#define TIMES_DURATION_MAX 48
void times_format_duration(int64_t us, char ret[static TIMES_DURATION_MAX]);

/* Civil date (proleptic Gregorian) of a day number since 1970-01-01, and back. */
void times_civil(int64_t day, int *ret_year, int *ret_month, int *ret_mday);
int64_t times_day(int year, int month, int mday);

#endif
