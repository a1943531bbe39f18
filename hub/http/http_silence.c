#include "http_silence.h"

#include "json.h"
#include "log.h"
#include "silence.h"
#include "times.h"

#define LIST_MAX 1000

static const struct json_limits limits = {.max_bytes = HTTP_API_BODY_MAX, .max_depth = 4};

/* What a failed call is answered with; the database's words are for the log. */
static int failed(struct http_call *c, int rc, const struct err *e)
{
	if (rc == -EINVAL || rc == -ENOENT) {
		http_call_refuse(c, rc == -EINVAL ? 400 : 404, "%s", e->msg);
		return 0;
	}
	if (rc == -EBADMSG) {
		http_call_refuse(c, 400, "the database does not take a value of it");
		return 0;
	}
	log_error("http", KM("a call failed"), KS("error", e->msg));
	http_call_refuse(c, 503, "%s",
			 rc == -ENOMEM ? "out of memory"
				       : "the database is away, or too slow: try again");
	return rc;
}

int http_silence_list(struct pg *pg, int64_t district, struct http_call *c)
{
	struct err e = {0};
	auto_rows struct pg_rows *rows = NULL;
	int rc = silence_list(pg, district, c->all, LIST_MAX + 1, &e, &rows);
	if (rc)
		return failed(c, rc, &e);
	size_t n = MIN_OF(pg_count(rows), (size_t)LIST_MAX);
	buf_puts(&c->answer, "{\"silences\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(&c->answer, "%s%s", i ? ",\n" : "\n", pg_str(rows, i, 0));
	buf_printf(&c->answer, "\n],\"more\":%s}\n", pg_count(rows) > n ? "true" : "false");
	c->status = 200;
	return 0;
}

static int bad_key(struct slice key, struct err *e)
{
	const char *near = NULL;
	size_t best = 3;
	for (size_t i = 0; i < silence_texts_count; i++) {
		size_t d = name_distance(slice_of(silence_texts[i].name), key);
		near = d < best ? silence_texts[i].name : near;
		best = MIN_OF(d, best);
	}
	return err_set(e, -EINVAL, "key \"%.40s\": there is no such key%s%s%s", key.p,
		       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int bad_kind(const char *key, const struct json *v, const char *want, struct err *e)
{
	auto_buf struct buf value;
	buf_init(&value, HTTP_API_BODY_MAX);
	json_put_value(&value, v);
	return err_set(e, -EINVAL, "key \"%s\": value %.80s: %s was expected", key, buf_str(&value),
		       want);
}

/* A member of what was posted, by the table of texts. */
static int take(struct silence *s, struct slice key, const struct json *v, struct err *e)
{
	if (slice_is(key, "maintenance")) {
		s->maintenance = json_bool(v);
		return json_kind(v) == JSON_K_BOOL ? 0
						   : bad_kind("maintenance", v, "true or false", e);
	}
	for (size_t i = 0; i < silence_texts_count; i++) {
		const struct silence_text *t = &silence_texts[i];
		const char *text = json_str(v).p;
		if (!slice_is(key, t->name))
			continue;
		if (json_kind(v) == JSON_K_NULL)
			return 0;
		if (json_kind(v) != JSON_K_STRING)
			return bad_kind(t->name, v, "a text", e);
		memcpy((char *)s + t->at, &text, sizeof text);
		return 0;
	}
	return bad_key(key, e);
}

static int read_silence(const struct json *root, struct silence *ret, struct err *e)
{
	if (json_kind(root) != JSON_K_OBJECT)
		return err_set(e, -EINVAL, "the body: an object was expected, not %s",
			       json_kind_name(json_kind(root)));
	for (void *it = json_first(root); it; it = json_next(root, it)) {
		int rc = take(ret, json_key(it), json_val(it), e);
		if (rc)
			return rc;
	}
	return silence_check(ret, "", times_now_us(), e);
}

static void tell(const char *what, const char *by, const char *row)
{
	log_info("http", KM(what), KS("by", by), KS("silence", row));
}

int http_silence_add(struct pg *pg, int64_t district, struct http_call *c)
{
	struct err e = {0}, why = {0};
	struct silence s = {0};
	auto_json struct json *root = NULL;
	auto_rows struct pg_rows *rows = NULL;
	int rc = json_parse(buf_slice(&c->body), &limits, &why, &root);
	if (rc && rc != -ENOMEM)
		rc = err_set(&e, -EINVAL, "the body is no JSON as it is wanted: %.300s", why.msg);
	if (!rc)
		rc = read_silence(root, &s, &e);
	if (!rc)
		rc = silence_add(pg, district, &s, &e, &rows);
	if (rc)
		return failed(c, rc, &e);
	buf_printf(&c->answer, "%s\n", pg_str(rows, 0, 0));
	c->status = 201;
	tell("a silence was added", s.by, pg_str(rows, 0, 0));
	return 0;
}

int http_silence_end(struct pg *pg, int64_t district, struct http_call *c)
{
	struct err e = {0};
	auto_rows struct pg_rows *rows = NULL;
	int rc = silence_end(pg, district, c->id, c->by, "", &e, &rows);
	if (rc)
		return failed(c, rc, &e);
	buf_printf(&c->answer, "%s\n", pg_str(rows, 0, 0));
	c->status = 200;
	tell("a silence was ended", c->by, pg_str(rows, 0, 0));
	return 0;
}
