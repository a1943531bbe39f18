/*
 * plan: which stream is looked at when, how deep, and what is believed of it. Pure: times come in,
 * looks to make come out; a whole day of 17,000 streams can be run in a test in seconds.
 *
 * Levels. Each host ("name:port") is reached once in reach_every by any one of its streams, unless
 * another look has just been connected there; each stream shows a keyframe once in keyframe_every,
 * every picture_every-th of these is decoded, and one in watch_every is watched. First looks are
 * spread over the period by a hash of the id, each later one comes after its period ± jitter_pct,
 * by a hash of (id, round). A suspect picture is watched within seconds, with a snapshot, then
 * decoded in every keyframe look, and watched again each half hour, until a picture is not suspect;
 * this for 5 % of the streams at a time (at least 64).
 *
 * Failure. A look that fails is repeated after 15 s, and 30 s after that, at keyframe depth; only
 * then offline is believed, and the stream is looked at after 1, 2, 5, 10, 10 … minutes. The first
 * keyframe brings it back. Busy (453) is never offline: online is believed on for three periods
 * after the last keyframe, then unknown. A look that our side spoilt (PROBE_UNKNOWN, PROBE_PROBER)
 * says nothing; three in a row make it unknown.
 *
 * Hosts. When three streams of a host could not be connected since the last that could, or its
 * reach fails and it has three, the host alone is tried: at once, after 15 s, and 30 s after that.
 * Then it is down: all its streams are offline, PROBE_HOST_DOWN, and it alone is tried after 1, 2,
 * 5, 10 … minutes. When it answers, its streams are looked at within 30 s, spread (longer for very
 * many).
 *
 * Prober at fault. A canary is looked at every 10 s (3 s when it failed). From its failure until
 * its next keyframe, and from "many flipped" until that has settled, no stream and no host becomes
 * offline: what fails is unknown, PROBE_PROBER, and what became offline in the minute before is
 * withdrawn. Many flipped: of the looks of the last minute (or of 20 s) at streams believed online,
 * 10 and more than 30 % could not be connected, or as many of those at keyframes failed; streams of
 * one host that cannot be connected count once. It has settled when three quarters of what came in
 * doubt have shown a picture again (not before four retries: a minute); or, while the canary (if
 * there is one) is well, 6 minutes after it began if streams of three hosts have shown pictures in
 * the last 5, and have done so for 2, after 30 minutes if not (1.2 keyframe periods or four
 * retries, whichever is longer; five times that): then what still fails is believed. So a district
 * without power is unknown for 6 minutes, and offline from then on.
 *
 * Too much to do. Earliest due first, whatever its depth, but reach looks only when nothing else is
 * due, and what is a minute late is not watched; each look's period begins when it ends. So all
 * periods stretch alike, those of reach first.
 *
 * One owner, no lock; O(log streams) an event, but for what changes many streams at once. 130
 * bytes a stream and 110 a host. Hosts are known by a hash of 64 bits.
 */
#ifndef GRIDHUB_PLAN_H
#define GRIDHUB_PLAN_H

#include "probe.h"

#define PLAN_STREAMS_MAX 100000 /* more are refused: -E2BIG */
#define PLAN_CANARIES_MAX 4
#define PLAN_CONNECTS_MAX 2000 /* a second; what is set above counts as this */

struct plan;

struct plan_conf {
	int64_t reach_every_us, keyframe_every_us, watch_every_us; /* 60 s, 5 min, 2 h; 0 = never */
	int64_t picture_every; /* every so many keyframe looks is a picture (6); 0 = never */
	int64_t per_host,
		per_server; /* sessions at once: a camera or recorder 1–2, a media server 16–32 */
	int64_t connects_per_s; /* in all, in any second (200), in steps of a tenth of it */
	int64_t jitter_pct;	/* ±20; 0 to 50 */
	int64_t retry_us; /* 15 s, the first retry; the others are 2, 4, 8, 20, 40 times that */
};

