#include "config_table.h"

#include "log.h"
#include "times.h"

/* DESIGN: one table a section. The tables bind the file to the structs, give the defaults, check
 * the ranges and are the reference that people read; nothing about a setting stands anywhere else.
 */

static const char *const sync_names[] = {"os", "interval", "always", NULL};
static const char *const unknown_names[] = {"keep", "register", NULL};
static const char *const languages[] = {"zh-CN", "en", NULL}; /* in the order of enum lang */
static const char *const endpoint_languages[] = {"zh-CN", "en", "hub", NULL};

#define YEARS(n) ((n)*365 * TIMES_DAY)
#define AT(member) offsetof(struct config, member)

static const struct yaml_field root_fields[] = {
	{"district", YAML_T_STR, offsetof(struct config_root, district), NULL, 0, 0, NULL,
	 "Name of the district; stands in every key of the database"},
	{"language", YAML_T_ENUM, offsetof(struct config_root, lang), "zh-CN", 0, 0, languages,
	 "Language of what a grid leader reads"},
	{"time_zone", YAML_T_STR, offsetof(struct config_root, time_zone), "Asia/Shanghai", 0, 0,
	 NULL, "Zone of the times a grid leader reads (a name from /usr/share/zoneinfo)"},
	{"log", YAML_T_NODE, offsetof(struct config_root, section[S_LOG]), "", 0, 0, NULL, ""},
	{"database", YAML_T_NODE, offsetof(struct config_root, section[S_DATABASE]), "", 0, 0, NULL,
	 ""},
	{"spool", YAML_T_NODE, offsetof(struct config_root, section[S_SPOOL]), "", 0, 0, NULL, ""},
	{"mqtt", YAML_T_NODE, offsetof(struct config_root, section[S_MQTT]), "", 0, 0, NULL, ""},
	{"intake", YAML_T_NODE, offsetof(struct config_root, section[S_INTAKE]), "", 0, 0, NULL,
	 ""},
	{"rules", YAML_T_NODE, offsetof(struct config_root, section[S_RULES]), "", 0, 0, NULL, ""},
	{"notify", YAML_T_NODE, offsetof(struct config_root, section[S_NOTIFY]), "", 0, 0, NULL,
	 ""},
	{"endpoints", YAML_T_NODE, offsetof(struct config_root, section[S_ENDPOINTS]), "", 0, 0,
	 NULL, ""},
	{"probe", YAML_T_NODE, offsetof(struct config_root, section[S_PROBE]), "", 0, 0, NULL, ""},
	{"http", YAML_T_NODE, offsetof(struct config_root, section[S_HTTP]), "", 0, 0, NULL, ""},
};

static const struct yaml_field log_fields[] = {
	{"level", YAML_T_ENUM, AT(log.level), "info", 0, 0, log_level_names,
	 "Least important lines to write"},
};

static const struct yaml_field database_fields[] = {
	{"conninfo", YAML_T_STR, AT(database.conninfo), NULL, 0, 0, NULL,
	 "libpq connection string, without a password: \"host=… dbname=… user=…\"; of several "
	 "hosts "
	 "(host=a,b) the first that "
	 "may be written"},
	{"password_file", YAML_T_STR, AT(database.password_file), "", 0, 0, NULL,
	 "File with the password; else PGPASSWORD or ~/.pgpass"},
	{"migrate", YAML_T_BOOL, AT(database.migrate), "true", 0, 0, NULL,
	 "Bring the schema up to date at start; else `gridhub migrate` does it"},
	{"timeout", YAML_T_DURATION, AT(database.timeout_us), "30s", TIMES_SEC, TIMES_HOUR, NULL,
	 "Deadline of one request; then the connection is given up and made anew"},
	{"keep_readings", YAML_T_DURATION, AT(database.keep_readings_us), "90d", TIMES_DAY,
	 YEARS(100), NULL, "Readings older than this are dropped, a day's partition at a time"},
	{"keep_deliveries", YAML_T_DURATION, AT(database.keep_deliveries_us), "365d", TIMES_DAY,
	 YEARS(100), NULL,
	 "Attempts to deliver alerts, and dead letters, older than this are forgotten"},
	{"keep_cases", YAML_T_DURATION, AT(database.keep_cases_us), "3650d", TIMES_DAY, YEARS(100),
	 NULL, "Cases closed longer ago than this are dropped with their history"},
	{"backup_every", YAML_T_DURATION, AT(database.backup_every_us), "2d", 0, YEARS(1), NULL,
	 "gridhub doctor warns when the last gridhub backup is older; 0 = others make backups"},
};

