#include "store_case.h"

#include "alert.h"
#include "times.h"

#define CASE_COLUMNS 20

/* Rows a statement. Before PostgreSQL has statistics of grid_case it may join each row with each:
 * 10,000 at once then took more than a minute. */
#define CASES_AT_ONCE ((size_t)1000)

/* So many devices below one that cannot be reached within so long are one outage. */
#define OUTAGE_DEVICES 3
#define OUTAGE_WITHIN_US (15 * TIMES_MIN)
#define OUTAGE_KIND "part-0591"

static int cmp_anomaly(const void *x, const void *y)
{
	const struct batch_anomaly *a = x, *b = y;
	if (a->device_id != b->device_id)
		return a->device_id < b->device_id ? -1 : 1;
	return slice_cmp(a->rule_id, b->rule_id);
}

static void anomaly_columns(struct pg_columns *a, const struct batch_anomaly *x)
{
	pg_array_i64(&a->c[0], x->device_id);
	pg_array_str(&a->c[1], x->rule_id);
	pg_array_i64(&a->c[2], x->grid_id);
	pg_array_str(&a->c[3], x->kind);
	pg_array_i64(&a->c[4], x->severity);
	pg_array_str(&a->c[5], x->title);
	pg_array_str(&a->c[6], store_json(x->fields));
	pg_array_str(&a->c[7], x->fired ? SL("t") : SL("f"));
	pg_array_i64(&a->c[8], x->n);
	pg_array_i64(&a->c[9], x->first_us);
	pg_array_i64(&a->c[10], x->last_us);
	pg_array_i64(&a->c[11], x->recovered_us);
	if (x->endpoint.p)
		pg_array_str(&a->c[12], x->endpoint);
	else
		pg_array_null(&a->c[12]);
	pg_array_str(&a->c[13], store_json(x->alert));
	pg_array_str(&a->c[14], x->recovery);
	pg_array_str(&a->c[15], x->flapping ? SL("t") : SL("f"));
	pg_array_str(&a->c[16], x->lasting ? SL("t") : SL("f"));
	pg_array_str(&a->c[17], x->outage ? SL("t") : SL("f"));
	pg_array_str(&a->c[18], x->of_grid ? SL("t") : SL("f"));
	pg_array_str(&a->c[19], x->other_recovery);
}

/* What fires or recovers, as arrays; batch: what cases are told by to have been opened by it. */
static int write_some(struct store_writing *w, const struct batch_anomaly *v, size_t nv,
		      int64_t batch)
{
	auto_pg_columns struct pg_columns a;
	auto_rows struct pg_rows *rows = NULL;
	pg_columns_init(&a, CASE_COLUMNS);
	for (size_t i = 0; i < nv; i++)
		anomaly_columns(&a, &v[i]);
	struct pg_arg args[3 + CASE_COLUMNS] = {PGA_I(w->pos->district_id),
						PGA_STR(w->pos->stream_id), PGA_I(batch)};
	size_t n = 3;
	int r = pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "cases: too large");
	r = pg_query(w->pg, SQL_STORE_CASE, args, n, w->e, &rows);
	if (r)
		return r;
	w->res->opened += pg_i64(rows, 0, 0);
	w->res->folded += pg_i64(rows, 0, 1);
	w->res->recovered += pg_i64(rows, 0, 2);
	w->res->alerts += pg_i64(rows, 0, 3);
	w->res->held += pg_i64(rows, 0, 4);
	return 0;
}

static int write_cases(struct store_writing *w, const struct batch *b, int64_t batch)
{
	int r = 0;
	for (size_t i = 0; i < b->nanomalies && !r; i += CASES_AT_ONCE)
		r = write_some(w, b->anomalies + i, MIN_OF(b->nanomalies - i, CASES_AT_ONCE),
			       batch);
	return r;
}

