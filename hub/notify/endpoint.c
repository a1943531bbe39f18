#include "endpoint.h"

#include <inttypes.h>

#include "adapters/webhook/text.h"
#include "log.h"
#include "sender.h"
#include "times.h"

#define CASE_MARK "{case}"

static bool given(const char *s)
{
	return s && s[0];
}

static int load_url(const struct config *conf, const struct endpoint_conf *c, struct err *e,
		    struct endpoint *p)
{
	if (given(c->url_file)) {
		int rc = file_read_secret(c->url_file, &p->url, e);
		if (rc)
			return rc;
	} else {
		p->url = slice_dup(slice_of(c->url));
	}
	if (!p->url)
		return err_set(e, -ENOMEM, "out of memory");
	p->target.url = slice_of(p->url);
	return sender_check_url(p->url, conf->notify.allow_http, e, &p->literal);
}

static int load_secrets(const struct endpoint_conf *c, struct err *e, struct endpoint *p)
{
	if (!given(c->secret_file))
		return 0;
	int rc = file_read_secret(c->secret_file, &p->secrets, e);
	if (rc)
		return rc;
	struct slice rest = slice_of(p->secrets), line;
	while (slice_cut(&rest, '\n', &line)) {
		line = slice_trim(line);
		if (!line.n)
			continue;
		if (p->target.nsecrets == WEBHOOK_SECRETS_MAX)
			return err_set(e, -EINVAL, "%s: more than %d secrets", c->secret_file,
				       WEBHOOK_SECRETS_MAX);
		p->target.secret[p->target.nsecrets++] = line;
	}
	return 0;
}

static int load_template(const struct endpoint_conf *c, struct err *e, struct endpoint *p)
{
	bool body = p->adapter->takes == WEBHOOK_BODY_TEMPLATE;
	auto_free char *text = NULL;
	size_t n, bad;
	p->target.lang = c->lang;
	p->target.content_type = slice_of(c->content_type);
	if (given(c->content_type) && !body)
		return err_set(e, -EINVAL, "key \"content_type\" is for dialect template only");
	if (!given(c->template_file))
		return 0;
	if (p->adapter->takes == WEBHOOK_NO_TEMPLATE)
		return err_set(e, -EINVAL, "dialect \"%s\" takes no template_file",
			       p->adapter->name);
	int rc = file_read(c->template_file, WEBHOOK_TEXT_MAX, &text, &n, e);
	if (rc)
		return rc;
	if (!slice_utf8_ok((struct slice){text, n}, &bad))
		return err_set(e, -EINVAL, "%s: not UTF-8 at byte %zu", c->template_file, bad);
	rc = webhook_text_parse((struct slice){text, n}, body, e, &p->text);
	p->target.text = p->text;
	return rc ? err_prefix(e, rc, "%s", c->template_file) : 0;
}

/* One of "20/min", "5/s", "100/h". */
static bool parse_limit(struct slice s, struct pace_limit *ret)
{
	static const struct {
		const char *name;
		int64_t us;
	} spans[] = {{"s", TIMES_SEC}, {"min", TIMES_MIN}, {"h", TIMES_HOUR}};
	struct slice n;
	int64_t count;
	if (!slice_cut(&s, '/', &n) || slice_to_i64(n, &count) || count < 1 || count > PACE_N_MAX)
		return false;
	for (size_t i = 0; i < COUNT_OF(spans); i++) {
		if (slice_is(s, spans[i].name)) {
			*ret = (struct pace_limit){(uint32_t)count, spans[i].us};
			return true;
		}
	}
	return false;
}

static int load_rate(const struct endpoint_conf *c, struct err *e, struct endpoint *p)
{
	_Static_assert(PACE_LIMITS == WEBHOOK_LIMITS, "a dialect's limits fit");
	for (size_t i = 0; i < PACE_LIMITS && !given(c->rate); i++)
		p->limits[i] =
			(struct pace_limit){p->adapter->limits[i].n, p->adapter->limits[i].span_us};
	if (!given(c->rate) || strcmp(c->rate, "none") == 0)
		return 0;
	struct slice rest = slice_of(c->rate), word;
	size_t n = 0;
	while (slice_cut(&rest, ' ', &word))
		if (word.n && (n == PACE_LIMITS || !parse_limit(word, &p->limits[n++])))
			return err_set(
				e, -EINVAL,
				"key \"rate\": value \"%.40s\": expected 20/min, or 100/min 5/s "
				"(at most %d of s, min, h; 1 to %d), or none",
				c->rate, PACE_LIMITS, PACE_N_MAX);
	return 0;
}

static int load_mention(const struct endpoint_conf *c, struct err *e, struct endpoint *p)
{
	struct slice rest = slice_of(c->mention), id;
	size_t n = 0;
	p->target.mention = rest;
	if (rest.n && !p->adapter->mentions)
		return err_set(e, -EINVAL, "key \"mention\": dialect \"%s\" calls nobody by name",
			       p->adapter->name);
	while (rest.n && slice_cut(&rest, ' ', &id))
		if (id.n && (!webhook_mention_ok(id) || ++n > WEBHOOK_MENTIONS_MAX))
			return err_set(
				e, -EINVAL,
				"key \"mention\": value \"%.40s\": expected at most %d ids of "
				"letters, digits and _ . @ + -, and not everybody",
				c->mention, WEBHOOK_MENTIONS_MAX);
	return 0;
}

