#include <getopt.h>

#include "cmd_registry.h"
#include "crypto.h"
#include "endpoint.h"
#include "json.h"
#include "migrate.h"
#include "notify_job.h"
#include "rule.h"
#include "times.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 100000
#define IDS_MAX (1024 * 1024)

/* ---- options: each verb takes some of them ---- */

struct options {
	const char *endpoint;
	bool dead, pending, attempts, all_dead;
	int64_t case_id, limit;	    /* case_id 0: any */
	int64_t since_us, until_us; /* 0: any */
	const char *config;
	char **args;
	int nargs;
};
#define AT(member) offsetof(struct options, member)
#define CONFIG_HELP "\n  --config FILE  configuration\n"

static int parse(const struct cmd_takes *t, int argc, char **argv, struct options *ret)
{
	*ret = (struct options){.limit = LIMIT_DEFAULT};
	int rc = cmd_parse(t, argc, argv, ret, &ret->config);
	ret->args = argv + optind;
	ret->nargs = argc - optind;
	return rc;
}

/* ---- what the verbs that ask the database share ---- */

static int session_open(const char *config_path, struct cmd_session *s)
{
	struct err e = {0};
	auto_rows struct pg_rows *rows = NULL;
	int rc = cmd_open(config_path, &s->conf, &s->pg);
	if (rc)
		return rc;
	struct pg_arg args[] = {PGA_STR(s->conf->district)};
	if (migrate_check(s->pg, &e) ||
	    pg_query(s->pg, SQL_NOTIFY_DISTRICT, args, COUNT_OF(args), &e, &rows))
		return cmd_fail(&e);
	if (pg_count(rows) == 0) {
		err_set(&e, -ENOENT, "district \"%s\" is not in the database (gridhub migrate)",
			s->conf->district);
		return cmd_fail(&e);
	}
	s->district = pg_i64(rows, 0, 0);
	return CMD_OK;
}

/* Rows of one JSON text each. */
static int print_rows(struct cmd_session *s, enum sql_id id, const struct pg_arg *args,
		      size_t nargs, size_t *ret_n)
{
	struct err e = {0};
	auto_rows struct pg_rows *rows = NULL;
	if (pg_query(s->pg, id, args, nargs, &e, &rows))
		return cmd_fail(&e);
	for (size_t i = 0; i < pg_count(rows); i++)
		puts(pg_str(rows, i, 0));
	*ret_n = pg_count(rows);
	return CMD_OK;
}

/* ---- list ---- */

static const struct cmd_option list_options[] = {
	{"dead", CMD_FLAG, .at = AT(dead)},
	{"pending", CMD_FLAG, .at = AT(pending)},
	{"attempts", CMD_FLAG, .at = AT(attempts)},
	{"case", CMD_NUMBER, .at = AT(case_id), .max = INT64_MAX},
	{"limit", CMD_NUMBER, .at = AT(limit), .max = LIMIT_MAX},
};
static const struct cmd_takes list_verb = {
	.name = "webhook list",
	.help = "usage: gridhub webhook list [--dead | --pending | --attempts] [--case ID] "
		"[--limit N]\n\n"
		"Alerts that are owed or dead, as JSON lines, the newest first.\n\n"
		"  --dead       only those declared dead\n"
		"  --pending    only those still owed\n"
		"  --attempts   every attempt instead, delivered ones too, with the receiver's "
		"answer\n"
		"  --case ID    only of this case\n"
		"  --limit N    at most N (default 100)\n" CONFIG_HELP,
	CMD_TAKES_OPTIONS(list_options),
};

static int verb_list(int argc, char **argv)
{
	struct options o;
	auto_session struct cmd_session s = {0};
	size_t n;
	int rc = parse(&list_verb, argc, argv, &o);
	if (rc >= 0)
		return rc;
	if (o.dead + o.pending + o.attempts > 1)
		return cmd_usage(list_verb.name, "one of --dead, --pending and --attempts");
	rc = session_open(o.config, &s);
	if (rc)
		return rc;
	if (o.attempts) {
		struct pg_arg args[] = {PGA_I(s.district), cmd_number_or_null(o.case_id),
					PGA_I(o.limit)};
		return print_rows(&s, SQL_WEBHOOK_ATTEMPTS, args, COUNT_OF(args), &n);
	}
	struct pg_arg which = o.dead ? PGA_STR("dead") : o.pending ? PGA_STR("pending") : PGA_NULL;
	struct pg_arg args[] = {PGA_I(s.district), which, cmd_number_or_null(o.case_id),
				PGA_I(o.limit)};
	return print_rows(&s, SQL_WEBHOOK_OUTBOX, args, COUNT_OF(args), &n);
}

/* ---- retry ---- */

