/*
 * notify_receivers: the endpoints in force, and what notify knows of each: how many requests are
 * under way and may be, its pace, what was logged. Endpoints that are read anew take over what is
 * known by their names; the old ones stay until the last request made from them has ended. Owned by
 * the notify thread.
 */
#ifndef GRIDHUB_NOTIFY_RECEIVERS_H
#define GRIDHUB_NOTIFY_RECEIVERS_H

#include "endpoint.h"
#include "log.h"
#include "window.h"

struct receiver {
	size_t in_flight;
	struct pace pace;
	struct window window;
	struct log_repeat failing, dying; /* attempts that fail, alerts that die */
};

struct receivers {
	struct endpoints now;
	struct receiver *list; /* beside now.list */
	struct endpoints before;
	size_t before_n;	 /* requests under way that were made from them */
	struct receiver unknown; /* all names that the configuration lacks */
};

/* Takes `first` over, also when it fails. -ENOMEM. */
must_check int notify_receivers_init(struct receivers *r, struct endpoints *first);
void notify_receivers_done(struct receivers *r); /* safe on a zeroed struct */
/* Use these from now on; takes `fresh` over. under_way: all requests. -ENOMEM, -EBUSY (requests of
 * the last change but one are still under way; try again): then nothing has changed. */
must_check int notify_receivers_change(struct receivers *r, struct endpoints *fresh,
				       size_t under_way);
bool notify_receivers_settled(const struct receivers *r); /* a change would not be -EBUSY */
/* Never NULL. */
struct receiver *notify_receivers_of(struct receivers *r, struct slice name);
/* A request has ended that was made from p, which may be gone after this. */
void notify_receivers_ended(struct receivers *r, const struct endpoint *p);
/* {"endpoint": how many it takes now} of those that take another number than *ret_usual; most is
 * what one may have under way. */
void notify_receivers_room(const struct receivers *r, size_t most, int64_t now_us, struct buf *out,
			   size_t *ret_usual);
/* When one that takes nothing for its pace will take something; INT64_MAX: there is none. */
int64_t notify_receivers_next(const struct receivers *r, int64_t now_us);
/* Those whose circuit is open. */
size_t notify_receivers_failing(const struct receivers *r);

#endif
