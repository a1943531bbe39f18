#include "cmd_options.h"

#include <assert.h>
#include <getopt.h>

#include "times.h"

enum { O_HELP = 256, O_CONFIG, O_TABLE }; /* beyond all letters */

static int take(const struct cmd_takes *t, const struct cmd_option *o, void *into)
{
	static const bool yes = true;
	int64_t v = 0;
	const char *text = optarg;
	char *at = (char *)into + o->at;
	switch (o->type) {
	case CMD_FLAG:
		memcpy(at, &yes, sizeof yes);
		return CMD_OK;
	case CMD_TEXT:
		if (!text[0])
			return cmd_usage(t->name, "--%s: an option with an empty value", o->name);
		memcpy(at, &text, sizeof text);
		return CMD_OK;
	case CMD_NUMBER:
		if (slice_to_i64(slice_of(text), &v) || v < 1 || v > o->max)
			return cmd_usage(t->name, "--%s %s: expected a number from 1 to %lld",
					 o->name, text, (long long)o->max);
		break;
	case CMD_TIME:
		if (times_parse(slice_of(text), &v))
			return cmd_usage(t->name,
					 "--%s %s: a time was expected, 2026-11-22T18:00:00+08:00",
					 o->name, text);
		break;
	case CMD_READ:
		return o->read(o, text, at);
	}
	memcpy(at, &v, sizeof v);
	return CMD_OK;
}

static int check_rest(const struct cmd_takes *t, int argc, char **argv)
{
	int given = argc - optind, most = t->arg != NULL;
	if (t->many || given == most || (!given && t->optional))
		return -1;
	if (given < most)
		return cmd_usage(t->name, "%s was expected", t->arg);
	return cmd_usage(t->name, "unexpected \"%s\"", argv[optind + most]);
}

/* What getopt stopped at: optopt is 0 for a word, else what that option returns, or its letter. */
static int bad_option(const struct cmd_takes *t, int o, char **argv)
{
	const char *word = argv[optind - 1];
	if (o == ':')
		return cmd_usage(t->name, "%s needs a value", word);
	if (!optopt)
		return cmd_usage(t->name, "no option %s, or more than one that begins so", word);
	if (optopt >= O_HELP)
		return cmd_usage(t->name, "%s: this option takes no value", word);
	if (optopt > ' ' && optopt < 0x7F)
		return cmd_usage(t->name, "no option -%c", optopt);
	return cmd_usage(t->name, "no option of one letter that is no ASCII; is it another dash?");
}

int cmd_parse(const struct cmd_takes *t, int argc, char **argv, void *into, const char **ret_config)
{
	struct option options[CMD_OPTIONS_MAX + 3] = {{"help", no_argument, NULL, O_HELP}};
	size_t n = 1;
	if (ret_config)
		options[n++] = (struct option){"config", required_argument, NULL, O_CONFIG};
	for (size_t i = 0; i < t->n && i < CMD_OPTIONS_MAX; i++)
		options[n++] = (struct option){t->options[i].name,
					       t->options[i].type == CMD_FLAG ? no_argument
									      : required_argument,
					       NULL, O_TABLE + (int)i};
	int o;
	optind = 0; /* the verbs have been walked past */
	while ((o = getopt_long(argc, argv, ret_config ? ":hc:" : ":h", options, NULL)) != -1) {
		if (o == '?' || o == ':')
			return bad_option(t, o, argv);
		if (o == O_HELP || o == 'h') {
			fputs(t->help, stdout); /* main looks whether it could be written */
			return CMD_OK;
		}
		if (o == O_CONFIG || o == 'c') {
			assert(ret_config);
			*ret_config = optarg;
		} else if (take(t, &t->options[o - O_TABLE], into)) {
			return CMD_USAGE;
		}
	}
	return check_rest(t, argc, argv);
}

int cmd_number(const struct cmd_takes *t, const char *text, int64_t *ret)
{
	if (slice_to_i64(slice_of(text), ret) || *ret < 1)
		return cmd_usage(t->name, "\"%s\": %s was expected", text, t->arg);
	return CMD_OK;
}

struct pg_arg cmd_text_or_null(const char *s)
{
	return s ? PGA_STR(s) : PGA_NULL;
}

struct pg_arg cmd_number_or_null(int64_t v)
{
	return v ? PGA_I(v) : PGA_NULL;
}
