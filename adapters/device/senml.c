#include "senml.h"

#include "times.h"
#include "fields.h"

#include <math.h>

#define RELATIVE_BELOW_S 268435456.0 /* 2^28: smaller times count from now (RFC 8428, 4.5.3) */
#define LATEST_S 253402300799.0	     /* the end of the year 9999 */

void senml_init(struct senml *p)
{
	*p = (struct senml){0};
	arena_init(&p->arena, READING_ARENA_MAX);
}

void senml_done(struct senml *p)
{
	arena_done(&p->arena);
	free(p->v);
	*p = (struct senml){0};
}

/* ---- labels ---- */

enum label_type { LABEL_NUM, LABEL_STR, LABEL_BOOL };

static const struct label {
	const char *name;
	enum label_type type;
} labels[] = {
	{"bn", LABEL_STR}, {"bt", LABEL_NUM},	{"bu", LABEL_STR},  {"bv", LABEL_NUM},
	{"bs", LABEL_NUM}, {"bver", LABEL_NUM}, {"n", LABEL_STR},   {"u", LABEL_STR},
	{"v", LABEL_NUM},  {"vs", LABEL_STR},	{"vb", LABEL_BOOL}, {"vd", LABEL_STR},
	{"s", LABEL_NUM},  {"t", LABEL_NUM},	{"ut", LABEL_NUM},
};

static bool type_ok(enum label_type type, const struct json *v)
{
	switch (type) {
	case LABEL_NUM:
		return json_is_num(v);
	case LABEL_STR:
		return json_kind(v) == JSON_K_STRING;
	case LABEL_BOOL:
	default:
		return json_kind(v) == JSON_K_BOOL;
	}
}

static int check_label(struct slice name, const struct json *v, size_t at, struct err *e)
{
	static const char *const wanted[] = {"a number", "a string", "true or false"};
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		if (!slice_is(name, labels[i].name))
			continue;
		if (type_ok(labels[i].type, v))
			return 0;
		return err_set(e, -EPROTO, "SenML record %zu: \"%s\": expected %s, not %s", at,
			       labels[i].name, wanted[labels[i].type],
			       json_kind_name(json_kind(v)));
	}
	if (slice_ends(name, "_"))
		return err_set(e, -EPROTO,
			       "SenML record %zu: label \"%.*s\" must be understood, and is not",
			       at, (int)MIN_OF(name.n, (size_t)80), name.p);
	return 0;
}

static int check_record(const struct json *rec, size_t at, struct err *e)
{
	if (json_kind(rec) != JSON_K_OBJECT)
		return err_set(e, -EPROTO, "SenML record %zu: expected an object, not %s", at,
			       json_kind_name(json_kind(rec)));
	for (void *it = json_first(rec); it; it = json_next(rec, it)) {
		int rc = check_label(json_key(it), json_val(it), at, e);
		if (rc)
			return rc;
	}
	size_t values = 0;
	static const char *const kinds[] = {"v", "vs", "vb", "vd"};
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		values += json_get(rec, kinds[i]) != NULL;
	if (values > 1)
		return err_set(e, -EPROTO, "SenML record %zu: more than one value", at);
	const struct json *bver = json_get(rec, "bver");
	if (bver && !(json_double(bver) >= 1 && json_double(bver) <= SENML_VERSION_MAX))
		return err_set(e, -EPROTO, "SenML record %zu: version %g, at most %d is understood",
			       at, json_double(bver), SENML_VERSION_MAX);
	return 0;
}

/* ---- base values ---- */

struct base {
	struct slice bn, bu;
	double bt, bv, bs;
};

static void take_str(const struct json *rec, const char *label, struct slice *ret)
{
	const struct json *v = json_get(rec, label);
	if (v)
		*ret = json_str(v);
}

static void take_num(const struct json *rec, const char *label, double *ret)
{
	const struct json *v = json_get(rec, label);
	if (v)
		*ret = json_double(v);
}

static void take_base(const struct json *rec, struct base *b)
{
	take_str(rec, "bn", &b->bn);
	take_str(rec, "bu", &b->bu);
	take_num(rec, "bt", &b->bt);
	take_num(rec, "bv", &b->bv);
	take_num(rec, "bs", &b->bs);
}

/* ---- one record ---- */