static int load(const struct config *conf, const struct endpoint_conf *c, struct err *e,
		struct endpoint *p)
{
	p->conf = c;
	p->adapter = webhook_adapter_find(slice_of(c->dialect));
	if (!p->adapter)
		return err_set(e, -EINVAL, "dialect \"%s\": there is no such webhook adapter",
			       c->dialect);
	int rc = load_url(conf, c, e, p);
	if (!rc)
		rc = load_rate(c, e, p);
	if (!rc)
		rc = load_secrets(c, e, p);
	if (!rc)
		rc = load_template(c, e, p);
	if (!rc)
		rc = load_mention(c, e, p);
	if (!rc)
		rc = p->adapter->check(&p->target, e);
	return rc;
}

int endpoint_load(const struct config *conf, const struct endpoint_conf *c, struct err *e,
		  struct endpoint *ret)
{
	struct endpoint p = {0};
	int rc = load(conf, c, e, &p);
	if (rc) {
		endpoint_done(&p);
		return err_prefix(e, rc, "%s: endpoint \"%s\"", conf->path, c->name);
	}
	*ret = p;
	return 0;
}

void endpoint_done(struct endpoint *p)
{
	free(p->url);
	if (p->secrets)
		explicit_bzero(p->secrets, strlen(p->secrets));
	free(p->secrets);
	webhook_text_free(p->text);
	*p = (struct endpoint){0};
}

int endpoints_load(const struct config *conf, struct err *e, struct endpoints *ret)
{
	struct endpoints all = {.conf = conf};
	all.list = calloc(conf->nendpoints + 1, sizeof *all.list);
	if (!all.list)
		return err_set(e, -ENOMEM, "out of memory");
	for (; all.n < conf->nendpoints; all.n++) {
		int rc = endpoint_load(conf, &conf->endpoints[all.n], e, &all.list[all.n]);
		if (rc) {
			endpoints_done(&all);
			return rc;
		}
	}
	*ret = all;
	return 0;
}

void endpoints_done(struct endpoints *all)
{
	for (size_t i = 0; i < all->n; i++)
		endpoint_done(&all->list[i]);
	free(all->list);
	config_free(all->own);
	*all = (struct endpoints){0};
}

int endpoints_reload(const char *path, struct err *e, struct endpoints *ret)
{
	struct config *conf = NULL;
	int rc = config_load(path, e, &conf);
	if (!rc)
		rc = endpoints_load(conf, e, ret);
	if (rc)
		config_free(conf);
	else
		ret->own = conf;
	return rc;
}

const struct endpoint *endpoints_find(const struct endpoints *all, struct slice name)
{
	const struct endpoint_conf *c = config_endpoint(all->conf, name);
	return c ? &all->list[c - all->conf->endpoints] : NULL;
}

void endpoint_show_url(const struct endpoint *p, struct buf *out)
{
	struct slice url = p->target.url;
	size_t host = 0, end = 0;
	if (!given(p->conf->url_file)) {
		url_redact(url, out);
		return;
	}
	while (host < url.n && (host < 3 || memcmp(url.p + host - 3, "://", 3) != 0))
		host++;
	for (end = host; end < url.n && !strchr("/?#", url.p[end]);)
		end++;
	url_redact((struct slice){url.p, end}, out);
	if (end < url.n)
		buf_puts(out, "/…");
}

#define KEY_MIN 6 /* bytes; shorter ones would be found everywhere */

static void blot(struct slice key, char *text, size_t n)
{
	if (key.n < KEY_MIN)
		return;
	for (char *at; (at = memmem(text, n, key.p, key.n)); n -= (size_t)(at - text), text = at)
		memset(at, '*', key.n);
}

/* Each value of the query; of a URL from a file, each part of the path, too. */
static void blot_url(const struct endpoint *p, char *text, size_t n)
{
	struct slice rest = p->target.url, part;
	const char *query = rest.n ? memchr(rest.p, '?', rest.n) : NULL;
	size_t path_n = query ? (size_t)(query - rest.p) : rest.n;
	struct slice path = {rest.p, path_n};
	rest = (struct slice){rest.p + path_n, rest.n - path_n};
	while (slice_cut(&rest, '&', &part)) {
		struct slice name;
		if (slice_cut(&part, '=', &name))
			blot(part, text, n);
	}
	for (int i = 0; p->conf && given(p->conf->url_file) && slice_cut(&path, '/', &part); i++)
		if (i > 2) /* scheme, nothing, host */
			blot(part, text, n);
}

void endpoint_blot(const struct endpoint *p, char *text, size_t n)
{
	for (size_t i = 0; i < p->target.nsecrets; i++) {
		struct slice key = p->target.secret[i], part;
		blot(key, text, n);
		/* "whsec_…", "Name: value" */
		while (key.n && !strchr(" :_", key.p[0]))
			key = (struct slice){key.p + 1, key.n - 1};
		part = slice_trim((struct slice){key.p + !!key.n, key.n - !!key.n});
		blot(part, text, n);
	}
	blot_url(p, text, n);
}

void endpoint_case_url(const struct config *conf, int64_t case_id, struct buf *out)
{
	const char *form = conf->notify.case_url;
	if (!given(form))
		return;
	const char *at = strstr(form, CASE_MARK);
	if (!at) {
		buf_puts(out, form);
		return;
	}
	buf_put(out, form, (size_t)(at - form));
	buf_printf(out, "%" PRId64 "%s", case_id, at + sizeof(CASE_MARK) - 1);
}
