/* The parts of notify that need no database: the schedule, what an answer means, URLs, listening.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "endpoint.h"
#include "health.h"
#include "http.h"
#include "log.h"
#include "notify.h"
#include "notify_job.h"
#include "retry.h"
#include "sender.h"
#include "times.h"

static void test_schedule(void **state)
{
	(void)state;
	static const int64_t want[] = {5, 30, 120, 600, 1800, 7200, 18000, 36000, 36000};
	int64_t wait = 0, total = 0;
	for (int i = 0; i < (int)COUNT_OF(want); i++) {
		assert_int_equal(retry_wait(i + 1, 100, 0, 0, &wait), 0);
		assert_int_equal(wait, want[i] * TIMES_SEC);
	}
	int last = 0;
	for (int i = 1; retry_wait(i, 100, 0, 0, &wait) == 0; i++) {
		assert_true(i < 100);
		total += wait;
		last = i;
	}
	assert_true(total <= RETRY_SPAN_US);
	assert_true(total + 10 * TIMES_HOUR > RETRY_SPAN_US); /* one more would be too late */
	assert_int_equal(retry_wait(last + 1, 100, 0, 0, &wait), -ETIMEDOUT);
	assert_int_equal(retry_wait(INT32_MAX, 1, 0, 0, &wait), -ETIMEDOUT);
}

static void test_schedule_jitter_and_scale(void **state)
{
	(void)state;
	int64_t wait = 0, least = INT64_MAX, most = 0;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		assert_int_equal(retry_wait(2, 100, seed, 0, &wait), 0);
		least = MIN_OF(least, wait);
		most = MAX_OF(most, wait);
	}
	assert_int_equal(least, 30 * TIMES_SEC);
	assert_int_equal(most, 33 * TIMES_SEC);
	assert_int_equal(retry_wait(1, 1, 0, 0, &wait), 0);
	assert_int_equal(wait, 50 * TIMES_MS);
}

static void test_retry_after(void **state)
{
	(void)state;
	static const struct {
		int64_t asked, want;
	} cases[] = {{0, 5}, {2, 5}, {7, 7}, {3600, 3600}, {86400, 36000}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t wait = 0;
		assert_int_equal(retry_wait(1, 100, 0, cases[i].asked * TIMES_SEC, &wait), 0);
		assert_int_equal(wait, cases[i].want * TIMES_SEC);
	}
}

static void test_judge(void **state)
{
	(void)state;
	static const struct {
		int status, attempts;
		const char *below, *says;
		enum notify_result want;
		bool disable;
	} cases[] = {
		{200, 0, "", "accepted", NOTIFY_ACCEPTED, false},
		{204, 50, "the answer trickles in", "trickles", NOTIFY_ACCEPTED, false},
		{0, 0, "Connection refused", "Connection refused", NOTIFY_RETRY, false},
		{0, 13, "Connection refused", "given up after 14 attempts", NOTIFY_DEAD, false},
		{503, 0, "", "failed", NOTIFY_RETRY, false},
		{301, 0, "", "redirect", NOTIFY_RETRY, false},
		{404, 0, "", "path", NOTIFY_DEAD, false},
		{410, 0, "", "gone", NOTIFY_DEAD, true},
	};
	const struct endpoint p = {.adapter = webhook_adapter_find(SL("standard"))};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct notify_job j;
		struct sender_result r = {.status = cases[i].status};
		snprintf(r.why, sizeof r.why, "%s", cases[i].below);
		notify_job_init(&j);
		j.attempts = cases[i].attempts;
		notify_job_judge(&j, &p, 100, &r);
		assert_int_equal(j.state, NOTIFY_DONE);
		assert_int_equal(j.result, cases[i].want);
		assert_int_equal(j.disable, cases[i].disable);
		assert_int_equal(j.wait_us > 0, j.result == NOTIFY_RETRY);
		if (!strstr(j.detail, cases[i].says))
			fail_msg("%d: \"%s\" lacks \"%s\"", cases[i].status, j.detail,
				 cases[i].says);
		notify_job_done(&j);
	}
}

static void test_urls(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		bool allow_http, ok;
	} cases[] = {
		{"https://leader.example/x?key=1", false, true},
		{"http://127.0.0.1:8080/x", false, true},
		{"http://127.9.9.9/x", false, true},
		{"http://localhost:8080/x", false, true},
		{"http://localhost:25/x", false, false},
		{"https://leader.example:22/x", true, false},
		{"https://leader.example:65536/x", true, false},
		{"http://[::1]:8080/x", false, true},
		{"http://leader.example/x", false, false},
		{"http://leader.example/x", true, true},
		{"http://127.0.0.1.evil.example/", false, false},
		{"http://localhost.evil.example/", false, false},
		{"http://[::2]/", false, false},
		{"http://10.0.0.1/", false, false},
		{"http://user@10.0.0.1/", false, false},
		{"http://127.0.0.1@10.0.0.1/", false, false},
		{"ftp://127.0.0.1/x", true, false},
		{"file:///etc/passwd", true, false},
		{"gopher://127.0.0.1/", true, false},
		{"leader.example/x", true, false},
		{"https://", false, false},
		{"", true, false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		bool literal;
		int rc = sender_check_url(cases[i].url, cases[i].allow_http, &e, &literal);
		if ((rc == 0) != cases[i].ok)
			fail_msg("%s: %d %s", cases[i].url, rc, e.msg);
		assert_true(rc == 0 || e.msg[0]);
	}
}

