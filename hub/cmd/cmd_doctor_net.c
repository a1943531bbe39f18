/* gridhub doctor: brokers and receivers, as they are reached from this machine. */
#include "cmd_doctor.h"
#include "endpoint.h"
#include "mqtt_probe.h"
#include "sender_probe.h"
#include "times.h"

#define LISTEN_US (1500 * TIMES_MS)
#define CERT_FILE_MAX ((size_t)1 << 20)

/* ---- brokers ---- */

static void say_file(struct doctor *d, const char *subject, const char *whose, const char *path)
{
	auto_free char *pem = NULL;
	size_t n;
	struct err e = {0};
	if (!path)
		return;
	if (file_read(path, CERT_FILE_MAX, &pem, &n, &e))
		doctor_say(d, DOCTOR_FAIL, "broker", subject, "may the hub's user read it?", "%s",
			   e.msg);
	else
		doctor_certificate(d, "broker", subject, whose, (struct slice){pem, n});
}

static void say_server_certificate(struct doctor *d, const struct broker_conf *b)
{
	auto_buf struct buf url;
	struct sender_probe *p = mem_new(sizeof *p);
	if (!p)
		return;
	buf_init(&url, 4096);
	buf_printf(&url, "https://%s", strstr(b->url, "://") + 3);
	if (!strchr(strstr(b->url, "://") + 3, ':'))
		buf_puts(&url, ":8883");
	*p = (struct sender_probe){.url = buf_str(&url),
				   .ca_file = b->ca_file,
				   .cert_file = b->cert_file,
				   .key_file = b->key_file};
	if (!sender_probe(p, 1, DOCTOR_WAIT_US) && p->certificate[0])
		doctor_certificate(d, "broker", b->name, "its", slice_of(p->certificate));
	free(p);
}

static void say_limits(struct doctor *d, const struct broker_conf *b, const struct mqtt_probe *p)
{
	if (p->dropped > 0)
		doctor_say(d, DOCTOR_WARN, "broker", b->name,
			   "mosquitto: max_queued_messages 2000000, max_inflight_messages 8000, "
			   "persistence true; is a hub away for long, or another client slow?",
			   "it has dropped %lld messages since it started %lld s ago",
			   (long long)p->dropped, (long long)p->uptime_s);
	if (p->packet_max > 0 && p->packet_max < d->conf->intake.max_payload)
		doctor_say(
			d, DOCTOR_WARN, "broker", b->name,
			"raise its limit (mosquitto: max_packet_size), or lower intake.max_payload",
			"it takes packets of at most %lld bytes, intake.max_payload is %lld",
			(long long)p->packet_max, (long long)d->conf->intake.max_payload);
	if (p->connected && !p->sys)
		doctor_say(d, DOCTOR_WARN, "broker", b->name,
			   "let this user read $SYS/broker/# (an ACL?), so that drops are noticed",
			   "it tells nothing of itself in $SYS");
}

static void say_broker(struct doctor *d, const struct broker_conf *b)
{
	struct mqtt_probe p;
	bool tls = slice_starts(slice_of(b->url), "mqtts://");
	mqtt_probe(b, DOCTOR_WAIT_US, LISTEN_US, &p);
	if (!p.connected)
		doctor_say(d, DOCTOR_FAIL, "broker", b->name,
			   "is it up, reachable from here, and are user, password and certificates "
			   "right? (the client id CLIENT_ID-doctor must be allowed, too)",
			   "%s: %s", b->url, p.why);
	else
		doctor_say(d, DOCTOR_OK, "broker", b->name, NULL, "%s: connected%s%s", b->url,
			   p.version[0] ? ", " : "", p.version);
	say_limits(d, b, &p);
	if (tls)
		say_server_certificate(d, b);
	say_file(d, b->name, "the CA's", b->ca_file);
	say_file(d, b->name, "our client", b->cert_file);
}

void doctor_brokers(struct doctor *d)
{
	int64_t deadline = times_mono_us() + 4 * DOCTOR_WAIT_US;
	if (!d->conf->nbrokers)
		doctor_say(d, DOCTOR_WARN, "broker", "", "configure one: mqtt", "none");
	for (size_t i = 0; i < d->conf->nbrokers; i++) {
		if (times_mono_us() < deadline)
			say_broker(d, &d->conf->brokers[i]);
		else
			doctor_say(d, DOCTOR_WARN, "broker", d->conf->brokers[i].name,
				   "mend the others first", "not looked at: time ran out");
	}
}

