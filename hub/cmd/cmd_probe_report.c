/* gridhub probe: what it says. */
#include "cmd_probe.h"
#include "json.h"
#include "look.h"

#define URL_MAX 4096

void cmd_probe_json(const char *url, const struct probe_result *r, struct buf *out)
{
	auto_buf struct buf where, line;
	buf_init(&where, URL_MAX);
	buf_init(&line, PROBE_LINE_MAX);
	look_url_public(url, &where);
	probe_result_write(r, &line);
	buf_puts(out, "{\"url\":");
	json_put_str(out, buf_slice(&where));
	buf_putc(out, ',');
	buf_puts(out, buf_str(&line) + (line.n > 0)); /* without its brace */
	buf_putc(out, '\n');
}

/* ---- for people ---- */

static const char *const causes[] = {
	[PROBE_CAUSE_NONE] = "",
	[PROBE_UNRESOLVED] = "its name leads nowhere",
	[PROBE_REFUSED] = "nobody answers there",
	[PROBE_TIMEOUT] = "no answer in time",
	[PROBE_UNAUTHORISED] = "user or password",
	[PROBE_NOT_FOUND] = "no such stream",
	[PROBE_BUSY] = "busy",
	[PROBE_NO_PACKETS] = "it sends nothing",
	[PROBE_NO_KEYFRAME] = "no keyframe",
	[PROBE_BAD_DATA] = "not a stream that can be read",
	[PROBE_REDIRECTED] = "it leads elsewhere",
	[PROBE_TOO_BIG] = "too much of it",
	[PROBE_HOST_DOWN] = "its host is down",
	[PROBE_PROBER] = "not looked at",
};

static void put_times(const struct probe_times *at, struct buf *out)
{
	const struct {
		const char *name;
		int64_t us;
	} times[] = {{"resolved", at->resolved},   {"connected", at->connected},
		     {"let in", at->authorised},   {"session", at->session},
		     {"first packet", at->packet}, {"keyframe", at->keyframe}};
	const char *before = "  ";
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		if (times[i].us < 0)
			continue;
		buf_printf(out, "%s%s %.1f ms", before, times[i].name, (double)times[i].us / 1000);
		before = ", ";
	}
	buf_puts(out, before[0] == ',' ? "\n" : "");
}

static void put_stream(const struct probe_stream *s, struct buf *out)
{
	if (!s->codec[0])
		return;
	buf_printf(out, "  %s %d×%d", s->codec, s->width, s->height);
	if (s->i_per_mb >= 0)
		buf_printf(out, ", %.1f bytes a macroblock in the keyframe", s->i_per_mb);
	buf_putc(out, '\n');
	if (s->fps > 0)
		buf_printf(out,
			   "  %.1f pictures/s, %.0f kbit/s, a keyframe each %.0f, largest step of "
			   "its clock %.2f s\n",
			   s->fps, s->bitrate_kbps, s->gop, s->ts_jump_s);
}

static void put_picture(const struct probe_picture *p, struct buf *out)
{
	if (p->n)
		buf_printf(out,
			   "  brightness %.0f of 255, deviation %.1f, %.0f %% of it flat, "
			   "sharpness %.0f, noise %.0f\n",
			   p->mean, p->sd, p->flat_pct, p->sharpness, p->noise);
}

void cmd_probe_report(const char *url, const struct probe_result *r, struct buf *out)
{
	auto_buf struct buf where;
	buf_init(&where, URL_MAX);
	look_url_public(url, &where);
	bool came_far =
		r->step > PROBE_NONE && r->step < PROBE_GOT_KEYFRAME && r->depth != PROBE_REACH;
	buf_printf(out, "%s  %s", buf_str(&where), probe_state_words[r->state]);
	if (r->cause != PROBE_CAUSE_NONE)
		buf_printf(out, ": %s", causes[r->cause]);
	if (came_far && r->state != PROBE_ONLINE)
		buf_printf(out, "; it came as far as: %s", probe_step_words[r->step]);
	buf_putc(out, '\n');
	if (r->detail[0])
		buf_printf(out, "  %s\n", r->detail);
	if (r->address[0])
		buf_printf(out, "  %s\n", r->address);
	put_times(&r->at, out);
	put_stream(&r->stream, out);
	put_picture(&r->picture, out);
}
