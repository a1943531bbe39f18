/* A copy of a spool that is written meanwhile: whole, or an error that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "spool_copy.h"

#define SEGMENT (1 << 20)
#define PIECE (SEGMENT / 4) /* three of them and their heads fill a segment */

static char root[40], from[80], to[80];
static char big[PIECE];

static int make_dir(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/gridhub-copy-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(from, sizeof from, "%s/spool", root);
	snprintf(to, sizeof to, "%s/copy", root);
	memset(big, 'x', sizeof big);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	char cmd[80];
	snprintf(cmd, sizeof cmd, "rm -rf %s", root);
	return system(cmd);
}

static struct spool *open_spool(int64_t keep)
{
	struct spool_conf conf = {.dir = from,
				  .segment_bytes = SEGMENT,
				  .max_bytes = 64 * SEGMENT,
				  .keep_bytes = keep};
	struct err e = {0};
	struct spool *s = NULL;
	if (spool_open(&conf, &e, &s))
		fail_msg("%s", e.msg);
	return s;
}

static void append(struct spool *s, unsigned n)
{
	while (n--) {
		struct spool_record rec = {.recv_us = 1700000000000000,
					   .topic = SL("a/b"),
					   .payload = {big, sizeof big},
					   .full_len = PIECE};
		assert_int_equal(spool_append(s, &rec), 0);
	}
}

static struct spool_copy *begin(void)
{
	struct err e = {0};
	struct spool_copy *c = NULL;
	if (spool_copy_begin(from, to, &e, &c))
		fail_msg("%s", e.msg);
	return c;
}

static void test_what_is_released_between_two_steps_is_in_the_copy(void **state)
{
	(void)state;
	struct spool *s = open_spool(0);
	struct err e = {0};
	struct spool_copied got;
	append(s, 10); /* 1-3 4-6 7-9 10 */
	struct spool_copy *c = begin();
	assert_int_equal(spool_copy_step(c, &e), 0);
	spool_release(s, 9);
	append(s, 4); /* 10-12 13-14 */
	assert_int_equal(spool_copy_step(c, &e), 0);
	spool_release(s, 12);
	append(s, 1);
	assert_int_equal(spool_copy_finish(c, &got, &e), 0);
	assert_string_equal(got.id, spool_id(s));
	assert_int_equal(got.first_seq, 1);
	assert_int_equal(got.next_seq, 16);
	assert_int_equal(got.segments, 5);
	assert_int_equal(got.damaged, 0);
	assert_true(got.bytes > 15 * PIECE && got.bytes == spool_copy_bytes(c) - 32); /* its id */
	spool_copy_free(c);
	spool_close(s);
}

static void test_what_was_released_unseen_is_an_error(void **state)
{
	(void)state;
	struct spool *s = open_spool(0);
	struct err e = {0};
	struct spool_copied got;
	append(s, 4);
	struct spool_copy *c = begin();
	assert_int_equal(spool_copy_step(c, &e), 0);
	append(s, 6);	       /* the segment that was the last is complete … */
	spool_release(s, 100); /* … and gone */
	assert_int_equal(spool_copy_finish(c, &got, &e), -ESTALE);
	assert_non_null(strstr(e.msg, "keep_percent"));
	spool_copy_free(c);
	spool_close(s);
}

static void test_kept_segments_let_steps_be_far_apart(void **state)
{
	(void)state;
	struct spool *s = open_spool(8 * SEGMENT);
	struct err e = {0};
	struct spool_copied got;
	append(s, 4);
	struct spool_copy *c = begin();
	assert_int_equal(spool_copy_step(c, &e), 0);
	append(s, 6);
	spool_release(s, 100);
	assert_int_equal(spool_copy_finish(c, &got, &e), 0);
	assert_int_equal(got.first_seq, 1);
	assert_int_equal(got.next_seq, 11);
	spool_copy_free(c);
	spool_close(s);
}

static void test_a_record_that_is_half_written_is_a_torn_end(void **state)
{
	(void)state;
	char path[160];
	struct spool *s = open_spool(0);
	struct err e = {0};
	struct spool_copied got;
	append(s, 2);
	snprintf(path, sizeof path, "%s/%020d.seg", from, 1);
	int fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, big, 1000), 1000);
	close(fd);
	struct spool_copy *c = begin();
	assert_int_equal(spool_copy_finish(c, &got, &e), 0);
	assert_int_equal(got.next_seq, 3);
	assert_int_equal(got.damaged, 0);
	spool_copy_free(c);

	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, 100), 1); /* rotten: the copy says so, and is made */
	close(fd);
	snprintf(to, sizeof to, "%s/other", root);
	c = begin();
	assert_int_equal(spool_copy_finish(c, &got, &e), 0);
	assert_int_equal(got.damaged, 1);
	spool_copy_free(c);
	spool_close(s);
}

static void test_what_is_refused(void **state)
{
	(void)state;
	struct spool_copy *c = NULL;
	struct spool_copied got;
	struct err e = {0};
	assert_int_equal(spool_copy_begin(from, to, &e, &c), -ENOENT);
	assert_non_null(strstr(e.msg, "there is no spool"));
	assert_int_equal(spool_copy_begin(from, to, &e, &c), -EEXIST);
	assert_int_equal(spool_look(from, &got, &e), -ENOENT);
	assert_int_equal(spool_in_use(from, &e), 0);
	struct spool *s = open_spool(0);
	assert_int_equal(spool_in_use(from, &e), 1);
	spool_close(s);
	assert_int_equal(spool_in_use(from, &e), 0);
	assert_int_equal(spool_look(from, &got, &e), 0); /* one segment, nothing in it */
	assert_int_equal(got.first_seq, got.next_seq);
}

#define IN_A_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIR(test_what_is_released_between_two_steps_is_in_the_copy),
		IN_A_DIR(test_what_was_released_unseen_is_an_error),
		IN_A_DIR(test_kept_segments_let_steps_be_far_apart),
		IN_A_DIR(test_a_record_that_is_half_written_is_a_torn_end),
		IN_A_DIR(test_what_is_refused),
	};
	return cmocka_run_group_tests_name("spool_copy", tests, NULL, NULL);
}
