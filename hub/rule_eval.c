#include "rule_state.h"

#include "metrics.h"
#include "times.h"

#define MAX_AGE_INTERVALS 3 /* a hold does not run out on a value older than so many intervals */

/* What one call works on. */
struct look {
	struct rule_states *s;
	const struct device *d;
	const struct reading *r; /* NULL: a timer */
	int64_t at_us;
	anomaly_fn fn;
	void *ctx;
};

static void keep_fields(struct state *st, const struct reading *r)
{
	auto_buf struct buf b;
	buf_init(&b, RULE_FIELDS_MAX + 1);
	title_fields_json(st->rule->code->titles, COUNT_OF(st->rule->code->titles), r, &b);
	free(st->fields);
	st->fields = b.n && !b.failed ? slice_dup(buf_slice(&b)) : NULL;
	st->nfields = st->fields ? (uint8_t)b.n : 0;
}

static struct slice kept_fields(const struct state *st)
{
	return (struct slice){st->fields, st->nfields};
}

/* ---- phases ---- */

static int tell(const struct look *l, enum anomaly_kind kind, const struct rule *rule,
		const struct state *st, int64_t at_us)
{
	struct anomaly a = {
		.kind = kind,
		.rule = rule,
		.device = l->d,
		.at_us = at_us,
		.reading = l->r,
		.fields = st ? kept_fields(st) : (struct slice){0},
	};
	return l->fn ? l->fn(l->ctx, &a) : 0;
}

static int fire(const struct look *l, struct state *st, int64_t at_us)
{
	state_timer_stop(l->s, st);
	st->phase = PHASE_FIRING;
	st->since_us = at_us;
	int r = state_mark_dirty(l->s, st);
	return r ? r : tell(l, ANOMALY_FIRED, st->rule, st, at_us);
}

static int recover(const struct look *l, struct state *st, int64_t at_us)
{
	int r = state_end(l->s, st);
	return r ? r : tell(l, ANOMALY_RECOVERED, st->rule, st, at_us);
}

/*
 * Older than what was seen, so late; but not by days: then the clock was ahead when that was seen,
 * and has been put back, and what counts is what comes now (device_state does the same).
 */
#define CLOCK_RESET_US (2 * TIMES_DAY)

static bool is_late(int64_t at_us, int64_t seen_us)
{
	return at_us < seen_us && at_us > seen_us - CLOCK_RESET_US;
}

/* The hold of st has run out at its due time. */
static int run_out(const struct look *l, struct state *st)
{
	return st->phase == PHASE_PENDING ? fire(l, st, st->due_us) : recover(l, st, st->due_us);
}

/* A hold counts only as long as the last value is fresh; silence neither fires nor recovers. */
static bool fresh(const struct state *st)
{
	int64_t interval = st->device->interval_us;
	return interval <= 0 || st->due_us - st->seen_us <= MAX_AGE_INTERVALS * interval;
}

static int begin_hold(struct rule_states *s, struct state *st, enum rule_phase phase, int64_t at_us,
		      int64_t hold_us)
{
	st->phase = (uint8_t)phase;
	st->since_us = at_us;
	int r = state_timer_start(s, st, hold_us);
	return r ? r : state_mark_dirty(s, st);
}

static int on_pending(const struct look *l, struct state *st, bool when)
{
	if (!when)
		return state_end(l->s, st);
	keep_fields(st, l->r);
	if (l->at_us - st->since_us >= st->rule->for_us)
		return fire(l, st, l->at_us);
	return 0;
}

static int on_firing(const struct look *l, struct state *st, bool when, bool clear)
{
	bool clearing = st->phase == PHASE_CLEARING;
	int64_t hold = st->rule->clear_for_us;
	if (when || !clear) {
		if (clearing) {
			state_timer_stop(l->s, st);
			st->phase = PHASE_FIRING;
			st->since_us = l->at_us;
		}
		return when ? tell(l, ANOMALY_SEEN, st->rule, st, l->at_us) : 0;
	}
	if (hold == 0 || (clearing && l->at_us - st->since_us >= hold))
		return recover(l, st, l->at_us);
	return clearing ? 0 : begin_hold(l->s, st, PHASE_CLEARING, l->at_us, hold);
}