static const struct yaml_field spool_fields[] = {
	{"dir", YAML_T_STR, AT(spool.dir), "/var/lib/gridhub/spool", 0, 0, NULL,
	 "Folder of the spool"},
	{"sync", YAML_T_ENUM, AT(spool.sync), "os", 0, 0, sync_names,
	 "What an acknowledged message survives: os = a killed process, interval = a power cut but "
	 "for the last "
	 "sync_interval, always = a power cut"},
	{"sync_interval", YAML_T_DURATION, AT(spool.sync_interval_us), "1s", 10 * TIMES_MS,
	 TIMES_MIN, NULL, "With sync: interval, time between two syncs"},
	{"segment_size", YAML_T_SIZE, AT(spool.segment_bytes), "64M", 1 << 20, INT64_C(1) << 31,
	 NULL, "Size at which a new segment file is begun"},
	{"max_size", YAML_T_SIZE, AT(spool.max_bytes), "8G", 4 << 20, INT64_C(1) << 50, NULL,
	 "Limit of the whole spool; near it the hub leaves the brokers (and keeps its session) "
	 "until there is room"},
	{"keep_percent", YAML_T_INT, AT(spool.keep_pct), "10", 0, 30, NULL,
	 "Of max_size: what is committed stays so long as the spool is not larger, for backups and "
	 "for a database that comes back older than it was"},
};

static const struct yaml_field intake_fields[] = {
	{"max_payload", YAML_T_SIZE, AT(intake.max_payload), "256K", 1024, 16 << 20, NULL,
	 "Larger payloads are refused (and kept aside, cut)"},
	{"unknown", YAML_T_ENUM, AT(intake.unknown), "keep", 0, 0, unknown_names,
	 "A message from a device that is not in the registry: keep it aside, or register the "
	 "device in the holding grid"},
	{"holding_grid", YAML_T_STR, AT(intake.holding_grid), "holding", 0, 0, NULL,
	 "Code of the grid for devices that registered themselves; made if it is missing"},
	{"unknown_max", YAML_T_INT, AT(intake.unknown_max), "1000", 0, 1000000, NULL,
	 "Unknown devices kept aside, and devices that may register themselves; more are only "
	 "counted"},
	{"rejected_max", YAML_T_INT, AT(intake.rejected_max), "1000", 0, 1000000, NULL,
	 "Refused messages kept aside; the oldest go first"},
	{"late", YAML_T_DURATION, AT(intake.late_us), "1h", 0, YEARS(10), NULL,
	 "A device's own time is believed if it is at most this much before arrival"},
	{"ahead", YAML_T_DURATION, AT(intake.ahead_us), "1m", 0, TIMES_DAY, NULL,
	 "… and at most this much after it; else the time of arrival counts"},
	{"batch_records", YAML_T_INT, AT(intake.batch_records), "10000", 1, 100000, NULL,
	 "Messages in one transaction, at most"},
	{"batch_time", YAML_T_DURATION, AT(intake.batch_us), "200ms", TIMES_MS, 10 * TIMES_SEC,
	 NULL, "… or all that came in so long; an alert waits as long, too"},
};

static const struct yaml_field rules_fields[] = {
	{"dir", YAML_T_STR, AT(rules.dir), "/etc/gridhub/rules", 0, 0, NULL,
	 "Folder of the rule packs (*.yaml)"},
};