static const struct cmd_option retry_options[] = {
	{"all-dead", CMD_FLAG, .at = AT(all_dead)},
	{"endpoint", CMD_TEXT, .at = AT(endpoint)},
	{"case", CMD_NUMBER, .at = AT(case_id), .max = INT64_MAX},
	{"since", CMD_TIME, .at = AT(since_us)},
	{"until", CMD_TIME, .at = AT(until_us)},
};
static const struct cmd_takes retry_verb = {
	.name = "webhook retry",
	.help = "usage: gridhub webhook retry ID… | --all-dead | [--endpoint NAME] [--case ID] "
		"[--since "
		"TIME] [--until TIME]\n\n"
		"Put dead letters back: they are sent at once, by the schedule from its start, "
		"under the "
		"same message id.\n"
		"What died because no grid named an endpoint goes to who is told of its grid now, "
		"or to notify.default_endpoint;\n"
		"while there is still neither it stays dead, and is counted.\n"
		"Prints each that was put back as a JSON line. Exit status 1 if there was "
		"none.\n\n"
		"  --endpoint NAME            of this endpoint\n"
		"  --case ID                  about this case, alone or among others\n"
		"  --since TIME, --until TIME died within that time (RFC 3339); all that is given "
		"must "
		"hold\n\n"
		"(An endpoint that said 410 "
		"stays disabled: gridhub webhook enable NAME.)\n" CONFIG_HELP,
	CMD_TAKES_OPTIONS(retry_options),
	.arg = "an id",
	.many = true,
};

static int put_ids(const struct options *o, struct buf *ids)
{
	pg_array_begin(ids);
	for (int i = 0; i < o->nargs; i++) {
		int64_t id;
		if (slice_to_i64(slice_of(o->args[i]), &id) || id < 1)
			return cmd_usage(retry_verb.name, "\"%s\": expected an id", o->args[i]);
		pg_array_i64(ids, id);
	}
	pg_array_end(ids);
	return ids->failed ? cmd_usage(retry_verb.name, "too many ids") : CMD_OK;
}

/* A row that is null is one that still has nowhere to go. */
static int put_back(struct cmd_session *s, const struct pg_arg *args, size_t nargs)
{
	struct err e = {0};
	size_t n = 0, left = 0;
	auto_rows struct pg_rows *rows = NULL;
	if (pg_query(s->pg, SQL_WEBHOOK_RETRY, args, nargs, &e, &rows))
		return cmd_fail(&e);
	for (size_t i = 0; i < pg_count(rows); i++) {
		bool nowhere = pg_null(rows, i, 0);
		left += nowhere;
		n += !nowhere;
		if (!nowhere)
			puts(pg_str(rows, i, 0));
	}
	fprintf(stderr, "gridhub: %zu dead letter%s put back\n", n, n == 1 ? "" : "s");
	if (left)
		fprintf(stderr,
			"gridhub: %zu left dead, for no grid up to the root names an endpoint: "
			"give the grids one or a duty, or set notify.default_endpoint\n",
			left);
	return n ? CMD_OK : CMD_FAILED;
}

static int verb_retry(int argc, char **argv)
{
	struct options o;
	auto_session struct cmd_session s = {0};
	auto_buf struct buf ids, holidays;
	buf_init(&ids, IDS_MAX);
	buf_init(&holidays, CMD_HOLIDAYS_MAX);
	int rc = parse(&retry_verb, argc, argv, &o);
	if (rc >= 0)
		return rc;
	bool some = o.endpoint || o.case_id || o.since_us || o.until_us;
	if ((o.nargs > 0) + o.all_dead + some != 1)
		return cmd_usage(retry_verb.name,
				 "ids, --all-dead, or which: --endpoint, --case, --since, --until");
	rc = put_ids(&o, &ids);
	if (!rc)
		rc = session_open(o.config, &s);
	if (rc)
		return rc;
	(void)cmd_holidays(s.conf, times_now_us(), &holidays); /* bad rules hold no alert back */
	struct pg_arg args[] = {PGA_I(s.district),
				o.nargs ? PGA_S(buf_slice(&ids)) : PGA_NULL,
				o.endpoint ? PGA_STR(o.endpoint) : PGA_NULL,
				cmd_number_or_null(o.case_id),
				cmd_number_or_null(o.since_us),
				cmd_number_or_null(o.until_us),
				PGA_STR(s.conf->time_zone),
				PGA_S(buf_slice(&holidays)),
				cmd_text_or_null(s.conf->notify.default_endpoint)};
	return put_back(&s, args, COUNT_OF(args));
}

/* ---- enable ---- */

#define ENDPOINT_ARG "the name of one endpoint"

