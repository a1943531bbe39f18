/*
 * rule_words: the vocabulary, rules/fields.yaml: every field that a device may send, with its type.
 * Private to rule_*.c. Read-only once loaded.
 */
#ifndef GRIDHUB_RULE_WORDS_H
#define GRIDHUB_RULE_WORDS_H

#include "cel_value.h"
#include "yaml.h"

struct rule_word {
	struct slice name;
	enum cel_type type;
	unsigned classes; /* of devices that have it, 1 << enum device_class; 0: not said */
};

struct rule_words {
	struct yaml_doc *doc; /* owns the names; NULL: there is no vocabulary, no name is doubted */
	struct rule_word *v;  /* by name */
	size_t n, cap;
};

/* Every fault is handed to fault(); what is good is kept. -EINVAL if there was one, -ENOMEM. */
must_check int rule_words_load(const char *path, yaml_fault_fn fault, void *ctx,
			       struct rule_words *ret);
void rule_words_done(struct rule_words *w);
const struct rule_word *rule_words_find(const struct rule_words *w, struct slice name);
/* Is there reason to doubt the name? */
bool rule_words_lack(const struct rule_words *w, struct slice name);
/* NULL: none is near. */
const char *rule_words_nearest(const struct rule_words *w, struct slice name);

#endif
