#include "cmd_registry.h"

#include <getopt.h>
#include <unistd.h>

#include "duty.h"
#include "import_store.h"
#include "json.h"
#include "migrate.h"
#include "rule.h"
#include "times.h"

#define WARNINGS_MAX 10
#define PROGRESS_ROWS 10000 /* files of more rows say how far they are */

/* A million rows take their time; a person waits for them, and nothing else does. */
#define IMPORT_TIMEOUT_US (10 * TIMES_MIN)

static int find_district(const struct config *c, struct pg *p, int64_t *ret_district)
{
	struct err e = {0};
	if (migrate_check(p, &e) || migrate_district(p, c->district, ret_district, &e))
		return cmd_fail(&e);
	return CMD_OK;
}

int cmd_open_district(const char *config_path, struct config **ret_config, struct pg **ret_pg,
		      int64_t *ret_district)
{
	int rc = cmd_open(config_path, ret_config, ret_pg);
	return rc ? rc : find_district(*ret_config, *ret_pg, ret_district);
}

void cmd_session_close(struct cmd_session *s)
{
	pg_close(s->pg);
	config_free(s->conf);
}

int cmd_holidays(const struct config *c, int64_t at_us, struct buf *out)
{
	struct rules *rules = NULL;
	struct rule_report report;
	int rc = CMD_OK;
	rule_report_init(&report);
	if (rules_load(c->rules.dir, &report, &rules)) {
		fprintf(stderr, "%sgridhub: the rules cannot be read, so holidays are not known\n",
			buf_str(&report.errors));
		rc = CMD_FAILED;
	}
	duty_holidays(rules ? rules_calendar(rules) : NULL, c->time_zone, at_us, out);
	rule_report_done(&report);
	rules_unref(rules);
	return rc;
}

/* As cmd_open_district, with time for large statements. */
static int open_for_import(const char *config_path, struct config **ret_config, struct pg **ret_pg,
			   int64_t *ret_district)
{
	struct err e = {0};
	if (config_load(cmd_config_path(config_path), &e, ret_config))
		return cmd_fail(&e);
	const struct config *c = *ret_config;
	const struct pg_conf conf = {.conninfo = c->database.conninfo,
				     .password_file = c->database.password_file,
				     .app_name = "gridhub import",
				     .timeout_us = IMPORT_TIMEOUT_US};
	if (pg_open(&conf, &e, ret_pg))
		return cmd_fail(&e);
	return find_district(c, *ret_pg, ret_district);
}

/* ---- import ---- */

struct import_options {
	char name[32]; /* of the command */
	const char *config, *file;
	enum import_format format;
	bool format_given, partial;
};

static void put_import_help(const struct import_kind *kind, struct buf *out)
{
	buf_printf(out,
		   "usage: gridhub %s import FILE [--format csv|jsonl] [--partial] [--config "
		   "FILE]\n\n"
		   "Insert or update %ss from CSV with a header row, or JSON lines (FILE ends in "
		   ".jsonl\n"
		   "or .ndjson); \"-\" is stdin. With any bad line nothing is written, and all "
		   "faults\n"
		   "are listed. Columns that the file does not have keep their value.\n\n"
		   "  --format F   csv or jsonl, whatever FILE is called\n"
		   "  --partial    write the good lines and refuse only the bad ones (exit status "
		   "0)\n"
		   "  --config FILE\n\nColumns (* must be there):\n",
		   kind->what, kind->what);
	for (size_t i = 0; i < kind->ncolumns; i++)
		buf_printf(out, "  %-10s %c  %s\n", kind->columns[i].name,
			   kind->columns[i].required ? '*' : ' ', kind->columns[i].help);
}

static int read_format(const struct cmd_option *option, const char *text, void *into)
{
	static const char *const names[] = {[IMPORT_CSV] = "csv", [IMPORT_JSONL] = "jsonl"};
	struct import_options *o = into;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			o->format = (enum import_format)i;
			o->format_given = true;
			return CMD_OK;
		}
	}
	return cmd_usage(o->name, "--%s \"%s\": expected csv or jsonl", option->name, text);
}

