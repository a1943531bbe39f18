/*
 * DESIGN. Per device (by its slot) there are two short lists: its states that are not OK, sorted by
 * the rule's place in the set, and the time of the newest value seen of each field that rules read.
 * A value that is older than one already seen of the same field is not looked at: so late readings
 * never move a rule backwards, and nothing has to be kept for the many rules that are OK. A state
 * with a timer stands in a binary heap; the heap's key is the time at which the hold runs out. A
 * state that changed stands in the dirty list until it is taken; one that has become OK lives until
 * then.
 */
#include "rule_grid.h"
#include "rule_hold.h"
#include "rule_silence.h"
#include "rule_timer.h"
#include "rule_watch.h"

/* ---- states ---- */

int state_mark_dirty(struct rule_states *s, struct state *st)
{
	if (st->dirty_at)
		return 0;
	int r = mem_grow(&s->dirty, &s->cap_dirty, s->ndirty + 1, STATES_MAX, sizeof *s->dirty);
	if (r)
		return r;
	s->dirty[s->ndirty++] = (struct dirty){.state = st};
	st->dirty_at = (uint32_t)s->ndirty;
	return 0;
}

struct device_rec *state_device(struct rule_states *s, const struct device *d)
{
	size_t need = (size_t)d->slot + 1;
	if (need > s->ndevices) {
		if (mem_grow(&s->devices, &s->cap_devices, need, REGISTRY_DEVICES_MAX,
			     sizeof *s->devices))
			return NULL;
		memset(s->devices + s->ndevices, 0, (need - s->ndevices) * sizeof *s->devices);
		s->ndevices = need;
	}
	return &s->devices[d->slot];
}

/* Where the state of that rule is linked, or would be. */
static struct state **find_state(struct device_rec *rec, const struct rule *rule)
{
	struct state **at = &rec->first;
	while (*at && (*at)->rule->index < rule->index)
		at = &(*at)->next;
	return at;
}

struct state *state_insert(struct rule_states *s, struct state **at, const struct rule *rule,
			   const struct device *d)
{
	bool of_grid = rule->scope == SCOPE_GRID;
	size_t size = of_grid ? sizeof(struct grid_state) : sizeof(struct state);
	struct state *st = s->nstates < STATES_MAX ? mem_new(size) : NULL;
	if (!st)
		return NULL;
	*st = (struct state){.next = *at, .rule = rule, .device = d, .timer = NO_TIMER};
	if (of_grid && grid_state_link(s, st, grid_id_of(d))) {
		free(st);
		return NULL;
	}
	*at = st;
	s->nstates++;
	return st;
}

struct state *state_first(const struct rule_states *s, const struct device *d)
{
	return d->slot < s->ndevices ? s->devices[d->slot].first : NULL;
}

struct state *state_of_device(const struct rule_states *s, const struct device *d,
			      const struct rule *rule)
{
	struct state **at = d->slot < s->ndevices ? find_state(&s->devices[d->slot], rule) : NULL;
	return at && *at && (*at)->rule == rule ? *at : NULL;
}

struct state *state_add(struct rule_states *s, const struct rule *rule, const struct device *d)
{
	struct device_rec *rec = state_device(s, d);
	return rec ? state_insert(s, find_state(rec, rule), rule, d) : NULL;
}

int state_end(struct rule_states *s, struct state *st, int64_t at_us)
{
	st->flapping = false;
	st->since_us = at_us;
	st->phase = state_firings_over(st, at_us) ? PHASE_OK : PHASE_QUIET;
	if (st->phase == PHASE_OK)
		state_forget_firings(st);
	int r = state_timer_start(s, st, state_due(st));
	return r ? r : state_mark_dirty(s, st);
}

void state_clear_fields(struct state *st)
{
	free(st->fields);
	st->fields = NULL;
	st->nfields = 0;
}

/* ---- saving ---- */

static void state_free(struct rule_states *s, struct state *st)
{
	state_timer_stop(s, st);
	if (st->rule->scope == SCOPE_GRID)
		grid_state_unlink(s, st);
	free(st->fields);
	free(st);
	s->nstates--;
}

