/* gridhub probe --worker: what the hub starts for itself (worker.h); descriptor 0 leads to it. */
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"
#include "worker.h"

int cmd_probe_worker(void)
{
	static const struct worker_eye eye = {look_init, look_at};
	int kind = 0;
	socklen_t n = sizeof kind;
	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &kind, &n) || kind != SOCK_SEQPACKET)
		return cmd_usage("probe", "--worker is for the hub itself");
	/* No farewell of the libraries while threads are within them. */
	_exit(worker_serve(STDIN_FILENO, &eye));
}
