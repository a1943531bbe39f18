/*
 * notify_words: an alert in its receiver's language. The engine writes its words in the hub's, and
 * where some endpoint has another one, once more as "other". Pure.
 */
#ifndef GRIDHUB_NOTIFY_WORDS_H
#define GRIDHUB_NOTIFY_WORDS_H

#include "json.h"

/* If *alert has "other", it becomes a text in mem without it, and with its words if they are of
 * that language. One that is no such JSON stays as it is. -ENOMEM. */
must_check int notify_words(struct arena *mem, const char *lang, struct slice *alert);

#endif
