/*
 * DESIGN. The memory of a device as bytes: fields by name, windows and marks by the hash of what
 * they mean, so that another set of rules finds what it knows, too. A blob is read twice: first to
 * see that it is sound to its end, then to take it; the hash at its end says that it is what was
 * written.
 */
#include "metrics.h"
#include "rule_look.h"

#define MAGIC 0x474D /* "GM" */
#define VERSION 1
#define HEAD_BYTES (2 + 2 + 8)
#define TAIL_BYTES 8

/* ---- writing ---- */

static void put_name(struct buf *b, const struct rules *set, uint32_t slot)
{
	struct slice name = set->slots.names[slot];
	buf_putc(b, (char)name.n);
	buf_put_slice(b, name);
}

static void put_seen(struct buf *b, const struct rules *set, const struct device_rec *rec)
{
	buf_put_be16(b, rec->nseen);
	for (size_t i = 0; i < rec->nseen; i++) {
		put_name(b, set, rec->seen[i].slot);
		buf_put_be32(b, rec->seen[i].at_hi);
		buf_put_be32(b, rec->seen[i].at_lo);
	}
}

static void put_value(struct buf *b, const struct kept_value *v, int64_t at_us)
{
	struct cel_value full = memory_value(v);
	buf_putc(b, (char)v->type);
	buf_put_be64(b, (uint64_t)at_us);
	if (v->type == CEL_STRING) {
		buf_putc(b, (char)v->n);
		buf_put(b, v->p, v->n);
	} else {
		buf_put_be64(b, v->type == CEL_BOOL ? full.b : full.u);
	}
}

static void put_extras(struct buf *b, const struct rules *set, const struct extras *x)
{
	buf_put_be16(b, x ? x->nkept : 0);
	for (size_t i = 0; x && i < x->nkept; i++) {
		put_name(b, set, x->kept[i].slot);
		put_value(b, &x->kept[i].last, x->kept[i].last_us);
		put_value(b, &x->kept[i].prev, x->kept[i].prev_us);
	}
	buf_put_be16(b, x ? x->nmarks : 0);
	for (size_t i = 0; x && i < x->nmarks; i++) {
		buf_put_be64(b, set->sinks[x->marks[i].sink].id);
		buf_putc(b, x->marks[i].yes);
		buf_put_be64(b, (uint64_t)x->marks[i].at_us);
	}
}

static void put_rings(struct buf *b, const struct rules *set, const struct rings *r)
{
	buf_put_be16(b, r ? r->n : 0);
	for (size_t i = 0; r && i < r->n; i++) {
		const struct rule_sink *k = &set->sinks[r->of[i].sink];
		buf_put_be64(b, k->id);
		buf_put_be16(b, k->shape.bytes);
		buf_put(b, rings_at(r, i), k->shape.bytes);
	}
}

static void put_memory(struct buf *b, const struct rule_states *s, const struct device_rec *rec)
{
	buf_put_be16(b, MAGIC);
	buf_put_be16(b, VERSION);
	buf_put_be64(b, s->seq);
	put_seen(b, s->set, rec);
	put_extras(b, s->set, rec->extras);
	put_rings(b, s->set, rec->rings);
	buf_put_be64(b, hash64(buf_slice(b), MAGIC));
}

/* The first of the queue that is still to be saved; NULL: none is. */
static struct queued *first_queued(struct rule_states *s)
{
	struct rule_memory *m = &s->memory;
	for (; m->head < m->nqueue; m->head++) {
		struct queued *q = &m->queue[m->head];
		if (q->slot < s->ndevices && s->devices[q->slot].queued == q->number)
			return q;
	}
	m->head = m->nqueue = 0;
	return NULL;
}

int rule_states_take_memory(struct rule_states *s, int64_t before_us, size_t max, rule_memory_fn fn,
			    void *ctx, uint64_t *ret_from_seq)
{
	auto_buf struct buf b;
	struct queued *q = s->set ? first_queued(s) : NULL;
	int r = 0;
	buf_init(&b, RULE_MEMORY_MAX);
	memory_had_all(s);
	for (; q && q->recv_us < before_us && max && !r; max--) {
		struct device_rec *rec = &s->devices[q->slot];
		buf_reset(&b);
		put_memory(&b, s, rec);
		if (b.failed)
			metric_add(M_RULE_MEMORY_REFUSED, 1);
		else
			r = fn(ctx, q->device, buf_slice(&b));
		if (r)
			break;
		rec->queued = 0;
		q = first_queued(s);
	}
	*ret_from_seq = q ? q->seq : s->seq + 1;
	return r;
}

/* ---- reading ---- */

struct reader {
	const unsigned char *p, *end;
	bool bad; /* sticky */
};

static struct slice take(struct reader *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return (struct slice){0};
	}
	r->p += n;
	return (struct slice){(const char *)r->p - n, n};
}

