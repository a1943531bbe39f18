/* gridhub probe: look at video streams from here and now; `--worker` is what the hub starts. */
#include <getopt.h>
#include <pthread.h>
#include <unistd.h>

#include "cmd_options.h"
#include "cmd_probe.h"
#include "look.h"
#include "times.h"

#define LIST_MAX ((size_t)16 << 20) /* bytes of a file of URLs */
#define AT_ONCE_MAX 256
#define STACK ((size_t)256 << 10)

static const char help[] =
	"usage: gridhub probe [OPTIONS] URL…\n\n"
	"Looks at each stream once and says what a grid leader would see: online means that a\n"
	"keyframe came before the deadline. Exit status 0: all are online; 1: one is not.\n\n"
	"  --depth DEPTH     reach (connects), keyframe (default), picture (decodes it), or watch\n"
	"                    (some seconds of it)\n"
	"  --deadline TIME   how long one look may take, the watching apart (default: 8s)\n"
	"  --watch TIME      how long --depth watch looks on (default: 10s)\n"
	"  --urls FILE       one URL a line, # begins a comment; - is the standard input. A "
	"password\n"
	"                    in a file is in no list of processes\n"
	"  --at-once N       so many looks side by side (default: 16)\n"
	"  --snapshot FILE   keep the keyframe as a small JPEG; of one URL\n"
	"  --allow RANGE     addresses beside public ones where a playlist may lead, 10.0.0.0/8; "
	"may\n"
	"                    be given again. The URLs themselves may lead anywhere\n"
	"  --ca-file FILE    whom to believe with rtsps and https (default: the system's)\n"
	"  --tls-any         take any certificate\n"
	"  --json            a JSON line for each, in the order in which they end\n"
	"  --help            this text\n\n"
	"URLs: rtsp, rtsps, rtmp; http and https that end in .flv or .m3u8. In user and password,\n"
	"write / as %2F, ? as %3F, # as %23, @ as %40.\n";

struct options {
	struct probe_request q;
	struct look_limits limits;
	struct guard_range allowed[GUARD_RANGES_MAX];
	const char *urls, *snapshot;
	int64_t at_once;
	bool json, tls_any;
};

/* ---- what is asked ---- */

static int read_depth(const struct cmd_option *o, const char *word, void *at)
{
	enum probe_depth *ret = at;
	for (int i = 0; probe_depth_words[i]; i++) {
		if (strcmp(word, probe_depth_words[i]) == 0) {
			*ret = (enum probe_depth)i;
			return CMD_OK;
		}
	}
	return cmd_usage("probe", "--%s \"%s\": expected reach, keyframe, picture or watch",
			 o->name, word);
}

static int read_time(const struct cmd_option *o, const char *text, void *at)
{
	int64_t *ret_us = at;
	if (times_parse_duration(slice_of(text), ret_us) == 0 && *ret_us >= TIMES_MS &&
	    *ret_us <= TIMES_HOUR)
		return CMD_OK;
	return cmd_usage("probe", "--%s \"%s\": expected 1ms to 1h", o->name, text);
}

static int read_range(const struct cmd_option *option, const char *text, void *into)
{
	struct options *o = into;
	struct err e = {0};
	if (o->limits.guard.n == GUARD_RANGES_MAX)
		return cmd_usage("probe", "--%s: at most %d ranges", option->name,
				 GUARD_RANGES_MAX);
	if (guard_range_parse(slice_of(text), &o->allowed[o->limits.guard.n], &e))
		return cmd_usage("probe", "--%s: %s", option->name, e.msg);
	o->limits.guard.n++;
	return CMD_OK;
}

#define AT(member) offsetof(struct options, member)
static const struct cmd_option options[] = {
	{"depth", CMD_READ, .at = AT(q.depth), .read = read_depth},
	{"deadline", CMD_READ, .at = AT(q.deadline_us), .read = read_time},
	{"watch", CMD_READ, .at = AT(q.watch_us), .read = read_time},
	{"urls", CMD_TEXT, .at = AT(urls)},
	{"at-once", CMD_NUMBER, .at = AT(at_once), .max = AT_ONCE_MAX},
	{"snapshot", CMD_TEXT, .at = AT(snapshot)},
	{"allow", CMD_READ, .read = read_range},
	{"ca-file", CMD_TEXT, .at = AT(limits.ca_file)},
	{"tls-any", CMD_FLAG, .at = AT(tls_any)},
	{"json", CMD_FLAG, .at = AT(json)},
};
static const struct cmd_takes takes = {
	.name = "probe",
	.help = help,
	CMD_TAKES_OPTIONS(options),
	.arg = "a URL",
	.many = true,
};

/* -1 = go on, else exit with it. */
static int parse(int argc, char **argv, struct options *o)
{
	int r = cmd_parse(&takes, argc, argv, o, NULL);
	if (r >= 0)
		return r;
	if (o->snapshot && (o->urls || optind + 1 != argc))
		return cmd_usage("probe", "--snapshot is of one URL");
	if (o->snapshot && o->q.depth < PROBE_PICTURE)
		o->q.depth = PROBE_PICTURE;
	o->q.snapshot = o->snapshot != NULL;
	o->limits.tls_verify = !o->tls_any;
	return !o->urls && optind == argc ? cmd_usage("probe", "a URL is needed") : -1;
}

