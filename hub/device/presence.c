#include "presence.h"

#include "json.h"
#include "probe.h"

void presence_init(struct presence *p, const struct config *conf)
{
	*p = (struct presence){.conf = conf};
}

static struct subscription_conf looks[] = {{.adapter = "probe"}};
static const struct broker_conf prober = {
	.name = PROBE_SOURCE, .subs = looks, .nsubs = COUNT_OF(looks)};

static size_t sources(const struct presence *p)
{
	return p->conf->nbrokers + p->conf->probe.enabled;
}

static const struct broker_conf *source(const struct presence *p, size_t i)
{
	return i < p->conf->nbrokers ? &p->conf->brokers[i] : &prober;
}

/* ---- kept in the database ---- */

int presence_load(struct presence *p, int64_t heard_us, struct slice json)
{
	static const struct json_limits limits = {.max_bytes = 65536, .max_depth = 2};
	auto_json struct json *away = NULL;
	struct err e;
	int r = json.n ? json_parse(json, &limits, &e, &away) : 0;
	if (r)
		return -EINVAL;
	p->heard_us = heard_us;
	for (size_t i = 0; i < sources(p); i++)
		p->away_us[i] = json_int(json_get(away, source(p, i)->name));
	p->prober_seen = p->conf->probe.enabled && p->away_us[p->conf->nbrokers];
	return 0;
}

void presence_json(const struct presence *p, struct buf *out)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < sources(p); i++) {
		bool never = i == p->conf->nbrokers && !p->prober_seen;
		if (!p->away_us[i] || never)
			continue;
		json_put_key(out, source(p, i)->name);
		buf_printf(out, "%lld", (long long)p->away_us[i]);
	}
	buf_putc(out, '}');
}

/* ---- markers ---- */

static bool serves(const struct broker_conf *b, const char *adapter, size_t nsubs)
{
	for (size_t i = 0; i < nsubs; i++)
		if (strcmp(b->subs[i].adapter, adapter) == 0)
			return true;
	return false;
}

/* An adapter of the broker that is back may have another broker that is not. */
static int still_away(const struct presence *p, const char *adapter, presence_fn fn, void *ctx)
{
	for (size_t i = 0; i < sources(p); i++) {
		const struct broker_conf *b = source(p, i);
		if (p->away_us[i] && serves(b, adapter, b->nsubs))
			return fn(ctx, PRESENCE_LOST, adapter, p->away_us[i], 0);
	}
	return 0;
}

static int tell(const struct presence *p, const struct broker_conf *b, enum presence_change what,
		int64_t from_us, int64_t to_us, presence_fn fn, void *ctx)
{
	int r = 0;
	for (size_t i = 0; !r && i < b->nsubs; i++) {
		const char *adapter = b->subs[i].adapter;
		if (serves(b, adapter, i))
			continue; /* told already */
		r = fn(ctx, what, adapter, from_us, to_us);
		if (!r && what == PRESENCE_BACK)
			r = still_away(p, adapter, fn, ctx);
	}
	return r;
}

static int lose(struct presence *p, size_t i, int64_t at_us, presence_fn fn, void *ctx)
{
	if (p->away_us[i])
		return 0;
	p->away_us[i] = at_us;
	return tell(p, source(p, i), PRESENCE_LOST, at_us, 0, fn, ctx);
}

static int come_back(struct presence *p, size_t i, int64_t at_us, presence_fn fn, void *ctx)
{
	int64_t from = p->away_us[i] ? p->away_us[i] : p->heard_us;
	p->away_us[i] = 0;
	p->prober_seen = p->prober_seen || i == p->conf->nbrokers;
	return tell(p, source(p, i), PRESENCE_BACK, MIN_OF(from, at_us), at_us, fn, ctx);
}

/* The hub has started: whatever was connected when it ended was heard up to the last record. */
static int lose_all(struct presence *p, int64_t at_us, presence_fn fn, void *ctx)
{
	int r = 0;
	for (size_t i = 0; !r && i < sources(p); i++)
		r = lose(p, i, p->heard_us ? MIN_OF(p->heard_us, at_us) : at_us, fn, ctx);
	return r;
}

int presence_take(struct presence *p, const struct spool_record *rec, presence_fn fn, void *ctx)
{
	bool of_broker = (rec->flags & SPOOL_MARKERS) && rec->source.n;
	int r = 0;
	for (size_t i = 0; !r && of_broker && i < sources(p); i++) {
		if (!slice_is(rec->source, source(p, i)->name))
			continue;
		if (rec->flags & SPOOL_CONNECTED)
			r = come_back(p, i, rec->recv_us, fn, ctx);
		else if (rec->flags & SPOOL_AWAY)
			r = lose(p, i, rec->recv_us, fn, ctx);
	}
	if (!rec->source.n && (rec->flags & SPOOL_AWAY))
		r = lose_all(p, rec->recv_us, fn, ctx);
	p->heard_us = rec->recv_us;
	return r;
}

bool presence_none(const struct presence *p)
{
	size_t away = 0;
	for (size_t i = 0; i < sources(p); i++)
		away += p->away_us[i] != 0;
	return away && away == sources(p);
}