static const struct yaml_field notify_fields[] = {
	{"default_endpoint", YAML_T_STR, AT(notify.default_endpoint), "", 0, 0, NULL,
	 "Endpoint of grids that have none up to the root"},
	{"concurrency", YAML_T_INT, AT(notify.concurrency), "64", 1, 1000, NULL,
	 "Requests under way at once"},
	{"connect_timeout", YAML_T_DURATION, AT(notify.connect_timeout_us), "5s", 100 * TIMES_MS,
	 TIMES_MIN, NULL, "Time to connect to a receiver"},
	{"lease", YAML_T_DURATION, AT(notify.lease_us), "90s", 5 * TIMES_SEC, TIMES_HOUR, NULL,
	 "An alert taken by a hub that died is taken by another after this; longer than any "
	 "endpoint's timeout"},
	{"stop_grace", YAML_T_DURATION, AT(notify.stop_grace_us), "10s", 0, 10 * TIMES_MIN, NULL,
	 "Time for requests under way to end when the hub stops"},
	{"group_wait", YAML_T_DURATION, AT(notify.group_wait_us), "30s", 0, TIMES_HOUR, NULL,
	 "After an alert, further ones of the same kind, grid and receiver wait so long (urgent "
	 "ones half "
	 "of it) and come as one digest; four times as long after each; 0: each by itself, at "
	 "once"},
	{"group_interval", YAML_T_DURATION, AT(notify.group_interval_us), "5m", TIMES_SEC,
	 TIMES_DAY, NULL, "… but at most so long; after so long without any the next goes at once"},
	{"retry_scale", YAML_T_INT, AT(notify.retry_scale_pct), "100", 1, 1000, NULL,
	 "Per cent of the retry schedule's waits (5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h "
	 "… 3 days)"},
	{"allow_http", YAML_T_BOOL, AT(notify.allow_http), "false", 0, 0, NULL,
	 "Allow http:// to hosts that are not this machine"},
	{"allow_addresses", YAML_T_NODE, AT(notify.allow_addresses), "", 0, 0, NULL,
	 "List of ranges (10.0.0.0/8) beside the public Internet that the host names of endpoints "
	 "may "
	 "lead to; an address written in a URL is always taken"},
	{"case_url", YAML_T_STR, AT(notify.case_url), "", 0, 0, NULL,
	 "Link put into alerts; {case} is replaced by the case's number"},
};

