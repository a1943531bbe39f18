#include "zeros.h"

#define RUN_MAX 255

void zeros_pack(struct slice data, struct buf *out)
{
	for (size_t i = 0; i < data.n;) {
		const char *zero = memchr(data.p + i, 0, data.n - i);
		size_t at = zero ? (size_t)(zero - data.p) : data.n, n = 0;
		buf_put(out, data.p + i, at - i);
		while (at + n < data.n && n < RUN_MAX && !data.p[at + n])
			n++;
		if (n) {
			buf_putc(out, 0);
			buf_putc(out, (char)n);
		}
		i = at + n;
	}
}

int zeros_unpack(struct slice packed, struct buf *out)
{
	static const char zeros[RUN_MAX];
	for (size_t i = 0; i < packed.n;) {
		const char *zero = memchr(packed.p + i, 0, packed.n - i);
		size_t at = zero ? (size_t)(zero - packed.p) : packed.n;
		buf_put(out, packed.p + i, at - i);
		i = at;
		if (!zero)
			break;
		if (packed.n - i < 2 || !packed.p[i + 1])
			return -EINVAL;
		buf_put(out, zeros, (unsigned char)packed.p[i + 1]);
		i += 2;
	}
	return out->failed ? -EINVAL : 0;
}
