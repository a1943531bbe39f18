#include "import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct file {
	struct import im;
	char *text;
	struct buf faults;
};

static void read_file(struct file *f, const struct import_kind *kind, enum import_format format,
		      const char *text)
{
	struct err e = {0};
	f->text = slice_dup(slice_of(text));
	import_init(&f->im, kind, "f");
	buf_init(&f->faults, 1024 * 1024);
	if (import_read(&f->im, format, f->text, strlen(text), &e))
		fail_msg("%s", e.msg);
	import_errors_write(&f->im, &f->faults);
}

static void file_done(struct file *f)
{
	import_done(&f->im);
	buf_done(&f->faults);
	free(f->text);
}

static void expect(const struct import_kind *kind, enum import_format format, const char *text,
		   size_t good, const char *faults)
{
	struct file f;
	read_file(&f, kind, format, text);
	assert_string_equal(buf_str(&f.faults), faults);
	assert_int_equal(f.im.nrows - import_bad_rows(&f.im), good);
	file_done(&f);
}

#define DEVICE "id,class,adapter,grid,lon,lat,interval\n"

static void cells_are_stored_in_the_databases_form(void **state)
{
	(void)state;
	struct file f;
	read_file(&f, &import_devices, IMPORT_CSV,
		  "interval,id,class,adapter,grid\n1h30m, a ,bin,hub,g\n");
	assert_string_equal(buf_str(&f.faults), "");
	const struct import_row *row = &f.im.rows[0];
	assert_true(slice_is(row->cell[0], "a"));
	assert_true(slice_is(row->cell[2], "3"));
	assert_true(slice_is(row->cell[9], "5400000000"));
	assert_int_equal(row->given, 1u << 0 | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 9);
	assert_int_equal(row->line, 2);
	file_done(&f);
}

