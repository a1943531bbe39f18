/*
 * spool: an append-only log of messages in segment files: a message is acknowledged to its broker
 * only after it stands here.
 *
 * Appending: any thread, one write() a record under a mutex. Reading, releasing: one thread (the
 * engine). What an appended record survives is spool.sync: os = a killed process; interval = a
 * power cut, but for the last sync_interval; always = a power cut. At start a torn tail is cut off;
 * a damaged place elsewhere is skipped, copied to DIR/damaged and reported. Nothing is dropped for
 * lack of room: appending fails, and the caller holds the broker back.
 */
#ifndef GRIDHUB_SPOOL_H
#define GRIDHUB_SPOOL_H

#include "config.h"

enum spool_flag {
	SPOOL_RETAINED = 1, /* the broker sent it because we subscribed */
	SPOOL_DUP = 2,	    /* the broker says that it may have sent it before */
	SPOOL_CUT =
		4, /* larger than intake.max_payload: payload is its first KBs, full_len its size */
	/* Markers: no message, but what was between messages. */
	SPOOL_CONNECTED = 8, /* to the broker `source`: what it sends comes from here on */
	SPOOL_AWAY = 16,     /* from the broker `source`; without source: the hub has started and
				had none until now */
	SPOOL_ALIVE = 32,    /* there was nothing to append for a while */
};
#define SPOOL_MARKERS (SPOOL_CONNECTED | SPOOL_AWAY | SPOOL_ALIVE)

#define SPOOL_PAYLOAD_MAX (16 << 20)
#define SPOOL_SOURCE_MAX 255
#define SPOOL_TOPIC_MAX 65535

struct spool_record {
	uint64_t seq;	 /* 1.., ascending, set by spool_append; holes where a damaged place was
			    skipped, and after the machine has booted */
	int64_t recv_us; /* spool_append makes it later than the record before, by a µs if need be,
			    unless the clock was put back by a second or more */
	struct slice source, topic, payload; /* name of the broker; raw bytes */
	uint32_t full_len;
	uint16_t mid; /* MQTT packet identifier, 0 for QoS 0 */
	uint8_t flags;
};

struct spool_conf {
	const char *dir;
	enum spool_sync sync;
	int64_t sync_interval_us, segment_bytes, max_bytes;
	int64_t keep_bytes; /* what is released goes only while the spool is larger than this */
};

struct spool_stat {
	uint64_t first_seq, next_seq,
		read_seq; /* first on disk, next to be appended, next to be read */
	uint64_t bytes;
	size_t segments;
	uint64_t hole_from, hole_to; /* numbers passed over at the open, hole_to exclusive */
};

struct spool;

/* Makes the folder if needed. -EBUSY: another process has it. conf's strings are copied. */
must_check int spool_open(const struct spool_conf *conf, struct err *e, struct spool **ret);
void spool_close(struct spool *s); /* NULL is fine */
/* Made with the folder; the database knows by it how far this spool has been committed. */
const char *spool_id(const struct spool *s);

/* -ENOSPC: the limit or the disk is full; other -errno: the disk fails. Nothing of the record is
 * left then. */
must_check int spool_append(struct spool *s, struct spool_record *rec);
/* Append a marker with the time of now; `source` empty: of no broker. Errors as spool_append. */
must_check int spool_mark(struct spool *s, enum spool_flag what, struct slice source);
/* Any thread: too little room for what a broker may still send after being told to stop. */
bool spool_tight(struct spool *s);
/* Any thread: wake a spool_wait (to stop). */
void spool_wake(struct spool *s);
void spool_stat(struct spool *s, struct spool_stat *ret);

/* The next spool_next gives the first record with this seq or a later one. */
must_check int spool_seek(struct spool *s, uint64_t seq);
/* 1: *ret, good until the next call; 0: nothing there now; -errno: the disk fails. */
must_check int spool_next(struct spool *s, struct spool_record *ret);
/* Wait until there is something to read, at most so long. */
void spool_wait(struct spool *s, int64_t timeout_us);
/* The next record gets at least this seq: for a spool that lost its end to a power cut after it was
 * committed. */
must_check int spool_skip_to(struct spool *s, uint64_t seq, struct err *e);
/* Records up to seq are no longer needed: segments that hold no other go, the oldest first, while
 * the spool is larger than keep_bytes. */
void spool_release(struct spool *s, uint64_t seq);

/* Numbers passed over after a boot: more records than a power cut can take. */
#define SPOOL_BOOT_HOLE (UINT64_C(1) << 32)
/* How many records were between the one numbered `last` and a later one, numbered `next`: holes
 * left at boots are none. */
uint64_t spool_between(uint64_t last, uint64_t next);

/* ---- looking at a spool from outside (gridhub spool); takes no lock, changes nothing ---- */
struct spool_visitor {
	void *ctx;
	void (*segment)(void *ctx, const char *name, uint64_t first_seq, uint64_t bytes);
	void (*record)(void *ctx, const struct spool_record *rec);
	/* Bytes from..to (exclusive) of the segment are no record; torn: nothing follows, as after
	 * a power cut. */
	void (*damage)(void *ctx, const char *name, uint64_t from, uint64_t to, bool torn);
};
must_check int spool_visit(const char *dir, const struct spool_visitor *v, struct err *e);

#endif
