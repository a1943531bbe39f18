#include "cmd_replay.h"
#include "json.h"
#include "times.h"

#define LINE_MAX_BYTES 65536
#define DAYS_TEXT 32

static const char *const set_names[] = {"in_force", "new"};

/* ---- leaders ---- */

struct leader_day {
	const char *leader; /* "" = nobody up to the root */
	int64_t day;
	struct replay_tally live, shadow;
};

static const char *leader_of(const struct grid *g)
{
	while (g && !g->leader[0])
		g = g->parent;
	return g ? g->leader : "";
}

static int by_leader_and_day(const void *x, const void *y)
{
	const struct leader_day *a = x, *b = y;
	int c = strcmp(a->leader, b->leader);
	return c ? c : (a->day > b->day) - (a->day < b->day);
}

static void add(struct replay_tally *to, const struct replay_tally *what)
{
	to->opened += what->opened;
	to->folded += what->folded;
	to->recovered += what->recovered;
}

/* Days of grids summed up by leader, sorted by leader, then by day; the caller's to free. */
static int leader_days(struct replay_book *b, struct leader_day **ret, size_t *ret_n)
{
	const struct replay_day *days;
	size_t n = replay_book_days(b, &days), kept = 0;
	struct leader_day *v = mem_new((n + 1) * sizeof *v);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct leader_day){.leader = leader_of(days[i].grid),
					   .day = days[i].day,
					   .live = days[i].live,
					   .shadow = days[i].shadow};
	qsort(v, n, sizeof *v, by_leader_and_day);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_leader_and_day(&v[kept - 1], &v[i]) == 0) {
			add(&v[kept - 1].live, &v[i].live);
			add(&v[kept - 1].shadow, &v[i].shadow);
		} else {
			v[kept++] = v[i];
		}
	}
	*ret = v;
	*ret_n = kept;
	return 0;
}

/* ---- JSON lines ---- */

static void put_str(struct buf *b, const char *key, const char *v)
{
	json_put_key(b, key);
	if (v && v[0])
		json_put_str(b, slice_of(v));
	else
		buf_puts(b, "null");
}

static void put_int(struct buf *b, const char *key, int64_t v)
{
	json_put_key(b, key);
	buf_printf(b, "%lld", (long long)v);
}

static void put_bool(struct buf *b, const char *key, bool v)
{
	json_put_key(b, key);
	buf_puts(b, v ? "true" : "false");
}

/* 0: null. */
static void put_time(struct buf *b, const char *key, int64_t us)
{
	char at[TIMES_RFC3339_MAX];
	times_format(us, at);
	put_str(b, key, us ? at : NULL);
}

static void format_day(int64_t day, char ret[static DAYS_TEXT])
{
	int y, m, d;
	times_civil(day, &y, &m, &d);
	snprintf(ret, DAYS_TEXT, "%04d-%02d-%02d", y, m, d);
}

static void put_tally(struct buf *b, const struct replay_tally *t)
{
	put_int(b, "opened", t->opened);
	put_int(b, "folded", t->folded);
	put_int(b, "recovered", t->recovered);
}

static void begin_line(struct buf *b, const char *kind, const char *set)
{
	buf_reset(b);
	buf_putc(b, '{');
	put_str(b, "kind", kind);
	if (set)
		put_str(b, "rules", set);
}

static int end_line(struct buf *b)
{
	buf_putc(b, '}');
	if (b->failed)
		return -ENOMEM;
	return printf("%s\n", buf_str(b)) < 0 ? -EIO : 0;
}

static int json_rules(struct buf *b, const struct replay_book *book, const char *set)
{
	const struct rules *rules = replay_book_rules(book);
	int r = 0;
	for (size_t i = 0; i < rules_count(rules) && !r; i++) {
		const struct rule *rule = rules_at(rules, i);
		begin_line(b, "rule", set);
		put_str(b, "rule", rule->id);
		put_str(b, "case_kind", rule->kind);
		put_str(b, "severity", severity_names[rule->severity]);
		put_bool(b, "shadow", rule->shadow);
		put_tally(b, replay_book_rule(book, i));
		r = end_line(b);
	}
	return r;
}

