#include "spool.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "spool_boot.h"
#include "spool_segment.h"
#include "times.h"

/*
 * DESIGN: the mutex covers the list of segments and the tail. The reader takes it only to learn how
 * far the tail has come and to move to the next segment; it reads the files themselves without it,
 * for what lies before the tail never changes. Invariant: the last segment is the one appended to,
 * and `tail_off` is its length.
 */

#define TIGHT_PCT 90 /* of max_bytes: from here on the brokers are left */
#define FAULT_PAUSE_US \
	(5 * TIMES_SEC) /* after a failed append, before the brokers may send again */

struct segment {
	uint64_t first_seq, bytes;
};

struct spool {
	char *dir;
	char id[33];
	struct spool_conf conf;
	int dir_fd, lock_fd;
	bool fresh;		     /* made by this spool_open */
	uint64_t hole_from, hole_to; /* sequence numbers that were passed over when it was opened */

	pthread_mutex_t lock;
	pthread_cond_t more; /* something to read, or woken */
	bool reader_waits, woken, closing;
	struct segment *seg;
	size_t nseg, seg_cap;
	uint64_t total, next_seq;
	int64_t last_recv_us; /* of the record appended last */
	int tail_fd;
	uint64_t tail_off;
	struct buf record; /* the record being appended */
	bool dirty;
	struct log_repeat fault;
	int64_t fault_until_us; /* an append found the disk full or failing; monotonic */

	pthread_t sync_thread;
	pthread_cond_t sync_stop;
	bool sync_running;

	/* the reader's */
	struct spool_cursor cur;
	uint64_t cur_first; /* first_seq of the segment that cur is in; 0 = none */
	uint64_t cur_end,
		cur_next; /* how far the segment was last seen to reach: offset, seq after it */
	_Atomic uint64_t read_seq; /* written by the reader, looked at by spool_stat */
};

/* ---- files ---- */

static int seg_path(const struct spool *s, uint64_t first_seq, char *ret, size_t n)
{
	char name[SPOOL_NAME_MAX];
	spool_name(first_seq, name);
	int len = snprintf(ret, n, "%s/%s", s->dir, name);
	return len < 0 || (size_t)len >= n ? -ENAMETOOLONG : 0;
}

static int read_id(struct spool *s, struct err *e)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/id", s->dir);
	auto_free char *text = NULL;
	size_t n;
	int r = file_read(path, 64, &text, &n, e);
	if (r == 0) {
		struct slice t = slice_trim((struct slice){text, n});
		if (t.n != 32 && t.n)
			return err_set(e, -EINVAL, "%s: not a spool's id", path);
		memcpy(s->id, t.p, t.n);
	}
	if (s->id[0] || (r && r != -ENOENT))
		return r;
	/* None yet; or an empty file, from a start that was cut short before anybody saw the id. */
	s->fresh = true;
	unsigned char rnd[16];
	if (getrandom(rnd, sizeof rnd, 0) != sizeof rnd)
		return err_set(e, -errno, "cannot get random bytes");
	for (size_t i = 0; i < sizeof rnd; i++)
		snprintf(s->id + 2 * i, 3, "%02x", rnd[i]);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set(e, -errno, "%s: cannot make: %s", path, strerror(errno));
	r = fd_write_all(fd, s->id, 32);
	if (!r && (fsync(fd) || fsync(s->dir_fd)))
		r = -errno;
	return r ? err_set(e, r, "%s: cannot write: %s", path, strerror(-r)) : 0;
}

