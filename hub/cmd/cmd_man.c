/* gridhub man: manual pages out of the tables and texts that --help prints, so that there is one
 * source of them. */
#include <getopt.h>

#include "cmd.h"
#include "config_table.h"

#define HELP_MAX 65536 /* of one command */

static const char help[] = "usage: gridhub man gridhub|gridhub.yaml\n\n"
			   "Print the manual page gridhub(1) or gridhub.yaml(5), as man reads it: "
			   "gridhub man gridhub | "
			   "man -l -\n"
			   "Installed pages are made by it.\n";

/* ---- roff ---- */

static void put_escaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			buf_puts(out, "\\e");
		else if (s.p[i] == '-')
			buf_puts(out, "\\-");
		else
			buf_putc(out, s.p[i]);
	}
}

/* A line of text; one that begins with a request's character is text all the same. */
static void put_line(struct buf *out, struct slice s)
{
	if (s.n && (s.p[0] == '.' || s.p[0] == '\''))
		buf_puts(out, "\\&");
	put_escaped(out, s);
	buf_putc(out, '\n');
}

static void put_text(struct buf *out, const char *cstr)
{
	struct slice rest = slice_of(cstr), line;
	while (rest.n && slice_cut(&rest, '\n', &line))
		put_line(out, line);
}

/* As it stands, in lines. */
static void put_verbatim(struct buf *out, struct slice s)
{
	struct slice rest = slice_trim(s), line;
	buf_puts(out, ".nf\n");
	while (rest.n && slice_cut(&rest, '\n', &line))
		put_line(out, line);
	buf_puts(out, ".fi\n");
}

static void put_head(struct buf *out, const char *name, int section, const char *what)
{
	buf_printf(out,
		   ".TH %s %d \"\" \"gridhub " GRIDHUB_VERSION
		   "\" \"gridhub\"\n.SH NAME\n%s \\- %s\n",
		   name, section, name, what);
}

/* ---- gridhub(1) ---- */

typedef int (*command_fn)(int argc, char **argv);

/* What it prints for --help; verb: of this one, empty for its own. */
static int capture(command_fn fn, const char *name, struct slice verb, struct buf *out)
{
	char names[2][64], help_option[] = "--help", *text = NULL;
	char *argv[4] = {names[0], verb.n ? names[1] : help_option, verb.n ? help_option : NULL,
			 NULL};
	size_t n = 0;
	FILE *keep = stdout, *to = open_memstream(&text, &n);
	if (!to)
		return -ENOMEM;
	snprintf(names[0], sizeof names[0], "%s", name);
	snprintf(names[1], sizeof names[1], "%.*s", SL_FMT(verb));
	stdout = to; /* nothing else runs here */
	optind = 0;  /* begin anew */
	int r = fn(verb.n ? 3 : 2, argv);
	stdout = keep;
	fclose(to);
	buf_put(out, text, n);
	free(text);
	return r == CMD_OK && !out->failed ? 0 : -EIO;
}

/* The settings have a page of their own. */
static struct slice without_settings(const struct buf *text)
{
	auto_buf struct buf ref;
	buf_init(&ref, HELP_MAX);
	config_reference(&ref);
	struct slice s = buf_slice(text);
	if (s.n > ref.n && memcmp(s.p + s.n - ref.n, ref.p, ref.n) == 0)
		s.n -= ref.n;
	return s;
}

static int put_verb(struct buf *out, const struct cmd_command *c, struct slice verb)
{
	auto_buf struct buf text;
	buf_init(&text, 2 * HELP_MAX);
	int r = capture(c->fn, c->name, verb, &text);
	buf_printf(out, ".PP\n.B gridhub %s %.*s\n.PP\n", c->name, SL_FMT(verb));
	put_verbatim(out, buf_slice(&text));
	return r;
}

/* Its verbs are those that its help lists. */
static int put_command(struct buf *out, const struct cmd_command *c)
{
	auto_buf struct buf text;
	buf_init(&text, 2 * HELP_MAX);
	int r = capture(c->fn, c->name, (struct slice){0}, &text);
	buf_printf(out, ".SS gridhub %s\n", c->name);
	put_verbatim(out, without_settings(&text));
	const char *list = strstr(buf_str(&text), CMD_VERBS_HEAD);
	struct slice rest = slice_of(list ? list + strlen(CMD_VERBS_HEAD) : ""), line;
	while (!r && rest.n && slice_cut(&rest, '\n', &line)) {
		struct slice verb, words = slice_trim(line);
		if (words.n && slice_cut(&words, ' ', &verb))
			r = put_verb(out, c, verb);
	}
	return r;
}

