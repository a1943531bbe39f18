/* gridhub spool: look at a spool from outside. */
#include <getopt.h>

#include "cmd_options.h"
#include "json.h"
#include "spool.h"
#include "times.h"

static const char help_list[] =
	"usage: gridhub spool list [--config FILE] [DIR]\n\n"
	"One JSON line a segment: name, records, first and last sequence number and time, bytes,\n"
	"damaged places. The hub may be running; nothing is changed.\n";
static const char help_verify[] =
	"usage: gridhub spool verify [--config FILE] [DIR]\n\n"
	"Check every record's checksum. Each damaged place is a JSON line and a line on stderr;\n"
	"exit status 1 if there is one. A torn end (as after a power cut) is cut off by the next\n"
	"`gridhub run` and is no damage.\n";
static const char help_show[] =
	"usage: gridhub spool show [--config FILE] [--from SEQ] [--limit N] [--markers] [DIR]\n\n"
	"Messages as JSON lines: seq, time of arrival, broker, topic, flags, and the payload as "
	"text,\n"
	"or in hex if it is not UTF-8. With --markers also what stands between messages: when the\n"
	"hub started, came to a broker, or left it.\n";

struct look {
	struct segment {
		char name[64];
		uint64_t first_seq, bytes, records, markers, last_seq, damaged, damaged_bytes;
		int64_t first_us, last_us;
		bool torn;
	} seg;
	bool open, with_markers;
	uint64_t damaged, records, markers, from, limit;
};

static void print_segment(const struct look *l)
{
	const struct segment *s = &l->seg;
	char first[TIMES_RFC3339_MAX], last[TIMES_RFC3339_MAX];
	times_format(s->first_us, first);
	times_format(s->last_us, last);
	printf("{\"segment\":\"%s\",\"bytes\":%llu,\"records\":%llu,\"markers\":%llu,\"first_seq\":"
	       "%llu",
	       s->name, (unsigned long long)s->bytes, (unsigned long long)s->records,
	       (unsigned long long)s->markers, (unsigned long long)s->first_seq);
	if (s->records + s->markers)
		printf(",\"last_seq\":%llu,\"first_at\":\"%s\",\"last_at\":\"%s\"",
		       (unsigned long long)s->last_seq, first, last);
	printf(",\"damaged\":%llu,\"damaged_bytes\":%llu,\"torn\":%s}\n",
	       (unsigned long long)s->damaged, (unsigned long long)s->damaged_bytes,
	       s->torn ? "true" : "false");
}

static void on_segment(void *ctx, const char *name, uint64_t first_seq, uint64_t bytes)
{
	struct look *l = ctx;
	if (l->open)
		print_segment(l);
	l->seg = (struct segment){.first_seq = first_seq, .bytes = bytes};
	snprintf(l->seg.name, sizeof l->seg.name, "%s", name);
	l->open = true;
}

static void on_record(void *ctx, const struct spool_record *rec)
{
	struct look *l = ctx;
	bool marker = rec->flags & SPOOL_MARKERS;
	if (!l->seg.records && !l->seg.markers)
		l->seg.first_us = rec->recv_us;
	l->seg.records += !marker;
	l->seg.markers += marker;
	l->seg.last_us = rec->recv_us;
	l->seg.last_seq = rec->seq;
}

static void on_damage(void *ctx, const char *name, uint64_t from, uint64_t to, bool torn)
{
	struct look *l = ctx;
	(void)name;
	(void)from;
	l->seg.torn = torn;
	l->seg.damaged += !torn;
	l->seg.damaged_bytes += torn ? 0 : to - from;
	l->damaged += !torn;
}

static void verify_damage(void *ctx, const char *name, uint64_t from, uint64_t to, bool torn)
{
	struct look *l = ctx;
	l->damaged += !torn;
	printf("{\"segment\":\"%s\",\"from\":%llu,\"to\":%llu,\"torn\":%s}\n", name,
	       (unsigned long long)from, (unsigned long long)to, torn ? "true" : "false");
	fprintf(stderr, "gridhub: %s: bytes %llu to %llu are %s\n", name, (unsigned long long)from,
		(unsigned long long)to, torn ? "a torn end" : "damaged");
}

static void verify_record(void *ctx, const struct spool_record *rec)
{
	struct look *l = ctx;
	if (rec->flags & SPOOL_MARKERS)
		l->markers++;
	else if (++l->records % 1000000 == 0)
		fprintf(stderr, "gridhub: %llu records\n", (unsigned long long)l->records);
}

static void put_payload(struct buf *b, struct slice p)
{
	size_t bad;
	if (slice_utf8_ok(p, &bad)) {
		json_put_key(b, "payload");
		json_put_str(b, p);
		return;
	}
	json_put_key(b, "payload_hex");
	buf_putc(b, '"');
	for (size_t i = 0; i < p.n; i++)
		buf_printf(b, "%02x", (unsigned char)p.p[i]);
	buf_putc(b, '"');
}