/* What a grid's devices say now is what a removed one of them said before. */
static int adopt(struct store_writing *w, const struct batch *b)
{
	auto_pg_columns struct pg_columns a;
	struct pg_arg args[1 + 3] = {PGA_I(w->pos->district_id)};
	size_t n = 1, of_grids = 0;
	pg_columns_init(&a, 3);
	for (size_t i = 0; i < b->nanomalies; i++) {
		const struct batch_anomaly *x = &b->anomalies[i];
		if (!x->of_grid)
			continue;
		of_grids++;
		pg_array_i64(&a.c[0], x->device_id);
		pg_array_str(&a.c[1], x->rule_id);
		pg_array_i64(&a.c[2], x->grid_id);
	}
	if (!of_grids)
		return 0;
	int r = pg_columns_args(&a, args, &n);
	if (r)
		return err_set(w->e, r, "cases: too large");
	return pg_query(w->pg, SQL_STORE_ADOPT, args, n, w->e, NULL);
}

/* By enum lang. */
static const char *const outage_titles[] = {"{device}下{n}台设备失联",
					    "{n} devices below {device} cannot be reached"};

struct outage_words {
	const char *title;
	struct buf begins, over;
};

static void outage_words(enum lang lang, struct outage_words *ret)
{
	ret->title = outage_titles[lang];
	buf_init(&ret->begins, RULE_TITLE_MAX);
	buf_init(&ret->over, RULE_TITLE_MAX);
	alert_put_how(lang, SEVERITY_HIGH, false, &ret->begins);
	alert_put_how(lang, SEVERITY_HIGH, true, &ret->over);
}

static void outage_words_done(struct outage_words *w)
{
	buf_done(&w->begins);
	buf_done(&w->over);
}

/* Several devices below one that cannot be reached are one case; and such a case may be over. */
static int write_outages(struct store_writing *w, int64_t batch)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_call(outage_words_done) struct outage_words own, other;
	enum lang lang = (enum lang)w->conf->lang;
	bool two = w->conf->other_lang >= 0;
	const char *endpoint = w->conf->notify.default_endpoint;
	outage_words(lang, &own);
	outage_words(two ? (enum lang)w->conf->other_lang : lang, &other);
	struct pg_arg args[] = {PGA_I(w->pos->district_id),
				PGA_STR(w->pos->stream_id),
				PGA_I(batch),
				PGA_I(OUTAGE_DEVICES),
				PGA_I(OUTAGE_WITHIN_US),
				PGA_STR(own.title),
				PGA_S(buf_slice(&own.begins)),
				PGA_S(buf_slice(&own.over)),
				PGA_STR(OUTAGE_KIND),
				endpoint ? PGA_STR(endpoint) : PGA_NULL,
				two ? PGA_STR(lang_names[w->conf->other_lang]) : PGA_NULL,
				two ? PGA_STR(other.title) : PGA_NULL,
				PGA_S(buf_slice(&other.begins)),
				PGA_S(buf_slice(&other.over))};
	int r = pg_query(w->pg, SQL_STORE_OUTAGE, args, COUNT_OF(args), w->e, &rows);
	if (r)
		return r;
	w->res->opened += pg_i64(rows, 0, 0);
	w->res->recovered += pg_i64(rows, 0, 1);
	w->res->held += pg_i64(rows, 0, 2);
	w->res->alerts += pg_i64(rows, 0, 3);
	return 0;
}

int store_cases(struct store_writing *w, struct batch *b)
{
	bool outage = false;
	if (!b->nanomalies)
		return 0;
	int r = pg_query(w->pg, SQL_STORE_PLANS, NULL, 0, w->e, NULL);
	if (r)
		return r;
	qsort(b->anomalies, b->nanomalies, sizeof *b->anomalies, cmp_anomaly);
	for (size_t i = 0; i < b->nanomalies; i++)
		outage = outage || b->anomalies[i].outage;
	r = adopt(w, b);
	if (!r)
		r = write_cases(w, b, w->pos->batch + 1);
	return r || !outage ? r : write_outages(w, w->pos->batch + 1);
}

int store_release(struct pg *p, const struct config *conf, const struct store_position *pos,
		  struct store_result *ret, struct err *e)
{
	struct store_writing w = {p, conf, pos, ret, e};
	int64_t batch = -times_now_us(); /* of no batch */
	*ret = (struct store_result){0};
	int r = pg_begin(p, e);
	if (r)
		return r;
	r = pg_query(p, SQL_STORE_PLANS, NULL, 0, e, NULL);
	if (!r)
		r = write_some(&w, NULL, 0, batch);
	if (!r)
		r = write_outages(&w, batch);
	if (!r)
		return pg_commit(p, e);
	pg_rollback(p);
	return r;
}
