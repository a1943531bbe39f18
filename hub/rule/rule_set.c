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

int rule_set_add_slot(struct rules *set, struct slice name, const struct slot_info *info)
{
	struct slot_table *t = &set->slots;
	int slot = rule_set_slot(set, name);
	if (slot >= 0)
		return slot;
	if (2 * (t->n + 1) > t->nheads && grow_heads(t))
		return -1;
	struct slice copy = arena_copy(&set->arena, name);
	if (!copy.p || mem_grow(&t->names, &t->cap, t->n + 1, SLOTS_MAX, sizeof *t->names) ||
	    mem_grow(&t->info, &t->cap_info, t->n + 1, SLOTS_MAX, sizeof *t->info))
		return -1;
	t->heads[slot_head(t, name)] = (uint32_t)t->n + 1;
	t->names[t->n] = copy;
	t->info[t->n] = *info;
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
	const struct slot_info map = {.kind = SLOT_IS_MAP, .type = CEL_MAP};
	const struct slot_info now = {.kind = SLOT_IS_NOW, .type = CEL_TIMESTAMP};
	if (rule_set_add_slot(set, SL("device"), &map) != SLOT_DEVICE ||
	    rule_set_add_slot(set, SL("grid"), &map) != SLOT_GRID ||
	    rule_set_add_slot(set, SL("now"), &now) != SLOT_NOW) {
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
	for (size_t i = 0; i < r->nsinks; i++)
		cel_free(r->sinks[i].prog);
	free(r->v);
	free(r->sinks);
	free(r->sink_heads);
	free(r->slots.names);
	free(r->slots.info);
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

const struct calendar *rules_calendar(const struct rules *r)
{
	return r->calendar;
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

/* ---- sinks ---- */

static size_t sink_head(const struct rules *set, uint64_t id)
{
	size_t mask = set->nsink_heads - 1, i = id & mask;
	while (set->sink_heads[i] && set->sinks[set->sink_heads[i] - 1].id != id)
		i = (i + 1) & mask;
	return i;
}

uint32_t rule_set_sink(const struct rules *set, uint64_t id)
{
	uint32_t head = set->nsink_heads ? set->sink_heads[sink_head(set, id)] : 0;
	return head ? head - 1 : UINT32_MAX;
}

static int grow_sink_heads(struct rules *set)
{
	size_t n = MAX_OF(2 * set->nsink_heads, (size_t)64);
	uint32_t *heads = mem_new(n * sizeof *heads);
	if (!heads)
		return -ENOMEM;
	free(set->sink_heads);
	set->sink_heads = heads;
	set->nsink_heads = n;
	for (uint32_t i = 0; i < set->nsinks; i++)
		set->sink_heads[sink_head(set, set->sinks[i].id)] = i + 1;
	return 0;
}

int rule_set_add_sink(struct rules *set, const struct rule_sink *sink)
{
	int r = mem_grow(&set->sinks, &set->cap_sinks, set->nsinks + 1, SINKS_MAX,
			 sizeof *set->sinks);
	if (!r && 2 * (set->nsinks + 1) > set->nsink_heads)
		r = grow_sink_heads(set);
	if (r)
		return r;
	set->sinks[set->nsinks++] = *sink;
	set->sink_heads[sink_head(set, sink->id)] = (uint32_t)set->nsinks;
	return 0;
}

/* ---- what conditions mean beside their text ---- */

const uint32_t *rule_set_fields(const struct rules *set, const uint32_t *slot, size_t *ret_n)
{
	const struct slot_info *info = &set->slots.info[*slot];
	bool sink = info->kind == SLOT_IS_WINDOW || info->kind == SLOT_IS_DEVICES;
	bool of_field = info->kind == SLOT_IS_PREV || info->kind == SLOT_IS_LAST ||
			info->kind == SLOT_IS_AGE;
	*ret_n = sink ? set->sinks[info->of].nfields : of_field || info->kind == SLOT_IS_FIELD;
	return sink ? set->sinks[info->of].fields : of_field ? &info->of : slot;
}

/* The i-th slot of both conditions together; NULL: no more. */
static const struct slot_info *nth_slot(const struct rules *set, const struct rule_code *code,
					size_t i)
{
	const struct cel_program *p = code->when;
	if (p && i >= p->nslots) {
		i -= p->nslots;
		p = code->clear;
	} else if (!p) {
		p = code->clear;
	}
	return p && i < p->nslots ? &set->slots.info[p->slots[i]] : NULL;
}

int64_t rule_set_span(const struct rules *set, const struct rule_code *code)
{
	const struct slot_info *info;
	int64_t span = 0;
	for (size_t i = 0; (info = nth_slot(set, code, i)) != NULL; i++)
		if (info->kind == SLOT_IS_WINDOW || info->kind == SLOT_IS_DEVICES)
			span = MAX_OF(span, set->sinks[info->of].span_us);
	return span;
}

bool rule_set_asks(const struct rules *set, const struct rule_code *code)
{
	const struct slot_info *info;
	for (size_t i = 0; (info = nth_slot(set, code, i)) != NULL; i++)
		if (info->kind != SLOT_IS_FIELD)
			return true;
	return false;
}

uint64_t rule_set_meaning(const struct rules *set, const struct rule_code *code)
{
	const struct slot_info *info;
	uint64_t sum = 0;
	for (size_t i = 0; (info = nth_slot(set, code, i)) != NULL; i++) {
		uint64_t part[2] = {sum, 0};
		if (info->kind == SLOT_IS_WINDOW || info->kind == SLOT_IS_DEVICES)
			part[1] = set->sinks[info->of].id;
		else if (info->kind == SLOT_IS_WITHIN)
			part[1] = schedule_hash(info->schedule);
		if (part[1])
			sum = hash64((struct slice){(const char *)part, sizeof part}, 0);
	}
	return sum;
}

/* The longest that a rule looks back, or waits. */
static int64_t reach(const struct rules *set, const struct rule *r)
{
	int64_t us = MAX_OF(rule_set_span(set, r->code), MAX_OF(r->for_us, r->clear_for_us));
	us = MAX_OF(us, MAX_OF(r->silent_us, r->code->flap_us));
	for (size_t i = 0; i < r->code->nholds; i++)
		us = MAX_OF(us, r->code->holds[i].us);
	return us;
}

int64_t rules_max_window_us(const struct rules *set)
{
	int64_t us = 0;
	for (size_t i = 0; i < set->n; i++)
		us = MAX_OF(us, reach(set, &set->v[i]));
	return us;
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
