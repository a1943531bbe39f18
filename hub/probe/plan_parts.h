/*
 * plan_parts: what the files of plan do for each other, by file.
 */
#ifndef GRIDHUB_PLAN_PARTS_H
#define GRIDHUB_PLAN_PARTS_H

#include "plan_state.h"

/* ---- plan_time.c: when ---- */
int64_t plan_clock(struct plan *p, int64_t now); /* t */
int64_t plan_base(const struct plan *p);	 /* the period of a row's looks; 0: none */
/* A number below range that hangs on key and salt only. */
int64_t plan_spread(uint64_t key, uint64_t salt, int64_t range);
int64_t plan_jitter(const struct plan *p, uint64_t key, uint32_t round, int64_t every);
int64_t plan_retry(const struct plan *p, uint64_t key, uint32_t round, int tries);
int64_t plan_backoff(const struct plan *p, uint64_t key, uint32_t round, uint8_t *step);
enum probe_depth plan_depth(const struct plan *p, uint32_t i, int64_t t, bool *ret_snapshot);
int64_t plan_pace_ready(const struct plan *p); /* the time from which a look may start */
void plan_pace_note(struct plan *p, int64_t t);

/* ---- plan_line.c: where a row stands ---- */
void plan_row_due(struct plan *p, uint32_t i, int64_t at); /* parked if its host has a scout */
void plan_row_leave(struct plan *p, uint32_t i);	   /* due, waiting or parked: IDLE */
void plan_row_wait(struct plan *p, uint32_t i);
void plan_row_take(struct plan *p, uint32_t i, enum probe_depth depth, int64_t t);
void plan_row_back(struct plan *p, uint32_t i); /* its look was answered: IDLE */
bool plan_host_full(const struct plan *p, uint32_t h);
void plan_host_admit(struct plan *p, uint32_t h); /* waiting ones, as sessions are free */

/* ---- plan_host.c ---- */
/* Found or new; PLAN_NONE: no memory. One that nothing joins is to be let go. */
uint32_t plan_host_find(struct plan *p, const char *name, bool server, int64_t t);
void plan_host_join(struct plan *p, uint32_t i, uint32_t h);
void plan_host_part(struct plan *p, uint32_t i);   /* its row is in none of the lines */
void plan_host_let_go(struct plan *p, uint32_t h); /* if nothing hangs on it any more */
/* A look at a row of its: connected or not. */
void plan_host_heard(struct plan *p, uint32_t i, bool connected, int64_t t);
void plan_host_back(struct plan *p, uint32_t h, int64_t t);
void plan_host_try(struct plan *p, uint32_t h, int tries, int64_t at);
void plan_host_scout(struct plan *p, uint32_t h, int64_t at);
void plan_host_presume(struct plan *p, uint32_t h, int64_t t); /* down, by beliefs loaded */
/* The answer of its scout: it could not be connected. */
void plan_host_failed(struct plan *p, uint32_t h, const struct probe_result *r, int64_t t);
uint32_t plan_host_next(struct plan *p, int64_t t); /* a row to reach a host by; PLAN_NONE */

/* ---- plan_fault.c: the prober's own faults ---- */
bool plan_fault(const struct plan *p);
void plan_fault_settle(struct plan *p, int64_t t);
void plan_fault_good(struct plan *p, uint32_t i, bool picture, int64_t t);
void plan_fault_bad(struct plan *p, uint32_t i, bool connected, bool reach,
		    int64_t t); /* may begin one */
void plan_doubt(struct plan *p, uint32_t i, enum plan_say say);
int plan_canary_add(struct plan *p, uint32_t i, int64_t t);
void plan_canary_drop(struct plan *p, uint32_t i);
void plan_canary_took(struct plan *p, uint32_t i, int64_t t);
void plan_canary_again(struct plan *p, uint32_t i, int64_t at);
void plan_canary_answer(struct plan *p, uint32_t i, bool good, int64_t t);
uint32_t plan_canary_due(const struct plan *p, int64_t *ret_at); /* PLAN_NONE: all under way */
bool plan_canary_slow(const struct plan *p, int64_t t);

/* ---- plan_believe.c ---- */
void plan_believe(struct plan *p, uint32_t i, enum probe_state state, enum probe_step step,
		  enum probe_cause cause, enum plan_say say);
void plan_count_row(struct plan *p, const struct plan_row *s, int by); /* in states, doubted … */
void plan_judge(struct plan *p, uint32_t i, const struct probe_result *r, bool suspect, int64_t t);

#endif
