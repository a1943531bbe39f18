/*
 * Frigate: {prefix}/available, {prefix}/{camera}/status/{role}, events, reviews, stats,
 * tracked_object_update, triggers. A camera's name is its address; the server's is the prefix
 * (`frigate` as shipped).
 *
 * An object is told of once, when it is new or no longer a false positive, and again when it enters
 * a zone, is recognised or comes to rest: `before` and `after` in each message say so, no memory is
 * needed. All
 * other topics (snapshots, motion, counts) are understood and ignored.
 */
#include "times.h"
#include "fields.h"
#include "list.h"

/* ---- what several messages share ---- */

static int camera_reading(const struct json *o, enum reading_kind kind, struct readings *out,
			  struct err *e, struct reading **ret)
{
	struct slice camera = json_str(json_get(o, "camera"));
	if (!camera.n)
		return err_set(e, -EPROTO, "\"camera\": expected a name");
	return fields_reading(out, camera, kind, e, ret);
}

static void take_time(const struct json *v, struct reading *r)
{
	if (times_from_number(json_double(v), &r->at_us))
		r->at_us = 0; /* no time that can be one: that of arrival stands */
}

static int put_text(struct readings *out, struct reading *r, const char *name, struct slice s,
		    struct err *e)
{
	return s.n ? fields_put(out, r, slice_of(name), VALUE_OF_STR(s), e) : 0;
}

/* null, a string, or [string, score] */
static struct slice sub_label_text(const struct json *v)
{
	if (v && json_kind(v) == JSON_K_ARRAY)
		v = json_at(v, 0);
	return json_str(v);
}

/* The strings of an array, joined by commas. */
static int put_list(struct readings *out, struct reading *r, const char *name,
		    const struct json *list, struct err *e)
{
	auto_buf struct buf b;
	buf_init(&b, 4096);
	for (size_t i = 0; i < json_count(list); i++) {
		if (b.n)
			buf_putc(&b, ',');
		buf_put_slice(&b, json_str(json_at(list, i)));
	}
	if (b.failed)
		return err_set(e, -E2BIG, "\"%s\": a list of more than 4096 bytes", name);
	return put_text(out, r, name, buf_slice(&b), e);
}

static struct slice last_of(const struct json *list)
{
	size_t n = json_count(list);
	return n ? json_str(json_at(list, n - 1)) : (struct slice){0};
}

/* ---- {prefix}/available and {prefix}/{camera}/status/{role} ---- */

static const struct status {
	const char *text;
	bool online, enabled;
} statuses[] = {
	{"online", true, true},
	{"offline", false, true},
	{"stopped", false, true},
	{"disabled", false, false}, /* by a person: not a failure */
};

static const struct status *status_find(struct slice s)
{
	for (size_t i = 0; i < COUNT_OF(statuses); i++)
		if (slice_is(s, statuses[i].text))
			return &statuses[i];
	return NULL;
}

static int put_role(struct readings *out, struct reading *r, const char *field, struct slice role,
		    bool v, struct err *e)
{
	char name[2 * FIELD_NAME_MAX];
	snprintf(name, sizeof name, "%s%s%.*s", field, role.n ? "_" : "",
		 (int)MIN_OF(role.n, sizeof name / 2), role.p ? role.p : "");
	return fields_put(out, r, slice_of(name), VALUE_OF_BOOL(v), e);
}

/* role: empty for the one that tells whether the camera as such works. */
static int decode_status(const struct device_message *m, struct slice address, struct slice role,
			 struct readings *out, struct err *e)
{
	struct reading *r;
	const struct status *s = status_find(slice_trim(m->payload));
	if (!s)
		return err_set(e, m->payload.n ? -EPROTO : -ENODATA,
			       "status: expected online, offline, stopped or disabled");
	int rc = fields_reading(out, address, READING_STATE, e, &r);
	if (!rc && s->enabled)
		rc = put_role(out, r, "online", role, s->online, e);
	if (!rc)
		rc = put_role(out, r, "enabled", role, s->enabled, e);
	return rc;
}

/* ---- events ---- */

static const struct field_map event_fields[] = {
	{"label", "label"},
	{"top_score", "score"},
	{"stationary", "stationary"},
	{"current_estimated_speed", "speed"},
	{"recognized_license_plate", "plate"},
	{"recognized_license_plate_score", "plate_score"},
	{"id", "object_id"},
};

static bool became(const char *name, const struct json *before, const struct json *after)
{
	return json_bool(json_get(after, name)) && !json_bool(json_get(before, name));
}