static uint64_t take_number(struct reader *r, size_t bytes)
{
	struct slice s = take(r, bytes);
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

static int64_t take_time(struct reader *r)
{
	int64_t us = (int64_t)take_number(r, 8);
	r->bad = r->bad || us > WINDOW_TIME_MAX || us < -WINDOW_TIME_MAX;
	return us;
}

static struct slice take_name(struct reader *r)
{
	return take(r, (size_t)take_number(r, 1));
}

/* What a blob is read for: to see that it is sound (take: false), or to take it. */
struct restore {
	struct rule_states *s;
	struct device_rec *rec;
	const struct device *d;
	struct reader r;
	bool take;
	int err;
};

static int field_of(const struct restore *t, struct slice name)
{
	int slot = rule_set_slot(t->s->set, name);
	return slot < SLOT_FIRST_FIELD || t->s->set->slots.info[slot].kind != SLOT_IS_FIELD ? -1
											    : slot;
}

static void get_seen(struct restore *t)
{
	size_t n = (size_t)take_number(&t->r, 2);
	for (size_t i = 0; i < n && !t->r.bad; i++) {
		int slot = field_of(t, take_name(&t->r));
		int64_t at_us = take_time(&t->r);
		if (t->take && slot >= 0)
			memory_see(t->s, t->rec, (uint32_t)slot, at_us, t->rec->nseen);
	}
}

static bool may_be_kept(uint64_t type)
{
	return type == CEL_UNSET || type == CEL_BOOL || type == CEL_INT || type == CEL_DOUBLE ||
	       type == CEL_STRING;
}

static struct cel_value take_value(struct reader *r, int64_t *ret_us)
{
	struct cel_value v = {.type = (uint32_t)take_number(r, 1)};
	*ret_us = take_time(r);
	r->bad = r->bad || !may_be_kept(v.type);
	if (r->bad)
		return (struct cel_value){.type = CEL_UNSET};
	if (v.type == CEL_STRING) {
		struct slice text = take_name(r); /* once: the macro looks twice */
		return CEL_OF_TEXT(CEL_STRING, text);
	}
	uint64_t bits = take_number(r, 8);
	if (v.type == CEL_BOOL)
		v.b = bits != 0;
	else
		v.u = bits; /* a double's as they are */
	return v;
}

static void get_kept(struct restore *t)
{
	size_t n = (size_t)take_number(&t->r, 2);
	for (size_t i = 0; i < n && !t->r.bad; i++) {
		int64_t last_us, prev_us;
		int slot = field_of(t, take_name(&t->r));
		struct cel_value last = take_value(&t->r, &last_us);
		struct cel_value prev = take_value(&t->r, &prev_us);
		if (!t->take || slot < 0 || !(t->s->set->wants[t->d->class][slot] & WANT_VALUE))
			continue;
		struct kept *k = memory_kept(t->rec, (uint32_t)slot);
		if (!k) {
			t->err = -ENOMEM;
			return;
		}
		memory_set_value(&k->last, last);
		memory_set_value(&k->prev, prev);
		k->last_us = last_us;
		k->prev_us = prev_us;
	}
}

static void get_marks(struct restore *t)
{
	size_t n = (size_t)take_number(&t->r, 2);
	for (size_t i = 0; i < n && !t->r.bad && !t->err; i++) {
		struct mark m = {.sink = rule_set_sink(t->s->set, take_number(&t->r, 8))};
		m.yes = take_number(&t->r, 1);
		m.at_us = take_time(&t->r);
		m.grid_id = t->d->grid ? t->d->grid->id : 0;
		if (t->take && m.sink != UINT32_MAX && t->s->set->sinks[m.sink].marks && m.grid_id)
			t->err = memory_mark(t->s, t->rec, t->d, &m);
	}
}

static bool ring_is_sound(const struct window_shape *shape, struct slice bytes)
{
	union {
		uint64_t align;
		char b[WINDOW_BYTES_MAX];
	} copy;
	if (bytes.n != shape->bytes)
		return false;
	memcpy(copy.b, bytes.p, bytes.n);
	return window_valid(shape, copy.b);
}

static void get_rings(struct restore *t)
{
	const struct rules *set = t->s->set;
	size_t n = (size_t)take_number(&t->r, 2);
	for (size_t i = 0; i < n && !t->r.bad; i++) {
		uint32_t sink = rule_set_sink(set, take_number(&t->r, 8));
		struct slice bytes = take(&t->r, (size_t)take_number(&t->r, 2));
		if (t->r.bad || sink == UINT32_MAX || set->sinks[sink].marks)
			continue;
		t->r.bad = !ring_is_sound(&set->sinks[sink].shape, bytes);
		void *ring = t->take && !t->r.bad ? memory_ring(set, t->rec, sink) : NULL;
		if (ring)
			memcpy(ring, bytes.p, bytes.n);
	}
}

static void get_all(struct restore *t, struct slice data)
{
	const unsigned char *p = (const unsigned char *)data.p;
	t->r = (struct reader){p + HEAD_BYTES, p + data.n - TAIL_BYTES, false};
	get_seen(t);
	get_kept(t);
	get_marks(t);
	get_rings(t);
	t->r.bad = t->r.bad || t->r.p != t->r.end;
}

/* Its head and tail; *ret_seq: up to where it has the log in it. */
static bool is_memory(struct slice data, uint64_t *ret_seq)
{
	if (data.n < HEAD_BYTES + TAIL_BYTES)
		return false;
	struct slice most = {data.p, data.n - TAIL_BYTES};
	struct reader head = {(const unsigned char *)data.p,
			      (const unsigned char *)data.p + HEAD_BYTES, false};
	struct reader tail = {(const unsigned char *)most.p + most.n,
			      (const unsigned char *)data.p + data.n, false};
	bool known = take_number(&head, 2) == MAGIC && take_number(&head, 2) == VERSION;
	*ret_seq = take_number(&head, 8);
	return known && take_number(&tail, 8) == hash64(most, MAGIC);
}

int rule_states_restore_memory(struct rule_states *s, const struct device *d, struct slice data,
			       bool same_log)
{
	struct restore t = {.s = s, .d = d};
	uint64_t seq;
	if (!s->set || !is_memory(data, &seq))
		return -EINVAL;
	get_all(&t, data);
	if (t.r.bad)
		return -EINVAL;
	t.rec = state_device(s, d);
	if (!t.rec)
		return -ENOMEM;
	memory_forget(s, t.rec, d->slot);
	t.take = true;
	get_all(&t, data);
	return t.err ? t.err : memory_has(s, d, same_log ? seq : 0);
}
