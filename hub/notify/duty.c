#include "duty.h"

#include <inttypes.h>

#include "adapters/webhook/adapter.h"
#include "pg_columns.h"
#include "times.h"
#include "yaml.h"
#include "zone.h"

#define ENDPOINTS_BYTES ((size_t)1024 * 1024)
#define NAME_MAX_BYTES 128

/* ---- holidays ---- */

void duty_holidays(const struct calendar *calendar, const char *zone, int64_t at_us,
		   struct buf *out)
{
	const struct zone *z = zone_find(slice_of(zone));
	int64_t utc = at_us / TIMES_SEC, today = (utc + (z ? zone_offset(z, utc) : 0)) / 86400;
	pg_array_begin(out);
	for (int64_t day = today; calendar && day >= today - 1; day--) {
		int y, m, d;
		char text[32];
		if (!calendar_holiday(calendar, day))
			continue;
		times_civil(day, &y, &m, &d);
		snprintf(text, sizeof text, "%04d-%02d-%02d", y, m, d);
		pg_array_str(out, slice_of(text));
	}
	pg_array_end(out);
}

/* ---- the roster's file ---- */

struct roster_yaml {
	const struct yaml_node *people, *duties, *absences;
};

struct person_yaml {
	const char *name, *title, *quiet, *mention;
	const struct yaml_node *endpoints;
};

struct duty_yaml {
	const char *grid, *person, *hours, *from, *to;
	int64_t rank;
	int holidays;
	const struct yaml_node *days;
};

struct absence_yaml {
	const char *person, *from, *to, *substitute;
};

static const char *const holiday_names[] = {"any", "never", "only", NULL};

static const struct yaml_field roster_table[] = {
	{"people", YAML_T_NODE, offsetof(struct roster_yaml, people), NULL, 0, 0, NULL, "list"},
	{"duties", YAML_T_NODE, offsetof(struct roster_yaml, duties), "", 0, 0, NULL, "list"},
	{"absences", YAML_T_NODE, offsetof(struct roster_yaml, absences), "", 0, 0, NULL, "list"},
};
#define P(m) offsetof(struct person_yaml, m)
static const struct yaml_field person_table[] = {
	{"name", YAML_T_STR, P(name), NULL, 0, 0, NULL, "unique"},
	{"title", YAML_T_STR, P(title), "", 0, 0, NULL, "what they are"},
	{"endpoints", YAML_T_NODE, P(endpoints), NULL, 0, 0, NULL,
	 "names of endpoints, the first that works"},
	{"mention", YAML_T_STR, P(mention), "", 0, 0, NULL,
	 "what the chat's program knows them by: called by name when something is high or urgent"},
	{"quiet", YAML_T_STR, P(quiet), "", 0, 0, NULL, "22:00-07:00: nothing but urgent alerts"},
};
#define D(m) offsetof(struct duty_yaml, m)
static const struct yaml_field duty_table[] = {
	{"grid", YAML_T_STR, D(grid), NULL, 0, 0, NULL, "code"},
	{"person", YAML_T_STR, D(person), NULL, 0, 0, NULL, "one of people"},
	{"rank", YAML_T_INT, D(rank), "0", 0, 99, NULL,
	 "0 leader, 1 deputy …: the lowest on duty is told"},
	{"days", YAML_T_NODE, D(days), "", 0, 0, NULL,
	 "[mon, …]: days on which the shift begins; all"},
	{"hours", YAML_T_STR, D(hours), "00:00-24:00", 0, 0, NULL,
	 "20:00-08:00 goes past midnight"},
	{"holidays", YAML_T_ENUM, D(holidays), "any", 0, 0, holiday_names,
	 "as rules/schedules.yaml lists them"},
	{"from", YAML_T_STR, D(from), "", 0, 0, NULL, "2026-12-01: the first day"},
	{"to", YAML_T_STR, D(to), "", 0, 0, NULL, "the last day"},
};
#define A(m) offsetof(struct absence_yaml, m)
static const struct yaml_field absence_table[] = {
	{"person", YAML_T_STR, A(person), NULL, 0, 0, NULL, "one of people"},
	{"from", YAML_T_STR, A(from), NULL, 0, 0, NULL, "RFC 3339"},
	{"to", YAML_T_STR, A(to), NULL, 0, 0, NULL, "RFC 3339"},
	{"substitute", YAML_T_STR, A(substitute), "", 0, 0, NULL,
	 "one of people; none: the next by rank"},
};

