#include "replay_case.h"

#include "times.h"

/* Two tables of open addressing hold places in arrays + 1; 0 is free. */
struct index {
	uint32_t *v;
	size_t places; /* a power of two; at most half of them are taken */
};

struct replay_book {
	const struct rules *rules; /* borrowed, as are devices and grids */
	int64_t closed_after_us;
	bool counting;
	struct replay_case *cases;
	size_t ncases, cap_cases;
	struct index by_cause; /* (device, rule): its newest case */
	struct replay_tally *by_rule;
	struct replay_day *days;
	size_t ndays, cap_days;
	struct index by_day;
	int64_t day, day_from_us, day_to_us; /* the day looked at last */
};

struct replay_book *replay_book_new(const struct rules *rules, int64_t closed_after_us)
{
	struct replay_book *b = mem_new(sizeof *b);
	if (!b)
		return NULL;
	b->rules = rules;
	b->closed_after_us = closed_after_us;
	b->by_rule = mem_new((rules_count(rules) + 1) * sizeof *b->by_rule);
	if (!b->by_rule) {
		free(b);
		return NULL;
	}
	return b;
}

void replay_book_free(struct replay_book *b)
{
	if (!b)
		return;
	free(b->cases);
	free(b->by_cause.v);
	free(b->by_rule);
	free(b->days);
	free(b->by_day.v);
	free(b);
}

void replay_book_count(struct replay_book *b)
{
	b->counting = true;
}

/* ---- the two tables ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * UINT64_C(0xC2B2AE3D27D4EB4F)) * UINT64_C(0x9E3779B97F4A7C15);
	return x ^ x >> 29;
}

static uint64_t cause_hash(int64_t device_id, uint32_t rule_index)
{
	return mix((uint64_t)device_id, rule_index + 1);
}

static uint64_t day_hash(const struct grid *g, int64_t day)
{
	return mix(g ? (uint64_t)g->id : 0, (uint64_t)day);
}

static uint32_t *cause_place(const struct replay_book *b, const struct index *ix, int64_t device_id,
			     uint32_t rule_index)
{
	size_t mask = ix->places - 1;
	for (size_t i = cause_hash(device_id, rule_index) & mask;; i = (i + 1) & mask) {
		const struct replay_case *c = ix->v[i] ? &b->cases[ix->v[i] - 1] : NULL;
		if (!c || (c->device->id == device_id && c->rule->index == rule_index))
			return &ix->v[i];
	}
}

static uint32_t *day_place(const struct replay_book *b, const struct index *ix,
			   const struct grid *g, int64_t day)
{
	size_t mask = ix->places - 1;
	for (size_t i = day_hash(g, day) & mask;; i = (i + 1) & mask) {
		const struct replay_day *d = ix->v[i] ? &b->days[ix->v[i] - 1] : NULL;
		if (!d || (d->grid == g && d->day == day))
			return &ix->v[i];
	}
}

static uint32_t *place_again(const struct replay_book *b, const struct index *ix, size_t i)
{
	if (ix == &b->by_day)
		return day_place(b, ix, b->days[i].grid, b->days[i].day);
	return cause_place(b, ix, b->cases[i].device->id, b->cases[i].rule->index);
}

/* Room in the index for one more than n. */
static int index_room(struct replay_book *b, struct index *ix, size_t n)
{
	if ((n + 1) * 2 <= ix->places)
		return 0;
	size_t places = ix->places ? ix->places * 2 : 4096;
	uint32_t *v = calloc(places, sizeof *v);
	if (!v)
		return -ENOMEM;
	free(ix->v);
	*ix = (struct index){v, places};
	for (size_t i = 0; i < n; i++)
		*place_again(b, ix, i) = (uint32_t)i + 1; /* a later case of a cause wins */
	return 0;
}

/* ---- days ---- */

