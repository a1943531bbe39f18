/* look_url: what is taken, what is refused, what is shown; no part of a password gets out. */
#include "look_url.h"

#include <setjmp.h>
#include <cmocka.h>

struct good {
	const char *url, *user, *password, *host;
	int port;
	const char *path;
};

static void test_takes(void **state)
{
	static const struct good all[] = {
		{"rtsp://10.0.0.1/ch1", "", "", "10.0.0.1", 554, "/ch1"},
		{"RTSP://cam-7.example/ch1?x=1", "", "", "cam-7.example", 554, "/ch1?x=1"},
		{"rtsps://cam/", "", "", "cam", 322, "/"},
		{"rtmp://h:1936/live/x", "", "", "h", 1936, "/live/x"},
		{"http://h/a.flv", "", "", "h", 80, "/a.flv"},
		{"https://h:8443/a.M3U8?token=1", "", "", "h", 8443, "/a.M3U8?token=1"},
		{"rtsp://h", "", "", "h", 554, "/"},
		{"rtsp://h?x", "", "", "h", 554, "/?x"},
		{"rtsp://[::1]/x", "", "", "::1", 554, "/x"},
		{"rtsp://a:b@[2001:db8::7]:8554/x", "a", "b", "2001:db8::7", 8554, "/x"},
		{"rtsp://admin:p@ss@h/x", "admin", "p@ss", "h", 554, "/x"},
		{"rtsp://admin:p:s@h/x", "admin", "p:s", "h", 554, "/x"},
		{"rtsp://admin:p%40%2F%3a%23s@h/x", "admin", "p@/:#s", "h", 554, "/x"},
		{"rtsp://admin:100%@h/x", "admin", "100%", "h", 554, "/x"},
		{"rtsp://admin:%zz@h/x", "admin", "%zz", "h", 554, "/x"},
		{"rtsp://admin:a b@h/x", "admin", "a b", "h", 554, "/x"},
		{"rtsp://管理员:密码@h/x", "管理员", "密码", "h", 554, "/x"},
		{"rtsp://%E7%AE%A1:x@h/x", "管", "x", "h", 554, "/x"},
		{"rtsp://admin:@h/x", "admin", "", "h", 554, "/x"},
		{"rtsp://admin@h/x", "admin", "", "h", 554, "/x"},
		{"rtsp://h/cam@main", "", "", "h", 554, "/cam@main"},
		{"rtsp://[::1]:554/cam@main", "", "", "::1", 554, "/cam@main"},
		{"rtsp://h/a b/通道", "", "", "h", 554, "/a%20b/%E9%80%9A%E9%81%93"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct look_url u;
		struct err e = {0};
		if (look_url_parse(all[i].url, &u, &e))
			fail_msg("%s: %s", all[i].url, e.msg);
		assert_string_equal(u.user, all[i].user);
		assert_string_equal(u.password, all[i].password);
		assert_string_equal(u.host, all[i].host);
		assert_int_equal(u.port, all[i].port);
		assert_string_equal(u.path, all[i].path);
		assert_int_equal(u.login, all[i].user[0] != 0);
	}
}

static void test_kinds(void **state)
{
	static const struct {
		const char *url;
		enum look_kind kind;
		bool tls;
	} all[] = {{"rtsp://h/x", LOOK_RTSP, false},
		   {"rtsps://h/x", LOOK_RTSP, true},
		   {"http://h/x.flv", LOOK_FLV, false},
		   {"https://h/x.flv?a.m3u8", LOOK_FLV, true},
		   {"http://h/x.m3u8", LOOK_HLS, false},
		   {"rtmp://h/a/b", LOOK_RTMP, false},
		   {"https://h/x.m3u8?k=.flv", LOOK_HLS, true}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct look_url u;
		assert_int_equal(look_url_parse(all[i].url, &u, NULL), 0);
		assert_int_equal(u.kind, all[i].kind);
		assert_int_equal(u.tls, all[i].tls);
	}
}

/* Each with what its message must name; none may show "geheim". */
static void test_refuses(void **state)
{
	static const struct {
		const char *url, *says;
	} all[] = {
		{"", "not a stream"},
		{"/etc/passwd", "not a stream"},
		{"file:///etc/passwd", "not a stream"},
		{"concat:/etc/passwd|x", "not a stream"},
		{"subfile,,start,0,end,9,,:/etc/passwd", "not a stream"},
		{"hls+http://h/x.m3u8", "not a stream"},
		{"hls+file:///etc/x.m3u8", "not a stream"},
		{"rtmpt://h/a/b", "not a stream"},
		{"udp://239.0.0.1:1234", "not a stream"},
		{"rtsp:10.0.0.1/x", "expected rtsp://"},
		{"rtsp:///x", "no host"},
		{"rtsp://h:0/x", "no host"},
		{"rtsp://h:65536/x", "no host"},
		{"rtsp://h:+5/x", "no host"},
		{"rtsp://[::1/x", "no host"},
		{"rtsp://[::1]x/x", "no host"},
		{"rtsp://[fe80::1%25eth0]/x", "no host"},
		{"rtsp://-oProxy/x", "no host"},
		{"rtsp://h,tcp/x", "no host"},
		{"http://h/x", ".flv or .m3u8"},
		{"http://h/", ".flv or .m3u8"},
		{"http://h/x.mp4?x.flv", ".flv or .m3u8"},
		{"rtsp://h/x#y", "%23"},
		{"rtsp://admin:geheim/1@10.0.0.1/x", "%2F"},
		{"rtsp://admin:12/geheim@10.0.0.1/x", "%2F"},
		{"rtsp://admin:12/geheim@h/x", "%2F"},
		{"rtsp://admin:geheim?1@10.0.0.1/x", "%3F"},
		{"rtsp://admin:geheim#1@10.0.0.1/x", "%23"},
		{"rtsp://admin:p@geheim/1@10.0.0.1/x", "%40"},
		{"rtsp://admin:geheim%41%@10.0.0.1/x", "%25"},
		{"rtsp://admin:geheim%0d%0aX:1@10.0.0.1/x", "control"},
		{"rtsp://admin:geheim\r\n@10.0.0.1/x", "control"},
		{"rtsp://admin:geheim%00@10.0.0.1/x", "control"},
		{"rtsp://admin:geheim%ff@10.0.0.1/x", "UTF-8"},
		{"rtsp://a%3Ab:geheim@10.0.0.1/x", "':'"},
		{"rtsp://:geheim@10.0.0.1/x", "without a user"},
		{"rtsp://\xff/x", "UTF-8"},
		{"rtmp://a:geheim%2f@h/a/b", "RTMP"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct err e = {0};
		if (look_url_check(all[i].url, &e) != -EINVAL)
			fail_msg("taken: %s", all[i].url);
		if (!strstr(e.msg, all[i].says))
			fail_msg("%s: \"%s\" does not name %s", all[i].url, e.msg, all[i].says);
		if (strstr(e.msg, "geheim"))
			fail_msg("a password in: %s", e.msg);
	}
}

static void test_lengths(void **state)
{
	char url[10241] = "rtsp://h/";
	char login[600] = "rtsp://u:";
	struct err e = {0};
	(void)state;
	memset(url + 9, 'a', sizeof url - 10);
	assert_int_equal(look_url_check(url, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "10240 bytes"));
	url[PROBE_URL_MAX] = 0;
	assert_int_equal(look_url_check(url, &e), 0);
	memset(login + 9, 'p', LOOK_NAME_MAX - 1);
	memcpy(login + 9 + LOOK_NAME_MAX - 1, "@h/x", 5);
	assert_int_equal(look_url_check(login, &e), 0);
	memset(login + 9, 'p', LOOK_NAME_MAX);
	memcpy(login + 9 + LOOK_NAME_MAX, "@h/x", 5);
	assert_int_equal(look_url_check(login, &e), -EINVAL);
	assert_null(strstr(e.msg, "ppp"));
}

static void shows(const char *url, const char *text)
{
	auto_buf struct buf out;
	buf_init(&out, 8192);
	look_url_public(url, &out);
	assert_string_equal(buf_str(&out), text);
}

static void test_public(void **state)
{
	(void)state;
	shows("rtsp://admin:geheim@h/x", "rtsp://h/x");
	shows("rtsp://admin:p@geheim@h:8554/x?a=1", "rtsp://h:8554/x?a=1");
	shows("rtsps://a:b@[::1]:322/x", "rtsps://[::1]/x");
	shows("http://h/x.flv?token=geheim&b=2", "http://h/x.flv?token=***&b=2");
	shows("rtsp://h/?username=geheim&password=geheim", "rtsp://h/?username=***&password=***");
	shows("rtsp://h/user=a_password=geheim_channel=1.sdp", "rtsp://h/user=***");
	shows("rtsp://admin:geheim/1@10.0.0.1/x", "rtsp://10.0.0.1/x");
	shows("rtsp://admin:12/geheim@h/x", "rtsp://h/x");
	shows("xyz://admin:geheim@h/x", "h/x");
	shows("rtsp://h/\nX", "rtsp://h/?X");
	shows("", "");
}

static void joins(const char *base, const char *ref, const char *bare, const char *user)
{
	struct look_url b, u;
	struct err e = {0};
	auto_buf struct buf out;
	buf_init(&out, 8192);
	assert_int_equal(look_url_parse(base, &b, &e), 0);
	int r = look_url_join(&b, slice_of(ref), &u, &e);
	if (!bare) {
		assert_int_equal(r, -EINVAL);
		return;
	}
	assert_int_equal(r, 0);
	look_url_bare(&u, &out);
	assert_string_equal(buf_str(&out), bare);
	assert_string_equal(u.user, user);
}

/* The password goes to the very server it is for, and nowhere else. */
static void test_join(void **state)
{
	static const char base[] = "http://a:b@h:81/live/x.m3u8?t=1";
	(void)state;
	joins(base, "1.ts", "http://h:81/live/1.ts", "a");
	joins(base, "/1.ts?x=2", "http://h:81/1.ts?x=2", "a");
	joins(base, "http://h:81/1.ts", "http://h:81/1.ts", "a");
	joins(base, "http://H:81/1.ts", "http://H:81/1.ts", "a");
	joins(base, "http://h/1.ts", "http://h/1.ts", "");
	joins(base, "https://h:81/1.ts", "https://h:81/1.ts", "");
	joins(base, "//evil/1.ts", "http://evil/1.ts", "");
	joins(base, "http://evil:81/1.ts", "http://evil:81/1.ts", "");
	joins(base, "http://x:y@evil/1.ts", "http://evil/1.ts", "x");
	joins(base, "file:///etc/passwd", NULL, NULL);
	joins(base, "rtsp://h/x", NULL, NULL);
	joins(base, "data:text/plain,x", NULL, NULL);
	joins(base, "a\rb", NULL, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes),	cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_refuses), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_public),	cmocka_unit_test(test_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
