#include "config.h"

#include <limits.h>

#include "config_table.h"
#include "zone.h"

/* ---- paths: relative to the folder of the file ---- */

static int make_absolute(struct config *c, const char **path, struct err *e)
{
	if (!*path || (*path)[0] == '/')
		return 0;
	auto_buf struct buf b;
	buf_init(&b, PATH_MAX);
	const char *slash = strrchr(c->path, '/');
	if (slash)
		buf_put(&b, c->path, (size_t)(slash - c->path) + 1);
	buf_puts(&b, *path);
	struct slice s = arena_copy(&c->arena, buf_slice(&b));
	if (b.failed || !s.p)
		return err_set(e, -ENAMETOOLONG, "%s: path \"%.80s\" is too long", c->path, *path);
	*path = s.p;
	return 0;
}

static int make_all_absolute(struct config *c, const char **paths[], size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = make_absolute(c, paths[i], e);
		if (r)
			return r;
	}
	return 0;
}

/* ---- lists ---- */

/* Check that node is a list of 1..max entries (0 allowed if optional) and make room for them. */
static int list_of(struct config *c, const struct yaml_node *node, const char *key, size_t max,
		   size_t es, void **ret, size_t *ret_n, struct err *e)
{
	*ret_n = 0;
	if (!node || yaml_is_null(node))
		return 0;
	if (node->kind != YAML_SEQ)
		return yaml_err(c->doc, node, e, -EINVAL, "key \"%s\": a list was expected", key);
	if (node->n > max)
		return yaml_err(c->doc, node, e, -E2BIG,
				"key \"%s\": %zu entries, at most %zu are taken", key, node->n,
				max);
	*ret = arena_alloc(&c->arena, MAX_OF(node->n * es, (size_t)1));
	if (!*ret)
		return yaml_err(c->doc, node, e, -ENOMEM, "key \"%s\": out of memory", key);
	*ret_n = node->n;
	return 0;
}

static int load_subscriptions(struct config *c, struct broker_conf *b, struct err *e)
{
	const struct yaml_node *list = b->subscriptions;
	void *mem = NULL;
	int r = list_of(c, list, "subscriptions", CONFIG_SUBSCRIPTIONS_MAX, sizeof *b->subs, &mem,
			&b->nsubs, e);
	b->subs = mem;
	if (!r && b->nsubs == 0)
		return yaml_err(c->doc, list, e, -EINVAL,
				"key \"subscriptions\": at least one entry was expected");
	for (size_t i = 0; !r && i < b->nsubs; i++)
		r = yaml_bind(c->doc, list->vals[i], CONFIG_TABLE(C_SUBSCRIPTION), &b->subs[i], e);
	return r;
}

/* host, host:port, [v6] or [v6]:port, and nothing behind it. */
static bool host_port_ok(struct slice s)
{
	size_t host = 0;
	int64_t port;
	if (s.n && s.p[0] == '[') {
		while (host < s.n && s.p[host] != ']')
			host++;
		if (host++ == s.n)
			return false;
	} else {
		while (host < s.n && !strchr(":/?#[] ", s.p[host]))
			host++;
	}
	if (!host || host == s.n)
		return host > 0;
	struct slice tail = {s.p + host + 1, s.n - host - 1};
	return s.p[host] == ':' && !slice_to_i64(tail, &port) && port >= 1 && port <= 65535;
}

static int check_broker_url(struct config *c, const struct yaml_node *at, const char *url,
			    struct err *e)
{
	const char *host = strstr(url, "://");
	if (!slice_starts(slice_of(url), "mqtt://") && !slice_starts(slice_of(url), "mqtts://"))
		return yaml_err(
			c->doc, at, e, -EINVAL,
			"key \"url\": value \"%.80s\" does not begin with mqtt:// or mqtts://",
			url);
	if (strchr(url, '@'))
		return yaml_err(c->doc, at, e, -EINVAL,
				"key \"url\": no user or password in a URL; use username and "
				"password_file");
	if (!host_port_ok(slice_of(host + 3)))
		return yaml_err(c->doc, at, e, -EINVAL,
				"key \"url\": value \"%.80s\" is not mqtt://HOST:PORT", url);
	return 0;
}

