/*
 * cmd_rule: what the verbs of `gridhub rule` share.
 */
#ifndef GRIDHUB_CMD_RULE_H
#define GRIDHUB_CMD_RULE_H

#include "cmd.h"
#include "rule.h"

int cmd_rule_list(int argc, char **argv);
int cmd_rule_kinds(int argc, char **argv);
int cmd_rule_test(int argc, char **argv);

/*
 * The folder of rules: what was given, else the configuration's, else ./rules where there is no
 * configuration. In dir; CMD_OK, or an exit code, told.
 */
int cmd_rule_dir(const char *given, const char *config_path, struct buf *dir);
/* Load it; warnings and errors go to stderr. CMD_OK, or an exit code. */
int cmd_rule_load(const char *dir, struct rules **ret);
/* The same, but what is good is there (else *ret stays) although something else is not. */
int cmd_rule_load_good(const char *dir, struct rules **ret);
/* The rule of that name; NULL, told with the nearest, if there is none. */
const struct rule *cmd_rule_find(const struct rules *set, const char *id, const char *verb);

#endif
