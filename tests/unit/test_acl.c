#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "acl.h"

static struct subscription_conf subs[] = {
	{"$share/hubs/city/v1/#", "hub", 1},
	{"zigbee2mqtt/#", "zigbee2mqtt", 1},
	{"zigbee2mqtt/+/availability", "zigbee2mqtt", 1},
	{"frigate/#", "frigate", 1},
	{"+/events", "frigate", 1},
};
static const struct broker_conf broker = {
	.name = "b", .username = "gridhub", .subs = subs, .nsubs = COUNT_OF(subs)};

static int put(const char *name, const char *adapter, enum device_class class, const char *address,
	       struct buf *out, struct err *e)
{
	struct acl_user u;
	int r = acl_device(&broker, slice_of(name), slice_of(adapter), class, slice_of(address), e,
			   &u);
	if (!r)
		acl_put_user(&u, out);
	return r;
}

static void test_a_device_writes_below_its_address_only(void **state)
{
	auto_buf struct buf out = {0};
	struct err e = {0};
	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(put("3号楼 bin", "hub", CLASS_BIN, "bin-1", &out, &e), 0);
	assert_int_equal(put("any", "hub", CLASS_UNKNOWN, "x", &out, &e), 0);
	assert_string_equal(buf_str(&out), "user 3号楼 bin\ntopic write city/v1/+/+/bin/bin-1/+\n\n"
					   "user any\ntopic write city/v1/+/+/+/x/+\n\n");
}

static void test_gateways_speak_for_others(void **state)
{
	auto_buf struct buf out = {0};
	struct err e = {0};
	struct acl_user u;
	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(put("smoke", "zigbee2mqtt", CLASS_SENSOR, "flat/smoke", &out, &e),
			 -ENOENT);
	assert_int_equal(acl_gateway(&broker, 0, &e, &u), -ENOENT);
	assert_int_equal(acl_gateway(&broker, 1, &e, &u), 0);
	acl_put_user(&u, &out);
	assert_int_equal(acl_gateway(&broker, 2, &e, &u), -ENOENT); /* the same one */
	assert_int_equal(acl_gateway(&broker, 3, &e, &u), 0);
	acl_put_user(&u, &out);
	assert_int_equal(acl_gateway(&broker, 4, &e, &u), -EINVAL); /* whose name would be + */
	assert_non_null(strstr(e.msg, "+/events"));
	acl_put_hub(&broker, &out);
	assert_string_equal(buf_str(&out),
			    "user zigbee2mqtt\ntopic readwrite zigbee2mqtt/#\n\n"
			    "user frigate\ntopic readwrite frigate/#\n\n"
			    "user gridhub\ntopic read city/v1/#\ntopic read zigbee2mqtt/#\n"
			    "topic read zigbee2mqtt/+/availability\ntopic read frigate/#\n"
			    "topic read +/events\ntopic read $SYS/#\n\n");
}

static void test_names_that_would_give_more_are_refused(void **state)
{
	static const struct {
		const char *name, *address;
	} bad[] = {
		{"gridhub", "a"},    {"zigbee2mqtt", "a"},
		{"frigate", "a"},    {"a:b", "a"},
		{"a\ntopic #", "a"}, {"#a", "a"},
		{"", "a"},	     {" a", "a"},
		{"a ", "a"},	     {"a", "+"},
		{"a", "#"},	     {"a", "b/c"},
		{"a", "b\ntopic #"}, {"a", ""},
	};
	auto_buf struct buf out = {0};
	(void)state;
	buf_init(&out, 65536);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = {0};
		assert_int_equal(put(bad[i].name, "hub", CLASS_BIN, bad[i].address, &out, &e),
				 -EINVAL);
		assert_true(e.msg[0]);
	}
	assert_int_equal(out.n, 0);
}

static void test_passwords_come_from_the_key(void **state)
{
	char a[ACL_PASSWORD_MAX], b[ACL_PASSWORD_MAX];
	auto_buf struct buf out = {0};
	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(acl_password(slice_of("key"), slice_of("bin-1"), a), 0);
	/* printf mqtt:bin-1 | openssl dgst -sha256 -hmac key */
	assert_string_equal(a, "9a65236aeccfd574a1a8e94d95a94a0d77c8686694ae9a3d639d653668f8b5c4");
	assert_int_equal(acl_password(slice_of("key"), slice_of("bin-2"), b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(acl_put_password(slice_of("bin-1"), a, &out), 0);
	assert_true(slice_starts(slice_of(buf_str(&out)), "bin-1:$7$101$"));
	size_t first = out.n;
	assert_int_equal(acl_put_password(slice_of("bin-1"), a, &out), 0);
	assert_memory_not_equal(out.p, out.p + first, first); /* another salt */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_device_writes_below_its_address_only),
		cmocka_unit_test(test_gateways_speak_for_others),
		cmocka_unit_test(test_names_that_would_give_more_are_refused),
		cmocka_unit_test(test_passwords_come_from_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
