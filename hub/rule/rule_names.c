#include "rule_names.h"

#include <inttypes.h>

#include "times.h"

/* ---- names ---- */

static const struct {
	const char *prefix;
	enum slot_kind kind;
} remembered[] = {
	{"prev.", SLOT_IS_PREV},
	{"last.", SLOT_IS_LAST},
	{"age.", SLOT_IS_AGE},
};

static void doubt(struct rule_names *n, uint32_t field, uint32_t slot, size_t at)
{
	for (size_t i = 0; i < n->ndoubts; i++)
		if (n->doubts[i].field == field)
			return;
	if (n->ndoubts < COUNT_OF(n->doubts))
		n->doubts[n->ndoubts++] = (struct rule_doubt){field, slot, at};
	else
		n->nmore++;
}

static void add_slip(struct rule_names *n, size_t at, const char *msg)
{
	struct rule_slip *slip = &n->slips[n->nslips++];
	slip->at = at;
	snprintf(slip->msg, sizeof slip->msg, "%s", msg);
}

void rule_names_refused(struct rule_names *n, const struct cel_diag *d)
{
	add_slip(n, d->at, d->msg);
}

static void one_more(struct rule_names *n, size_t at, const char *msg)
{
	if (n->nslips < RULE_SLIPS_MAX)
		add_slip(n, at, msg);
	else
		n->nmore++;
}

static void on_also(void *ctx, const struct cel_diag *d)
{
	one_more(ctx, d->at, d->msg);
}

/* A doubt stands where its slot is first read. */
static void on_used(void *ctx, int slot, size_t at)
{
	struct rule_names *n = ctx;
	for (size_t i = 0; i < n->ndoubts; i++)
		if (n->doubts[i].slot == (uint32_t)slot && n->doubts[i].at == SIZE_MAX)
			n->doubts[i].at = at;
}

/* The slot of a plain field; -1: it cannot be one. */
static int field_slot(struct rule_names *n, struct slice name)
{
	const struct rule_word *w = rule_words_find(n->words, name);
	const struct slot_info info = {.kind = SLOT_IS_FIELD,
				       .type = w ? (uint8_t)w->type : CEL_UNSET};
	if (memchr(name.p, '.', name.n) || name.n > FIELD_NAME_MAX)
		return -1;
	return rule_set_add_slot(n->set, name, &info);
}

/* prev.x, last.x, age.x; -1: it is none. */
static int remembered_slot(struct rule_names *n, struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(remembered); i++) {
		size_t skip = strlen(remembered[i].prefix);
		if (!slice_starts(name, remembered[i].prefix))
			continue;
		struct slice of = {name.p + skip, name.n - skip};
		int field = of.n ? field_slot(n, of) : -1;
		if (field < SLOT_FIRST_FIELD)
			return -1;
		struct slot_info info = {.kind = (uint8_t)remembered[i].kind,
					 .of = (uint32_t)field};
		info.type =
			info.kind == SLOT_IS_AGE ? CEL_DURATION : n->set->slots.info[field].type;
		int slot = rule_set_add_slot(n->set, name, &info);
		if (slot >= 0 && rule_words_lack(n->words, of))
			doubt(n, (uint32_t)field, (uint32_t)slot, SIZE_MAX);
		return slot;
	}
	return -1;
}

/* prev, last and age stand before a dot only. */
static bool is_prefix(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(remembered); i++)
		if (name.n + 1 == strlen(remembered[i].prefix) &&
		    memcmp(remembered[i].prefix, name.p, name.n) == 0)
			return true;
	return false;
}

/* `type(x) == double`: a type, unless a device sends a field of that name. */
static bool is_type(const struct rule_names *n, struct slice name)
{
	for (int t = CEL_NULL; t < CEL_ERROR; t++)
		if (slice_is(name, cel_type_names[t]))
			return !rule_words_find(n->words, name);
	return false;
}

static bool has_prefix(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(remembered); i++)
		if (slice_starts(name, remembered[i].prefix))
			return true;
	return false;
}

static int slot_of(void *ctx, struct slice name)
{
	struct rule_names *n = ctx;
	if (is_type(n, name))
		return -1;
	if (memchr(name.p, '.', name.n) && n->inside) {
		n->remembers = n->remembers || has_prefix(name);
		return -1;
	}
	if (memchr(name.p, '.', name.n))
		return remembered_slot(n, name);
	if (is_prefix(name) || (n->inside && slice_is(name, "now")))
		return -1;
	int slot = field_slot(n, name);
	if (slot >= SLOT_FIRST_FIELD && rule_words_lack(n->words, name))
		doubt(n, (uint32_t)slot, (uint32_t)slot, SIZE_MAX);
	return slot;
}

