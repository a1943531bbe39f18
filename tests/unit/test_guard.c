/* Addresses that a name may lead to, and those that it may not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard.h"

static int check(const struct guard *g, const char *addr, struct err *e)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, addr, &v4.sin_addr) == 1)
		return guard_check(g, (struct sockaddr *)&v4, sizeof v4, e);
	assert_int_equal(inet_pton(AF_INET6, addr, &v6.sin6_addr), 1);
	return guard_check(g, (struct sockaddr *)&v6, sizeof v6, e);
}

static void only_public_addresses_pass(void **state)
{
	(void)state;
	static const struct guard nothing;
	static const struct {
		const char *addr, *kind; /* NULL: public */
	} cases[] = {
		{"8.8.8.8", NULL},
		{"223.5.5.5", NULL},
		{"172.15.255.255", NULL},
		{"172.32.0.0", NULL},
		{"11.0.0.0", NULL},
		{"126.255.255.255", NULL},
		{"2400:3200::1", NULL},
		{"64:ff9b::808:808", NULL},
		{"127.0.0.1", "this machine's"},
		{"127.255.255.254", "this machine's"},
		{"0.0.0.0", "this machine's"},
		{"::", "this machine's"},
		{"::1", "this machine's"},
		{"10.1.2.3", "a private"},
		{"172.16.0.1", "a private"},
		{"172.31.255.255", "a private"},
		{"192.168.1.1", "a private"},
		{"fd00::7", "a private"},
		{"169.254.169.254", "a link-local"},
		{"fe80::1", "a link-local"},
		{"100.64.0.1", "a carrier's"},
		{"224.0.0.251", "a multicast"},
		{"ff02::1", "a multicast"},
		{"255.255.255.255", "a reserved"},
		/* an IPv4 address in an IPv6 coat */
		{"::ffff:127.0.0.1", "this machine's"},
		{"::ffff:10.0.0.1", "a private"},
		{"::127.0.0.1", "this machine's"},
		{"64:ff9b::a00:1", "a private"},
		{"2002:a9fe:a9fe::1", "a link-local"},
		{"2002:7f00:1::", "this machine's"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		int r = check(&nothing, cases[i].addr, &e);
		if (r != (cases[i].kind ? -EACCES : 0) || (r && !strstr(e.msg, cases[i].kind)))
			fail_msg("%s: %d %s", cases[i].addr, r, e.msg);
	}
}

static void what_is_allowed_passes_and_no_more(void **state)
{
	(void)state;
	struct guard_range ranges[3];
	struct err e = {0};
	assert_int_equal(guard_range_parse(SL("10.32.0.0/11"), &ranges[0], &e), 0);
	assert_int_equal(guard_range_parse(SL("fd12:3456::/33"), &ranges[1], &e), 0);
	assert_int_equal(guard_range_parse(SL("127.0.0.1"), &ranges[2], &e), 0);
	const struct guard g = {ranges, 3};
	static const char *const in[] = {"10.32.0.0", "10.63.255.255", "fd12:3456:7fff::1",
					 "127.0.0.1", "::ffff:10.40.0.1"};
	static const char *const out[] = {"10.31.255.255", "10.64.0.0", "fd12:3456:8000::1",
					  "127.0.0.2", "192.168.0.1"};
	for (size_t i = 0; i < COUNT_OF(in); i++)
		assert_int_equal(check(&g, in[i], &e), 0);
	for (size_t i = 0; i < COUNT_OF(out); i++)
		assert_int_equal(check(&g, out[i], &e), -EACCES);
}

static void other_families_do_not_pass(void **state)
{
	(void)state;
	static const struct guard nothing;
	struct err e;
	struct sockaddr sa = {.sa_family = AF_UNIX};
	assert_int_equal(guard_check(&nothing, &sa, sizeof sa, &e), -EAFNOSUPPORT);
	sa.sa_family = AF_INET6; /* and too short for its family */
	assert_int_equal(guard_check(&nothing, &sa, sizeof sa, &e), -EAFNOSUPPORT);
}

static void bad_ranges_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"",	      "10.0.0.0/",   "10.0.0.0/33", "10.0.0.0/-1",
					  "10.0.0/8", "10.0.0.1/8",  "fd00::/129",  "::g/8",
					  "/8",	      "example.org", "10.0.0.0/8 ", "fd00::1/64"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct guard_range r;
		struct err e = {0};
		if (guard_range_parse(slice_of(bad[i]), &r, &e) != -EINVAL || !e.msg[0])
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void hosts_that_are_no_names(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		bool literal, loopback;
	} cases[] = {{"localhost", true, true},
		     {"LOCALHOST", true, true},
		     {"127.3.2.1", true, true},
		     {"[::1]", true, true},
		     {"10.0.0.1", true, false},
		     {"[fd00::1]", true, false},
		     {"localhost.evil", false, false},
		     {"127.0.0.1.evil", false, false},
		     {"[localhost]", true, true},
		     {"0177.0.0.1", false, false},
		     {"", false, false}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(guard_is_literal(cases[i].host), cases[i].literal);
		assert_int_equal(guard_is_loopback(cases[i].host), cases[i].loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_public_addresses_pass),
		cmocka_unit_test(what_is_allowed_passes_and_no_more),
		cmocka_unit_test(other_families_do_not_pass),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(hosts_that_are_no_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
