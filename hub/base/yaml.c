#include "yaml.h"

#include <assert.h>
#include <yaml.h>

#include "times.h"

#define MAX_DEPTH 32

struct yaml_doc {
	struct arena arena;
	char *path;
	struct yaml_node *root;
};

const char *yaml_path(const struct yaml_doc *doc)
{
	return doc->path;
}

const struct yaml_node *yaml_root(const struct yaml_doc *doc)
{
	return doc->root;
}

void yaml_doc_free(struct yaml_doc *doc)
{
	if (!doc)
		return;
	arena_done(&doc->arena);
	free(doc->path);
	free(doc);
}

void yaml_doc_freep(struct yaml_doc **doc)
{
	yaml_doc_free(*doc);
}

int yaml_err(const struct yaml_doc *doc, const struct yaml_node *at, struct err *e, int code,
	     const char *fmt, ...)
{
	char msg[ERR_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s:%d:%d: %s", doc->path, at ? at->line : 1, at ? at->col : 1,
		       msg);
}

/* ---- building the tree from libyaml's events ---- */

struct builder {
	yaml_parser_t parser;
	struct yaml_doc *doc;
	struct err *e;
};

static int build_node(struct builder *b, yaml_event_t *ev, int depth, struct yaml_node **ret);

/* What people most often did who get to read it. */
static const char *hint_of(const yaml_parser_t *p)
{
	static const struct {
		const char *says, *hint;
	} hints[] = {
		{"a tab character", "; indent with spaces"},
		{"mapping values are not allowed", "; a text with \": \" in it wants quotes"},
		{"character that cannot start any token",
		 "; indent with spaces, not with tabs; a text that begins with % @ or ` wants "
		 "quotes"},
		{"scanning an anchor",
		 "; a text with & at its beginning, or behind a !, wants quotes"},
		{"scanning an alias", "; a text that begins with * wants quotes"},
		{"a tag", "; a text that begins with ! wants quotes"},
		{"did not find expected key", "; a text that begins with { [ \" or ' and goes on "
					      "behind it wants quotes around all "
					      "of it"},
		{"did not find expected ',' or '}'",
		 "; inside of { } a text with , { } [ ] in it wants quotes"},
		{"scanning a quoted scalar", "; a closing quote is missing"},
	};
	for (size_t i = 0; i < COUNT_OF(hints); i++)
		if ((p->problem && strstr(p->problem, hints[i].says)) ||
		    (p->context && strstr(p->context, hints[i].says)))
			return hints[i].hint;
	return "";
}

static int parse_error(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	return err_set(b->e, -EINVAL, "%s:%zu:%zu: %s%s%s%s", b->doc->path,
		       p->problem_mark.line + 1, p->problem_mark.column + 1,
		       p->problem ? p->problem : "not YAML", p->context ? ", " : "",
		       p->context ? p->context : "", hint_of(p));
}

static int next_event(struct builder *b, yaml_event_t *ev)
{
	return yaml_parser_parse(&b->parser, ev) ? 0 : parse_error(b);
}

static struct yaml_node *new_node(struct builder *b, const yaml_event_t *ev, enum yaml_kind kind)
{
	struct yaml_node *n = arena_alloc(&b->doc->arena, sizeof *n);
	if (!n) {
		err_set(b->e, -ENOMEM, "%s: too large", b->doc->path);
		return NULL;
	}
	n->kind = kind;
	n->line = (int)ev->start_mark.line + 1;
	n->col = (int)ev->start_mark.column + 1;
	return n;
}

