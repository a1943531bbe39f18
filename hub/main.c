/* gridhub: one binary, subcommands in the manner of git. */
#include <locale.h>
#include <signal.h>

#include "cmd.h"

const struct cmd_command cmd_commands[] = {
	/* in the order of use */
	{"run", "run the hub", cmd_run},
	{"check", "check a configuration and its rules", cmd_check},
	{"migrate", "bring the database's schema up to date", cmd_migrate},
	{"grid", "import and list the tree of grids", cmd_grid},
	{"device", "import and list devices; what came from unknown ones", cmd_device},
	{"case", "list, show and close cases", cmd_case},
	{"silence", "hold alerts back, maintenance", cmd_silence},
	{"duty", "who answers for which grid, when", cmd_duty},
	{"spool", "look at the spool", cmd_spool},
	{"decode", "show what an adapter makes of a message", cmd_decode},
	{"rule", "evaluate conditions of rules", cmd_rule},
	{"replay", "stored readings through rules: what would have happened", cmd_replay},
	{"probe", "look at video streams", cmd_probe},
	{"stream", "what the hub sees of the registry's video streams", cmd_stream},
	{"webhook", "alerts on their way: list, retry, test", cmd_webhook},
	{"backup", "the database and the spool, as a pair", cmd_backup},
	{"restore", "put a backup back", cmd_restore},
	{"doctor", "what is wrong, and what to do about it", cmd_doctor},
	{"health", "ask the running hub how it is", cmd_health},
	{"man", "print a manual page", cmd_man},
};
const size_t cmd_commands_count = COUNT_OF(cmd_commands);

static void print_help(FILE *to)
{
	fprintf(to,
		"usage: gridhub COMMAND [OPTIONS]\n\n"
		"A hub for governing a city by grid: from device messages to cases and alerts.\n\n"
		"Commands (each has --help):\n");
	for (size_t i = 0; i < cmd_commands_count; i++)
		fprintf(to, "  %-10s %s\n", cmd_commands[i].name, cmd_commands[i].help);
	fprintf(to,
		"\nThe configuration is --config FILE, else $GRIDHUB_CONFIG, else %s.\n"
		"Exit status: 0 done, 1 failed, 2 bad usage.\n",
		CONFIG_DEFAULT_PATH);
}

static int unknown_command(const char *name)
{
	size_t best = 4;
	const char *near = NULL;
	for (size_t i = 0; i < cmd_commands_count; i++) {
		size_t d = name_distance(slice_of(cmd_commands[i].name), slice_of(name));
		if (d < best) {
			best = d;
			near = cmd_commands[i].name;
		}
	}
	fprintf(stderr, "gridhub: no command \"%s\"%s%s%s (see gridhub --help)\n", name,
		near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CMD_USAGE;
}

static int run_command(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return CMD_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("gridhub %s\n", GRIDHUB_VERSION);
		return CMD_OK;
	}
	for (size_t i = 0; i < cmd_commands_count; i++)
		if (strcmp(argv[1], cmd_commands[i].name) == 0)
			return cmd_commands[i].fn(argc - 1, argv + 1);
	return unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8"); /* numbers stay in the C locale */
	signal(SIGPIPE, SIG_IGN);
	int rc = run_command(argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && rc == CMD_OK) { /* a full disk cut the output */
		fprintf(stderr, "gridhub: cannot write to stdout: %s\n", strerror(errno));
		rc = CMD_FAILED;
	}
	return rc;
}
