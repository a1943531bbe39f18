/*
 * rule_load: what the parts of loading share: the set that is being made, the file at hand, and
 * where faults go. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_LOAD_H
#define GRIDHUB_RULE_LOAD_H

#include "rule_place.h"
#include "rule_set.h"
#include "rule_words.h"

struct loader {
	struct rules *set;
	struct rule_report *report;
	struct rule_words words;
	/* the file at hand */
	const char *file; /* in the set's arena */
	struct yaml_doc *doc;
	struct slice text;
	enum device_class class; /* of the rule at hand; CLASS_UNKNOWN: any */
};

#define REPORT_LINES 100 /* of each kind; what is more is only counted, and need not be worded */
void rule_report_warning(struct rule_report *report, const struct err *e);
void rule_load_error(struct loader *l, const struct err *e);
void rule_load_warning(struct loader *l, const struct err *e);
/* An error at a place of the file at hand. */
void rule_load_error_at(struct loader *l, const struct err *e, const struct place *at);
/* As rule_load_error, for the functions that hand faults on; ctx is the loader. */
void rule_load_on_fault(void *ctx, const struct err *e);
/* "file:line:col: key "K": text", of the value v (NULL: the file). Returns -EINVAL. */
int rule_load_fault(struct loader *l, const struct yaml_node *v, const char *key, const char *fmt,
		    ...) printf_like(4, 5);
/* The same of byte `offset` of the value's text. */
int rule_load_fault_in(struct loader *l, const struct yaml_node *v, size_t offset, const char *key,
		       const char *fmt, ...) printf_like(5, 6);
/* v is a map where the key has a text: says so. */
int rule_load_no_text(struct loader *l, const struct yaml_node *v, const char *key);

/* ---- the texts of a rule (rule_text.c) ---- */
/* NULL if there is a fault, which has been told; what the vocabulary lacks is one, name by name. */
struct cel_program *rule_text_condition(struct loader *l, const struct yaml_node *v,
					const char *key);
/* In both languages; ret[] by enum lang. 0 or -EINVAL, told. */
must_check int rule_text_titles(struct loader *l, const struct yaml_node *v, struct title *ret);

/* That the vocabulary lacks the name at byte `offset` of v. Returns -EINVAL. */
int rule_text_no_field(struct loader *l, const struct yaml_node *v, size_t offset,
		       struct slice name);

/* ---- examples (rule_example_load.c) ---- */
/* All of the rule's, whose class and event are known. 0 or -EINVAL, told. */
must_check int rule_examples_load(struct loader *l, const struct yaml_node *list,
				  const struct rule *rule, struct rule_code *code);

/* ---- what time does to a rule (rule_time.c) ---- each 0 or -EINVAL, told ---- */
/* `for: 20m` or `for: {night: 10m, else: 20m}` */
must_check int rule_time_hold(struct loader *l, const struct yaml_node *v, struct rule *rule,
			      struct rule_code *code);
/* `during: night` or `except: [night, collection]` */
must_check int rule_time_gate(struct loader *l, const struct yaml_node *v, const char *key,
			      const struct schedule ***ret, size_t *ret_n);
/* Is there a time at which both leave cases open? */
must_check int rule_time_gates_meet(struct loader *l, const struct yaml_node *during,
				    const struct rule_code *code);
/* `silent: 3x` or `silent: 2h` */
must_check int rule_time_silence(struct loader *l, const struct yaml_node *v, struct rule *rule);
/* `flap: {count: 5, within: 1h}` or `flap: off`; v NULL: the default */
must_check int rule_time_flap(struct loader *l, const struct yaml_node *v, struct rule_code *code);

/* ---- one rule (rule_make.c) ---- */
/* The map is a rule: into the set with it, or faults into the report. */
void rule_make(struct loader *l, const struct yaml_node *map);

#endif
