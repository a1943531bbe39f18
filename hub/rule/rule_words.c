#include "rule_words.h"

#include "reading.h"

#define WORDS_MAX 10000

struct word_yaml {
	const char *name, *unit, *meaning;
	int type;
	const struct yaml_node *classes;
};

static const char *const type_names[] = {"bool", "int", "double", "string", NULL};
static const enum cel_type types[] = {CEL_BOOL, CEL_INT, CEL_DOUBLE, CEL_STRING};

#define W(member_) offsetof(struct word_yaml, member_)
static const struct yaml_field word_table[] = {
	{"name", YAML_T_STR, W(name), NULL, 0, 0, NULL, "as it stands in readings and rules"},
	{"type", YAML_T_ENUM, W(type), NULL, 0, 0, type_names, "type of its values"},
	{"unit", YAML_T_STR, W(unit), "", 0, 0, NULL, "unit"},
	{"classes", YAML_T_NODE, W(classes), "", 0, 0, NULL, "classes of devices that have it"},
	{"meaning", YAML_T_STR, W(meaning), NULL, 0, 0, NULL, "what it says, in one line"},
};

static const struct yaml_field top[] = {
	{"fields", YAML_T_NODE, 0, NULL, 0, 0, NULL, "the vocabulary"},
};

/* ---- loading ---- */

static int by_name(const void *x, const void *y)
{
	const struct rule_word *a = x, *b = y;
	return slice_cmp(a->name, b->name);
}

static int read_classes(const struct rule_words *w, const struct yaml_node *list, struct err *e,
			unsigned *ret)
{
	static const struct yaml_field class_field = {
		"classes", YAML_T_ENUM, 0, NULL, 0, 0, device_class_names, "class of a device"};
	if (list && list->kind != YAML_SEQ)
		return yaml_err(w->doc, list, e, -EINVAL,
				"key \"classes\": a list was expected: [bin, sensor]");
	for (size_t i = 0; list && i < list->n; i++) {
		int class = 0;
		int r = yaml_bind_one(w->doc, list->vals[i], &class_field, &class, e);
		if (r)
			return r;
		*ret |= 1u << class;
	}
	return 0;
}

static int add_word(struct rule_words *w, const struct yaml_node *map, struct err *e)
{
	struct word_yaml y;
	unsigned classes = 0;
	int r = yaml_bind(w->doc, map, word_table, COUNT_OF(word_table), &y, e);
	if (!r)
		r = read_classes(w, y.classes, e, &classes);
	if (!r && mem_grow(&w->v, &w->cap, w->n + 1, WORDS_MAX, sizeof *w->v))
		r = yaml_err(w->doc, map, e, -E2BIG, "more than %d fields", WORDS_MAX);
	if (!r)
		w->v[w->n++] = (struct rule_word){slice_of(y.name), types[y.type], classes};
	return r;
}

int rule_words_load(const char *path, yaml_fault_fn fault, void *ctx, struct rule_words *ret)
{
	const struct yaml_node *list = NULL;
	struct err e;
	int res = yaml_load_file(path, &e, &ret->doc);
	if (!res)
		res = yaml_bind(ret->doc, yaml_root(ret->doc), top, 1, &list, &e);
	if (!res && list->kind != YAML_SEQ)
		res = yaml_err(ret->doc, list, &e, -EINVAL, "key \"fields\": a list was expected");
	if (res) {
		fault(ctx, &e);
		return res;
	}
	for (size_t i = 0; i < list->n; i++) {
		int r = add_word(ret, list->vals[i], &e);
		if (r) {
			res = r;
			fault(ctx, &e);
		}
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_name);
	return res;
}

void rule_words_done(struct rule_words *w)
{
	free(w->v);
	yaml_doc_free(w->doc);
	*w = (struct rule_words){0};
}

/* ---- looking up ---- */

const struct rule_word *rule_words_find(const struct rule_words *w, struct slice name)
{
	const struct rule_word key = {.name = name};
	return w->n ? bsearch(&key, w->v, w->n, sizeof *w->v, by_name) : NULL;
}

bool rule_words_lack(const struct rule_words *w, struct slice name)
{
	return w->doc && !rule_words_find(w, name);
}

const char *rule_words_nearest(const struct rule_words *w, struct slice name)
{
	const char *best = NULL;
	size_t nearest = 4;
	for (size_t i = 0; i < w->n; i++) {
		size_t d = name_distance(name, w->v[i].name);
		if (d < nearest && d < name.n) {
			nearest = d;
			best = w->v[i].name.p;
		}
	}
	return best;
}
