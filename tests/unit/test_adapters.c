#include "adapters/device/adapter.h"
#include "adapters/device/senml.h"
#include "json.h"
#include "times.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define RECV_US INT64_C(1763758800000000) /* 2025-11-21T21:00:00Z */
#define SAMPLES "../shared/samples/"

/* ---- help ---- */

static int decode(const char *adapter, struct slice topic, struct slice payload, bool retained,
		  struct buf *lines, struct err *e)
{
	const struct device_adapter *a = device_adapter_find(slice_of(adapter));
	struct device_message m = {
		.topic = topic, .payload = payload, .recv_us = RECV_US, .retained = retained};
	struct readings all;
	assert_non_null(a);
	readings_init(&all);
	*e = (struct err){0};
	int rc = a->decode(&m, &all, e);
	for (size_t i = 0; !rc && i < all.n; i++) {
		if (i)
			buf_putc(lines, '\n');
		reading_json(&all.v[i], lines);
	}
	readings_done(&all);
	if (rc && !e->msg[0])
		fail_msg("%s refused a message without a reason (%d)", adapter, rc);
	return rc;
}

/* Each field of these lines stands in the vocabulary that rules are checked against. */
static void known_fields(const struct buf *lines)
{
	struct err e;
	auto_free char *yaml = NULL;
	struct slice rest = buf_slice(lines), line;
	if (file_read("rules/fields.yaml", 1024 * 1024, &yaml, NULL, &e))
		fail_msg("%s", e.msg);
	while (slice_cut(&rest, '\n', &line)) {
		auto_json struct json *doc = NULL;
		if (!line.n)
			continue;
		assert_int_equal(json_parse(line, &json_device_limits, &e, &doc), 0);
		const struct json *fields = json_get(doc, "fields");
		for (void *it = json_first(fields); it; it = json_next(fields, it)) {
			char entry[96];
			snprintf(entry, sizeof entry, "{name: %s,", json_key(it).p);
			if (!strstr(yaml, entry))
				fail_msg("%s is not in rules/fields.yaml", json_key(it).p);
		}
	}
}

struct message {
	const char *topic, *payload;
	int rc;		  /* of a plain message */
	const char *want; /* lines, when rc is 0 */
};

static void check_all(const char *adapter, const struct message *m, size_t n, bool retained)
{
	for (size_t i = 0; i < n; i++) {
		struct err e;
		auto_buf struct buf lines;
		buf_init(&lines, 1024 * 1024);
		int rc = decode(adapter, slice_of(m[i].topic), slice_of(m[i].payload), retained,
				&lines, &e);
		if (rc != m[i].rc)
			fail_msg("%s %s: %d, not %d: %s", m[i].topic, m[i].payload, rc, m[i].rc,
				 e.msg);
		if (!rc)
			assert_string_equal(buf_str(&lines), m[i].want);
		if (!rc && strcmp(adapter, "frigate") == 0)
			known_fields(&lines);
	}
}

#define CHECK_ALL(adapter, messages, retained) \
	check_all(adapter, messages, COUNT_OF(messages), retained)

/* ---- the hub's own dialect ---- */

#define BIN "city/v1/qx/g-1/bin/b-7/"
#define BIN_JSON "{\"address\":\"b-7\",\"class\":\"bin\",\"grid\":\"g-1\","

