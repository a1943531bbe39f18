#include "cel_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define CHARS_A_STEP 16
#define HEAP_LIMIT_KIB 1024
#define REPEAT_MAX 1000 /* as RE2 */

struct cel_regex {
	pcre2_code *code;
	size_t n;
	char text[]; /* the pattern */
};

/* ---- what RE2 does not know ---- */

/* PCRE2 knows more than RE2, which is what CEL names: that is refused, lest a rule that works here
 * should not work elsewhere, and because it can be slow. What both know means the same. */
struct scan {
	char *p;
	size_t n, i;
	const char *why; /* sticky: the first fault, at `at` */
	size_t at;
};

static char ahead(const struct scan *s, size_t k)
{
	return s->i + k < s->n ? s->p[s->i + k] : '\0';
}

static void refuse(struct scan *s, const char *why)
{
	if (!s->why) {
		s->why = why;
		s->at = s->i;
	}
}

static bool one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

#define DIGITS "0123456789"
#define OCTAL "01234567"
#define HEX "0123456789abcdefABCDEF"

/* A backslash is at i. */
static void scan_escape(struct scan *s, const char *letters)
{
	char c = ahead(s, 1);
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	if (letter && !one_of(c, letters))
		refuse(s, "an escape that RE2 does not know");
	else if (one_of(c, "123456789") && !(one_of(c, OCTAL) && one_of(ahead(s, 2), OCTAL)))
		refuse(s, "RE2 has no references back to a group");
	else if (c == 'x' && ahead(s, 2) != '{' &&
		 !(one_of(ahead(s, 2), HEX) && one_of(ahead(s, 3), HEX)))
		refuse(s, "\\x takes two hexadecimal digits, or {digits}");
	else if (c == 'v') /* a vertical tab alone, where PCRE2 means more */
		s->p[s->i + 1] = '\v';
	s->i += 2;
	if (c != 'Q')
		return;
	while (s->i < s->n && !(ahead(s, 0) == '\\' && ahead(s, 1) == 'E'))
		s->i++;
	s->i += 2;
}

/* [:alpha:] inside a class: its length, 0 when the bracket is one like any other. */
static size_t named_class(struct scan *s)
{
	size_t k = 2;
	if (ahead(s, 0) != '[' || ahead(s, 1) != ':')
		return 0;
	if (one_of(ahead(s, 2), "<>"))
		refuse(s, "a class that RE2 does not know");
	while (one_of(ahead(s, k), "^abcdefghijklmnopqrstuvwxyz"))
		k++;
	return ahead(s, k) == ':' && ahead(s, k + 1) == ']' ? k + 2 : 0;
}

static void scan_class(struct scan *s)
{
	s->i += ahead(s, 1) == '^' ? 2 : 1;
	if (ahead(s, 0) == ']')
		s->i++;
	while (s->i < s->n && ahead(s, 0) != ']') {
		size_t n = named_class(s);
		if (ahead(s, 0) == '\\')
			scan_escape(s, "afnrtvxpPdDsSwW");
		else
			s->i += n ? n : 1;
	}
	s->i++;
}

/* "(" is at i: plain, (?P<name>…), (?<name>…), (?flags) or (?flags:…). */
static void scan_group(struct scan *s)
{
	static const char look[] = "RE2 does not look ahead or behind";
	static const struct {
		const char *start, *why;
	} kinds[] = {
		{"(*", "(* has no meaning in RE2"},
		{"(?=", look},
		{"(?!", look},
		{"(?<=", look},
		{"(?<!", look},
		{"(?P<", NULL},
		{"(?<", NULL},
	};
	struct slice rest = {s->p + s->i, s->n - s->i};
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (!slice_starts(rest, kinds[i].start))
			continue;
		if (kinds[i].why)
			refuse(s, kinds[i].why);
		s->i += strlen(kinds[i].start);
		return;
	}
	size_t k = 2;
	while (one_of(ahead(s, k), "imsU-"))
		k++;
	if (ahead(s, 1) != '?')
		k = 1;
	else if (!one_of(ahead(s, k), ":)"))
		refuse(s, "a kind of group that RE2 does not know");
	s->i += k;
}