static int check_broker(struct config *c, const struct yaml_node *at, size_t i, struct err *e)
{
	const struct broker_conf *b = &c->brokers[i];
	if (b->version == 4)
		return yaml_err(c->doc, at, e, -EINVAL,
				"key \"version\": value \"4\" is neither 3 (MQTT 3.1.1) nor 5");
	if (strcmp(b->name, "probe") == 0) /* PROBE_SOURCE */
		return yaml_err(c->doc, at, e, -EINVAL,
				"key \"name\": \"probe\" is what the hub's own looks are called");
	int r = check_broker_url(c, at, b->url, e);
	if (r)
		return r;
	if (!b->cert_file != !b->key_file)
		return yaml_err(
			c->doc, at, e, -EINVAL,
			"keys \"cert_file\" and \"key_file\": one is given without the other");
	if (strlen(b->name) > CONFIG_NAME_MAX)
		return yaml_err(c->doc, at, e, -EINVAL, "key \"name\": longer than %d bytes",
				CONFIG_NAME_MAX);
	for (size_t j = 0; j < i; j++) {
		const struct broker_conf *o = &c->brokers[j];
		if (strcmp(o->name, b->name) == 0)
			return yaml_err(c->doc, at, e, -EINVAL,
					"key \"name\": two brokers are called \"%s\"", b->name);
		if (strcmp(o->url, b->url) == 0 && strcmp(o->client_id, b->client_id) == 0)
			return yaml_err(
				c->doc, at, e, -EINVAL,
				"key \"client_id\": \"%s\" is the broker entry \"%s\", too; "
				"each would throw the other out",
				b->client_id, o->name);
	}
	return 0;
}

static int load_brokers(struct config *c, const struct yaml_node *list, struct err *e)
{
	void *mem = NULL;
	int r = list_of(c, list, "mqtt", CONFIG_BROKERS_MAX, sizeof *c->brokers, &mem, &c->nbrokers,
			e);
	c->brokers = mem;
	for (size_t i = 0; !r && i < c->nbrokers; i++) {
		struct broker_conf *b = &c->brokers[i];
		r = yaml_bind(c->doc, list->vals[i], CONFIG_TABLE(C_BROKER), b, e);
		if (!r)
			r = check_broker(c, list->vals[i], i, e);
		if (!r)
			r = load_subscriptions(c, b, e);
		const char **paths[] = {&b->password_file, &b->ca_file, &b->cert_file,
					&b->key_file};
		if (!r)
			r = make_all_absolute(c, paths, COUNT_OF(paths), e);
	}
	return r;
}

