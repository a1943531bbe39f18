/*
 * rule_window_list: windows of the last so many values, in order of time; and what both kinds of
 * windows reckon with. Private to rule_window.c.
 */
#ifndef GRIDHUB_RULE_WINDOW_LIST_H
#define GRIDHUB_RULE_WINDOW_LIST_H

#include "rule_window.h"

struct window_shape list_shape(unsigned of_values);
void list_add(const struct window_shape *w, void *list, int64_t at_us, double v);
bool list_get(const struct window_shape *w, const void *list, enum window_stat stat, double percent,
	      int64_t at_us, double *ret);
bool list_valid(const struct window_shape *w, const void *list);

/* Linear between the two values around it; sorts v. */
double list_percentile(double *v, size_t n, double percent);
/* A second; false: no time went by. */
bool list_rate(double delta, int64_t us, double *ret);

#endif