static int open_dir(struct spool *s, struct err *e)
{
	char path[PATH_MAX];
	if (mkdir(s->dir, 0750) && errno != EEXIST)
		return err_set(e, -errno, "%s: cannot make the spool's folder: %s", s->dir,
			       strerror(errno));
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return err_set(e, -errno, "%s: cannot open the spool: %s", s->dir, strerror(errno));
	snprintf(path, sizeof path, "%s/lock", s->dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (s->lock_fd < 0)
		return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return err_set(e, -EBUSY, "%s: another hub is using this spool", s->dir);
	return 0;
}

static int add_segment(struct spool *s, uint64_t first_seq, uint64_t bytes)
{
	int r = mem_grow(&s->seg, &s->seg_cap, s->nseg + 1, 1000000, sizeof *s->seg);
	if (r)
		return r;
	s->seg[s->nseg++] = (struct segment){first_seq, bytes};
	s->total += bytes;
	return 0;
}

/* Begin a new segment for next_seq and make it the tail. */
static int roll(struct spool *s)
{
	char path[PATH_MAX];
	int r = seg_path(s, s->next_seq, path, sizeof path);
	if (r)
		return r;
	if (s->tail_fd >= 0 && s->conf.sync != SPOOL_SYNC_OS && fdatasync(s->tail_fd))
		return -errno;
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (fsync(s->dir_fd) || (r = add_segment(s, s->next_seq, 0))) {
		r = r ? r : -errno;
		close(fd);
		return r;
	}
	if (s->tail_fd >= 0)
		close(s->tail_fd);
	s->tail_fd = fd;
	s->tail_off = 0;
	return 0;
}

/* ---- opening: find the end of the last segment ---- */

static int scan_tail(struct spool *s, uint64_t first_seq, uint64_t size, uint64_t *ret_end,
		     uint64_t *ret_next)
{
	struct spool_cursor c;
	struct spool_record rec;
	int fd = dup(s->tail_fd);
	if (fd < 0)
		return -errno;
	spool_cursor_init(&c, fd);
	*ret_end = 0;
	*ret_next = first_seq;
	int r;
	while ((r = spool_cursor_next(&c, size, &rec)) == 1 || r == -EILSEQ) {
		if (r == 1) {
			*ret_end = c.off;
			*ret_next = rec.seq + 1;
		}
	}
	spool_cursor_done(&c);
	return r;
}

static int open_tail(struct spool *s, uint64_t first_seq, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	uint64_t end = 0;
	int r = seg_path(s, first_seq, path, sizeof path);
	if (r)
		return err_set(e, r, "%s: path too long", s->dir);
	s->tail_fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (s->tail_fd < 0 || fstat(s->tail_fd, &st))
		return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	r = scan_tail(s, first_seq, (uint64_t)st.st_size, &end, &s->next_seq);
	if (r)
		return err_set(e, r, "%s: cannot read: %s", path, strerror(-r));
	if (end < (uint64_t)st.st_size) {
		char copy[PATH_MAX];
		spool_set_aside(s->dir, s->tail_fd, first_seq, end, (uint64_t)st.st_size, copy);
		log_warn("spool", KM("torn tail cut off"), KS("segment", path),
			 KI("bytes", (uint64_t)st.st_size - end), KI("next_seq", s->next_seq),
			 KS("copy", copy));
		if (ftruncate(s->tail_fd, (off_t)end))
			return err_set(e, -errno, "%s: cannot cut the torn tail: %s", path,
				       strerror(errno));
	}
	s->tail_off = end;
	return 0;
}

static int open_segments(struct spool *s, struct err *e)
{
	auto_free uint64_t *first = NULL;
	size_t n = 0;
	int r = spool_list(s->dir, &first, &n, e);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct stat st;
		if (seg_path(s, first[i], path, sizeof path) || stat(path, &st))
			return err_set(e, -EIO, "%s: cannot look at a segment: %s", s->dir,
				       strerror(errno));
		bool last = i + 1 == n;
		if (last && (r = open_tail(s, first[i], e)))
			return r;
		r = add_segment(s, first[i], last ? s->tail_off : (uint64_t)st.st_size);
		if (r)
			return err_set(e, r, "%s: too many segments", s->dir);
	}
	if (n)
		return 0;
	s->next_seq = 1;
	r = roll(s);
	return r ? err_set(e, r, "%s: cannot begin a segment: %s", s->dir, strerror(-r)) : 0;
}

/*
 * A power cut may have taken records that the database has already committed. Were their numbers
 * given out again, new messages that come in before the database answers would be taken for them
 * and skipped. So after a boot the numbers go on far behind.
 */
