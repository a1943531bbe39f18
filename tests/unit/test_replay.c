/* replay: fields out of jsonb's text, the book of cases, the difference of two books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <unistd.h>

#include "json.h"
#include "replay_diff.h"
#include "replay_fields.h"
#include "times.h"

/* ---- fields ---- */

static struct field fields[READING_MAX_FIELDS];
static char text[1 << 16];

static int parse(const char *json, size_t *n)
{
	size_t len = strlen(json);
	memcpy(text, json, len + 1);
	return replay_fields(text, len, fields, n);
}

static const struct value *one(const char *json)
{
	size_t n = 0;
	assert_int_equal(parse(json, &n), 0);
	assert_int_equal(n, 1);
	return &fields[0].v;
}

static void test_values_come_back_as_they_were(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int64_t i;
	} ints[] = {{"{\"a\": 0}", 0},
		    {"{\"a\": -1}", -1},
		    {"{\"a\": 9223372036854775807}", INT64_MAX},
		    {"{\"a\": -9223372036854775808}", INT64_MIN}};
	for (size_t i = 0; i < COUNT_OF(ints); i++) {
		assert_int_equal(one(ints[i].json)->type, VALUE_INT);
		assert_int_equal(one(ints[i].json)->i, ints[i].i);
	}
	static const struct {
		const char *json;
		double d;
	} doubles[] = {{"{\"a\": 91.0}", 91.0},
		       {"{\"a\": -0.1}", -0.1},
		       {"{\"a\": 0.30000000000000004}", 0.1 + 0.2},
		       {"{\"a\": 9223372036854775808}", 9223372036854775808.0},
		       {"{\"a\": 10000000000000000000000}", 1e22},
		       {"{\"a\": 100000000000000000.0}", 1e17},
		       {"{\"a\": 0.000000000000000000000001}", 1e-24}};
	for (size_t i = 0; i < COUNT_OF(doubles); i++) {
		assert_int_equal(one(doubles[i].json)->type, VALUE_DOUBLE);
		assert_true(one(doubles[i].json)->d == doubles[i].d);
	}
	assert_int_equal(one("{\"a\": null}")->type, VALUE_NULL);
	assert_true(one("{\"a\": true}")->b);
	assert_false(one("{\"a\": false}")->b);
	const struct value *v = one("{\"a\": \"满 \\\"x\\\" \\\\ \\n\\u0001\"}");
	assert_true(slice_is(v->s, "满 \"x\" \\ \n\x01"));
	assert_int_equal(v->s.p[v->s.n], 0);
	size_t n = 9;
	assert_int_equal(parse("{}", &n), 0);
	assert_int_equal(n, 0);
}

static void test_what_is_not_jsonbs_form_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "{} ",
					  " {}",
					  "{\"a\"}",
					  "{\"a\":1}",
					  "{\"a\": }",
					  "{\"a\": 1,}",
					  "{\"a\": 1, }",
					  "{\"a\": 1 }",
					  "{\"a\": 1,\"b\": 2}",
					  "{\"a\": 01}",
					  "{\"a\": 1.}",
					  "{\"a\": .5}",
					  "{\"a\": +1}",
					  "{\"a\": -}",
					  "{\"a\": 1e5}",
					  "{\"a\": nan}",
					  "{\"a\": inf}",
					  "{\"a\": 0x10}",
					  "{\"a\": truex}",
					  "{\"a\": tru}",
					  "{\"a\": [1]}",
					  "{\"a\": {}}",
					  "{\"a\": \"x}",
					  "{\"a\": \"\\x\"}",
					  "{\"a\": \"\\u0000\"}",
					  "{\"a\": \"\\u4e00\"}",
					  "{\"a\": \"\\u00\"}",
					  "{\"a\": \"\n\"}",
					  "{a: 1}"};
	size_t n;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (parse(bad[i], &n) != -EBADMSG)
			fail_msg("not refused: %s", bad[i]);
	struct buf b;
	buf_init(&b, sizeof text);
	buf_puts(&b, "{\"a\": 1");
	for (int i = 0; i < 400; i++)
		buf_putc(&b, '0');
	buf_puts(&b, "}");
	assert_int_equal(parse(buf_str(&b), &n), -ERANGE);
	buf_reset(&b);
	for (int i = 0; i <= READING_MAX_FIELDS; i++)
		buf_printf(&b, "%s\"f%d\": 1", i ? ", " : "{", i);
	buf_puts(&b, "}");
	assert_int_equal(parse(buf_str(&b), &n), -E2BIG);
	buf_done(&b);
}

