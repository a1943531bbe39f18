/*
 * DESIGN: tables say which fields a line has, where they lie and what they may be; the same tables
 * write and read. What is not known is left out, and what is left out keeps what
 * probe_result_init has set. A name that stands in no table is refused: the two ends are one
 * binary.
 */
#include "probe.h"

#include <math.h>

#include "crypto.h"
#include "json.h"

#define DEADLINE_MAX_US INT64_C(3600000000)

const char *const probe_depth_words[] = {"reach", "keyframe", "picture", "watch", NULL};
const char *const probe_state_words[] = {"online", "offline", "unknown", NULL};
const char *const probe_step_words[] = {"none",	   "resolved", "connected", "authorised",
					"session", "packets",  "keyframe",  NULL};
const char *const probe_cause_words[] = {"none",	 "unresolved", "refused",    "timeout",
					 "unauthorised", "not_found",  "busy",	     "no_packets",
					 "no_keyframe",	 "bad_data",   "redirected", "too_big",
					 "host_down",	 "prober",     NULL};

enum kind {
	K_I64,
	K_INT,
	K_U32,
	K_U16,
	K_DOUBLE,
	K_HASH, /* uint64_t as 16 digits of hex: JSON's integers end at 2^63 */
	K_TEXT, /* one line for people, in a char[] of max bytes */
	K_NAME, /* the same, of ASCII that is printed and no blank */
	K_WORD,
	K_BOOL
};

struct field {
	const char *name;
	enum kind kind;
	bool needed;
	size_t at;	 /* offset in the struct */
	double min, max; /* a value below min is not known, so it is not written */
	const char *const *words;
};

#define COMMON(type, member, kind_, min_, max_)                                 \
	{                                                                       \
#member, kind_, false, offsetof(type, member), min_, max_, NULL \
	}
#define WORD(type, member, words_)                                          \
	{                                                                   \
#member, K_WORD, true, offsetof(type, member), 0, 0, words_ \
	}

/* clang-format off */
#define R(member, kind, min, max) COMMON(struct probe_result, member, kind, min, max)
static const struct field result_fields[] = {
	{"id", K_I64, true, offsetof(struct probe_result, id), -9.2e18, 9.2e18, NULL},
	WORD(struct probe_result, depth, probe_depth_words),
	WORD(struct probe_result, state, probe_state_words),
	WORD(struct probe_result, step, probe_step_words),
	WORD(struct probe_result, cause, probe_cause_words),
	R(detail, K_TEXT, 1, sizeof(((struct probe_result *)0)->detail)),
	R(address, K_NAME, 1, sizeof(((struct probe_result *)0)->address)),
	R(piece, K_HASH, 0, 0),
};

#define T(member) COMMON(struct probe_times, member, K_I64, 0, 2.0 * DEADLINE_MAX_US)
static const struct field time_fields[] = {
	T(resolved), T(connected), T(authorised), T(session), T(packet), T(keyframe), T(total),
};

#define S(member, kind, min, max) COMMON(struct probe_stream, member, kind, min, max)
static const struct field stream_fields[] = {
	S(codec, K_NAME, 1, sizeof(((struct probe_stream *)0)->codec)),
	S(width, K_INT, 1, 65535),
	S(height, K_INT, 1, 65535),
	S(fps, K_DOUBLE, 1e-6, 1e6),
	S(gop, K_DOUBLE, 1e-6, 1e9),
	S(bitrate_kbps, K_DOUBLE, 1e-6, 1e9),
	S(i_per_mb, K_DOUBLE, 0, 1e9),
	S(p_tail_per_mb, K_DOUBLE, 0, 1e9),
	S(p_p05_per_mb, K_DOUBLE, 0, 1e9),
	S(p_p50_per_mb, K_DOUBLE, 0, 1e9),
	S(keyframe_hash, K_HASH, 0, 0),
	S(ts_jump_s, K_DOUBLE, 0, 1e12),
	S(packets, K_U32, 1, UINT32_MAX),
	S(keyframes, K_U32, 1, UINT32_MAX),
};

