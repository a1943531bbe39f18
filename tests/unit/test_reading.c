#include "reading.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int set_up(void **state)
{
	struct readings *r = malloc(sizeof *r);
	readings_init(r);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	readings_done(*state);
	free(*state);
	return 0;
}

static struct reading *one(struct readings *all)
{
	struct reading *r = NULL;
	assert_int_equal(readings_add(all, SL("dev"), &r), 0);
	return r;
}

static void classes_are_parsed(void **state)
{
	(void)state;
	enum device_class c = CLASS_UNKNOWN;
	assert_int_equal(device_class_parse(SL("bin"), &c), 0);
	assert_int_equal(c, CLASS_BIN);
	assert_int_equal(device_class_parse(SL("Bin"), &c), -EINVAL);
	assert_int_equal(device_class_parse(SL(""), &c), -EINVAL);
	assert_int_equal(c, CLASS_BIN);
}

static void names_are_brought_to_the_field_form(void **state)
{
	static const struct {
		const char *theirs, *ours; /* NULL: refused */
	} cases[] = {
		{"fill_pct", "fill_pct"},
		{"batteryLow", "battery_low"},
		{"Fill-Level", "fill_level"},
		{"HTTPServer", "http_server"},
		{"PM2.5", "pm2_5"},
		{"co2", "co2"},
		{"__a__b__", "a_b"},
		{"temp1Low", "temp1_low"},
		{"2m", "n2m"},
		{"1", "n1"},
		{"\xE6\xB8\xA9\xE5\xBA\xA6", NULL},
		{"", NULL},
		{"__", NULL},
		{"\xFF", NULL},
	};
	struct readings *all = *state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		readings_reset(all);
		struct reading *r = one(all);
		int rc = reading_put(all, r, slice_of(cases[i].theirs), VALUE_OF_INT(1));
		assert_int_equal(rc, cases[i].ours ? 0 : -EINVAL);
		if (cases[i].ours)
			assert_string_equal(r->fields[0].name.p, cases[i].ours);
	}
}

static void long_names_are_refused_not_cut(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	char name[FIELD_NAME_MAX + 1];
	memset(name, 'a', sizeof name);
	assert_int_equal(reading_put(all, r, (struct slice){name, sizeof name}, VALUE_OF_INT(1)),
			 -EINVAL);
	assert_int_equal(reading_put(all, r, (struct slice){name, FIELD_NAME_MAX}, VALUE_OF_INT(1)),
			 0);
	memcpy(name, "aB", 2); /* a_b…: the blank makes it one too long */
	assert_int_equal(reading_put(all, r, (struct slice){name, FIELD_NAME_MAX}, VALUE_OF_INT(1)),
			 -EINVAL);
}

static void a_name_stands_once(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	assert_int_equal(reading_put(all, r, SL("a_b"), VALUE_OF_INT(1)), 0);
	assert_int_equal(reading_put(all, r, SL("aB"), VALUE_OF_INT(2)), -EEXIST);
	assert_int_equal(r->nfields, 1);
	assert_int_equal(reading_field(r, "a_b")->i, 1);
	assert_null(reading_field(r, "a"));
}

static void values_that_cannot_be_kept_are_refused(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	assert_int_equal(reading_put(all, r, SL("a"), VALUE_OF_DOUBLE((double)NAN)), -ERANGE);
	assert_int_equal(reading_put(all, r, SL("a"), VALUE_OF_DOUBLE((double)INFINITY)), -ERANGE);
	assert_int_equal(reading_put(all, r, SL("a"), VALUE_OF_STR(SL("x\0y"))), -EILSEQ);
	assert_int_equal(reading_put(all, r, SL("a"), VALUE_OF_STR(SL("\xC0\x80"))), -EILSEQ);
	assert_int_equal(r->nfields, 0);
}

static void fields_are_bounded_and_survive_growth(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	char name[16];
	for (int i = 0; i < READING_MAX_FIELDS; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(reading_put(all, r, slice_of(name), VALUE_OF_INT(i)), 0);
	}
	assert_int_equal(reading_put(all, r, SL("more"), VALUE_OF_INT(1)), -E2BIG);
	for (int i = 0; i < READING_MAX_FIELDS; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(reading_field(r, name)->i, i);
	}
}

