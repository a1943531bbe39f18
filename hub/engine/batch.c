#include "batch.h"

#include "json.h"
#include "metrics.h"
#include "pg.h"
#include "times.h"

/* Signature, flags and length of an extension: what COPY's binary form begins with. */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

int batch_init(struct batch *b)
{
	*b = (struct batch){0};
	arena_init(&b->arena, BATCH_ARENA_MAX);
	buf_init(&b->copy, BATCH_COPY_MAX);
	buf_put(&b->copy, copy_header, BATCH_COPY_HEADER);
	return b->copy.failed ? -ENOMEM : 0;
}

void batch_done(struct batch *b)
{
	arena_done(&b->arena);
	buf_done(&b->copy);
	free(b->states);
	free(b->state_of_slot);
	free(b->anomalies);
	free(b->anomaly_index);
	free(b->rule_states);
	free(b->shadows);
	free(b->shadow_of_rule);
	free(b->memories);
	free(b->gaps);
	free(b->unknowns);
	free(b->rejected);
	*b = (struct batch){0};
}

void batch_reset(struct batch *b)
{
	if (b->state_of_slot)
		memset(b->state_of_slot, 0, b->slots_cap * sizeof *b->state_of_slot);
	if (b->anomaly_index)
		memset(b->anomaly_index, 0, b->anomaly_places * sizeof *b->anomaly_index);
	if (b->shadow_of_rule)
		memset(b->shadow_of_rule, 0, b->shadow_rules_cap * sizeof *b->shadow_of_rule);
	arena_reset(&b->arena);
	b->copy.n = BATCH_COPY_HEADER;
	b->copy.failed = false;
	b->last_seq = 0;
	b->memory_from_seq = 0;
	b->heard_us = 0;
	b->away = (struct slice){0};
	b->first_recv_us = b->last_recv_us = 0;
	b->records = b->nreadings = b->nstates = b->nanomalies = b->nrule_states = b->nshadows =
		b->nmemories = b->ngaps = b->nunknowns = b->nrejected = 0;
}

bool batch_empty(const struct batch *b)
{
	return !b->records && !b->nanomalies && !b->nrule_states && !b->nshadows && !b->nmemories &&
	       !b->nunknowns;
}

bool batch_full(const struct batch *b, int64_t max_records)
{
	return b->records >= (size_t)max_records || b->arena.used > BATCH_ARENA_MAX / 2 ||
	       b->copy.n > BATCH_COPY_MAX / 2 || b->nanomalies > BATCH_ROWS_MAX / 2 ||
	       b->nstates > BATCH_ROWS_MAX / 2 || b->nshadows > BATCH_ROWS_MAX / 2;
}

bool batch_can_wait(const struct batch *b)
{
	return !b->nreadings && !b->nanomalies && !b->nrule_states && !b->nshadows &&
	       !b->nmemories && !b->nunknowns && !b->nrejected;
}

/* ---- readings ---- */

static void put_i64(struct buf *b, int64_t v)
{
	buf_put_be32(b, 8);
	buf_put_be64(b, (uint64_t)v);
}

static void put_time(struct buf *b, int64_t us)
{
	put_i64(b, us - PG_EPOCH_US);
}

static int put_copy_row(struct batch *b, int64_t district_id, const struct device *d,
			const struct reading *r, int64_t at_us, int64_t recv_us)
{
	struct buf *c = &b->copy;
	buf_put_be16(c, BATCH_COPY_COLUMNS);
	buf_put_be32(c, 4);
	buf_put_be32(c, (uint32_t)district_id);
	put_time(c, recv_us);
	put_time(c, at_us);
	put_i64(c, d->id);
	buf_put_be32(c, 2);
	buf_put_be16(c, (uint16_t)r->kind);
	size_t len_at = c->n;
	buf_put_be32(c, 0);
	buf_putc(c, 1); /* jsonb's binary form: version 1, then text */
	reading_fields_json(r, c);
	if (c->failed)
		return -E2BIG;
	uint32_t len = __builtin_bswap32((uint32_t)(c->n - len_at - 4));
	memcpy(c->p + len_at, &len, sizeof len);
	b->nreadings++;
	return 0;
}

