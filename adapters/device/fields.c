#include "fields.h"

int topic_check(struct slice topic, struct err *e)
{
	bool empty = true; /* the level so far */
	for (size_t i = 0; i < topic.n; i++) {
		unsigned char c = (unsigned char)topic.p[i];
		if (c < 0x20 || c == 0x7f || c == '+' || c == '#')
			return err_set(e, -ENOENT, "topic: byte 0x%02x at %zu is not allowed", c,
				       i);
		if (c == '/' && empty)
			return err_set(e, -ENOENT, "topic: empty level at byte %zu", i);
		empty = c == '/';
	}
	if (empty)
		return err_set(e, -ENOENT, "topic: the last level is empty");
	return 0;
}

/* ---- readings and fields with a reason ---- */

static const char *why(int code)
{
	static const struct {
		int code;
		const char *text;
	} reasons[] = {
		{-EINVAL, "no letter or digit is left of its name, or the name is too long"},
		{-EEXIST, "a second field of that name"},
		{-E2BIG, "too many fields"},
		{-ERANGE, "a number that is not finite"},
		{-EILSEQ, "text that is not UTF-8 or holds a NUL"},
		{-ENOMEM, "the message makes more than the hub takes"},
	};
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].code == code)
			return reasons[i].text;
	return strerror(-code);
}

/* For messages: long names are cut. */
static struct slice cut(struct slice s)
{
	return (struct slice){s.p, MIN_OF(s.n, (size_t)80)};
}

int fields_reading(struct readings *all, struct slice address, enum reading_kind kind,
		   struct err *e, struct reading **ret)
{
	int rc = readings_add(all, address, ret);
	if (rc == -EINVAL)
		return err_set(e, rc,
			       "device address of %zu bytes: expected 1 to %d without control "
			       "characters",
			       address.n, READING_ADDRESS_MAX);
	if (rc)
		return err_set(e, rc, "more than %d readings in one message", READINGS_MAX);
	(*ret)->kind = kind;
	return 0;
}

int fields_put(struct readings *all, struct reading *r, struct slice name, struct value v,
	       struct err *e)
{
	int rc = reading_put(all, r, name, v);
	if (rc)
		return err_set(e, rc, "field \"%.*s\": %s", SL_FMT(cut(name)), why(rc));
	return 0;
}

int fields_put_json(struct readings *all, struct reading *r, struct slice name,
		    const struct json *v, struct err *e)
{
	struct value val = {.type = VALUE_NULL};
	enum json_kind kind = json_kind(v);
	switch (kind) {
	case JSON_K_NULL:
		break;
	case JSON_K_BOOL:
		val = VALUE_OF_BOOL(json_bool(v));
		break;
	case JSON_K_INT:
		val = VALUE_OF_INT(json_int(v));
		break;
	case JSON_K_DOUBLE:
		val = VALUE_OF_DOUBLE(json_double(v));
		break;
	case JSON_K_STRING:
		val = VALUE_OF_STR(json_str(v));
		break;
	case JSON_K_ARRAY:
	case JSON_K_OBJECT:
	default:
		return err_set(e, -EPROTO, "\"%.*s\": expected a single value, not an %s",
			       SL_FMT(cut(name)), json_kind_name(kind));
	}
	return fields_put(all, r, name, val, e);
}

/* ---- objects ---- */

static bool is_nested(const struct json *v)
{
	enum json_kind kind = json_kind(v);
	return kind == JSON_K_ARRAY || kind == JSON_K_OBJECT;
}

int fields_put_mapped(struct readings *all, struct reading *r, const struct json *object,
		      const struct field_map *map, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *v = json_get(object, map[i].theirs);
		if (!v || json_kind(v) == JSON_K_NULL)
			continue;
		int rc = fields_put_json(all, r, slice_of(map[i].ours), v, e);
		if (rc)
			return rc;
	}
	return 0;
}

static bool is_skipped(const struct fields_form *form, struct slice name)
{
	for (size_t i = 0; form->skip && form->skip[i]; i++)
		if (slice_is(name, form->skip[i]))
			return true;
	return false;
}

static struct slice our_name(const struct fields_form *form, struct slice name)
{
	for (size_t i = 0; i < form->nmap; i++)
		if (slice_is(name, form->map[i].theirs))
			return slice_of(form->map[i].ours);
	return name;
}

/* outer is empty for a member of the message itself. */
static int put_member(struct readings *all, struct reading *r, struct slice outer,
		      struct slice name, const struct json *v, struct err *e)
{
	if (!outer.n)
		return fields_put_json(all, r, name, v, e);
	char joined[2 * FIELD_NAME_MAX + 2];
	int n = snprintf(joined, sizeof joined, "%.*s_%.*s", SL_FMT(outer), SL_FMT(name));
	if (n < 0 || (size_t)n >= sizeof joined)
		return err_set(e, -EINVAL, "field \"%.*s\": %s", SL_FMT(cut(name)), why(-EINVAL));
	return fields_put_json(all, r, (struct slice){joined, (size_t)n}, v, e);
}

static int put_inner(struct readings *all, struct reading *r, struct slice outer,
		     const struct json *object, const struct fields_form *form, struct err *e)
{
	for (void *it = json_first(object); it; it = json_next(object, it)) {
		if (is_nested(json_val(it)) && !form->strict)
			continue;
		int rc = put_member(all, r, outer, json_key(it), json_val(it), e);
		if (rc)
			return rc;
	}
	return 0;
}

int fields_put_object(struct readings *all, struct reading *r, const struct json *object,
		      const struct fields_form *form, struct err *e)
{
	for (void *it = json_first(object); it; it = json_next(object, it)) {
		struct slice name = json_key(it);
		const struct json *v = json_val(it);
		int rc = 0;
		if (is_skipped(form, name))
			continue;
		if (json_kind(v) == JSON_K_OBJECT)
			rc = put_inner(all, r, name, v, form, e);
		else if (form->strict || !is_nested(v))
			rc = put_member(all, r, (struct slice){0}, our_name(form, name), v, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- payloads ---- */

int payload_json(const struct device_message *m, struct err *e, struct json **ret)
{
	if (!m->payload.n)
		return err_set(e, -ENODATA, "the payload is empty");
	return json_parse(m->payload, &json_device_limits, e, ret);
}

int payload_object(const struct device_message *m, struct err *e, struct json **ret)
{
	struct json *doc;
	int rc = payload_json(m, e, &doc);
	if (rc)
		return rc;
	if (json_kind(doc) != JSON_K_OBJECT) {
		rc = err_set(e, -EPROTO, "expected a JSON object, not %s",
			     json_kind_name(json_kind(doc)));
		json_free(doc);
		return rc;
	}
	*ret = doc;
	return 0;
}