static int endpoint_cmp(const void *a, const void *b)
{
	const struct endpoint_conf *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int load_endpoints(struct config *c, const struct yaml_node *list, struct err *e)
{
	void *mem = NULL;
	int r = list_of(c, list, "endpoints", CONFIG_ENDPOINTS_MAX, sizeof *c->endpoints, &mem,
			&c->nendpoints, e);
	c->endpoints = mem;
	for (size_t i = 0; !r && i < c->nendpoints; i++) {
		struct endpoint_conf *p = &c->endpoints[i];
		r = yaml_bind(c->doc, list->vals[i], CONFIG_TABLE(C_ENDPOINT), p, e);
		if (!r && !p->url == !p->url_file)
			r = yaml_err(c->doc, list->vals[i], e, -EINVAL,
				     "endpoint \"%s\": give url or url_file, one of the two",
				     p->name);
		const char **paths[] = {&p->url_file, &p->secret_file, &p->template_file,
					&p->ca_file};
		if (!r)
			r = make_all_absolute(c, paths, COUNT_OF(paths), e);
	}
	if (r || !c->nendpoints)
		return r;
	qsort(c->endpoints, c->nendpoints, sizeof *c->endpoints, endpoint_cmp);
	for (size_t i = 1; i < c->nendpoints; i++)
		if (strcmp(c->endpoints[i - 1].name, c->endpoints[i].name) == 0)
			return yaml_err(c->doc, list, e, -EINVAL, "two endpoints are called \"%s\"",
					c->endpoints[i].name);
	return 0;
}

/* One that the hub does not speak itself, but some endpoint. */
static void find_other_lang(struct config *c)
{
	c->other_lang = -1;
	for (size_t i = 0; i < c->nendpoints; i++) {
		struct endpoint_conf *p = &c->endpoints[i];
		if (p->lang == CONFIG_LANG_OF_HUB)
			p->lang = c->lang;
		if (p->lang != c->lang)
			c->other_lang = p->lang;
	}
}

static int load_ranges(struct config *c, const struct yaml_node *list, struct guard *g,
		       struct err *e)
{
	void *mem = NULL;
	size_t n;
	int r = list_of(c, list, "allow_addresses", GUARD_RANGES_MAX, sizeof *g->allowed, &mem, &n,
			e);
	g->allowed = mem;
	for (size_t i = 0; !r && i < n; i++) {
		const struct yaml_node *v = list->vals[i];
		struct err why;
		r = v->kind == YAML_SCALAR ? guard_range_parse((struct slice){v->str, v->n},
							       &g->allowed[g->n++], &why)
					   : err_set(&why, -EINVAL, "a text was expected");
		if (r)
			yaml_err(c->doc, v, e, r, "key \"allow_addresses\": %.200s", why.msg);
	}
	return r;
}

/* ---- probe ---- */

static int load_servers(struct config *c, struct err *e)
{
	const struct yaml_node *list = c->probe.servers_list;
	void *mem = NULL;
	int r = list_of(c, list, "servers", CONFIG_SERVERS_MAX, sizeof *c->probe.servers, &mem,
			&c->probe.nservers, e);
	c->probe.servers = mem;
	for (size_t i = 0; !r && i < c->probe.nservers; i++) {
		const struct yaml_node *v = list->vals[i];
		bool text = v->kind == YAML_SCALAR && host_port_ok((struct slice){v->str, v->n});
		if (!text)
			return yaml_err(c->doc, v, e, -EINVAL,
					"key \"servers\": expected HOST or HOST:PORT");
		c->probe.servers[i] = v->str;
	}
	return r;
}

/* "HH:MM", up to 24:00; -1: not that form. */
static int minute_of_day(struct slice s)
{
	int64_t h, m;
	if (s.n != 5 || s.p[2] != ':' || s.p[0] < '0' || s.p[0] > '9' || s.p[3] < '0' ||
	    s.p[3] > '9' || slice_to_i64((struct slice){s.p, 2}, &h) ||
	    slice_to_i64((struct slice){s.p + 3, 2}, &m) || m > 59 || h * 60 + m > 24 * 60)
		return -1;
	return (int)(h * 60 + m);
}

static int load_night(struct config *c, struct err *e)
{
	struct slice rest = slice_of(c->probe.night), from;
	c->probe.night_from_min = c->probe.night_to_min = -1;
	if (slice_is(rest, "sun"))
		return 0;
	slice_cut(&rest, '-', &from);
	c->probe.night_from_min = minute_of_day(from);
	c->probe.night_to_min = minute_of_day(rest);
	if (c->probe.night_from_min >= 0 && c->probe.night_to_min >= 0)
		return 0;
	return err_set(e, -EINVAL, "%s: probe.night: \"%.40s\": expected sun, or 19:00-06:00",
		       c->path, c->probe.night);
}

static int load_probe(struct config *c, struct err *e)
{
	int r = load_ranges(c, c->probe.allow_addresses, &c->probe.allowed, e);
	if (!r)
		r = load_servers(c, e);
	if (!r)
		r = load_night(c, e);
	if (!r && c->probe.canary && strchr(c->probe.canary, '@'))
		r = err_set(e, -EINVAL, "%s: probe.canary: no user or password in this URL",
			    c->path);
	return r;
}

const struct endpoint_conf *config_endpoint(const struct config *c, struct slice name)
{
	size_t lo = 0, hi = c->nendpoints;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *at = c->endpoints[mid].name;
		int cmp = slice_cmp(slice_of(at), name);
		if (cmp == 0)
			return &c->endpoints[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- the whole ---- */

/* A name: for PostgreSQL, which is given it too, "+08:00" is west of Greenwich. */
static int check_zone(struct config *c, struct err *e)
{
	const struct zone *z;
	struct err why;
	if (strspn(c->time_zone, "+-0123456789"))
		return err_set(e, -EINVAL,
			       "%s: time_zone: \"%.60s\": expected a name like Asia/Shanghai",
			       c->path, c->time_zone);
	int r = zone_load(slice_of(c->time_zone), &why, &z);
	return r ? err_set(e, r == -ENOMEM ? r : -EINVAL, "%s: time_zone: %.300s", c->path, why.msg)
		 : 0;
}

static int check_whole(struct config *c, struct err *e)
{
	const char *d = c->notify.default_endpoint;
	if (d && !config_endpoint(c, slice_of(d)))
		return err_set(e, -EINVAL,
			       "%s: notify.default_endpoint: there is no endpoint \"%s\"", c->path,
			       d);
	const char *user = strstr(c->database.conninfo, "://");
	const char *host = user ? strchr(user, '@') : NULL;
	bool in_url = host && memchr(user + 3, ':', (size_t)(host - user) - 3);
	if (in_url || strstr(c->database.conninfo, "password"))
		return err_set(
			e, -EINVAL,
			"%s: database.conninfo: no password here; use password_file or PGPASSWORD",
			c->path);
	if (c->spool.max_bytes < 2 * c->spool.segment_bytes)
		return err_set(
			e, -EINVAL, "%s: spool.max_size: %lld is less than two segments of %lld",
			c->path, (long long)c->spool.max_bytes, (long long)c->spool.segment_bytes);
	if (c->spool.max_bytes < 4 * c->intake.max_payload)
		return err_set(e, -EINVAL,
			       "%s: spool.max_size: less than four messages of intake.max_payload",
			       c->path);
	for (size_t i = 0; i < c->nendpoints; i++)
		if (c->endpoints[i].timeout_us * 2 > c->notify.lease_us)
			return err_set(e, -EINVAL,
				       "%s: notify.lease: shorter than twice the timeout of "
				       "endpoint \"%s\"",
				       c->path, c->endpoints[i].name);
	return 0;
}

static int load_into(struct config *c, struct err *e)
{
	struct config_root root = {0};
	int r = yaml_bind(c->doc, yaml_root(c->doc), CONFIG_TABLE(C_ROOT), &root, e);
	if (r)
		return r;
	c->district = root.district;
	c->lang = root.lang;
	c->time_zone = root.time_zone;
	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		const struct config_section *s = &config_sections[i];
		if (s->at < 0)
			continue;
		r = yaml_bind(c->doc, root.section[s->at], s->fields, s->n, c, e);
		if (r)
			return err_prefix(e, r, "section \"%s\"", s->name);
	}
	r = load_brokers(c, root.section[S_MQTT], e);
	if (!r)
		r = load_endpoints(c, root.section[S_ENDPOINTS], e);
	find_other_lang(c);
	if (!r)
		r = load_ranges(c, c->notify.allow_addresses, &c->notify.allowed, e);
	if (!r)
		r = load_probe(c, e);
	const char **paths[] = {&c->spool.dir, &c->rules.dir, &c->database.password_file,
				&c->probe.ca_file, &c->http.token_file};
	if (!r)
		r = make_all_absolute(c, paths, COUNT_OF(paths), e);
	if (!r)
		r = check_zone(c, e);
	return r ? r : check_whole(c, e);
}

int config_load(const char *path, struct err *e, struct config **ret)
{
	auto_config struct config *c = mem_new(sizeof *c);
	if (!c)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	arena_init(&c->arena, (size_t)64 << 20);
	int r = yaml_load_file(path, e, &c->doc);
	if (r)
		return r;
	c->path = yaml_path(c->doc);
	r = load_into(c, e);
	if (r)
		return r;
	*ret = c;
	c = NULL;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	yaml_doc_free(c->doc);
	arena_done(&c->arena);
	free(c);
}

void config_freep(struct config **c)
{
	config_free(*c);
}
