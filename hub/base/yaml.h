/*
 * yaml: a YAML file as a tree whose every node knows its line, and tables that bind maps to
 * structs.
 *
 * libyaml's document loader and not libcyaml: every error must name file, line, column, key and
 * value, and a rule's expression must be found again in its file; libcyaml keeps no positions.
 * Refused: files over 1 MiB, more than one document, aliases and anchors (they make small files
 * huge), keys twice in a map, more than 32 levels. Any thread; a document is read-only once loaded.
 */
#ifndef GRIDHUB_YAML_H
#define GRIDHUB_YAML_H

#include "base.h"

struct yaml_doc; /* owns all nodes and strings below */

enum yaml_kind { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	int line, col;		 /* 1-based; of the value's first character in the file */
	bool plain;		 /* scalar without quotes: may be a number, a bool or null */
	bool block;		 /* scalar written as | or >: its text starts on the line after */
	const char *str;	 /* scalar: NUL-terminated UTF-8 */
	size_t n;		 /* scalar: length; seq, map: count of children */
	struct yaml_node **keys; /* map: scalars */
	struct yaml_node **vals; /* map, seq */
};

#define YAML_FILE_MAX (1024 * 1024)

must_check int yaml_load_file(const char *path, struct err *e, struct yaml_doc **ret);
must_check int yaml_load(const char *name, struct slice text, struct err *e, struct yaml_doc **ret);
void yaml_doc_free(struct yaml_doc *doc);
void yaml_doc_freep(struct yaml_doc **doc);
#define auto_yaml auto_call(yaml_doc_freep)

const char *yaml_path(const struct yaml_doc *doc);
const struct yaml_node *yaml_root(const struct yaml_doc *doc); /* NULL: the file is empty */
/* Value of a key of a map; NULL when it is not there or node is no map. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
bool yaml_is_null(const struct yaml_node *node); /* plain ~, null or nothing */
/* "path:line:col: " + message into e, returns code. */
int yaml_err(const struct yaml_doc *doc, const struct yaml_node *at, struct err *e, int code,
	     const char *fmt, ...) printf_like(5, 6);

/* ---- binding a map to a struct by a table ---- */
enum yaml_type {
	YAML_T_STR,	 /* const char *, borrowed from the document (or the default) */
	YAML_T_INT,	 /* int64_t, min..max */
	YAML_T_BOOL,	 /* bool: true | false */
	YAML_T_DOUBLE,	 /* double */
	YAML_T_DURATION, /* int64_t µs, min..max: "10s", "20m" */
	YAML_T_SIZE,	 /* int64_t bytes, min..max: "64K", "10G" (powers of 1024) */
	YAML_T_ENUM,	 /* int: index into names */
	YAML_T_NODE,	 /* const struct yaml_node *: the caller reads it */
};

struct yaml_field {
	const char *name;
	enum yaml_type type;
	size_t offset;
	const char *def; /* as it would be written in the file; NULL = required, "" = unset (NULL,
			    0, false) */
	int64_t min, max;
	const char *const *names; /* YAML_T_ENUM, NULL-terminated */
	const char *help;
};

/*
 * Fill *ret from `map` (NULL = all defaults). -EINVAL with place, key, value and what was expected:
 * unknown key (with the nearest name), wrong type, out of range, missing.
 */
must_check int yaml_bind(const struct yaml_doc *doc, const struct yaml_node *map,
			 const struct yaml_field *f, size_t nf, void *ret, struct err *e);
/* The same, but every fault is handed to fault(), not only the first, and what is good is filled in
 * all the same: the rest of *ret keeps what it had. */
typedef void (*yaml_fault_fn)(void *ctx, const struct err *e);
must_check int yaml_bind_all(const struct yaml_doc *doc, const struct yaml_node *map,
			     const struct yaml_field *f, size_t nf, void *ret, yaml_fault_fn fault,
			     void *ctx);

/* One value, as the table's entry wants it; offset and default do not count. */
must_check int yaml_bind_one(const struct yaml_doc *doc, const struct yaml_node *v,
			     const struct yaml_field *f, void *ret, struct err *e);

#endif
