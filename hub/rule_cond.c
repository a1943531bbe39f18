#include "metrics.h"
#include "rule_look.h"

static void fill_map(struct cel_value *slot, struct cel_pair *pairs, uint32_t n)
{
	*slot = (struct cel_value){.type = CEL_MAP, .n = n, .map = pairs};
}

static struct cel_pair pair(const char *key, struct cel_value v)
{
	return (struct cel_pair){CEL_OF_TEXT(CEL_STRING, slice_of(key)), v};
}

static struct cel_value text_of(const char *cstr)
{
	return CEL_OF_TEXT(CEL_STRING, slice_of(cstr ? cstr : ""));
}

/* device and grid are filled when the first condition of a reading wants them. */
static void fill_device(struct rule_states *s, const struct device *d)
{
	const struct grid *g = d->grid;
	if (s->device_filled)
		return;
	s->device_filled = true;
	s->about_device[0] = pair("name", text_of(d->name));
	s->about_device[1] = pair("class", text_of(device_class_names[d->class]));
	s->about_device[2] = pair("adapter", text_of(d->adapter));
	s->about_device[3] = pair("address", text_of(d->address));
	fill_map(&s->slots[SLOT_DEVICE], s->about_device, COUNT_OF(s->about_device));
	s->about_grid[0] = pair("code", text_of(g ? g->code : NULL));
	s->about_grid[1] = pair("name", text_of(g ? g->name : NULL));
	s->about_grid[2] = pair("leader", text_of(g ? g->leader : NULL));
	s->about_grid[3] = pair("level", CEL_OF_INT(g ? g->level : 0));
	s->about_grid[4] = pair("dedicated", CEL_OF_BOOL(g && g->dedicated));
	fill_map(&s->slots[SLOT_GRID], s->about_grid, COUNT_OF(s->about_grid));
}

/* Kept until somebody asks; until then further ones are only counted. */
static void note_fault(const struct look *l, const struct rule *rule, enum cel_fault why)
{
	metric_add(M_RULE_ERRORS, 1);
	if (!l->s->fault[0])
		snprintf(l->s->fault, sizeof l->s->fault, "rule %s, device %s: %s", rule->id,
			 l->d->name, cel_fault_texts[why]);
}

enum truth rule_truth(const struct look *l, const struct rule *rule, const struct cel_program *p)
{
	struct rule_states *s = l->s;
	for (size_t i = 0; i < p->nslots; i++)
		if (p->slots[i] < SLOT_FIRST_FIELD)
			fill_device(s, l->d);
	struct cel_value v = cel_eval(s->vm, p, s->slots);
	if (v.type == CEL_BOOL)
		return v.b ? YES : NO;
	if (v.type == CEL_ERROR && v.n == CEL_F_MISSING)
		metric_add(M_RULE_MISSING, 1);
	else
		note_fault(l, rule, v.type == CEL_ERROR ? (enum cel_fault)v.n : CEL_F_OVERLOAD);
	return HOLD;
}

/* May it recover? Without `clear` that is the same as `when` being false. */
enum truth rule_clear(const struct look *l, const struct rule *rule)
{
	return rule->code->clear ? rule_truth(l, rule, rule->code->clear) : YES;
}