/* The civil day at that time; most calls fall into the day of the one before. */
static int64_t day_of(struct replay_book *b, int64_t us)
{
	if (us >= b->day_from_us && us < b->day_to_us)
		return b->day;
	time_t sec = (time_t)(us / TIMES_SEC - (us % TIMES_SEC < 0));
	struct tm tm;
	if (!localtime_r(&sec, &tm))
		return us / TIMES_DAY;
	b->day = times_day(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	struct tm next = tm;
	next.tm_mday++;
	b->day_from_us = (int64_t)mktime(&tm) * TIMES_SEC;
	b->day_to_us = (int64_t)mktime(&next) * TIMES_SEC;
	return b->day;
}

/* The place of that grid's and day's entry, made if need be. */
static int find_day(struct replay_book *b, const struct anomaly *a, size_t *ret)
{
	const struct grid *g = a->device->grid;
	int64_t day = day_of(b, a->at_us);
	int r = index_room(b, &b->by_day, b->ndays);
	if (r)
		return r;
	uint32_t *at = day_place(b, &b->by_day, g, day);
	if (!*at) {
		r = mem_grow(&b->days, &b->cap_days, b->ndays + 1, REPLAY_DAYS_MAX,
			     sizeof *b->days);
		if (r)
			return r;
		b->days[b->ndays++] = (struct replay_day){.grid = g, .day = day};
		*at = (uint32_t)b->ndays;
	}
	*ret = *at - 1;
	return 0;
}

static void add(struct replay_tally *to, const struct replay_tally *what)
{
	to->opened += what->opened;
	to->folded += what->folded;
	to->recovered += what->recovered;
}

static int count(struct replay_book *b, const struct anomaly *a, struct replay_tally what)
{
	size_t i = 0;
	int r = b->counting ? find_day(b, a, &i) : 0;
	if (r || !b->counting)
		return r;
	add(a->rule->shadow ? &b->days[i].shadow : &b->days[i].live, &what);
	add(&b->by_rule[a->rule->index], &what);
	return 0;
}

/* ---- cases ---- */

static bool closed(const struct replay_book *b, const struct replay_case *c, int64_t at_us)
{
	int64_t since = c->rule->event ? c->last_us : c->recovered_us;
	return b->closed_after_us != REPLAY_NEVER && since && at_us - since >= b->closed_after_us;
}

static int open_case(struct replay_book *b, const struct anomaly *a)
{
	int r = index_room(b, &b->by_cause, b->ncases);
	if (!r)
		r = mem_grow(&b->cases, &b->cap_cases, b->ncases + 1, REPLAY_CASES_MAX,
			     sizeof *b->cases);
	if (r)
		return r;
	uint32_t *at = cause_place(b, &b->by_cause, a->device->id, a->rule->index);
	b->cases[b->ncases++] = (struct replay_case){.rule = a->rule,
						     .device = a->device,
						     .first_us = a->at_us,
						     .last_us = a->at_us,
						     .count = 1,
						     .warm = !b->counting};
	*at = (uint32_t)b->ncases;
	return count(b, a, (struct replay_tally){.opened = 1});
}

static int fold(struct replay_book *b, struct replay_case *c, const struct anomaly *a)
{
	c->count++;
	c->last_us = MAX_OF(c->last_us, a->at_us);
	if (a->kind == ANOMALY_FIRED)
		c->recovered_us = 0;
	return count(b, a, (struct replay_tally){.folded = 1});
}

int replay_book_take(void *ctx, const struct anomaly *a)
{
	struct replay_book *b = ctx;
	int r = index_room(b, &b->by_cause, b->ncases);
	if (r)
		return r;
	uint32_t at = *cause_place(b, &b->by_cause, a->device->id, a->rule->index);
	struct replay_case *c = at ? &b->cases[at - 1] : NULL;
	if (c && closed(b, c, a->at_us))
		c = NULL;
	if (a->kind == ANOMALY_FIRED)
		return c ? fold(b, c, a) : open_case(b, a);
	if (!c)
		return 0; /* it was closed while the rule was still firing */
	if (a->kind == ANOMALY_SEEN)
		return fold(b, c, a);
	c->recovered_us = a->at_us;
	return count(b, a, (struct replay_tally){.recovered = 1});
}

/* ---- what came of it ---- */

const struct rules *replay_book_rules(const struct replay_book *b)
{
	return b->rules;
}

size_t replay_book_cases(const struct replay_book *b, const struct replay_case **ret)
{
	*ret = b->cases;
	return b->ncases;
}

const struct replay_tally *replay_book_rule(const struct replay_book *b, size_t rule_index)
{
	return &b->by_rule[rule_index];
}

static int by_day_and_grid(const void *x, const void *y)
{
	const struct replay_day *a = x, *b = y;
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	return strcmp(a->grid ? a->grid->code : "", b->grid ? b->grid->code : "");
}

size_t replay_book_days(struct replay_book *b, const struct replay_day **ret)
{
	if (b->ndays)
		qsort(b->days, b->ndays, sizeof *b->days, by_day_and_grid);
	free(b->by_day.v); /* it knows other places */
	b->by_day = (struct index){0};
	b->counting = false;
	*ret = b->days;
	return b->ndays;
}

struct replay_tally replay_book_sum(const struct replay_book *b, bool shadow)
{
	struct replay_tally sum = {0};
	for (size_t i = 0; i < rules_count(b->rules); i++)
		if (rules_at(b->rules, i)->shadow == shadow)
			add(&sum, &b->by_rule[i]);
	return sum;
}
