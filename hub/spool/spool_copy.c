#include "spool_copy.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_segment.h"

#define CHUNK ((size_t)1 << 20)

/*
 * DESIGN: a segment is complete when the folder has a later one. The hub removes the oldest first;
 * so if the segment that was the last at one look is still there at the next, nothing that came
 * between has been removed unseen.
 */
struct spool_copy {
	char *from, *to, *chunk;
	uint64_t done; /* first seq of the last segment copied whole; 0 = none */
	uint64_t last; /* that of the last one at the last look; 0 = none */
	uint64_t bytes;
};

static int path_of(const char *dir, const char *name, char ret[static PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* As long as it is now; what is appended meanwhile may be in it or not. */
static int copy_bytes(struct spool_copy *c, int in, int out)
{
	for (;;) {
		ssize_t n = read(in, c->chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		int r = fd_write_all(out, c->chunk, (size_t)n);
		if (r)
			return r;
		c->bytes += (uint64_t)n;
	}
}

static int copy_file(struct spool_copy *c, const char *name, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	if (path_of(c->from, name, from) || path_of(c->to, name, to))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", c->to);
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return err_set(e, -errno, "%s: cannot open: %s", from, strerror(errno));
	auto_close int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (out < 0)
		return err_set(e, -errno, "%s: cannot make: %s", to, strerror(errno));
	int r = copy_bytes(c, in, out);
	if (!r && fsync(out))
		r = -errno;
	return r ? err_set(e, r, "%s: cannot copy to %s: %s", from, to, strerror(-r)) : 0;
}

static int copy_segments(struct spool_copy *c, bool also_last, struct err *e)
{
	auto_free uint64_t *seq = NULL;
	size_t n = 0;
	int r = spool_list(c->from, &seq, &n, e);
	bool seen = !c->last;
	for (size_t i = 0; i < n; i++)
		seen = seen || seq[i] == c->last;
	if (!r && !seen)
		return err_set(e, -ESTALE,
			       "%s: the hub released records before they were copied: raise "
			       "spool.keep_percent",
			       c->from);
	for (size_t i = 0; !r && i + !also_last < n; i++) {
		char name[SPOOL_NAME_MAX];
		if (seq[i] <= c->done)
			continue;
		spool_name(seq[i], name);
		r = copy_file(c, name, e);
		c->done = r ? c->done : seq[i];
	}
	c->last = r || !n ? c->last : seq[n - 1];
	return r;
}

int spool_copy_begin(const char *from, const char *to, struct err *e, struct spool_copy **ret)
{
	auto_call(spool_copy_freep) struct spool_copy *c = mem_new(sizeof *c);
	if (c) {
		c->from = slice_dup(slice_of(from));
		c->to = slice_dup(slice_of(to));
		c->chunk = mem_new(CHUNK);
	}
	if (!c || !c->from || !c->to || !c->chunk)
		return err_set(e, -ENOMEM, "out of memory");
	if (mkdir(to, 0750))
		return err_set(e, -errno, "%s: cannot make: %s", to, strerror(errno));
	int r = copy_file(c, "id", e);
	if (r)
		return r == -ENOENT ? err_set(e, r, "%s: there is no spool", from) : r;
	*ret = c;
	c = NULL;
	return 0;
}

int spool_copy_step(struct spool_copy *c, struct err *e)
{
	return copy_segments(c, false, e);
}

int spool_copy_finish(struct spool_copy *c, struct spool_copied *ret, struct err *e)
{
	int r = copy_segments(c, true, e);
	auto_close int dir = r ? -1 : open(c->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!r && (dir < 0 || fsync(dir)))
		r = err_set(e, -errno, "%s: cannot sync: %s", c->to, strerror(errno));
	return r ? r : spool_look(c->to, ret, e);
}

uint64_t spool_copy_bytes(const struct spool_copy *c)
{
	return c->bytes;
}

void spool_copy_free(struct spool_copy *c)
{
	if (!c)
		return;
	free(c->from);
	free(c->to);
	free(c->chunk);
	free(c);
}

void spool_copy_freep(struct spool_copy **c)
{
	spool_copy_free(*c);
}

/* ---- what is in a spool ---- */

static void on_segment(void *ctx, const char *name, uint64_t first_seq, uint64_t bytes)
{
	struct spool_copied *s = ctx;
	(void)name;
	s->first_seq = s->segments ? s->first_seq : first_seq;
	s->next_seq = first_seq; /* it may be empty */
	s->bytes += bytes;
	s->segments++;
}

static void on_record(void *ctx, const struct spool_record *rec)
{
	struct spool_copied *s = ctx;
	s->next_seq = rec->seq + 1;
}

static void on_damage(void *ctx, const char *name, uint64_t from, uint64_t to, bool torn)
{
	struct spool_copied *s = ctx;
	(void)name, (void)from, (void)to;
	s->damaged += !torn;
}

int spool_look(const char *dir, struct spool_copied *ret, struct err *e)
{
	char path[PATH_MAX];
	auto_free char *id = NULL;
	size_t n = 0;
	struct spool_copied s = {0};
	struct spool_visitor v = {&s, on_segment, on_record, on_damage};
	if (path_of(dir, "id", path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
	int r = file_read(path, 64, &id, &n, e);
	struct slice text = slice_trim((struct slice){id, n});
	if (!r && text.n != sizeof s.id - 1)
		return err_set(e, -EINVAL, "%s: not a spool's id", path);
	if (!r)
		r = spool_visit(dir, &v, e);
	if (!r && !s.segments)
		r = err_set(e, -ENOENT, "%s: the spool has no segments", dir);
	if (r)
		return r;
	memcpy(s.id, text.p, text.n);
	*ret = s;
	return 0;
}

int spool_in_use(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	if (path_of(dir, "lock", path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", dir);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK
		       ? 1
		       : err_set(e, -errno, "%s: cannot lock: %s", path, strerror(errno));
}
