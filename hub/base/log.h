/*
 * log: logfmt lines on stderr, one write() each.
 *
 *   log_info("mqtt", KM("connected"), KS("broker", name), KI("attempt", n));
 *   ts=2026-11-21T21:00:00.000000Z level=info mod=mqtt msg=connected broker=city attempt=3
 *
 * Any thread. Never blocks on more than stderr. Values are quoted and escaped where needed and cut
 * at 1 KB; a secret is never handed to it (callers' duty: URLs go through url_redact first).
 */
#ifndef GRIDHUB_LOG_H
#define GRIDHUB_LOG_H

#include "base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_kind { LOG_KV_STR, LOG_KV_INT, LOG_KV_DBL };

struct log_kv {
	const char *key;
	enum log_kind kind;
	struct slice s;
	int64_t i;
	double d;
};

#define KM(msg_)                                                      \
	{                                                             \
		.key = "msg", .kind = LOG_KV_STR, .s = slice_of(msg_) \
	}
#define KS(key_, cstr_)                                                 \
	{                                                               \
		.key = (key_), .kind = LOG_KV_STR, .s = slice_of(cstr_) \
	}
#define KSL(key_, slice_)                                        \
	{                                                        \
		.key = (key_), .kind = LOG_KV_STR, .s = (slice_) \
	}
#define KI(key_, i_)                                                  \
	{                                                             \
		.key = (key_), .kind = LOG_KV_INT, .i = (int64_t)(i_) \
	}
#define KD(key_, d_)                                         \
	{                                                    \
		.key = (key_), .kind = LOG_KV_DBL, .d = (d_) \
	}

#define log_at(level_, mod_, ...)                                         \
	log_write((level_), (mod_), (const struct log_kv[]){__VA_ARGS__}, \
		  sizeof((const struct log_kv[]){__VA_ARGS__}) / sizeof(struct log_kv))
#define log_error(mod_, ...) log_at(LOG_ERROR, mod_, __VA_ARGS__)
#define log_warn(mod_, ...) log_at(LOG_WARN, mod_, __VA_ARGS__)
#define log_info(mod_, ...) log_at(LOG_INFO, mod_, __VA_ARGS__)
#define log_debug(mod_, ...) log_at(LOG_DEBUG, mod_, __VA_ARGS__)

void log_write(enum log_level level, const char *mod, const struct log_kv *kv, size_t n);
void log_set_level(enum log_level level);   /* default LOG_INFO */
extern const char *const log_level_names[]; /* "error", "warn", "info", "debug", NULL */

/*
 * Keeps a fault that goes on from flooding the log: it is written at once, then 2 s, 4 s … 5 min
 * apart, and its end once. One struct per fault, owned by one thread, zero-initialised.
 */
struct log_repeat {
	int64_t next_us, gap_us;
	uint64_t held; /* how often it was not reported since the last report */
};

bool log_repeat_due(struct log_repeat *r, int64_t now_us);
/* True once after a report, when the error is over. */
bool log_repeat_over(struct log_repeat *r);

/* Put `url` into `out` without user, password, query and fragment ("?…" shows that there was one).
 */
void url_redact(struct slice url, struct buf *out);

#endif