static void own_objects(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{BIN "tele", "{\"fill_pct\":91,\"spill\":true,\"note\":\"12\",\"x\":null}", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"fill_pct\":91,\"spill\":true,"
			  "\"note\":\"12\",\"x\":null}}"},
		{BIN "tele", "{\"ts\":\"2026-11-21T21:00:00+08:00\",\"seq\":9,\"tempC\":1.5}", 0,
		 BIN_JSON "\"kind\":\"tele\",\"at\":\"2026-11-21T13:00:00.000000Z\",\"seq\":9,"
			  "\"fields\":{\"temp_c\":1.5}}"},
		{BIN "event", "{\"ts\":1763758800123,\"event\":\"drop\"}", 0,
		 BIN_JSON "\"kind\":\"event\",\"at\":\"2025-11-21T21:00:00.123000Z\","
			  "\"fields\":{\"event\":\"drop\"}}"},
		{BIN "tele", "{\"weight\":{\"kitchen_kg\":3,\"other\":1}}", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"weight_kitchen_kg\":3,"
			  "\"weight_other\":1}}"},
		{BIN "tele", "{}", 0, BIN_JSON "\"kind\":\"tele\",\"fields\":{}}"},
		/* far past and far future are the engine's to judge */
		{BIN "tele", "{\"ts\":\"0001-01-01T00:00:00Z\"}", 0,
		 BIN_JSON
		 "\"kind\":\"tele\",\"at\":\"0001-01-01T00:00:00.000000Z\",\"fields\":{}}"},
		{BIN "tele", "{\"ts\":\"9999-12-31T23:59:59Z\"}", 0,
		 BIN_JSON
		 "\"kind\":\"tele\",\"at\":\"9999-12-31T23:59:59.000000Z\",\"fields\":{}}"},
		{BIN "tele", "{\"ts\":12}", 0,
		 BIN_JSON
		 "\"kind\":\"tele\",\"at\":\"1970-01-01T00:00:12.000000Z\",\"fields\":{}}"},
		{BIN "tele", "{\"ts\":-1}", -EPROTO, NULL},
		{BIN "tele", "{\"ts\":1e300}", -EPROTO, NULL},
		{BIN "tele", "{\"ts\":\"2026-11-21T21:00:00\"}", -EPROTO, NULL},
		{BIN "tele", "{\"ts\":true}", -EPROTO, NULL},
		{BIN "tele", "{\"seq\":\"9\"}", -EPROTO, NULL},
		{BIN "tele", "{\"seq\":1.5}", -EPROTO, NULL},
		{BIN "tele", "{\"a\":[1,2]}", -EPROTO, NULL},
		{BIN "tele", "{\"a\":{\"b\":{\"c\":1}}}", -EPROTO, NULL},
		{BIN "tele", "{\"a\":{\"b\":[1]}}", -EPROTO, NULL},
		{BIN "tele", "{\"aB\":1,\"a_b\":2}", -EEXIST, NULL},
		{BIN "tele", "{\"\":1}", -EINVAL, NULL},
		{BIN "tele", "{\"\xE6\xB8\xA9\":1}", -EINVAL, NULL},
	};
	CHECK_ALL("hub", messages, false);
}

static void own_topics(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{"city/v1/qx/g-1/bin/b-7", "{}", -ENOENT, NULL},
		{"city/v1/qx/g-1/bin/b-7/tele/x", "{}", -ENOENT, NULL},
		{"city/v2/qx/g-1/bin/b-7/tele", "{}", -ENOENT, NULL},
		{"town/v1/qx/g-1/bin/b-7/tele", "{}", -ENOENT, NULL},
		{"city/v1/qx/g-1/lamp/b-7/tele", "{}", -ENOENT, NULL},
		{"city/v1/qx/g-1/unknown/b-7/tele", "{}", -ENOENT, NULL},
		{"city/v1/qx/g-1/bin/b-7/TELE", "{}", -ENOENT, NULL},
		{"city/v1/qx//bin/b-7/tele", "{}", -ENOENT, NULL},
		{"/city/v1/qx/g/bin/b-7/tele", "{}", -ENOENT, NULL},
		{"city/v1/qx/g-1/bin/b-7/tele/", "{}", -ENOENT, NULL},
		{"city/v1/qx/+/bin/b-7/tele", "{}", -ENOENT, NULL},
		{"city/v1/qx/#", "{}", -ENOENT, NULL},
		{"city/v1/qx/g/bin/b\x01/tele", "{}", -ENOENT, NULL},
		{"city", "{}", -ENOENT, NULL},
		{"/", "{}", -ENOENT, NULL},
		{"city/v1/qx/\xE7\xBD\x91\xE6\xA0\xBC/bin/\xE6\xA1\xB6-1/tele", "{}", 0,
		 "{\"address\":\"\xE6\xA1\xB6-1\",\"class\":\"bin\",\"grid\":"
		 "\"\xE7\xBD\x91\xE6\xA0\xBC\",\"kind\":\"tele\",\"fields\":{}}"},
	};
	CHECK_ALL("hub", messages, false);
}