static const struct cmd_takes enable_verb = {
	.name = "webhook enable",
	.help = "usage: gridhub webhook enable NAME\n\n"
		"Send to an endpoint again that was disabled because its receiver said 410 Gone. "
		"Alerts "
		"that wait for it go out;\n"
		"those that died with it come back by gridhub webhook retry --endpoint "
		"NAME.\n" CONFIG_HELP,
	.arg = ENDPOINT_ARG,
};

static int verb_enable(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	auto_session struct cmd_session s = {0};
	auto_rows struct pg_rows *rows = NULL;
	int rc = parse(&enable_verb, argc, argv, &o);
	if (rc >= 0)
		return rc;
	rc = session_open(o.config, &s);
	if (rc)
		return rc;
	struct pg_arg args[] = {PGA_I(s.district), PGA_STR(o.args[0])};
	if (pg_query(s.pg, SQL_WEBHOOK_ENABLE, args, COUNT_OF(args), &e, &rows))
		return cmd_fail(&e);
	bool was = pg_affected(rows) > 0;
	fprintf(stderr, "gridhub: endpoint \"%s\" %s\n", o.args[0],
		was ? "is enabled" : "was not disabled");
	return was ? CMD_OK : CMD_FAILED;
}

/* ---- endpoints ---- */

static const struct cmd_takes endpoints_verb = {
	.name = "webhook endpoints",
	.help = "usage: gridhub webhook endpoints\n\n"
		"The endpoints of the configuration as JSON lines: dialect, URL (without what may "
		"be "
		"secret), how many alerts\n"
		"are owed and dead, whether the endpoint is disabled, and what is wrong with its "
		"set-up.\n" CONFIG_HELP,
};

static void put_member(struct buf *b, const char *key, const char *value)
{
	json_put_key(b, key);
	if (value)
		json_put_str(b, slice_of(value));
	else
		buf_puts(b, "null");
}

static int print_endpoint(struct cmd_session *s, const struct endpoint_conf *c)
{
	struct err e = {0}, wrong = {0};
	struct endpoint p = {0};
	auto_rows struct pg_rows *rows = NULL;
	auto_buf struct buf line, url;
	buf_init(&line, 16384);
	buf_init(&url, WEBHOOK_URL_MAX);
	struct pg_arg args[] = {PGA_I(s->district), PGA_STR(c->name)};
	if (pg_query(s->pg, SQL_WEBHOOK_ENDPOINT, args, COUNT_OF(args), &e, &rows))
		return cmd_fail(&e);
	bool bad = endpoint_load(s->conf, c, &wrong, &p) != 0;
	if (!bad)
		endpoint_show_url(&p, &url);
	buf_puts(&line, "{");
	put_member(&line, "endpoint", c->name);
	put_member(&line, "dialect", c->dialect);
	put_member(&line, "url", bad ? NULL : buf_str(&url));
	buf_printf(&line, ",\"secrets\":%zu,\"pending\":%s,\"dead\":%s", p.target.nsecrets,
		   pg_str(rows, 0, 0), pg_str(rows, 0, 1));
	put_member(&line, "disabled_at", pg_null(rows, 0, 2) ? NULL : pg_str(rows, 0, 2));
	put_member(&line, "disabled_reason", pg_null(rows, 0, 3) ? NULL : pg_str(rows, 0, 3));
	put_member(&line, "error", bad ? wrong.msg : NULL);
	printf("%s}\n", buf_str(&line));
	endpoint_done(&p);
	return CMD_OK;
}

static int verb_endpoints(int argc, char **argv)
{
	struct options o;
	auto_session struct cmd_session s = {0};
	int rc = parse(&endpoints_verb, argc, argv, &o);
	if (rc >= 0)
		return rc;
	rc = session_open(o.config, &s);
	for (size_t i = 0; !rc && i < s.conf->nendpoints; i++)
		rc = print_endpoint(&s, &s.conf->endpoints[i]);
	return rc;
}

/* ---- test ---- */

static const struct cmd_takes test_verb = {
	.name = "webhook test",
	.help = "usage: gridhub webhook test ENDPOINT\n\n"
		"Send a message marked as a test (type \"test\") and say what the answer means. "
		"Needs no "
		"database.\n"
		"Prints one JSON line; exit status 0 only if the receiver accepted "
		"it.\n" CONFIG_HELP,
	.arg = ENDPOINT_ARG,
};

static const char *const test_text[] = {
	[LANG_ZH_CN] = "【测试】这是 gridhub 发出的测试消息，无需处理。",
	[LANG_EN] = "[TEST] This is a test message from gridhub; nothing needs to be done.",
};

