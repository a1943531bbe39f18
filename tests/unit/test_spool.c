/* The spool: what is appended is read back, whatever was torn off, rotted or released meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics.h"
#include "spool.h"
#include "times.h"

#define SEGMENT (1 << 20)
#define HEAD 48 /* bytes of a record before source, topic and payload */

static char dir[40];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/gridhub-spool-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	char cmd[80];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static struct spool *open_with(enum spool_sync sync, int64_t max_bytes)
{
	struct spool_conf conf = {.dir = dir,
				  .sync = sync,
				  .sync_interval_us = 10 * TIMES_MS,
				  .segment_bytes = SEGMENT,
				  .max_bytes = max_bytes};
	struct err e = {0};
	struct spool *s = NULL;
	if (spool_open(&conf, &e, &s))
		fail_msg("%s", e.msg);
	return s;
}

static struct spool *open_spool(void)
{
	return open_with(SPOOL_SYNC_OS, 8 * SEGMENT);
}

static int append(struct spool *s, struct slice payload)
{
	struct spool_record rec = {.recv_us = 1700000000000000 + (int64_t)payload.n,
				   .source = SL("street"),
				   .topic = SL("a/b"),
				   .payload = payload,
				   .full_len = (uint32_t)payload.n,
				   .mid = 7,
				   .flags = SPOOL_DUP};
	return spool_append(s, &rec);
}

static void append_text(struct spool *s, const char *text)
{
	assert_int_equal(append(s, slice_of(text)), 0);
}

static void expect(struct spool *s, uint64_t seq, const char *payload)
{
	struct spool_record rec;
	assert_int_equal(spool_next(s, &rec), 1);
	assert_int_equal(rec.seq, seq);
	assert_true(slice_is(rec.payload, payload));
}

static void expect_end(struct spool *s)
{
	struct spool_record rec;
	assert_int_equal(spool_next(s, &rec), 0);
}

/* Path of the segment that begins with that record. */
static const char *segment(uint64_t first_seq)
{
	static char path[80];
	snprintf(path, sizeof path, "%s/%020llu.seg", dir, (unsigned long long)first_seq);
	return path;
}

static void flip(const char *path, off_t at)
{
	char c;
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x20;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) ? -1 : st.st_size;
}

/* ---- reading back ---- */

static void test_a_record_comes_back_whole(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	char id[40];
	snprintf(id, sizeof id, "%s", spool_id(s));
	assert_int_equal(strlen(id), 32);
	struct spool_record in = {.recv_us = -5,
				  .source = SL("s"),
				  .topic = SL("t\0u"),
				  .payload = SL("\0\xff{}"),
				  .full_len = UINT32_MAX,
				  .mid = UINT16_MAX,
				  .flags = SPOOL_RETAINED | SPOOL_CUT};
	struct spool_record empty = {0}, out;
	assert_int_equal(spool_append(s, &in), 0);
	assert_int_equal(spool_append(s, &empty), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(spool_next(s, &out), 1);
		assert_int_equal(out.seq, 1);
		assert_int_equal(out.recv_us, -5);
		assert_int_equal(out.full_len, UINT32_MAX);
		assert_int_equal(out.mid, UINT16_MAX);
		assert_int_equal(out.flags, SPOOL_RETAINED | SPOOL_CUT);
		assert_true(slice_eq(out.source, in.source) && slice_eq(out.topic, in.topic) &&
			    slice_eq(out.payload, in.payload));
		expect(s, 2, "");
		expect_end(s);
		spool_close(s); /* what a process that begins anew sees */
		s = open_spool();
		assert_string_equal(spool_id(s), id);
	}
	append_text(s, "third");
	assert_int_equal(spool_seek(s, 3), 0);
	expect(s, 3, "third");
	spool_close(s);
}

static void test_records_of_any_size_over_many_segments(void **state)
{
	(void)state;
	struct spool *s = open_with(SPOOL_SYNC_INTERVAL, (int64_t)64 << 20);
	size_t max = SPOOL_PAYLOAD_MAX;
	char *big = malloc(max + 1);
	memset(big, 'x', max + 1);
	size_t n = 0;
	for (size_t len = 1; len <= max; len = len * 3 + 1, n++)
		assert_int_equal(append(s, (struct slice){big, len}), 0);
	assert_int_equal(append(s, (struct slice){big, max}), 0);
	assert_int_equal(append(s, (struct slice){big, max + 1}), -EMSGSIZE);
	append_text(s, "last");
	struct spool_record rec;
	for (size_t len = 1; len <= max; len = len * 3 + 1) {
		assert_int_equal(spool_next(s, &rec), 1);
		assert_int_equal(rec.payload.n, len);
		assert_true(rec.payload.p[0] == 'x' && rec.payload.p[len - 1] == 'x');
	}
	assert_int_equal(spool_next(s, &rec), 1);
	assert_int_equal(rec.payload.n, max);
	expect(s, n + 2, "last"); /* the refused one left neither bytes nor a hole */
	expect_end(s);
	struct spool_stat st;
	spool_stat(s, &st);
	assert_true(st.segments > 3);
	assert_int_equal(st.next_seq, n + 3);
	spool_close(s);
	free(big);
}

