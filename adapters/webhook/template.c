/*
 * A body of ops' own (template_file), for receivers that no other dialect knows. Of a secret_file,
 * each line is a header ("Authorization: Bearer …"). A body of JSON (content_type, the default) is
 * tried when it is loaded: with values that are full of quotes and brackets, and with an alert that
 * has nothing in it.
 */
#include "compose.h"

#define BODY_MAX (256 * 1024)
#define TYPE_MAX 200

static const char nasty[] =
	"{\"text\":\"\\\"}]\\\\\\n\\u0001{\",\"case\":{\"id\":7,\"title\":\"\\\"},{\\\"\",\"rule\":"
	"\"a\\\\\",\"severity\":\"high\",\"event_count\":3,\"opened_at\":\"\\\"\",\"kind\":"
	"\"\\\"\","
	"\"kind_name\":\"\\\"\",\"department\":\"\\\"\"},\"grid\":{\"code\":\"\\\"\",\"name\":"
	"\"\\\"\",\"leader\":\"\\\\\",\"deputy\":\"\\\"\"},\"device\":{\"id\":\"\\\"\",\"class\":"
	"\"\\\"\",\"title\":\"\\\",\\\"\"},\"fields\":{\"a\":1.5,\"b\":\"\\\"\"}}";

static bool is_json(const struct webhook_target *t)
{
	return !t->content_type.n || slice_starts(t->content_type, "application/json") ||
	       slice_ends(t->content_type, "+json");
}

static int render(const struct webhook_target *t, const struct webhook_message *m, struct buf *out,
		  struct err *e)
{
	enum webhook_style style = is_json(t) ? WEBHOOK_BODY_JSON : WEBHOOK_BODY_PLAIN;
	if (webhook_text_render(t->text, m, t->lang, style, BODY_MAX, out))
		return 0;
	return err_set(e, -EMSGSIZE, "the body has more than %d bytes", BODY_MAX);
}

static int try_json(const struct webhook_target *t, const char *alert, const char *what,
		    struct err *e)
{
	static const struct json_limits limits = {.max_bytes = BODY_MAX, .max_depth = 64};
	auto_json struct json *sample = NULL, *body = NULL;
	auto_buf struct buf out;
	buf_init(&out, BODY_MAX + 1);
	int rc = json_parse(slice_of(alert), &limits, e, &sample);
	struct webhook_message m = {
		.id = SL("id"), .event = SL("test"), .alert = sample, .case_url = SL("https://x/")};
	if (!rc)
		rc = render(t, &m, &out, e);
	if (!rc)
		rc = json_parse(buf_slice(&out), &limits, e, &body);
	return rc ? err_prefix(e, -EINVAL, "template_file makes no JSON %s", what) : 0;
}

static bool is_header(struct slice line)
{
	struct slice name;
	bool good = memchr(line.p, ':', line.n) && slice_cut(&line, ':', &name) && name.n;
	for (size_t i = 0; good && i < name.n; i++)
		good = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			      name.p[i]) != NULL;
	for (size_t i = 0; good && i < line.n; i++)
		good = line.p[i] >= ' ' && line.p[i] <= '~';
	return good && slice_trim(line).n;
}

static int template_check(const struct webhook_target *t, struct err *e)
{
	if (!t->text)
		return err_set(e, -EINVAL, "no template_file: it says what the body is");
	for (size_t i = 0; i < t->nsecrets; i++)
		if (!is_header(t->secret[i]))
			return err_set(e, -EINVAL,
				       "secret %zu: expected a header, \"Name: value\" in ASCII",
				       i + 1);
	for (size_t i = 0; i < t->content_type.n; i++)
		if (i == TYPE_MAX || t->content_type.p[i] < ' ' || t->content_type.p[i] > '~')
			return err_set(e, -EINVAL,
				       "content_type: expected at most %d characters of ASCII",
				       TYPE_MAX);
	if (!is_json(t))
		return 0;
	int rc = try_json(t, nasty, "when a value has quotes in it", e);
	return rc ? rc : try_json(t, "{}", "when a value is missing (write {…|json})", e);
}

static int template_compose(const struct webhook_target *t, const struct webhook_message *m,
			    struct webhook_request *ret, struct err *e)
{
	char type[TYPE_MAX + 1] = "application/json";
	if (t->content_type.n)
		snprintf(type, sizeof type, "%.*s", SL_FMT(t->content_type));
	for (size_t i = 0; i < t->nsecrets; i++)
		buf_printf(&ret->headers, "%.*s\n", SL_FMT(t->secret[i]));
	int rc = render(t, m, &ret->body, e);
	return rc ? rc : webhook_finish(t, type, BODY_MAX, ret, e);
}

extern const struct webhook_adapter webhook_template;
const struct webhook_adapter webhook_template = {
	.name = "template",
	.help = "a body of your own: template_file, content_type (secret_file: headers to send, "
		"one a line)",
	.takes = WEBHOOK_BODY_TEMPLATE,
	.check = template_check,
	.compose = template_compose,
	.classify = webhook_classify_http,
};