static enum import_format format_of(const char *file)
{
	static const char *const endings[] = {".jsonl", ".ndjson", ".json"};
	for (size_t i = 0; i < COUNT_OF(endings); i++)
		if (slice_ends(slice_of(file), endings[i]))
			return IMPORT_JSONL;
	return IMPORT_CSV;
}

static const struct cmd_option import_options[] = {
	{"format", CMD_READ, .read = read_format},
	{"partial", CMD_FLAG, .at = offsetof(struct import_options, partial)},
};

/* -1 = go on, else exit with it. */
static int parse_import(const struct import_kind *kind, int argc, char **argv,
			struct import_options *o)
{
	auto_buf struct buf help;
	buf_init(&help, 16384);
	put_import_help(kind, &help);
	snprintf(o->name, sizeof o->name, "%s import", kind->what);
	const struct cmd_takes takes = {.name = o->name,
					.help = buf_str(&help),
					CMD_TAKES_OPTIONS(import_options),
					.arg = "one FILE, or - for stdin,"};
	int r = cmd_parse(&takes, argc, argv, o, &o->config);
	if (r >= 0)
		return r;
	o->file = argv[optind];
	if (!o->format_given)
		o->format = format_of(o->file);
	return -1;
}

static int read_file(const char *file, char **ret, size_t *ret_n, struct err *e)
{
	if (strcmp(file, "-") != 0)
		return file_read(file, IMPORT_FILE_MAX, ret, ret_n, e);
	struct buf b;
	buf_init(&b, IMPORT_FILE_MAX + 65537); /* room for the read that finds it too long */
	buf_puts(&b, "");
	int rc = cmd_read_stdin(IMPORT_FILE_MAX, &b, e);
	if (rc || !b.p) {
		buf_done(&b);
		return rc ? rc : err_set(e, -ENOMEM, "stdin: out of memory");
	}
	*ret = b.p;
	*ret_n = b.n;
	return 0;
}

static void progress(const struct import *im, const char *what)
{
	if (im->nrows >= PROGRESS_ROWS)
		fprintf(stderr, "gridhub: %s: %s %zu rows\n", im->file, what, im->nrows);
}

static int report(struct import *im, const struct import_counts *c, bool partial)
{
	auto_buf struct buf text;
	buf_init(&text, (size_t)4 * 1024 * 1024);
	import_errors_write(im, &text);
	fputs(buf_str(&text), stderr);
	if (im->errors_all && !partial)
		fprintf(stderr,
			"gridhub: %s: nothing was written (--partial writes the good lines)\n",
			im->file);
	printf("{\"inserted\":%zu,\"updated\":%zu,\"unchanged\":%zu,\"refused\":%zu}\n",
	       c->inserted, c->updated, c->unchanged, c->refused);
	return im->errors_all && !partial ? CMD_FAILED : CMD_OK;
}

/* Alerts for an endpoint that the configuration does not name would be dead from the start. */
static void warn_of_endpoints(const struct import *im, const struct config *c)
{
	int at = import_column_find(im->kind, SL("endpoint"));
	size_t missing = 0;
	for (size_t i = 0; at >= 0 && i < im->nrows; i++) {
		const struct import_row *row = &im->rows[i];
		struct slice name = row->cell[at];
		if (row->bad || !name.n || config_endpoint(c, name) || missing++ >= WARNINGS_MAX)
			continue;
		fprintf(stderr,
			"gridhub: %s:%zu: warning: the configuration has no endpoint \"%.*s\"\n",
			im->file, row->line, SL_FMT(name));
	}
	if (missing > WARNINGS_MAX)
		fprintf(stderr, "gridhub: %s: and %zu such warnings more\n", im->file,
			missing - WARNINGS_MAX);
}