static void test_seek(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	char text[16];
	for (int i = 1; i <= 100; i++) {
		snprintf(text, sizeof text, "%d", i);
		append_text(s, text);
	}
	assert_int_equal(spool_seek(s, 50), 0);
	expect(s, 50, "50");
	expect(s, 51, "51");
	assert_int_equal(spool_seek(s, 0), 0);
	expect(s, 1, "1");
	assert_int_equal(spool_seek(s, 101), 0);
	expect_end(s);
	append_text(s, "101");
	expect(s, 101, "101");
	struct err e;
	assert_int_equal(spool_skip_to(s, 50, &e), 0); /* never backwards */
	append_text(s, "102");
	assert_int_equal(spool_skip_to(s, 1000, &e), 0);
	append_text(s, "1000");
	expect(s, 102, "102");
	expect(s, 1000, "1000");
	expect_end(s);
	spool_close(s);
	s = open_spool();
	assert_int_equal(spool_seek(s, 103), 0);
	expect(s, 1000, "1000");
	spool_close(s);
}

/* ---- what is torn, what rots ---- */

static void test_a_torn_end_is_cut_wherever_it_tore(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	append_text(s, "one");
	append_text(s, "two");
	off_t good = size_of(segment(1));
	append_text(s, "three");
	off_t whole = size_of(segment(1));
	spool_close(s);
	for (off_t end = whole - 1; end > good; end--) {
		assert_int_equal(truncate(segment(1), end), 0);
		s = open_spool();
		assert_int_equal(size_of(segment(1)), good);
		append_text(s, "three"); /* takes the number of the torn one */
		expect(s, 1, "one");
		expect(s, 2, "two");
		expect(s, 3, "three");
		expect_end(s);
		spool_close(s);
		assert_int_equal(size_of(segment(1)), whole);
	}
}

static void test_a_rotten_record_is_set_aside_and_the_others_are_read(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	append_text(s, "one");
	off_t from = size_of(segment(1));
	append_text(s, "two");
	off_t to = size_of(segment(1));
	append_text(s, "three");
	spool_close(s);
	for (off_t at = from; at < to; at++) {
		uint64_t damaged = metric_get(M_SPOOL_DAMAGED);
		flip(segment(1), at);
		s = open_spool();
		expect(s, 1, "one");
		expect(s, 3, "three");
		expect_end(s);
		append_text(s, "four");
		expect(s, 4, "four");
		spool_close(s);
		assert_int_equal(metric_get(M_SPOOL_DAMAGED), damaged + 1);
		char copy[80];
		snprintf(copy, sizeof copy, "%s/damaged/%020d-%lld.bin", dir, 1, (long long)from);
		assert_int_equal(size_of(copy), to - from);
		assert_int_equal(unlink(copy), 0);
		flip(segment(1), at);
		assert_int_equal(truncate(segment(1), to + HEAD + 6 + 3 + 5), 0);
	}
}

static void test_a_segment_that_is_rotten_all_over(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	char *big = malloc(SEGMENT);
	memset(big, 'x', SEGMENT);
	append_text(s, "one");
	for (int i = 0; i < 2; i++)
		assert_int_equal(append(s, (struct slice){big, SEGMENT - 100}), 0);
	append_text(s, "four");
	spool_close(s);
	for (off_t at = 0; at < size_of(segment(2)); at += 16)
		flip(segment(2), at);
	s = open_spool();
	struct spool_record rec;
	expect(s, 1, "one");
	assert_int_equal(spool_next(s, &rec), 1);
	assert_int_equal(rec.seq, 3);
	expect(s, 4, "four");
	expect_end(s);
	spool_close(s);
	free(big);
}

/* ---- limits ---- */

static void test_the_limit_refuses_and_release_makes_room(void **state)
{
	(void)state;
	struct spool *s = open_with(SPOOL_SYNC_OS, 4 * SEGMENT);
	char *big = malloc(SEGMENT / 4);
	memset(big, 'x', SEGMENT / 4);
	struct slice payload = {big, SEGMENT / 4};
	size_t n = 0;
	int r;
	uint64_t refused = metric_get(M_SPOOL_REFUSED);
	while ((r = append(s, payload)) == 0 && n < 100)
		n++;
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(n, 15); /* 16 quarters and their heads are more than 4 segments */
	assert_true(spool_tight(s));
	assert_int_equal(metric_get(M_SPOOL_REFUSED), refused + 1);
	struct spool_stat st;
	spool_stat(s, &st);
	assert_int_equal(st.next_seq, n + 1);
	assert_true(st.bytes <= 4 * SEGMENT);
	assert_int_equal(st.segments, 5); /* three quarters in each: a fourth does not fit */

	spool_release(s, 2); /* record 3 is in the same segment, and still needed */
	assert_int_equal(size_of(segment(1)) > 0, true);
	spool_release(s, 3);
	assert_int_equal(size_of(segment(1)), -1);
	spool_stat(s, &st);
	assert_int_equal(st.first_seq, 4);
	assert_int_equal(append(s, payload), 0);
	spool_release(s, 1000); /* all, but for the segment that is appended to */
	spool_stat(s, &st);
	assert_int_equal(st.segments, 1);
	assert_false(spool_tight(s));
	assert_int_equal(append(s, payload), 0);
	spool_close(s);
	s = open_with(SPOOL_SYNC_ALWAYS, 4 * SEGMENT);
	spool_stat(s, &st);
	assert_int_equal(st.next_seq, n + 3);
	spool_close(s);
	free(big);
}