static const struct yaml_field probe_fields[] = {
	{"enabled", YAML_T_BOOL, AT(probe.enabled), "true", 0, 0, NULL,
	 "Look at the streams of the registry; without any stream nothing is started"},
	{"processes", YAML_T_INT, AT(probe.processes), "2", 1, 16, NULL,
	 "Worker processes: one that a broken stream brings down takes its share of looks with it"},
	{"threads", YAML_T_INT, AT(probe.threads), "64", 1, 512, NULL,
	 "Looks at once in each of them"},
	{"memory", YAML_T_SIZE, AT(probe.memory_bytes), "1G", 64 << 20, INT64_C(1) << 40, NULL,
	 "Memory of a worker process; it ends beyond that and is started anew"},
	{"deadline", YAML_T_DURATION, AT(probe.deadline_us), "10s", TIMES_SEC, TIMES_MIN, NULL,
	 "Until a keyframe must be there, its name resolved and all"},
	{"watch", YAML_T_DURATION, AT(probe.watch_us), "10s", TIMES_SEC, TIMES_MIN, NULL,
	 "How long a stream is watched for its frame rate and bit rate"},
	{"reach_every", YAML_T_DURATION, AT(probe.reach_every_us), "60s", 0, TIMES_DAY, NULL,
	 "Time between two looks whether it can be connected to; 0: never"},
	{"keyframe_every", YAML_T_DURATION, AT(probe.keyframe_every_us), "5m", TIMES_SEC, TIMES_DAY,
	 NULL, "… whether a keyframe comes, which is what online means"},
	{"picture_every", YAML_T_INT, AT(probe.picture_every), "6", 0, 1000000, NULL,
	 "Of so many of those, one is decoded and measured; 0: none"},
	{"watch_every", YAML_T_DURATION, AT(probe.watch_every_us), "2h", 0, 7 * TIMES_DAY, NULL,
	 "… what frame rate and bit rate it has; 0: only where something is suspicious"},
	{"retry", YAML_T_DURATION, AT(probe.retry_us), "15s", 100 * TIMES_MS, 10 * TIMES_MIN, NULL,
	 "A look that fails is repeated after so long, then after twice that; only if these fail, "
	 "too, is the camera offline"},
	{"per_host", YAML_T_INT, AT(probe.per_host), "2", 1, 64, NULL,
	 "Sessions at once at a camera or recorder"},
	{"per_server", YAML_T_INT, AT(probe.per_server), "32", 1, 1024, NULL,
	 "… at a host of probe.servers"},
	{"servers", YAML_T_NODE, AT(probe.servers_list), "", 0, 0, NULL,
	 "List of hosts (media.example or media.example:8554) that are media servers"},
	{"connects_per_s", YAML_T_INT, AT(probe.connects_per_s), "200", 1, 10000, NULL,
	 "Connections made in a second, in all"},
	{"allow_addresses", YAML_T_NODE, AT(probe.allow_addresses), "", 0, 0, NULL,
	 "List of ranges (10.0.0.0/8) beside the public Internet that streams may be at; cameras "
	 "in "
	 "a network of their own are only looked at if it stands here"},
	{"ca_file", YAML_T_STR, AT(probe.ca_file), "", 0, 0, NULL,
	 "PEM of the CA to check rtsps and https against; else the system's"},
	{"tls_verify", YAML_T_BOOL, AT(probe.tls_verify), "true", 0, 0, NULL,
	 "Check certificates; cameras with one of their own making need false"},
	{"canary", YAML_T_STR, AT(probe.canary), "", 0, 0, NULL,
	 "URL of a stream of your own that always plays, without a password: if it fails, the "
	 "prober is at fault, and nothing is said of cameras"},
	{"night", YAML_T_STR, AT(probe.night), "sun", 0, 0, NULL,
	 "When a camera has its usual values of the night: sun (by its place), or 19:00-06:00"},
	{"snapshot_keep", YAML_T_DURATION, AT(probe.snapshot_keep_us), "30d", TIMES_HOUR, YEARS(10),
	 NULL, "Pictures kept as evidence are dropped after this, once their case is closed"},
	{"snapshot_max", YAML_T_SIZE, AT(probe.snapshot_max), "2G", 1 << 20, INT64_C(1) << 45, NULL,
	 "… and the oldest ones beyond so much in all"},
};

static const struct yaml_field http_fields[] = {
	{"listen", YAML_T_STR, AT(http.listen), "127.0.0.1:8470", 0, 0, NULL,
	 "Address of /health, /metrics and the API; empty quotes for none"},
	{"token_file", YAML_T_STR, AT(http.token_file), "", 0, 0, NULL,
	 "File with the token of the API (/api/v1/silences; see hub/http/README.md), two lines "
	 "while "
	 "it is changed; "
	 "without it there is no API"},
	{"max_connections", YAML_T_INT, AT(http.max_connections), "64", 1, 10000, NULL,
	 "Connections at once"},
};

