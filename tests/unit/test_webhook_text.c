/* Texts with places to fill in, and how values are made harmless. */
#include "webhook_help.h"

/* ---- templates ---- */

static void render(const char *template, const char *alert, int lang, enum webhook_style style,
		   size_t max, struct buf *out)
{
	struct err e = {0};
	struct webhook_text *t = NULL;
	auto_json struct json *a = help_json(slice_of(alert));
	struct webhook_message m = {.id = SL("msg-1"),
				    .event = SL("case.opened"),
				    .alert = a,
				    .case_url = SL("https://hub/case/7?a=b"),
				    .at_us = AT_US};
	bool body = style == WEBHOOK_BODY_PLAIN || style == WEBHOOK_BODY_JSON;
	if (template && webhook_text_parse(slice_of(template), body, &e, &t))
		fail_msg("%s: %s", template, e.msg);
	webhook_text_render(t, &m, lang, style, max, out);
	webhook_text_free(t);
}

static void places_are_filled_in(void **state)
{
	(void)state;
	static const struct {
		const char *template;
		enum webhook_style style;
		const char *want[2]; /* by language; NULL: the same */
	} cases[] = {
		{NULL,
		 WEBHOOK_PLAIN,
		 {"【重要】3号楼垃圾箱已满 91%\n网格：第一社区\n设备：3号楼垃圾箱"}},
		{"", WEBHOOK_PLAIN, {""}},
		{"{", WEBHOOK_PLAIN, {"{"}},
		{"{}{ case.id}{\"a\":1}{{{1}", WEBHOOK_PLAIN, {"{}{ case.id}{\"a\":1}{{{1}"}},
		{"{{case.id}", WEBHOOK_PLAIN, {"{case.id}"}},
		{"{{{case.id}}", WEBHOOK_PLAIN, {"{{case.id}}"}},
		{"{case.id}{grid.name}", WEBHOOK_PLAIN, {"7第一社区"}},
		{"{severity} {event} {id}",
		 WEBHOOK_PLAIN,
		 {"重要 case.opened msg-1", "high case.opened msg-1"}},
		{"{at}", WEBHOOK_PLAIN, {"2023-11-14T22:13:20.000000Z"}},
		{"{fields.fill_pct} {fields.overflow} {fields.note} {fields.none} {grid.deputy}",
		 WEBHOOK_PLAIN,
		 {"91.26 是 – – –", "91.26 yes – – –"}},
		{"{fields.fill_pct} {fields.overflow} {fields.note} {fields.none} {grid.deputy}",
		 WEBHOOK_BODY_JSON,
		 {"91.256 true   "}},
		{"[{url}]({url}) {url|url}",
		 WEBHOOK_MARKDOWN,
		 {"[https://hub/case/7?a=b](https://hub/case/7?a=b) "
		  "https%3A%2F%2Fhub%2Fcase%2F7%3Fa%3Db"}},
		{"{\"t\":{case.title|json},\"n\":{fields.none|json},\"f\":{fields|json},\"u\":{url|"
		 "json}}",
		 WEBHOOK_BODY_JSON,
		 {"{\"t\":\"3号楼垃圾箱已满 "
		  "91%\",\"n\":null,\"f\":{\"fill_pct\":91.256,\"overflow\":true,"
		  "\"note\":null},\"u\":\"https://hub/case/7?a=b\"}"}},
		{"a\n{case.title}\n{{x", WEBHOOK_BODY_PLAIN, {"a\n3号楼垃圾箱已满 91%\n{x"}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (int lang = 0; lang < 2; lang++) {
			auto_buf struct buf out;
			buf_init(&out, 4096);
			render(cases[i].template, alert_text, lang, cases[i].style, 4096, &out);
			const char *want =
				cases[i].want[lang] ? cases[i].want[lang] : cases[i].want[0];
			assert_string_equal(buf_str(&out), want);
		}
	}
}

static void faults_have_a_place(void **state)
{
	(void)state;
	static const struct {
		const char *template;
		bool body;
		const char *want;
	} cases[] = {
		{"{case.titel}", false,
		 "1:1: there is no place {case.titel} (did you mean {case.title}?)"},
		{"x\n网格 {grid.nam}", true,
		 "2:4: there is no place {grid.nam} (did you mean {grid.name}?)"},
		{"a\n\x01", false, "2:1: a control character"},
		{"{zzzzzz}", true, "1:1: there is no place {zzzzzz}"},
		{"{fields.}", true, "1:1: there is no place {fields.} (did you mean {fields}?)"},
		{"{fields.a.b}", true, "1:1: there is no place {fields.a.b}"},
		{"{text|raw}", true, "1:1: there is no |raw here, only |json and |url"},
		{"{text|json}", false, "1:1: there is no |json here, only |url"},
		{"a {text", true,
		 "1:3: \"{\" begins a place like {case.title}: a \"}\" is missing (for "
		 "\"{\" itself write \"{{\")"},
		{"a {text b}", true,
		 "1:3: \"{\" begins a place like {case.title}: a \"}\" is missing (for "
		 "\"{\" itself write \"{{\")"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = {0};
		struct webhook_text *t = NULL;
		assert_int_equal(
			webhook_text_parse(slice_of(cases[i].template), cases[i].body, &e, &t),
			-EINVAL);
		assert_string_equal(e.msg, cases[i].want);
	}
	auto_buf struct buf many;
	struct err e = {0};
	struct webhook_text *t = NULL;
	buf_init(&many, 65536);
	for (int i = 0; i < WEBHOOK_PLACES_MAX; i++)
		buf_puts(&many, "{case.id}");
	assert_int_equal(webhook_text_parse(buf_slice(&many), false, &e, &t), 0);
	webhook_text_free(t);
	for (int i = 0; i < WEBHOOK_PLACES_MAX + 2; i++)
		buf_puts(&many, "{case.id}");
	assert_int_equal(webhook_text_parse(buf_slice(&many), false, &e, &t), -EINVAL);
}

/* ---- values ---- */

static void style(enum webhook_style style, bool lines, struct slice s, struct buf *out)
{
	char unit[WEBHOOK_UNIT_MAX];
	for (size_t i = 0; i < s.n;) {
		i += webhook_style_unit(style, s, i, lines, unit);
		buf_puts(out, unit);
	}
}

static void values_lose_their_power(void **state)
{
	(void)state;
	static const struct {
		enum webhook_style style;
		bool lines;
		const char *in, *out;
	} cases[] = {
		{WEBHOOK_PLAIN, false, "3#楼 A_b\nx\ty\x7f", "3#楼 A_b x y "},
		{WEBHOOK_PLAIN, true, "a\nb\r\n", "a\nb \n"},
		{WEBHOOK_PLAIN, false, "http://x javascript:x a:/b", "http：//x javascript:x a:/b"},
		{WEBHOOK_PLAIN, false,
		 "a\xE2\x80\xAE"
		 "b\xE2\x81\xA6"
		 "c\xE2\x80\x8F"
		 "d\xE2\x80\x94",
		 "abcd—"},
		{WEBHOOK_MARKDOWN, false, "3#楼 <@all> **b** [x](y) `c` ~~d~~ a|b &lt; \\",
		 "3＃楼 ＜＠all＞ ＊＊b＊＊ ［x］(y) ｀c｀ ～～d～～ a｜b ＆lt; ＼"},
		{WEBHOOK_MARKDOWN, false, "bin_1 _i_ a_ _b", "bin_1 ＿i＿ a＿ ＿b"},
		{WEBHOOK_MARKDOWN, true, "- a\n+ b\n-5 c-d", "－ a\n＋ b\n－5 c-d"},
		{WEBHOOK_DINGTALK, true, "a\n# b", "a\n\n＃ b"},
		{WEBHOOK_DINGTALK, false, "a\n# b", "a ＃ b"},
		{WEBHOOK_SLACK, false, "<!channel> <@U1> &amp; *b* @here",
		 "&lt;!channel&gt; &lt;＠U1&gt; &amp;amp; ＊b＊ ＠here"},
		{WEBHOOK_BODY_JSON, false, "a\"b\\c\nd\x01 http://x <é>",
		 "a\\\"b\\\\c\\nd\\u0001 http://x <é>"},
		{WEBHOOK_BODY_PLAIN, false, "a\"b\nc\x01 http://x", "a\"b c  http://x"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		auto_buf struct buf out;
		buf_init(&out, 4096);
		style(cases[i].style, cases[i].lines, slice_of(cases[i].in), &out);
		assert_string_equal(buf_str(&out), cases[i].out);
	}
}

/* Cut at every length: whole characters, whole entities, never longer, the mark at the end. */
static void cuts_keep_characters_whole(void **state)
{
	(void)state;
	static const char alert[] = "{\"text\":\"é<垃>\\\"圾&𝄞箱\\n\\u0001b\"}";
	static const enum webhook_style styles[] = {WEBHOOK_SLACK, WEBHOOK_DINGTALK,
						    WEBHOOK_BODY_JSON};
	for (size_t k = 0; k < COUNT_OF(styles); k++) {
		auto_buf struct buf whole;
		buf_init(&whole, 4096);
		render("ü{text}ß", alert, 0, styles[k], 4096, &whole);
		for (size_t max = 3; max < whole.n + 8; max++) {
			auto_buf struct buf out;
			size_t bad;
			buf_init(&out, 4096);
			render("ü{text}ß", alert, 0, styles[k], max, &out);
			assert_in_range(out.n, 1, max);
			assert_true(slice_utf8_ok(buf_slice(&out), &bad));
			bool cut = slice_ends(buf_slice(&out), "…");
			assert_int_equal(cut, max < whole.n + 3);
			size_t same = out.n - (cut ? 3 : 0);
			assert_memory_equal(out.p, whole.p, same);
			struct slice rest = {whole.p + same, whole.n - same};
			assert_false(cut &&
				     (slice_starts(rest, "t;") || slice_starts(rest, "mp;") ||
				      slice_starts(rest, "0001")));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_filled_in),
		cmocka_unit_test(faults_have_a_place),
		cmocka_unit_test(values_lose_their_power),
		cmocka_unit_test(cuts_keep_characters_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