static void odd_topics_are_refused_by_all(void **state)
{
	(void)state;
	auto_free char *deep = malloc(60000), *wide = malloc(60000);
	for (size_t i = 0; i < 60000; i++)
		deep[i] = i % 2 ? '/' : 'a';
	deep[59999] = 'a';
	memset(wide, 'a', 60000);
	memcpy(wide, "x/", 2);
	const struct slice topics[] = {SL("a\0b/c"), SL("a/b\0"),   SL("a//b"),	  SL("a/+"),
				       SL("\r\n"),   {deep, 60000}, {wide, 60000}};
	for (size_t a = 0; device_adapters[a]; a++) {
		for (size_t i = 0; i < COUNT_OF(topics); i++) {
			struct err e;
			auto_buf struct buf lines;
			buf_init(&lines, 1024);
			int rc = decode(device_adapters[a]->name, topics[i], SL("{\"a\":1}"), false,
					&lines, &e);
			if (!rc) /* Frigate has topics of its own that are of no interest */
				assert_int_equal(lines.n, 0);
			if (i < 5)
				assert_int_equal(rc, -ENOENT);
		}
	}
}

static void retained_messages(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{BIN "tele", "{}", -ESTALE, NULL},
		{BIN "event", "rubbish", -ESTALE, NULL},
		{BIN "state", "{\"online\":false}", 0,
		 BIN_JSON "\"kind\":\"state\",\"fields\":{\"online\":false}}"},
		{BIN "state", "[{\"n\":\"open\",\"vb\":true}]", 0,
		 BIN_JSON "\"kind\":\"state\",\"fields\":{\"open\":true}}"},
	};
	static const struct message frigate[] = {
		{"frigate/events", "{}", -ESTALE, NULL},
		{"frigate/available", "online", 0,
		 "{\"address\":\"frigate\",\"kind\":\"state\",\"fields\":{\"online\":true,"
		 "\"enabled\":true}}"},
	};
	CHECK_ALL("hub", messages, true);
	CHECK_ALL("frigate", frigate, true);
}

/* ---- payload hygiene: for every adapter, at a topic where it reads JSON ---- */

static const struct {
	const char *adapter, *topic;
} json_topics[] = {
	{"hub", BIN "tele"},
	{"hub", BIN "state"},
	{"zigbee2mqtt", "zigbee2mqtt/a/b"},
	{"frigate", "frigate/events"},
	{"frigate", "frigate/stats"},
};

static void refused_by_all(struct slice payload, int want)
{
	for (size_t i = 0; i < COUNT_OF(json_topics); i++) {
		struct err e;
		auto_buf struct buf lines;
		buf_init(&lines, 1024 * 1024);
		int rc = decode(json_topics[i].adapter, slice_of(json_topics[i].topic), payload,
				false, &lines, &e);
		if (rc != want)
			fail_msg("%s: \"%.40s\": %d, not %d: %s", json_topics[i].adapter, payload.p,
				 rc, want, e.msg);
	}
}

static void broken_payloads_are_refused(void **state)
{
	(void)state;
	static const struct {
		struct slice payload;
		int rc;
	} cases[] = {
		{{NULL, 0}, -ENODATA},
		{{"{\"a\":1", 6}, -EBADMSG},
		{{"{\"a\":1}x", 8}, -EBADMSG},
		{{"{\"a\":NaN}", 9}, -EBADMSG},
		{{"{\"a\":Infinity}", 14}, -EBADMSG},
		{{"{\"a\":-Infinity}", 15}, -EBADMSG},
		{{"{\"a\":1e999}", 11}, -ERANGE},
		{{"{\"a\":99999999999999999999}", 26}, -ERANGE},
		{{"{\"a\":1,\"a\":2}", 13}, -EEXIST},
		{{"{\"a\":\"\xFF\"}", 9}, -EILSEQ},
		{{"{\"a\":\"\xED\xA0\x80\"}", 11}, -EILSEQ},
		{{"\xFF\xFE{\0", 4}, -EILSEQ},
		{{"{\"a\":\"\\u0000\"}", 14}, -EBADMSG},
		{{"{\"a\":1}\0", 8}, -EBADMSG},
		{{"{'a':1}", 7}, -EBADMSG},
		{{"{\"a\":01}", 8}, -EBADMSG},
		{{"\"text\"", 6}, -EPROTO},
		{{"12", 2}, -EPROTO},
		{{"null", 4}, -EPROTO},
		{{" ", 1}, -EBADMSG},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		refused_by_all(cases[i].payload, cases[i].rc);
}

static void large_and_deep_payloads_are_refused(void **state)
{
	(void)state;
	size_t n = json_device_limits.max_bytes + 1;
	auto_free char *big = malloc(n);
	memset(big, ' ', n);
	memcpy(big, "{\"a\":1", 6);
	big[n - 1] = '}';
	refused_by_all((struct slice){big, n}, -EMSGSIZE);
	memset(big, '[', 200000);
	refused_by_all((struct slice){big, 200000}, -ELOOP);
	for (size_t i = 0; i + 5 < 200000; i += 5)
		memcpy(big + i, "{\"a\":", 5);
	refused_by_all((struct slice){big, 200000}, -ELOOP);
}

static void many_fields_are_refused(void **state)
{
	(void)state;
	struct err e;
	auto_buf struct buf b, lines;
	buf_init(&b, 65536);
	buf_init(&lines, 65536);
	buf_putc(&b, '{');
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%s\"f%d\":%d", i ? "," : "", i, i);
	buf_putc(&b, '}');
	assert_int_equal(decode("hub", SL(BIN "tele"), buf_slice(&b), false, &lines, &e), -E2BIG);
	assert_int_equal(decode("zigbee2mqtt", SL("z/a"), buf_slice(&b), false, &lines, &e),
			 -E2BIG);
}

