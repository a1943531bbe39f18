#include "schedule.h"

#include "schedule_calendar.h"
#include "times.h"
#include "yaml.h"

#define SPECIALS_MAX 2000
#define HOLIDAY_DAYS_MAX 31
#define YEAR_MIN 1970
#define YEAR_MAX 2199

/* ---- faults ---- */

struct loader {
	struct yaml_doc *doc;
	struct calendar *c;
	void (*fault)(void *ctx, const struct err *e);
	void *ctx;
	size_t nfaults;
	bool no_memory;
};

static void tell(struct loader *l, const struct err *e)
{
	l->nfaults++;
	l->fault(l->ctx, e);
}

/* As printf, with the node's place in front. */
#define FAULT(l_, node_, ...)                                      \
	do {                                                       \
		struct err e_;                                     \
		yaml_err((l_)->doc, (node_), &e_, 0, __VA_ARGS__); \
		tell((l_), &e_);                                   \
	} while (0)

static bool is_list(struct loader *l, const struct yaml_node *v, const char *key)
{
	if (v->kind == YAML_SEQ)
		return true;
	FAULT(l, v, "key \"%s\": a list was expected", key);
	return false;
}

/* ---- days and hours ---- */

static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static int weekday_of(const struct yaml_node *v)
{
	for (int i = 0; v->kind == YAML_SCALAR && weekdays[i]; i++)
		if (strcmp(v->str, weekdays[i]) == 0)
			return i;
	return -1;
}

static unsigned load_days(struct loader *l, const struct yaml_node *list)
{
	unsigned res = 0;
	if (!list)
		return 0x7F;
	if (!is_list(l, list, "days"))
		return 0;
	if (!list->n)
		FAULT(l, list, "key \"days\": no day; without this key, it is every day");
	for (size_t i = 0; i < list->n; i++) {
		const struct yaml_node *v = list->vals[i];
		int day = weekday_of(v);
		if (day < 0)
			FAULT(l, v,
			      "key \"days\": \"%.40s\" is not one of mon, tue, wed, thu, fri, "
			      "sat, sun",
			      v->kind == YAML_SCALAR ? v->str : "(a list or map)");
		else if (res >> day & 1)
			FAULT(l, v, "key \"days\": \"%s\" is here twice", v->str);
		else
			res |= 1U << day;
	}
	return res;
}

