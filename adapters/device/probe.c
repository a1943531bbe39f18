/*
 * What the hub's own looks at video streams say: probe/{adapter}/{address} of the camera as the
 * registry has it, whatever its own dialect is; the payload is a JSON object of `ts` (µs) and
 * fields.
 *
 * The hub writes these itself, into its spool; they come over MQTT only where ops subscribe to
 * them.
 */
#include "times.h"
#include "fields.h"
#include "list.h"

/* The address is all that is left: it may have slashes of its own. */
static int topic_parse(struct slice topic, struct slice *ret_adapter, struct slice *ret_address,
		       struct err *e)
{
	struct slice rest = topic, first, adapter;
	if (slice_cut(&rest, '/', &first) && slice_is(first, "probe") &&
	    slice_cut(&rest, '/', &adapter) && device_adapter_find(adapter) && rest.n) {
		*ret_adapter = adapter;
		*ret_address = rest;
		return 0;
	}
	return err_set(e, -ENOENT, "topic: expected probe/{adapter}/{address} of a camera");
}

static int take_ts(const struct json *v, int64_t *ret_us, struct err *e)
{
	if (v && json_kind(v) == JSON_K_INT && times_from_number((double)json_int(v), ret_us) == 0)
		return 0;
	if (v && json_kind(v) == JSON_K_STRING && times_parse(json_str(v), ret_us) == 0)
		return 0;
	return err_set(e, -EPROTO, "\"ts\": expected microseconds since 1970 or a time with zone");
}

static int probe_decode(const struct device_message *m, struct readings *out, struct err *e)
{
	static const char *const reserved[] = {"ts", NULL};
	static const struct fields_form form = {.skip = reserved, .strict = true};
	auto_json struct json *doc = NULL;
	struct slice adapter, address;
	struct reading *r = NULL;
	int rc = topic_parse(m->topic, &adapter, &address, e);
	if (!rc && m->retained)
		rc = err_set(e, -ESTALE, "a retained look is old and is not acted on");
	if (!rc)
		rc = payload_object(m, e, &doc);
	if (!rc)
		rc = fields_reading(out, address, READING_LOOK, e, &r);
	if (rc)
		return rc;
	r->class = CLASS_CAMERA;
	r->adapter = arena_copy(&out->arena, adapter);
	if (!r->adapter.p)
		return err_set(e, -ENOMEM, "the message makes more than the hub takes");
	rc = take_ts(json_get(doc, "ts"), &r->at_us, e);
	return rc ? rc : fields_put_object(out, r, doc, &form, e);
}

const struct device_adapter device_adapter_probe = {
	.name = "probe",
	.help = "probe/{adapter}/{address}: what the hub sees of a camera's stream, JSON",
	.asked = true,
	.decode = probe_decode,
};
