/*
 * DESIGN: the cache is a hash table of pointers that are only ever added, under a lock; readers
 * walk it without one. A zone never changes once it stands there.
 */
#include "zone.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "times.h"
#include "zone_file.h"

#define DAY 86400
#define HEADS 8192 /* a power of two, twice ZONES_MAX and more */

static const char no_table[] = "there are no time zones in %s (Debian: install the package "
			       "tzdata; else set TZDIR)";

/* ---- the rule of a year ---- */

/* Midnight of that day in that year, as a day number. */
static int64_t day_in(const struct zone_day *d, int year)
{
	int64_t first = times_day(year, 1, 1);
	if (d->form == '0')
		return first + d->day;
	if (d->form == 'J') /* the 29th of February is not counted */
		return first + d->day - 1 + (d->day >= 60 ? times_day(year, 3, 1) - first - 59 : 0);
	int64_t month = times_day(year, d->month, 1);
	int64_t next =
		d->month == 12 ? times_day(year + 1, 1, 1) : times_day(year, d->month + 1, 1);
	int64_t res = month + ((d->day - (month + 4)) % 7 + 7) % 7 + 7 * (d->week - 1);
	return res < next ? res : res - 7;
}

struct change {
	int64_t at;
	int32_t offset; /* from then on */
};

#define CHANGES 6 /* of three years */

/* The changes of the year of `utc` and of those beside it, ascending. */
static void changes_near(const struct zone_rule *r, int64_t utc, struct change ret[static CHANGES])
{
	int year, month, mday;
	times_civil((utc - (utc % DAY + DAY) % DAY) / DAY, &year, &month, &mday);
	for (int k = 0; k < CHANGES / 2; k++) {
		int y = year - 1 + k;
		struct change dst = {day_in(&r->to_dst, y) * DAY + r->to_dst.time - r->std, r->dst};
		struct change std = {day_in(&r->to_std, y) * DAY + r->to_std.time - r->dst, r->std};
		bool north = dst.at <= std.at;
		ret[2 * k] = north ? dst : std;
		ret[2 * k + 1] = north ? std : dst;
	}
}

static int32_t rule_offset(const struct zone_rule *r, int64_t utc)
{
	struct change c[CHANGES];
	if (r->std == r->dst)
		return r->std;
	changes_near(r, utc, c);
	int32_t res = r->std;
	for (size_t i = 0; i < CHANGES && c[i].at <= utc; i++)
		res = c[i].offset;
	return res;
}

/* A year of daylight time ends in the moment in which the next begins: that is no change. */
static int64_t rule_next(const struct zone_rule *r, int64_t utc)
{
	struct change c[CHANGES];
	if (r->std == r->dst)
		return INT64_MAX;
	changes_near(r, utc, c);
	for (size_t i = 0; i < CHANGES; i++)
		if (c[i].at > utc && rule_offset(r, c[i].at) != rule_offset(r, c[i].at - 1))
			return c[i].at;
	return INT64_MAX;
}

/* ---- a zone ---- */

const char *zone_name(const struct zone *z)
{
	return z->name;
}

