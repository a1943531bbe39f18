#include "rule_title.h"

#include <inttypes.h>

#include "json.h"
#include "rule_set.h"

#define PIECES_MAX 64

static const struct {
	const char *name;
	enum title_kind kind;
} places[] = {
	{"device.name", TITLE_DEVICE_NAME}, {"device.class", TITLE_DEVICE_CLASS},
	{"grid.name", TITLE_GRID_NAME},	    {"grid.code", TITLE_GRID_CODE},
	{"grid.leader", TITLE_GRID_LEADER},
};

/* ---- loading ---- */

static bool is_field_name(struct slice s)
{
	if (!s.n || s.n > FIELD_NAME_MAX || s.p[0] < 'a' || s.p[0] > 'z')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
		      s.p[i] == '_'))
			return false;
	return true;
}

static int place_of(struct slice name, struct err *e, enum title_kind *ret)
{
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (slice_is(name, places[i].name)) {
			*ret = places[i].kind;
			return 0;
		}
	}
	*ret = TITLE_FIELD;
	if (is_field_name(name))
		return 0;
	return err_set(e, -EINVAL,
		       "{%.*s} is no field; beside fields there are {device.name}, {device.class}, "
		       "{grid.name}, {grid.code} and {grid.leader}",
		       (int)MIN_OF(name.n, (size_t)60), name.p);
}

static int add_piece(struct title *t, enum title_kind kind, struct slice text, size_t at,
		     struct err *e)
{
	if (t->n == PIECES_MAX)
		return err_set(e, -EINVAL, "more than %d places to fill in", PIECES_MAX / 2);
	t->v[t->n++] = (struct title_piece){kind, text, at};
	return 0;
}

/* The text from `from` to `to`, cut where "[?" and its "]" stand. */
static int add_text(struct slice text, size_t from, size_t to, bool *inside, struct err *e,
		    struct title *t)
{
	size_t at = from;
	int r = 0;
	for (size_t i = from; i <= to && !r; i++) {
		bool begins = !*inside && i + 1 < to && text.p[i] == '[' && text.p[i + 1] == '?';
		bool ends = *inside && i < to && text.p[i] == ']';
		if (i < to && !begins && !ends)
			continue;
		if (i > at)
			r = add_piece(t, TITLE_TEXT, (struct slice){text.p + at, i - at}, at, e);
		at = begins ? i + 2 : i + 1;
		if (!r && (begins || ends)) {
			*inside = begins;
			r = add_piece(t, begins ? TITLE_IF_KNOWN : TITLE_END, (struct slice){0}, i,
				      e);
		}
	}
	return r;
}

static int parse_pieces(struct slice text, size_t *at, struct err *e, struct title *t)
{
	bool inside = false;
	for (size_t i = 0; i < text.n;) {
		const char *open = memchr(text.p + i, '{', text.n - i);
		size_t end = open ? (size_t)(open - text.p) : text.n;
		int r = add_text(text, i, end, &inside, e, t);
		*at = end;
		if (r || !open)
			return r;
		const char *close = memchr(open, '}', text.n - end);
		if (!close)
			return err_set(e, -EINVAL, "\"{\" without its \"}\"");
		struct slice name = {open + 1, (size_t)(close - open) - 1};
		enum title_kind kind;
		r = place_of(name, e, &kind);
		if (!r)
			r = add_piece(t, kind, name, end + 1, e);
		if (r)
			return r;
		i = (size_t)(close - text.p) + 1;
	}
	return 0;
}

int title_parse(struct slice text, struct arena *arena, size_t *ret_at, struct err *e,
		struct title *ret)
{
	struct title_piece v[PIECES_MAX];
	struct title t = {.v = v};
	struct slice copy = arena_copy(arena, text);
	size_t at = 0;
	if (!copy.p)
		return err_set(e, -ENOMEM, "out of memory");
	int r = parse_pieces(copy, &at, e, &t);
	*ret_at = at;
	if (r)
		return r;
	struct title_piece *keep = arena_alloc(arena, MAX_OF(t.n, (size_t)1) * sizeof *keep);
	if (!keep)
		return err_set(e, -ENOMEM, "out of memory");
	if (t.n)
		memcpy(keep, v, t.n * sizeof *keep);
	*ret = (struct title){keep, t.n, copy};
	return 0;
}

