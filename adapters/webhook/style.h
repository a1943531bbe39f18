/*
 * style: how a value from outside loses its power over the text that it is put into, by dialect.
 * Pure; any thread. Private to adapters/webhook.
 */
#ifndef GRIDHUB_WEBHOOK_STYLE_H
#define GRIDHUB_WEBHOOK_STYLE_H

#include "base.h"

/* How a value loses its power. Control characters become blanks but where said; direction marks
 * go; a colon before two slashes becomes a full-width one, so that no address turns into a link. */
enum webhook_style {
	WEBHOOK_BODY_PLAIN, /* as it is, but for control characters */
	WEBHOOK_BODY_JSON,  /* inside the quotes of a JSON text; control characters are escaped */
	WEBHOOK_PLAIN,	    /* text that no one reads as markup */
	WEBHOOK_MARKDOWN,   /* characters of markup and mentions become their full-width twins */
	WEBHOOK_DINGTALK,   /* the same; a line ends with an empty one */
	WEBHOOK_SLACK,	    /* & < > as entities, the rest as in MARKDOWN */
};

#define WEBHOOK_UNIT_MAX 16

/* The character that begins at s[i], made harmless, into out (NUL-terminated, may be empty);
 * returns how many bytes of s it was. lines: ends of lines are kept. */
size_t webhook_style_unit(enum webhook_style style, struct slice s, size_t i, bool lines,
			  char out[static WEBHOOK_UNIT_MAX]);
/* The same for a part of a URL: a byte, percent-encoded unless it is a plain one. */
size_t webhook_percent_unit(struct slice s, size_t i, char out[static WEBHOOK_UNIT_MAX]);
/* Bytes of the character that begins at s[i]. */
size_t webhook_rune_len(struct slice s, size_t i);

#endif
