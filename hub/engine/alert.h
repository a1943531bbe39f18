/*
 * alert: an anomaly as the batch carries it: title, fields, endpoint, and the alert that a grid
 * leader will read (the shape that adapters/webhook/adapter.h describes, but for what only the
 * database knows: case id, opening time). Pure; one thread at a time.
 */
#ifndef GRIDHUB_ALERT_H
#define GRIDHUB_ALERT_H

#include "batch.h"
#include "config.h"
#include "rule_run.h"

/* Fold the anomaly into the batch. -ENOMEM, -E2BIG. */
must_check int alert_add(struct batch *b, const struct config *conf, const struct anomaly *a);

/* "【紧急】", or "【已恢复】": how a sentence to a grid leader begins. */
void alert_put_how(enum lang lang, enum severity severity, bool recovered, struct buf *out);

#endif
