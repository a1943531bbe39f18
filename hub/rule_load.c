#include "rule_set.h"

#include <dirent.h>
#include <inttypes.h>

#include "times.h"
#include "yaml.h"

#define REPORT_LINES 100
#define HOLD_MAX (30 * TIMES_DAY)

/* ---- the report ---- */

void rule_report_init(struct rule_report *r)
{
	*r = (struct rule_report){0};
	buf_init(&r->errors, REPORT_LINES * (size_t)ERR_MAX);
	buf_init(&r->warnings, REPORT_LINES * (size_t)ERR_MAX);
}

void rule_report_done(struct rule_report *r)
{
	buf_done(&r->errors);
	buf_done(&r->warnings);
}

static void report(struct buf *out, size_t *count, const struct err *e)
{
	if (++*count <= REPORT_LINES)
		buf_printf(out, "%s\n", e->msg);
}

/* ---- one file being read ---- */

struct vocabulary {
	struct yaml_doc *doc; /* NULL: there is none, so no name is doubted */
	const struct yaml_node *list;
};

struct loader {
	struct rules *set;
	struct rule_report *report;
	struct vocabulary fields;
	struct yaml_doc *doc;
	const char *file;
	struct slice text; /* of the file, to find places inside values */
	/* names of the condition being compiled that the vocabulary lacks */
	uint32_t unknown[8]; /* slots */
	size_t nunknown;
};

static void add_error(struct loader *l, const struct err *e)
{
	report(&l->report->errors, &l->report->nerrors, e);
}

static void add_warning(struct loader *l, const struct err *e)
{
	report(&l->report->warnings, &l->report->nwarnings, e);
}

/* ---- a place inside a value → its line and column in the file ---- */

struct place {
	int line, col;
};

struct walk {
	struct slice text;
	size_t at;
	struct place p;
};

static void step(struct walk *w)
{
	if (w->text.p[w->at] == '\n') {
		w->p.line++;
		w->p.col = 1;
	} else if (((unsigned char)w->text.p[w->at] & 0xC0) != 0x80) {
		w->p.col++;
	}
	w->at++;
}

static bool walk_blank(const struct walk *w)
{
	return w->at < w->text.n && strchr(" \t\r\n", w->text.p[w->at]) && w->text.p[w->at];
}

/* To where the value's own text begins: past the quote, or past the line of the | or >. */
static void walk_to_value(struct walk *w, const struct yaml_node *v)
{
	while (w->at < w->text.n && (w->p.line < v->line || w->p.col < v->col))
		step(w);
	if (v->block) {
		while (w->at < w->text.n && w->p.line == v->line)
			step(w);
	} else if (!v->plain && w->at < w->text.n) {
		step(w);
	}
}

/* Both are walked side by side: a value's blank stands for any run of blanks in the file (folding,
 * indentation), and a quoted value may have a backslash or a second quote before its character. */
static struct place place_in(const struct loader *l, const struct yaml_node *v, size_t offset)
{
	struct walk w = {.text = l->text, .p = {1, 1}};
	walk_to_value(&w, v);
	for (size_t i = 0; i <= offset && i <= v->n; i++) {
		char c = i < v->n ? v->str[i] : '\0';
		bool blank = c == ' ' || c == '\n' || c == '\t';
		if (!blank && c)
			while (walk_blank(&w))
				step(&w);
		if (w.at + 1 < w.text.n && !v->plain && !v->block && c && w.text.p[w.at] != c &&
		    w.text.p[w.at + 1] == c)
			step(&w);
		if (i == offset || i == v->n)
			break;
		if (w.at < w.text.n && (!blank || walk_blank(&w)))
			step(&w);
	}
	return w.p;
}

/* ---- vocabulary ---- */

enum field_type { FIELD_BOOL, FIELD_INT, FIELD_DOUBLE, FIELD_STRING };

struct field_yaml {
	const char *name, *unit, *meaning;
	int type;
	const struct yaml_node *classes;
};

static const char *const field_types[] = {"bool", "int", "double", "string", NULL};