static int pass_boot(struct spool *s, struct err *e)
{
	struct spool_boot boot;
	int r = spool_boot_read(s->dir, &boot);
	if (!r && !boot.again)
		return 0;
	if (!r && !s->fresh) {
		s->hole_from = s->next_seq;
		s->hole_to = s->next_seq += SPOOL_BOOT_HOLE;
		r = roll(s);
		log_info("spool", KM("the machine has booted: sequence numbers leave a hole"),
			 KI("from", s->hole_from), KI("to", s->hole_to));
	}
	if (!r)
		r = spool_boot_write(&boot);
	return r ? err_set(e, r, "%s: cannot write: %s", boot.path, strerror(-r)) : 0;
}

/* ---- sync: interval ---- */

static void *sync_main(void *arg)
{
	struct spool *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->closing) {
		struct timespec until = times_mono_in(s->conf.sync_interval_us);
		pthread_cond_timedwait(&s->sync_stop, &s->lock, &until);
		if (!s->dirty)
			continue;
		s->dirty = false;
		int fd = dup(
			s->tail_fd); /* the tail may roll meanwhile; roll() syncs what it leaves */
		pthread_mutex_unlock(&s->lock);
		if (fd < 0 || fdatasync(fd))
			log_error("spool", KM("cannot sync"), KS("error", strerror(errno)));
		if (fd >= 0)
			close(fd);
		metric_add(M_SPOOL_SYNCS, 1);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int start_sync(struct spool *s, struct err *e)
{
	if (s->conf.sync != SPOOL_SYNC_INTERVAL)
		return 0;
	int r = pthread_create(&s->sync_thread, NULL, sync_main, s);
	if (r)
		return err_set(e, -r, "cannot start a thread: %s", strerror(r));
	s->sync_running = true;
	return 0;
}

static void init_locks(struct spool *s)
{
	pthread_mutex_init(&s->lock, NULL);
	times_cond_init(&s->more);
	times_cond_init(&s->sync_stop);
}

int spool_open(const struct spool_conf *conf, struct err *e, struct spool **ret)
{
	struct spool *s = mem_new(sizeof *s);
	if (!s)
		return err_set(e, -ENOMEM, "spool: out of memory");
	s->conf = *conf;
	s->dir_fd = s->lock_fd = s->tail_fd = -1;
	s->last_recv_us = INT64_MIN / 2;
	spool_cursor_init(&s->cur, -1);
	init_locks(s);
	buf_init(&s->record, SPOOL_HEAD + SPOOL_BODY_MAX);
	s->dir = slice_dup(slice_of(conf->dir));
	int r = s->dir ? open_dir(s, e) : -ENOMEM;
	if (!r)
		r = read_id(s, e);
	if (!r)
		r = open_segments(s, e);
	if (!r)
		r = pass_boot(s, e);
	if (!r)
		r = start_sync(s, e);
	if (r) {
		spool_close(s);
		return r;
	}
	s->read_seq = s->seg[0].first_seq;
	*ret = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->sync_stop);
	pthread_mutex_unlock(&s->lock);
	if (s->sync_running)
		pthread_join(s->sync_thread, NULL);
	if (s->tail_fd >= 0 && s->conf.sync != SPOOL_SYNC_OS && fdatasync(s->tail_fd))
		log_error("spool", KM("cannot sync at the end"), KS("error", strerror(errno)));
	spool_cursor_done(&s->cur);
	int *fds[] = {&s->tail_fd, &s->lock_fd, &s->dir_fd};
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		base_close_fd(fds[i]);
	buf_done(&s->record);
	free(s->seg);
	free(s->dir);
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->sync_stop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *spool_id(const struct spool *s)
{
	return s->id;
}

/* ---- appending ---- */

/* Write s->record at the tail, whole or not at all. */
static int write_record(struct spool *s)
{
	if (s->total + s->record.n > (uint64_t)s->conf.max_bytes)
		return -ENOSPC;
	if (s->tail_off && s->tail_off + s->record.n > (uint64_t)s->conf.segment_bytes) {
		int r = roll(s);
		if (r)
			return r;
	}
	int r = fd_write_all(s->tail_fd, s->record.p, s->record.n);
	if (!r && s->conf.sync == SPOOL_SYNC_ALWAYS) {
		metric_add(M_SPOOL_SYNCS, 1);
		r = fdatasync(s->tail_fd) ? -errno : 0;
	}
	if (r && ftruncate(s->tail_fd, (off_t)s->tail_off))
		log_error("spool", KM("cannot take back half a record"),
			  KS("error", strerror(errno)));
	return r;
}

static void note_append(struct spool *s, int r)
{
	s->fault_until_us = r ? times_mono_us() + FAULT_PAUSE_US : 0;
	if (r) {
		metric_add(M_SPOOL_REFUSED, 1);
		if (log_repeat_due(&s->fault, times_mono_us()))
			log_error("spool", KM("cannot append"), KS("error", strerror(-r)),
				  KI("bytes", s->total), KI("max_bytes", s->conf.max_bytes));
		return;
	}
	s->tail_off += s->record.n;
	s->total += s->record.n;
	s->seg[s->nseg - 1].bytes = s->tail_off;
	s->next_seq++;
	s->dirty = true;
	metric_add(M_SPOOL_RECORDS, 1);
	if (log_repeat_over(&s->fault))
		log_info("spool", KM("appending again"));
	if (s->reader_waits)
		pthread_cond_signal(&s->more);
}

/* Times of arrival in the order of the log, so that whoever sorts readings by them (replay) has
 * that order. A clock that is put back by more than a second counts as it is. */
static int64_t after_last(const struct spool *s, int64_t recv_us)
{
	bool just_before = recv_us <= s->last_recv_us && recv_us > s->last_recv_us - TIMES_SEC;
	return just_before ? s->last_recv_us + 1 : recv_us;
}

int spool_append(struct spool *s, struct spool_record *rec)
{
	pthread_mutex_lock(&s->lock);
	buf_reset(&s->record);
	rec->seq = s->next_seq;
	rec->recv_us = s->last_recv_us = after_last(s, rec->recv_us);
	int r = spool_encode(&s->record, rec);
	if (!r)
		r = write_record(s);
	note_append(s, r);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int spool_mark(struct spool *s, enum spool_flag what, struct slice source)
{
	struct spool_record rec = {
		.recv_us = times_now_us(), .source = source, .flags = (uint8_t)what};
	return spool_append(s, &rec);
}

bool spool_tight(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	bool full = s->total > (uint64_t)s->conf.max_bytes / 100 * TIGHT_PCT;
	bool fault = s->fault_until_us && times_mono_us() < s->fault_until_us;
	pthread_mutex_unlock(&s->lock);
	return full || fault;
}

void spool_stat(struct spool *s, struct spool_stat *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = (struct spool_stat){.first_seq = s->seg[0].first_seq,
				   .next_seq = s->next_seq,
				   .read_seq = s->read_seq,
				   .bytes = s->total,
				   .segments = s->nseg,
				   .hole_from = s->hole_from,
				   .hole_to = s->hole_to};
	pthread_mutex_unlock(&s->lock);
}

int spool_skip_to(struct spool *s, uint64_t seq, struct err *e)
{
	int r = 0;
	pthread_mutex_lock(&s->lock);
	if (seq > s->next_seq) {
		s->next_seq = seq;
		r = roll(s);
	}
	pthread_mutex_unlock(&s->lock);
	return r ? err_set(e, r, "%s: cannot begin a segment: %s", s->dir, strerror(-r)) : 0;
}

uint64_t spool_between(uint64_t last, uint64_t next)
{
	return next > last ? (next - last - 1) % SPOOL_BOOT_HOLE : 0;
}

/* ---- reading ---- */

/* Learn where the segment that holds read_seq ends now; *ret = its first seq, 0 if there is nothing
 * to read. */
static uint64_t look_ahead(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	size_t i = s->nseg - 1;
	bool nothing = s->read_seq >= s->next_seq;
	while (i > 0 && s->seg[i].first_seq > s->read_seq)
		i--;
	uint64_t first = nothing ? 0 : s->seg[i].first_seq;
	s->cur_end = s->seg[i].bytes;
	s->cur_next = i == s->nseg - 1 ? s->next_seq : s->seg[i + 1].first_seq;
	pthread_mutex_unlock(&s->lock);
	return first;
}

static int open_cursor(struct spool *s, uint64_t first_seq)
{
	char path[PATH_MAX];
	int r = seg_path(s, first_seq, path, sizeof path);
	if (r)
		return r;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	spool_cursor_done(&s->cur);
	spool_cursor_init(&s->cur, fd);
	s->cur_first = first_seq;
	return 0;
}

int spool_seek(struct spool *s, uint64_t seq)
{
	pthread_mutex_lock(&s->lock); /* an append may be moving the list */
	s->read_seq = MAX_OF(seq, s->seg[0].first_seq);
	pthread_mutex_unlock(&s->lock);
	s->cur_first = 0;
	return 0;
}

static void note_damage(struct spool *s)
{
	char copy[PATH_MAX];
	uint64_t from = s->cur.damaged_from;
	spool_set_aside(s->dir, s->cur.fd, s->cur_first, from, s->cur.off, copy);
	metric_add(M_SPOOL_DAMAGED, 1);
	log_error("spool", KM("damaged place skipped"), KI("segment", s->cur_first),
		  KI("from", from), KI("bytes", s->cur.off - from), KS("copy", copy));
}

/* Have the cursor in the segment of read_seq, with something before its end: 1, 0 = nothing to
 * read, -errno. */
static int ready_cursor(struct spool *s)
{
	if (s->cur_first && s->cur.off < s->cur_end)
		return 1;
	uint64_t first = look_ahead(s);
	if (!first)
		return 0;
	int r = s->cur_first == first ? 0 : open_cursor(s, first);
	return r ? r : 1;
}

int spool_next(struct spool *s, struct spool_record *ret)
{
	for (;;) {
		int r = ready_cursor(s);
		if (r != 1)
			return r;
		r = spool_cursor_next(&s->cur, s->cur_end, ret);
		if (r == -EILSEQ)
			note_damage(s);
		else if (r < 0)
			return r;
		else if (r == 0)
			s->read_seq =
				MAX_OF(s->cur_next, s->read_seq); /* the rest of it was damaged */
		else if (ret->seq >=
			 s->read_seq) { /* else: on the way to where spool_seek wants to be */
			s->read_seq = ret->seq + 1;
			return 1;
		}
	}
}

void spool_wait(struct spool *s, int64_t timeout_us)
{
	struct timespec until = times_mono_in(timeout_us);
	pthread_mutex_lock(&s->lock);
	s->reader_waits = true;
	while (!s->woken && s->read_seq >= s->next_seq)
		if (pthread_cond_timedwait(&s->more, &s->lock, &until))
			break;
	s->reader_waits = false;
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
}

void spool_wake(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->woken = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

void spool_release(struct spool *s, uint64_t seq)
{
	pthread_mutex_lock(&s->lock);
	size_t gone = 0;
	while (gone + 1 < s->nseg && s->seg[gone + 1].first_seq <= seq + 1 &&
	       s->total > (uint64_t)s->conf.keep_bytes) {
		char path[PATH_MAX];
		if (seg_path(s, s->seg[gone].first_seq, path, sizeof path) ||
		    (unlink(path) && errno != ENOENT)) {
			log_error("spool", KM("cannot remove a segment"),
				  KI("segment", s->seg[gone].first_seq),
				  KS("error", strerror(errno)));
			break;
		}
		s->total -= s->seg[gone].bytes;
		gone++;
	}
	s->nseg -= gone;
	memmove(s->seg, s->seg + gone, s->nseg * sizeof *s->seg);
	metric_set(M_SPOOL_BYTES, s->total);
	pthread_mutex_unlock(&s->lock);
}
