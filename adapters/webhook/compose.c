#include "compose.h"

#include <inttypes.h>
#include <strings.h>

#define CUT_TEXT_MAX 1024
#define CUT_DEPTH_MAX 8

/* ---- the alert as it is ---- */

struct slice webhook_cut(struct slice s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max && ((unsigned char)s.p[max] & 0xC0) == 0x80)
		max--;
	return (struct slice){s.p, max};
}

void webhook_put_text(struct buf *b, const char *key, struct slice text)
{
	json_put_key(b, key);
	json_put_str(b, text);
}

static void put_cut(struct buf *b, const struct json *v, unsigned depth)
{
	if (json_kind(v) == JSON_K_STRING) {
		json_put_str(b, webhook_cut(json_str(v), CUT_TEXT_MAX));
		return;
	}
	if (json_kind(v) != JSON_K_OBJECT || depth == 0) {
		json_put_value(b, v);
		return;
	}
	buf_putc(b, '{');
	for (void *it = json_first(v); it; it = json_next(v, it)) {
		if (depth == CUT_DEPTH_MAX && slice_is(json_key(it), "fields"))
			continue;
		json_put_key(b, json_key(it).p);
		put_cut(b, json_val(it), depth - 1);
	}
	buf_putc(b, '}');
}

void webhook_put_alert(struct buf *b, const struct webhook_message *m, bool cut)
{
	if (cut)
		put_cut(b, m->alert, CUT_DEPTH_MAX);
	else
		json_put_value(b, m->alert);
	if (b->failed || (!m->case_url.n && !cut))
		return;
	b->n--; /* reopen the object */
	if (m->case_url.n)
		webhook_put_text(b, "url", m->case_url);
	if (cut) {
		json_put_key(b, "cut");
		buf_puts(b, "true");
	}
	buf_putc(b, '}');
}

/* ---- what is said ---- */