static int page_commands(struct buf *out)
{
	static const char about[] =
		"gridhub takes what cameras, sensors and bins send over MQTT, opens a case where a "
		"rule says that something is wrong,\n"
		"and alerts the leader of the grid by a signed webhook.\n"
		"Machine\\-readable output is JSON lines on standard output; what people read goes "
		"to "
		"standard error.\n";
	int r = 0;
	put_head(out, "gridhub", 1, "a hub for governing a city by grid");
	buf_puts(out, ".SH SYNOPSIS\n.B gridhub\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n");
	buf_puts(out, about);
	buf_puts(out, ".SH COMMANDS\n");
	for (size_t i = 0; !r && i < cmd_commands_count; i++)
		r = put_command(out, &cmd_commands[i]);
	buf_puts(out,
		 ".SH EXIT STATUS\n0 done, 1 failed, 2 bad usage.\n"
		 ".SH ENVIRONMENT\n.TP\n.B GRIDHUB_CONFIG\nThe configuration, unless "
		 "\\fB\\-\\-config\\fR is given.\n"
		 ".TP\n.B PGPASSWORD\nThe database's password, if there is no "
		 "database.password_file.\n"
		 ".SH FILES\n.TP\n.I " CONFIG_DEFAULT_PATH "\nThe configuration.\n"
		 ".TP\n.I /etc/gridhub/rules\nRules, schedules and the responsibility list.\n"
		 ".TP\n.I /etc/gridhub/secrets\nFiles with passwords and keys; the user gridhub "
		 "may read them.\n"
		 ".TP\n.I /var/lib/gridhub/spool\nMessages that were acknowledged and are not "
		 "all in the database yet.\n"
		 ".SH SEE ALSO\n.BR gridhub.yaml (5),\n.I /usr/share/doc/gridhub\n");
	return r;
}

/* ---- gridhub.yaml(5) ---- */

static void put_setting(struct buf *out, const struct yaml_field *f)
{
	auto_buf struct buf about;
	buf_init(&about, 4096);
	config_field_about(f, &about);
	buf_puts(out, ".TP\n.B ");
	put_escaped(out, slice_of(f->name));
	buf_putc(out, '\n');
	put_line(out, buf_slice(&about));
	if (f->help[0]) {
		buf_puts(out, ".br\n");
		put_text(out, f->help);
	}
}

static int page_settings(struct buf *out)
{
	put_head(out, "gridhub.yaml", 5, "configuration of gridhub");
	buf_puts(out,
		 ".SH DESCRIPTION\nThe configuration is YAML. Relative paths in it are relative to "
		 "its folder.\n"
		 "Secrets never stand in it: each has a file. An unknown key is an error.\n"
		 ".PP\nA duration is written like 200ms, 30s, 5m, 1h, 7d; a size like 256K, 64M, "
		 "8G.\n"
		 "\\fBgridhub check\\fR says what is wrong, by line and column.\n");
	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		const struct config_section *s = &config_sections[i];
		buf_puts(out, ".SH \"");
		put_escaped(out, slice_of(s->name[0] ? s->name : "TOP"));
		buf_puts(out, "\"\n");
		put_text(out, s->help);
		buf_puts(out, ".PP\n");
		for (size_t j = 0; j < s->n; j++)
			if (!config_is_section(&s->fields[j]))
				put_setting(out, &s->fields[j]);
	}
	buf_puts(out, ".SH FILES\n.I " CONFIG_DEFAULT_PATH "\n.SH SEE ALSO\n.BR gridhub (1)\n");
	return 0;
}

int cmd_man(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*page)(struct buf *out);
	} pages[] = {{"gridhub", page_commands}, {"gridhub.yaml", page_settings}};
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout) < 0 ? CMD_FAILED : CMD_OK;
	if (argc != 2)
		return cmd_usage("man", "expected the name of a page");
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		auto_buf struct buf out;
		buf_init(&out, (size_t)1 << 20);
		if (strcmp(argv[1], pages[i].name) != 0)
			continue;
		if (pages[i].page(&out) || out.failed)
			return CMD_FAILED;
		return fwrite(out.p, 1, out.n, stdout) == out.n ? CMD_OK : CMD_FAILED;
	}
	return cmd_usage("man", "no page \"%s\"", argv[1]);
}
