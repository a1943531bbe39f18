#include "text.h"

#include <inttypes.h>

#include "times.h"

/* ---- parsing ---- */

enum filter { FILTER_STYLE, FILTER_JSON, FILTER_URL };

struct piece {
	bool place;
	enum filter filter;
	struct slice text; /* as it is, or the place's name */
};

struct webhook_text {
	char *text; /* owned; pieces point into it */
	struct piece v[2 * WEBHOOK_PLACES_MAX + 1];
	size_t n;
};

/* Those beside fields.NAME. */
static const char *const places[] = {
	"text",
	"severity",
	"url",
	"at",
	"id",
	"event",
	"alert",
	"case",
	"case.id",
	"case.kind",
	"case.kind_name",
	"case.rule",
	"case.title",
	"case.severity",
	"case.department",
	"case.opened_at",
	"case.event_count",
	"grid",
	"grid.code",
	"grid.name",
	"grid.leader",
	"grid.deputy",
	"device",
	"device.id",
	"device.class",
	"device.title",
	"fields",
	"digest",
};

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_field(struct slice name)
{
	struct slice head;
	return slice_cut(&name, '.', &head) && slice_is(head, "fields") && name.n && name.p &&
	       !memchr(name.p, '.', name.n);
}

static int check_name(struct slice name, struct err *e)
{
	const char *near = NULL;
	size_t best = 4;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		size_t d = name_distance(name, slice_of(places[i]));
		if (slice_is(name, places[i]))
			return 0;
		if (d < best && d < name.n) {
			best = d;
			near = places[i];
		}
	}
	if (is_field(name))
		return 0;
	return err_set(e, -EINVAL, "there is no place {%.*s}%s%s%s",
		       (int)MIN_OF(name.n, (size_t)60), name.p, near ? " (did you mean {" : "",
		       near ? near : "", near ? "}?)" : "");
}

static int check_filter(struct slice name, bool body, struct err *e, enum filter *ret)
{
	*ret = slice_is(name, "url") ? FILTER_URL : FILTER_JSON;
	if (slice_is(name, "url") || (body && slice_is(name, "json")))
		return 0;
	return err_set(e, -EINVAL, "there is no |%.*s here, only %s",
		       (int)MIN_OF(name.n, (size_t)20), name.p, body ? "|json and |url" : "|url");
}

/* The place at text[at], which is behind its "{"; *ret_end is behind its "}". */
static int parse_place(struct slice text, size_t at, bool body, struct err *e, struct piece *ret,
		       size_t *ret_end)
{
	size_t end = at, bar;
	while (end < text.n && is_name_char(text.p[end]))
		end++;
	struct piece p = {.place = true, .text = {text.p + at, end - at}};
	int r = 0;
	bar = end;
	if (end < text.n && text.p[end] == '|') {
		for (end++; end < text.n && is_name_char(text.p[end]);)
			end++;
		r = check_filter((struct slice){text.p + bar + 1, end - bar - 1}, body, e,
				 &p.filter);
	}
	if (end == text.n || text.p[end] != '}')
		return err_set(e, -EINVAL,
			       "\"{\" begins a place like {case.title}: a \"}\" is missing (for "
			       "\"{\" itself write \"{{\")");
	if (!r)
		r = check_name(p.text, e);
	*ret = p;
	*ret_end = end + 1;
	return r;
}

static int add_piece(struct webhook_text *t, struct piece p, struct err *e)
{
	if (!p.place && !p.text.n)
		return 0;
	if (t->n == COUNT_OF(t->v))
		return err_set(e, -E2BIG, "more than %d places", WEBHOOK_PLACES_MAX);
	t->v[t->n++] = p;
	return 0;
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && !strchr("\n\r\t", c)) || !c || c == 0x7F;
}

