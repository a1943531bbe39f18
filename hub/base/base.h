/*
 * base: what every other module stands on: slices, a bounded text buffer, an arena, errors,
 * cleanup.
 *
 * Conventions (they hold for all headers): a function that can fail returns 0 or a negative errno
 * and is marked must_check; outputs are called ret_… and stay untouched on failure; a `struct err`
 * carries the one line that a person must read (file, line, key, value, what was expected). Nothing
 * here locks: an object belongs to one thread at a time.
 */
#ifndef GRIDHUB_BASE_H
#define GRIDHUB_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banned.h"

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define auto_call(fn) __attribute__((cleanup(fn)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* ---- slice: borrowed bytes, not NUL-terminated; n == 0 is the empty slice, p may then be NULL
 * ---- */
struct slice {
	const char *p;
	size_t n;
};

#define SL(literal) ((struct slice){(literal), sizeof(literal) - 1})
/* For printf("%.*s", SL_FMT(s)). */
#define SL_FMT(s) (int)(s).n, (s).p

struct slice slice_of(const char *cstr); /* cstr may be NULL: empty */
bool slice_eq(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *cstr);
bool slice_starts(struct slice s, const char *prefix);
bool slice_ends(struct slice s, const char *suffix);
int slice_cmp(struct slice a, struct slice b); /* bytewise, as memcmp */
struct slice slice_trim(struct slice s);       /* ASCII blanks at both ends */
/* Cut the next part of *rest up to `sep`; false, and an empty part, when *rest is used up
 * (rest->p == NULL). */
bool slice_cut(struct slice *rest, char sep, struct slice *ret_part);
/* Strict: an optional sign, digits, nothing else; -EINVAL, -ERANGE. */
must_check int slice_to_i64(struct slice s, int64_t *ret);
int hex_digit(char c); /* 0..15, of either case; -1: it is none */
/* Strict decimal floating point in the C locale, finite; -EINVAL, -ERANGE. */
must_check int slice_to_double(struct slice s, double *ret);
/* NUL-terminated heap copy, owned by the caller; NULL when out of memory. */
char *slice_dup(struct slice s);
/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms); *ret_bad = offset of the first
 * bad byte. */
bool slice_utf8_ok(struct slice s, size_t *ret_bad);
/* XXH3, 64 bits; the same on every machine, so it may be stored. */
uint64_t hash64(struct slice s, uint64_t seed);
/* Levenshtein distance of two short names (each cut at 63 bytes), for "did you mean". */
size_t name_distance(struct slice a, struct slice b);

/* ---- err: what a person reads ---- */
#define ERR_MAX 512
struct err {
	char msg[ERR_MAX]; /* UTF-8, one line, cut at the end if longer; "" = none */
};

/* Format into e (which may be NULL) and return code, so that callers can `return err_set(e,
 * -EINVAL, …)`. */
int err_set(struct err *e, int code, const char *fmt, ...) printf_like(3, 4);
/* Put "prefix: " before what e says; returns code. */
int err_prefix(struct err *e, int code, const char *fmt, ...) printf_like(3, 4);
#ifdef __clang_analyzer__ /* it cannot see that the code comes back, and follows paths of 0 */
#define err_set(e_, code_, ...) ((void)err_set((e_), 0, __VA_ARGS__), (code_))
#define err_prefix(e_, code_, ...) ((void)err_prefix((e_), 0, __VA_ARGS__), (code_))
#endif

/* ---- buf: text or bytes that grow up to a stated maximum; the error is sticky, check it once ----
 */
struct buf {
	char *p; /* owned; NUL-terminated once anything was put */
	size_t n, cap, max;
	bool failed; /* the maximum or memory was reached: content is cut */
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* frees; safe on a zeroed struct */
void buf_reset(struct buf *b);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *cstr);
void buf_put_slice(struct buf *b, struct slice s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
/* Room for n more bytes without moving; false = failed. Advance b->n by what was written. */
bool buf_reserve(struct buf *b, size_t n);
struct slice buf_slice(const struct buf *b);
/* A NUL-terminated view, "" when empty. */
const char *buf_str(const struct buf *b);

/* ---- arena: many small lives, one end ---- */
struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used, max; /* bytes handed out, and the most it may hand out */
	size_t block; /* bytes taken at a time; 0 = the usual. For arenas of which there are many */
};

void arena_init(struct arena *a, size_t max);
void arena_done(struct arena *a);
void arena_reset(struct arena *a); /* keeps one block for reuse */
/* 16-byte aligned, zeroed; NULL when max or memory is reached. */
void *arena_alloc(struct arena *a, size_t n);
/* Copy with a NUL behind it (not counted); p == NULL when out of room. */
struct slice arena_copy(struct arena *a, struct slice s);

/* ---- cleanup for locals: `auto_free char *p = …;` (no macro is named `cleanup`: jansson's would
 * break) ---- */
void base_free_ptr(void *pp);
void base_close_fd(int *fd);
#define auto_free auto_call(base_free_ptr)
#define auto_close auto_call(base_close_fd)
int base_take_fd(int *fd); /* it, which the caller closes from here on */
#define auto_buf auto_call(buf_done)
#define auto_arena auto_call(arena_done)

/* calloc that states its intent; NULL when out of memory. */
void *mem_new(size_t n);
/*
 * Grow an array (element size es) so that it holds `need` elements, doubling, at most `max`
 * elements. -ENOMEM, or -E2BIG past max; *p and *cap change together.
 */
must_check int mem_grow(void *pp, size_t *cap, size_t need, size_t max, size_t es);

/* Read a whole file of at most max bytes, NUL-terminated, owned by the caller; errors name the
 * path. */
must_check int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *e);
/* As file_read, but for a secret: trailing newline removed, refused when others may read it (mode &
 * 007). */
must_check int file_read_secret(const char *path, char **ret, struct err *e);
/* write() until all is out, EINTR handled; 0 or -errno. */
must_check int fd_write_all(int fd, const void *p, size_t n);

#endif