static void huge_arrays_are_refused(void **state)
{
	(void)state;
	struct err e;
	auto_buf struct buf b, lines;
	buf_init(&b, 512 * 1024);
	buf_init(&lines, 65536);
	buf_puts(&b, "[{}");
	while (b.n < 200000)
		buf_puts(&b, ",{}");
	buf_putc(&b, ']');
	assert_int_equal(decode("hub", SL(BIN "tele"), buf_slice(&b), false, &lines, &e), -E2BIG);
	/* as many times as records: more readings than one message may make */
	buf_reset(&b);
	buf_puts(&b, "[{\"n\":\"a\",\"v\":1}");
	for (int i = 1; i <= READINGS_MAX; i++)
		buf_printf(&b, ",{\"n\":\"a\",\"v\":1,\"t\":%d}", i);
	buf_putc(&b, ']');
	assert_int_equal(decode("hub", SL(BIN "tele"), buf_slice(&b), false, &lines, &e), -E2BIG);
	/* Frigate with more cameras than readings */
	buf_reset(&b);
	buf_puts(&b, "{\"cameras\":{\"c\":{}");
	for (int i = 0; i < READINGS_MAX; i++)
		buf_printf(&b, ",\"c%d\":{}", i);
	buf_puts(&b, "}}");
	assert_int_equal(decode("frigate", SL("frigate/stats"), buf_slice(&b), false, &lines, &e),
			 -E2BIG);
}

/* ---- SenML ---- */

static void senml_readings(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{BIN "tele",
		 "[{\"bn\":\"urn:dev:ow:1:\",\"bt\":1763758800,\"n\":\"temp\",\"u\":\"Cel\",\"v\":"
		 "2},"
		 "{\"n\":\"x\",\"t\":-5,\"vs\":\"y\"},{\"n\":\"open\",\"vb\":false}]",
		 0,
		 BIN_JSON "\"kind\":\"tele\",\"at\":\"2025-11-21T20:59:55.000000Z\",\"fields\":{"
			  "\"x\":\"y\"}}\n" BIN_JSON
			  "\"kind\":\"tele\",\"at\":\"2025-11-21T21:00:00.000000Z\",\"fields\":{"
			  "\"temp_c\":2,\"open\":false}}"},
		/* relative to arrival; a time of 0 is none */
		{BIN "tele", "[{\"n\":\"a\",\"t\":-60,\"v\":1},{\"n\":\"a\",\"v\":2}]", 0,
		 BIN_JSON "\"kind\":\"tele\",\"at\":\"2025-11-21T20:59:00.000000Z\",\"fields\":{"
			  "\"a\":1}}\n" BIN_JSON "\"kind\":\"tele\",\"fields\":{\"a\":2}}"},
		{BIN "tele", "[{\"bn\":\"a/\",\"bv\":10,\"bs\":1,\"n\":\"e\",\"v\":1,\"s\":2}]", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"e\":11.0,\"e_sum\":3.0}}"},
		{BIN "tele", "[{\"n\":\"e\",\"s\":2},{\"n\":\"d\",\"vd\":\"AA\"}]", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"e_sum\":2}}"},
		{BIN "tele", "[{\"bn\":\"urn:dev:x:1\",\"bu\":\"%RH\",\"v\":1}]", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"humidity_pct\":1}}"},
		{BIN "tele", "[{\"n\":\"a\",\"v\":1,\"l\":[1],\"zz\":{}}]", 0,
		 BIN_JSON "\"kind\":\"tele\",\"fields\":{\"a\":1}}"},
		{BIN "tele", "[{\"bn\":\"b\"}]", 0, ""},
		{BIN "tele", "[]", -EPROTO, NULL},
		{BIN "tele", "[1]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a\",\"v\":1,\"must_\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a\",\"v\":\"1\"}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a\",\"v\":1,\"vb\":true}]", -EPROTO, NULL},
		{BIN "tele", "[{\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"urn:dev:x:1\",\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"_a\",\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a b\",\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a:\",\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"bver\":11,\"n\":\"a\",\"v\":1}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a\",\"v\":1,\"t\":1e18}]", -EPROTO, NULL},
		{BIN "tele", "[{\"n\":\"a\",\"v\":1,\"t\":-1e300}]", -EPROTO, NULL},
		{BIN "tele", "[{\"bv\":1e308,\"n\":\"a\",\"v\":1e308}]", -ERANGE, NULL},
		{BIN "tele", "[{\"n\":\"x/a\",\"v\":1},{\"n\":\"y/a\",\"v\":2}]", -EEXIST, NULL},
	};
	CHECK_ALL("hub", messages, false);
}

