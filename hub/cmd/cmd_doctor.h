/*
 * cmd_doctor: what the checks of `gridhub doctor` share. A check looks at one thing, says what it
 * found by doctor_say once or more, and never takes longer than DOCTOR_WAIT_US or so; when what it
 * needs is missing (d->pg is NULL) it says nothing: the check that found it missing has.
 */
#ifndef GRIDHUB_CMD_DOCTOR_H
#define GRIDHUB_CMD_DOCTOR_H

#include "config.h"
#include "pg.h"

#define DOCTOR_WAIT_US INT64_C(5000000)
#define DOCTOR_CERT_WARN_DAYS 21
#define DOCTOR_CERT_FAIL_DAYS 3

enum doctor_status { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_STATUSES };

struct doctor {
	const struct config *conf;
	struct pg *pg;	     /* NULL: the database is away */
	int64_t district_id; /* 0: not known */
	size_t count[DOCTOR_STATUSES];
};

/* One finding, at once. advice: what to do about it, NULL when all is well; subject: "" or which of
 * several. */
void doctor_say(struct doctor *d, enum doctor_status status, const char *check, const char *subject,
		const char *advice, const char *fmt, ...) printf_like(6, 7);
/* The end of a certificate: PEM text, and whose it is. */
void doctor_certificate(struct doctor *d, const char *check, const char *subject, const char *whose,
			struct slice pem);

/* On this machine: cmd_doctor_here.c */
void doctor_rules(struct doctor *d);
void doctor_spool(struct doctor *d);
void doctor_hub(struct doctor *d);
/* cmd_doctor_db.c */
void doctor_database(struct doctor *d); /* sets pg and district_id */
void doctor_server(struct doctor *d);
void doctor_schema(struct doctor *d);
void doctor_partitions(struct doctor *d);
void doctor_traffic(struct doctor *d);
void doctor_streams(struct doctor *d);
void doctor_alerts(struct doctor *d);
void doctor_backup(struct doctor *d);
/* cmd_doctor_net.c */
void doctor_brokers(struct doctor *d);
void doctor_endpoints(struct doctor *d);

#endif
