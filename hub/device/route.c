#include "route.h"

#include "probe.h"

struct entry {
	struct slice source, filter;
	const struct device_adapter *adapter;
};

struct route {
	size_t n;
	struct entry v[];
};

struct slice route_without_share(struct slice filter)
{
	struct slice rest = filter, part;
	if (!slice_starts(filter, "$share/"))
		return filter;
	slice_cut(&rest, '/', &part);
	slice_cut(&rest, '/', &part);
	return rest;
}

bool route_filter_ok(struct slice filter)
{
	struct slice rest = route_without_share(filter), level;
	size_t group = filter.n - rest.n; /* "$share/GROUP/", or nothing */
	if (!rest.n || group == sizeof "$share//" - 1 || memchr(filter.p, '+', group) ||
	    memchr(filter.p, '#', group))
		return false;
	while (slice_cut(&rest, '/', &level)) {
		bool wild =
			level.n && (memchr(level.p, '+', level.n) || memchr(level.p, '#', level.n));
		if (wild && level.n != 1)
			return false;
		if (slice_is(level, "#") && rest.p)
			return false;
	}
	return true;
}

bool route_matches(struct slice filter, struct slice topic)
{
	struct slice f = route_without_share(filter), t = topic, fl, tl;
	if (topic.n && topic.p[0] == '$' && f.n && (f.p[0] == '+' || f.p[0] == '#'))
		return false;
	while (slice_cut(&f, '/', &fl)) {
		if (slice_is(fl, "#"))
			return true;
		if (!slice_cut(&t, '/', &tl))
			return false;
		if (!slice_is(fl, "+") && !slice_eq(fl, tl))
			return false;
		if (!t.p && f.n == 1 && f.p[0] == '#')
			return true; /* a/# matches a */
	}
	return !t.p;
}

static int add(struct route *r, const struct config *conf, const struct broker_conf *b,
	       const struct subscription_conf *s, struct err *e)
{
	const struct device_adapter *a = device_adapter_find(slice_of(s->adapter));
	if (!a)
		return err_set(
			e, -EINVAL,
			"%s: broker \"%s\": key \"adapter\": there is no device adapter \"%.60s\"",
			conf->path, b->name, s->adapter);
	if (!route_filter_ok(slice_of(s->topic)))
		return err_set(e, -EINVAL,
			       "%s: broker \"%s\": key \"topic\": \"%.100s\" is no MQTT filter",
			       conf->path, b->name, s->topic);
	r->v[r->n++] = (struct entry){slice_of(b->name), slice_of(s->topic), a};
	return 0;
}

int route_new(const struct config *conf, struct err *e, struct route **ret)
{
	size_t n = 1;
	for (size_t i = 0; i < conf->nbrokers; i++)
		n += conf->brokers[i].nsubs;
	struct route *r = mem_new(sizeof *r + n * sizeof(struct entry));
	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	/* No broker has this name (config.c), so nobody else can write what comes from there. */
	r->v[r->n++] =
		(struct entry){SL(PROBE_SOURCE), SL("probe/#"), device_adapter_find(SL("probe"))};
	for (size_t i = 0; i < conf->nbrokers; i++) {
		const struct broker_conf *b = &conf->brokers[i];
		for (size_t j = 0; j < b->nsubs; j++) {
			int res = add(r, conf, b, &b->subs[j], e);
			if (res) {
				route_free(r);
				return res;
			}
		}
	}
	*ret = r;
	return 0;
}

void route_free(struct route *r)
{
	free(r);
}

const struct device_adapter *route_find(const struct route *r, struct slice source,
					struct slice topic)
{
	for (size_t i = 0; i < r->n; i++)
		if (slice_eq(r->v[i].source, source) && route_matches(r->v[i].filter, topic))
			return r->v[i].adapter;
	return NULL;
}
