/* cmd_registry: what `gridhub grid` and `gridhub device` share. Each returns an exit code. */
#ifndef GRIDHUB_CMD_REGISTRY_H
#define GRIDHUB_CMD_REGISTRY_H

#include "cmd_options.h"
#include "import.h"

/* As cmd_open, and the district's id; its row is made if it is missing. */
int cmd_open_district(const char *config_path, struct config **ret_config, struct pg **ret_pg,
		      int64_t *ret_district);
/* What a verb that asks the database holds meanwhile. */
struct cmd_session {
	struct config *conf;
	struct pg *pg;
	int64_t district;
};
void cmd_session_close(struct cmd_session *s); /* safe on a zeroed struct */
#define auto_session auto_call(cmd_session_close)
#define CMD_HOLIDAYS_MAX 256
/* The holidays at hand at that time (see duty_holidays). CMD_FAILED, told: the rules cannot be
 * read; then there are none. */
int cmd_holidays(const struct config *c, int64_t at_us, struct buf *out);
/* `import FILE …` */
int cmd_import(const struct import_kind *kind, int argc, char **argv);
/* The first column of each row is JSON and makes a line; the second, if there is one, is bytes put
 * into it as "payload". */
int cmd_print_rows(struct pg *p, enum sql_id id, const struct pg_arg *args, size_t nargs);
/*
 * Connect, put the district into args[0], run the statement and print its rows, each of which is
 * JSON. No row is a failure that says `none`, unless that is NULL. Returns an exit code.
 */
int cmd_print_json(const char *config_path, enum sql_id id, struct pg_arg *args, size_t nargs,
		   const char *none);
/* A verb without options: the rows of a statement that asks for the district alone. */
int cmd_print_all(const struct cmd_takes *takes, enum sql_id id, int argc, char **argv);

#endif
