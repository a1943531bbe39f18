#include "bundle.h"

#include <inttypes.h>

#include "alert.h"
#include "json.h"
#include "times.h"

#define ARENA_MAX ((size_t)64 << 20)
#define DIGEST_MAX ((size_t)512 * 1024)
#define KINDS_MAX 12   /* named in a digest; the rest are counted together */
#define GROWTH 4       /* each wait of a group to the one before it */
#define URGENT_SHARE 2 /* an urgent one waits half as long */
#define LOOK_AGAIN_MAX TIMES_MIN

static const struct json_limits alert_limits = {.max_bytes = 1024 * 1024, .max_depth = 16};

void bundle_init(struct bundle *b)
{
	*b = (struct bundle){0};
	arena_init(&b->arena, ARENA_MAX);
}

void bundle_done(struct bundle *b)
{
	arena_done(&b->arena);
	free(b->v);
	*b = (struct bundle){0};
}

/* ---- does it go now? ---- */

static bool recovered(const struct bundle_item *it)
{
	return slice_is(it->event, "case.recovered");
}

/* What depends on something that nobody tells us of is looked at again, less often as it ages. */
static int64_t look_again(const struct bundle_item *it, int64_t now_us)
{
	int64_t age = (now_us - it->created_us) / 4;
	return now_us + MIN_OF(MAX_OF(age, TIMES_SEC), LOOK_AGAIN_MAX);
}

static int64_t group_due(const struct bundle_item *it, const struct bundle_conf *conf)
{
	bool fresh = !it->group_last_us || it->group_last_us < conf->now_us - conf->interval_us;
	int64_t wait = conf->wait_us / (it->severity == SEVERITY_URGENT ? URGENT_SHARE : 1);
	int64_t first = recovered(it) ? MIN_OF(it->created_us, conf->now_us) + wait : 0;
	if (fresh)
		return first;
	for (int64_t i = 1; i < it->group_messages && wait < conf->interval_us; i++)
		wait *= GROWTH;
	/* A clock that was put back must not keep the group waiting until it is there again. */
	int64_t last = MIN_OF(it->group_last_us, conf->now_us);
	return MAX_OF(first, last + MIN_OF(wait, conf->interval_us));
}

/* The time until which it waits; 0: it goes. A silence may be ended, and a shift be over, before
 * their time: those are looked at again meanwhile. */
static int64_t waits_until(const struct bundle_item *it, const struct bundle_conf *conf)
{
	if (it->after_us)
		return it->after_us;
	if (it->silent_until_us)
		return MIN_OF(it->silent_until_us, conf->now_us + LOOK_AGAIN_MAX);
	if (!it->endpoint.p)
		return 0;
	if (it->quiet_until_us && it->severity != SEVERITY_URGENT)
		return MIN_OF(it->quiet_until_us, conf->now_us + LOOK_AGAIN_MAX);
	if (it->case_outstanding)
		return look_again(it, conf->now_us);
	if (conf->wait_us == 0 || it->alone)
		return 0;
	if (it->outstanding >= BUNDLE_OUTSTANDING)
		return look_again(it, conf->now_us);
	int64_t due = group_due(it, conf);
	return due > conf->now_us ? due : 0;
}

static bool same_group(const struct bundle_item *a, const struct bundle_item *b)
{
	return a->grid_id == b->grid_id && slice_eq(a->kind, b->kind) &&
	       slice_eq(a->endpoint, b->endpoint);
}

/* Opened and recovered while silenced: nobody is told of either. */
static void drop_pair(struct bundle_item *items, size_t at)
{
	struct bundle_item *it = &items[at];
	if (!it->silent_until_us || !recovered(it))
		return;
	for (size_t i = at; i-- && same_group(&items[i], it);) {
		struct bundle_item *before = &items[i];
		if (before->case_id != it->case_id || before->drop)
			continue;
		if (recovered(before))
			return;
		before->drop = it->drop = true;
		return;
	}
}

/* ---- digests ---- */

static const struct words {
	const char *in_grids, *cases, *kind, *comma, *other, *more, *more_recovered, *recovered;
} words[] = {
	{"%zu个网格", "共%zu起：", "%s%zu起", "、", "其他%zu起", "\n另有%zu起", "，其中%zu起已恢复",
	 "（已恢复）"},
	{"%zu grids", ", %zu cases: ", "%s %zu", ", ", "other %zu", "\nand %zu more",
	 ", %zu of them recovered", " (recovered)"},
};