static const struct yaml_field field_table[] = {
	{"name", YAML_T_STR, offsetof(struct field_yaml, name), NULL, 0, 0, NULL,
	 "as it stands in readings and rules"},
	{"type", YAML_T_ENUM, offsetof(struct field_yaml, type), NULL, 0, 0, field_types,
	 "type of its values"},
	{"unit", YAML_T_STR, offsetof(struct field_yaml, unit), "", 0, 0, NULL, "unit"},
	{"classes", YAML_T_NODE, offsetof(struct field_yaml, classes), "", 0, 0, NULL,
	 "classes of devices that have it"},
	{"meaning", YAML_T_STR, offsetof(struct field_yaml, meaning), NULL, 0, 0, NULL,
	 "what it says, in one line"},
};

static const struct yaml_field fields_top[] = {
	{"fields", YAML_T_NODE, 0, NULL, 0, 0, NULL, "the vocabulary"},
};

/* A top level map with one key, which is a list. */
static const struct yaml_node *list_of(struct loader *l, struct yaml_doc *doc,
				       const struct yaml_field *top)
{
	const struct yaml_node *list = NULL;
	struct err e;
	int r = yaml_bind(doc, yaml_root(doc), top, 1, &list, &e);
	if (!r && list->kind != YAML_SEQ)
		r = yaml_err(doc, list, &e, -EINVAL, "key \"%s\": a list was expected", top->name);
	if (r)
		add_error(l, &e);
	return r ? NULL : list;
}

static void load_vocabulary(struct loader *l, const char *path)
{
	struct err e;
	if (yaml_load_file(path, &e, &l->fields.doc)) {
		add_error(l, &e);
		return;
	}
	l->fields.list = list_of(l, l->fields.doc, fields_top);
	for (size_t i = 0; l->fields.list && i < l->fields.list->n; i++) {
		struct field_yaml f;
		if (yaml_bind(l->fields.doc, l->fields.list->vals[i], field_table,
			      COUNT_OF(field_table), &f, &e))
			add_error(l, &e);
	}
}

/* The name of the i-th word of the vocabulary; NULL when that entry is broken. */
static const char *word(const struct vocabulary *v, size_t i)
{
	const struct yaml_node *name = yaml_get(v->list->vals[i], "name");
	return name && name->kind == YAML_SCALAR ? name->str : NULL;
}

static bool known_field(const struct loader *l, struct slice name)
{
	for (size_t i = 0; l->fields.list && i < l->fields.list->n; i++) {
		const char *w = word(&l->fields, i);
		if (w && slice_is(name, w))
			return true;
	}
	return !l->fields.list;
}

static const char *nearest_field(const struct loader *l, struct slice name)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (size_t i = 0; l->fields.list && i < l->fields.list->n; i++) {
		const char *w = word(&l->fields, i);
		size_t d = w ? name_distance(name, slice_of(w)) : nearest;
		if (d < nearest && d < name.n) {
			nearest = d;
			best = w;
		}
	}
	return best;
}

