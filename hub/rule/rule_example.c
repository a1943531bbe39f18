#include "rule_example.h"

#include "cel_time.h"
#include "json.h"
#include "rule_look.h"
#include "rule_names.h"
#include "times.h"

#define VALUES_MAX 65536

const struct rule_example *rule_examples(const struct rule *rule, size_t *ret_n)
{
	*ret_n = rule->code->nexamples;
	return rule->code->examples;
}

/* ---- running ---- */

struct run {
	const struct rule_example *x;
	const struct rule *of;
	const char *rule; /* what the others make of it is their own matter */
	struct rule_states *s;
	struct example_result *res;
	example_look_fn look;
	void *ctx;
	enum rule_phase phases[EXAMPLE_DEVICES_MAX];
	bool opened[EXAMPLE_DEVICES_MAX]; /* of event rules: what follows folds into it */
	/* since the last look was told */
	const struct device *asked_for;
	const char *when, *clear;
	char fault[ERR_MAX];
	struct buf values;
	uint32_t shown[16]; /* slots that stand in values */
	size_t nshown;
};

/* ---- why ---- */

/* "avg(temp_c, '10m')" as it stands in the condition at `at`. */
static struct slice call_text(struct slice text, size_t at)
{
	size_t i = at;
	int open = 0;
	char quote = 0;
	for (; i < text.n; i++) {
		char c = text.p[i];
		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '\'' || c == '"')
			quote = c;
		else if (c == '(')
			open++;
		else if (c == ')' && --open == 0)
			break;
	}
	return (struct slice){text.p + at, MIN_OF(i + 1, text.n) - at};
}

static struct slice name_of(const struct rules *set, const struct cel_program *p, uint32_t slot)
{
	enum slot_kind kind = (enum slot_kind)set->slots.info[slot].kind;
	bool call = kind == SLOT_IS_WINDOW || kind == SLOT_IS_DEVICES || kind == SLOT_IS_WITHIN;
	return call ? call_text(p->text, rule_names_first_use(p, slot)) : set->slots.names[slot];
}

/* As a person reads it; what is missing is null. */
static void put_value(struct buf *b, struct cel_value v)
{
	char text[64] = "null";
	switch (v.type) {
	case CEL_BOOL:
		buf_puts(b, v.b ? "true" : "false");
		return;
	case CEL_INT:
		buf_printf(b, "%lld", (long long)v.i);
		return;
	case CEL_DOUBLE:
		json_put_double(b, v.d);
		return;
	case CEL_STRING:
		json_put_str(b, cel_text(v));
		return;
	case CEL_TIMESTAMP:
		cel_timestamp_format(v, text, sizeof text);
		break;
	case CEL_DURATION:
		cel_duration_format(v, text, sizeof text);
		break;
	default:
		buf_puts(b, text);
		return;
	}
	json_put_str(b, slice_of(text));
}

static void show(struct run *run, const struct rules *set, const struct cel_program *p,
		 uint32_t slot)
{
	enum slot_kind kind = (enum slot_kind)set->slots.info[slot].kind;
	if (kind == SLOT_IS_FIELD || kind == SLOT_IS_MAP || run->nshown == COUNT_OF(run->shown))
		return;
	for (size_t i = 0; i < run->nshown; i++)
		if (run->shown[i] == slot)
			return;
	buf_puts(&run->values, run->nshown ? "," : "{");
	run->shown[run->nshown++] = slot;
	json_put_str(&run->values, name_of(set, p, slot));
	buf_putc(&run->values, ':');
	put_value(&run->values, run->s->slots[slot]);
}

static void forget_why(struct run *run)
{
	run->when = run->clear = NULL;
	run->asked_for = NULL;
	run->nshown = 0;
	buf_reset(&run->values);
}

