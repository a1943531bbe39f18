/*
 * cel_func: the functions of the language, a table. An argument that is an error never gets here.
 */
#ifndef GRIDHUB_CEL_FUNC_H
#define GRIDHUB_CEL_FUNC_H

#include "cel_value.h"

#define CEL_ARGS_MAX 2

struct cel_func {
	const char *name;
	unsigned min, max;		     /* arguments, the target of a method among them */
	bool global, method;		     /* size(x), x.size() */
	uint32_t takes[CEL_ARGS_MAX], gives; /* CEL_BIT()s; others never get to fn */
	struct cel_value (*fn)(struct cel_room *room, const struct cel_value *args, unsigned n);
};

extern const struct cel_func cel_funcs[];
extern const size_t cel_funcs_count;

struct cel_regex;
/* Is the pattern found in the text? Takes steps of the room, at most CEL_MATCH_STEPS. */
#define CEL_MATCH_STEPS 40000
struct cel_value cel_match(struct cel_room *room, const struct cel_regex *re, struct slice text);

/* Index of the function with that name and form; -1: none. */
int cel_func_find(struct slice name, bool method);
/* How a macro, or a function of the other form, is written: "x.all(name, condition)"; NULL: there
 * is none of that name. */
const char *cel_func_usage(struct slice name, bool method);
/* The nearest name of that form, NULL if none is near. */
const char *cel_func_nearest(struct slice name, bool method);

#endif