struct kind_count {
	struct slice kind;
	const struct bundle_item *one;
	size_t n;
};

struct digest {
	struct bundle_item *const *items;
	size_t n;
	const struct words *words;
	enum lang lang;
	const struct bundle_item *shown[BUNDLE_SHOWN]; /* the worst first */
	size_t nshown, nrecovered, nopened, ngrids, ncases, nother;
	struct kind_count kinds[KINDS_MAX];
	size_t nkinds;
};

static bool worse(const struct bundle_item *a, const struct bundle_item *b)
{
	if (recovered(a) != recovered(b))
		return recovered(b);
	return a->severity != b->severity ? a->severity > b->severity : a->id < b->id;
}

static void show(struct digest *d, const struct bundle_item *it)
{
	size_t at = d->nshown;
	while (at && worse(it, d->shown[at - 1]))
		at--;
	if (at == BUNDLE_SHOWN)
		return;
	d->nshown = MIN_OF(d->nshown + 1, (size_t)BUNDLE_SHOWN);
	for (size_t i = d->nshown - 1; i > at; i--)
		d->shown[i] = d->shown[i - 1];
	d->shown[at] = it;
}

static void count_kind(struct digest *d, const struct bundle_item *it)
{
	size_t i = 0;
	while (i < d->nkinds && !slice_eq(d->kinds[i].kind, it->kind))
		i++;
	if (i == KINDS_MAX) {
		d->nother++;
		return;
	}
	if (i == d->nkinds)
		d->kinds[d->nkinds++] = (struct kind_count){.kind = it->kind, .one = it};
	d->kinds[i].n++;
}

/* The items of a case are neighbours: grid and kind are the same, and they came one after another
 * only if nothing else did; so a case is counted by its first mention in the run. */
static bool mentioned(const struct digest *d, size_t at)
{
	for (size_t i = at; i-- && same_group(d->items[i], d->items[at]);)
		if (d->items[i]->case_id == d->items[at]->case_id)
			return true;
	return false;
}

static void count(struct digest *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct bundle_item *it = d->items[i];
		d->ngrids += i == 0 || d->items[i - 1]->grid_id != it->grid_id;
		d->nrecovered += recovered(it);
		d->nopened += slice_is(it->event, "case.opened");
		if (mentioned(d, i))
			continue;
		d->ncases++;
		count_kind(d, it);
	}
	/* The last word about each case is what is shown. */
	for (size_t i = d->n; i--;) {
		bool later = false;
		for (size_t k = i + 1; k < d->n && !later && same_group(d->items[k], d->items[i]);
		     k++)
			later = d->items[k]->case_id == d->items[i]->case_id;
		if (!later)
			show(d, d->items[i]);
	}
}

static struct slice member(const struct json *alert, const char *object, const char *name)
{
	return json_str(json_get(json_get(alert, object), name));
}

static struct json *parse(const struct bundle_item *it)
{
	struct json *alert = NULL;
	struct err e;
	return json_parse(it->alert, &alert_limits, &e, &alert) ? NULL : alert;
}

