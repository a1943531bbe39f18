/* gridhub doctor: what is wrong, and what to do about it. */
#include "cmd_doctor.h"

#include <signal.h>
#include <unistd.h>

#include "cmd_options.h"
#include "crypto.h"
#include "json.h"
#include "log.h"
#include "times.h"

static const char help[] =
	"usage: gridhub doctor [--quiet] [--config FILE]\n\n"
	"Look at all that a hub needs, from this machine, and say what is wrong and what to do "
	"about "
	"it: configuration,\n"
	"rules and holidays, the spool and its disk, the running hub, the database (certificate, "
	"clock, "
	"schema, settings,\n"
	"connections, partitions, age of the last backup), what came in and what was turned away, "
	"alerts, "
	"brokers (can they be reached, "
	"what did they drop) and\n"
	"receivers (name, address, certificate, disabled, dead letters). Changes nothing, sends "
	"nothing to a receiver, and\n"
	"goes to brokers as CLIENT_ID-doctor. Whatever is down costs a few seconds and no more.\n\n"
	"One JSON line for each finding on stdout (check, subject, status ok|warn|fail, detail, "
	"advice); a table for people\n"
	"on stderr. Exit status 1 when something fails.\n\n"
	"  --quiet        no table\n"
	"  --config FILE  configuration\n";

#define WHOLE_S \
	120 /* the checks together take less, but for a resolver or a file system that hangs */

static bool quiet;

static const char *const status_names[DOCTOR_STATUSES] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *d, enum doctor_status status, const char *check, const char *subject,
		const char *advice, const char *fmt, ...)
{
	char detail[1024];
	auto_buf struct buf line;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	buf_init(&line, 8192);
	buf_puts(&line, "{\"check\":");
	json_put_str(&line, slice_of(check));
	if (subject[0]) {
		json_put_key(&line, "subject");
		json_put_str(&line, slice_of(subject));
	}
	json_put_key(&line, "status");
	json_put_str(&line, slice_of(status_names[status]));
	json_put_key(&line, "detail");
	json_put_str(&line, slice_of(detail));
	if (status != DOCTOR_OK && advice) {
		json_put_key(&line, "advice");
		json_put_str(&line, slice_of(advice));
	}
	buf_puts(&line, "}\n");
	fputs(buf_str(&line), stdout);
	fflush(stdout); /* it is a report in the making: what comes next may take seconds */
	d->count[status]++;
	if (quiet)
		return;
	fprintf(stderr, "%-4s  %-12s %s%s%s\n", status_names[status], check, subject,
		subject[0] ? ": " : "", detail);
	if (status != DOCTOR_OK && advice)
		fprintf(stderr, "%-4s  %-12s -> %s\n", "", "", advice);
}

void doctor_certificate(struct doctor *d, const char *check, const char *subject, const char *whose,
			struct slice pem)
{
	int64_t end;
	char ts[TIMES_RFC3339_MAX];
	if (crypto_cert_end(pem, &end)) {
		doctor_say(d, DOCTOR_FAIL, check, subject, "put a PEM certificate there",
			   "%s certificate cannot be read", whose);
		return;
	}
	int64_t days = (end - times_now_us()) / TIMES_DAY;
	bool over = end < times_now_us();
	times_format(end, ts);
	doctor_say(d,
		   over || days < DOCTOR_CERT_FAIL_DAYS ? DOCTOR_FAIL
		   : days < DOCTOR_CERT_WARN_DAYS	? DOCTOR_WARN
							: DOCTOR_OK,
		   check, subject, "renew it before it ends", "%s certificate %s %.10s (%lld days)",
		   whose, over ? "ended on" : "is good until", ts, (long long)days);
}

static void took_too_long(int sig)
{
	static const char line[] =
		"{\"check\":\"doctor\",\"status\":\"fail\",\"detail\":\"it hangs: no end "
		"after two minutes\",\"advice\":\"what the next finding would have been "
		"about hangs: name servers, a network file system?\"}\n";
	(void)sig;
	if (write(STDOUT_FILENO, line, sizeof line - 1) < 0)
		_exit(CMD_FAILED);
	_exit(CMD_FAILED);
}

static int examine(const char *config_path)
{
	/* The database before what needs it; what is slow comes last. */
	static void (*const checks[])(struct doctor *) = {
		doctor_rules,  doctor_spool,   doctor_hub,	 doctor_database, doctor_server,
		doctor_schema, doctor_traffic, doctor_streams,	 doctor_alerts,	  doctor_partitions,
		doctor_backup, doctor_brokers, doctor_endpoints,
	};
	struct doctor d = {0};
	struct err e = {0};
	auto_config struct config *c = NULL;
	log_set_level(LOG_ERROR);
	signal(SIGALRM, took_too_long);
	alarm(WHOLE_S);
	if (config_load(cmd_config_path(config_path), &e, &c)) {
		doctor_say(&d, DOCTOR_FAIL, "config", "", "mend it: see gridhub.yaml(5)", "%s",
			   e.msg);
		return CMD_FAILED;
	}
	doctor_say(&d, DOCTOR_OK, "config", "", NULL, "%s, district %s", c->path, c->district);
	d.conf = c;
	for (size_t i = 0; i < COUNT_OF(checks); i++)
		checks[i](&d);
	pg_close(d.pg);
	if (!quiet)
		fprintf(stderr, "\n%zu ok, %zu to look at, %zu failing\n", d.count[DOCTOR_OK],
			d.count[DOCTOR_WARN], d.count[DOCTOR_FAIL]);
	return d.count[DOCTOR_FAIL] ? CMD_FAILED : CMD_OK;
}

static const struct cmd_option options[] = {{"quiet", CMD_FLAG, .at = 0}};
static const struct cmd_takes takes = {.name = "doctor", .help = help, CMD_TAKES_OPTIONS(options)};

int cmd_doctor(int argc, char **argv)
{
	const char *config = NULL;
	int r = cmd_parse(&takes, argc, argv, &quiet, &config);
	if (r >= 0)
		return r;
	return examine(config);
}
