/* gridhub grid: the tree of grids and who answers for them. */
#include "cmd_registry.h"

static int grid_import(int argc, char **argv)
{
	return cmd_import(&import_grids, argc, argv);
}

static int grid_list(int argc, char **argv)
{
	static const struct cmd_takes takes = {
		.name = "grid list",
		.help = "usage: gridhub grid list [--config FILE]\n\n"
			"All grids as JSON lines, the upper levels first.\n",
	};
	return cmd_print_all(&takes, SQL_REGISTRY_LIST_GRIDS, argc, argv);
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
