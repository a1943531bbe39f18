/*
 * DESIGN: a list of what is refused, not of what is allowed: libraries (resolver, TLS, malloc,
 * sanitizers) call what they like in their next version, and a worker that is killed for it would
 * be a fault of ours. What is refused gives an errno, as if the kernel did not have it.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "worker_lock.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0 /* no filter there */
#endif
#define X32 0x40000000U

/* Other processes, files, servers, and what goes around this filter. */
static const int refused[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kill,
	SYS_tkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_open,
	SYS_pidfd_getfd,
	SYS_pidfd_send_signal,
	SYS_bind,
	SYS_listen,
	SYS_renameat,
	SYS_renameat2,
	SYS_unlinkat,
	SYS_mkdirat,
	SYS_mknodat,
	SYS_linkat,
	SYS_symlinkat,
	SYS_truncate,
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchown,
	SYS_fchownat,
	SYS_setxattr,
	SYS_lsetxattr,
	SYS_fsetxattr,
	SYS_mount,
	SYS_unshare,
	SYS_setns,
	SYS_chroot,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_memfd_create,
	SYS_open_by_handle_at,
#ifdef SYS_open /* the older ones of x86 */
	SYS_creat,
	SYS_fork,
	SYS_vfork,
	SYS_rename,
	SYS_unlink,
	SYS_rmdir,
	SYS_mkdir,
	SYS_mknod,
	SYS_link,
	SYS_symlink,
	SYS_chmod,
	SYS_chown,
	SYS_lchown,
#endif
};

#define LOAD(member) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define JUMP(op, value, yes, no) BPF_JUMP(BPF_JMP | BPF_##op | BPF_K, (uint32_t)(value), yes, no)
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define FAIL(code) GIVE(SECCOMP_RET_ERRNO | (code))
#define ALLOW GIVE(SECCOMP_RET_ALLOW)

struct program {
	struct sock_filter line[160];
	unsigned short n;
};

static void add(struct program *p, const struct sock_filter *lines, size_t n)
{
	for (size_t i = 0; i < n && p->n < COUNT_OF(p->line); i++)
		p->line[p->n++] = lines[i];
}
#define ADD(p, ...)                                       \
	add(p, (const struct sock_filter[]){__VA_ARGS__}, \
	    sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter))

/* What depends on an argument (its lower half, little endian); each ends in a verdict. */
static void add_conditions(struct program *p)
{
	static const uint32_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
#ifdef SYS_open
	ADD(p, JUMP(JEQ, SYS_open, 0, 4), LOAD(args[1]), JUMP(JSET, writes, 0, 1), FAIL(EACCES),
	    ALLOW);
#endif
	ADD(p, JUMP(JEQ, SYS_openat, 0, 4), LOAD(args[2]), JUMP(JSET, writes, 0, 1), FAIL(EACCES),
	    ALLOW);
	/* Threads, no processes; the newer calls hand over a struct, which cannot be looked into.
	 */
	ADD(p, JUMP(JEQ, SYS_clone, 0, 4), LOAD(args[0]), JUMP(JSET, CLONE_THREAD, 1, 0),
	    FAIL(EPERM), ALLOW);
	ADD(p, JUMP(JEQ, SYS_clone3, 0, 1), FAIL(ENOSYS));
	ADD(p, JUMP(JEQ, SYS_openat2, 0, 1), FAIL(ENOSYS));
	/* Not the database's socket, nor a bus. */
	ADD(p, JUMP(JEQ, SYS_socket, 0, 5), LOAD(args[0]), JUMP(JEQ, AF_INET, 2, 0),
	    JUMP(JEQ, AF_INET6, 1, 0), FAIL(EAFNOSUPPORT), ALLOW);
	ADD(p, JUMP(JEQ, SYS_tgkill, 0, 4), LOAD(args[0]), JUMP(JEQ, getpid(), 1, 0), FAIL(EPERM),
	    ALLOW);
}

void worker_lock_calls(void)
{
	struct program p = {.n = 0};
	ADD(&p, LOAD(arch), JUMP(JEQ, ARCH, 1, 0), GIVE(SECCOMP_RET_KILL_PROCESS), LOAD(nr));
#ifdef __x86_64__
	ADD(&p, JUMP(JGE, X32, 0, 1), FAIL(ENOSYS));
#endif
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		ADD(&p, JUMP(JEQ, refused[i], 0, 1), FAIL(EPERM));
	add_conditions(&p);
	ADD(&p, ALLOW);
	struct sock_fprog whole = {p.n, p.line};
	if (!ARCH || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole))
		log_warn("probe", KM("worker runs without a filter of system calls"),
			 KS("error", ARCH ? strerror(errno) : "none for this processor"));
}
