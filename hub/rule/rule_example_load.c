#include "rule_example.h"
#include "rule_load.h"
#include "times.h"

#define START_DEFAULT "2026-03-02T10:00:00+08:00" /* a Monday, 10 o'clock */
#define LENGTH_MAX (400 * TIMES_DAY)

struct example_yaml {
	const char *of, *start;
	const struct yaml_node *readings, *expect, *device, *grid;
	int64_t until_us, interval_us;
	bool late;
};

#define X(member_) offsetof(struct example_yaml, member_)
static const struct yaml_field example_table[] = {
	{"of", YAML_T_STR, X(of), "", 0, 0, NULL, "what it shows"},
	{"start", YAML_T_STR, X(start), START_DEFAULT, 0, 0, NULL, "when it begins"},
	{"readings", YAML_T_NODE, X(readings), NULL, 0, 0, NULL, "what the devices say"},
	{"until", YAML_T_DURATION, X(until_us), "0", 0, LENGTH_MAX, NULL, "let time run on to"},
	{"late", YAML_T_BOOL, X(late), "false", 0, 0, NULL,
	 "readings behind a later one are meant to come late"},
	{"interval", YAML_T_DURATION, X(interval_us), "0", 0, 366 * TIMES_DAY, NULL,
	 "the devices' interval"},
	{"device", YAML_T_NODE, X(device), "", 0, 0, NULL, "name, title, class …"},
	{"grid", YAML_T_NODE, X(grid), "", 0, 0, NULL, "code, name, leader …"},
	{"expect", YAML_T_NODE, X(expect), NULL, 0, 0, NULL, "open 20m, recover 45m; [] = nothing"},
};

struct device_yaml {
	const char *name, *title, *adapter, *address;
	int class;
};

#define D(member_) offsetof(struct device_yaml, member_)
static const struct yaml_field device_table[] = {
	{"name", YAML_T_STR, D(name), "device", 0, 0, NULL, "its id"},
	{"title", YAML_T_STR, D(title), "", 0, 0, NULL, "what a person calls it"},
	{"class", YAML_T_ENUM, D(class), "unknown", 0, 0, device_class_names, "its class"},
	{"adapter", YAML_T_STR, D(adapter), "hub", 0, 0, NULL, "its dialect"},
	{"address", YAML_T_STR, D(address), "", 0, 0, NULL, "its address there"},
};

struct grid_yaml {
	const char *code, *name, *leader;
	int64_t level;
	bool dedicated;
};

#define G(member_) offsetof(struct grid_yaml, member_)
static const struct yaml_field grid_table[] = {
	{"code", YAML_T_STR, G(code), "grid-1", 0, 0, NULL, "its code"},
	{"name", YAML_T_STR, G(name), "grid-1", 0, 0, NULL, "its name"},
	{"leader", YAML_T_STR, G(leader), "", 0, 0, NULL, "its leader"},
	{"level", YAML_T_INT, G(level), "3", 0, 4, NULL, "its level"},
	{"dedicated", YAML_T_BOOL, G(dedicated), "false", 0, 0, NULL, "it belongs to one unit"},
};

/* One example while it is read; the arrays have room for all that its lists can bring. */
struct reader {
	struct loader *l;
	const struct rule *rule;
	struct example_yaml y;
	struct rule_example *x;
	struct device devices[EXAMPLE_DEVICES_MAX]; /* x->devices until all are known */
	bool bad;
};

static void note(struct reader *rd, int r)
{
	rd->bad = rd->bad || r;
}

static void *room(struct reader *rd, size_t n)
{
	void *p = arena_alloc(&rd->l->set->arena, MAX_OF(n, (size_t)1));
	if (!p)
		note(rd, rule_load_fault(rd->l, NULL, NULL, "out of memory"));
	return p;
}

static const char *kept(struct reader *rd, struct slice s)
{
	const char *p = arena_copy(&rd->l->set->arena, s).p;
	return p ? p : "";
}

/* ---- who ---- */

