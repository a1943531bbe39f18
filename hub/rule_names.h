/*
 * rule_names: what the names in a rule's conditions mean: each gets a slot of the set. Private to
 * rule_*.c.
 */
#ifndef GRIDHUB_RULE_NAMES_H
#define GRIDHUB_RULE_NAMES_H

#include "rule_set.h"
#include "rule_words.h"

/* For the names of one condition. */
struct rule_names {
	struct rules *set;
	const struct rule_words *words;
	/* slots of fields that the vocabulary lacks; told about once the condition is sound */
	uint32_t unknown[8];
	size_t nunknown;
};

/* As cel_compile wants it; n is borrowed while it compiles. */
struct cel_names rule_names_of(struct rule_names *n);
/* Byte offset in the condition at which the slot is first read. */
size_t rule_names_first_use(const struct cel_program *p, uint32_t slot);

#endif
