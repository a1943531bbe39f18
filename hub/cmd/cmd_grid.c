/* gridhub grid: the tree of grids and who answers for them. */
#include "cmd_registry.h"

static int grid_import(int argc, char **argv)
{
	return cmd_import(&import_grids, argc, argv);
}

static int grid_list(int argc, char **argv)
{
	static const char help[] = "usage: gridhub grid list [--config FILE]\n\n"
				   "All grids as JSON lines, the upper levels first.\n";
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	const char *config_path = NULL;
	int64_t district;
	int rc = cmd_only_config("grid", help, argc, argv, &config_path);
	if (rc)
		return rc < 0 ? CMD_OK : rc;
	rc = cmd_open_district(config_path, &c, &p, &district);
	const struct pg_arg arg = PGA_I(rc ? 0 : district);
	return rc ? rc : cmd_print_rows(p, SQL_REGISTRY_LIST_GRIDS, &arg, 1);
}

int cmd_grid(int argc, char **argv)
{
	static const struct cmd_verb verbs[] = {
		{"import", "insert and update grids from a file", grid_import},
		{"list", "print all grids", grid_list},
	};
	return cmd_verbs("grid", "The tree of grids and who answers for them.", verbs,
			 COUNT_OF(verbs), argc, argv);
}
