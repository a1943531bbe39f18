#include "metrics.h"
#include "rule_look.h"

static struct cel_value cel_of(const struct value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		return CEL_OF_BOOL(v->b);
	case VALUE_INT:
		return CEL_OF_INT(v->i);
	case VALUE_DOUBLE:
		return CEL_OF_DOUBLE(v->d);
	case VALUE_STRING:
		return CEL_OF_TEXT(CEL_STRING, v->s);
	case VALUE_NULL: /* the device says that it does not know */
	default:
		return (struct cel_value){.type = CEL_UNSET};
	}
}

static void pick(struct rule_states *s, struct rule_list list)
{
	for (size_t i = 0; i < list.n; i++) {
		if (s->marks[list.v[i]] == s->round)
			continue;
		s->marks[list.v[i]] = s->round;
		s->picked[s->npicked++] = list.v[i];
	}
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* In order of the set, so that the same readings make the same anomalies in the same order. */
static void sort_picked(struct rule_states *s)
{
	uint32_t *v = s->picked;
	if (s->npicked > 32) {
		qsort(v, s->npicked, sizeof *v, by_index);
		return;
	}
	for (size_t i = 1; i < s->npicked; i++) {
		uint32_t x = v[i];
		size_t k = i;
		for (; k && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

static void next_round(struct rule_states *s)
{
	s->npicked = 0;
	s->memory.nfed = 0;
	if (++s->round)
		return;
	memset(s->marks, 0, s->set->n * sizeof *s->marks);
	memset(s->memory.fed_in, 0, s->set->nsinks * sizeof *s->memory.fed_in);
	s->round = 1;
}

/* Late values go into windows only; but what happened once (an event) is looked at whenever it
 * comes. */
static void hide_late(struct rule_states *s, const uint32_t *late, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->slots[late[i]].type = CEL_UNSET;
}

/* Fill the slots with the reading's fields, remember what rules want of them, and pick the rules
 * that depend on any of them. */
static int expose(struct rule_states *s, struct device_rec *rec, const struct device *d,
		  const struct reading *r, int64_t at_us)
{
	const struct rules *set = s->set;
	const uint8_t *wants = set->wants[d->class];
	uint32_t late[READING_MAX_FIELDS];
	size_t hint = 0, nlate = 0;
	int res = 0;
	next_round(s);
	for (size_t i = 0; i < r->nfields; i++) {
		int slot = rule_set_slot(set, r->fields[i].name);
		struct cel_value v = cel_of(&r->fields[i].v);
		if (slot < SLOT_FIRST_FIELD || v.type == CEL_UNSET ||
		    s->slots[slot].type != CEL_UNSET || s->ntouched == READING_MAX_FIELDS)
			continue;
		enum news news = memory_see(s, rec, (uint32_t)slot, at_us, hint++);
		s->slots[slot] = v;
		s->touched[s->ntouched++] = (uint32_t)slot;
		if (wants[slot] && !res)
			res = memory_take(s, rec, d, (uint32_t)slot, at_us, news);
		if (news != NEWS_LATE || r->kind == READING_EVENT)
			pick(s, set->by_field[d->class][slot]);
		else
			late[nlate++] = (uint32_t)slot;
	}
	if (s->memory.nfed && !res)
		res = memory_feed(s, rec, d, at_us);
	hide_late(s, late, nlate);
	return s->ntouched && !res ? memory_changed(s, rec, d) : res;
}

static void conceal(struct rule_states *s)
{
	for (size_t i = 0; i < s->ntouched; i++)
		s->slots[s->touched[i]].type = CEL_UNSET;
	s->ntouched = 0;
	rule_unfill(s);
}

int rule_look_show(const struct look *l)
{
	(void)l; /* what is no field is filled when a condition asks for it */
	return 0;
}

void rule_look_hide(struct rule_states *s)
{
	conceal(s);
}

int rule_states_eval(struct rule_states *s, const struct device *d, const struct reading *r,
		     int64_t at_us, anomaly_fn fn, void *ctx)
{
	struct look l = {.s = s, .d = d, .r = r, .at_us = at_us, .fn = fn, .ctx = ctx};
	int res = s->set ? rule_look_begin(&l) : 0;
	if (!s->set || res)
		return res;
	struct device_rec *rec = state_device(s, d);
	if (!rec)
		return -ENOMEM;
	res = expose(s, rec, d, r, at_us);
	pick(s, s->set->always[d->class]);
	sort_picked(s);
	struct state **at = &rec->first;
	for (size_t i = 0; i < s->npicked && !res; i++) {
		const struct rule *rule = &s->set->v[s->picked[i]];
		while (*at && (*at)->rule->index < rule->index)
			at = &(*at)->next;
		res = rule_look_at(&l, rule, at);
	}
	metric_add(M_RULE_EVALS, s->npicked);
	conceal(s);
	return res;
}

int rule_states_remember(struct rule_states *s, const struct device *d, const struct reading *r,
			 int64_t at_us)
{
	struct device_rec *rec = s->set ? state_device(s, d) : NULL;
	if (!s->set || memory_had(s, d))
		return 0;
	if (!rec)
		return -ENOMEM;
	int res = expose(s, rec, d, r, at_us);
	conceal(s);
	return res;
}
