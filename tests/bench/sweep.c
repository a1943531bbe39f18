/*
 * The looks of tests/bench/video: every URL of stdin (one a line) once, through the pool of worker
 * processes that the hub uses, which are this program again. One JSON object on stdout: wall time,
 * CPU time of workers and of the asking side, memory of all workers together, results by state,
 * step and cause, percentiles of the time to the keyframe, worst overshoot over the deadline.
 *
 *   sweep PROCESSES THREADS DEADLINE_MS DEPTH [OUT]   OUT: a file for each result as a line
 */
#include <sys/resource.h>
#include <unistd.h>

#include "probe.h"
#include "times.h"
#include "worker.h"

#define URLS_MAX 200000

struct sweep {
	char **urls;
	int n, asked, done;
	int64_t deadline_us, over_us, peak_bytes, sampled_us;
	int64_t *keyframe_us; /* of those that came so far */
	int keyframes;
	struct {
		enum probe_state state;
		enum probe_step step;
		enum probe_cause cause;
		int n;
	} kinds[64];
	FILE *out;
};

static void count(struct sweep *s, const struct probe_result *r)
{
	size_t i = 0;
	while (i + 1 < COUNT_OF(s->kinds) && s->kinds[i].n &&
	       (s->kinds[i].state != r->state || s->kinds[i].step != r->step ||
		s->kinds[i].cause != r->cause))
		i++;
	s->kinds[i].state = r->state;
	s->kinds[i].step = r->step;
	s->kinds[i].cause = r->cause;
	s->kinds[i].n++;
}

static void on_result(void *ctx, struct probe_result *r)
{
	struct sweep *s = ctx;
	s->done++;
	count(s, r);
	if (r->at.total >= 0)
		s->over_us = MAX_OF(s->over_us, r->at.total - s->deadline_us);
	if (r->at.keyframe >= 0)
		s->keyframe_us[s->keyframes++] = r->at.keyframe;
	if (s->out) {
		auto_buf struct buf line;
		buf_init(&line, PROBE_LINE_MAX);
		probe_result_write(r, &line);
		fprintf(s->out, "%s\n", buf_str(&line));
	}
	probe_result_done(r);
}

/* What all workers have resident, now and then. */
static void sample(struct sweep *s, const struct pool *p)
{
	int pids[WORKER_PROCESSES_MAX];
	int64_t sum = 0, now = times_mono_us();
	if (now - s->sampled_us < 100 * TIMES_MS)
		return;
	s->sampled_us = now;
	size_t n = pool_pids(p, pids, COUNT_OF(pids));
	for (size_t i = 0; i < n; i++) {
		char path[40];
		long long total, resident;
		snprintf(path, sizeof path, "/proc/%d/statm", pids[i]);
		FILE *f = fopen(path, "r");
		if (f && fscanf(f, "%lld %lld", &total, &resident) == 2)
			sum += (int64_t)resident * sysconf(_SC_PAGESIZE);
		if (f)
			fclose(f);
	}
	s->peak_bytes = MAX_OF(s->peak_bytes, sum);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static double cpu_s(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void print(struct sweep *s, int64_t wall_us)
{
	qsort(s->keyframe_us, (size_t)s->keyframes, sizeof *s->keyframe_us, by_size);
	printf("{\"looks\":%d,\"wall_s\":%.3f,\"worker_cpu_s\":%.3f,\"asker_cpu_s\":%.3f,"
	       "\"peak_mb\":%.1f,\"worst_over_ms\":%.1f,\"keyframe_ms\":{",
	       s->done, (double)wall_us / 1e6, cpu_s(RUSAGE_CHILDREN), cpu_s(RUSAGE_SELF),
	       (double)s->peak_bytes / 1048576, (double)s->over_us / 1e3);
	static const int percents[] = {50, 90, 99};
	for (size_t i = 0; i < COUNT_OF(percents) && s->keyframes; i++)
		printf("%s\"p%d\":%.1f", i ? "," : "", percents[i],
		       (double)s->keyframe_us[(int64_t)s->keyframes * percents[i] / 100] / 1e3);
	printf("},\"results\":{");
	for (size_t i = 0; i < COUNT_OF(s->kinds) && s->kinds[i].n; i++)
		printf("%s\"%s %s %s\":%d", i ? "," : "", probe_state_words[s->kinds[i].state],
		       probe_step_words[s->kinds[i].step], probe_cause_words[s->kinds[i].cause],
		       s->kinds[i].n);
	printf("}}\n");
}

static int read_urls(struct sweep *s)
{
	char line[PROBE_URL_MAX + 2];
	s->urls = mem_new(URLS_MAX * sizeof *s->urls);
	s->keyframe_us = mem_new(URLS_MAX * sizeof *s->keyframe_us);
	if (!s->urls || !s->keyframe_us)
		return -ENOMEM;
	while (s->n < URLS_MAX && fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		s->urls[s->n] = strdup(line);
		if (!s->urls[s->n++])
			return -ENOMEM;
	}
	return 0;
}

static int run(struct sweep *s, struct pool *p, enum probe_depth depth)
{
	while (s->done < s->n) {
		while (s->asked < s->n) {
			struct probe_request q = {.id = s->asked,
						  .url = s->urls[s->asked],
						  .depth = depth,
						  .deadline_us = s->deadline_us,
						  .watch_us = 10 * TIMES_SEC};
			if (pool_ask(p, &q))
				break;
			s->asked++;
		}
		int r = pool_wait(p, 100 * TIMES_MS, on_result, s);
		if (r < 0)
			return r;
		sample(s, p);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct worker_eye eye = {look_init, look_at};
	static struct sweep s;
	if (argc == 3 && strcmp(argv[2], "--worker") == 0)
		_exit(worker_serve(0, &eye));
	if (argc < 5 || read_urls(&s))
		return 2;
	struct err e = {0};
	struct pool *p = NULL;
	struct pool_conf conf = {.processes = (int)strtol(argv[1], NULL, 10),
				 .threads = (int)strtol(argv[2], NULL, 10),
				 .memory_bytes = INT64_C(1) << 30,
				 .limits = {.any_address = true}};
	int depth = 0;
	while (probe_depth_words[depth] && strcmp(probe_depth_words[depth], argv[4]) != 0)
		depth++;
	s.deadline_us = strtol(argv[3], NULL, 10) * TIMES_MS;
	s.out = argc > 5 ? fopen(argv[5], "w") : NULL;
	if (!probe_depth_words[depth] || pool_start(&conf, &e, &p)) {
		fprintf(stderr, "sweep: %s\n", e.msg);
		return 1;
	}
	int64_t start = times_mono_us();
	int r = run(&s, p, (enum probe_depth)depth);
	int64_t wall = times_mono_us() - start;
	pool_stop(p);
	if (s.out)
		fclose(s.out);
	if (r == 0)
		print(&s, wall);
	return r ? 1 : 0;
}