static const char *marker_name(const struct spool_record *rec)
{
	return rec->flags & SPOOL_CONNECTED ? "connected"
	       : rec->flags & SPOOL_ALIVE   ? "alive"
	       : rec->source.n		    ? "away"
					    : "started";
}

static void show_message(const struct spool_record *rec, struct buf *b)
{
	json_put_key(b, "topic");
	json_put_str(b, rec->topic);
	buf_printf(b, ",\"mid\":%u,\"retained\":%s,\"dup\":%s,\"cut\":%s,\"bytes\":%u", rec->mid,
		   rec->flags & SPOOL_RETAINED ? "true" : "false",
		   rec->flags & SPOOL_DUP ? "true" : "false",
		   rec->flags & SPOOL_CUT ? "true" : "false", rec->full_len);
	put_payload(b, rec->payload);
}

static void show_record(void *ctx, const struct spool_record *rec)
{
	struct look *l = ctx;
	char at[TIMES_RFC3339_MAX];
	bool marker = rec->flags & SPOOL_MARKERS;
	if (rec->seq < l->from || l->records >= l->limit || (marker && !l->with_markers))
		return;
	l->records++;
	times_format(rec->recv_us, at);
	auto_buf struct buf b;
	buf_init(&b, 64u << 20);
	buf_printf(&b, "{\"seq\":%llu,\"at\":\"%s\",\"broker\":", (unsigned long long)rec->seq, at);
	json_put_str(&b, rec->source);
	if (marker)
		buf_printf(&b, ",\"marker\":\"%s\"", marker_name(rec));
	else
		show_message(rec, &b);
	buf_puts(&b, "}\n");
	fputs(buf_str(&b), stdout);
}

static void ignore_damage(void *ctx, const char *name, uint64_t from, uint64_t to, bool torn)
{
	(void)ctx, (void)name, (void)from, (void)to, (void)torn;
}

/* The folder: given, or that of the configuration. */
static int visit(const char *dir, const char *config_path, const struct spool_visitor *v)
{
	auto_config struct config *c = NULL;
	struct err e = {0};
	if (!dir && config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	return spool_visit(dir ? dir : c->spool.dir, v, &e) ? cmd_fail(&e) : CMD_OK;
}

static int read_count(const struct cmd_option *o, const char *text, void *at)
{
	uint64_t *ret = at;
	int64_t v;
	if (slice_to_i64(slice_of(text), &v) || v < 0)
		return cmd_usage("spool show", "--%s: \"%s\" is not a count", o->name, text);
	*ret = (uint64_t)v;
	return CMD_OK;
}

#define DIR_ARG "one folder"
static const struct cmd_takes takes_list = {
	.name = "spool list", .help = help_list, .arg = DIR_ARG, .optional = true};
static const struct cmd_takes takes_verify = {
	.name = "spool verify", .help = help_verify, .arg = DIR_ARG, .optional = true};
static const struct cmd_option show_options[] = {
	{"from", CMD_READ, .at = offsetof(struct look, from), .read = read_count},
	{"limit", CMD_READ, .at = offsetof(struct look, limit), .read = read_count},
	{"markers", CMD_FLAG, .at = offsetof(struct look, with_markers)},
};
static const struct cmd_takes takes_show = {
	.name = "spool show",
	.help = help_show,
	CMD_TAKES_OPTIONS(show_options),
	.arg = DIR_ARG,
	.optional = true,
};

static int verb_list(int argc, char **argv)
{
	struct look l = {0};
	const char *config = NULL;
	int r = cmd_parse(&takes_list, argc, argv, &l, &config);
	if (r >= 0)
		return r;
	r = visit(argv[optind], config,
		  &(struct spool_visitor){&l, on_segment, on_record, on_damage});
	if (l.open)
		print_segment(&l);
	return r;
}

static int verb_verify(int argc, char **argv)
{
	struct look l = {0};
	const char *config = NULL;
	int r = cmd_parse(&takes_verify, argc, argv, &l, &config);
	if (r >= 0)
		return r;
	r = visit(argv[optind], config,
		  &(struct spool_visitor){&l, NULL, verify_record, verify_damage});
	if (r)
		return r;
	printf("{\"records\":%llu,\"markers\":%llu,\"damaged\":%llu}\n",
	       (unsigned long long)l.records, (unsigned long long)l.markers,
	       (unsigned long long)l.damaged);
	return l.damaged ? CMD_FAILED : CMD_OK;
}

static int verb_show(int argc, char **argv)
{
	struct look l = {.limit = UINT64_MAX};
	const char *config = NULL;
	int r = cmd_parse(&takes_show, argc, argv, &l, &config);
	return r >= 0 ? r
		      : visit(argv[optind], config,
			      &(struct spool_visitor){&l, NULL, show_record, ignore_damage});
}

int cmd_spool(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"list", "segments, with what they hold", verb_list},
		{"verify", "check every record's checksum", verb_verify},
		{"show", "records as JSON lines", verb_show},
	};
	return cmd_verbs("spool",
			 "Look at the spool: where messages stand before they are acknowledged.",
			 verbs, COUNT_OF(verbs), argc, argv);
}