static bool name_ok(struct slice s)
{
	if (!s.n || s.n > SENML_NAME_MAX || strchr("-:./_", s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && (!c || !strchr("-:./_", c)))
			return false;
	}
	return true;
}

/* "urn:dev:ow:10e2073a01080063" names a device, and no quantity that it measures. */
static bool is_device_urn(struct slice s)
{
	size_t colons = 0;
	for (size_t i = 0; i < s.n; i++) {
		colons += s.p[i] == ':';
		if (s.p[i] == '/' || s.p[i] == '_')
			return false;
	}
	return slice_starts(s, "urn:dev:") && colons == 3;
}

static int set_name(struct senml *p, const struct base *b, struct slice n, struct senml_record *r,
		    size_t at, struct err *e)
{
	char name[SENML_NAME_MAX];
	if (n.n > sizeof name || b->bn.n > sizeof name - n.n)
		return err_set(e, -EPROTO, "SenML record %zu: name longer than %d bytes", at,
			       SENML_NAME_MAX);
	if (b->bn.n)
		memcpy(name, b->bn.p, b->bn.n);
	if (n.n)
		memcpy(name + b->bn.n, n.p, n.n);
	struct slice joined = {name, b->bn.n + n.n};
	if (!name_ok(joined))
		return err_set(e, -EPROTO,
			       "SenML record %zu: name \"%.*s\": expected letters, digits and "
			       "\"-:./_\", a letter or digit first",
			       at, SL_FMT(joined));
	r->name = arena_copy(&p->arena, joined);
	r->of_base = !n.n || is_device_urn(joined);
	return r->name.p ? 0 : err_set(e, -ENOMEM, "the SenML pack makes more than the hub takes");
}

static int set_time(double t, int64_t now_us, struct senml_record *r, size_t at, struct err *e)
{
	bool relative = t < RELATIVE_BELOW_S;
	double abs_s = relative ? (double)now_us / 1e6 + t : t;
	if (!(abs_s >= 0 && abs_s <= LATEST_S))
		return err_set(e, -EPROTO, "SenML record %zu: time %g is out of range", at, t);
	r->timed = t < 0 || t > 0;
	r->at_us = relative ? now_us + llround(t * 1e6) : llround(t * 1e6);
	return 0;
}

/* An integer stays one unless a base is added. */
static struct value add_base(const struct json *v, double base)
{
	if (json_kind(v) == JSON_K_INT && !(base < 0 || base > 0))
		return VALUE_OF_INT(json_int(v));
	return VALUE_OF_DOUBLE(base + json_double(v));
}

static void set_values(const struct json *rec, const struct base *b, struct senml_record *r)
{
	const struct json *v = json_get(rec, "v"), *vs = json_get(rec, "vs"),
			  *vb = json_get(rec, "vb"), *s = json_get(rec, "s");
	if (v)
		r->v = add_base(v, b->bv);
	else if (vs)
		r->v = VALUE_OF_STR(json_str(vs));
	else if (vb)
		r->v = VALUE_OF_BOOL(json_bool(vb));
	if (s)
		r->sum = add_base(s, b->bs);
}

