/*
 * What the plan of all looks costs, and what the looks it makes mean: a simulated day of a district
 * in which 5 % of the streams never work. CPU of the plan a look, memory a stream, looks by depth,
 * and the share of one core that they take with the CPU per look given.
 *
 *   cmake --build build/release --target bench_plan
 *   build/release/bench_plan [MS_REACH MS_KEYFRAME MS_PICTURE MS_WATCH]
 *
 * ms of CPU, as tests/bench/video measures them (0.23 1.4 4.2 38: sub streams, but main streams for
 * a watch, as the hub does).
 */
#include <malloc.h>

#define SIM_CHECK(condition)                                         \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "not so: " #condition "\n"); \
			exit(1);                                     \
		}                                                    \
	} while (0)
#include "../unit/plan_sim.h"

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As shares of the streams: media servers with 2,000 each, recorders with 16 each, the rest alone.
 */
static const struct layout {
	const char *what;
	uint32_t streams, served_pct, recorded_pct;
	int64_t connects_per_s, hours;
	size_t slots;
} layouts[] = {
	{"a district: half behind servers, a third behind recorders", 17000, 47, 38, 200, 24, 400},
	{"each at a host of its own", 17000, 0, 0, 200, 4, 400},
	{"the same, 400 connects/s", 17000, 0, 0, 400, 4, 400},
	{"a district", 100000, 47, 38, 1000, 2, 2000},
	{"each at a host of its own", 100000, 0, 0, 1000, 2, 2000},
};

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void fill(struct sim *w, const struct layout *l)
{
	uint32_t served = (uint32_t)((uint64_t)l->streams * l->served_pct / 100);
	uint32_t recorded = (uint32_t)((uint64_t)l->streams * l->recorded_pct / 100);
	uint32_t servers = served / 2000 + 1, recorders = recorded / 16 + 1;
	struct plan_conf conf = sim_conf;
	conf.connects_per_s = l->connects_per_s;
	sim_init(w, &conf, l->streams, l->streams + servers + recorders);
	w->slots = l->slots;
	for (uint32_t h = 0; h < servers; h++)
		sim_server(w, h);
	size_t before = heap_bytes();
	for (uint32_t i = 0; i < l->streams; i++) {
		static const enum sim_mode bad[] = {SIM_SILENT, SIM_NOT_FOUND, SIM_NO_PACKETS};
		uint32_t h = servers + recorders + i;
		if (i < served)
			h = i % servers;
		else if (i < served + recorded)
			h = servers + (i - served) / 16;
		w->s[i].mode = (uint8_t)(i % 20 == 15 ? bad[i / 20 % COUNT_OF(bad)] : SIM_OK);
		SIM_CHECK(!sim_put(w, i, h, NULL));
	}
	printf("%u streams, %s: %.0f bytes each\n", l->streams, l->what,
	       (double)(heap_bytes() - before) / l->streams);
}

/* An hour of the plan alone: each look is answered at once. */
static double plan_alone_us(struct sim *w)
{
	struct probe_result r;
	struct plan_belief b;
	struct plan_look look;
	uint64_t looks = 0;
	memset(&r, 0, offsetof(struct probe_result, detail));
	double start = cpu_s();
	for (int64_t end = w->now + SIM_HOUR; w->now < end;) {
		int64_t wake;
		if (!plan_next(w->p, w->now, &look, &wake)) {
			w->now = wake;
			continue;
		}
		r.id = look.id;
		r.state = look.depth == PROBE_REACH || look.id % 20 ? PROBE_ONLINE : PROBE_OFFLINE;
		r.step = look.depth == PROBE_REACH ? PROBE_CONNECTED : PROBE_GOT_KEYFRAME;
		r.cause = r.state == PROBE_ONLINE ? PROBE_CAUSE_NONE : PROBE_NO_KEYFRAME;
		plan_result(w->p, &r, false, w->now, &b, NULL, NULL);
		looks++;
	}
	return (cpu_s() - start) * 1e6 / (double)looks;
}

static void bench(const struct layout *l, const double ms[4])
{
	static const char *const depths[] = {"reach", "keyframe", "picture", "watch"};
	struct sim w;
	struct plan_counts c;
	double all = 0, seconds = (double)l->hours * 3600;
	fill(&w, l);
	sim_run(&w, w.now + SIM_HOUR);
	memset(w.looks, 0, sizeof w.looks);
	uint64_t before = w.starts;
	w.worst_gap = 0;
	for (uint32_t i = 0; i < w.n; i++)
		w.s[i].decided = w.now;
	double start = cpu_s();
	sim_run(&w, w.now + l->hours * SIM_HOUR);
	double day = cpu_s() - start;
	for (size_t d = 0; d < COUNT_OF(depths); d++) {
		double rate = (double)w.looks[d] / seconds, core = rate * ms[d] / 10;
		printf("  %-9s %7.1f/s  at %5.2f ms: %5.1f %% of a core\n", depths[d], rate, ms[d],
		       core);
		all += core;
	}
	sim_counts(&w, &c);
	uint64_t starts = w.starts - before;
	/* its answers are still to come: let it have them */
	while (w.away)
		sim_answer(&w, plan_heap_top(&w.answers));
	double us = plan_alone_us(&w);
	printf("  all       %7.1f/s                 %5.1f %%; the plan itself %.2f us a look: %.3f "
	       "%%\n",
	       (double)starts / seconds, all, us, us * (double)starts / seconds / 1e4);
	printf("  a host is reached %.0f s late at most, a working stream seen each %.1f min at "
	       "least; "
	       "%.0f hours took %.1f s with their world\n\n",
	       (double)c.reach_late_us / 1e6, (double)w.worst_gap / 60e6, (double)l->hours, day);
	sim_done(&w);
}

int main(int argc, char **argv)
{
	double ms[4] = {0.23, 1.4, 4.2, 38};
	for (int k = 1; k < argc && k <= 4; k++)
		ms[k - 1] = strtod(argv[k], NULL);
	for (size_t k = 0; k < COUNT_OF(layouts); k++)
		bench(&layouts[k], ms);
	return 0;
}
