/* notify_report: what became of an attempt, for those who watch: counters and the log, where what
 * goes on is said at growing intervals. Owned by the notify thread. */
#ifndef GRIDHUB_NOTIFY_REPORT_H
#define GRIDHUB_NOTIFY_REPORT_H

#include "notify_job.h"
#include "notify_receivers.h"

/* The job is NOTIFY_DONE; r is its receiver. */
void notify_report(struct receiver *r, const struct notify_job *j);
/* Its circuit has opened or closed with this answer. */
void notify_report_circuit(const struct receivers *all, const struct receiver *r,
			   const struct notify_job *j);

#endif
