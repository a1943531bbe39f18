#include "store_columns.h"

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