static void same_number(double a, double b)
{
	if (fabs(a - b) > 1e-6)
		fail_msg("%.9g is not %.9g", a, b);
}

static void same_record(const struct senml_record *got, const struct json *want)
{
	struct slice s = json_str(json_get(want, "n"));
	assert_true(slice_eq(got->name, s));
	assert_true(slice_eq(got->unit, json_str(json_get(want, "u"))));
	same_number((double)got->at_us / 1e6, json_double(json_get(want, "t")));
	if (json_get(want, "vs")) {
		assert_int_equal(got->v.type, VALUE_STRING);
		assert_true(slice_eq(got->v.s, json_str(json_get(want, "vs"))));
	} else if (json_get(want, "vb")) {
		assert_int_equal(got->v.type, VALUE_BOOL);
		assert_int_equal(got->v.b, json_bool(json_get(want, "vb")));
	} else {
		same_number(got->v.type == VALUE_INT ? (double)got->v.i : got->v.d,
			    json_double(json_get(want, "v")));
	}
}

static struct json *load(const char *folder, const char *name)
{
	char path[512];
	auto_free char *text = NULL;
	size_t n;
	struct err e;
	struct json *doc = NULL;
	snprintf(path, sizeof path, "%s%s%s", SAMPLES, folder, name);
	if (file_read(path, 1024 * 1024, &text, &n, &e) ||
	    json_parse((struct slice){text, n}, &json_device_limits, &e, &doc))
		fail_msg("%s: %s", path, e.msg);
	return doc;
}

