#include <inttypes.h>

#include "rule_kind.h"
#include "rule_load.h"
#include "rule_names.h"
#include "times.h"

#define HOLD_MAX (30 * TIMES_DAY)

struct rule_yaml {
	const char *id, *kind, *why;
	int class, severity, scope;
	const struct yaml_node *when, *clear, *title, *advice;
	const struct yaml_node *hold, *during, *except, *silent, *flap, *examples;
	int64_t clear_for_us;
	bool event, shadow, outage;
};

/* By enum device_class; CLASS_UNKNOWN stands for any. */
static const char *const class_names[] = {"any", "camera", "sensor", "bin", NULL};

#define R(member_) offsetof(struct rule_yaml, member_)
static const struct yaml_field rule_table[] = {
	{"id", YAML_T_STR, R(id), NULL, 0, 0, NULL, "a-z, 0-9, _ . -; unique in all files"},
	{"class", YAML_T_ENUM, R(class), "any", 0, 0, class_names, "devices it is for"},
	{"when", YAML_T_NODE, R(when), "", 0, 0, NULL, "the condition"},
	{"for", YAML_T_NODE, R(hold), "", 0, 0, NULL, "how long it must hold before it fires"},
	{"clear", YAML_T_NODE, R(clear), "", 0, 0, NULL,
	 "what must be true for recovery, beside `when` being false"},
	{"clear_for", YAML_T_DURATION, R(clear_for_us), "0", 0, HOLD_MAX, NULL,
	 "how long recovery must hold"},
	{"event", YAML_T_BOOL, R(event), "false", 0, 0, NULL, "each match stands for itself"},
	{"during", YAML_T_NODE, R(during), "", 0, 0, NULL, "schedules: cases are opened in these"},
	{"except", YAML_T_NODE, R(except), "", 0, 0, NULL, "and not in these"},
	{"silent", YAML_T_NODE, R(silent), "", 0, 0, NULL, "fires when nothing came for so long"},
	{"scope", YAML_T_ENUM, R(scope), "device", 0, 0, rule_scope_names, "whose state it is"},
	{"flap", YAML_T_NODE, R(flap), "", 0, 0, NULL, "when it comes and goes too often"},
	{"shadow", YAML_T_BOOL, R(shadow), "false", 0, 0, NULL, "judged, but only counted"},
	{"outage", YAML_T_BOOL, R(outage), "false", 0, 0, NULL,
	 "it says that the device cannot be reached: explained by an outage of the device above "
	 "it"},
	{"kind", YAML_T_STR, R(kind), NULL, 0, 0, NULL, "code of the responsibility list"},
	{"severity", YAML_T_ENUM, R(severity), "normal", 0, 0, severity_names, "how bad it is"},
	{"title", YAML_T_NODE, R(title), NULL, 0, 0, NULL, "zh-CN and en"},
	{"advice", YAML_T_NODE, R(advice), "", 0, 0, NULL,
	 "zh-CN and en: what to do, said behind the title until it has recovered"},
	{"why", YAML_T_STR, R(why), "", 0, 0, NULL, "why its numbers are what they are"},
	{"examples", YAML_T_NODE, R(examples), "", 0, 0, NULL,
	 "readings and what comes of them: gridhub rule test"},
};

/* A rule while it is being made. */
struct draft {
	struct loader *l;
	const struct yaml_node *map;
	struct rule_yaml y;
	struct rule rule;
	struct rule_code code;
	bool bad;
};

static void note(struct draft *d, int r)
{
	d->bad = d->bad || r;
}

/* ---- what makes no sense ---- */