static uint64_t rnd(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static struct value random_value(struct readings *all)
{
	char raw[24];
	double d;
	static const double corners[] = {9.21e18,
					 9223372036854774784.0,
					 9223372036854775808.0,
					 9.99e18,
					 1e19,
					 1e15,
					 999999999999999.0,
					 1e22};
	uint64_t bits = rnd();
	switch (rnd() % 8) {
	case 0:
		return VALUE_OF_BOOL(rnd() & 1);
	case 1:
		return VALUE_OF_INT((int64_t)rnd() >> rnd() % 64);
	case 2:
		return VALUE_OF_DOUBLE((double)((int64_t)rnd() >> (20 + rnd() % 40)) / 100);
	case 3: /* any double at all */
		memcpy(&d, &bits, sizeof d);
		return VALUE_OF_DOUBLE(isfinite(d) && fabs(d) < 1e300 ? d : 0.5);
	case 4:
		return VALUE_OF_DOUBLE((double)((int64_t)rnd() >> rnd() % 64));
	case 5:
		return VALUE_OF_DOUBLE(corners[rnd() % COUNT_OF(corners)]);
	case 6:
		return (struct value){.type = VALUE_NULL};
	default:
		for (size_t i = 0; i < sizeof raw; i++)
			raw[i] = (char)(1 + rnd() % 0x7f);
		return VALUE_OF_STR(
			arena_copy(&all->arena, (struct slice){raw, rnd() % sizeof raw}));
	}
}

static void assert_same_value(const struct value *a, const struct value *b)
{
	assert_int_equal(a->type, b->type);
	if (a->type == VALUE_STRING)
		assert_true(slice_eq(a->s, b->s));
	else if (a->type == VALUE_DOUBLE)
		assert_true(a->d == b->d && signbit(a->d) == signbit(b->d));
	else if (a->type == VALUE_INT)
		assert_int_equal(a->i, b->i);
	else if (a->type == VALUE_BOOL)
		assert_int_equal(a->b, b->b);
}

/* As numeric writes what stands there with an exponent. */
static void put_plain(double d, struct buf *out)
{
	char s[400], *e;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(s, sizeof s, "%.*e", digits - 1, d);
		if (strtod(s, NULL) == d)
			break;
	}
	int exponent = (int)strtol(strchr(s, 'e') + 1, &e, 10);
	size_t n = (size_t)(strchr(s, 'e') - s);
	bool minus = s[0] == '-';
	char digits[32];
	size_t k = 0;
	for (size_t i = minus; i < n; i++)
		if (s[i] != '.')
			digits[k++] = s[i];
	buf_puts(out, minus ? "-" : "");
	if (exponent < 0) {
		buf_puts(out, "0.");
		for (int i = -1; i > exponent; i--)
			buf_putc(out, '0');
		buf_put(out, digits, k);
		return;
	}
	for (int i = 0; i <= exponent || i < (int)k; i++) {
		if (i == exponent + 1)
			buf_putc(out, '.');
		buf_putc(out, i < (int)k ? digits[i] : '0');
	}
}

/* What PostgreSQL makes of a value that reading_fields_json wrote. */
static void put_as_jsonb(const struct value *v, struct buf *out)
{
	auto_buf struct buf b;
	struct field f = {SL("a"), *v};
	struct reading r = {.fields = &f, .nfields = 1};
	buf_init(&b, 4096);
	reading_fields_json(&r, &b);
	struct slice s = {b.p + 5, b.n - 6};
	bool exponent = v->type == VALUE_DOUBLE && memchr(s.p, 'e', s.n);
	if (exponent)
		put_plain(v->d, out);
	else
		buf_put_slice(out, s);
}

static void test_any_reading_comes_back(void **state)
{
	(void)state;
	struct readings all;
	struct reading *r;
	auto_buf struct buf b;
	readings_init(&all);
	buf_init(&b, sizeof text - 1);
	for (int round = 0; round < 20000; round++) {
		readings_reset(&all);
		buf_reset(&b);
		assert_int_equal(readings_add(&all, SL("x"), &r), 0);
		size_t count = rnd() % 8, n = 99;
		for (size_t i = 0; i < count; i++) {
			char name[8];
			snprintf(name, sizeof name, "f%zu", i);
			assert_int_equal(reading_put(&all, r, slice_of(name), random_value(&all)),
					 0);
		}
		buf_putc(&b, '{');
		for (size_t i = 0; i < count; i++) {
			buf_printf(&b, "%s\"%s\": ", i ? ", " : "", r->fields[i].name.p);
			put_as_jsonb(&r->fields[i].v, &b);
		}
		buf_putc(&b, '}');
		if (parse(buf_str(&b), &n) || n != count)
			fail_msg("not read back: %s", buf_str(&b));
		for (size_t i = 0; i < count; i++) {
			assert_true(slice_eq(fields[i].name, r->fields[i].name));
			assert_same_value(&fields[i].v, &r->fields[i].v);
		}
	}
	readings_done(&all);
}