static int resolve_one(struct senml *p, const struct json *rec, struct base *b, int64_t now_us,
		       size_t at, struct err *e)
{
	struct senml_record r = {.order = at};
	int rc = check_record(rec, at, e);
	if (rc)
		return rc;
	take_base(rec, b);
	set_values(rec, b, &r);
	if (r.v.type == VALUE_NULL && r.sum.type == VALUE_NULL)
		return 0; /* base fields or binary data only */
	r.unit = b->bu;
	take_str(rec, "u", &r.unit);
	rc = set_name(p, b, json_str(json_get(rec, "n")), &r, at, e);
	if (!rc)
		rc = set_time(b->bt + json_double(json_get(rec, "t")), now_us, &r, at, e);
	if (rc)
		return rc;
	p->v[p->n++] = r;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct senml_record *x = a, *y = b;
	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int senml_resolve(struct senml *p, const struct json *array, int64_t now_us, struct err *e)
{
	size_t n = json_count(array);
	struct base b = {0};
	if (json_kind(array) != JSON_K_ARRAY || !n)
		return err_set(e, -EPROTO, "SenML: expected an array of records");
	int rc = mem_grow(&p->v, &p->cap, n, SENML_RECORDS_MAX, sizeof *p->v);
	if (rc)
		return err_set(e, rc, "SenML: %zu records, at most %d are taken", n,
			       SENML_RECORDS_MAX);
	for (size_t i = 0; i < n; i++) {
		rc = resolve_one(p, json_at(array, i), &b, now_us, i + 1, e);
		if (rc)
			return rc;
	}
	if (p->n)
		qsort(p->v, p->n, sizeof *p->v, by_time);
	return 0;
}

/* ---- as fields ---- */

/* The field of a unit, for records whose name is the device's; other units give their own name. */
static const struct field_map unit_fields[] = {
	{"Cel", "temp_c"},	  {"%RH", "humidity_pct"}, {"%EL", "battery_pct"},
	{"EL", "battery_s"},	  {"V", "voltage_v"},	   {"mV", "voltage_mv"},
	{"A", "current_a"},	  {"W", "power_w"},	   {"J", "energy_j"},
	{"kWh", "energy_kwh"},	  {"Pa", "pressure_pa"},   {"hPa", "pressure_hpa"},
	{"lx", "illuminance_lx"}, {"dB", "noise_db"},	   {"dBm", "rssi_dbm"},
	{"kg", "weight_kg"},	  {"g", "weight_g"},	   {"m", "distance_m"},
	{"cm", "distance_cm"},	  {"l", "volume_l"},	   {"m3", "volume_m3"},
	{"deg", "angle_deg"},	  {"ppm", "gas_ppm"},	   {"ug/m3", "pm25"},
	{"/", "ratio"},		  {"%", "percent"},	   {"lon", "lon"},
	{"lat", "lat"},		  {"alt", "alt_m"},	   {"count", "count"},
};

/* A name and unit that together are a field of our vocabulary. */
static const struct {
	const char *name, *unit, *ours;
} named_fields[] = {
	{"temp", "Cel", "temp_c"},	     {"temperature", "Cel", "temp_c"},
	{"humidity", "%RH", "humidity_pct"}, {"battery", "%EL", "battery_pct"},
	{"battery", "%", "battery_pct"},     {"fill", "%", "fill_pct"},
	{"noise", "dB", "noise_db"},	     {"weight", "kg", "weight_kg"},
	{"level", "cm", "water_level_cm"},   {"tilt", "deg", "tilt_deg"},
	{"co2", "ppm", "co2_ppm"},	     {"gas", "ppm", "gas_ppm"},
};

static struct slice unit_field(struct slice unit)
{
	for (size_t i = 0; i < COUNT_OF(unit_fields); i++)
		if (slice_is(unit, unit_fields[i].theirs))
			return slice_of(unit_fields[i].ours);
	return unit;
}

static struct slice last_part(struct slice name)
{
	for (size_t i = name.n; i > 0; i--)
		if (name.p[i - 1] == ':' || name.p[i - 1] == '/')
			return (struct slice){name.p + i, name.n - i};
	return name;
}

static struct slice field_name(const struct senml_record *rec)
{
	if (rec->of_base)
		return unit_field(rec->unit);
	struct slice name = last_part(rec->name);
	for (size_t i = 0; i < COUNT_OF(named_fields); i++)
		if (slice_is(name, named_fields[i].name) &&
		    slice_is(rec->unit, named_fields[i].unit))
			return slice_of(named_fields[i].ours);
	return name;
}

static int put_sum(const struct senml_record *rec, struct slice name, struct readings *all,
		   struct reading *r, struct err *e)
{
	char sum[SENML_NAME_MAX + 8];
	int n = snprintf(sum, sizeof sum, "%.*s_sum", (int)MIN_OF(name.n, (size_t)SENML_NAME_MAX),
			 name.p);
	return fields_put(all, r, (struct slice){sum, (size_t)n}, rec->sum, e);
}

int senml_put(const struct senml_record *rec, struct readings *all, struct reading *r,
	      struct err *e)
{
	struct slice name = field_name(rec);
	int rc = 0;
	if (!name.n)
		return err_set(e, -EPROTO,
			       "SenML record %zu: the name \"%.*s\" is the device's and there is "
			       "no unit to tell what was measured",
			       rec->order, SL_FMT(rec->name));
	if (rec->v.type != VALUE_NULL)
		rc = fields_put(all, r, name, rec->v, e);
	if (!rc && rec->sum.type != VALUE_NULL)
		rc = put_sum(rec, name, all, r, e);
	return rc;
}
