#include "pg_columns.h"

#define ARRAY_MAX ((size_t)512 << 20)

void pg_columns_init(struct pg_columns *a, size_t n)
{
	a->n = n;
	for (size_t i = 0; i < n; i++) {
		buf_init(&a->c[i], ARRAY_MAX);
		pg_array_begin(&a->c[i]);
	}
}

void pg_columns_done(struct pg_columns *a)
{
	for (size_t i = 0; i < a->n; i++)
		buf_done(&a->c[i]);
}

int pg_columns_args(struct pg_columns *a, struct pg_arg *args, size_t *n)
{
	for (size_t i = 0; i < a->n; i++) {
		pg_array_end(&a->c[i]);
		if (a->c[i].failed)
			return -E2BIG;
		args[(*n)++] = PGA_S(buf_slice(&a->c[i]));
	}
	return 0;
}