#define P(member, kind, min, max) COMMON(struct probe_picture, member, kind, min, max)
static const struct field picture_fields[] = {
	P(mean, K_DOUBLE, 0, 255),
	P(sd, K_DOUBLE, 0, 255),
	P(flat_pct, K_DOUBLE, 0, 100),
	P(sharpness, K_DOUBLE, 0, 1e9),
	P(noise, K_DOUBLE, 0, 1e9),
	P(dhash, K_HASH, 0, 0),
	P(cols, K_U16, 1, PROBE_BLOCKS_MAX),
	P(rows, K_U16, 1, PROBE_BLOCKS_MAX),
};

static const struct field request_fields[] = {
	{"id", K_I64, true, offsetof(struct probe_request, id), -9.2e18, 9.2e18, NULL},
	WORD(struct probe_request, depth, probe_depth_words),
	{"deadline_us", K_I64, true, offsetof(struct probe_request, deadline_us), 1, DEADLINE_MAX_US, NULL},
	COMMON(struct probe_request, watch_us, K_I64, 0, DEADLINE_MAX_US),
	COMMON(struct probe_request, snapshot, K_BOOL, 0, 1),
	COMMON(struct probe_request, piece, K_HASH, 0, 0),
	COMMON(struct probe_request, piece_age_us, K_I64, 0, 9.2e18),
};
/* clang-format on */

void probe_result_init(struct probe_result *r)
{
	*r = (struct probe_result){.state = PROBE_UNKNOWN,
				   .at = {-1, -1, -1, -1, -1, -1, -1},
				   .stream = {.i_per_mb = -1,
					      .p_tail_per_mb = -1,
					      .p_p05_per_mb = -1,
					      .p_p50_per_mb = -1,
					      .ts_jump_s = -1}};
}

void probe_result_done(struct probe_result *r)
{
	free(r->snapshot);
	r->snapshot = NULL;
	r->snapshot_len = 0;
}

/* The byte at i: what a person's terminal, a log line and a page may be given? */
static bool may_stand(const struct field *f, struct slice s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];
	if (f->kind == K_NAME)
		return c > 0x20 && c < 0x7F;
	bool c1 = c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0;
	return c >= 0x20 && c != 0x7F && !c1;
}

/* ---- writing ---- */

/* Of the kinds that are numbers. */
static double number(const struct field *f, const void *at)
{
	switch (f->kind) {
	case K_I64:
		return (double)*(const int64_t *)at;
	case K_INT:
		return *(const int *)at;
	case K_U32:
		return *(const uint32_t *)at;
	case K_U16:
		return *(const uint16_t *)at;
	case K_DOUBLE:
		return *(const double *)at;
	case K_HASH:
	case K_TEXT:
	case K_NAME:
	case K_WORD:
	case K_BOOL:
	default:
		return 0;
	}
}

static void put_number(struct buf *out, const struct field *f, const void *at)
{
	double v = number(f, at);
	if (!isfinite(v) || v < f->min || v > f->max)
		return;
	json_put_key(out, f->name);
	if (f->kind == K_I64)
		buf_printf(out, "%lld", (long long)*(const int64_t *)at);
	else
		json_put_double(out, v);
}

/* A server's words may be in it, and a bounded buffer may have cut a character in two. */
static void put_text(struct buf *out, const struct field *f, const char *text)
{
	char clean[256];
	size_t end;
	struct slice s = slice_of(text);
	if (!slice_utf8_ok(s, &end))
		s.n = end;
	s.n = MIN_OF(s.n, sizeof clean);
	for (size_t i = 0; i < s.n; i++)
		clean[i] = text[i];
	for (size_t i = 0; i < s.n; i++) {
		if (!may_stand(f, (struct slice){clean, s.n}, i)) {
			bool two = (unsigned char)clean[i] == 0xC2;
			clean[i] = '?';
			if (two)
				clean[i + 1] = '?';
		}
	}
	if (!s.n)
		return;
	json_put_key(out, f->name);
	json_put_str(out, (struct slice){clean, s.n});
}

