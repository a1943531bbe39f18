#include "notify_bundle.h"

#include "bundle.h"
#include "duty.h"
#include "notify_words.h"
#include "pg_columns.h"
#include "times.h"

#define COLUMNS 15
#define HOLIDAYS_MAX 256

/* Columns of notify_owed.sql. */
enum {
	O_ID,
	O_CASE,
	O_GRID,
	O_KIND,
	O_SEVERITY,
	O_EVENT,
	O_ALERT,
	O_CREATED,
	O_ENDPOINT,
	O_FALLBACK,
	O_PERSON,
	O_QUIET,
	O_SILENT,
	O_AFTER,
	O_CASE_OUT,
	O_OUT,
	O_GROUP_LAST,
	O_GROUP_N,
	O_MESSAGE_ID,
	O_NOW
};

/* NULL stays NULL. */
static struct slice text_or_null(const struct pg_rows *rows, size_t i, size_t col)
{
	return pg_null(rows, i, col) ? (struct slice){0} : pg_slice(rows, i, col);
}

/* A receiver that keeps an incident of each case could not close what a digest opened; and it may
 * read another language than the hub's. */
static int suit_receiver(const struct endpoints *all, struct bundle_item *it, enum lang lang,
			 struct bundle *b)
{
	const struct endpoint *p = it->endpoint.p ? endpoints_find(all, it->endpoint) : NULL;
	it->alone = p && p->adapter->by_case;
	it->lang = p ? (enum lang)p->target.lang : lang;
	return notify_words(&b->arena, lang_names[it->lang], &it->alert);
}

static struct bundle_item item_of(const struct pg_rows *rows, size_t i)
{
	return (struct bundle_item){
		.id = pg_i64(rows, i, O_ID),
		.case_id = pg_i64(rows, i, O_CASE),
		.grid_id = pg_i64(rows, i, O_GRID),
		.kind = pg_slice(rows, i, O_KIND),
		.severity = (enum severity)pg_i64(rows, i, O_SEVERITY),
		.event = pg_slice(rows, i, O_EVENT),
		.alert = pg_slice(rows, i, O_ALERT),
		.created_us = pg_i64(rows, i, O_CREATED),
		.endpoint = text_or_null(rows, i, O_ENDPOINT),
		.fallback = text_or_null(rows, i, O_FALLBACK),
		.person = text_or_null(rows, i, O_PERSON),
		.quiet_until_us = pg_i64(rows, i, O_QUIET),
		.silent_until_us = pg_i64(rows, i, O_SILENT),
		.after_us = pg_i64(rows, i, O_AFTER),
		.case_outstanding = pg_bool(rows, i, O_CASE_OUT),
		.outstanding = pg_i64(rows, i, O_OUT),
		.group_last_us = pg_i64(rows, i, O_GROUP_LAST),
		.group_messages = pg_i64(rows, i, O_GROUP_N),
		.message_id = pg_slice(rows, i, O_MESSAGE_ID),
	};
}

static void put_text(struct buf *array, struct slice s)
{
	if (s.p)
		pg_array_str(array, s);
	else
		pg_array_null(array);
}

/* Arrays of notify_bundle.sql, in its order from $2. */
enum { A_MESSAGE = 0, A_ITEM = 7, A_WAIT = 12, A_GONE = 14 };

static void put_message(struct buf *a, const struct bundle_message *m)
{
	pg_array_str(&a[0], m->message_id);
	put_text(&a[1], m->endpoint);
	pg_array_str(&a[2], m->fallback.p ? m->fallback : SL("{}"));
	put_text(&a[3], m->person);
	if (m->case_id)
		pg_array_i64(&a[4], m->case_id);
	else
		pg_array_null(&a[4]);
	pg_array_str(&a[5], m->event);
	pg_array_str(&a[6], m->alert);
}