static void unlink_state(struct rule_states *s, struct state *st)
{
	struct state **at = find_state(&s->devices[st->device->slot], st->rule);
	if (*at == st)
		*at = st->next;
}

static const char *dirty_id(const struct dirty *d)
{
	return d->state ? d->state->rule->id : d->rule_id;
}

static int by_device_and_rule(const void *x, const void *y)
{
	const struct dirty *a = x, *b = y;
	int64_t p = a->state ? a->state->device->id : a->device_id;
	int64_t q = b->state ? b->state->device->id : b->device_id;
	if (p != q)
		return p < q ? -1 : 1;
	int c = strcmp(dirty_id(a), dirty_id(b));
	/* A rule that left and came back changed: the deletion first. */
	return c ? c : (a->state != NULL) - (b->state != NULL);
}

static struct rule_saved saved_of(const struct dirty *d)
{
	const struct state *st = d->state;
	if (!st)
		return (struct rule_saved){.device_id = d->device_id,
					   .rule_id = d->rule_id,
					   .rule_hash = d->rule_hash,
					   .phase = PHASE_OK};
	return (struct rule_saved){
		.device_id = st->device->id,
		.rule_id = st->rule->id,
		.rule_hash = st->rule->hash,
		.phase = (enum rule_phase)st->phase,
		.since_us = st->since_us,
		.seen_us = st->seen_us,
		.fires = state_pack_firings(st),
		.fires_since_us = st->fired_us,
		.fields = {st->fields, st->nfields},
	};
}

/* Nothing refers to it after it has been taken: clean, or gone. */
static void settle(struct rule_states *s, struct dirty *d)
{
	if (!d->state) {
		free(d->rule_id);
	} else if (d->state->phase == PHASE_OK) {
		unlink_state(s, d->state);
		state_free(s, d->state);
	} else {
		d->state->dirty_at = 0;
	}
}

/* Twice the same (device, rule): the later entry says what holds now. */
static bool superseded(const struct dirty *v, size_t i, size_t n)
{
	return i + 1 < n && !v[i].state && by_device_and_rule(&v[i], &v[i + 1]) <= 0 &&
	       saved_of(&v[i]).device_id == saved_of(&v[i + 1]).device_id &&
	       strcmp(dirty_id(&v[i]), dirty_id(&v[i + 1])) == 0;
}

int rule_states_take_dirty(struct rule_states *s, rule_saved_fn fn, void *ctx)
{
	int r = 0;
	size_t done = 0;
	if (s->ndirty && fn) /* in no order if nobody is told */
		qsort(s->dirty, s->ndirty, sizeof *s->dirty, by_device_and_rule);
	for (; done < s->ndirty && !r; done++) {
		if (superseded(s->dirty, done, s->ndirty))
			continue;
		struct rule_saved saved = saved_of(&s->dirty[done]);
		r = fn ? fn(ctx, &saved) : 0;
	}
	done -= r != 0; /* the one that fn refused is still to be saved */
	for (size_t i = 0; i < done; i++)
		settle(s, &s->dirty[i]);
	s->ndirty -= done;
	if (done && s->ndirty)
		memmove(s->dirty, s->dirty + done, s->ndirty * sizeof *s->dirty);
	for (size_t i = 0; i < s->ndirty; i++)
		if (s->dirty[i].state)
			s->dirty[i].state->dirty_at = (uint32_t)i + 1;
	return r;
}

bool rule_states_fault(struct rule_states *s, struct err *ret_why)
{
	if (!s->fault[0])
		return false;
	err_set(ret_why, 0, "%s", s->fault);
	s->fault[0] = 0;
	return true;
}

size_t rule_states_count(const struct rule_states *s)
{
	size_t ended = 0;
	for (size_t i = 0; i < s->ndirty; i++)
		ended += s->dirty[i].state && s->dirty[i].state->phase == PHASE_OK;
	return s->nstates - ended;
}

