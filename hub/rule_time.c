#include "rule_load.h"
#include "times.h"

#define HOLD_MAX (30 * TIMES_DAY)
#define SILENCE_MIN (10 * TIMES_SEC)
#define INTERVALS_MAX 1000
#define FLAP_WITHIN_MAX (7 * TIMES_DAY)

/* ---- for ---- */

static int read_hold(struct loader *l, const struct yaml_node *v, const char *key, int64_t *ret_us)
{
	const struct yaml_field f = {.name = key, .type = YAML_T_DURATION, .max = HOLD_MAX};
	struct err e;
	int r = yaml_bind_one(l->doc, v, &f, ret_us, &e);
	if (r)
		rule_load_error(l, &e);
	return r;
}

int rule_time_hold(struct loader *l, const struct yaml_node *v, struct rule *rule,
		   struct rule_code *code)
{
	(void)code;
	return read_hold(l, v, "for", &rule->for_us);
}

/* ---- silent ---- */

int rule_time_silence(struct loader *l, const struct yaml_node *v, struct rule *rule)
{
	struct slice s = {v->str, v->n};
	int64_t n;
	if (v->kind != YAML_SCALAR)
		return rule_load_no_text(l, v, "silent");
	if (slice_ends(s, "x")) {
		s.n--;
		if (!slice_to_i64(s, &n) && n >= 1 && n <= INTERVALS_MAX) {
			rule->silent_intervals = (unsigned)n;
			return 0;
		}
	} else if (!times_parse_duration(s, &n) && n >= SILENCE_MIN && n <= HOLD_MAX) {
		rule->silent_us = n;
		return 0;
	}
	return rule_load_fault(l, v, "silent",
			       "value \"%.80s\" is neither so many of the device's intervals, like "
			       "3x (1x to %dx), nor a time like 2h (10s to 30d)",
			       v->str, INTERVALS_MAX);
}

/* ---- flap ---- */

struct flap_yaml {
	int64_t count, within_us;
};

#define F(member_) offsetof(struct flap_yaml, member_)
static const struct yaml_field flap_table[] = {
	{"count", YAML_T_INT, F(count), "5", 2, FLAP_COUNT_MAX, NULL, "so many firings"},
	{"within", YAML_T_DURATION, F(within_us), "1h", TIMES_MIN, FLAP_WITHIN_MAX, NULL,
	 "within so long"},
};

int rule_time_flap(struct loader *l, const struct yaml_node *v, struct rule_code *code)
{
	struct flap_yaml y = {0};
	if (v && v->kind == YAML_SCALAR && !yaml_is_null(v)) {
		if (strcmp(v->str, "off") == 0)
			return 0;
		return rule_load_fault(l, v, "flap",
				       "value \"%.80s\" is neither off nor a map of count and "
				       "within",
				       v->str);
	}
	int r = yaml_bind_all(l->doc, v, flap_table, COUNT_OF(flap_table), &y, rule_load_on_fault,
			      l);
	code->flap_count = (uint32_t)y.count;
	code->flap_us = y.within_us;
	return r;
}
