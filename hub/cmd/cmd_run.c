/* gridhub run: the daemon. Main thread: start and stop order, signals. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "cmd_options.h"
#include "engine.h"
#include "health.h"
#include "http.h"
#include "log.h"
#include "metrics.h"
#include "mqtt.h"
#include "notify.h"
#include "patrol.h"
#include "ready.h"
#include "times.h"

#define DRAIN_US (20 * TIMES_SEC) /* for the engine to work off the spool at the end */

static const char help[] =
	"usage: gridhub run [--config FILE]\n\n"
	"Run the hub: messages from MQTT brokers into the spool, readings and cases into "
	"PostgreSQL, alerts to\n"
	"grid leaders. Logs are logfmt on stderr.\n\n"
	"Signals: SIGTERM, SIGINT stop intake, work off the spool, finish alerts under way and "
	"exit; a second one exits\n"
	"at once (nothing is lost: the rest stands in the spool and the outbox). SIGHUP reads "
	"rules, "
	"endpoints (with their secrets), notify.* but for concurrency and "
	"default_endpoint,\n"
	"and the tokens of the API again and keeps the old ones if the new are bad.\n\n"
	"Under systemd (Type=notify) it says when it takes messages in, how it is, and that no "
	"thread "
	"is stuck.\n\n"
	"Environment: GRIDHUB_CONFIG (file), PGPASSWORD (if database.password_file is not set).\n\n"
	"A configuration to begin with:\n\n"
	"  district: qixia\n"
	"  database: {conninfo: host=127.0.0.1 dbname=gridhub user=gridhub, password_file: "
	"db.password}\n"
	"  mqtt:\n"
	"    - name: street\n"
	"      url: mqtt://127.0.0.1:1883\n"
	"      client_id: gridhub-1\n"
	"      subscriptions:\n"
	"        - {topic: city/v1/#, adapter: hub}\n"
	"        - {topic: zigbee2mqtt/#, adapter: zigbee2mqtt}\n"
	"  endpoints:\n"
	"    - {name: leader, url: https://receiver.example/hook, secret_file: leader.secret}\n"
	"  notify: {default_endpoint: leader}\n\n"
	"Settings in the configuration file (YAML):\n\n";

struct hub {
	const struct config *conf;
	struct rules *rules;
	struct spool *spool;
	struct engine *engine;
	struct notify *notify;
	struct http *http;
	struct patrol *patrol;
	struct mqtt *mqtt;
	pthread_t main_thread;
	_Atomic bool fatal, stopping;
	bool supervised;
	struct ready ready;
};

static void on_owed(void *ctx)
{
	struct hub *h = ctx;
	notify_wake(h->notify);
}

/* Something cannot go on; leave as after SIGTERM, but with status 1. */
static void on_fatal(void *ctx, const char *why)
{
	struct hub *h = ctx;
	log_error("run", KM("cannot go on"), KS("why", why));
	h->fatal = true;
	if (!h->stopping) /* a second signal would end it at once */
		/* NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c): it sigwaits */
		pthread_kill(h->main_thread, SIGTERM);
}

static void on_let_go(void *ctx, const int64_t *ids, size_t n)
{
	struct hub *h = ctx;
	engine_let_go(h->engine, ids, n);
}

static void on_take_over(void *ctx, struct pg_rows *rule_states)
{
	struct hub *h = ctx;
	engine_take_over(h->engine, rule_states);
}

static int report_rules(const struct rule_report *report)
{
	struct slice rest = buf_slice(&report->warnings), line;
	while (rest.n && slice_cut(&rest, '\n', &line))
		if (line.n)
			log_warn("rules", KM("warning"), KSL("at", line));
	rest = buf_slice(&report->errors);
	while (rest.n && slice_cut(&rest, '\n', &line))
		if (line.n)
			log_error("rules", KM("error"), KSL("at", line));
	return report->nerrors ? -EINVAL : 0;
}

static int load_rules(const struct config *c, struct rules **ret)
{
	const char *dir = c->rules.dir;
	struct rule_report report;
	rule_report_init(&report);
	int r = rules_load(dir, &report, ret);
	if (!r)
		rules_warn(*ret, c->database.keep_readings_us, times_now_us(), &report);
	report_rules(&report);
	rule_report_done(&report);
	if (r)
		log_error("rules", KM("cannot load"), KS("dir", dir), KS("error", strerror(-r)));
	else
		log_info("rules", KM("loaded"), KS("dir", dir), KI("rules", rules_count(*ret)));
	return r;
}

static void reload_rules(struct hub *h)
{
	struct rules *fresh = NULL;
	if (load_rules(h->conf, &fresh)) {
		metric_add(M_RULE_RELOADS_BAD, 1);
		health_set(HEALTH_RULES, HEALTH_DEGRADED,
			   "the new rules are bad, the old ones stay in force (see the log)");
		return;
	}
	engine_use_rules(h->engine, fresh);
	notify_use_rules(h->notify, fresh);
	rules_unref(h->rules);
	h->rules = fresh;
	metric_add(M_RULE_RELOADS, 1);
	health_set(HEALTH_RULES, HEALTH_OK, NULL);
}

static void reload_endpoints(struct hub *h)
{
	struct err e = {0};
	if (notify_reload_endpoints(h->notify, &e))
		log_error("run", KM("the new endpoints are bad, the old ones stay in force"),
			  KS("error", e.msg));
}

