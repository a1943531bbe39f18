/* The registry in memory: found by address, also while devices change places; the way up to an
 * endpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry.h"

static void put(struct registry *r, int64_t id, const char *address)
{
	struct device d = {.id = id, .name = address, .adapter = "hub", .address = address};
	assert_int_equal(registry_put_device(r, &d, 1), 0);
}

static int64_t find(const struct registry *r, const char *address)
{
	const struct device *d = registry_find(r, SL("hub"), slice_of(address));
	return d ? d->id : 0;
}

/* As a delta brings them: each alone, so that for a moment two devices have one address. */
static void test_devices_change_places(void **state)
{
	(void)state;
	enum { N = 3000 };
	struct registry *r = registry_new();
	char a[32], b[32];
	assert_non_null(r);
	for (int i = 0; i < N; i++) {
		snprintf(a, sizeof a, "d%d", i);
		put(r, i + 1, a);
	}
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i + 1 < N; i += 2) {
			snprintf(a, sizeof a, "d%d", i + (round % 2 == 0));
			snprintf(b, sizeof b, "d%d", i + (round % 2 != 0));
			put(r, round % 2 ? i + 2 : i + 1, round % 2 ? b : a);
			put(r, round % 2 ? i + 1 : i + 2, round % 2 ? a : b);
		}
	}
	for (int i = 0; i < N; i++) {
		snprintf(a, sizeof a, "d%d", i);
		assert_int_equal(find(r, a), i + 1);
	}
	for (int i = 0; i < N; i += 2)
		registry_remove_device(r, i + 1);
	for (int i = 0; i < N; i++) { /* nothing of the removed is looked at any more */
		snprintf(a, sizeof a, "d%d", i);
		assert_int_equal(find(r, a), i % 2 ? i + 1 : 0);
	}
	assert_int_equal(registry_device_count(r), N / 2);
	registry_free(r);
}

static void test_answerable(void **state)
{
	(void)state;
	struct registry *r = registry_new();
	struct grid g[] = {
		{.id = 3, .code = "c", .name = "c", .endpoint = "", .parent_id = 2, .level = 2},
		{.id = 2, .code = "b", .name = "b", .endpoint = "e", .parent_id = 1, .level = 1},
		{.id = 1, .code = "a", .name = "a", .endpoint = "", .level = 0},
		{.id = 4, .code = "x", .name = "x", .endpoint = "", .parent_id = 5, .level = 1},
		{.id = 5, .code = "y", .name = "y", .endpoint = "", .parent_id = 4, .level = 1},
	};
	for (size_t i = 0; i < COUNT_OF(g); i++) {
		struct device d = {.id = g[i].id,
				   .name = g[i].code,
				   .title = "",
				   .adapter = "hub",
				   .address = g[i].code};
		assert_int_equal(registry_put_grid(r, &g[i]), 0);
		assert_int_equal(registry_put_device(r, &d, g[i].id), 0);
	}
	assert_true(registry_link(r) > 0); /* the circle */
	assert_string_equal(registry_answerable(registry_device(r, 3)->grid)->code, "b");
	assert_null(registry_answerable(registry_device(r, 1)->grid));
	assert_null(registry_answerable(registry_device(r, 4)->grid));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices_change_places),
		cmocka_unit_test(test_answerable),
	};
	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
