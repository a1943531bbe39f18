#include "notify_receivers.h"

static void free_list(struct receiver *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		pace_done(&list[i].pace);
	free(list);
}

static int make_list(const struct endpoints *of, struct receiver **ret)
{
	struct receiver *list = calloc(of->n + 1, sizeof *list);
	for (size_t i = 0; list && i < of->n; i++) {
		if (pace_init(&list[i].pace, of->list[i].limits)) {
			free_list(list, i);
			return -ENOMEM;
		}
	}
	*ret = list;
	return list ? 0 : -ENOMEM;
}

int notify_receivers_init(struct receivers *r, struct endpoints *first)
{
	*r = (struct receivers){.now = *first};
	*first = (struct endpoints){0};
	return make_list(&r->now, &r->list);
}

void notify_receivers_done(struct receivers *r)
{
	free_list(r->list, r->now.n);
	endpoints_done(&r->now);
	endpoints_done(&r->before);
	*r = (struct receivers){0};
}

bool notify_receivers_settled(const struct receivers *r)
{
	return r->before_n == 0;
}

int notify_receivers_change(struct receivers *r, struct endpoints *fresh, size_t under_way)
{
	struct receiver *list = NULL;
	if (!notify_receivers_settled(r))
		return -EBUSY;
	int rc = make_list(fresh, &list);
	if (rc)
		return rc;
	for (size_t i = 0; i < fresh->n; i++) {
		struct receiver *old = notify_receivers_of(r, slice_of(fresh->list[i].conf->name));
		if (old == &r->unknown)
			continue;
		pace_inherit(&list[i].pace, &old->pace);
		list[i].in_flight = old->in_flight;
		list[i].failing = old->failing;
		list[i].dying = old->dying;
	}
	free_list(r->list, r->now.n);
	endpoints_done(&r->before);
	r->before = r->now;
	r->before_n = under_way;
	r->now = *fresh;
	r->list = list;
	*fresh = (struct endpoints){0};
	if (!under_way)
		endpoints_done(&r->before);
	return 0;
}

struct receiver *notify_receivers_of(struct receivers *r, struct slice name)
{
	const struct endpoint *p = endpoints_find(&r->now, name);
	return p ? &r->list[p - r->now.list] : &r->unknown;
}

void notify_receivers_ended(struct receivers *r, const struct endpoint *p)
{
	for (size_t i = 0; i < r->before.n; i++) {
		if (p != &r->before.list[i])
			continue;
		if (--r->before_n == 0)
			endpoints_done(&r->before);
		return;
	}
}

size_t notify_receivers_failing(const struct receivers *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->now.n; i++)
		n += pace_open(&r->list[i].pace);
	return n;
}