static void warn_field(struct loader *l, struct place at, struct slice name)
{
	const char *near = nearest_field(l, name);
	struct err e;
	err_set(&e, 0, "%s:%d:%d: no field \"%.*s\" in fields.yaml%s%s%s", l->file, at.line, at.col,
		(int)MIN_OF(name.n, (size_t)FIELD_NAME_MAX), name.p,
		near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	add_warning(l, &e);
}

/* ---- conditions ---- */

/* Every plain name is a field. Those that the vocabulary lacks are told about once it is clear
 * that the condition is sound. */
static int slot_of(void *ctx, struct slice name)
{
	struct loader *l = ctx;
	if (memchr(name.p, '.', name.n) || name.n > FIELD_NAME_MAX)
		return -1;
	int slot = rule_set_add_slot(l->set, name);
	if (slot < SLOT_FIRST_FIELD || known_field(l, name))
		return slot;
	bool told = l->nunknown == COUNT_OF(l->unknown);
	for (size_t i = 0; i < l->nunknown; i++)
		told = told || l->unknown[i] == (uint32_t)slot;
	if (!told)
		l->unknown[l->nunknown++] = (uint32_t)slot;
	return slot;
}

/* Byte offset in the condition at which the slot is first read. */
static size_t first_use(const struct cel_program *p, uint32_t slot)
{
	for (size_t i = 0; i < p->ncode; i++) {
		const struct cel_insn *in = &p->code[i];
		if (((in->op == I_SLOT || in->op == I_SLOT_HAS) && in->x == slot) ||
		    (in->op == I_SLOT_CMP && in->n == slot))
			return p->at[i];
	}
	return 0;
}

static void warn_unknown(struct loader *l, const struct yaml_node *v, const struct cel_program *p)
{
	for (size_t i = 0; i < l->nunknown; i++)
		warn_field(l, place_in(l, v, first_use(p, l->unknown[i])),
			   l->set->slots.names[l->unknown[i]]);
}

static int scalar_error(struct loader *l, const struct yaml_node *v, const char *key)
{
	struct err e;
	yaml_err(l->doc, v, &e, -EINVAL, "key \"%s\": a %s where a text was expected", key,
		 v->kind == YAML_MAP ? "map" : "list");
	add_error(l, &e);
	return -EINVAL;
}

static int load_condition(struct loader *l, const struct yaml_node *v, const char *key,
			  struct cel_program **ret)
{
	struct cel_names names = {.slot = slot_of, .ctx = l};
	struct cel_diag d;
	struct err e;
	if (v->kind != YAML_SCALAR)
		return scalar_error(l, v, key);
	l->nunknown = 0;
	int r = cel_compile((struct slice){v->str, v->n}, &names, &d, ret);
	if (r) {
		struct place at = place_in(l, v, d.at);
		err_set(&e, r, "%s:%d:%d: key \"%s\": %s", l->file, at.line, at.col, key, d.msg);
		add_error(l, &e);
		return r;
	}
	warn_unknown(l, v, *ret);
	return 0;
}

/* ---- titles ---- */

struct title_yaml {
	const struct yaml_node *lang[2];
};

static const struct yaml_field title_table[] = {
	{"zh-CN", YAML_T_NODE, offsetof(struct title_yaml, lang[LANG_ZH_CN]), NULL, 0, 0, NULL,
	 "what the grid leader reads"},
	{"en", YAML_T_NODE, offsetof(struct title_yaml, lang[LANG_EN]), "", 0, 0, NULL,
	 "the same in English (default: the Chinese one)"},
};

static int load_title(struct loader *l, const struct yaml_node *v, struct title *ret)
{
	struct err why, e;
	size_t at;
	if (v->kind != YAML_SCALAR)
		return scalar_error(l, v, "title");
	int r = title_parse((struct slice){v->str, v->n}, &l->set->arena, &at, &why, ret);
	if (r) {
		struct place p = place_in(l, v, at);
		err_set(&e, r, "%s:%d:%d: key \"title\": %.300s", l->file, p.line, p.col, why.msg);
		add_error(l, &e);
		return r;
	}
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].kind == TITLE_FIELD && !known_field(l, ret->v[i].text))
			warn_field(l, place_in(l, v, ret->v[i].at), ret->v[i].text);
	return 0;
}

/* In both languages; ret[] by enum lang. */
static int load_titles(struct loader *l, const struct yaml_node *v, struct title *ret)
{
	struct title_yaml t;
	struct err e;
	int r = yaml_bind(l->doc, v, title_table, COUNT_OF(title_table), &t, &e);
	if (r) {
		add_error(l, &e);
		return r;
	}
	r = load_title(l, t.lang[LANG_ZH_CN], &ret[LANG_ZH_CN]);
	ret[LANG_EN] = ret[LANG_ZH_CN];
	if (t.lang[LANG_EN] && load_title(l, t.lang[LANG_EN], &ret[LANG_EN]))
		r = -EINVAL;
	return r;
}

/* ---- rules ---- */

struct rule_yaml {
	const char *id, *kind, *why;
	int class, severity;
	const struct yaml_node *when, *clear, *title, *advice;
	int64_t for_us, clear_for_us;
	bool event;
};

/* By enum device_class; CLASS_UNKNOWN stands for any. */
static const char *const class_names[] = {"any", "camera", "sensor", "bin", NULL};

