/*
 * spool_boot: has the machine booted since the spool was last open? For spool.c only.
 */
#ifndef GRIDHUB_SPOOL_BOOT_H
#define GRIDHUB_SPOOL_BOOT_H

#include <limits.h>

#include "base.h"

struct spool_boot {
	bool again; /* it has, or nobody can tell */
	char id[65], path[PATH_MAX];
};

must_check int spool_boot_read(const char *dir, struct spool_boot *ret); /* -ENAMETOOLONG */
must_check int spool_boot_write(const struct spool_boot *b);

#endif
