#include "metrics.h"
#include "rule_crowd.h"
#include "rule_look.h"

#define RINGS_UNITS_MAX (RULE_MEMORY_MAX / 8 / 5 * 4) /* the rest of a blob is names and values */
#define QUEUE_MAX ((size_t)4 * REGISTRY_DEVICES_MAX)

/* ---- when a field was newest ---- */

static int64_t seen_at(const struct seen *e)
{
	return (int64_t)((uint64_t)e->at_hi << 32 | e->at_lo);
}

/* By four: most devices send only a few fields that rules read, and there are many devices. */
static bool grow_seen(struct device_rec *rec)
{
	size_t cap = rec->cap_seen + 4u;
	struct seen *v = cap <= UINT16_MAX ? realloc(rec->seen, cap * sizeof *v) : NULL;
	if (!v)
		return false;
	rec->seen = v;
	rec->cap_seen = (uint16_t)cap;
	return true;
}

enum news memory_see(const struct rule_states *s, struct device_rec *rec, uint32_t slot,
		     int64_t at_us, size_t hint)
{
	size_t i = hint;
	if (i >= rec->nseen || rec->seen[i].slot != slot)
		for (i = 0; i < rec->nseen && rec->seen[i].slot != slot; i++)
			;
	if (i == rec->nseen) {
		if (i == rec->cap_seen && !grow_seen(rec))
			return NEWS_NEWEST; /* without memory of it the value counts */
		rec->nseen++;
		rec->seen[i] = (struct seen){.slot = slot, .at_hi = 0x80000000u};
	}
	int64_t before = seen_at(&rec->seen[i]);
	if (rule_is_late(s, at_us, before))
		return NEWS_LATE;
	rec->seen[i].at_hi = (uint32_t)((uint64_t)at_us >> 32);
	rec->seen[i].at_lo = (uint32_t)at_us;
	return at_us < before ? NEWS_ANEW : NEWS_NEWEST;
}

struct cel_value memory_age(const struct device_rec *rec, uint32_t field, int64_t at_us)
{
	struct cel_value none = {.type = CEL_UNSET};
	int64_t ns;
	for (size_t i = 0; i < rec->nseen; i++)
		if (rec->seen[i].slot == field)
			return __builtin_mul_overflow(MAX_OF(at_us - seen_at(&rec->seen[i]), 0),
						      1000, &ns)
				       ? none
				       : CEL_VALUE(CEL_DURATION, i, ns);
	return none;
}

/* ---- the last two values of a field ---- */

void memory_set_value(struct kept_value *to, struct cel_value v)
{
	if (to->type == CEL_STRING)
		free(to->p);
	*to = (struct kept_value){.type = (uint8_t)v.type};
	if (v.type == CEL_STRING) {
		to->p = v.n <= MEMORY_TEXT_MAX ? slice_dup(cel_text(v)) : NULL;
		to->n = to->p ? (uint8_t)v.n : 0;
		to->type = to->p ? CEL_STRING : CEL_UNSET;
		metric_add(M_RULE_MEMORY_REFUSED, !to->p);
	} else if (v.type == CEL_BOOL) {
		to->b = v.b;
	} else {
		to->i = v.i; /* or a double's bits: the union is copied whole */
	}
}

struct cel_value memory_value(const struct kept_value *v)
{
	struct cel_value to = {.type = v->type};
	if (v->type == CEL_STRING)
		return CEL_OF_TEXT(CEL_STRING, ((struct slice){v->p, v->n}));
	if (v->type == CEL_BOOL)
		to.b = v->b;
	else
		to.i = v->i;
	return to;
}

static struct extras *extras_of(struct device_rec *rec)
{
	if (!rec->extras)
		rec->extras = mem_new(sizeof *rec->extras);
	return rec->extras;
}

