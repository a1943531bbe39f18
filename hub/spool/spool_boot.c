#include "spool_boot.h"

#include <fcntl.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* The trimmed text of a small file; "" if there is none. */
static void read_word(const char *path, char *ret, size_t max)
{
	auto_free char *text = NULL;
	size_t n = 0;
	ret[0] = 0;
	if (file_read(path, max - 1, &text, &n, NULL))
		return;
	struct slice s = slice_trim((struct slice){text, n});
	memcpy(ret, s.p, s.n);
	ret[s.n] = 0;
}

int spool_boot_read(const char *dir, struct spool_boot *ret)
{
	char then[sizeof ret->id];
	int n = snprintf(ret->path, sizeof ret->path, "%s/boot", dir);
	if (n < 0 || (size_t)n >= sizeof ret->path)
		return -ENAMETOOLONG;
	read_word(BOOT_ID, ret->id, sizeof ret->id);
	read_word(ret->path, then, sizeof then);
	ret->again = !ret->id[0] || strcmp(ret->id, then) != 0;
	return 0;
}

int spool_boot_write(const struct spool_boot *b)
{
	auto_close int fd = open(b->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	return fd < 0 ? -errno : fd_write_all(fd, b->id, strlen(b->id));
}