#define R(member_) offsetof(struct rule_yaml, member_)
static const struct yaml_field rule_table[] = {
	{"id", YAML_T_STR, R(id), NULL, 0, 0, NULL, "a-z, 0-9, _ . -; unique in all files"},
	{"class", YAML_T_ENUM, R(class), "any", 0, 0, class_names, "devices it is for"},
	{"when", YAML_T_NODE, R(when), NULL, 0, 0, NULL, "the condition"},
	{"for", YAML_T_DURATION, R(for_us), "0", 0, HOLD_MAX, NULL,
	 "how long it must hold before it fires"},
	{"clear", YAML_T_NODE, R(clear), "", 0, 0, NULL,
	 "what must be true for recovery, beside `when` being false"},
	{"clear_for", YAML_T_DURATION, R(clear_for_us), "0", 0, HOLD_MAX, NULL,
	 "how long recovery must hold"},
	{"event", YAML_T_BOOL, R(event), "false", 0, 0, NULL, "each match stands for itself"},
	{"kind", YAML_T_STR, R(kind), NULL, 0, 0, NULL, "code of the responsibility list"},
	{"severity", YAML_T_ENUM, R(severity), "normal", 0, 0, severity_names, "how bad it is"},
	{"title", YAML_T_NODE, R(title), NULL, 0, 0, NULL, "zh-CN and en"},
	{"advice", YAML_T_NODE, R(advice), "", 0, 0, NULL,
	 "zh-CN and en: what to do, said behind the title until it has recovered"},
	{"why", YAML_T_STR, R(why), "", 0, 0, NULL, "why its numbers are what they are"},
};
static const struct yaml_field rules_top[] = {
	{"rules", YAML_T_NODE, 0, NULL, 0, 0, NULL, "the rules"},
};