/* Columns of duty_put_*.sql. */
enum { PEOPLE_COLUMNS = 6, DUTY_COLUMNS = 9, ABSENCE_COLUMNS = 4 };

struct reader {
	struct yaml_doc *doc;
	const struct config *conf;
	void (*fault)(void *ctx, const struct err *e);
	void *ctx;
	size_t faults;
	const struct yaml_node *people;
	struct pg_columns columns[3];
	size_t rows[3];
};

static void put_or_null(struct buf *b, const char *s)
{
	if (s && s[0])
		pg_array_str(b, slice_of(s));
	else
		pg_array_null(b);
}

static void bad(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
	printf_like(3, 4);
static void bad(struct reader *r, const struct yaml_node *at, const char *fmt, ...)
{
	char text[256];
	struct err e;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	yaml_err(r->doc, at, &e, -EINVAL, "%s", text);
	r->faults++;
	r->fault(r->ctx, &e);
}

/* ---- values ---- */

static bool two_digits(const char *s, int max)
{
	return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' &&
	       (s[0] - '0') * 10 + s[1] - '0' <= max;
}

static bool clock_ok(const char *s)
{
	return (two_digits(s, 23) && s[2] == ':' && two_digits(s + 3, 59)) ||
	       strncmp(s, "24:00", 5) == 0;
}

/* "22:00-07:00" in its two halves. */
static bool hours_ok(const char *s, char from[static 6], char to[static 6])
{
	if (strlen(s) != 11 || s[5] != '-' || !clock_ok(s) || !clock_ok(s + 6) ||
	    strncmp(s, "24:00", 5) == 0)
		return false;
	snprintf(from, 6, "%.5s", s);
	snprintf(to, 6, "%.5s", s + 6);
	return true;
}

static bool date_ok(const char *s)
{
	int64_t us;
	char whole[32];
	if (!s || !s[0])
		return true;
	snprintf(whole, sizeof whole, "%.10sT00:00:00Z", s);
	return strlen(s) == 10 && times_parse(slice_of(whole), &us) == 0;
}

static const struct yaml_node *find_person(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->people->n; i++) {
		const struct yaml_node *v = yaml_get(r->people->vals[i], "name");
		if (v && v->kind == YAML_SCALAR && strcmp(v->str, name) == 0)
			return r->people->vals[i];
	}
	return NULL;
}

/* Bit 0 = Monday; -1: said what is wrong. */
static int weekdays(struct reader *r, const struct yaml_node *days)
{
	static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
	int mask = 0;
	if (!days)
		return 127;
	for (size_t i = 0; days->kind == YAML_SEQ && i < days->n; i++) {
		const struct yaml_node *v = days->vals[i];
		int bit = -1;
		for (size_t k = 0; v->kind == YAML_SCALAR && k < COUNT_OF(names); k++)
			if (strcmp(v->str, names[k]) == 0)
				bit = (int)k;
		if (bit < 0) {
			bad(r, v, "key \"days\": expected mon, tue, wed, thu, fri, sat or sun");
			return -1;
		}
		mask |= 1 << bit;
	}
	if (mask)
		return mask;
	bad(r, days, "key \"days\": a list of at least one day was expected");
	return -1;
}

/* ---- entries; each says what is wrong with it ---- */

static void put_endpoints(struct reader *r, const struct yaml_node *list, struct buf *out)
{
	auto_buf struct buf one;
	buf_init(&one, ENDPOINTS_BYTES);
	pg_array_begin(&one);
	if (list->kind != YAML_SEQ || !list->n || list->n > DUTY_ENDPOINTS_MAX)
		bad(r, list, "key \"endpoints\": a list of 1 to %d names was expected",
		    DUTY_ENDPOINTS_MAX);
	for (size_t i = 0; list->kind == YAML_SEQ && i < list->n; i++) {
		const struct yaml_node *v = list->vals[i];
		if (v->kind != YAML_SCALAR ||
		    !config_endpoint(r->conf, (struct slice){v->str, v->n}))
			bad(r, v, "key \"endpoints\": the configuration has no endpoint \"%.80s\"",
			    v->kind == YAML_SCALAR ? v->str : "");
		else
			pg_array_str(&one, (struct slice){v->str, v->n});
	}
	pg_array_end(&one);
	pg_array_str(out, buf_slice(&one));
}

