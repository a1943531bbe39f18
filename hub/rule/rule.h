/*
 * rule: rule packs (YAML in rules/) compiled to bytecode, and the words that a person reads.
 *
 * A `struct rules` is immutable once loaded: any thread may read it. rule_run.h judges by it.
 */
#ifndef GRIDHUB_RULE_H
#define GRIDHUB_RULE_H

#include "registry.h"

enum severity { SEVERITY_LOW, SEVERITY_NORMAL, SEVERITY_HIGH, SEVERITY_URGENT };
extern const char *const severity_names[]; /* "low", "normal", "high", "urgent", NULL */

#define RULES_MAX 10000
#define RULE_ID_MAX 64	   /* [a-z0-9][a-z0-9_.-]* */
#define RULE_TITLE_MAX 512 /* bytes of a rendered title */

struct rules; /* a loaded set */
struct rule_code;
struct rule_kind;

/* Whose state it is: of each device, or of each grid (hosted by the device that began it). */
enum rule_scope { SCOPE_DEVICE, SCOPE_GRID };
extern const char *const rule_scope_names[]; /* "device", "grid", NULL */

struct rule {
	const char *id;
	const char *kind;		/* code of the responsibility list, e.g. event-0192 */
	const struct rule_kind *listed; /* its entry (rule_kind.h); NULL: there is no list */
	enum severity severity;
	enum device_class class; /* CLASS_UNKNOWN = any */
	enum rule_scope scope;
	bool event;
	bool shadow;		   /* judged, but only counted */
	bool outage;		   /* it says that the device cannot be reached */
	int64_t silent_us;	   /* > 0: a rule of silence, after so long */
	unsigned silent_intervals; /* > 0: a rule of silence, after so many of the device's
				      intervals */
	int64_t for_us, clear_for_us;
	uint64_t hash;	/* of all that decides the result: state is kept over a reload if it is the
			   same */
	uint32_t index; /* position in the set */
	const char *file;
	int line;
	const struct rule_code *code; /* compiled; private to rule_*.c */
};

/* One line each, "file:line:col: text"; errors refuse the set, warnings do not. Bounded at 100
 * lines. */
struct rule_report {
	struct buf errors, warnings;
	size_t nerrors, nwarnings;
	bool carets; /* to be set by who shows the errors to people: below one inside of a text
			come the file's line and a caret under the place */
};
void rule_report_init(struct rule_report *r);
void rule_report_done(struct rule_report *r);

/*
 * Load every *.yaml below dir (not below its subfolders), in name order; fields.yaml is the
 * vocabulary. -EINVAL with all errors in the report (not only the first), -ENOENT, -ENOMEM. Sets
 * are reference counted.
 */
must_check int rules_load(const char *dir, struct rule_report *report, struct rules **ret);
/* The same, but with -EINVAL *ret has the rules that are good: for tests of rules only, as what
 * is missing would be judged by nobody. */
must_check int rules_load_good(const char *dir, struct rule_report *report, struct rules **ret);
/* What is sound but will surprise, into the report's warnings: rules that look further back than
 * readings are kept (keep_us; 0: not known), holidays that run out soon. */
void rules_warn(const struct rules *set, int64_t keep_us, int64_t now_us,
		struct rule_report *report);
struct rules *rules_ref(struct rules *r);
void rules_unref(struct rules *r); /* NULL is fine */
size_t rules_count(const struct rules *r);
const struct rule *rules_at(const struct rules *r, size_t i);
struct calendar;
const struct calendar *rules_calendar(const struct rules *r); /* NULL: no schedules.yaml */
const struct rule *rules_find(const struct rules *r, struct slice id);
/* What it says, as one JSON object; for people and programs that list rules. */
void rule_json(const struct rule *rule, struct buf *out);

/* A set of that rule alone, to try it; it refers to the whole one. -ENOMEM. */
must_check int rules_alone(struct rules *whole, const struct rule *rule, struct rules **ret);
/* The longest that any of them looks back or waits: what must be there before a result can be the
 * same as if all had been seen. */
int64_t rules_max_window_us(const struct rules *r);

/* ---- words ---- */
enum lang { LANG_ZH_CN, LANG_EN };
extern const char *const lang_names[]; /* "zh-CN", "en", NULL */

/* For tables: "20m", "3x", "night:10m,else:20m", "event", "-". */
void rule_hold_text(const struct rule *rule, struct buf *out);
/* As the rule has it, with its places; borrowed from the set. */
struct slice rule_title_text(const struct rule *rule, enum lang lang);
/*
 * Render the rule's title: {fill_pct}, {device.name}, {grid.name}, {grid.code} …; a field that the
 * reading lacks comes from `saved_fields` (JSON object, may be empty), else "–". Plain text:
 * control characters become blanks.
 */
void rule_title(const struct rule *rule, enum lang lang, const struct device *d,
		const struct reading *r, struct slice saved_fields, struct buf *out);
/* As rule_title: what to do about it ("请立即核查"), if the rule says so. */
void rule_advice(const struct rule *rule, enum lang lang, const struct device *d,
		 const struct reading *r, struct slice saved_fields, struct buf *out);

#endif