static bool good_id(const char *id)
{
	size_t n = strlen(id);
	if (n == 0 || n > RULE_ID_MAX || strchr("_.-", id[0]))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* Keys that do not go with event rules, or with rules of silence. */
static const struct clash {
	bool event, silent;
	const char *key, *why;
} clashes[] = {
	{true, false, "for", "an event rule has no state that could last"},
	{true, false, "clear", "an event rule has no state that could last"},
	{true, false, "clear_for", "an event rule has no state that could last"},
	{true, false, "flap", "an event rule has no state that could come and go"},
	{true, false, "scope", "an event rule has no state that a grid could share"},
	{false, true, "event", "a rule of silence has a state: the device is silent, or it is not"},
	{false, true, "for", "`silent` says already how long"},
	{false, true, "clear", "a device that speaks is not silent: the next reading ends it"},
	{false, true, "scope", "silence is that of a device"},
};

static void check_keys(struct draft *d)
{
	for (size_t i = 0; i < COUNT_OF(clashes); i++) {
		const struct clash *c = &clashes[i];
		const struct yaml_node *v = yaml_get(d->map, c->key);
		if (v && ((c->event && d->y.event && !d->y.silent) || (c->silent && d->y.silent)))
			note(d, rule_load_fault(d->l, v, c->key, "%s", c->why));
	}
	if (!d->y.when && !d->y.silent && !d->bad)
		note(d, rule_load_fault(d->l, d->map, NULL, "key \"when\" is missing"));
}

static void check_names(struct draft *d)
{
	struct loader *l = d->l;
	const struct rule_kinds *kinds = l->set->kinds;
	if (d->y.id && !good_id(d->y.id))
		note(d, rule_load_fault(l, yaml_get(d->map, "id"), "id",
					"value \"%.80s\" is not 1 to %d of a-z, 0-9, _ . - "
					"beginning with a letter or digit",
					d->y.id, RULE_ID_MAX));
	if (!d->y.kind || !kinds)
		return;
	d->rule.listed = rule_kinds_find(kinds, slice_of(d->y.kind));
	if (d->rule.listed)
		return;
	const char *near = rule_kinds_nearest(kinds, slice_of(d->y.kind));
	note(d, rule_load_fault(l, yaml_get(d->map, "kind"), "kind",
				"no \"%.80s\" in kinds.yaml%s%s%s", d->y.kind,
				near ? " (did you mean \"" : "", near ? near : "",
				near ? "\"?)" : ""));
}

/* ---- reading ---- */

static struct cel_program *condition(struct draft *d, const struct yaml_node *v, const char *key)
{
	struct cel_program *p = v ? rule_text_condition(d->l, v, key) : NULL;
	note(d, v && !p);
	return p;
}

/* A silent device says nothing that could be looked at. */
static void check_filter(struct draft *d)
{
	const struct cel_program *p = d->code.when;
	for (size_t i = 0; d->y.silent && p && i < p->nslots; i++)
		if (p->slots[i] >= SLOT_FIRST_FIELD) {
			note(d, rule_load_fault_in(d->l, d->y.when,
						   rule_names_first_use(p, p->slots[i]), "when",
						   "beside `silent` it may ask for device and grid "
						   "only"));
			return;
		}
}

/* One state for many devices, moved by whichever speaks: seldom what was meant. */
static void check_scope(struct draft *d)
{
	const struct yaml_node *v = yaml_get(d->map, "scope");
	const struct cel_program *p = d->code.when;
	struct err e;
	if (d->rule.scope != SCOPE_GRID || !v || !p)
		return;
	for (size_t i = 0; i < p->nslots; i++)
		if (d->l->set->slots.info[p->slots[i]].kind == SLOT_IS_DEVICES)
			return;
	yaml_err(d->l->doc, v, &e, 0,
		 "key \"scope\": without devices() in `when`, any device of the grid opens and "
		 "recovers the case by itself");
	rule_load_warning(d->l, &e);
}

static void read_texts(struct draft *d)
{
	const struct rule_yaml *y = &d->y;
	d->code.when = condition(d, y->when, "when");
	d->code.clear = condition(d, y->clear, "clear");
	check_filter(d);
	check_scope(d);
	if (y->title)
		note(d, rule_text_titles(d->l, y->title, d->code.titles));
	if (y->advice)
		note(d, rule_text_titles(d->l, y->advice, d->code.advice));
}

static void read_times(struct draft *d)
{
	const struct rule_yaml *y = &d->y;
	struct rule_code *c = &d->code;
	if (y->hold)
		note(d, rule_time_hold(d->l, y->hold, &d->rule, c));
	if (y->during)
		note(d, rule_time_gate(d->l, y->during, "during", &c->during, &c->nduring));
	if (y->except)
		note(d, rule_time_gate(d->l, y->except, "except", &c->except, &c->nexcept));
	if (y->during && y->except)
		note(d, rule_time_gates_meet(d->l, y->during, c));
	if (y->silent)
		note(d, rule_time_silence(d->l, y->silent, &d->rule));
	if (!y->event)
		note(d, rule_time_flap(d->l, y->flap, c));
}

static void put_text(struct buf *b, const struct yaml_node *v)
{
	if (v)
		buf_put(b, v->str, v->n);
	buf_putc(b, v ? 0 : 1);
}

/* The schedules count with what they say, for the name may come to mean other times. */
static void put_schedules(struct buf *b, const char *what, const struct schedule *const *v,
			  size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%016" PRIx64, what, schedule_hash(v[i]));
}

/* Of all that decides what it does with a reading: states of another hash are of another rule. */
static uint64_t hash_of(const struct draft *d)
{
	const struct rule *r = &d->rule;
	const struct rule_code *c = &d->code;
	auto_buf struct buf b;
	buf_init(&b, 16 * CEL_TEXT_MAX); /* two texts, and three lists of schedules */
	put_text(&b, d->y.when);
	put_text(&b, d->y.clear);
	buf_printf(&b, "%" PRId64 " %" PRId64 " %d %d %d %d %" PRId64 " %u %u %" PRId64, r->for_us,
		   r->clear_for_us, (int)r->class, r->event, (int)r->scope, r->shadow, r->silent_us,
		   r->silent_intervals, c->flap_count, c->flap_us);
	for (size_t i = 0; i < c->nholds; i++) {
		put_schedules(&b, " for ", &c->holds[i].within, 1);
		buf_printf(&b, " %" PRId64, c->holds[i].us);
	}
	put_schedules(&b, " during ", c->during, c->nduring);
	put_schedules(&b, " except ", c->except, c->nexcept);
	buf_printf(&b, " %" PRIx64, rule_set_meaning(d->l->set, c));
	return hash64(buf_slice(&b), 0);
}

static int keep(struct draft *d)
{
	struct rules *set = d->l->set;
	struct slice id = arena_copy(&set->arena, slice_of(d->y.id));
	struct slice kind = arena_copy(&set->arena, slice_of(d->y.kind));
	struct rule_code *code = arena_alloc(&set->arena, sizeof *code);
	int r = mem_grow(&set->v, &set->cap, set->n + 1, RULES_MAX, sizeof *set->v);
	struct slice why = arena_copy(&set->arena, slice_of(d->y.why ? d->y.why : ""));
	if (r || !id.p || !kind.p || !code || !why.p)
		return r == -E2BIG ? r : -ENOMEM;
	d->code.recheck_us = rule_set_span(set, &d->code);
	d->code.asks = rule_set_asks(set, &d->code);
	d->code.why = why.p;
	*code = d->code;
	d->rule.id = id.p;
	d->rule.kind = kind.p;
	d->rule.hash = hash_of(d);
	d->rule.code = code;
	set->v[set->n++] = d->rule;
	return 0;
}

void rule_make(struct loader *l, const struct yaml_node *map)
{
	struct draft d = {.l = l, .map = map};
	/* One fault does not hide the next: the person sees all of them at once. */
	note(&d, yaml_bind_all(l->doc, map, rule_table, COUNT_OF(rule_table), &d.y,
			       rule_load_on_fault, l));
	if (map->kind != YAML_MAP)
		return;
	d.rule.class = (enum device_class)d.y.class;
	d.rule.severity = (enum severity)d.y.severity;
	d.rule.scope = (enum rule_scope)d.y.scope;
	d.rule.event = d.y.event;
	d.rule.shadow = d.y.shadow;
	d.rule.outage = d.y.outage;
	d.rule.clear_for_us = d.y.clear_for_us;
	d.rule.file = l->file;
	d.rule.line = map->line;
	l->class = d.rule.class;
	check_names(&d);
	check_keys(&d);
	read_times(&d);
	read_texts(&d);
	if (d.y.examples)
		note(&d, rule_examples_load(l, d.y.examples, &d.rule, &d.code));
	int r = d.bad ? 0 : keep(&d);
	if (r)
		rule_load_fault(l, map, NULL, "%s",
				r == -E2BIG ? "more rules than a set can hold" : "out of memory");
	if (d.bad || r) {
		cel_free(d.code.when);
		cel_free(d.code.clear);
	}
}