static void readings_are_bounded(void **state)
{
	struct readings *all = *state;
	struct reading *r;
	for (int i = 0; i < READINGS_MAX; i++)
		one(all);
	assert_int_equal(readings_add(all, SL("dev"), &r), -E2BIG);
	readings_reset(all);
	assert_int_equal(all->n, 0);
	one(all);
}

static void memory_is_bounded(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	size_t n = READING_ARENA_MAX / 4;
	auto_free char *big = malloc(n);
	memset(big, 'x', n);
	int rc = 0;
	char name[8] = "a";
	for (int i = 0; i < 5 && !rc; i++) {
		name[0] = (char)('a' + i);
		rc = reading_put(all, r, slice_of(name), VALUE_OF_STR(((struct slice){big, n})));
	}
	assert_int_equal(rc, -ENOMEM);
	assert_in_range(r->nfields, 1, 4);
}

static void addresses_are_checked(void **state)
{
	struct readings *all = *state;
	struct reading *r;
	char longest[READING_ADDRESS_MAX + 1];
	memset(longest, 'a', sizeof longest);
	assert_int_equal(readings_add(all, SL(""), &r), -EINVAL);
	assert_int_equal(readings_add(all, SL("a\nb"), &r), -EINVAL);
	assert_int_equal(readings_add(all, SL("a\0b"), &r), -EINVAL);
	assert_int_equal(readings_add(all, SL("a\x7f"), &r), -EINVAL);
	assert_int_equal(readings_add(all, (struct slice){longest, sizeof longest}, &r), -EINVAL);
	assert_int_equal(readings_add(all, (struct slice){longest, READING_ADDRESS_MAX}, &r), 0);
	assert_int_equal(all->n, 1);
}

static void a_reading_as_json(void **state)
{
	struct readings *all = *state;
	struct reading *r = one(all);
	auto_buf struct buf out;
	buf_init(&out, 4096);
	reading_json(r, &out);
	assert_string_equal(buf_str(&out),
			    "{\"address\":\"dev\",\"kind\":\"state\",\"fields\":{}}");
	r->class = CLASS_BIN;
	r->grid = SL("g1");
	r->kind = READING_TELE;
	r->at_us = 1;
	r->has_seq = true;
	r->seq = -7;
	assert_int_equal(reading_put(all, r, SL("fill_pct"), VALUE_OF_DOUBLE(91.5)), 0);
	assert_int_equal(reading_put(all, r, SL("n"), VALUE_OF_INT(INT64_MIN)), 0);
	assert_int_equal(reading_put(all, r, SL("s"), VALUE_OF_STR(SL("a\"\n"))), 0);
	assert_int_equal(reading_put(all, r, SL("b"), VALUE_OF_BOOL(true)), 0);
	assert_int_equal(reading_put(all, r, SL("z"), (struct value){.type = VALUE_NULL}), 0);
	buf_reset(&out);
	reading_json(r, &out);
	assert_string_equal(
		buf_str(&out),
		"{\"address\":\"dev\",\"class\":\"bin\",\"grid\":\"g1\",\"kind\":\"tele\","
		"\"at\":\"1970-01-01T00:00:00.000001Z\",\"seq\":-7,\"fields\":{"
		"\"fill_pct\":91.5,\"n\":-9223372036854775808,\"s\":\"a\\\"\\n\","
		"\"b\":true,\"z\":null}}");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(classes_are_parsed),
		TEST(names_are_brought_to_the_field_form),
		TEST(long_names_are_refused_not_cut),
		TEST(a_name_stands_once),
		TEST(values_that_cannot_be_kept_are_refused),
		TEST(fields_are_bounded_and_survive_growth),
		TEST(readings_are_bounded),
		TEST(memory_is_bounded),
		TEST(addresses_are_checked),
		TEST(a_reading_as_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
