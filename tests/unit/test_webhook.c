/* The webhook adapters against published signatures and the tables of what answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/webhook/adapter.h"
#include "crypto.h"
#include "times.h"

#define VECTORS "../shared/samples/webhooks/signature-vectors.json"
#define SECRET_A "whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ=="
#define SECRET_B "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = 16};

static struct json *parsed(struct slice text)
{
	struct err e = {0};
	struct json *v = NULL;
	assert_int_equal(json_parse(text, &limits, &e, &v), 0);
	return v;
}

static const struct webhook_adapter *standard(void)
{
	const struct webhook_adapter *a = webhook_adapter_find(SL("standard"));
	assert_non_null(a);
	return a;
}

/* The value of a header in "Name: value\n" lines. */
static struct slice header(const struct webhook_request *r, const char *name)
{
	struct slice rest = buf_slice(&r->headers), line, key;
	while (slice_cut(&rest, '\n', &line)) {
		if (slice_cut(&line, ':', &key) && slice_is(key, name))
			return slice_trim(line);
	}
	return (struct slice){0};
}

static void assert_slice(struct slice s, const char *want)
{
	if (!slice_is(s, want))
		fail_msg("\"%.*s\" where \"%s\" was expected", SL_FMT(s), want);
}

/* HMAC-SHA256 over id.timestamp.body, by the key that a secret holds: what a receiver computes. */
static void sign(const char *secret, struct slice text, struct buf *out)
{
	unsigned char mac[CRYPTO_SHA256_BYTES];
	auto_buf struct buf key;
	buf_init(&key, 64);
	assert_int_equal(base64_decode(slice_of(secret + strlen("whsec_")), &key), 0);
	assert_int_equal(crypto_hmac_sha256(buf_slice(&key), text, mac), 0);
	buf_puts(out, "v1,");
	base64_put(out, (struct slice){(const char *)mac, sizeof mac});
}

static void test_published_vector(void **state)
{
	(void)state;
	struct err e = {0};
	auto_free char *file = NULL;
	size_t n;
	if (file_read(VECTORS, 1 << 16, &file, &n, &e))
		skip();
	auto_json struct json *root = parsed((struct slice){file, n});
	const struct json *v = json_get(root, "standard_webhooks");
	auto_buf struct buf text, got;
	buf_init(&text, 4096);
	buf_init(&got, 4096);
	buf_printf(&text, "%.*s.%lld.%.*s", SL_FMT(json_str(json_get(v, "webhook-id"))),
		   (long long)json_int(json_get(v, "webhook-timestamp")),
		   SL_FMT(json_str(json_get(v, "body"))));
	sign(json_str(json_get(v, "secret")).p, buf_slice(&text), &got);
	assert_slice(buf_slice(&got), json_str(json_get(v, "webhook-signature")).p);
}

