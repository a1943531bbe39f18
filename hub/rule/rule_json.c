#include "json.h"
#include "rule_kind.h"
#include "rule_set.h"
#include "times.h"

static void put_text(struct buf *b, const char *key, struct slice text)
{
	json_put_key(b, key);
	json_put_str(b, text);
}

static void put_time(struct buf *b, const char *key, int64_t us)
{
	char text[TIMES_DURATION_MAX];
	times_format_duration(us, text);
	put_text(b, key, slice_of(text));
}

static void put_condition(struct buf *b, const char *key, const struct cel_program *p)
{
	if (p)
		put_text(b, key, p->text);
}

static void put_flag(struct buf *b, const char *key, bool on)
{
	json_put_key(b, key);
	buf_puts(b, on ? "true" : "false");
}

/* "20m", or as the rule says it: {"night":"10m","else":"20m"}. */
static void put_holds(struct buf *b, const struct rule *r)
{
	const struct rule_code *c = r->code;
	if (!c->nholds) {
		if (r->for_us)
			put_time(b, "for", r->for_us);
		return;
	}
	json_put_key(b, "for");
	buf_putc(b, '{');
	for (size_t i = 0; i < c->nholds; i++)
		put_time(b, schedule_name(c->holds[i].within), c->holds[i].us);
	put_time(b, "else", r->for_us);
	buf_putc(b, '}');
}

static void put_schedules(struct buf *b, const char *key, const struct schedule *const *v, size_t n)
{
	if (!n)
		return;
	json_put_key(b, key);
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, i ? ',' : '[');
		json_put_str(b, slice_of(schedule_name(v[i])));
	}
	buf_putc(b, ']');
}

static void put_silence(struct buf *b, const struct rule *r)
{
	char text[16];
	snprintf(text, sizeof text, "%ux", r->silent_intervals);
	if (r->silent_intervals)
		put_text(b, "silent", slice_of(text));
	else if (r->silent_us)
		put_time(b, "silent", r->silent_us);
}

static void put_flap(struct buf *b, const struct rule_code *c)
{
	if (!c->flap_count)
		return;
	json_put_key(b, "flap");
	buf_printf(b, "{\"count\":%u", c->flap_count);
	put_time(b, "within", c->flap_us);
	buf_putc(b, '}');
}

static void put_titles(struct buf *b, const char *key, const struct title *titles)
{
	if (!titles[LANG_ZH_CN].n)
		return;
	json_put_key(b, key);
	buf_putc(b, '{');
	for (int lang = LANG_ZH_CN; lang <= LANG_EN; lang++)
		put_text(b, lang_names[lang], titles[lang].text);
	buf_putc(b, '}');
}

void rule_hold_text(const struct rule *r, struct buf *b)
{
	auto_buf struct buf json;
	buf_init(&json, 4096);
	put_silence(&json, r);
	put_holds(&json, r);
	buf_reset(b);
	/* "for":"20m" → 20m; by schedule: what stands behind the key */
	struct slice rest = buf_slice(&json), key;
	if (r->event || !slice_cut(&rest, ':', &key)) {
		buf_puts(b, r->event ? "event" : "-");
		return;
	}
	for (size_t i = 0; i < rest.n; i++)
		if (!strchr("\"{}", rest.p[i]))
			buf_putc(b, rest.p[i]);
}

struct slice rule_title_text(const struct rule *r, enum lang lang)
{
	return r->code->titles[lang].text;
}

void rule_json(const struct rule *r, struct buf *b)
{
	const struct rule_code *c = r->code;
	const char *class = r->class == CLASS_UNKNOWN ? "any" : device_class_names[r->class];
	buf_putc(b, '{');
	put_text(b, "rule", slice_of(r->id));
	put_text(b, "class", slice_of(class));
	put_condition(b, "when", c->when);
	put_silence(b, r);
	put_holds(b, r);
	put_condition(b, "clear", c->clear);
	if (r->clear_for_us)
		put_time(b, "clear_for", r->clear_for_us);
	put_flag(b, "event", r->event);
	put_schedules(b, "during", c->during, c->nduring);
	put_schedules(b, "except", c->except, c->nexcept);
	put_text(b, "scope", slice_of(rule_scope_names[r->scope]));
	put_flap(b, c);
	put_flag(b, "shadow", r->shadow);
	put_flag(b, "outage", r->outage);
	put_text(b, "kind", slice_of(r->kind));
	if (r->listed)
		put_text(b, "kind_name", slice_of(r->listed->name[LANG_ZH_CN]));
	put_text(b, "severity", slice_of(severity_names[r->severity]));
	put_titles(b, "title", c->titles);
	put_titles(b, "advice", c->advice);
	if (c->why[0])
		put_text(b, "why", slice_of(c->why));
	json_put_key(b, "examples");
	buf_printf(b, "%zu", c->nexamples);
	put_text(b, "file", slice_of(r->file));
	json_put_key(b, "line");
	buf_printf(b, "%d}", r->line);
}
