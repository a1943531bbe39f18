/*
 * baseline_json: a baseline as text and back. Short, because one is written for each picture of
 * 17,000 streams: [n, value, anchor] of what is usual ([n, first…] while it is not yet), hashes as
 * hex, keyframes and block means as base64.
 */
#include <inttypes.h>
#include <string.h>

#include "baseline_state.h"
#include "crypto.h"
#include "json.h"

#define VERSION 1

/* Members that are one struct usual each. */
static const struct {
	const char *name;
	size_t at;
} usuals[] = {
	{"sharpness", offsetof(struct baseline, sharpness[GLANCE][DAY])},
	{"sharpness_night", offsetof(struct baseline, sharpness[GLANCE][NIGHT])},
	{"watch_sharpness", offsetof(struct baseline, sharpness[WATCHED][DAY])},
	{"watch_sharpness_night", offsetof(struct baseline, sharpness[WATCHED][NIGHT])},
	{"noise", offsetof(struct baseline, noise[GLANCE][DAY])},
	{"noise_night", offsetof(struct baseline, noise[GLANCE][NIGHT])},
	{"watch_noise", offsetof(struct baseline, noise[WATCHED][DAY])},
	{"watch_noise_night", offsetof(struct baseline, noise[WATCHED][NIGHT])},
	{"bitrate", offsetof(struct baseline, bitrate[DAY])},
	{"bitrate_night", offsetof(struct baseline, bitrate[NIGHT])},
	{"fps", offsetof(struct baseline, fps[DAY])},
	{"fps_night", offsetof(struct baseline, fps[NIGHT])},
	{"gop", offsetof(struct baseline, gop[DAY])},
	{"gop_night", offsetof(struct baseline, gop[NIGHT])},
};

static const char *const format_names[KINDS] = {"format", "watch_format"};
static const char *const view_names[HOURS] = {"view", "view_night"};
static const char *const key_names[KINDS] = {"key", "watch_key"};

/* ---- writing ---- */

static void put_usual(const struct usual *u, struct buf *out)
{
	buf_printf(out, "[%u", u->n);
	if (u->value > 0)
		buf_printf(out, ",%.6g,%.6g", u->value, u->anchor);
	else
		for (size_t i = 0; i < u->n; i++)
			buf_printf(out, ",%.6g", u->first[i]);
	buf_putc(out, ']');
}

static void put_formats(const struct baseline *b, struct buf *out)
{
	for (size_t k = 0; k < KINDS; k++) {
		const struct format *f = &b->format[k];
		if (!f->codec[0])
			continue;
		json_put_key(out, format_names[k]);
		buf_putc(out, '[');
		json_put_str(out, slice_of(f->codec));
		buf_printf(out, ",%d,%d]", f->width, f->height);
	}
}

static void put_views(const struct baseline *b, struct buf *out)
{
	for (size_t h = 0; h < HOURS; h++) {
		const struct view *v = &b->view[h];
		if (v->n == 0)
			continue;
		auto_buf struct buf cells;
		buf_init(&cells, sizeof(v->face));
		for (size_t i = 0; i < FACE_CELLS; i++)
			buf_put_be16(&cells, (uint16_t)v->face.cell[i]);
		json_put_key(out, view_names[h]);
		buf_printf(out, "[%u,\"%016" PRIx64 "\",\"", v->n, v->dhash);
		base64_put(out, buf_slice(&cells));
		buf_puts(out, "\"]");
	}
}

static void put_keys(const struct keys *k, struct buf *out)
{
	for (size_t i = 0; i < KINDS; i++)
		if (k->last[i]) {
			json_put_key(out, key_names[i]);
			buf_printf(out, "[%" PRIu32 ",%u,%" PRId64 "]", k->last[i], k->same[i],
				   k->at_us[i]);
		}
	if (k->n == 0)
		return;
	auto_buf struct buf ring;
	buf_init(&ring, sizeof(k->ring));
	for (size_t i = 0; i < k->n; i++)
		buf_put_be32(&ring, k->ring[i]);
	json_put_key(out, "keys");
	buf_printf(out, "[%u,%u,%u,\"", k->next, k->comebacks, k->fresh);
	base64_put(out, buf_slice(&ring));
	buf_puts(out, "\"]");
}