/* One more at the end of an array that grows by ones: few devices have more than a few. */
static void *one_more(void *pp, uint16_t *n, size_t size)
{
	char *v;
	memcpy(&v, pp, sizeof v);
	char *bigger = *n < UINT16_MAX ? realloc(v, (*n + 1u) * size) : NULL;
	if (!bigger)
		return NULL;
	memcpy(pp, &bigger, sizeof bigger);
	memset(bigger + *n * size, 0, size);
	return bigger + (*n)++ * size;
}

static struct kept *find_kept(const struct device_rec *rec, uint32_t slot)
{
	const struct extras *x = rec->extras;
	for (size_t i = 0; x && i < x->nkept; i++)
		if (x->kept[i].slot == slot)
			return &x->kept[i];
	return NULL;
}

struct kept *memory_kept(struct device_rec *rec, uint32_t slot)
{
	struct kept *k = find_kept(rec, slot);
	struct extras *x = k ? NULL : extras_of(rec);
	if (x) {
		k = one_more(&x->kept, &x->nkept, sizeof *k);
		if (k)
			k->slot = slot;
	}
	return k;
}

static void drop_kept(struct kept *k)
{
	memory_set_value(&k->last, (struct cel_value){.type = CEL_UNSET});
	memory_set_value(&k->prev, (struct cel_value){.type = CEL_UNSET});
}

static int keep_value(struct rule_states *s, struct device_rec *rec, uint32_t slot, int64_t at_us,
		      bool anew)
{
	struct kept *k = memory_kept(rec, slot);
	if (!k)
		return -ENOMEM;
	if (anew)
		drop_kept(k);
	struct kept_value oldest = k->prev;
	k->prev = k->last;
	k->prev_us = k->last_us;
	k->last = oldest; /* its text is freed with it */
	memory_set_value(&k->last, s->slots[slot]);
	k->last_us = at_us;
	return 0;
}

struct cel_value memory_last(const struct device_rec *rec, uint32_t field)
{
	const struct kept *k = find_kept(rec, field);
	return k ? memory_value(&k->last) : (struct cel_value){.type = CEL_UNSET};
}

/* The reading at hand may be the last one, one that came late, or one without the field. */
struct cel_value memory_prev(const struct device_rec *rec, uint32_t field, int64_t at_us,
			     bool reading_has_it)
{
	const struct kept *k = find_kept(rec, field);
	if (k && k->last_us <= at_us && !(reading_has_it && k->last_us == at_us))
		return memory_value(&k->last);
	if (k && k->prev_us <= at_us)
		return memory_value(&k->prev);
	return (struct cel_value){.type = CEL_UNSET};
}

/* ---- windows ---- */