/* ---- receivers ---- */

static void say_record(struct doctor *d, const char *name)
{
	struct pg_arg args[] = {PGA_I(d->district_id), PGA_STR(name)};
	auto_rows struct pg_rows *rows = NULL;
	struct err e = {0};
	if (!d->district_id || pg_query(d->pg, SQL_DOCTOR_ENDPOINT, args, 2, &e, &rows))
		return;
	if (!pg_null(rows, 0, 2))
		doctor_say(d, DOCTOR_FAIL, "endpoint", name,
			   "mend the receiver, then gridhub webhook enable",
			   "disabled since %.19s: %.200s", pg_str(rows, 0, 2), pg_str(rows, 0, 3));
	int64_t owed = pg_i64(rows, 0, 0), dead = pg_i64(rows, 0, 1), tries = pg_i64(rows, 0, 4);
	if (dead)
		doctor_say(d, DOCTOR_WARN, "endpoint", name,
			   "gridhub webhook list --dead, then gridhub webhook retry",
			   "%lld alerts to it are dead", (long long)dead);
	if (tries >= 3)
		doctor_say(d, DOCTOR_WARN, "endpoint", name,
			   "gridhub webhook list --attempts says what it answered",
			   "%lld alerts wait for it, after up to %lld attempts", (long long)owed,
			   (long long)tries);
}

static void say_probe(struct doctor *d, const char *name, const struct sender_probe *p)
{
	if (!p->asked)
		doctor_say(d, DOCTOR_WARN, "endpoint", name, "mend the others first",
			   "no answer by the time that all of them have together");
	else if (!p->connected)
		doctor_say(d, DOCTOR_FAIL, "endpoint", name,
			   "does its name resolve here, is the way open, is its address in "
			   "notify.allow_addresses, is its certificate signed by ca_file?",
			   "%s", p->why);
	else
		doctor_say(d, DOCTOR_OK, "endpoint", name, NULL, "%s answers", p->address);
	if (p->certificate[0])
		doctor_certificate(d, "endpoint", name, "its", slice_of(p->certificate));
}

void doctor_endpoints(struct doctor *d)
{
	const struct config *c = d->conf;
	struct endpoint *all = calloc(MAX_OF(c->nendpoints, (size_t)1), sizeof *all);
	struct sender_probe *probes = calloc(MAX_OF(c->nendpoints, (size_t)1), sizeof *probes);
	size_t *which = calloc(MAX_OF(c->nendpoints, (size_t)1), sizeof *which);
	size_t n = 0;
	if (!c->nendpoints)
		doctor_say(d, DOCTOR_WARN, "endpoint", "", "configure one: endpoints",
			   "none: nobody is told of anything");
	for (size_t i = 0; all && probes && which && i < c->nendpoints; i++) {
		struct err e = {0};
		if (endpoint_load(c, &c->endpoints[i], &e, &all[i])) {
			doctor_say(d, DOCTOR_FAIL, "endpoint", c->endpoints[i].name,
				   "mend it: the hub would not start", "%s", e.msg);
			continue;
		}
		probes[n] =
			(struct sender_probe){.url = all[i].url,
					      .ca_file = c->endpoints[i].ca_file,
					      .guard = all[i].literal ? NULL : &c->notify.allowed};
		which[n++] = i;
	}
	if (n && sender_probe(probes, n, 2 * DOCTOR_WAIT_US))
		doctor_say(d, DOCTOR_FAIL, "endpoint", "", NULL, "out of memory");
	for (size_t i = 0; i < n; i++)
		say_probe(d, c->endpoints[which[i]].name, &probes[i]);
	for (size_t i = 0; i < c->nendpoints; i++)
		say_record(d, c->endpoints[i].name);
	for (size_t i = 0; all && i < c->nendpoints; i++)
		endpoint_done(&all[i]);
	free(all);
	free(probes);
	free(which);
}