static const struct yaml_field broker_fields[] = {
	{"name", YAML_T_STR, offsetof(struct broker_conf, name), NULL, 0, 0, NULL,
	 "What logs and the spool call it"},
	{"url", YAML_T_STR, offsetof(struct broker_conf, url), NULL, 0, 0, NULL,
	 "mqtt://host:port or mqtts://host:port"},
	{"version", YAML_T_INT, offsetof(struct broker_conf, version), "5", 3, 5, NULL,
	 "5, or 3 for MQTT 3.1.1"},
	{"client_id", YAML_T_STR, offsetof(struct broker_conf, client_id), NULL, 0, 0, NULL,
	 "Fixed, and one of its own for each hub: the broker keeps the session under it"},
	{"username", YAML_T_STR, offsetof(struct broker_conf, username), "", 0, 0, NULL,
	 "Name to log in with; none if the certificate says who the hub is"},
	{"password_file", YAML_T_STR, offsetof(struct broker_conf, password_file), "", 0, 0, NULL,
	 "File with the password, read anew whenever the hub connects"},
	{"ca_file", YAML_T_STR, offsetof(struct broker_conf, ca_file), "", 0, 0, NULL,
	 "PEM of the CA that the broker's certificate is checked against; else the system's"},
	{"cert_file", YAML_T_STR, offsetof(struct broker_conf, cert_file), "", 0, 0, NULL,
	 "Client certificate (PEM)"},
	{"key_file", YAML_T_STR, offsetof(struct broker_conf, key_file), "", 0, 0, NULL,
	 "Its key (PEM)"},
	{"keepalive", YAML_T_DURATION, offsetof(struct broker_conf, keepalive_us), "60s",
	 10 * TIMES_SEC, TIMES_HOUR, NULL,
	 "Time without traffic after which the broker is asked for a sign of life"},
	{"session_expiry", YAML_T_DURATION, offsetof(struct broker_conf, session_expiry_us), "7d",
	 0, YEARS(1), NULL,
	 "How long the broker keeps what comes in while the hub is away (MQTT 5)"},
	{"receive_maximum", YAML_T_INT, offsetof(struct broker_conf, receive_maximum), "8000", 1,
	 65535, NULL, "Messages under way to the hub at once (MQTT 5)"},
	{"subscriptions", YAML_T_NODE, offsetof(struct broker_conf, subscriptions), NULL, 0, 0,
	 NULL, "List of topic, adapter and qos"},
};

static const struct yaml_field subscription_fields[] = {
	{"topic", YAML_T_STR, offsetof(struct subscription_conf, topic), NULL, 0, 0, NULL,
	 "MQTT filter; $share/GROUP/FILTER to share it with other hubs"},
	{"adapter", YAML_T_STR, offsetof(struct subscription_conf, adapter), NULL, 0, 0, NULL,
	 "Dialect of these topics: a device adapter (gridhub decode --help lists them)"},
	{"qos", YAML_T_INT, offsetof(struct subscription_conf, qos), "1", 0, 1, NULL,
	 "1 is what the guarantees are made for; 2 is not offered, for a killed process would lose "
	 "messages with it"},
};

static const struct yaml_field endpoint_fields[] = {
	{"name", YAML_T_STR, offsetof(struct endpoint_conf, name), NULL, 0, 0, NULL,
	 "What grids call it"},
	{"url", YAML_T_STR, offsetof(struct endpoint_conf, url), "", 0, 0, NULL,
	 "Where to; or url_file"},
	{"url_file", YAML_T_STR, offsetof(struct endpoint_conf, url_file), "", 0, 0, NULL,
	 "File with the URL, when there is a key in it"},
	{"dialect", YAML_T_STR, offsetof(struct endpoint_conf, dialect), "standard", 0, 0, NULL,
	 "standard, cloudevents, alertmanager, wecom, dingtalk, feishu, slack, pagerduty, ntfy, "
	 "gotify or template"},
	{"secret_file", YAML_T_STR, offsetof(struct endpoint_conf, secret_file), "", 0, 0, NULL,
	 "File with the secret (standard: whsec_…; two lines, the newer first, while a key is "
	 "rotated)"},
	{"template_file", YAML_T_STR, offsetof(struct endpoint_conf, template_file), "", 0, 0, NULL,
	 "Text of your own, with places like {case.title}; dialect template: the whole body"},
	{"content_type", YAML_T_STR, offsetof(struct endpoint_conf, content_type), "", 0, 0, NULL,
	 "Of dialect template's body (default: application/json)"},
	{"ca_file", YAML_T_STR, offsetof(struct endpoint_conf, ca_file), "", 0, 0, NULL,
	 "PEM of the CA to check the receiver against; else the system's"},
	{"timeout", YAML_T_DURATION, offsetof(struct endpoint_conf, timeout_us), "15s",
	 100 * TIMES_MS, TIMES_MIN, NULL, "One attempt, all in all"},
	{"language", YAML_T_ENUM, offsetof(struct endpoint_conf, lang), "hub", 0, 0,
	 endpoint_languages, "Of what is read there; hub: that at the top of the file"},
	{"mention", YAML_T_STR, offsetof(struct endpoint_conf, mention), "", 0, 0, NULL,
	 "Who is called by name in the chat when something is high or urgent: ids with blanks "
	 "between "
	 "them (wecom: user ids, dingtalk: mobile numbers or user ids, feishu: open ids, slack: "
	 "member "
	 "ids), besides whoever is on duty (gridhub duty load --help)"},
	{"rate", YAML_T_STR, offsetof(struct endpoint_conf, rate), "", 0, 0, NULL,
	 "Messages it takes: 20/min, or 100/min 5/s, or none (default: what its dialect is known "
	 "to take)"},
};

