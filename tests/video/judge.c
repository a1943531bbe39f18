/*
 * judge RULES [--trace]: what the rules of a folder make of cameras that show clips, hours in a
 * second.
 *
 * Reads scenarios, writes a line of JSON for each. All but the clock and the way to the camera is
 * the product's: the plan decides when it is looked at and how deep, look_decode and look_watch
 * measure, the baseline judges, the rules decide. (The product itself opens no files.)
 *
 *   camera NAME HOUR NIGHT PTZ    begins on Monday 2026-03-02 at that hour; NIGHT: 0, 1, or - by
 * the clock play MINUTES MODE CLIP[,CLIP…] [CLIP,… by night] end                           ->
 * {"camera":NAME,"cases":[["camera.black",610.5,720.1],…],"looks":[…]}
 *
 * MODE: live (each keyframe is another), loop (they come again as they are in the clips), jump
 * (live, with time stamps that jump while it is watched), off (refuses to be connected). A case has
 * the minute that it was opened and the one that it recovered (-1: it did not). It is night from
 * 18:30 to 06:00 (the rules' schedule says otherwise, as in life); the clips behind the blank are
 * played then.
 */
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/device/fields.h"
#include "baseline.h"
#include "look_decode.h"
#include "look_nal.h"
#include "look_watch.h"
#include "plan.h"
#include "rule_run.h"
#include "times.h"

#define CLIPS_MAX 2048
#define KEYFRAMES_MAX 16
#define PLAYS_MAX 16
#define CASES_MAX 256
#define CASE_CLIPS 8
#define LOOK_TAKES (2 * TIMES_SEC)

struct clip {
	char *path;
	size_t n;
	struct probe_result key[KEYFRAMES_MAX];
	struct probe_stream watch;
};

struct play {
	int64_t minutes;
	char mode[8];
	size_t n[2];
	struct clip *clip[2][CASE_CLIPS]; /* by day, by night */
};

struct case_ {
	const char *rule;
	int64_t opened_us, recovered_us;
};

struct camera {
	char name[96];
	int64_t start_us, now_us;
	int night; /* -1: by the clock */
	bool ptz;
	struct play play[PLAYS_MAX];
	size_t nplays;
	struct case_ cases[CASES_MAX];
	size_t ncases;
	uint32_t looks[4];
	struct baseline *baseline;
	struct rule_states *rules;
	const struct device *device;
	uint32_t seed;
	const struct probe_result *shown[3]; /* the last pictures: not again so soon */
	bool trace;
};

static struct clip *clips[CLIPS_MAX];
static size_t nclips;

static _Noreturn void die(const char *what, const char *which)
{
	fprintf(stderr, "judge: %s: %s\n", which, what);
	exit(2);
}

static uint32_t next_random(struct camera *c)
{
	c->seed = c->seed * 1664525 + 1013904223;
	return c->seed >> 8;
}

/* ---- clips ---- */

static void take_keyframe(struct clip *c, const AVCodecParameters *par, const AVPacket *p,
			  size_t at)
{
	struct probe_request q = {.depth = PROBE_PICTURE, .deadline_us = 10 * TIMES_SEC};
	struct probe_result *r = &c->key[c->n++];
	struct look_run run;
	look_run_start(&run, &q, r);
	look_step(&run, PROBE_GOT_KEYFRAME);
	look_decode(&run, par, (struct slice){(const char *)p->data, (size_t)p->size});
	if (r->picture.n == 0)
		die(r->detail, c->path);
	r->state = PROBE_ONLINE;
	r->cause = PROBE_CAUSE_NONE;
	snprintf(r->stream.codec, sizeof r->stream.codec, "%s", avcodec_get_name(par->codec_id));
	r->stream.width = par->width;
	r->stream.height = par->height;
	struct slice picture = {(const char *)p->data + at, (size_t)p->size - at};
	r->stream.i_per_mb =
		(double)picture.n / (((par->width + 15) / 16) * ((par->height + 15) / 16));
	r->stream.keyframe_hash = hash64(picture, 0);
}

