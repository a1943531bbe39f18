#include "rule_kind.h"

#include "json.h"
#include "rule_set.h"
#include "times.h"

#define LIMIT_MAX (366 * TIMES_DAY)

const char *const limit_unit_names[] = {"natural", "urgent", "work", NULL};
const char *const photo_duty_names[] = {"none", "before", "after", "both", NULL};

struct rule_kinds {
	struct yaml_doc *doc; /* owns the texts */
	struct rule_kind *v;  /* by code */
	size_t n, cap;
};

struct kind_yaml {
	const char *code, *limit;
	const struct yaml_node *name, *department, *supervisor, *opens, *closes;
	int unit, photo;
	bool machine_closes;
};

#define K(member_) offsetof(struct kind_yaml, member_)
static const struct yaml_field kind_table[] = {
	{"code", YAML_T_STR, K(code), NULL, 0, 0, NULL, "event-NNNN or part-NNNN"},
	{"name", YAML_T_NODE, K(name), NULL, 0, 0, NULL, "zh-CN and en"},
	{"department", YAML_T_NODE, K(department), NULL, 0, 0, NULL, "who handles it"},
	{"supervisor", YAML_T_NODE, K(supervisor), "", 0, 0, NULL, "who sees to that"},
	{"limit", YAML_T_STR, K(limit), NULL, 0, 0, NULL, "time to handle it: 4h, 3d"},
	{"unit", YAML_T_ENUM, K(unit), "natural", 0, 0, limit_unit_names,
	 "what the limit counts: all time, nights and holidays on purpose, or working hours"},
	{"photo", YAML_T_ENUM, K(photo), "none", 0, 0, photo_duty_names, "photos that are due"},
	{"opens", YAML_T_NODE, K(opens), "", 0, 0, NULL, "when a case may be opened"},
	{"closes", YAML_T_NODE, K(closes), "", 0, 0, NULL, "when it may be closed"},
	{"machine_closes", YAML_T_BOOL, K(machine_closes), "false", 0, 0, NULL,
	 "may a machine close it when the signal is normal again?"},
};

static const struct yaml_field top[] = {
	{"kinds", YAML_T_NODE, 0, NULL, 0, 0, NULL, "the responsibility list"},
};

/* ---- reading ---- */

struct reader {
	struct rule_kinds *kinds;
	yaml_fault_fn fault;
	void *ctx;
	int res;
};

static void on_fault(void *ctx, const struct err *e)
{
	struct reader *rd = ctx;
	rd->res = -EINVAL;
	rd->fault(rd->ctx, e);
}

static void refuse(struct reader *rd, const struct yaml_node *at, const char *key, const char *what)
{
	struct err e;
	yaml_err(rd->kinds->doc, at, &e, -EINVAL, "key \"%s\": %s", key, what);
	on_fault(rd, &e);
}

/* One text for both languages, or a map of them. */
static void read_words(struct reader *rd, const struct yaml_node *v, const char *key,
		       const char **ret)
{
	static const struct yaml_field langs[] = {
		{"zh-CN", YAML_T_STR, 0, NULL, 0, 0, NULL, "in Chinese"},
		{"en", YAML_T_STR, sizeof ret[0], "", 0, 0, NULL, "in English"},
	};
	ret[LANG_ZH_CN] = ret[LANG_EN] = "";
	if (!v)
		return;
	if (v->kind == YAML_SCALAR && v->n)
		ret[LANG_ZH_CN] = v->str;
	else if (v->kind != YAML_MAP)
		refuse(rd, v, key, "a text, or a map of zh-CN and en, was expected");
	else if (yaml_bind_all(rd->kinds->doc, v, langs, COUNT_OF(langs), ret, on_fault, rd))
		return;
	if (!ret[LANG_EN] || !ret[LANG_EN][0])
		ret[LANG_EN] = ret[LANG_ZH_CN];
}

static bool good_code(const char *code)
{
	size_t n = strcspn(code, "-");
	struct slice class = {code, n};
	return (slice_is(class, "event") || slice_is(class, "part")) && strlen(code) == n + 5 &&
	       strspn(code + n + 1, "0123456789") == 4;
}

/* A day of work is eight hours; so work is said in days or in hours, not in both. */
static bool parse_limit(struct slice s, enum limit_unit unit, int64_t *ret)
{
	int64_t v;
	if (times_parse_duration(s, &v) || v < TIMES_MIN || v > LIMIT_MAX)
		return false;
	if (unit == LIMIT_WORK && memchr(s.p, 'd', s.n)) {
		if (!slice_ends(s, "d"))
			return false;
		v = v / TIMES_DAY * KIND_WORK_DAY_HOURS * TIMES_HOUR;
	}
	*ret = v;
	return true;
}

static void read_kind(struct reader *rd, const struct yaml_node *map)
{
	struct rule_kinds *k = rd->kinds;
	struct kind_yaml y = {0};
	struct rule_kind kind = {.line = map->line};
	int before = rd->res;
	rd->res = 0;
	(void)!yaml_bind_all(k->doc, map, kind_table, COUNT_OF(kind_table), &y, on_fault, rd);
	if (y.code && !good_code(y.code))
		refuse(rd, yaml_get(map, "code"), "code",
		       "\"event-\" or \"part-\" and four digits were expected");
	if (y.limit && !parse_limit(slice_of(y.limit), (enum limit_unit)y.unit, &kind.limit_us))
		refuse(rd, yaml_get(map, "limit"), "limit",
		       "a time like 2h or 3d was expected, 1m to 366d, days of work without hours "
		       "beside them");
	read_words(rd, y.name, "name", kind.name);
	read_words(rd, y.department, "department", kind.department);
	read_words(rd, y.supervisor, "supervisor", kind.supervisor);
	read_words(rd, y.opens, "opens", kind.opens);
	read_words(rd, y.closes, "closes", kind.closes);
	kind.code = y.code;
	kind.part = y.code && slice_starts(slice_of(y.code), "part");
	kind.unit = (enum limit_unit)y.unit;
	kind.photo = (enum photo_duty)y.photo;
	kind.machine_closes = y.machine_closes;
	if (!rd->res && mem_grow(&k->v, &k->cap, k->n + 1, KINDS_MAX, sizeof *k->v))
		refuse(rd, map, "kinds", "the list is too long");
	if (!rd->res)
		k->v[k->n++] = kind;
	rd->res = rd->res ? rd->res : before;
}

