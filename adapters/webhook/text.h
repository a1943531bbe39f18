/*
 * text: what people read, made of a template with places to fill in from the alert:
 *
 *   {text}                       the alert as a grid leader reads it, lines and all
 *   {case.title} {grid.name} …   a value of the alert; {fields.NAME} a field of the reading
 *   {severity} {url} {at} {id} {event}
 *   {fields.fill_pct|json}       the value as JSON, with its quotes; |url: percent-encoded
 *
 * A "{" that a letter does not follow stands for itself, so that JSON needs no escapes; before a
 * letter, write "{{". Whatever is filled in is made harmless in the receiver's dialect (enum
 * webhook_style); what the template itself says is ops' word and goes out as it is.
 *
 * A text is immutable once parsed (any thread). Private to adapters/webhook, but for parsing.
 */
#ifndef GRIDHUB_WEBHOOK_TEXT_H
#define GRIDHUB_WEBHOOK_TEXT_H

#include "adapter.h"
#include "style.h"

#define WEBHOOK_TEXT_MAX (64 * 1024)
#define WEBHOOK_PLACES_MAX 256

/* body: a whole body, where |json is allowed. -EINVAL with "line:column: " in e; -ENOMEM. */
must_check int webhook_text_parse(struct slice text, bool body, struct err *e,
				  struct webhook_text **ret);
void webhook_text_free(struct webhook_text *t); /* NULL is fine */

/*
 * t NULL: the alert's own text. At most max bytes; what is longer ends in "…" after a whole
 * character. A missing value is "–", in a body nothing (null with |json).
 */
bool webhook_text_render(const struct webhook_text *t, const struct webhook_message *m, int lang,
			 enum webhook_style style, size_t max, struct buf *out);

#endif