static void put_field(struct buf *out, const struct field *f, const void *at)
{
	switch (f->kind) {
	case K_HASH:
		if (!*(const uint64_t *)at)
			break;
		json_put_key(out, f->name);
		buf_printf(out, "\"%016llx\"", (unsigned long long)*(const uint64_t *)at);
		break;
	case K_TEXT:
	case K_NAME:
		put_text(out, f, at);
		break;
	case K_WORD: /* every enum of probe.h begins with 0 and is as wide as an int */
		json_put_key(out, f->name);
		json_put_str(out, slice_of(f->words[*(const int *)at]));
		break;
	case K_BOOL:
		json_put_key(out, f->name);
		buf_puts(out, *(const bool *)at ? "true" : "false");
		break;
	case K_I64:
	case K_INT:
	case K_U32:
	case K_U16:
	case K_DOUBLE:
	default:
		put_number(out, f, at);
	}
}

static void put_fields(struct buf *out, const struct field *fields, size_t n, const void *base)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < n; i++)
		put_field(out, &fields[i], (const char *)base + fields[i].at);
}

static void put_bytes(struct buf *out, const char *name, const uint8_t *p, size_t n)
{
	json_put_key(out, name);
	buf_putc(out, '"');
	base64_put(out, (struct slice){(const char *)p, n});
	buf_putc(out, '"');
}

void probe_request_write(const struct probe_request *q, struct buf *out)
{
	put_fields(out, request_fields, COUNT_OF(request_fields), q);
	json_put_key(out, "url");
	json_put_str(out, slice_of(q->url));
	buf_putc(out, '}');
}

void probe_result_write(const struct probe_result *r, struct buf *out)
{
	put_fields(out, result_fields, COUNT_OF(result_fields), r);
	json_put_key(out, "at_us");
	put_fields(out, time_fields, COUNT_OF(time_fields), &r->at);
	buf_putc(out, '}');
	if (r->stream.packets || r->stream.codec[0] || r->stream.width) {
		json_put_key(out, "stream");
		put_fields(out, stream_fields, COUNT_OF(stream_fields), &r->stream);
		buf_putc(out, '}');
	}
	if (r->picture.n) {
		json_put_key(out, "picture");
		put_fields(out, picture_fields, COUNT_OF(picture_fields), &r->picture);
		put_bytes(out, "blocks", r->picture.block, r->picture.n);
		buf_putc(out, '}');
	}
	if (r->snapshot_len)
		put_bytes(out, "snapshot", r->snapshot, r->snapshot_len);
	buf_putc(out, '}');
}

/* ---- reading ---- */

static int bad(const struct field *f, const char *what, struct err *e)
{
	return err_set(e, -EINVAL, "%s: %s", f->name, what);
}

static int get_number(const struct field *f, const struct json *v, void *at, struct err *e)
{
	if (f->kind == K_DOUBLE ? !json_is_num(v) : json_kind(v) != JSON_K_INT)
		return bad(f, f->kind == K_DOUBLE ? "not a number" : "not an integer", e);
	double d = json_double(v);
	if (!(d >= f->min && d <= f->max))
		return bad(f, "out of range", e);
	if (f->kind == K_I64)
		*(int64_t *)at = json_int(v);
	else if (f->kind == K_INT)
		*(int *)at = (int)json_int(v);
	else if (f->kind == K_U32)
		*(uint32_t *)at = (uint32_t)json_int(v);
	else if (f->kind == K_U16)
		*(uint16_t *)at = (uint16_t)json_int(v);
	else
		*(double *)at = d;
	return 0;
}

