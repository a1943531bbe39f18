#include "csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Rows as "line:cell|cell;", errors as "line!code;". */
static void read_all(struct slice text, struct buf *out)
{
	auto_free char *copy = slice_dup(text);
	struct csv c;
	struct csv_row row;
	struct err e;
	int rc;
	csv_init(&c, copy, text.n);
	while ((rc = csv_next(&c, &row, &e))) {
		buf_printf(out, "%zu", row.line);
		if (rc < 0)
			buf_printf(out, "!%s", rc == -E2BIG ? "big" : "bad");
		for (size_t i = 0; rc > 0 && i < row.n; i++) {
			buf_putc(out, i ? '|' : ':');
			buf_put_slice(out, row.cell[i]);
		}
		buf_putc(out, ';');
	}
}

static void rows_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"\n\r\n\n", ""},
		{"a", "1:a;"},
		{"a,b\n1,2\n", "1:a|b;2:1|2;"},
		{"a,b\r\n1,2", "1:a|b;2:1|2;"},
		{"\xEF\xBB\xBF"
		 "a,b",
		 "1:a|b;"},
		{",\n", "1:|;"},
		{"a,\n", "1:a|;"},
		{"\"\"\n", "1:;"},
		{"\"a,b\",\"c\"\"d\"", "1:a,b|c\"d;"},
		{"\"\"\"\"\"\"", "1:\"\";"},
		{"\"two\nlines\",x\ny", "1:two\nlines|x;3:y;"},
		{"\"two\r\nlines\"\r\ny", "1:two\r\nlines;3:y;"},
		{"a\n\n\nb", "1:a;4:b;"},
		{"a\rb\n", "1:a\rb;"}, /* a lone CR is no line break */
		{" a , b \n", "1: a | b ;"},
		/* bad rows do not end the reading */
		{"a\nb\"c\nd\n", "1:a;2!bad;3:d;"},
		{"\"a\"b,c\nd\n", "1!bad;2:d;"},
		{"a\n\"b\nc\n", "1:a;2!bad;"},
		{"\"", "1!bad;"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		auto_buf struct buf out;
		buf_init(&out, 4096);
		read_all(slice_of(cases[i].text), &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

static void columns_are_bounded(void **state)
{
	(void)state;
	auto_buf struct buf text, out;
	buf_init(&text, 4096);
	buf_init(&out, 4096);
	for (int i = 0; i < CSV_COLUMNS_MAX; i++)
		buf_putc(&text, ',');
	buf_puts(&text, "\nx\n");
	read_all(buf_slice(&text), &out);
	assert_string_equal(buf_str(&out), "1!big;2:x;");
}

static void nul_is_a_byte_like_others(void **state)
{
	(void)state;
	char text[] = "a\0b,c\n";
	struct csv c;
	struct csv_row row;
	struct err e;
	csv_init(&c, text, sizeof text - 1);
	assert_int_equal(csv_next(&c, &row, &e), 1);
	assert_int_equal(row.n, 2);
	assert_int_equal(row.cell[0].n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read),
		cmocka_unit_test(columns_are_bounded),
		cmocka_unit_test(nul_is_a_byte_like_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
