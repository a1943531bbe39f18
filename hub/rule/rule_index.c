/*
 * The index of a set: per device class, from each field to the rules that depend on it (plainly, or
 * through what is remembered of it) and to the windows that it goes into.
 */
#include "rule_set.h"

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

/* Every field that the rule's conditions depend on, as often as they do. */
typedef void (*field_fn)(void *ctx, uint32_t field);
static void each_field(const struct rules *set, const struct rule_code *code, field_fn fn,
		       void *ctx)
{
	const struct cel_program *programs[] = {code->when, code->clear};
	for (size_t k = 0; k < COUNT_OF(programs); k++) {
		const struct cel_program *p = programs[k];
		for (size_t i = 0; p && i < p->nslots; i++) {
			size_t n;
			const uint32_t *f = rule_set_fields(set, &p->slots[i], &n);
			for (size_t j = 0; j < n; j++)
				fn(ctx, f[j]);
		}
	}
}

/* One index being made. */
struct fill {
	struct rules *set;
	uint32_t **lists; /* by slot, being written */
	uint32_t *counts; /* by slot */
	size_t total;
	uint32_t entry; /* the rule or sink at hand */
	bool any;	/* it depends on a field */
	bool *wanted;	/* by sink: a rule of the class asks for it */
};

static void count_field(void *ctx, uint32_t field)
{
	struct fill *f = ctx;
	f->counts[field]++;
	f->total++;
}

static void list_field(void *ctx, uint32_t field)
{
	struct fill *f = ctx;
	uint32_t *n = &f->counts[field];
	f->any = true;
	if (!*n || f->lists[field][*n - 1] != f->entry)
		f->lists[field][(*n)++] = f->entry;
}

/* Room for one list a slot, of counts[] entries each; counts[] begin anew. */
static uint32_t *make_room(struct fill *f, size_t more)
{
	uint32_t *room = arena_alloc(&f->set->arena, (f->total + more + 1) * sizeof *room);
	for (size_t s = 0; room && s < f->set->slots.n; s++) {
		f->lists[s] = room;
		room += f->counts[s];
		f->counts[s] = 0;
	}
	return room;
}

static struct rule_list *keep_lists(struct fill *f)
{
	size_t n = f->set->slots.n;
	struct rule_list *lists = arena_alloc(&f->set->arena, n * sizeof *lists);
	for (size_t s = 0; lists && s < n; s++)
		lists[s] = (struct rule_list){f->lists[s], f->counts[s]};
	return lists;
}

static void begin_lists(struct fill *f)
{
	memset(f->counts, 0, f->set->slots.n * sizeof *f->counts);
	f->total = 0;
}

static int index_rules(struct fill *f, size_t class)
{
	struct rules *set = f->set;
	begin_lists(f);
	for (size_t i = 0; i < set->n; i++)
		if (fits(&set->v[i], class))
			each_field(set, set->v[i].code, count_field, f);
	uint32_t *always = make_room(f, set->n);
	size_t nalways = 0;
	if (!always)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		if (!fits(&set->v[i], class))
			continue;
		f->any = false;
		f->entry = i;
		each_field(set, set->v[i].code, list_field, f);
		if (!f->any)
			always[nalways++] = i;
	}
	set->always[class] = (struct rule_list){always, nalways};
	set->by_field[class] = keep_lists(f);
	return set->by_field[class] ? 0 : -ENOMEM;
}

/* ---- what must be kept of readings ---- */

static void want_of(struct fill *f, const struct cel_program *p, uint8_t *wants)
{
	for (size_t i = 0; p && i < p->nslots; i++) {
		const struct slot_info *info = &f->set->slots.info[p->slots[i]];
		if (info->kind == SLOT_IS_PREV || info->kind == SLOT_IS_LAST)
			wants[info->of] |= WANT_VALUE;
		else if (info->kind == SLOT_IS_WINDOW || info->kind == SLOT_IS_DEVICES)
			f->wanted[info->of] = true;
	}
}

static void each_sink_field(struct fill *f, field_fn fn)
{
	for (uint32_t k = 0; k < f->set->nsinks; k++) {
		f->entry = k;
		for (size_t i = 0; f->wanted[k] && i < f->set->sinks[k].nfields; i++)
			fn(f, f->set->sinks[k].fields[i]);
	}
}

static int index_sinks(struct fill *f, size_t class)
{
	struct rules *set = f->set;
	uint8_t *wants = arena_alloc(&set->arena, set->slots.n);
	if (!wants)
		return -ENOMEM;
	memset(f->wanted, 0, set->nsinks * sizeof *f->wanted);
	for (size_t i = 0; i < set->n; i++) {
		if (!fits(&set->v[i], class))
			continue;
		want_of(f, set->v[i].code->when, wants);
		want_of(f, set->v[i].code->clear, wants);
	}
	begin_lists(f);
	each_sink_field(f, count_field);
	if (!make_room(f, 0))
		return -ENOMEM;
	each_sink_field(f, list_field);
	for (size_t s = 0; s < set->slots.n; s++)
		wants[s] = (uint8_t)(wants[s] | (f->counts[s] ? WANT_FEED : 0));
	set->wants[class] = wants;
	set->feeds[class] = keep_lists(f);
	return set->feeds[class] ? 0 : -ENOMEM;
}

int rule_set_finish(struct rules *set)
{
	auto_free uint32_t *counts = mem_new((set->slots.n + 1) * sizeof *counts);
	auto_free uint32_t **lists = mem_new((set->slots.n + 1) * sizeof(uint32_t *));
	auto_free bool *wanted = mem_new((set->nsinks + 1) * sizeof *wanted);
	set->by_id = arena_alloc(&set->arena, (set->n + 1) * sizeof *set->by_id);
	if (!counts || !lists || !wanted || !set->by_id)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		set->v[i].index = i;
		set->by_id[i] = i;
	}
	qsort_r(set->by_id, set->n, sizeof *set->by_id, by_id, set->v);
	struct fill f = {.set = set, .lists = lists, .counts = counts, .wanted = wanted};
	for (size_t c = 0; c < CLASS_COUNT; c++) {
		int r = index_rules(&f, c);
		if (!r)
			r = index_sinks(&f, c);
		if (r)
			return r;
	}
	return 0;
}
