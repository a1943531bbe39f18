/* What systemd is told: over the socket that it gives, as its protocol has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "health.h"
#include "pulse.h"
#include "ready.h"
#include "times.h"

static char folder[] = "/tmp/gridhub-ready.XXXXXX";
static struct sockaddr_un at = {.sun_family = AF_UNIX};
static int fd = -1;

static int setup(void **state)
{
	(void)state;
	if (!at.sun_path[0]) {
		assert_non_null(mkdtemp(folder));
		snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", folder);
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	unsetenv("WATCHDOG_USEC");
	for (size_t i = 0; i < HEALTH_PARTS; i++)
		health_set((enum health_part)i, HEALTH_OK, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fd);
	unlink(at.sun_path);
	return 0;
}

/* All that was said since, a line each. */
static const char *said(void)
{
	static char all[4096];
	size_t n = 0;
	ssize_t got;
	while ((got = recv(fd, all + n, sizeof all - n - 2, 0)) > 0) {
		n += (size_t)got;
		all[n++] = '\n';
	}
	all[n] = 0;
	return all;
}

static void test_says_nothing_when_nobody_asks(void **state)
{
	(void)state;
	struct ready r;
	unsetenv("NOTIFY_SOCKET");
	assert_false(ready_begin(&r));
}

static void test_ready_when_the_engine_judges(void **state)
{
	(void)state;
	struct ready r;
	health_set(HEALTH_ENGINE, HEALTH_STARTING, "waiting for the database");
	assert_true(ready_begin(&r));
	assert_true(ready_tick(&r) <= 100 * TIMES_MS);
	assert_string_equal(said(), "STATUS=engine starting: waiting for the database\n");
	ready_tick(&r);
	assert_string_equal(said(), ""); /* nothing new */
	health_set(HEALTH_ENGINE, HEALTH_OK, NULL);
	assert_true(ready_tick(&r) >= TIMES_SEC);
	assert_string_equal(said(), "STATUS=ok\nREADY=1\n");
	ready_tick(&r);
	assert_string_equal(said(), "");
}

/* The spool takes messages in, whatever the database does. */
static void test_ready_when_the_database_is_known_to_be_away(void **state)
{
	(void)state;
	struct ready r;
	health_set(HEALTH_ENGINE, HEALTH_STARTING, NULL);
	health_set(HEALTH_DATABASE, HEALTH_DEGRADED, "no answer in time");
	assert_true(ready_begin(&r));
	ready_tick(&r);
	const char *all = said();
	assert_non_null(strstr(all, "STATUS=database degraded: no answer in time"));
	assert_non_null(strstr(all, "READY=1\n"));
}

static void test_reload(void **state)
{
	(void)state;
	struct ready r;
	assert_true(ready_begin(&r));
	ready_tick(&r);
	said();
	ready_reloading();
	health_set(HEALTH_RULES, HEALTH_DEGRADED, "bad");
	ready_reloaded(&r);
	assert_string_equal(said(), "RELOADING=1\nREADY=1\nSTATUS=rules degraded: bad\n");
	ready_stopping();
	assert_string_equal(said(), "STOPPING=1\n");
}

static void test_watchdog_is_fed_until_a_thread_is_stuck(void **state)
{
	(void)state;
	struct ready r;
	setenv("WATCHDOG_USEC", "1000000", 1);
	assert_true(ready_begin(&r));
	pulse_enter(PULSE_ENGINE);
	assert_true(ready_tick(&r) <= 250000);
	assert_non_null(strstr(said(), "WATCHDOG=1\n"));
	usleep(600000); /* more than half of the patience without a beat */
	ready_tick(&r);
	assert_null(strstr(said(), "WATCHDOG=1"));
	assert_string_equal(pulse_stuck(times_mono_us(), 500000), "engine");
	pulse_beat();
	ready_tick(&r);
	assert_non_null(strstr(said(), "WATCHDOG=1\n"));
	pulse_pause(); /* waits for something that is not ours */
	usleep(600000);
	ready_tick(&r);
	assert_non_null(strstr(said(), "WATCHDOG=1\n"));
	pulse_leave();
	pulse_beat();
	assert_null(pulse_stuck(INT64_MAX, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_says_nothing_when_nobody_asks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ready_when_the_engine_judges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ready_when_the_database_is_known_to_be_away,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog_is_fed_until_a_thread_is_stuck, setup,
						teardown),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return r;
}