static void reload_probe(struct hub *h)
{
	struct err e = {0};
	if (patrol_reload(h->patrol, &e))
		log_error("run",
			  KM("the new settings of probe are bad, the old ones stay in force"),
			  KS("error", e.msg));
}

static void reload_tokens(struct hub *h)
{
	struct err e = {0};
	if (http_reload(h->http, &e))
		log_error("run", KM("the new tokens are bad, the old ones stay in force"),
			  KS("error", e.msg));
}

/* From the end of the path to its beginning, so that each part finds the next one ready. */
static int start(struct hub *h, struct err *e)
{
	const struct config *c = h->conf;
	struct spool_conf sc = {.dir = c->spool.dir,
				.sync = (enum spool_sync)c->spool.sync,
				.sync_interval_us = c->spool.sync_interval_us,
				.segment_bytes = c->spool.segment_bytes,
				.max_bytes = c->spool.max_bytes,
				.keep_bytes = c->spool.max_bytes / 100 * c->spool.keep_pct};
	struct engine_hooks hooks = {.ctx = h, .owed = on_owed, .fatal = on_fatal};
	int r = load_rules(c, &h->rules);
	if (r)
		return err_set(e, r, "%s: the rules cannot be used (see above)", c->rules.dir);
	health_set(HEALTH_RULES, HEALTH_OK, NULL);
	r = http_start(c, e, &h->http);
	if (!r)
		r = spool_open(&sc, e, &h->spool);
	if (!r)
		r = notify_start(c, h->rules, e, &h->notify);
	if (!r)
		r = engine_start(c, h->spool, h->rules, &hooks, e, &h->engine);
	struct patrol_hooks looks = {.ctx = h, .let_go = on_let_go, .take_over = on_take_over};
	if (!r)
		r = patrol_start(c, h->spool, &looks, e, &h->patrol);
	if (!r)
		r = mqtt_start(c, h->spool, e, &h->mqtt);
	return r;
}

static void stop(struct hub *h)
{
	bool let_go = mqtt_stop(h->mqtt);
	notify_stop_soon(h->notify);
	patrol_stop(h->patrol);
	engine_stop(h->engine, h->fatal ? 0 : DRAIN_US);
	notify_stop(h->notify);
	http_stop(h->http);
	if (let_go)
		spool_close(h->spool);
	rules_unref(h->rules);
}

static void block_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ret_set, NULL); /* before any thread: all inherit it */
}

static void second_signal(int sig)
{
	(void)sig;
	_exit(CMD_FAILED);
}

/* Between signals a supervisor is told how things are, if there is one. */
static int next_signal(struct hub *h, const sigset_t *set)
{
	for (;;) {
		int sig = 0;
		if (!h->supervised && sigwait(set, &sig) == 0)
			return sig;
		int64_t wait_us = ready_tick(&h->ready);
		struct timespec ts = {.tv_sec = wait_us / TIMES_SEC,
				      .tv_nsec = wait_us % TIMES_SEC * 1000};
		sig = sigtimedwait(set, NULL, &ts);
		if (sig > 0)
			return sig;
	}
}

static void wait_for_end(struct hub *h, const sigset_t *set)
{
	int sig = 0;
	while ((sig = next_signal(h, set)) == SIGHUP) {
		ready_reloading();
		reload_rules(h);
		reload_endpoints(h);
		reload_tokens(h);
		reload_probe(h);
		ready_reloaded(&h->ready);
	}
	h->stopping = true;
	ready_stopping();
	log_info("run", KM("stopping"), KS("signal", sig == SIGINT ? "SIGINT" : "SIGTERM"));
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	signal(SIGTERM, second_signal);
	signal(SIGINT, second_signal);
	pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
}

static int run(const char *config_path)
{
	struct err e = {0};
	auto_config struct config *c = NULL;
	sigset_t set;
	block_signals(&set);
	if (config_load(cmd_config_path(config_path), &e, &c))
		return cmd_fail(&e);
	log_set_level((enum log_level)c->log.level);
	setenv("TZ", c->time_zone, 1);
	tzset();
	struct hub h = {.conf = c, .main_thread = pthread_self()};
	log_info("run", KM("starting"), KS("version", GRIDHUB_VERSION), KS("config", c->path),
		 KS("district", c->district));
	if (start(&h, &e)) {
		log_error("run", KM("cannot start"), KS("error", e.msg));
		h.fatal = true;
		stop(&h);
		return CMD_FAILED;
	}
	log_info("run", KM("started"), KS("spool", spool_id(h.spool)), KI("brokers", c->nbrokers),
		 KI("endpoints", c->nendpoints));
	h.supervised = ready_begin(&h.ready);
	wait_for_end(&h, &set);
	stop(&h);
	log_info("run", KM("stopped"));
	return h.fatal ? CMD_FAILED : CMD_OK;
}

/* -1 = go on, else exit with it. */
static int parse(int argc, char **argv, const char **ret_config)
{
	auto_buf struct buf text; /* with all that the configuration may say */
	buf_init(&text, 131072);
	buf_puts(&text, help);
	config_reference(&text);
	const struct cmd_takes takes = {.name = "run", .help = buf_str(&text)};
	return cmd_parse(&takes, argc, argv, NULL, ret_config);
}

int cmd_run(int argc, char **argv)
{
	const char *config = NULL;
	int r = parse(argc, argv, &config);
	return r >= 0 ? r : run(config);
}