static int build_scalar(struct builder *b, const yaml_event_t *ev, struct yaml_node **ret)
{
	struct yaml_node *n = new_node(b, ev, YAML_SCALAR);
	if (!n)
		return -ENOMEM;
	yaml_scalar_style_t style = ev->data.scalar.style;
	struct slice s = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
	n->plain = style == YAML_PLAIN_SCALAR_STYLE;
	n->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
	const char *tag = (const char *)ev->data.scalar.tag;
	if (tag && tag[0] == '!' && tag[1])
		return yaml_err(b->doc, n, b->e, -EINVAL,
				"a text that begins with ! wants quotes: \"%.60s %.*s\"", tag,
				(int)MIN_OF(s.n, (size_t)60), s.p);
	if (s.n && memchr(s.p, 0, s.n))
		return yaml_err(b->doc, n, b->e, -EINVAL, "a NUL character in a value");
	struct slice copy = arena_copy(&b->doc->arena, s);
	if (!copy.p)
		return err_set(b->e, -ENOMEM, "%s: too large", b->doc->path);
	n->str = copy.p;
	n->n = copy.n;
	*ret = n;
	return 0;
}

/* Children grow in a heap array that is copied into the arena when its end is reached. */
struct children {
	struct yaml_node **v;
	size_t n, cap;
};

static void children_done(struct children *c)
{
	free(c->v);
}

static int children_add(struct children *c, struct yaml_node *n)
{
	int r = mem_grow(&c->v, &c->cap, c->n + 1, 100000, sizeof(struct yaml_node *));
	if (!r)
		c->v[c->n++] = n;
	return r;
}

static int children_keep(struct builder *b, const struct children *c, struct yaml_node ***ret)
{
	size_t size = c->n * sizeof(struct yaml_node *);
	*ret = arena_alloc(&b->doc->arena, MAX_OF(size, (size_t)1));
	if (!*ret)
		return err_set(b->e, -ENOMEM, "%s: too large", b->doc->path);
	if (size)
		memcpy(*ret, c->v, size);
	return 0;
}

static int take_key(struct builder *b, const struct children *keys, struct yaml_node *key)
{
	if (key->kind != YAML_SCALAR)
		return yaml_err(b->doc, key, b->e, -EINVAL, "a key must be a plain word");
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->v[i]->str, key->str) == 0)
			return yaml_err(b->doc, key, b->e, -EINVAL,
					"key \"%s\" is here twice (first on line %d)", key->str,
					keys->v[i]->line);
	return 0;
}

static int build_children(struct builder *b, struct yaml_node *n, int depth)
{
	auto_call(children_done) struct children keys = {0}, vals = {0};
	yaml_event_type_t end =
		n->kind == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	for (;;) {
		yaml_event_t ev;
		int r = next_event(b, &ev);
		if (r)
			return r;
		if (ev.type == end) {
			yaml_event_delete(&ev);
			break;
		}
		struct yaml_node *child = NULL;
		r = build_node(b, &ev, depth + 1, &child);
		yaml_event_delete(&ev);
		bool is_key = n->kind == YAML_MAP && keys.n == vals.n;
		if (!r && is_key)
			r = take_key(b, &keys, child);
		if (!r)
			r = children_add(is_key ? &keys : &vals, child);
		if (r)
			return r;
	}
	n->n = vals.n;
	int r = children_keep(b, &vals, &n->vals);
	return r ? r : children_keep(b, &keys, &n->keys);
}

static int build_node(struct builder *b, yaml_event_t *ev, int depth, struct yaml_node **ret)
{
	if (ev->type == YAML_SCALAR_EVENT && !ev->data.scalar.anchor)
		return build_scalar(b, ev, ret);
	bool map = ev->type == YAML_MAPPING_START_EVENT,
	     seq = ev->type == YAML_SEQUENCE_START_EVENT;
	struct yaml_node *n = new_node(b, ev, map ? YAML_MAP : YAML_SEQ);
	if (!n)
		return -ENOMEM;
	if ((!map && !seq) || (map && ev->data.mapping_start.anchor) ||
	    (seq && ev->data.sequence_start.anchor))
		return yaml_err(b->doc, n, b->e, -EINVAL, "anchors and aliases are not taken here");
	if (depth > MAX_DEPTH)
		return yaml_err(b->doc, n, b->e, -ELOOP, "nested deeper than %d levels", MAX_DEPTH);
	*ret = n;
	return build_children(b, n, depth);
}

