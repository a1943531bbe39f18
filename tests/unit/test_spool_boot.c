/* A spool that is opened after the machine has booted gives out no sequence number twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "spool.h"

static char dir[] = "/tmp/gridhub-spool-XXXXXX";

static struct spool *open_spool(void)
{
	struct spool_conf conf = {.dir = dir, .segment_bytes = 1 << 20, .max_bytes = 8 << 20};
	struct err e = {0};
	struct spool *s = NULL;
	if (spool_open(&conf, &e, &s))
		fail_msg("%s", e.msg);
	return s;
}

static uint64_t append(struct spool *s, const char *payload)
{
	struct spool_record rec = {
		.source = SL("b"), .topic = SL("t"), .payload = slice_of(payload)};
	assert_int_equal(spool_append(s, &rec), 0);
	return rec.seq;
}

static void boot_again(void)
{
	char path[64];
	snprintf(path, sizeof path, "%s/boot", dir);
	assert_int_equal(unlink(path), 0);
}

static void expect(struct spool *s, uint64_t seq, const char *payload)
{
	struct spool_record rec;
	assert_int_equal(spool_next(s, &rec), 1);
	assert_int_equal(rec.seq, seq);
	assert_true(slice_is(rec.payload, payload));
}

static void test_numbers(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	struct spool *s = open_spool();
	assert_int_equal(append(s, "one"), 1);
	spool_close(s);
	s = open_spool(); /* a process that was killed: nothing was lost */
	assert_int_equal(append(s, "two"), 2);
	spool_close(s);
	boot_again();
	s = open_spool();
	uint64_t third = append(s, "three");
	assert_true(third > UINT32_MAX);
	struct spool_stat st;
	spool_stat(s, &st);
	assert_int_equal(st.hole_from, 3);
	assert_int_equal(st.hole_to, third);
	assert_int_equal(spool_seek(s, 1), 0);
	expect(s, 1, "one");
	expect(s, 2, "two");
	expect(s, third, "three");
	struct spool_record rec;
	assert_int_equal(spool_next(s, &rec), 0);
	assert_int_equal(spool_seek(s, 400),
			 0); /* where a database may be that is ahead of the spool */
	expect(s, third, "three");
	spool_release(s, third);
	spool_close(s);
	boot_again(); /* twice without a message between */
	spool_close(open_spool());
	boot_again();
	s = open_spool();
	assert_true(append(s, "four") > third + UINT32_MAX);
	spool_close(s);
}

static void test_a_first_start_that_was_cut_short(void **state)
{
	(void)state;
	char path[64];
	snprintf(path, sizeof path, "%s/id", dir);
	assert_int_equal(truncate(path, 0), 0);
	struct spool *s = open_spool();
	char id[33];
	snprintf(id, sizeof id, "%s", spool_id(s));
	assert_int_equal(strlen(id), 32);
	spool_close(s);
	s = open_spool();
	assert_string_equal(spool_id(s), id);
	spool_close(s);
}

static int remove_dir(void **state)
{
	(void)state;
	char cmd[80];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
					   cmocka_unit_test(test_a_first_start_that_was_cut_short)};
	return cmocka_run_group_tests_name("spool after a boot", tests, NULL, remove_dir);
}
