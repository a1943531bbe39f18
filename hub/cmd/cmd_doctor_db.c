/* gridhub doctor: PostgreSQL, and what the tables say of traffic and alerts. */
#include "cmd_doctor.h"
#include "json.h"
#include "migrate.h"
#include "times.h"
#include "tls.h"

#define CLOCK_WARN_US (2 * TIMES_SEC)
#define CLOCK_FAIL_US (30 * TIMES_SEC)
#define QUIET_WARN_US (10 * TIMES_MIN)
#define QUIET_FAIL_US TIMES_HOUR
#define CERT_MAX ((size_t)1 << 16)
#define HUB_CONNECTIONS 2 /* store, notify */

/* Rows of a statement; NULL after having said that it failed. */
static struct pg_rows *ask(struct doctor *d, const char *check, enum sql_id id,
			   const struct pg_arg *args, size_t n)
{
	struct pg_rows *rows = NULL;
	struct err e = {0};
	if (!d->pg)
		return NULL;
	if (pg_query(d->pg, id, args, n, &e, &rows)) {
		doctor_say(d, DOCTOR_FAIL, check, "", "is the schema there? gridhub migrate", "%s",
			   e.msg);
		return NULL;
	}
	if (pg_count(rows))
		return rows;
	pg_rows_free(rows);
	return NULL;
}

static void say_server_certificate(struct doctor *d)
{
	auto_buf struct buf pem;
	const void *ssl = pg_ssl(d->pg);
	buf_init(&pem, CERT_MAX);
	if (!ssl)
		return;
	if (tls_peer_pem(ssl, &pem))
		doctor_say(d, DOCTOR_FAIL, "database", "", "do hub and libpq use one OpenSSL?",
			   "the connection is encrypted, but its certificate cannot be had");
	else
		doctor_certificate(d, "database", "", "its", buf_slice(&pem));
}

void doctor_database(struct doctor *d)
{
	struct err e = {0};
	struct pg_conf conf = {.conninfo = d->conf->database.conninfo,
			       .password_file = d->conf->database.password_file,
			       .app_name = "gridhub doctor",
			       .timeout_us = MIN_OF(d->conf->database.timeout_us, DOCTOR_WAIT_US)};
	int64_t began = times_mono_us();
	if (pg_open(&conf, &e, &d->pg)) {
		doctor_say(
			d, DOCTOR_FAIL, "database", "",
			"is the server up, reachable from here, and the password right? Until it "
			"is back messages wait in the spool; nothing else of it was looked at",
			"%s", e.msg);
		return;
	}
	doctor_say(d, DOCTOR_OK, "database", "", NULL, "connected in %lld ms",
		   (long long)((times_mono_us() - began) / TIMES_MS));
	say_server_certificate(d);
}

/* ---- the server ---- */

static void say_clock(struct doctor *d, int64_t theirs, int64_t asked, int64_t answered)
{
	int64_t off = theirs - (asked + answered) / 2;
	int64_t far = MAX_OF(off < 0 ? -off : off, (int64_t)0);
	doctor_say(d,
		   far > CLOCK_FAIL_US	 ? DOCTOR_FAIL
		   : far > CLOCK_WARN_US ? DOCTOR_WARN
					 : DOCTOR_OK,
		   "clock", "", "run an NTP client (chrony, systemd-timesyncd) on both machines",
		   "the database's is %lld ms %s this machine's", (long long)(far / TIMES_MS),
		   off < 0 ? "behind" : "ahead of");
}

static void say_connections(struct doctor *d, int64_t taken, int64_t most)
{
	int64_t left = most - taken;
	doctor_say(d,
		   left < HUB_CONNECTIONS	? DOCTOR_FAIL
		   : left < 5 * HUB_CONNECTIONS ? DOCTOR_WARN
						: DOCTOR_OK,
		   "connections", "", "raise max_connections, or find out who holds so many",
		   "%lld of %lld taken; a hub needs %d", (long long)taken, (long long)most,
		   HUB_CONNECTIONS);
}

static void say_settings(struct doctor *d, const struct json *settings)
{
	static const struct {
		const char *name, *bad, *advice;
		enum doctor_status status;
	} table[] = {
		{"fsync", "off", "turn it on: a power cut may ruin the whole database",
		 DOCTOR_FAIL},
		{"full_page_writes", "off", "turn it on: a power cut may ruin pages", DOCTOR_FAIL},
		{"synchronous_commit", "off",
		 "turn it on (ALTER ROLE … SET synchronous_commit = on): what the server forgets "
		 "in a "
		 "crash, the spool no longer has",
		 DOCTOR_FAIL},
		{"autovacuum", "off", "turn it on: tables grow without it", DOCTOR_WARN},
		{"wal_level", "minimal",
		 "set it to replica, or there is neither a replica nor a point-in-time backup",
		 DOCTOR_WARN},
		{"recovery", "true", "this is a standby: point conninfo at the primary",
		 DOCTOR_FAIL},
		{"read_only", "on", "the hub must be allowed to write", DOCTOR_FAIL},
	};
	size_t bad = 0;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (!slice_is(json_str(json_get(settings, table[i].name)), table[i].bad))
			continue;
		bad++;
		doctor_say(d, table[i].status, "settings", "", table[i].advice, "%s is %s",
			   table[i].name, table[i].bad);
	}
	if (!bad)
		doctor_say(d, DOCTOR_OK, "settings", "", NULL, "PostgreSQL %s, database of %s",
			   json_str(json_get(settings, "version")).p,
			   json_str(json_get(settings, "size")).p);
}