/* Turn its place in the dirty list into that of a deletion, and free it. */
static int state_delete(struct rule_states *s, struct state *st)
{
	int r = state_mark_dirty(s, st);
	if (r)
		return r;
	char *id = slice_dup(slice_of(st->rule->id));
	if (!id)
		return -ENOMEM;
	s->dirty[st->dirty_at - 1] = (struct dirty){
		.device_id = st->device->id, .rule_id = id, .rule_hash = st->rule->hash};
	state_free(s, st);
	return 0;
}

int state_drop(struct rule_states *s, struct state *st)
{
	unlink_state(s, st);
	return state_delete(s, st);
}

void rule_states_forget(struct rule_states *s, const struct device *d)
{
	silence_forget(s, d);
	if (d->slot >= s->ndevices)
		return;
	struct device_rec *rec = &s->devices[d->slot];
	while (rec->first) {
		struct state *st = rec->first;
		rec->first = st->next;
		/* Without memory to remember the deletion by, an orphan row stays in the database,
		 * which a restore skips. */
		if (state_delete(s, st))
			state_free(s, st);
	}
	memory_forget(s, rec, d->slot);
	*rec = (struct device_rec){0};
}

void rule_states_let_go(struct rule_states *s, const struct device *d)
{
	if (d->slot >= s->ndevices)
		return;
	struct state **at = &s->devices[d->slot].first;
	while (*at) {
		struct state *st = *at;
		if (st->dirty_at) { /* still to be saved */
			at = &st->next;
			continue;
		}
		*at = st->next;
		state_free(s, st);
	}
}

/* ---- life, and a change of rules ---- */

struct rule_states *rule_states_new(void)
{
	struct rule_states *s = mem_new(sizeof *s);
	if (!s)
		return NULL;
	s->vm = cel_vm_new();
	s->silence = silence_new();
	if (!s->vm || !s->silence) {
		rule_states_free(s);
		return NULL;
	}
	return s;
}

/* What lasts of st under the new set; NULL: nothing. */
static const struct rule *heir(const struct rules *set, const struct state *st)
{
	const struct rule *r = rules_find(set, slice_of(st->rule->id));
	return r && r->hash == st->rule->hash ? r : NULL;
}

static int tell_lost(const struct rule_states *s, const struct rules *set, anomaly_fn fn, void *ctx)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		for (const struct state *st = s->devices[i].first; st; st = st->next) {
			struct anomaly a = {.kind = ANOMALY_RECOVERED,
					    .rule = st->rule,
					    .device = st->device,
					    .at_us = st->seen_us,
					    .fields = {st->fields, st->nfields}};
			bool firing = st->phase == PHASE_FIRING || st->phase == PHASE_CLEARING;
			int r = firing && fn && !heir(set, st) ? fn(ctx, &a) : 0;
			if (r)
				return r;
		}
	}
	return 0;
}

static int move_states(struct rule_states *s, const struct rules *set, struct device_rec *rec)
{
	struct state *old = rec->first;
	rec->first = NULL;
	for (struct state *next; old; old = next) {
		const struct rule *rule = heir(set, old);
		next = old->next;
		if (!rule) {
			int r = state_delete(s, old);
			if (r)
				return r;
			continue;
		}
		old->rule = rule;
		struct state **at = find_state(rec, rule);
		old->next = *at;
		*at = old;
	}
	return 0;
}

/* What a look works with, as large as the set asks for. */
struct tables {
	struct cel_value *slots;
	uint32_t *touched, *filled, *marks, *picked, *fed, *fed_in;
};

static void free_tables(struct tables *t)
{
	free(t->slots);
	free(t->touched);
	free(t->filled);
	free(t->marks);
	free(t->picked);
	free(t->fed);
	free(t->fed_in);
}

static bool new_tables(const struct rules *set, struct tables *t)
{
	t->slots = mem_new(set->slots.n * sizeof *t->slots);
	t->touched = mem_new(READING_MAX_FIELDS * sizeof *t->touched);
	t->filled = mem_new(set->slots.n * sizeof *t->filled);
	t->marks = mem_new((set->n + 1) * sizeof *t->marks);
	t->picked = mem_new((set->n + 1) * sizeof *t->picked);
	t->fed = mem_new((set->nsinks + 1) * sizeof *t->fed);
	t->fed_in = mem_new((set->nsinks + 1) * sizeof *t->fed_in);
	if (t->slots && t->touched && t->filled && t->marks && t->picked && t->fed && t->fed_in)
		return true;
	free_tables(t);
	return false;
}

