#include "rule_load.h"
#include "times.h"

#define GATE_STEPS_MAX 4000		      /* openings and shuttings looked at */
#define ANY_TIME (INT64_C(20500) * TIMES_DAY) /* where no holiday is listed */
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

/* The schedule of that name; NULL if there is none, told at `at`. */
static const struct schedule *find_schedule(struct loader *l, const struct yaml_node *at,
					    const char *key)
{
	const struct calendar *c = l->set->calendar;
	struct slice name = {at->str, at->n};
	const struct schedule *s = c ? calendar_find(c, name) : NULL;
	if (s)
		return s;
	const char *near = c ? calendar_nearest(c, name) : NULL;
	rule_load_fault(l, at, key, "no schedule \"%.80s\" in schedules.yaml%s%s%s", at->str,
			near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	return NULL;
}

/* {night: 10m, else: 20m}: each but `else` is the name of a schedule. */
static int read_holds(struct loader *l, const struct yaml_node *map, struct rule *rule,
		      struct rule_code *code)
{
	int res = 0;
	if (!yaml_get(map, "else"))
		res = rule_load_fault(l, map, "for", "key \"else\" is missing");
	code->holds = arena_alloc(&l->set->arena, (map->n + 1) * sizeof *code->holds);
	if (!code->holds || map->n > SCHEDULES_MAX)
		return rule_load_fault(l, map, "for", "too many schedules");
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *key = map->keys[i];
		bool rest = strcmp(key->str, "else") == 0;
		const struct schedule *within = rest ? NULL : find_schedule(l, key, "for");
		int64_t *us = rest ? &rule->for_us : &code->holds[code->nholds].us;
		if (read_hold(l, map->vals[i], key->str, us) || (!rest && !within))
			res = -EINVAL;
		if (within)
			code->holds[code->nholds++].within = within;
	}
	return res;
}

int rule_time_hold(struct loader *l, const struct yaml_node *v, struct rule *rule,
		   struct rule_code *code)
{
	return v->kind == YAML_MAP ? read_holds(l, v, rule, code)
				   : read_hold(l, v, "for", &rule->for_us);
}

/* ---- during, except ---- */

static bool has_schedule(const struct schedule *const *v, size_t n, const struct schedule *s)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == s)
			return true;
	return false;
}

static int add_gate(struct loader *l, const struct yaml_node *at, const char *key,
		    const struct schedule **v, size_t *n)
{
	const struct schedule *s = NULL;
	if (at->kind != YAML_SCALAR)
		return rule_load_no_text(l, at, key);
	s = find_schedule(l, at, key);
	if (!s)
		return -EINVAL;
	if (has_schedule(v, *n, s))
		return rule_load_fault(l, at, key, "\"%s\" is here twice", schedule_name(s));
	v[(*n)++] = s;
	return 0;
}

int rule_time_gate(struct loader *l, const struct yaml_node *v, const char *key,
		   const struct schedule ***ret, size_t *ret_n)
{
	size_t n = v->kind == YAML_SEQ ? v->n : 1;
	int res = 0;
	if (v->kind == YAML_MAP || !n || n > SCHEDULES_MAX)
		return rule_load_fault(l, v, key,
				       "the name of a schedule, or a list of names, was expected");
	*ret = arena_alloc(&l->set->arena, n * sizeof(struct schedule *));
	if (!*ret)
		return rule_load_fault(l, v, key, "out of memory");
	if (v->kind == YAML_SCALAR)
		return add_gate(l, v, key, *ret, ret_n);
	for (size_t i = 0; i < n; i++)
		if (add_gate(l, v->vals[i], key, *ret, ret_n))
			res = -EINVAL;
	return res;
}

static bool any_open(const struct schedule *const *v, size_t n, int64_t at_us, int64_t *next_us)
{
	bool open = false;
	for (size_t i = 0; i < n; i++) {
		open = open || schedule_open(v[i], at_us);
		*next_us = MIN_OF(*next_us, schedule_next(v[i], at_us));
	}
	return open;
}

/* In the year before the last holiday that is listed and the one behind it; true when that is not
 * known after so many steps. */
static bool ever_open(const struct loader *l, const struct rule_code *c)
{
	int64_t listed = 0;
	if (calendar_listed_until(l->set->calendar, &listed) && !listed)
		return true; /* they go by holidays, and none is listed yet */
	int64_t at = (listed ? listed : ANY_TIME) - 366 * TIMES_DAY, end = at + 732 * TIMES_DAY;
	for (size_t step = 0; step < GATE_STEPS_MAX; step++) {
		int64_t next = INT64_MAX;
		bool during = any_open(c->during, c->nduring, at, &next);
		if (!any_open(c->except, c->nexcept, at, &next) && during)
			return true;
		if (next >= end)
			return false;
		at = next;
	}
	return true;
}

/* What `except` shuts whenever `during` opens it never opens. */
int rule_time_gates_meet(struct loader *l, const struct yaml_node *during,
			 const struct rule_code *code)
{
	bool meet = !code->nduring || !code->nexcept || ever_open(l, code);
	return meet ? 0
		    : rule_load_fault(l, during, "during",
				      "`except` shuts all of it: no case would ever be opened");
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
