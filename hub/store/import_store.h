/*
 * import_store: rows of an import into the registry, in one transaction: staged in a temporary
 * table, checked against the registry, written. The district's row stays locked from the first
 * statement on and its revision moves once, so that hubs see all of it or nothing, within a second.
 */
#ifndef GRIDHUB_IMPORT_STORE_H
#define GRIDHUB_IMPORT_STORE_H

#include "import.h"
#include "pg.h"

struct import_counts {
	size_t inserted, updated, unchanged;
	size_t refused; /* rows */
};

/*
 * Faults found on the way are added to im. With any fault nothing is written, unless `partial`:
 * then the good rows are. Errors are those of pg. Blocks.
 */
must_check int import_store(struct import *im, struct pg *p, int64_t district, bool partial,
			    struct import_counts *ret, struct err *e);

#endif