void doctor_server(struct doctor *d)
{
	static const struct json_limits limits = {.max_bytes = 65536, .max_depth = 4};
	auto_json struct json *settings = NULL;
	int64_t asked = times_now_us();
	auto_rows struct pg_rows *rows = ask(d, "database", SQL_DOCTOR_SERVER, NULL, 0);
	int64_t answered = times_now_us();
	if (!rows)
		return;
	say_clock(d, pg_i64(rows, 0, 0), asked, answered);
	say_connections(d, pg_i64(rows, 0, 1), pg_i64(rows, 0, 2));
	if (!json_parse(pg_slice(rows, 0, 3), &limits, NULL, &settings))
		say_settings(d, settings);
}

void doctor_schema(struct doctor *d)
{
	struct err e = {0};
	struct pg_arg args[] = {PGA_STR(d->conf->district)};
	if (!d->pg)
		return;
	int r = migrate_check(d->pg, &e);
	if (r == -ESTALE && d->conf->database.migrate)
		doctor_say(d, DOCTOR_WARN, "schema", "", "the hub does it at its start", "%s",
			   e.msg);
	else if (r)
		doctor_say(d, DOCTOR_FAIL, "schema", "",
			   r == -ESTALE ? "run gridhub migrate"
					: "is this the right database, and the right gridhub?",
			   "%s", e.msg);
	else
		doctor_say(d, DOCTOR_OK, "schema", "", NULL, "up to date: %s",
			   sql_migrations[sql_migrations_count - 1].name);
	if (r)
		return;
	auto_rows struct pg_rows *rows = ask(d, "schema", SQL_DOCTOR_DISTRICT, args, 1);
	d->district_id = rows ? pg_i64(rows, 0, 0) : 0;
	if (!rows)
		doctor_say(d, DOCTOR_WARN, "schema", "", "the hub makes it at its first start",
			   "there is no district \"%s\" in the database", d->conf->district);
}

void doctor_partitions(struct doctor *d)
{
	struct pg_arg args[] = {PGA_I(d->conf->database.keep_readings_us)};
	if (!d->district_id)
		return;
	auto_rows struct pg_rows *rows = ask(d, "partitions", SQL_DOCTOR_PARTITIONS, args, 1);
	if (!rows)
		return;
	int64_t ahead = pg_i64(rows, 0, 0), expired = pg_i64(rows, 0, 3);
	bool today = pg_bool(rows, 0, 4);
	doctor_say(d, today && ahead >= 1 ? DOCTOR_OK : DOCTOR_WARN, "partitions", "",
		   "the hub makes them each hour while it runs and reaches the database",
		   "%lld days of readings since %s, %lld made ahead", (long long)pg_i64(rows, 0, 2),
		   pg_str(rows, 0, 1), (long long)ahead);
	if (expired)
		doctor_say(d, DOCTOR_WARN, "partitions", "",
			   "a long query (a dump?) may hold them; the hub tries again each hour",
			   "%lld days are older than database.keep_readings", (long long)expired);
}

void doctor_backup(struct doctor *d)
{
	char age[TIMES_DURATION_MAX];
	struct pg_arg args[] = {PGA_I(d->district_id)};
	if (!d->district_id || !d->conf->database.backup_every_us)
		return;
	auto_rows struct pg_rows *rows = ask(d, "backup", SQL_STORE_LAST_BACKUP, args, 1);
	if (!rows)
		return;
	int64_t at = pg_i64(rows, 0, 0), us = MAX_OF(times_now_us() - at, (int64_t)0);
	times_format_duration(us / TIMES_MIN * TIMES_MIN, age);
	doctor_say(d, at && us <= d->conf->database.backup_every_us ? DOCTOR_OK : DOCTOR_WARN,
		   "backup", "",
		   "gridhub backup, each night; if others make backups: database.backup_every: 0",
		   at ? "the last one is %s old" : "none was made by gridhub backup%.0s", age);
}

/* ---- traffic ---- */

static void say_last(struct doctor *d, const struct pg_rows *rows)
{
	char age[TIMES_DURATION_MAX];
	if (pg_null(rows, 0, 0)) {
		doctor_say(d, DOCTOR_WARN, "readings", "",
			   "do devices publish to what is subscribed? mosquitto_sub -t '#' shows",
			   "none came yet");
		return;
	}
	int64_t us = MAX_OF(times_now_us() - pg_i64(rows, 0, 0), (int64_t)0);
	times_format_duration(us / TIMES_SEC * TIMES_SEC, age);
	doctor_say(d,
		   us > QUIET_FAIL_US	? DOCTOR_FAIL
		   : us > QUIET_WARN_US ? DOCTOR_WARN
					: DOCTOR_OK,
		   "readings", "", "see the findings on hub and brokers; do devices publish?",
		   "the last one that is in the database came %s ago", age);
}