static bool event_is_news(struct slice type, const struct json *before, const struct json *after)
{
	if (json_bool(json_get(after, "false_positive")) || slice_is(type, "end"))
		return false;
	return slice_is(type, "new") || json_bool(json_get(before, "false_positive")) ||
	       became("stationary", before, after) ||
	       json_count(json_get(after, "entered_zones")) >
		       json_count(json_get(before, "entered_zones")) ||
	       !slice_eq(sub_label_text(json_get(after, "sub_label")),
			 sub_label_text(json_get(before, "sub_label")));
}

static int put_snapshot(struct readings *out, struct reading *r, const struct json *o,
			struct err *e)
{
	char path[256];
	struct slice id = json_str(json_get(o, "id"));
	if (!json_bool(json_get(o, "has_snapshot")) || !id.n)
		return 0;
	int n = snprintf(path, sizeof path, "/api/events/%.*s/snapshot.jpg",
			 (int)MIN_OF(id.n, (size_t)128), id.p);
	return put_text(out, r, "snapshot", (struct slice){path, (size_t)n}, e);
}

static int decode_event(const struct json *doc, struct slice type, struct readings *out,
			struct err *e)
{
	const struct json *before = json_get(doc, "before"), *after = json_get(doc, "after");
	const struct json *zones = json_get(after, "entered_zones");
	struct reading *r;
	if (!event_is_news(type, before, after))
		return 0;
	int rc = camera_reading(after, READING_EVENT, out, e, &r);
	if (rc)
		return rc;
	take_time(json_get(after, "frame_time"), r);
	rc = fields_put(out, r, SL("event"), VALUE_OF_STR(SL("object")), e);
	if (!rc)
		rc = fields_put_mapped(out, r, after, event_fields, COUNT_OF(event_fields), e);
	if (!rc)
		rc = put_text(out, r, "sub_label", sub_label_text(json_get(after, "sub_label")), e);
	if (!rc)
		rc = put_text(out, r, "zone", last_of(zones), e);
	if (!rc)
		rc = put_list(out, r, "zones", zones, e);
	return rc ? rc : put_snapshot(out, r, after, e);
}

/* ---- reviews ---- */

static bool review_is_news(struct slice type, const struct json *before, const struct json *after)
{
	return slice_is(type, "new") ||
	       (slice_is(type, "update") && !slice_eq(json_str(json_get(before, "severity")),
						      json_str(json_get(after, "severity"))));
}

static int decode_review(const struct json *doc, struct slice type, struct readings *out,
			 struct err *e)
{
	static const struct field_map map[] = {
		{"severity", "severity"}, {"id", "review_id"}, {"thumb_path", "snapshot"}};
	const struct json *after = json_get(doc, "after"), *data = json_get(after, "data");
	struct reading *r;
	if (!review_is_news(type, json_get(doc, "before"), after))
		return 0;
	int rc = camera_reading(after, READING_EVENT, out, e, &r);
	if (rc)
		return rc;
	if (slice_is(type, "new")) /* later, start_time is not when it happened */
		take_time(json_get(after, "start_time"), r);
	const struct json *objects = json_get(data, "objects"), *zones = json_get(data, "zones");
	const struct {
		const char *name;
		struct slice text;
	} texts[] = {
		{"event", SL("review")},
		{"review_type", type},
		{"label", json_str(json_at(objects, 0))},
		{"sub_label", json_str(json_at(json_get(data, "sub_labels"), 0))},
		{"zone", last_of(zones)},
	};
	for (size_t i = 0; !rc && i < COUNT_OF(texts); i++)
		rc = put_text(out, r, texts[i].name, texts[i].text, e);
	if (!rc)
		rc = fields_put_mapped(out, r, after, map, COUNT_OF(map), e);
	if (!rc)
		rc = put_list(out, r, "labels", objects, e);
	return rc ? rc : put_list(out, r, "zones", zones, e);
}

/* events and reviews have one envelope: type, before, after. */
static int decode_change(const struct json *doc, struct readings *out, struct err *e,
			 int (*decode)(const struct json *doc, struct slice type,
				       struct readings *out, struct err *e))
{
	static const char *const types[] = {"new", "update", "end"};
	struct slice type = json_str(json_get(doc, "type"));
	bool known = false;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		known = known || slice_is(type, types[i]);
	if (!known)
		return err_set(e, -EPROTO, "\"type\": expected new, update or end");
	const struct json *after = json_get(doc, "after");
	if (!after || json_kind(after) != JSON_K_OBJECT)
		return err_set(e, -EPROTO, "\"after\": expected an object");
	return decode(doc, type, out, e);
}

static int decode_events(const struct json *doc, struct readings *out, struct err *e)
{
	return decode_change(doc, out, e, decode_event);
}

static int decode_reviews(const struct json *doc, struct readings *out, struct err *e)
{
	return decode_change(doc, out, e, decode_review);
}

/* ---- stats ---- */