/* The strict parser that reads what devices send says the same of all that this one takes. */
static void test_the_other_parser_agrees(void **state)
{
	(void)state;
	static const char pieces[][12] = {"\"a\": ", "\"b\": ", "1",  "-2.50", "true",
					  "null",    "\"\"",	", ", "{",     "}",
					  "\"\\n\"", "0",	".",  "-"};
	char json[256];
	size_t taken = 0;
	for (int round = 0; round < 200000; round++) {
		int at = snprintf(json, sizeof json, "{");
		for (size_t k = rnd() % 8; k; k--)
			at += snprintf(json + at, sizeof json - (size_t)at, "%s",
				       pieces[rnd() % COUNT_OF(pieces)]);
		snprintf(json + at, sizeof json - (size_t)at, "}");
		size_t n = 0;
		auto_json struct json *doc = NULL;
		struct err e;
		if (parse(json, &n))
			continue;
		int r = json_parse(slice_of(json), &json_device_limits, &e, &doc);
		if (r == -EEXIST) /* twice the same name: jsonb has none such */
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(json_count(doc), n);
		taken++;
		for (size_t i = 0; i < n; i++) {
			const struct json *v = json_get(doc, fields[i].name.p);
			assert_non_null(v);
			if (fields[i].v.type == VALUE_DOUBLE)
				assert_true(json_double(v) == fields[i].v.d);
			else if (fields[i].v.type == VALUE_INT)
				assert_int_equal(json_int(v), fields[i].v.i);
			else if (fields[i].v.type == VALUE_STRING)
				assert_true(slice_eq(json_str(v), fields[i].v.s));
		}
	}
	assert_true(taken > 100);
}

/* ---- cases ---- */

static struct rules *load(const char *yaml)
{
	char dir[] = "/tmp/gridhub-replay-XXXXXX", path[64];
	struct rule_report report;
	struct rules *rules = NULL;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/t.yaml", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(yaml, f);
	fclose(f);
	rule_report_init(&report);
	if (rules_load(dir, &report, &rules))
		fail_msg("%s", buf_str(&report.errors));
	rule_report_done(&report);
	unlink(path);
	rmdir(dir);
	return rules;
}

#define REST "kind: event-0192, title: {zh-CN: x}"
static const char two_rules[] = "rules:\n"
				"  - {id: full, when: fill_pct > 90.0, " REST "}\n"
				"  - {id: drop, event: true, when: wrong_drop, " REST "}\n"
				"  - {id: trial, shadow: true, when: temp_c > 90.0, " REST "}\n";

static const struct grid grid = {.id = 7, .code = "g", .name = "G", .leader = "L"};
static const struct device bin = {.id = 1, .name = "bin-1", .grid = &grid};
static const struct device other_bin = {.id = 2, .name = "bin-2", .grid = &grid};

static void tell(struct replay_book *b, const char *rule, enum anomaly_kind kind,
		 const struct device *d, int64_t minute)
{
	struct anomaly a = {.kind = kind,
			    .rule = rules_find(replay_book_rules(b), slice_of(rule)),
			    .device = d,
			    .at_us = minute * TIMES_MIN};
	assert_non_null(a.rule);
	assert_int_equal(replay_book_take(b, &a), 0);
}

static void assert_tally(struct replay_book *b, const char *rule, int64_t opened, int64_t folded,
			 int64_t recovered)
{
	const struct rule *r = rules_find(replay_book_rules(b), slice_of(rule));
	const struct replay_tally *t = replay_book_rule(b, r->index);
	assert_int_equal(t->opened, opened);
	assert_int_equal(t->folded, folded);
	assert_int_equal(t->recovered, recovered);
}