static void put_kind_name(const struct bundle_item *it, struct buf *out)
{
	auto_json struct json *alert = parse(it);
	struct slice name = member(alert, "case", "kind_name");
	buf_put_slice(out, name.n ? name : it->kind);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats stand in the table above */

/* "【紧急】3号楼共12起：垃圾满溢9起、电量低3起" */
static void put_headline(const struct digest *d, struct buf *out)
{
	const struct words *w = d->words;
	auto_json struct json *alert = parse(d->shown[0]);
	alert_put_how(d->lang, d->shown[0]->severity, d->nrecovered == d->n, out);
	if (d->ngrids > 1)
		buf_printf(out, w->in_grids, d->ngrids);
	else
		buf_put_slice(out, member(alert, "grid", "name"));
	buf_printf(out, w->cases, d->ncases);
	for (size_t i = 0; i < d->nkinds; i++) {
		auto_buf struct buf name;
		buf_init(&name, RULE_TITLE_MAX);
		put_kind_name(d->kinds[i].one, &name);
		buf_puts(out, i ? w->comma : "");
		buf_printf(out, w->kind, buf_str(&name), d->kinds[i].n);
	}
	if (d->nother) {
		buf_puts(out, w->comma);
		buf_printf(out, w->other, d->nother);
	}
}

static void put_text(const struct digest *d, struct slice headline, struct buf *out)
{
	size_t told = 0;
	buf_put_slice(out, headline);
	for (size_t i = 0; i < d->nshown; i++) {
		auto_json struct json *alert = parse(d->shown[i]);
		buf_printf(out, "\n%zu. %.*s%s", i + 1, SL_FMT(member(alert, "case", "title")),
			   recovered(d->shown[i]) ? d->words->recovered : "");
		told += recovered(d->shown[i]);
	}
	if (d->ncases <= d->nshown)
		return;
	buf_printf(out, d->words->more, d->ncases - d->nshown);
	if (d->nrecovered > told)
		buf_printf(out, d->words->more_recovered,
			   MIN_OF(d->nrecovered - told, d->ncases - d->nshown));
}

#pragma GCC diagnostic pop

static void put_member(struct buf *out, const char *key, struct slice value)
{
	json_put_key(out, key);
	json_put_str(out, value);
}

static void put_shown(const struct digest *d, struct buf *out)
{
	buf_puts(out, ",\"shown\":[");
	for (size_t i = 0; i < d->nshown; i++) {
		const struct bundle_item *it = d->shown[i];
		auto_json struct json *alert = parse(it);
		buf_printf(out, "%s{\"id\":%" PRId64, i ? "," : "", it->case_id);
		put_member(out, "event", it->event);
		put_member(out, "severity", slice_of(severity_names[it->severity]));
		put_member(out, "kind", it->kind);
		put_member(out, "title", member(alert, "case", "title"));
		put_member(out, "grid", member(alert, "grid", "name"));
		put_member(out, "device", member(alert, "device", "title"));
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_digest(const struct digest *d, struct buf *out)
{
	buf_printf(out, "{\"cases\":%zu,\"opened\":%zu,\"recovered\":%zu,\"grids\":%zu,\"kinds\":[",
		   d->ncases, d->nopened, d->nrecovered, d->ngrids);
	for (size_t i = 0; i < d->nkinds; i++) {
		buf_puts(out, i ? ",{" : "{");
		put_member(out, "kind", d->kinds[i].kind);
		buf_printf(out, ",\"cases\":%zu}", d->kinds[i].n);
	}
	buf_puts(out, "],\"ids\":[");
	size_t ids = 0;
	for (size_t i = 0; i < d->n && ids < BUNDLE_IDS_MAX; i++)
		if (!mentioned(d, i))
			buf_printf(out, "%s%" PRId64, ids++ ? "," : "", d->items[i]->case_id);
	buf_putc(out, ']');
	put_shown(d, out);
	buf_putc(out, '}');
}

/* The worst one's case, with the headline for its title: what a receiver shows that knows no
 * digests. */
static void put_case(const struct json *of, struct slice headline, struct buf *out)
{
	buf_puts(out, "{\"case\":{");
	put_member(out, "title", headline);
	for (void *it = json_first(of); it; it = json_next(of, it)) {
		if (slice_is(json_key(it), "title"))
			continue;
		buf_putc(out, ',');
		json_put_str(out, json_key(it));
		buf_putc(out, ':');
		json_put_value(out, json_val(it));
	}
	buf_putc(out, '}');
}

static void put_alert(const struct digest *d, struct buf *out)
{
	static const char *const kept[] = {"grid", "device"};
	auto_buf struct buf headline, text;
	auto_json struct json *worst = parse(d->shown[0]);
	buf_init(&headline, DIGEST_MAX);
	buf_init(&text, DIGEST_MAX);
	put_headline(d, &headline);
	put_text(d, buf_slice(&headline), &text);
	put_case(json_get(worst, "case"), buf_slice(&headline), out);
	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		const struct json *v = json_get(worst, kept[i]);
		if (!v)
			continue;
		json_put_key(out, kept[i]);
		json_put_value(out, v);
	}
	buf_puts(out, ",\"fields\":{},\"digest\":");
	put_digest(d, out);
	put_member(out, "text", buf_slice(&text));
	buf_putc(out, '}');
	if (headline.failed || text.failed)
		out->failed = true;
}

static int compose(struct bundle *b, struct bundle_item *const *items, size_t n, struct slice *ret)
{
	struct digest d = {.items = items,
			   .n = n,
			   .words = &words[items[0]->lang],
			   .lang = items[0]->lang,
			   .shown = {items[0]}};
	auto_buf struct buf alert;
	buf_init(&alert, DIGEST_MAX);
	count(&d);
	put_alert(&d, &alert);
	if (alert.failed)
		return -E2BIG;
	*ret = arena_copy(&b->arena, buf_slice(&alert));
	return ret->p ? 0 : -ENOMEM;
}

/* ---- messages ---- */

/* One message of items[0..n): as it is if it is only one, else a digest. */
static int put_message(struct bundle *b, struct bundle_item *const *items, size_t n)
{
	const struct bundle_item *head = items[0];
	int r = mem_grow(&b->v, &b->cap, b->n + 1, BUNDLE_ITEMS_MAX, sizeof *b->v);
	if (r)
		return r;
	struct bundle_message m = {.message_id = head->message_id,
				   .endpoint = head->endpoint,
				   .fallback = head->fallback,
				   .person = head->person,
				   .event = head->event,
				   .alert = head->alert,
				   .case_id = head->case_id,
				   .n = n};
	if (n > 1) {
		m.event = SL("case.digest");
		m.case_id = 0;
		r = compose(b, items, n, &m.alert);
		if (r)
			return r;
	}
	for (size_t i = 0; i < n; i++)
		items[i]->message = b->n;
	b->v[b->n++] = m;
	return 0;
}

/* The items of one endpoint that go now, in order of grid and kind. */
static int put_endpoint(struct bundle *b, struct bundle_item *const *items, size_t n,
			const struct bundle_conf *conf)
{
	size_t groups = 0;
	bool by_itself = conf->wait_us == 0 || !items[0]->endpoint.p || items[0]->alone;
	for (size_t i = 0; i < n; i++)
		groups += i == 0 || !same_group(items[i - 1], items[i]);
	if (groups > BUNDLE_GROUPS_MAX && !by_itself)
		return put_message(b, items, n);
	for (size_t from = 0, to; from < n; from = to) {
		to = from + 1;
		while (to < n && !by_itself && same_group(items[from], items[to]))
			to++;
		int r = put_message(b, items + from, to - from);
		if (r)
			return r;
	}
	return 0;
}

static int by_case(const void *x, const void *y)
{
	const struct bundle_item *a = *(const struct bundle_item *const *)x;
	const struct bundle_item *b = *(const struct bundle_item *const *)y;
	if (a->case_id != b->case_id)
		return a->case_id < b->case_id ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* What is said of a case is said in order, also when its device has changed its grid, or its rule
 * how urgent it is: a later word waits for the earlier one, unless both go in the same group. */
static void keep_order(struct bundle_item **of_case, size_t n, const struct bundle_conf *conf)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
	qsort(of_case, n, sizeof(*of_case), by_case);
	for (size_t i = 1; i < n; i++) {
		const struct bundle_item *before = of_case[i - 1];
		struct bundle_item *it = of_case[i];
		if (before->case_id != it->case_id)
			continue;
		if (before->due_us)
			it->due_us = MAX_OF(it->due_us, before->due_us);
		else if (!it->due_us && !same_group(before, it))
			it->due_us = look_again(it, conf->now_us);
	}
}

int bundle_run(struct bundle *b, struct bundle_item *items, size_t n,
	       const struct bundle_conf *conf)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
	auto_free struct bundle_item **go = mem_new((n + 1) * sizeof(*go));
	size_t ngo = 0;
	if (!go)
		return -ENOMEM;
	if (n > BUNDLE_ITEMS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		items[i].message = SIZE_MAX;
		drop_pair(items, i);
	}
	for (size_t i = 0; i < n; i++) {
		items[i].due_us = items[i].drop ? 0 : waits_until(&items[i], conf);
		if (!items[i].drop)
			go[ngo++] = &items[i];
	}
	if (ngo)
		keep_order(go, ngo, conf);
	ngo = 0;
	for (size_t i = 0; i < n; i++)
		if (!items[i].drop && !items[i].due_us)
			go[ngo++] = &items[i];
	for (size_t from = 0, to; from < ngo; from = to) {
		for (to = from + 1; to < ngo && slice_eq(go[from]->endpoint, go[to]->endpoint);)
			to++;
		int r = put_endpoint(b, go + from, to - from, conf);
		if (r)
			return r;
	}
	return 0;
}