static int json_grid_days(struct buf *b, struct replay_book *book, const char *set)
{
	const struct replay_day *days;
	size_t n = replay_book_days(book, &days);
	char day[DAYS_TEXT];
	int r = 0;
	for (size_t i = 0; i < n && !r; i++) {
		const struct grid *g = days[i].grid;
		format_day(days[i].day, day);
		begin_line(b, "grid_day", set);
		put_str(b, "day", day);
		put_str(b, "grid", g ? g->code : NULL);
		put_str(b, "name", g ? g->name : NULL);
		put_str(b, "leader", leader_of(g));
		put_tally(b, &days[i].live);
		put_int(b, "shadow_opened", days[i].shadow.opened);
		r = end_line(b);
	}
	return r;
}

static int json_leader_days(struct buf *b, struct replay_book *book, const char *set)
{
	struct leader_day *v = NULL;
	size_t n = 0;
	char day[DAYS_TEXT];
	int r = leader_days(book, &v, &n);
	for (size_t i = 0; i < n && !r; i++) {
		format_day(v[i].day, day);
		begin_line(b, "leader_day", set);
		put_str(b, "leader", v[i].leader);
		put_str(b, "day", day);
		put_tally(b, &v[i].live);
		put_int(b, "shadow_opened", v[i].shadow.opened);
		r = end_line(b);
	}
	free(v);
	return r;
}

static int json_cases(struct buf *b, const struct replay_book *book, const char *set)
{
	const struct replay_case *v;
	size_t n = replay_book_cases(book, &v);
	int r = 0;
	for (size_t i = 0; i < n && !r; i++) {
		begin_line(b, "case", set);
		put_str(b, "rule", v[i].rule->id);
		put_str(b, "device", v[i].device->name);
		put_str(b, "grid", v[i].device->grid ? v[i].device->grid->code : NULL);
		put_time(b, "first_seen", v[i].first_us);
		put_time(b, "last_seen", v[i].last_us);
		put_time(b, "recovered_at", v[i].recovered_us);
		put_int(b, "event_count", v[i].count);
		put_bool(b, "shadow", v[i].rule->shadow);
		put_bool(b, "before_range", v[i].warm);
		r = end_line(b);
	}
	return r;
}

static int json_book(struct buf *b, const struct replay_show *s, struct replay_book *book,
		     const char *set)
{
	int r = json_rules(b, book, set);
	if (!r)
		r = json_grid_days(b, book, set);
	if (!r)
		r = json_leader_days(b, book, set);
	return r || !s->cases ? r : json_cases(b, book, set);
}

static void put_examples(struct buf *b, const char *key, const struct replay_case *const *v,
			 size_t n)
{
	json_put_key(b, key);
	buf_putc(b, '[');
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i ? ",{" : "{");
		put_str(b, "device", v[i]->device->name);
		put_time(b, "at", v[i]->first_us);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static bool differs(const struct replay_difference *d)
{
	return d->change != REPLAY_SAME || d->more || d->fewer || d->moved ||
	       memcmp(&d->before, &d->after, sizeof d->before) != 0;
}

static int json_differences(struct buf *b, const struct replay_show *s)
{
	int r = 0;
	for (size_t i = 0; i < s->ndiff && !r; i++) {
		const struct replay_difference *d = &s->diff[i];
		if (!differs(d))
			continue;
		begin_line(b, "difference", NULL);
		put_str(b, "rule", d->rule_id);
		put_str(b, "change", replay_change_names[d->change]);
		put_int(b, "opened_in_force", d->before.opened);
		put_int(b, "opened_new", d->after.opened);
		put_int(b, "more", d->more);
		put_int(b, "fewer", d->fewer);
		put_int(b, "moved", d->moved);
		put_examples(b, "examples_more", d->examples_more, d->nmore);
		put_examples(b, "examples_fewer", d->examples_fewer, d->nfewer);
		r = end_line(b);
	}
	return r;
}

