/* worker_lock: what a process gives up before it reads what strangers send. */
#ifndef GRIDHUB_WORKER_LOCK_H
#define GRIDHUB_WORKER_LOCK_H

#include "base.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKER_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORKER_SANITIZED true
#endif
#endif
#ifndef WORKER_SANITIZED
#define WORKER_SANITIZED false
#endif

/* Of each thread; a look takes 70 KB at most, a sanitizer's frames are larger. */
#define WORKER_STACK_BYTES ((size_t)(WORKER_SANITIZED ? 2 << 20 : 256 << 10))

/*
 * The whole process, for good; before it has threads. It dies with its parent, leaves no core, is
 * the first that a machine short of memory ends, gets no rights by exec, and may allocate about
 * memory_bytes beside the stacks of its threads (0: no bound).
 */
must_check int worker_lock_limits(int threads, int64_t memory_bytes, struct err *e);
/* For good: of all files those of the system may be read (/etc, /usr, /lib) and ca_file (NULL:
 * none). A kernel without Landlock is told of in the log. */
void worker_lock_files(const char *ca_file);
/*
 * For good, and after that: no other program or process, no file opened for writing, no socket but
 * of the Internet, none that others can connect to. Needs what worker_lock_limits does. A kernel
 * that has no such filter is told of in the log.
 */
void worker_lock_calls(void);

#endif