/* The samples stand in the order of the pack, ours in that of time. */
static int by_order(const void *a, const void *b)
{
	const struct senml_record *x = a, *y = b;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Records that gave no time were resolved by the samples' author at the moment he ran it. */
static int64_t now_of(const struct json *want)
{
	return llround(json_double(json_get(json_at(want, 0), "t")) * 1e6);
}

static void senml_samples(void **state)
{
	(void)state;
	DIR *d = opendir(SAMPLES "senml");
	size_t compared = 0;
	if (!d)
		skip();
	for (struct dirent *f; (f = readdir(d));) {
		struct slice name = slice_of(f->d_name);
		if (!slice_ends(name, ".gen.resolved.json"))
			continue;
		char source[256];
		snprintf(source, sizeof source, "%.*s.json",
			 (int)(name.n - strlen(".gen.resolved.json")), f->d_name);
		auto_json struct json *want = load("senml/", f->d_name),
				      *doc = load("senml/", source);
		auto_senml struct senml pack;
		struct err e = {0};
		senml_init(&pack);
		if (senml_resolve(&pack, doc, now_of(want), &e))
			fail_msg("%s: %s", source, e.msg);
		assert_int_equal(pack.n, json_count(want));
		qsort(pack.v, pack.n, sizeof *pack.v, by_order);
		for (size_t i = 0; i < pack.n; i++)
			same_record(&pack.v[i], json_at(want, i));
		compared++;
	}
	closedir(d);
	assert_in_range(compared, 10, 100);
}

/* ---- zigbee2mqtt ---- */

static void zigbee_messages(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{"zigbee2mqtt/street/door-17",
		 "{\"contact\":false,\"battery\":88,\"linkquality\":120,\"voltage\":2985}", 0,
		 "{\"address\":\"street/door-17\",\"kind\":\"state\",\"fields\":{\"contact\":false,"
		 "\"battery_pct\":88,\"linkquality\":120,\"voltage_mv\":2985.0}}"},
		{"zigbee2mqtt/plug", "{\"voltage\":230,\"state\":\"ON\",\"temperature\":21.5}", 0,
		 "{\"address\":\"plug\",\"kind\":\"state\",\"fields\":{\"state\":\"ON\","
		 "\"temp_c\":21.5,\"voltage_mv\":230000.0}}"},
		{"zigbee2mqtt/a", "{\"color\":{\"x\":1,\"deep\":{\"y\":2}},\"list\":[1]}", 0,
		 "{\"address\":\"a\",\"kind\":\"state\",\"fields\":{\"color_x\":1}}"},
		{"zigbee2mqtt/a", "{\"smoke\":true,\"last_seen\":\"2026-11-21T21:00:00+08:00\"}", 0,
		 "{\"address\":\"a\",\"kind\":\"state\",\"at\":\"2026-11-21T13:00:00.000000Z\","
		 "\"fields\":{\"smoke\":true}}"},
		{"zigbee2mqtt/a", "{\"smoke\":true,\"last_seen\":1763758800123}", 0,
		 "{\"address\":\"a\",\"kind\":\"state\",\"at\":\"2025-11-21T21:00:00.123000Z\","
		 "\"fields\":{\"smoke\":true}}"},
		{"zigbee2mqtt/btn", "{\"action\":\"emergency\",\"battery\":9}", 0,
		 "{\"address\":\"btn\",\"kind\":\"state\",\"fields\":{\"battery_pct\":9}}\n"
		 "{\"address\":\"btn\",\"kind\":\"event\",\"fields\":{\"event\":\"emergency\","
		 "\"sos\":true}}"},
		{"zigbee2mqtt/btn", "{\"action\":\"single\"}", 0,
		 "{\"address\":\"btn\",\"kind\":\"event\",\"fields\":{\"event\":\"single\"}}"},
		{"zigbee2mqtt/btn", "{\"action\":\"\"}", 0, ""},
		{"zigbee2mqtt/a/b/availability", "online", 0,
		 "{\"address\":\"a/b\",\"kind\":\"state\",\"fields\":{\"online\":true}}"},
		{"zigbee2mqtt/a/availability", "{\"state\":\"offline\"}", 0,
		 "{\"address\":\"a\",\"kind\":\"state\",\"fields\":{\"online\":false}}"},
		{"zigbee2mqtt/a/availability", "perhaps", -EPROTO, NULL},
		{"zigbee2mqtt/a/availability", "{\"state\":1}", -EPROTO, NULL},
		{"zigbee2mqtt/a/availability", "{\"state\":", -EBADMSG, NULL},
		{"zigbee2mqtt/a/availability", "", -ENODATA, NULL},
		{"zigbee2mqtt/bridge/state", "{\"state\":\"online\"}", 0, ""},
		{"zigbee2mqtt/bridge/devices", "[not even JSON", 0, ""},
		{"zigbee2mqtt/a/set", "ON", 0, ""},
		{"zigbee2mqtt/a/b/set/state", "ON", 0, ""},
		{"zigbee2mqtt/a/get", "", 0, ""},
		{"zigbee2mqtt/set", "{\"gas\":true}", 0,
		 "{\"address\":\"set\",\"kind\":\"state\",\"fields\":{\"gas\":true}}"},
		{"zigbee2mqtt", "{}", -ENOENT, NULL},
		{"zigbee2mqtt/a", "{\"co2\":1,\"carbon_dioxide\":2}", -EEXIST, NULL},
	};
	CHECK_ALL("zigbee2mqtt", messages, false);
}

static void a_retained_action_is_stale(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{"zigbee2mqtt/btn", "{\"action\":\"emergency\",\"battery\":9}", 0,
		 "{\"address\":\"btn\",\"kind\":\"state\",\"fields\":{\"battery_pct\":9}}"},
	};
	CHECK_ALL("zigbee2mqtt", messages, true);
}