static int json_summary(struct buf *b, const struct replay_show *s, const struct replay_book *book,
			const char *set)
{
	const struct replay_result *res = s->r;
	struct replay_tally live = replay_book_sum(book, false);
	begin_line(b, "summary", set);
	put_time(b, "from", s->q->from_us);
	put_time(b, "to", s->q->to_us);
	put_time(b, "until", res->until_us);
	put_time(b, "history_from", res->oldest_us);
	put_bool(b, "range_cut", res->oldest_us > s->q->from_us);
	put_time(b, "warm_up_from", res->warm_from_us);
	put_bool(b, "warm_up_cut", res->warm_from_us > res->wanted_from_us);
	put_bool(b, "stopped", res->stopped);
	put_int(b, "readings", res->readings);
	put_int(b, "warm_up_readings", res->warm_readings);
	put_int(b, "readings_of_removed_devices", res->strangers);
	put_int(b, "gaps", res->gaps);
	put_str(b, "first_error", (book == res->other ? &res->other_fault : &res->fault)->msg);
	put_int(b, "rules_in_set", (int64_t)rules_count(replay_book_rules(book)));
	put_tally(b, &live);
	put_int(b, "shadow_opened", replay_book_sum(book, true).opened);
	json_put_key(b, "seconds");
	json_put_double(b, s->took_s);
	json_put_key(b, "cpu_seconds");
	json_put_double(b, s->cpu_s);
	return end_line(b);
}

int replay_show_json(const struct replay_show *s)
{
	struct replay_book *books[] = {s->r->book, s->r->other};
	auto_buf struct buf b;
	buf_init(&b, LINE_MAX_BYTES);
	int r = 0;
	for (size_t i = 0; i < COUNT_OF(books) && !r; i++)
		r = books[i] ? json_book(&b, s, books[i], set_names[i]) : 0;
	if (!r)
		r = json_differences(&b, s);
	for (size_t i = 0; i < COUNT_OF(books) && !r; i++)
		r = books[i] ? json_summary(&b, s, books[i], set_names[i]) : 0;
	return r;
}

/* ---- for people ---- */

static bool nothing(const struct replay_tally *t)
{
	return !t->opened && !t->folded && !t->recovered;
}

static void table_rules(const struct replay_book *book)
{
	const struct rules *rules = replay_book_rules(book);
	size_t quiet = 0;
	fprintf(stderr, "\n%10s %10s %10s  %s\n", "opened", "folded", "recovered", "rule");
	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rule *rule = rules_at(rules, i);
		const struct replay_tally *t = replay_book_rule(book, i);
		if (nothing(t)) {
			quiet++;
			continue;
		}
		fprintf(stderr, "%10lld %10lld %10lld  %s%s\n", (long long)t->opened,
			(long long)t->folded, (long long)t->recovered, rule->id,
			rule->shadow ? " (shadow)" : "");
	}
	struct replay_tally sum = replay_book_sum(book, false);
	fprintf(stderr, "%10lld %10lld %10lld  all", (long long)sum.opened, (long long)sum.folded,
		(long long)sum.recovered);
	if (quiet)
		fprintf(stderr, "; %zu rule%s of which nothing was heard", quiet,
			quiet > 1 ? "s" : "");
	fputc('\n', stderr);
}