static int type_of(void *ctx, int slot)
{
	const struct rule_names *n = ctx;
	return n->set->slots.info[slot].type;
}

/* rule_cond.c fills them. */
static const struct cel_member device_members[] = {
	{"name", CEL_STRING},	 {"title", CEL_STRING},	  {"class", CEL_STRING},
	{"adapter", CEL_STRING}, {"address", CEL_STRING}, {"interval", CEL_DURATION},
	{NULL, CEL_UNSET},
};
static const struct cel_member grid_members[] = {
	{"code", CEL_STRING}, {"name", CEL_STRING},    {"leader", CEL_STRING},
	{"level", CEL_INT},   {"dedicated", CEL_BOOL}, {NULL, CEL_UNSET},
};

const struct cel_member *rule_names_members(int slot)
{
	return slot == SLOT_DEVICE ? device_members : slot == SLOT_GRID ? grid_members : NULL;
}

static const struct cel_member *members_of(void *ctx, int slot)
{
	(void)ctx;
	return rule_names_members(slot);
}

/* A plain name is always a field; of prev.tmp_c the field's own nearest name helps. */
static const char *nearest(void *ctx, struct slice name)
{
	const struct rule_names *n = ctx;
	return rule_words_nearest(n->words, name);
}

/* ---- calls ---- */

static const char *const call_names[] = {"avg",	       "min",	  "max",    "sum",   "count",
					 "stddev",     "rate",	  "delta",  "first", "last",
					 "percentile", "devices", "within", NULL};

/* One call being looked at. */
struct call {
	struct rule_names *n;
	const struct cel_call *c;
	struct cel_diag *diag;
	struct rule_sink sink;
	double percent;
	int64_t of_values;
};

#define REFUSED (-2)

