#include "store_columns.h"

#define ARRAY_MAX ((size_t)512 << 20)

void store_columns_init(struct store_columns *a, size_t n)
{
	a->n = n;
	for (size_t i = 0; i < n; i++) {
		buf_init(&a->c[i], ARRAY_MAX);
		pg_array_begin(&a->c[i]);
	}
}

void store_columns_done(struct store_columns *a)
{
	for (size_t i = 0; i < a->n; i++)
		buf_done(&a->c[i]);
}

int store_columns_args(struct store_columns *a, struct pg_arg *args, size_t *n)
{
	for (size_t i = 0; i < a->n; i++) {
		pg_array_end(&a->c[i]);
		if (a->c[i].failed)
			return -E2BIG;
		args[(*n)++] = PGA_S(buf_slice(&a->c[i]));
	}
	return 0;
}

struct slice store_json(struct slice s)
{
	return s.n ? s : SL("{}");
}

void store_array_text(struct buf *b, struct slice s, struct buf *scratch)
{
	size_t bad;
	if (slice_utf8_ok(s, &bad) && (!s.n || !memchr(s.p, 0, s.n))) {
		pg_array_str(b, s);
		return;
	}
	buf_reset(scratch);
	for (size_t i = 0; i < s.n; i++)
		buf_printf(scratch, s.p[i] >= 0x20 && s.p[i] < 0x7f ? "%c" : "\\x%02x",
			   (unsigned char)s.p[i]);
	pg_array_str(b, buf_slice(scratch));
}

void store_array_hex(struct buf *b, struct slice s, struct buf *scratch)
{
	static const char digits[] = "0123456789abcdef";
	buf_reset(scratch);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		buf_putc(scratch, digits[c >> 4]);
		buf_putc(scratch, digits[c & 15]);
	}
	pg_array_str(b, buf_slice(scratch));
}
