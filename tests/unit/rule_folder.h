/* A folder of rules that a test writes, loads and removes. */
#ifndef GRIDHUB_TESTS_RULE_FOLDER_H
#define GRIDHUB_TESTS_RULE_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rule_run.h"

struct folder {
	char path[64];
	struct rule_report report;
	struct rules *set;
};

static void folder_new(struct folder *f)
{
	snprintf(f->path, sizeof f->path, "/tmp/test_rules.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	rule_report_init(&f->report);
	f->set = NULL;
}

static void folder_put(const struct folder *f, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", f->path, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
	fclose(out);
}

/* What rules_load says; the report has the rest. */
static int folder_load(struct folder *f)
{
	return rules_load(f->path, &f->report, &f->set);
}

static void folder_done(struct folder *f)
{
	char path[512];
	DIR *dir = opendir(f->path);
	assert_non_null(dir);
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		snprintf(path, sizeof path, "%s/%s", f->path, d->d_name);
		if (d->d_name[0] != '.')
			unlink(path);
	}
	closedir(dir);
	assert_int_equal(rmdir(f->path), 0);
	rules_unref(f->set);
	rule_report_done(&f->report);
}

#endif
