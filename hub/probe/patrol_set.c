#include "patrol_set.h"

#include "log.h"

/* Columns of patrol_streams.sql. */
enum {
	COL_ID,
	COL_SHARE,
	COL_HOST,
	COL_PTZ,
	COL_GLANCE,
	COL_WHOLE,
	COL_ADAPTER,
	COL_ADDRESS,
	COL_LON,
	COL_LAT,
	COL_STATE,
	COL_SUBSTATE,
	COL_CAUSE,
	COL_SINCE,
	COL_LOOKED,
	COL_SHOWN,
	COL_BASELINE,
	COL_ACCEPT
};

static const int text_columns[] = {COL_HOST, COL_GLANCE, COL_WHOLE, COL_ADAPTER, COL_ADDRESS};

static void text_free(struct patrol_stream *s)
{
	if (s->text)
		explicit_bzero(s->text, s->text_n); /* a password may stand there */
	free(s->text);
}

static void stream_free(struct patrol_stream *s)
{
	if (!s)
		return;
	baseline_free(s->baseline);
	text_free(s);
	free(s);
}

void patrol_set_done(struct patrol_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		stream_free(set->v[i]);
	free(set->v);
	*set = (struct patrol_set){0};
}

struct patrol_stream *patrol_set_find(const struct patrol_set *set, int64_t id)
{
	size_t lo = 0, hi = set->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->v[mid]->id == id)
			return set->v[mid];
		if (set->v[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- a look ---- */

/* Without a substream both are of one playlist. */
static struct patrol_piece *piece_of(struct patrol_stream *s, enum probe_depth depth)
{
	bool whole = depth == PROBE_WATCH && strcmp(s->glance, s->whole) != 0;
	return &s->piece[whole];
}

void patrol_stream_ask(struct patrol_stream *s, int64_t mono_us, struct probe_request *q)
{
	const struct patrol_piece *p = piece_of(s, q->depth);
	q->url = q->depth == PROBE_WATCH ? s->whole : s->glance;
	q->piece = p->hash;
	q->piece_age_us = p->hash ? mono_us - p->since_us : 0;
}

void patrol_stream_note(struct patrol_stream *s, const struct probe_result *r, int64_t mono_us)
{
	struct patrol_piece *p = piece_of(s, r->depth);
	if (r->piece && r->piece != p->hash)
		*p = (struct patrol_piece){r->piece, mono_us};
}

/* ---- a row ---- */

static int word_of(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return 0;
}

static void take_belief(const struct pg_rows *rows, size_t i, struct patrol_stream *s)
{
	int64_t state = pg_i64(rows, i, COL_STATE);
	s->said = !pg_null(rows, i, COL_STATE);
	s->looked_us = pg_i64(rows, i, COL_LOOKED);
	s->shown_us = pg_i64(rows, i, COL_SHOWN);
	s->belief = (struct plan_belief){
		.state = state < PROBE_ONLINE || state > PROBE_UNKNOWN ? PROBE_UNKNOWN
								       : (enum probe_state)state,
		.step = (enum probe_step)word_of(probe_step_words, pg_str(rows, i, COL_SUBSTATE)),
		.cause = (enum probe_cause)word_of(probe_cause_words, pg_str(rows, i, COL_CAUSE)),
		.since_us = pg_i64(rows, i, COL_SINCE)};
}

/* 1: something of it is new. */
static int take_text(struct patrol_stream *s, const struct pg_rows *rows, size_t i)
{
	const char **to[] = {&s->host, &s->glance, &s->whole, &s->adapter, &s->address};
	bool same = s->text != NULL;
	size_t n = 0;
	for (size_t k = 0; k < COUNT_OF(to); k++) {
		const char *is = pg_str(rows, i, (size_t)text_columns[k]);
		same = same && strcmp(*to[k], is) == 0;
		n += strlen(is) + 1;
	}
	if (same)
		return 0;
	char *text = mem_new(n), *at = text;
	if (!text)
		return -ENOMEM;
	for (size_t k = 0; k < COUNT_OF(to); k++) {
		struct slice is = pg_slice(rows, i, (size_t)text_columns[k]);
		memcpy(at, is.p, is.n);
		*to[k] = at;
		at += is.n + 1;
	}
	text_free(s);
	s->text = text;
	s->text_n = n;
	return 1;
}

static int take_row(struct patrol_stream *s, const struct pg_rows *rows, size_t i)
{
	int r = take_text(s, rows, i);
	s->id = pg_i64(rows, i, COL_ID);
	s->share = (int)pg_i64(rows, i, COL_SHARE);
	s->ptz = pg_bool(rows, i, COL_PTZ);
	s->placed = !slice_to_double(pg_slice(rows, i, COL_LON), &s->lon) &&
		    !slice_to_double(pg_slice(rows, i, COL_LAT), &s->lat);
	int64_t accept_us = pg_i64(rows, i, COL_ACCEPT);
	if (r >= 0 && accept_us > s->accepted_us && s->baseline) {
		baseline_accept(s->baseline);
		s->accepted_us = accept_us;
		s->baseline_us = 0;
		s->baseline_dirty = true;
	}
	return r;
}

static struct patrol_stream *stream_new(const struct pg_rows *rows, size_t i)
{
	struct patrol_stream *s = mem_new(sizeof *s);
	if (!s)
		return NULL;
	s->baseline = baseline_new();
	if (!s->baseline) {
		stream_free(s);
		return NULL;
	}
	if (!pg_null(rows, i, COL_BASELINE) &&
	    baseline_load(s->baseline, pg_slice(rows, i, COL_BASELINE)))
		log_warn("probe",
			 KM("what was usual for a camera cannot be read, it is learnt anew"),
			 KI("device", pg_i64(rows, i, COL_ID)));
	take_belief(rows, i, s);
	return s;
}

/* ---- all of them ---- */

static int put_row(const struct patrol_set_hooks *hooks, const struct pg_rows *rows, size_t i,
		   struct patrol_stream *known, struct patrol_stream **ret)
{
	struct patrol_stream *s = known ? known : stream_new(rows, i);
	int r = s ? take_row(s, rows, i) : -ENOMEM;
	if (r > 0)
		r = hooks->put(hooks->ctx, s, s->said ? &s->belief : NULL);
	if (r < 0 && !known) {
		stream_free(s);
		return r;
	}
	*ret = s;
	return r;
}

int patrol_set_take(struct patrol_set *set, const struct pg_rows *rows,
		    const struct patrol_set_hooks *hooks)
{
	struct patrol_set old = *set, now = {0};
	size_t at = 0, n = pg_count(rows);
	int res = 0;
	now.v = calloc(MAX_OF(n, (size_t)1),
		       sizeof *now.v); /* NOLINT(bugprone-sizeof-expression) */
	if (!now.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int64_t id = pg_i64(rows, i, COL_ID);
		struct patrol_stream *s = NULL;
		for (; at < old.n && old.v[at]->id < id; at++) {
			hooks->gone(hooks->ctx, old.v[at]);
			stream_free(old.v[at]);
		}
		bool known = at < old.n && old.v[at]->id == id;
		int r = put_row(hooks, rows, i, known ? old.v[at++] : NULL, &s);
		res = r < 0 ? r : res;
		if (s)
			now.v[now.n++] = s;
	}
	for (; at < old.n; at++) {
		hooks->gone(hooks->ctx, old.v[at]);
		stream_free(old.v[at]);
	}
	free(old.v);
	*set = now;
	return res;
}

void patrol_set_keep(struct patrol_set *set, uint64_t shares, const struct patrol_set_hooks *hooks)
{
	size_t n = 0;
	for (size_t i = 0; i < set->n; i++) {
		struct patrol_stream *s = set->v[i];
		if (shares >> s->share & 1) {
			set->v[n++] = s;
			continue;
		}
		hooks->gone(hooks->ctx, s);
		stream_free(s);
	}
	set->n = n;
}
