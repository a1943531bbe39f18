#include "cel_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 20000 /* about a millisecond at worst */
#define HEAP_LIMIT_KIB 256

struct cel_regex {
	pcre2_code *code;
};

int cel_regex_new(struct slice pattern, size_t *ret_at, char why[static 128],
		  struct cel_regex **ret)
{
	/* As RE2, which CEL names: `$` is the end of the text, \C does not exist. */
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	int code = 0;
	PCRE2_SIZE at = 0;
	if (pattern.n > CEL_PATTERN_MAX) {
		snprintf(why, 128, "a pattern of more than %d bytes", CEL_PATTERN_MAX);
		*ret_at = 0;
		return -EINVAL;
	}
	struct cel_regex *re = mem_new(sizeof *re);
	if (!re)
		return -ENOMEM;
	re->code = pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n, options,
				 &code, &at, NULL);
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

int cel_regex_match(const struct cel_regex *re, struct slice text, bool *ret)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r = PCRE2_ERROR_NOMEMORY;
	if (limits && data) {
		pcre2_set_match_limit(limits, MATCH_LIMIT);
		pcre2_set_depth_limit(limits, MATCH_LIMIT);
		pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
		r = pcre2_match(re->code, (PCRE2_SPTR)(text.n ? text.p : ""), text.n, 0, 0, data,
				limits);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		return -E2BIG;
	*ret = r >= 0;
	return 0;
}