void doctor_traffic(struct doctor *d)
{
	struct pg_arg args[] = {PGA_I(d->district_id)};
	if (!d->district_id)
		return;
	auto_rows struct pg_rows *rows = ask(d, "readings", SQL_DOCTOR_TRAFFIC, args, 1);
	if (!rows)
		return;
	say_last(d, rows);
	int64_t devices = pg_i64(rows, 0, 1), refused = pg_i64(rows, 0, 2),
		unknown = pg_i64(rows, 0, 4);
	doctor_say(d, devices ? DOCTOR_OK : DOCTOR_WARN, "devices", "", "gridhub device import",
		   "%lld registered", (long long)devices);
	doctor_say(d, refused ? DOCTOR_WARN : DOCTOR_OK, "rejected", "",
		   "gridhub device rejected shows them",
		   refused ? "%lld messages were refused in the last day; the last: %.300s"
			   : "none in the last day (%lld)%.0s",
		   (long long)refused, pg_str(rows, 0, 3));
	doctor_say(d, unknown ? DOCTOR_WARN : DOCTOR_OK, "unknown", "",
		   "gridhub device unknown shows them; import those that are yours",
		   unknown ? "%lld devices that are not registered sent in the last day; the last: "
			     "%.300s"
			   : "none in the last day (%lld)%.0s",
		   (long long)unknown, pg_str(rows, 0, 5));
}

void doctor_streams(struct doctor *d)
{
	struct pg_arg args[] = {PGA_I(d->district_id)};
	if (!d->district_id || !d->conf->probe.enabled)
		return;
	auto_rows struct pg_rows *rows = ask(d, "streams", SQL_DOCTOR_STREAMS, args, 1);
	int64_t streams = rows ? pg_i64(rows, 0, 0) : 0, apart = rows ? pg_i64(rows, 0, 2) : 0;
	if (apart)
		doctor_say(
			d, DOCTOR_WARN, "streams", "",
			"register the recorder, too, and give its cameras its id as parent: else "
			"each has a case of its own when it is gone",
			"%lld hosts have three cameras or more without a common parent, as %.200s "
			"(%lld cameras)",
			(long long)apart, pg_str(rows, 0, 3), (long long)pg_i64(rows, 0, 4));
	else if (streams)
		doctor_say(d, DOCTOR_OK, "streams", "", NULL, "%lld at %lld hosts",
			   (long long)streams, (long long)pg_i64(rows, 0, 1));
}

/* ---- alerts ---- */

static void put_names(const struct config *c, struct buf *out)
{
	pg_array_begin(out);
	for (size_t i = 0; i < c->nendpoints; i++)
		pg_array_str(out, slice_of(c->endpoints[i].name));
	pg_array_end(out);
}

static void say_owed(struct doctor *d, int64_t owed, int64_t oldest_us)
{
	char age[TIMES_DURATION_MAX];
	times_format_duration(oldest_us / TIMES_SEC * TIMES_SEC, age);
	doctor_say(d,
		   oldest_us > QUIET_FAIL_US   ? DOCTOR_FAIL
		   : oldest_us > QUIET_WARN_US ? DOCTOR_WARN
					       : DOCTOR_OK,
		   "alerts", "", "gridhub webhook list --pending says why",
		   owed ? "%lld owed, the oldest for %s" : "none owed (%lld)%.0s", (long long)owed,
		   age);
}

void doctor_alerts(struct doctor *d)
{
	auto_buf struct buf names;
	buf_init(&names, (size_t)1 << 20);
	put_names(d->conf, &names);
	struct pg_arg args[] = {PGA_I(d->district_id), PGA_S(buf_slice(&names))};
	if (!d->district_id)
		return;
	auto_rows struct pg_rows *rows = ask(d, "alerts", SQL_DOCTOR_ALERTS, args, 2);
	if (!rows)
		return;
	say_owed(d, pg_i64(rows, 0, 0), pg_i64(rows, 0, 3));
	int64_t dead = pg_i64(rows, 0, 1), lost = pg_i64(rows, 0, 2), bare = pg_i64(rows, 0, 5);
	if (dead)
		doctor_say(d, DOCTOR_WARN, "alerts", "",
			   "gridhub webhook list --dead, mend it, gridhub webhook retry",
			   "%lld are dead, %lld of them for want of an endpoint", (long long)dead,
			   (long long)lost);
	if (!pg_null(rows, 0, 4))
		doctor_say(d, DOCTOR_FAIL, "alerts", "",
			   "add them to endpoints, or change the grids",
			   "grids or people name endpoints that the configuration lacks: %.300s",
			   pg_str(rows, 0, 4));
	if (bare && !d->conf->notify.default_endpoint)
		doctor_say(d, DOCTOR_WARN, "alerts", "",
			   "give them an endpoint or a duty, or set notify.default_endpoint",
			   "%lld grids have devices, and nobody who is told", (long long)bare);
}
