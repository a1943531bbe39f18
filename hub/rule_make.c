#include <inttypes.h>

#include "rule_load.h"
#include "times.h"

#define HOLD_MAX (30 * TIMES_DAY)

struct rule_yaml {
	const char *id, *kind, *why;
	int class, severity;
	const struct yaml_node *when, *clear, *title, *advice;
	int64_t for_us, clear_for_us;
	bool event;
};

/* By enum device_class; CLASS_UNKNOWN stands for any. */
static const char *const class_names[] = {"any", "camera", "sensor", "bin", NULL};

#define R(member_) offsetof(struct rule_yaml, member_)
static const struct yaml_field rule_table[] = {
	{"id", YAML_T_STR, R(id), NULL, 0, 0, NULL, "a-z, 0-9, _ . -; unique in all files"},
	{"class", YAML_T_ENUM, R(class), "any", 0, 0, class_names, "devices it is for"},
	{"when", YAML_T_NODE, R(when), NULL, 0, 0, NULL, "the condition"},
	{"for", YAML_T_DURATION, R(for_us), "0", 0, HOLD_MAX, NULL,
	 "how long it must hold before it fires"},
	{"clear", YAML_T_NODE, R(clear), "", 0, 0, NULL,
	 "what must be true for recovery, beside `when` being false"},
	{"clear_for", YAML_T_DURATION, R(clear_for_us), "0", 0, HOLD_MAX, NULL,
	 "how long recovery must hold"},
	{"event", YAML_T_BOOL, R(event), "false", 0, 0, NULL, "each match stands for itself"},
	{"kind", YAML_T_STR, R(kind), NULL, 0, 0, NULL, "code of the responsibility list"},
	{"severity", YAML_T_ENUM, R(severity), "normal", 0, 0, severity_names, "how bad it is"},
	{"title", YAML_T_NODE, R(title), NULL, 0, 0, NULL, "zh-CN and en"},
	{"advice", YAML_T_NODE, R(advice), "", 0, 0, NULL,
	 "zh-CN and en: what to do, said behind the title until it has recovered"},
	{"why", YAML_T_STR, R(why), "", 0, 0, NULL, "why its numbers are what they are"},
};

static bool good_id(const char *id)
{
	size_t n = strlen(id);
	if (n == 0 || n > RULE_ID_MAX || strchr("_.-", id[0]))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static int check_rule(struct loader *l, const struct yaml_node *map, const struct rule_yaml *y)
{
	static const char *const state_only[] = {"for", "clear", "clear_for"};
	int r = 0;
	if (!good_id(y->id))
		r = rule_load_fault(l, yaml_get(map, "id"), "id",
				    "value \"%.80s\" is not 1 to %d of a-z, 0-9, _ . - beginning "
				    "with a letter or digit",
				    y->id, RULE_ID_MAX);
	for (size_t i = 0; y->event && i < COUNT_OF(state_only); i++) {
		const struct yaml_node *v = yaml_get(map, state_only[i]);
		if (v)
			r = rule_load_fault(l, v, state_only[i],
					    "an event rule has no state that could last");
	}
	return r;
}

static uint64_t rule_hash(const struct rule_yaml *y)
{
	auto_buf struct buf b;
	buf_init(&b, 4 * CEL_TEXT_MAX);
	buf_put(&b, y->when->str, y->when->n + 1);
	if (y->clear)
		buf_put(&b, y->clear->str, y->clear->n + 1);
	buf_printf(&b, "%" PRId64 " %" PRId64 " %d %d", y->for_us, y->clear_for_us, y->class,
		   y->event);
	return hash64(buf_slice(&b), 0);
}

static int add_rule(struct loader *l, const struct yaml_node *map, const struct rule_yaml *y,
		    const struct rule_code *code)
{
	struct rules *set = l->set;
	struct slice id = arena_copy(&set->arena, slice_of(y->id));
	struct slice kind = arena_copy(&set->arena, slice_of(y->kind));
	struct rule_code *keep = arena_alloc(&set->arena, sizeof *keep);
	int r = mem_grow(&set->v, &set->cap, set->n + 1, RULES_MAX, sizeof *set->v);
	if (r || !id.p || !kind.p || !keep)
		return r == -E2BIG ? r : -ENOMEM;
	*keep = *code;
	set->v[set->n++] = (struct rule){
		.id = id.p,
		.kind = kind.p,
		.severity = (enum severity)y->severity,
		.class = (enum device_class)y->class,
		.event = y->event,
		.for_us = y->for_us,
		.clear_for_us = y->clear_for_us,
		.hash = rule_hash(y),
		.file = l->file,
		.line = map->line,
		.code = keep,
	};
	return 0;
}

/* Its texts, each told of if it has a fault. 0 or -EINVAL; the programs are the caller's. */
static int load_texts(struct loader *l, const struct rule_yaml *y, struct rule_code *code)
{
	int r = 0;
	code->when = rule_text_condition(l, y->when, "when");
	if (!code->when)
		r = -EINVAL;
	code->clear = y->clear ? rule_text_condition(l, y->clear, "clear") : NULL;
	if (y->clear && !code->clear)
		r = -EINVAL;
	if (rule_text_titles(l, y->title, code->titles))
		r = -EINVAL;
	if (y->advice && rule_text_titles(l, y->advice, code->advice))
		r = -EINVAL;
	return r;
}

static void try_condition(struct loader *l, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *v = yaml_get(map, key);
	if (v)
		cel_free(rule_text_condition(l, v, key));
}

void rule_make(struct loader *l, const struct yaml_node *map)
{
	struct rule_yaml y;
	struct rule_code code = {0};
	struct err e;
	if (yaml_bind(l->doc, map, rule_table, COUNT_OF(rule_table), &y, &e)) {
		/* Go on with what can be looked at, so that the person sees all of it at once. */
		rule_load_error(l, &e);
		try_condition(l, map, "when");
		try_condition(l, map, "clear");
		return;
	}
	int bad = check_rule(l, map, &y), r = load_texts(l, &y, &code);
	if (!bad && !r) {
		r = add_rule(l, map, &y, &code);
		if (r)
			rule_load_fault(l, map, NULL, "%s",
					r == -E2BIG ? "more rules than a set can hold"
						    : "out of memory");
	}
	if (bad || r) {
		cel_free(code.when);
		cel_free(code.clear);
	}
}
