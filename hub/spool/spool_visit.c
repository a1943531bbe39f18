#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "spool_segment.h"

static int visit_segment(const char *dir, uint64_t first_seq, const struct spool_visitor *v,
			 struct err *e)
{
	char name[SPOOL_NAME_MAX], path[PATH_MAX];
	struct stat st;
	struct spool_cursor c;
	struct spool_record rec;
	spool_name(first_seq, name);
	int len = snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = len < 0 || (size_t)len >= sizeof path ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	spool_cursor_init(&c, fd);
	int r = fstat(fd, &st) ? -errno : 0;
	uint64_t end = r ? 0 : (uint64_t)st.st_size;
	if (!r && v->segment)
		v->segment(v->ctx, name, first_seq, end);
	while (!r && (r = spool_cursor_next(&c, end, &rec)) != 0) {
		if (r == -EILSEQ)
			v->damage(v->ctx, name, c.damaged_from, c.off, c.off >= end);
		else if (r == 1 && v->record)
			v->record(v->ctx, &rec);
		r = r == 1 || r == -EILSEQ ? 0 : r;
	}
	spool_cursor_done(&c);
	return r ? err_set(e, r, "%s: cannot read: %s", path, strerror(-r)) : 0;
}

int spool_visit(const char *dir, const struct spool_visitor *v, struct err *e)
{
	auto_free uint64_t *first = NULL;
	size_t n = 0;
	int r = spool_list(dir, &first, &n, e);
	for (size_t i = 0; !r && i < n; i++)
		r = visit_segment(dir, first[i], v, e);
	return r;
}
