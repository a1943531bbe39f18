#include "style.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct swap {
	char c;
	const char *to;
};

static const struct swap markdown[] = {
	{'<', "＜"}, {'>', "＞"}, {'[', "［"}, {']', "］"}, {'*', "＊"},  {'`', "｀"}, {'#', "＃"},
	{'@', "＠"}, {'~', "～"}, {'|', "｜"}, {'&', "＆"}, {'\\', "＼"}, {0, NULL}};
/* Beside Slack's, what Mattermost and others that speak the same take for markup. */
static const struct swap slack[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'*', "＊"},
				    {'`', "｀"},   {'@', "＠"},	  {'~', "～"},	  {'[', "［"},
				    {']', "］"},   {'#', "＃"},	  {'|', "｜"},	  {0, NULL}};
static const struct swap none[] = {{0, NULL}};

/* By enum webhook_style. */
static const struct {
	const struct swap *swaps;
	const char *line; /* an end of line, where lines are kept */
	bool chat;	  /* read by people in a program that makes links of addresses */
	bool markup;	  /* "_" and a dash at the begin of a line mean something */
	bool escapes;	  /* as in JSON */
} styles[] = {
	[WEBHOOK_BODY_PLAIN] = {none, "\n", false, false, false},
	[WEBHOOK_BODY_JSON] = {none, "\\n", false, false, true},
	[WEBHOOK_PLAIN] = {none, "\n", true, false, false},
	[WEBHOOK_MARKDOWN] = {markdown, "\n", true, true, false},
	[WEBHOOK_DINGTALK] = {markdown, "\n\n", true, true, false},
	[WEBHOOK_SLACK] = {slack, "\n", true, true, false},
};

size_t webhook_rune_len(struct slice s, size_t i)
{
	size_t n = 1;
	while (i + n < s.n && ((unsigned char)s.p[i + n] & 0xC0) == 0x80)
		n++;
	return n;
}

/* U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: they turn the words beside them around. */
static bool is_direction_mark(const char *p, size_t n)
{
	static const char first[] = "\xE2\x80\x8E", last[] = "\xE2\x80\x8F",
			  first2[] = "\xE2\x80\xAA", last2[] = "\xE2\x80\xAE",
			  first3[] = "\xE2\x81\xA6", last3[] = "\xE2\x81\xA9";
	if (n != 3)
		return false;
	return (memcmp(p, first, 3) >= 0 && memcmp(p, last, 3) <= 0) ||
	       (memcmp(p, first2, 3) >= 0 && memcmp(p, last2, 3) <= 0) ||
	       (memcmp(p, first3, 3) >= 0 && memcmp(p, last3, 3) <= 0);
}

static bool is_word(struct slice s, size_t i)
{
	return i < s.n && (is_letter(s.p[i]) || (s.p[i] >= '0' && s.p[i] <= '9'));
}

static void put_control(enum webhook_style style, char c, bool lines,
			char out[static WEBHOOK_UNIT_MAX])
{
	if (c == '\n' && (lines || styles[style].escapes))
		snprintf(out, WEBHOOK_UNIT_MAX, "%s", styles[style].line);
	else if (styles[style].escapes)
		snprintf(out, WEBHOOK_UNIT_MAX, "\\u%04x", (unsigned char)c);
	else
		snprintf(out, WEBHOOK_UNIT_MAX, " ");
}

/* What stands for the ASCII character s[i]; NULL: itself. */
static const char *swapped(enum webhook_style style, struct slice s, size_t i)
{
	char c = s.p[i];
	bool first = i == 0 || s.p[i - 1] == '\n';
	for (const struct swap *w = styles[style].swaps; w->c; w++)
		if (w->c == c)
			return w->to;
	if (styles[style].escapes && (c == '"' || c == '\\'))
		return c == '"' ? "\\\"" : "\\\\";
	if (styles[style].chat && c == ':' && i + 2 < s.n && s.p[i + 1] == '/' && s.p[i + 2] == '/')
		return "：";
	if (styles[style].markup && c == '_' && !(i && is_word(s, i - 1) && is_word(s, i + 1)))
		return "＿";
	if (styles[style].markup && first && (c == '-' || c == '+'))
		return c == '-' ? "－" : "＋";
	return NULL;
}

size_t webhook_style_unit(enum webhook_style style, struct slice s, size_t i, bool lines,
			  char out[static WEBHOOK_UNIT_MAX])
{
	unsigned char c = (unsigned char)s.p[i];
	size_t n = webhook_rune_len(s, i);
	if (c < 0x20 || c == 0x7F) {
		put_control(style, s.p[i], lines, out);
		return 1;
	}
	if (styles[style].chat && is_direction_mark(s.p + i, n)) {
		out[0] = 0;
		return n;
	}
	const char *to = n == 1 ? swapped(style, s, i) : NULL;
	if (to)
		snprintf(out, WEBHOOK_UNIT_MAX, "%s", to);
	else
		snprintf(out, WEBHOOK_UNIT_MAX, "%.*s",
			 (int)MIN_OF(n, (size_t)WEBHOOK_UNIT_MAX - 1), s.p + i);
	return n;
}

size_t webhook_percent_unit(struct slice s, size_t i, char out[static WEBHOOK_UNIT_MAX])
{
	static const char plain[] = "-._~";
	unsigned char c = (unsigned char)s.p[i];
	snprintf(out, WEBHOOK_UNIT_MAX, is_word(s, i) || (c && strchr(plain, c)) ? "%c" : "%%%02X",
		 c);
	return 1;
}
