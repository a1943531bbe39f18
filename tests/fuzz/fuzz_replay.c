/* Any bytes as the text of a stored reading: fields or a refusal; what was taken, json agrees with.
 */
#include <assert.h>

#include "json.h"
#include "replay_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_value(const struct value *a, const struct json *b)
{
	switch (a->type) {
	case VALUE_NULL:
		assert(json_kind(b) == JSON_K_NULL);
		return;
	case VALUE_BOOL:
		assert(json_kind(b) == JSON_K_BOOL && json_bool(b) == a->b);
		return;
	case VALUE_INT:
		assert(json_kind(b) == JSON_K_INT && json_int(b) == a->i);
		return;
	case VALUE_DOUBLE:
		assert(json_is_num(b) && json_double(b) == a->d);
		return;
	case VALUE_STRING:
		assert(json_kind(b) == JSON_K_STRING && slice_eq(json_str(b), a->s));
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct field fields[READING_MAX_FIELDS];
	struct err e;
	auto_json struct json *doc = NULL;
	size_t count = 0;
	char *text = malloc(n + 1);
	assert(text);
	if (n)
		memcpy(text, data, n);
	int r = replay_fields(text, n, fields, &count);
	if (r == 0) {
		int j = json_parse((struct slice){(const char *)data, n}, &json_device_limits, &e,
				   &doc);
		/* jsonb has UTF-8 only, no name twice, and integers past 64 bits */
		assert(j == 0 || j == -EILSEQ || j == -EEXIST || j == -ERANGE);
		assert(j || json_count(doc) == count);
		for (size_t i = 0; i < count && !j; i++)
			check_value(&fields[i].v, json_get(doc, fields[i].name.p));
	} else {
		assert(r == -EBADMSG || r == -E2BIG || r == -ERANGE);
	}
	free(text);
	return 0;
}