static bool good_id(const char *id)
{
	size_t n = strlen(id);
	if (n == 0 || n > RULE_ID_MAX || strchr("_.-", id[0]))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static int check_rule(struct loader *l, const struct yaml_node *map, const struct rule_yaml *y)
{
	struct err e;
	int r = 0;
	if (!good_id(y->id)) {
		r = yaml_err(l->doc, yaml_get(map, "id"), &e, -EINVAL,
			     "key \"id\": value \"%.80s\" is not 1 to %d of a-z, 0-9, _ . - "
			     "beginning with a letter or digit",
			     y->id, RULE_ID_MAX);
		add_error(l, &e);
	}
	static const char *const state_only[] = {"for", "clear", "clear_for"};
	for (size_t i = 0; y->event && i < COUNT_OF(state_only); i++) {
		const struct yaml_node *v = yaml_get(map, state_only[i]);
		if (!v)
			continue;
		r = yaml_err(l->doc, v, &e, -EINVAL,
			     "key \"%s\": an event rule has no state that could last",
			     state_only[i]);
		add_error(l, &e);
	}
	return r;
}

static uint64_t rule_hash(const struct rule_yaml *y)
{
	auto_buf struct buf b;
	buf_init(&b, 4 * CEL_TEXT_MAX);
	buf_put(&b, y->when->str, y->when->n + 1);
	if (y->clear)
		buf_put(&b, y->clear->str, y->clear->n + 1);
	buf_printf(&b, "%" PRId64 " %" PRId64 " %d %d", y->for_us, y->clear_for_us, y->class,
		   y->event);
	return hash64(buf_slice(&b), 0);
}

static int add_rule(struct loader *l, const struct yaml_node *map, const struct rule_yaml *y,
		    const struct rule_code *code)
{
	struct rules *set = l->set;
	struct slice id = arena_copy(&set->arena, slice_of(y->id));
	struct slice kind = arena_copy(&set->arena, slice_of(y->kind));
	struct rule_code *keep = arena_alloc(&set->arena, sizeof *keep);
	int r = mem_grow(&set->v, &set->cap, set->n + 1, RULES_MAX, sizeof *set->v);
	if (r || !id.p || !kind.p || !keep)
		return r == -E2BIG ? r : -ENOMEM;
	*keep = *code;
	set->v[set->n++] = (struct rule){
		.id = id.p,
		.kind = kind.p,
		.severity = (enum severity)y->severity,
		.class = (enum device_class)y->class,
		.event = y->event,
		.for_us = y->for_us,
		.clear_for_us = y->clear_for_us,
		.hash = rule_hash(y),
		.file = l->file,
		.line = map->line,
		.code = keep,
	};
	return 0;
}

static void try_condition(struct loader *l, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *v = yaml_get(map, key);
	struct cel_program *p;
	if (v && !load_condition(l, v, key, &p))
		cel_free(p);
}

static void load_rule(struct loader *l, const struct yaml_node *map)
{
	struct rule_yaml y;
	struct rule_code code = {0};
	struct err e;
	int r = yaml_bind(l->doc, map, rule_table, COUNT_OF(rule_table), &y, &e);
	if (r) {
		/* Go on with what can be looked at, so that the person sees all of it at once. */
		add_error(l, &e);
		try_condition(l, map, "when");
		try_condition(l, map, "clear");
		return;
	}
	r = check_rule(l, map, &y);
	if (load_condition(l, y.when, "when", &code.when))
		r = -EINVAL;
	if (y.clear && load_condition(l, y.clear, "clear", &code.clear))
		r = -EINVAL;
	if (load_titles(l, y.title, code.titles))
		r = -EINVAL;
	if (y.advice && load_titles(l, y.advice, code.advice))
		r = -EINVAL;
	if (!r) {
		r = add_rule(l, map, &y, &code);
		if (r) {
			err_set(&e, r, "%s:%d:1: %s", l->file, map->line,
				r == -E2BIG ? "more rules than a set can hold" : "out of memory");
			add_error(l, &e);
		}
	}
	if (r) {
		cel_free(code.when);
		cel_free(code.clear);
	}
}

static void load_file(struct loader *l, const char *path)
{
	auto_free char *text = NULL;
	auto_yaml struct yaml_doc *doc = NULL;
	struct err e;
	size_t n;
	struct slice kept = arena_copy(&l->set->arena, slice_of(path));
	int r = kept.p ? file_read(path, YAML_FILE_MAX, &text, &n, &e)
		       : err_set(&e, -ENOMEM, "%s: out of memory", path);
	if (!r)
		r = yaml_load(path, (struct slice){text, n}, &e, &doc);
	if (r) {
		add_error(l, &e);
		return;
	}
	l->doc = doc;
	l->file = kept.p;
	l->text = (struct slice){text, n};
	const struct yaml_node *list = list_of(l, doc, rules_top);
	for (size_t i = 0; list && i < list->n; i++)
		load_rule(l, list->vals[i]);
}

static void find_duplicates(struct loader *l)
{
	const struct rules *set = l->set;
	struct err e;
	for (size_t i = 1; i < set->n; i++) {
		const struct rule *a = &set->v[set->by_id[i - 1]], *b = &set->v[set->by_id[i]];
		if (strcmp(a->id, b->id) != 0)
			continue;
		err_set(&e, 0, "%s:%d:1: rule \"%s\" is here twice (first in %s:%d)", b->file,
			b->line, b->id, a->file, a->line);
		add_error(l, &e);
	}
}

/* ---- the folder ---- */

static int is_pack(const struct dirent *d)
{
	struct slice name = slice_of(d->d_name);
	return name.p[0] != '.' && slice_ends(name, ".yaml") && !slice_is(name, "fields.yaml");
}

static int load_all(struct loader *l, const char *dir, struct dirent **names, int n)
{
	char path[4096];
	int len = snprintf(path, sizeof path, "%s/fields.yaml", dir);
	if (len < 0 || (size_t)len + sizeof names[0]->d_name > sizeof path)
		return -ENAMETOOLONG;
	FILE *f = fopen(path, "re");
	if (f) {
		fclose(f);
		load_vocabulary(l, path);
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		load_file(l, path);
	}
	int r = rule_set_finish(l->set);
	if (r)
		return r;
	find_duplicates(l);
	return l->report->nerrors ? -EINVAL : 0;
}

static int scan(const char *dir, struct dirent ***ret, int *ret_n)
{
	*ret_n = scandir(dir, ret, is_pack, alphasort);
	return *ret_n < 0 ? -errno : 0;
}

int rules_load(const char *dir, struct rule_report *rep, struct rules **ret)
{
	struct dirent **names = NULL;
	int n;
	struct err e;
	int r = scan(dir, &names, &n);
	if (r) {
		err_set(&e, r, "%s: %s", dir, strerror(-r));
		report(&rep->errors, &rep->nerrors, &e);
		return r == -ENOMEM ? r : -ENOENT;
	}
	struct loader l = {.set = rule_set_new(), .report = rep};
	r = l.set ? load_all(&l, dir, names, n) : -ENOMEM;
	yaml_doc_free(l.fields.doc);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r) {
		rules_unref(l.set);
		return r;
	}
	*ret = l.set;
	return 0;
}