static int build_document(struct builder *b)
{
	for (;;) {
		yaml_event_t ev;
		int r = next_event(b, &ev);
		if (r)
			return r;
		yaml_event_type_t type = ev.type;
		if (type == YAML_DOCUMENT_START_EVENT && b->doc->root)
			r = err_set(b->e, -EINVAL, "%s:%zu:1: a second document in the file",
				    b->doc->path, ev.start_mark.line + 1);
		else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
			 type == YAML_MAPPING_START_EVENT || type == YAML_ALIAS_EVENT)
			r = build_node(b, &ev, 1, &b->doc->root);
		yaml_event_delete(&ev);
		if (r || type == YAML_STREAM_END_EVENT)
			return r;
	}
}

int yaml_load(const char *name, struct slice text, struct err *e, struct yaml_doc **ret)
{
	struct yaml_doc *doc = mem_new(sizeof *doc);
	if (!doc)
		return err_set(e, -ENOMEM, "%s: out of memory", name);
	arena_init(&doc->arena, (size_t)64 * YAML_FILE_MAX);
	doc->path = slice_dup(slice_of(name));
	struct builder b = {.doc = doc, .e = e};
	size_t bad;
	int r = 0;
	if (!doc->path || !yaml_parser_initialize(&b.parser)) {
		yaml_doc_free(doc);
		return err_set(e, -ENOMEM, "%s: out of memory", name);
	}
	if (text.n > YAML_FILE_MAX)
		r = err_set(e, -EFBIG, "%s: larger than %d bytes", name, YAML_FILE_MAX);
	else if (!slice_utf8_ok(text, &bad))
		r = err_set(e, -EILSEQ, "%s: not UTF-8 at byte %zu", name, bad);
	if (!r) {
		yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&b.parser,
					     (const unsigned char *)(text.p ? text.p : ""), text.n);
		r = build_document(&b);
	}
	yaml_parser_delete(&b.parser);
	if (r) {
		yaml_doc_free(doc);
		return r;
	}
	*ret = doc;
	return 0;
}

int yaml_load_file(const char *path, struct err *e, struct yaml_doc **ret)
{
	auto_free char *text = NULL;
	size_t n;
	int r = file_read(path, YAML_FILE_MAX, &text, &n, e);
	return r ? r : yaml_load(path, (struct slice){text, n}, e, ret);
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->keys[i]->str, key) == 0)
			return map->vals[i];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	if (!node || node->kind != YAML_SCALAR || !node->plain)
		return !node;
	return node->n == 0 || strcmp(node->str, "~") == 0 || strcmp(node->str, "null") == 0;
}

/* ---- binding ---- */