/* What is released stays while the spool is small: backups and databases that go back need it. */
static void test_released_segments_stay_up_to_keep_bytes(void **state)
{
	(void)state;
	struct spool_conf conf = {.dir = dir,
				  .segment_bytes = SEGMENT,
				  .max_bytes = 8 * SEGMENT,
				  .keep_bytes = 2 * SEGMENT};
	struct err e = {0};
	struct spool *s = NULL;
	struct spool_stat st;
	char *big = malloc(SEGMENT / 2);
	memset(big, 'x', SEGMENT / 2);
	assert_int_equal(spool_open(&conf, &e, &s), 0);
	for (int i = 0; i < 6; i++) /* one fits into a segment */
		assert_int_equal(append(s, (struct slice){big, SEGMENT / 2}), 0);
	spool_release(s, 6);
	spool_stat(s, &st);
	assert_int_equal(st.segments, 3); /* four halves and their heads are more than two */
	assert_int_equal(st.first_seq, 4);
	spool_release(s, 6);
	spool_stat(s, &st);
	assert_int_equal(st.first_seq, 4);
	spool_close(s);
	free(big);
}

static void test_records_between(void **state)
{
	(void)state;
	assert_int_equal(spool_between(7, 8), 0);
	assert_int_equal(spool_between(7, 5), 0);
	assert_int_equal(spool_between(7, 10), 2);
	assert_int_equal(spool_between(7, 8 + SPOOL_BOOT_HOLE), 0);
	assert_int_equal(spool_between(7, 11 + 2 * SPOOL_BOOT_HOLE), 3);
}

static void test_a_second_opener_is_refused(void **state)
{
	(void)state;
	struct spool *s = open_spool(), *other = NULL;
	struct spool_conf conf = {.dir = dir, .segment_bytes = SEGMENT, .max_bytes = 4 * SEGMENT};
	struct err e = {0};
	assert_int_equal(spool_open(&conf, &e, &other), -EBUSY);
	assert_non_null(strstr(e.msg, "another hub is using this spool"));
	spool_close(s);
	assert_int_equal(spool_open(&conf, &e, &other), 0);
	spool_close(other);
	conf.dir = "/nix/spool";
	assert_int_equal(spool_open(&conf, &e, &other), -ENOENT);
	assert_non_null(strstr(e.msg, "/nix/spool"));
	spool_close(NULL);
}

/* ---- two ends at once ---- */

#define MANY 20000

static void *append_many(void *arg)
{
	char text[16];
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "%d", i);
		struct spool_record rec = {.payload = slice_of(text)};
		if (spool_append(arg, &rec))
			return arg;
	}
	return NULL;
}

static void test_readers_and_writers_at_once(void **state)
{
	(void)state;
	struct spool *s = open_with(SPOOL_SYNC_INTERVAL, 16 * SEGMENT);
	pthread_t writers[2];
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, append_many, s), 0);
	struct spool_record rec;
	int64_t deadline = times_mono_us() + TIMES_MIN;
	for (uint64_t seq = 1; seq <= 2 * MANY && times_mono_us() < deadline;) {
		int r = spool_next(s, &rec);
		assert_in_range(r, 0, 1);
		if (r) {
			assert_int_equal(rec.seq, seq++);
			if (seq % 1000 == 0)
				spool_release(s, seq - 500);
		} else {
			spool_wait(s, TIMES_SEC);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		void *failed = s;
		pthread_join(writers[i], &failed);
		assert_null(failed);
	}
	struct spool_stat st;
	spool_stat(s, &st);
	assert_int_equal(st.read_seq, 2 * MANY + 1);
	assert_true(st.first_seq > 1);
	int64_t began = times_mono_us();
	spool_wake(s);
	spool_wait(s, TIMES_MIN); /* woken before it waits: returns at once */
	assert_true(times_mono_us() - began < 30 * TIMES_SEC);
	spool_close(s);
}

#define IN_A_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIR(test_a_record_comes_back_whole),
		IN_A_DIR(test_records_of_any_size_over_many_segments),
		IN_A_DIR(test_seek),
		IN_A_DIR(test_a_torn_end_is_cut_wherever_it_tore),
		IN_A_DIR(test_a_rotten_record_is_set_aside_and_the_others_are_read),
		IN_A_DIR(test_a_segment_that_is_rotten_all_over),
		IN_A_DIR(test_the_limit_refuses_and_release_makes_room),
		IN_A_DIR(test_released_segments_stay_up_to_keep_bytes),
		cmocka_unit_test(test_records_between),
		IN_A_DIR(test_a_second_opener_is_refused),
		IN_A_DIR(test_readers_and_writers_at_once),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