static void zigbee_samples(void **state)
{
	(void)state;
	if (access(SAMPLES "devices/zigbee2mqtt.json", R_OK))
		skip();
	auto_json struct json *doc = load("devices/", "zigbee2mqtt.json");
	auto_buf struct buf all;
	buf_init(&all, 65536);
	for (size_t i = 0; i < json_count(doc); i++) {
		struct err e;
		auto_buf struct buf payload;
		buf_init(&payload, 65536);
		json_put_value(&payload, json_get(json_at(doc, i), "payload"));
		if (decode("zigbee2mqtt", json_str(json_get(json_at(doc, i), "topic")),
			   buf_slice(&payload), json_bool(json_get(json_at(doc, i), "retain")),
			   &all, &e))
			fail_msg("sample %zu: %s", i, e.msg);
	}
	assert_string_equal(
		buf_str(&all),
		"{\"address\":\"0x00158d00018255df\",\"kind\":\"state\",\"fields\":{\"online\":"
		"false}}"
		"{\"address\":\"street/door-17\",\"kind\":\"state\",\"fields\":{\"contact\":false,"
		"\"battery_pct\":88,\"linkquality\":120,\"voltage_mv\":2985.0}}"
		"{\"address\":\"kitchen/smoke\",\"kind\":\"state\",\"fields\":{\"smoke\":true,"
		"\"battery_pct\":97,\"tamper\":false,\"battery_low\":false}}");
}

/* ---- Frigate ---- */

#define AFTER(more) "\"after\":{\"id\":\"1.2-x\",\"camera\":\"c1\",\"label\":\"person\"" more "}"

static void frigate_messages(void **state)
{
	(void)state;
	static const struct message messages[] = {
		{"frigate/available", "stopped", 0,
		 "{\"address\":\"frigate\",\"kind\":\"state\",\"fields\":{\"online\":false,"
		 "\"enabled\":true}}"},
		{"frigate/c1/status/detect", "online", 0,
		 "{\"address\":\"c1\",\"kind\":\"state\",\"fields\":{\"online\":true,"
		 "\"enabled\":true}}"},
		{"frigate/c1/status/record", "offline", 0,
		 "{\"address\":\"c1\",\"kind\":\"state\",\"fields\":{\"online_record\":false,"
		 "\"enabled_record\":true}}"},
		{"frigate/c1/status/detect", "disabled", 0,
		 "{\"address\":\"c1\",\"kind\":\"state\",\"fields\":{\"enabled\":false}}"},
		{"frigate/c1/status/detect", "ONLINE", -EPROTO, NULL},
		{"frigate/c1/status/detect", "", -ENODATA, NULL},
		{"frigate/events", "{\"type\":\"new\"," AFTER(",\"sub_label\":null") "}", 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"fields\":{\"event\":\"object\","
		 "\"label\":"
		 "\"person\",\"object_id\":\"1.2-x\"}}"},
		{"frigate/events",
		 "{\"type\":\"new\",\"before\":null," AFTER(",\"sub_label\":\"Bob\",\"has_"
							    "snapshot\":true,\"entered_zones\":["
							    "\"z1\"]") "}",
		 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"fields\":{\"event\":\"object\","
		 "\"label\":"
		 "\"person\",\"object_id\":\"1.2-x\",\"sub_label\":\"Bob\",\"zone\":\"z1\","
		 "\"zones\":\"z1\",\"snapshot\":\"/api/events/1.2-x/snapshot.jpg\"}}"},
		/* nothing new */
		{"frigate/events", "{\"type\":\"update\"," AFTER("") "}", 0, ""},
		{"frigate/events", "{\"type\":\"end\"," AFTER("") "}", 0, ""},
		{"frigate/events", "{\"type\":\"new\"," AFTER(",\"false_positive\":true") "}", 0,
		 ""},
		/* no longer a false positive; another zone */
		{"frigate/events",
		 "{\"type\":\"update\",\"before\":{\"false_positive\":true}," AFTER(
			 ",\"false_positive\":false") "}",
		 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"fields\":{\"event\":\"object\","
		 "\"label\":"
		 "\"person\",\"object_id\":\"1.2-x\"}}"},
		{"frigate/events",
		 "{\"type\":\"update\",\"before\":{\"entered_zones\":[\"a\"]}," AFTER(
			 ",\"entered_zones\":[\"a\",\"b\"]") "}",
		 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"fields\":{\"event\":\"object\","
		 "\"label\":"
		 "\"person\",\"object_id\":\"1.2-x\",\"zone\":\"b\",\"zones\":\"a,b\"}}"},
		{"frigate/events",
		 "{\"type\":\"update\",\"before\":{\"stationary\":false}," AFTER(
			 ",\"stationary\":true") "}",
		 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"fields\":{\"event\":\"object\","
		 "\"label\":"
		 "\"person\",\"stationary\":true,\"object_id\":\"1.2-x\"}}"},
		{"frigate/events", "{\"type\":\"odd\"," AFTER("") "}", -EPROTO, NULL},
		{"frigate/events", "{\"type\":\"new\"}", -EPROTO, NULL},
		{"frigate/events", "{\"type\":\"new\",\"after\":{\"label\":\"x\"}}", -EPROTO, NULL},
		{"frigate/events", "{\"type\":\"new\",\"after\":{\"camera\":\"c\",\"label\":[1]}}",
		 -EPROTO, NULL},
		{"frigate/reviews",
		 "{\"type\":\"new\",\"after\":{\"camera\":\"c1\",\"severity\":\"alert\",\"start_"
		 "time\":"
		 "1763758800.5,\"data\":{\"objects\":[\"car\"],\"zones\":[]}}}",
		 0,
		 "{\"address\":\"c1\",\"kind\":\"event\",\"at\":\"2025-11-21T21:00:00.500000Z\","
		 "\"fields\":{\"event\":\"review\",\"review_type\":\"new\",\"label\":\"car\","
		 "\"severity\":\"alert\",\"labels\":\"car\"}}"},
		{"frigate/stats", "{\"cameras\":[]}", -EPROTO, NULL},
		{"frigate/stats", "{\"cameras\":{\"c1\":{\"camera_fps\":0.0}}}", 0,
		 "{\"address\":\"c1\",\"kind\":\"tele\",\"fields\":{\"fps\":0.0}}"},
		{"frigate/c1/motion", "ON", 0, ""},
		{"frigate/c1/person/snapshot", "\xFF\xD8\xFF\xE0", 0, ""},
		{"frigate", "x", -ENOENT, NULL},
	};
	CHECK_ALL("frigate", messages, false);
}

