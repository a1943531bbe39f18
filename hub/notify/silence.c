#include "silence.h"

#include "times.h"

#define SILENCE_MAX_US (366 * TIMES_DAY)
#define NAME_MAX_BYTES 256
#define BY_MAX 200
#define REASON_MAX 2000

#define AT(member) offsetof(struct silence, member)
const struct silence_text silence_texts[] = {
	{"device", AT(device), NAME_MAX_BYTES}, {"grid", AT(grid), NAME_MAX_BYTES},
	{"kind", AT(kind), NAME_MAX_BYTES},	{"rule", AT(rule), NAME_MAX_BYTES},
	{"for", AT(for_), NAME_MAX_BYTES},	{"from", AT(from), NAME_MAX_BYTES},
	{"to", AT(to), NAME_MAX_BYTES},		{"by", AT(by), BY_MAX},
	{"reason", AT(reason), REASON_MAX},
};
const size_t silence_texts_count = COUNT_OF(silence_texts);

static int check_text(const char *text, const char *name, size_t max, const char *before,
		      struct err *e)
{
	size_t n = text ? strlen(text) : 0, bad;
	if (text && !slice_trim(slice_of(text)).n)
		return err_set(e, -EINVAL, "%s%s: it is empty", before, name);
	if (n > max)
		return err_set(e, -EINVAL, "%s%s: \"%.40s…\": more than %zu bytes", before, name,
			       text, max);
	if (n && !slice_utf8_ok((struct slice){text, n}, &bad))
		return err_set(e, -EINVAL, "%s%s: not UTF-8 at byte %zu", before, name, bad);
	return 0;
}

static int check_texts(const struct silence *s, const char *before, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < COUNT_OF(silence_texts); i++) {
		const struct silence_text *t = &silence_texts[i];
		const char *text;
		memcpy(&text, (const char *)s + t->at, sizeof text);
		rc = check_text(text, t->name, t->max, before, e);
	}
	return rc;
}

static int check_given(const struct silence *s, const char *before, struct err *e)
{
	const char *b = before;
	if (!s->device && !s->grid && !s->kind && !s->rule)
		return err_set(
			e, -EINVAL,
			"%sdevice, %sgrid, %skind or %srule is needed: what is to be silent?", b, b,
			b, b);
	if (!s->by || !s->reason)
		return err_set(e, -EINVAL, "both %sby and %sreason are needed, for they are kept",
			       b, b);
	if (!s->for_ == !s->to)
		return err_set(e, -EINVAL, "%sfor or %sto is needed, one of the two", b, b);
	return 0;
}

static int take_time(const char *text, const char *name, const char *before, struct err *e,
		     int64_t *ret)
{
	if (text && times_parse(slice_of(text), ret))
		return err_set(e, -EINVAL,
			       "%s%s: \"%s\": a time was expected, 2026-11-22T18:00:00+08:00",
			       before, name, text);
	return 0;
}

static int take_times(struct silence *s, const char *before, struct err *e)
{
	int64_t for_us = 0;
	if (take_time(s->from, "from", before, e, &s->from_us) ||
	    take_time(s->to, "to", before, e, &s->to_us))
		return -EINVAL;
	if (s->for_ && (times_parse_duration(slice_of(s->for_), &for_us) || for_us <= 0 ||
			for_us > SILENCE_MAX_US))
		return err_set(e, -EINVAL, "%sfor: \"%s\": a duration up to 366d was expected",
			       before, s->for_);
	if (s->for_)
		s->to_us = s->from_us + for_us;
	if (s->to_us <= s->from_us || s->to_us - s->from_us > SILENCE_MAX_US)
		return err_set(
			e, -EINVAL,
			"%sto: \"%s\": it ends before it begins, or after more than 366 days",
			before, s->to ? s->to : s->for_);
	return 0;
}

int silence_check(struct silence *s, const char *before, int64_t now_us, struct err *e)
{
	s->from_us = now_us;
	int rc = check_texts(s, before, e);
	if (!rc)
		rc = check_given(s, before, e);
	return rc ? rc : take_times(s, before, e);
}

static struct pg_arg text_or_null(const char *s)
{
	return s ? PGA_STR(s) : PGA_NULL;
}

/* Of what was asked for by name, one is not there. */
static int no_such(const struct silence *s, struct err *e)
{
	return err_set(e, -ENOENT, "there is no %s%s%s%s%s", s->device ? "device " : "",
		       s->device ? s->device : "", s->device && s->grid ? ", or no " : "",
		       s->grid ? "grid " : "", s->grid ? s->grid : "");
}

int silence_add(struct pg *pg, int64_t district, const struct silence *s, struct err *e,
		struct pg_rows **ret)
{
	auto_rows struct pg_rows *rows = NULL;
	struct pg_arg args[] = {PGA_I(district),       text_or_null(s->device),
				text_or_null(s->grid), text_or_null(s->kind),
				text_or_null(s->rule), PGA_B(s->maintenance),
				PGA_I(s->from_us),     PGA_I(s->to_us),
				PGA_STR(s->by),	       PGA_STR(s->reason)};
	int rc = pg_query(pg, SQL_SILENCE_ADD, args, COUNT_OF(args), e, &rows);
	if (!rc && !pg_count(rows))
		rc = no_such(s, e);
	if (rc)
		return rc;
	*ret = rows;
	rows = NULL;
	return 0;
}

int silence_list(struct pg *pg, int64_t district, bool all, size_t n, struct err *e,
		 struct pg_rows **ret)
{
	struct pg_arg args[] = {PGA_I(district), PGA_B(all), PGA_I(n)};
	return pg_query(pg, SQL_SILENCE_LIST, args, COUNT_OF(args), e, ret);
}

int silence_end(struct pg *pg, int64_t district, int64_t id, const char *by, const char *before,
		struct err *e, struct pg_rows **ret)
{
	auto_rows struct pg_rows *rows = NULL;
	if (!by)
		return err_set(e, -EINVAL, "%sby is needed, for it is kept", before);
	struct pg_arg args[] = {PGA_I(district), PGA_I(id), PGA_STR(by)};
	int rc = check_text(by, "by", BY_MAX, before, e);
	if (!rc)
		rc = pg_query(pg, SQL_SILENCE_END, args, COUNT_OF(args), e, &rows);
	if (!rc && !pg_count(rows))
		rc = err_set(e, -ENOENT, "there is no such silence as %lld, or it is over",
			     (long long)id);
	if (rc)
		return rc;
	*ret = rows;
	rows = NULL;
	return 0;
}
