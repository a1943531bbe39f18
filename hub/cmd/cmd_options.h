/* cmd_options: options of a verb by a table: where each goes, and what it must be. */
#ifndef GRIDHUB_CMD_OPTIONS_H
#define GRIDHUB_CMD_OPTIONS_H

#include "cmd.h"

enum cmd_option_type {
	CMD_FLAG,   /* bool */
	CMD_TEXT,   /* const char *, not empty */
	CMD_NUMBER, /* int64_t, 1 to max */
	CMD_TIME,   /* int64_t: RFC 3339, µs */
	CMD_READ,   /* whatever `read` makes of it */
};

struct cmd_option {
	const char *name;
	enum cmd_option_type type;
	size_t at;   /* in the struct that is filled */
	int64_t max; /* of CMD_NUMBER */
	/* CMD_OK, or CMD_USAGE, told. at: where it goes. */
	int (*read)(const struct cmd_option *o, const char *text, void *at);
};

#define CMD_OPTIONS_MAX 16

struct cmd_takes {
	const char *name; /* of the command with its verb, as in "webhook list" */
	const char *help;
	const struct cmd_option *options;
	size_t n;
	const char *arg; /* what one more argument must be; NULL: there is none */
	bool optional;	 /* it may be missing */
	bool many;	 /* any number of them, also none */
};
#define CMD_TAKES_OPTIONS(table) .options = (table), .n = COUNT_OF(table)

/*
 * Fill `into` by the table; --help is always taken, --config FILE unless ret_config is NULL.
 * argv[0] is the verb. -1: go on, with the other arguments from argv[optind] on; else exit with it.
 */
int cmd_parse(const struct cmd_takes *t, int argc, char **argv, void *into,
	      const char **ret_config);
/* An argument that is a number from 1; what: "the number of a case". CMD_OK, or CMD_USAGE. */
int cmd_number(const struct cmd_takes *t, const char *text, int64_t *ret);
struct pg_arg cmd_text_or_null(const char *s); /* NULL is null */
struct pg_arg cmd_number_or_null(int64_t v);   /* 0 is null */

#endif
