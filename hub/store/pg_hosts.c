#include "pg_hosts.h"

#include <libpq-fe.h>

static size_t count(const char *list)
{
	size_t n = list ? 1 : 0;
	for (const char *c = list; c && *c; c++)
		n += *c == ',';
	return n;
}

/* The i-th of a list; of a list of one, that one for all. */
static void item(const char *list, size_t i, char *ret, size_t max)
{
	struct slice rest = slice_of(list), part = {0};
	bool one = count(list) == 1;
	for (size_t at = 0; at <= (one ? 0 : i); at++)
		if (!slice_cut(&rest, ',', &part))
			part = (struct slice){0};
	snprintf(ret, max, "%.*s", SL_FMT(part));
}

static void take(struct pg_hosts *h, const PQconninfoOption *o)
{
	const struct {
		const char *key;
		char **to;
	} lists[] = {{"host", &h->host}, {"hostaddr", &h->hostaddr}, {"port", &h->port}};
	if (!o->val || !o->val[0])
		return;
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (strcmp(o->keyword, lists[i].key) == 0)
			*lists[i].to = slice_dup(slice_of(o->val));
	if (strcmp(o->keyword, "target_session_attrs") == 0)
		h->any = false;
}

int pg_hosts_of(const char *conninfo, struct pg_hosts *ret, struct err *e)
{
	struct pg_hosts h = {.any = true};
	char *why = NULL;
	*ret = h;
	if (!strchr(conninfo, '=') && !strstr(conninfo, "://"))
		return 0; /* the name of a database */
	PQconninfoOption *options = PQconninfoParse(conninfo, &why);
	if (!options) {
		int n = why ? (int)strcspn(why, "\n") : 0;
		err_set(e, -EINVAL, "database.conninfo: %.*s", n, why ? why : "");
		PQfreemem(why);
		return -EINVAL;
	}
	for (const PQconninfoOption *o = options; o->keyword; o++)
		take(&h, o);
	PQconninfoFree(options);
	h.n = MAX_OF(count(h.host), count(h.hostaddr));
	if (h.n > PG_HOSTS_MAX) {
		pg_hosts_done(&h);
		return err_set(e, -EINVAL, "database.conninfo: more than %d hosts", PG_HOSTS_MAX);
	}
	h.n = h.n > 1 ? h.n : 0;
	*ret = h;
	return 0;
}

void pg_hosts_done(struct pg_hosts *h)
{
	free(h->host);
	free(h->hostaddr);
	free(h->port);
	*h = (struct pg_hosts){0};
}

size_t pg_hosts_keys(const struct pg_hosts *h, size_t i, struct pg_host_text *text,
		     const char **keys, const char **values)
{
	const struct {
		const char *key, *list;
		char *to;
		size_t max;
	} lists[] = {{"host", h->host, text->host, sizeof text->host},
		     {"hostaddr", h->hostaddr, text->hostaddr, sizeof text->hostaddr},
		     {"port", h->port, text->port, sizeof text->port}};
	size_t n = 0;
	for (size_t l = 0; l < COUNT_OF(lists); l++) {
		if (!lists[l].list)
			continue;
		item(lists[l].list, i, lists[l].to, lists[l].max);
		keys[n] = lists[l].key, values[n++] = lists[l].to;
	}
	if (h->any)
		keys[n] = "target_session_attrs", values[n++] = "read-write";
	return n;
}