static void read_about(struct reader *rd)
{
	struct device_yaml d = {0};
	struct grid_yaml g = {0};
	struct rule_example *x = rd->x;
	note(rd, yaml_bind_all(rd->l->doc, rd->y.device, device_table, COUNT_OF(device_table), &d,
			       rule_load_on_fault, rd->l));
	note(rd, yaml_bind_all(rd->l->doc, rd->y.grid, grid_table, COUNT_OF(grid_table), &g,
			       rule_load_on_fault, rd->l));
	x->devices = rd->devices;
	enum device_class class = rd->rule->class != CLASS_UNKNOWN ? rd->rule->class : CLASS_SENSOR;
	x->grid = (struct grid){.id = 1,
				.code = kept(rd, slice_of(g.code)),
				.name = kept(rd, slice_of(g.name)),
				.leader = kept(rd, slice_of(g.leader)),
				.deputy = "",
				.endpoint = "",
				.level = (int)g.level,
				.dedicated = g.dedicated};
	x->devices[x->ndevices++] = (struct device){
		.id = 1,
		.name = kept(rd, slice_of(d.name)),
		.title = d.title ? kept(rd, slice_of(d.title)) : "",
		.adapter = kept(rd, slice_of(d.adapter)),
		.address = kept(rd, slice_of(d.address ? d.address : d.name)),
		.grid = &x->grid,
		.class = d.class != CLASS_UNKNOWN ? (enum device_class)d.class : class,
		.interval_us = rd->y.interval_us,
	};
}

static struct device *find_device(const struct rule_example *x, struct slice name)
{
	if (!name.n)
		return &x->devices[0];
	for (size_t i = 0; i < x->ndevices; i++)
		if (slice_is(name, x->devices[i].name))
			return &x->devices[i];
	return NULL;
}

/* The device that a reading names, made if need be: as the first one, but for its name. */
static struct device *name_device(struct reader *rd, struct slice name)
{
	struct rule_example *x = rd->x;
	struct device *d = find_device(x, name);
	if (d || x->ndevices == EXAMPLE_DEVICES_MAX)
		return d;
	d = &x->devices[x->ndevices];
	*d = x->devices[0];
	d->name = d->address = kept(rd, name);
	d->slot = (uint32_t)x->ndevices++;
	d->id = d->slot + 1;
	return d;
}

/* ---- readings: `- 10m bin2: {fill_pct: 88}` ---- */

static bool good_name(struct slice s)
{
	if (!s.n || s.n > FIELD_NAME_MAX || s.p[0] < 'a' || s.p[0] > 'z')
		return false;
	return strspn(s.p, "abcdefghijklmnopqrstuvwxyz0123456789_") == s.n;
}

/* As a device would send it: what is quoted, or looks like nothing else, is a text. */
static struct value value_of(struct reader *rd, const struct yaml_node *v)
{
	struct slice s = {v->str, v->n};
	int64_t i;
	double d;
	if (v->plain && yaml_is_null(v))
		return (struct value){.type = VALUE_NULL};
	if (v->plain && (slice_is(s, "true") || slice_is(s, "false")))
		return VALUE_OF_BOOL(s.p[0] == 't');
	if (v->plain && !slice_to_i64(s, &i))
		return VALUE_OF_INT(i);
	if (v->plain && !slice_to_double(s, &d))
		return VALUE_OF_DOUBLE(d);
	return VALUE_OF_STR(((struct slice){kept(rd, s), s.n}));
}

/* Numbers of any kind stand for each other, and what is a text may come as a number. */
static int check_type(struct reader *rd, const struct yaml_node *v, struct slice name,
		      const struct value *got)
{
	const struct rule_word *w = rule_words_find(&rd->l->words, name);
	bool number = got->type == VALUE_INT || got->type == VALUE_DOUBLE;
	if (!w || got->type == VALUE_NULL || (w->type == CEL_BOOL && got->type == VALUE_BOOL) ||
	    ((w->type == CEL_INT || w->type == CEL_DOUBLE) && number) ||
	    (w->type == CEL_STRING && got->type != VALUE_BOOL))
		return 0;
	return rule_load_fault(rd->l, v, "readings", "\"%.*s\" is a %s, says fields.yaml",
			       SL_FMT(name),
			       w->type == CEL_BOOL     ? "bool: true or false"
			       : w->type == CEL_STRING ? "text"
						       : "number");
}