/* ---- the list ---- */

struct list {
	struct arena arena;
	char **url;
	size_t n, cap;
};

static int add_url(struct list *l, struct slice s, struct err *e)
{
	struct slice copy = arena_copy(&l->arena, s);
	if (!copy.p || mem_grow(&l->url, &l->cap, l->n + 1, LIST_MAX, sizeof *l->url))
		return err_set(e, -ENOMEM, "no memory for the list of URLs");
	/* arena_copy's is ours to write to */
	l->url[l->n++] = (char *)(uintptr_t)copy.p;
	return 0;
}

static int read_list(const char *path, struct list *l, struct err *e)
{
	auto_buf struct buf text;
	auto_free char *file = NULL;
	size_t n = 0;
	struct slice rest, line;
	buf_init(&text, LIST_MAX + 65536);
	int r = strcmp(path, "-") == 0 ? cmd_read_stdin(LIST_MAX, &text, e)
				       : file_read(path, LIST_MAX, &file, &n, e);
	rest = file ? (struct slice){file, n} : buf_slice(&text);
	while (!r && slice_cut(&rest, '\n', &line)) {
		line = slice_trim(line);
		if (line.n && line.p[0] != '#')
			r = add_url(l, line, e);
	}
	return r;
}

/* What stood in the list of processes is blotted out at once. */
static int take_list(int argc, char **argv, const struct options *o, struct list *l, struct err *e)
{
	int r = 0;
	for (int i = optind; i < argc && !r; i++) {
		r = add_url(l, slice_of(argv[i]), e);
		memset(argv[i], '*', strlen(argv[i]));
	}
	if (!r && o->urls)
		r = read_list(o->urls, l, e);
	return r;
}

/* ---- looking ---- */

struct crew {
	const struct options *o;
	const struct list *list;
	pthread_mutex_t lock;
	size_t next, done, online;
	bool failed; /* the output, or the snapshot */
};

/* Under the lock. */
static void tell(struct crew *c, const char *url, struct probe_result *r)
{
	struct err e = {0};
	auto_buf struct buf out;
	buf_init(&out, PROBE_LINE_MAX);
	struct slice jpeg = {(const char *)r->snapshot, r->snapshot_len};
	if (jpeg.p && cmd_save_picture(c->o->snapshot, jpeg, &e)) {
		cmd_fail(&e);
		c->failed = true;
	}
	if (c->o->snapshot && !r->snapshot)
		fprintf(stderr, "gridhub: no picture: %s is not written\n", c->o->snapshot);
	probe_result_done(r);
	c->done++;
	c->online += r->state == PROBE_ONLINE;
	if (c->o->json)
		cmd_probe_json(url, r, &out);
	else
		cmd_probe_report(url, r, &out);
	c->failed |= out.failed || fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout);
	if (c->list->n > 1 && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu of %zu, %zu online\r", c->done, c->list->n, c->online);
}

static void *work(void *arg)
{
	struct crew *c = arg;
	pthread_mutex_lock(&c->lock);
	while (c->next < c->list->n && !c->failed) {
		struct probe_request q = c->o->q;
		struct probe_result r;
		size_t i = c->next++;
		pthread_mutex_unlock(&c->lock);
		q.id = (int64_t)i + 1;
		q.url = c->list->url[i];
		look_at(&q, &r);
		pthread_mutex_lock(&c->lock);
		tell(c, q.url, &r);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int look_at_all(const struct options *o, const struct list *l)
{
	struct crew c = {.o = o, .list = l, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t thread[AT_ONCE_MAX];
	pthread_attr_t attr;
	size_t n = 0, wanted = MIN_OF(l->n, (size_t)o->at_once) - 1; /* and this one */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	while (n < wanted && pthread_create(&thread[n], &attr, work, &c) == 0)
		n++;
	pthread_attr_destroy(&attr);
	work(&c);
	for (size_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	if (l->n > 1)
		fprintf(stderr, "gridhub: %zu of %zu online\n", c.online, l->n);
	return c.failed || c.online < l->n ? CMD_FAILED : CMD_OK;
}

static int run(int argc, char **argv, struct options *o, struct list *l)
{
	struct err e = {0};
	if (take_list(argc, argv, o, l, &e))
		return cmd_fail(&e);
	if (!l->n)
		return cmd_usage("probe", "no URL in %s", o->urls);
	look_init(&o->limits);
	return look_at_all(o, l);
}

int cmd_probe(int argc, char **argv)
{
	static struct options o = {.q = {.depth = PROBE_KEYFRAME,
					 .deadline_us = 8 * TIMES_SEC,
					 .watch_us = 10 * TIMES_SEC},
				   .limits = {.any_address = true},
				   .at_once = 16};
	struct list l = {0};
	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return cmd_probe_worker();
	o.limits.guard.allowed = o.allowed;
	int rc = parse(argc, argv, &o);
	if (rc >= 0)
		return rc;
	arena_init(&l.arena, 2 * LIST_MAX);
	rc = run(argc, argv, &o, &l);
	arena_done(&l.arena);
	free(l.url);
	return rc;
}