static int get_hash(const struct field *f, struct slice s, uint64_t *ret, struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		const char *digit = s.p[i] ? strchr(digits, s.p[i]) : NULL;
		if (!digit)
			return bad(f, "not 16 digits of hex", e);
		v = v << 4 | (uint64_t)(digit - digits);
	}
	if (s.n != 16)
		return bad(f, "not 16 digits of hex", e);
	*ret = v;
	return 0;
}

static int get_text(const struct field *f, struct slice s, char *ret, struct err *e)
{
	if (s.n + 1 > (size_t)f->max)
		return bad(f, "too long", e);
	for (size_t i = 0; i < s.n; i++)
		if (!may_stand(f, s, i))
			return bad(f, "a character that may not be there", e);
	if (s.n)
		memcpy(ret, s.p, s.n);
	ret[s.n] = 0;
	return 0;
}

static int get_word(const struct field *f, struct slice s, int *ret, struct err *e)
{
	for (int i = 0; f->words[i]; i++) {
		if (slice_is(s, f->words[i])) {
			*ret = i;
			return 0;
		}
	}
	return bad(f, "no such word", e);
}

static int get_field(const struct field *f, const struct json *v, void *at, struct err *e)
{
	switch (f->kind) {
	case K_HASH:
	case K_TEXT:
	case K_NAME:
	case K_WORD:
		if (json_kind(v) != JSON_K_STRING)
			return bad(f, "not a text", e);
		if (f->kind == K_HASH)
			return get_hash(f, json_str(v), at, e);
		if (f->kind == K_WORD)
			return get_word(f, json_str(v), at, e);
		return get_text(f, json_str(v), at, e);
	case K_BOOL:
		if (json_kind(v) != JSON_K_BOOL)
			return bad(f, "not true or false", e);
		*(bool *)at = json_bool(v);
		return 0;
	case K_I64:
	case K_INT:
	case K_U32:
	case K_U16:
	case K_DOUBLE:
	default:
		return get_number(f, v, at, e);
	}
}

static int get_fields(const struct json *o, const struct field *fields, size_t n, void *base,
		      size_t *ret_found, struct err *e)
{
	size_t found = 0;
	if (json_kind(o) != JSON_K_OBJECT)
		return err_set(e, -EINVAL, "not an object");
	for (size_t i = 0; i < n; i++) {
		const struct json *v = json_get(o, fields[i].name);
		if (!v && fields[i].needed)
			return bad(&fields[i], "missing", e);
		int r = v ? get_field(&fields[i], v, (char *)base + fields[i].at, e) : 0;
		if (r)
			return r;
		found += v != NULL;
	}
	*ret_found += found;
	return 0;
}

/* An object of fields that may be missing, with `more` members that the caller reads itself. */
static int get_part(const struct json *o, const char *name, const struct field *fields, size_t n,
		    size_t more, void *base, struct err *e)
{
	size_t found = more;
	int r = get_fields(o, fields, n, base, &found, e);
	if (r)
		return err_prefix(e, r, "%s", name);
	if (found != json_count(o))
		return err_set(e, -EINVAL, "%s: a field that nobody knows", name);
	return 0;
}

static int get_bytes(const struct json *v, size_t max, struct buf *out, const char *name,
		     struct err *e)
{
	buf_init(out, max);
	if (!v || json_kind(v) != JSON_K_STRING || base64_decode(json_str(v), out) || out->failed)
		return err_set(e, -EINVAL, "%s: not base64 of at most %zu bytes", name, max);
	return 0;
}

static int get_picture(const struct json *o, struct probe_picture *p, struct err *e)
{
	auto_buf struct buf blocks = {0};
	const struct json *v = json_get(o, "blocks");
	int r = get_part(o, "picture", picture_fields, COUNT_OF(picture_fields), 1, p, e);
	if (!r)
		r = get_bytes(v, PROBE_BLOCKS_MAX, &blocks, "blocks", e);
	if (r)
		return r;
	if (!blocks.n || blocks.n != (size_t)p->cols * p->rows)
		return err_set(e, -EINVAL, "picture: %zu blocks, but %u × %u of them", blocks.n,
			       p->cols, p->rows);
	p->n = (uint16_t)blocks.n;
	memcpy(p->block, blocks.p, blocks.n);
	return 0;
}