static void put_item(struct buf *a, const struct bundle *b, const struct bundle_item *it)
{
	if (it->drop) {
		pg_array_i64(&a[A_GONE], it->id);
	} else if (it->due_us) {
		pg_array_i64(&a[A_WAIT], it->id);
		pg_array_i64(&a[A_WAIT + 1], it->due_us);
	} else {
		pg_array_i64(&a[A_ITEM], it->id);
		pg_array_str(&a[A_ITEM + 1], b->v[it->message].message_id);
		pg_array_i64(&a[A_ITEM + 2], it->case_id);
		pg_array_i64(&a[A_ITEM + 3], it->grid_id);
		pg_array_str(&a[A_ITEM + 4], it->kind);
	}
}

static int write_down(struct notify_store *s, const struct bundle *b,
		      const struct bundle_item *items, size_t n, int64_t interval_us, struct err *e,
		      size_t *ret_nowhere)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_pg_columns struct pg_columns a;
	struct pg_arg args[1 + COLUMNS + 1] = {PGA_I(notify_store_district(s))};
	size_t nargs = 1;
	pg_columns_init(&a, COLUMNS);
	for (size_t i = 0; i < b->n; i++)
		put_message(a.c, &b->v[i]);
	for (size_t i = 0; i < n; i++)
		put_item(a.c, b, &items[i]);
	int rc = pg_columns_args(&a, args, &nargs);
	args[nargs++] = PGA_I(interval_us);
	rc = rc ? err_set(e, -ENOMEM, "out of memory")
		: notify_store_query(s, SQL_NOTIFY_BUNDLE, args, nargs, e, &rows);
	if (!rc)
		*ret_nowhere = (size_t)pg_i64(rows, 0, 1);
	return rc;
}

static int bundle_rows(struct notify_store *s, const struct endpoints *endpoints,
		       const struct pg_rows *rows, struct bundle *b, struct err *e,
		       struct notify_bundled *ret)
{
	const struct config *conf = endpoints->conf;
	enum lang lang = (enum lang)notify_store_conf(s)->lang;
	size_t n = pg_count(rows);
	int rc = 0;
	auto_free struct bundle_item *items = mem_new((n + 1) * sizeof *items);
	struct bundle_conf how = {.now_us = pg_i64(rows, 0, O_NOW),
				  .wait_us = conf->notify.group_wait_us,
				  .interval_us = conf->notify.group_interval_us};
	if (!items)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		items[i] = item_of(rows, i);
		rc = rc ? rc : suit_receiver(endpoints, &items[i], lang, b);
	}
	if (!rc)
		rc = bundle_run(b, items, n, &how);
	if (rc)
		return err_set(e, rc, "alerts cannot be bundled: %s", strerror(-rc));
	*ret = (struct notify_bundled){.items = n, .messages = b->n, .more = n == BUNDLE_ITEMS_MAX};
	for (size_t i = 0; i < n; i++) {
		ret->waiting += items[i].due_us != 0;
		ret->dropped += items[i].drop;
	}
	return write_down(s, b, items, n, how.interval_us, e, &ret->nowhere);
}

/* Within a transaction. */
static int bundle_due(struct notify_store *s, const struct endpoints *endpoints,
		      const struct calendar *calendar, struct err *e, struct notify_bundled *ret)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_buf struct buf holidays;
	const struct config *conf = notify_store_conf(s);
	buf_init(&holidays, HOLIDAYS_MAX);
	duty_holidays(calendar, conf->time_zone, times_now_us(), &holidays);
	struct pg_arg args[] = {PGA_I(notify_store_district(s)), PGA_STR(conf->time_zone),
				PGA_I(BUNDLE_ITEMS_MAX), PGA_S(buf_slice(&holidays))};
	*ret = (struct notify_bundled){0};
	int rc = notify_store_query(s, SQL_NOTIFY_OWED, args, COUNT_OF(args), e, &rows);
	if (rc || pg_count(rows) == 0)
		return rc;
	struct bundle b;
	bundle_init(&b);
	rc = bundle_rows(s, endpoints, rows, &b, e, ret);
	bundle_done(&b);
	return rc;
}

int notify_bundle(struct notify_store *s, const struct endpoints *endpoints,
		  const struct calendar *calendar, struct err *e, struct notify_bundled *ret)
{
	int rc = notify_store_begin(s, e);
	if (rc)
		return rc;
	rc = bundle_due(s, endpoints, calendar, e, ret);
	return notify_store_end(s, rc, e);
}