static void read_field(struct reader *rd, const struct yaml_node *key, const struct yaml_node *v,
		       struct reading *r)
{
	struct slice name = {key->str, key->n};
	if (!good_name(name)) {
		note(rd, rule_load_fault(rd->l, key, "readings",
					 "\"%.80s\" is not the name of a field", key->str));
		return;
	}
	if (v->kind != YAML_SCALAR) {
		note(rd, rule_load_no_text(rd->l, v, key->str));
		return;
	}
	struct value value = value_of(rd, v);
	if (rule_words_lack(&rd->l->words, name))
		note(rd, rule_text_no_field(rd->l, key, 0, name));
	note(rd, check_type(rd, v, name, &value));
	r->fields[r->nfields++] = (struct field){{kept(rd, name), name.n}, value};
}

static void read_fields(struct reader *rd, const struct yaml_node *map, struct reading *r)
{
	if (map->kind != YAML_MAP || map->n > READING_MAX_FIELDS) {
		note(rd, rule_load_fault(rd->l, map, "readings",
					 "at most %d fields and values were expected: {fill_pct: "
					 "88}",
					 READING_MAX_FIELDS));
		return;
	}
	r->fields = room(rd, map->n * sizeof *r->fields);
	for (size_t i = 0; r->fields && i < map->n; i++)
		read_field(rd, map->keys[i], map->vals[i], r);
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

/* "10m bin2" → time and name. */
static bool cut_time(struct slice s, int64_t *ret_us, struct slice *ret_name)
{
	struct slice time = {0}, rest = s;
	slice_cut(&rest, ' ', &time);
	*ret_name = slice_trim(rest);
	return !times_parse_duration(time, ret_us) && *ret_us <= LENGTH_MAX &&
	       ret_name->n <= READING_ADDRESS_MAX && !has_control(*ret_name);
}

static void read_step(struct reader *rd, const struct yaml_node *map)
{
	struct example_step *step = &rd->x->steps[rd->x->nsteps];
	struct slice name;
	if (map->kind != YAML_MAP || map->n != 1) {
		note(rd, rule_load_fault(rd->l, map, "readings",
					 "a time and what was read was expected: 10m: {fill_pct: "
					 "88}"));
		return;
	}
	const struct yaml_node *key = map->keys[0];
	if (!cut_time((struct slice){key->str, key->n}, &step->at_us, &name)) {
		note(rd, rule_load_fault(rd->l, key, "readings",
					 "\"%.80s\" is no time since the beginning like 0, 20m, "
					 "1h30m (at most 400d), nor that and the name of a device",
					 key->str));
		return;
	}
	step->device = name_device(rd, name);
	if (!step->device) {
		note(rd, rule_load_fault(rd->l, key, "readings", "more than %d devices",
					 EXAMPLE_DEVICES_MAX));
		return;
	}
	if (step->at_us < rd->x->until_us && !rd->y.late)
		note(rd, rule_load_fault(rd->l, key, "readings",
					 "earlier than the reading before it (if it is to come "
					 "late, say so: late: true)"));
	step->reading.kind = rd->rule->event ? READING_EVENT : READING_TELE;
	step->reading.address = slice_of(step->device->address);
	step->reading.class = step->device->class;
	step->reading.at_us = rd->x->start_us + step->at_us;
	read_fields(rd, map->vals[0], &step->reading);
	rd->x->until_us = MAX_OF(rd->x->until_us, step->at_us);
	rd->x->nsteps++;
}

static bool is_list(struct reader *rd, const struct yaml_node *v, const char *key, size_t max)
{
	if (v->kind == YAML_SEQ && v->n <= max)
		return true;
	note(rd, rule_load_fault(rd->l, v, key, "a list of at most %zu was expected", max));
	return false;
}

static void read_steps(struct reader *rd)
{
	const struct yaml_node *list = rd->y.readings;
	if (!list || !is_list(rd, list, "readings", EXAMPLE_READINGS_MAX))
		return;
	rd->x->steps = room(rd, list->n * sizeof *rd->x->steps);
	for (size_t i = 0; rd->x->steps && i < list->n; i++)
		read_step(rd, list->vals[i]);
}

/* ---- what is expected: `open 20m bin2` ---- */

static void read_move(struct reader *rd, const struct yaml_node *v)
{
	struct example_move *m = &rd->x->expect[rd->x->nexpect];
	struct slice rest = {0}, word = {0}, name;
	if (v->kind == YAML_SCALAR) {
		rest = (struct slice){v->str, v->n};
		slice_cut(&rest, ' ', &word);
	}
	m->open = slice_is(word, "open");
	if ((!m->open && !slice_is(word, "recover")) ||
	    !cut_time(slice_trim(rest), &m->at_us, &name)) {
		note(rd, rule_load_fault(rd->l, v, "expect",
					 "\"%.80s\" is not like open 20m, recover 1h30m or open "
					 "20m DEVICE",
					 v->kind == YAML_SCALAR ? v->str : "a list or map"));
		return;
	}
	m->device = find_device(rd->x, name);
	if (!m->device)
		note(rd, rule_load_fault(rd->l, v, "expect", "no reading is of a device \"%.*s\"",
					 (int)MIN_OF(name.n, (size_t)80), name.p));
	rd->x->nexpect++;
}

static void read_moves(struct reader *rd)
{
	const struct yaml_node *list = rd->y.expect;
	struct rule_example *x = rd->x;
	if (!list || !is_list(rd, list, "expect", EXAMPLE_MOVES_MAX))
		return;
	x->expect = room(rd, list->n * sizeof *x->expect);
	if (!x->expect)
		return;
	for (size_t i = 0; i < list->n; i++)
		read_move(rd, list->vals[i]);
	if (x->nexpect)
		qsort(x->expect, x->nexpect, sizeof *x->expect, rule_example_order);
}

/* ---- one example, all examples ---- */

/* The devices move to where they stay, and those who refer to them are told. */
static void settle_devices(struct reader *rd)
{
	struct rule_example *x = rd->x;
	struct device *v = room(rd, x->ndevices * sizeof *v);
	if (!v)
		return;
	memcpy(v, rd->devices, x->ndevices * sizeof *v);
	for (size_t i = 0; i < x->nsteps; i++)
		x->steps[i].device = v + (x->steps[i].device - rd->devices);
	for (size_t i = 0; i < x->nexpect; i++)
		if (x->expect[i].device)
			x->expect[i].device = v + (x->expect[i].device - rd->devices);
	x->devices = v;
}

static void read_example(struct reader *rd, const struct yaml_node *map)
{
	struct loader *l = rd->l;
	struct rule_example *x = rd->x;
	x->line = map->line;
	x->col = map->col;
	note(rd, yaml_bind_all(l->doc, map, example_table, COUNT_OF(example_table), &rd->y,
			       rule_load_on_fault, l));
	if (map->kind != YAML_MAP)
		return;
	x->of = rd->y.of ? kept(rd, slice_of(rd->y.of)) : "";
	if (rd->y.start && times_parse(slice_of(rd->y.start), &x->start_us))
		note(rd, rule_load_fault(l, yaml_get(map, "start"), "start",
					 "value \"%.80s\" is not a time like " START_DEFAULT,
					 rd->y.start));
	read_about(rd);
	read_steps(rd);
	if (rd->y.until_us && rd->y.until_us < x->until_us)
		note(rd, rule_load_fault(l, yaml_get(map, "until"), "until",
					 "the last reading comes after it"));
	x->until_us = MAX_OF(x->until_us, rd->y.until_us);
	read_moves(rd);
	settle_devices(rd);
}

int rule_examples_load(struct loader *l, const struct yaml_node *list, const struct rule *rule,
		       struct rule_code *code)
{
	struct reader rd = {.l = l, .rule = rule};
	if (!is_list(&rd, list, "examples", EXAMPLES_MAX))
		return -EINVAL;
	struct rule_example *v = room(&rd, list->n * sizeof *v);
	if (!v)
		return -EINVAL;
	for (size_t i = 0; i < list->n; i++) {
		rd.y = (struct example_yaml){0};
		rd.x = &v[i];
		read_example(&rd, list->vals[i]);
	}
	code->examples = v;
	code->nexamples = list->n;
	return rd.bad ? -EINVAL : 0;
}
