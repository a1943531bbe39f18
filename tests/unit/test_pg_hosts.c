/* Servers that a connection string names, one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg_hosts.h"

/* "host=a port=1 …": what the i-th is connected with. */
static const char *keys_of(const char *conninfo, size_t i, char *ret, size_t max)
{
	auto_hosts struct pg_hosts h = {0};
	struct pg_host_text text;
	const char *keys[PG_HOST_KEYS_MAX], *values[PG_HOST_KEYS_MAX];
	struct err e = {0};
	size_t at = 0;
	assert_int_equal(pg_hosts_of(conninfo, &h, &e), 0);
	assert_true(i < h.n);
	size_t n = pg_hosts_keys(&h, i, &text, keys, values);
	for (size_t k = 0; k < n; k++)
		at += (size_t)snprintf(ret + at, max - at, "%s%s=%s", k ? " " : "", keys[k],
				       values[k]);
	return ret;
}

static void test_one_at_a_time(void **state)
{
	char got[512];
	(void)state;
	static const struct {
		const char *conninfo;
		size_t i;
		const char *want;
	} table[] = {
		{"host=a,b dbname=d", 0, "host=a target_session_attrs=read-write"},
		{"host=a,b dbname=d", 1, "host=b target_session_attrs=read-write"},
		{"host=a,b port=5433 dbname=d", 1,
		 "host=b port=5433 target_session_attrs=read-write"},
		{"host=a,b,c port=1,2,3", 2, "host=c port=3 target_session_attrs=read-write"},
		{"host=a,b port=1,2 target_session_attrs=any", 1, "host=b port=2"},
		{"hostaddr=10.0.0.1,10.0.0.2 host=a,b", 1,
		 "host=b hostaddr=10.0.0.2 target_session_attrs=read-write"},
		{"postgresql://u@a:1,b:2/d", 1, "host=b port=2 target_session_attrs=read-write"},
		{"host=a,b port=1,", 1, "host=b port= target_session_attrs=read-write"},
	};
	for (size_t k = 0; k < COUNT_OF(table); k++)
		assert_string_equal(keys_of(table[k].conninfo, table[k].i, got, sizeof got),
				    table[k].want);
}

static void test_one_or_none_is_left_to_libpq(void **state)
{
	(void)state;
	const char *const table[] = {"host=a dbname=d", "dbname=d", "postgresql://u@a/d", "", "d"};
	for (size_t k = 0; k < COUNT_OF(table); k++) {
		auto_hosts struct pg_hosts h = {0};
		struct err e = {0};
		assert_int_equal(pg_hosts_of(table[k], &h, &e), 0);
		assert_int_equal(h.n, 0);
	}
}

static void test_what_is_refused(void **state)
{
	(void)state;
	struct pg_hosts h = {0};
	struct err e = {0};
	assert_int_equal(pg_hosts_of("host=a,b,c,d,e,f,g,h,i", &h, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "more than 8 hosts"));
	assert_int_equal(pg_hosts_of("host=a nonsense", &h, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "database.conninfo"));
	assert_null(strchr(e.msg, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_one_or_none_is_left_to_libpq),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests_name("pg_hosts", tests, NULL, NULL);
}
