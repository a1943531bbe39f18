/* Requests over libcurl: what must not hold up the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

#include "sender.h"
#include "times.h"

#define RESOLVER_S 3

/* Takes the place of the C library's: a name server that does not answer. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && strcmp(node, "nowhere.example") == 0) {
		sleep(RESOLVER_S);
		return EAI_AGAIN;
	}
	return real(node, service, hints, ret);
}

static void a_name_server_that_hangs_holds_up_nobody(void **state)
{
	(void)state;
	struct sender *s;
	struct sender_result r;
	struct guard guard = {0};
	struct sender_request request = {.url = "https://nowhere.example/hook",
					 .guard = &guard,
					 .connect_timeout_us = 300 * TIMES_MS,
					 .timeout_us = TIMES_SEC};
	assert_int_equal(sender_new(4, &s), 0);
	int64_t began = times_mono_us();
	assert_int_equal(sender_start(s, &request), 0);
	while (!sender_take(s, &r) && times_mono_us() - began < 10 * TIMES_SEC) {
		sender_wait(s, 50 * TIMES_MS);
		sender_work(s);
	}
	assert_true(times_mono_us() - began < 2 * TIMES_SEC);
	assert_int_equal(r.status, 0);
	assert_non_null(strstr(r.why, "time"));
	began = times_mono_us();
	sender_free(s);
	assert_true(times_mono_us() - began < TIMES_SEC);
	sleep(RESOLVER_S); /* its thread ends by itself, before the sanitizers look */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_server_that_hangs_holds_up_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
