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

static int64_t seen_at(const struct seen *e)
{
	return (int64_t)((uint64_t)e->at_hi << 32 | e->at_lo);
}

/* False when a newer value of that field has been seen. `hint` is where the entry probably is. */
static bool note_seen(struct device_rec *rec, uint32_t slot, int64_t at_us, size_t hint)
{
	size_t i = hint;
	if (i >= rec->nseen || rec->seen[i].slot != slot)
		for (i = 0; i < rec->nseen && rec->seen[i].slot != slot; i++)
			;
	if (i == rec->nseen) {
		size_t cap = rec->cap_seen;
		if (mem_grow(&rec->seen, &cap, i + 1, UINT16_MAX, sizeof *rec->seen))
			return true; /* without memory of it the value counts */
		rec->cap_seen = (uint16_t)cap;
		rec->nseen++;
		rec->seen[i] = (struct seen){.slot = slot, .at_hi = 0x80000000u};
	}
	if (rule_is_late(at_us, seen_at(&rec->seen[i])))
		return false;
	rec->seen[i].at_hi = (uint32_t)((uint64_t)at_us >> 32);
	rec->seen[i].at_lo = (uint32_t)at_us;
	return true;
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

/* Fill the slots with the reading's fields and pick the rules that read any of them. */
static void expose(struct rule_states *s, struct device_rec *rec, const struct device *d,
		   const struct reading *r, int64_t at_us)
{
	size_t hint = 0;
	s->npicked = 0;
	if (++s->round == 0) {
		memset(s->marks, 0, s->set->n * sizeof *s->marks);
		s->round = 1;
	}
	for (size_t i = 0; i < r->nfields; i++) {
		int slot = rule_set_slot(s->set, r->fields[i].name);
		struct cel_value v = cel_of(&r->fields[i].v);
		if (slot < SLOT_FIRST_FIELD || v.type == CEL_UNSET ||
		    s->slots[slot].type != CEL_UNSET || s->ntouched == READING_MAX_FIELDS)
			continue;
		bool newest = note_seen(rec, (uint32_t)slot, at_us, hint++);
		if (!newest && r->kind != READING_EVENT)
			continue;
		s->slots[slot] = v;
		s->touched[s->ntouched++] = (uint32_t)slot;
		pick(s, s->set->by_field[d->class][slot]);
	}
	pick(s, s->set->always[d->class]);
	sort_picked(s);
}

static void conceal(struct rule_states *s)
{
	for (size_t i = 0; i < s->ntouched; i++)
		s->slots[s->touched[i]].type = CEL_UNSET;
	s->ntouched = 0;
	s->slots[SLOT_DEVICE].type = s->slots[SLOT_GRID].type = CEL_UNSET;
	s->device_filled = false;
}

int rule_look_show(const struct look *l)
{
	(void)l; /* device and grid are filled when a condition asks for them */
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
	expose(s, rec, d, r, at_us);
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
