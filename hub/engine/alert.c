#include "alert.h"

#include "json.h"
#include "rule_kind.h"
#include "times.h"

#define ALERT_MAX 16384

/* Words of the sentence a grid leader reads, by enum lang. */
static const struct words {
	const char *severity[4];
	const char *recovered, *flapping, *open, *close, *advice, *grid, *device, *at, *time_format;
} words[] = {
	{{"提示", "一般", "重要", "紧急"},
	 "已恢复",
	 "（反复波动）",
	 "【",
	 "】",
	 "，",
	 "\n网格：",
	 "\n设备：",
	 "\n时间：",
	 "%Y年%m月%d日 %H:%M:%S"},
	{{"low", "normal", "high", "urgent"},
	 "recovered",
	 " (comes and goes)",
	 "[",
	 "] ",
	 ", ",
	 "\nGrid: ",
	 "\nDevice: ",
	 "\nTime: ",
	 "%Y-%m-%d %H:%M:%S %Z"},
};

void alert_put_how(enum lang lang, enum severity severity, bool recovered, struct buf *out)
{
	const struct words *w = &words[lang];
	buf_printf(out, "%s%s%s", w->open, recovered ? w->recovered : w->severity[severity],
		   w->close);
}

static const char *device_title(const struct device *d)
{
	return d->title && d->title[0] ? d->title : d->name;
}

/* "栖霞街道 / 第一社区 / 3号楼": from the subdistrict down. */
static void put_grid_path(const struct grid *g, struct buf *out)
{
	const struct grid *path[8];
	size_t n = 0;
	for (; g && n < COUNT_OF(path); g = g->parent)
		if (g->parent || n == 0)
			path[n++] = g;
	while (n--)
		buf_printf(out, "%s%s", path[n]->name, n ? " / " : "");
}

/* What a grid leader reads: "【重要】3号楼西侧可回收垃圾箱满溢（97%），请安排清运", where, when. */
static void put_text(const struct words *w, const struct anomaly *a, const char *how,
		     struct slice title, struct slice advice, struct buf *out)
{
	char at[64] = "";
	time_t sec = (time_t)(a->at_us / TIMES_SEC);
	struct tm tm;
	if (localtime_r(&sec, &tm)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats stand in the table above */
		strftime(at, sizeof at, w->time_format, &tm);
#pragma GCC diagnostic pop
	}
	buf_printf(out, "%s%s%s%.*s%s", w->open, how, w->close, SL_FMT(title),
		   a->flapping && a->kind == ANOMALY_FIRED ? w->flapping : "");
	if (advice.n)
		buf_printf(out, "%s%.*s", w->advice, SL_FMT(advice));
	if (a->device->grid) {
		buf_puts(out, w->grid);
		put_grid_path(a->device->grid, out);
	}
	buf_printf(out, "%s%s%s%s", w->device, device_title(a->device), w->at, at);
}

static void put_member(struct buf *out, const char *key, const char *value)
{
	json_put_key(out, key);
	json_put_str(out, slice_of(value ? value : ""));
}

static void put_kind(const struct anomaly *a, enum lang lang, struct buf *out)
{
	if (!a->rule->listed)
		return;
	put_member(out, "kind_name", a->rule->listed->name[lang]);
	put_member(out, "department", a->rule->listed->department[lang]);
}

static void put_alert(const struct anomaly *a, enum lang lang, struct slice title,
		      struct slice fields, struct slice text, struct buf *out)
{
	const struct grid *g = a->device->grid;
	buf_puts(out, "{\"case\":{");
	put_member(out, "kind", a->rule->kind);
	put_kind(a, lang, out);
	put_member(out, "severity", severity_names[a->rule->severity]);
	put_member(out, "rule", a->rule->id);
	json_put_key(out, "title");
	json_put_str(out, title);
	buf_puts(out, "},\"grid\":{");
	put_member(out, "code", g ? g->code : NULL);
	put_member(out, "name", g ? g->name : NULL);
	const struct grid *led = g;
	while (led && !led->leader[0])
		led = led->parent;
	put_member(out, "leader", led ? led->leader : NULL);
	put_member(out, "deputy", led ? led->deputy : NULL);
	buf_puts(out, "},\"device\":{");
	put_member(out, "id", a->device->name);
	put_member(out, "class", device_class_names[a->device->class]);
	put_member(out, "title", device_title(a->device));
	buf_puts(out, "},\"fields\":");
	buf_put_slice(out, fields.n ? fields : SL("{}"));
	json_put_key(out, "text");
	json_put_str(out, text);
	buf_putc(out, '}');
}

/* What is said, in one language. */
struct said {
	struct buf title, text;
};

static void said_done(struct said *s)
{
	buf_done(&s->title);
	buf_done(&s->text);
}

static void say(const struct anomaly *a, enum lang lang, struct said *ret)
{
	auto_buf struct buf advice;
	buf_init(&advice, RULE_TITLE_MAX);
	buf_init(&ret->title, RULE_TITLE_MAX);
	buf_init(&ret->text, ALERT_MAX);
	rule_title(a->rule, lang, a->device, a->reading, a->fields, &ret->title);
	rule_advice(a->rule, lang, a->device, a->reading, a->fields, &advice);
	put_text(&words[lang], a, words[lang].severity[a->rule->severity], buf_slice(&ret->title),
		 buf_slice(&advice), &ret->text);
}