struct plan_stream {
	int64_t id;	  /* of the stream's row: the hash of it spreads the first looks */
	const char *host; /* "name:port"; not kept */
	bool server;	  /* many streams behind one host: per_server holds, not per_host */
	bool canary;	  /* a stream of our own that always plays; not counted, never said */
};

/* What is believed of a stream; changes only by what plan_result says. */
struct plan_belief {
	enum probe_state state; /* UNKNOWN until the first look is decided */
	enum probe_step step;
	enum probe_cause cause; /* online, PROBE_BUSY: the last look could not come in */
	int64_t since_us;	/* of the state */
};

struct plan_look {
	int64_t id;
	enum probe_depth depth;
	bool snapshot; /* something is suspicious: keep the picture as evidence */
};

enum plan_say {
	PLAN_SAY_NOTHING, /* store the belief if it is another, but no reading: a retry will decide,
			     or the prober is at fault */
	PLAN_SAY	  /* a reading goes out, with the belief's state and cause */
};

/* A belief that changed by another's result: host down (said), prober at fault (said only if
 * offline is withdrawn). It must not call the plan. */
typedef void plan_tell(void *ctx, int64_t id, const struct plan_belief *b, enum plan_say say);

struct plan *plan_new(const struct plan_conf *conf); /* NULL: no memory */
void plan_free(struct plan *p);
void plan_configure(struct plan *p, const struct plan_conf *conf); /* settings that changed */
/*
 * Add; or replace, which keeps belief and schedule, unless the host is another. b: what was
 * believed when the hub stopped, or another hub let go (NULL: nothing). Says and bursts nothing.
 * -E2BIG, -ENOMEM: it is not in (what was there stays). -EEXIST: as a canary it is in as a stream,
 * or the other way round: ids of canaries are their own.
 */
must_check int plan_put(struct plan *p, const struct plan_stream *s, const struct plan_belief *b,
			int64_t now_us);
void plan_remove(struct plan *p, int64_t id); /* a look under way is still to be answered */
size_t plan_count(const struct plan *p);      /* without canaries */
bool plan_believed(const struct plan *p, int64_t id, struct plan_belief *ret); /* false: not in */

/*
 * The next look that may be made now: 1 and *ret; 0: none before *ret_wake_us (at most a minute
 * off), unless an answer comes. Ask only with a free worker for it; the caller must answer each
 * with plan_result or plan_abandon (it was not made: again in a second). now_us: microseconds, any
 * clock; it may step back, then the schedule stands as it is.
 */
int plan_next(struct plan *p, int64_t now_us, struct plan_look *ret, int64_t *ret_wake_us);
void plan_abandon(struct plan *p, int64_t id, int64_t now_us);
/*
 * What came of a look. ret: what is believed now. suspect: the judge saw a picture that wants a
 * closer look. What is not under way, or no longer in, says nothing and changes nothing (ret:
 * unknown).
 */
enum plan_say plan_result(struct plan *p, const struct probe_result *r, bool suspect,
			  int64_t now_us, struct plan_belief *ret, plan_tell *fn, void *ctx);

struct plan_counts {
	size_t streams, online, offline, unknown; /* the last three make the first */
	size_t under_way;			  /* looks; of streams taken out and canaries too */
	size_t waiting;	 /* due, but their host has its sessions under way */
	size_t doubted;	 /* unknown because the prober was at fault */
	size_t suspects; /* looked at deeper than the schedule says */
	size_t hosts, hosts_down;
	uint64_t suspects_refused; /* since the start: too many at a time */
	int64_t late_us, /* how overdue the stream is that is next, for want of workers or connects
			  */
		reach_late_us;				   /* likewise, of the hosts to reach */
	bool prober_at_fault, canary_failed, many_flipped; /* the first: one of the others */
};
void plan_counts(const struct plan *p, int64_t now_us, struct plan_counts *ret);

#endif
