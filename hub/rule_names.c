#include "rule_names.h"

static void doubt(struct rule_names *n, uint32_t slot)
{
	for (size_t i = 0; i < n->nunknown; i++)
		if (n->unknown[i] == slot)
			return;
	if (n->nunknown < COUNT_OF(n->unknown))
		n->unknown[n->nunknown++] = slot;
}

/* Every plain name is a field. */
static int slot_of(void *ctx, struct slice name)
{
	struct rule_names *n = ctx;
	if (memchr(name.p, '.', name.n) || name.n > FIELD_NAME_MAX)
		return -1;
	int slot = rule_set_add_slot(n->set, name);
	if (slot >= SLOT_FIRST_FIELD && rule_words_lack(n->words, name))
		doubt(n, (uint32_t)slot);
	return slot;
}

struct cel_names rule_names_of(struct rule_names *n)
{
	return (struct cel_names){.slot = slot_of, .ctx = n};
}

size_t rule_names_first_use(const struct cel_program *p, uint32_t slot)
{
	for (size_t i = 0; i < p->ncode; i++) {
		const struct cel_insn *in = &p->code[i];
		if (((in->op == I_SLOT || in->op == I_SLOT_HAS) && in->x == slot) ||
		    (in->op == I_SLOT_CMP && in->n == slot))
			return p->at[i];
	}
	return 0;
}