static int refuse(struct call *k, size_t at, const char *fmt, ...) printf_like(3, 4);
static int refuse(struct call *k, size_t at, const char *fmt, ...)
{
	char msg[CEL_DIAG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	cel_diagnose(k->diag, k->c->text, at, "%.*s() %s", SL_FMT(k->c->name), msg);
	return REFUSED;
}

static int no_memory(struct call *k)
{
	return refuse(k, k->c->at, "does not fit: too many names, or out of memory");
}

/* What was found in an expression that stands at byte `from` of the condition. */
static void take_inner(struct rule_names *n, const struct rule_names *inner, size_t from)
{
	for (size_t i = 0; i < inner->ndoubts; i++)
		if (inner->doubts[i].at != SIZE_MAX)
			doubt(n, inner->doubts[i].field, inner->doubts[i].slot,
			      from + inner->doubts[i].at);
	for (size_t i = 0; i < inner->nslips; i++)
		one_more(n, from + inner->slips[i].at, inner->slips[i].msg);
	n->nmore += inner->nmore;
}

/* The first argument: a plain field, or an expression over fields, compiled for itself. */
static int read_expression(struct call *k, uint32_t wanted)
{
	const struct cel_node *arg = k->c->args[0];
	struct rule_names inner = {.set = k->n->set, .words = k->n->words, .inside = true};
	struct cel_names names = rule_names_of(&inner);
	struct cel_program *p = NULL;
	struct cel_diag d;
	k->sink.text = cel_node_text(arg, k->c->text);
	names.wanted = wanted;
	int r = cel_compile(k->sink.text, &names, &d, &p);
	take_inner(k->n, &inner, arg->from);
	if (r) {
		cel_diagnose(k->diag, k->c->text, arg->from + d.at, "%s%s", d.msg,
			     inner.remembers ? ": prev, last and age cannot stand inside a window"
					     : "");
		return REFUSED;
	}
	k->sink.prog = p;
	k->sink.fields = p->slots;
	k->sink.nfields = p->nslots;
	return 0;
}

/* Of an expression only its fields feed it; device and grid are just there. */
static int settle_fields(struct call *k)
{
	struct arena *a = &k->n->set->arena;
	struct rule_sink *s = &k->sink;
	uint32_t *fields = arena_alloc(a, (s->nfields + 1) * sizeof *fields);
	size_t n = 0;
	if (!fields)
		return no_memory(k);
	for (size_t i = 0; i < s->nfields; i++)
		if (s->fields[i] >= SLOT_FIRST_FIELD)
			fields[n++] = s->fields[i];
	if (!n)
		return refuse(k, k->c->args[0]->from, "looks at no field of the reading");
	bool plain = k->c->args[0]->kind == NODE_NAME;
	s->fields = fields;
	s->nfields = n;
	if (plain) {
		cel_free(s->prog);
		s->prog = NULL;
	}
	return 0;
}

/* '10m', or (values) 5. */
static int read_window(struct call *k, const struct cel_node *arg, bool values)
{
	const struct cel_value *v = &arg->value;
	char longest[TIMES_DURATION_MAX];
	times_format_duration(WINDOW_MAX_US, longest);
	if (values && arg->kind == NODE_CONST && v->type == CEL_INT) {
		if (v->i < 1 || v->i > WINDOW_VALUES_MAX)
			return refuse(k, arg->at, "looks at 1 to %d values", WINDOW_VALUES_MAX);
		k->of_values = v->i;
		return 0;
	}
	if (arg->kind != NODE_CONST || v->type != CEL_STRING)
		return refuse(k, arg->from, "wants a time like '10m'%s here",
			      values ? " or a number of values like 5" : "");
	struct slice text = {v->p, MIN_OF(v->n, 40u)};
	int r = times_parse_duration(cel_text(*v), &k->sink.span_us);
	if (r == -EINVAL)
		return refuse(k, arg->at, "wants a time like '10m', '2h' or '%s', not '%.*s'",
			      longest, SL_FMT(text));
	if (r || k->sink.span_us > WINDOW_MAX_US || k->sink.span_us < WINDOW_MIN_US)
		return refuse(k, arg->at, "looks back 1s to %s, not '%.*s'", longest, SL_FMT(text));
	return 0;
}

static int read_percent(struct call *k)
{
	const struct cel_node *arg = k->c->args[1];
	const struct cel_value *v = &arg->value;
	bool is_int = v->type == CEL_INT;
	if (arg->kind != NODE_CONST || (!is_int && v->type != CEL_DOUBLE) ||
	    !((is_int ? (double)v->i : v->d) >= 0 && (is_int ? (double)v->i : v->d) <= 100))
		return refuse(k, arg->from, "wants a number of percent here, 0 to 100");
	k->percent = is_int ? (double)v->i : v->d;
	return 0;
}

static uint64_t sink_id(const struct rule_sink *s, enum device_class class)
{
	auto_buf struct buf b;
	buf_init(&b, 2 * CEL_TEXT_MAX);
	buf_printf(&b, "%d %d %d %u %u %" PRId64 " ", s->marks, s->marks ? (int)class : 0,
		   s->counts, s->shape.kind, s->shape.n, s->span_us);
	buf_put_slice(&b, s->text);
	return hash64(buf_slice(&b), 0);
}

/* The sink of the set that is the same, or a new one; -1: no room. */
static int64_t keep_sink(struct rules *set, struct rule_sink *s)
{
	uint32_t same = rule_set_sink(set, s->id);
	if (same != UINT32_MAX)
		return same;
	s->text = arena_copy(&set->arena, s->text);
	if (!s->text.p || rule_set_add_sink(set, s))
		return -1;
	s->prog = NULL; /* the set's now */
	return (int64_t)set->nsinks - 1;
}

/* The sink and the slot of a call whose arguments are sound. */
static int make_slot(struct call *k, struct slot_info *info)
{
	struct rules *set = k->n->set;
	auto_buf struct buf name = {0};
	k->sink.id = sink_id(&k->sink, k->n->class);
	int64_t sink = keep_sink(set, &k->sink);
	if (sink < 0)
		return no_memory(k);
	info->of = (uint32_t)sink;
	info->percent = k->percent;
	buf_init(&name, 128);
	buf_printf(&name, "%.*s(%u,%.17g)", SL_FMT(k->c->name), info->of, k->percent);
	int slot = rule_set_add_slot(set, buf_slice(&name), info);
	return slot < 0 ? no_memory(k) : slot;
}

static int call_window(struct call *k, enum window_stat stat)
{
	size_t nargs = stat == STAT_PERCENTILE ? 3 : 2;
	struct slot_info info = {.kind = SLOT_IS_WINDOW,
				 .stat = (uint8_t)stat,
				 .type = stat == STAT_COUNT ? CEL_INT : CEL_DOUBLE};
	if (k->c->nargs != nargs)
		return refuse(k, k->c->at, "takes %s",
			      nargs == 3 ? "what, percent and how far back: (temp_c, 95, '1h')"
					 : "what and how far back: (temp_c, '10m') or (temp_c, 5)");
	int r = nargs == 3 ? read_percent(k) : 0;
	if (!r)
		r = read_window(k, k->c->args[nargs - 1], true);
	if (!r)
		r = read_expression(k, CEL_BIT(CEL_BOOL) | CEL_NUMBERS);
	if (!r)
		r = settle_fields(k);
	if (r)
		return r;
	k->sink.counts = stat == STAT_COUNT;
	k->sink.shape = window_shape(stat, k->sink.span_us, (unsigned)k->of_values);
	return make_slot(k, &info);
}

static int call_devices(struct call *k)
{
	struct slot_info info = {.kind = SLOT_IS_DEVICES, .type = CEL_INT};
	if (k->c->nargs != 2)
		return refuse(k, k->c->at, "takes a condition and how far back: (smoke, '5m')");
	int r = read_window(k, k->c->args[1], false);
	if (!r)
		r = read_expression(k, CEL_BIT(CEL_BOOL));
	if (!r)
		r = settle_fields(k);
	k->sink.marks = true;
	return r ? r : make_slot(k, &info);
}

static int call_within(struct call *k)
{
	struct rules *set = k->n->set;
	const struct cel_node *arg = k->c->nargs == 1 ? k->c->args[0] : NULL;
	struct slot_info info = {.kind = SLOT_IS_WITHIN, .type = CEL_BOOL};
	auto_buf struct buf name = {0};
	if (!arg || arg->kind != NODE_CONST || arg->value.type != CEL_STRING)
		return refuse(k, arg ? arg->from : k->c->at,
			      "takes the name of a schedule: ('night')");
	struct slice wanted = cel_text(arg->value);
	info.schedule = set->calendar ? calendar_find(set->calendar, wanted) : NULL;
	if (!info.schedule) {
		const char *near = set->calendar ? calendar_nearest(set->calendar, wanted) : NULL;
		wanted.n = MIN_OF(wanted.n, (size_t)SCHEDULE_NAME_MAX);
		return refuse(k, arg->at, "finds no schedule \"%.*s\" in schedules.yaml%s%s%s",
			      SL_FMT(wanted), near ? " (did you mean \"" : "", near ? near : "",
			      near ? "\"?)" : "");
	}
	buf_init(&name, 128);
	buf_printf(&name, "within(%s)", schedule_name(info.schedule));
	int slot = rule_set_add_slot(set, buf_slice(&name), &info);
	return slot < 0 ? no_memory(k) : slot;
}

static int call_of(void *ctx, const struct cel_call *c, struct cel_diag *diag)
{
	struct call k = {.n = ctx, .c = c, .diag = diag};
	int slot = -1;
	for (size_t i = 0; i < STATS && slot == -1; i++)
		if (slice_is(c->name, window_stat_names[i]))
			slot = k.n->inside ? refuse(&k, c->at, "cannot stand inside another")
					   : call_window(&k, (enum window_stat)i);
	if (slice_is(c->name, "devices"))
		slot = k.n->inside ? refuse(&k, c->at, "cannot stand inside a window")
				   : call_devices(&k);
	if (slice_is(c->name, "within"))
		slot = k.n->inside ? refuse(&k, c->at, "cannot stand inside a window")
				   : call_within(&k);
	cel_free(k.sink.prog);
	return slot;
}

/* ---- what cel_compile gets ---- */

struct cel_names rule_names_of(struct rule_names *n)
{
	return (struct cel_names){.slot = slot_of,
				  .nearest = nearest,
				  .call = call_of,
				  .calls = call_names,
				  .type = type_of,
				  .members = members_of,
				  .also = on_also,
				  .used = on_used,
				  .wanted = CEL_BIT(CEL_BOOL),
				  .ctx = n};
}

size_t rule_names_first_use(const struct cel_program *p, uint32_t slot)
{
	for (size_t i = 0; i < p->ncode; i++) {
		const struct cel_insn *in = &p->code[i];
		if (((in->op == I_SLOT || in->op == I_SLOT_HAS) && in->x == slot) ||
		    (in->op == I_SLOT_CMP && in->n == slot))
			return p->at[i];
	}
	return 0;
}
