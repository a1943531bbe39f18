#include "rule_place.h"

struct walk {
	struct slice text;
	size_t at;
	struct place p;
};

static void step(struct walk *w)
{
	if (w->text.p[w->at] == '\n') {
		w->p.line++;
		w->p.col = 1;
	} else if (((unsigned char)w->text.p[w->at] & 0xC0) != 0x80) {
		w->p.col++;
	}
	w->at++;
}

static bool walk_blank(const struct walk *w)
{
	return w->at < w->text.n && strchr(" \t\r\n", w->text.p[w->at]) && w->text.p[w->at];
}

/* To where the value's own text begins: past the quote, or past the line of the | or >. */
static void walk_to_value(struct walk *w, const struct yaml_node *v)
{
	while (w->at < w->text.n && (w->p.line < v->line || w->p.col < v->col))
		step(w);
	if (v->block) {
		while (w->at < w->text.n && w->p.line == v->line)
			step(w);
	} else if (!v->plain && w->at < w->text.n) {
		step(w);
	}
}

/* Both are walked side by side: a value's blank stands for any run of blanks in the file (folding,
 * indentation), and a quoted value may have a backslash or a second quote before its character. */
struct place rule_place(struct slice text, const struct yaml_node *v, size_t offset)
{
	struct walk w = {.text = text, .p = {.line = 1, .col = 1}};
	walk_to_value(&w, v);
	for (size_t i = 0; i <= offset && i <= v->n; i++) {
		char c = i < v->n ? v->str[i] : '\0';
		bool blank = c == ' ' || c == '\n' || c == '\t';
		if (!blank && c)
			while (walk_blank(&w))
				step(&w);
		if (w.at + 1 < w.text.n && !v->plain && !v->block && c && w.text.p[w.at] != c &&
		    w.text.p[w.at + 1] == c)
			step(&w);
		if (i == offset || i == v->n)
			break;
		if (w.at < w.text.n && (!blank || walk_blank(&w)))
			step(&w);
	}
	w.p.at = w.at;
	return w.p;
}