static void read_packets(struct clip *c, AVFormatContext *ctx, struct look_watch *w)
{
	const AVStream *st = ctx->streams[0];
	AVPacket *p = av_packet_alloc();
	int64_t at_us = 0;
	while (p && av_read_frame(ctx, p) >= 0) {
		struct look_nal nal;
		look_nal_scan(st->codecpar->codec_id == AV_CODEC_ID_HEVC, 4, p->data,
			      (size_t)p->size, &nal);
		at_us = av_rescale_q(p->dts, st->time_base, AV_TIME_BASE_Q);
		look_watch_picture(w, nal.key, (size_t)p->size - nal.slice_at, at_us, at_us);
		if (nal.key && c->n < KEYFRAMES_MAX)
			take_keyframe(c, st->codecpar, p, nal.slice_at);
		av_packet_unref(p);
	}
	av_packet_free(&p);
	int mbs = ((st->codecpar->width + 15) / 16) * ((st->codecpar->height + 15) / 16);
	look_watch_finish(w, at_us, mbs, &c->watch);
}

static struct clip *clip_of(const char *path)
{
	for (size_t i = 0; i < nclips; i++)
		if (strcmp(clips[i]->path, path) == 0)
			return clips[i];
	struct clip *c = calloc(1, sizeof *c);
	struct look_watch *w = calloc(1, sizeof *w);
	AVFormatContext *ctx = NULL;
	if (!c || !w || nclips == CLIPS_MAX || !(c->path = strdup(path)))
		die("no room", path);
	if (avformat_open_input(&ctx, path, NULL, NULL) < 0 ||
	    avformat_find_stream_info(ctx, NULL) < 0)
		die("cannot be read", path);
	read_packets(c, ctx, w);
	avformat_close_input(&ctx);
	free(w);
	if (c->n < 2)
		die("less than two keyframes", path);
	return clips[nclips++] = c;
}

/* ---- rules ---- */

static int hear(void *ctx, const struct anomaly *a)
{
	struct camera *c = ctx;
	if (a->rule->shadow)
		return 0;
	if (a->kind == ANOMALY_FIRED && c->ncases < CASES_MAX)
		c->cases[c->ncases++] = (struct case_){a->rule->id, a->at_us, 0};
	for (size_t i = 0; a->kind == ANOMALY_RECOVERED && i < c->ncases; i++)
		if (strcmp(c->cases[i].rule, a->rule->id) == 0 && !c->cases[i].recovered_us)
			c->cases[i].recovered_us = a->at_us;
	return 0;
}

static void tick(struct camera *c)
{
	if (rule_states_tick(c->rules, c->now_us, hear, c))
		die("no memory", c->name);
}

/* As adapters/device/probe.c does it with a message of the spool. */
static void show_rules(struct camera *c, struct slice fields)
{
	static const struct json_limits limits = {.max_bytes = 16 << 10, .max_depth = 2};
	static const char *const none[] = {NULL};
	const struct fields_form form = {.skip = none, .strict = true};
	auto_json struct json *o = NULL;
	struct readings readings;
	struct reading *r = NULL;
	struct err e = {0};
	readings_init(&readings);
	if (json_parse(fields, &limits, &e, &o) ||
	    fields_reading(&readings, slice_of(c->device->address), READING_TELE, &e, &r) ||
	    fields_put_object(&readings, r, o, &form, &e))
		die(e.msg, c->name);
	rule_states_at(c->rules, 1, c->now_us);
	if (rule_states_eval(c->rules, c->device, r, c->now_us, hear, c))
		die("no memory", c->name);
	readings_done(&readings);
}

/* ---- looks ---- */

static bool is_night(const struct camera *c)
{
	int64_t minute = (c->now_us + 8 * TIMES_HOUR) % TIMES_DAY / TIMES_MIN;
	return c->night < 0 ? minute >= 18 * 60 + 30 || minute < 6 * 60 : c->night;
}

static const struct play *playing(const struct camera *c)
{
	int64_t end_us = c->start_us;
	for (size_t i = 0; i < c->nplays; i++) {
		end_us += c->play[i].minutes * TIMES_MIN;
		if (c->now_us < end_us)
			return &c->play[i];
	}
	return NULL;
}

static bool was_shown(const struct camera *c, const struct probe_result *key)
{
	for (size_t i = 0; i < COUNT_OF(c->shown); i++)
		if (c->shown[i] == key)
			return true;
	return false;
}

