#include "spool_segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * DESIGN: a record is a head of 48 bytes, little-endian, and a body (source, topic, payload). The
 * checksum covers all of the record behind it, seeded with the length, so a record is either wholly
 * there or not there. After bytes that are no record the cursor looks for the next magic with a
 * good checksum.
 */
struct head {
	uint32_t magic;
	uint32_t body_len;
	uint64_t sum;
	uint64_t seq;
	int64_t recv_us;
	uint32_t full_len;
	uint16_t topic_len, mid;
	uint8_t source_len, flags;
	uint8_t zero[6];
};
_Static_assert(sizeof(struct head) == SPOOL_HEAD, "the head on disk has no padding");

#define MAGIC UINT32_C(0x31524847) /* "GHR1" */
#define SUM_FROM offsetof(struct head, seq)
#define CHUNK (256 * 1024)
#define SEGMENTS_MAX 1000000

int spool_encode(struct buf *b, const struct spool_record *rec)
{
	size_t body = rec->source.n + rec->topic.n + rec->payload.n;
	if (rec->source.n > SPOOL_SOURCE_MAX || rec->topic.n > SPOOL_TOPIC_MAX ||
	    rec->payload.n > SPOOL_PAYLOAD_MAX)
		return -EMSGSIZE;
	struct head h = {.magic = MAGIC,
			 .body_len = (uint32_t)body,
			 .seq = rec->seq,
			 .recv_us = rec->recv_us,
			 .full_len = rec->full_len,
			 .topic_len = (uint16_t)rec->topic.n,
			 .mid = rec->mid,
			 .source_len = (uint8_t)rec->source.n,
			 .flags = rec->flags};
	size_t at = b->n;
	buf_put(b, &h, sizeof h);
	buf_put_slice(b, rec->source);
	buf_put_slice(b, rec->topic);
	buf_put_slice(b, rec->payload);
	if (b->failed)
		return -ENOMEM;
	h.sum = hash64((struct slice){b->p + at + SUM_FROM, b->n - at - SUM_FROM}, body);
	memcpy(b->p + at + offsetof(struct head, sum), &h.sum, sizeof h.sum);
	return 0;
}

void spool_cursor_init(struct spool_cursor *c, int fd)
{
	*c = (struct spool_cursor){.fd = fd};
}

void spool_cursor_done(struct spool_cursor *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	*c = (struct spool_cursor){.fd = -1};
}

/* Have n bytes at c->off in the buffer, if the file has them before end; *ret_n = how many there
 * are. */