/* Where the sink stands, or would. */
static size_t ring_place(const struct rings *r, uint32_t sink)
{
	size_t lo = 0, hi = r ? r->n : 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (r->of[mid].sink < sink)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void *find_ring(const struct device_rec *rec, uint32_t sink)
{
	size_t i = ring_place(rec->rings, sink);
	bool there = rec->rings && i < rec->rings->n && rec->rings->of[i].sink == sink;
	return there ? rings_at(rec->rings, i) : NULL;
}

/* Room for n windows of so many eights of bytes in all; NULL, which is counted: there is none. */
static struct rings *rings_new(size_t n, size_t units)
{
	struct rings *r = NULL;
	size_t head = (sizeof *r + n * sizeof r->of[0] + 7) / 8;
	if (units <= RINGS_UNITS_MAX && n <= UINT16_MAX)
		r = mem_new(8 * (head + units));
	if (r)
		r->n = (uint16_t)n; /* the places must be counted before a ring is found */
	else
		metric_add(M_RULE_MEMORY_REFUSED, 1);
	return r;
}

/* The next place: windows are put in order, each behind the one before. */
static void rings_put(const struct rules *set, struct rings *to, size_t i, uint32_t sink,
		      const void *ring)
{
	const struct window_shape *shape = &set->sinks[sink].shape;
	to->of[i].sink = (uint16_t)sink;
	to->of[i].at = to->units;
	to->units = (uint16_t)(to->units + shape->bytes / 8);
	if (ring)
		memcpy(rings_at(to, i), ring, shape->bytes);
	else
		window_clear(shape, rings_at(to, i));
}

void *memory_ring(const struct rules *set, struct device_rec *rec, uint32_t sink)
{
	void *found = find_ring(rec, sink);
	if (found)
		return found;
	const struct rings *old = rec->rings;
	size_t n = old ? old->n : 0, at = ring_place(old, sink);
	struct rings *r =
		rings_new(n + 1, (old ? old->units : 0) + (size_t)set->sinks[sink].shape.bytes / 8);
	if (!r)
		return NULL;
	for (size_t i = 0; i < n + 1; i++) {
		if (i == at)
			rings_put(set, r, i, sink, NULL);
		else
			rings_put(set, r, i, old->of[i - (i > at)].sink,
				  rings_at(old, i - (i > at)));
	}
	free(rec->rings);
	rec->rings = r;
	return rings_at(r, at);
}

struct cel_value memory_window(const struct rules *set, const struct device_rec *rec,
			       const struct slot_info *info, int64_t at_us)
{
	const struct window_shape *shape = &set->sinks[info->of].shape;
	const void *ring = find_ring(rec, info->of);
	enum window_stat stat = (enum window_stat)info->stat;
	double v = 0;
	bool has = ring ? window_get(shape, ring, stat, info->percent, at_us, &v)
			: stat == STAT_COUNT || stat == STAT_SUM;
	if (!has)
		return (struct cel_value){.type = CEL_UNSET};
	return stat == STAT_COUNT ? CEL_OF_INT((int64_t)v) : CEL_OF_DOUBLE(v);
}

/* ---- marks of devices() ---- */

int memory_mark(struct rule_states *s, struct device_rec *rec, const struct device *d,
		const struct mark *m)
{
	struct extras *x = extras_of(rec);
	struct mark *mark = NULL;
	for (size_t i = 0; x && i < x->nmarks && !mark; i++)
		mark = x->marks[i].sink == m->sink ? &x->marks[i] : NULL;
	if (mark && rule_is_late(s, m->at_us, mark->at_us))
		return 0;
	if (!mark)
		mark = x ? one_more(&x->marks, &x->nmarks, sizeof *mark) : NULL;
	if (!mark)
		return -ENOMEM;
	if (mark->yes && (!m->yes || mark->grid_id != m->grid_id))
		crowd_leave(&s->memory, mark, d->slot);
	*mark = *m;
	return m->yes ? crowd_join(s, m, d->slot) : 0;
}

/* ---- a reading ---- */

int memory_take(struct rule_states *s, struct device_rec *rec, const struct device *d,
		uint32_t slot, int64_t at_us, enum news news)
{
	struct rule_memory *m = &s->memory;
	uint8_t wants = s->set->wants[d->class][slot];
	struct rule_list sinks = s->set->feeds[d->class][slot];
	if (!m->nfed)
		m->anew = false;
	for (size_t i = 0; i < sinks.n; i++) {
		if (m->fed_in[sinks.v[i]] == s->round)
			continue;
		m->fed_in[sinks.v[i]] = s->round;
		m->fed[m->nfed++] = sinks.v[i];
	}
	m->anew = m->anew || news == NEWS_ANEW;
	if (!(wants & WANT_VALUE) || news == NEWS_LATE)
		return 0;
	return keep_value(s, rec, slot, at_us, news == NEWS_ANEW);
}

static int feed_one(struct rule_states *s, struct device_rec *rec, const struct device *d,
		    uint32_t sink, struct cel_value v, int64_t at_us)
{
	const struct rule_sink *k = &s->set->sinks[sink];
	if (k->marks) {
		struct mark m = {.sink = sink, .yes = v.b, .at_us = at_us};
		m.grid_id = d->grid ? d->grid->id : 0;
		return v.type == CEL_BOOL && d->grid ? memory_mark(s, rec, d, &m) : 0;
	}
	bool number = v.type == CEL_INT || v.type == CEL_UINT || v.type == CEL_DOUBLE;
	double x = v.type == CEL_BOOL	? v.b
		   : k->counts		? 1
		   : v.type == CEL_INT	? (double)v.i
		   : v.type == CEL_UINT ? (double)v.u
					: v.d;
	if (!number && v.type != CEL_BOOL)
		return 0;
	void *ring = memory_ring(s->set, rec, sink);
	if (ring && s->memory.anew)
		window_clear(&k->shape, ring);
	if (ring)
		window_add(&k->shape, ring, at_us, x);
	return 0;
}

int memory_feed(struct rule_states *s, struct device_rec *rec, const struct device *d,
		int64_t at_us)
{
	struct rule_memory *m = &s->memory;
	const struct look l = {.s = s, .d = d, .at_us = at_us};
	int r = 0;
	for (size_t i = 0; i < m->nfed; i++) {
		const struct rule_sink *k = &s->set->sinks[m->fed[i]];
		struct cel_value v = k->prog ? rule_value(&l, k->prog) : s->slots[k->fields[0]];
		if (v.type == CEL_ERROR && v.n != CEL_F_MISSING)
			rule_failed(&l, NULL, k->prog, v);
		int one = feed_one(s, rec, d, m->fed[i], v, at_us);
		r = r ? r : one;
	}
	m->nfed = 0;
	return r;
}

/* ---- who changed ---- */

int memory_changed(struct rule_states *s, struct device_rec *rec, const struct device *d)
{
	struct rule_memory *m = &s->memory;
	if (rec->queued)
		return 0;
	if (m->head > 1024 && m->head > m->nqueue / 2) {
		m->nqueue -= m->head;
		memmove(m->queue, m->queue + m->head, m->nqueue * sizeof *m->queue);
		m->head = 0;
	}
	int r = mem_grow(&m->queue, &m->cap_queue, m->nqueue + 1, QUEUE_MAX, sizeof *m->queue);
	if (r)
		return r;
	m->number += m->number == UINT32_MAX ? 2 : 1;
	m->queue[m->nqueue++] = (struct queued){d, s->now_us, s->seq, d->slot, m->number};
	rec->queued = m->number;
	return 0;
}

int memory_has(struct rule_states *s, const struct device *d, uint64_t seq)
{
	struct rule_memory *m = &s->memory;
	size_t need = (size_t)d->slot + 1;
	int r = seq ? mem_grow(&m->had, &m->cap_had, need, REGISTRY_DEVICES_MAX, sizeof *m->had)
		    : 0;
	if (r || !seq)
		return r;
	if (need > m->nhad) {
		memset(m->had + m->nhad, 0, (need - m->nhad) * sizeof *m->had);
		m->nhad = need;
	}
	m->had[d->slot] = seq;
	return 0;
}

void memory_had_all(struct rule_states *s)
{
	free(s->memory.had);
	s->memory.had = NULL;
	s->memory.nhad = s->memory.cap_had = 0;
}

bool memory_had(const struct rule_states *s, const struct device *d)
{
	return s->seq && d->slot < s->memory.nhad && s->seq <= s->memory.had[d->slot];
}

/* ---- life ---- */

static void drop_extras(struct rule_states *s, struct device_rec *rec, uint32_t device)
{
	struct extras *x = rec->extras;
	for (size_t i = 0; x && i < x->nkept; i++)
		drop_kept(&x->kept[i]);
	for (size_t i = 0; x && i < x->nmarks; i++)
		crowd_leave(&s->memory, &x->marks[i], device);
	if (x) {
		free(x->kept);
		free(x->marks);
	}
	free(x);
	rec->extras = NULL;
}

void memory_forget(struct rule_states *s, struct device_rec *rec, uint32_t device)
{
	drop_extras(s, rec, device);
	free(rec->rings);
	free(rec->seen);
	rec->rings = NULL;
	rec->seen = NULL;
	rec->nseen = rec->cap_seen = 0;
	rec->queued = 0; /* its entry in the queue finds nothing to save */
	if (device < s->memory.nhad)
		s->memory.had[device] = 0;
}

void memory_done(struct rule_states *s)
{
	struct rule_memory *m = &s->memory;
	crowds_drop(m);
	for (size_t i = 0; i < s->ndevices; i++)
		memory_forget(s, &s->devices[i], (uint32_t)i);
	free(m->queue);
	free(m->had);
}

/* ---- another set of rules ---- */

static void move_seen(const struct rules *from, const struct rules *to, struct device_rec *rec)
{
	uint16_t n = 0;
	for (uint16_t i = 0; i < rec->nseen; i++) {
		int slot = rule_set_slot(to, from->slots.names[rec->seen[i].slot]);
		if (slot < 0)
			continue;
		rec->seen[n] = rec->seen[i];
		rec->seen[n++].slot = (uint32_t)slot;
	}
	rec->nseen = n;
}

static void move_kept(const struct rules *from, const struct rules *to, struct extras *x)
{
	uint16_t n = 0;
	for (uint16_t i = 0; i < x->nkept; i++) {
		int slot = rule_set_slot(to, from->slots.names[x->kept[i].slot]);
		if (slot < 0) {
			drop_kept(&x->kept[i]);
			continue;
		}
		x->kept[n] = x->kept[i];
		x->kept[n++].slot = (uint32_t)slot;
	}
	x->nkept = n;
}

#define NO_SINK UINT32_MAX

/* By sink of `from`: the same of `to`. */
static uint32_t *sinks_between(const struct rules *from, const struct rules *to)
{
	uint32_t *map = mem_new((from->nsinks + 1) * sizeof *map);
	for (size_t i = 0; map && i < from->nsinks; i++)
		map[i] = rule_set_sink(to, from->sinks[i].id);
	return map;
}

static int move_rings(const struct rules *from, const struct rules *to, const uint32_t *map,
		      struct device_rec *rec)
{
	struct rings *old = rec->rings;
	int res = 0;
	rec->rings = NULL;
	for (size_t i = 0; old && i < old->n && !res; i++) {
		uint32_t was = old->of[i].sink, is = map[was];
		void *ring = is == NO_SINK ? NULL : memory_ring(to, rec, is);
		if (ring)
			memcpy(ring, rings_at(old, i), from->sinks[was].shape.bytes);
		res = is == NO_SINK || ring ? 0 : -ENOMEM;
	}
	free(old);
	return res;
}

static int move_marks(struct rule_states *s, const uint32_t *map, struct extras *x, uint32_t device)
{
	uint16_t n = 0;
	int res = 0;
	for (uint16_t i = 0; i < x->nmarks; i++) {
		uint32_t sink = map[x->marks[i].sink];
		if (sink == NO_SINK)
			continue;
		x->marks[n] = x->marks[i];
		x->marks[n].sink = sink;
		if (x->marks[n].yes && !res)
			res = crowd_join(s, &x->marks[n], device);
		n++;
	}
	x->nmarks = n;
	return res;
}

int memory_move(struct rule_states *s, const struct rules *from, const struct rules *to)
{
	auto_free uint32_t *map = sinks_between(from, to);
	int res = map ? 0 : -ENOMEM;
	crowds_drop(&s->memory);
	for (size_t i = 0; i < s->ndevices && map; i++) {
		struct device_rec *rec = &s->devices[i];
		int r = move_rings(from, to, map, rec);
		move_seen(from, to, rec);
		if (rec->extras)
			move_kept(from, to, rec->extras);
		if (rec->extras && !r)
			r = move_marks(s, map, rec->extras, (uint32_t)i);
		res = res ? res : r;
	}
	return res;
}