static int table_leaders(struct replay_book *book)
{
	struct leader_day *v = NULL;
	size_t n = 0;
	char text[DAYS_TEXT];
	int r = leader_days(book, &v, &n);
	if (r)
		return r;
	if (n)
		fprintf(stderr, "\n%10s %10s %10s  %-10s  %s\n", "opened", "days", "most a day",
			"on", "leader");
	for (size_t i = 0, k; i < n; i = k) {
		int64_t opened = 0;
		const struct leader_day *most = &v[i];
		for (k = i; k < n && strcmp(v[k].leader, v[i].leader) == 0; k++) {
			opened += v[k].live.opened;
			most = v[k].live.opened > most->live.opened ? &v[k] : most;
		}
		format_day(most->day, text);
		fprintf(stderr, "%10lld %10zu %10lld  %-10s  %s\n", (long long)opened, k - i,
			(long long)most->live.opened, text,
			v[i].leader[0] ? v[i].leader : "(nobody)");
	}
	free(v);
	return 0;
}

static void table_examples(char sign, const struct replay_case *const *v, size_t n)
{
	char at[TIMES_RFC3339_MAX];
	for (size_t i = 0; i < n; i++) {
		times_format(v[i]->first_us, at);
		fprintf(stderr, "%34c %s  %s\n", sign, at, v[i]->device->name);
	}
}

static void table_differences(const struct replay_show *s)
{
	size_t same = 0;
	fprintf(stderr, "\n%10s %10s %7s %7s %7s  %s\n", "in force", "new", "more", "fewer",
		"moved", "rule");
	for (size_t i = 0; i < s->ndiff; i++) {
		const struct replay_difference *d = &s->diff[i];
		if (!differs(d)) {
			same++;
			continue;
		}
		fprintf(stderr, "%10lld %10lld %7lld %7lld %7lld  %s%s%s%s\n",
			(long long)d->before.opened, (long long)d->after.opened, (long long)d->more,
			(long long)d->fewer, (long long)d->moved, d->rule_id, d->change ? " (" : "",
			d->change ? replay_change_names[d->change] : "", d->change ? ")" : "");
		table_examples('+', d->examples_more, d->nmore);
		table_examples('-', d->examples_fewer, d->nfewer);
	}
	fprintf(stderr, "%zu rule%s without a difference\n", same, same == 1 ? "" : "s");
}

/* What the stored history does not reach. */
static void table_history(const struct replay_show *s)
{
	const struct replay_result *res = s->r;
	char oldest[TIMES_RFC3339_MAX];
	times_format(res->oldest_us, oldest);
	if (res->oldest_us > s->q->from_us)
		fprintf(stderr,
			"NOTE: readings are stored from %.10s (UTC) on: nothing is known of the "
			"time before\n",
			oldest);
	else if (res->warm_from_us > res->wanted_from_us)
		fprintf(stderr,
			"NOTE: readings are stored from %.10s (UTC) on, so the warm-up is cut: "
			"what "
			"was so already may be counted as opened\n",
			oldest);
}

int replay_show_table(const struct replay_show *s)
{
	const struct replay_result *res = s->r;
	char from[TIMES_RFC3339_MAX], until[TIMES_RFC3339_MAX];
	int64_t all = res->readings + res->warm_readings;
	times_format(s->q->from_us, from);
	times_format(res->until_us, until);
	table_rules(res->book);
	int r = table_leaders(res->book);
	if (r)
		return r;
	if (res->other)
		table_differences(s);
	fprintf(stderr, "\n%s%lld readings from %s to %s, %lld before it to warm up\n",
		res->stopped ? "STOPPED: only " : "", (long long)res->readings, from, until,
		(long long)res->warm_readings);
	table_history(s);
	if (res->fault.msg[0] || res->other_fault.msg[0])
		fprintf(stderr, "NOTE: a condition ended in an error, its state was held: %s\n",
			res->fault.msg[0] ? res->fault.msg : res->other_fault.msg);
	if (res->strangers)
		fprintf(stderr,
			"%lld readings are of devices that are not in the registry any more\n",
			(long long)res->strangers);
	fprintf(stderr, "%.1f s, %.0f readings/s; %.1f s of CPU here, %.0f readings/s of it\n",
		s->took_s, (double)all / s->took_s, s->cpu_s, (double)all / s->cpu_s);
	return 0;
}
