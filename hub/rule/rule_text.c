#include "rule_load.h"
#include "rule_names.h"

int rule_text_no_field(struct loader *l, const struct yaml_node *v, size_t offset,
		       struct slice name)
{
	struct err e = {0};
	if (l->report->nerrors >= REPORT_LINES) {
		rule_load_error(l, &e);
		return -EINVAL;
	}
	struct place at = rule_place(l->text, v, offset);
	const char *near = rule_words_nearest(&l->words, name);
	err_set(&e, -EINVAL,
		"%s:%d:%d: no field \"%.*s\" in fields.yaml%s%s%s; add it there if a device sends "
		"it",
		l->file, at.line, at.col, (int)MIN_OF(name.n, (size_t)FIELD_NAME_MAX), name.p,
		near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	rule_load_error_at(l, &e, &at);
	return -EINVAL;
}

/* The field is in the vocabulary, but no device of the rule's class sends it. */
static void warn_class(struct loader *l, const struct yaml_node *v, const struct cel_program *p,
		       uint32_t slot)
{
	size_t n;
	const uint32_t *fields = rule_set_fields(l->set, &slot, &n);
	struct err e = {0};
	for (size_t i = 0; i < n; i++) {
		struct slice name = l->set->slots.names[fields[i]];
		const struct rule_word *w = rule_words_find(&l->words, name);
		if (!w || !w->classes || (w->classes & (1u << l->class)))
			continue;
		if (l->report->nwarnings < REPORT_LINES) {
			struct place at = rule_place(l->text, v, rule_names_first_use(p, slot));
			err_set(&e, 0, "%s:%d:%d: no %s has the field \"%.*s\", says fields.yaml",
				l->file, at.line, at.col, device_class_names[l->class],
				SL_FMT(name));
		}
		rule_load_warning(l, &e);
	}
}

/* ---- conditions ---- */

/* Of one condition: what the vocabulary lacks, or another slip. */
struct told {
	size_t at;
	const struct rule_doubt *doubt;
	const struct rule_slip *slip;
};

static int by_place(const void *a, const void *b)
{
	const struct told *x = a, *y = b;
	return (x->at > y->at) - (x->at < y->at);
}

/* All that is wrong, in the order of the text. False: nothing is. */
static bool tell_faults(struct loader *l, const struct yaml_node *v, const char *key,
			const struct rule_names *names)
{
	struct told all[COUNT_OF(names->doubts) + COUNT_OF(names->slips)];
	size_t n = 0;
	for (size_t i = 0; i < names->ndoubts; i++)
		if (names->doubts[i].at != SIZE_MAX)
			all[n++] = (struct told){names->doubts[i].at, &names->doubts[i], NULL};
	for (size_t i = 0; i < names->nslips; i++)
		all[n++] = (struct told){names->slips[i].at, NULL, &names->slips[i]};
	if (n)
		qsort(all, n, sizeof all[0], by_place);
	for (size_t i = 0; i < n; i++) {
		if (all[i].slip)
			rule_load_fault_in(l, v, all[i].at, key, "%s", all[i].slip->msg);
		else
			rule_text_no_field(l, v, all[i].at,
					   l->set->slots.names[all[i].doubt->field]);
	}
	if (names->nmore)
		rule_load_fault(l, v, key, "%zu more mistakes in this condition", names->nmore);
	return n || names->nmore;
}

struct cel_program *rule_text_condition(struct loader *l, const struct yaml_node *v,
					const char *key)
{
	struct rule_names names = {.set = l->set, .words = &l->words, .class = l->class};
	struct cel_names cel = rule_names_of(&names);
	struct cel_program *p = NULL;
	struct cel_diag d;
	if (v->kind != YAML_SCALAR) {
		rule_load_no_text(l, v, key);
		return NULL;
	}
	if (cel_compile((struct slice){v->str, v->n}, &cel, &d, &p))
		rule_names_refused(&names, &d);
	if (tell_faults(l, v, key, &names) || !p) {
		cel_free(p);
		return NULL;
	}
	for (size_t i = 0; i < p->nslots && l->class != CLASS_UNKNOWN; i++)
		warn_class(l, v, p, p->slots[i]);
	return p;
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
	struct err why;
	size_t at;
	int r = 0;
	if (v->kind != YAML_SCALAR)
		return rule_load_no_text(l, v, "title");
	if (title_parse((struct slice){v->str, v->n}, &l->set->arena, &at, &why, ret))
		return rule_load_fault_in(l, v, at, "title", "%.300s", why.msg);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].kind == TITLE_FIELD && rule_words_lack(&l->words, ret->v[i].text))
			r = rule_text_no_field(l, v, ret->v[i].at, ret->v[i].text);
	return r;
}

int rule_text_titles(struct loader *l, const struct yaml_node *v, struct title *ret)
{
	struct title_yaml t = {0};
	int r = yaml_bind_all(l->doc, v, title_table, COUNT_OF(title_table), &t, rule_load_on_fault,
			      l);
	if (t.lang[LANG_ZH_CN] && load_title(l, t.lang[LANG_ZH_CN], &ret[LANG_ZH_CN]))
		r = -EINVAL;
	ret[LANG_EN] = ret[LANG_ZH_CN];
	if (t.lang[LANG_EN] && load_title(l, t.lang[LANG_EN], &ret[LANG_EN]))
		r = -EINVAL;
	return r;
}
