#include "rule_set.h"
#include "rule_kind.h"

#define ARENA_MAX ((size_t)1024 * 1024 * 1024)

const char *const severity_names[] = {"low", "normal", "high", "urgent", NULL};
const char *const rule_scope_names[] = {"device", "grid", NULL};

/* ---- slots ---- */

static size_t slot_head(const struct slot_table *t, struct slice name)
{
	size_t mask = t->nheads - 1, i = hash64(name, 0) & mask;
	while (t->heads[i] && !slice_eq(t->names[t->heads[i] - 1], name))
		i = (i + 1) & mask;
	return i;
}

int rule_set_slot(const struct rules *set, struct slice name)
{
	const struct slot_table *t = &set->slots;
	return t->nheads ? (int)t->heads[slot_head(t, name)] - 1 : -1;
}

static int grow_heads(struct slot_table *t)
{
	struct slot_table bigger = *t;
	bigger.nheads = MAX_OF(2 * t->nheads, (size_t)64);
	bigger.heads = mem_new(bigger.nheads * sizeof *bigger.heads);
	if (!bigger.heads)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n; i++)
		bigger.heads[slot_head(&bigger, t->names[i])] = i + 1;
	free(t->heads);
	*t = bigger;
	return 0;
}

int rule_set_add_slot(struct rules *set, struct slice name)
{
	struct slot_table *t = &set->slots;
	int slot = rule_set_slot(set, name);
	if (slot >= 0)
		return slot;
	if (2 * (t->n + 1) > t->nheads && grow_heads(t))
		return -1;
	struct slice copy = arena_copy(&set->arena, name);
	if (!copy.p || mem_grow(&t->names, &t->cap, t->n + 1, SLOTS_MAX, sizeof *t->names))
		return -1;
	t->heads[slot_head(t, name)] = (uint32_t)t->n + 1;
	t->names[t->n] = copy;
	return (int)t->n++;
}

/* ---- life ---- */

struct rules *rule_set_new(void)
{
	struct rules *set = mem_new(sizeof *set);
	if (!set)
		return NULL;
	set->refs = 1;
	arena_init(&set->arena, ARENA_MAX);
	if (rule_set_add_slot(set, SL("device")) != SLOT_DEVICE ||
	    rule_set_add_slot(set, SL("grid")) != SLOT_GRID) {
		rules_unref(set);
		return NULL;
	}
	return set;
}

