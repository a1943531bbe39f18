/* gridhub device: the registry of devices, and what came from devices that are not in it. */
#include "cmd_registry.h"

#include <getopt.h>

#include "json.h"
#include "reading.h"

static int device_import(int argc, char **argv)
{
	return cmd_import(&import_devices, argc, argv);
}

/* ---- list ---- */

struct list_options {
	const char *config, *grid;
	enum device_class class; /* CLASS_UNKNOWN: all */
};

static int read_class(const struct cmd_option *o, const char *text, void *at)
{
	enum device_class *ret = at;
	if (device_class_parse(slice_of(text), ret) || !*ret)
		return cmd_usage("device list", "--%s \"%s\": expected camera, sensor or bin",
				 o->name, text);
	return CMD_OK;
}

static const struct cmd_option list_options[] = {
	{"grid", CMD_TEXT, .at = offsetof(struct list_options, grid)},
	{"class", CMD_READ, .at = offsetof(struct list_options, class), .read = read_class},
};
static const struct cmd_takes takes_list = {
	.name = "device list",
	.help = "usage: gridhub device list [--grid CODE] [--class C] [--config FILE]\n\n"
		"Devices as JSON lines.\n\n"
		"  --grid CODE  those of this grid and of all grids below it\n"
		"  --class C    camera, sensor or bin\n",
	CMD_TAKES_OPTIONS(list_options),
};

/* A grid that is misspelt must not look like one without devices. */
static int check_grid(struct pg *p, int64_t district, const char *code)
{
	auto_rows struct pg_rows *rows = NULL;
	struct err e = {0};
	const struct pg_arg args[] = {PGA_I(district), PGA_STR(code)};
	if (!code)
		return CMD_OK;
	if (pg_query(p, SQL_REGISTRY_FIND_GRID, args, COUNT_OF(args), &e, &rows))
		return cmd_fail(&e);
	if (pg_count(rows))
		return CMD_OK;
	err_set(&e, -ENOENT, "no grid has the code \"%s\"", code);
	return cmd_fail(&e);
}

static int device_list(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	struct list_options o = {0};
	int64_t district = 0;
	int rc = cmd_parse(&takes_list, argc, argv, &o, &o.config);
	if (rc >= 0)
		return rc;
	rc = cmd_open_district(o.config, &c, &p, &district);
	if (!rc)
		rc = check_grid(p, district, o.grid);
	const struct pg_arg args[] = {PGA_I(district), o.grid ? PGA_STR(o.grid) : PGA_NULL,
				      o.class ? PGA_I(o.class) : PGA_NULL};
	return rc ? rc : cmd_print_rows(p, SQL_REGISTRY_LIST_DEVICES, args, COUNT_OF(args));
}

/* ---- unknown, rejected ---- */

static int device_unknown(int argc, char **argv)
{
	static const struct cmd_takes takes = {
		.name = "device unknown",
		.help = "usage: gridhub device unknown [--config FILE]\n\n"
			"Devices that sent messages and are not in the registry, the latest "
			"first.\n",
	};
	return cmd_print_all(&takes, SQL_REGISTRY_LIST_UNKNOWN, argc, argv);
}

static int device_rejected(int argc, char **argv)
{
	static const struct cmd_takes takes = {
		.name = "device rejected",
		.help = "usage: gridhub device rejected [--config FILE]\n\n"
			"Messages that were refused, with the reason, the latest first.\n",
	};
	return cmd_print_all(&takes, SQL_REGISTRY_LIST_REJECTED, argc, argv);
}

/* ---- remove ---- */

static int remove_device(struct pg *p, int64_t district, const char *id, int64_t *ret_closed,
			 struct err *e)
{
	auto_rows struct pg_rows *rev = NULL, *removed = NULL;
	struct pg_arg args[] = {PGA_I(district), PGA_NULL, PGA_STR(id)};
	int rc = pg_query(p, SQL_IMPORT_REV, args, 1, e, &rev);
	if (rc)
		return rc;
	args[1] = PGA_I(pg_i64(rev, 0, 0));
	rc = pg_query(p, SQL_REGISTRY_REMOVE_DEVICE, args, COUNT_OF(args), e, &removed);
	if (!rc && pg_count(removed) == 0)
		return err_set(e, -ENOENT, "no device has the id \"%s\"", id);
	if (!rc)
		*ret_closed = pg_i64(removed, 0, 0);
	return rc;
}

static int remove_and_say(struct pg *p, int64_t district, const char *id)
{
	struct err e = {0};
	auto_buf struct buf line = {0};
	int64_t closed = 0;
	if (pg_begin(p, &e))
		return cmd_fail(&e);
	if (remove_device(p, district, id, &closed, &e)) {
		pg_rollback(p);
		return cmd_fail(&e);
	}
	if (pg_commit(p, &e))
		return cmd_fail(&e);
	buf_init(&line, 4096);
	buf_putc(&line, '{');
	json_put_key(&line, "removed");
	json_put_str(&line, slice_of(id));
	printf("%s,\"cases_closed\":%lld}\n", buf_str(&line), (long long)closed);
	return CMD_OK;
}

static const struct cmd_takes takes_remove = {
	.name = "device remove",
	.help = "usage: gridhub device remove ID [--config FILE]\n\n"
		"Take a device out of the registry; what it said stays. Its open cases are closed; "
		"one that is\n"
		"its grid's (scope: grid) waits for what the grid's other devices say. An import "
		"brings it back.\n",
	.arg = "the id of a device",
};

static int device_remove(int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	const char *config = NULL;
	int64_t district = 0;
	int rc = cmd_parse(&takes_remove, argc, argv, NULL, &config);
	if (rc >= 0)
		return rc;
	rc = cmd_open_district(config, &c, &p, &district);
	return rc ? rc : remove_and_say(p, district, argv[optind]);
}

int cmd_device(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"import", "insert and update devices from a file", device_import},
		{"list", "print the devices, of a grid or class", device_list},
		{"unknown", "print devices that are heard and not known", device_unknown},
		{"rejected", "print messages that were refused", device_rejected},
		{"export", "what the broker lets each device do, and passwords", cmd_device_export},
		{"remove", "take a device out of the registry", device_remove},
	};
	return cmd_verbs("device", "The registry of devices.", verbs, COUNT_OF(verbs), argc, argv);
}
