#include "rule_load.h"
#include "rule_kind.h"

#include <dirent.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define CARET_MAX 1024 /* bytes of a line that is shown, and of the one with the caret */

/* ---- the report ---- */

void rule_report_init(struct rule_report *r)
{
	*r = (struct rule_report){0};
	buf_init(&r->errors, REPORT_LINES * ((size_t)ERR_MAX + CARET_MAX));
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

void rule_report_warning(struct rule_report *r, const struct err *e)
{
	report(&r->warnings, &r->nwarnings, e);
}

void rule_load_error(struct loader *l, const struct err *e)
{
	report(&l->report->errors, &l->report->nerrors, e);
}

void rule_load_error_at(struct loader *l, const struct err *e, const struct place *at)
{
	const struct cel_diag d = {.at = at->at};
	auto_buf struct buf shown = {0};
	rule_load_error(l, e);
	if (!l->report->carets || l->report->nerrors > REPORT_LINES || at->at > l->text.n)
		return;
	buf_init(&shown, CARET_MAX);
	cel_point(&shown, l->text, &d);
	if (!shown.failed) /* without the blank that keeps the caret from a message */
		buf_printf(&l->report->errors, "%.*s\n", (int)shown.n - 1, buf_str(&shown));
}

void rule_load_on_fault(void *ctx, const struct err *e)
{
	rule_load_error(ctx, e);
}

void rule_load_warning(struct loader *l, const struct err *e)
{
	rule_report_warning(l->report, e);
}

static void word_fault(struct loader *l, const struct place *at, const char *key, struct err *e,
		       const char *fmt, va_list ap)
{
	char msg[ERR_MAX];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* checked where the two below are called */
	vsnprintf(msg, sizeof msg, fmt, ap);
#pragma GCC diagnostic pop
	err_set(e, -EINVAL, "%s:%d:%d: %s%s%s%s", l->file, at->line, at->col, key ? "key \"" : "",
		key ? key : "", key ? "\": " : "", msg);
}

int rule_load_fault(struct loader *l, const struct yaml_node *v, const char *key, const char *fmt,
		    ...)
{
	struct place at = {.line = 1, .col = 1};
	struct err e;
	va_list ap;
	if (v) {
		at.line = v->line;
		at.col = v->col;
	}
	va_start(ap, fmt);
	word_fault(l, &at, key, &e, fmt, ap);
	va_end(ap);
	rule_load_error(l, &e);
	return -EINVAL;
}

int rule_load_fault_in(struct loader *l, const struct yaml_node *v, size_t offset, const char *key,
		       const char *fmt, ...)
{
	bool told = l->report->nerrors < REPORT_LINES;
	struct place at = {.line = 1, .col = 1};
	struct err e;
	va_list ap;
	if (told)
		at = rule_place(l->text, v, offset);
	va_start(ap, fmt);
	word_fault(l, &at, key, &e, fmt, ap);
	va_end(ap);
	rule_load_error_at(l, &e, &at);
	return -EINVAL;
}

int rule_load_no_text(struct loader *l, const struct yaml_node *v, const char *key)
{
	bool map = v->kind == YAML_MAP;
	return rule_load_fault(l, v, key,
			       "a %s where a text was expected (one that begins with %c wants "
			       "quotes)",
			       map ? "map" : "list", map ? '{' : '[');
}

/* ---- files ---- */

static const struct yaml_field rules_top[] = {
	{"rules", YAML_T_NODE, 0, NULL, 0, 0, NULL, "the rules"},
};

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
		rule_load_error(l, &e);
		return;
	}
	l->doc = doc;
	l->file = kept.p;
	l->text = (struct slice){text, n};
	const struct yaml_node *list = NULL;
	if (yaml_bind_all(doc, yaml_root(doc), rules_top, 1, &list, rule_load_on_fault, l))
		return;
	if (list->kind != YAML_SEQ)
		rule_load_fault(l, list, "rules", "a list was expected");
	for (size_t i = 0; list->kind == YAML_SEQ && i < list->n; i++)
		rule_make(l, list->vals[i]);
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
		rule_load_error(l, &e);
	}
}

/* ---- the folder ---- */

static int is_pack(const struct dirent *d)
{
	static const char *const others[] = {"fields.yaml", "kinds.yaml", "schedules.yaml"};
	struct slice name = slice_of(d->d_name);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (slice_is(name, others[i]))
			return 0;
	return name.p[0] != '.' && slice_ends(name, ".yaml");
}

static int load_words(struct loader *l, const char *path)
{
	return rule_words_load(path, rule_load_on_fault, l, &l->words);
}

static int load_kinds(struct loader *l, const char *path)
{
	return rule_kinds_load(path, rule_load_on_fault, l, &l->set->kinds);
}

static int load_calendar(struct loader *l, const char *path)
{
	return calendar_load(path, rule_load_on_fault, l, &l->set->calendar);
}

/* What rules refer to; each file may be missing, then nothing is doubted. */
static int load_references(struct loader *l, const char *dir)
{
	static const struct {
		const char *name;
		int (*load)(struct loader *l, const char *path);
	} files[] = {
		{"fields.yaml", load_words},
		{"kinds.yaml", load_kinds},
		{"schedules.yaml", load_calendar},
	};
	char path[PATH_BYTES];
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
		if (access(path, F_OK) == 0 && files[i].load(l, path) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static int load_all(struct loader *l, const char *dir, struct dirent **names, int n)
{
	char path[PATH_BYTES];
	if (strlen(dir) + sizeof names[0]->d_name + 1 > sizeof path)
		return -ENAMETOOLONG;
	int r = load_references(l, dir);
	for (int i = 0; i < n && !r; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		load_file(l, path);
	}
	if (!r)
		r = rule_set_finish(l->set);
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

int rules_load_good(const char *dir, struct rule_report *rep, struct rules **ret)
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
	if (l.set)
		l.set->dir = arena_copy(&l.set->arena, slice_of(dir)).p;
	r = l.set && l.set->dir ? load_all(&l, dir, names, n) : -ENOMEM;
	rule_words_done(&l.words);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r && r != -EINVAL)
		rules_unref(l.set);
	else
		*ret = l.set;
	return r;
}

int rules_load(const char *dir, struct rule_report *rep, struct rules **ret)
{
	struct rules *set = NULL;
	int r = rules_load_good(dir, rep, &set);
	if (r)
		rules_unref(set);
	else
		*ret = set;
	return r;
}