static void put_blocks(const struct baseline *b, struct buf *out)
{
	if (b->last.n == 0)
		return;
	json_put_key(out, "blocks");
	buf_printf(out, "[%" PRId64 ",%u,%u,\"", b->last_us, b->last.cols, b->last.rows);
	base64_put(out, (struct slice){(const char *)b->last.block, b->last.n});
	buf_puts(out, "\"]");
}

void baseline_json(const struct baseline *b, struct buf *out)
{
	buf_printf(out, "{\"v\":%d", VERSION);
	put_formats(b, out);
	for (size_t i = 0; i < COUNT_OF(usuals); i++) {
		const struct usual *u =
			(const struct usual *)(const void *)((const char *)b + usuals[i].at);
		if (u->n == 0)
			continue;
		json_put_key(out, usuals[i].name);
		put_usual(u, out);
	}
	put_views(b, out);
	put_keys(&b->keys, out);
	put_blocks(b, out);
	json_put_key(out, "runs");
	for (size_t i = 0; i < SUSPICIONS; i++)
		buf_printf(out, "%c%u", i ? ',' : '[', b->runs[i]);
	buf_puts(out, "]}");
}

/* ---- reading: whatever is not in its range is refused; what is missing is not known ---- */

static bool get_int(const struct json *array, size_t i, int64_t max, int64_t *ret)
{
	const struct json *v = i < json_count(array) ? json_at(array, i) : NULL;
	if (!v || json_kind(v) != JSON_K_INT || json_int(v) < 0 || json_int(v) > max)
		return false;
	*ret = json_int(v);
	return true;
}

static bool get_byte(const struct json *array, size_t i, int64_t max, uint8_t *ret)
{
	int64_t v;
	if (!get_int(array, i, max, &v))
		return false;
	*ret = (uint8_t)v;
	return true;
}

static bool get_value(const struct json *array, size_t i, double *ret)
{
	const struct json *v = i < json_count(array) ? json_at(array, i) : NULL;
	if (!v || !json_is_num(v) || !(json_double(v) > 0) || json_double(v) > 1e10)
		return false;
	*ret = json_double(v);
	return true;
}

/* The bytes of a text in base64, at most max. */
static bool get_bytes(const struct json *array, size_t i, size_t max, struct buf *ret)
{
	const struct json *v = i < json_count(array) ? json_at(array, i) : NULL;
	buf_init(ret, max);
	return v && json_kind(v) == JSON_K_STRING && base64_decode(json_str(v), ret) == 0 &&
	       !ret->failed;
}

static bool get_usual(const struct json *v, struct usual *u)
{
	if (!get_byte(v, 0, USUAL_FIRST_MAX, &u->n) || u->n == 0)
		return false;
	size_t count = json_count(v) - 1;
	if (count == 2 && u->n > 2) /* all of the first have come */
		return get_value(v, 1, &u->value) && get_value(v, 2, &u->anchor);
	if (count != u->n)
		return false;
	for (size_t i = 0; i < u->n; i++)
		if (!get_value(v, i + 1, &u->first[i]))
			return false;
	return true;
}

static bool get_format(const struct json *v, struct format *f)
{
	int64_t width, height;
	if (json_count(v) != 3 || json_kind(json_at(v, 0)) != JSON_K_STRING)
		return false;
	struct slice codec = json_str(json_at(v, 0));
	if (codec.n == 0 || codec.n >= sizeof(f->codec) || memchr(codec.p, 0, codec.n) ||
	    !get_int(v, 1, 1 << 16, &width) || !get_int(v, 2, 1 << 16, &height))
		return false;
	snprintf(f->codec, sizeof f->codec, "%.*s", SL_FMT(codec));
	f->width = (int)width;
	f->height = (int)height;
	return true;
}

static bool get_hash(const struct json *v, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	struct slice s = json_str(v);
	uint64_t hash = 0;
	if (s.n != 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *digit = s.p[i] ? strchr(digits, s.p[i]) : NULL;
		if (!digit)
			return false;
		hash = hash << 4 | (uint64_t)(digit - digits);
	}
	*ret = hash;
	return true;
}