static void faults_name_line_column_and_value(void **state)
{
	(void)state;
	static const struct {
		const char *row, *fault;
	} cases[] = {
		{",bin,hub,g,,,", "column \"id\": must not be empty"},
		{"a,lamp,hub,g,,,",
		 "column \"class\": value \"lamp\": expected one of camera, sensor, bin"},
		{"a,bin,hob,g,,,",
		 "column \"adapter\": value \"hob\": expected one of hub, zigbee2mqtt, frigate, "
		 "probe"},
		{"a,bin,hub,,,,", "column \"grid\": must not be empty"},
		{"a,bin,hub,g,180.1,0,",
		 "column \"lon\": value \"180.1\": expected a number from -180 to 180"},
		{"a,bin,hub,g,0,-91,",
		 "column \"lat\": value \"-91\": expected a number from -90 to 90"},
		{"a,bin,hub,g,nan,0,",
		 "column \"lon\": value \"nan\": expected a number from -180 to 180"},
		{"a,bin,hub,g,1,,", "column \"lat\": lon and lat together, or neither"},
		{"a,bin,hub,g,,1,", "column \"lon\": lon and lat together, or neither"},
		{"a,bin,hub,g,,,soon",
		 "column \"interval\": value \"soon\": expected a duration such as 30s, 10m or "
		 "1h30m, at most 366d"},
		{"a\x01,bin,hub,g,,,",
		 "column \"id\": value \"a\\u0001\": expected text without line "
		 "breaks and control characters"},
		{"a\xFF,bin,hub,g,,,", "column \"id\": value \"a\xEF\xBF\xBD\": not UTF-8"},
		{"a,bin,hub,g", "4 cells, the header has 7"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[512], fault[512];
		snprintf(text, sizeof text, "%s%s\n", DEVICE, cases[i].row);
		snprintf(fault, sizeof fault, "f:2: %s\n", cases[i].fault);
		expect(&import_devices, IMPORT_CSV, text, 0, fault);
	}
}

#define CAMERA "id,class,grid,stream,substream,ptz\n"

static void a_stream_is_a_url_and_no_message_shows_its_password(void **state)
{
	(void)state;
	static const struct {
		const char *row, *fault;
	} cases[] = {
		{"a,camera,g,rtsp://u:p@10.0.0.1:554/1?x=1,rtsp://10.0.0.1/2,yes", NULL},
		{"a,camera,g,rtsps://h/1,,no", NULL},
		{"a,camera,g,http://h/1.flv,,", NULL},
		{"a,camera,g,,,", NULL}, /* import_store asks whether it has one already */
		{"a,camera,g,rtsp://h/1,,maybe",
		 "column \"ptz\": value \"maybe\": expected one of yes, no"},
		{"a,camera,g,file:///etc/passwd,,",
		 "column \"stream\": value \"file:///etc/passwd\": "},
		{"a,camera,g,rtsp:///1,,", "column \"stream\": value \"rtsp:///1\": "},
		{"a,camera,g,concat:x://u:geheim@h,,", "column \"stream\": value \"…@h\": "},
		{"a,camera,g,rtsp://h/1,rtsp://u:geheim@:x/1,",
		 "column \"substream\": value \"…@:x/1\": "},
		{"a,camera,g,rtsp://h/1,rtsp://u:ge/heim@h/1,",
		 "column \"substream\": value \"…@h/1\": "},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[512], fault[512];
		struct file f;
		snprintf(text, sizeof text, "%s%s\n", CAMERA, cases[i].row);
		snprintf(fault, sizeof fault, "f:2: %s", cases[i].fault ? cases[i].fault : "");
		read_file(&f, &import_devices, IMPORT_CSV, text);
		if (cases[i].fault ? !slice_starts(buf_slice(&f.faults), fault) : f.faults.n > 0)
			fail_msg("%s: %s", cases[i].row, buf_str(&f.faults));
		assert_null(strstr(buf_str(&f.faults), "heim"));
		file_done(&f);
	}
}

static void long_values_are_shown_in_part(void **state)
{
	(void)state;
	struct file f;
	auto_buf struct buf text;
	buf_init(&text, 4096);
	buf_puts(&text, "code,name,level\ng,");
	for (int i = 0; i < 100; i++)
		buf_puts(&text, "\xE7\xBD\x91");
	buf_puts(&text, ",0\n");
	read_file(&f, &import_grids, IMPORT_CSV, buf_str(&text));
	assert_true(slice_ends(buf_slice(&f.faults), "\xE7\xBD\x91\"…: longer than 200 bytes\n"));
	assert_true(f.faults.n < 160);
	file_done(&f);
}

static void headers_are_checked(void **state)
{
	(void)state;
	expect(&import_grids, IMPORT_CSV, "", 0, "f:1: expected a header row\n");
	expect(&import_grids, IMPORT_CSV, "code,name,level,level\n", 0,
	       "f:1: column \"level\" stands twice\n");
	expect(&import_grids, IMPORT_CSV, "cod,name,lev\nx,y,z\n", 0,
	       "f:1: unknown column \"cod\"; the nearest is \"code\"\n"
	       "f:1: unknown column \"lev\"; the nearest is \"level\"\n"
	       "f:1: column \"code\" is missing\nf:1: column \"level\" is missing\n");
	expect(&import_grids, IMPORT_CSV, "code,\"name,level\n", 0,
	       "f:1: a quote that is opened on line 1 is never closed\n");
	expect(&import_grids, IMPORT_CSV, "code,name,level\n", 0, "");
}

static void duplicates_are_found_within_the_file(void **state)
{
	(void)state;
	expect(&import_grids, IMPORT_CSV, "code,name,level\nb,x,0\na,x,0\nb,y,0\nb,z,0\n", 2,
	       "f:4: column \"code\": value \"b\": stands on line 2 already\n"
	       "f:5: column \"code\": value \"b\": stands on line 2 already\n");
}

static void json_lines(void **state)
{
	(void)state;
	expect(&import_grids, IMPORT_JSONL,
	       "\xEF\xBB\xBF{\"code\":\"a\",\"name\":\"x\",\"level\":1,\"leader\":null}\r\n\n"
	       "{\"code\":7,\"name\":\"x\",\"level\":\"1\"}\n",
	       2, "");
	expect(&import_grids, IMPORT_JSONL, "{\"code\":\"a\",\"name\":\"x\"}\n", 0,
	       "f:1: column \"level\": must not be empty\n");
	expect(&import_grids, IMPORT_JSONL, "{\"code\":\"a\",\"name\":[],\"level\":1}\n", 0,
	       "f:1: column \"name\": expected a single value, not an array or object\n"
	       "f:1: column \"name\": must not be empty\n");
	expect(&import_grids, IMPORT_JSONL, "[]\n{\n{\"code\":1,\"code\":1}\n{\"x\":1}", 0,
	       "f:1: expected a JSON object\n"
	       "f:2: JSON line 1 column 1: string or '}' expected near end of file\n"
	       "f:3: JSON line 1 column 16: duplicate object key near '\"code\"'\n"
	       "f:4: unknown column \"x\"; the nearest is \"code\"\n"
	       "f:4: column \"code\": must not be empty\n"
	       "f:4: column \"name\": must not be empty\n"
	       "f:4: column \"level\": must not be empty\n");
}

static void faults_are_bounded(void **state)
{
	(void)state;
	struct file f;
	auto_buf struct buf text;
	buf_init(&text, 65536);
	buf_puts(&text, "code,name,level\n");
	for (int i = 0; i < IMPORT_ERRORS_MAX + 5; i++)
		buf_printf(&text, "g%d,x,y\n", i);
	read_file(&f, &import_grids, IMPORT_CSV, buf_str(&text));
	assert_int_equal(f.im.nerrors, IMPORT_ERRORS_MAX);
	assert_int_equal(import_bad_rows(&f.im), IMPORT_ERRORS_MAX + 5);
	assert_true(slice_ends(buf_slice(&f.faults), "f: and 5 errors more\n"));
	file_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_stored_in_the_databases_form),
		cmocka_unit_test(faults_name_line_column_and_value),
		cmocka_unit_test(a_stream_is_a_url_and_no_message_shows_its_password),
		cmocka_unit_test(long_values_are_shown_in_part),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(duplicates_are_found_within_the_file),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(faults_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