static int parse_pieces(struct slice text, bool body, struct err *e, struct webhook_text *t,
			size_t *at)
{
	size_t from = 0;
	int r = 0;
	for (*at = 0; !r && *at < text.n;) {
		size_t i = *at;
		if (is_control(text.p[i]))
			return err_set(e, -EINVAL, "a control character");
		char next = i + 1 < text.n ? text.p[i + 1] : 0;
		bool twice = text.p[i] == '{' && next == '{' && i + 2 < text.n &&
			     is_letter(text.p[i + 2]);
		if (text.p[i] != '{' || (!twice && !is_letter(next))) {
			++*at;
			continue;
		}
		struct piece p = {0};
		size_t end = i + 2;
		if (!twice)
			r = parse_place(text, i + 1, body, e, &p, &end);
		/* Of "{{" the first stands, the second is passed over. */
		if (!r)
			r = add_piece(t, (struct piece){.text = {text.p + from, i + twice - from}},
				      e);
		if (!r && !twice)
			r = add_piece(t, p, e);
		if (!r)
			from = *at = end;
	}
	return r ? r : add_piece(t, (struct piece){.text = {text.p + from, text.n - from}}, e);
}

int webhook_text_parse(struct slice text, bool body, struct err *e, struct webhook_text **ret)
{
	struct webhook_text *t = mem_new(sizeof *t);
	size_t at = 0, line = 1, col = 1;
	if (!t || !(t->text = slice_dup(text))) {
		webhook_text_free(t);
		return err_set(e, -ENOMEM, "out of memory");
	}
	int r = parse_pieces((struct slice){t->text, text.n}, body, e, t, &at);
	if (!r) {
		*ret = t;
		return 0;
	}
	for (size_t i = 0; i < at; i++) {
		col = text.p[i] == '\n' ? 1 : col + (((unsigned char)text.p[i] & 0xC0) != 0x80);
		line += text.p[i] == '\n';
	}
	webhook_text_free(t);
	return err_prefix(e, -EINVAL, "%zu:%zu", line, col);
}

void webhook_text_free(struct webhook_text *t)
{
	if (t)
		free(t->text);
	free(t);
}

/* ---- rendering ---- */

#define MARK "…"

struct render {
	const struct webhook_message *m;
	int lang;
	enum webhook_style style;
	size_t max;
	struct buf *out;
	bool full;
};

/* n bytes that belong together, or, when they do not fit, the mark and nothing more. */
static void put_whole(struct render *r, const char *p, size_t n)
{
	if (!r->full && r->out->n + n + sizeof MARK - 1 <= r->max) {
		buf_put(r->out, p, n);
	} else if (!r->full) {
		buf_puts(r->out, MARK);
		r->full = true;
	}
}

static void put_value_text(struct render *r, struct slice s, enum filter filter, bool lines)
{
	char unit[WEBHOOK_UNIT_MAX];
	for (size_t i = 0; i < s.n && !r->full;) {
		i += filter == FILTER_URL ? webhook_percent_unit(s, i, unit)
					  : webhook_style_unit(r->style, s, i, lines, unit);
		put_whole(r, unit, strlen(unit));
	}
}

static void put_literal(struct render *r, struct slice s)
{
	for (size_t i = 0; i < s.n && !r->full;) {
		size_t n = webhook_rune_len(s, i);
		put_whole(r, s.p + i, n);
		i += n;
	}
}

static const char *severity_word(const struct json *alert, int lang)
{
	static const char *const words[][3] = {{"low", "提示", "low"},
					       {"normal", "一般", "normal"},
					       {"high", "重要", "high"},
					       {"urgent", "紧急", "urgent"}};
	struct slice s = json_str(json_get(json_get(alert, "case"), "severity"));
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (slice_is(s, words[i][0]))
			return words[i][lang ? 2 : 1];
	return NULL;
}

/* Places that are no member of the alert; false: it is one. */
static bool put_own(const struct render *r, struct slice name, struct buf *out)
{
	char at[TIMES_RFC3339_MAX];
	if (slice_is(name, "severity")) {
		const char *word = severity_word(r->m->alert, r->lang);
		buf_puts(out, word ? word : "");
	} else if (slice_is(name, "url")) {
		buf_put_slice(out, r->m->case_url);
	} else if (slice_is(name, "id")) {
		buf_put_slice(out, r->m->id);
	} else if (slice_is(name, "event")) {
		buf_put_slice(out, r->m->event);
	} else if (slice_is(name, "at")) {
		times_format(r->m->at_us, at);
		buf_puts(out, at);
	} else {
		return false;
	}
	return true;
}

