#include "metrics.h"
#include "rule_look.h"
#include "times.h"

static struct cel_pair pair(const char *key, struct cel_value v)
{
	return (struct cel_pair){CEL_OF_TEXT(CEL_STRING, slice_of(key)), v};
}

static struct cel_value text_of(const char *cstr)
{
	return CEL_OF_TEXT(CEL_STRING, slice_of(cstr ? cstr : ""));
}

/* ---- slots that are no fields, filled when the first condition asks ---- */

typedef struct cel_value (*fill_fn)(const struct look *l, uint32_t slot,
				    const struct slot_info *info);

static struct cel_value fill_map(const struct look *l, uint32_t slot, const struct slot_info *info)
{
	struct cel_pair *at = slot == SLOT_DEVICE ? l->s->about_device : l->s->about_grid;
	const struct device *d = l->d;
	const struct grid *g = d->grid;
	uint32_t n = 0;
	int64_t ns;
	(void)info;
	if (slot == SLOT_DEVICE) {
		bool known = !__builtin_mul_overflow(d->interval_us, 1000, &ns);
		at[n++] = pair("name", text_of(d->name));
		at[n++] = pair("title", text_of(d->title));
		at[n++] = pair("class", text_of(device_class_names[d->class]));
		at[n++] = pair("adapter", text_of(d->adapter));
		at[n++] = pair("address", text_of(d->address));
		at[n++] = pair("interval", CEL_VALUE(CEL_DURATION, i, known ? ns : 0));
	} else {
		at[n++] = pair("code", text_of(g ? g->code : NULL));
		at[n++] = pair("name", text_of(g ? g->name : NULL));
		at[n++] = pair("leader", text_of(g ? g->leader : NULL));
		at[n++] = pair("level", CEL_OF_INT(g ? g->level : 0));
		at[n++] = pair("dedicated", CEL_OF_BOOL(g && g->dedicated));
	}
	return (struct cel_value){.type = CEL_MAP, .n = n, .map = at};
}

static struct cel_value fill_now(const struct look *l, uint32_t slot, const struct slot_info *info)
{
	int64_t s = window_bucket(l->at_us, TIMES_SEC);
	(void)slot;
	(void)info;
	return cel_timestamp_of(s, (uint32_t)(l->at_us - s * TIMES_SEC) * 1000);
}

static const struct device_rec *rec_of(const struct look *l)
{
	static const struct device_rec none;
	return l->d->slot < l->s->ndevices ? &l->s->devices[l->d->slot] : &none;
}

static struct cel_value fill_prev(const struct look *l, uint32_t slot, const struct slot_info *info)
{
	(void)slot;
	return memory_prev(rec_of(l), info->of, l->at_us, l->s->slots[info->of].type != CEL_UNSET);
}

static struct cel_value fill_last(const struct look *l, uint32_t slot, const struct slot_info *info)
{
	(void)slot;
	return memory_last(rec_of(l), info->of);
}

static struct cel_value fill_age(const struct look *l, uint32_t slot, const struct slot_info *info)
{
	(void)slot;
	return memory_age(rec_of(l), info->of, l->at_us);
}

static struct cel_value fill_window(const struct look *l, uint32_t slot,
				    const struct slot_info *info)
{
	(void)slot;
	return memory_window(l->s->set, rec_of(l), info, l->at_us);
}

static struct cel_value fill_devices(const struct look *l, uint32_t slot,
				     const struct slot_info *info)
{
	(void)slot;
	return memory_devices(l->s, l->d, info, l->at_us);
}

static struct cel_value fill_within(const struct look *l, uint32_t slot,
				    const struct slot_info *info)
{
	(void)slot;
	return CEL_OF_BOOL(schedule_open(info->schedule, l->at_us));
}

static const fill_fn fills[] = {
	[SLOT_IS_MAP] = fill_map,	  [SLOT_IS_NOW] = fill_now,
	[SLOT_IS_PREV] = fill_prev,	  [SLOT_IS_LAST] = fill_last,
	[SLOT_IS_AGE] = fill_age,	  [SLOT_IS_WINDOW] = fill_window,
	[SLOT_IS_DEVICES] = fill_devices, [SLOT_IS_WITHIN] = fill_within,
};

void rule_unfill(struct rule_states *s)
{
	for (size_t i = 0; i < s->nfilled; i++)
		s->slots[s->filled[i]].type = CEL_UNSET;
	s->nfilled = 0;
}

static void fill(const struct look *l, const struct cel_program *p)
{
	struct rule_states *s = l->s;
	if (s->nfilled && (s->filled_for != l->d || s->filled_us != l->at_us))
		rule_unfill(s);
	s->filled_for = l->d;
	s->filled_us = l->at_us;
	for (size_t i = 0; i < p->nslots; i++) {
		uint32_t slot = p->slots[i];
		const struct slot_info *info = &s->set->slots.info[slot];
		if (info->kind == SLOT_IS_FIELD || s->slots[slot].type != CEL_UNSET)
			continue;
		s->slots[slot] = fills[info->kind](l, slot, info);
		if (s->slots[slot].type != CEL_UNSET)
			s->filled[s->nfilled++] = slot;
	}
}

struct cel_value rule_value(const struct look *l, const struct cel_program *p)
{
	fill(l, p);
	return cel_eval(l->s->vm, p, l->s->slots);
}

/* ---- answers ---- */

void rule_failed(const struct look *l, const struct rule *rule, const struct cel_program *p,
		 struct cel_value v)
{
	metric_add(M_RULE_ERRORS, 1);
	if (l->s->failed)
		l->s->failed(l->s->asked_ctx, l, rule, p, v);
}

/* Kept until somebody asks; until then further ones are only counted. */
static void note_fault(const struct look *l, const struct rule *rule, const struct cel_program *p,
		       struct cel_value v)
{
	enum cel_fault why = v.type == CEL_ERROR ? (enum cel_fault)v.n : CEL_F_OVERLOAD;
	rule_failed(l, rule, p, v);
	if (!l->s->fault[0])
		snprintf(l->s->fault, sizeof l->s->fault, "rule %s, device %s: %s", rule->id,
			 l->d->name, cel_fault_texts[why]);
}

static enum truth answer(const struct look *l, const struct rule *rule, const struct cel_program *p,
			 struct cel_value v)
{
	if (v.type == CEL_BOOL)
		return v.b ? YES : NO;
	if (v.type == CEL_ERROR && v.n == CEL_F_MISSING)
		metric_add(M_RULE_MISSING, 1);
	else
		note_fault(l, rule, p, v);
	return HOLD;
}

enum truth rule_truth(const struct look *l, const struct rule *rule, const struct cel_program *p)
{
	struct rule_states *s = l->s;
	enum truth t = answer(l, rule, p,
			      rule->code->asks ? rule_value(l, p) : cel_eval(s->vm, p, s->slots));
	if (s->asked)
		s->asked(s->asked_ctx, l, rule, p, (int)t);
	return t;
}

/* May it recover? Without `clear` that is the same as `when` being false. */
enum truth rule_clear(const struct look *l, const struct rule *rule)
{
	return rule->code->clear ? rule_truth(l, rule, rule->code->clear) : YES;
}