static struct slice trim_lines(struct slice s)
{
	while (s.n && s.p[0] == '\n')
		s = (struct slice){s.p + 1, s.n - 1};
	while (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	return s;
}

void webhook_say(const struct webhook_target *t, const struct webhook_message *m,
		 enum webhook_style style, size_t max, struct webhook_said *ret)
{
	buf_init(&ret->all, max + 1);
	webhook_text_render(t->text, m, t->lang, style, max, &ret->all);
	struct slice s = trim_lines(buf_slice(&ret->all));
	const char *end = s.n ? memchr(s.p, '\n', s.n) : NULL;
	size_t n = end ? (size_t)(end - s.p) : s.n;
	ret->head = (struct slice){s.p, n};
	ret->rest = trim_lines((struct slice){s.n ? s.p + n : NULL, s.n - n});
}

void webhook_said_done(struct webhook_said *s)
{
	buf_done(&s->all);
}

bool webhook_is_recovery(const struct webhook_message *m)
{
	const struct json *d = json_get(m->alert, "digest");
	int64_t n = json_int(json_get(d, "recovered"));
	return slice_is(m->event, "case.recovered") || (n && n >= json_int(json_get(d, "cases")));
}

unsigned webhook_severity(const struct webhook_message *m)
{
	static const char *const names[] = {"low", "normal", "high", "urgent"};
	struct slice s = json_str(json_get(json_get(m->alert, "case"), "severity"));
	for (unsigned i = 0; i < COUNT_OF(names); i++)
		if (slice_is(s, names[i]))
			return i;
	return 1;
}

const char *webhook_open_word(const struct webhook_target *t)
{
	return t->lang ? "Open the case" : "查看案件";
}

bool webhook_mention_ok(struct slice id)
{
	static const char *const everybody[] = {"all", "here", "channel", "everyone"};
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.@+-";
	for (size_t i = 0; i < id.n; i++)
		if (!memchr(letters, id.p[i], sizeof letters - 1))
			return false;
	for (size_t i = 0; i < COUNT_OF(everybody); i++)
		if (id.n == strlen(everybody[i]) && strncasecmp(id.p, everybody[i], id.n) == 0)
			return false;
	return id.n > 0 && id.n <= 64;
}

size_t webhook_mentioned(const struct webhook_target *t, const struct webhook_message *m,
			 struct slice ret[static WEBHOOK_MENTIONS_MAX])
{
	enum { HIGH = 2 };
	struct slice from[] = {m->mention, t->mention}, id;
	size_t n = 0;
	bool test = slice_is(m->event, "test");
	if (!test && (webhook_severity(m) < HIGH || webhook_is_recovery(m)))
		return 0;
	for (size_t i = 0; i < COUNT_OF(from); i++) {
		while (from[i].n && slice_cut(&from[i], ' ', &id)) {
			bool known = false;
			for (size_t k = 0; k < n; k++)
				known = known || slice_eq(ret[k], id);
			if (!known && n < WEBHOOK_MENTIONS_MAX && webhook_mention_ok(id))
				ret[n++] = id;
		}
	}
	return n;
}

void webhook_put_mentions(struct buf *b, const struct webhook_target *t,
			  const struct webhook_message *m, const char *before, const char *after)
{
	struct slice ids[WEBHOOK_MENTIONS_MAX];
	size_t n = webhook_mentioned(t, m, ids);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%.*s%s", before, SL_FMT(ids[i]), after);
}

/* A number may come again in another district, not with the same microsecond. */
void webhook_put_case_key(struct buf *b, const struct webhook_message *m)
{
	const struct json *c = json_get(m->alert, "case");
	if (json_get(c, "id"))
		buf_printf(b, "gridhub-%" PRId64 "-%.*s", json_int(json_get(c, "id")),
			   SL_FMT(webhook_cut(json_str(json_get(c, "opened_at")), 64)));
	else
		buf_printf(b, "gridhub-%.*s", SL_FMT(webhook_cut(m->id, 128)));
}

/* ---- the end of a request ---- */

int webhook_finish(const struct webhook_target *t, const char *content_type, size_t body_max,
		   struct webhook_request *r, struct err *e)
{
	if (!r->url.n)
		buf_put_slice(&r->url, t->url);
	buf_printf(&r->headers, "Content-Type: %s\n", content_type);
	if (r->url.failed)
		return err_set(e, -EMSGSIZE, "the URL has more than %d bytes", WEBHOOK_URL_MAX);
	if (r->headers.failed)
		return err_set(e, -EMSGSIZE, "the headers have more than %d bytes",
			       WEBHOOK_HEADERS_MAX);
	if (r->body.failed || r->body.n > body_max)
		return err_set(e, -EMSGSIZE, "the alert has more than %zu bytes even when cut",
			       body_max);
	return 0;
}

int webhook_check_secrets(const struct webhook_target *t, size_t min, const char *what,
			  struct err *e)
{
	if (t->nsecrets < min)
		return err_set(e, -EINVAL, "no secret: expected %s in secret_file", what);
	for (size_t i = 0; i < t->nsecrets; i++)
		for (size_t k = 0; k < t->secret[i].n; k++)
			if (t->secret[i].p[k] <= ' ' || t->secret[i].p[k] > '~')
				return err_set(e, -EINVAL,
					       "secret %zu: expected %s, of ASCII without blanks",
					       i + 1, what);
	return 0;
}

/* ---- answers with a code ---- */

static const struct json *first_of(const struct json *v, const char *const names[2])
{
	const struct json *res = json_get(v, names[0]);
	return res || !names[1] ? res : json_get(v, names[1]);
}

static bool says(struct slice message, const char *part)
{
	size_t n = part ? strlen(part) : 0;
	for (size_t i = 0; n && i + n <= message.n; i++)
		if (strncasecmp(message.p + i, part, n) == 0)
			return true;
	return !n;
}

enum webhook_verdict webhook_classify_code(int status, struct slice body,
					   const struct webhook_codes *codes,
					   struct webhook_answer *ret)
{
	static const struct json_limits limits = {.max_bytes = WEBHOOK_ANSWER_MAX, .max_depth = 16};
	auto_json struct json *root = NULL;
	enum webhook_verdict http = webhook_classify_http(status, body, ret);
	const struct json *code =
		json_parse(body, &limits, NULL, &root) ? NULL : first_of(root, codes->code);
	bool known = code && json_kind(code) == JSON_K_INT;
	if (known && json_int(code) == 0)
		return http;
	struct slice message = json_str(first_of(root, codes->message));
	for (size_t i = 0; known && i < codes->n; i++) {
		const struct webhook_code *c = &codes->list[i];
		if (c->code == json_int(code) && says(message, c->says)) {
			*ret = (struct webhook_answer){c->why, c->wait_us};
			return c->verdict;
		}
	}
	if (http != WEBHOOK_ACCEPTED)
		return http;
	ret->why = known ? "the receiver refuses it with a code that is not known here"
			 : "the answer is not that of such a robot: look at the URL";
	return WEBHOOK_RETRY;
}