static void read_person(struct reader *r, const struct yaml_node *map, struct pg_columns *a)
{
	struct person_yaml y;
	struct err e;
	char from[6] = "", to[6] = "";
	if (yaml_bind(r->doc, map, person_table, COUNT_OF(person_table), &y, &e)) {
		r->faults++;
		r->fault(r->ctx, &e);
		return;
	}
	if (!y.name[0] || strlen(y.name) > NAME_MAX_BYTES)
		bad(r, map, "key \"name\": 1 to %d bytes were expected", NAME_MAX_BYTES);
	if (find_person(r, y.name) != map)
		bad(r, map, "person \"%.80s\" is here twice", y.name);
	if (y.mention && y.mention[0] && !webhook_mention_ok(slice_of(y.mention)))
		bad(r, map,
		    "key \"mention\": value \"%.40s\": expected one id of letters, digits and _ . "
		    "@ + "
		    "-, and not everybody",
		    y.mention);
	if (y.quiet && y.quiet[0] && !hours_ok(y.quiet, from, to))
		bad(r, map, "key \"quiet\": value \"%.20s\": expected 22:00-07:00", y.quiet);
	if (from[0] && (!strcmp(from, to) || (!strcmp(from, "00:00") && !strcmp(to, "24:00"))))
		bad(r, map, "key \"quiet\": all day: nothing but urgent alerts would ever be told");
	pg_array_str(&a->c[0], slice_of(y.name));
	put_or_null(&a->c[1], y.title);
	put_endpoints(r, y.endpoints, &a->c[2]);
	put_or_null(&a->c[3], from);
	put_or_null(&a->c[4], to);
	put_or_null(&a->c[5], y.mention);
}

static void read_duty(struct reader *r, const struct yaml_node *map, struct pg_columns *a)
{
	struct duty_yaml y;
	struct err e;
	char from[6] = "", to[6] = "";
	if (yaml_bind(r->doc, map, duty_table, COUNT_OF(duty_table), &y, &e)) {
		r->faults++;
		r->fault(r->ctx, &e);
		return;
	}
	if (!find_person(r, y.person))
		bad(r, map, "key \"person\": there is no \"%.80s\" among people", y.person);
	if (!hours_ok(y.hours, from, to))
		bad(r, map, "key \"hours\": value \"%.20s\": expected 08:00-20:00", y.hours);
	if (!date_ok(y.from) || !date_ok(y.to))
		bad(r, map, "keys \"from\", \"to\": days like 2026-12-01 were expected");
	pg_array_str(&a->c[0], slice_of(y.grid));
	pg_array_str(&a->c[1], slice_of(y.person));
	pg_array_i64(&a->c[2], y.rank);
	pg_array_i64(&a->c[3], weekdays(r, y.days));
	pg_array_str(&a->c[4], slice_of(from));
	pg_array_str(&a->c[5], slice_of(to));
	pg_array_str(&a->c[6], slice_of(holiday_names[y.holidays]));
	put_or_null(&a->c[7], y.from);
	put_or_null(&a->c[8], y.to);
}

static void read_absence(struct reader *r, const struct yaml_node *map, struct pg_columns *a)
{
	struct absence_yaml y;
	struct err e;
	int64_t from = 0, to = 0;
	if (yaml_bind(r->doc, map, absence_table, COUNT_OF(absence_table), &y, &e)) {
		r->faults++;
		r->fault(r->ctx, &e);
		return;
	}
	const char *names[] = {y.person, y.substitute};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (names[i] && names[i][0] && !find_person(r, names[i]))
			bad(r, map, "there is no \"%.80s\" among people", names[i]);
	if (times_parse(slice_of(y.from), &from) || times_parse(slice_of(y.to), &to) || from >= to)
		bad(r, map,
		    "keys \"from\", \"to\": times like 2026-11-22T18:00:00+08:00 were expected, "
		    "the "
		    "second after the first");
	pg_array_str(&a->c[0], slice_of(y.person));
	pg_array_i64(&a->c[1], from);
	pg_array_i64(&a->c[2], to);
	put_or_null(&a->c[3], y.substitute);
}