static void on_asked(void *ctx, const struct look *l, const struct rule *rule,
		     const struct cel_program *p, int answer)
{
	static const char *const words[] = {[NO] = "false", [YES] = "true", [HOLD] = "held"};
	struct run *run = ctx;
	if (strcmp(rule->id, run->rule) != 0)
		return;
	if (run->asked_for != l->d)
		forget_why(run);
	run->asked_for = l->d;
	*(p == rule->code->clear ? &run->clear : &run->when) = words[answer];
	for (size_t i = 0; i < p->nslots; i++)
		show(run, l->s->set, p, p->slots[i]);
}

/* Does a condition look at the window that p feeds? */
static bool looks_at(const struct rules *set, const struct cel_program *cond,
		     const struct cel_program *p)
{
	for (size_t i = 0; cond && i < cond->nslots; i++) {
		const struct slot_info *info = &set->slots.info[cond->slots[i]];
		bool sink = info->kind == SLOT_IS_WINDOW || info->kind == SLOT_IS_DEVICES;
		if (sink && set->sinks[info->of].prog == p)
			return true;
	}
	return false;
}

static void on_failed(void *ctx, const struct look *l, const struct rule *rule,
		      const struct cel_program *p, struct cel_value v)
{
	struct run *run = ctx;
	const struct rule_code *code = run->of->code;
	const struct cel_value error = v.type == CEL_ERROR ? v : CEL_FAIL(CEL_F_OVERLOAD);
	auto_buf struct buf why = {0};
	if (rule ? strcmp(rule->id, run->rule) != 0
		 : !looks_at(l->s->set, code->when, p) && !looks_at(l->s->set, code->clear, p))
		return;
	buf_init(&why, ERR_MAX);
	if (rule)
		buf_puts(&why, p == rule->code->clear ? "clear: " : "when: ");
	else
		buf_printf(&why, "\"%.*s\" in a window: ", (int)MIN_OF(p->text.n, (size_t)80),
			   p->text.p);
	cel_explain(p, error, &why);
	snprintf(run->fault, sizeof run->fault, "%s", buf_str(&why));
	if (!run->res->nfaults++) {
		struct example_fault *first = &run->res->fault;
		first->at_us = l->at_us - run->x->start_us;
		first->device = l->d;
		memcpy(first->why, run->fault, sizeof first->why);
	}
}

/* ---- what comes of it ---- */

static size_t index_of(const struct run *run, const struct device *d)
{
	return (size_t)(d - run->x->devices);
}

static int hear(void *ctx, const struct anomaly *a)
{
	struct run *run = ctx;
	struct example_result *res = run->res;
	size_t device = index_of(run, a->device);
	bool open = a->kind == ANOMALY_FIRED;
	if (a->kind == ANOMALY_SEEN || strcmp(a->rule->id, run->rule) != 0 ||
	    (a->rule->event && run->opened[device]))
		return 0;
	run->opened[device] = open;
	if (res->ncame < EXAMPLE_MOVES_MAX)
		res->came[res->ncame] = (struct example_move){
			.at_us = a->at_us - run->x->start_us, .device = a->device, .open = open};
	res->ncame++;
	return 0;
}

static int keep_phase(void *ctx, const struct rule_saved *saved)
{
	struct run *run = ctx;
	for (size_t i = 0; i < run->x->ndevices; i++)
		if (run->x->devices[i].id == saved->device_id &&
		    strcmp(saved->rule_id, run->rule) == 0)
			run->phases[i] = saved->phase;
	return 0;
}

/* Tell what it looked like; without anybody to tell, the states are only settled. */
static int tell_look(struct run *run, int64_t at_us, const struct device *d,
		     const struct example_step *step)
{
	int r = rule_states_take_dirty(run->s, keep_phase, run);
	if (run->nshown)
		buf_putc(&run->values, '}');
	if (!r && run->look) {
		struct example_look look = {.at_us = at_us,
					    .device = d,
					    .step = step,
					    .when = run->when,
					    .clear = run->clear,
					    .values = buf_slice(&run->values),
					    .phase = run->phases[index_of(run, d)],
					    .fault = run->fault[0] ? run->fault : NULL};
		run->look(run->ctx, &look);
	}
	forget_why(run);
	run->fault[0] = 0;
	return r;
}

