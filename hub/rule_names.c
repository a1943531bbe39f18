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

/* As the vocabulary says; of a field that it lacks nothing is known. */
static int type_of(void *ctx, int slot)
{
	const struct rule_names *n = ctx;
	if (slot < SLOT_FIRST_FIELD)
		return CEL_MAP;
	const struct rule_word *w = rule_words_find(n->words, n->set->slots.names[slot]);
	return w ? (int)w->type : CEL_UNSET;
}

struct cel_names rule_names_of(struct rule_names *n)
{
	return (struct cel_names){
		.slot = slot_of, .type = type_of, .wanted = CEL_BIT(CEL_BOOL), .ctx = n};
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
