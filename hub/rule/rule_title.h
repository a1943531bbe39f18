/*
 * rule_title: a title with places to fill in ("{fill_pct} % full in {grid.name}"), cut into pieces
 * when the rule is loaded.
 */
#ifndef GRIDHUB_RULE_TITLE_H
#define GRIDHUB_RULE_TITLE_H

#include "rule.h"

enum title_kind {
	TITLE_TEXT,
	TITLE_FIELD, /* of the reading */
	TITLE_DEVICE_NAME,
	TITLE_DEVICE_CLASS,
	TITLE_GRID_NAME,
	TITLE_GRID_CODE,
	TITLE_GRID_LEADER,
	TITLE_IF_KNOWN, /* "[?": what follows is left out if a field in it is not known */
	TITLE_END,	/* the "]" of that */
};

struct title_piece {
	enum title_kind kind;
	struct slice text; /* the text, or the field's name; borrowed from the arena */
	size_t at;	   /* byte offset in the template */
};

struct title {
	struct title_piece *v;
	size_t n;
	struct slice text; /* as the rule has it; borrowed from the arena */
};

/* -EINVAL with *ret_at = byte offset and e; -ENOMEM. */
must_check int title_parse(struct slice text, struct arena *arena, size_t *ret_at, struct err *e,
			   struct title *ret);
/* The reading's fields that any of the titles shows, as a JSON object; empty if there are none. At
 * most RULE_FIELDS_MAX bytes: fields that do not fit are left out. */
#define RULE_FIELDS_MAX 160
void title_fields_json(const struct title *titles, size_t n, const struct reading *r,
		       struct buf *out);

#endif
