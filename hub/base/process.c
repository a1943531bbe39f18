#include "process.h"

#include <sys/resource.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20) /* /proc/stat has a line for each processor */

/* The number at place `n`, from 0 on, of a file of words, behind the last `after` in it; 0: none.
 */
static int64_t word_of(const char *path, const char *after, unsigned n)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int64_t v = 0;
	if (file_read(path, FILE_MAX, &text, &len, NULL))
		return 0;
	const char *at = text, *found;
	while (after[0] && (found = strstr(at, after)))
		at = found + strlen(after);
	struct slice rest = slice_of(at), word = {0};
	for (unsigned i = 0; i <= n; i++)
		if (!slice_cut(&rest, ' ', &word))
			return 0;
	struct slice line = word;
	if (slice_cut(&line, '\n', &word) && slice_to_i64(word, &v))
		return 0;
	return v;
}

static void put(struct buf *out, const char *name, const char *type, const char *help, double v)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, v);
}

void process_write(struct buf *out)
{
	struct rusage used = {0};
	getrusage(RUSAGE_SELF, &used);
	double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		     (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	/* Behind the name in parentheses, starttime is the twentieth word. */
	double started =
		(double)word_of("/proc/stat", "btime ", 0) +
		(double)word_of("/proc/self/stat", ") ", 19) / (double)sysconf(_SC_CLK_TCK);
	double resident =
		(double)word_of("/proc/self/statm", "", 1) * (double)sysconf(_SC_PAGESIZE);
	put(out, "process_start_time_seconds", "gauge", "When the hub was started", started);
	put(out, "process_cpu_seconds_total", "counter", "Processor time used", cpu);
	put(out, "process_resident_memory_bytes", "gauge", "Memory in use", resident);
	buf_puts(out, "# HELP gridhub_build_info The version that runs\n# TYPE gridhub_build_info "
		      "gauge\ngridhub_build_info{version=\"" GRIDHUB_VERSION "\"} 1\n");
}
