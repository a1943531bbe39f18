#include "reading.h"

#include "json.h"
#include "times.h"

#include <math.h>

const char *const device_class_names[] = {"unknown", "camera", "sensor", "bin", NULL};
const char *const reading_kind_names[] = {"state", "tele", "event", "look", NULL};

int device_class_parse(struct slice s, enum device_class *ret)
{
	for (size_t i = 0; device_class_names[i]; i++) {
		if (slice_is(s, device_class_names[i])) {
			*ret = (enum device_class)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- the list ---- */

void readings_init(struct readings *r)
{
	*r = (struct readings){0};
	arena_init(&r->arena, READING_ARENA_MAX);
}

void readings_done(struct readings *r)
{
	arena_done(&r->arena);
	free(r->v);
	*r = (struct readings){0};
}

void readings_reset(struct readings *r)
{
	arena_reset(&r->arena);
	r->n = 0;
}

static bool address_ok(struct slice s)
{
	if (!s.n || s.n > READING_ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

int readings_add(struct readings *r, struct slice address, struct reading **ret)
{
	if (!address_ok(address))
		return -EINVAL;
	int rc = mem_grow(&r->v, &r->cap, r->n + 1, READINGS_MAX, sizeof *r->v);
	if (rc)
		return rc;
	struct slice copy = arena_copy(&r->arena, address);
	if (!copy.p)
		return -ENOMEM;
	struct reading *one = &r->v[r->n++];
	*one = (struct reading){.address = copy};
	*ret = one;
	return 0;
}

/* ---- names ---- */

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "batteryLow" and "HTTPServer" have a word that begins at L and at S. */
static bool word_begins(struct slice s, size_t i)
{
	if (i == 0 || !is_upper(s.p[i]))
		return false;
	char before = s.p[i - 1];
	bool lower_after = i + 1 < s.n && is_lower(s.p[i + 1]);
	return is_lower(before) || is_digit(before) || (is_upper(before) && lower_after);
}

/* The name's field form in ret[FIELD_NAME_MAX]; its length, 0 when there is none. */
static size_t field_form(struct slice s, char *ret)
{
	size_t n = 0;
	bool gap = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!is_upper(c) && !is_lower(c) && !is_digit(c)) {
			gap = true;
			continue;
		}
		gap = n && (gap || word_begins(s, i));
		if (n == 0 && is_digit(c))
			ret[n++] = 'n';
		if (n + gap + 1 > FIELD_NAME_MAX)
			return 0;
		if (gap)
			ret[n++] = '_';
		gap = false;
		ret[n++] = is_upper(c) ? (char)(c - 'A' + 'a') : c;
	}
	return n;
}

/* ---- fields ---- */

/* Room in the field array of a reading that has n: 8, 16, 32 … (kept by no member of its own). */
static size_t field_room(size_t n)
{
	size_t room = n ? 8 : 0;
	while (room < n)
		room *= 2;
	return room;
}

static int field_slot(struct readings *all, struct reading *r, struct field **ret)
{
	if (r->nfields == READING_MAX_FIELDS)
		return -E2BIG;
	if (r->nfields == field_room(r->nfields)) {
		struct field *v =
			arena_alloc(&all->arena, field_room(r->nfields + 1) * sizeof *r->fields);
		if (!v)
			return -ENOMEM;
		if (r->nfields)
			memcpy(v, r->fields, r->nfields * sizeof *v);
		r->fields = v;
	}
	*ret = &r->fields[r->nfields];
	return 0;
}

static const struct value *find(const struct reading *r, struct slice name)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (slice_eq(r->fields[i].name, name))
			return &r->fields[i].v;
	return NULL;
}

static int value_check(struct value v)
{
	if (v.type == VALUE_DOUBLE && !isfinite(v.d))
		return -ERANGE;
	/* PostgreSQL's jsonb can hold neither. */
	if (v.type == VALUE_STRING &&
	    (!slice_utf8_ok(v.s, NULL) || (v.s.n && memchr(v.s.p, 0, v.s.n))))
		return -EILSEQ;
	return 0;
}

int reading_put(struct readings *all, struct reading *r, struct slice name, struct value v)
{
	char form[FIELD_NAME_MAX];
	struct slice key = {form, field_form(name, form)};
	if (!key.n)
		return -EINVAL;
	int rc = value_check(v);
	if (rc)
		return rc;
	if (v.type == VALUE_DOUBLE && v.d == 0)
		v.d = 0; /* there is no minus zero in jsonb */
	if (find(r, key))
		return -EEXIST;
	struct field *f;
	rc = field_slot(all, r, &f);
	if (rc)
		return rc;
	key = arena_copy(&all->arena, key);
	if (v.type == VALUE_STRING)
		v.s = arena_copy(&all->arena, v.s);
	if (!key.p || (v.type == VALUE_STRING && !v.s.p))
		return -ENOMEM;
	*f = (struct field){key, v};
	r->nfields++;
	return 0;
}

const struct value *reading_field(const struct reading *r, const char *name)
{
	return find(r, slice_of(name));
}

/* ---- as JSON ---- */

/* With a point, always, so that whoever reads it back from the database has a double again; what is
 * beyond an integer's range says so by its length. */
static void put_double(double d, struct buf *out)
{
	double whole = fabs(d);
	if (whole != trunc(whole) || whole >= 1e19)
		json_put_double(out, d);
	else if (whole < 1e15)
		json_put_double(out, d), buf_puts(out, ".0");
	else
		buf_printf(out, "%.1f", d);
}

static void put_value(const struct value *v, struct buf *out)
{
	switch (v->type) {
	case VALUE_BOOL:
		buf_puts(out, v->b ? "true" : "false");
		return;
	case VALUE_INT:
		buf_printf(out, "%lld", (long long)v->i);
		return;
	case VALUE_DOUBLE:
		put_double(v->d, out);
		return;
	case VALUE_STRING:
		json_put_str(out, v->s);
		return;
	case VALUE_NULL:
	default:
		buf_puts(out, "null");
		return;
	}
}

void reading_fields_json(const struct reading *r, struct buf *out)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < r->nfields; i++) {
		json_put_key(out, r->fields[i].name.p);
		put_value(&r->fields[i].v, out);
	}
	buf_putc(out, '}');
}

void reading_json(const struct reading *r, struct buf *out)
{
	buf_putc(out, '{');
	json_put_key(out, "address");
	json_put_str(out, r->address);
	if (r->adapter.n) {
		json_put_key(out, "adapter");
		json_put_str(out, r->adapter);
	}
	if (r->class != CLASS_UNKNOWN) {
		json_put_key(out, "class");
		json_put_str(out, slice_of(device_class_names[r->class]));
	}
	if (r->grid.n) {
		json_put_key(out, "grid");
		json_put_str(out, r->grid);
	}
	json_put_key(out, "kind");
	json_put_str(out, slice_of(reading_kind_names[r->kind]));
	if (r->at_us) {
		char at[TIMES_RFC3339_MAX];
		times_format(r->at_us, at);
		json_put_key(out, "at");
		json_put_str(out, slice_of(at));
	}
	if (r->has_seq) {
		json_put_key(out, "seq");
		buf_printf(out, "%lld", (long long)r->seq);
	}
	json_put_key(out, "fields");
	reading_fields_json(r, out);
	buf_putc(out, '}');
}
