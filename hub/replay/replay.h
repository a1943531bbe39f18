/*
 * replay: stored readings through the very code that judges them live, and what cases would have
 * come of it; with a second set of rules the difference, both shown the same readings in one pass.
 *
 * Readings are taken by the time of their arrival, in its order. Those of a while before the range
 * are shown to the rules, too, without being counted, so that holds and windows are as they would
 * have been; a case that was opened then is open. Devices and grids are those of the registry now.
 * Blocks until all is read; one thread.
 */
#ifndef GRIDHUB_REPLAY_H
#define GRIDHUB_REPLAY_H

#include "replay_case.h"
#include "replay_diff.h"
#include "replay_feed.h"

#define REPLAY_WARM_UP_MIN (60 * INT64_C(60000000)) /* for what was firing before the range */

struct replay_progress {
	int64_t from_us, to_us; /* of all that is read, and … */
	int64_t recv_us;	/* … how far it is */
	int64_t readings, took_us;
};

struct replay_request {
	struct pg *pg; /* its deadline is that for sorting a day */
	int64_t district_id;
	int64_t from_us, to_us; /* [from, to) by time of arrival */
	int64_t closed_after_us;
	const char *device, *grid; /* NULL: all */
	struct rules *rules;	   /* in force */
	struct rules *other;	   /* NULL: none to compare with */
	const _Atomic bool *stop;  /* becomes true: end with what there is */
	void (*progress)(void *ctx, const struct replay_progress *p); /* about every 200 ms */
	void *progress_ctx;
};

struct replay_result {
	struct replay_roll roll;
	struct replay_book *book, *other; /* of request.rules, request.other */
	int64_t oldest_us;		  /* the first day (UTC) of which readings are stored */
	int64_t warm_from_us;		  /* readings from here on were shown to the rules */
	int64_t wanted_from_us;		  /* where that would begin if history reached so far */
	int64_t until_us;		  /* to_us, or how far it came until it was stopped */
	int64_t readings, warm_readings;
	int64_t strangers; /* readings of devices that are not in the registry any more */
	int64_t gaps;
	struct err fault, other_fault; /* the first condition that ended in an error; "": none */
	bool stopped;
};
void replay_result_done(struct replay_result *r); /* a zeroed struct is fine */

/* -ENODATA: no readings in the range; e says since when there are some. ret may be looked at only
 * after 0; being stopped is no error, nor is a range that begins before the oldest day. */
must_check int replay_run(const struct replay_request *q, struct replay_result *ret, struct err *e);

#endif