static int decode_stats(const struct json *doc, struct readings *out, struct err *e)
{
	static const struct field_map map[] = {
		{"camera_fps", "fps"},
		{"process_fps", "process_fps"},
		{"skipped_fps", "skipped_fps"},
		{"detection_fps", "detection_fps"},
		{"expected_fps", "expected_fps"},
		{"detection_enabled", "detection_enabled"},
		{"audio_dBFS", "audio_dbfs"},
		{"connection_quality", "connection_quality"},
		{"reconnects_last_hour", "reconnects_last_hour"},
		{"stalls_last_hour", "stalls_last_hour"},
	};
	const struct json *cameras = json_get(doc, "cameras");
	const struct json *updated = json_get(json_get(doc, "service"), "last_updated");
	if (!cameras || json_kind(cameras) != JSON_K_OBJECT)
		return err_set(e, -EPROTO, "\"cameras\": expected an object");
	for (void *it = json_first(cameras); it; it = json_next(cameras, it)) {
		struct reading *r;
		int rc = fields_reading(out, json_key(it), READING_TELE, e, &r);
		if (rc)
			return rc;
		take_time(updated, r);
		rc = fields_put_mapped(out, r, json_val(it), map, COUNT_OF(map), e);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- tracked_object_update and triggers ---- */

static const struct field_map update_fields[] = {
	{"name", "sub_label"}, {"sub_label", "sub_label"}, {"plate", "plate"},	{"score", "score"},
	{"model", "model"},    {"attribute", "attribute"}, {"id", "object_id"},
};

static int decode_update(const struct json *doc, struct readings *out, struct err *e)
{
	static const char *const told[] = {"face", "lpr", "classification"};
	struct slice type = json_str(json_get(doc, "type"));
	bool is_told = false;
	for (size_t i = 0; i < COUNT_OF(told); i++)
		is_told = is_told || slice_is(type, told[i]);
	if (!is_told)
		return 0; /* descriptions name no camera */
	struct reading *r;
	int rc = camera_reading(doc, READING_EVENT, out, e, &r);
	if (rc)
		return rc;
	take_time(json_get(doc, "timestamp"), r);
	rc = put_text(out, r, "event", type, e);
	return rc ? rc : fields_put_mapped(out, r, doc, update_fields, COUNT_OF(update_fields), e);
}

static int decode_trigger(const struct json *doc, struct readings *out, struct err *e)
{
	static const struct field_map map[] = {{"name", "trigger"},
					       {"type", "trigger_type"},
					       {"score", "score"},
					       {"event_id", "object_id"}};
	struct reading *r;
	int rc = camera_reading(doc, READING_EVENT, out, e, &r);
	if (!rc)
		rc = put_text(out, r, "event", SL("trigger"), e);
	return rc ? rc : fields_put_mapped(out, r, doc, map, COUNT_OF(map), e);
}

/* ---- topics ---- */

static const struct topic {
	const char *name;
	int (*decode)(const struct json *doc, struct readings *out, struct err *e);
} topics[] = {
	{"events", decode_events},    {"reviews", decode_reviews},
	{"stats", decode_stats},      {"tracked_object_update", decode_update},
	{"triggers", decode_trigger},
};

static int decode_json(const struct device_message *m, const struct topic *t, struct readings *out,
		       struct err *e)
{
	auto_json struct json *doc = NULL;
	if (m->retained)
		return err_set(e, -ESTALE, "a retained message of %s is old and is not acted on",
			       t->name);
	int rc = payload_object(m, e, &doc);
	return rc ? rc : t->decode(doc, out, e);
}

static int frigate_decode(const struct device_message *m, struct readings *out, struct err *e)
{
	struct slice rest = m->topic, level[4] = {0}, part;
	size_t n = 0;
	int rc = topic_check(m->topic, e);
	if (rc)
		return rc;
	for (; slice_cut(&rest, '/', &part); n++)
		if (n < COUNT_OF(level))
			level[n] = part;
	if (n < 2)
		return err_set(e, -ENOENT, "topic: expected {prefix}/{topic}");
	for (size_t i = 0; n == 2 && i < COUNT_OF(topics); i++)
		if (slice_is(level[1], topics[i].name))
			return decode_json(m, &topics[i], out, e);
	if (n == 2 && slice_is(level[1], "available"))
		return decode_status(m, level[0], (struct slice){0}, out, e);
	if (n == 4 && slice_is(level[2], "status")) {
		bool main_role = slice_is(level[3], "detect");
		return decode_status(m, level[1], main_role ? (struct slice){0} : level[3], out, e);
	}
	return 0;
}

const struct device_adapter device_adapter_frigate = {
	.name = "frigate",
	.help = "{prefix}/events, reviews, stats, available, {camera}/status/{role} and others of "
		"Frigate",
	.decode = frigate_decode,
};