static int parse_size(struct slice s, int64_t *ret)
{
	static const char units[] = "KMGT";
	int shift = 0;
	const char *u = s.n ? strchr(units, s.p[s.n - 1]) : NULL;
	if (u && *u) {
		shift = 10 * (int)(u - units + 1);
		s.n--;
	}
	int64_t v;
	int r = slice_to_i64(s, &v);
	if (r || v < 0)
		return r ? r : -ERANGE;
	if (v > (INT64_MAX >> shift))
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

static int parse_enum(struct slice s, const char *const *names, int *ret)
{
	for (int i = 0; names[i]; i++) {
		if (slice_is(s, names[i])) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_bool(struct slice s, bool *ret)
{
	*ret = slice_is(s, "true");
	return *ret || slice_is(s, "false") || !s.n ? 0 : -EINVAL;
}

/* The value's text into the field; the caller has seen to type NODE and STR. */
static int parse_field(const struct yaml_field *f, struct slice s, void *at)
{
	int64_t v = 0;
	int r;
	switch (f->type) {
	case YAML_T_BOOL:
		return parse_bool(s, at);
	case YAML_T_DOUBLE:
		return s.n ? slice_to_double(s, at) : 0;
	case YAML_T_ENUM:
		return parse_enum(s, f->names, at);
	case YAML_T_INT:
		r = s.n ? slice_to_i64(s, &v) : 0;
		break;
	case YAML_T_DURATION:
		r = s.n ? times_parse_duration(s, &v) : 0;
		break;
	case YAML_T_SIZE:
		r = s.n ? parse_size(s, &v) : 0;
		break;
	case YAML_T_STR:
	case YAML_T_NODE:
	default:
		return -EINVAL;
	}
	if (!r && s.n && (v < f->min || v > f->max))
		r = -ERANGE;
	if (!r)
		memcpy(at, &v, sizeof v);
	return r;
}

static void describe(const struct yaml_field *f, struct buf *b)
{
	static const char *const what[] = {
		[YAML_T_STR] = "a text",
		[YAML_T_INT] = "a whole number",
		[YAML_T_BOOL] = "true or false",
		[YAML_T_DOUBLE] = "a number",
		[YAML_T_DURATION] = "a duration like 10s or 20m",
		[YAML_T_SIZE] = "a size like 512K or 10G",
		[YAML_T_ENUM] = "one of",
		[YAML_T_NODE] = "a list or map",
	};
	buf_puts(b, what[f->type]);
	if (f->type == YAML_T_ENUM)
		for (size_t i = 0; f->names[i]; i++)
			buf_printf(b, "%s%s", i ? ", " : " ", f->names[i]);
	char lo[TIMES_DURATION_MAX], hi[TIMES_DURATION_MAX];
	if (f->type == YAML_T_DURATION) {
		times_format_duration(f->min, lo);
		times_format_duration(f->max, hi);
		buf_printf(b, ", %s to %s", lo, hi);
	}
	if (f->type == YAML_T_INT || f->type == YAML_T_SIZE)
		buf_printf(b, ", %lld to %lld", (long long)f->min, (long long)f->max);
}

static int bind_error(const struct yaml_doc *doc, const struct yaml_node *v,
		      const struct yaml_field *f, struct err *e)
{
	auto_buf struct buf want;
	buf_init(&want, 400);
	describe(f, &want);
	if (v->kind != YAML_SCALAR)
		return yaml_err(doc, v, e, -EINVAL, "key \"%s\": a %s where %s was expected",
				f->name, v->kind == YAML_MAP ? "map" : "list", buf_str(&want));
	return yaml_err(doc, v, e, -EINVAL, "key \"%s\": value \"%.80s\" is not %s", f->name,
			v->str, buf_str(&want));
}

static int bind_value(const struct yaml_doc *doc, const struct yaml_node *v,
		      const struct yaml_field *f, void *ret, struct err *e)
{
	void *at = (char *)ret + f->offset;
	if (f->type == YAML_T_NODE) {
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer is what is bound */
		memcpy(at, &v, sizeof v);
		return 0;
	}
	if (v->kind != YAML_SCALAR)
		return bind_error(doc, v, f, e);
	if (f->type == YAML_T_STR) {
		if (!f->def && !v->n)
			return yaml_err(doc, v, e, -EINVAL, "key \"%s\": must not be empty",
					f->name);
		memcpy(at, &v->str, sizeof v->str);
		return 0;
	}
	if (!v->n || parse_field(f, (struct slice){v->str, v->n}, at))
		return bind_error(doc, v, f, e);
	return 0;
}

int yaml_bind_one(const struct yaml_doc *doc, const struct yaml_node *v, const struct yaml_field *f,
		  void *ret, struct err *e)
{
	struct yaml_field here = *f;
	here.offset = 0;
	return bind_value(doc, v, &here, ret, e);
}

static int bind_default(const struct yaml_doc *doc, const struct yaml_node *map,
			const struct yaml_field *f, void *ret, struct err *e)
{
	void *at = (char *)ret + f->offset;
	if (!f->def)
		return yaml_err(doc, map, e, -EINVAL, "key \"%s\" is missing", f->name);
	if (f->type == YAML_T_NODE || f->type == YAML_T_STR) {
		const char *s = f->type == YAML_T_STR && f->def[0] ? f->def : NULL;
		memcpy(at, &s, sizeof s);
		return 0;
	}
	if (parse_field(f, slice_of(f->def), at))
		return yaml_err(doc, map, e, -EINVAL, "the default \"%s\" of key \"%s\" is no good",
				f->def, f->name);
	return 0;
}

/* The place of the name in the table; nf when it is not there, *ret_near is then the nearest. */
static size_t find_field(const struct yaml_field *f, size_t nf, const char *name, size_t *ret_near)
{
	size_t best = 4;
	*ret_near = nf;
	for (size_t i = 0; i < nf; i++) {
		if (strcmp(f[i].name, name) == 0)
			return i;
		size_t d = name_distance(slice_of(f[i].name), slice_of(name));
		if (d < best) {
			best = d;
			*ret_near = i;
		}
	}
	return nf;
}

#define BIND_FIELDS_MAX 64

/* Keys that are in no table; *ret_meant has a bit for each field that one of them is near to. */
static int bind_unknown(const struct yaml_doc *doc, const struct yaml_node *map,
			const struct yaml_field *f, size_t nf, yaml_fault_fn fault, void *ctx,
			uint64_t *ret_meant)
{
	int res = 0;
	struct err e;
	for (size_t k = 0; map && k < map->n; k++) {
		const struct yaml_node *key = map->keys[k];
		size_t near;
		if (find_field(f, nf, key->str, &near) < nf)
			continue;
		if (near < nf)
			*ret_meant |= UINT64_C(1) << near;
		res = yaml_err(doc, key, &e, -EINVAL, "unknown key \"%.80s\"%s%s%s", key->str,
			       near < nf ? " (did you mean \"" : "", near < nf ? f[near].name : "",
			       near < nf ? "\"?)" : "");
		fault(ctx, &e);
	}
	return res;
}

int yaml_bind_all(const struct yaml_doc *doc, const struct yaml_node *map,
		  const struct yaml_field *f, size_t nf, void *ret, yaml_fault_fn fault, void *ctx)
{
	struct err e;
	uint64_t meant = 0;
	assert(nf <= BIND_FIELDS_MAX);
	if (map && yaml_is_null(map))
		map = NULL;
	if (map && map->kind != YAML_MAP) {
		yaml_err(doc, map, &e, -EINVAL, "a map of keys and values was expected");
		fault(ctx, &e);
		return -EINVAL;
	}
	int res = bind_unknown(doc, map, f, nf, fault, ctx, &meant);
	for (size_t i = 0; i < nf; i++) {
		const struct yaml_node *v = yaml_get(map, f[i].name);
		bool unset = !v || (yaml_is_null(v) && f[i].def);
		if (!v && !f[i].def && meant & UINT64_C(1) << i)
			continue; /* it is there, misspelt, which has been told */
		int r = unset ? bind_default(doc, map, &f[i], ret, &e)
			      : bind_value(doc, v, &f[i], ret, &e);
		if (r) {
			res = r;
			fault(ctx, &e);
		}
	}
	return res;
}

static void keep_first(void *ctx, const struct err *e)
{
	struct err *first = ctx;
	if (first && !first->msg[0])
		*first = *e;
}

int yaml_bind(const struct yaml_doc *doc, const struct yaml_node *map, const struct yaml_field *f,
	      size_t nf, void *ret, struct err *e)
{
	if (e)
		e->msg[0] = 0;
	return yaml_bind_all(doc, map, f, nf, ret, keep_first, e);
}
