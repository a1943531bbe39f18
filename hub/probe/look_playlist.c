#include "look_playlist.h"

#include "times.h"

#define TARGET_S_MAX 60
/* A new piece is due within 1.5 targets; a server may be late, and a cache between. */
#define STILL_TARGETS 3
#define STILL_US (5 * TIMES_SEC)

/* The number of "NAME=123" in an attribute list; -1: none. */
static int64_t attribute(struct slice list, const char *name)
{
	struct slice part, key;
	int64_t v;
	while (slice_cut(&list, ',', &part)) {
		struct slice value = part;
		slice_cut(&value, '=', &key);
		if (slice_is(slice_trim(key), name) && value.p &&
		    slice_to_i64(slice_trim(value), &v) == 0)
			return v;
	}
	return -1;
}

struct reading {
	struct look_playlist *out;
	int64_t first, pieces, bandwidth, best;
	bool variant; /* the next line names one */
};

static struct slice behind(struct slice line, const char *tag)
{
	size_t n = strlen(tag);
	return (struct slice){line.p + n, line.n - n};
}

static void take_tag(struct reading *r, struct slice line)
{
	struct look_playlist *p = r->out;
	int64_t v;
	if (slice_starts(line, "#EXT-X-STREAM-INF:")) {
		r->variant = true;
		r->bandwidth = attribute(behind(line, "#EXT-X-STREAM-INF:"), "BANDWIDTH");
	} else if (slice_starts(line, "#EXT-X-MEDIA-SEQUENCE:")) {
		if (slice_to_i64(slice_trim(behind(line, "#EXT-X-MEDIA-SEQUENCE:")), &v) == 0)
			r->first = v;
	} else if (slice_starts(line, "#EXT-X-TARGETDURATION:")) {
		if (slice_to_i64(slice_trim(behind(line, "#EXT-X-TARGETDURATION:")), &v) == 0 &&
		    v > 0)
			p->target_us = MIN_OF(v, TARGET_S_MAX) * TIMES_SEC;
	} else if (slice_starts(line, "#EXT-X-KEY:")) {
		p->encrypted = memmem(line.p, line.n, "METHOD=NONE", 11) == NULL;
	} else if (slice_starts(line, "#EXT-X-MAP:")) {
		p->fragmented = true;
	} else if (slice_starts(line, "#EXT-X-ENDLIST")) {
		p->ended = true;
	}
}

static void take_uri(struct reading *r, struct slice line)
{
	struct look_playlist *p = r->out;
	if (!r->variant) {
		p->last = line;
		r->pieces++;
		return;
	}
	r->variant = false;
	if (!p->variant.p || (r->bandwidth >= 0 && r->bandwidth < r->best)) {
		p->variant = line;
		r->best = r->bandwidth >= 0 ? r->bandwidth : INT64_MAX;
	}
}

int look_playlist_parse(struct slice text, struct look_playlist *ret, struct err *e)
{
	struct look_playlist p = {.target_us = 10 * TIMES_SEC};
	struct reading r = {.out = &p};
	struct slice line;
	if (slice_starts(text, "\xEF\xBB\xBF"))
		text = behind(text, "\xEF\xBB\xBF");
	if (!slice_starts(text, "#EXTM3U"))
		return err_set(e, -EINVAL, "not a playlist: it does not begin with #EXTM3U");
	while (slice_cut(&text, '\n', &line)) {
		line = slice_trim(line);
		if (line.n && line.p[0] == '#')
			take_tag(&r, line);
		else if (line.n)
			take_uri(&r, line);
	}
	if (__builtin_add_overflow(r.first, r.pieces, &p.sequence))
		return err_set(e, -EINVAL, "a media sequence out of range");
	*ret = p;
	return 0;
}

bool look_playlist_still(const struct look_playlist *p, int64_t age_us)
{
	return age_us > STILL_TARGETS * p->target_us + STILL_US;
}
