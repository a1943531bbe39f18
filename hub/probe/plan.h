/*
 * plan: which stream is looked at when, how deep, and what is believed of it. Pure: times come in,
 * looks to make come out; a whole day of 17,000 streams can be run in a test in seconds.
 *
 * Levels and rates, spread, jitter, suspicion, back-off, limits per host and server, host-down
 * folding, the canary and "many flipped at once" are here and nowhere else; each number stands
 * beside its setting (probe: in gridhub.yaml).
 */
#ifndef GRIDHUB_PLAN_H
#define GRIDHUB_PLAN_H

#include "probe.h"

struct plan;

struct plan_conf {
	int64_t reach_every_us, keyframe_every_us, watch_every_us; /* 60 s, 5 min, 2 h; 0 = never */
	int64_t picture_every; /* every so many keyframe looks is a picture (6); 0 = never */
	int64_t deadline_us, watch_us;
	int64_t per_host,
		per_server; /* sessions at once: a camera or recorder 1–2, a media server 16–32 */
	int64_t connects_per_s; /* in all */
	int64_t jitter_pct;	/* ±20 */
};

struct plan_stream {
	int64_t id;	  /* of the stream's row: the hash of it spreads the first looks */
	const char *host; /* "name:port" */
	bool server;	  /* many streams behind one host: per_server holds, not per_host */
	bool canary;	  /* a stream of our own that always plays: if it fails, we are at fault */
};

/* What is believed of a stream; changes only by what plan_result says. */
struct plan_belief {
	enum probe_state state; /* UNKNOWN until the first look is decided */
	enum probe_step step;
	enum probe_cause cause;
	int64_t since_us;
};

struct plan_look {
	int64_t id;
	enum probe_depth depth;
	bool snapshot; /* something is suspicious: keep the picture as evidence */
};

enum plan_say {
	PLAN_SAY_NOTHING, /* a retry will decide, or it is a fold of what was said */
	PLAN_SAY	  /* a reading goes out, with the belief's state and cause */
};

struct plan *plan_new(const struct plan_conf *conf);
void plan_free(struct plan *p);
void plan_configure(struct plan *p, const struct plan_conf *conf); /* settings that changed */
/* Add or replace; b: what was believed when the hub stopped (NULL: nothing). A restart marks
 * nothing. */
must_check int plan_put(struct plan *p, const struct plan_stream *s, const struct plan_belief *b,
			int64_t now_us);
void plan_remove(struct plan *p, int64_t id);
size_t plan_count(const struct plan *p);

/* The next look that may be made now: 1 and *ret; 0: none before *ret_wake_us. The caller must
 * answer each with plan_result or plan_abandon. */
int plan_next(struct plan *p, int64_t now_us, struct plan_look *ret, int64_t *ret_wake_us);
void plan_abandon(struct plan *p, int64_t id, int64_t now_us);
/* What came of a look. ret: what is believed now. suspect: the judge saw a picture that wants a
 * closer look. Others that change by it (host down, prober at fault, back again) are told by fn. */
enum plan_say plan_result(struct plan *p, const struct probe_result *r, bool suspect,
			  int64_t now_us, struct plan_belief *ret,
			  void (*fn)(void *ctx, int64_t id, const struct plan_belief *b),
			  void *ctx);

struct plan_counts {
	size_t streams, online, offline, unknown, under_way, hosts_down;
	bool prober_at_fault;
};
void plan_counts(const struct plan *p, struct plan_counts *ret);

#endif