/* RFC 4231, test cases 1, 2 and 6. */
static void test_hmac(void **state)
{
	(void)state;
	static const char key1[] =
		"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		"\x0b\x0b\x0b\x0b";
	char key6[131];
	memset(key6, 0xaa, sizeof key6);
	const struct {
		struct slice key, text;
		const char *hex;
	} cases[] = {
		{SL(key1), SL("Hi There"),
		 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{SL("Jefe"), SL("what do ya want for nothing?"),
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{{key6, sizeof key6},
		 SL("Test Using Larger Than Block-Size Key - Hash Key First"),
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		unsigned char mac[CRYPTO_SHA256_BYTES];
		char hex[2 * CRYPTO_SHA256_BYTES + 1];
		assert_int_equal(crypto_hmac_sha256(cases[i].key, cases[i].text, mac), 0);
		for (size_t k = 0; k < sizeof mac; k++)
			snprintf(hex + 2 * k, 3, "%02x", mac[k]);
		assert_string_equal(hex, cases[i].hex);
	}
}

static void test_base64(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"", ""},	 {"f", "Zg=="},	       {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Zg=",  "Z",	  "Zm9v=", "Zm 9v", "Zm-v",
					  "====", "Zh==", "Zm9vY", "Z=g=",  "Zm9v\n"};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		auto_buf struct buf enc, dec;
		buf_init(&enc, 64);
		buf_init(&dec, 64);
		base64_put(&enc, slice_of(pairs[i][0]));
		assert_string_equal(buf_str(&enc), pairs[i][1]);
		assert_int_equal(base64_decode(slice_of(pairs[i][1]), &dec), 0);
		assert_string_equal(buf_str(&dec), pairs[i][0]);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		auto_buf struct buf dec;
		buf_init(&dec, 64);
		if (base64_decode(slice_of(bad[i]), &dec) != -EINVAL)
			fail_msg("\"%s\" was taken for base64", bad[i]);
	}
}

static void compose(const struct webhook_target *t, struct slice alert_text, int64_t now_us,
		    struct webhook_request *r)
{
	struct err e = {0};
	auto_json struct json *alert = parsed(alert_text);
	struct webhook_message m = {.id = SL("7b0c2f6e-0000-4000-8000-000000000001"),
				    .event = SL("case.opened"),
				    .alert = alert,
				    .case_url = SL("https://hub/case/7"),
				    .at_us = INT64_C(1700000000000000),
				    .now_us = now_us};
	webhook_request_init(r);
	int rc = standard()->compose(t, &m, r, &e);
	if (rc)
		fail_msg("compose: %d %s", rc, e.msg);
}

static void test_request(void **state)
{
	(void)state;
	struct webhook_target t = {.url = SL("https://leader.example/hook"),
				   .secret = {SL(SECRET_A), SL(SECRET_B)},
				   .nsecrets = 2};
	struct webhook_request r;
	compose(&t, SL("{\"case\":{\"id\":7},\"text\":\"垃圾满溢\"}"), INT64_C(1700000009900000),
		&r);
	assert_string_equal(buf_str(&r.url), "https://leader.example/hook");
	assert_string_equal(
		buf_str(&r.body),
		"{\"type\":\"case.opened\",\"timestamp\":\"2023-11-14T22:13:20.000000Z\",\"data\":"
		"{\"case\":{\"id\":7},\"text\":\"垃圾满溢\",\"url\":\"https://hub/case/7\"}}");
	assert_slice(header(&r, "webhook-id"), "7b0c2f6e-0000-4000-8000-000000000001");
	assert_slice(header(&r, "webhook-timestamp"), "1700000009");
	assert_slice(header(&r, "Content-Type"), "application/json");
	auto_buf struct buf text, want;
	buf_init(&text, 4096);
	buf_init(&want, 4096);
	buf_printf(&text, "7b0c2f6e-0000-4000-8000-000000000001.1700000009.%s", buf_str(&r.body));
	sign(SECRET_A, buf_slice(&text), &want);
	buf_putc(&want, ' ');
	sign(SECRET_B, buf_slice(&text), &want);
	assert_slice(header(&r, "webhook-signature"), buf_str(&want));
	webhook_request_done(&r);
}

/* An alert that is too large loses its fields and the ends of its texts, and says so. */
static void test_large_alert_is_cut(void **state)
{
	(void)state;
	struct webhook_target t = {
		.url = SL("https://x/"), .secret = {SL(SECRET_A)}, .nsecrets = 1};
	auto_buf struct buf alert;
	struct webhook_request r;
	buf_init(&alert, 1 << 20);
	buf_puts(&alert, "{\"case\":{\"id\":7,\"title\":\"");
	for (int i = 0; i < 10000; i++)
		buf_puts(&alert, "满");
	buf_puts(&alert, "\"},\"fields\":{\"a\":\"b\"},\"text\":\"short\"}");
	compose(&t, buf_slice(&alert), 0, &r);
	assert_true(r.body.n < 20000);
	auto_json struct json *body = parsed(buf_slice(&r.body));
	const struct json *data = json_get(body, "data");
	assert_true(json_bool(json_get(data, "cut")));
	assert_null(json_get(data, "fields"));
	assert_slice(json_str(json_get(data, "text")), "short");
	size_t n = json_str(json_get(json_get(data, "case"), "title")).n;
	assert_int_equal(n, 1023); /* the most whole characters in 1024 bytes */
	webhook_request_done(&r);
}

static void test_alert_that_cannot_be_cut(void **state)
{
	(void)state;
	struct err e = {0};
	auto_buf struct buf text;
	buf_init(&text, 1 << 20);
	buf_puts(&text, "{\"list\":[0");
	for (int i = 0; i < 20000; i++)
		buf_puts(&text, ",1");
	buf_puts(&text, "]}");
	auto_json struct json *alert = parsed(buf_slice(&text));
	struct webhook_target t = {
		.url = SL("https://x/"), .secret = {SL(SECRET_A)}, .nsecrets = 1};
	struct webhook_message m = {.id = SL("i"), .event = SL("case.opened"), .alert = alert};
	struct webhook_request r;
	webhook_request_init(&r);
	assert_int_equal(standard()->compose(&t, &m, &r, &e), -EMSGSIZE);
	webhook_request_done(&r);
}

static void test_secrets(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",					      /* nothing */
		"YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ==",	      /* no prefix */
		"whsec_",				      /* no key */
		"whsec_c2hvcnQ=",			      /* too short */
		"whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzQ*==", /* no base64 */
	};
	struct err e = {0};
	struct webhook_target t = {.url = SL("https://x/"), .nsecrets = 1};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		t.secret[0] = slice_of(bad[i]);
		if (standard()->check(&t, &e) != -EINVAL)
			fail_msg("\"%s\" was taken for a secret", bad[i]);
		assert_null(strlen(bad[i]) > 6 ? strstr(e.msg, bad[i]) : NULL); /* never quoted */
	}
	t.secret[0] = SL(SECRET_A);
	assert_int_equal(standard()->check(&t, &e), 0);
	t.nsecrets = 0;
	assert_int_equal(standard()->check(&t, &e), -EINVAL);
}

