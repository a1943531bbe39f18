#include "base.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- slice ---- */

struct slice slice_of(const char *cstr)
{
	return (struct slice){cstr, cstr ? strlen(cstr) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_is(struct slice a, const char *cstr)
{
	return slice_eq(a, slice_of(cstr));
}

bool slice_starts(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool slice_ends(struct slice s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = MIN_OF(a.n, b.n);
	int c = n ? memcmp(a.p, b.p, n) : 0;
	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_cut(struct slice *rest, char sep, struct slice *ret_part)
{
	*ret_part = (struct slice){0};
	if (!rest->p)
		return false;
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	if (!at) {
		*ret_part = *rest;
		*rest = (struct slice){0};
		return true;
	}
	size_t n = (size_t)(at - rest->p);
	*ret_part = (struct slice){rest->p, n};
	*rest = (struct slice){at + 1, rest->n - n - 1};
	return true;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int slice_to_i64(struct slice s, int64_t *ret)
{
	size_t i = 0;
	bool neg = s.n && s.p[0] == '-';
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		i = 1;
	if (i == s.n)
		return -EINVAL;
	int64_t v = 0;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		int64_t d = s.p[i] - '0';
		if (__builtin_mul_overflow(v, 10, &v) ||
		    (neg ? __builtin_sub_overflow(v, d, &v) : __builtin_add_overflow(v, d, &v)))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* strtod takes more than we do (hex, inf, nan, blanks): let only decimal characters through. */
static bool decimal_chars(struct slice s)
{
	bool digit = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c >= '0' && c <= '9')
			digit = true;
		else if (c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E')
			return false;
	}
	return digit;
}

int slice_to_double(struct slice s, double *ret)
{
	char tmp[64];
	if (s.n == 0 || s.n >= sizeof tmp || !decimal_chars(s))
		return -EINVAL;
	memcpy(tmp, s.p, s.n);
	tmp[s.n] = 0;
	char *end;
	double v = strtod(tmp, &end);
	if (*end)
		return -EINVAL;
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

char *slice_dup(struct slice s)
{
	char *p = malloc(s.n + 1);
	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

/* Length of the well-formed sequence at p (at most n bytes), 0 if there is none (RFC 3629, section
 * 4). */
static size_t utf8_seq(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	if (c < 0xC2 || c > 0xF4)
		return 0;
	size_t len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	bool bad = (c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ||
		   (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F);
	return bad ? 0 : len;
}

bool slice_utf8_ok(struct slice s, size_t *ret_bad)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;
	while (i < s.n) {
		uint64_t w;
		if (s.n - i >= 8 && (memcpy(&w, p + i, 8), (w & 0x8080808080808080u) == 0)) {
			i += 8;
			continue;
		}
		size_t len = utf8_seq(p + i, s.n - i);
		if (!len) {
			if (ret_bad)
				*ret_bad = i;
			return false;
		}
		i += len;
	}
	return true;
}

uint64_t hash64(struct slice s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.p, s.n, seed);
}

size_t name_distance(struct slice a, struct slice b)
{
	size_t row[64];
	size_t an = MIN_OF(a.n, 63), bn = MIN_OF(b.n, 63);
	for (size_t j = 0; j <= bn; j++)
		row[j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t diag = row[0];
		row[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t sub = diag + (a.p[i - 1] != b.p[j - 1]);
			diag = row[j];
			row[j] = MIN_OF(sub, MIN_OF(row[j], row[j - 1]) + 1);
		}
	}
	return row[bn];
}

/* ---- err ---- */

int(err_set)(struct err *e, int code, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof e->msg, fmt, ap);
		va_end(ap);
	}
	return code;
}

int(err_prefix)(struct err *e, int code, const char *fmt, ...)
{
	if (!e)
		return code;
	char old[ERR_MAX];
	memcpy(old, e->msg, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %.*s", ERR_MAX - 3 - n, old);
	return code;
}

/* ---- buf ---- */

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = 0;
}

bool buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return false;
	if (n > b->max || b->n > b->max - n) {
		b->failed = true;
		return false;
	}
	size_t need = b->n + n + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	char *p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_puts(struct buf *b, const char *cstr)
{
	buf_put(b, cstr, strlen(cstr));
}

void buf_put_slice(struct buf *b, struct slice s)
{
	buf_put(b, s.p, s.n);
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void buf_put_be16(struct buf *b, uint16_t v)
{
	unsigned char c[2] = {(unsigned char)(v >> 8), (unsigned char)v};
	buf_put(b, c, sizeof c);
}

void buf_put_be32(struct buf *b, uint32_t v)
{
	uint32_t w = __builtin_bswap32(
		v); /* the hub runs on little-endian machines (checked in base.c) */
	buf_put(b, &w, sizeof w);
}

void buf_put_be64(struct buf *b, uint64_t v)
{
	uint64_t w = __builtin_bswap64(v);
	buf_put(b, &w, sizeof w);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "buf_put_be* and the spool assume little-endian");

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->n};
}

const char *buf_str(const struct buf *b)
{
	return b->p ? b->p : "";
}

/* ---- arena ---- */

#define ARENA_BLOCK 16384

struct arena_block {
	struct arena_block *next;
	size_t n, cap;
	_Alignas(16) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

void arena_done(struct arena *a)
{
	struct arena_block *b = a->head;
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
	*a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;
	if (!keep)
		return;
	struct arena_block *b = keep->next;
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
	keep->next = NULL;
	keep->n = 0;
	a->used = 0;
}

static struct arena_block *arena_grow(struct arena *a, size_t n)
{
	size_t cap = MAX_OF(n, a->block ? a->block : (size_t)ARENA_BLOCK);
	struct arena_block *b = malloc(sizeof *b + cap);
	if (!b)
		return NULL;
	*b = (struct arena_block){.next = a->head, .cap = cap};
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > a->max || n > SIZE_MAX - 15)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (n > a->max - MIN_OF(a->used, a->max))
		return NULL;
	struct arena_block *b = a->head;
	if (!b || b->cap - b->n < n)
		b = arena_grow(a, n);
	if (!b)
		return NULL;
	void *p = b->data + b->n;
	b->n += n;
	a->used += n;
	memset(p, 0, n);
	return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return (struct slice){0};
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct slice){p, s.n};
}

/* ---- cleanup, memory, files ---- */

void base_free_ptr(void *pp)
{
	void *p;
	memcpy(&p, pp, sizeof p);
	free(p);
}

void base_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

int base_take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

void *mem_new(size_t n)
{
	return calloc(1, n);
}

int mem_grow(void *pp, size_t *cap, size_t need, size_t max, size_t es)
{
	if (need <= *cap)
		return 0;
	if (need > max)
		return -E2BIG;
	size_t c = *cap ? *cap : 16;
	while (c < need)
		c *= 2;
	c = MIN_OF(c, max);
	void *old;
	memcpy(&old, pp, sizeof old);
	void *p = reallocarray(old, c, es);
	if (!p)
		return -ENOMEM;
	memcpy(pp, &p, sizeof p);
	*cap = c;
	return 0;
}

static int file_read_fd(int fd, const char *path, size_t max, char **ret, size_t *ret_n,
			struct err *e)
{
	auto_buf struct buf b;
	buf_init(&b, max + 1);
	for (;;) {
		if (!buf_reserve(&b, MIN_OF((size_t)65536, max + 1 - b.n)))
			return err_set(e, -ENOMEM, "%s: out of memory", path);
		ssize_t n = read(fd, b.p + b.n, MIN_OF((size_t)65536, max + 1 - b.n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "%s: cannot read: %s", path, strerror(errno));
		b.n += (size_t)n;
		b.p[b.n] = 0;
		if (n == 0)
			break;
		if (b.n > max)
			return err_set(e, -EFBIG, "%s: larger than %zu bytes", path, max);
	}
	*ret = b.p;
	if (ret_n)
		*ret_n = b.n;
	b.p = NULL;
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	return file_read_fd(fd, path, max, ret, ret_n, e);
}

int file_read_secret(const char *path, char **ret, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return err_set(e, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (st.st_mode & 007)
		return err_set(e, -EACCES,
			       "%s: a secret that others may read (mode %03o): chmod o-rwx it",
			       path, st.st_mode & 0777u);
	size_t n = 0;
	char *s = NULL;
	int r = file_read_fd(fd, path, 65536, &s, &n, e);
	if (r)
		return r;
	while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
		s[--n] = 0;
	if (n == 0) {
		free(s);
		return err_set(e, -ENODATA, "%s: a secret that is empty", path);
	}
	*ret = s;
	return 0;
}

int fd_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n) {
		ssize_t w = write(fd, at, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}
