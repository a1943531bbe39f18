/*
 * migrate: bring the schema up to date with sql/schema (numbered, checksummed, each in a
 * transaction of its own).
 *
 * Several hubs may start at once: an advisory lock, polled (a blocking one would hold back CREATE
 * INDEX CONCURRENTLY), lets one of them do the work. Refused: a schema newer than this binary
 * (-EPROTONOSUPPORT) and one whose applied migrations differ from ours (-EILSEQ).
 */
#ifndef GRIDHUB_MIGRATE_H
#define GRIDHUB_MIGRATE_H

#include "pg.h"

/* Calls say (may be NULL) with one line for each step applied. *ret_applied counts them. */
must_check int migrate_run(struct pg *p, void (*say)(const char *line), size_t *ret_applied,
			   struct err *e);
/*
 * Name the role that a hub runs with and one that only reads (NULL: leave it), and give all named
 * roles their rights; migrate_run does that again after each migration. -ENOENT: no such role.
 */
must_check int migrate_roles(struct pg *p, const char *hub, const char *report, struct err *e);
/* 0 if the schema is just what this binary wants; -ESTALE if migrations are missing; as above if
 * newer or different. */
must_check int migrate_check(struct pg *p, struct err *e);
/* The id of the district of this name; the row is made if it is missing. */
must_check int migrate_district(struct pg *p, const char *name, int64_t *ret_id, struct err *e);

#endif
