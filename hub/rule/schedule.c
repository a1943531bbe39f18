#include "schedule.h"

#include "schedule_calendar.h"
#include "times.h"

#define DAY_S 86400
#define NEXT_DAYS_MAX 400

/* ---- the calendar ---- */

void calendar_free(struct calendar *c)
{
	if (!c)
		return;
	free(c->v);
	free(c->specials.v);
	arena_done(&c->arena);
	free(c);
}

size_t calendar_count(const struct calendar *c)
{
	return c->n;
}

const struct schedule *calendar_at(const struct calendar *c, size_t i)
{
	return &c->v[i];
}

const struct schedule *calendar_find(const struct calendar *c, struct slice name)
{
	for (size_t i = 0; i < c->n; i++)
		if (slice_is(name, c->v[i].name))
			return &c->v[i];
	return NULL;
}

const char *calendar_nearest(const struct calendar *c, struct slice name)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (size_t i = 0; i < c->n; i++) {
		size_t d = name_distance(name, slice_of(c->v[i].name));
		if (d < nearest && d < name.n) {
			nearest = d;
			best = c->v[i].name;
		}
	}
	return best;
}

bool calendar_listed_until(const struct calendar *c, int64_t *ret_us)
{
	bool asked = false;
	for (size_t i = 0; i < c->n; i++)
		asked = asked || c->v[i].holidays != HOLIDAY_AS_USUAL;
	if (!asked)
		return false;
	*ret_us = 0;
	if (c->specials.n) {
		int64_t last = c->specials.v[c->specials.n - 1].last;
		*ret_us = zone_utc(c->zone, (last + 1) * DAY_S) * TIMES_SEC;
	}
	return true;
}

static int by_from(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	return (x->from > y->from) - (x->from < y->from);
}

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void make_bounds(struct schedule *s)
{
	s->bounds[s->nbounds++] = 0;
	for (size_t i = 0; i < s->nhours; i++) {
		s->bounds[s->nbounds++] = s->hours[i].from;
		s->bounds[s->nbounds++] = s->hours[i].to % DAY_MINUTES;
	}
	qsort(s->bounds, s->nbounds, sizeof s->bounds[0], by_number);
}

static uint64_t make_hash(const struct schedule *s)
{
	uint64_t h = hash64(slice_of(zone_name(s->zone)), s->days | (unsigned)s->holidays << 8);
	h = hash64((struct slice){(const char *)s->hours, s->nhours * sizeof s->hours[0]}, h);
	for (size_t i = 0; s->holidays != HOLIDAY_AS_USUAL && i < s->specials->n; i++) {
		const struct special *d = &s->specials->v[i];
		const int64_t what[] = {d->first, d->last, d->weekday};
		h = hash64((struct slice){(const char *)what, sizeof what}, h);
	}
	return h;
}

void calendar_finish(struct calendar *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct schedule *s = &c->v[i];
		qsort(s->hours, s->nhours, sizeof s->hours[0], by_from);
		make_bounds(s);
		s->hash = make_hash(s);
	}
}

/* ---- a schedule ---- */

const char *schedule_name(const struct schedule *s)
{
	return s->name;
}

uint64_t schedule_hash(const struct schedule *s)
{
	return s->hash;
}

static const struct special *special_of(const struct specials *all, int64_t day)
{
	size_t lo = 0, hi = all->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (all->v[mid].last < day)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < all->n && all->v[lo].first <= day ? &all->v[lo] : NULL;
}

/* Do its hours begin on that day? */
static bool counts(const struct schedule *s, int64_t day)
{
	int64_t weekday = ((day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
	if (s->holidays != HOLIDAY_AS_USUAL) {
		const struct special *d = special_of(s->specials, day);
		bool holiday = d && d->weekday < 0;
		if (s->holidays == HOLIDAY_ONLY ? !holiday
						: s->holidays == HOLIDAY_CLOSED && holiday)
			return false;
		if (d && !holiday)
			weekday = d->weekday;
		else if (holiday && s->holidays == HOLIDAY_AS_SUNDAY)
			weekday = 0;
	}
	return s->days >> weekday & 1;
}

static bool in_hours(const struct schedule *s, int minute)
{
	for (size_t i = 0; i < s->nhours && s->hours[i].from <= minute; i++)
		if (minute < s->hours[i].to)
			return true;
	return false;
}

/* By the clock on the wall there. */
bool calendar_holiday(const struct calendar *c, int64_t day)
{
	const struct special *d = special_of(&c->specials, day);
	return d && d->weekday < 0;
}

static bool open_at(const struct schedule *s, int64_t day, int minute)
{
	return (in_hours(s, minute) && counts(s, day)) ||
	       (in_hours(s, minute + DAY_MINUTES) && counts(s, day - 1));
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

bool schedule_open(const struct schedule *s, int64_t at_us)
{
	int64_t utc = floor_div(at_us, TIMES_SEC), local = utc + zone_offset(s->zone, utc);
	int64_t day = floor_div(local, DAY_S);
	return open_at(s, day, (int)((local - day * DAY_S) / 60));
}

/* The first local time in (local, until) at which it is not as `open` says; `until`: there is none.
 */
static int64_t next_local(const struct schedule *s, int64_t local, int64_t until, bool open)
{
	for (int64_t day = floor_div(local, DAY_S); day * DAY_S < until; day++) {
		for (size_t i = 0; i < s->nbounds; i++) {
			int64_t at = day * DAY_S + s->bounds[i] * INT64_C(60);
			if (at > local && open_at(s, day, s->bounds[i]) != open)
				return MIN_OF(at, until);
		}
	}
	return until;
}

/* Between two changes of the clocks, local time runs as UTC does. */
int64_t schedule_next(const struct schedule *s, int64_t at_us)
{
	int64_t utc = floor_div(at_us, TIMES_SEC), end = utc + NEXT_DAYS_MAX * DAY_S;
	bool open = schedule_open(s, at_us);
	while (utc < end) {
		int32_t offset = zone_offset(s->zone, utc);
		int64_t change = MIN_OF(zone_next(s->zone, utc), end);
		int64_t at = next_local(s, utc + offset, change + offset, open) - offset;
		if (at < change || (change < end && schedule_open(s, change * TIMES_SEC) != open))
			return at * TIMES_SEC;
		utc = change;
	}
	return INT64_MAX;
}