static int by_code(const void *x, const void *y)
{
	const struct rule_kind *a = x, *b = y;
	int c = strcmp(a->code, b->code);
	return c ? c : a->line - b->line;
}

static void sort_kinds(struct reader *rd)
{
	struct rule_kinds *k = rd->kinds;
	struct err e;
	if (k->n)
		qsort(k->v, k->n, sizeof *k->v, by_code);
	for (size_t i = 1; i < k->n; i++) {
		if (strcmp(k->v[i].code, k->v[i - 1].code) != 0)
			continue;
		const struct yaml_node at = {.line = k->v[i].line, .col = 1};
		yaml_err(k->doc, &at, &e, -EINVAL, "kind \"%s\" is here twice (first on line %d)",
			 k->v[i].code, k->v[i - 1].line);
		on_fault(rd, &e);
	}
}

int rule_kinds_load(const char *path, yaml_fault_fn fault, void *ctx, struct rule_kinds **ret)
{
	struct reader rd = {.kinds = mem_new(sizeof *rd.kinds), .fault = fault, .ctx = ctx};
	const struct yaml_node *list = NULL;
	struct err e;
	if (!rd.kinds)
		return -ENOMEM;
	if (yaml_load_file(path, &e, &rd.kinds->doc))
		on_fault(&rd, &e);
	else if (!yaml_bind_all(rd.kinds->doc, yaml_root(rd.kinds->doc), top, 1, &list, on_fault,
				&rd) &&
		 list->kind != YAML_SEQ)
		refuse(&rd, list, "kinds", "a list was expected");
	for (size_t i = 0; list && list->kind == YAML_SEQ && i < list->n; i++)
		read_kind(&rd, list->vals[i]);
	sort_kinds(&rd);
	if (rd.res) {
		rule_kinds_free(rd.kinds);
		return rd.res;
	}
	*ret = rd.kinds;
	return 0;
}

void rule_kinds_free(struct rule_kinds *k)
{
	if (!k)
		return;
	free(k->v);
	yaml_doc_free(k->doc);
	free(k);
}

/* ---- looking up ---- */

const struct rule_kinds *rule_kinds_of(const struct rules *set)
{
	return set->kinds;
}

size_t rule_kinds_count(const struct rule_kinds *k)
{
	return k->n;
}

const struct rule_kind *rule_kinds_at(const struct rule_kinds *k, size_t i)
{
	return &k->v[i];
}

const struct rule_kind *rule_kinds_find(const struct rule_kinds *k, struct slice code)
{
	size_t lo = 0, hi = k->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = slice_cmp(slice_of(k->v[mid].code), code);
		if (c == 0)
			return &k->v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const char *rule_kinds_nearest(const struct rule_kinds *k, struct slice code)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (size_t i = 0; i < k->n; i++) {
		size_t d = name_distance(code, slice_of(k->v[i].code));
		if (d < nearest) {
			nearest = d;
			best = k->v[i].code;
		}
	}
	return best;
}

/* ---- showing ---- */

void rule_kind_limit(const struct rule_kind *kind, struct buf *out)
{
	char text[TIMES_DURATION_MAX];
	int64_t day = KIND_WORK_DAY_HOURS * TIMES_HOUR;
	if (kind->unit == LIMIT_WORK && kind->limit_us % day == 0) {
		buf_printf(out, "%lldd", (long long)(kind->limit_us / day));
		return;
	}
	times_format_duration(kind->limit_us, text);
	buf_puts(out, text);
}

static void put_words(struct buf *out, const char *key, const char *const *words)
{
	if (!words[LANG_ZH_CN][0])
		return;
	json_put_key(out, key);
	buf_putc(out, '{');
	for (int i = LANG_ZH_CN; i <= LANG_EN; i++) {
		json_put_key(out, lang_names[i]);
		json_put_str(out, slice_of(words[i]));
	}
	buf_putc(out, '}');
}

static void put_word(struct buf *out, const char *key, const char *word)
{
	json_put_key(out, key);
	json_put_str(out, slice_of(word));
}

void rule_kind_json(const struct rule_kind *kind, struct buf *out)
{
	auto_buf struct buf limit;
	buf_init(&limit, TIMES_DURATION_MAX);
	rule_kind_limit(kind, &limit);
	buf_putc(out, '{');
	put_word(out, "kind", kind->code);
	put_word(out, "class", kind->part ? "part" : "event");
	put_words(out, "name", kind->name);
	put_words(out, "department", kind->department);
	put_words(out, "supervisor", kind->supervisor);
	put_words(out, "opens", kind->opens);
	put_words(out, "closes", kind->closes);
	put_word(out, "limit", buf_str(&limit));
	put_word(out, "unit", limit_unit_names[kind->unit]);
	put_word(out, "photo", photo_duty_names[kind->photo]);
	json_put_key(out, "machine_closes");
	buf_puts(out, kind->machine_closes ? "true}" : "false}");
}