static void test_classify(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum webhook_verdict want;
	} cases[] = {
		{200, WEBHOOK_ACCEPTED}, {201, WEBHOOK_ACCEPTED}, {204, WEBHOOK_ACCEPTED},
		{299, WEBHOOK_ACCEPTED}, {301, WEBHOOK_RETRY},	  {302, WEBHOOK_RETRY},
		{307, WEBHOOK_RETRY},	 {304, WEBHOOK_RETRY},	  {400, WEBHOOK_FINAL},
		{401, WEBHOOK_FINAL},	 {403, WEBHOOK_FINAL},	  {404, WEBHOOK_FINAL},
		{408, WEBHOOK_RETRY},	 {409, WEBHOOK_FINAL},	  {410, WEBHOOK_DISABLE},
		{413, WEBHOOK_FINAL},	 {425, WEBHOOK_RETRY},	  {429, WEBHOOK_RETRY},
		{499, WEBHOOK_FINAL},	 {500, WEBHOOK_RETRY},	  {502, WEBHOOK_RETRY},
		{503, WEBHOOK_RETRY},	 {504, WEBHOOK_RETRY},	  {599, WEBHOOK_RETRY},
		{600, WEBHOOK_RETRY},	 {999, WEBHOOK_RETRY},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct webhook_answer a = {0};
		enum webhook_verdict v = standard()->classify(cases[i].status, SL("{}"), &a);
		if (v != cases[i].want || !a.why || !a.why[0])
			fail_msg("%d: %s", cases[i].status, webhook_verdict_names[v]);
	}
}

static void test_adapter_names(void **state)
{
	(void)state;
	assert_null(webhook_adapter_find(SL("no such")));
	assert_null(webhook_adapter_find((struct slice){0}));
	for (size_t i = 0; webhook_adapters[i]; i++)
		assert_ptr_equal(webhook_adapter_find(slice_of(webhook_adapters[i]->name)),
				 webhook_adapters[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vector),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_large_alert_is_cut),
		cmocka_unit_test(test_alert_that_cannot_be_cut),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_adapter_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
