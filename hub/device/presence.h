/*
 * presence: from which brokers nothing could arrive, and since when, as the markers in the spool
 * say; so what is learnt of it is a function of the log, however often the hub is killed. Its own
 * prober, where it is enabled, is one more of them, with adapter probe.
 *
 * Pure but for the configuration it borrows; one thread (the engine).
 */
#ifndef GRIDHUB_PRESENCE_H
#define GRIDHUB_PRESENCE_H

#include "config.h"
#include "spool.h"

struct presence {
	const struct config *conf;
	int64_t heard_us; /* arrival of the last record: what was connected then was heard; 0: none
			   */
	int64_t away_us[CONFIG_BROKERS_MAX + 1]; /* by broker, and of the prober behind them: away
						    since; 0 = connected */
	bool prober_seen; /* it has been there: there are streams to look at */
};

enum presence_change {
	PRESENCE_LOST, /* from from_us on nothing comes from the adapter; may be said again */
	PRESENCE_BACK, /* nothing could come between from_us (0: nothing ever came) and to_us */
};
typedef int (*presence_fn)(void *ctx, enum presence_change what, const char *adapter,
			   int64_t from_us, int64_t to_us);

void presence_init(struct presence *p, const struct config *conf);
/* As the database kept it: presence_json's text. -EINVAL: it is not that; nothing is taken. */
must_check int presence_load(struct presence *p, int64_t heard_us, struct slice json);
/* {"broker":µs, …}: those that are away. */
void presence_json(const struct presence *p, struct buf *out);
/* Every record, in order of the log; what a marker changes is told for each adapter. An error of fn
 * is returned. */
must_check int presence_take(struct presence *p, const struct spool_record *rec, presence_fn fn,
			     void *ctx);
/* There is something to hear, brokers and the prober, and the hub is away from all of it. */
bool presence_none(const struct presence *p);

#endif