static int state_entry(struct batch *b, const struct device *d, struct batch_state **ret)
{
	size_t slots = b->slots_cap;
	int r = mem_grow(&b->state_of_slot, &b->slots_cap, (size_t)d->slot + 1,
			 REGISTRY_DEVICES_MAX, sizeof *b->state_of_slot);
	if (r)
		return r;
	if (b->slots_cap > slots)
		memset(b->state_of_slot + slots, 0,
		       (b->slots_cap - slots) * sizeof *b->state_of_slot);
	uint32_t *at = &b->state_of_slot[d->slot];
	if (!*at || b->states[*at - 1].device_id != d->id) {
		r = mem_grow(&b->states, &b->states_cap, b->nstates + 1, BATCH_ROWS_MAX,
			     sizeof *b->states);
		if (r)
			return r;
		b->states[b->nstates++] = (struct batch_state){.device_id = d->id};
		*at = (uint32_t)b->nstates;
	}
	*ret = &b->states[*at - 1];
	return 0;
}

static int copy_value(struct batch *b, struct value v, struct value *ret)
{
	if (v.type == VALUE_STRING) {
		v.s = arena_copy(&b->arena, v.s);
		if (!v.s.p)
			return -E2BIG;
	}
	*ret = v;
	return 0;
}

static int grow_fields(struct batch *b, struct batch_state *s)
{
	size_t cap = s->cap ? s->cap * 2 : 8;
	struct field *f = arena_alloc(&b->arena, cap * sizeof *f);
	if (!f)
		return -E2BIG;
	if (s->n)
		memcpy(f, s->fields, s->n * sizeof *f);
	s->fields = f;
	s->cap = cap;
	return 0;
}

static size_t text_bytes(const struct value *v)
{
	return v->type == VALUE_STRING ? v->s.n : 0;
}

/* A device that sends ever new or huge fields must not make a state that the database refuses. */
static bool state_full(size_t fields, size_t bytes)
{
	bool full = fields > BATCH_STATE_FIELDS || bytes > BATCH_STATE_BYTES;
	if (full)
		metric_add(M_STATE_LEFT_OUT, 1);
	return full;
}

static int replace_value(struct batch *b, struct batch_state *s, struct value *at, struct value v)
{
	size_t bytes = s->bytes - text_bytes(at) + text_bytes(&v);
	if (state_full(s->n, bytes))
		return 0;
	s->bytes = bytes;
	return copy_value(b, v, at);
}

static int merge_field(struct batch *b, struct batch_state *s, const struct field *f, bool newer)
{
	for (size_t i = 0; i < s->n; i++)
		if (slice_eq(s->fields[i].name, f->name))
			return newer ? replace_value(b, s, &s->fields[i].v, f->v) : 0;
	size_t bytes = s->bytes + f->name.n + text_bytes(&f->v);
	if (state_full(s->n + 1, bytes))
		return 0;
	if (s->n == s->cap) {
		int r = grow_fields(b, s);
		if (r)
			return r;
	}
	struct field *at = &s->fields[s->n];
	at->name = arena_copy(&b->arena, f->name);
	int r = at->name.p ? copy_value(b, f->v, &at->v) : -E2BIG;
	s->n += !r;
	s->bytes = bytes;
	return r;
}

int batch_add_reading(struct batch *b, int64_t district_id, const struct device *d,
		      const struct reading *r, int64_t at_us, int64_t recv_us)
{
	struct batch_state *s = NULL;
	int res = put_copy_row(b, district_id, d, r, at_us, recv_us);
	if (!res)
		res = state_entry(b, d, &s);
	if (res)
		return res;
	bool newer = at_us >= s->at_us;
	for (size_t i = 0; !res && i < r->nfields; i++)
		res = merge_field(b, s, &r->fields[i], newer);
	s->at_us = MAX_OF(s->at_us, at_us);
	s->recv_us = MAX_OF(s->recv_us, recv_us);
	return res;
}

