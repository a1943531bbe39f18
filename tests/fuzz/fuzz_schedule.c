/* Any bytes as rules/schedules.yaml: loaded; what is sound is asked, and must agree with itself. */
#include <assert.h>
#include <unistd.h>

#include "schedule.h"
#include "times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *path(void)
{
	static char file[64];
	if (!file[0]) {
		snprintf(file, sizeof file, "/tmp/fuzz_schedule.XXXXXX");
		int fd = mkstemp(file);
		if (fd < 0)
			abort();
		close(fd);
	}
	return file;
}

static void fault(void *ctx, const struct err *e)
{
	size_t *n = ctx;
	assert(e->msg[0]);
	++*n;
}

static void ask(const struct schedule *s)
{
	int64_t at = INT64_C(1792000000000000); /* 2026-10 */
	for (int i = 0; i < 20; i++) {
		int64_t next = schedule_next(s, at);
		assert(next > at);
		if (next == INT64_MAX)
			return;
		assert(schedule_open(s, next) != schedule_open(s, at));
		assert(schedule_open(s, next - 1) == schedule_open(s, at));
		at = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct calendar *c = NULL;
	size_t faults = 0;
	int64_t until;
	FILE *f = fopen(path(), "w");
	if (!f)
		abort();
	fwrite(data, 1, n, f);
	fclose(f);
	int r = calendar_load(path(), fault, &faults, &c);
	assert(r == -ENOMEM || (r == 0) == (faults == 0));
	if (r)
		return 0;
	for (size_t i = 0; i < calendar_count(c); i++) {
		assert(calendar_find(c, slice_of(schedule_name(calendar_at(c, i)))));
		ask(calendar_at(c, i));
	}
	(void)calendar_listed_until(c, &until);
	calendar_free(c);
	return 0;
}