#define TABLE(t) (t), COUNT_OF(t)

const struct config_section config_sections[] = {
	[C_ROOT] = {"", "At the top of the file", TABLE(root_fields), -1},
	[C_LOG] = {"log", "Log lines (logfmt, on stderr)", TABLE(log_fields), S_LOG},
	[C_DATABASE] = {"database", "PostgreSQL", TABLE(database_fields), S_DATABASE},
	[C_SPOOL] = {"spool", "Where messages stand before they are acknowledged",
		     TABLE(spool_fields), S_SPOOL},
	[C_BROKER] = {"mqtt[]", "A list: one entry a broker", TABLE(broker_fields), -1},
	[C_SUBSCRIPTION] = {"mqtt[].subscriptions[]", "What to take from it, and in which dialect",
			    TABLE(subscription_fields), -1},
	[C_INTAKE] = {"intake", "From the spool to readings", TABLE(intake_fields), S_INTAKE},
	[C_RULES] = {"rules", "What is an anomaly", TABLE(rules_fields), S_RULES},
	[C_NOTIFY] = {"notify", "Alerts to grid leaders", TABLE(notify_fields), S_NOTIFY},
	[C_ENDPOINT] = {"endpoints[]", "A list: the receivers that grids name",
			TABLE(endpoint_fields), -1},
	[C_PROBE] = {"probe", "Looks at the video streams of cameras (hub/probe/README.md)",
		     TABLE(probe_fields), S_PROBE},
	[C_HTTP] = {"http", "Own pages", TABLE(http_fields), S_HTTP},
};

/* ---- the reference ---- */

static void put_range(const struct yaml_field *f, struct buf *out)
{
	char lo[TIMES_DURATION_MAX], hi[TIMES_DURATION_MAX];
	if (f->type == YAML_T_DURATION) {
		times_format_duration(f->min, lo);
		times_format_duration(f->max, hi);
		buf_printf(out, " (%s to %s)", lo, hi);
	} else if (f->type == YAML_T_INT || f->type == YAML_T_SIZE) {
		buf_printf(out, " (%lld to %lld)", (long long)f->min, (long long)f->max);
	} else if (f->type == YAML_T_ENUM) {
		for (size_t i = 0; f->names[i]; i++)
			buf_printf(out, "%s%s", i ? " | " : " (", f->names[i]);
		buf_putc(out, ')');
	}
}

void config_field_about(const struct yaml_field *f, struct buf *out)
{
	static const char *const types[] = {"text",	"int",	"bool", "number",
					    "duration", "size", "word", "list"};
	buf_puts(out, types[f->type]);
	put_range(f, out);
	if (!f->def)
		buf_puts(out, ", required");
	else if (f->def[0])
		buf_printf(out, ", default %s", f->def);
}

static void put_field(const struct yaml_field *f, struct buf *out)
{
	buf_printf(out, "  %-18s ", f->name);
	config_field_about(f, out);
	if (f->help[0])
		buf_printf(out, "\n      %s", f->help);
	buf_putc(out, '\n');
}

bool config_is_section(const struct yaml_field *f)
{
	return f >= root_fields && f < root_fields + COUNT_OF(root_fields) &&
	       f->type == YAML_T_NODE;
}

void config_reference(struct buf *out)
{
	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		const struct config_section *s = &config_sections[i];
		if (s->name[0])
			buf_printf(out, "\n%s: %s\n", s->name, s->help);
		else
			buf_printf(out, "%s:\n", s->help);
		for (size_t j = 0; j < s->n; j++) {
			if (!config_is_section(&s->fields[j]))
				put_field(&s->fields[j], out);
		}
	}
}
