/*
 * rule_names: what the names and calls in a rule's conditions mean: fields, prev.x, last.x, age.x,
 * now, windows like avg(x, '10m'), devices(), within(). Each gets a slot of the set; windows get a
 * sink, too. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_NAMES_H
#define GRIDHUB_RULE_NAMES_H

#include "rule_set.h"
#include "rule_words.h"

/* A field that the vocabulary lacks. */
struct rule_doubt {
	uint32_t field; /* its slot */
	uint32_t slot;	/* the slot by which the condition reads it */
	size_t at;	/* where that is, a byte offset in the condition; SIZE_MAX: nowhere */
};

/* A fault of the condition behind the first one. */
struct rule_slip {
	size_t at;
	char msg[CEL_DIAG_MAX];
};
#define RULE_SLIPS_MAX 16

/* For the names of one condition. */
struct rule_names {
	struct rules *set;
	const struct rule_words *words;
	enum device_class class; /* of the rule: whose devices devices() counts */
	bool inside;		 /* the first argument of a window: fields only */
	bool remembers;		 /* … and it asked for prev, last or age */
	struct rule_doubt doubts[RULE_SLIPS_MAX];
	size_t ndoubts;
	struct rule_slip slips[RULE_SLIPS_MAX + 1]; /* one for that of cel_compile's diagnosis */
	size_t nslips;
	size_t nmore; /* doubts and slips for which there is no room */
};

/* As cel_compile wants it; n is borrowed while it compiles. */
struct cel_names rule_names_of(struct rule_names *n);
/* What device and grid have in them; NULL: the slot is neither. */
const struct cel_member *rule_names_members(int slot);
/* Byte offset in the condition at which the slot is first read. */
size_t rule_names_first_use(const struct cel_program *p, uint32_t slot);
/* What cel_compile refused the condition for, beside the others that were told to n. */
void rule_names_refused(struct rule_names *n, const struct cel_diag *d);

#endif