/* A message that no outbox knows of, with an id of its own. */
static int make_test(const struct endpoint *p, struct notify_job *j)
{
	char id[33];
	auto_buf struct buf alert;
	buf_init(&alert, 4096);
	if (crypto_random_hex(16, id))
		return -EIO;
	buf_puts(&alert, "{\"test\":true,\"text\":");
	json_put_str(&alert, slice_of(test_text[p->target.lang == LANG_EN ? LANG_EN : LANG_ZH_CN]));
	buf_puts(&alert, "}");
	j->state = NOTIFY_SENDING;
	j->created_us = times_now_us();
	j->message_id = arena_copy(&j->mem, slice_of(id));
	j->event = SL("test");
	j->alert = arena_copy(&j->mem, buf_slice(&alert));
	return j->message_id.p && j->alert.p ? 0 : -ENOMEM;
}

static int send_one(const struct sender_request *request, struct sender_result *ret)
{
	struct sender *s = NULL;
	int rc = sender_new(1, &s);
	if (rc)
		return rc;
	rc = sender_start(s, request);
	while (!rc && !sender_take(s, ret)) {
		sender_wait(s, TIMES_SEC);
		sender_work(s);
	}
	sender_free(s);
	return rc;
}

static void print_test(const struct endpoint *p, const struct notify_job *j)
{
	static const char *const names[] = {"accepted", "retry", "dead"};
	auto_buf struct buf line;
	buf_init(&line, 65536);
	buf_puts(&line, "{");
	put_member(&line, "endpoint", p->conf->name);
	put_member(&line, "result", names[j->result]);
	buf_printf(&line, ",\"status\":%d,\"latency_ms\":%lld", j->status,
		   (long long)(j->latency_us / TIMES_MS));
	put_member(&line, "explanation", j->detail);
	json_put_key(&line, "answer");
	json_put_str(&line, (struct slice){j->answer, j->answer_n});
	printf("%s}\n", buf_str(&line));
}

static void explain(const struct endpoint *p, const struct notify_job *j)
{
	static const char *const then[] = {
		[NOTIFY_ACCEPTED] = "an alert would have been delivered",
		[NOTIFY_RETRY] = "an alert would be tried again",
		[NOTIFY_DEAD] = "an alert would be a dead letter",
	};
	auto_buf struct buf url;
	buf_init(&url, WEBHOOK_URL_MAX);
	endpoint_show_url(p, &url);
	fprintf(stderr, "gridhub: %s (%s): ", p->conf->name, buf_str(&url));
	if (j->status)
		fprintf(stderr, "HTTP %d after %lld ms: ", j->status,
			(long long)(j->latency_us / TIMES_MS));
	fprintf(stderr, "%s; %s\n", j->detail, then[j->result]);
}

static int send_test(const struct config *conf, const struct endpoint *p)
{
	struct notify_job j;
	struct sender_request request;
	struct sender_result result = {0};
	int exit_code = CMD_FAILED;
	notify_job_init(&j);
	int rc = make_test(p, &j);
	if (!rc)
		rc = notify_job_compose(&j, p, conf, times_now_us(), &request);
	if (!rc)
		rc = send_one(&request, &result);
	if (!rc)
		notify_job_judge(&j, p, 100, &result);
	if (rc) {
		fprintf(stderr, "gridhub: the test message cannot be sent: %s\n",
			j.detail[0] ? j.detail : strerror(-rc));
	} else {
		print_test(p, &j);
		explain(p, &j);
		exit_code = j.result == NOTIFY_ACCEPTED ? CMD_OK : CMD_FAILED;
	}
	notify_job_done(&j);
	return exit_code;
}

static int verb_test(int argc, char **argv)
{
	struct options o;
	struct err e = {0};
	auto_config struct config *conf = NULL;
	struct endpoint p = {0};
	int rc = parse(&test_verb, argc, argv, &o);
	if (rc >= 0)
		return rc;
	if (config_load(cmd_config_path(o.config), &e, &conf))
		return cmd_fail(&e);
	const struct endpoint_conf *c = config_endpoint(conf, slice_of(o.args[0]));
	if (!c)
		err_set(&e, -ENOENT, "%s has no endpoint \"%s\" (gridhub webhook endpoints)",
			conf->path, o.args[0]);
	if (!c || endpoint_load(conf, c, &e, &p))
		return cmd_fail(&e);
	rc = send_test(conf, &p);
	endpoint_done(&p);
	return rc;
}

int cmd_webhook(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"list", "alerts owed and dead, or every attempt", verb_list},
		{"retry", "put dead letters back", verb_retry},
		{"test", "send a test message and explain the answer", verb_test},
		{"endpoints", "the configured receivers and their state", verb_endpoints},
		{"enable", "send to a disabled endpoint again", verb_enable},
	};
	return cmd_verbs("webhook", "Alerts on their way to grid leaders.", verbs, COUNT_OF(verbs),
			 argc, argv);
}