static void test_a_case_is_open_until_it_counts_as_closed(void **state)
{
	(void)state;
	struct rules *rules = load(two_rules);
	struct replay_book *b = replay_book_new(rules, 2 * TIMES_HOUR);
	const struct replay_case *v;
	replay_book_count(b);
	tell(b, "full", ANOMALY_FIRED, &bin, 1);
	tell(b, "full", ANOMALY_SEEN, &bin, 500); /* firing all the time: nobody has closed it */
	tell(b, "full", ANOMALY_RECOVERED, &bin, 510);
	tell(b, "full", ANOMALY_FIRED, &bin, 629); /* within two hours: the same case */
	tell(b, "full", ANOMALY_RECOVERED, &bin, 630);
	tell(b, "full", ANOMALY_FIRED, &bin, 750);
	assert_tally(b, "full", 2, 2, 2);
	tell(b, "drop", ANOMALY_FIRED, &bin, 1);
	tell(b, "drop", ANOMALY_FIRED, &bin, 120);
	tell(b, "drop", ANOMALY_FIRED, &bin, 240); /* two hours after the last one */
	tell(b, "drop", ANOMALY_FIRED, &other_bin, 241);
	assert_tally(b, "drop", 3, 1, 0);
	assert_int_equal(replay_book_cases(b, &v), 5);
	assert_int_equal(v[0].first_us, 1 * TIMES_MIN);
	assert_int_equal(v[0].last_us, 629 * TIMES_MIN);
	assert_int_equal(v[0].recovered_us, 630 * TIMES_MIN);
	assert_int_equal(v[0].count, 3);
	assert_int_equal(v[1].recovered_us, 0);
	replay_book_free(b);

	b = replay_book_new(rules, REPLAY_NEVER);
	replay_book_count(b);
	tell(b, "drop", ANOMALY_FIRED, &bin, 1);
	tell(b, "drop", ANOMALY_FIRED, &bin, 100000);
	assert_tally(b, "drop", 1, 1, 0);
	replay_book_free(b);
	rules_unref(rules);
}

static void test_what_was_open_before_is_not_counted(void **state)
{
	(void)state;
	struct rules *rules = load(two_rules);
	struct replay_book *b = replay_book_new(rules, 2 * TIMES_HOUR);
	tell(b, "full", ANOMALY_FIRED, &bin, 1);
	replay_book_count(b);
	tell(b, "full", ANOMALY_SEEN, &bin, 100);
	tell(b, "full", ANOMALY_RECOVERED, &bin, 101);
	tell(b, "full", ANOMALY_FIRED, &bin, 300);
	assert_tally(b, "full", 1, 1, 1);
	replay_book_free(b);
	rules_unref(rules);
}

static void test_days_are_those_of_the_zone_and_shadows_stand_beside(void **state)
{
	(void)state;
	struct rules *rules = load(two_rules);
	struct replay_book *b = replay_book_new(rules, REPLAY_NEVER);
	const struct replay_day *v;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	replay_book_count(b);
	int64_t midnight = 16 * 60; /* minutes of 1970-01-01, UTC */
	tell(b, "drop", ANOMALY_FIRED, &bin, midnight);
	tell(b, "full", ANOMALY_FIRED, &bin, midnight - 1);
	tell(b, "trial", ANOMALY_FIRED, &bin, midnight + 1);
	assert_int_equal(replay_book_days(b, &v), 2);
	assert_int_equal(v[0].day, 0);
	assert_int_equal(v[0].live.opened, 1);
	assert_int_equal(v[1].day, 1);
	assert_int_equal(v[1].live.opened, 1);
	assert_int_equal(v[1].shadow.opened, 1);
	assert_int_equal(replay_book_sum(b, false).opened, 2);
	assert_int_equal(replay_book_sum(b, true).opened, 1);
	replay_book_free(b);
	rules_unref(rules);
}

static void test_many_causes_and_days(void **state)
{
	(void)state;
	struct rules *rules = load(two_rules);
	struct replay_book *b = replay_book_new(rules, 2 * TIMES_HOUR);
	struct device *many = mem_new(20000 * sizeof *many);
	const struct replay_day *v;
	replay_book_count(b);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 20000; i++) {
			many[i] = (struct device){.id = i + 1, .name = "x", .grid = &grid};
			tell(b, "drop", ANOMALY_FIRED, &many[i], i);
		}
	assert_tally(b, "drop", 20000, 20000, 0);
	assert_int_equal(replay_book_days(b, &v), 15);
	replay_book_free(b);
	free(many);
	rules_unref(rules);
}

/* ---- difference ---- */

static const struct replay_difference *find(const struct replay_difference *v, size_t n,
					    const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].rule_id, id) == 0)
			return &v[i];
	static const struct replay_difference none;
	fail_msg("no entry for %s", id);
	return &none;
}