/* ---- the whole ---- */

static const struct part {
	const char *key;
	size_t max, columns;
	void (*read)(struct reader *r, const struct yaml_node *map, struct pg_columns *a);
	enum sql_id put;
} parts[] = {
	{"people", DUTY_PEOPLE_MAX, PEOPLE_COLUMNS, read_person, SQL_DUTY_PUT_PEOPLE},
	{"duties", DUTY_MAX, DUTY_COLUMNS, read_duty, SQL_DUTY_PUT_DUTIES},
	{"absences", DUTY_MAX, ABSENCE_COLUMNS, read_absence, SQL_DUTY_PUT_ABSENCES},
};

static void read_part(struct reader *r, const struct part *p, const struct yaml_node *list,
		      struct pg_columns *a, size_t *ret_rows)
{
	pg_columns_init(a, p->columns);
	if (list && !yaml_is_null(list) && (list->kind != YAML_SEQ || list->n > p->max))
		bad(r, list, "key \"%s\": a list of at most %zu was expected", p->key, p->max);
	else
		for (size_t i = 0; list && !yaml_is_null(list) && i < list->n; i++, ++*ret_rows)
			p->read(r, list->vals[i], a);
}

static int read_roster(struct reader *r, struct err *e)
{
	struct roster_yaml y;
	int rc = yaml_bind(r->doc, yaml_root(r->doc), roster_table, COUNT_OF(roster_table), &y, e);
	if (rc)
		return rc;
	if (y.people->kind != YAML_SEQ)
		return yaml_err(r->doc, y.people, e, -EINVAL,
				"key \"people\": a list was expected");
	r->people = y.people;
	const struct yaml_node *lists[] = {y.people, y.duties, y.absences};
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		read_part(r, &parts[i], lists[i], &r->columns[i], &r->rows[i]);
	return r->faults ? err_set(e, -EINVAL, "%s: %zu faults, nothing was changed",
				   yaml_path(r->doc), r->faults)
			 : 0;
}

static int put_part(struct reader *r, struct pg *pg, int64_t district, size_t i, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[1 + PG_COLUMNS_MAX] = {PGA_I(district)};
	size_t n = 1;
	int rc = pg_columns_args(&r->columns[i], args, &n);
	if (rc)
		return err_set(e, rc, "key \"%s\": too large", parts[i].key);
	rc = pg_query(pg, parts[i].put, args, n, e, &rows);
	if (!rc && pg_count(rows) && pg_i64(rows, 0, 0) != (int64_t)r->rows[i])
		rc = err_set(e, -ENOENT,
			     "key \"duties\": there is no grid \"%s\"; nothing was changed",
			     pg_str(rows, 0, 1));
	return rc;
}

static int put_roster(struct reader *r, struct pg *pg, int64_t district, struct err *e)
{
	struct pg_arg args[] = {PGA_I(district)};
	int rc = pg_begin(pg, e);
	if (rc)
		return rc;
	rc = pg_query(pg, SQL_DUTY_CLEAR, args, COUNT_OF(args), e, NULL);
	for (size_t i = 0; !rc && i < COUNT_OF(parts); i++)
		rc = put_part(r, pg, district, i, e);
	if (!rc)
		rc = pg_query(pg, SQL_DUTY_WAKE, args, COUNT_OF(args), e, NULL);
	if (!rc)
		return pg_commit(pg, e);
	pg_rollback(pg);
	return rc;
}

int duty_load(const char *path, const struct config *conf, struct pg *pg, int64_t district,
	      void (*fault)(void *ctx, const struct err *e), void *ctx, struct err *e,
	      struct duty_counts *ret)
{
	auto_yaml struct yaml_doc *doc = NULL;
	int rc = yaml_load_file(path, e, &doc);
	if (rc)
		return rc;
	struct reader r = {.doc = doc, .conf = conf, .fault = fault, .ctx = ctx};
	rc = read_roster(&r, e);
	if (!rc)
		rc = put_roster(&r, pg, district, e);
	*ret = (struct duty_counts){r.rows[0], r.rows[1], r.rows[2]};
	for (size_t i = 0; i < COUNT_OF(r.columns); i++)
		pg_columns_done(&r.columns[i]);
	return rc;
}