static const struct json *member(const struct json *alert, struct slice name)
{
	const struct json *v = alert;
	struct slice part;
	char key[128];
	if (slice_is(name, "alert"))
		return alert;
	while (v && slice_cut(&name, '.', &part)) {
		snprintf(key, sizeof key, "%.*s", (int)MIN_OF(part.n, sizeof key - 1), part.p);
		v = json_get(v, key);
	}
	return v;
}

static bool is_body(const struct render *r)
{
	return r->style == WEBHOOK_BODY_PLAIN || r->style == WEBHOOK_BODY_JSON;
}

/* For people with two decimals at most, and none that say nothing. */
static void put_number(const struct render *r, double d, struct buf *out)
{
	char text[64];
	if (is_body(r) || d >= 1e15 || d <= -1e15) {
		json_put_double(out, d);
		return;
	}
	int n = snprintf(text, sizeof text, "%.2f", d);
	while (n > 0 && text[n - 1] == '0')
		n--;
	if (n > 0 && text[n - 1] == '.')
		n--;
	buf_put(out, text, (size_t)MAX_OF(n, 0));
}

static void put_scalar(const struct render *r, const struct json *v, struct buf *out)
{
	static const char *const yes_no[][2] = {{"否", "是"}, {"no", "yes"}};
	switch (json_kind(v)) {
	case JSON_K_STRING:
		buf_put_slice(out, json_str(v));
		return;
	case JSON_K_BOOL:
		buf_puts(out, is_body(r) ? (json_bool(v) ? "true" : "false")
					 : yes_no[r->lang != 0][json_bool(v)]);
		return;
	case JSON_K_DOUBLE:
		put_number(r, json_double(v), out);
		return;
	case JSON_K_NULL:
		return;
	case JSON_K_INT:
	case JSON_K_ARRAY:
	case JSON_K_OBJECT:
	default:
		json_put_value(out, v);
	}
}

static void put_json(struct render *r, bool own, struct slice own_text, const struct json *v)
{
	auto_buf struct buf b;
	buf_init(&b, WEBHOOK_BODY_MAX);
	if (own)
		json_put_str(&b, own_text);
	else if (v)
		json_put_value(&b, v);
	else
		buf_puts(&b, "null");
	put_whole(r, buf_str(&b), b.failed ? SIZE_MAX / 2 : b.n);
}

static void put_place(struct render *r, const struct piece *p)
{
	auto_buf struct buf value;
	buf_init(&value, WEBHOOK_BODY_MAX);
	bool own = put_own(r, p->text, &value);
	const struct json *v = own ? NULL : member(r->m->alert, p->text);
	if (p->filter == FILTER_JSON) {
		put_json(r, own, buf_slice(&value), v);
		return;
	}
	if (v)
		put_scalar(r, v, &value);
	if (!value.n && !is_body(r))
		buf_puts(&value, "–");
	if (slice_is(p->text, "url") && !is_body(r) && p->filter == FILTER_STYLE &&
	    r->m->case_url.n)
		put_literal(r, r->m->case_url); /* ops' own */
	else
		put_value_text(r, buf_slice(&value), p->filter, slice_is(p->text, "text"));
}

bool webhook_text_render(const struct webhook_text *t, const struct webhook_message *m, int lang,
			 enum webhook_style style, size_t max, struct buf *out)
{
	static const struct piece whole = {.place = true, .text = {"text", 4}};
	struct render r = {m, lang, style, max + out->n, out, false};
	if (!t)
		put_place(&r, &whole);
	for (size_t i = 0; t && i < t->n && !r.full; i++) {
		if (t->v[i].place)
			put_place(&r, &t->v[i]);
		else
			put_literal(&r, t->v[i].text);
	}
	return !r.full && !out->failed;
}