static int import_text(const struct import_kind *kind, const struct import_options *o, char *text,
		       size_t n)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	auto_import struct import im;
	struct import_counts counts = {0};
	struct err e = {0};
	int64_t district = 0;
	import_init(&im, kind, strcmp(o->file, "-") == 0 ? "stdin" : o->file);
	if (import_read(&im, o->format, text, n, &e))
		return cmd_fail(&e);
	progress(&im, "read");
	if (!im.nrows && im.errors_all) { /* no header that can be read by */
		report(&im, &counts, false);
		return CMD_FAILED;
	}
	int rc = open_for_import(o->config, &c, &p, &district);
	if (rc)
		return rc;
	if (import_store(&im, p, district, o->partial, &counts, &e))
		return cmd_fail(&e);
	progress(&im, "checked and written");
	warn_of_endpoints(&im, c);
	return report(&im, &counts, o->partial);
}

int cmd_import(const struct import_kind *kind, int argc, char **argv)
{
	struct import_options o = {.file = "-"};
	struct err e = {0};
	auto_free char *text = NULL;
	size_t n = 0;
	int rc = parse_import(kind, argc, argv, &o);
	if (rc >= 0)
		return rc;
	if (read_file(o.file, &text, &n, &e))
		return cmd_fail(&e);
	return import_text(kind, &o, text, n);
}

/* ---- lists ---- */

/* PostgreSQL's \x… as a JSON string; what is no UTF-8 in it becomes U+FFFD. */
static void put_payload(struct buf *out, struct slice hex)
{
	auto_buf struct buf bytes;
	buf_init(&bytes, hex.n);
	pg_put_bytea(hex, &bytes);
	json_put_str(out, buf_slice(&bytes));
}

static void put_line(struct buf *out, const struct pg_rows *rows, size_t i, bool payload)
{
	struct slice object = pg_slice(rows, i, 0);
	if (payload && object.n)
		object.n--; /* the closing brace */
	buf_put_slice(out, object);
	if (payload) {
		buf_puts(out, ", \"payload\" : ");
		put_payload(out, pg_slice(rows, i, 1));
		buf_putc(out, '}');
	}
	buf_putc(out, '\n');
}

int cmd_print_json(const char *config_path, enum sql_id id, struct pg_arg *args, size_t nargs,
		   const char *none)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *pg = NULL;
	auto_rows struct pg_rows *rows = NULL;
	struct err e = {0};
	int64_t district = 0;
	int r = cmd_open_district(config_path, &c, &pg, &district);
	if (r)
		return r;
	args[0] = PGA_I(district);
	if (pg_query(pg, id, args, nargs, &e, &rows))
		return cmd_fail(&e);
	if (none && !pg_count(rows)) {
		err_set(&e, -ENOENT, "%s", none);
		return cmd_fail(&e);
	}
	for (size_t i = 0; i < pg_count(rows); i++)
		puts(pg_str(rows, i, 0));
	return CMD_OK;
}

int cmd_print_rows(struct pg *p, enum sql_id id, const struct pg_arg *args, size_t nargs)
{
	auto_rows struct pg_rows *rows = NULL;
	auto_buf struct buf line = {0};
	struct err e = {0};
	bool payload = id == SQL_REGISTRY_LIST_UNKNOWN || id == SQL_REGISTRY_LIST_REJECTED;
	if (pg_query(p, id, args, nargs, &e, &rows))
		return cmd_fail(&e);
	buf_init(&line, 1024 * 1024);
	for (size_t i = 0; i < pg_count(rows); i++) {
		buf_reset(&line);
		put_line(&line, rows, i, payload);
		if (line.failed || fwrite(line.p, 1, line.n, stdout) != line.n)
			return CMD_FAILED;
	}
	return CMD_OK;
}

int cmd_print_all(const struct cmd_takes *takes, enum sql_id id, int argc, char **argv)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	const char *config = NULL;
	int64_t district = 0;
	int r = cmd_parse(takes, argc, argv, NULL, &config);
	if (r >= 0)
		return r;
	r = cmd_open_district(config, &c, &p, &district);
	const struct pg_arg arg = PGA_I(district);
	return r ? r : cmd_print_rows(p, id, &arg, 1);
}