static void see(struct camera *c, const struct play *p, enum probe_depth depth,
		struct probe_result *ret)
{
	probe_result_init(ret);
	if (strcmp(p->mode, "off") == 0) {
		ret->state = PROBE_OFFLINE;
		ret->step = PROBE_RESOLVED;
		ret->cause = PROBE_REFUSED;
		ret->depth = depth;
		return;
	}
	int dark = is_night(c) && p->n[1];
	bool same = strcmp(p->mode, "same") == 0;
	const struct clip *clip = p->clip[dark][same ? 0 : next_random(c) % p->n[dark]];
	size_t key = same ? 0 : next_random(c) % clip->n;
	while (!same && clip->n > 3 && was_shown(c, &clip->key[key]))
		key = (key + 1) % clip->n;
	*ret = clip->key[key];
	if (depth >= PROBE_PICTURE) {
		memmove(c->shown + 1, c->shown, sizeof c->shown - sizeof c->shown[0]);
		c->shown[0] = &clip->key[key];
	}
	struct probe_stream s = ret->stream;
	if (depth == PROBE_WATCH) {
		ret->stream = clip->watch;
		memcpy(ret->stream.codec, s.codec, sizeof s.codec);
		ret->stream.width = s.width;
		ret->stream.height = s.height;
		ret->stream.i_per_mb = s.i_per_mb;
		ret->stream.keyframe_hash = s.keyframe_hash;
		if (strcmp(p->mode, "jump") == 0)
			ret->stream.ts_jump_s = 8;
	}
	if (depth < PROBE_PICTURE)
		ret->picture.n = 0;
	if (!same && strcmp(p->mode, "loop") != 0)
		ret->stream.keyframe_hash ^= (uint64_t)c->now_us << 1;
	ret->depth = depth;
}

static void look(struct camera *c, struct plan *plan, const struct plan_look *look)
{
	/* The night that the hub believes in is that of its settings. */
	int64_t minute = (c->now_us + 8 * TIMES_HOUR) % TIMES_DAY / TIMES_MIN;
	bool night = c->night < 0 ? minute >= 19 * 60 || minute < 6 * 60 : c->night;
	const struct play *p = playing(c);
	struct probe_result r;
	struct plan_belief belief;
	auto_buf struct buf fields;
	bool changed;
	if (!p) {
		plan_abandon(plan, look->id, c->now_us);
		return;
	}
	buf_init(&fields, 16 << 10);
	see(c, p, look->depth, &r);
	r.id = look->id;
	c->looks[look->depth]++;
	c->now_us += LOOK_TAKES;
	baseline_judge(c->baseline, &r, c->now_us, night, c->ptz, &fields, &changed);
	enum plan_say say = plan_result(plan, &r, baseline_suspect(c->baseline), c->now_us, &belief,
					NULL, NULL);
	tick(c);
	if (say == PLAN_SAY)
		show_rules(c, buf_slice(&fields));
	if (c->trace)
		fprintf(stderr, "%s %7.1f %d%s %s\n", c->name,
			(double)(c->now_us - c->start_us) / TIMES_MIN, (int)look->depth,
			baseline_suspect(c->baseline) ? "!" : " ", buf_str(&fields));
}

static void run_plan(struct camera *c)
{
	static const struct plan_conf conf = {.reach_every_us = TIMES_MIN,
					      .keyframe_every_us = 5 * TIMES_MIN,
					      .watch_every_us = 2 * TIMES_HOUR,
					      .picture_every = 6,
					      .per_host = 1,
					      .per_server = 16,
					      .connects_per_s = 200,
					      .jitter_pct = 20,
					      .retry_us = 15 * TIMES_SEC};
	struct plan *plan = plan_new(&conf);
	const struct plan_stream s = {.id = 1 + (int64_t)(hash64(slice_of(c->name), 0) % 17000),
				      .host = "camera:554"};
	if (!plan || plan_put(plan, &s, NULL, c->now_us))
		die("no plan", c->name);
	while (playing(c)) {
		struct plan_look next;
		int64_t wake_us = 0;
		if (plan_next(plan, c->now_us, &next, &wake_us)) {
			if (next.depth == PROBE_REACH) {
				struct plan_belief b;
				struct probe_result r;
				probe_result_init(&r);
				see(c, playing(c), PROBE_KEYFRAME, &r);
				r.id = next.id;
				r.depth = PROBE_REACH;
				(void)plan_result(plan, &r, false, c->now_us, &b, NULL, NULL);
			} else {
				look(c, plan, &next);
			}
			continue;
		}
		c->now_us = MAX_OF(wake_us, c->now_us + TIMES_MS);
	}
	plan_free(plan);
}