static int fill(struct spool_cursor *c, size_t n, uint64_t end, size_t *ret_n)
{
	size_t have = c->off - c->buf_off <= c->buf_n && c->off >= c->buf_off
			      ? c->buf_n - (size_t)(c->off - c->buf_off)
			      : 0;
	uint64_t left = end > c->off ? end - c->off : 0;
	if (have >= n || have >= left) {
		*ret_n = (size_t)MIN_OF((uint64_t)have, left);
		return 0;
	}
	size_t want = (size_t)MIN_OF((uint64_t)MAX_OF(n, (size_t)CHUNK), left);
	if (have)
		memmove(c->buf, c->buf + (c->off - c->buf_off), have);
	c->buf_off = c->off;
	c->buf_n = have;
	int r = mem_grow(&c->buf, &c->buf_cap, want, SPOOL_HEAD + SPOOL_BODY_MAX + CHUNK, 1);
	if (r)
		return r;
	while (c->buf_n < want) {
		ssize_t got = pread(c->fd, c->buf + c->buf_n, want - c->buf_n,
				    (off_t)(c->buf_off + c->buf_n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		c->buf_n += (size_t)got;
	}
	*ret_n = c->buf_n;
	return 0;
}

static bool head_ok(const struct head *h)
{
	return h->magic == MAGIC && h->body_len <= SPOOL_BODY_MAX &&
	       h->body_len >= (uint32_t)h->topic_len + h->source_len;
}

/* A record at c->off: 1, 0 (there is none), -errno. */
static int parse(struct spool_cursor *c, uint64_t end, struct spool_record *ret)
{
	size_t n = 0;
	struct head h;
	int r = fill(c, SPOOL_HEAD, end, &n);
	if (r || n < SPOOL_HEAD)
		return r;
	memcpy(&h, c->buf + (c->off - c->buf_off), sizeof h);
	if (!head_ok(&h))
		return 0;
	size_t len = SPOOL_HEAD + h.body_len;
	r = fill(c, len, end, &n);
	if (r || n < len)
		return r;
	const char *p = c->buf + (c->off - c->buf_off);
	if (hash64((struct slice){p + SUM_FROM, len - SUM_FROM}, h.body_len) != h.sum)
		return 0;
	const char *body = p + SPOOL_HEAD;
	*ret = (struct spool_record){
		.seq = h.seq,
		.recv_us = h.recv_us,
		.source = {body, h.source_len},
		.topic = {body + h.source_len, h.topic_len},
		.payload = {body + h.source_len + h.topic_len,
			    h.body_len - h.source_len - h.topic_len},
		.full_len = h.full_len,
		.mid = h.mid,
		.flags = h.flags,
	};
	return 1;
}

static uint64_t record_len(const struct spool_record *r)
{
	return SPOOL_HEAD + r->source.n + r->topic.n + r->payload.n;
}

/* Move off to the next byte that may begin a record; end if there is none. */
static int next_magic(struct spool_cursor *c, uint64_t end)
{
	const uint32_t magic = MAGIC;
	for (;;) {
		size_t n = 0;
		int r = fill(c, CHUNK, end, &n);
		if (r)
			return r;
		const char *p = c->buf + (c->off - c->buf_off);
		const char *at = n >= sizeof magic ? memmem(p, n, &magic, sizeof magic) : NULL;
		if (at) {
			c->off += (uint64_t)(at - p);
			return 0;
		}
		if (c->off + n >= end || n < sizeof magic) {
			c->off = end;
			return 0;
		}
		c->off += n - (sizeof magic - 1);
	}
}

int spool_cursor_next(struct spool_cursor *c, uint64_t end, struct spool_record *ret)
{
	if (c->off >= end)
		return 0;
	int r = parse(c, end, ret);
	if (r == 1)
		c->off += record_len(ret);
	if (r)
		return r;
	uint64_t from = c->off;
	do {
		c->off++;
		r = next_magic(c, end);
		if (r)
			return r;
		if (c->off >= end)
			break;
		r = parse(c, end, ret);
		if (r < 0)
			return r;
	} while (!r);
	c->damaged_from = from;
	return -EILSEQ;
}

void spool_name(uint64_t first_seq, char ret[static SPOOL_NAME_MAX])
{
	snprintf(ret, SPOOL_NAME_MAX, "%020llu.seg", (unsigned long long)first_seq);
}

static bool parse_name(const char *name, uint64_t *ret)
{
	int64_t v;
	struct slice s = slice_of(name);
	if (s.n != 24 || !slice_ends(s, ".seg") || slice_to_i64((struct slice){s.p, 20}, &v))
		return false;
	*ret = (uint64_t)v;
	return true;
}

static int cmp_u64(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

int spool_list(const char *dir, uint64_t **ret, size_t *ret_n, struct err *e)
{
	DIR *d = opendir(dir);
	if (!d)
		return err_set(e, -errno, "%s: cannot open the spool: %s", dir, strerror(errno));
	auto_free uint64_t *v = NULL;
	size_t n = 0, cap = 0;
	int r = 0;
	for (struct dirent *de; !r && (de = readdir(d));) {
		uint64_t seq;
		if (!parse_name(de->d_name, &seq))
			continue;
		r = mem_grow(&v, &cap, n + 1, SEGMENTS_MAX, sizeof *v);
		if (!r)
			v[n++] = seq;
	}
	closedir(d);
	if (r)
		return err_set(e, r, "%s: too many segments", dir);
	if (n)
		qsort(v, n, sizeof *v, cmp_u64);
	*ret = v;
	*ret_n = n;
	v = NULL;
	return 0;
}

void spool_set_aside(const char *dir, int fd, uint64_t first_seq, uint64_t from, uint64_t to,
		     char ret[static PATH_MAX])
{
	char folder[PATH_MAX], chunk[8192];
	snprintf(folder, sizeof folder, "%s/damaged", dir);
	int len = snprintf(ret, PATH_MAX, "%s/%020llu-%llu.bin", folder,
			   (unsigned long long)first_seq, (unsigned long long)from);
	if (len < 0 || len >= PATH_MAX || (mkdir(folder, 0750) && errno != EEXIST))
		return;
	auto_close int out = open(ret, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	while (out >= 0 && from < to) {
		size_t want = (size_t)MIN_OF((uint64_t)sizeof chunk, to - from);
		ssize_t got = pread(fd, chunk, want, (off_t)from);
		if (got <= 0 || fd_write_all(out, chunk, (size_t)got))
			return;
		from += (uint64_t)got;
	}
}
