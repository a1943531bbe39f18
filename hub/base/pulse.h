/*
 * pulse: do the threads that must not stand still still go on? Each says so at every step; a
 * supervisor asks who has not for too long.
 *
 * A thread that waits for the database or for a name server is no stuck thread: what waits in steps
 * beats in each, and what blocks for as long as somebody else likes pauses. Lock-free.
 */
#ifndef GRIDHUB_PULSE_H
#define GRIDHUB_PULSE_H

#include "base.h"

enum pulse { PULSE_ENGINE, PULSE_STORE, PULSE_PROBE, PULSE_COUNT };

/* The calling thread is this part from now on, and watched; until pulse_leave. */
void pulse_enter(enum pulse who);
void pulse_leave(void);
/* The calling thread goes on. Nothing at all in threads that entered nowhere. */
void pulse_beat(void);
/* The calling thread is not watched until its next beat. */
void pulse_pause(void);
/* Any thread: the name of a part whose last beat is more than max_us before now_us (monotonic);
 * NULL when there is none. */
const char *pulse_stuck(int64_t now_us, int64_t max_us);

#endif
