/*
 * cmd: the subcommands of the one binary, `gridhub NAME …`. Each cmd_*.c has one; main.c lists them
 * in a table.
 *
 * Machine-readable output is JSON lines on stdout; people read stderr. Exit: 0 done, 1 failed, 2
 * bad usage.
 */
#ifndef GRIDHUB_CMD_H
#define GRIDHUB_CMD_H

#include "config.h"
#include "pg.h"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

/* argv[0] is the subcommand's name. Each prints its own --help to stdout and returns an exit code.
 */
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_grid(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_device_export(int argc, char **argv); /* a verb of cmd_device */
int cmd_rule(int argc, char **argv);
int cmd_rule_shadow(int argc, char **argv); /* a verb of cmd_rule */
int cmd_replay(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_spool(int argc, char **argv);
int cmd_case(int argc, char **argv);
int cmd_silence(int argc, char **argv);
int cmd_duty(int argc, char **argv);
int cmd_webhook(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_man(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_stream(int argc, char **argv);
int cmd_probe_worker(void); /* gridhub probe --worker: the hub's own child */

/* ---- what the subcommands share (cmd.c) ---- */
/* "gridhub: " + e on stderr; returns CMD_FAILED. */
int cmd_fail(const struct err *e);
/* "gridhub NAME: " + message + " (see gridhub NAME --help)" on stderr; returns CMD_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) printf_like(2, 3);
/* --config's value, else $GRIDHUB_CONFIG, else CONFIG_DEFAULT_PATH. */
const char *cmd_config_path(const char *given);
/* Load the configuration and connect; both errors are printed; CMD_OK or an exit code. */
int cmd_open(const char *config_path, struct config **ret_config, struct pg **ret_pg);
/* GET of a page of the hub that runs with this configuration on this machine. -ENOENT: it has no
 * http.listen, -EIO: nobody answers. */
must_check int cmd_ask_hub(const struct config *c, const char *page, int *ret_status,
			   struct buf *out, struct err *e);
/* All of stdin, at most max bytes. */
must_check int cmd_read_stdin(size_t max, struct buf *out, struct err *e);
/* A picture into a file, which is for its owner and group alone: there may be people on it. */
must_check int cmd_save_picture(const char *path, struct slice jpeg, struct err *e);

/* main.c's: the subcommands in the order of use. */
struct cmd_command {
	const char *name, *help;
	int (*fn)(int argc, char **argv);
};
extern const struct cmd_command cmd_commands[];
extern const size_t cmd_commands_count;

#define CMD_VERBS_HEAD "Verbs (each has --help):\n"
struct cmd_verb {
	const char *name, *help;
	int (*fn)(int argc, char **argv);
};
/* For `gridhub NAME VERB …`: finds the verb (with the nearest name when there is none) and runs it.
 */
int cmd_verbs(const char *name, const char *about, const struct cmd_verb *verbs, size_t n, int argc,
	      char **argv);

#endif