/* The length of a repetition at i (*, +, ?, {n}, {n,}, {n,m}), 0: there is none. */
static size_t repetition(struct scan *s)
{
	size_t k = 1, commas = 0, count = 0;
	if (one_of(ahead(s, 0), "*+?"))
		return 1;
	if (ahead(s, 0) != '{' || !one_of(ahead(s, 1), DIGITS))
		return 0;
	for (; one_of(ahead(s, k), DIGITS ","); k++) {
		bool comma = ahead(s, k) == ',';
		commas += comma;
		count = comma ? 0
			      : MIN_OF(count * 10 + (size_t)(ahead(s, k) - '0'), REPEAT_MAX + 1);
		if (count > REPEAT_MAX)
			refuse(s, "RE2 repeats at most 1000 times");
	}
	return ahead(s, k) == '}' && commas < 2 ? k + 1 : 0;
}

static void scan_pattern(struct scan *s)
{
	while (s->i < s->n && !s->why) {
		size_t n = repetition(s);
		if (n) {
			s->i += n;
			s->i += ahead(s, 0) == '?';
			if (repetition(s))
				refuse(s, "a repetition of a repetition");
		} else if (ahead(s, 0) == '\\') {
			scan_escape(s, "AbBdDsSwWzpPQExafnrtv");
		} else if (ahead(s, 0) == '[') {
			scan_class(s);
		} else if (ahead(s, 0) == '(') {
			scan_group(s);
		} else {
			s->i++;
		}
	}
}

/* ---- compiling, matching ---- */

int cel_regex_new(struct slice pattern, size_t *ret_at, char why[static 128],
		  struct cel_regex **ret)
{
	/* As RE2, which CEL names: `$` is the end of the text, \C does not exist. */
	uint32_t options =
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
	int code = 0;
	PCRE2_SIZE at = 0;
	char copy[CEL_PATTERN_MAX];
	struct scan scan = {.p = copy, .n = pattern.n};
	if (pattern.n > CEL_PATTERN_MAX) {
		snprintf(why, 128, "a pattern of more than %d bytes", CEL_PATTERN_MAX);
		*ret_at = 0;
		return -EINVAL;
	}
	if (pattern.n)
		memcpy(copy, pattern.p, pattern.n);
	scan_pattern(&scan);
	if (scan.why) {
		snprintf(why, 128, "%s", scan.why);
		*ret_at = scan.at;
		return -EINVAL;
	}
	struct cel_regex *re = mem_new(sizeof *re + pattern.n);
	if (!re)
		return -ENOMEM;
	re->n = pattern.n;
	if (pattern.n)
		memcpy(re->text, copy, pattern.n);
	re->code = pcre2_compile((PCRE2_SPTR)copy, pattern.n, options, &code, &at, NULL);
	if (!re->code) {
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, 128);
		*ret_at = at;
		free(re);
		return -EINVAL;
	}
	*ret = re;
	return 0;
}

void cel_regex_free(struct cel_regex *re)
{
	if (!re)
		return;
	pcre2_code_free(re->code);
	free(re);
}

struct steps {
	const struct cel_regex *re;
	uint64_t taken, max;
};

/* Is the item of the pattern one like .* or a{3,}, which may run through all of the text? */
static bool is_run(const struct cel_regex *re, size_t at, size_t n)
{
	size_t end = MIN_OF(at + n + 1, re->n);
	for (size_t i = at; i < end; i++)
		if (strchr("*+}", re->text[i]))
			return true;
	return false;
}

/* Before each item of the pattern, wherever in the text it is tried. PCRE2's own limits will not
 * do: they begin anew at each place. */
static int count_step(pcre2_callout_block *at, void *ctx)
{
	struct steps *s = ctx;
	bool run = is_run(s->re, at->pattern_position, at->next_item_length);
	s->taken += 1 + (run ? (at->subject_length - at->current_position) / CHARS_A_STEP : 0);
	return s->taken > s->max ? PCRE2_ERROR_MATCHLIMIT : 0;
}

int cel_regex_match(const struct cel_regex *re, struct slice text, uint64_t max_steps,
		    uint64_t *ret_steps, bool *ret)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	struct steps steps = {.re = re, .taken = text.n / CHARS_A_STEP, .max = max_steps};
	int r = PCRE2_ERROR_NOMEMORY;
	if (limits && data) {
		pcre2_set_callout(limits, count_step, &steps);
		pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
		r = pcre2_match(re->code, (PCRE2_SPTR)(text.n ? text.p : ""), text.n, 0, 0, data,
				limits);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	*ret_steps = steps.taken;
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		return -E2BIG;
	*ret = r >= 0;
	return 0;
}
