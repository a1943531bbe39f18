/* config: every kind of fault in gridhub.yaml is told with its place, its key and what was
 * expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "times.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/test_config_XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 || close(fd) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(const char *head, const char *text, struct err *e, struct config **ret)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(head, f) >= 0 && fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return config_load(path, e, ret);
}

#define HEAD "district: q\ndatabase: {conninfo: host=h}\n"
#define BROKER(more)                                                                              \
	HEAD "mqtt: [{name: a, url: mqtt://h, client_id: c, subscriptions: [{topic: t, adapter: " \
	     "hub}]" more "}]\n"
#define AT(url)                            \
	HEAD "mqtt: [{name: a, url: '" url \
	     "', client_id: c, subscriptions: [{topic: t, adapter: hub}]}]\n"

static void faults_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "key \"district\" is missing"},
		{"district: ''\ndatabase: {conninfo: host=h}\n",
		 ":1:11: key \"district\": must not be empty"},
		{"district: [\n", ":2:1: did not find expected node content"},
		{"district: q\n", "key \"conninfo\" is missing"},
		{HEAD "spol: {}\n", ":3:1: unknown key \"spol\" (did you mean \"spool\"?)"},
		{HEAD "spool: {dri: x}\n", ":3:9: unknown key \"dri\" (did you mean \"dir\"?)"},
		{HEAD "district: z\n", ":3:1: key \"district\" is here twice (first on line 1)"},
		{HEAD "spool: []\n", ":3:8: "},
		{HEAD "spool: {sync: never}\n",
		 ":3:15: key \"sync\": value \"never\" is not one of os, interval, always"},
		{HEAD "spool: {max_size: 10 apples}\n", "value \"10 apples\" is not a size like"},
		{HEAD "spool: {max_size: 5M}\n",
		 "spool.max_size: 5242880 is less than two segments"},
		{HEAD "intake: {unknown_max: -1}\n",
		 "value \"-1\" is not a whole number, 0 to 1000000"},
		{HEAD "intake: {unknown_max: {a: 1}}\n", "a map where a whole number"},
		{HEAD "intake: {late: 5 parsecs}\n", "value \"5 parsecs\" is not a duration"},
		{HEAD "notify: {allow_http: maybe}\n", "value \"maybe\" is not true or false"},
		{HEAD "notify: {default_endpoint: x}\n", "there is no endpoint \"x\""},
		{HEAD "notify: {lease: 5s}\nendpoints: [{name: a, url: https://h}]\n",
		 "notify.lease: shorter than twice"},
		{HEAD "time_zone: Mars/Olympus\n", "there is no time zone \"Mars/Olympus\""},
		{HEAD "time_zone: ../../etc/passwd\n", "is no time zone"},
		{HEAD "time_zone: Asia\n", "there is no time zone \"Asia\""},
		{HEAD "time_zone: \"+08:00\"\n", "expected a name like Asia/Shanghai"},
		{"district: q\ndatabase: {conninfo: host=h password=x}\n", "no password here"},
		{"district: q\ndatabase: {conninfo: 'postgresql://u:x@h/d'}\n", "no password here"},
		{HEAD "endpoints: [{name: a}]\n", "give url or url_file, one of the two"},
		{HEAD "endpoints: [{name: a, url: https://h, url_file: f}]\n",
		 "give url or url_file, one of the two"},
		{HEAD "endpoints: [{name: a, url: https://h}, {name: a, url: https://i}]\n",
		 "two endpoints are called \"a\""},
		{HEAD "mqtt: [{name: a, url: mqtt://h, client_id: c}]\n",
		 "key \"subscriptions\" is missing"},
		{HEAD "mqtt: [{name: a, url: mqtt://h, client_id: c, subscriptions: []}]\n",
		 "at least one entry"},
		{HEAD "mqtt: [{name: a, url: mqtt://h, client_id: '', subscriptions: [{topic: t, "
		      "adapter: hub}]}]\n",
		 "key \"client_id\": must not be empty"},
		{HEAD "mqtt: [{name: a, url: mqtt://h, client_id: c, subscriptions: [{topic: '', "
		      "adapter: hub}]}]\n",
		 "key \"topic\": must not be empty"},
		{BROKER(", version: 4"), "value \"4\" is neither 3 (MQTT 3.1.1) nor 5"},
		{BROKER(", cert_file: x"), "one is given without the other"},
		{BROKER(", password: x"), "unknown key \"password\""},
		{BROKER("}, {name: a, url: mqtt://i, client_id: c, subscriptions: [{topic: t, "
			"adapter: hub}]"),
		 "two brokers are called \"a\""},
		{BROKER("}, {name: b, url: mqtt://h, client_id: c, subscriptions: [{topic: t, "
			"adapter: hub}]"),
		 "each would throw the other out"},
		{AT("http://h"), "does not begin with mqtt:// or mqtts://"},
		{AT("mqtt://"), "is not mqtt://HOST:PORT"},
		{AT("mqtt://h:0"), "is not mqtt://HOST:PORT"},
		{AT("mqtt://h:65536"), "is not mqtt://HOST:PORT"},
		{AT("mqtt://h/path"), "is not mqtt://HOST:PORT"},
		{AT("mqtt://[::1"), "is not mqtt://HOST:PORT"},
		{AT("mqtts://u:x@h"), "no user or password in a URL"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		struct config *c = NULL;
		assert_int_equal(load("", cases[i].text, &e, &c), -EINVAL);
		assert_null(c);
		if (!strstr(e.msg, cases[i].want) || !strstr(e.msg, path))
			fail_msg("case %zu:\n%s\nsaid:     %s\nexpected: %s", i, cases[i].text,
				 e.msg, cases[i].want);
	}
}

static void what_is_right_is_taken(void **state)
{
	(void)state;
	static const char *const texts[] = {
		AT("mqtt://h"),
		AT("mqtts://h.example:8883"),
		AT("mqtt://[::1]"),
		AT("mqtt://[fe80::1]:1883"),
		BROKER(", cert_file: x, key_file: y"),
		HEAD "mqtt: []\n",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct err e = {0};
		auto_config struct config *c = NULL;
		if (load("", texts[i], &e, &c))
			fail_msg("%s\nsaid: %s", texts[i], e.msg);
	}
}

static void defaults_and_relative_paths(void **state)
{
	(void)state;
	struct err e;
	auto_config struct config *c = NULL;
	assert_int_equal(
		load(BROKER(", password_file: pw"), "spool: {dir: s, max_size: 1G}\n", &e, &c), 0);
	assert_string_equal(c->spool.dir, "/tmp/s");
	assert_string_equal(c->brokers[0].password_file, "/tmp/pw");
	assert_int_equal(c->spool.max_bytes, INT64_C(1) << 30);
	assert_int_equal(c->spool.sync, SPOOL_SYNC_OS);
	assert_int_equal(c->brokers[0].version, 5);
	assert_int_equal(c->brokers[0].subs[0].qos, 1);
	assert_int_equal(c->intake.late_us, TIMES_HOUR);
	assert_string_equal(c->http.listen, "127.0.0.1:8470");
	assert_true(c->database.migrate);
	assert_null(c->notify.default_endpoint);
	assert_null(config_endpoint(c, SL("leader")));
}

/* A setting without a word about it would be one that nobody can use. */
static void the_reference_explains_every_setting(void **state)
{
	(void)state;
	auto_buf struct buf b;
	buf_init(&b, 1 << 16);
	config_reference(&b);
	struct slice rest = buf_slice(&b), line, before = {0};
	size_t settings = 0;
	while (slice_cut(&rest, '\n', &line)) {
		bool setting = slice_starts(line, "  ") && line.n > 2 && line.p[2] != ' ';
		if (slice_starts(before, "  ") && before.p[2] != ' ' &&
		    !slice_starts(line, "      "))
			fail_msg("no help: %.*s", SL_FMT(before));
		settings += setting;
		before = line;
	}
	assert_in_range(settings, 50, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(what_is_right_is_taken),
		cmocka_unit_test(defaults_and_relative_paths),
		cmocka_unit_test(the_reference_explains_every_setting),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
