/*
 * zigbee2mqtt: {base}/{friendly name} with a JSON state, {base}/{friendly name}/availability; the
 * base topic is one level, the friendly name may have several and is the device's address.
 *
 * bridge/… and commands to devices (…/set, …/get) are understood and ignored. Arrays and objects in
 * objects (ota progress, lists of colours) are left out. A button's `action` becomes an event of
 * its own, and is stale when retained.
 */
#include "times.h"
#include "fields.h"
#include "list.h"

/* https://www.zigbee2mqtt.io/guide/usage/exposes.html; what is not named here keeps its name. */
static const struct field_map properties[] = {
	{"temperature", "temp_c"},
	{"device_temperature", "device_temp_c"},
	{"humidity", "humidity_pct"},
	{"soil_moisture", "soil_moisture_pct"},
	{"battery", "battery_pct"},
	{"pressure", "pressure_hpa"},
	{"illuminance", "illuminance_lx"},
	{"co2", "co2_ppm"},
	{"carbon_dioxide", "co2_ppm"},
	{"noise", "noise_db"},
	{"gas_value", "gas_ppm"},
	{"contact", "contact"}, /* true = closed */
	{"power", "power_w"},
	{"current", "current_a"},
	{"energy", "energy_kwh"},
};

/* Not fields: put in their own way, or about the radio network and not about the street. */
static const char *const not_fields[] = {"action", "voltage",	       "last_seen", "elapsed",
					 "update", "update_available", "device",    NULL};

/* Actions of buttons that call for help. */
static const char *const sos_actions[] = {"emergency", "sos", "panic"};

static int take_last_seen(const struct json *v, struct reading *r)
{
	if (!v)
		return 0;
	if (json_is_num(v))
		return times_from_number(json_double(v), &r->at_us);
	return times_parse(json_str(v), &r->at_us);
}

/* Batteries are given in millivolts, mains plugs in volts: no battery has less than 1,000 mV, no
 * socket 1,000 V. */
static int put_voltage(struct readings *out, struct reading *r, const struct json *v, struct err *e)
{
	if (!json_is_num(v))
		return 0;
	double mv = json_double(v) < 1000 ? json_double(v) * 1000 : json_double(v);
	return fields_put(out, r, SL("voltage_mv"), VALUE_OF_DOUBLE(mv), e);
}

static int put_action(struct slice name, struct slice action, int64_t at_us, struct readings *out,
		      struct err *e)
{
	struct reading *r;
	int rc = fields_reading(out, name, READING_EVENT, e, &r);
	if (rc)
		return rc;
	r->at_us = at_us;
	rc = fields_put(out, r, SL("event"), VALUE_OF_STR(action), e);
	for (size_t i = 0; !rc && i < COUNT_OF(sos_actions); i++)
		if (slice_is(action, sos_actions[i]))
			rc = fields_put(out, r, SL("sos"), VALUE_OF_BOOL(true), e);
	return rc;
}

static int decode_state(const struct device_message *m, struct slice name, struct readings *out,
			struct err *e)
{
	static const struct fields_form form = {
		.map = properties, .nmap = COUNT_OF(properties), .skip = not_fields};
	auto_json struct json *doc = NULL;
	struct reading *r;
	int rc = payload_object(m, e, &doc);
	if (!rc)
		rc = fields_reading(out, name, READING_STATE, e, &r);
	if (rc)
		return rc;
	if (take_last_seen(json_get(doc, "last_seen"), r))
		r->at_us = 0; /* a form without zone: the time of arrival stands */
	int64_t at_us = r->at_us;
	rc = fields_put_object(out, r, doc, &form, e);
	if (!rc)
		rc = put_voltage(out, r, json_get(doc, "voltage"), e);
	if (!rc && !r->nfields)
		out->n--; /* only an action, or nothing of interest */
	struct slice action = json_str(json_get(doc, "action"));
	if (!rc && action.n && !m->retained)
		rc = put_action(name, action, at_us, out, e);
	return rc;
}

/* "online", or {"state":"online"} as newer ones send it. */
static int availability(const struct device_message *m, bool *ret_online, struct err *e)
{
	auto_json struct json *doc = NULL;
	struct slice said = slice_trim(m->payload);
	if (slice_starts(said, "{")) {
		int rc = payload_object(m, e, &doc);
		if (rc)
			return rc;
		said = json_str(json_get(doc, "state"));
	}
	*ret_online = slice_is(said, "online");
	if (!*ret_online && !slice_is(said, "offline"))
		return err_set(e, m->payload.n ? -EPROTO : -ENODATA,
			       "availability: expected online or offline");
	return 0;
}

static int decode_availability(const struct device_message *m, struct slice name,
			       struct readings *out, struct err *e)
{
	bool online;
	struct reading *r;
	int rc = availability(m, &online, e);
	if (!rc)
		rc = fields_reading(out, name, READING_STATE, e, &r);
	return rc ? rc : fields_put(out, r, SL("online"), VALUE_OF_BOOL(online), e);
}

/* street/door-17/set and street/door-17/set/brightness are commands of others to the device. */
static bool is_command(struct slice name)
{
	static const char *const verbs[] = {"set", "get"};
	struct slice rest = name, level, before = {0}, last = {0};
	while (slice_cut(&rest, '/', &level)) {
		before = last;
		last = level;
	}
	bool first = before.p == name.p;
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if ((before.n && slice_is(last, verbs[i])) ||
		    (!first && slice_is(before, verbs[i])))
			return true;
	return false;
}

static int zigbee_decode(const struct device_message *m, struct readings *out, struct err *e)
{
	struct slice name = m->topic, base;
	static const char suffix[] = "/availability";
	int rc = topic_check(m->topic, e);
	if (rc)
		return rc;
	slice_cut(&name, '/', &base);
	if (!name.n)
		return err_set(e, -ENOENT, "topic: expected {base}/{friendly name}");
	if (slice_is(name, "bridge") || slice_starts(name, "bridge/") || is_command(name))
		return 0;
	if (slice_ends(name, suffix)) {
		name.n -= sizeof suffix - 1;
		return decode_availability(m, name, out, e);
	}
	return decode_state(m, name, out, e);
}

const struct device_adapter device_adapter_zigbee2mqtt = {
	.name = "zigbee2mqtt",
	.help = "{base}/{friendly name}[/availability] as zigbee2mqtt publishes them",
	.decode = zigbee_decode,
};