static void test_case_url(void **state)
{
	(void)state;
	static const struct {
		const char *form, *want;
	} cases[] = {{NULL, ""},
		     {"", ""},
		     {"https://h/c/{case}?a", "https://h/c/42?a"},
		     {"https://h/", "https://h/"}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config c = {.notify.case_url = cases[i].form};
		auto_buf struct buf b;
		buf_init(&b, 100);
		endpoint_case_url(&c, 42, &b);
		assert_string_equal(buf_str(&b), cases[i].want);
	}
}

static void test_listen(void **state)
{
	(void)state;
	static const struct {
		const char *text, *host, *port; /* host NULL: refused */
	} cases[] = {
		{"127.0.0.1:8470", "127.0.0.1", "8470"},
		{"[::1]:0", "::1", "0"},
		{"localhost:65535", "localhost", "65535"},
		{":80", "", "80"},
		{"[::]:80", "::", "80"},
		{"127.0.0.1", NULL, NULL},
		{"127.0.0.1:", NULL, NULL},
		{"127.0.0.1:65536", NULL, NULL},
		{"127.0.0.1:-1", NULL, NULL},
		{"127.0.0.1:http", NULL, NULL},
		{"::1:80", NULL, NULL},
		{"[::1:80", NULL, NULL},
		{"[]:80", NULL, NULL},
		{"", NULL, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice host, port;
		int rc = http_parse_listen(slice_of(cases[i].text), &host, &port);
		if ((rc == 0) != (cases[i].host != NULL))
			fail_msg("\"%s\": %d", cases[i].text, rc);
		if (rc == 0) {
			assert_true(slice_is(host, cases[i].host));
			assert_true(slice_is(port, cases[i].port));
		}
	}
}

/* Without a database the thread says so, is woken, and stops at once. */
static void test_start_and_stop_without_database(void **state)
{
	(void)state;
	struct err e = {0};
	struct notify *n = NULL;
	struct config c = {.path = "test.yaml",
			   .district = "d",
			   .database = {.conninfo = "host=127.0.0.1 port=1 dbname=x user=x"},
			   .notify = {.concurrency = 4,
				      .connect_timeout_us = TIMES_SEC,
				      .lease_us = 30 * TIMES_SEC,
				      .stop_grace_us = TIMES_SEC,
				      .retry_scale_pct = 100}};
	struct rules *rules = NULL;
	struct rule_report report;
	log_set_level(LOG_ERROR);
	rule_report_init(&report);
	assert_int_equal(rules_load("rules", &report, &rules), 0);
	rule_report_done(&report);
	assert_int_equal(notify_start(&c, rules, &e, &n), 0);
	rules_unref(rules);
	int64_t end = times_mono_us() + 10 * TIMES_SEC;
	bool degraded = false;
	while (!degraded && times_mono_us() < end) {
		auto_buf struct buf b;
		buf_init(&b, 65536);
		notify_wake(n);
		health_write(&b);
		degraded = strstr(buf_str(&b), "\"notify\":{\"status\":\"degraded\"");
		usleep(1000);
	}
	assert_true(degraded);
	notify_stop(n);
	assert_true(times_mono_us() < end);
	notify_stop(NULL);
}

static void test_http_start_and_stop(void **state)
{
	(void)state;
	struct err e = {0};
	struct http *h = NULL;
	struct config c = {.http = {.listen = "", .max_connections = 4}};
	assert_int_equal(http_start(&c, &e, &h), 0);
	assert_null(h);
	c.http.listen = "127.0.0.1:0";
	assert_int_equal(http_start(&c, &e, &h), 0);
	assert_non_null(h);
	http_stop(h);
	http_stop(NULL);
	h = NULL;
	c.http.listen = "127.0.0.1:x";
	assert_int_equal(http_start(&c, &e, &h), -EINVAL);
	assert_non_null(strstr(e.msg, "127.0.0.1:x"));
	c.http.listen = "192.0.2.1:0"; /* an address that this machine has not */
	assert_int_equal(http_start(&c, &e, &h), -EADDRNOTAVAIL);
	assert_null(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_schedule_jitter_and_scale),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_case_url),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_start_and_stop_without_database),
		cmocka_unit_test(test_http_start_and_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
