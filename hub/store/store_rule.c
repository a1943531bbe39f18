#include "store_rule.h"

static int cmp_rule_state(const void *x, const void *y)
{
	const struct batch_rule_state *a = x, *b = y;
	if (a->device_id != b->device_id)
		return a->device_id < b->device_id ? -1 : 1;
	return slice_cmp(a->rule_id, b->rule_id);
}

int store_rule_states(struct store_writing *w, struct batch *b)
{
	auto_pg_columns struct pg_columns put, del;
	size_t nput = 0;
	pg_columns_init(&put, 9);
	pg_columns_init(&del, 2);
	if (b->nrule_states)
		qsort(b->rule_states, b->nrule_states, sizeof *b->rule_states, cmp_rule_state);
	for (size_t i = 0; i < b->nrule_states; i++) {
		const struct batch_rule_state *s = &b->rule_states[i];
		struct pg_columns *a = s->phase ? &put : &del;
		nput += s->phase != 0;
		pg_array_i64(&a->c[0], s->device_id);
		pg_array_str(&a->c[1], s->rule_id);
		if (!s->phase)
			continue;
		pg_array_i64(&a->c[2], (int64_t)s->hash);
		pg_array_i64(&a->c[3], s->phase);
		pg_array_i64(&a->c[4], s->since_us);
		pg_array_i64(&a->c[5], s->seen_us);
		pg_array_str(&a->c[6], store_json(s->fields));
		pg_array_i64(&a->c[7], s->fires);
		pg_array_i64(&a->c[8], s->fires_since_us);
	}
	struct pg_arg put_args[10] = {PGA_I(w->pos->district_id)},
		      del_args[3] = {PGA_I(w->pos->district_id)};
	size_t np = 1, nd = 1;
	if (pg_columns_args(&put, put_args, &np) || pg_columns_args(&del, del_args, &nd))
		return err_set(w->e, -E2BIG, "rule states: too large");
	int r = nput ? pg_query(w->pg, SQL_STORE_RULE_STATE, put_args, np, w->e, NULL) : 0;
	if (!r && nput < b->nrule_states)
		r = pg_query(w->pg, SQL_STORE_RULE_STATE_DELETE, del_args, nd, w->e, NULL);
	return r;
}

int store_shadows(struct store_writing *w, struct batch *b)
{
	if (!b->nshadows)
		return 0;
	auto_pg_columns struct pg_columns a;
	pg_columns_init(&a, 5);
	for (size_t i = 0; i < b->nshadows; i++) {
		const struct batch_shadow *s = &b->shadows[i];
		pg_array_str(&a.c[0], s->rule_id);
		pg_array_i64(&a.c[1], s->day);
		pg_array_i64(&a.c[2], s->opened);
		pg_array_i64(&a.c[3], s->folded);
		pg_array_i64(&a.c[4], s->recovered);
	}
	struct pg_arg args[6] = {PGA_I(w->pos->district_id)};
	size_t n = 1;
	int r = pg_columns_args(&a, args, &n);
	return r ? err_set(w->e, r, "counts of shadow rules: too large")
		 : pg_query(w->pg, SQL_STORE_SHADOW, args, n, w->e, NULL);
}

int store_gaps(struct store_writing *w, struct batch *b)
{
	if (!b->ngaps)
		return 0;
	auto_pg_columns struct pg_columns a;
	pg_columns_init(&a, 3);
	for (size_t i = 0; i < b->ngaps; i++) {
		pg_array_str(&a.c[0], b->gaps[i].adapter);
		pg_array_i64(&a.c[1], b->gaps[i].from_us);
		pg_array_i64(&a.c[2], b->gaps[i].to_us);
	}
	struct pg_arg args[5] = {PGA_I(w->pos->district_id), PGA_STR(w->pos->stream_id)};
	size_t n = 2;
	int r = pg_columns_args(&a, args, &n);
	return r ? err_set(w->e, r, "gaps: too large")
		 : pg_query(w->pg, SQL_STORE_GAP, args, n, w->e, NULL);
}

static int cmp_memory(const void *x, const void *y)
{
	const struct batch_memory *a = x, *b = y;
	return a->device_id < b->device_id ? -1 : a->device_id > b->device_id;
}

int store_memories(struct store_writing *w, struct batch *b)
{
	if (!b->nmemories)
		return 0;
	auto_pg_columns struct pg_columns a;
	auto_buf struct buf data;
	pg_columns_init(&a, 1);
	buf_init(&data, BATCH_ARENA_MAX);
	pg_bytes_begin(&data);
	qsort(b->memories, b->nmemories, sizeof *b->memories, cmp_memory);
	for (size_t i = 0; i < b->nmemories; i++) {
		pg_array_i64(&a.c[0], b->memories[i].device_id);
		pg_bytes_put(&data, b->memories[i].data);
	}
	struct pg_arg args[4] = {PGA_I(w->pos->district_id), PGA_STR(w->pos->stream_id)};
	size_t n = 2;
	int r = data.failed ? -E2BIG : pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "memories of rules: too large");
	args[n++] = PGA_BYTES(buf_slice(&data));
	return pg_query(w->pg, SQL_STORE_MEMORY, args, n, w->e, NULL);
}