/* ---- the fields that a title needs ---- */

static const struct value *find_field(const struct reading *r, struct slice name)
{
	for (size_t i = 0; r && i < r->nfields; i++)
		if (slice_eq(r->fields[i].name, name))
			return &r->fields[i].v;
	return NULL;
}

static void put_json_value(struct buf *out, const struct value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		buf_puts(out, v->b ? "true" : "false");
		break;
	case VALUE_INT:
		buf_printf(out, "%" PRId64, v->i);
		break;
	case VALUE_DOUBLE:
		json_put_double(out, v->d);
		break;
	case VALUE_STRING:
		json_put_str(out, v->s);
		break;
	case VALUE_NULL:
	default:
		buf_puts(out, "null");
	}
}

static bool named_before(const struct title *titles, size_t t, size_t piece)
{
	struct slice name = titles[t].v[piece].text;
	for (size_t i = 0; i <= t; i++)
		for (size_t k = 0; k < (i == t ? piece : titles[i].n); k++)
			if (titles[i].v[k].kind == TITLE_FIELD &&
			    slice_eq(titles[i].v[k].text, name))
				return true;
	return false;
}

static void put_field(struct buf *out, struct slice name, const struct value *v)
{
	auto_buf struct buf one;
	buf_init(&one, RULE_FIELDS_MAX);
	buf_putc(&one, out->n ? ',' : '{');
	json_put_str(&one, name);
	buf_putc(&one, ':');
	put_json_value(&one, v);
	if (!one.failed && out->n + one.n + 1 <= RULE_FIELDS_MAX)
		buf_put_slice(out, buf_slice(&one));
}

void title_fields_json(const struct title *titles, size_t n, const struct reading *r,
		       struct buf *out)
{
	for (size_t t = 0; t < n; t++) {
		for (size_t k = 0; k < titles[t].n; k++) {
			const struct title_piece *p = &titles[t].v[k];
			const struct value *v =
				p->kind == TITLE_FIELD ? find_field(r, p->text) : NULL;
			if (v && !named_before(titles, t, k))
				put_field(out, p->text, v);
		}
	}
	if (out->n)
		buf_putc(out, '}');
}

/* ---- rendering ---- */

#define UNKNOWN_TEXT "\xE2\x80\x93" /* – */

const char *const lang_names[] = {"zh-CN", "en", NULL};

/* Control characters would break a line of a message or a log. */
static void put_plain(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		buf_putc(out, c < 0x20 || c == 0x7F ? ' ' : s.p[i]);
	}
}

/* Two decimals at most, and none that say nothing: 91, 23.5, 0.07. */
static void put_number(struct buf *out, double d)
{
	char tmp[400];
	int n = snprintf(tmp, sizeof tmp, "%.2f", d);
	while (n > 0 && tmp[n - 1] == '0')
		n--;
	if (n > 0 && tmp[n - 1] == '.')
		n--;
	tmp[MAX_OF(n, 0)] = 0;
	buf_puts(out, strcmp(tmp, "-0") == 0 ? "0" : tmp);
}

static void put_value(struct buf *out, enum lang lang, const struct value *v)
{
	static const char *const yes_no[][2] = {
		[LANG_ZH_CN] = {"否", "是"}, [LANG_EN] = {"no", "yes"}};
	switch (v->type) {
	case VALUE_BOOL:
		buf_puts(out, yes_no[lang][v->b]);
		break;
	case VALUE_INT:
		buf_printf(out, "%" PRId64, v->i);
		break;
	case VALUE_DOUBLE:
		put_number(out, v->d);
		break;
	case VALUE_STRING:
		put_plain(out, v->s);
		break;
	case VALUE_NULL:
	default:
		buf_puts(out, UNKNOWN_TEXT);
	}
}

static struct value value_of_json(const struct json *v)
{
	switch (json_kind(v)) {
	case JSON_K_BOOL:
		return VALUE_OF_BOOL(json_bool(v));
	case JSON_K_INT:
		return VALUE_OF_INT(json_int(v));
	case JSON_K_DOUBLE:
		return VALUE_OF_DOUBLE(json_double(v));
	case JSON_K_STRING:
		return VALUE_OF_STR(json_str(v));
	case JSON_K_NULL:
	case JSON_K_ARRAY:
	case JSON_K_OBJECT:
	default:
		return (struct value){.type = VALUE_NULL};
	}
}

