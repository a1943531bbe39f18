#include "replay_diff.h"

const char *const replay_change_names[] = {"same", "changed", "new", "gone", NULL};

/* Cases of a book by (rule id, device, time). */
struct sorted {
	const struct replay_case **v;
	size_t n, at;
};

static int by_rule_device_time(const void *x, const void *y)
{
	const struct replay_case *a = *(const struct replay_case *const *)x;
	const struct replay_case *b = *(const struct replay_case *const *)y;
	int c = a->rule == b->rule ? 0 : strcmp(a->rule->id, b->rule->id);
	if (c)
		return c;
	if (a->device->id != b->device->id)
		return a->device->id < b->device->id ? -1 : 1;
	return (a->first_us > b->first_us) - (a->first_us < b->first_us);
}

static int sort_cases(const struct replay_book *b, struct sorted *ret)
{
	const struct replay_case *all;
	size_t n = replay_book_cases(b, &all);
	*ret = (struct sorted){.v = mem_new((n + 1) * sizeof(const struct replay_case *)), .n = n};
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ret->v[i] = &all[i];
	qsort(ret->v, n, sizeof(const struct replay_case *), by_rule_device_time);
	return 0;
}

static int64_t end_of(const struct replay_case *c)
{
	if (c->rule->event)
		return c->last_us;
	return c->recovered_us ? c->recovered_us : INT64_MAX;
}

/* Counted, and kept if it is one of the first. */
static void note(const struct replay_case *c, int64_t *count, const struct replay_case **examples,
		 size_t *n)
{
	if (c->warm)
		return;
	++*count;
	size_t i = *n;
	for (; i && examples[i - 1]->first_us > c->first_us; i--)
		if (i < REPLAY_EXAMPLES)
			examples[i] = examples[i - 1];
	if (i < REPLAY_EXAMPLES)
		examples[i] = c;
	*n = MIN_OF(*n + 1, (size_t)REPLAY_EXAMPLES);
}

static void note_more(struct replay_difference *d, const struct replay_case *c)
{
	note(c, &d->more, d->examples_more, &d->nmore);
}

static void note_fewer(struct replay_difference *d, const struct replay_case *c)
{
	note(c, &d->fewer, d->examples_fewer, &d->nfewer);
}

static const struct replay_case *next_of(const struct sorted *s, const char *rule_id)
{
	const struct replay_case *c = s->at < s->n ? s->v[s->at] : NULL;
	return c && strcmp(c->rule->id, rule_id) == 0 ? c : NULL;
}

/* -1, 1: that side has a case that the other one has not; 0: both are the same case. */
static int side(const struct replay_case *a, const struct replay_case *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	if (a->device->id != b->device->id)
		return a->device->id < b->device->id ? -1 : 1;
	if (end_of(a) < b->first_us)
		return -1;
	return end_of(b) < a->first_us ? 1 : 0;
}

/* All cases of the rule, which stand next in both. */
static void compare(struct replay_difference *d, struct sorted *before, struct sorted *after)
{
	for (;;) {
		const struct replay_case *a = next_of(before, d->rule_id);
		const struct replay_case *b = next_of(after, d->rule_id);
		if (!a && !b)
			return;
		int s = side(a, b);
		if (s < 0)
			note_fewer(d, a);
		else if (s > 0)
			note_more(d, b);
		else
			d->moved += a->first_us != b->first_us && !(a->warm && b->warm);
		before->at += s <= 0;
		after->at += s >= 0;
	}
}

static enum replay_change change_of(const struct rule *a, const struct rule *b)
{
	if (!a || !b)
		return a ? REPLAY_GONE : REPLAY_NEW;
	return a->hash == b->hash ? REPLAY_SAME : REPLAY_CHANGED;
}

static int by_id(const void *x, const void *y)
{
	return strcmp(((const struct replay_difference *)x)->rule_id,
		      ((const struct replay_difference *)y)->rule_id);
}

/* One entry a rule of either book, sorted by id. */
static size_t list_rules(const struct replay_book *before, const struct replay_book *after,
			 struct replay_difference *v)
{
	const struct rules *a = replay_book_rules(before), *b = replay_book_rules(after);
	size_t n = 0;
	for (size_t i = 0; i < rules_count(a); i++) {
		const struct rule *r = rules_at(a, i);
		v[n++] = (struct replay_difference){
			.rule_id = r->id,
			.change = change_of(r, rules_find(b, slice_of(r->id))),
			.before = *replay_book_rule(before, i)};
	}
	for (size_t i = 0; i < rules_count(b); i++)
		if (!rules_find(a, slice_of(rules_at(b, i)->id)))
			v[n++] = (struct replay_difference){.rule_id = rules_at(b, i)->id,
							    .change = REPLAY_NEW};
	qsort(v, n, sizeof *v, by_id);
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = rules_find(b, slice_of(v[i].rule_id));
		if (r)
			v[i].after = *replay_book_rule(after, r->index);
	}
	return n;
}

int replay_diff(const struct replay_book *before, const struct replay_book *after,
		struct replay_difference **ret, size_t *ret_n)
{
	size_t max = rules_count(replay_book_rules(before)) + rules_count(replay_book_rules(after));
	struct replay_difference *v = mem_new((max + 1) * sizeof *v);
	struct sorted a = {0}, b = {0};
	int r = v ? sort_cases(before, &a) : -ENOMEM;
	if (!r)
		r = sort_cases(after, &b);
	if (!r) {
		*ret_n = list_rules(before, after, v);
		for (size_t i = 0; i < *ret_n; i++)
			compare(&v[i], &a, &b);
		*ret = v;
		v = NULL;
	}
	free(a.v);
	free(b.v);
	free(v);
	return r;
}