static void frigate_samples(void **state)
{
	(void)state;
	static const struct {
		const char *file, *topic;
		size_t readings;
	} samples[] = {
		{"frigate_events_0.json", "frigate/events", 1},
		{"frigate_reviews_0.json", "frigate/reviews", 1},
		{"frigate_stats_0.json", "frigate/stats", 1},
		{"frigate_triggers_0.json", "frigate/triggers", 1},
		{"frigate_tracked_object_update_0.json", "frigate/tracked_object_update", 0},
		{"frigate_tracked_object_update_1.json", "frigate/tracked_object_update", 1},
		{"frigate_tracked_object_update_2.json", "frigate/tracked_object_update", 1},
		{"frigate_tracked_object_update_3.json", "frigate/tracked_object_update", 1},
		{"frigate_tracked_object_update_4.json", "frigate/tracked_object_update", 1},
	};
	if (access(SAMPLES "frigate", R_OK))
		skip();
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		struct err e;
		auto_json struct json *doc = load("frigate/", samples[i].file);
		auto_buf struct buf payload, lines;
		buf_init(&payload, 65536);
		buf_init(&lines, 65536);
		json_put_value(&payload, doc);
		if (decode("frigate", slice_of(samples[i].topic), buf_slice(&payload), false,
			   &lines, &e))
			fail_msg("%s: %s", samples[i].file, e.msg);
		assert_int_equal(lines.n > 0, samples[i].readings);
		known_fields(&lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_objects),
		cmocka_unit_test(own_topics),
		cmocka_unit_test(odd_topics_are_refused_by_all),
		cmocka_unit_test(retained_messages),
		cmocka_unit_test(broken_payloads_are_refused),
		cmocka_unit_test(large_and_deep_payloads_are_refused),
		cmocka_unit_test(many_fields_are_refused),
		cmocka_unit_test(huge_arrays_are_refused),
		cmocka_unit_test(senml_readings),
		cmocka_unit_test(senml_samples),
		cmocka_unit_test(zigbee_messages),
		cmocka_unit_test(a_retained_action_is_stale),
		cmocka_unit_test(zigbee_samples),
		cmocka_unit_test(frigate_messages),
		cmocka_unit_test(frigate_samples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
