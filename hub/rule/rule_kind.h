/*
 * rule_kind: the responsibility list, rules/kinds.yaml: what a case can be about, who answers for
 * it, and how soon. Read-only once loaded; any thread.
 */
#ifndef GRIDHUB_RULE_KIND_H
#define GRIDHUB_RULE_KIND_H

#include "rule.h"
#include "yaml.h"

/* What the limit counts: time without pause, which is promised (natural) or demanded by nights and
 * holidays too (urgent), or the hours of working days (work), of which 8 make a day. */
enum limit_unit { LIMIT_NATURAL, LIMIT_URGENT, LIMIT_WORK };
extern const char *const limit_unit_names[]; /* "natural", "urgent", "work", NULL */

enum photo_duty { PHOTO_NONE, PHOTO_BEFORE, PHOTO_AFTER, PHOTO_BOTH };
extern const char *const photo_duty_names[]; /* "none", "before", "after", "both", NULL */

#define KINDS_MAX 10000
#define KIND_WORK_DAY_HOURS 8

/* Texts by enum lang; where the list has no English, the Chinese. */
struct rule_kind {
	const char *code;	   /* event-0192, part-0101 */
	bool part;		   /* a thing (部件), not an event (事件) */
	const char *name[2];	   /* 垃圾满溢 */
	const char *department[2]; /* who handles it */
	const char *supervisor[2]; /* who sees to that; "" = nobody is named */
	const char *opens[2];	   /* when a case may be opened; "" = not said */
	const char *closes[2];	   /* when it may be closed; "" = not said */
	int64_t limit_us;	   /* to handle it; of work: a day is 8 hours */
	enum limit_unit unit;
	enum photo_duty photo;
	bool machine_closes; /* may a machine close it when the signal is normal again? */
	int line;
};

struct rule_kinds;

/* Every fault is handed to fault(); -EINVAL if there was one, -ENOMEM. */
must_check int rule_kinds_load(const char *path, yaml_fault_fn fault, void *ctx,
			       struct rule_kinds **ret);
void rule_kinds_free(struct rule_kinds *k); /* NULL is fine */
/* The list that a set of rules was loaded with; NULL: there is none. */
const struct rule_kinds *rule_kinds_of(const struct rules *set);
size_t rule_kinds_count(const struct rule_kinds *k);
const struct rule_kind *rule_kinds_at(const struct rule_kinds *k, size_t i); /* by code */
const struct rule_kind *rule_kinds_find(const struct rule_kinds *k, struct slice code);
/* NULL: none is near. */
const char *rule_kinds_nearest(const struct rule_kinds *k, struct slice code);
/* As the list says it: "4h", "3d". */
void rule_kind_limit(const struct rule_kind *kind, struct buf *out);
/* One JSON object. */
void rule_kind_json(const struct rule_kind *kind, struct buf *out);

#endif