struct scene {
	enum lang lang;
	const struct device *d;
	const struct reading *r;
	const struct json *saved;
};

/* As the reading has it, else as it was kept; VALUE_NULL: not known. */
static struct value field_value(const struct scene *s, struct slice name)
{
	const struct value *live = find_field(s->r, name);
	auto_buf struct buf key;
	buf_init(&key, FIELD_NAME_MAX + 1);
	buf_put_slice(&key, name);
	const struct json *j = live ? NULL : json_get(s->saved, buf_str(&key));
	return live ? *live : j ? value_of_json(j) : (struct value){.type = VALUE_NULL};
}

/* Behind "[?…]" if a field in it is not known, else the next piece. */
static size_t next_piece(const struct title *t, const struct scene *s, size_t i)
{
	bool known = true;
	size_t end = i + 1;
	if (t->v[i].kind != TITLE_IF_KNOWN)
		return end;
	for (; end < t->n && t->v[end].kind != TITLE_END; end++)
		if (t->v[end].kind == TITLE_FIELD &&
		    field_value(s, t->v[end].text).type == VALUE_NULL)
			known = false;
	return known ? i + 1 : end;
}

static void put_piece(struct buf *out, const struct scene *s, const struct title_piece *p)
{
	static const char *const class_words[][4] = {
		[LANG_ZH_CN] = {"设备", "摄像头", "传感器", "垃圾箱"},
		[LANG_EN] = {"device", "camera", "sensor", "bin"}};
	const struct grid *g = s->d ? s->d->grid : NULL;
	const char *text = NULL;
	switch (p->kind) {
	case TITLE_IF_KNOWN:
	case TITLE_END:
		return;
	case TITLE_TEXT:
		put_plain(out, p->text);
		return;
	case TITLE_DEVICE_NAME:
		text = s->d ? (s->d->title && *s->d->title ? s->d->title : s->d->name) : NULL;
		break;
	case TITLE_DEVICE_CLASS:
		text = s->d ? class_words[s->lang][s->d->class] : NULL;
		break;
	case TITLE_GRID_NAME:
		text = g ? g->name : NULL;
		break;
	case TITLE_GRID_CODE:
		text = g ? g->code : NULL;
		break;
	case TITLE_GRID_LEADER:
		text = g ? g->leader : NULL;
		break;
	case TITLE_FIELD:
	default: {
		struct value v = field_value(s, p->text);
		put_value(out, s->lang, &v);
		return;
	}
	}
	put_plain(out, slice_of(text && *text ? text : UNKNOWN_TEXT));
}

/* The longest head of at most max bytes that does not end inside a character. */
static size_t whole_runes(struct slice s, size_t max)
{
	size_t n = MIN_OF(s.n, max);
	while (n && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static void render(const struct title *t, enum lang lang, const struct device *d,
		   const struct reading *r, struct slice saved_fields, struct buf *out)
{
	static const struct json_limits limits = {.max_bytes = 64 * 1024, .max_depth = 4};
	auto_json struct json *saved = NULL;
	auto_buf struct buf text;
	buf_init(&text, 64 * (size_t)1024);
	if (saved_fields.n && json_parse(saved_fields, &limits, NULL, &saved))
		saved = NULL; /* what was kept is of no use; the title says so with a dash */
	struct scene s = {lang, d, r, saved};
	for (size_t i = 0; i < t->n; i = next_piece(t, &s, i))
		put_piece(&text, &s, &t->v[i]);
	buf_put(out, text.p, whole_runes(buf_slice(&text), RULE_TITLE_MAX));
}

void rule_title(const struct rule *rule, enum lang lang, const struct device *d,
		const struct reading *r, struct slice saved_fields, struct buf *out)
{
	render(&rule->code->titles[lang], lang, d, r, saved_fields, out);
}

void rule_advice(const struct rule *rule, enum lang lang, const struct device *d,
		 const struct reading *r, struct slice saved_fields, struct buf *out)
{
	render(&rule->code->advice[lang], lang, d, r, saved_fields, out);
}
