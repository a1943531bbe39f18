/*
 * The hub's own dialect: city/v1/{tenant}/{grid}/{class}/{device}/{state|tele|event}, payload a
 * JSON object or SenML (a JSON array).
 *
 * Of an object, `ts` is the device's time and `seq` its sequence number; all other members are
 * fields. Arrays and objects in objects are refused: whoever writes this dialect can mend it, and a
 * part left out in silence would be looked for in vain.
 */
#include "times.h"
#include "fields.h"
#include "list.h"
#include "senml.h"

struct hub_topic {
	struct slice grid, device;
	enum device_class class;
	enum reading_kind kind;
};

enum {
	LEVEL_CITY,
	LEVEL_V1,
	LEVEL_TENANT,
	LEVEL_GRID,
	LEVEL_CLASS,
	LEVEL_DEVICE,
	LEVEL_KIND,
	LEVELS
};

static int kind_parse(struct slice s, enum reading_kind *ret)
{
	for (size_t i = 0; i <= READING_EVENT; i++) { /* no device looks at itself */
		if (slice_is(s, reading_kind_names[i])) {
			*ret = (enum reading_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int topic_parse(struct slice topic, struct hub_topic *ret, struct err *e)
{
	struct slice level[LEVELS] = {0}, part;
	size_t n = 0;
	int rc = topic_check(topic, e);
	if (rc)
		return rc;
	while (slice_cut(&topic, '/', &part)) {
		if (n < LEVELS)
			level[n] = part;
		n++;
	}
	if (n != LEVELS || !slice_is(level[LEVEL_CITY], "city") || !slice_is(level[LEVEL_V1], "v1"))
		return err_set(e, -ENOENT,
			       "topic: expected city/v1/{tenant}/{grid}/{class}/{device}/"
			       "{state|tele|event}");
	*ret = (struct hub_topic){.grid = level[LEVEL_GRID], .device = level[LEVEL_DEVICE]};
	if (device_class_parse(level[LEVEL_CLASS], &ret->class) || ret->class == CLASS_UNKNOWN)
		return err_set(e, -ENOENT, "topic: class \"%.*s\": expected camera, sensor or bin",
			       SL_FMT(level[LEVEL_CLASS]));
	if (kind_parse(level[LEVEL_KIND], &ret->kind))
		return err_set(e, -ENOENT, "topic: \"%.*s\": expected state, tele or event",
			       SL_FMT(level[LEVEL_KIND]));
	return 0;
}

/* A clock that was never set counts from zero: a time that nobody believes, and no reason to lose
 * what the device says. */
#define UNSET_BELOW_S 1e9

static int take_ts(const struct json *v, int64_t *ret_us, struct err *e)
{
	if (!v || json_kind(v) == JSON_K_NULL) {
		*ret_us = 0;
		return 0;
	}
	if (json_kind(v) == JSON_K_STRING && times_parse(json_str(v), ret_us) == 0) {
		*ret_us += *ret_us == 0; /* 0 would say that it sent none */
		return 0;
	}
	if (json_is_num(v) && times_from_number(json_double(v), ret_us) == 0)
		return 0;
	if (json_is_num(v) && json_double(v) >= 0 && json_double(v) < UNSET_BELOW_S) {
		*ret_us = MAX_OF((int64_t)(json_double(v) * 1e6), INT64_C(1));
		return 0;
	}
	return err_set(
		e, -EPROTO,
		"\"ts\": expected a time with zone such as \"2026-11-21T21:00:00+08:00\", or "
		"seconds or milliseconds since 1970");
}

static int take_seq(const struct json *v, struct reading *r, struct err *e)
{
	if (!v || json_kind(v) == JSON_K_NULL)
		return 0;
	if (json_kind(v) != JSON_K_INT)
		return err_set(e, -EPROTO, "\"seq\": expected an integer, not %s",
			       json_kind_name(json_kind(v)));
	r->has_seq = true;
	r->seq = json_int(v);
	return 0;
}

static int add(const struct hub_topic *t, struct readings *out, struct err *e, struct reading **ret)
{
	int rc = fields_reading(out, t->device, t->kind, e, ret);
	if (rc)
		return rc;
	(*ret)->class = t->class;
	(*ret)->grid = arena_copy(&out->arena, t->grid);
	return (*ret)->grid.p ? 0
			      : err_set(e, -ENOMEM, "the message makes more than the hub takes");
}

static int decode_object(const struct hub_topic *t, const struct json *doc, struct readings *out,
			 struct err *e)
{
	static const char *const reserved[] = {"ts", "seq", NULL};
	static const struct fields_form form = {.skip = reserved, .strict = true};
	struct reading *r;
	int rc = add(t, out, e, &r);
	if (!rc)
		rc = take_ts(json_get(doc, "ts"), &r->at_us, e);
	if (!rc)
		rc = take_seq(json_get(doc, "seq"), r, e);
	return rc ? rc : fields_put_object(out, r, doc, &form, e);
}

static int decode_senml(const struct hub_topic *t, const struct json *doc, int64_t recv_us,
			struct readings *out, struct err *e)
{
	auto_senml struct senml pack;
	senml_init(&pack);
	int rc = senml_resolve(&pack, doc, recv_us, e);
	if (rc)
		return rc;
	struct reading *r = NULL;
	for (size_t i = 0; i < pack.n; i++) {
		const struct senml_record *rec = &pack.v[i];
		if (!r || rec->at_us != pack.v[i - 1].at_us) {
			rc = add(t, out, e, &r);
			if (rc)
				return rc;
			r->at_us = rec->timed ? rec->at_us : 0;
		}
		rc = senml_put(rec, out, r, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int hub_decode(const struct device_message *m, struct readings *out, struct err *e)
{
	struct hub_topic t;
	int rc = topic_parse(m->topic, &t, e);
	if (rc)
		return rc;
	if (m->retained && t.kind != READING_STATE)
		return err_set(e, -ESTALE, "a retained %s is old and is not acted on",
			       reading_kind_names[t.kind]);
	auto_json struct json *doc = NULL;
	rc = payload_json(m, e, &doc);
	if (rc)
		return rc;
	switch (json_kind(doc)) {
	case JSON_K_OBJECT:
		return decode_object(&t, doc, out, e);
	case JSON_K_ARRAY:
		return decode_senml(&t, doc, m->recv_us, out, e);
	case JSON_K_NULL:
	case JSON_K_BOOL:
	case JSON_K_INT:
	case JSON_K_DOUBLE:
	case JSON_K_STRING:
	default:
		return err_set(e, -EPROTO, "expected a JSON object or a SenML array, not %s",
			       json_kind_name(json_kind(doc)));
	}
}

const struct device_adapter device_adapter_hub = {
	.name = "hub",
	.help = "the hub's own: city/v1/{tenant}/{grid}/{class}/{device}/{state|tele|event}, JSON "
		"or "
		"SenML",
	.own_topics = "city/v1/+/+/{class}/{address}/+", /* the registry says in which grid it is */
	.decode = hub_decode,
};