static bool get_view(const struct json *a, struct view *v)
{
	auto_buf struct buf cells = {0};
	if (json_count(a) != 3 || !get_byte(a, 0, FACE_COUNT_MAX, &v->n) || v->n == 0 ||
	    !get_hash(json_at(a, 1), &v->dhash) || !get_bytes(a, 2, sizeof(v->face), &cells) ||
	    cells.n != sizeof(v->face))
		return false;
	for (size_t i = 0; i < FACE_CELLS; i++) {
		const uint8_t *p = (const uint8_t *)cells.p + 2 * i;
		v->face.cell[i] = (int16_t)(uint16_t)(p[0] << 8 | p[1]);
	}
	return true;
}

static bool get_key(const struct json *v, struct keys *k, size_t kind)
{
	int64_t last;
	if (json_count(v) != 3 || !get_int(v, 0, UINT32_MAX, &last) ||
	    !get_byte(v, 1, 255, &k->same[kind]) || !get_int(v, 2, INT64_MAX, &k->at_us[kind]))
		return false;
	k->last[kind] = (uint32_t)last;
	return true;
}

static bool get_ring(const struct json *v, struct keys *k)
{
	auto_buf struct buf ring = {0};
	if (json_count(v) != 4 || !get_byte(v, 0, KEYS_MAX - 1, &k->next) ||
	    !get_byte(v, 1, 255, &k->comebacks) || !get_byte(v, 2, 255, &k->fresh) ||
	    !get_bytes(v, 3, sizeof(k->ring), &ring) || ring.n == 0 || ring.n % 4)
		return false;
	k->n = (uint8_t)(ring.n / 4);
	for (size_t i = 0; i < k->n; i++) {
		const uint8_t *p = (const uint8_t *)ring.p + 4 * i;
		k->ring[i] =
			(uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	}
	return k->n == KEYS_MAX || k->next == k->n;
}

static bool get_blocks(const struct json *v, struct baseline *b)
{
	auto_buf struct buf means = {0};
	int64_t cols, rows;
	if (json_count(v) != 4 || !get_int(v, 0, INT64_MAX, &b->last_us) ||
	    !get_int(v, 1, PROBE_BLOCKS_MAX, &cols) || !get_int(v, 2, PROBE_BLOCKS_MAX, &rows) ||
	    !get_bytes(v, 3, PROBE_BLOCKS_MAX, &means) || means.n == 0 ||
	    (int64_t)means.n != cols * rows)
		return false;
	b->last.cols = (uint16_t)cols;
	b->last.rows = (uint16_t)rows;
	b->last.n = (uint16_t)means.n;
	memcpy(b->last.block, means.p, means.n);
	return true;
}

static bool get_runs(const struct json *v, struct baseline *b)
{
	if (json_count(v) > SUSPICIONS)
		return false;
	for (size_t i = 0; i < json_count(v); i++)
		if (!get_byte(v, i, 255, &b->runs[i]))
			return false;
	return true;
}

static bool get_all(const struct json *o, struct baseline *b)
{
	const struct json *v = json_get(o, "v");
	bool ok = v && json_kind(v) == JSON_K_INT && json_int(v) == VERSION;
	for (size_t i = 0; i < COUNT_OF(usuals) && ok; i++)
		if ((v = json_get(o, usuals[i].name)))
			ok = get_usual(v, (struct usual *)(void *)((char *)b + usuals[i].at));
	for (size_t k = 0; k < KINDS && ok; k++) {
		if ((v = json_get(o, format_names[k])))
			ok = get_format(v, &b->format[k]);
		if (ok && (v = json_get(o, key_names[k])))
			ok = get_key(v, &b->keys, k);
	}
	for (size_t h = 0; h < HOURS && ok; h++)
		if ((v = json_get(o, view_names[h])))
			ok = get_view(v, &b->view[h]);
	if (ok && (v = json_get(o, "keys")))
		ok = get_ring(v, &b->keys);
	if (ok && (v = json_get(o, "blocks")))
		ok = get_blocks(v, b);
	if (ok && (v = json_get(o, "runs")))
		ok = get_runs(v, b);
	return ok;
}

int baseline_load(struct baseline *b, struct slice json)
{
	static const struct json_limits limits = {.max_bytes = BASELINE_BYTES_MAX, .max_depth = 3};
	auto_json struct json *o = NULL;
	memset(b, 0, sizeof(*b));
	int r = json_parse(json, &limits, NULL, &o);
	if (r == 0 && get_all(o, b))
		return 0;
	memset(b, 0, sizeof(*b));
	return r == -ENOMEM ? r : -EINVAL;
}