/* "07:30" in minutes; 24:00 is the end of the day. */
static bool clock_of(struct slice s, int *ret)
{
	if (s.n != 5 || s.p[2] != ':')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (i != 2 && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	int h = (s.p[0] - '0') * 10 + (s.p[1] - '0'), m = (s.p[3] - '0') * 10 + (s.p[4] - '0');
	*ret = h * 60 + m;
	return m < 60 && *ret <= DAY_MINUTES;
}

static bool span_of(struct slice s, struct span *ret)
{
	struct slice from;
	if (!memchr(s.p, '-', s.n) || !slice_cut(&s, '-', &from))
		return false;
	if (!clock_of(slice_trim(from), &ret->from) || !clock_of(slice_trim(s), &ret->to) ||
	    ret->from == DAY_MINUTES || ret->from == ret->to)
		return false;
	if (ret->to < ret->from)
		ret->to += DAY_MINUTES;
	return true;
}

/* On one day; with what runs over from the day before, they simply join. */
static bool overlap(struct span a, struct span b)
{
	return a.from < b.to && b.from < a.to;
}

static void load_span(struct loader *l, const struct yaml_node *list, size_t i, struct schedule *s)
{
	const struct yaml_node *v = list->vals[i];
	struct span span;
	if (v->kind != YAML_SCALAR || !v->n || !span_of((struct slice){v->str, v->n}, &span)) {
		FAULT(l, v,
		      "key \"hours\": \"%.40s\" is not two times like \"07:00-09:30\" or "
		      "\"22:00-06:00\" (the whole day: \"00:00-24:00\")",
		      v->kind == YAML_SCALAR ? v->str : "(a list or map)");
		return;
	}
	for (size_t k = 0; k < s->nhours; k++) {
		if (overlap(s->hours[k], span)) {
			FAULT(l, v, "key \"hours\": \"%s\" overlaps with others of this schedule",
			      v->str);
			return;
		}
	}
	s->hours[s->nhours++] = span;
}

static void load_hours(struct loader *l, const struct yaml_node *list, struct schedule *s)
{
	size_t before = l->nfaults;
	if (list && !is_list(l, list, "hours"))
		return;
	if (list && list->n > SCHEDULE_HOURS_MAX) {
		FAULT(l, list, "key \"hours\": more than %d", SCHEDULE_HOURS_MAX);
		return;
	}
	for (size_t i = 0; list && i < list->n; i++)
		load_span(l, list, i, s);
	if (!s->nhours && l->nfaults == before)
		s->hours[s->nhours++] = (struct span){0, DAY_MINUTES};
}

static const struct zone *load_zone(struct loader *l, const struct yaml_node *map, const char *name)
{
	const struct zone *z = NULL;
	struct err e;
	if (zone_load(slice_of(name), &e, &z))
		FAULT(l, yaml_get(map, "zone"), "key \"zone\": %.300s", e.msg);
	return z;
}

/* ---- schedules ---- */

struct schedule_yaml {
	const char *name, *zone, *why;
	const struct yaml_node *days, *hours;
	int holidays;
};

static const char *const holiday_rules[] = {"as_usual", "closed", "as_sunday", "only", NULL};

#define S(member_) offsetof(struct schedule_yaml, member_)
static const struct yaml_field schedule_table[] = {
	{"name", YAML_T_STR, S(name), NULL, 0, 0, NULL, "a-z, 0-9, _ . -"},
	{"days", YAML_T_NODE, S(days), "", 0, 0, NULL, "weekdays on which its hours begin"},
	{"hours", YAML_T_NODE, S(hours), "", 0, 0, NULL, "spans like 22:00-06:00; none: all day"},
	{"zone", YAML_T_STR, S(zone), "", 0, 0, NULL, "of its clock, if not the calendar's"},
	{"holidays", YAML_T_ENUM, S(holidays), "as_usual", 0, 0, holiday_rules,
	 "what it does on holidays"},
	{"why", YAML_T_STR, S(why), "", 0, 0, NULL, "where its hours come from"},
};

static bool good_name(const char *name)
{
	size_t n = strlen(name);
	if (n == 0 || n > SCHEDULE_NAME_MAX || strchr("_.-", name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static void check_name(struct loader *l, const struct yaml_node *map, const char *name)
{
	const struct yaml_node *v = yaml_get(map, "name");
	const struct schedule *first = calendar_find(l->c, slice_of(name));
	if (!good_name(name) || strcmp(name, "else") == 0)
		FAULT(l, v,
		      "key \"name\": value \"%.80s\" is not 1 to %d of a-z, 0-9, _ . - beginning "
		      "with a letter or digit (and not \"else\")",
		      name, SCHEDULE_NAME_MAX);
	else if (first)
		FAULT(l, v, "schedule \"%s\" is here twice (first on line %d)", name, first->line);
}

static void load_schedule(struct loader *l, const struct yaml_node *map)
{
	struct schedule_yaml y;
	struct err e;
	struct schedule s = {.specials = &l->c->specials, .line = map->line};
	if (yaml_bind(l->doc, map, schedule_table, COUNT_OF(schedule_table), &y, &e)) {
		tell(l, &e);
		(void)load_days(l, yaml_get(map, "days"));
		load_hours(l, yaml_get(map, "hours"), &s);
		return;
	}
	check_name(l, map, y.name);
	s.holidays = (enum holiday_rule)y.holidays;
	s.days = load_days(l, y.days);
	load_hours(l, y.hours, &s);
	s.zone = y.zone ? load_zone(l, map, y.zone) : l->c->zone;
	int r = mem_grow(&l->c->v, &l->c->cap, l->c->n + 1, SCHEDULES_MAX, sizeof s);
	if (r == -E2BIG)
		FAULT(l, map, "more than %d schedules", SCHEDULES_MAX);
	else
		s.name = arena_copy(&l->c->arena, slice_of(y.name)).p;
	if (!r && s.name)
		l->c->v[l->c->n++] = s;
	else if (r != -E2BIG)
		l->no_memory = true;
}

/* ---- holidays, and days that are worked for them ---- */

static bool date_of(const char *text, int64_t *ret_day)
{
	char full[32];
	int64_t us;
	if (strlen(text) != 10)
		return false;
	snprintf(full, sizeof full, "%sT00:00:00Z", text);
	if (times_parse(slice_of(full), &us))
		return false;
	*ret_day = us / TIMES_DAY;
	return *ret_day >= times_day(YEAR_MIN, 1, 1) && *ret_day < times_day(YEAR_MAX + 1, 1, 1);
}

static bool load_date(struct loader *l, const struct yaml_node *map, const char *key,
		      const char *text, int64_t *ret_day)
{
	if (date_of(text, ret_day))
		return true;
	FAULT(l, yaml_get(map, key), "key \"%s\": \"%.40s\" is no day like 2026-10-01", key, text);
	return false;
}

/* Kept ascending: one that overlaps with another stands beside it. */
static void add_special(struct loader *l, const struct yaml_node *map, struct special s)
{
	struct specials *all = &l->c->specials;
	size_t at = 0;
	s.line = map->line;
	while (at < all->n && all->v[at].last < s.first)
		at++;
	if (at < all->n && all->v[at].first <= s.last) {
		FAULT(l, map, "these days are listed already, on line %d", all->v[at].line);
		return;
	}
	int r = mem_grow(&all->v, &all->cap, all->n + 1, SPECIALS_MAX, sizeof s);
	if (r == -E2BIG)
		FAULT(l, map, "more than %d holidays and swapped days", SPECIALS_MAX);
	l->no_memory = l->no_memory || r == -ENOMEM;
	if (r)
		return;
	memmove(&all->v[at + 1], &all->v[at], (all->n - at) * sizeof s);
	all->v[at] = s;
	all->n++;
}

struct holiday_yaml {
	const char *from, *to, *name;
};

static const struct yaml_field holiday_table[] = {
	{"from", YAML_T_STR, offsetof(struct holiday_yaml, from), NULL, 0, 0, NULL, "first day"},
	{"to", YAML_T_STR, offsetof(struct holiday_yaml, to), "", 0, 0, NULL,
	 "last day (default: the first)"},
	{"name", YAML_T_STR, offsetof(struct holiday_yaml, name), "", 0, 0, NULL, "for people"},
};

static void load_holiday(struct loader *l, const struct yaml_node *map)
{
	struct holiday_yaml y;
	struct special s = {.weekday = -1};
	struct err e;
	if (yaml_bind(l->doc, map, holiday_table, COUNT_OF(holiday_table), &y, &e)) {
		tell(l, &e);
		return;
	}
	bool good = load_date(l, map, "from", y.from, &s.first);
	s.last = s.first;
	if ((y.to && !load_date(l, map, "to", y.to, &s.last)) || !good)
		return;
	if (s.last < s.first)
		FAULT(l, yaml_get(map, "to"), "key \"to\": %s is before %s", y.to, y.from);
	else if (s.last - s.first >= HOLIDAY_DAYS_MAX)
		FAULT(l, yaml_get(map, "to"), "key \"to\": a holiday of more than %d days",
		      HOLIDAY_DAYS_MAX);
	else
		add_special(l, map, s);
}

struct workday_yaml {
	const char *day, *name;
	int as;
};

static const struct yaml_field workday_table[] = {
	{"day", YAML_T_STR, offsetof(struct workday_yaml, day), NULL, 0, 0, NULL, "the day"},
	{"as", YAML_T_ENUM, offsetof(struct workday_yaml, as), NULL, 0, 0, weekdays,
	 "the weekday that it is worked as"},
	{"name", YAML_T_STR, offsetof(struct workday_yaml, name), "", 0, 0, NULL, "for people"},
};

static void load_workday(struct loader *l, const struct yaml_node *map)
{
	struct workday_yaml y;
	struct special s;
	struct err e;
	if (yaml_bind(l->doc, map, workday_table, COUNT_OF(workday_table), &y, &e)) {
		tell(l, &e);
		return;
	}
	if (!load_date(l, map, "day", y.day, &s.first))
		return;
	s.last = s.first;
	s.weekday = y.as;
	add_special(l, map, s);
}

/* ---- the file ---- */

struct calendar_yaml {
	const char *zone;
	const struct yaml_node *schedules, *holidays, *workdays;
};

#define C(member_) offsetof(struct calendar_yaml, member_)
static const struct yaml_field calendar_table[] = {
	{"zone", YAML_T_STR, C(zone), NULL, 0, 0, NULL, "time zone of all clocks and days"},
	{"schedules", YAML_T_NODE, C(schedules), "", 0, 0, NULL, "the schedules"},
	{"holidays", YAML_T_NODE, C(holidays), "", 0, 0, NULL, "days off"},
	{"workdays", YAML_T_NODE, C(workdays), "", 0, 0, NULL, "days worked in their place"},
};

static void load_list(struct loader *l, const char *key,
		      void (*load)(struct loader *l, const struct yaml_node *map))
{
	const struct yaml_node *list = yaml_get(yaml_root(l->doc), key);
	if (yaml_is_null(list) || !is_list(l, list, key))
		return;
	for (size_t i = 0; i < list->n; i++)
		load(l, list->vals[i]);
}

static void load_all(struct loader *l)
{
	const struct yaml_node *root = yaml_root(l->doc);
	struct calendar_yaml y;
	struct err e;
	if (yaml_bind(l->doc, root, calendar_table, COUNT_OF(calendar_table), &y, &e))
		tell(l, &e);
	else
		l->c->zone = load_zone(l, root, y.zone);
	load_list(l, "holidays", load_holiday);
	load_list(l, "workdays", load_workday);
	load_list(l, "schedules", load_schedule);
}

int calendar_load(const char *path, void (*fault)(void *ctx, const struct err *e), void *ctx,
		  struct calendar **ret)
{
	auto_yaml struct yaml_doc *doc = NULL;
	struct err e;
	struct loader l = {.fault = fault, .ctx = ctx};
	if (yaml_load_file(path, &e, &doc)) {
		tell(&l, &e);
		return -EINVAL;
	}
	l.doc = doc;
	l.c = mem_new(sizeof *l.c);
	if (!l.c)
		return -ENOMEM;
	arena_init(&l.c->arena, YAML_FILE_MAX);
	load_all(&l);
	if (l.no_memory || l.nfaults) {
		calendar_free(l.c);
		return l.no_memory ? -ENOMEM : -EINVAL;
	}
	calendar_finish(l.c);
	*ret = l.c;
	return 0;
}
