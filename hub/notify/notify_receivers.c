#include "notify_receivers.h"

#include "json.h"

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
		list[i].window = old->window;
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

static size_t room_of(const struct receiver *r, size_t most, int64_t now_us)
{
	size_t window = window_size(&r->window, most);
	size_t free = window - MIN_OF(r->in_flight, window);
	return free ? pace_ready(&r->pace, now_us, free) : 0;
}

void notify_receivers_room(const struct receivers *r, size_t most, int64_t now_us, struct buf *out,
			   size_t *ret_usual)
{
	/* One of two numbers is usual: nobody has heard of them yet, or all are quick. */
	size_t first = window_size(&(struct window){0}, most), firsts = 0, mosts = 0;
	for (size_t i = 0; i < r->now.n; i++) {
		size_t room = room_of(&r->list[i], most, now_us);
		firsts += room == first;
		mosts += room == most;
	}
	*ret_usual = mosts > firsts ? most : first;
	buf_putc(out, '{');
	for (size_t i = 0; i < r->now.n; i++) {
		size_t room = room_of(&r->list[i], most, now_us);
		if (room == *ret_usual)
			continue;
		json_put_key(out, r->now.list[i].conf->name);
		buf_printf(out, "%zu", room);
	}
	buf_putc(out, '}');
}

int64_t notify_receivers_next(const struct receivers *r, int64_t now_us)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; i < r->now.n; i++) {
		int64_t at = pace_next(&r->list[i].pace, now_us);
		next = at > now_us ? MIN_OF(next, at) : next;
	}
	return next;
}