static struct tables tables_of(const struct rule_states *s)
{
	return (struct tables){s->slots,  s->touched,	 s->filled,	  s->marks,
			       s->picked, s->memory.fed, s->memory.fed_in};
}

static void use_tables(struct rule_states *s, const struct tables *t)
{
	struct tables old = tables_of(s);
	free_tables(&old);
	s->slots = t->slots;
	s->touched = t->touched;
	s->filled = t->filled;
	s->marks = t->marks;
	s->picked = t->picked;
	s->memory.fed = t->fed;
	s->memory.fed_in = t->fed_in;
	s->round = 0;
	s->ntouched = s->nfilled = s->memory.nfed = 0;
}

void rule_states_free(struct rule_states *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ndevices; i++) {
		for (struct state *st = s->devices[i].first, *next; st; st = next) {
			next = st->next;
			state_free(s, st);
		}
	}
	for (size_t i = 0; i < s->ndirty; i++)
		if (!s->dirty[i].state)
			free(s->dirty[i].rule_id);
	memory_done(s);
	free(s->devices);
	free(s->dirty);
	free(s->heap);
	free(s->grids.heads);
	silence_free(s->silence);
	struct tables t = tables_of(s);
	free_tables(&t);
	cel_vm_free(s->vm);
	rules_unref(s->set);
	free(s);
}

int rule_states_use(struct rule_states *s, struct rules *set, anomaly_fn fn, void *ctx)
{
	struct tables t;
	int r = s->set ? tell_lost(s, set, fn, ctx) : 0;
	if (r)
		return r;
	if (!new_tables(set, &t))
		return -ENOMEM;
	for (size_t i = 0; i < s->ndevices && s->set; i++) {
		int one = move_states(s, set, &s->devices[i]);
		r = r ? r : one;
	}
	use_tables(s, &t);
	state_timers_sort(s);
	if (!r)
		r = silence_use(s, set);
	struct rules *old = s->set;
	s->set = rules_ref(set);
	int kept = old ? memory_move(s, old, set) : 0;
	rules_unref(old);
	return r ? r : kept;
}

/* ---- what the database kept ---- */

const struct rule *rule_states_rule(const struct rule_states *s, struct slice id)
{
	return s->set ? rules_find(s->set, id) : NULL;
}

static void fill_state(struct state *st, const struct rule_saved *saved)
{
	st->phase = (uint8_t)saved->phase;
	st->since_us = saved->since_us;
	st->seen_us = saved->seen_us;
	state_unpack_firings(st, saved->fires, saved->fires_since_us);
	state_clear_fields(st);
	size_t n = saved->fields.n <= UINT8_MAX ? saved->fields.n : 0;
	st->fields = n ? slice_dup((struct slice){saved->fields.p, n}) : NULL;
	st->nfields = st->fields ? (uint8_t)n : 0;
}

/* Another device of the grid hosts it already: there is one state a grid. */
static bool taken(const struct rule_states *s, const struct rule *rule, const struct device *d)
{
	const struct state *st =
		rule->scope == SCOPE_GRID ? grid_state_find(s, grid_id_of(d), rule) : NULL;
	return st && st->device != d;
}

int rule_states_restore(struct rule_states *s, const struct rule_saved *saved,
			const struct device *d)
{
	const struct rule *rule = rule_states_rule(s, slice_of(saved->rule_id));
	if (saved->phase == PHASE_OK)
		return 0;
	if (!rule || rule->hash != saved->rule_hash || rule->event || taken(s, rule, d))
		return 1;
	struct state *st = state_of_device(s, d, rule);
	if (!st)
		st = state_add(s, rule, d);
	if (!st)
		return -ENOMEM;
	fill_state(st, saved);
	int r = silence_restored(s, st);
	return r ? r : state_timer_start(s, st, state_due(st));
}