/* ---- the rest ---- */

/* Where (device, rule) stands in the index, or the free place where it would stand. */
static uint32_t *anomaly_place(const struct batch *b, int64_t device_id, struct slice rule_id)
{
	size_t mask = b->anomaly_places - 1;
	for (size_t i = hash64(rule_id, (uint64_t)device_id) & mask;; i = (i + 1) & mask) {
		uint32_t *at = &b->anomaly_index[i];
		const struct batch_anomaly *a = *at ? &b->anomalies[*at - 1] : NULL;
		if (!a || (a->device_id == device_id && slice_eq(a->rule_id, rule_id)))
			return at;
	}
}

static int grow_anomaly_index(struct batch *b)
{
	size_t places = b->anomaly_places ? b->anomaly_places * 2 : 1024;
	uint32_t *v = calloc(places, sizeof *v);
	if (!v)
		return -ENOMEM;
	free(b->anomaly_index);
	b->anomaly_index = v;
	b->anomaly_places = places;
	for (size_t i = 0; i < b->nanomalies; i++)
		*anomaly_place(b, b->anomalies[i].device_id, b->anomalies[i].rule_id) =
			(uint32_t)i + 1;
	return 0;
}

int batch_anomaly(struct batch *b, int64_t device_id, struct slice rule_id,
		  struct batch_anomaly **ret)
{
	int r = (b->nanomalies + 1) * 2 > b->anomaly_places ? grow_anomaly_index(b) : 0;
	if (r)
		return r;
	uint32_t *at = anomaly_place(b, device_id, rule_id);
	if (*at) {
		*ret = &b->anomalies[*at - 1];
		return 0;
	}
	r = mem_grow(&b->anomalies, &b->anomalies_cap, b->nanomalies + 1, BATCH_ROWS_MAX,
		     sizeof *b->anomalies);
	if (r)
		return r;
	struct slice id = arena_copy(&b->arena, rule_id);
	if (!id.p)
		return -E2BIG;
	b->anomalies[b->nanomalies++] =
		(struct batch_anomaly){.device_id = device_id, .rule_id = id};
	*at = (uint32_t)b->nanomalies;
	*ret = &b->anomalies[*at - 1];
	return 0;
}

/* Copy each slice into the arena, in place. */
static int keep(struct batch *b, struct slice *s[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*s[i] = arena_copy(&b->arena, *s[i]);
		if (!s[i]->p)
			return -E2BIG;
	}
	return 0;
}

int batch_add_rule_state(struct batch *b, const struct batch_rule_state *s)
{
	int r = mem_grow(&b->rule_states, &b->rule_states_cap, b->nrule_states + 1, BATCH_ROWS_MAX,
			 sizeof *b->rule_states);
	if (r)
		return r;
	struct batch_rule_state *at = &b->rule_states[b->nrule_states];
	*at = *s;
	struct slice *strings[] = {&at->rule_id, &at->fields};
	r = keep(b, strings, COUNT_OF(strings));
	b->nrule_states += !r;
	return r;
}

static int grow_shadow_index(struct batch *b, size_t need)
{
	size_t had = b->shadow_rules_cap;
	int r = mem_grow(&b->shadow_of_rule, &b->shadow_rules_cap, need, BATCH_ROWS_MAX,
			 sizeof *b->shadow_of_rule);
	if (!r && b->shadow_rules_cap > had)
		memset(b->shadow_of_rule + had, 0,
		       (b->shadow_rules_cap - had) * sizeof *b->shadow_of_rule);
	return r;
}

