/*
 * config_table: every setting, once: its name, type, default, range and meaning, and where it goes.
 * config.c binds files by these tables; the reference that people read is printed from them.
 */
#ifndef GRIDHUB_CONFIG_TABLE_H
#define GRIDHUB_CONFIG_TABLE_H

#include "config.h"
#include "yaml.h"

/* The sections that are maps of their own, read from the root by their key. */
struct config_root {
	const char *district;
	int lang;
	const char *time_zone;
	const struct yaml_node *section[10];
};

enum {
	S_LOG,
	S_DATABASE,
	S_SPOOL,
	S_MQTT,
	S_INTAKE,
	S_RULES,
	S_NOTIFY,
	S_ENDPOINTS,
	S_HTTP,
	S_PROBE
};

/* In the order of the reference. */
enum {
	C_ROOT,
	C_LOG,
	C_DATABASE,
	C_SPOOL,
	C_BROKER,
	C_SUBSCRIPTION,
	C_INTAKE,
	C_RULES,
	C_NOTIFY,
	C_ENDPOINT,
	C_PROBE,
	C_HTTP,
	CONFIG_SECTIONS
};

struct config_section {
	const char *name, *help;
	const struct yaml_field *fields;
	size_t n;
	int at; /* index in struct config_root's section, -1 for what is read elsewhere */
};
extern const struct config_section config_sections[CONFIG_SECTIONS];

/* Type, range and default, as the reference says them: "int (1 to 1000), default 64". */
void config_field_about(const struct yaml_field *f, struct buf *out);
/* It is a key of the top whose value is a section of its own. */
bool config_is_section(const struct yaml_field *f);

/* Two arguments of yaml_bind. */
#define CONFIG_TABLE(which_) config_sections[which_].fields, config_sections[which_].n

#endif