/* How many of the table's changes are not after `utc`. */
static size_t changes_until(const struct zone *z, int64_t utc)
{
	size_t lo = 0, hi = z->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (z->at[mid] <= utc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int32_t zone_offset(const struct zone *z, int64_t utc)
{
	if (utc >= z->end)
		return rule_offset(&z->rule, utc);
	size_t n = changes_until(z, utc);
	return n ? z->after[n - 1] : z->before;
}

int64_t zone_next(const struct zone *z, int64_t utc)
{
	size_t n = changes_until(z, utc);
	if (n < z->n)
		return z->at[n];
	if (z->end == INT64_MAX)
		return INT64_MAX;
	if (utc < z->end && zone_offset(z, utc) != zone_offset(z, z->end))
		return z->end;
	return rule_next(&z->rule, MAX_OF(utc, z->end));
}

int64_t zone_utc(const struct zone *z, int64_t local)
{
	int64_t from = local - 26 * 3600; /* no clock is so far ahead */
	for (;;) {
		int64_t res = local - zone_offset(z, from), next = zone_next(z, from);
		if (res < next)
			return MAX_OF(res, from);
		from = next;
	}
}

/* ---- finding one ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "+08:00", "-02:30", "05:45" */
static bool fixed_offset(struct slice name, int32_t *ret)
{
	int64_t h, m;
	struct slice hours;
	bool west = slice_starts(name, "-");
	if (west || slice_starts(name, "+"))
		name = (struct slice){name.p + 1, name.n - 1};
	if (!name.n || !is_digit(name.p[0]) || !slice_cut(&name, ':', &hours) || name.n != 2 ||
	    !is_digit(name.p[0]) || hours.n > 2 || slice_to_i64(hours, &h) ||
	    slice_to_i64(name, &m) || h > 23 || m > 59)
		return false;
	*ret = (int32_t)((west ? -60 : 60) * (h * 60 + m));
	return true;
}

/* Words of letters, digits, _ + - joined by single slashes, beginning with a letter: no way out of
 * the folder. */
static bool good_name(struct slice name)
{
	bool first = true;
	if (!name.n || name.n > ZONE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool rest = is_digit(c) || c == '_' || c == '+' || c == '-' || c == '/';
		if (!letter && (first || !rest))
			return false;
		first = c == '/';
	}
	return !first && !slice_starts(name, "right/"); /* those count leap seconds */
}

static int load_file(struct zone *z, struct err *e)
{
	const char *dir = getenv("TZDIR");
	auto_free char *file = NULL;
	char path[512];
	size_t n;
	if (!dir || !dir[0])
		dir = "/usr/share/zoneinfo";
	int len = snprintf(path, sizeof path, "%s/%s", dir, z->name);
	if (len < 0 || (size_t)len >= sizeof path)
		return err_set(e, -EINVAL, "TZDIR is too long");
	if (file_read(path, ZONE_FILE_MAX, &file, &n, NULL))
		return access(dir, R_OK | X_OK)
			       ? err_set(e, -ENOENT, no_table, dir)
			       : err_set(e, -ENOENT, "there is no time zone \"%s\" in %s", z->name,
					 dir);
	int r = zone_parse_file((struct slice){file, n}, z);
	return r ? err_set(e, r, "%s: %s", path,
			   r == -ENOMEM ? "out of memory" : "not a time zone file")
		 : 0;
}

static void zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->at);
	free(z->after);
	free(z);
}

static int zone_make(struct slice name, struct err *e, struct zone **ret)
{
	int32_t offset = 0;
	bool fixed = slice_is(name, "UTC") || fixed_offset(name, &offset);
	if (!fixed && !good_name(name))
		return err_set(e, -EINVAL,
			       "\"%.*s\" is no time zone (like Asia/Shanghai, UTC or +08:00)",
			       (int)MIN_OF(name.n, (size_t)ZONE_NAME_MAX), name.p);
	struct zone *z = mem_new(sizeof *z);
	if (!z)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(z->name, name.p, name.n);
	z->before = z->rule.std = z->rule.dst = offset;
	z->end = INT64_MAX;
	int r = fixed ? 0 : load_file(z, e);
	if (r) {
		zone_free(z);
		return r;
	}
	*ret = z;
	return 0;
}

/* ---- the cache ---- */

static struct {
	_Atomic(struct zone *) heads[HEADS];
	pthread_mutex_t lock; /* of adding */
	size_t n;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The zone, or NULL and where it would stand. */
static struct zone *look_up(struct slice name, size_t *ret_at)
{
	size_t i = hash64(name, 0) & (HEADS - 1);
	struct zone *z;
	while ((z = atomic_load_explicit(&cache.heads[i], memory_order_acquire)) &&
	       !slice_is(name, z->name))
		i = (i + 1) & (HEADS - 1);
	*ret_at = i;
	return z;
}

static int add(struct slice name, struct err *e, const struct zone **ret)
{
	size_t at;
	struct zone *z = look_up(name, &at); /* another thread may have been faster */
	int r = 0;
	if (!z && cache.n == ZONES_MAX)
		return err_set(e, -ENFILE, "more than %d time zones are in use", ZONES_MAX);
	if (!z)
		r = zone_make(name, e, &z);
	if (r)
		return r;
	if (!atomic_load_explicit(&cache.heads[at], memory_order_relaxed)) {
		atomic_store_explicit(&cache.heads[at], z, memory_order_release);
		cache.n++;
	}
	*ret = z;
	return 0;
}

int zone_load(struct slice name, struct err *e, const struct zone **ret)
{
	size_t at;
	const struct zone *z = look_up(name, &at);
	if (z) {
		*ret = z;
		return 0;
	}
	pthread_mutex_lock(&cache.lock);
	int r = add(name, e, ret);
	pthread_mutex_unlock(&cache.lock);
	return r;
}

const struct zone *zone_find(struct slice name)
{
	const struct zone *z = NULL;
	return zone_load(name, NULL, &z) ? NULL : z;
}