/* The same in the language that some endpoints have instead: "other", which notify puts in the
 * place of the hub's own words. */
static void put_other(const struct anomaly *a, enum lang lang, struct buf *out)
{
	auto_call(said_done) struct said said;
	say(a, lang, &said);
	out->n--; /* reopen the object */
	buf_puts(out, ",\"other\":{");
	put_member(out, "lang", lang_names[lang]);
	put_kind(a, lang, out);
	json_put_key(out, "title");
	json_put_str(out, buf_slice(&said.title));
	json_put_key(out, "text");
	json_put_str(out, buf_slice(&said.text));
	buf_puts(out, "}}");
	if (said.title.failed || said.text.failed)
		out->failed = true;
}

static struct slice endpoint_of(const struct config *conf, const struct device *d)
{
	const struct grid *g = registry_answerable(d->grid);
	return slice_of(g ? g->endpoint : conf->notify.default_endpoint);
}

/* What is said when a case is opened, recurs or recovers; counted anomalies only fold. */
static int describe(struct batch *b, const struct config *conf, const struct anomaly *a,
		    struct batch_anomaly *ba)
{
	auto_buf struct buf fields, alert;
	auto_call(said_done) struct said said;
	enum lang lang = (enum lang)conf->lang;
	buf_init(&fields, READING_ARENA_MAX);
	buf_init(&alert, READING_ARENA_MAX + 8 * ALERT_MAX);
	say(a, lang, &said);
	if (a->reading)
		reading_fields_json(a->reading, &fields);
	else
		buf_put_slice(&fields, a->fields);
	put_alert(a, lang, buf_slice(&said.title), buf_slice(&fields), buf_slice(&said.text),
		  &alert);
	if (conf->other_lang >= 0 && !alert.failed)
		put_other(a, (enum lang)conf->other_lang, &alert);
	if (fields.failed || alert.failed)
		return -E2BIG;
	struct slice endpoint = endpoint_of(conf, a->device);
	ba->kind = arena_copy(&b->arena, slice_of(a->rule->kind));
	ba->title = arena_copy(&b->arena, buf_slice(&said.title));
	ba->fields = arena_copy(&b->arena, buf_slice(&fields));
	ba->alert = arena_copy(&b->arena, buf_slice(&alert));
	ba->endpoint = endpoint.n ? arena_copy(&b->arena, endpoint) : (struct slice){0};
	ba->severity = (int)a->rule->severity;
	ba->grid_id = a->device->grid ? a->device->grid->id : 0;
	return ba->alert.p ? 0 : -E2BIG;
}

/* The words of a recovery; the case's own title takes the place of {title} in the database. */
static int put_recovery(struct batch *b, enum lang lang, const struct anomaly *a, struct slice *ret)
{
	auto_buf struct buf text;
	buf_init(&text, ALERT_MAX);
	put_text(&words[lang], a, words[lang].recovered, SL("{title}"), (struct slice){0}, &text);
	*ret = arena_copy(&b->arena, buf_slice(&text));
	return ret->p ? 0 : -E2BIG;
}

static int describe_recovery(struct batch *b, const struct config *conf, const struct anomaly *a,
			     struct batch_anomaly *ba)
{
	int r = put_recovery(b, (enum lang)conf->lang, a, &ba->recovery);
	if (!r && conf->other_lang >= 0)
		r = put_recovery(b, (enum lang)conf->other_lang, a, &ba->other_recovery);
	return r;
}

int alert_add(struct batch *b, const struct config *conf, const struct anomaly *a)
{
	struct batch_anomaly *ba = NULL;
	int r = batch_anomaly(b, a->device->id, slice_of(a->rule->id), &ba);
	if (r)
		return r;
	ba->lasting = !a->rule->event;
	ba->outage = a->rule->outage;
	ba->of_grid = a->rule->scope == SCOPE_GRID;
	bool matched = a->kind != ANOMALY_RECOVERED;
	if (!ba->first_us && matched)
		ba->first_us = a->at_us;
	bool flapping = a->flapping && a->kind == ANOMALY_FIRED;
	/* The first firing gives the words, else what recovered; but that it flaps must be told. */
	if (a->kind != ANOMALY_SEEN &&
	    (!ba->alert.p || (a->kind == ANOMALY_FIRED && (!ba->fired || flapping))))
		r = describe(b, conf, a, ba);
	if (!r && a->kind == ANOMALY_RECOVERED)
		r = describe_recovery(b, conf, a, ba);
	ba->fired = ba->fired || a->kind == ANOMALY_FIRED;
	ba->flapping = ba->flapping || flapping;
	ba->n += matched;
	if (matched)
		ba->last_us = MAX_OF(ba->last_us, a->at_us);
	ba->recovered_us = a->kind == ANOMALY_RECOVERED ? a->at_us : 0;
	return r;
}