struct rules *rules_ref(struct rules *r)
{
	__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void rules_unref(struct rules *r)
{
	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (r->whole) {
		struct rules *whole = r->whole;
		arena_done(&r->arena);
		free(r);
		rules_unref(whole);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		cel_free(r->v[i].code->when);
		cel_free(r->v[i].code->clear);
	}
	free(r->v);
	free(r->slots.names);
	free(r->slots.heads);
	rule_kinds_free(r->kinds);
	calendar_free(r->calendar);
	arena_done(&r->arena);
	free(r);
}

size_t rules_count(const struct rules *r)
{
	return r->n;
}

const struct rule *rules_at(const struct rules *r, size_t i)
{
	return &r->v[i];
}

const struct rule *rules_find(const struct rules *r, struct slice id)
{
	size_t lo = 0, hi = r->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct rule *rule = &r->v[r->by_id[mid]];
		int c = slice_cmp(slice_of(rule->id), id);
		if (c == 0)
			return rule;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct slice rule_condition(const struct rule *rule)
{
	const struct cel_program *p = rule->code->when;
	return p ? p->text : (struct slice){0};
}

/* ---- the index ---- */

static int by_id(const void *a, const void *b, void *ctx)
{
	const struct rule *v = ctx, *x = &v[*(const uint32_t *)a], *y = &v[*(const uint32_t *)b];
	int c = strcmp(x->id, y->id);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* Rules of silence look at no reading. */
static bool fits(const struct rule *r, size_t class)
{
	if (r->silent_us || r->silent_intervals)
		return false;
	return r->class == CLASS_UNKNOWN || r->class == (enum device_class) class;
}

static bool is_field(uint32_t slot)
{
	return slot >= SLOT_FIRST_FIELD;
}

/* Hand each (field, rule) of a program to fn; returns how many fields there were. */
static size_t each_field(const struct cel_program *p, uint32_t *counts)
{
	size_t n = 0;
	for (size_t i = 0; p && i < p->nslots; i++) {
		if (is_field(p->slots[i])) {
			counts[p->slots[i]]++;
			n++;
		}
	}
	return n;
}

struct fill {
	struct rules *set;
	uint32_t **lists; /* by slot, being written */
	uint32_t *counts;
	uint32_t *always;
	uint32_t nalways;
};

static void fill_rule(struct fill *f, uint32_t rule)
{
	const struct rule_code *code = f->set->v[rule].code;
	const struct cel_program *programs[] = {code->when, code->clear};
	bool any = false;
	for (size_t k = 0; k < COUNT_OF(programs); k++) {
		const struct cel_program *p = programs[k];
		for (size_t i = 0; p && i < p->nslots; i++) {
			uint32_t slot = p->slots[i], *n = &f->counts[slot];
			if (!is_field(slot))
				continue;
			any = true;
			if (!*n || f->lists[slot][*n - 1] != rule)
				f->lists[slot][(*n)++] = rule;
		}
	}
	if (!any)
		f->always[f->nalways++] = rule;
}

/* Room for the lists of one class: as many entries as its rules read fields. */
static int make_room(struct fill *f, size_t class)
{
	struct rules *set = f->set;
	size_t nslots = set->slots.n, total = 0;
	memset(f->counts, 0, nslots * sizeof *f->counts);
	for (size_t i = 0; i < set->n; i++) {
		if (!fits(&set->v[i], class))
			continue;
		total += each_field(set->v[i].code->when, f->counts);
		total += each_field(set->v[i].code->clear, f->counts);
	}
	uint32_t *room = arena_alloc(&set->arena, (total + set->n + 1) * sizeof *room);
	set->by_field[class] = arena_alloc(&set->arena, nslots * sizeof(struct rule_list));
	if (!room || !set->by_field[class])
		return -ENOMEM;
	for (size_t s = 0; s < nslots; s++) {
		f->lists[s] = room;
		room += f->counts[s];
		f->counts[s] = 0;
	}
	f->always = room;
	f->nalways = 0;
	return 0;
}

static int index_class(struct fill *f, size_t class)
{
	struct rules *set = f->set;
	int r = make_room(f, class);
	if (r)
		return r;
	for (uint32_t i = 0; i < set->n; i++)
		if (fits(&set->v[i], class))
			fill_rule(f, i);
	for (size_t s = 0; s < set->slots.n; s++)
		set->by_field[class][s] = (struct rule_list){f->lists[s], f->counts[s]};
	set->always[class] = (struct rule_list){f->always, f->nalways};
	return 0;
}

int rule_set_finish(struct rules *set)
{
	auto_free uint32_t *counts = mem_new((set->slots.n + 1) * sizeof *counts);
	auto_free uint32_t **lists = mem_new((set->slots.n + 1) * sizeof(uint32_t *));
	set->by_id = arena_alloc(&set->arena, (set->n + 1) * sizeof *set->by_id);
	if (!counts || !lists || !set->by_id)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		set->v[i].index = i;
		set->by_id[i] = i;
	}
	qsort_r(set->by_id, set->n, sizeof *set->by_id, by_id, set->v);
	struct fill f = {.set = set, .lists = lists, .counts = counts};
	for (size_t c = 0; c < CLASS_COUNT; c++) {
		int r = index_class(&f, c);
		if (r)
			return r;
	}
	return 0;
}

int rules_alone(struct rules *whole, const struct rule *rule, struct rules **ret)
{
	struct rules *set = mem_new(sizeof *set);
	if (!set)
		return -ENOMEM;
	*set = *whole;
	set->refs = 1;
	set->whole = rules_ref(whole);
	arena_init(&set->arena, ARENA_MAX);
	set->v = arena_alloc(&set->arena, sizeof *set->v);
	set->n = set->cap = 1;
	if (set->v)
		set->v[0] = *rule;
	if (!set->v || rule_set_finish(set)) {
		rules_unref(set);
		return -ENOMEM;
	}
	*ret = set;
	return 0;
}