/* Timers that run out by then, each at its time. */
static int run_timers(struct run *run, int64_t until_us)
{
	int64_t start = run->x->start_us, next = rule_states_next(run->s), before = INT64_MIN;
	while (next <= start + until_us && next > before) {
		size_t n = run->res->ncame;
		int r = rule_states_tick(run->s, next, hear, run);
		if (run->res->ncame == n && run->asked_for)
			r = tell_look(run, next - start, run->asked_for, NULL);
		for (; !r && n < MIN_OF(run->res->ncame, (size_t)EXAMPLE_MOVES_MAX); n++)
			r = tell_look(run, next - start, run->res->came[n].device, NULL);
		if (r)
			return r;
		before = next;
		next = rule_states_next(run->s);
	}
	return rule_states_tick(run->s, start + until_us, hear, run);
}

/* All devices are registered from the beginning on, whether they speak or not. */
static int begin(struct run *run)
{
	const struct rule_example *x = run->x;
	int r = 0;
	rule_states_at(run->s, 0, x->start_us);
	for (size_t i = 0; i < x->ndevices && !r; i++)
		r = rule_states_watch(run->s, &x->devices[i], 0);
	return r;
}

static int run_steps(struct run *run)
{
	const struct rule_example *x = run->x;
	int64_t now = 0;
	for (size_t i = 0; i < x->nsteps; i++) {
		const struct example_step *step = &x->steps[i];
		now = MAX_OF(now, step->at_us);
		int r = run_timers(run, now);
		rule_states_at(run->s, 0, x->start_us + now);
		if (!r)
			r = rule_states_eval(run->s, step->device, &step->reading,
					     x->start_us + step->at_us, hear, run);
		if (!r)
			r = tell_look(run, step->at_us, step->device, step);
		if (r)
			return r;
	}
	return run_timers(run, MAX_OF(now, x->until_us));
}

int rule_example_order(const void *p, const void *q)
{
	const struct example_move *a = p, *b = q;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->open - b->open;
}

static bool as_expected(const struct rule_example *x, struct example_result *res)
{
	size_t n = MIN_OF(res->ncame, (size_t)EXAMPLE_MOVES_MAX);
	if (n)
		qsort(res->came, n, sizeof res->came[0], rule_example_order);
	if (res->ncame != x->nexpect)
		return false;
	for (size_t i = 0; i < n; i++)
		if (rule_example_order(&res->came[i], &x->expect[i]) != 0)
			return false;
	return true;
}

int rule_example_run(struct rules *set, const struct rule *rule, const struct rule_example *x,
		     example_look_fn look, void *ctx, struct example_result *ret)
{
	struct run run = {
		.x = x, .of = rule, .rule = rule->id, .res = ret, .look = look, .ctx = ctx};
	run.s = rule_states_new();
	ret->ncame = ret->nfaults = 0;
	buf_init(&run.values, VALUES_MAX);
	int r = run.s ? rule_states_use(run.s, set, NULL, NULL) : -ENOMEM;
	if (!r) {
		run.s->asked = look ? on_asked : NULL;
		run.s->failed = on_failed;
		run.s->asked_ctx = &run;
	}
	if (!r)
		r = begin(&run);
	if (!r)
		r = run_steps(&run);
	if (!r)
		ret->good = as_expected(x, ret) && !ret->nfaults;
	rule_states_free(run.s);
	buf_done(&run.values);
	return r;
}

void rule_example_move(const struct rule_example *x, const struct example_move *m, struct buf *out)
{
	char at[TIMES_DURATION_MAX];
	bool before = m->at_us < 0; /* a recovery may bear the time of a reading that came late */
	times_format_duration(before ? -m->at_us : m->at_us, at);
	buf_printf(out, "%s %s%s", m->open ? "open" : "recover", before ? "-" : "", at);
	if (m->device != x->devices)
		buf_printf(out, " %s", m->device->name);
}