/* Only ever shown as a JPEG; so at least its ends are one's. */
static bool is_jpeg(const struct buf *b)
{
	static const uint8_t head[] = {0xFF, 0xD8, 0xFF}, tail[] = {0xFF, 0xD9};
	return b->n > sizeof head + sizeof tail && memcmp(b->p, head, sizeof head) == 0 &&
	       memcmp(b->p + b->n - sizeof tail, tail, sizeof tail) == 0;
}

static int get_snapshot(const struct json *v, struct probe_result *r, struct err *e)
{
	auto_buf struct buf jpeg = {0};
	int rc = get_bytes(v, PROBE_SNAPSHOT_MAX, &jpeg, "snapshot", e);
	if (rc)
		return rc;
	if (!is_jpeg(&jpeg))
		return err_set(e, -EINVAL, "snapshot: not a JPEG");
	r->snapshot = (uint8_t *)jpeg.p;
	r->snapshot_len = (uint32_t)jpeg.n;
	jpeg = (struct buf){0};
	return 0;
}

static int get_result(const struct json *root, struct probe_result *r, struct err *e)
{
	const struct json *at = json_get(root, "at_us"), *stream = json_get(root, "stream"),
			  *picture = json_get(root, "picture"),
			  *snapshot = json_get(root, "snapshot");
	size_t more = (size_t) !!at + !!stream + !!picture + !!snapshot;
	int rc = get_part(root, "result", result_fields, COUNT_OF(result_fields), more, r, e);
	if (!rc && at)
		rc = get_part(at, "at_us", time_fields, COUNT_OF(time_fields), 0, &r->at, e);
	if (!rc && stream)
		rc = get_part(stream, "stream", stream_fields, COUNT_OF(stream_fields), 0,
			      &r->stream, e);
	if (!rc && picture)
		rc = get_picture(picture, &r->picture, e);
	if (!rc && r->state == PROBE_ONLINE &&
	    (r->cause || r->step < (r->depth ? PROBE_GOT_KEYFRAME : PROBE_CONNECTED)))
		rc = err_set(e, -EINVAL, "state: online, but it came only to %s (%s)",
			     probe_step_words[r->step], probe_cause_words[r->cause]);
	if (!rc && snapshot)
		rc = get_snapshot(snapshot, r, e);
	return rc;
}

static const struct json_limits line_limits = {.max_bytes = PROBE_LINE_MAX, .max_depth = 2};

int probe_result_parse(struct slice line, struct probe_result *ret, struct err *e)
{
	auto_json struct json *root = NULL;
	probe_result_init(ret);
	int r = json_parse(line, &line_limits, e, &root);
	if (r)
		return err_set(e, -EINVAL, "not a line of JSON");
	r = get_result(root, ret, e);
	if (r) {
		probe_result_done(ret);
		probe_result_init(ret);
	}
	return r;
}

int probe_request_parse(struct slice line, struct arena *arena, struct probe_request *ret,
			struct err *e)
{
	auto_json struct json *root = NULL;
	struct probe_request q = {0};
	if (json_parse(line, &line_limits, e, &root))
		return err_set(e, -EINVAL, "not a line of JSON");
	int r = get_part(root, "request", request_fields, COUNT_OF(request_fields), 1, &q, e);
	if (r)
		return r;
	struct slice url = json_str(json_get(root, "url"));
	if (!url.n || url.n > PROBE_URL_MAX || memchr(url.p, 0, url.n))
		return err_set(e, -EINVAL, "url: expected 1 to %d bytes of text", PROBE_URL_MAX);
	q.url = arena_copy(arena, url).p;
	if (!q.url)
		return err_set(e, -ENOMEM, "url: no memory");
	*ret = q;
	return 0;
}