static double minute_of(const struct camera *c, int64_t at_us)
{
	return at_us ? (double)(at_us - c->start_us) / (double)TIMES_MIN : -1;
}

static void run(struct camera *c, struct rules *set)
{
	static const struct grid grid = {.id = 7, .code = "g1", .name = "g1", .level = 3};
	const struct device device = {.id = 1,
				      .name = c->name,
				      .title = "",
				      .adapter = "hub",
				      .address = "camera",
				      .grid = &grid,
				      .class = CLASS_CAMERA};
	c->device = &device;
	c->baseline = baseline_new();
	c->rules = rule_states_new();
	c->now_us = c->start_us;
	if (!c->baseline || !c->rules || rule_states_use(c->rules, set, hear, c))
		die("no memory", c->name);
	run_plan(c);
	tick(c);
	printf("{\"camera\":\"%s\",\"cases\":[", c->name);
	for (size_t i = 0; i < c->ncases; i++)
		printf("%s[\"%s\",%.1f,%.1f]", i ? "," : "", c->cases[i].rule,
		       minute_of(c, c->cases[i].opened_us), minute_of(c, c->cases[i].recovered_us));
	printf("],\"looks\":[%u,%u,%u,%u]}\n", c->looks[0], c->looks[1], c->looks[2], c->looks[3]);
	rule_states_free(c->rules);
	baseline_free(c->baseline);
	c->device = NULL;
}

/* ---- scenarios ---- */

static size_t clips_of(char *list, struct clip **ret)
{
	size_t n = 0;
	char *rest = NULL;
	for (char *path = strtok_r(list, ",", &rest); path && n < CASE_CLIPS;
	     path = strtok_r(NULL, ",", &rest))
		ret[n++] = clip_of(path);
	return n;
}

static void read_line(struct camera *c, char *line, struct rules *set)
{
	char hour[8], night[8], ptz[8], mode[8], lists[2][2048] = {"", ""};
	long long minutes;
	bool trace = c->trace;
	if (sscanf(line, "camera %95s %7s %7s %7s", c->name, hour, night, ptz) == 4) {
		char name[sizeof c->name];
		memcpy(name, c->name, sizeof name);
		*c = (struct camera){.night = *night == '-' ? -1 : *night == '1',
				     .ptz = *ptz == '1',
				     .trace = trace};
		memcpy(c->name, name, sizeof name);
		c->start_us = times_day(2026, 3, 2) * TIMES_DAY +
			      (strtol(hour, NULL, 10) - 8) * TIMES_HOUR;
		c->seed = (uint32_t)hash64(slice_of(name), 1);
	} else if (sscanf(line, "play %lld %7s %2047s %2047s", &minutes, mode, lists[0],
			  lists[1]) >= 3 &&
		   c->nplays < PLAYS_MAX) {
		struct play *p = &c->play[c->nplays++];
		p->minutes = minutes;
		memcpy(p->mode, mode, sizeof mode);
		p->n[0] = clips_of(lists[0], p->clip[0]);
		p->n[1] = clips_of(lists[1], p->clip[1]);
		if (p->n[0] == 0)
			die("no clip", line);
	} else if (strncmp(line, "end", 3) == 0) {
		run(c, set);
	} else {
		die("not understood", line);
	}
}

int main(int argc, char **argv)
{
	static char line[8192];
	struct rule_report report;
	struct rules *set = NULL;
	struct camera *c = calloc(1, sizeof *c);
	if (argc < 2 || !c)
		die("judge RULES [--trace]", "usage");
	c->trace = argc > 2;
	av_log_set_level(AV_LOG_QUIET);
	look_decode_init();
	rule_report_init(&report);
	if (rules_load(argv[1], &report, &set))
		die(buf_str(&report.errors), argv[1]);
	while (fgets(line, sizeof line, stdin))
		read_line(c, line, set);
	for (size_t i = 0; i < nclips; i++) {
		free(clips[i]->path);
		free(clips[i]);
	}
	free(c);
	rules_unref(set);
	rule_report_done(&report);
	return 0;
}
