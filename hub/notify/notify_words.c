#include "notify_words.h"

#define ALERT_MAX ((size_t)1024 * 1024)
#define OTHER "\"other\""

static const struct json_limits limits = {.max_bytes = ALERT_MAX, .max_depth = 32};

/* What `other` (NULL: none) has instead of v; v, if it has nothing. */
static const struct json *instead(const struct json *other, const char *const *names,
				  struct slice key, const struct json *v)
{
	for (size_t i = 0; names[i]; i++)
		if (slice_is(key, names[i]) && json_get(other, names[i]))
			return json_get(other, names[i]);
	return v;
}

static void put_members(const struct json *object, const struct json *other, bool top,
			struct buf *out)
{
	static const char *const of_alert[] = {"text", NULL};
	static const char *const of_case[] = {"title", "kind_name", "department", NULL};
	bool first = true;
	buf_putc(out, '{');
	for (void *it = json_first(object); it; it = json_next(object, it)) {
		const struct json *v =
			instead(other, top ? of_alert : of_case, json_key(it), json_val(it));
		if (top && slice_is(json_key(it), "other"))
			continue;
		buf_puts(out, first ? "" : ",");
		first = false;
		json_put_str(out, json_key(it));
		buf_putc(out, ':');
		if (top && slice_is(json_key(it), "case"))
			put_members(v, other, false, out);
		else
			json_put_value(out, v);
	}
	buf_putc(out, '}');
}

int notify_words(struct arena *mem, const char *lang, struct slice *alert)
{
	auto_json struct json *root = NULL;
	auto_buf struct buf out;
	struct err e;
	buf_init(&out, 2 * ALERT_MAX);
	if (!memmem(alert->p, alert->n, OTHER, sizeof(OTHER) - 1) ||
	    json_parse(*alert, &limits, &e, &root) || !json_get(root, "other"))
		return 0;
	const struct json *other = json_get(root, "other");
	put_members(root, slice_is(json_str(json_get(other, "lang")), lang) ? other : NULL, true,
		    &out);
	if (out.failed)
		return -ENOMEM;
	*alert = arena_copy(mem, buf_slice(&out));
	return alert->p ? 0 : -ENOMEM;
}
