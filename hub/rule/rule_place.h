/*
 * rule_place: a place inside a value → its line and column in the file. Private to rule_*.c.
 */
#ifndef GRIDHUB_RULE_PLACE_H
#define GRIDHUB_RULE_PLACE_H

#include "yaml.h"

struct place {
	int line, col; /* 1-based; columns are characters */
	size_t at;     /* byte offset in the file */
};

/* Of byte `offset` of v's text; `text` is the whole file that v was read from. */
struct place rule_place(struct slice text, const struct yaml_node *v, size_t offset);

#endif