int batch_shadow(struct batch *b, uint32_t rule_index, struct slice rule_id, int64_t day,
		 struct batch_shadow **ret)
{
	int r = grow_shadow_index(b, (size_t)rule_index + 1);
	if (r)
		return r;
	uint32_t *at = &b->shadow_of_rule[rule_index];
	struct batch_shadow *s = *at ? &b->shadows[*at - 1] : NULL;
	/* After a reload the place may be another rule's. */
	if (!s || s->day != day || !slice_eq(s->rule_id, rule_id)) {
		r = mem_grow(&b->shadows, &b->shadows_cap, b->nshadows + 1, BATCH_ROWS_MAX,
			     sizeof *b->shadows);
		struct slice id = r ? (struct slice){0} : arena_copy(&b->arena, rule_id);
		if (r || !id.p)
			return r ? r : -E2BIG;
		b->shadows[b->nshadows++] = (struct batch_shadow){.rule_id = id, .day = day};
		*at = (uint32_t)b->nshadows;
		s = &b->shadows[*at - 1];
	}
	*ret = s;
	return 0;
}

int batch_add_memory(struct batch *b, int64_t device_id, struct slice data)
{
	int r = mem_grow(&b->memories, &b->memories_cap, b->nmemories + 1, BATCH_ROWS_MAX,
			 sizeof *b->memories);
	if (r)
		return r;
	struct batch_memory *at = &b->memories[b->nmemories];
	*at = (struct batch_memory){.device_id = device_id, .data = data};
	r = keep(b, &(struct slice *){&at->data}, 1);
	b->nmemories += !r;
	return r;
}

int batch_add_gap(struct batch *b, const struct batch_gap *g)
{
	int r = mem_grow(&b->gaps, &b->gaps_cap, b->ngaps + 1, BATCH_ROWS_MAX, sizeof *b->gaps);
	if (r)
		return r;
	struct batch_gap *at = &b->gaps[b->ngaps];
	*at = *g;
	r = keep(b, &(struct slice *){&at->adapter}, 1);
	b->ngaps += !r;
	return r;
}

int batch_add_unknown(struct batch *b, const struct batch_unknown *u)
{
	struct batch_unknown *at = NULL;
	for (size_t i = 0; i < b->nunknowns && !at; i++)
		if (slice_eq(b->unknowns[i].address, u->address) &&
		    slice_eq(b->unknowns[i].adapter, u->adapter))
			at = &b->unknowns[i];
	if (at) {
		at->n += u->n;
		at->at_us = u->at_us;
		return 0;
	}
	if (b->nunknowns >= BATCH_KEPT_MAX)
		return 0;
	int r = mem_grow(&b->unknowns, &b->unknowns_cap, b->nunknowns + 1, BATCH_KEPT_MAX,
			 sizeof *b->unknowns);
	if (r)
		return r;
	at = &b->unknowns[b->nunknowns];
	*at = *u;
	at->payload.n = MIN_OF(at->payload.n, (size_t)BATCH_PAYLOAD_KEPT);
	struct slice *strings[] = {&at->adapter, &at->address, &at->topic, &at->payload};
	r = keep(b, strings, COUNT_OF(strings));
	b->nunknowns += !r;
	return r;
}

int batch_add_rejected(struct batch *b, const struct batch_rejected *r)
{
	if (b->nrejected >= BATCH_KEPT_MAX)
		return 0;
	int res = mem_grow(&b->rejected, &b->rejected_cap, b->nrejected + 1, BATCH_KEPT_MAX,
			   sizeof *b->rejected);
	if (res)
		return res;
	struct batch_rejected *at = &b->rejected[b->nrejected];
	*at = *r;
	at->payload.n = MIN_OF(at->payload.n, (size_t)BATCH_PAYLOAD_KEPT);
	struct slice *strings[] = {&at->source, &at->topic, &at->detail, &at->payload};
	res = keep(b, strings, COUNT_OF(strings));
	b->nrejected += !res;
	return res;
}
