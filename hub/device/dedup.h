/*
 * dedup: is this message one that came before? Brokers send again what they have no acknowledgement
 * of; after a crash that is thousands of messages.
 *
 * Two signs, both within the last DEDUP_WINDOW messages: the broker's DUP flag with the same packet
 * identifier, topic and payload; or, where the device gave the message a time or a sequence number
 * of its own, the same topic and payload. Two equal messages without either are two messages. The
 * engine fills it from the spool's tail at start. One thread; memory fixed at about 3 MB.
 */
#ifndef GRIDHUB_DEDUP_H
#define GRIDHUB_DEDUP_H

#include "spool.h"

#define DEDUP_WINDOW 65536

struct dedup;

struct dedup *dedup_new(void); /* NULL when out of memory */
void dedup_free(struct dedup *d);

/* Remember the record; true if it was there already by the broker's word. */
bool dedup_record(struct dedup *d, const struct spool_record *rec);
/* The record is marked by its device (time or seq): true if one with the same contents was
 * remembered here before. */
bool dedup_marked(struct dedup *d, const struct spool_record *rec);

#endif
