/*
 * engine_hand: states of rules that change hands between hubs, because another one looks at their
 * cameras now: from the prober's thread to the engine's, in order.
 */
#ifndef GRIDHUB_ENGINE_HAND_H
#define GRIDHUB_ENGINE_HAND_H

#include <pthread.h>

#include "engine_load.h"

struct hand_entry;

struct engine_hand {
	pthread_mutex_t lock;
	struct hand_entry *first, *last;
};

void engine_hand_init(struct engine_hand *h);
void engine_hand_done(struct engine_hand *h);
/* Any thread. rows (store_rule_states.sql) are taken; ids are copied. */
void engine_hand_over(struct engine_hand *h, struct pg_rows *rows);
void engine_hand_away(struct engine_hand *h, const int64_t *ids, size_t n);
/* The engine's thread, once it has begun. */
must_check int engine_hand_take(struct engine_hand *h, struct engine_load *ld);

#endif