/* First sight of a rule that is true. */
static int on_ok(const struct look *l, struct state **at, const struct rule *rule)
{
	struct state *st = *at && (*at)->rule == rule ? *at : state_insert(l->s, at, rule, l->d);
	if (!st)
		return -ENOMEM;
	st->device = l->d;
	st->seen_us = l->at_us;
	keep_fields(st, l->r);
	if (rule->for_us == 0)
		return fire(l, st, l->at_us);
	return begin_hold(l->s, st, PHASE_PENDING, l->at_us, rule->for_us);
}

/* ---- conditions ---- */

enum truth { NO, YES, HOLD };

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

static enum truth truth_of(const struct look *l, const struct rule *rule,
			   const struct cel_program *p)
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
static enum truth clear_of(const struct look *l, const struct rule *rule)
{
	return rule->code->clear ? truth_of(l, rule, rule->code->clear) : YES;
}

/* ---- one rule and one reading ---- */

/* The clock was put back: what began in a time that has not come yet begins now. */
static int restart_hold(const struct look *l, struct state *st)
{
	bool held = st->timer != NO_TIMER;
	st->seen_us = l->at_us;
	st->since_us = l->at_us;
	state_timer_stop(l->s, st);
	int r = state_mark_dirty(l->s, st);
	int64_t hold = st->phase == PHASE_PENDING ? st->rule->for_us : st->rule->clear_for_us;
	return r || !held ? r : state_timer_start(l->s, st, hold);
}

static int look_at_state(const struct look *l, struct state *st)
{
	const struct rule *rule = st->rule;
	if (is_late(l->at_us, st->seen_us))
		return 0;
	if (l->at_us < st->seen_us && st->phase != PHASE_OK) {
		int r = restart_hold(l, st);
		if (r)
			return r;
	}
	/* Its timer first, as if nothing had come since: the result must not depend on ticks. */
	if (st->timer != NO_TIMER && st->due_us <= l->at_us) {
		struct look timer = *l;
		timer.r = NULL;
		int r = fresh(st) ? run_out(&timer, st) : 0;
		state_timer_stop(l->s, st);
		if (r)
			return r;
	}
	enum truth when = truth_of(l, rule, rule->code->when);
	if (when == HOLD)
		return 0;
	st->device = l->d;
	if (st->phase == PHASE_OK)
		return when == YES ? on_ok(l, &st, rule) : 0;
	bool later = l->at_us > st->seen_us;
	st->seen_us = l->at_us;
	int r = later ? state_mark_dirty(l->s, st) : 0;
	if (r)
		return r;
	if (st->phase == PHASE_PENDING)
		return on_pending(l, st, when == YES);
	enum truth clear = when == YES ? NO : clear_of(l, rule);
	return clear == HOLD ? 0 : on_firing(l, st, when == YES, clear == YES);
}

static int look_at(const struct look *l, const struct rule *rule, struct state **at)
{
	if (*at && (*at)->rule == rule)
		return look_at_state(l, *at);
	if (truth_of(l, rule, rule->code->when) != YES)
		return 0;
	return rule->event ? tell(l, ANOMALY_FIRED, rule, NULL, l->at_us) : on_ok(l, at, rule);
}

/* ---- one reading ---- */

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
	if (is_late(at_us, seen_at(&rec->seen[i])))
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

int rule_states_eval(struct rule_states *s, const struct device *d, const struct reading *r,
		     int64_t at_us, anomaly_fn fn, void *ctx)
{
	struct look l = {.s = s, .d = d, .r = r, .at_us = at_us, .fn = fn, .ctx = ctx};
	struct device_rec *rec = s->set ? state_device(s, d) : NULL;
	int res = 0;
	if (!s->set)
		return 0;
	if (!rec)
		return -ENOMEM;
	expose(s, rec, d, r, at_us);
	struct state **at = &rec->first;
	for (size_t i = 0; i < s->npicked && !res; i++) {
		const struct rule *rule = &s->set->v[s->picked[i]];
		while (*at && (*at)->rule->index < rule->index)
			at = &(*at)->next;
		res = look_at(&l, rule, at);
	}
	metric_add(M_RULE_EVALS, s->npicked);
	conceal(s);
	return res;
}

int rule_states_tick(struct rule_states *s, int64_t now_us, anomaly_fn fn, void *ctx)
{
	while (s->nheap && s->heap[0]->due_us <= now_us) {
		struct state *st = s->heap[0];
		struct look l = {.s = s, .d = st->device, .at_us = now_us, .fn = fn, .ctx = ctx};
		int r = fresh(st) ? run_out(&l, st) : 0;
		state_timer_stop(s, st);
		if (r)
			return r;
	}
	return 0;
}
