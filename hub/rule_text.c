#include "rule_load.h"
#include "rule_names.h"

void rule_text_warn_field(struct loader *l, const struct yaml_node *v, size_t offset,
			  struct slice name)
{
	struct err e = {0};
	if (l->report->nwarnings >= REPORT_LINES) {
		rule_load_warning(l, &e);
		return;
	}
	struct place at = rule_place(l->text, v, offset);
	const char *near = rule_words_nearest(&l->words, name);
	err_set(&e, 0, "%s:%d:%d: no field \"%.*s\" in fields.yaml%s%s%s", l->file, at.line, at.col,
		(int)MIN_OF(name.n, (size_t)FIELD_NAME_MAX), name.p,
		near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	rule_load_warning(l, &e);
}

/* ---- conditions ---- */

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
	if (cel_compile((struct slice){v->str, v->n}, &cel, &d, &p)) {
		rule_load_fault_in(l, v, d.at, key, "%s", d.msg);
		return NULL;
	}
	for (size_t i = 0; i < names.ndoubts; i++)
		rule_text_warn_field(l, v, rule_names_place(p, &names.doubts[i]),
				     l->set->slots.names[names.doubts[i].field]);
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
	if (v->kind != YAML_SCALAR)
		return rule_load_no_text(l, v, "title");
	if (title_parse((struct slice){v->str, v->n}, &l->set->arena, &at, &why, ret))
		return rule_load_fault_in(l, v, at, "title", "%.300s", why.msg);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->v[i].kind == TITLE_FIELD && rule_words_lack(&l->words, ret->v[i].text))
			rule_text_warn_field(l, v, ret->v[i].at, ret->v[i].text);
	return 0;
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