static void test_the_difference_names_what_is_new_gone_and_moved(void **state)
{
	(void)state;
	struct rules *old = load("rules:\n"
				 "  - {id: full, when: fill_pct > 90.0, " REST "}\n"
				 "  - {id: old, when: temp_c > 60.0, " REST "}\n"
				 "  - {id: drop, event: true, when: wrong_drop, " REST "}\n");
	struct rules *new = load("rules:\n"
				 "  - {id: fresh, when: temp_c > 50.0, " REST "}\n"
				 "  - {id: full, when: fill_pct > 80.0, " REST "}\n"
				 "  - {id: drop, event: true, when: wrong_drop, " REST "}\n");
	struct replay_book *a = replay_book_new(old, REPLAY_NEVER);
	struct replay_book *b = replay_book_new(new, 0);
	struct replay_difference *v = NULL;
	size_t n = 0;
	tell(a, "full", ANOMALY_FIRED, &other_bin, 1); /* there before, in one of them only */
	replay_book_count(a);
	replay_book_count(b);
	tell(a, "full", ANOMALY_FIRED, &bin, 10);
	tell(a, "full", ANOMALY_RECOVERED, &bin, 20);
	tell(b, "full", ANOMALY_FIRED, &bin, 5); /* the same one, earlier */
	tell(b, "full", ANOMALY_RECOVERED, &bin, 25);
	tell(b, "full", ANOMALY_FIRED, &bin, 30);
	tell(b, "full", ANOMALY_RECOVERED, &bin, 31);
	tell(a, "old", ANOMALY_FIRED, &bin, 3);
	tell(b, "fresh", ANOMALY_FIRED, &bin, 2);
	tell(a, "drop", ANOMALY_FIRED, &bin, 3);
	tell(b, "drop", ANOMALY_FIRED, &bin, 3);
	struct device many[8];
	for (int i = 0; i < 8; i++) { /* the first by time are shown, whatever the device */
		many[i] = (struct device){.id = 100 + i, .name = "x", .grid = &grid};
		tell(b, "fresh", ANOMALY_FIRED, &many[i], 100 - 7 * ((i * 3) % 8));
	}
	assert_int_equal(replay_diff(a, b, &v, &n), 0);
	assert_int_equal(n, 4);
	const struct replay_difference *d = find(v, n, "full");
	assert_int_equal(d->change, REPLAY_CHANGED);
	assert_int_equal(d->before.opened, 1);
	assert_int_equal(d->after.opened, 2);
	assert_int_equal(d->more, 1);
	assert_int_equal(d->fewer, 0);
	assert_int_equal(d->moved, 1);
	assert_int_equal(d->nmore, 1);
	assert_int_equal(d->examples_more[0]->first_us, 30 * TIMES_MIN);
	d = find(v, n, "old");
	assert_int_equal(d->change, REPLAY_GONE);
	assert_int_equal(d->fewer, 1);
	assert_ptr_equal(d->examples_fewer[0]->device, &bin);
	d = find(v, n, "fresh");
	assert_int_equal(d->change, REPLAY_NEW);
	assert_int_equal(d->more, 9);
	assert_int_equal(d->after.opened, 9);
	assert_int_equal(d->nmore, REPLAY_EXAMPLES);
	static const int first[] = {2, 51, 58, 65, 72};
	for (size_t i = 0; i < COUNT_OF(first); i++)
		assert_int_equal(d->examples_more[i]->first_us, first[i] * TIMES_MIN);
	d = find(v, n, "drop");
	assert_int_equal(d->change, REPLAY_SAME);
	assert_int_equal(d->more + d->fewer + d->moved, 0);
	free(v);
	replay_book_free(a);
	replay_book_free(b);
	rules_unref(old);
	rules_unref(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_back_as_they_were),
		cmocka_unit_test(test_what_is_not_jsonbs_form_is_refused),
		cmocka_unit_test(test_any_reading_comes_back),
		cmocka_unit_test(test_the_other_parser_agrees),
		cmocka_unit_test(test_a_case_is_open_until_it_counts_as_closed),
		cmocka_unit_test(test_what_was_open_before_is_not_counted),
		cmocka_unit_test(test_days_are_those_of_the_zone_and_shadows_stand_beside),
		cmocka_unit_test(test_many_causes_and_days),
		cmocka_unit_test(test_the_difference_names_what_is_new_gone_and_moved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
